// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: requests of the borrower's vCPUs, see request.h.
 */
#include "request.h"

#include <linux/ktime.h>
#include <linux/string.h>

#include <xen/events.h>

#include "trace.h"

static u8 xlend_state(const struct xlend_request *r)
{
	return READ_ONCE(r->shared->bits) & XLEND_IOREQ_STATE;
}

static void xlend_set_state(struct xlend_request *r, u8 state)
{
	u8 bits = READ_ONCE(r->shared->bits) & ~XLEND_IOREQ_STATE;

	WRITE_ONCE(r->shared->bits, bits | state);
}

/**
 * xlend_request_no_answer - what a request gets that nobody serves
 * @req: the request
 *
 * Return: the answer with which its vCPU goes on.
 */
u64 xlend_request_no_answer(const struct xlend_ioreq *req)
{
	return xlend_ioreq_is_fault(req) ? XENMEM_LEND_ANSWER_RETRY : ~0ULL;
}

/* --- turns */

static bool xlend_turn_mine(const struct xlend_turn *t)
{
	lockdep_assert_held(&t->r->lock);

	return t->r->busy && t->r->gen == t->gen;
}

static void xlend_turn_begin(struct xlend_turn *t, struct xlend_request *r,
			     struct xlend_queue *q)
{
	lockdep_assert_held(&r->lock);

	t->r = r;
	t->queue = q;
	t->gen = r->gen;
	t->req = r->req;
	t->since = r->since;
	t->copy = r->copy;
	t->answered = 0;
}

/* --- queues */

/**
 * xlend_queue_init - make an empty queue
 * @q: the queue
 * @wake: see struct xlend_queue
 */
void xlend_queue_init(struct xlend_queue *q,
		      void (*wake)(struct list_head *worker))
{
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->waiting);
	INIT_LIST_HEAD(&q->active);
	INIT_LIST_HEAD(&q->held);
	INIT_LIST_HEAD(&q->idle);
	q->nr_held = 0;
	q->parked = false;
	q->wake = wake;
}

/* One more waits.  If no worker is idle, one that is not will find it. */
static void xlend_queue_wake(struct xlend_queue *q)
{
	struct list_head *worker;

	lockdep_assert_held(&q->lock);

	if (list_empty(&q->idle))
		return;
	worker = q->idle.next;
	list_del_init(worker);
	q->wake(worker);
}

static void xlend_queue_hold(struct xlend_queue *q, struct xlend_request *r)
{
	lockdep_assert_held(&q->lock);

	if (!r->is_held)
		WRITE_ONCE(q->nr_held, q->nr_held + 1);
	r->is_held = true;
	list_move_tail(&r->node, &q->held);
}

static void xlend_queue_unhold(struct xlend_queue *q, struct xlend_request *r)
{
	lockdep_assert_held(&q->lock);

	if (r->is_held) {
		r->is_held = false;
		WRITE_ONCE(q->nr_held, q->nr_held - 1);
	}
}

/* Out of its queue. */
static void xlend_queue_del(struct xlend_request *r)
{
	struct xlend_queue *q = r->queue;

	lockdep_assert_held(&r->lock);

	if (!q)
		return;
	spin_lock(&q->lock);
	list_del_init(&r->node);
	xlend_queue_unhold(q, r);
	spin_unlock(&q->lock);
	r->queue = NULL;
}

/**
 * xlend_request_enqueue - have a request wait for a worker
 * @r: busy, and in no queue
 * @q: the queue
 * @slot: what it is about
 * @held: it is to be held at once
 *
 * Context: r->lock held, and what keeps the queue from going away.
 */
void xlend_request_enqueue(struct xlend_request *r, struct xlend_queue *q,
			   unsigned long slot, bool held)
{
	lockdep_assert_held(&r->lock);

	r->queue = q;
	spin_lock(&q->lock);
	r->slot = slot;
	r->again = false;
	r->resumed = false;
	if (held || q->parked) {
		xlend_queue_hold(q, r);
	} else {
		list_add_tail(&r->node, &q->waiting);
		xlend_queue_wake(q);
	}
	spin_unlock(&q->lock);
}

/**
 * xlend_queue_take - a worker looks for a request
 * @q: its queue
 * @t: filled in
 * @worker: what is put into the queue's list of idle workers if there is none;
 *          in there, or in no list
 *
 * Context: a worker, interrupts on.
 * Return: whether there is one.  @t is the worker's until it is answered, held,
 * moved or given back.
 */
