// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: what the holder of a borrower descriptor is told, see event.h.
 */
#include "event.h"

#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

/**
 * xlend_events_init - make an empty queue
 * @q: the queue
 */
void xlend_events_init(struct xlend_events *q)
{
	BUILD_BUG_ON(sizeof(struct lenddev_event) % 8);

	spin_lock_init(&q->lock);
	INIT_KFIFO(q->fifo);
	init_waitqueue_head(&q->wait);
}

static struct lenddev_event xlend_event_lost(u32 count)
{
	return (struct lenddev_event){
		.size = sizeof(struct lenddev_event),
		.type = LENDDEV_EVENT_LOST,
		.count = count,
	};
}

/**
 * xlend_events_add - queue an event
 * @q: the queue
 * @ev: the event; its size is set here
 *
 * Context: any; does not sleep or allocate.
 */
void xlend_events_add(struct xlend_events *q, const struct lenddev_event *ev)
{
	struct lenddev_event e = *ev;
	unsigned long flags;

	e.size = sizeof(e);
	spin_lock_irqsave(&q->lock, flags);
	if (q->lost && kfifo_avail(&q->fifo) >= 2) {
		kfifo_put(&q->fifo, xlend_event_lost(q->lost));
		q->lost = 0;
	}
	if ((q->lost || !kfifo_put(&q->fifo, e)) && q->lost != U32_MAX)
		q->lost++;
	spin_unlock_irqrestore(&q->lock, flags);

	wake_up_interruptible(&q->wait);
}

/**
 * xlend_events_end - tell that the borrower is gone; no event follows
 * @q: the queue
 *
 * Context: any; does not sleep or allocate.
 */
void xlend_events_end(struct xlend_events *q)
{
	static const struct lenddev_event gone = {
		.type = LENDDEV_EVENT_BORROWER_GONE,
	};

	xlend_events_add(q, &gone);
	smp_store_release(&q->ended, true); /* after the event */
	wake_up_interruptible(&q->wait);
}

static bool xlend_events_get(struct xlend_events *q, struct lenddev_event *ev)
{
	bool got;

	spin_lock_irq(&q->lock);
	got = kfifo_get(&q->fifo, ev);
	if (!got && q->lost) {
		*ev = xlend_event_lost(q->lost);
		q->lost = 0;
		got = true;
	}
	spin_unlock_irq(&q->lock);
	return got;
}

/**
 * xlend_events_waiting - whether there are events to be read
 * @q: the queue
 *
 * Context: process.
 */
bool xlend_events_waiting(struct xlend_events *q)
{
	bool some;

	spin_lock_irq(&q->lock);
	some = !kfifo_is_empty(&q->fifo) || q->lost;
	spin_unlock_irq(&q->lock);
	return some;
}

/**
 * xlend_events_read - read(2) of a queue
 * @q: the queue
 * @buf: takes whole events
 * @len: its length
 * @nonblock: do not wait for one
 *
 * Context: process.
 * Return: bytes read; 0 when the borrower is gone and all events were read;
 * -EINVAL if not one event fits, -EAGAIN, -EFAULT, -ERESTARTSYS.
 */
ssize_t xlend_events_read(struct xlend_events *q, char __user *buf, size_t len,
			  bool nonblock)
{
	struct lenddev_event ev;
	size_t done = 0;
	bool ended;
	int rc;

	if (len < sizeof(ev))
		return -EINVAL;

	for (;;) {
		/* Its last event was queued before this was set. */
		ended = smp_load_acquire(&q->ended);
		while (len - done >= sizeof(ev) && xlend_events_get(q, &ev)) {
			if (copy_to_user(buf + done, &ev, sizeof(ev)))
				return done ? done : -EFAULT;
			done += sizeof(ev);
		}
		if (done || ended)
			return done;
		if (nonblock)
			return -EAGAIN;
		rc = wait_event_interruptible(q->wait, xlend_events_waiting(q) ||
					      READ_ONCE(q->ended));
		if (rc)
			return rc;
	}
}
