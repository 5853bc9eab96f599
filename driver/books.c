// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: what is lent in a window, see books.h.
 */
#include "books.h"

#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "request.h"
#include "trace.h"

/* Empty slots between lent ones that are cheaper to revoke than to skip. */
#define XLEND_GAP		64

/* Slots lent at a time that are cheaper to note as a whole than one by one. */
#define XLEND_RUN		8

/* Slots revoked at a time by who is in no hurry: the notifier gets in between. */
#define XLEND_SLOWLY		4096

/**
 * xlend_bucket - where something counts in a distribution
 * @ns: how long it took
 *
 * Return: index, see LENDDEV_BUCKETS.
 */
unsigned int xlend_bucket(u64 ns)
{
	u64 us = div_u64(ns, NSEC_PER_USEC);

	return min_t(unsigned int, us ? ilog2(us) + 1 : 0,
		     LENDDEV_BUCKETS - 1);
}

/**
 * xlend_books_init - make empty books, not yet open
 * @b: zeroed
 * @domid: borrower
 * @serial: the window's
 * @nr: its slots
 *
 * Context: may sleep and allocate.
 * Return: 0 or -ENOMEM; xlend_books_free() in either case.
 */
int xlend_books_init(struct xlend_books *b, domid_t domid, u64 serial,
		     unsigned long nr)
{
	mutex_init(&b->lock);
	spin_lock_init(&b->quick);
	b->domid = domid;
	b->serial = serial;
	b->nr = nr;
	b->lent = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL_ACCOUNT);
	b->writable = kvcalloc(BITS_TO_LONGS(nr), sizeof(long),
			       GFP_KERNEL_ACCOUNT);
	b->before = kvcalloc(BITS_TO_LONGS(nr), sizeof(long),
			     GFP_KERNEL_ACCOUNT);
	b->device = kvcalloc(BITS_TO_LONGS(nr), sizeof(long),
			     GFP_KERNEL_ACCOUNT);
	b->large = kvcalloc(BITS_TO_LONGS(DIV_ROUND_UP(nr, XLEND_LARGE)),
			    sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!b->lent || !b->writable || !b->before || !b->device || !b->large)
		return -ENOMEM;

	/* Let lockdep know, without waiting for memory to be short. */
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&b->lock);
	fs_reclaim_release(GFP_KERNEL);
	return 0;
}

/**
 * xlend_books_free - undo xlend_books_init()
 * @b: closed, or never opened
 *
 * Context: may sleep.
 */
void xlend_books_free(struct xlend_books *b)
{
	WARN_ON(b->nr_lent);
	kvfree(b->lent);
	kvfree(b->writable);
	kvfree(b->before);
	kvfree(b->device);
	kvfree(b->large);
}

static void xlend_books_take(struct xlend_books *b)
{
	spin_lock_irq(&b->quick);
	WRITE_ONCE(b->taken, true);
	spin_unlock_irq(&b->quick);
}

/**
 * xlend_books_lock - wait for the books
 * @b: books
 *
 * Context: process; no lock that is taken in reclaim, but those of memory
 * management.
 */
void xlend_books_lock(struct xlend_books *b)
{
	mutex_lock(&b->lock);
	xlend_books_take(b);
}

/**
 * xlend_books_trylock - have the books if that needs no sleep
 * @b: books
 *
 * Context: process.
 * Return: whether the caller has them.
 */
bool xlend_books_trylock(struct xlend_books *b)
{
	if (!mutex_trylock(&b->lock))
		return false;
	xlend_books_take(b);
	return true;
}

/**
 * xlend_books_unlock - undo xlend_books_lock()
 * @b: books
 */
void xlend_books_unlock(struct xlend_books *b)
{
	/* After all that was done to them. */
	smp_store_release(&b->taken, false);
	mutex_unlock(&b->lock);
}

/**
 * xlend_books_enter - have the books in an interrupt
 * @b: books
 *
 * Context: interrupts off; nothing is called until xlend_books_leave() that
 * turns them on, or takes long.
 * Return: whether the caller has them.  xlend_books_leave() in either case.
 */
bool xlend_books_enter(struct xlend_books *b)
	__acquires(&b->quick)
{
	spin_lock(&b->quick);
	return !smp_load_acquire(&b->taken); /* see xlend_books_unlock() */
}

/**
 * xlend_books_leave - undo xlend_books_enter()
 * @b: books
 */
void xlend_books_leave(struct xlend_books *b)
	__releases(&b->quick)
{
	spin_unlock(&b->quick);
}

static void xlend_books_assert(struct xlend_books *b)
{
	if (READ_ONCE(b->taken))
		lockdep_assert_held(&b->lock);
	else
		lockdep_assert_held(&b->quick);
}

