// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: requests of the borrower's vCPUs.
 *
 * Each vCPU has a slot in a page shared with Xen and an event channel.  The
 * interrupt takes the request and queues a job, the job serves it and answers.
 *
 * Anyone may answer a request that is taken, the first one does: slot->busy and
 * slot->gen tell the others that they come too late.  A request that is not
 * answered leaves its vCPU asleep; one answered twice may have been another.
 *
 * Xen answers in our name when a hypercall that lends asks it to.  That is made
 * under slot->lock like any other answer, so nobody answers meanwhile, and the
 * interrupt of the vCPU's next request waits until this one is over.
 */
#include "xlend.h"

#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <xen/events.h>

#include "trace.h"

/* Jobs of one domain that may be stuck for requests answered by others. */
#define XLEND_MAX_LEFTOVER	16

/* Bytes that one request by value may move: Xen asks for a page at most. */
#define XLEND_MAX_COPY		PAGE_SIZE

static void xlend_job_work(struct work_struct *work);

static struct xlend_job *xlend_job_alloc(struct xlend_slot *s)
{
	struct xlend_job *job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);

	if (job) {
		job->slot = s;
		INIT_WORK(&job->work, xlend_job_work);
	}
	return job;
}

static u8 xlend_state(const struct xlend_slot *s)
{
	return READ_ONCE(s->shared->bits) & XLEND_IOREQ_STATE;
}

static void xlend_set_state(struct xlend_slot *s, u8 state)
{
	u8 bits = READ_ONCE(s->shared->bits) & ~XLEND_IOREQ_STATE;

	WRITE_ONCE(s->shared->bits, bits | state);
}

/* What a request gets that nobody serves, so that the vCPU goes on. */
static u64 xlend_no_answer(const struct xlend_ioreq *req)
{
	return req->type == IOREQ_TYPE_LEND_FAULT ? XENMEM_LEND_ANSWER_RETRY :
						    ~0ULL;
}

/* The request has its answer @data. */
static void xlend_answered_locked(struct xlend_slot *s, u64 data)
{
	lockdep_assert_held(&s->lock);

	s->busy = false;
	s->gen++;
	s->window = NULL;
	/*
	 * Under the lock, since the interrupt cannot be unbound before this
	 * request is answered or the slot has been through the lock to close.
	 */
	if (s->eoi_owed)
		xen_irq_lateeoi(s->irq, 0);
	s->eoi_owed = false;
	trace_xen_lend_answer(s->dom->domid, s->vcpu, s->req.type, data,
			      ktime_get_ns() - s->since);
}

/*
 * Answer the request of generation @gen with @data, if nobody else has.  Once:
 * response, event, end of interrupt.
 */
static bool xlend_answer_locked(struct xlend_slot *s, u32 gen, u64 data)
{
	lockdep_assert_held(&s->lock);

	if (!s->busy || s->gen != gen)
		return false;

	/* The data of a write by value, and of pointers, stay as they are. */
	if (s->req.type == IOREQ_TYPE_LEND_FAULT ||
	    ((s->req.bits & XLEND_IOREQ_READ) &&
	     !(s->req.bits & XLEND_IOREQ_IS_PTR)))
		WRITE_ONCE(s->shared->data, data);
	virt_wmb(); /* the data before the state */
	xlend_set_state(s, XLEND_STATE_RESPONSE);
	xlend_hc_notify(s->port);
	xlend_answered_locked(s, data);
	return true;
}

/**
 * xlend_slot_lend - lend, and have Xen answer the request that this resolves
 * @w: window
 * @base: slot of the window for index 0 of the scratch's arrays
 * @from: first index
 * @to: index after the last
 * @scratch: frames and rights; the request; is given the results
 *
 * The request is answered, and @scratch->answered set, only if it is still
 * there and its slot was lent.  In all other cases the caller answers it.
 *
 * Context: w->lock held.
 * Return: as xlend_hc_lend().
 */
int xlend_slot_lend(struct xlend_window *w, unsigned long base,
		    unsigned int from, unsigned int to,
		    struct xlend_scratch *scratch)
{
	struct xlend_slot *s = scratch->slot;
	bool mine;
	int rc;

	lockdep_assert_held(&w->lock);

