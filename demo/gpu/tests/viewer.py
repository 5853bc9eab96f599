#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of viewer.py, with servers that do as they are told: TAP on standard output."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "viewer.py")
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tests", "tap"))
from tap import begin, end, ok  # pylint: disable=wrong-import-position


def picture(width, height, seed):
    """Its pixels as blue, green, red and a byte of no meaning"""
    return b"".join(struct.pack("<I", (i * 2654435761 + seed * 40503) & 0xffffffff) for i in range(width * height))


def sum_of(pixels):
    return zlib.crc32(b"".join(bytes((pixels[i + 2], pixels[i + 1], pixels[i], 255)) for i in range(0, len(pixels), 4)))


class Server:
    """Talks to one viewer; script gets it after the greeting."""

    def __init__(self, folder, script, width=8, height=6, greeting=b"RFB 003.008\n", security=b"\1\1"):
        self.path = os.path.join(folder, "socket")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.script, self.width, self.height = script, width, height
        self.greeting, self.security = greeting, security
        self.pack = zlib.compressobj()
        self.asked = []
        self.connection = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def read(self, length):
        got = b""
        while len(got) < length:
            part = self.connection.recv(length - len(got))
            if not part:
                raise ConnectionError
            got += part
        return got

    def serve(self):
        self.connection, _ = self.listener.accept()
        with self.connection:
            try:
                self.connection.sendall(self.greeting)
                if self.read(12) != b"RFB 003.008\n":
                    return
                self.connection.sendall(self.security)
                if self.read(1) != b"\1":
                    return
                self.connection.sendall(bytes(4))
                self.read(1)
                self.connection.sendall(struct.pack(">HH16sI4s", self.width, self.height, bytes(16), 4, b"name"))
                if self.read(20)[4:7] != bytes((32, 24, 0)):
                    return
                number, = struct.unpack(">xxH", self.read(4))
                self.read(4 * number)
                self.script(self)
                self.wait()  # what it has been sent it has looked at
            except ConnectionError:
                pass

    def wait(self):
        """For the viewer to ask"""
        kind, incremental, x, y, w, h = struct.unpack(">BB4H", self.read(10))
        self.asked.append((kind, incremental, x, y, w, h))

    def send(self, *rectangles):
        self.connection.sendall(struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles))

    def raw(self, x, y, w, h, pixels):
        return struct.pack(">4Hi", x, y, w, h, 0) + pixels

    def zlib(self, x, y, w, h, pixels):
        packed = self.pack.compress(pixels) + self.pack.flush(zlib.Z_SYNC_FLUSH)
        return struct.pack(">4HiI", x, y, w, h, 6, len(packed)) + packed

    def size(self, w, h):
        return struct.pack(">4Hi", 0, 0, w, h, -223)


