/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened: samples of the counters, and the evictions, over time. */
#ifndef DEMO_RECORD_H
#define DEMO_RECORD_H

#include <stdint.h>
#include <xenlend.h>

/* Ways to take pages from the guest that keep what is in them */
enum eviction {
    EVICT_PAGEOUT,      /* MADV_PAGEOUT: written to swap */
    EVICT_RECLAIM,      /* the memory cgroup has to shrink */
    EVICT_DONTNEED,     /* MADV_DONTNEED on shared memory */
    EVICT_MIGRATE,      /* contents move to other frames */
    EVICT_MPROTECT,     /* other page protections */
    EVICT_FORK,         /* everything becomes copy-on-write */
    EVICT_KINDS
};
extern const char *const eviction_names[EVICT_KINDS];

struct evicted {
    double t;           /* seconds */
    enum eviction kind;
    uint32_t pages;     /* asked for; 0: the kernel's choice */
    uint32_t revoked;   /* taken from the guest meanwhile */
    double took;        /* seconds */
};

struct sample {
    double t;
    uint32_t rows;      /* drawn, all passes */
    struct xenlend_stats stats;
};

struct record {
    struct sample *samples;
    unsigned n_samples, room_samples;
    struct evicted *evictions;
    unsigned n_evictions, room_evictions;
};

/* Both end the program when memory is short. */
void record_sample(struct record *r, const struct sample *s);
void record_eviction(struct record *r, const struct evicted *e);

/* CSV with a header line; 0, or -1 with errno set */
int record_write_samples(const struct record *r, const char *path);
int record_write_evictions(const struct record *r, const char *path);

#endif
