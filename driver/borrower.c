// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: domains that are lent to, and those who hold descriptors for them,
 * see borrower.h.
 */
#include "borrower.h"

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <xen/xen.h>
#include <xen/xenbus.h>

#include "param.h"
#include "serve.h"

/* How often to look whether a borrower died, if xenstore does not tell. */
#define XLEND_DEATH_POLL	(5 * HZ)

static DEFINE_MUTEX(xlend_borrowers_lock);
static LIST_HEAD(xlend_borrowers);

static void xlend_death_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(xlend_death, xlend_death_work);
static bool xlend_watching;

/*
 * Whether the end of each domain is told.  Xenstore lets everybody set the
 * watch, but dom0 alone sees it unless somebody has allowed more: poll, too.
 */
static bool xlend_told(void)
{
	return READ_ONCE(xlend_watching) && xen_initial_domain();
}

static void xlend_borrower_free(struct kref *ref)
{
	struct xlend_borrower *b = container_of(ref, struct xlend_borrower, ref);

	WARN_ON(!RB_EMPTY_ROOT(&b->windows));
	kvfree(b);
}

/**
 * xlend_borrower_put - drop a reference
 * @b: borrower
 *
 * Context: process.
 */
void xlend_borrower_put(struct xlend_borrower *b)
{
	kref_put(&b->ref, xlend_borrower_free);
}

/*
 * Stop the server; the object stays for those who hold it.  Windows that are
 * left get no faults any more.
 */
static void xlend_borrower_stop(struct xlend_borrower *b)
{
	lockdep_assert_held(&xlend_borrowers_lock);

	if (!b->running)
		return;
	b->running = false;
	list_del(&b->node);
	xlend_server_stop(&b->server);
}

static void xlend_borrower_died(struct xlend_borrower *b)
{
	static const struct lenddev_event gone = {
		.type = LENDDEV_EVENT_BORROWER_GONE,
	};
	struct xlend_holder *h;

	/* Before its number can become another's, see xlend_window_create(). */
	WRITE_ONCE(b->gone, true);
	/* Drops the page that keeps Xen from freeing the domain. */
	xlend_borrower_stop(b);

	spin_lock_irq(&b->lock);
	list_for_each_entry(h, &b->holders, node) {
		xlend_events_add(&h->events, &gone);
		smp_store_release(&h->ended, true); /* after the event */
		wake_up_interruptible(&h->wait);
	}
	spin_unlock_irq(&b->lock);
}

static struct xlend_borrower *xlend_borrower_make(domid_t domid)
{
	struct xlend_borrower *b;
	unsigned int nr;
	int rc;

	rc = xlend_hc_vcpus(domid, &nr);
	if (rc)
		return ERR_PTR(rc);
	if (!nr || nr > XLEND_MAX_VCPUS)
		return ERR_PTR(-EOPNOTSUPP);

	b = kvzalloc(struct_size(b, server.requests, nr), GFP_KERNEL_ACCOUNT);
	if (!b)
		return ERR_PTR(-ENOMEM);
	kref_init(&b->ref);
	spin_lock_init(&b->lock);
	b->windows = RB_ROOT;
	INIT_LIST_HEAD(&b->holders);
	INIT_LIST_HEAD(&b->node);

	xlend_server_init(&b->server, domid, nr, xlend_serve_now, xlend_dispatch);
	rc = xlend_server_start(&b->server);
	if (rc) {
		xlend_borrower_put(b);
		return ERR_PTR(rc);
	}
	b->running = true;
	list_add(&b->node, &xlend_borrowers);
	if (!xlend_told())
		queue_delayed_work(system_unbound_wq, &xlend_death,
				   XLEND_DEATH_POLL);
	return b;
}

static bool xlend_borrower_alive(const struct xlend_borrower *b)
{
	return xlend_hc_server_alive(b->server.domid, b->server.id);
}

/* A reference and one more open file. */
static struct xlend_borrower *xlend_borrower_get(domid_t domid)
{
	struct xlend_borrower *b;

	lockdep_assert_held(&xlend_borrowers_lock);

	list_for_each_entry(b, &xlend_borrowers, node) {
		if (xlend_domid(b) != domid)
			continue;
		if (xlend_borrower_alive(b)) {
			kref_get(&b->ref);
			b->nr_files++;
			return b;
		}
		xlend_borrower_died(b);
		break;
	}
	b = xlend_borrower_make(domid);
	if (!IS_ERR(b))
		b->nr_files++;
	return b;
}

