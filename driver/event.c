// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: what the holder of a borrower descriptor is told.
 *
 * A queue of fixed size per descriptor.  A guest can make any number of events,
 * so when the queue is full they are dropped, and one LOST event stands where
 * they were.
 */
#include "xlend.h"

#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

/**
 * xlend_event - queue an event
 * @b: descriptor
 * @ev: the event
 *
 * Context: any but interrupts; does not sleep or allocate.
 */
void xlend_event(struct xlend_borrower *b, const struct xen_lend_event *ev)
{
	static const struct xen_lend_event lost = { .type = XEN_LEND_EVENT_LOST };

	spin_lock(&b->ev_lock);
	if (b->ev_lost && kfifo_avail(&b->events) >= 2) {
		kfifo_put(&b->events, lost);
		b->ev_lost = false;
	}
	if (b->ev_lost || !kfifo_put(&b->events, *ev))
		b->ev_lost = true;
	spin_unlock(&b->ev_lock);

	wake_up_interruptible(&b->wait);
}

/**
 * xlend_event_window - queue an event about a window
 * @w: the window
 * @type: XEN_LEND_EVENT_*
 * @error: negative errno or 0
 * @vcpu: who met it
 * @gpa: byte address of the access
 *
 * Context: any but interrupts, also the notifier; does not sleep or allocate.
 */
void xlend_event_window(struct xlend_window *w, u32 type, int error, u32 vcpu,
			u64 gpa)
{
	const struct xen_lend_event ev = {
		.type = type,
		.error = error,
		.id = w->id,
		.vcpu = vcpu,
		.cookie = w->cookie,
		.gpa = gpa,
	};

	xlend_event(w->borrower, &ev);
}

static bool xlend_event_get(struct xlend_borrower *b, struct xen_lend_event *ev)
{
	bool got;

	spin_lock(&b->ev_lock);
	got = kfifo_get(&b->events, ev);
	if (!got && b->ev_lost) {
		*ev = (struct xen_lend_event){ .type = XEN_LEND_EVENT_LOST };
		b->ev_lost = false;
		got = true;
	}
	spin_unlock(&b->ev_lock);
	return got;
}

static bool xlend_event_waits(struct xlend_borrower *b)
{
	bool some;

	spin_lock(&b->ev_lock);
	some = !kfifo_is_empty(&b->events) || b->ev_lost;
	spin_unlock(&b->ev_lock);
	return some;
}

/* Whether no event waits and none will come. */
static bool xlend_event_end(struct xlend_borrower *b)
{
	/* Its last event was queued before this was set. */
	return smp_load_acquire(&b->gone_told) && !xlend_event_waits(b);
}

/**
 * xlend_event_read - read(2) of a borrower descriptor
 * @file: the descriptor
 * @buf: takes whole events
 * @len: its length
 * @pos: not used
 *
 * Return: bytes read; 0 when the borrower is gone and all events were read;
 * -EINVAL if not one event fits, -EAGAIN, -EFAULT, -ERESTARTSYS.
 */
ssize_t xlend_event_read(struct file *file, char __user *buf, size_t len,
			 loff_t *pos)
{
	struct xlend_borrower *b = file->private_data;
	struct xen_lend_event ev;
	size_t done = 0;
	int rc;

	if (len < sizeof(ev))
		return -EINVAL;

	for (;;) {
		while (len - done >= sizeof(ev) && xlend_event_get(b, &ev)) {
			if (copy_to_user(buf + done, &ev, sizeof(ev)))
				return done ? done : -EFAULT;
			done += sizeof(ev);
		}
		if (done)
			return done;
		if (xlend_event_end(b))
			return 0;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		rc = wait_event_interruptible(b->wait, xlend_event_waits(b) ||
					      READ_ONCE(b->gone_told));
		if (rc)
			return rc;
	}
}

/**
 * xlend_event_poll - poll(2) of a borrower descriptor
 * @file: the descriptor
 * @pt: poll table
 *
 * Return: EPOLLIN when there are events, EPOLLHUP when the borrower is gone.
 */
__poll_t xlend_event_poll(struct file *file, struct poll_table_struct *pt)
{
	struct xlend_borrower *b = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &b->wait, pt);
	if (xlend_event_waits(b))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(b->gone_told))
		mask |= EPOLLHUP;
	return mask;
}