def run(folder, *args, server=None):
    address = "unix:" + (server.path if server else os.path.join(folder, "nobody"))
    p = subprocess.run([sys.executable, "-B", PROGRAM, address, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, check=False, timeout=120)
    if server:
        server.listener.close()
    return p.returncode, p.stdout


def looks(folder):
    sums = os.path.join(folder, "sums")
    whole = [picture(8, 6, i) for i in range(4)]
    with open(sums, "w", encoding="utf-8") as f:
        for i, p in enumerate(whole):
            f.write(f"{i} {sum_of(p):08x}\n")
    black, other = bytes(4 * 48), picture(8, 6, 99)

    def shows(*pictures, how="raw"):
        def script(s):
            for p in pictures:
                s.wait()
                s.send(getattr(s, how)(0, 0, 8, 6, p))
        return script

    def result(script, *args, **kwargs):
        server = Server(folder, script, **kwargs)
        return (*run(folder, "--expect", sums, *args, server=server), server)

    status, said, server = result(shows(*whole), "--least", "4")
    ok(status == 0, "pictures that are expected", said)
    ok(server.asked[0] == (3, 0, 0, 0, 8, 6) and server.asked[1] == (3, 1, 0, 0, 8, 6), "... asked for, then for their changes", server.asked)
    status, said, _ = result(shows(*whole, how="zlib"), "--least", "4")
    ok(status == 0, "... compressed", said)
    status, said, _ = result(shows(*whole), "--least", "5")
    ok(status == 1, "too few of them", said)
    status, said, _ = result(shows(whole[0], whole[0], whole[0]), "--least", "2")
    ok(status == 1, "... the same again and again", said)
    status, said, _ = result(shows(black, other, whole[0], whole[1], black))
    ok(status == 0, "others before and behind them", said)
    status, said, _ = result(shows(whole[0], other, whole[1]))
    ok(status == 1 and f"{sum_of(other):08x}" in said, "another between them is wrong", said)
    status, said, _ = result(shows(black, other))
    ok(status == 1, "none of them", said)

    def parts(s):
        s.wait()
        s.send(s.raw(0, 0, 8, 6, whole[0]))
        s.wait()
        s.send(*[s.zlib(x, y, 4, 3, b"".join(whole[1][4 * (8 * (y + i) + x):][:16] for i in range(3))) for x in (0, 4) for y in (0, 3)])
    status, said, _ = result(parts, "--least", "2")
    ok(status == 0, "a picture in four parts", said)

    def half(s):
        parts(s)
        s.wait()
        s.send(s.raw(0, 3, 8, 3, whole[2][4 * 24:]))
        s.wait()
        s.send(s.raw(0, 0, 8, 6, whole[3]))
    status, said, _ = result(half)
    ok(status == 1, "half of one and half of another is wrong", said)

    def grows(s):
        s.wait()
        s.send(s.size(8, 6))
        s.wait()
        s.connection.sendall(b"\2" + struct.pack(">B3xI", 3, 5) + b"words")
        s.send(s.raw(0, 0, 8, 6, whole[2]))
    status, said, server = result(grows, width=5, height=5)
    ok(status == 0 and server.asked[1] == (3, 0, 0, 0, 8, 6), "another size; a bell, and text", said)
    frame = picture(12, 8, 3)
    inner = b"".join(frame[4 * (12 * (y + 1) + 2):][:32] for y in range(6))
    with open(sums, "a", encoding="utf-8") as f:
        f.write(f"4 {sum_of(inner):08x}\n")
    status, said, _ = result(lambda s: (s.wait(), s.send(s.raw(0, 0, 12, 8, frame))), "--crop", "8x6", width=12, height=8)
    ok(status == 0, "what is in the middle", said)

    for what, script in {
            "pixels beside the picture": lambda s: (s.wait(), s.send(s.raw(4, 0, 8, 6, whole[0]))),
            "an encoding that it does not know": lambda s: (s.wait(), s.send(struct.pack(">4Hi", 0, 0, 8, 6, 16))),
            "too few pixels": lambda s: (s.wait(), s.send(s.zlib(0, 0, 8, 6, whole[0][4:]))),
            "an unknown message": lambda s: (s.wait(), s.connection.sendall(b"\x77"))}.items():
        status, said, _ = result(script)
        ok(status == 2 and "Traceback" not in said, what, said)
    for what, kwargs in {
            "not RFB": {"greeting": b"HTTP/1.1 400"}, "an end in the greeting": {"greeting": b"RFB"},
            "a password": {"security": b"\1\2"}}.items():
        script = shows(whole[0])
        server = Server(folder, script, **kwargs)
        if what == "an end in the greeting":
            server.read = lambda length: b""
        status, said = run(folder, "--expect", sums, server=server)
        ok(status == 2 and "Traceback" not in said, what, said)
    status, said = run(folder, "--expect", sums)
    ok(status == 2 and "Traceback" not in said, "nobody there", said)
    status, said = run(folder)
    ok(status == 2 and "Traceback" not in said, "nothing to do", said)


def misbehaves(folder):
    def closes(s):
        s.wait()
    status, said = run(folder, "--stuck", server=Server(folder, closes))
    ok(status == 0 and "sent away" in said, "one that is stuck, until it is sent away", said)
    status, said = run(folder, "--browser", server=Server(folder, closes, greeting=b"HTTP/1.1 101\r\n\r\n\x82\x0cRFB 003.008\n"))
    ok(status == 0, "a browser that is sent away", said)

    class Open(Server):
        def serve(self):
            self.connection, _ = self.listener.accept()
            with self.connection:
                try:
                    self.connection.recv(4096)
                    self.connection.sendall(b"HTTP/1.1 101\r\n\r\n\x82\x0cRFB 003.008\n")
                    self.connection.recv(4096)
                    self.connection.sendall(b"\x82\x08domain 7")
                    while self.connection.recv(4096):
                        pass
                except ConnectionError:
                    pass
    status, said = run(folder, "--browser", server=Open(folder, closes))
    ok(status == 1, "... that is shown something", said)


def main():
    begin("viewer")
    with tempfile.TemporaryDirectory() as folder:
        looks(folder)
        misbehaves(folder)
    return end()


if __name__ == "__main__":
    sys.exit(main())
