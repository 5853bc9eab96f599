/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording of events becomes a record of counters over time. */
#ifndef REPLAY_H
#define REPLAY_H

#include <stdio.h>

#include "record.h"

struct replay_sum {
    unsigned windows;
    uint64_t events, faults, revoked, lost;
};

/*
 * r starts as zeros; record_free() in any case.  Returns 0, the number of the
 * first line that is wrong, or -1 with errno set.
 */
long replay(FILE *f, struct record *r, struct replay_sum *sum);

#endif