bool xlend_queue_take(struct xlend_queue *q, struct xlend_turn *t,
		      struct list_head *worker)
{
	struct xlend_request *r;
	bool mine;

	do {
		spin_lock_irq(&q->lock);
		/* It may have been woken by something else. */
		list_del_init(worker);
		r = list_first_entry_or_null(&q->waiting, struct xlend_request,
					     node);
		if (r) {
			list_move_tail(&r->node, &q->active);
			r->again = false;
			t->slot = r->slot;
			t->resumed = r->resumed;
		} else {
			list_add(worker, &q->idle);
		}
		spin_unlock_irq(&q->lock);
		if (!r)
			return false;

		/* Requests stay where they are, but may be answered. */
		spin_lock_irq(&r->lock);
		mine = r->busy && r->queue == q;
		if (mine)
			xlend_turn_begin(t, r, q);
		spin_unlock_irq(&r->lock);
	} while (!mine);
	return true;
}

/**
 * xlend_queue_resume - something changed in a range: look at its requests again
 * @q: the queue
 * @first: first slot
 * @last: last slot
 *
 * Context: any; does not sleep.
 * Return: how many were held.
 */
unsigned int xlend_queue_resume(struct xlend_queue *q, unsigned long first,
				unsigned long last)
{
	struct xlend_request *r, *next;
	unsigned int nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	list_for_each_entry(r, &q->active, node)
		if (first <= r->slot && r->slot <= last)
			r->again = true;
	list_for_each_entry_safe(r, next, &q->held, node) {
		/* For nobody to look at. */
		if (q->parked)
			break;
		if (r->slot < first || last < r->slot)
			continue;
		xlend_queue_unhold(q, r);
		r->resumed = true;
		list_move_tail(&r->node, &q->waiting);
		xlend_queue_wake(q);
		nr++;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return nr;
}

/**
 * xlend_queue_park - hold all there is and all that comes: there are no workers
 * @q: the queue
 *
 * Also what workers have that hang: should one come back, it finds its request
 * answered, or it is the first to answer it.
 *
 * Context: process, interrupts on.
 */
void xlend_queue_park(struct xlend_queue *q)
{
	struct xlend_request *r, *next;

	spin_lock_irq(&q->lock);
	q->parked = true;
	list_for_each_entry_safe(r, next, &q->waiting, node)
		xlend_queue_hold(q, r);
	list_for_each_entry_safe(r, next, &q->active, node)
		xlend_queue_hold(q, r);
	spin_unlock_irq(&q->lock);
}

/* --- answers */

/* The request has its answer @data. */
static void xlend_answered(struct xlend_request *r, u64 data)
{
	lockdep_assert_held(&r->lock);

	r->busy = false;
	r->gen++;
	xlend_queue_del(r);
	/*
	 * Under the lock, since the interrupt cannot be unbound before this
	 * request is answered or the request has been through the lock to
	 * close.
	 */
	if (r->eoi_owed)
		xen_irq_lateeoi(r->irq, 0);
	r->eoi_owed = false;
	trace_xen_lend_answer(r->server->domid, r->vcpu, r->req.type, data,
			      r->since);
}

/**
 * xlend_request_finish - answer a busy request
 * @r: the request
 * @data: the answer
 *
 * Once: response, event, end of interrupt.
 *
 * Context: r->lock held.
 */
void xlend_request_finish(struct xlend_request *r, u64 data)
{
	lockdep_assert_held(&r->lock);

	/* The data of a write by value, and of pointers, stay as they are. */
	if (xlend_ioreq_is_fault(&r->req) ||
	    (!xlend_ioreq_is_write(&r->req) &&
	     !(r->req.bits & XLEND_IOREQ_IS_PTR)))
		WRITE_ONCE(r->shared->data, data);
	virt_wmb(); /* the data before the state */
	xlend_set_state(r, XLEND_STATE_RESPONSE);
	xlend_hc_notify(r->port);
	xlend_answered(r, data);
}

/**
 * xlend_turn_late - whether somebody has answered it
 * @t: the turn
 *
 * Context: process.
 */
bool xlend_turn_late(struct xlend_turn *t)
{
	bool late;

	spin_lock_irq(&t->r->lock);
	late = !xlend_turn_mine(t);
	spin_unlock_irq(&t->r->lock);
	return late;
}

/**
 * xlend_turn_answer - answer a request, if nobody else has
 * @t: the turn
 * @data: the answer
 *
 * Context: any.
 * Return: whether it was this one that answered.
 */
bool xlend_turn_answer(struct xlend_turn *t, u64 data)
{
	unsigned long flags;
	bool mine;

	spin_lock_irqsave(&t->r->lock, flags);
	mine = xlend_turn_mine(t);
	if (mine)
		xlend_request_finish(t->r, data);
	spin_unlock_irqrestore(&t->r->lock, flags);
	return mine;
}

/*
 * After a lend that was to answer a request of ours: has it?  The result does
 * not tell: a vCPU that has just sent its request may not count as waiting yet,
 * though all was lent.  The state does.  INPROCESS is what we made it, and what
 * leaves the answer to us; otherwise the vCPU goes on, be it because the server
 * was disabled.
 */
static void xlend_turn_answered(struct xlend_turn *t, bool mine)
{
	if (mine && xlend_state(t->r) != XLEND_STATE_INPROCESS) {
		t->answered = ktime_get_ns();
		xlend_answered(t->r, XENMEM_LEND_ANSWER_RETRY);
	}
}

/**
 * xlend_turn_lend - lend, and have Xen answer the request that this resolves
 * @t: the turn
 * @handle: Xen's id of the window
 * @first: first slot
 * @nr: slots, the turn's among them
 * @frames: as for xlend_hc_lend()
 * @status: as for xlend_hc_lend()
 *
 * The request is answered, and @t->answered set, only if it is still there and
 * its slot was lent.  In all other cases the caller answers it.
 *
 * Context: any, with the books.
 * Return: as xlend_hc_lend().
 */
int xlend_turn_lend(struct xlend_turn *t, u64 handle, u64 first,
		    unsigned int nr, const u64 *frames, s32 *status)
{
	struct xlend_request *r = t->r;
	unsigned long flags;
	bool mine;
	int rc;

	spin_lock_irqsave(&r->lock, flags);
	mine = xlend_turn_mine(t);
	rc = xlend_hc_lend(r->server->domid, handle, first, nr, frames, status,
			   mine ? r->vcpu : XLEND_NO_ANSWER);
	xlend_turn_answered(t, mine);
	spin_unlock_irqrestore(&r->lock, flags);
	return rc;
}

/**
 * xlend_turn_lend_large - the same for a large entry
 * @t: the turn
 * @handle: Xen's id of the window
 * @first: first slot; the turn's is one of XLEND_LARGE
 * @frame: as for xlend_hc_lend_large()
 *
 * Context: process, with the books.
 * Return: as xlend_hc_lend_large().
 */
int xlend_turn_lend_large(struct xlend_turn *t, u64 handle, u64 first,
			  u64 frame)
{
	struct xlend_request *r = t->r;
	unsigned long flags;
	bool mine;
	int rc;

	spin_lock_irqsave(&r->lock, flags);
	mine = xlend_turn_mine(t);
	rc = xlend_hc_lend_large(r->server->domid, handle, first, frame,
				 mine ? r->vcpu : XLEND_NO_ANSWER);
	xlend_turn_answered(t, mine);
	spin_unlock_irqrestore(&r->lock, flags);
	return rc;
}

/**
 * xlend_turn_move - pass a request on to whoever it is about now
 * @t: the turn; its copy says how far it has come
 *
 * Context: process.
 */
void xlend_turn_move(struct xlend_turn *t)
{
	struct xlend_request *r = t->r;

	spin_lock_irq(&r->lock);
	if (xlend_turn_mine(t)) {
		xlend_queue_del(r);
		r->copy = t->copy;
		r->server->dispatch(r);
	}
	spin_unlock_irq(&r->lock);
}

/**
 * xlend_turn_back - leave a request to another worker of the same queue
 * @t: the turn
 *
 * Context: process.
 */
void xlend_turn_back(struct xlend_turn *t)
{
	struct xlend_queue *q = t->queue;
	struct xlend_request *r = t->r;

	spin_lock_irq(&r->lock);
	if (xlend_turn_mine(t)) {
		r->copy = t->copy;
		spin_lock(&q->lock);
		if (q->parked) {
			xlend_queue_hold(q, r);
		} else {
			list_move(&r->node, &q->waiting);
			xlend_queue_wake(q);
		}
		spin_unlock(&q->lock);
	}
	spin_unlock_irq(&r->lock);
}

/**
 * xlend_turn_hold - have a request wait until it is resumed or answered
 * @t: the turn; its copy says how far it has come
 *
 * Context: process.
 * Return: what became of it.
 */
enum xlend_hold xlend_turn_hold(struct xlend_turn *t)
{
	enum xlend_hold rc = XLEND_HOLD_LATE;
	struct xlend_queue *q = t->queue;
	struct xlend_request *r = t->r;

	spin_lock_irq(&r->lock);
	if (xlend_turn_mine(t)) {
		spin_lock(&q->lock);
		if (r->again && !q->parked) {
			r->again = false;
			rc = XLEND_HOLD_AGAIN;
		} else {
			r->copy = t->copy;
			xlend_queue_hold(q, r);
			rc = XLEND_HOLD_HELD;
		}
		spin_unlock(&q->lock);
	}
	spin_unlock_irq(&r->lock);
	return rc;
}

/**
 * xlend_queue_answer - answer requests in the place of their workers
 * @s: the server whose requests are there
 * @q: the queue
 * @first: first slot
 * @last: last slot
 * @held: only those that are held
 * @data: makes the answer
 * @arg: for it
 *
 * Context: process, interrupts on; a queue that gets no more, or any if @held.
 * Return: how many.
 */
unsigned int xlend_queue_answer(struct xlend_server *s, struct xlend_queue *q,
				unsigned long first, unsigned long last,
				bool held,
				u64 (*data)(const struct xlend_request *r,
					    void *arg), void *arg)
{
	unsigned int i, nr = 0;

	for (i = 0; i < s->nr; i++) {
		struct xlend_request *r = &s->requests[i];
		bool mine;

		spin_lock_irq(&r->lock);
		mine = r->busy && r->queue == q && first <= r->slot &&
		       r->slot <= last;
		if (mine && held) {
			spin_lock(&q->lock);
			mine = r->is_held;
			spin_unlock(&q->lock);
		}
		if (mine) {
			xlend_request_finish(r, data(r, arg));
			nr++;
		}
		spin_unlock_irq(&r->lock);
	}
	return nr;
}

/* --- Xen's side */

/*
 * In the interrupt, if that has not to wait.  Drops the lock: others may answer
 * meanwhile, as always, and then there is nothing to dispatch either.
 */
static bool xlend_request_now(struct xlend_request *r)
{
	struct xlend_turn t = {};

	lockdep_assert_held(&r->lock);

	if (!r->server->now)
		return false;
	xlend_turn_begin(&t, r, NULL);
	spin_unlock(&r->lock);
	r->server->now(&t);
	spin_lock(&r->lock);
	return !xlend_turn_mine(&t);
}

/*
 * Take the request that waits in the record, if one does; @eoi_owed: this is
 * its interrupt.
 */
static bool xlend_request_take(struct xlend_request *r, bool eoi_owed)
{
	const struct xlend_ioreq *sh = r->shared;

	lockdep_assert_held(&r->lock);

	if (r->closing || r->busy || xlend_state(r) != XLEND_STATE_READY)
		return false;
	virt_rmb(); /* the state before the rest */

	r->req.addr = READ_ONCE(sh->addr);
	r->req.data = READ_ONCE(sh->data);
	r->req.count = READ_ONCE(sh->count);
	r->req.size = READ_ONCE(sh->size);
	r->req.bits = READ_ONCE(sh->bits);
	r->req.type = READ_ONCE(sh->type);
	memset(&r->copy, 0, sizeof(r->copy));
	xlend_set_state(r, XLEND_STATE_INPROCESS);
	r->busy = true;
	r->eoi_owed = eoi_owed;
	r->since = ktime_get_ns();

	/* Goes to all servers of the domain; we cache nothing of the guest. */
	if (r->req.type == XLEND_IOREQ_INVALIDATE)
		xlend_request_finish(r, 0);
	else if (!eoi_owed || !xlend_request_now(r))
		r->server->dispatch(r);
	return true;
}

static irqreturn_t xlend_interrupt(int irq, void *data)
{
	struct xlend_request *r = data;

	spin_lock(&r->lock);
	/* The first comes before the function that binds it has returned. */
	r->irq = irq;
	/* Binding also makes one for nothing, as does a scan that was first. */
	if (!xlend_request_take(r, true))
		xen_irq_lateeoi(irq, 0);
	spin_unlock(&r->lock);
	return IRQ_HANDLED;
}

static int xlend_request_bind(struct xlend_request *r)
{
	int irq, rc;

	/* All of the request must be ready, the interrupt comes at once. */
	rc = xlend_hc_bind(r->server->domid, READ_ONCE(r->shared->port),
			   &r->port);
	if (rc)
		return rc;
	irq = bind_evtchn_to_irqhandler_lateeoi(r->port, xlend_interrupt, 0,
						"xen-lend", r);
	if (irq < 0) {
		xlend_hc_close(r->port, r->server->domid,
			       READ_ONCE(r->shared->port));
		return irq;
	}
	spin_lock_irq(&r->lock);
	r->irq = irq;
	spin_unlock_irq(&r->lock);
	return 0;
}

/**
 * xlend_server_init - set up a server that is not there yet
 * @s: zeroed, with room for @nr requests
 * @domid: borrower
 * @nr: of its vCPUs
 * @now: see struct xlend_server
 * @dispatch: likewise
 */
void xlend_server_init(struct xlend_server *s, domid_t domid, unsigned int nr,
		       void (*now)(struct xlend_turn *t),
		       void (*dispatch)(struct xlend_request *r))
{
	unsigned int i;

	s->domid = domid;
	s->nr = nr;
	s->now = now;
	s->dispatch = dispatch;
	for (i = 0; i < nr; i++) {
		struct xlend_request *r = &s->requests[i];

		r->server = s;
		r->vcpu = i;
		spin_lock_init(&r->lock);
		INIT_LIST_HEAD(&r->node);
	}
}

/**
 * xlend_server_start - make the ioreq server and listen to it
 * @s: set up
 *
 * Context: may sleep and allocate.
 * Return: 0 or the hypervisor's errno, and then nothing is left of it.
 */
int xlend_server_start(struct xlend_server *s)
{
	unsigned int i;
	void *va;
	int rc;

	rc = xlend_hc_server_create(s->domid, &s->id);
	if (rc)
		return rc;
	rc = xlend_hc_server_map(s->domid, s->id, &s->page, &va);
	if (rc) {
		xlend_hc_server_destroy(s->domid, s->id);
		return rc;
	}
	s->shared = va;
	for (i = 0; i < s->nr; i++)
		s->requests[i].shared = &s->shared[i];

	/* Only this makes the event channels. */
	rc = xlend_hc_server_enable(s->domid, s->id, true);
	for (i = 0; !rc && i < s->nr; i++) {
		rc = xlend_request_bind(&s->requests[i]);
		if (!rc)
			s->nr_bound++;
	}
	if (rc) {
		xlend_server_stop(s);
		return rc;
	}

	for (i = 0; i < s->nr; i++) {
		struct xlend_request *r = &s->requests[i];

		spin_lock_irq(&r->lock);
		xlend_request_take(r, false);
		spin_unlock_irq(&r->lock);
	}
	return 0;
}

/**
 * xlend_server_stop - answer all requests and undo xlend_server_start()
 * @s: server of a borrower that lives or does not
 *
 * Each step in this order: a request answered before the server is disabled
 * would be sent again, to nobody; one that is not a fault and not answered
 * leaves its vCPU asleep.  (Disabling has woken those that wait for faults,
 * whose answers go nowhere.)  Waits for no worker.
 *
 * Context: may sleep; no lock that the notifier can need, since Xen pauses the
 * domain.
 */
void xlend_server_stop(struct xlend_server *s)
{
	unsigned int i;

	/* Fails if the domain is dead. */
	xlend_hc_server_enable(s->domid, s->id, false);

	for (i = 0; i < s->nr_bound; i++) {
		struct xlend_request *r = &s->requests[i];

		spin_lock_irq(&r->lock);
		/* What is sent but not taken is to be answered, not served. */
		if (!r->busy && xlend_state(r) == XLEND_STATE_READY) {
			virt_rmb(); /* the state before the rest */
			r->req.bits = READ_ONCE(r->shared->bits);
			r->req.type = READ_ONCE(r->shared->type);
			r->since = ktime_get_ns();
			xlend_set_state(r, XLEND_STATE_INPROCESS);
			r->busy = true;
		}
		r->closing = true;
		if (r->busy)
			xlend_request_finish(r, xlend_request_no_answer(&r->req));
		spin_unlock_irq(&r->lock);
	}
	for (i = 0; i < s->nr_bound; i++)
		unbind_from_irqhandler(s->requests[i].irq, &s->requests[i]);
	s->nr_bound = 0;

	xlend_hc_server_destroy(s->domid, s->id);

	/* Nobody touches the page: no request is busy, none is taken. */
	for (i = 0; i < s->nr; i++)
		s->requests[i].shared = NULL;
	s->shared = NULL;
	xlend_hc_server_unmap(s->page);
	s->page = NULL;
}
