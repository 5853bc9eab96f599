// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: windows, and taking back what is lent in them.
 */
#include "xlend.h"

#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/panic.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "trace.h"

/* Empty slots between lent ones that are cheaper to revoke than to skip. */
#define XLEND_GAP		64

/* Slots revoked by request at a time, between which the notifier gets in. */
#define XLEND_ZAP_BATCH		4096

/* All windows by serial. */
DEFINE_XARRAY(xlend_windows);
static atomic64_t xlend_serial;

static void xlend_window_free(struct kref *ref)
{
	struct xlend_window *w = container_of(ref, struct xlend_window, ref);

	kvfree(w->lent);
	kvfree(w->writable);
	kvfree(w->before);
	if (w->pid)
		put_pid(w->pid);
	if (w->mm)
		mmdrop(w->mm);
	xlend_domain_put(w->dom);
	xlend_borrower_put(w->borrower);
	kfree(w);
}

/**
 * xlend_window_put - drop a reference
 * @w: window
 *
 * Context: process, also a job.
 */
void xlend_window_put(struct xlend_window *w)
{
	kref_put(&w->ref, xlend_window_free);
}

/**
 * xlend_window_find - the window at a guest frame
 * @d: domain
 * @gfn: guest frame
 *
 * Return: the window with a reference, or NULL.
 */
struct xlend_window *xlend_window_find(struct xlend_domain *d, u64 gfn)
{
	struct xlend_window *found = NULL;
	struct rb_node *n;

	spin_lock(&d->lock);
	n = d->windows.rb_node;
	while (n) {
		struct xlend_window *w = rb_entry(n, struct xlend_window, node);

		if (gfn < w->gfn) {
			n = n->rb_left;
		} else if (gfn - w->gfn >= w->nr) {
			n = n->rb_right;
		} else {
			kref_get(&w->ref);
			found = w;
			break;
		}
	}
	spin_unlock(&d->lock);
	return found;
}

/* Reserve the range, a place within the limits, and an id. */
static int xlend_window_link(struct xlend_window *w)
{
	struct xlend_borrower *b = w->borrower;
	struct xlend_domain *d = w->dom;
	struct rb_node **p, *parent = NULL;
	int rc = 0;

	spin_lock(&d->lock);
	if (d->gone) {
		rc = -ENODEV;
		goto out;
	}
	if (b->nr_windows >= b->max_windows ||
	    d->nr_windows >= xlend_max_windows || b->last_id == U32_MAX) {
		rc = -ENOSPC;
		goto out;
	}
	p = &d->windows.rb_node;
	while (*p) {
		struct xlend_window *o = rb_entry(*p, struct xlend_window, node);

		parent = *p;
		if (w->gfn + w->nr <= o->gfn) {
			p = &parent->rb_left;
		} else if (w->gfn >= o->gfn + o->nr) {
			p = &parent->rb_right;
		} else {
			rc = -EEXIST;
			goto out;
		}
	}
	rb_link_node(&w->node, parent, p);
	rb_insert_color(&w->node, &d->windows);
	d->nr_windows++;
	b->nr_windows++;
	w->id = ++b->last_id;
out:
	spin_unlock(&d->lock);
	return rc;
}

static void xlend_window_unlink(struct xlend_window *w)
{
	struct xlend_domain *d = w->dom;

	spin_lock(&d->lock);
	rb_erase(&w->node, &d->windows);
	d->nr_windows--;
	w->borrower->nr_windows--;
	spin_unlock(&d->lock);
}

/*
 * The hypervisor promised that taking back never fails.  The caller is about to
 * let go of pages that the borrower can still write: whoever gets them next is
 * lost.  Stop the borrower, and if not even that works, stop here.
 */
static void xlend_promise_broken(struct xlend_window *w, int rc)
{
	pr_crit("d%u: cannot take back memory (%d), crashing the domain\n",
		w->dom->domid, rc);
	rc = xlend_hc_crash(w->dom->domid);
	if (rc && rc != -ESRCH && rc != -ENOENT)
		panic("xen-lend: d%u keeps memory it was lent (%d)",
		      w->dom->domid, rc);
}

