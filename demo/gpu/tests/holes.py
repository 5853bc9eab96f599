#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of holes.py, with memory of this process: TAP on standard output."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "holes.py")
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tests", "tap"))
from tap import begin, end, ok  # pylint: disable=wrong-import-position

PAGE = 4096
PAGES = 6


def mark():
    """As the program in C has it"""
    with open(os.path.join(HERE, "..", "src", "holes.h"), encoding="utf-8") as f:
        return re.search(r'#define HOLES_MARK +"(.*)"', f.read()).group(1).encode()


def memory(parts):
    fd = os.memfd_create("test")
    os.write(fd, b"".join(parts))
    return fd


def begun(folder, pid):
    with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as f:
        f.write(f"999999999\n{pid}\n")
    return subprocess.Popen([sys.executable, "-B", PROGRAM, "--every", "0.01", folder], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(child):
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    return child.returncode, out + err


def finds(folder):
    full = b"\xa5" * PAGE
    head = (mark() + b"%d\n" % PAGES).ljust(PAGE, b"\0")
    other = memory([full] * 4)
    fd = memory([full, full, head] + [full] * (PAGES + 2))
    holes = set()
    with begun(folder, os.getpid()) as child:
        for _ in range(3000):
            for n in range(os.fstat(fd).st_size // PAGE):
                if os.pread(fd, PAGE, n * PAGE) == bytes(PAGE):
                    holes.add(n)
            if len(holes) >= PAGES:
                break
            time.sleep(0.01)
        status, said = ended(child)
    ok(status == 0 and re.match(r"\d+ holes of \d+ pages were punched\n$", said), "it says what it did", said)
    ok(holes == set(range(3, 3 + PAGES)), "each page after the mark has had a hole, and no other", holes)
    ok(os.pread(fd, PAGE, 2 * PAGE) == head, "the mark is still there")
    ok(os.fstat(fd).st_size == (PAGES + 5) * PAGE, "... and all of the file")
    ok(os.pread(other, 4 * PAGE, 0) == full * 4, "a file without a mark is as it was")
    os.close(fd)
    os.close(other)


def finds_nothing(folder):
    other = memory([b"\xa5" * PAGE])
    with begun(folder, os.getpid()) as child:
        time.sleep(1)
        ok(child.poll() is None, "it waits where there is none")
        status, said = ended(child)
    ok(status == 1, "... and says so in the end", said)
    os.close(other)
    with subprocess.Popen([sys.executable, "-B", PROGRAM, os.path.join(folder, "none")], stderr=subprocess.PIPE) as child:
        _, said = child.communicate(timeout=60)
    ok(child.returncode == 2 and b"No such file" in said, "a cgroup that is not there", said)


def main():
    begin("holes")
    with tempfile.TemporaryDirectory() as folder:
        finds(folder)
        finds_nothing(folder)
    return end()


if __name__ == "__main__":
    sys.exit(main())