	spin_lock_irq(&s->lock);
	mine = s->busy && s->gen == scratch->gen;
	rc = xlend_hc_lend(w->dom->domid, w->handle, base + from, to - from,
			   scratch->frames + from, scratch->status + from,
			   mine ? s->vcpu : XLEND_NO_ANSWER);
	/*
	 * The result does not tell whether Xen has answered: a vCPU that has
	 * just sent its request may not count as waiting yet, though all was
	 * lent.  The state does.  INPROCESS is what we made it, and what leaves
	 * the answer to us; otherwise the vCPU goes on, be it because the
	 * server was disabled.
	 */
	if (mine && xlend_state(s) != XLEND_STATE_INPROCESS) {
		scratch->answered = ktime_get_ns();
		xlend_answered_locked(s, XENMEM_LEND_ANSWER_RETRY);
	}
	spin_unlock_irq(&s->lock);
	return rc;
}

/* Take the request that waits in the slot, if one does. */
static bool xlend_take_locked(struct xlend_slot *s, bool eoi_owed)
{
	const struct xlend_ioreq *sh = s->shared;

	lockdep_assert_held(&s->lock);

	if (s->closing || s->busy || xlend_state(s) != XLEND_STATE_READY)
		return false;
	virt_rmb(); /* the state before the rest */

	s->req.addr = READ_ONCE(sh->addr);
	s->req.data = READ_ONCE(sh->data);
	s->req.count = READ_ONCE(sh->count);
	s->req.size = READ_ONCE(sh->size);
	s->req.bits = READ_ONCE(sh->bits);
	s->req.type = READ_ONCE(sh->type);
	xlend_set_state(s, XLEND_STATE_INPROCESS);
	s->busy = true;
	s->eoi_owed = eoi_owed;
	s->since = ktime_get_ns();

	/* Goes to all servers of the domain; we cache nothing of the guest. */
	if (s->req.type == XLEND_IOREQ_INVALIDATE) {
		xlend_answer_locked(s, s->gen, 0);
		return true;
	}

	/*
	 * A job already queued has found nothing to do, or will find this
	 * request: it has its references.
	 */
	kref_get(&s->dom->ref);
	__module_get(THIS_MODULE);
	if (!queue_work(xlend_wq, &s->job->work)) {
		module_put(THIS_MODULE);
		xlend_domain_put(s->dom);
	}
	return true;
}

static irqreturn_t xlend_interrupt(int irq, void *data)
{
	struct xlend_slot *s = data;

	spin_lock(&s->lock);
	/* The first comes before the function that binds it has returned. */
	s->irq = irq;
	/* Binding also makes one for nothing, as does a scan that was first. */
	if (!xlend_take_locked(s, true))
		xen_irq_lateeoi(irq, 0);
	spin_unlock(&s->lock);
	return IRQ_HANDLED;
}

/* Remember whose request it is.  False if it was answered meanwhile. */
static bool xlend_slot_claim(struct xlend_slot *s, u32 gen,
			     struct xlend_window *w)
{
	bool mine;

	spin_lock_irq(&s->lock);
	mine = s->busy && s->gen == gen;
	if (mine)
		s->window = w;
	spin_unlock_irq(&s->lock);
	return mine;
}

/* Serve a fault: returns the answer, if the lend did not make Xen give it. */
static u64 xlend_serve_fault(struct xlend_slot *s, u32 gen,
			     struct xlend_window *w,
			     const struct xlend_ioreq *req, u64 since,
			     struct xlend_scratch *scratch)
{
	bool write = !(req->bits & XLEND_IOREQ_READ);
	unsigned int limit = READ_ONCE(xlend_stall_limit);
	unsigned long idx = (req->addr >> PAGE_SHIFT) - w->gfn;
	int rc;

	spin_lock(&w->stat_lock);
	if (write)
		w->stats.faults_write++;
	else
		w->stats.faults_read++;
	if (req->count > 1)
		w->stats.stalls++;
	spin_unlock(&w->stat_lock);

	/*
	 * The page is taken away again and again before the guest has used it.
	 * Make room for the others' turn to end, and give up some time.
	 */
	if (limit && req->count > limit) {
		rc = -ELOOP;
	} else {
		if (req->count > 16)
			usleep_range(500, 1000);
		scratch->slot = s;
		scratch->gen = gen;
		rc = xlend_fault(w, idx, XLEND_FAULT_PATIENT |
				 (write ? XLEND_FAULT_WRITE : 0),
				 READ_ONCE(xlend_fault_around), NULL, scratch);
	}

