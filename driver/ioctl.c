// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: the device /dev/xen/lend, its descriptors and their ioctls.
 *
 * Arguments and permissions are checked here, what is beyond that is done
 * elsewhere.
 */
#include "ioctl.h"

#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "borrower.h"
#include "param.h"
#include "resolve.h"
#include "serve.h"
#include "window.h"

#define XLEND_WINDOW_FLAGS	(LENDDEV_WINDOW_WRITE | LENDDEV_WINDOW_EVENTFD)

#define XLEND_POLICIES		(BIT(LENDDEV_POLICY_ONES) | \
				 BIT(LENDDEV_POLICY_FAULT) | \
				 BIT(LENDDEV_POLICY_CRASH) | \
				 BIT(LENDDEV_POLICY_HOLD))

#define XLEND_EVENT_TYPES	(BIT(LENDDEV_EVENT_GAVE_UP) | \
				 BIT(LENDDEV_EVENT_HELD) | \
				 BIT(LENDDEV_EVENT_WINDOW_DEAD) | \
				 BIT(LENDDEV_EVENT_BORROWER_GONE) | \
				 BIT(LENDDEV_EVENT_LOST))

/* --- arguments */

union xlend_arg {
	u32 size;
	struct lenddev_info info;
	struct lenddev_borrower borrower;
	struct lenddev_next next;
	struct lenddev_window window;
	struct lenddev_range range;
	struct lenddev_resume resume;
	struct lenddev_stats stats;
};

/**
 * struct xlend_call - an ioctl under way
 * @holder: on a borrower descriptor: its holder
 * @arg: the argument; written back as far as the caller has room
 * @made: for @told of &struct xlend_ioctl
 */
struct xlend_call {
	struct xlend_holder *holder;
	union xlend_arg arg;
	void *made;
};

/**
 * struct xlend_ioctl - an ioctl
 * @cmd: its number
 * @size: of the argument, as we know it
 * @min: what the caller must give at least
 * @run: does it
 * @told: if not NULL: what was made is kept, or not, as the caller knows of it
 * @privileged: needs CAP_SYS_ADMIN
 * @partly: the argument is written back also after an error
 */
struct xlend_ioctl {
	unsigned int cmd;
	u32 size;
	u32 min;
	int (*run)(struct xlend_call *c);
	void (*told)(struct xlend_call *c, bool known);
	bool privileged;
	bool partly;
};

/*
 * Return: -ENOTTY for an unknown one; -EPERM without privilege; -EINVAL if the
 * argument is too small, -E2BIG if it has more than we know, -EFAULT; and what
 * it is about.
 */