static void xlend_death_work(struct work_struct *work)
{
	struct xlend_borrower *b, *next;

	mutex_lock(&xlend_borrowers_lock);
	list_for_each_entry_safe(b, next, &xlend_borrowers, node)
		if (!xlend_borrower_alive(b))
			xlend_borrower_died(b);
	if (!xlend_told() && !list_empty(&xlend_borrowers))
		queue_delayed_work(system_unbound_wq, &xlend_death,
				   XLEND_DEATH_POLL);
	mutex_unlock(&xlend_borrowers_lock);
}

/* On xenwatch's only thread, which serves everybody: do nothing here. */
static void xlend_death_watch(struct xenbus_watch *watch, const char *path,
			      const char *token)
{
	mod_delayed_work(system_unbound_wq, &xlend_death, 0);
}

static struct xenbus_watch xlend_watch = {
	.node = "@releaseDomain",
	.callback = xlend_death_watch,
};

/* Called once xenstore can be talked to, which may be long after boot. */
static int xlend_xenstore_up(struct notifier_block *nb, unsigned long event,
			     void *data)
{
	if (!register_xenbus_watch(&xlend_watch))
		WRITE_ONCE(xlend_watching, true);
	return NOTIFY_DONE;
}

static struct notifier_block xlend_xenstore = {
	.notifier_call = xlend_xenstore_up,
};

/**
 * xlend_death_init - start to look for borrowers that die
 *
 * Return: 0 or an errno.
 */
int xlend_death_init(void)
{
	return register_xenstore_notifier(&xlend_xenstore);
}

/**
 * xlend_death_exit - undo xlend_death_init()
 */
void xlend_death_exit(void)
{
	unregister_xenstore_notifier(&xlend_xenstore);
	if (xlend_watching)
		unregister_xenbus_watch(&xlend_watch);
	cancel_delayed_work_sync(&xlend_death);
}

static void xlend_holder_free(struct kref *ref)
{
	struct xlend_holder *h = container_of(ref, struct xlend_holder, ref);

	xa_destroy(&h->windows);
	xlend_borrower_put(h->borrower);
	kfree(h);
}

/**
 * xlend_holder_put - drop a reference
 * @h: holder
 *
 * Context: process.
 */
void xlend_holder_put(struct xlend_holder *h)
{
	kref_put(&h->ref, xlend_holder_free);
}

/**
 * xlend_holder_open - make the holder of a descriptor
 * @arg: checked by the caller
 *
 * Context: process, no locks held.
 * Return: the holder, or an error pointer: -ESRCH without such a domain; -EPERM
 * without privilege over it; -EOPNOTSUPP for a PV one, or one with too many
 * vCPUs; -ENOSPC when it has no room for an ioreq server; -ENOMEM; others as
 * the hypervisor returns them.
 */
struct xlend_holder *xlend_holder_open(const struct lenddev_borrower *arg)
{
	struct xlend_borrower *b;
	struct xlend_holder *h;

	h = kzalloc(sizeof(*h), GFP_KERNEL_ACCOUNT);
	if (!h)
		return ERR_PTR(-ENOMEM);
	kref_init(&h->ref);
	h->gfn = arg->gpa >> PAGE_SHIFT;
	h->nr = arg->len >> PAGE_SHIFT;
	h->max_windows = arg->max_windows ?: xlend_max_windows;
	xa_init(&h->windows);
	xlend_events_init(&h->events);
	init_waitqueue_head(&h->wait);

	mutex_lock(&xlend_borrowers_lock);
	b = xlend_borrower_get(arg->domid);
	if (!IS_ERR(b)) {
		h->borrower = b;
		spin_lock_irq(&b->lock);
		list_add(&h->node, &b->holders);
		spin_unlock_irq(&b->lock);
	}
	mutex_unlock(&xlend_borrowers_lock);
	if (IS_ERR(b)) {
		kfree(h);
		return ERR_CAST(b);
	}
	return h;
}

/**
 * xlend_holder_close - the descriptor goes away
 * @h: holder, without windows; the caller's reference is dropped
 *
 * Context: process, no locks held.
 */
void xlend_holder_close(struct xlend_holder *h)
{
	struct xlend_borrower *b = h->borrower;

	spin_lock_irq(&b->lock);
	list_del(&h->node);
	spin_unlock_irq(&b->lock);

	mutex_lock(&xlend_borrowers_lock);
	if (!--b->nr_files)
		xlend_borrower_stop(b);
	mutex_unlock(&xlend_borrowers_lock);

	xlend_holder_put(h);
}