/**
 * xlend_revoke_locked - take back what is lent in a range
 * @w: window
 * @first: first slot
 * @last: last slot, not before @first
 *
 * Context: w->lock held; does not sleep, allocate or fail.
 */
void xlend_revoke_locked(struct xlend_window *w, unsigned long first,
			 unsigned long last)
{
	unsigned long start, end, next, n, pages = 0, calls = 0;
	u64 since, ns, ns_max = 0, ns_total = 0;
	int rc;

	lockdep_assert_held(&w->lock);

	while (w->nr_lent && first <= last) {
		start = find_next_bit(w->lent, last + 1, first);
		if (start > last)
			break;
		end = find_next_zero_bit(w->lent, last + 1, start);
		n = end - start;
		for (;;) {
			next = find_next_bit(w->lent, last + 1, end);
			if (next > last || next - end > XLEND_GAP)
				break;
			end = find_next_zero_bit(w->lent, last + 1, next);
			n += end - next;
		}

		since = ktime_get_ns();
		rc = xlend_hc_revoke(w->dom->domid, w->handle, start,
				     end - start);
		if (rc)
			xlend_promise_broken(w, rc);
		ns = ktime_get_ns() - since;
		ns_total += ns;
		ns_max = max(ns_max, ns);
		trace_xen_lend_revoke(w, start, end - start, n);
		bitmap_clear(w->lent, start, end - start);
		bitmap_clear(w->writable, start, end - start);
		w->nr_lent -= n;
		pages += n;
		calls++;
		first = end;
	}

	if (calls) {
		spin_lock(&w->stat_lock);
		w->stats.revokes += pages;
		w->stats.revoke_calls += calls;
		w->stats.revoke_total_ns += ns_total;
		w->stats.revoke_max_ns = max(w->stats.revoke_max_ns, ns_max);
		spin_unlock(&w->stat_lock);
	}
}

static bool xlend_invalidate(struct mmu_interval_notifier *ni,
			     const struct mmu_notifier_range *range,
			     unsigned long seq)
{
	struct xlend_window *w = container_of(ni, struct xlend_window, notifier);
	u64 since = ktime_get_ns();
	unsigned long first, last;
	bool died = false;

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&w->lock);
	else if (!mutex_trylock(&w->lock))
		return false;

	mmu_interval_set_seq(ni, seq);

	/* The end may be the highest address there is, and not aligned. */
	first = max(range->start, w->addr);
	last = min(range->end - 1, w->addr + (w->nr << PAGE_SHIFT) - 1);
	if (first <= last && w->nr_lent)
		xlend_revoke_locked(w, (first - w->addr) >> PAGE_SHIFT,
				    (last - w->addr) >> PAGE_SHIFT);
	if (range->event == MMU_NOTIFY_RELEASE && !w->dead) {
		WRITE_ONCE(w->dead, true);
		died = true;
	}
	mutex_unlock(&w->lock);

	trace_xen_lend_invalidate(w, range->start, range->end, range->event,
				  ktime_get_ns() - since);
	xlend_count(w, &w->stats.invalidations, 1);

	/* The notifier is inserted before the window has become one. */
	if (died)
		xlend_event_window(w, XEN_LEND_EVENT_WINDOW_DEAD, 0, 0, 0);
	return true;
}

static const struct mmu_interval_notifier_ops xlend_notifier_ops = {
	.invalidate = xlend_invalidate,
};