static long xlend_ioctl_run(const struct xlend_ioctl *io, size_t nr,
			    struct xlend_holder *h, unsigned int cmd,
			    void __user *uarg)
{
	struct xlend_call c = { .holder = h };
	u32 usize;
	int rc, err = 0;

	for (; nr && io->cmd != cmd; nr--)
		io++;
	if (!nr)
		return -ENOTTY;
	if (io->privileged && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	if (get_user(usize, (u32 __user *)uarg))
		return -EFAULT;
	if (usize < io->min)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	rc = copy_struct_from_user(&c.arg, io->size, uarg, usize);
	if (rc)
		return rc;
	c.arg.size = usize;	/* may have changed meanwhile */

	rc = io->run(&c);
	if (rc && !io->partly)
		return rc;
	if (copy_to_user(uarg, &c.arg, min(io->size, usize)))
		err = -EFAULT;
	if (io->told)
		io->told(&c, !err);
	return rc ?: err;
}

/* --- borrower descriptors */

/* Whether the caller may say what becomes of a window. */
static bool xlend_may_rule(const struct xlend_window *w)
{
	return w->mm == current->mm || READ_ONCE(w->dead) ||
	       capable(CAP_SYS_ADMIN);
}

static int xlend_window_check(const struct xlend_holder *h,
			      const struct lenddev_window *arg)
{
	unsigned long end;
	u64 gfn, nr;

	if (arg->flags & ~XLEND_WINDOW_FLAGS ||
	    arg->policy > LENDDEV_POLICY_HOLD)
		return -EINVAL;
	if (!(arg->flags & LENDDEV_WINDOW_EVENTFD) && arg->eventfd)
		return -EINVAL;
	if (!arg->len || !PAGE_ALIGNED(arg->gpa) || !PAGE_ALIGNED(arg->len) ||
	    !PAGE_ALIGNED(arg->addr))
		return -EINVAL;
	gfn = arg->gpa >> PAGE_SHIFT;
	nr = arg->len >> PAGE_SHIFT;
	if (nr > xlend_max_pages)
		return -EFBIG;
	if (gfn < h->gfn || gfn - h->gfn >= h->nr || nr > h->nr - (gfn - h->gfn))
		return -ERANGE;
	if (check_add_overflow((unsigned long)arg->addr,
			       (unsigned long)arg->len, &end) ||
	    end > TASK_SIZE)
		return -EFAULT;
	return 0;
}

/*
 * Return: 0; -EINVAL; -EFBIG for more pages than a window may have; -ERANGE
 * outside the descriptor's range; -EFAULT for a span outside the address space;
 * and as xlend_window_create().
 */
static int xlend_create(struct xlend_call *c)
{
	struct xlend_window *w;
	int rc;

	rc = xlend_window_check(c->holder, &c->arg.window);
	if (rc)
		return rc;
	if (!current->mm)
		return -EINVAL;
	rc = xlend_window_create(c->holder, &c->arg.window, &w);
	c->made = w;
	return rc;
}

static void xlend_created(struct xlend_call *c, bool known)
{
	if (known)
		xlend_window_publish(c->made);
	else
		xlend_window_destroy(c->made);
}

/*
 * Return: 0; -EINVAL; -ENOENT without such a window; -EPERM if it is another
 * process's.
 */
static int xlend_destroy(struct xlend_call *c)
{
	const struct lenddev_range *arg = &c->arg.range;
	struct xlend_holder *h = c->holder;
	struct xlend_window *w;
	int rc = 0;

	if (arg->flags || arg->offset || arg->len)
		return -EINVAL;
	w = xlend_window_get(h, arg->id);
	if (!w)
		return -ENOENT;
	if (!xlend_may_rule(w))
		rc = -EPERM;
	/* Of several only one destroys it. */
	else if (xa_cmpxchg(&h->windows, arg->id, w, NULL, 0) != w)
		rc = -ENOENT;
	else
		xlend_window_destroy(w);
	xlend_window_put(w);
	return rc;
}

/* A range of a window in slots.  On success @w has a reference. */
static int xlend_range_get(struct xlend_holder *h, u32 id, u64 offset, u64 len,
			   unsigned long *first, unsigned long *nr,
			   struct xlend_window **w)
{
	if (!len || !PAGE_ALIGNED(offset) || !PAGE_ALIGNED(len))
		return -EINVAL;
	*w = xlend_window_get(h, id);
	if (!*w)
		return -ENOENT;
	*first = offset >> PAGE_SHIFT;
	*nr = len >> PAGE_SHIFT;
	if (*first >= (*w)->nr || *nr > (*w)->nr - *first) {
		xlend_window_put(*w);
		return -ERANGE;
	}
	return 0;
}

/* Lend slots for a caller who waits.  Return: 0 or an errno; @done slots were. */
static int xlend_populate_slots(struct xlend_window *w, unsigned long first,
				unsigned long nr, bool write,
				unsigned long *done)
{
	struct xlend_scratch *s;
	unsigned long i = 0;
	int rc = 0;

	*done = 0;
	s = kmalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;

	while (i < nr) {
		struct xlend_resolve what = {
			.slot = first + i,
			.nr = min(nr - i, (unsigned long)XLEND_BATCH),
			.write = write,
		};

		/* A hint only, as is all this: it may be gone at once. */
		if (xlend_books_has(&w->books, first + i, write)) {
			i++;
			continue;
		}
		if (i && signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		rc = xlend_resolve(w, &what, s);
		if (rc)
			break;
		i += what.done;
		cond_resched();
	}
	kfree(s);
	*done = i;
	return rc == -ESHUTDOWN ? -ENOENT : xlend_reason_errno(rc);
}

/*
 * Return: 0; -EINVAL, -ENOENT; -ERANGE outside the window; -EPERM if the span
 * is not the caller's; -EINTR; -ENODEV if the borrower is gone; or what the
 * first page that failed comes to, see xlend_reason_errno().
 */
static int xlend_populate(struct xlend_call *c)
{
	struct lenddev_range *arg = &c->arg.range;
	unsigned long first, nr, done = 0;
	struct xlend_window *w;
	int rc;

	arg->done = 0;
	if (arg->flags & ~LENDDEV_POPULATE_WRITE)
		return -EINVAL;
	rc = xlend_range_get(c->holder, arg->id, arg->offset, arg->len, &first,
			     &nr, &w);
	if (rc)
		return rc;

	if (w->mm != current->mm)
		rc = -EPERM;
	else if (READ_ONCE(w->borrower->gone))
		rc = -ENODEV;
	else
		rc = xlend_populate_slots(w, first, nr, arg->flags &
					  LENDDEV_POPULATE_WRITE, &done);
	xlend_window_put(w);
	arg->done = (u64)done << PAGE_SHIFT;
	return rc;
}

/* As xlend_range_get(), of a window that the caller may rule; else -EPERM. */
static int xlend_ruled_get(struct xlend_holder *h, u32 id, u64 offset, u64 len,
			   unsigned long *first, unsigned long *nr,
			   struct xlend_window **w)
{
	int rc;

	rc = xlend_range_get(h, id, offset, len, first, nr, w);
	if (!rc && !xlend_may_rule(*w)) {
		xlend_window_put(*w);
		rc = -EPERM;
	}
	return rc;
}

/*
 * Return: 0; -EINVAL, -ENOENT; -ERANGE outside the window; -EPERM if it is
 * another process's.
 */
static int xlend_zap(struct xlend_call *c)
{
	struct lenddev_range *arg = &c->arg.range;
	unsigned long first, nr;
	struct xlend_window *w;
	int rc;

	if (arg->flags)
		return -EINVAL;
	rc = xlend_ruled_get(c->holder, arg->id, arg->offset, arg->len, &first,
			     &nr, &w);
	if (rc)
		return rc;
	xlend_books_revoke_slowly(&w->books, first, first + nr - 1);
	xlend_serve_held(w, first, first + nr - 1, LENDDEV_RESUME_RETRY);
	xlend_window_put(w);
	arg->done = arg->len;
	return 0;
}

/* Return: as of zap. */
static int xlend_resume(struct xlend_call *c)
{
	struct lenddev_resume *arg = &c->arg.resume;
	unsigned long first, nr;
	struct xlend_window *w;
	int rc;

	if (arg->action > LENDDEV_RESUME_FAULT)
		return -EINVAL;
	rc = xlend_ruled_get(c->holder, arg->id, arg->offset, arg->len, &first,
			     &nr, &w);
	if (rc)
		return rc;
	arg->count = xlend_serve_held(w, first, first + nr - 1, arg->action);
	xlend_window_put(w);
	return 0;
}

/* Return: 0; -ENOENT without such a window. */
static int xlend_stats(struct xlend_call *c)
{
	struct xlend_window *w = xlend_window_get(c->holder, c->arg.stats.id);

	if (!w)
		return -ENOENT;
	xlend_window_stats(w, &c->arg.stats);
	xlend_window_put(w);
	return 0;
}

static const struct xlend_ioctl xlend_holder_ioctls[] = {
	{
		.cmd = LENDDEV_WINDOW_CREATE,
		.size = sizeof(struct lenddev_window),
		.min = offsetofend(struct lenddev_window, eventfd),
		.run = xlend_create,
		.told = xlend_created,
	},
	{
		.cmd = LENDDEV_WINDOW_DESTROY,
		.size = sizeof(struct lenddev_range),
		.min = offsetofend(struct lenddev_range, id),
		.run = xlend_destroy,
	},
	{
		.cmd = LENDDEV_POPULATE,
		.size = sizeof(struct lenddev_range),
		.min = offsetofend(struct lenddev_range, len),
		.run = xlend_populate,
		.partly = true,
	},
	{
		.cmd = LENDDEV_ZAP,
		.size = sizeof(struct lenddev_range),
		.min = offsetofend(struct lenddev_range, len),
		.run = xlend_zap,
	},
	{
		.cmd = LENDDEV_RESUME,
		.size = sizeof(struct lenddev_resume),
		.min = offsetofend(struct lenddev_resume, action),
		.run = xlend_resume,
	},
	{
		.cmd = LENDDEV_STATS,
		.size = sizeof(struct lenddev_stats),
		.min = offsetofend(struct lenddev_stats, id),
		.run = xlend_stats,
	},
};

static long xlend_holder_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	return xlend_ioctl_run(xlend_holder_ioctls,
			       ARRAY_SIZE(xlend_holder_ioctls),
			       file->private_data, cmd, (void __user *)arg);
}

/*
 * The next event that the caller may have: of the windows in turn, so that none
 * keeps the others from being heard, then of the descriptor.
 */
static bool xlend_holder_event(struct xlend_holder *h, struct lenddev_event *ev)
{
	unsigned long id = READ_ONCE(h->turn);
	struct xlend_window *w;
	unsigned int pass;
	bool got = false;

	/* From there to the last one, and from the first. */
	for (pass = 0; pass < 2; pass++, id = 0) {
		while ((w = xlend_window_from(h, &id))) {
			id++;
			got = xlend_may_rule(w) &&
			      xlend_events_get(&w->events, ev);
			xlend_window_put(w);
			if (got) {
				WRITE_ONCE(h->turn, id);
				return true;
			}
		}
	}
	return xlend_events_get(&h->events, ev);
}

/* Whether there is one.  Also asked by who is about to sleep: so no references. */
static bool xlend_holder_waiting(struct xlend_holder *h)
{
	struct xlend_window *w;
	unsigned long id;
	bool some = false;

	xa_lock(&h->windows);
	xa_for_each(&h->windows, id, w) {
		some = xlend_events_waiting(&w->events) && xlend_may_rule(w);
		if (some)
			break;
	}
	xa_unlock(&h->windows);
	return some || xlend_events_waiting(&h->events);
}

/*
 * Return: bytes read; 0 when the borrower is gone and all events were read;
 * -EINVAL if not one event fits, -EAGAIN, -EFAULT, -ERESTARTSYS.
 */
static ssize_t xlend_holder_read(struct file *file, char __user *buf,
				 size_t len, loff_t *pos)
{
	struct xlend_holder *h = file->private_data;
	struct lenddev_event ev;
	size_t done = 0;
	bool ended;
	int rc;

	if (len < sizeof(ev))
		return -EINVAL;

	for (;;) {
		/* The last event was queued before this was set. */
		ended = smp_load_acquire(&h->ended);
		while (len - done >= sizeof(ev)) {
			/* Look first: an event that is taken is gone. */
			if (fault_in_writeable(buf + done, sizeof(ev)))
				return done ? done : -EFAULT;
			if (!xlend_holder_event(h, &ev))
				break;
			if (copy_to_user(buf + done, &ev, sizeof(ev)))
				return done ? done : -EFAULT;
			done += sizeof(ev);
		}
		if (done || ended)
			return done;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		rc = wait_event_interruptible(h->wait,
					      xlend_holder_waiting(h) ||
					      READ_ONCE(h->ended));
		if (rc)
			return rc;
	}
}

static __poll_t xlend_holder_poll(struct file *file,
				  struct poll_table_struct *pt)
{
	struct xlend_holder *h = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &h->wait, pt);
	if (xlend_holder_waiting(h))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(h->ended))
		mask |= EPOLLHUP;
	return mask;
}

