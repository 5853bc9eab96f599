/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: windows.
 *
 * A range of guest frames, the span of a process behind it, the books of what
 * is lent, the notifier over the span, and the crew that resolves its faults.
 *
 * References (kref): held by the holder's array of windows, until
 * xlend_window_destroy(), by each of the crew's workers, and by whoever looked
 * it up.  The window holds its holder and borrower, and mm_count (mmgrab) of
 * the process, never mm_users.  No page is ever referenced or pinned.  The
 * interrupt has no reference: the struct itself goes after a grace period, and
 * of all else it makes use only with the books of a window that is open.
 *
 * Lock order, outer to inner:
 *
 * xlend_borrowers_lock (mutex)      the list of borrowers, their servers
 *   mmap_lock, file system, folio and reverse map locks   (core mm)
 *     xlend_books.lock (mutex)      what is lent; then, for a moment,
 *     xlend_books.quick (irq)       the same for interrupts, which hold it for
 *                                   as long, and only try mmap_lock under it
 *       xlend_request.lock (irq)    a vCPU's request and its answer
 *         xlend_borrower.lock (irq) windows by frame, holders
 *           xlend_queue.lock (irq)  which request is where
 *           xlend_events.lock (irq)
 *           xlend_window.stat_lock (irq)
 */
#ifndef _XLEND_WINDOW_H
#define _XLEND_WINDOW_H

#include <linux/kref.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <xen/lenddev.h>

#include "books.h"
#include "event.h"
#include "notify.h"
#include "param.h"
#include "present.h"
#include "stream.h"
#include "worker.h"

struct eventfd_ctx;
struct xlend_borrower;
struct xlend_holder;

/**
 * struct xlend_window_counts - what happened, ever
 * @faults_read: requests of these kinds
 * @faults_write: likewise
 * @copies: accesses made by value
 * @invalidations: calls of the notifier
 * @retries: attempts lost to one of them
 * @errors: requests answered by the policy
 * @holds: requests held
 * @stalls: faults that came without progress
 * @interrupts: faults served without a worker
 * @ahead: absent pages brought before they were asked for
 * @fault_total_ns: time from request to answer
 * @fault_max_ns: the longest
 * @fault_us: faults by their time, see LENDDEV_BUCKETS
 */
struct xlend_window_counts {
	u64 faults_read;
	u64 faults_write;
	u64 copies;
	u64 invalidations;
	u64 retries;
	u64 errors;
	u64 holds;
	u64 stalls;
	u64 interrupts;
	u64 ahead;
	u64 fault_total_ns;
	u64 fault_max_ns;
	u64 fault_us[LENDDEV_BUCKETS];
};

struct xlend_window {
	struct kref ref;
	struct rcu_head rcu;
	struct xlend_holder *holder;
	struct xlend_borrower *borrower;
	struct rb_node node;		/* borrower->lock */
	u64 gfn;
	unsigned long nr;
	unsigned long addr;
	struct mm_struct *mm;
	struct pid *pid;		/* creator */
	u64 flags;
	u64 cookie;
	u64 serial;
	u32 id;
	u32 policy;
	struct xlend_events events;
	struct eventfd_ctx *eventfd;	/* or NULL */
	bool dead;			/* the span's process is gone */

	struct xlend_books books;
	struct xlend_notify notify;
	struct xlend_present present;	/* books.lock */
	struct xlend_waste waste;	/* books.lock */
	u64 unused;			/* of revokes, as Xen told last; books.lock */
	unsigned long large_after;	/* jiffies */
	struct xlend_crew crew;

	spinlock_t stat_lock;		/* counts */
	struct xlend_window_counts counts;
};

static inline void xlend_count(struct xlend_window *w, u64 *counter, u64 n)
{
	unsigned long flags;

	spin_lock_irqsave(&w->stat_lock, flags);
	*counter += n;
	spin_unlock_irqrestore(&w->stat_lock, flags);
}

/* Slots to look at around a fault. */
static inline unsigned int xlend_window_around(const struct xlend_window *w)
{
	return xlend_waste_around(&w->waste, READ_ONCE(xlend_fault_around));
}

/**
 * xlend_window_large - whether a slot could be part of a large entry
 * @w: window
 * @slot: of it
 *
 * Both sides have to be congruent, and one that was refused lately is not tried
 * again at once: its page may be one for Linux, and none for Xen.
 *
 * Context: any.
 */
static inline bool xlend_window_large(const struct xlend_window *w,
				      unsigned long slot)
{
	unsigned long first = round_down(slot, XLEND_LARGE);

	return w->nr - first >= XLEND_LARGE &&
	       IS_ALIGNED(w->gfn, XLEND_LARGE) && IS_ALIGNED(w->addr, PMD_SIZE) &&
	       xlend_window_around(w) > 1 && xlend_hc_has(XENMEM_LEND_HAS_2M) &&
	       time_after_eq(jiffies, READ_ONCE(w->large_after));
}

bool xlend_windows_none(void);
int xlend_window_create(struct xlend_holder *h, struct lenddev_window *arg,
			struct xlend_window **window);
void xlend_window_publish(struct xlend_window *w);
void xlend_window_destroy(struct xlend_window *w);
void xlend_window_put(struct xlend_window *w);
struct xlend_window *xlend_window_get(struct xlend_holder *h, u32 id);
struct xlend_window *xlend_window_from(struct xlend_holder *h,
				       unsigned long *id);
struct xlend_window *xlend_window_next(u64 serial);
struct xlend_window *xlend_window_at(struct xlend_borrower *b, u64 gfn);
bool xlend_window_die(struct xlend_window *w);
void xlend_window_mourn(struct xlend_window *w);
void xlend_window_judge(struct xlend_window *w);
void xlend_window_event(struct xlend_window *w, u32 type, int reason,
			u32 access, u32 vcpu, u64 gpa);
void xlend_window_stats(struct xlend_window *w, struct lenddev_stats *st);

#endif /* _XLEND_WINDOW_H */
