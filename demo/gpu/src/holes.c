/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "holes.h"

#define WORDS (HOLES_PAGE / 4)

/* Never 0, and another one in each turn, so that what is old is not taken for new. */
static uint32_t word(const struct holes *h, unsigned page, unsigned i)
{
    return (((h->turn * HOLES_MAX + page) * WORDS + i) * 2654435761u) | 1;
}

static void write_all(struct holes *h)
{
    h->turn++;
    for (unsigned page = 0; page < h->n; page++)
        for (unsigned i = 0; i < WORDS; i++)
            h->words[(page + 1) * WORDS + i] = word(h, page, i);
}

void holes_begin(struct holes *h, void *memory, unsigned n)
{
    *h = (struct holes){ .words = memory, .n = n };
    write_all(h);
    snprintf(memory, HOLES_PAGE, "%s%u\n", HOLES_MARK, n);
}

/*
 * Punched while it is written, a page has zeros as far as it had come then; punched while one reads it, from there on.
 * So what was written is one piece of it, if there is any.
 */
static bool right(const struct holes *h, unsigned page, bool *punched)
{
    const volatile uint32_t *p = h->words + (page + 1) * WORDS;
    enum { BEFORE, IN, AFTER } at = BEFORE;

    for (unsigned i = 0; i < WORDS; i++) {
        uint32_t is = p[i];

        if (is && (is != word(h, page, i) || at == AFTER)) {
            printf("page %u with holes, word %u: %08x, not %08x or a hole\n", page, i, is, word(h, page, i));
            return false;
        }
        if (is)
            at = IN;
        else if (at == IN)
            at = AFTER;
        *punched |= !is;
    }
    return true;
}

bool holes_look(struct holes *h)
{
    unsigned long wrong = h->wrong;

    for (unsigned page = 0; page < h->n; page++) {
        bool punched = false;

        if (!right(h, page, &punched))
            h->wrong++;
        h->punched += punched;
        h->looked++;
    }
    write_all(h);
    return h->wrong == wrong;
}
