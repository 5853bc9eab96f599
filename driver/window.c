// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: windows, see window.h.
 */
#include "window.h"

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "borrower.h"
#include "compat.h"
#include "param.h"
#include "resolve.h"
#include "serve.h"
#include "trace.h"

/* All windows by serial. */
static DEFINE_XARRAY(xlend_windows);
static atomic64_t xlend_serial;

/* Those that somebody has a reference to, too. */
static atomic_t xlend_nr_windows;

/**
 * xlend_windows_none - whether there is no window at all
 */
bool xlend_windows_none(void)
{
	return xa_empty(&xlend_windows) && !atomic_read(&xlend_nr_windows);
}

static void xlend_window_free(struct kref *ref)
{
	struct xlend_window *w = container_of(ref, struct xlend_window, ref);

	xlend_books_free(&w->books);
	xlend_crew_free(&w->crew);
	if (w->eventfd)
		eventfd_ctx_put(w->eventfd);
	put_pid(w->pid);
	mmdrop(w->mm);
	xlend_holder_put(w->holder);
	xlend_borrower_put(w->borrower);
	kfree_rcu(w, rcu);
	atomic_dec(&xlend_nr_windows);
}

/**
 * xlend_window_put - drop a reference
 * @w: window
 *
 * Context: process.
 */
void xlend_window_put(struct xlend_window *w)
{
	kref_put(&w->ref, xlend_window_free);
}

/**
 * xlend_window_at - the window at a guest frame
 * @b: borrower
 * @gfn: guest frame
 *
 * Context: b->lock held, as long as the window is used without a reference.
 * Return: the window or NULL.
 */
struct xlend_window *xlend_window_at(struct xlend_borrower *b, u64 gfn)
{
	struct rb_node *n = b->windows.rb_node;

	lockdep_assert_held(&b->lock);

	while (n) {
		struct xlend_window *w = rb_entry(n, struct xlend_window, node);

		if (gfn < w->gfn)
			n = n->rb_left;
		else if (gfn - w->gfn >= w->nr)
			n = n->rb_right;
		else
			return w;
	}
	return NULL;
}

/* Reserve the range, a place within the limits, and an id. */
static int xlend_window_link(struct xlend_window *w)
{
	struct xlend_holder *h = w->holder;
	struct xlend_borrower *b = w->borrower;
	struct rb_node **p, *parent = NULL;
	int rc = 0;

	spin_lock_irq(&b->lock);
	if (b->gone) {
		rc = -ENODEV;
		goto out;
	}
	if (h->nr_windows >= h->max_windows ||
	    b->nr_windows >= xlend_max_windows || h->last_id == U32_MAX) {
		rc = -ENOSPC;
		goto out;
	}
	p = &b->windows.rb_node;
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
	rb_insert_color(&w->node, &b->windows);
	b->nr_windows++;
	h->nr_windows++;
	w->id = ++h->last_id;
	xlend_events_name(&w->events, w->id, w->cookie);
out:
	spin_unlock_irq(&b->lock);
	return rc;
}

static void xlend_window_unlink(struct xlend_window *w)
{
	struct xlend_borrower *b = w->borrower;

	spin_lock_irq(&b->lock);
	rb_erase(&w->node, &b->windows);
	b->nr_windows--;
	w->holder->nr_windows--;
	spin_unlock_irq(&b->lock);
}

/**
 * xlend_window_event - queue an event about a window
 * @w: the window
 * @type: LENDDEV_EVENT_*
 * @reason: LENDDEV_REASON_* or 0
 * @access: LENDDEV_ACCESS_*
 * @vcpu: who met it
 * @gpa: byte address of the access
 *
 * Context: any; does not sleep or allocate.
 */
void xlend_window_event(struct xlend_window *w, u32 type, int reason,
			u32 access, u32 vcpu, u64 gpa)
{
	const struct lenddev_event ev = {
		.type = type,
		.reason = reason,
		.vcpu = vcpu,
		.gpa = gpa,
		.access = access,
	};

	xlend_events_add(&w->events, &ev);
	wake_up_interruptible(&w->holder->wait);
	if (w->eventfd)
		xlend_eventfd_signal(w->eventfd);
}

