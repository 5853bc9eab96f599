/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums of pictures, and files of them: a line "N SUM" for each frame, the sum in hexadecimal; "#" begins a comment. */
#ifndef WAVES_SUMS_H
#define WAVES_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUMS_MAX 4096u      /* frames */

struct sums {
    unsigned n;             /* one more than the last frame that has one */
    uint32_t sum[SUMS_MAX];
    bool known[SUMS_MAX];
};

/* The CRC-32 of zlib and PNG, over the bytes red, green, blue, 255 of each pixel, whatever its fourth byte is. */
uint32_t sums_of(const uint8_t *rgba, size_t pixels);

/* False with a message. */
bool sums_read(struct sums *s, const char *path);
/* path: "-" is standard output.  The file's first line says of what size the pictures are. */
bool sums_write(const struct sums *s, const char *path, unsigned width, unsigned height);

#endif
