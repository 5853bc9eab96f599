#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of animation.py: TAP on standard output."""
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "animation.py")
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tests", "tap"))
from tap import begin, end, ok  # pylint: disable=wrong-import-position


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def png(width, height, rgb, filters=(0,), alpha=False, header=None, lines=None, pieces=1):
    """Written as the standard has it, not as animation.py reads it."""
    size = 4 if alpha else 3
    pixels = b"".join(rgb[3 * i:3 * i + 3] + (bytes([i & 255]) if alpha else b"") for i in range(width * height))
    stride, out = width * size, bytearray()

    def at(x, y):
        return pixels[y * stride + x] if x >= 0 and y >= 0 else 0

    for y in range(height):
        how = filters[y % len(filters)]
        out.append(how)
        for x in range(stride):
            a, b, c = at(x - size, y), at(x, y - 1), at(x - size, y - 1)
            out.append((at(x, y) - (0, a, b, (a + b) // 2, paeth(a, b, c))[how if how < 5 else 0]) & 255)
    z = zlib.compress(bytes(out) if lines is None else lines)
    step = -(-len(z) // pieces)
    head = struct.pack(">IIBBBBB", width, height, *(header or (8, 6 if alpha else 2, 0, 0, 0)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tEXt", b"a\0b") +
            b"".join(chunk(b"IDAT", z[i:i + step]) for i in range(0, len(z), step)) + chunk(b"IEND", b""))


def parts(data):
    at = 8
    while at < len(data):
        n, = struct.unpack(">I", data[at:at + 4])
        kind, content = data[at + 4:at + 8], data[at + 8:at + 8 + n]
        if data[at + 8 + n:at + 12 + n] != struct.pack(">I", zlib.crc32(kind + content)):
            raise ValueError("a checksum is wrong")
        yield kind, content
        at += 12 + n


def decode(width, height, z):
    """What a picture of 3 bytes for each pixel is."""
    lines, rows, stride = zlib.decompress(z), [bytes(3 * width)], 3 * width
    for y in range(height):
        how, row = lines[y * (stride + 1)], bytearray(lines[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            a, b, c = row[x - 3] if x > 2 else 0, rows[-1][x], rows[-1][x - 3] if x > 2 else 0
            row[x] = (row[x] + (0, a, b, (a + b) // 2, paeth(a, b, c))[how]) & 255
        rows.append(bytes(row))
    return b"".join(rows[1:])


def sum_of(rgb):
    return zlib.crc32(b"".join(rgb[i:i + 3] + b"\xff" for i in range(0, len(rgb), 3)))


def middle(width, height, rgb, w, h):
    x, y = (width - w) // 2, (height - h) // 2
    return b"".join(rgb[3 * ((y + i) * width + x):3 * ((y + i) * width + x + w)] for i in range(h))


class Place:
    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, data, *arguments):
        with open(self.path("in"), "wb") as f:
            f.write(data)
        return subprocess.run([sys.executable, "-B", PROGRAM, *arguments, self.path("in")], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, check=False)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def refuses(self, data, words, what, *arguments, status=2):
        r = self.run(data, *arguments)
        said = r.stderr if status == 2 else r.stdout
        ok(r.returncode == status and words in said and "Traceback" not in r.stderr, what,
           f"{r.returncode}\n{r.stdout}{r.stderr}")


def tests(t):
    dice = random.Random(9)
    width, height = 13, 11
    frames = [dice.randbytes(3 * width * height) for _ in range(3)]
    smooth = bytes(5 * (i % 40) + i // 40 for i in range(3 * width * height))
    frames.append(smooth)
    plain = [png(width, height, f) for f in frames]

    for how in (0, 1, 2, 3, 4):
        for alpha in (False, True):
            r = t.run(png(width, height, frames[0], [how], alpha), "--still", t.path("out.png"))
            got = dict(parts(t.read("out.png"))) if not r.returncode else {}
            ok(got and decode(width, height, got[b"IDAT"]) == frames[0],
               f"filter {how}, {'with' if alpha else 'without'} alpha", r.stderr)
    r = t.run(png(width, height, smooth, [4, 2, 0, 3, 1], True, pieces=7), "--still", t.path("out.png"))
    ok(not r.returncode and decode(width, height, dict(parts(t.read("out.png")))[b"IDAT"]) == smooth,
       "all filters in one, in seven pieces", r.stderr)

    r = t.run(b"".join(plain[i] for i in (0, 0, 1, 2, 2, 2, 3)), "-o", t.path("out.png"), "--delay", "40", "--still",
              t.path("still.png"), "--picture", "2")
    ok(not r.returncode, "an animation", r.stderr)
    got = list(parts(t.read("out.png")))
    ok([k for k, _ in got] == [b"IHDR", b"acTL", b"fcTL", b"IDAT"] + 3 * [b"fcTL", b"fdAT"] + [b"IEND"], "... its parts", got)
    ok(dict(got)[b"acTL"] == struct.pack(">II", 4, 0), "... four frames, for ever")
    ok([struct.unpack(">I", c[:4])[0] for k, c in got if k in (b"fcTL", b"fdAT")] == list(range(7)), "... numbered")
    ok(all(struct.unpack(">IIIIHH", c[4:24]) == (width, height, 0, 0, 40, 1000) for k, c in got if k == b"fcTL"),
       "... of the whole size, 40 ms each")
    shown = [decode(width, height, c if k == b"IDAT" else c[4:]) for k, c in got if k in (b"IDAT", b"fdAT")]
    ok(shown == frames, "... every pixel, and those that repeat are dropped")
    ok(decode(width, height, dict(parts(t.read("still.png")))[b"IDAT"]) == frames[2], "... one of them alone")

    with open(t.path("sums"), "w", encoding="utf-8") as f:
        f.write("# four\n" + "".join(f"{i} {sum_of(p):08x}\n" for i, p in enumerate(frames)))
    expect = "--expect", t.path("sums")
    r = t.run(plain[1] + plain[0], *expect)
    ok(not r.returncode and "2 of 4" in r.stdout, "pictures that are expected", r.stdout + r.stderr)
    t.refuses(plain[1] + plain[0], f"frame 2: {sum_of(frames[2]):08x} was never seen", "... but not all", *expect, "--all", status=1)
    ok(not t.run(b"".join(plain), *expect, "--all").returncode, "... all")
    off = bytearray(frames[1])
    off[200] ^= 1
    t.refuses(plain[0] + png(width, height, bytes(off)), "picture 1: ", "a bit is wrong", *expect, status=1)
    ok(not os.path.exists(t.path("never.png")), "nothing is written yet")
    t.refuses(plain[0] + png(width, height, bytes(off)), "picture 1: ", "... and then nothing is written", *expect,
              "-o", t.path("never.png"), status=1)
    ok(not os.path.exists(t.path("never.png")), "... indeed")

    crop = middle(width, height, frames[0], 6, 4)
    r = t.run(plain[0], "--crop", "6x4", "--still", t.path("out.png"))
    ok(not r.returncode and decode(6, 4, dict(parts(t.read("out.png")))[b"IDAT"]) == crop, "the middle", r.stderr)
    with open(t.path("sums"), "w", encoding="utf-8") as f:
        f.write(f"0 {sum_of(crop):08x}\n")
    ok(not t.run(plain[0], "--crop", "6x4", *expect).returncode, "... is what is expected")
    t.refuses(plain[0], "in their middle", "... of more than there is", "--crop", "14x4")
    t.refuses(plain[0], "no size", "... of no size", "--crop", "14")

    whole, wrong = plain[0] + plain[1], []
    for n in (0, 1, 7, 8, 20, 40, len(plain[0]) - 1, len(plain[0]) + 3, len(plain[0]) + 30, len(whole) - 12, len(whole) - 1):
        r = t.run(whole[:n])
        if r.returncode != 2 or "Traceback" in r.stderr or not r.stderr:
            wrong.append(n)
    ok(not wrong, "files that end too early", wrong)
    t.refuses(whole[:-3], "picture 1: it ends in the middle", "... with the picture's number")
    bad = bytearray(whole)
    bad[len(plain[0]) + 70] ^= 4
    t.refuses(bytes(bad), "picture 1: the checksum", "a bit of the file is wrong")
    t.refuses(plain[0] + b"\n" + plain[1], "this is no PNG", "something between pictures")
    t.refuses(plain[0] + png(11, 13, frames[0]), "picture 1: 11 x 13", "pictures of two sizes")
    t.refuses(png(width, height, frames[0], header=(16, 2, 0, 0, 0)), "not 8 bits", "16 bits")
    t.refuses(png(width, height, frames[0], header=(8, 3, 0, 0, 0)), "not 8 bits", "a palette")
    t.refuses(png(width, height, frames[0], header=(8, 2, 0, 0, 1)), "not 8 bits", "interlaced")
    t.refuses(png(width, height, frames[0], [5]), "filter 5", "a filter that there is not")
    t.refuses(png(width, height, frames[0], lines=b"\0" * 99), "too few", "too few pixels")
    t.refuses(png(width, height, frames[0], lines=b"\0" * 99999), "too many", "too many pixels")
    t.refuses(png(0, height, b""), "0 x 11", "no pixels")
    t.refuses(plain[0], "no picture 1", "a picture that there is not", "--still", t.path("out.png"), "--picture", "1")
    t.refuses(plain[0], "No such file", "a folder that is not there", "-o", "/nowhere/out.png")
    t.refuses(plain[0], "No such file", "sums that are not there", "--expect", "/nowhere/sums")
    for text, what in (("0 12345\n", "sums with a line that is none"), ("", "sums without any"),
                       ("0 00000000\n0 00000001\n", "sums with a frame that is there twice")):
        with open(t.path("sums"), "w", encoding="utf-8") as f:
            f.write(text)
        t.refuses(plain[0], "sums: ", what, *expect)


begin("animation")
with tempfile.TemporaryDirectory() as d:
    tests(Place(d))
sys.exit(end())