static struct xlend_window *xlend_window_alloc(struct xlend_borrower *b,
					       const struct xen_lend_window *arg)
{
	unsigned long nr = arg->len >> PAGE_SHIFT;
	struct xlend_window *w;

	w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	if (!w)
		return NULL;
	kref_init(&w->ref);
	w->borrower = b;
	kref_get(&b->ref);
	w->dom = b->dom;
	kref_get(&w->dom->ref);
	w->gfn = arg->gpa >> PAGE_SHIFT;
	w->nr = nr;
	w->addr = arg->addr;
	w->flags = arg->flags;
	w->cookie = arg->cookie;
	w->policy = arg->policy;
	mutex_init(&w->lock);
	spin_lock_init(&w->stat_lock);
	w->mm = current->mm;
	mmgrab(w->mm);
	w->pid = get_pid(task_tgid(current));
	w->lent = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL_ACCOUNT);
	w->writable = kvcalloc(BITS_TO_LONGS(nr), sizeof(long),
			       GFP_KERNEL_ACCOUNT);
	w->before = kvcalloc(BITS_TO_LONGS(nr), sizeof(long),
			     GFP_KERNEL_ACCOUNT);
	if (!w->lent || !w->writable || !w->before) {
		xlend_window_put(w);
		return NULL;
	}

	/* Let lockdep know, without waiting for memory to be short. */
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&w->lock);
	fs_reclaim_release(GFP_KERNEL);
	return w;
}

static int xlend_window_check(const struct xlend_borrower *b,
			      const struct xen_lend_window *arg)
{
	unsigned long end;
	u64 gfn, nr;

	if (arg->reserved || arg->flags & ~XLEND_WINDOW_FLAGS ||
	    arg->policy > XEN_LEND_POLICY_FAULT)
		return -EINVAL;
	if (!arg->len || !PAGE_ALIGNED(arg->gpa) || !PAGE_ALIGNED(arg->len) ||
	    !PAGE_ALIGNED(arg->addr))
		return -EINVAL;
	gfn = arg->gpa >> PAGE_SHIFT;
	nr = arg->len >> PAGE_SHIFT;
	if (nr > xlend_max_pages)
		return -EFBIG;
	if (gfn < b->gfn || gfn - b->gfn >= b->nr || nr > b->nr - (gfn - b->gfn))
		return -ERANGE;
	if (check_add_overflow((unsigned long)arg->addr,
			       (unsigned long)arg->len, &end) ||
	    end > TASK_SIZE)
		return -EFAULT;
	return 0;
}

/**
 * xlend_window_create - XEN_LEND_WINDOW_CREATE
 * @b: descriptor
 * @uarg: struct xen_lend_window
 *
 * Return: 0; -EINVAL, -E2BIG; -EFBIG for more pages than a window may have;
 * -ERANGE outside the descriptor's range; -EFAULT for @uarg or a span outside
 * the address space; -ENOSPC for too many windows; -EEXIST if it overlaps
 * another or guest memory; -ENODEV if the borrower is gone; -ENOMEM; others as
 * the hypervisor returns them.
 */
