/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The demo's record: ways to take pages, and what it leaves of it as CSV. */
#ifndef DEMO_CSV_H
#define DEMO_CSV_H

#include "record.h"

/* Ways to take pages from the guest that keep what is in them */
enum eviction {
    EVICT_PAGEOUT,      /* MADV_PAGEOUT: written to swap */
    EVICT_RECLAIM,      /* the memory cgroup has to shrink */
    EVICT_DONTNEED,     /* MADV_DONTNEED on shared memory */
    EVICT_MIGRATE,      /* contents move to other frames */
    EVICT_MPROTECT,     /* other page protections */
    EVICT_FORK,         /* everything becomes copy-on-write */
    EVICT_MOVE,         /* a driver moves its buffer, in or out of a device */
    EVICT_KINDS
};
extern const char *const eviction_names[EVICT_KINDS];

/* CSV with a header line; 0, or -1 with errno set */
int record_write_samples(const struct record *r, const char *path);
int record_write_evictions(const struct record *r, const char *path);

#endif
