/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: domains that are lent to, and those who hold descriptors for them.
 *
 * A borrower is made with the first descriptor for its domain and found by
 * domid until the domain dies or the last descriptor is closed; it is never
 * revived after that, so that a domid that is used again gets a new one.
 *
 * References (kref): a borrower's are held by its holders and windows, a
 * holder's by its file and its windows.
 */
#ifndef _XLEND_BORROWER_H
#define _XLEND_BORROWER_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "event.h"
#include "request.h"

/**
 * struct xlend_borrower - a domain
 * @ref: see above
 * @node: xlend_borrowers_lock: in the list of those that live
 * @nr_files: xlend_borrowers_lock: open descriptors
 * @running: xlend_borrowers_lock: has its server
 * @gone: the domain died; never cleared
 * @lock: of all below but @server; interrupts off
 * @windows: by gfn, no overlaps
 * @nr_windows: of them
 * @holders: of descriptors
 * @server: our ioreq server; its data are those of the dispatcher
 */
struct xlend_borrower {
	struct kref ref;
	struct list_head node;
	unsigned int nr_files;
	bool running;
	bool gone;

	spinlock_t lock;		/* of all below but the server */
	struct rb_root windows;
	unsigned int nr_windows;
	struct list_head holders;

	struct xlend_server server;
};

/**
 * struct xlend_holder - a borrower descriptor
 * @ref: see above
 * @borrower: the domain
 * @node: borrower's lock
 * @gfn: first frame of the range in which it may have windows
 * @nr: frames
 * @max_windows: and how many
 * @nr_windows: borrower's lock
 * @last_id: borrower's lock
 * @windows: by id
 * @events: to be read from the descriptor, beside those of its windows
 * @turn: id from which on windows are looked at for the next event
 * @ended: the borrower is gone, and the event that says so is queued
 * @wait: who waits for events of it or of its windows
 */
struct xlend_holder {
	struct kref ref;
	struct xlend_borrower *borrower;
	struct list_head node;
	u64 gfn;
	u64 nr;
	u32 max_windows;
	u32 nr_windows;
	u32 last_id;
	struct xarray windows;
	struct xlend_events events;
	unsigned long turn;
	bool ended;
	wait_queue_head_t wait;
};

static inline domid_t xlend_domid(const struct xlend_borrower *b)
{
	return b->server.domid;
}

struct xlend_holder *xlend_holder_open(const struct lenddev_borrower *arg);
void xlend_holder_close(struct xlend_holder *h);
void xlend_holder_put(struct xlend_holder *h);
void xlend_borrower_put(struct xlend_borrower *b);
int xlend_death_init(void);
void xlend_death_exit(void);

#endif /* _XLEND_BORROWER_H */
