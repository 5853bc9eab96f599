/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened: samples of the counters, and what took pages, over time. */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>
#include <xenlend.h>

#define RECORD_KINDS    8       /* of what takes pages, at most */

struct evicted {
    double t;           /* seconds */
    unsigned kind;
    uint32_t pages;     /* asked for; 0: the kernel's choice */
    uint32_t revoked;   /* taken from the guest meanwhile */
    double took;        /* seconds */
};

struct sample {
    double t;
    uint32_t rows;      /* the demo's: drawn, all passes */
    struct xenlend_stats stats;
};

struct record {
    const char *const *kinds;   /* names */
    unsigned n_kinds;
    struct sample *samples;
    unsigned n_samples, room_samples;
    struct evicted *evictions;
    unsigned n_evictions, room_evictions;
};

/* Both end the program when memory is short. */
void record_sample(struct record *r, const struct sample *s);
void record_eviction(struct record *r, const struct evicted *e);
void record_free(struct record *r);

#endif
