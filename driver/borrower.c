// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: borrower domains and the descriptors for them.
 */
#include "xlend.h"

#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include <xen/xenbus.h>

/* How often to look whether a borrower died, if xenstore does not tell. */
#define XLEND_DEATH_POLL	(5 * HZ)

static DEFINE_MUTEX(xlend_domains_lock);
static LIST_HEAD(xlend_domains);

static void xlend_death_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(xlend_death, xlend_death_work);
static bool xlend_watching;

static void xlend_domain_free(struct kref *ref)
{
	struct xlend_domain *d = container_of(ref, struct xlend_domain, ref);

	WARN_ON(!RB_EMPTY_ROOT(&d->windows));
	xlend_slots_free(d);
	kvfree(d);
}

/**
 * xlend_domain_put - drop a reference
 * @d: domain
 *
 * Context: any, since the last reference is never dropped by the interrupt.
 */
void xlend_domain_put(struct xlend_domain *d)
{
	kref_put(&d->ref, xlend_domain_free);
}

/*
 * Stop the server; the object stays for those who hold it.  Windows that are
 * left get no faults any more.
 */
static void xlend_domain_stop(struct xlend_domain *d)
{
	lockdep_assert_held(&xlend_domains_lock);

	if (!d->running)
		return;
	d->running = false;
	list_del(&d->node);
	xlend_slots_stop(d);
}

static void xlend_domain_died(struct xlend_domain *d)
{
	static const struct xen_lend_event ev = {
		.type = XEN_LEND_EVENT_BORROWER_GONE,
	};
	struct xlend_borrower *b;

	/* Before its number can become another's, see xlend_window_create(). */
	WRITE_ONCE(d->gone, true);
	/* Drops the page that keeps Xen from freeing the domain. */
	xlend_domain_stop(d);

	spin_lock(&d->lock);
	list_for_each_entry(b, &d->borrowers, node) {
		xlend_event(b, &ev);
		smp_store_release(&b->gone_told, true); /* after the event */
		wake_up_interruptible(&b->wait);
	}
	spin_unlock(&d->lock);
}

static struct xlend_domain *xlend_domain_make(domid_t domid)
{
	struct xlend_domain *d;
	unsigned int nr;
	int rc;

	rc = xlend_hc_vcpus(domid, &nr);
	if (rc)
		return ERR_PTR(rc);
	if (!nr || nr > XLEND_MAX_VCPUS)
		return ERR_PTR(-EOPNOTSUPP);

	d = kvzalloc(struct_size(d, slots, nr), GFP_KERNEL_ACCOUNT);
	if (!d)
		return ERR_PTR(-ENOMEM);
	kref_init(&d->ref);
	d->domid = domid;
	d->nr_slots = nr;
	spin_lock_init(&d->lock);
	d->windows = RB_ROOT;
	INIT_LIST_HEAD(&d->borrowers);
	INIT_LIST_HEAD(&d->node);

	rc = xlend_slots_init(d);
	if (!rc)
		rc = xlend_slots_start(d);
	if (rc) {
		xlend_domain_put(d);
		return ERR_PTR(rc);
	}
	d->running = true;
	list_add(&d->node, &xlend_domains);
	if (!READ_ONCE(xlend_watching))
		queue_delayed_work(system_unbound_wq, &xlend_death,
				   XLEND_DEATH_POLL);
	return d;
}

/* A reference and one more open file. */
static struct xlend_domain *xlend_domain_get(domid_t domid)
{
	struct xlend_domain *d;

	lockdep_assert_held(&xlend_domains_lock);

	list_for_each_entry(d, &xlend_domains, node) {
		if (d->domid != domid)
			continue;
		if (xlend_hc_server_alive(domid, d->server)) {
			kref_get(&d->ref);
			d->nr_files++;
			return d;
		}
		xlend_domain_died(d);
		break;
	}
	d = xlend_domain_make(domid);
	if (!IS_ERR(d))
		d->nr_files++;
	return d;
}

