#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Punches holes in the memory that waves --holes has in a guest: in the file of the renderer's that it is.

    holes.py CGROUP [--every SECONDS]

It looks at the files in memory (memfd) that the processes of CGROUP have, until one has the mark of waves, and then
punches some pages of those behind the mark every so often (0.1), at random.  SIGTERM ends it: it says what it did.

Exit status: 0; 1 if there was no such memory; 2 if a hole could not be punched, or something is missing.
"""
import argparse
import ctypes
import os
import random
import signal
import sys
import time

PAGE = 4096
MARK = b"waves --holes: may be punched, pages after this one: "
KEEP_SIZE, PUNCH_HOLE = 1, 2
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Ended(Exception):
    """By SIGTERM"""


def punch(fd, offset, length):
    if libc.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, offset, length):
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))


def marked(fd):
    """(where the pages begin, how many), or None"""
    for at in range(0, os.fstat(fd).st_size, PAGE):
        head = os.pread(fd, len(MARK) + 8, at)
        if head.startswith(MARK):
            return at + PAGE, int(head[len(MARK):].split(b"\n")[0])
    return None


def find(cgroup):
    """(an open file, where its pages begin, how many), or None"""
    with open(os.path.join(cgroup, "cgroup.procs"), encoding="ascii") as f:
        processes = f.read().split()
    seen = set()
    for folder in (f"/proc/{p}/fd" for p in processes):
        try:
            names = [os.path.join(folder, n) for n in os.listdir(folder)]
        except OSError:     # it has ended
            continue
        for name in names:
            try:
                if not os.readlink(name).startswith("/memfd:") or os.stat(name).st_ino in seen:
                    continue
                seen.add(os.stat(name).st_ino)
                fd = os.open(name, os.O_RDWR | os.O_CLOEXEC)
            except OSError:     # closed meanwhile, or only for reading
                continue
            found = marked(fd)
            if found:
                return fd, *found
            os.close(fd)
    return None


def run(cgroup, every):
    holes = pages = 0
    found = None
    try:
        while not found:
            found = find(cgroup)
            time.sleep(every)
        fd, start, n = found
        while True:
            first = random.randrange(n)
            some = random.randint(1, min(4, n - first))
            punch(fd, start + first * PAGE, some * PAGE)
            holes += 1
            pages += some
            time.sleep(every)
    except Ended:
        pass
    if not found:
        print("holes.py: there was no memory with the mark of waves --holes", file=sys.stderr)
        return 1
    print(f"{holes} holes of {pages} pages were punched")
    return 0


def main(argv):
    p = argparse.ArgumentParser(prog="holes.py", description=__doc__, usage=argparse.SUPPRESS, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--every", type=float, default=0.1, help=argparse.SUPPRESS)
    p.add_argument("CGROUP", help=argparse.SUPPRESS)
    a = p.parse_args(argv)

    def ended(*_):
        raise Ended
    try:
        signal.signal(signal.SIGTERM, ended)
        return run(a.CGROUP, a.every)
    except Ended:
        return 1
    except OSError as e:
        print(f"holes.py: {a.CGROUP}: {e.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
