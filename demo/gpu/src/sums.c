/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sums.h"

uint32_t sums_of(const uint8_t *rgba, size_t pixels)
{
    /* t[k][b]: what byte b becomes when k more bytes have come after it */
    static uint32_t t[4][256];
    uint32_t crc = ~0u;

    if (!t[0][1]) {
        for (unsigned b = 0; b < 256; b++) {
            uint32_t c = b;

            for (unsigned i = 0; i < 8; i++)
                c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
            t[0][b] = c;
        }
        for (unsigned k = 1; k < 4; k++)
            for (unsigned b = 0; b < 256; b++)
                t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 255];
    }
    for (size_t i = 0; i < pixels; i++) {
        uint32_t pixel;

        memcpy(&pixel, rgba + 4 * i, 4);
        crc ^= pixel | 0xff000000u;
        crc = t[3][crc & 255] ^ t[2][crc >> 8 & 255] ^ t[1][crc >> 16 & 255] ^ t[0][crc >> 24];
    }
    return ~crc;
}

bool sums_read(struct sums *s, const char *path)
{
    FILE *f = fopen(path, "re");
    char text[200];
    bool ok = true;

    memset(s, 0, sizeof(*s));
    if (!f) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, strerror(errno));
        return false;
    }
    for (unsigned line = 1; ok && fgets(text, sizeof(text), f); line++) {
        unsigned frame, sum;
        char more;

        if (text[0] == '#' || text[strspn(text, " \t\r\n")] == '\0')
            continue;
        if (sscanf(text, "%5u %8x %c", &frame, &sum, &more) != 2 || frame >= SUMS_MAX) {
            fprintf(stderr, "%s: %s, line %u: not a frame's number, up to %u, and its sum\n", program_invocation_short_name, path, line, SUMS_MAX - 1);
            ok = false;
        } else if (s->known[frame]) {
            fprintf(stderr, "%s: %s, line %u: frame %u has a sum already\n", program_invocation_short_name, path, line, frame);
            ok = false;
        } else {
            s->known[frame] = true;
            s->sum[frame] = sum;
            if (frame >= s->n)
                s->n = frame + 1;
        }
    }
    if (ok && ferror(f)) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, strerror(errno));
        ok = false;
    }
    fclose(f);
    return ok;
}

bool sums_write(const struct sums *s, const char *path, unsigned width, unsigned height)
{
    bool own = strcmp(path, "-") != 0, ok;
    FILE *f = own ? fopen(path, "we") : stdout;

    if (!f) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, strerror(errno));
        return false;
    }
    fprintf(f, "# %u frames of %u x %u\n", s->n, width, height);
    for (unsigned i = 0; i < s->n; i++)
        if (s->known[i])
            fprintf(f, "%u %08x\n", i, s->sum[i]);
    ok = !fflush(f) && !ferror(f);
    if (!ok)
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, own ? path : "standard output", strerror(errno));
    if (own && fclose(f) && ok) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, strerror(errno));
        ok = false;
    }
    return ok;
}