static void xlend_death_work(struct work_struct *work)
{
	struct xlend_domain *d, *next;

	mutex_lock(&xlend_domains_lock);
	list_for_each_entry_safe(d, next, &xlend_domains, node)
		if (!xlend_hc_server_alive(d->domid, d->server))
			xlend_domain_died(d);
	if (!READ_ONCE(xlend_watching) && !list_empty(&xlend_domains))
		queue_delayed_work(system_unbound_wq, &xlend_death,
				   XLEND_DEATH_POLL);
	mutex_unlock(&xlend_domains_lock);
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
	/* Not every domain may watch this; then poll. */
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

static void xlend_borrower_free(struct kref *ref)
{
	struct xlend_borrower *b = container_of(ref, struct xlend_borrower, ref);

	xa_destroy(&b->windows);
	xlend_domain_put(b->dom);
	kfree(b);
}

/**
 * xlend_borrower_put - drop a reference
 * @b: descriptor
 */
void xlend_borrower_put(struct xlend_borrower *b)
{
	kref_put(&b->ref, xlend_borrower_free);
}

static void xlend_borrower_close(struct xlend_borrower *b)
{
	struct xlend_domain *d = b->dom;

	spin_lock(&d->lock);
	list_del(&b->node);
	spin_unlock(&d->lock);

	mutex_lock(&xlend_domains_lock);
	if (!--d->nr_files)
		xlend_domain_stop(d);
	mutex_unlock(&xlend_domains_lock);

	xlend_borrower_put(b);
}

static int xlend_borrower_release(struct inode *inode, struct file *file)
{
	struct xlend_borrower *b = file->private_data;
	struct xlend_window *w;
	unsigned long id;

	xa_for_each(&b->windows, id, w) {
		xa_erase(&b->windows, id);
		xlend_window_destroy(w);
	}
	xlend_borrower_close(b);
	return 0;
}

static long xlend_borrower_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	struct xlend_borrower *b = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case XEN_LEND_WINDOW_CREATE:
		return xlend_window_create(b, uarg);
	case XEN_LEND_WINDOW_DESTROY:
		return xlend_window_remove(b, uarg);
	case XEN_LEND_POPULATE:
		return xlend_window_populate(b, uarg);
	case XEN_LEND_ZAP:
		return xlend_window_zap(b, uarg);
	case XEN_LEND_STATS:
		return xlend_window_stats(b, uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations xlend_borrower_fops = {
	.owner = THIS_MODULE,
	.release = xlend_borrower_release,
	.unlocked_ioctl = xlend_borrower_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = xlend_event_read,
	.poll = xlend_event_poll,
};

/**
 * xlend_borrower_open - make a borrower descriptor
 * @arg: from user space
 * @file: set to the new file
 *
 * Context: process, no locks held.
 * Return: 0; -EINVAL for an argument that is wrong by itself; -ESRCH without
 * such a domain; -EPERM without privilege over it; -EOPNOTSUPP for a PV one, or
 * one with too many vCPUs; -ENOSPC when it has no room for an ioreq server;
 * -ENOMEM; others as the hypervisor returns them.
 */
int xlend_borrower_open(struct xen_lend_borrower *arg, struct file **file)
{
	struct xlend_borrower *b;
	struct xlend_domain *d;
	struct file *f;
	u64 end;

	if (arg->reserved || arg->flags || arg->domid >= DOMID_FIRST_RESERVED ||
	    arg->max_windows > xlend_max_windows)
		return -EINVAL;
	if (!arg->len || !PAGE_ALIGNED(arg->gpa) || !PAGE_ALIGNED(arg->len) ||
	    check_add_overflow(arg->gpa, arg->len - 1, &end))
		return -EINVAL;

	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return -ENOMEM;
	kref_init(&b->ref);
	b->gfn = arg->gpa >> PAGE_SHIFT;
	b->nr = arg->len >> PAGE_SHIFT;
	b->max_windows = arg->max_windows ?: xlend_max_windows;
	xa_init(&b->windows);
	spin_lock_init(&b->ev_lock);
	INIT_KFIFO(b->events);
	init_waitqueue_head(&b->wait);

	mutex_lock(&xlend_domains_lock);
	d = xlend_domain_get(arg->domid);
	if (!IS_ERR(d)) {
		b->dom = d;
		spin_lock(&d->lock);
		list_add(&b->node, &d->borrowers);
		spin_unlock(&d->lock);
	}
	mutex_unlock(&xlend_domains_lock);
	if (IS_ERR(d)) {
		kfree(b);
		return PTR_ERR(d);
	}

	f = anon_inode_getfile("[xen-lend]", &xlend_borrower_fops, b, O_RDWR);
	if (IS_ERR(f)) {
		xlend_borrower_close(b);
		return PTR_ERR(f);
	}
	*file = f;
	return 0;
}
