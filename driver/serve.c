// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: what becomes of a request, see serve.h.
 */
#include "serve.h"

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/mm.h>

#include "borrower.h"
#include "param.h"
#include "resolve.h"
#include "trace.h"
#include "window.h"

/* Bytes that one request by value may move: Xen asks for a page at most. */
#define XLEND_MAX_COPY		PAGE_SIZE

/* --- accesses by value */

/*
 * Pointers into the borrower's memory are not followed; Xen does not send them
 * for windows.
 */
static bool xlend_copy_valid(const struct xlend_ioreq *req)
{
	return req->type == XLEND_IOREQ_COPY &&
	       !(req->bits & XLEND_IOREQ_IS_PTR) && is_power_of_2(req->size) &&
	       req->size <= sizeof(u64) &&
	       req->count <= XLEND_MAX_COPY / req->size;
}

static bool xlend_copy_done(const struct xlend_ioreq *req,
			    const struct xlend_copy *c)
{
	return c->item >= req->count;
}

/* Byte address of what comes next. */
static u64 xlend_copy_addr(const struct xlend_ioreq *req,
			   const struct xlend_copy *c)
{
	u64 offset = (u64)c->item * req->size;

	return (req->bits & XLEND_IOREQ_DOWN ? req->addr - offset :
					       req->addr + offset) + c->part;
}

/*
 * Its size.  Across the boundary of two pages, which may be of different
 * windows, an item goes byte by byte.
 */
static unsigned int xlend_copy_size(const struct xlend_ioreq *req,
				    const struct xlend_copy *c)
{
	u64 item = xlend_copy_addr(req, c) - c->part;

	return offset_in_page(item) + req->size <= PAGE_SIZE ? req->size : 1;
}

/* It has been done; @value is what was read. */
static void xlend_copy_step(const struct xlend_ioreq *req, struct xlend_copy *c,
			    u64 value)
{
	unsigned int size = xlend_copy_size(req, c);

	if (!c->part)
		c->value = 0;
	c->value |= value << (c->part * 8);
	c->part += size;
	if (c->part >= req->size) {
		c->part = 0;
		c->item++;
	}
}

static u64 xlend_ones(unsigned int size)
{
	return GENMASK_ULL(size * 8 - 1, 0);
}

/* --- what cannot be resolved */

static u32 xlend_access_bits(const struct xlend_ioreq *req)
{
	return (xlend_ioreq_is_write(req) ? LENDDEV_ACCESS_WRITE : 0) |
	       (xlend_ioreq_is_fault(req) ? 0 : LENDDEV_ACCESS_VALUE);
}

/* By the window's policy, which is not to hold. */
static u64 xlend_give_up(struct xlend_window *w, const struct xlend_ioreq *req,
			 u32 vcpu, u64 gpa, int reason)
{
	xlend_count(w, &w->counts.errors, 1);
	xlend_window_event(w, LENDDEV_EVENT_GAVE_UP, reason,
			   xlend_access_bits(req), vcpu, gpa);
	if (w->policy == LENDDEV_POLICY_CRASH)
		xlend_hc_crash(xlend_domid(w->borrower));
	if (!xlend_ioreq_is_fault(req))
		return ~0ULL;
	return w->policy == LENDDEV_POLICY_FAULT ? XENMEM_LEND_ANSWER_GP :
						    XENMEM_LEND_ANSWER_ONES;
}

static void xlend_held(struct xlend_window *w, const struct xlend_ioreq *req,
		       u32 vcpu, u64 gpa, int reason)
{
	xlend_count(w, &w->counts.holds, 1);
	xlend_window_event(w, LENDDEV_EVENT_HELD, reason,
			   xlend_access_bits(req), vcpu, gpa);
}

enum xlend_fate {
	XLEND_FATE_OVER,	/* the worker has nothing to do with it any more */
	XLEND_FATE_AGAIN,	/* to be tried again */
	XLEND_FATE_ANSWER,	/* to be answered by the policy */
};

