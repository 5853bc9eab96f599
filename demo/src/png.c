/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PNG file: three chunks around what zlib compresses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "png.h"

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = v >> 24;
    p[1] = v >> 16;
    p[2] = v >> 8;
    p[3] = v;
}

static void chunk(FILE *f, const char *type, const uint8_t *data, uint32_t len)
{
    uint8_t head[8], tail[4];
    uLong crc;

    put32(head, len);
    memcpy(head + 4, type, 4);
    crc = crc32(crc32(0, NULL, 0), head + 4, 4);
    if (len)
        crc = crc32(crc, data, len);
    put32(tail, crc);
    fwrite(head, 1, 8, f);
    if (len)
        fwrite(data, 1, len, f);
    fwrite(tail, 1, 4, f);
}

int png_write(const char *path, const uint32_t *pixels, unsigned width,
              unsigned height)
{
    static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', 13, 10, 26, 10 };
    size_t line = 1 + 3 * (size_t)width, size = line * height;
    uLongf packed = compressBound(size);
    uint8_t *raw = malloc(size), *out = malloc(packed), header[13];
    int err = ENOMEM;
    FILE *f;

    if (!raw || !out)
        goto out;
    for (unsigned y = 0; y < height; y++) {
        const uint32_t *from = pixels + (size_t)y * width;
        uint8_t *to = raw + y * line;

        /* Each byte as the difference to the pixel on the left. */
        *to++ = 1;
        for (unsigned x = 0; x < width; x++) {
            uint32_t a = x ? from[x - 1] : 0, b = from[x];

            *to++ = (b >> 16) - (a >> 16);
            *to++ = (b >> 8) - (a >> 8);
            *to++ = b - a;
        }
    }
    if (compress2(out, &packed, raw, size, 9) != Z_OK)
        goto out;

    f = fopen(path, "we");
    if (!f) {
        err = errno;
        goto out;
    }
    put32(header, width);
    put32(header + 4, height);
    memcpy(header + 8, "\10\2\0\0\0", 5);   /* 8 bits, RGB */
    fwrite(signature, 1, 8, f);
    chunk(f, "IHDR", header, sizeof(header));
    chunk(f, "IDAT", out, packed);
    chunk(f, "IEND", NULL, 0);
    err = ferror(f) ? EIO : 0;
    if (fclose(f))
        err = errno;
out:
    free(raw);
    free(out);
    errno = err;
    return err ? -1 : 0;
}
