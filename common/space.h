/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is where in a guest's address space, as far as this domain knows. */
#ifndef SPACE_H
#define SPACE_H

#include <stdint.h>

enum taken_by { TAKEN_WINDOW, TAKEN_MEMORY, TAKEN_UNKNOWN };

struct taken {
    uint64_t gpa, len;
    enum taken_by by;
    uint32_t window, pid;       /* of a window */
};

struct space {
    struct taken *taken;
    unsigned n, room;
    uint64_t memory_end;        /* the guest's memory can be below only */
};

/* 0, or -1 with errno ENOMEM.  A space starts as zeros. */
int space_add(struct space *s, const struct taken *t);
void space_free(struct space *s);

/* Do two ranges meet? */
int space_meet(uint64_t gpa, uint64_t len, uint64_t gpa2, uint64_t len2);

/*
 * A place for len bytes, a multiple of align (a power of two), well above the
 * guest's memory and clear of what is taken; 0 if there is none.
 */
uint64_t space_find(const struct space *s, uint64_t len, uint64_t align);

#endif
