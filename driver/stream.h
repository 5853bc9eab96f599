/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: what comes with a page that a vCPU faults on.
 *
 * What is present around it, since most of a fault's cost does not depend on how
 * many pages it brings.  A vCPU that goes through slots in sequence gets more
 * of them from fault to fault, and pages that are not present as well: as many
 * as it went through before, at most, so that no more is brought for nothing
 * than was of use.  One access elsewhere, and it begins anew.
 */
#ifndef _XLEND_STREAM_H
#define _XLEND_STREAM_H

#include "hcall.h"

#include <linux/types.h>

/* Absent pages that are brought with one fault. */
#define XLEND_AHEAD		32

/**
 * struct xlend_stream - where a vCPU goes
 * @serial: the window of its last fault
 * @next: first slot after that one which was not lent when it was resolved
 * @size: slots looked at with the last fault
 * @ahead: absent pages that came with it
 */
struct xlend_stream {
	u64 serial;
	unsigned long next;
	unsigned int size;
	unsigned int ahead;
};

/**
 * struct xlend_block - slots to look at
 * @from: first
 * @to: after the last; at most XLEND_BATCH of them
 * @ahead: so many after the one that is asked for may be brought
 */
struct xlend_block {
	unsigned long from;
	unsigned long to;
	unsigned int ahead;
};

struct xlend_block xlend_stream_step(struct xlend_stream *st, u64 serial,
				     unsigned long slot, unsigned int around);

#endif /* _XLEND_STREAM_H */
