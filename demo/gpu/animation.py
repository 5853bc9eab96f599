#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes one picture that moves of what a display showed, and checks it.

    animation.py [OPTION...] FILE

FILE: whole PNGs, one after the other, all of one size, of 8 bits for each of red, green, blue (and alpha, which is
ignored); not interlaced.  Those that show the same as the one before are dropped.

    -o FILE           an animated PNG
    --delay MS        for so long each picture is shown (100)
    --still FILE      one picture, as a PNG
    --picture N       which one that is, counted from 0 (0)
    --crop WxH        what is in the middle of each
    --expect SUMS     what waves --sums wrote: a picture that is none of these is an error
    --trim            not before the first picture that is one, nor behind the last
    --all             and so is one of these that is missing
    --once            of pictures that repeat from the start only the first round goes into the files

Exit status: 0; 1 if a picture is wrong or one is missing; 2 if something cannot be read or written, or is no such file.
"""
import argparse
import re
import struct
import sys
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST = 16384  # pixels in each direction
COLOURS = {2: 3, 6: 4}  # the colour types of PNG that are read, and their bytes for each pixel


class Broken(Exception):
    """It is not what it has to be."""


# --- reading

def chunks(data, at, which):
    """Those of the picture that begins there: kind, content, where the next one is."""
    if data[at:at + 8] != SIGNATURE:
        raise Broken(f"{which}: this is no PNG (at byte {at})")
    at += 8
    while True:
        if at + 8 > len(data):
            raise Broken(f"{which}: it ends in the middle")
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if at + 12 + length > len(data):
            raise Broken(f"{which}: it ends in the middle")
        content = data[at + 8:at + 8 + length]
        crc, = struct.unpack(">I", data[at + 8 + length:at + 12 + length])
        if crc != zlib.crc32(kind + content):
            raise Broken(f"{which}: the checksum of {kind!r} is wrong (at byte {at})")
        at += 12 + length
        yield kind, content, at
        if kind == b"IEND":
            return


def unfiltered(lines, width, height, size, which):
    """The pixels, of so many bytes each, as they were before each line was filtered."""
    stride = width * size
    above = bytearray(stride)
    whole = bytearray()
    for y in range(height):
        start = y * (stride + 1)
        how, line = lines[start], bytearray(lines[start + 1:start + 1 + stride])
        if how == 1:
            for i in range(size, stride):
                line[i] = (line[i] + line[i - size]) & 255
        elif how == 2:
            line = bytearray([(a + b) & 255 for a, b in zip(line, above)])
        elif how == 3:
            for i in range(stride):
                left = line[i - size] if i >= size else 0
                line[i] = (line[i] + (left + above[i]) // 2) & 255
        elif how == 4:
            for i in range(stride):
                a, c = (line[i - size], above[i - size]) if i >= size else (0, 0)
                b = above[i]
                to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
                if to_a <= to_b and to_a <= to_c:
                    best = a
                else:
                    best = b if to_b <= to_c else c
                line[i] = (line[i] + best) & 255
        elif how != 0:
            raise Broken(f"{which}: line {y} has a filter {how}, which is none")
        whole += line
        above = line
    return whole


def picture(data, at, which):
    """The one that begins there: width, height, its bytes red, green, blue for each pixel; and where the next one is."""
    head, packed = None, bytearray()
    for kind, content, at in chunks(data, at, which):
        if kind == b"IHDR":
            if head is not None or len(content) != 13:
                raise Broken(f"{which}: its header is wrong")
            head = struct.unpack(">IIBBBBB", content)
        elif head is None:
            raise Broken(f"{which}: it does not begin with its header")
        elif kind == b"IDAT":
            packed += content
    width, height, depth, colour, compression, filters, interlaced = head
    if not 0 < width <= LARGEST or not 0 < height <= LARGEST:
        raise Broken(f"{which}: {width} x {height} pixels are none, or too many")
    if depth != 8 or colour not in COLOURS or compression or filters or interlaced:
        raise Broken(f"{which}: not 8 bits for each of red, green, blue, not interlaced")
    size = COLOURS[colour]
    want = height * (width * size + 1)
    try:
        unpack = zlib.decompressobj()
        lines = unpack.decompress(bytes(packed), want + 1)
    except zlib.error as e:
        raise Broken(f"{which}: {e}") from e
    if len(lines) != want or not unpack.eof:
        raise Broken(f"{which}: its pixels are too many, or too few")
    pixels = unfiltered(lines, width, height, size, which)
    if size == 4:
        rgb = bytearray(width * height * 3)
        for i in range(3):
            rgb[i::3] = pixels[i::4]
        pixels = rgb
    return width, height, bytes(pixels), at


def pictures(data):
    """Number, width, height, pixels of each."""
    at, n, first = 0, 0, None
    while at < len(data):
        width, height, pixels, at = picture(data, at, f"picture {n}")
        if first not in (None, (width, height)):
            raise Broken(f"picture {n}: {width} x {height} pixels, the first has {first[0]} x {first[1]}")
        first = width, height
        yield n, width, height, pixels
        n += 1
    if not n:
        raise Broken("there is no picture")


def sums(text):
    """Frames by their checksum, as waves --sums writes them."""
    found, numbers = {}, set()
    for i, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        m = re.fullmatch(r"(\d{1,5}) ([0-9a-f]{8})", line.strip())
        if not m or int(m[1]) in numbers:
            raise Broken(f"line {i}: not a frame's number and its sum")
        numbers.add(int(m[1]))
        # frames may look the same: it is the first of them then
        found.setdefault(int(m[2], 16), int(m[1]))
    if not found:
        raise Broken("there are no sums")
    return found


# --- what is done with pictures

def cropped(width, height, pixels, to):
    w, h = to
    if w > width or h > height:
        raise Broken(f"pictures of {width} x {height} have no {w} x {h} in their middle")
    x, y = (width - w) // 2, (height - h) // 2
    return b"".join(pixels[3 * ((y + i) * width + x):3 * ((y + i) * width + x + w)] for i in range(h))


def sum_of(pixels):
    """As waves has it: over red, green, blue, 255."""
    rgba = bytearray(b"\xff") * (len(pixels) // 3 * 4)
    for i in range(3):
        rgba[i::4] = pixels[i::3]
    return zlib.crc32(rgba)


# --- writing

def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def packed(width, height, pixels):
    """Each line with the filter that leaves the smallest differences, then compressed."""
    stride = 3 * width
    above, lines = bytes(stride), bytearray()
    for y in range(height):
        line = pixels[y * stride:(y + 1) * stride]
        left = bytes(3) + line[:-3]
        ways = (
            line,
            bytes([(a - b) & 255 for a, b in zip(line, left)]),
            bytes([(a - b) & 255 for a, b in zip(line, above)]),
            bytes([(a - (b + c) // 2) & 255 for a, b, c in zip(line, left, above)]),
        )
        how = min(range(4), key=lambda k: sum(v if v < 128 else 256 - v for v in ways[k]))
        lines.append(how)
        lines += ways[how]
        above = line
    return zlib.compress(bytes(lines), 9)


def header(width, height):
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def still(width, height, pixels):
    return header(width, height) + chunk(b"IDAT", packed(width, height, pixels)) + chunk(b"IEND", b"")


def animated(width, height, frames, delay):
    out, sequence = header(width, height) + chunk(b"acTL", struct.pack(">II", len(frames), 0)), 0
    for i, pixels in enumerate(frames):
        out += chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, width, height, 0, 0, delay, 1000, 0, 0))
        sequence += 1
        if i:
            out += chunk(b"fdAT", struct.pack(">I", sequence) + packed(width, height, pixels))
            sequence += 1
        else:
            out += chunk(b"IDAT", packed(width, height, pixels))
    return out + chunk(b"IEND", b"")


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


# --- main

def size(text):
    m = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not m or not int(m[1]) or not int(m[2]):
        raise argparse.ArgumentTypeError(f"'{text}' is no size such as 320x240")
    return int(m[1]), int(m[2])


def between(low, high):
    def number(text):
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is no number from {low} to {high}")
        return int(text)
    return number


def arguments(argv):
    p = argparse.ArgumentParser(prog="animation.py", description=__doc__, usage=argparse.SUPPRESS, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kwargs in {
            "-o": {"dest": "out"}, "--delay": {"type": between(1, 65535), "default": 100}, "--still": {},
            "--picture": {"type": between(0, 10 ** 9), "default": 0}, "--crop": {"type": size}, "--expect": {},
            "--all": {"action": "store_true"}, "--trim": {"action": "store_true"}, "--once": {"action": "store_true"}, "FILE": {}}.items():
        p.add_argument(name, help=argparse.SUPPRESS, **kwargs)
    a = p.parse_args(argv)
    if (a.all or a.trim) and not a.expect:
        p.error("--all and --trim go with --expect")
    return a


def main(argv):
    a = arguments(argv)
    name, wrong, seen, frames, shape = a.FILE, [], set(), [], None
    try:
        known = None
        if a.expect:
            name = a.expect
            with open(name, encoding="utf-8") as f:
                known = sums(f.read())
        name = a.FILE
        with open(name, "rb") as f:
            data = f.read()
        count = 0
        for n, width, height, pixels in pictures(data):
            count += 1
            shape = a.crop or (width, height)
            pixels = cropped(width, height, pixels, shape)
            if known is not None:
                s = sum_of(pixels)
                if s in known:
                    seen.add(s)
                else:
                    if seen or not a.trim:
                        wrong.append(f"picture {n}: {s:08x} is none of those of {a.expect}")
                    continue
                last = len(wrong)
            if not frames or pixels != frames[-1]:
                frames.append(pixels)
        if a.trim and known is not None and seen:
            del wrong[last:]
        said = f"{count} pictures, {len(frames)} after what shows the same as the one before was dropped"
        if known is not None:
            said += f", {len(wrong)} wrong, {len(seen)} of {len(known)} different frames seen"
            for s, number in sorted(known.items(), key=lambda i: i[1]) if a.all else ():
                if s not in seen:
                    wrong.append(f"frame {number}: {s:08x} was never seen")
        print(*wrong, said, sep="\n")
        if wrong:
            return 1
        if a.once and frames[0] in frames[1:]:
            del frames[frames.index(frames[0], 1):]
        if a.still:
            if a.picture >= len(frames):
                raise Broken(f"there is no picture {a.picture}, only {len(frames)}")
            name = a.still
            write(name, still(*shape, frames[a.picture]))
        if a.out:
            name = a.out
            write(name, animated(*shape, frames, a.delay))
    except (Broken, UnicodeDecodeError) as e:
        print(f"animation.py: {name}: {e}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"animation.py: {name}: {e.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
