/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What list and stat print.  Each returns 0, or -1 after a message. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "windows.h"

/* A line for each window, under a heading; nothing if there is none */
int table_windows(FILE *f, const struct windows *ws);

/* All counters of one window */
int table_totals(FILE *f, const struct window *w);

/*
 * How long faults and revokes of one window took, since it was made or since
 * another reading.
 */
int table_latency(FILE *f, const struct window *w, const struct window *old);

/* The same window in another reading, or NULL */
const struct window *table_same(const struct windows *ws,
                                const struct window *w);

/*
 * A line for each window: what happened in the seconds between two readings.
 * Columns keep their widths from call to call, as long as numbers fit.
 */
int table_interval(FILE *f, const struct windows *old,
                   const struct windows *new, double seconds, bool heading);

#endif