long xlend_window_create(struct xlend_borrower *b, void __user *uarg)
{
	struct xen_lend_window arg;
	struct xlend_window *w;
	u32 usize;
	int rc;

	rc = xlend_copy_in(&arg, sizeof(arg), offsetofend(typeof(arg), id),
			   uarg, &usize);
	if (rc)
		return rc;
	rc = xlend_window_check(b, &arg);
	if (rc)
		return rc;
	if (!current->mm)
		return -EINVAL;

	w = xlend_window_alloc(b, &arg);
	if (!w)
		return -ENOMEM;
	w->serial = atomic64_inc_return(&xlend_serial);
	rc = xlend_window_link(w);
	if (rc)
		goto put;
	rc = xa_reserve(&b->windows, w->id, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto unlink;
	rc = xa_reserve(&xlend_windows, w->serial, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto release;

	/* It may be called from here on. */
	rc = mmu_interval_notifier_insert(&w->notifier, w->mm, w->addr,
					  w->nr << PAGE_SHIFT,
					  &xlend_notifier_ops);
	if (rc) {
		/* A signal is pending, and nothing has happened yet. */
		if (rc == -EINTR)
			rc = -ERESTARTNOINTR;
		goto release_all;
	}

	rc = xlend_hc_create(w->dom->domid, w->dom->server, w->gfn, w->nr,
			     &w->handle);
	if (rc) {
		if (rc == -ESRCH)
			rc = -ENODEV;
		goto remove;
	}

	/*
	 * The number may be another domain's by now, one with a server of ours
	 * of the same id.  It was not while the domain was not yet gone.
	 */
	if (READ_ONCE(w->dom->gone)) {
		xlend_hc_destroy(w->dom->domid, w->handle);
		rc = -ENODEV;
		goto remove;
	}

	mutex_lock(&w->lock);
	smp_store_release(&w->ready, true); /* after the handle */
	mutex_unlock(&w->lock);
	trace_xen_lend_window(w, true);

	arg.id = w->id;
	kref_get(&w->ref);
	xa_store(&xlend_windows, w->serial, w, GFP_KERNEL);
	xa_store(&b->windows, w->id, w, GFP_KERNEL);

	rc = xlend_copy_out(uarg, &arg, sizeof(arg), usize);
	/* Somebody may have guessed the id and destroyed it already. */
	if (rc && xa_erase(&b->windows, w->id))
		xlend_window_destroy(w);
	xlend_window_put(w);
	return rc;

remove:
	mmu_interval_notifier_remove(&w->notifier);
release_all:
	xa_release(&xlend_windows, w->serial);
release:
	xa_release(&b->windows, w->id);
unlink:
	xlend_window_unlink(w);
put:
	xlend_window_put(w);
	return rc;
}

/**
 * xlend_window_destroy - take back all and forget a window
 * @w: window, already taken out of its descriptor's array by the caller, whose
 *     reference is dropped
 *
 * When it returns the guest cannot reach the span any more.  Waits for no page
 * fault.
 *
 * Context: process, no locks held.
 */
void xlend_window_destroy(struct xlend_window *w)
{
	int rc;

	xa_erase(&xlend_windows, w->serial);
	/* New requests for it find nothing, and try again until Xen forgets. */
	xlend_window_unlink(w);

	mutex_lock(&w->lock);
	WRITE_ONCE(w->ready, false);
	xlend_revoke_locked(w, 0, w->nr - 1);
	mutex_unlock(&w->lock);

	/* Pauses the domain: not under the lock. */
	rc = xlend_hc_destroy(w->dom->domid, w->handle);
	if (rc)
		xlend_promise_broken(w, rc);
	trace_xen_lend_window(w, false);

	xlend_slots_abort(w->dom, w);
	mmu_interval_notifier_remove(&w->notifier);
	xlend_window_put(w);
}

static struct xlend_window *xlend_window_get(struct xlend_borrower *b, u32 id)
{
	struct xlend_window *w;

	xa_lock(&b->windows);
	w = xa_load(&b->windows, id);
	if (w)
		kref_get(&w->ref);
	xa_unlock(&b->windows);
	return w;
}

/**
 * xlend_window_remove - XEN_LEND_WINDOW_DESTROY
 * @b: descriptor
 * @uarg: struct xen_lend_range, all but the id 0
 *
 * Return: 0; -EINVAL, -E2BIG, -EFAULT; -ENOENT without such a window.
 */
long xlend_window_remove(struct xlend_borrower *b, void __user *uarg)
{
	struct xen_lend_range arg;
	struct xlend_window *w;
	u32 usize;
	int rc;

	rc = xlend_copy_in(&arg, sizeof(arg), offsetofend(typeof(arg), id),
			   uarg, &usize);
	if (rc)
		return rc;
	if (arg.flags || arg.offset || arg.len)
		return -EINVAL;
	w = xa_erase(&b->windows, arg.id);
	if (!w)
		return -ENOENT;
	xlend_window_destroy(w);
	return 0;
}

/* Arguments of populate and zap.  On success @w has a reference. */
static int xlend_range_in(struct xlend_borrower *b, void __user *uarg,
			  u64 flags, struct xen_lend_range *arg, u32 *usize,
			  struct xlend_window **w)
{
	u64 nr, first;
	int rc;

	rc = xlend_copy_in(arg, sizeof(*arg), offsetofend(typeof(*arg), len),
			   uarg, usize);
	if (rc)
		return rc;
	if (arg->flags & ~flags || !arg->len || !PAGE_ALIGNED(arg->offset) ||
	    !PAGE_ALIGNED(arg->len))
		return -EINVAL;
	*w = xlend_window_get(b, arg->id);
	if (!*w)
		return -ENOENT;
	first = arg->offset >> PAGE_SHIFT;
	nr = arg->len >> PAGE_SHIFT;
	if (first >= (*w)->nr || nr > (*w)->nr - first) {
		xlend_window_put(*w);
		return -ERANGE;
	}
	return 0;
}

/* @rc comes first, then whether it could be told how far it came. */
static int xlend_range_out(void __user *uarg, struct xen_lend_range *arg,
			   u32 usize, unsigned long done, int rc)
{
	int err;

	arg->done = (u64)done << PAGE_SHIFT;
	err = xlend_copy_out(uarg, arg, sizeof(*arg), usize);
	return rc ?: err;
}

/**
 * xlend_window_populate - XEN_LEND_POPULATE
 * @b: descriptor
 * @uarg: struct xen_lend_range
 *
 * Return: 0; -EINVAL, -E2BIG, -ENOENT; -ERANGE outside the window; -EROFS to
 * write in a window that is read-only; -EPERM if the span is not the caller's;
 * -EINTR; -ENODEV if the borrower is gone; or the error of the first page that
 * failed, see xlend_fault().
 */
long xlend_window_populate(struct xlend_borrower *b, void __user *uarg)
{
	unsigned long first, nr, i = 0;
	struct xlend_scratch *scratch;
	struct xen_lend_range arg;
	struct xlend_window *w;
	unsigned int flags;
	u32 usize;
	int rc;

	rc = xlend_range_in(b, uarg, XEN_LEND_WINDOW_WRITE, &arg, &usize, &w);
	if (rc)
		return rc;
	flags = arg.flags & XEN_LEND_WINDOW_WRITE ? XLEND_FAULT_WRITE : 0;
	first = arg.offset >> PAGE_SHIFT;
	nr = arg.len >> PAGE_SHIFT;

	rc = -EPERM;
	if (w->mm != current->mm)
		goto out;
	rc = -ENODEV;
	if (READ_ONCE(w->dom->gone))
		goto out;
	rc = -ENOMEM;
	scratch = kmalloc(sizeof(*scratch), GFP_KERNEL_ACCOUNT);
	if (!scratch)
		goto out;
	scratch->slot = NULL; /* no vCPU waits */

	rc = 0;
	for (i = 0; i < nr; i++) {
		/* A hint only, as is all this: it may be gone at once. */
		if (test_bit(first + i, w->lent) &&
		    (!flags || test_bit(first + i, w->writable)))
			continue;
		if (i && signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		rc = xlend_fault(w, first + i, flags, XLEND_BATCH, NULL,
				 scratch);
		if (rc == -ESHUTDOWN)
			rc = -ENOENT;
		if (rc)
			break;
		cond_resched();
	}
	kfree(scratch);
out:
	rc = xlend_range_out(uarg, &arg, usize, i, rc);
	xlend_window_put(w);
	return rc;
}

/**
 * xlend_window_zap - XEN_LEND_ZAP
 * @b: descriptor
 * @uarg: struct xen_lend_range
 *
 * Return: 0; -EINVAL, -E2BIG, -EFAULT, -ENOENT; -ERANGE outside the window.
 */
long xlend_window_zap(struct xlend_borrower *b, void __user *uarg)
{
	unsigned long first, nr, i, n;
	struct xen_lend_range arg;
	struct xlend_window *w;
	u32 usize;
	int rc;

	rc = xlend_range_in(b, uarg, 0, &arg, &usize, &w);
	if (rc)
		return rc;
	first = arg.offset >> PAGE_SHIFT;
	nr = arg.len >> PAGE_SHIFT;

	for (i = 0; i < nr; i += n) {
		n = min(nr - i, (unsigned long)XLEND_ZAP_BATCH);
		mutex_lock(&w->lock);
		xlend_revoke_locked(w, first + i, first + i + n - 1);
		mutex_unlock(&w->lock);
		cond_resched();
	}
	rc = xlend_range_out(uarg, &arg, usize, nr, 0);
	xlend_window_put(w);
	return rc;
}

static void xlend_stats_get(struct xlend_window *w, struct xen_lend_stats *st)
{
	spin_lock(&w->stat_lock);
	*st = w->stats;
	spin_unlock(&w->stat_lock);
	st->id = w->id;
	st->pages_lent = READ_ONCE(w->nr_lent);
}

/**
 * xlend_window_stats - XEN_LEND_STATS
 * @b: descriptor
 * @uarg: struct xen_lend_stats
 *
 * Context: process; waits for w->lock, as a lend or revoke may hold it.
 * Return: 0; -EINVAL, -E2BIG, -EFAULT; -ENOENT without such a window.
 */
long xlend_window_stats(struct xlend_borrower *b, void __user *uarg)
{
	struct xen_lend_stats st;
	struct xlend_window *w;
	u32 usize;
	int rc;

	rc = xlend_copy_in(&st, sizeof(st), offsetofend(typeof(st), id), uarg,
			   &usize);
	if (rc)
		return rc;
	w = xlend_window_get(b, st.id);
	if (!w)
		return -ENOENT;
	/* Who lends has the lock: what a guest that goes on was lent counts. */
	mutex_lock(&w->lock);
	xlend_stats_get(w, &st);
	mutex_unlock(&w->lock);
	xlend_window_put(w);
	st.size = usize;
	return xlend_copy_out(uarg, &st, sizeof(st), usize);
}

/**
 * xlend_window_next - XEN_LEND_NEXT
 * @uarg: struct xen_lend_next
 *
 * Context: the caller has checked privilege.
 * Return: 0; -ENOENT after the last window; -EINVAL, -E2BIG, -EFAULT.
 */
long xlend_window_next(void __user *uarg)
{
	struct xen_lend_next arg;
	struct xlend_window *w = NULL;
	u32 usize, ssize, room;
	unsigned long serial;
	int rc;

	rc = xlend_copy_in(&arg, sizeof(arg), offsetofend(typeof(arg), serial),
			   uarg, &usize);
	if (rc)
		return rc;
	if (arg.reserved)
		return -EINVAL;
	serial = arg.serial;
	ssize = arg.stats.size;

	if (serial++ != ULONG_MAX) {
		xa_lock(&xlend_windows);
		w = xa_find(&xlend_windows, &serial, ULONG_MAX, XA_PRESENT);
		if (w)
			kref_get(&w->ref);
		xa_unlock(&xlend_windows);
	}
	if (!w)
		return -ENOENT;

	arg.id = w->id;
	arg.serial = w->serial;
	arg.domid = w->dom->domid;
	arg.pid = pid_vnr(w->pid);
	arg.policy = w->policy;
	arg.dead = READ_ONCE(w->dead) || READ_ONCE(w->dom->gone);
	arg.flags = w->flags;
	arg.gpa = w->gfn << PAGE_SHIFT;
	arg.len = (u64)w->nr << PAGE_SHIFT;
	xlend_stats_get(w, &arg.stats);
	arg.stats.size = ssize;
	xlend_window_put(w);

	/* The statistics come last and have a size of their own. */
	room = offsetof(typeof(arg), stats) +
	       clamp_t(u32, ssize, sizeof(u32), sizeof(arg.stats));
	return xlend_copy_out(uarg, &arg, room, usize);
}