static int xlend_holder_release(struct inode *inode, struct file *file)
{
	struct xlend_holder *h = file->private_data;
	struct xlend_window *w;
	unsigned long id;

	xa_for_each(&h->windows, id, w) {
		xa_erase(&h->windows, id);
		xlend_window_destroy(w);
	}
	xlend_holder_close(h);
	return 0;
}

static const struct file_operations xlend_holder_fops = {
	.owner = THIS_MODULE,
	.release = xlend_holder_release,
	.unlocked_ioctl = xlend_holder_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = xlend_holder_read,
	.poll = xlend_holder_poll,
};

/* --- the device */

static int xlend_info(struct xlend_call *c)
{
	struct lenddev_info *info = &c->arg.info;

	info->version = LENDDEV_VERSION;
	info->window_flags = XLEND_WINDOW_FLAGS;
	info->max_len = (u64)xlend_max_pages << PAGE_SHIFT;
	info->max_windows = xlend_max_windows;
	info->hypervisor_version = xlend_hv_version;
	info->features = XLEND_WORKERS_CHARGED ? LENDDEV_FEATURE_CHARGED : 0;
	info->populate_flags = LENDDEV_POPULATE_WRITE;
	info->policies = XLEND_POLICIES;
	info->events = XLEND_EVENT_TYPES;
	info->event_size = sizeof(struct lenddev_event);
	info->workers = xlend_workers;
	return 0;
}