	/* The slot may be about another request by now. */
	trace_xen_lend_fault(w, s->vcpu, req->addr, write, req->count, rc,
			     ktime_get_ns() - since);
	/* A window that is being destroyed is soon gone for the guest, too. */
	if (!rc || rc == -ESHUTDOWN)
		return XENMEM_LEND_ANSWER_RETRY;

	xlend_count(w, &w->stats.errors, 1);
	xlend_event_window(w, XEN_LEND_EVENT_FAULT, rc, s->vcpu, req->addr);
	return w->policy == XEN_LEND_POLICY_FAULT ? XENMEM_LEND_ANSWER_GP :
						    XENMEM_LEND_ANSWER_ONES;
}

static u64 xlend_ones(unsigned int size)
{
	return GENMASK_ULL(size * 8 - 1, 0);
}

/*
 * Access one page by value.  -ESHUTDOWN: the request is not ours any more, or
 * the window is being destroyed.
 */
static int xlend_serve_part(struct xlend_slot *s, u32 gen, u64 addr,
			    struct xlend_access *acc,
			    struct xlend_scratch *scratch)
{
	u64 gfn = addr >> PAGE_SHIFT;
	unsigned int flags = XLEND_FAULT_PATIENT;
	struct xlend_window *w;
	int rc = -ESHUTDOWN;

	if (acc->write)
		flags |= XLEND_FAULT_WRITE;

	w = xlend_window_find(s->dom, gfn);
	if (!w)
		return -ENOENT;
	if (!xlend_slot_claim(s, gen, w))
		goto put;
	rc = xlend_fault(w, gfn - w->gfn, flags, 1, acc, scratch);
	xlend_slot_claim(s, gen, NULL);

	xlend_count(w, &w->stats.copies, 1);
	if (rc && rc != -ESHUTDOWN) {
		xlend_count(w, &w->stats.errors, 1);
		xlend_event_window(w, XEN_LEND_EVENT_FAULT, rc, s->vcpu, addr);
	}
put:
	xlend_window_put(w);
	return rc;
}

/*
 * Access one item by value.  Across the boundary of two pages, which may be of
 * different windows, it is done byte by byte.
 */
static int xlend_serve_item(struct xlend_slot *s, u32 gen, u64 addr,
			    unsigned int size, bool write, u64 *value,
			    struct xlend_scratch *scratch)
{
	unsigned int part = offset_in_page(addr) + size <= PAGE_SIZE ? size : 1;
	unsigned int done;
	u64 got = 0;
	int rc;

	for (done = 0; done < size; done += part) {
		struct xlend_access acc = {
			.offset = offset_in_page(addr + done),
			.size = part,
			.write = write,
			.value = *value >> (done * 8),
		};

		rc = xlend_serve_part(s, gen, addr + done, &acc, scratch);
		if (rc == -ESHUTDOWN)
			return rc;
		if (rc)
			acc.value = xlend_ones(part);
		got |= acc.value << (done * 8);
	}
	if (!write)
		*value = got;
	return 0;
}

/*
 * Serve an access that Xen's emulator makes because the other operand of the
 * instruction is not memory.  It has no way to fail: what cannot be read is
 * ones, what cannot be written is dropped.
 */
static u64 xlend_serve_copy(struct xlend_slot *s, u32 gen,
			    const struct xlend_ioreq *req,
			    struct xlend_scratch *scratch)
{
	bool write = !(req->bits & XLEND_IOREQ_READ);
	u64 value = write ? req->data : 0;
	u64 addr = req->addr;
	u32 i;

	/*
	 * Pointers into the borrower's memory are not followed; Xen does not
	 * send them for windows.
	 */
	if ((req->bits & XLEND_IOREQ_IS_PTR) || !is_power_of_2(req->size) ||
	    req->size > sizeof(value) ||
	    req->count > XLEND_MAX_COPY / req->size)
		return ~0ULL;

	for (i = 0; i < req->count; i++) {
		if (xlend_serve_item(s, gen, addr, req->size, write, &value,
				     scratch))
			return ~0ULL;
		if (req->bits & XLEND_IOREQ_DOWN)
			addr -= req->size;
		else
			addr += req->size;
	}
	return value;
}

