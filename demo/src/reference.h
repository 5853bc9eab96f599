/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEMO_REFERENCE_H
#define DEMO_REFERENCE_H

#include "demo.h"

/*
 * Computes the picture, and its sums, as the guest has to, with the same
 * source; on all processors.  Returns 0, or -1 with errno set.
 */
int reference_compute(uint32_t *frame, struct demo_sum *sums, uint32_t passes);

/* The checksum over a frame, as the guest makes it */
uint64_t reference_checksum(const uint32_t *frame);

#endif