/**
 * xlend_books_open - from here on slots can be lent
 * @b: books
 * @handle: Xen's id of the window
 *
 * Context: may sleep; no lock that is taken in reclaim.
 */
void xlend_books_open(struct xlend_books *b, u64 handle)
{
	xlend_books_lock(b);
	b->handle = handle;
	smp_store_release(&b->open, true); /* after the handle */
	xlend_books_unlock(b);
}

/**
 * xlend_books_close - revoke all; nothing is lent any more
 * @b: books
 *
 * Context: may sleep; no lock that is taken in reclaim.
 */
void xlend_books_close(struct xlend_books *b)
{
	xlend_books_lock(b);
	WRITE_ONCE(b->open, false);
	xlend_books_revoke(b, 0, b->nr - 1);
	xlend_books_unlock(b);
}

/**
 * xlend_books_has - whether a slot is lent
 * @b: books
 * @slot: of the window
 * @write: for writing
 *
 * Context: without the lock a hint only: it may change at once.
 */
bool xlend_books_has(const struct xlend_books *b, unsigned long slot,
		     bool write)
{
	return test_bit(slot, b->lent) &&
	       (!write || test_bit(slot, b->writable));
}

/**
 * xlend_books_next - the next slot that is not lent
 * @b: books
 * @slot: where to look from
 *
 * Context: without the lock a hint only.
 * Return: it, or the number of slots.
 */
unsigned long xlend_books_next(const struct xlend_books *b, unsigned long slot)
{
	return find_next_zero_bit(b->lent, b->nr, slot);
}

/* Whether many were lent, and all, and none had been: the usual case. */
static bool xlend_lent_anew(const struct xlend_books *b, unsigned long base,
			    unsigned int from, unsigned int to,
			    const struct xlend_pages *p)
{
	return to - from >= XLEND_RUN &&
	       !memchr_inv(p->status + from, 0,
			   (to - from) * sizeof(*p->status)) &&
	       find_next_bit(b->lent, base + to, base + from) == base + to;
}

/* Where a slot's page is, which was lent anew: in a device or in RAM. */
static void xlend_note_place(struct xlend_books *b, unsigned long slot,
			     u64 frame)
{
	bool device = frame & XENMEM_LEND_MMIO;

	if (likely(!device && !b->devices))
		return;
	b->devices = true;
	if (test_bit(slot, b->device) == device)
		return;
	__change_bit(slot, b->device);
	if (!test_bit(slot, b->before))
		return;
	if (device)
		b->counts.to_device++;
	else
		b->counts.to_ram++;
}

/* Note them all at once; those of [first, end) matter. */
static void xlend_note_run(struct xlend_books *b, unsigned long base,
			   unsigned int from, unsigned int to,
			   unsigned int first, unsigned int end,
			   const struct xlend_pages *p)
{
	struct xlend_counts *c = &b->counts;
	unsigned int i, n = to - from;
	unsigned long slot = base + first;

	bitmap_set(b->lent, base + from, n);
	WRITE_ONCE(b->nr_lent, b->nr_lent + n);
	c->lends += n;
	c->around += n - (end - first);
	for_each_set_bit_from(slot, b->before, base + end)
		c->refaults++;
	for (i = from; i < to; i++) {
		if (p->frame[i] & XENMEM_LEND_WRITE)
			__set_bit(base + i, b->writable);
		xlend_note_place(b, base + i, p->frame[i]);
	}
	bitmap_set(b->before, base + from, n);
}

/* Slots [from, to) of the pages, without a gap, by one hypercall. */
static void xlend_lend_run(struct xlend_books *b, unsigned long base,
			   unsigned int from, unsigned int to,
			   unsigned int target, unsigned int nr_targets,
			   struct xlend_pages *p, struct xlend_turn *turn)
{
	struct xlend_counts *c = &b->counts;
	bool answers = turn && from <= target && target < to;
	unsigned int i;
	int rc;

	if (answers)
		rc = xlend_turn_lend(turn, b->handle, base + from, to - from,
				     p->frame + from, p->status + from);
	else
		rc = xlend_hc_lend(b->domid, b->handle, base + from, to - from,
				   p->frame + from, p->status + from,
				   XLEND_NO_ANSWER);
	c->lend_calls++;
	trace_xen_lend_lend(b->domid, b->serial, base + from, to - from,
			    p->frame + from, answers && turn->answered, rc);

	if (!rc && xlend_lent_anew(b, base, from, to, p)) {
		unsigned int first = clamp(target, from, to);
		unsigned int end = clamp(target + nr_targets, from, to);

		xlend_note_run(b, base, from, to, first, end, p);
		return;
	}