static enum xlend_fate xlend_unresolved(struct xlend_window *w,
					struct xlend_turn *t, u64 gpa,
					int reason)
{
	if (reason < LENDDEV_REASON_PASSING &&
	    w->policy != LENDDEV_POLICY_HOLD)
		return XLEND_FATE_ANSWER;

	switch (xlend_turn_hold(t)) {
	case XLEND_HOLD_AGAIN:
		return XLEND_FATE_AGAIN;
	case XLEND_HOLD_HELD:
		xlend_held(w, &t->req, t->r->vcpu, gpa, reason);
		break;
	case XLEND_HOLD_LATE:
		break;
	}
	return XLEND_FATE_OVER;
}

/* --- the dispatcher */

/* Under the borrower's lock, so that it is found by who destroys the window. */
static bool xlend_dispatch_to(struct xlend_request *r, struct xlend_window *w,
			      u64 gpa)
{
	bool dead = READ_ONCE(w->dead);

	if (dead && w->policy != LENDDEV_POLICY_HOLD)
		return false;
	xlend_request_enqueue(r, &w->crew.queue, (gpa >> PAGE_SHIFT) - w->gfn,
			      dead);
	if (dead)
		xlend_held(w, &r->req, r->vcpu, gpa, LENDDEV_REASON_DEAD);
	return true;
}

/**
 * xlend_dispatch - see struct xlend_server
 * @r: the request
 *
 * Context: r->lock held; also in interrupts.
 */
void xlend_dispatch(struct xlend_request *r)
{
	struct xlend_borrower *b = container_of(r->server,
						struct xlend_borrower, server);
	const struct xlend_ioreq *req = &r->req;
	u64 answer = xlend_request_no_answer(req);
	struct xlend_window *w;
	bool queued = false;

	spin_lock(&b->lock);
	if (xlend_ioreq_is_fault(req)) {
		w = xlend_window_at(b, req->addr >> PAGE_SHIFT);
		/*
		 * None, or another: it is being made or destroyed.  Pairs with
		 * the release of the handle when it is made.
		 */
		if (w && smp_load_acquire(&w->books.open) &&
		    w->books.handle == req->data) {
			queued = xlend_dispatch_to(r, w, req->addr);
			if (!queued)
				answer = xlend_give_up(w, req, r->vcpu,
						       req->addr,
						       LENDDEV_REASON_DEAD);
		}
	} else if (xlend_copy_valid(req)) {
		/*
		 * It has no way to fail: what cannot be read is ones, what
		 * cannot be written is dropped.
		 */
		while (!queued && !xlend_copy_done(req, &r->copy)) {
			u64 addr = xlend_copy_addr(req, &r->copy);

			w = xlend_window_at(b, addr >> PAGE_SHIFT);
			/* Likewise. */
			if (w && smp_load_acquire(&w->books.open)) {
				queued = xlend_dispatch_to(r, w, addr);
				if (!queued)
					xlend_give_up(w, req, r->vcpu, addr,
						      LENDDEV_REASON_DEAD);
			}
			if (!queued)
				xlend_copy_step(req, &r->copy,
						xlend_ones(xlend_copy_size(req,
									   &r->copy)));
		}
		answer = r->copy.value;
	}
	spin_unlock(&b->lock);

	if (!queued)
		xlend_request_finish(r, answer);
}

/* --- the interrupt */

/* Under the lock of the counts. */
static void xlend_count_answer(struct xlend_window *w, struct xlend_turn *t)
{
	u64 ns = (t->answered ?: ktime_get_ns()) - t->since;

	w->counts.fault_total_ns += ns;
	w->counts.fault_max_ns = max(w->counts.fault_max_ns, ns);
	w->counts.fault_us[xlend_bucket(ns)]++;
}

/**
 * xlend_serve_now - see struct xlend_server
 * @t: the request
 *
 * Context: interrupt; no locks.
 */