/* Return: 0; -EINVAL; -EMFILE, -ENFILE; and as xlend_holder_open(). */
static int xlend_borrower(struct xlend_call *c)
{
	struct lenddev_borrower *arg = &c->arg.borrower;
	struct xlend_holder *h;
	struct file *file;
	u64 end;
	int rc;

	if (arg->reserved || arg->flags || arg->domid >= DOMID_FIRST_RESERVED ||
	    arg->max_windows > xlend_max_windows)
		return -EINVAL;
	if (!arg->len || !PAGE_ALIGNED(arg->gpa) || !PAGE_ALIGNED(arg->len) ||
	    check_add_overflow(arg->gpa, arg->len - 1, &end))
		return -EINVAL;

	arg->fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg->fd < 0)
		return arg->fd;
	h = xlend_holder_open(arg);
	if (IS_ERR(h)) {
		rc = PTR_ERR(h);
		goto free;
	}
	file = anon_inode_getfile("[xen-lend]", &xlend_holder_fops, h, O_RDWR);
	if (IS_ERR(file)) {
		xlend_holder_close(h);
		rc = PTR_ERR(file);
		goto free;
	}
	c->made = file;
	return 0;

free:
	put_unused_fd(arg->fd);
	return rc;
}

static void xlend_borrower_made(struct xlend_call *c, bool known)
{
	if (known) {
		fd_install(c->arg.borrower.fd, c->made);
	} else {
		put_unused_fd(c->arg.borrower.fd);
		fput(c->made);
	}
}