	for (i = from; i < to; i++) {
		bool rw = p->frame[i] & XENMEM_LEND_WRITE;
		bool is_target = i - target < nr_targets;
		unsigned long slot = base + i;
		bool was = test_bit(slot, b->lent);

		if (!rc && !p->status[i]) {
			if (!was) {
				__set_bit(slot, b->lent);
				WRITE_ONCE(b->nr_lent, b->nr_lent + 1);
				c->lends++;
				c->around += !is_target;
				xlend_note_place(b, slot, p->frame[i]);
				if (__test_and_set_bit(slot, b->before))
					c->refaults += is_target;
			} else if (rw && !test_bit(slot, b->writable)) {
				c->upgrades++;
			}
			if (rw)
				__set_bit(slot, b->writable);
			continue;
		}

		/*
		 * What the call got to is not known; or another frame may be
		 * there.  None may stay that we do not know of.
		 */
		if (rc || p->status[i] == -EBUSY) {
			if (!was) {
				__set_bit(slot, b->lent);
				WRITE_ONCE(b->nr_lent, b->nr_lent + 1);
			}
			if (!rc)
				xlend_books_revoke(b, slot, slot);
		}
		if (rc)
			p->status[i] = rc;
	}
	if (rc)
		xlend_books_revoke(b, base + from, base + to - 1);
}

/**
 * xlend_books_lend - lend slots
 * @b: books, open
 * @base: slot for index 0 of the arrays in @p
 * @nr: length of these, at most XLEND_BATCH
 * @target: index of the first page that matters; the others are neighbours
 * @nr_targets: pages that matter
 * @p: frames; is given the results.  What is lent already with the same rights
 *     is left out unless it matters: Xen may know better
 * @turn: the request that target resolves, or NULL; see xlend_turn_lend()
 *
 * Context: the caller has the books; does not sleep or allocate.
 */
void xlend_books_lend(struct xlend_books *b, unsigned long base,
		      unsigned int nr, unsigned int target,
		      unsigned int nr_targets, struct xlend_pages *p,
		      struct xlend_turn *turn)
{
	unsigned int i, from, to;

	xlend_books_assert(b);

	/* Mostly nothing is there. */
	i = find_next_bit(b->lent, base + nr, base) - base;
	for (; i < nr; i++)
		if (p->lend[i] && i - target >= nr_targets &&
		    xlend_books_has(b, base + i,
				    p->frame[i] & XENMEM_LEND_WRITE))
			p->lend[i] = false;

	/* The target's run first: the vCPU waits for no other. */
	from = target;
	to = target + 1;
	while (from && p->lend[from - 1])
		from--;
	while (to < nr && p->lend[to])
		to++;
	xlend_lend_run(b, base, from, to, target, nr_targets, p, turn);
	memset(p->lend + from, 0, to - from);

	for (from = 0; from < nr; from = to) {
		to = from + 1;
		if (!p->lend[from])
			continue;
		while (to < nr && p->lend[to])
			to++;
		xlend_lend_run(b, base, from, to, target, nr_targets, p, turn);
		memset(p->lend + from, 0, to - from);
	}
}

/* Whether a slot is part of a large entry. */
static bool xlend_is_large(const struct xlend_books *b, unsigned long slot)
{
	return b->nr_large && test_bit(slot / XLEND_LARGE, b->large);
}

/**
 * xlend_books_fits_large - whether no small entry is in the way of a large one
 * @b: books
 * @first: its first slot, a multiple of XLEND_LARGE
 *
 * Context: without the lock a hint only.
 */
bool xlend_books_fits_large(const struct xlend_books *b, unsigned long first)
{
	unsigned long end = first + XLEND_LARGE;

	return xlend_is_large(b, first) ||
	       find_next_bit(b->lent, end, first) == end;
}

/**
 * xlend_books_lend_large - lend XLEND_LARGE slots as one entry
 * @b: books, open
 * @first: first slot, a multiple of that; so is the window's first frame
 * @frame: the first frame, and how it is to be lent
 * @target: the slot that matters
 * @turn: the request that this resolves, or NULL
 *
 * Context: the caller has the books; does not sleep or allocate.
 * Return: 0, also if they are lent so and become writable; -EBUSY if they are
 * lent otherwise; or what Xen said: none of them is lent then.
 */
int xlend_books_lend_large(struct xlend_books *b, unsigned long first,
			   u64 frame, unsigned long target,
			   struct xlend_turn *turn)
{
	bool was = xlend_is_large(b, first), write = frame & XENMEM_LEND_WRITE;
	struct xlend_counts *c = &b->counts;
	unsigned long i;
	int rc;