void xlend_serve_now(struct xlend_turn *t)
{
	struct xlend_borrower *b = container_of(t->r->server,
						struct xlend_borrower, server);
	bool write = xlend_ioreq_is_write(&t->req);
	struct xlend_window *w;

	/* A guest that does not get on is the workers'. */
	if (!xlend_ioreq_is_fault(&t->req) || t->req.count > 1)
		return;

	rcu_read_lock();
	spin_lock(&b->lock);
	w = xlend_window_at(b, t->req.addr >> PAGE_SHIFT);
	spin_unlock(&b->lock);
	if (w && xlend_present(w, t)) {
		bool ours = t->answered ||
			    xlend_turn_answer(t, XENMEM_LEND_ANSWER_RETRY);

		trace_xen_lend_fault(xlend_domid(b), w->serial, t->r->vcpu,
				     t->req.addr, write, 1, 0, t->since);
		spin_lock(&w->stat_lock);
		if (ours)
			xlend_count_answer(w, t);
		spin_unlock(&w->stat_lock);
	}
	rcu_read_unlock();
}

/* --- the workers */

static void xlend_serve_fault(struct xlend_window *w, struct xlend_turn *t,
			      struct xlend_scratch *s)
{
	unsigned int limit = READ_ONCE(xlend_stall_limit);
	bool write = xlend_ioreq_is_write(&t->req);
	u64 gpa = t->req.addr, answer;
	u32 count = t->req.count;
	int rc;

	if (!t->resumed) {
		spin_lock_irq(&w->stat_lock);
		if (write)
			w->counts.faults_write++;
		else
			w->counts.faults_read++;
		if (count > 1)
			w->counts.stalls++;
		spin_unlock_irq(&w->stat_lock);
	}

	for (;;) {
		struct xlend_stream stream = t->r->stream;
		struct xlend_resolve what = {
			.slot = t->slot,
			.nr = 1,
			.write = write,
			.patient = true,
			.block = xlend_stream_step(&stream, w->serial, t->slot,
						   xlend_window_around(w)),
			.turn = t,
		};

		/*
		 * The page is taken away again and again before the guest has
		 * used it.  Make room for the others' turn to end, and give up
		 * some time.
		 */
		if (limit && count > limit && !t->resumed) {
			rc = LENDDEV_REASON_STALLED;
		} else {
			if (count > 16)
				usleep_range(500, 1000);
			rc = xlend_resolve(w, &what, s);
		}
		/* The request may be about something else by now. */
		trace_xen_lend_fault(xlend_domid(w->borrower), w->serial,
				     t->r->vcpu, gpa, write, count, rc,
				     t->since);

		if (!rc) {
			stream.next = xlend_books_next(&w->books, t->slot);
			t->r->stream = stream;
		}
		if (rc == -EINTR) {
			xlend_turn_back(t);
			return;
		}
		/* A window that goes away is soon gone for the guest, too. */
		answer = XENMEM_LEND_ANSWER_RETRY;
		if (rc <= 0)
			break;

		switch (xlend_unresolved(w, t, gpa, rc)) {
		case XLEND_FATE_AGAIN:
			t->resumed = true;
			continue;
		case XLEND_FATE_OVER:
			return;
		case XLEND_FATE_ANSWER:
			break;
		}
		if (xlend_turn_late(t))
			return;
		answer = xlend_give_up(w, &t->req, t->r->vcpu, gpa, rc);
		break;
	}

	if (!xlend_turn_answer(t, answer) && !t->answered)
		return;
	/* How long somebody took to resume it says nothing of us. */
	if (!t->resumed) {
		spin_lock_irq(&w->stat_lock);
		xlend_count_answer(w, t);
		spin_unlock_irq(&w->stat_lock);
	}
}

static void xlend_serve_copy(struct xlend_window *w, struct xlend_turn *t,
			     struct xlend_scratch *s)
{
	bool write = xlend_ioreq_is_write(&t->req);
	struct xlend_copy *c = &t->copy;

