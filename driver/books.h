/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: what is lent in a window.
 *
 * The only place that knows, and that lends and revokes.  A slot that the books
 * do not have as lent is not lent in Xen, whatever fails.
 *
 * The lock is taken in reclaim, by the MMU notifier: under it nothing
 * allocates, faults, copies to user space or waits for anything but Xen.  It
 * keeps the order of the books and of the hypercalls the same, and whoever
 * looks whether a snapshot of page tables still holds does so under it.
 *
 * It is a mutex, since what is revoked at a time can be much, and a spin lock
 * for interrupts, which lend little, and do not wait for a mutex: they have the
 * books if nobody else has.  xlend_books_lock() waits for them in turn.
 */
#ifndef _XLEND_BOOKS_H
#define _XLEND_BOOKS_H

#include "hcall.h"

#include <linux/mutex.h>
#include <linux/spinlock.h>

#include <xen/lenddev.h>

struct xlend_turn;

/**
 * struct xlend_counts - what was done, ever
 * @lends: slots lent
 * @lend_calls: hypercalls for it
 * @around: slots lent that were not the target
 * @upgrades: slots that became writable
 * @refaults: targets that had been lent before
 * @to_device: slots lent as MMIO that had been RAM when lent last
 * @to_ram: the other way
 * @large: large entries
 * @revokes: slots revoked
 * @revoke_calls: hypercalls for it
 * @revoke_total_ns: time in them
 * @revoke_max_ns: the longest
 * @revoke_us: calls by their time, see LENDDEV_BUCKETS
 */
struct xlend_counts {
	u64 lends;
	u64 lend_calls;
	u64 around;
	u64 upgrades;
	u64 refaults;
	u64 to_device;
	u64 to_ram;
	u64 large;
	u64 revokes;
	u64 revoke_calls;
	u64 revoke_total_ns;
	u64 revoke_max_ns;
	u64 revoke_us[LENDDEV_BUCKETS];
};

/**
 * struct xlend_books - what is lent in a window
 * @lock: with @taken, of all below
 * @quick: without @taken, of all below; of @taken
 * @taken: whoever has @lock has the books
 * @domid: borrower
 * @serial: the window's, for tracing
 * @handle: Xen's id of the window; valid while @open
 * @open: something can be lent
 * @nr: slots of the window
 * @nr_lent: bits set in @lent; may be read without the lock
 * @lent: clear means not lent in Xen
 * @writable: lent for writing
 * @before: was lent once
 * @device: when it was lent last it was MMIO
 * @devices: some bit of @device has been set
 * @large: of each XLEND_LARGE slots: they are one entry
 * @nr_large: how many are
 * @counts: see there
 */
struct xlend_books {
	struct mutex lock;		/* of all below, with taken */
	spinlock_t quick;		/* of taken */
	bool taken;
	domid_t domid;
	u64 serial;
	u64 handle;
	bool open;
	unsigned long nr;
	unsigned long nr_lent;
	unsigned long *lent;
	unsigned long *writable;
	unsigned long *before;
	unsigned long *device;
	bool devices;
	unsigned long *large;
	unsigned long nr_large;
	struct xlend_counts counts;
};

/**
 * struct xlend_pages - slots that are to be lent
 * @frame: what the hypervisor calls the page, with XENMEM_LEND_WRITE
 * @status: result: 0, or what Xen said, a negative errno
 * @lend: whether to lend it at all; used up
 */
struct xlend_pages {
	u64 frame[XLEND_BATCH];
	s32 status[XLEND_BATCH];
	bool lend[XLEND_BATCH];
};

unsigned int xlend_bucket(u64 ns);

int xlend_books_init(struct xlend_books *b, domid_t domid, u64 serial,
		     unsigned long nr);
void xlend_books_free(struct xlend_books *b);
void xlend_books_open(struct xlend_books *b, u64 handle);
void xlend_books_close(struct xlend_books *b);
void xlend_books_lock(struct xlend_books *b);
bool xlend_books_trylock(struct xlend_books *b);
void xlend_books_unlock(struct xlend_books *b);
bool xlend_books_enter(struct xlend_books *b);
void xlend_books_leave(struct xlend_books *b);
bool xlend_books_has(const struct xlend_books *b, unsigned long slot,
		     bool write);
unsigned long xlend_books_next(const struct xlend_books *b,
			       unsigned long slot);
void xlend_books_lend(struct xlend_books *b, unsigned long base,
		      unsigned int nr, unsigned int target,
		      unsigned int nr_targets, struct xlend_pages *p,
		      struct xlend_turn *turn);
bool xlend_books_fits_large(const struct xlend_books *b, unsigned long first);
int xlend_books_lend_large(struct xlend_books *b, unsigned long first,
			   u64 frame, unsigned long target,
			   struct xlend_turn *turn);
void xlend_books_revoke(struct xlend_books *b, unsigned long first,
			unsigned long last);
void xlend_books_revoke_slowly(struct xlend_books *b, unsigned long first,
			       unsigned long last);

#endif /* _XLEND_BOOKS_H */
