/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: what the holder of a borrower descriptor is told.
 *
 * Queues of a fixed size.  A guest can make any number of events, so when a
 * queue is full they are dropped and counted, and one LOST event stands where
 * they were.
 */
#ifndef _XLEND_EVENT_H
#define _XLEND_EVENT_H

#include <linux/kfifo.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <xen/lenddev.h>

struct eventfd_ctx;

#define XLEND_EVENTS		64

/**
 * struct xlend_events - a queue of events
 * @lock: of @fifo and @lost; interrupts off
 * @fifo: the events
 * @lost: those dropped after the last one
 * @ended: the borrower is gone, and the event that says so is queued
 * @wait: who waits for events
 */
struct xlend_events {
	spinlock_t lock;		/* of the next two */
	DECLARE_KFIFO(fifo, struct lenddev_event, XLEND_EVENTS);
	u32 lost;
	bool ended;
	wait_queue_head_t wait;
};

void xlend_events_init(struct xlend_events *q);
void xlend_events_add(struct xlend_events *q, const struct lenddev_event *ev);
void xlend_events_end(struct xlend_events *q);
bool xlend_events_waiting(struct xlend_events *q);
ssize_t xlend_events_read(struct xlend_events *q, char __user *buf, size_t len,
			  bool nonblock);

#endif /* _XLEND_EVENT_H */