static void xlend_job_work(struct work_struct *work)
{
	struct xlend_job *job = container_of(work, struct xlend_job, work);
	struct xlend_slot *s = job->slot;
	struct xlend_domain *d = s->dom;
	struct xlend_window *w = NULL;
	struct xlend_ioreq req;
	bool leftover, todo;
	u64 answer, since, ns;
	u32 gen;

	spin_lock_irq(&s->lock);
	todo = s->busy && s->job == job;
	req = s->req;
	gen = s->gen;
	since = s->since;
	spin_unlock_irq(&s->lock);
	if (!todo)
		goto out;

	job->scratch.slot = NULL;
	job->scratch.answered = 0;
	answer = xlend_no_answer(&req);
	switch (req.type) {
	case IOREQ_TYPE_LEND_FAULT:
		/*
		 * None, or another: it is being made or destroyed.  Claim it
		 * before looking whether it is dead: xlend_window_destroy()
		 * marks it before it looks who has claimed it.
		 */
		w = xlend_window_find(d, req.addr >> PAGE_SHIFT);
		/* Pairs with the release of the handle when it is made. */
		if (!w || !smp_load_acquire(&w->ready) || w->handle != req.data)
			break;
		if (!xlend_slot_claim(s, gen, w))
			break;
		answer = xlend_serve_fault(s, gen, w, &req, since,
					   &job->scratch);
		break;
	case XLEND_IOREQ_COPY:
		answer = xlend_serve_copy(s, gen, &req, &job->scratch);
		break;
	}

	spin_lock_irq(&s->lock);
	todo = xlend_answer_locked(s, gen, answer);
	spin_unlock_irq(&s->lock);

	if (w) {
		ns = (job->scratch.answered ?: ktime_get_ns()) - since;
		if (todo || job->scratch.answered) {
			spin_lock(&w->stat_lock);
			w->stats.fault_total_ns += ns;
			w->stats.fault_max_ns = max(w->stats.fault_max_ns, ns);
			spin_unlock(&w->stat_lock);
		}
		xlend_window_put(w);
	}
out:
	spin_lock_irq(&s->lock);
	leftover = s->job != job;
	spin_unlock_irq(&s->lock);
	if (leftover) {
		atomic_dec(&d->leftover);
		kfree(job);
	}
	/* May be the last reference, and free an own job: touch it no more. */
	xlend_domain_put(d);
	/* Unloading waits for the workqueue, and so for this to return. */
	module_put(THIS_MODULE);
}

/**
 * xlend_slots_abort - answer what waits for a window that goes away
 * @d: domain
 * @w: its window, marked dead, or found by nobody any more
 *
 * The jobs may be stuck: they are left behind, and new ones take their place.
 *
 * Context: process; may allocate; no window's lock.
 */
void xlend_slots_abort(struct xlend_domain *d, struct xlend_window *w)
{
	unsigned int i;

	for (i = 0; i < d->nr_slots; i++) {
		struct xlend_slot *s = &d->slots[i];
		struct xlend_job *job = NULL;

		spin_lock_irq(&s->lock);
		if (!s->busy || s->window != w) {
			spin_unlock_irq(&s->lock);
			continue;
		}
		spin_unlock_irq(&s->lock);

		/* If there is none, the vCPU waits for the one it had. */
		if (atomic_add_unless(&d->leftover, 1, XLEND_MAX_LEFTOVER)) {
			job = xlend_job_alloc(s);
			if (!job)
				atomic_dec(&d->leftover);
		}

		spin_lock_irq(&s->lock);
		if (s->busy && s->window == w) {
			if (job) {
				swap(job, s->job);
				job = NULL;
			}
			xlend_answer_locked(s, s->gen, xlend_no_answer(&s->req));
		}
		spin_unlock_irq(&s->lock);

		if (job) {
			atomic_dec(&d->leftover);
			kfree(job);
		}
	}
}

/**
 * xlend_slots_init - set up the slots of a new domain
 * @d: domain, zeroed, with the number of slots
 *
 * Context: may sleep and allocate.
 * Return: 0 or -ENOMEM; xlend_slots_free() in either case.
 */
int xlend_slots_init(struct xlend_domain *d)
{
	unsigned int i;

	for (i = 0; i < d->nr_slots; i++) {
		struct xlend_slot *s = &d->slots[i];

		s->dom = d;
		s->vcpu = i;
		spin_lock_init(&s->lock);
		s->job = xlend_job_alloc(s);
		if (!s->job)
			return -ENOMEM;
	}
	return 0;
}

