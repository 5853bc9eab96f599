/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: find the pages behind slots, and have them lent.
 *
 * Fault the page in as its process would, take a snapshot of the page tables,
 * and under the lock of the books, if nothing there was invalidated since, lend
 * what the snapshot shows.  Pages are never referenced: between the check and
 * the end of the lock they cannot go away, and after it the notifier takes them
 * back.
 */
#ifndef _XLEND_RESOLVE_H
#define _XLEND_RESOLVE_H

#include "books.h"
#include "stream.h"

struct xlend_turn;
struct xlend_window;

/**
 * struct xlend_access - an access made by value instead of lending the page
 * @offset: first byte in the page
 * @size: bytes of one item: 1, 2, 4 or 8
 * @value: the item
 */
struct xlend_access {
	unsigned int offset;
	unsigned int size;
	u64 value;
};

/**
 * struct xlend_resolve - what is to be resolved
 * @slot: first slot
 * @nr: slots that matter, at most XLEND_BATCH; changed
 * @write: for writing
 * @patient: wait a little for what may pass
 * @block: slots in which pages that are present are lent with them, and how
 *         many more may be brought; those that matter alone if it is empty.
 *         Changed
 * @access: NULL to lend, else the access; one slot then
 * @turn: the request that waits for @slot to be lent, or NULL
 * @done: slots from @slot on that were lent; on success at least one
 */
struct xlend_resolve {
	unsigned long slot;
	unsigned int nr;
	bool write;
	bool patient;
	struct xlend_block block;
	struct xlend_access *access;
	struct xlend_turn *turn;
	unsigned int done;
};

/**
 * struct xlend_scratch - working space, too large for a stack
 * @pfns: snapshot of the page tables
 * @how: XENMEM_LEND_MMIO and the type of memory of each; with @driver
 * @driver: they are a driver's pages, of which Linux keeps no account
 * @large: what is to be lent as one entry, with how; or 0
 * @pages: what is to be lent
 */
struct xlend_scratch {
	unsigned long pfns[XLEND_BATCH];
	u64 how[XLEND_BATCH];
	bool driver;
	u64 large;
	struct xlend_pages pages;
};

int xlend_resolve(struct xlend_window *w, struct xlend_resolve *what,
		  struct xlend_scratch *s);
int xlend_reason_errno(int reason);

#endif /* _XLEND_RESOLVE_H */
