// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Suite "trial", for a Xen with trial.patch: does a fault take what the table says, and only that?  By hypercalls, without the
 * driver.  README.md says how to run it.
 */
#include "suites.h"

/* as trial.patch has them in Xen's header */
#define PUBLISH	6
#define VALID	((uint64_t)1 << 62)
#define TAKEN	((uint64_t)1 << 61)
#define SLOTS	512

static int publish(struct win *w, uint64_t pages)
{
	struct xen_mem_lend m = { .op = PUBLISH };

	m.u.room[0] = w->r->g->domid;
	m.u.room[1] = w->id;
	m.u.room[2] = pages;
	m.u.room[3] = (uintptr_t)raw_frames();
	return lend_call(&m);
}

static unsigned taken(const volatile uint64_t *table)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		n += !!(table[i] & TAKEN);
	return n;
}

void suite_trial(void)
{
	struct xen_mem_lend_counters c;
	volatile uint64_t *table;
	unsigned i, right = 0;
	struct pool *p;
	struct raw *r;
	struct win *w;

	xen_open();
	r = raw_scene(SLOTS);
	w = &r->win[0];
	p = pool_new(SLOTS + 1);
	table = pool_page(p, SLOTS);
	/* what the lender gives who does ask */
	raw_back(w, 0, SLOTS, p, 0);
	for (i = 0; i < SLOTS; i++) {
		*(uint64_t *)pool_page(p, i) = 1000 + i;
		table[i] = p->frame[i] | VALID | XENMEM_LEND_WRITE;
	}
	table[1] &= ~XENMEM_LEND_WRITE;
	table[2] &= ~VALID;
	table[3] = (XENMEM_LEND_FRAME_MASK >> 1) | VALID | XENMEM_LEND_WRITE;
	raw_frames()[0] = p->frame[SLOTS];
	err(publish(w, 2), -EINVAL, "a table of another size than the window's");
	err(publish(w, 1), 0, "a table");
	err(publish(w, 1), -EINVAL, "... is the only one");

	eq(g_read(r->g, W(1)), 1001, "a slot that is published read-only is read");
	ok(!w->faults && table[1] & TAKEN, "... and the lender was not asked");
	g_write(r->g, W(1), 1);
	eq(w->faults, 1, "... to write there it is");
	eq(g_read(r->g, W(2)), 1002, "a slot that is not published");
	ok(w->faults == 2 && !(table[2] & TAKEN), "... is asked for");
	eq(g_read(r->g, W(3)), 1003, "one with a frame that there is not");
	ok(w->faults == 3 && !(table[3] & TAKEN), "... too");
	gop(r->g, 0, GOP_TOUCH, W(4), SLOTS - 4, 1, 7);
	eq(w->faults, 3, "the others are written to, and no request is made");
	eq(taken(table), SLOTS - 4 + 1, "... all of their entries are taken");
	for (i = 4; i < SLOTS; i++)
		right += *(uint64_t *)pool_page(p, i) == 7 + i - 4;
	eq(right, SLOTS - 4, "... and what is in the lender's pages is the guest's");
	err(raw_query(r->g->domid, w->id, &c), 0, "query");
	eq(c.lent, SLOTS - 1, "Xen's books have them as lent");

	err(win_revoke(w, 0, SLOTS), 0, "all are revoked");
	raw_query(r->g->domid, w->id, &c);
	eq(c.lent, 0, "... none is lent");
	g_read(r->g, W(9));
	eq(w->faults, 4, "an entry that stays taken is not taken again");
	win_revoke(w, 9, 1);
	table[9] = p->frame[10] | VALID | XENMEM_LEND_WRITE;
	eqx(g_read(r->g, W(9)), *(uint64_t *)pool_page(p, 10), "one that is published again is, with its new frame");
	eq(w->faults, 4, "... without a request");
	win_revoke(w, 0, SLOTS);
	raw_scene_close(r);
	pool_free(p);
}
