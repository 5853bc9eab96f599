// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: hear of it when memory management wants something back, see
 * notify.h.
 */
#include "notify.h"

#include <linux/ktime.h>
#include <linux/mm.h>

#include "trace.h"
#include "window.h"

static bool xlend_invalidate(struct mmu_interval_notifier *ni,
			     const struct mmu_notifier_range *range,
			     unsigned long seq)
{
	struct xlend_window *w = container_of(ni, struct xlend_window,
					      notify.interval);
	struct xlend_notify *n = &w->notify;
	u64 since = ktime_get_ns();
	unsigned long first, last;
	bool died = false;

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&w->books.lock);
	else if (!mutex_trylock(&w->books.lock))
		return false;

	mmu_interval_set_seq(ni, seq);

	/* The end may be the highest address there is, and not aligned. */
	first = max(range->start, w->addr);
	last = min(range->end - 1, w->addr + (w->nr << PAGE_SHIFT) - 1);
	if (first <= last) {
		first = (first - w->addr) >> PAGE_SHIFT;
		last = (last - w->addr) >> PAGE_SHIFT;
		n->recent[n->gen % XLEND_RECENT].first = first;
		n->recent[n->gen % XLEND_RECENT].last = last;
		smp_store_release(&n->gen, n->gen + 1); /* after the sequence */
		xlend_books_revoke(&w->books, first, last);
	}
	if (range->event == MMU_NOTIFY_RELEASE)
		died = xlend_window_die(w);
	mutex_unlock(&w->books.lock);

	trace_xen_lend_invalidate(w->books.domid, w->serial, range->start,
				  range->end, range->event,
				  ktime_get_ns() - since);
	xlend_count(w, &w->counts.invalidations, 1);

	/* Something may be placed there: whoever was held for want of it... */
	if (first <= last)
		xlend_queue_resume(&w->crew.queue, first, last);
	if (died)
		xlend_window_mourn(w);
	return true;
}

static const struct mmu_interval_notifier_ops xlend_notify_ops = {
	.invalidate = xlend_invalidate,
};

/**
 * xlend_notify_start - begin to listen
 * @w: window with its books, of the current process
 *
 * Context: process; may sleep.  The notifier may be called before it returns.
 * Return: 0, -ENOMEM; -EINTR if a signal is pending, and nothing has happened.
 */
int xlend_notify_start(struct xlend_window *w)
{
	return mmu_interval_notifier_insert(&w->notify.interval, w->mm, w->addr,
					    w->nr << PAGE_SHIFT,
					    &xlend_notify_ops);
}

/**
 * xlend_notify_stop - undo xlend_notify_start()
 * @w: window in which nothing is lent any more
 *
 * Context: process; waits for the notifier to return.
 */
void xlend_notify_stop(struct xlend_window *w)
{
	mmu_interval_notifier_remove(&w->notify.interval);
}

/**
 * xlend_notify_begin - before a snapshot of the page tables
 * @w: window
 *
 * Context: process; waits for invalidations that are under way.
 * Return: what xlend_notify_retry() is to be given.
 */
struct xlend_snapshot xlend_notify_begin(struct xlend_window *w)
{
	struct xlend_snapshot snap;

	/* First: what begins after this may be waited for, or counts as later. */
	snap.gen = smp_load_acquire(&w->notify.gen);
	snap.seq = mmu_interval_read_begin(&w->notify.interval);
	return snap;
}

/**
 * xlend_notify_retry - whether a snapshot has been overtaken
 * @w: window
 * @snap: from xlend_notify_begin()
 * @first: first slot of interest
 * @last: last slot
 *
 * Context: lock of the books held, until what was seen has been used.
 * Return: true if it may be wrong.
 */
bool xlend_notify_retry(struct xlend_window *w, struct xlend_snapshot snap,
			unsigned long first, unsigned long last)
{
	struct xlend_notify *n = &w->notify;

	lockdep_assert_held(&w->books.lock);

	if (!mmu_interval_read_retry(&n->interval, snap.seq))
		return false;
	if (n->gen - snap.gen > XLEND_RECENT)
		return true;
	for (; snap.gen != n->gen; snap.gen++)
		if (n->recent[snap.gen % XLEND_RECENT].first <= last &&
		    first <= n->recent[snap.gen % XLEND_RECENT].last)
			return true;
	return false;
}