	xlend_books_assert(b);

	if (!xlend_books_fits_large(b, first))
		return -EBUSY;

	if (turn)
		rc = xlend_turn_lend_large(turn, b->handle, first, frame);
	else
		rc = xlend_hc_lend_large(b->domid, b->handle, first, frame,
					 XLEND_NO_ANSWER);
	c->lend_calls++;
	trace_xen_lend_lend(b->domid, b->serial, first, XLEND_LARGE, &frame,
			    turn && turn->answered, rc);
	if (rc) {
		/* Another one may be there. */
		if (was)
			xlend_books_revoke(b, first, first);
		return rc;
	}

	if (was) {
		if (write && !test_bit(first, b->writable))
			c->upgrades += XLEND_LARGE;
	} else {
		__set_bit(first / XLEND_LARGE, b->large);
		b->nr_large++;
		bitmap_set(b->lent, first, XLEND_LARGE);
		WRITE_ONCE(b->nr_lent, b->nr_lent + XLEND_LARGE);
		c->lends += XLEND_LARGE;
		c->around += XLEND_LARGE - 1;
		c->refaults += test_bit(target, b->before);
		c->large++;
		for (i = first; i < first + XLEND_LARGE; i++)
			xlend_note_place(b, i, frame);
		bitmap_set(b->before, first, XLEND_LARGE);
	}
	if (write)
		bitmap_set(b->writable, first, XLEND_LARGE);
	return 0;
}

/* Slots [start, end) are revoked, and no large entry in part. */
static void xlend_forget_large(struct xlend_books *b, unsigned long start,
			       unsigned long end)
{
	unsigned long i = start / XLEND_LARGE;
	unsigned long past = DIV_ROUND_UP(end, XLEND_LARGE);

	if (!b->nr_large)
		return;
	for_each_set_bit_from(i, b->large, past) {
		__clear_bit(i, b->large);
		b->nr_large--;
	}
}

/**
 * xlend_books_revoke - take back what is lent in a range
 * @b: books
 * @first: first slot
 * @last: last slot, not before @first
 *
 * When it returns nobody but this domain can reach what was lent there.  Large
 * entries go as a whole, as they do in Xen.
 *
 * Context: the caller has the books; does not sleep, allocate or fail.
 */
void xlend_books_revoke(struct xlend_books *b, unsigned long first,
			unsigned long last)
{
	struct xlend_counts *c = &b->counts;
	unsigned long start, end, next, n;
	u64 since, ns;
	int rc;

	xlend_books_assert(b);

	if (xlend_is_large(b, first))
		first = round_down(first, XLEND_LARGE);
	if (xlend_is_large(b, last))
		last = round_down(last, XLEND_LARGE) + XLEND_LARGE - 1;

	while (b->nr_lent && first <= last) {
		start = find_next_bit(b->lent, last + 1, first);
		if (start > last)
			break;
		end = find_next_zero_bit(b->lent, last + 1, start);
		n = end - start;
		for (;;) {
			next = find_next_bit(b->lent, last + 1, end);
			if (next > last || next - end > XLEND_GAP)
				break;
			end = find_next_zero_bit(b->lent, last + 1, next);
			n += end - next;
		}

		since = ktime_get_ns();
		rc = xlend_hc_revoke(b->domid, b->handle, start, end - start);
		if (rc)
			xlend_hc_broken(b->domid, rc);
		ns = ktime_get_ns() - since;
		trace_xen_lend_revoke(b->domid, b->serial, start, end - start,
				      n);
		bitmap_clear(b->lent, start, end - start);
		bitmap_clear(b->writable, start, end - start);
		WRITE_ONCE(b->nr_lent, b->nr_lent - n);
		xlend_forget_large(b, start, end);

		c->revokes += n;
		c->revoke_calls++;
		c->revoke_total_ns += ns;
		c->revoke_max_ns = max(c->revoke_max_ns, ns);
		c->revoke_us[xlend_bucket(ns)]++;
		first = end;
	}
}

/**
 * xlend_books_revoke_slowly - take back a range and let others in between
 * @b: books
 * @first: first slot
 * @last: last slot, not before @first
 *
 * Context: may sleep; no lock that is taken in reclaim.
 */
void xlend_books_revoke_slowly(struct xlend_books *b, unsigned long first,
			       unsigned long last)
{
	unsigned long n;

	for (; first <= last; first += n) {
		n = min(last - first + 1, (unsigned long)XLEND_SLOWLY);
		xlend_books_lock(b);
		xlend_books_revoke(b, first, first + n - 1);
		xlend_books_unlock(b);
		cond_resched();
	}
}
