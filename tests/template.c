// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A suite to start from: CONTRIBUTING.md says how.  In one sentence here: which invariant, and what a failure would mean.
 *
 * tests/README.md, "The helpers", says what there is to use.
 */
#include "suites.h"
#include "drv.h"

/* By hypercalls alone: what the driver would never do. */
static void by_hypercall(void)
{
	struct guest *g = guest_new(NULL);
	struct raw *r = raw_open(g);
	struct win *w = raw_window(r, WIN_GFN, 8);
	struct pool *p = pool_new(8);

	at("by hypercall");
	raw_back(w, 0, 8, p, 0);
	g_write(g, W(3), 0x1234);
	eqx(*(uint64_t *)pool_page(p, 3), 0x1234, "what the guest writes is in the lender's page");
	eq(w->faults, 1, "... after one fault");
	err(win_revoke(w, 0, 8), 0, "revoke");
	err(raw_lend(g->domid, w->id, 8, 1, p->frame, NULL, 0), -EINVAL, "lending beyond the window");
	raw_close(r);
	pool_free(p);
	ok(guest_free(g), "the guest goes away");
}

/* Through the driver: memory of this process, pageable as ever. */
static void by_driver(void)
{
	struct lent l = lent_open(16, LENDDEV_POLICY_ONES);
	unsigned page;

	lent_anon(&l, 0, 8);
	for (page = 0; page < 8; page += 7) {
		at("by driver, page %u", page);
		g_write(l.g, W(page), page + 1);
		eq(*(uint64_t *)(l.span + page * PAGE), page + 1, "the guest writes page %u", page);
	}
	eqx(g_read(l.g, W(8)), ~0UL, "nothing is mapped behind page 8: ones");
	ok(lent_close(&l), "all goes away");
}

void suite_template(void)
{
	xen_open();
	by_hypercall();
	by_driver();
}
