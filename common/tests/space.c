/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of finding a place in a guest's address space.  TAP on stdout. */
#include <stdlib.h>

#include "space.h"
#include "tap.h"

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

static void take(struct space *s, uint64_t gpa, uint64_t len)
{
    if (space_add(s, &(struct taken){ .gpa = gpa, .len = len, .by = TAKEN_WINDOW }))
        die("no memory");
}

/* Whatever is taken, what is found is free, aligned, above the memory, and there is nothing lower that would do. */
static void random_places(void)
{
    unsigned wrong = 0, found = 0;

    srand(1);
    for (int round = 0; round < 3000; round++) {
        struct space s = { .memory_end = 4 * GIB + rand() % 64 * GIB };
        uint64_t align = 4096ull << rand() % 12, len = (uint64_t)(1 + rand() % 64) * 4096, base, at;
        uint64_t free_one = space_find(&s, len, align);

        for (int i = rand() % 40; i > 0; i--)
            take(&s, free_one + (uint64_t)(rand() % 512) * 4096, (uint64_t)(1 + rand() % 16) * 4096);
        base = space_find(&s, len, align);
        found += base > free_one;
        for (at = free_one; at <= base; at += align) {
            unsigned hits = 0;

            for (unsigned i = 0; i < s.n; i++)
                hits += at < s.taken[i].gpa + s.taken[i].len && s.taken[i].gpa < at + len;
            wrong += at == base ? hits != 0 : hits == 0;
        }
        wrong += base % align || base < s.memory_end;
        space_free(&s);
    }
    ok(!wrong && found > 100, "3000 random spaces: the lowest free place (%u wrong; %u not the first)", wrong, found);
}

int main(void)
{
    struct space s = { .memory_end = 5 * GIB };

    tap_begin("space");
    ok(space_meet(0, 2, 1, 1) && space_meet(1, 1, 0, 2) && space_meet(5, 1, 5, 1), "ranges that meet");
    ok(!space_meet(0, 1, 1, 1) && !space_meet(1, 1, 0, 1), "ranges side by side do not");
    ok(space_meet(UINT64_MAX - 1, 1, 0, UINT64_MAX) && !space_meet(UINT64_MAX, 1, 0, 5), "at the end of all addresses");

    eqx(space_find(&s, 4096, 4096), 32 * GIB, "an empty space");
    s.memory_end = 28 * GIB;
    eqx(space_find(&s, 4096, 4096), 32 * GIB, "memory up to 28 GiB");
    s.memory_end = 28 * GIB + 4096;
    eqx(space_find(&s, 4096, 4096), 64 * GIB, "... and more: not close to it");
    s.memory_end = 5 * GIB;
    take(&s, 8 * GIB, 64 * MIB);
    eqx(space_find(&s, 4096, 4096), 32 * GIB, "a window below changes nothing");
    take(&s, 32 * GIB, 4096);
    eqx(space_find(&s, 4096, 4096), 32 * GIB + 4096, "behind what is taken");
    eqx(space_find(&s, 4096, 2 * MIB), 32 * GIB + 2 * MIB, "... aligned");
    take(&s, 32 * GIB + 4 * MIB, 4096);
    eqx(space_find(&s, 2 * MIB, 2 * MIB), 32 * GIB + 2 * MIB, "in a gap that is just large enough");
    eqx(space_find(&s, 2 * MIB + 4096, 2 * MIB), 32 * GIB + 6 * MIB, "not in one that is too small");
    eqx(space_find(&s, GIB, GIB), 33 * GIB, "a multiple of its size");
    eqx(space_find(&s, (uint64_t)1 << 52, 4096), 0, "more than there can be");
    eqx(space_find(&s, 0, 4096), 0, "nothing");
    take(&s, 32 * GIB, ((uint64_t)1 << 52) - 33 * GIB);
    eqx(space_find(&s, 4096, 4096), ((uint64_t)1 << 52) - GIB, "at the very end");
    eqx(space_find(&s, 2 * GIB, 4096), 0, "behind the end");
    take(&s, 32 * GIB, UINT64_MAX - 32 * GIB);
    eqx(space_find(&s, 4096, 4096), 0, "all is taken");
    space_free(&s);
    s.memory_end = UINT64_MAX;
    eqx(space_find(&s, 4096, 4096), 0, "memory without end");
    random_places();
    return tap_end();
}
