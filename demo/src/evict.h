/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes pages from under the guest, in ways that keep their content. */
#ifndef DEMO_EVICT_H
#define DEMO_EVICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csv.h"

/* A buffer that was placed in the span */
struct region {
    char *addr;
    size_t len;
    bool shared;        /* else private and anonymous */
    int mover;          /* a buffer of module xlmover's, which can be moved and
                           nothing else; or -1 */
};

struct evictor {
    const struct region *regions;
    unsigned n_regions;
    unsigned seed;
    int reclaim_fd;     /* memory.reclaim of our cgroup, or -1 */
    unsigned moves;     /* pages that may still be moved by soft-offlining */
    double next[EVICT_KINDS];   /* not before (CLOCK_MONOTONIC) */
    /* How far into its region the guest is at work now, 0 to 1 */
    double (*focus)(void *opaque);
    void *opaque;
};

/*
 * Finds out which ways work here; puts this process into a memory cgroup of
 * its own if it can.  Says what does not work.
 */
void evictor_init(struct evictor *e, const struct region *regions, unsigned n,
                  double (*focus)(void *opaque), void *opaque);

/*
 * Evicts something, in a way chosen at random.  Fills in kind, pages, took.
 * Returns 0, or -1 with errno set when that failed.
 */
int evictor_step(struct evictor *e, struct evicted *what);

#endif
