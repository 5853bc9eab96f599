/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: hear of it when memory management wants something back.
 *
 * One interval notifier over the span of each window.  What is invalidated is
 * revoked before the notifier returns.
 *
 * Whoever takes a snapshot of the page tables reads a generation first, and
 * asks under the lock of the books whether the range was invalidated since.
 * The core's own sequence says that of the span as a whole; one that covers a
 * large BAR is always being changed somewhere, so the last few ranges are kept.
 */
#ifndef _XLEND_NOTIFY_H
#define _XLEND_NOTIFY_H

#include <linux/mmu_notifier.h>
#include <linux/types.h>

struct xlend_window;

#define XLEND_RECENT		16

/**
 * struct xlend_notify - the notifier of a window
 * @interval: the core's
 * @gen: lock of the books: invalidations so far
 * @settled: lock of the books: so many of them have ended
 * @recent: lock of the books: the slots of the last ones, by @gen
 */
struct xlend_notify {
	struct mmu_interval_notifier interval;
	u64 gen;
	u64 settled;
	struct {
		unsigned long first;
		unsigned long last;
	} recent[XLEND_RECENT];
};

/**
 * struct xlend_snapshot - when a snapshot of the page tables was taken
 * @seq: the core's sequence
 * @gen: ours
 */
struct xlend_snapshot {
	unsigned long seq;
	u64 gen;
};

int xlend_notify_start(struct xlend_window *w);
void xlend_notify_stop(struct xlend_window *w);
struct xlend_snapshot xlend_notify_begin(struct xlend_window *w);
bool xlend_notify_quiet(struct xlend_window *w, unsigned long first,
			unsigned long last);
bool xlend_notify_retry(struct xlend_window *w, struct xlend_snapshot snap,
			unsigned long first, unsigned long last);

#endif /* _XLEND_NOTIFY_H */
