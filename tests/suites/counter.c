// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S1, S10: a counter that both vCPUs and the lender add to while its page is revoked all the time: nothing is lost by that.
 */
#include "suites.h"

static struct guest *g;
static struct raw *r;
static struct win *w;

static volatile bool adding;
static uint64_t lender_adds;

static void *adder(void *arg)
{
	uint64_t *c = arg;

	while (adding) {
		__atomic_fetch_add(c, 1, __ATOMIC_SEQ_CST);
		lender_adds++;
		if (!(lender_adds & 0xfff))
			usleep(100);
	}
	return NULL;
}

void suite_counter(void)
{
	struct pool *p;
	pthread_t t;
	unsigned n;
	double end;
	uint64_t total;
	int rc = 0;

	r = raw_scene(2);
	g = r->g;
	w = r->win;
	p = pool_new(1);
	raw_back(w, 0, 1, p, 0);
	adding = true;
	pthread_create(&t, NULL, adder, p->va);
	gop_start(g, 0, GOP_SPIN_ADD, W(0), 0);
	gop_start(g, 1, GOP_SPIN_ADD, W(0), 0);
	end = now() + raw_spell();
	for (n = 0; n < 3000 && (now() < end || n < 200); n++) {
		rc |= win_revoke(w, 0, 1);
		/* faster than the guest can come back would revoke nothing */
		if (!gop_progress(g, n & 1, 2, 60))
			die("the guest does not get on after %u revokes", n);
	}
	gop_stop(g, 0);
	gop_stop(g, 1);
	adding = false;
	pthread_join(t, NULL);
	total = gret(g, 0, 0) + gret(g, 1, 0) + lender_adds;
	eq(rc, 0, "%u revokes succeed", n);
	ok(gret(g, 0, 0) && gret(g, 1, 0) && lender_adds, "both vCPUs and the lender added (%lu, %lu, %lu)",
	   (long)gret(g, 0, 0), (long)gret(g, 1, 0), (long)lender_adds);
	eq(*(uint64_t *)p->va, total, "no LOCKed add was lost");
	ok(w->faults > n / 2, "the page was missed by the guest (%lu faults)", (long)w->faults);
	win_revoke(w, 0, 2);
	pool_free(p);
	raw_scene_close(r);
}
