// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * L1: Xen counts the requests of a vCPU that gets nowhere, and no others.
 */
#include "suites.h"

static struct guest *g;
static struct raw *r;
static struct win *w;

static unsigned refusals, counts[8], n_counts;
static int no_progress(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)cpu;
	if (n_counts < 8)
		counts[n_counts++] = q->count;
	if (!refusals)
		return RAW_DEFAULT;
	refusals--;
	if (slot == 1) {	/* lent, but taken back before it can be used */
		win_lend(win, slot, true);
		win_revoke(win, slot, 1);
	}
	return XENMEM_LEND_ANSWER_RETRY;
}

void suite_progress(void)
{
	struct xen_mem_lend_counters q0, q1;
	struct pool *p;
	unsigned i, n;

	r = raw_scene(8);
	g = r->g;
	w = r->win;
	p = pool_new(8);
	raw_back(w, 0, 8, p, 0);
	r->fault = no_progress;
	raw_query(g->domid, w->id, &q0);

	at("answered without lending");
	refusals = 5;
	gop(g, 0, GOP_READ, W(0), 8);
	for (i = 0; i < 6; i++)
		eq(counts[i], i + 1, "answered %u times without lending: count", i);
	raw_query(g->domid, w->id, &q1);
	eq(q1.stalls - q0.stalls, 5, "... counted as stalls");
	n_counts = 0;
	gop(g, 0, GOP_READ, W(2), 8);
	eq(counts[0], 1, "another slot starts at one");

	at("lent but never usable");
	n_counts = 0;
	refusals = 4;
	gop(g, 0, GOP_WRITE, W(1), 8, 5);
	ok(n_counts == 5 && counts[4] == 5, "taken back before any use: count rises (%u requests, last %u)", n_counts, counts[n_counts - 1]);
	eq(*(uint64_t *)p->va, 0, "the access happened once");
	eq(*(uint64_t *)pool_page(p, 1), 5, "... and in the right page");

	at("revoked after use");
	n = 0;
	for (i = 0; i < 100; i++) {
		n_counts = 0;
		gop(g, 0, GOP_WRITE, W(3), 8, i);
		n += n_counts != 1 || counts[0] != 1;
		win_revoke(w, 3, 1);
	}
	eq(n, 0, "revoked a hundred times, each time after one use: count stays one");

	/* one instruction in a loop, revoked all the time: it works, so the count must not rise for long */
	at("a loop that works");
	r->fault = NULL;
	w->max_count = 0;
	gop_start(g, 0, GOP_SPIN_ADD, W(4), 0);
	for (i = 0; i < 500; i++)
		win_revoke(w, 4, 1);
	ok(gop_progress(g, 0, 1, 60), "a loop under a storm of revokes gets on");
	gop_stop(g, 0);
	ok(w->max_count < 100, "... and is not taken for a stall (highest count %u)", w->max_count);
	win_revoke(w, 0, 8);
	pool_free(p);
	raw_scene_close(r);
}
