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
	u64 since = trace_xen_lend_invalidate_enabled() ? ktime_get_ns() : 0;
	unsigned long first, last;
	bool died = false;

	if (mmu_notifier_range_blockable(range))
		xlend_books_lock(&w->books);
	else if (!xlend_books_trylock(&w->books))
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
		if (w->books.counts.revoke_calls - w->waste.calls >=
		    XLEND_JUDGE_CALLS)
			xlend_window_judge(w);
	}
	if (range->event == MMU_NOTIFY_RELEASE)
		died = xlend_window_die(w);
	xlend_books_unlock(&w->books);

	trace_xen_lend_invalidate(w->books.domid, w->serial, range->start,
				  range->end, range->event, since);
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

/* Whether anything there was invalidated since @gen. */
static bool xlend_notify_hit(const struct xlend_notify *n, u64 gen,
			     unsigned long first, unsigned long last)
{
	if (n->gen - gen > XLEND_RECENT)
		return true;
	for (; gen != n->gen; gen++)
		if (n->recent[gen % XLEND_RECENT].first <= last &&
		    first <= n->recent[gen % XLEND_RECENT].last)
			return true;
	return false;
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

	/* Those before it had ended when the snapshot was taken. */
	if ((s64)(snap.gen - n->settled) > 0)
		n->settled = snap.gen;
	if (!mmu_interval_read_retry(&n->interval, snap.seq))
		return false;
	return xlend_notify_hit(n, snap.gen, first, last);
}

/**
 * xlend_notify_quiet - whether page tables can be looked at right now
 * @w: window
 * @first: first slot of interest
 * @last: last slot
 *
 * That an invalidation has begun is told, that it has ended is not: it has if
 * somebody has waited for it since.
 *
 * Context: the caller has the books, until what was seen has been used.
 * Return: false if there may be an invalidation under way.
 */
bool xlend_notify_quiet(struct xlend_window *w, unsigned long first,
			unsigned long last)
{
	return !xlend_notify_hit(&w->notify, w->notify.settled, first, last);
}