	while (!xlend_copy_done(&t->req, c)) {
		u64 addr = xlend_copy_addr(&t->req, c);
		struct xlend_access acc = {
			.offset = offset_in_page(addr),
			.size = xlend_copy_size(&t->req, c),
			.value = t->req.data >> (c->part * 8),
		};
		struct xlend_resolve what = {
			.slot = (addr >> PAGE_SHIFT) - w->gfn,
			.nr = 1,
			.write = write,
			.patient = true,
			.access = &acc,
		};
		int rc;

		/* Not before this window, or beyond its end. */
		if (what.slot != t->slot) {
			xlend_turn_move(t);
			return;
		}
		if (xlend_turn_late(t))
			return;
		if (!write)
			acc.value = 0;
		rc = xlend_resolve(w, &what, s);
		if (rc == -EINTR) {
			xlend_turn_back(t);
			return;
		}
		if (rc < 0)
			break;
		if (rc) {
			switch (xlend_unresolved(w, t, addr, rc)) {
			case XLEND_FATE_AGAIN:
				continue;
			case XLEND_FATE_OVER:
				return;
			case XLEND_FATE_ANSWER:
				break;
			}
			xlend_give_up(w, &t->req, t->r->vcpu, addr, rc);
			acc.value = xlend_ones(acc.size);
		}
		xlend_count(w, &w->counts.copies, 1);
		xlend_copy_step(&t->req, c, acc.value);
	}
	xlend_turn_answer(t, xlend_copy_done(&t->req, c) ? c->value : ~0ULL);
}

/**
 * xlend_serve - serve a request
 * @w: window that it is about
 * @t: a worker's turn
 * @s: working space
 *
 * Context: a worker; may wait in a page fault for long.
 */
void xlend_serve(struct xlend_window *w, struct xlend_turn *t,
		 struct xlend_scratch *s)
{
	if (xlend_ioreq_is_fault(&t->req))
		xlend_serve_fault(w, t, s);
	else
		xlend_serve_copy(w, t, s);
}

static u64 xlend_dead_answer(const struct xlend_request *r, void *arg)
{
	return xlend_give_up(arg, &r->req, r->vcpu, r->req.addr,
			     LENDDEV_REASON_DEAD);
}

/**
 * xlend_serve_dead - settle all requests of a window whose process is gone
 * @w: window, marked dead
 *
 * Context: process; does not sleep or allocate.
 */
void xlend_serve_dead(struct xlend_window *w)
{
	if (w->policy == LENDDEV_POLICY_HOLD)
		xlend_queue_park(&w->crew.queue);
	else
		xlend_queue_answer(&w->borrower->server, &w->crew.queue, 0,
				   w->nr - 1, false, xlend_dead_answer, w);
}

static u64 xlend_none_answer(const struct xlend_request *r, void *arg)
{
	return xlend_request_no_answer(&r->req);
}

/**
 * xlend_serve_none - answer all requests of a window that goes away
 * @w: window, not to be found any more
 *
 * Context: process; does not sleep or allocate.
 */
void xlend_serve_none(struct xlend_window *w)
{
	xlend_queue_answer(&w->borrower->server, &w->crew.queue, 0, w->nr - 1,
			   false, xlend_none_answer, NULL);
}

static u64 xlend_action_answer(const struct xlend_request *r, void *arg)
{
	if (!xlend_ioreq_is_fault(&r->req))
		return ~0ULL;
	return *(u32 *)arg == LENDDEV_RESUME_FAULT ? XENMEM_LEND_ANSWER_GP :
						      XENMEM_LEND_ANSWER_ONES;
}

/**
 * xlend_serve_held - what becomes of the requests that are held in a range
 * @w: window
 * @first: first slot
 * @last: last slot
 * @action: LENDDEV_RESUME_*
 *
 * Context: process.
 * Return: how many there were.
 */
unsigned int xlend_serve_held(struct xlend_window *w, unsigned long first,
			      unsigned long last, u32 action)
{
	if (action == LENDDEV_RESUME_RETRY) {
		/* There is nobody to try, and nothing to find. */
		if (READ_ONCE(w->dead))
			return 0;
		return xlend_queue_resume(&w->crew.queue, first, last);
	}
	return xlend_queue_answer(&w->borrower->server, &w->crew.queue, first,
				  last, true, xlend_action_answer, &action);
}