/**
 * xlend_slots_free - undo xlend_slots_init()
 * @d: domain, no job queued
 *
 * Context: may be one of the jobs.
 */
void xlend_slots_free(struct xlend_domain *d)
{
	unsigned int i;

	for (i = 0; i < d->nr_slots; i++)
		kfree(d->slots[i].job);
}

static int xlend_slot_bind(struct xlend_slot *s)
{
	int irq, rc;

	/* All of the slot must be ready, the interrupt comes at once. */
	rc = xlend_hc_bind(s->dom->domid, READ_ONCE(s->shared->port), &s->port);
	if (rc)
		return rc;
	irq = bind_evtchn_to_irqhandler_lateeoi(s->port, xlend_interrupt, 0,
						"xen-lend", s);
	if (irq < 0) {
		xlend_hc_close(s->port);
		return irq;
	}
	spin_lock_irq(&s->lock);
	s->irq = irq;
	spin_unlock_irq(&s->lock);
	return 0;
}

/**
 * xlend_slots_start - make the ioreq server and listen to it
 * @d: domain, its slots set up
 *
 * Context: may sleep and allocate.
 * Return: 0 or the hypervisor's errno, and then nothing is left of it.
 */
int xlend_slots_start(struct xlend_domain *d)
{
	unsigned int i;
	void *va;
	int rc;

	rc = xlend_hc_server_create(d->domid, &d->server);
	if (rc)
		return rc;
	rc = xlend_hc_server_map(d->domid, d->server, &d->page, &va);
	if (rc) {
		xlend_hc_server_destroy(d->domid, d->server);
		return rc;
	}
	d->shared = va;
	for (i = 0; i < d->nr_slots; i++)
		d->slots[i].shared = &d->shared[i];

	/* Only this makes the event channels. */
	rc = xlend_hc_server_enable(d->domid, d->server, true);
	for (i = 0; !rc && i < d->nr_slots; i++) {
		rc = xlend_slot_bind(&d->slots[i]);
		if (!rc)
			d->nr_bound++;
	}
	if (rc) {
		xlend_slots_stop(d);
		return rc;
	}

	for (i = 0; i < d->nr_slots; i++) {
		struct xlend_slot *s = &d->slots[i];

		spin_lock_irq(&s->lock);
		xlend_take_locked(s, false);
		spin_unlock_irq(&s->lock);
	}
	return 0;
}

/**
 * xlend_slots_stop - answer all requests and undo xlend_slots_start()
 * @d: domain, alive or dead
 *
 * Each step in this order: a request answered before the server is disabled
 * would be sent again, to nobody; one that is not a fault and not answered
 * leaves its vCPU asleep.  (Disabling has woken those that wait for faults,
 * whose answers go nowhere.)  Waits for no job.
 *
 * Context: may sleep; no lock that the notifier can need, since Xen pauses the
 * domain.
 */
void xlend_slots_stop(struct xlend_domain *d)
{
	unsigned int i;

	/* Fails if the domain is dead. */
	xlend_hc_server_enable(d->domid, d->server, false);

	for (i = 0; i < d->nr_bound; i++) {
		struct xlend_slot *s = &d->slots[i];

		spin_lock_irq(&s->lock);
		/* What is sent but not taken is to be answered, not served. */
		if (!s->busy && xlend_state(s) == XLEND_STATE_READY) {
			virt_rmb(); /* the state before the rest */
			s->req.bits = READ_ONCE(s->shared->bits);
			s->req.type = READ_ONCE(s->shared->type);
			s->since = ktime_get_ns();
			xlend_set_state(s, XLEND_STATE_INPROCESS);
			s->busy = true;
		}
		s->closing = true;
		xlend_answer_locked(s, s->gen, xlend_no_answer(&s->req));
		spin_unlock_irq(&s->lock);
	}
	for (i = 0; i < d->nr_bound; i++)
		unbind_from_irqhandler(d->slots[i].irq, &d->slots[i]);
	d->nr_bound = 0;

	xlend_hc_server_destroy(d->domid, d->server);

	/* Nobody touches the page: no slot is busy, none takes requests. */
	for (i = 0; i < d->nr_slots; i++)
		d->slots[i].shared = NULL;
	d->shared = NULL;
	xlend_hc_server_unmap(d->page);
	d->page = NULL;
}