/**
 * xlend_window_die - the span's process is gone
 * @w: window
 *
 * Context: any; does not sleep or allocate.
 * Return: whether that is news, and xlend_window_mourn() is to be called.
 */
bool xlend_window_die(struct xlend_window *w)
{
	unsigned long flags;
	bool news;

	/* Who dispatches requests sees it, or is seen by who answers them. */
	spin_lock_irqsave(&w->borrower->lock, flags);
	news = !w->dead;
	WRITE_ONCE(w->dead, true);
	spin_unlock_irqrestore(&w->borrower->lock, flags);
	return news;
}

/**
 * xlend_window_mourn - tell that the span's process is gone, settle what waits
 * @w: window
 *
 * Context: process, also in reclaim; does not sleep or allocate.
 */
void xlend_window_mourn(struct xlend_window *w)
{
	xlend_window_event(w, LENDDEV_EVENT_WINDOW_DEAD, 0, 0, 0, 0);
	xlend_serve_dead(w);
}

static struct xlend_window *xlend_crew_window(struct xlend_crew *crew)
{
	return container_of(crew, struct xlend_window, crew);
}

static void xlend_crew_serve(struct xlend_crew *crew, struct xlend_turn *t,
			     void *scratch)
{
	xlend_serve(xlend_crew_window(crew), t, scratch);
}

static void xlend_crew_get(struct xlend_crew *crew)
{
	kref_get(&xlend_crew_window(crew)->ref);
}

static void xlend_crew_put(struct xlend_crew *crew)
{
	xlend_window_put(xlend_crew_window(crew));
}

static void xlend_crew_died(struct xlend_crew *crew)
{
	struct xlend_window *w = xlend_crew_window(crew);

	if (xlend_window_die(w))
		xlend_window_mourn(w);
}

static const struct xlend_crew_ops xlend_crew_ops = {
	.scratch = sizeof(struct xlend_scratch),
	.serve = xlend_crew_serve,
	.get = xlend_crew_get,
	.put = xlend_crew_put,
	.died = xlend_crew_died,
};

static struct xlend_window *
xlend_window_alloc(struct xlend_holder *h, const struct lenddev_window *arg)
{
	struct xlend_window *w;

	w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	if (!w)
		return NULL;
	atomic_inc(&xlend_nr_windows);
	kref_init(&w->ref);
	w->holder = h;
	kref_get(&h->ref);
	w->borrower = h->borrower;
	kref_get(&w->borrower->ref);
	w->gfn = arg->gpa >> PAGE_SHIFT;
	w->nr = arg->len >> PAGE_SHIFT;
	w->addr = arg->addr;
	w->flags = arg->flags;
	w->cookie = arg->cookie;
	w->policy = arg->policy;
	spin_lock_init(&w->stat_lock);
	xlend_events_init(&w->events);
	w->mm = current->mm;
	w->large_after = jiffies;
	mmgrab(w->mm);
	w->pid = get_pid(task_tgid(current));
	w->serial = atomic64_inc_return(&xlend_serial);
	xlend_crew_init(&w->crew, &xlend_crew_ops, w->mm, w->pid);
	if (xlend_books_init(&w->books, xlend_domid(w->borrower), w->serial,
			     w->nr)) {
		xlend_window_put(w);
		return NULL;
	}
	return w;
}

/**
 * xlend_window_create - make a window, not yet to be found by its numbers
 * @h: descriptor
 * @arg: checked by the caller
 * @window: set; has a reference, for xlend_window_publish()
 *
 * Context: process whose span it is; no locks held.
 * Return: 0; -ENOSPC for too many windows; -EEXIST if it overlaps another or
 * guest memory; -ENODEV if the borrower is gone; -EBADF without an eventfd;
 * -EAGAIN if the process may have no more threads; -ENOMEM; others as the
 * hypervisor returns them.
 */
int xlend_window_create(struct xlend_holder *h, struct lenddev_window *arg,
			struct xlend_window **window)
{
	struct xlend_borrower *b = h->borrower;
	domid_t domid = xlend_domid(b);
	struct xlend_window *w;
	u64 handle;
	int rc;

