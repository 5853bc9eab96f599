// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: what comes with a page that a vCPU faults on, see stream.h.
 */
#include "stream.h"

#include <linux/log2.h>
#include <linux/minmax.h>

/**
 * xlend_stream_step - a vCPU faults on a slot
 * @st: where it was going; where it goes now, but for @st->next, which is the
 *      caller's to set when it knows what was lent
 * @serial: the window's
 * @slot: of the window
 * @around: slots to look at if it is nowhere in particular; with 1 there is no
 *          more to it
 *
 * Return: the slots to look at, not clipped to anything.
 */
struct xlend_block xlend_stream_step(struct xlend_stream *st, u64 serial,
				     unsigned long slot, unsigned int around)
{
	struct xlend_block block;

	around = clamp_t(unsigned int, around, 1, XLEND_BATCH);
	if (around > 1 && st->serial == serial && st->next == slot) {
		st->size = min_t(unsigned int, max(st->size, around) * 2,
				 XLEND_BATCH);
		st->ahead = min_t(unsigned int, st->ahead ? st->ahead * 2 : 1,
				  XLEND_AHEAD);
		block.from = slot;
	} else {
		st->serial = serial;
		st->size = around;
		st->ahead = 0;
		block.from = slot - slot % around;
	}
	block.to = block.from + st->size;
	block.ahead = st->ahead;
	return block;
}

/**
 * xlend_waste_judge - what became of the slots that were revoked
 * @x: what was known before
 * @revokes: slots revoked so far
 * @unused: of these, before a vCPU had used them
 */
void xlend_waste_judge(struct xlend_waste *x, u64 revokes, u64 unused)
{
	u64 n = revokes - x->revokes, wasted = unused - x->unused;

	if (n < XLEND_JUDGE_SLOTS)
		return;
	x->revokes = revokes;
	x->unused = unused;
	if (wasted > n / 2)
		WRITE_ONCE(x->less, min_t(unsigned int, x->less + 1,
					  ilog2(XLEND_BATCH)));
	else if (x->less && wasted < n / 8)
		WRITE_ONCE(x->less, x->less - 1);
}

/**
 * xlend_waste_around - how many slots to look at around a fault
 * @x: what is known
 * @around: if nothing were
 *
 * Return: at least 1.
 */
unsigned int xlend_waste_around(const struct xlend_waste *x,
				unsigned int around)
{
	return max(around >> READ_ONCE(x->less), 1U);
}