/* Return: 0; -ENOENT after the last window; -EINVAL. */
static int xlend_next(struct xlend_call *c)
{
	struct lenddev_next *arg = &c->arg.next;
	struct xlend_window *w;

	if (arg->reserved)
		return -EINVAL;
	w = arg->serial == U64_MAX ? NULL : xlend_window_next(arg->serial + 1);
	if (!w)
		return -ENOENT;

	arg->id = w->id;
	arg->serial = w->serial;
	arg->domid = xlend_domid(w->borrower);
	arg->pid = pid_vnr(w->pid);
	arg->policy = w->policy;
	arg->dead = READ_ONCE(w->dead) || READ_ONCE(w->borrower->gone);
	arg->flags = w->flags;
	arg->gpa = w->gfn << PAGE_SHIFT;
	arg->len = (u64)w->nr << PAGE_SHIFT;
	xlend_window_put(w);
	return 0;
}

/* Return: 0; -ENOENT without such a window. */
static int xlend_stats_any(struct xlend_call *c)
{
	struct lenddev_stats *st = &c->arg.stats;
	struct xlend_window *w = xlend_window_next(st->serial);
	int rc = -ENOENT;

	if (!w)
		return rc;
	if (w->serial == st->serial) {
		xlend_window_stats(w, st);
		rc = 0;
	}
	xlend_window_put(w);
	return rc;
}

static const struct xlend_ioctl xlend_ioctls[] = {
	{
		.cmd = LENDDEV_INFO,
		.size = sizeof(struct lenddev_info),
		.min = offsetofend(struct lenddev_info, size),
		.run = xlend_info,
	},
	{
		.cmd = LENDDEV_BORROWER,
		.size = sizeof(struct lenddev_borrower),
		.min = offsetofend(struct lenddev_borrower, fd),
		.run = xlend_borrower,
		.told = xlend_borrower_made,
		.privileged = true,
	},
	{
		.cmd = LENDDEV_NEXT,
		.size = sizeof(struct lenddev_next),
		.min = offsetofend(struct lenddev_next, serial),
		.run = xlend_next,
		.privileged = true,
	},
	{
		.cmd = LENDDEV_STATS,
		.size = sizeof(struct lenddev_stats),
		.min = offsetofend(struct lenddev_stats, serial),
		.run = xlend_stats_any,
		.privileged = true,
	},
};

static long xlend_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return xlend_ioctl_run(xlend_ioctls, ARRAY_SIZE(xlend_ioctls), NULL,
			       cmd, (void __user *)arg);
}

static const struct file_operations xlend_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = xlend_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice xlend_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xen/lend",
	.fops = &xlend_fops,
	.mode = 0600,
};

/**
 * xlend_device_init - make the device
 *
 * Return: 0 or an errno.
 */
int xlend_device_init(void)
{
	return misc_register(&xlend_dev);
}

/**
 * xlend_device_exit - undo xlend_device_init()
 */
void xlend_device_exit(void)
{
	misc_deregister(&xlend_dev);
}
