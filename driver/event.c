// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: what the holder of a borrower descriptor is told, see event.h.
 */
#include "event.h"

#include <linux/build_bug.h>

/**
 * xlend_events_init - make an empty queue
 * @q: the queue
 */
void xlend_events_init(struct xlend_events *q)
{
	BUILD_BUG_ON(sizeof(struct lenddev_event) % 8);

	spin_lock_init(&q->lock);
	INIT_KFIFO(q->fifo);
	q->lost = 0;
	q->id = 0;
	q->cookie = 0;
}

/**
 * xlend_events_name - say which window a queue is about
 * @q: the queue, still empty
 * @id: the window's
 * @cookie: the window's
 */
void xlend_events_name(struct xlend_events *q, u32 id, u64 cookie)
{
	q->id = id;
	q->cookie = cookie;
}

static struct lenddev_event xlend_event_lost(const struct xlend_events *q)
{
	return (struct lenddev_event){
		.size = sizeof(struct lenddev_event),
		.type = LENDDEV_EVENT_LOST,
		.id = q->id,
		.cookie = q->cookie,
		.count = q->lost,
	};
}

/**
 * xlend_events_add - queue an event
 * @q: the queue
 * @ev: the event; its size, window and cookie are set here
 *
 * Context: any; does not sleep or allocate.
 */
void xlend_events_add(struct xlend_events *q, const struct lenddev_event *ev)
{
	struct lenddev_event e = *ev;
	unsigned long flags;

	e.size = sizeof(e);
	e.id = q->id;
	e.cookie = q->cookie;
	spin_lock_irqsave(&q->lock, flags);
	if (q->lost && kfifo_avail(&q->fifo) >= 2) {
		kfifo_put(&q->fifo, xlend_event_lost(q));
		q->lost = 0;
	}
	if ((q->lost || !kfifo_put(&q->fifo, e)) && q->lost != U32_MAX)
		q->lost++;
	spin_unlock_irqrestore(&q->lock, flags);
}

/**
 * xlend_events_get - take the oldest event
 * @q: the queue
 * @ev: set to it
 *
 * Context: process.
 * Return: whether there was one.
 */
bool xlend_events_get(struct xlend_events *q, struct lenddev_event *ev)
{
	bool got;

	spin_lock_irq(&q->lock);
	got = kfifo_get(&q->fifo, ev);
	if (!got && q->lost) {
		*ev = xlend_event_lost(q);
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
