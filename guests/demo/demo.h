/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the demo's guest and lender share: the layout of the device's memory (BAR 2).  All of it is lent.
 */
#ifndef DEMO_H
#define DEMO_H

#include <stdint.h>

#define DEMO_BAR        0x200000000ull          /* guest-physical: where the device model puts it */
#define DEMO_BAR_SIZE   (16u << 20)
#define DEMO_CONTROL    0x000000u               /* offsets in it */
#define DEMO_SUMS       0x200000u
#define DEMO_FRAME      0x800000u

#define DEMO_WIDTH      640u
#define DEMO_HEIGHT     480u
#define DEMO_MAX_CPUS   4u

/* In the frame: 0x00RRGGBB for each pixel.  In the sums: */
struct demo_sum {
    uint32_t r, g, b;       /* of the samples so far */
    uint32_t n;             /* how many: read back and added to each time, so that a lost write shows */
};

#define DEMO_SUMS_SIZE  (DEMO_WIDTH * DEMO_HEIGHT * (uint32_t)sizeof(struct demo_sum))
#define DEMO_FRAME_SIZE (DEMO_WIDTH * DEMO_HEIGHT * 4u)

#define DEMO_MAGIC      0x6f6d6564u             /* "demo" */

/* Both sides write: the guest with LOCKed instructions where its processors meet. */
struct demo_control {
    uint32_t magic;         /* lender, before the guest starts */
    uint32_t passes;        /* lender: samples for each pixel; may become less, but not less than is begun */
    uint32_t cpus;          /* guest: processors at work */
    uint32_t finished;      /* guest: processors that are done */
    uint32_t ticket;        /* guest: next (pass * DEMO_HEIGHT + row) to be drawn */
    uint32_t rows;          /* guest: rows drawn, all passes */
    uint32_t wrong;         /* guest: pixels whose count was not what it had to be */
    uint32_t done;          /* guest: 1 at the end, after checksum */
    uint64_t samples;       /* guest: all samples */
    uint64_t checksum;      /* guest: of what it wrote to the frame, kept in its own memory until the end */
    uint32_t row_pass[DEMO_HEIGHT];     /* guest: passes this row has behind it */
};

/* FNV-1a, over 32-bit values */
#define DEMO_HASH_START 0xcbf29ce484222325ull
static inline uint64_t demo_hash(uint64_t h, uint32_t v)
{
    return (h ^ v) * 0x100000001b3ull;
}

#endif
