/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: lend pages that are present, in the interrupt that asks for them.
 *
 * As get_user_pages_fast() does it: with interrupts off page tables cannot be
 * freed, and are read as they are.  Nobody waits here.  What needs to wait, or
 * is not quite clear, is left to the workers: a page that is not there or is
 * not yet dirty, a lock that somebody has, an invalidation that may not have
 * ended.
 *
 * That an entry holds is known by having the books: before it changes there is
 * an invalidation, which needs them, and is seen in them (see
 * xlend_notify_quiet()).  So the page stays as long.
 *
 * The time is nobody's: what an interrupt takes is not charged to the lender.
 * So there is a limit to how many faults of a window are served this way in a
 * tick; the others are the workers'.
 */
#ifndef _XLEND_PRESENT_H
#define _XLEND_PRESENT_H

#include <linux/types.h>

struct xlend_turn;
struct xlend_window;

/**
 * struct xlend_present - how much was served this way
 * @tick: when
 * @nr: faults, in that tick
 */
struct xlend_present {
	unsigned long tick;
	unsigned int nr;
};

int xlend_present_init(void);
void xlend_present_exit(void);
bool xlend_present(struct xlend_window *w, struct xlend_turn *t);

#endif /* _XLEND_PRESENT_H */
