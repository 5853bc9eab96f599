/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: what the holder of a borrower descriptor is told.
 *
 * Queues of a fixed size, one for each window, so that who is asked about one
 * takes nothing from another, and one for the descriptor itself.  A guest can
 * make any number of events, so when a queue is full they are dropped and
 * counted, and one LOST event stands where they were.
 */
#ifndef _XLEND_EVENT_H
#define _XLEND_EVENT_H

#include <linux/kfifo.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <xen/lenddev.h>

#define XLEND_EVENTS		64

/**
 * struct xlend_events - a queue of events
 * @lock: of all below; interrupts off
 * @fifo: the events
 * @lost: those dropped after the last one
 * @id: window that they are about, or 0
 * @cookie: of that window
 */
struct xlend_events {
	spinlock_t lock;		/* of all below */
	DECLARE_KFIFO(fifo, struct lenddev_event, XLEND_EVENTS);
	u32 lost;
	u32 id;
	u64 cookie;
};

void xlend_events_init(struct xlend_events *q);
void xlend_events_name(struct xlend_events *q, u32 id, u64 cookie);
void xlend_events_add(struct xlend_events *q, const struct lenddev_event *ev);
bool xlend_events_get(struct xlend_events *q, struct lenddev_event *ev);
bool xlend_events_waiting(struct xlend_events *q);

#endif /* _XLEND_EVENT_H */
