#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A viewer of xenlend-gpu --view that looks at what it is shown, for tests.

    viewer.py unix:PATH|HOST:PORT --expect SUMS [--crop WxH] [--least N] [--raw]
    viewer.py unix:PATH|HOST:PORT --stuck | --browser

It looks until the other end closes, and then says what it has seen.

    --expect SUMS     what waves --sums wrote: a picture that is none of these is an error, but before the first that is
                      one, and after the last
    --crop WxH        what is in the middle of each
    --least N         so many different ones of these must have been seen (1)
    --raw             without compression
    --stuck           a viewer that asks for pictures and reads none: until it is sent away
    --browser         what a browser says that wants to look: it must not be shown anything

Exit status: 0; 1 if something is wrong; 2 if there is nobody to connect to, or who is there does not talk RFB.
"""
import argparse
import os
import select
import socket
import struct
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import animation  # pylint: disable=wrong-import-position

RAW, ZLIB, DESKTOP_SIZE = 0, 6, -223


class Closed(Exception):
    """The other end has."""


class Viewer:
    """RFB 3.8 (RFC 6143), as much of it as is needed."""

    def __init__(self, address):
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address[5:])
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host.strip("[]"), int(port)))
        self.unpack = zlib.decompressobj()
        self.width = self.height = 0
        self.pixels = bytearray()

    def read(self, length):
        got = bytearray()
        while len(got) < length:
            part = self.socket.recv(min(length - len(got), 1 << 20))
            if not part:
                raise Closed
            got += part
        return bytes(got)

    def fields(self, form):
        return struct.unpack(form, self.read(struct.calcsize(form)))

    def greet(self, encodings):
        if self.read(12) != b"RFB 003.008\n":
            raise animation.Broken("this is no RFB 3.8")
        self.socket.sendall(b"RFB 003.008\n")
        if 1 not in self.read(self.fields(">B")[0]):
            raise animation.Broken("it wants a password")
        self.socket.sendall(b"\1")
        if self.fields(">I")[0]:
            raise animation.Broken("it refuses")
        self.socket.sendall(b"\1")
        width, height = self.fields(">HH16x")
        name = self.read(self.fields(">I")[0]).decode()
        self.resize(width, height)
        # 0x00RRGGBB, little-endian
        self.socket.sendall(struct.pack(">B3x4B3H3B3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.socket.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
        return name

    def resize(self, width, height):
        self.width, self.height = width, height
        self.pixels = bytearray(4 * width * height)

    def ask(self, incremental):
        self.socket.sendall(struct.pack(">BB4H", 3, incremental, 0, 0, self.width, self.height))

    def rectangle(self):
        """Whether the picture has another size now"""
        x, y, w, h, encoding = self.fields(">4Hi")
        if encoding == DESKTOP_SIZE:
            self.resize(w, h)
            return True
        if x + w > self.width or y + h > self.height:
            raise animation.Broken(f"{w}x{h} pixels at {x},{y} of {self.width}x{self.height}")
        if encoding == RAW:
            lines = self.read(4 * w * h)
        elif encoding == ZLIB:
            lines = self.unpack.decompress(self.read(self.fields(">I")[0]))
        else:
            raise animation.Broken(f"encoding {encoding} is none that it was asked for")
        if len(lines) != 4 * w * h:
            raise animation.Broken("too few pixels, or too many")
        for i in range(h):
            at = 4 * ((y + i) * self.width + x)
            self.pixels[at:at + 4 * w] = lines[4 * w * i:4 * w * (i + 1)]
        return False

    def update(self):
        """Waits for the next change of the picture; whether it has another size now."""
        while True:
            kind = self.fields(">B")[0]
            if kind == 0:
                rectangles, = self.fields(">xH")
                return any([self.rectangle() for _ in range(rectangles)])
            if kind == 3:
                self.read(self.fields(">3xI")[0])
            elif kind != 2:
                raise animation.Broken(f"a message {kind}")

    def rgb(self):
        out = bytearray(3 * self.width * self.height)
        for i in range(3):
            out[i::3] = self.pixels[2 - i::4]
        return bytes(out)


def look(viewer, a, known):
    """Numbers of the expected pictures that it has seen, and what was wrong with others"""
    seen, wrong, kept, count, sizes = {}, [], 0, 0, 1
    name = viewer.greet([RAW, DESKTOP_SIZE] if a.raw else [ZLIB, RAW, DESKTOP_SIZE])
    print(f"it shows '{name}', {viewer.width} x {viewer.height}", flush=True)
    try:
        resized = True
        while True:
            viewer.ask(0 if resized else 1)
            resized = viewer.update()
            if resized:
                sizes += 1
                continue
            count += 1
            pixels, shape = viewer.rgb(), a.crop or (viewer.width, viewer.height)
            if shape[0] > viewer.width or shape[1] > viewer.height:
                continue
            s = animation.sum_of(animation.cropped(viewer.width, viewer.height, pixels, shape))
            if s in known:
                if not seen:
                    print("the first expected picture", flush=True)
                seen.setdefault(s, known[s])
                kept = len(wrong)
            elif seen:
                wrong.append(f"picture {count}: {s:08x} is none of those of {a.expect}")
    except (Closed, ConnectionError):
        pass
    print(f"{count} pictures of {sizes} sizes, {len(seen)} different ones of {len(known)} that are expected, {kept} wrong")
    return seen, wrong[:kept]


def stuck(viewer):
    viewer.greet([RAW, DESKTOP_SIZE])
    viewer.socket.setblocking(False)
    asked = 0
    try:
        while asked < 100000:
            viewer.ask(0)
            asked += 1
    except BlockingIOError:
        pass
    except ConnectionError:
        print("sent away at once")
        return
    print(f"asked {asked} times, reading nothing", flush=True)
    poll = select.poll()
    poll.register(viewer.socket, 0)
    poll.poll()
    print("sent away")


def browser(viewer):
    """All that it gets"""
    got = b""
    try:
        viewer.socket.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        while len(got) < 1 << 20:
            # the version, masked with zeros, and the choice of no password: what a page would say next
            viewer.socket.sendall(b"\x82\x8c\0\0\0\0RFB 003.008\n\x82\x81\0\0\0\0\1\x82\x81\0\0\0\0\1" if b"RFB" in got else b"")
            part = viewer.socket.recv(4096)
            if not part:
                break
            got += part
            if b"domain" in got:
                break
    except ConnectionError:
        pass
    return got


def main(argv):
    p = argparse.ArgumentParser(prog="viewer.py", description=__doc__, usage=argparse.SUPPRESS, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kwargs in {
            "--expect": {}, "--crop": {"type": animation.size}, "--least": {"type": animation.between(0, 10 ** 6), "default": 1},
            "--raw": {"action": "store_true"}, "--stuck": {"action": "store_true"}, "--browser": {"action": "store_true"},
            "ADDRESS": {}}.items():
        p.add_argument(name, help=argparse.SUPPRESS, **kwargs)
    a = p.parse_args(argv)
    if not a.expect and not a.stuck and not a.browser:
        p.error("--expect, --stuck or --browser")
    try:
        known = {}
        if a.expect:
            with open(a.expect, encoding="utf-8") as f:
                known = animation.sums(f.read())
        viewer = Viewer(a.ADDRESS)
        if a.stuck:
            stuck(viewer)
            return 0
        if a.browser:
            got = browser(viewer)
            print(f"a browser gets {len(got)} bytes{', the display' if b'domain' in got else ''}")
            return 1 if b"domain" in got else 0
        seen, wrong = look(viewer, a, known)
        print(*wrong, sep="\n", end="\n" if wrong else "")
        return 1 if wrong or len(seen) < a.least else 0
    except (animation.Broken, ValueError, Closed) as e:
        print(f"viewer.py: {str(e) or 'the other end has closed'}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"viewer.py: {a.ADDRESS}: {e.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
