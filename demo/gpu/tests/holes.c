/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of the memory with holes.  TAP on stdout. */
#include <stdlib.h>
#include <string.h>

#include "../src/holes.h"
#include "tap.h"

#define PAGES 5u
#define WORDS (HOLES_PAGE / 4)

static uint32_t memory[(PAGES + 2) * WORDS], old[(PAGES + 2) * WORDS];
static struct holes h;

static uint32_t *page(unsigned n)
{
    return memory + (n + 1) * WORDS;
}

static void begin(void)
{
    memset(memory, 0xa5, sizeof(memory));
    holes_begin(&h, memory, PAGES);
}

static void whole(void)
{
    unsigned zero = 0, same = 0;

    begin();
    ok(!strncmp((char *)memory, HOLES_MARK, strlen(HOLES_MARK)) && atoi((char *)memory + strlen(HOLES_MARK)) == PAGES,
       "it begins with its mark, and how many pages there are");
    eq(memory[(PAGES + 1) * WORDS], 0xa5a5a5a5, "nothing is written behind it");
    memcpy(old, memory, sizeof(memory));
    for (unsigned i = 0; i < PAGES * WORDS; i++)
        zero += !page(0)[i];
    eq(zero, 0, "no word is what a hole has");
    ok(holes_look(&h) && holes_look(&h), "what nobody has touched is right");
    eq(h.punched, 0, "... and has no holes");
    eq(h.looked, 2 * PAGES, "... each page of it");
    for (unsigned i = 0; i < PAGES * WORDS; i++)
        same += page(0)[i] == old[i + WORDS];
    eq(same, 0, "no word is as it was the last time");
    ok(!memcmp(memory, old, HOLES_PAGE), "the mark stays");
}

static void punched(void)
{
    begin();
    memset(page(1), 0, HOLES_PAGE);
    memset(page(4), 0, HOLES_PAGE);
    ok(holes_look(&h), "holes are right");
    eq(h.punched, 2, "... and counted");
    ok(page(1)[0] && page(4)[WORDS - 1], "... and written again");
    memset(page(2), 0, 4 * 100);
    ok(holes_look(&h), "a hole while it was written");
    eq(h.punched, 3, "... counts");
    memset(page(3) + 100, 0, HOLES_PAGE - 4 * 100);
    ok(holes_look(&h), "a hole while it was read");
    memset(page(3), 0, 4 * 10);
    memset(page(3) + 100, 0, HOLES_PAGE - 4 * 100);
    ok(holes_look(&h), "both");
    eq(h.wrong, 0, "nothing of it was wrong");
}

static void wrong(void)
{
    begin();
    page(3)[77] ^= 1 << 20;
    ok(!holes_look(&h), "another word is wrong");
    eq(h.wrong, 1, "... one page");
    ok(holes_look(&h), "... which is written again");
    page(0)[0] = 0;
    page(0)[2] = 0;
    ok(!holes_look(&h), "zeros between what was written");
    memcpy(page(1), old + 2 * WORDS, HOLES_PAGE);
    ok(!holes_look(&h), "what was there long ago");
    memcpy(page(1), page(2), HOLES_PAGE);
    ok(!holes_look(&h), "another page");
    memset(page(4), 0, HOLES_PAGE);
    page(4)[WORDS - 1] = 1;
    ok(!holes_look(&h), "a hole with something in it");
    eq(h.wrong, 5, "all are counted");
}

int main(void)
{
    tap_begin("waves-holes");
    whole();
    punched();
    wrong();
    return tap_end();
}
