/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "space.h"

#define GIB         ((uint64_t)1 << 30)

/* No guest can have an address beyond. */
#define ADDRESS_END ((uint64_t)1 << 52)

/*
 * Firmware puts large BARs of emulated devices right above the memory, where
 * nobody here sees them; the devices of devices/ are at 8 GiB if nobody says
 * otherwise.
 */
#define CLEAR       (4 * GIB)
#define STEP        (32 * GIB)

int space_add(struct space *s, const struct taken *t)
{
    if (s->n == s->room) {
        unsigned room = s->room ? 2 * s->room : 16;
        void *p = realloc(s->taken, room * sizeof(*s->taken));

        if (!p) {
            errno = ENOMEM;
            return -1;
        }
        s->taken = p;
        s->room = room;
    }
    s->taken[s->n++] = *t;
    return 0;
}

void space_free(struct space *s)
{
    free(s->taken);
    *s = (struct space){ 0 };
}

int space_meet(uint64_t gpa, uint64_t len, uint64_t gpa2, uint64_t len2)
{
    return gpa < gpa2 ? gpa2 - gpa < len : gpa - gpa2 < len2;
}

static uint64_t round_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & -align;
}

uint64_t space_find(const struct space *s, uint64_t len, uint64_t align)
{
    uint64_t gpa;
    int moved;

    if (!len || align > ADDRESS_END || s->memory_end > ADDRESS_END)
        return 0;
    gpa = round_up(round_up(s->memory_end + CLEAR, STEP), align);
    do {
        moved = 0;
        for (unsigned i = 0; i < s->n; i++) {
            const struct taken *t = &s->taken[i];

            if (gpa >= ADDRESS_END || len > ADDRESS_END - gpa)
                return 0;
            if (!space_meet(gpa, len, t->gpa, t->len))
                continue;
            if (t->len > ADDRESS_END || t->gpa > ADDRESS_END - t->len)
                return 0;
            gpa = round_up(t->gpa + t->len, align);
            moved = 1;
        }
    } while (moved);
    return gpa < ADDRESS_END && len <= ADDRESS_END - gpa ? gpa : 0;
}
