/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: what comes with a page that a vCPU faults on.
 *
 * What is present around it, since most of a fault's cost does not depend on how
 * many pages it brings.  A vCPU that goes through slots in sequence gets more
 * of them from fault to fault, and pages that are not present as well: as many
 * as it went through before, at most, so that no more is brought for nothing
 * than was of use.  One access elsewhere, and it begins anew.
 *
 * Whether a guest has a use for what is around is seen when it is revoked: Xen
 * tells what no vCPU had used.  Each time that is most of it, a window's faults
 * bring half as many; when it is next to nothing, twice as many again.
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

/**
 * struct xlend_waste - whether what comes with a fault is of use
 * @less: what is present around a fault is halved so many times
 * @calls: hypercalls to revoke, when this was last judged
 * @revokes: slots revoked, then
 * @unused: of these, before a vCPU had used them
 */
struct xlend_waste {
	unsigned int less;
	u64 calls;
	u64 revokes;
	u64 unused;
};

/* Calls and slots from one judgement to the next, at least. */
#define XLEND_JUDGE_CALLS	16
#define XLEND_JUDGE_SLOTS	64

void xlend_waste_judge(struct xlend_waste *x, u64 revokes, u64 unused);
unsigned int xlend_waste_around(const struct xlend_waste *x,
				unsigned int around);
struct xlend_block xlend_stream_step(struct xlend_stream *st, u64 serial,
				     unsigned long slot, unsigned int around);

#endif /* _XLEND_STREAM_H */