	w = xlend_window_alloc(h, arg);
	if (!w)
		return -ENOMEM;
	if (w->flags & LENDDEV_WINDOW_EVENTFD) {
		w->eventfd = eventfd_ctx_fdget(arg->eventfd);
		if (IS_ERR(w->eventfd)) {
			rc = PTR_ERR(w->eventfd);
			w->eventfd = NULL;
			goto put;
		}
	}
	rc = xlend_window_link(w);
	if (rc)
		goto put;
	rc = xa_reserve(&h->windows, w->id, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto unlink;
	rc = xa_reserve(&xlend_windows, w->serial, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto release;

	rc = xlend_notify_start(w);
	if (rc) {
		if (rc == -EINTR)
			rc = -ERESTARTNOINTR;
		goto release_all;
	}
	rc = xlend_crew_start(&w->crew, min(b->server.nr, xlend_workers),
			      domid);
	if (rc)
		goto stop_notify;
	rc = xlend_hc_create(domid, b->server.id, w->gfn, w->nr, &handle);
	if (rc) {
		if (rc == -ESRCH)
			rc = -ENODEV;
		goto stop_crew;
	}

	/*
	 * The number may be another domain's by now, one with a server of ours
	 * of the same id.  It was not while the domain was not yet gone.
	 */
	if (READ_ONCE(b->gone)) {
		xlend_hc_destroy(domid, handle);
		rc = -ENODEV;
		goto stop_crew;
	}
	xlend_books_open(&w->books, handle);
	trace_xen_lend_window(domid, w->serial, w->id, w->gfn, w->nr, w->addr,
			      true);
	arg->id = w->id;
	*window = w;
	return 0;

stop_crew:
	xlend_crew_stop(&w->crew);
stop_notify:
	xlend_notify_stop(w);
release_all:
	xa_release(&xlend_windows, w->serial);
release:
	xa_release(&h->windows, w->id);
unlink:
	xlend_window_unlink(w);
put:
	xlend_window_put(w);
	return rc;
}

/**
 * xlend_window_publish - let a new window be found by its numbers
 * @w: window; the caller's reference becomes the holder's
 *
 * Context: process.
 */
void xlend_window_publish(struct xlend_window *w)
{
	/* The places are reserved. */
	kref_get(&w->ref);
	xa_store(&xlend_windows, w->serial, w, GFP_KERNEL);
	xa_store(&w->holder->windows, w->id, w, GFP_KERNEL);
	xlend_window_put(w);
}

/**
 * xlend_window_destroy - take back all and forget a window
 * @w: window, not or no longer in its holder's array, whose reference is
 *     dropped
 *
 * When it returns the guest cannot reach the span any more.  Waits for no page
 * fault.
 *
 * Context: process, no locks held.
 */
void xlend_window_destroy(struct xlend_window *w)
{
	domid_t domid = xlend_domid(w->borrower);
	int rc;

	xa_erase(&xlend_windows, w->serial);
	/* New requests for it find nothing, and try again until Xen forgets. */
	xlend_window_unlink(w);
	xlend_books_close(&w->books);

	/* Pauses the domain: not under the lock. */
	rc = xlend_hc_destroy(domid, w->books.handle);
	if (rc)
		xlend_hc_broken(domid, rc);
	trace_xen_lend_window(domid, w->serial, w->id, w->gfn, w->nr, w->addr,
			      false);

	xlend_serve_none(w);
	xlend_crew_stop(&w->crew);
	xlend_notify_stop(w);
	xlend_window_put(w);
}

/* The first at an index or after it, with a reference, or NULL. */
static struct xlend_window *xlend_window_find(struct xarray *windows,
					      unsigned long *index)
{
	struct xlend_window *w;

	xa_lock(windows);
	w = xa_find(windows, index, ULONG_MAX, XA_PRESENT);
	if (w)
		kref_get(&w->ref);
	xa_unlock(windows);
	return w;
}

/**
 * xlend_window_from - a window of a descriptor
 * @h: descriptor
 * @id: the smallest id that will do; set to the window's
 *
 * Context: any in which interrupts are on.
 * Return: the window with a reference, or NULL if there is none from there on.
 */
struct xlend_window *xlend_window_from(struct xlend_holder *h,
				       unsigned long *id)
{
	return xlend_window_find(&h->windows, id);
}

/**
 * xlend_window_get - the window of a descriptor with this id
 * @h: descriptor
 * @id: of the window
 *
 * Context: process.
 * Return: the window with a reference, or NULL.
 */
struct xlend_window *xlend_window_get(struct xlend_holder *h, u32 id)
{
	struct xlend_window *w;

	xa_lock(&h->windows);
	w = xa_load(&h->windows, id);
	if (w)
		kref_get(&w->ref);
	xa_unlock(&h->windows);
	return w;
}

/**
 * xlend_window_next - a window of any descriptor
 * @serial: the smallest that will do
 *
 * Context: process.
 * Return: the window with a reference, or NULL if there is none from there on.
 */
struct xlend_window *xlend_window_next(u64 serial)
{
	unsigned long index = serial;

	return xlend_window_find(&xlend_windows, &index);
}

/**
 * xlend_window_judge - ask Xen what became of what was revoked
 * @w: window
 *
 * Context: lock of the books held.
 */
void xlend_window_judge(struct xlend_window *w)
{
	u64 revokes, unused;

	lockdep_assert_held(&w->books.lock);

	/* Also if Xen does not answer: not again at each invalidation. */
	w->waste.calls = w->books.counts.revoke_calls;
	if (!w->books.open ||
	    xlend_hc_used(w->books.domid, w->books.handle, &revokes, &unused))
		return;
	w->unused = unused;
	xlend_waste_judge(&w->waste, revokes, unused);
}

/**
 * xlend_window_stats - counters of a window
 * @w: window
 * @st: filled in, all but the size
 *
 * What a guest that goes on was lent counts: who lends has the lock.  Without
 * a borrower there is nobody to ask how much was unused: the last answer stays.
 *
 * Context: process; waits for the lock of the books.
 */
void xlend_window_stats(struct xlend_window *w, struct lenddev_stats *st)
{
	u64 revokes, unused;

	st->id = w->id;
	st->serial = w->serial;
	st->vcpus_held = READ_ONCE(w->crew.queue.nr_held);

	xlend_books_lock(&w->books);
	if (w->books.open &&
	    !xlend_hc_used(w->books.domid, w->books.handle, &revokes, &unused))
		w->unused = unused;
	st->unused = w->unused;
	st->pages_lent = w->books.nr_lent;
	st->lends = w->books.counts.lends;
	st->lend_calls = w->books.counts.lend_calls;
	st->around = w->books.counts.around;
	st->upgrades = w->books.counts.upgrades;
	st->refaults = w->books.counts.refaults;
	st->to_device = w->books.counts.to_device;
	st->to_ram = w->books.counts.to_ram;
	st->large = w->books.counts.large;
	st->revokes = w->books.counts.revokes;
	st->revoke_calls = w->books.counts.revoke_calls;
	st->revoke_max_ns = w->books.counts.revoke_max_ns;
	st->revoke_total_ns = w->books.counts.revoke_total_ns;
	memcpy(st->revoke_us, w->books.counts.revoke_us, sizeof(st->revoke_us));
	xlend_books_unlock(&w->books);

	spin_lock_irq(&w->stat_lock);
	st->faults_read = w->counts.faults_read;
	st->faults_write = w->counts.faults_write;
	st->copies = w->counts.copies;
	st->invalidations = w->counts.invalidations;
	st->retries = w->counts.retries;
	st->errors = w->counts.errors;
	st->holds = w->counts.holds;
	st->stalls = w->counts.stalls;
	st->interrupts = w->counts.interrupts;
	st->ahead = w->counts.ahead;
	st->fault_max_ns = w->counts.fault_max_ns;
	st->fault_total_ns = w->counts.fault_total_ns;
	memcpy(st->fault_us, w->counts.fault_us, sizeof(st->fault_us));
	spin_unlock_irq(&w->stat_lock);
}
