/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: requests of the borrower's vCPUs.
 *
 * Each vCPU of a borrower has a request: a record in a page shared with Xen,
 * and an event channel.  From the interrupt that takes it to its answer it is
 * busy, and lies in the queue of the window that it is about: waiting, active
 * (a worker has it), or held (what it needs is not to be had for now).
 *
 * Anyone may answer a busy request, the first one does; its generation tells
 * the others that they come too late.  A request that is not answered leaves
 * its vCPU asleep; one answered twice may have been another.  So windows,
 * descriptors and servers can go away while a worker hangs in a page fault.
 *
 * Xen answers in our name when a hypercall that lends asks it to.  That is made
 * under the request's lock like any other answer, so nobody answers meanwhile,
 * and the interrupt of the vCPU's next request waits until this one is over.
 *
 * Locks, outer to inner: xlend_request.lock, whatever dispatch() takes,
 * xlend_queue.lock.  All are taken with interrupts off; under them nothing
 * sleeps or allocates.
 */
#ifndef _XLEND_REQUEST_H
#define _XLEND_REQUEST_H

#include "hcall.h"
#include "stream.h"

#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/spinlock.h>

struct xlend_server;
struct xlend_turn;

/**
 * struct xlend_queue - the requests that are about one window
 * @lock: of all below, and of the queue's part of its requests
 * @waiting: for a worker
 * @active: workers have them
 * @held: for xlend_queue_resume() or an answer
 * @idle: workers without a request
 * @nr_held: length of @held; may be read without the lock
 * @parked: there are no workers any more: what would wait is held
 * @wake: called with a worker that was taken out of @idle, under the lock
 */
struct xlend_queue {
	spinlock_t lock;		/* of all below */
	struct list_head waiting;
	struct list_head active;
	struct list_head held;
	struct list_head idle;
	unsigned int nr_held;
	bool parked;
	void (*wake)(struct list_head *worker);
};

/**
 * struct xlend_copy - how far an access by value has come
 * @item: items done
 * @part: bytes of the next item done, if it goes byte by byte
 * @value: what was read
 */
struct xlend_copy {
	u32 item;
	u32 part;
	u64 value;
};

/**
 * struct xlend_request - what one vCPU waits for
 * @server: its server
 * @vcpu: number of the vCPU
 * @port: our end of its event channel
 * @irq: set first by the handler, see there
 * @lock: of all up to @slot
 * @busy: between take and answer
 * @eoi_owed: the interrupt is masked until the answer
 * @closing: takes no more
 * @gen: changes with each answer
 * @since: when it was taken, ns
 * @shared: the record; NULL when the page is gone
 * @req: what it was when it was taken
 * @copy: of an access by value
 * @queue: where it is, NULL if nowhere
 * @slot: of the queue's window; also stable under the queue's lock
 * @node: queue's lock: in one of its lists
 * @is_held: queue's lock
 * @again: queue's lock: something changed while it was active
 * @resumed: queue's lock: it was held
 * @stream: where its vCPU goes: of whoever resolves its faults.  Two may, when
 *          one is late, and then it is wrong, which harms nobody
 */
struct xlend_request {
	struct xlend_server *server;
	unsigned int vcpu;
	evtchn_port_t port;
	int irq;

	spinlock_t lock;		/* of all up to slot */
	bool busy;
	bool eoi_owed;
	bool closing;
	u32 gen;
	u64 since;
	struct xlend_ioreq *shared;
	struct xlend_ioreq req;
	struct xlend_copy copy;
	struct xlend_queue *queue;
	unsigned long slot;

	struct list_head node;
	bool is_held;
	bool again;
	bool resumed;
	struct xlend_stream stream;
};

/**
 * struct xlend_server - our ioreq server in a borrower
 * @domid: borrower
 * @id: of the server
 * @nr: requests, one per vCPU
 * @nr_bound: those whose event channels are bound
 * @page: shared with Xen
 * @shared: it, mapped
 * @now: called in the interrupt, without locks, with a request that is new:
 *       answers it if that can be done at once; NULL for none
 * @dispatch: called under the request's lock, from the interrupt too, with a
 *            request that is new or was moved: calls xlend_request_enqueue() or
 *            xlend_request_finish()
 * @requests: by vCPU
 */
struct xlend_server {
	domid_t domid;
	u16 id;
	unsigned int nr;
	unsigned int nr_bound;
	struct page *page;
	struct xlend_ioreq *shared;
	void (*now)(struct xlend_turn *t);
	void (*dispatch)(struct xlend_request *r);
	struct xlend_request requests[];
};

/**
 * struct xlend_turn - a request as a worker has it, or its interrupt
 * @r: the request
 * @queue: where it was taken from, NULL in the interrupt
 * @gen: of the request, then
 * @req: copy of it
 * @since: when it was taken from Xen, ns
 * @slot: of the window
 * @copy: how far it has come
 * @resumed: it was held before
 * @answered: when Xen answered it because of a lend, ns; 0 if it did not
 */
struct xlend_turn {
	struct xlend_request *r;
	struct xlend_queue *queue;
	u32 gen;
	struct xlend_ioreq req;
	u64 since;
	unsigned long slot;
	struct xlend_copy copy;
	bool resumed;
	u64 answered;
};

static inline bool xlend_ioreq_is_fault(const struct xlend_ioreq *req)
{
	return req->type == IOREQ_TYPE_LEND_FAULT;
}

static inline bool xlend_ioreq_is_write(const struct xlend_ioreq *req)
{
	return !(req->bits & XLEND_IOREQ_READ);
}

void xlend_server_init(struct xlend_server *s, domid_t domid, unsigned int nr,
		       void (*now)(struct xlend_turn *t),
		       void (*dispatch)(struct xlend_request *r));
int xlend_server_start(struct xlend_server *s);
void xlend_server_stop(struct xlend_server *s);

u64 xlend_request_no_answer(const struct xlend_ioreq *req);
void xlend_request_enqueue(struct xlend_request *r, struct xlend_queue *q,
			   unsigned long slot, bool held);
void xlend_request_finish(struct xlend_request *r, u64 data);

bool xlend_turn_late(struct xlend_turn *t);
bool xlend_turn_answer(struct xlend_turn *t, u64 data);
int xlend_turn_lend_large(struct xlend_turn *t, u64 handle, u64 first,
			  u64 frame);
int xlend_turn_lend(struct xlend_turn *t, u64 handle, u64 first,
		    unsigned int nr, const u64 *frames, s32 *status);
void xlend_turn_move(struct xlend_turn *t);
void xlend_turn_back(struct xlend_turn *t);

enum xlend_hold {
	XLEND_HOLD_HELD,	/* the worker is done with it */
	XLEND_HOLD_AGAIN,	/* something changed: look again */
	XLEND_HOLD_LATE,	/* somebody answered it */
};

enum xlend_hold xlend_turn_hold(struct xlend_turn *t);

void xlend_queue_init(struct xlend_queue *q,
		      void (*wake)(struct list_head *worker));
bool xlend_queue_take(struct xlend_queue *q, struct xlend_turn *t,
		      struct list_head *worker);
unsigned int xlend_queue_resume(struct xlend_queue *q, unsigned long first,
				unsigned long last);
void xlend_queue_park(struct xlend_queue *q);
unsigned int xlend_queue_answer(struct xlend_server *s, struct xlend_queue *q,
				unsigned long first, unsigned long last,
				bool held,
				u64 (*data)(const struct xlend_request *r,
					    void *arg), void *arg);

#endif /* _XLEND_REQUEST_H */
