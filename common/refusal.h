/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why memory could not be lent to a guest: what errno alone does not say. */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <stdio.h>

#include <xenlend.h>

#include "guest.h"

struct refusal {
    int err;                /* xenlend_borrower_open()'s, _window_create()'s, or
                             * EADDRNOTAVAIL: space_find() knew no place */
    uint32_t domid;
    uint64_t gpa, len;      /* what was asked for */
    uint64_t align;         /* what a place has to be a multiple of */
    const char *option;     /* that says where, like "--gpa" */
};

/*
 * Finds out what can be, and writes lines to stderr.  Nothing where there is
 * nothing to add to the library's own message.  Leaves errno alone.
 */
void refusal_explain(const struct refusal *r);

/* The second half of it: with what is known, which is NULL if it is not. */
void refusal_write(FILE *f, const struct refusal *r, const struct guest *g,
                   const struct xenlend_info *info);

#endif
