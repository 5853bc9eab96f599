/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory in which somebody else, who has it too, punches holes meanwhile: whenever one looks, each page is as it was
 * written, or zeros where it has been punched, and nothing else.
 */
#ifndef WAVES_HOLES_H
#define WAVES_HOLES_H

#include <stdbool.h>
#include <stdint.h>

#define HOLES_PAGE  4096u   /* bytes */
#define HOLES_MAX   1024u   /* pages */
/* The memory begins with it, and the number of pages in decimal: one that stays, and those after it that may be punched. */
#define HOLES_MARK  "waves --holes: may be punched, pages after this one: "

struct holes {
    volatile uint32_t *words;
    unsigned n;             /* pages that may be punched */
    uint32_t turn;          /* how often they were written */
    unsigned long looked, punched, wrong;   /* pages */
};

/* memory: (n + 1) pages */
void holes_begin(struct holes *h, void *memory, unsigned n);
/* Looks at all pages, and writes them anew, with other words.  False, with a message for each that is wrong. */
bool holes_look(struct holes *h);

#endif
