// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S2: a borrower's pool that is full, Xen's heap without a page: nothing that revokes needs any, and the books take theirs
 * from the borrower.
 */
#include "suites.h"

static unsigned eat(struct guest *e, xen_pfn_t *gfn)
{
	static const unsigned orders[] = { 18, 9, 0 };
	unsigned total = 0, i;

	for (i = 0; i < 3; i++)
		for (;;) {
			xen_pfn_t start[64];
			unsigned n = orders[i] == 18 ? 1 : orders[i] == 9 ? 16 : 64, k;
			int rc;

			for (k = 0; k < n; k++)
				start[k] = *gfn + ((xen_pfn_t)k << orders[i]);
			rc = xc_domain_populate_physmap(xch, e->domid, n, orders[i], 0, start);
			if (rc <= 0)
				break;
			*gfn += (xen_pfn_t)rc << orders[i];
			total += rc << orders[i];
			if (orders[i] == 18)
				continue;
			if ((unsigned)rc < n)
				break;
		}
	return total;
}

/* Until nothing comes any more, also not what is still being scrubbed. */
static unsigned eat_all(struct guest *e, xen_pfn_t *gfn, unsigned tries)
{
	unsigned total = 0, n;

	while (tries--) {
		n = eat(e, gfn);
		total += n;
		if (!n)
			usleep(20000);
	}
	return total;
}

/* Pages of a domain's pool that are in use: taking away all the others leaves these.  Then it gets its size back. */
static uint64_t pool_used(uint32_t domid, uint64_t size)
{
	uint64_t used = 0;

	while (xc_set_paging_mempool_size(xch, domid, 0) && errno == EINTR)
		;
	if (xc_get_paging_mempool_size(xch, domid, &used))
		die("the pool's size: %s", strerror(errno));
	if (size && xc_set_paging_mempool_size(xch, domid, size))
		die("cannot give the pool %lu KiB: %s", (long)size >> 10, strerror(errno));
	return used / PAGE;
}

#define FAR	128	/* slots, each so far from the others that it needs a page of the books and a page table */
#define STEP	2048

/* The books are the borrower's: they come from its pool, as its page tables do, and go back there. */
static void books(void)
{
	const uint64_t size = 8 << 20;
	struct guest *g = guest_new(NULL);
	struct raw *r = raw_open_bare(g);
	struct pool *p = pool_new(FAR);
	uint64_t heap, used[4], id, f[1];
	struct xen_mem_lend_counters q;
	int32_t st[FAR];
	unsigned i, round, none;
	int rc = 0;

	at("the books");
	if (xc_set_paging_mempool_size(xch, g->domid, size))
		die("cannot enlarge the pool: %s", strerror(errno));
	for (round = 0; round < 3; round++) {
		rc |= raw_create(g->domid, WIN_GFN, 1 << 18, r->id, &id);
		used[0] = pool_used(g->domid, size);
		heap = xen_free_pages();
		for (i = 0; i < FAR; i++)
			rc |= raw_lend(g->domid, id, i * STEP, 1, p->frame + i, NULL, XENMEM_LEND_WRITE);
		ok(xen_free_pages() + 4 >= heap, "slots lent far apart take nothing from Xen's heap (%ld pages before, %ld after)",
		   (long)heap, (long)xen_free_pages());
		used[1] = pool_used(g->domid, size);
		rc |= raw_revoke(g->domid, id, 0, 1 << 18);
		rc |= raw_destroy(g->domid, id);
		used[2] = pool_used(g->domid, size);
		if (!round)
			used[3] = used[2];
		/* page tables stay where they are, as with all that a p2m maps */
		ok(used[1] >= used[0] + FAR, "... but from the borrower's pool (%lu pages, then %lu)", (long)used[0], (long)used[1]);
		ok(used[2] + FAR <= used[1], "... that has them back when the window is destroyed (%lu)", (long)used[2]);
	}
	eq(rc, 0, "all that succeeded");
	eq(used[2], used[3], "windows leave nothing in the pool");

	at("a full pool");
	rc = raw_create(g->domid, WIN_GFN + (1 << 18), 1 << 18, r->id, &id);
	err(rc, 0, "a window in another place");
	pool_used(g->domid, 0);		/* and it stays that small */
	heap = xen_free_pages();
	for (i = none = 0, rc = 0; i < FAR; i++) {
		f[0] = p->frame[i];
		st[i] = 1;
		rc |= raw_lend(g->domid, id, i * STEP, 1, f, st + i, XENMEM_LEND_WRITE);
		none += st[i] == -ENOMEM;
	}
	eq(rc, 0, "lending with a full pool and a status array");
	ok(none >= FAR - 2, "... none there has memory (%u of %u)", none, FAR);
	ok(xen_free_pages() + 4 >= heap, "... and none is taken from Xen's heap");
	err(raw_lend(g->domid, id, 77, 1, f, NULL, XENMEM_LEND_WRITE), -ENOMEM, "without a status array that is the call's error");
	eq(raw_revoke(g->domid, id, 0, 1 << 18), 0, "revoke");
	raw_query(g->domid, id, &q);
	eq(q.lent, 0, "... all are empty");
	if (xc_set_paging_mempool_size(xch, g->domid, size))
		die("cannot enlarge the pool: %s", strerror(errno));
	for (i = 0, rc = 0; i < FAR; i++)
		rc |= raw_lend(g->domid, id, i * STEP, 1, p->frame + i, NULL, XENMEM_LEND_WRITE);
	eq(rc, 0, "with a larger pool all can be lent");
	g_write(g, W((1 << 18) + 5 * STEP), 4711);
	eq(*(uint64_t *)pool_page(p, 5), 4711, "... and used");
	eq(raw_destroy(g->domid, id), 0, "the window is destroyed");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(p);
}

/* Many pages of books to free at once: a call that is preempted and goes on, while the guest runs. */
static void large(void)
{
	const unsigned chunks = 768;
	struct guest *g = guest_new(NULL);
	struct raw *r = raw_open_bare(g);
	struct pool *p = pool_new(1);
	unsigned i, before, after;
	uint64_t id, progress;
	double t;
	int rc = 0;

	at("a large window");
	if (xc_set_paging_mempool_size(xch, g->domid, 40 << 20))
		die("cannot enlarge the pool: %s", strerror(errno));
	rc = raw_create(g->domid, WIN_GFN, chunks * 512, r->id, &id);
	if (!err(rc, 0, "a window of %u slots", chunks * 512))
		return;
	before = pool_used(g->domid, 40 << 20);
	for (i = 0; i < chunks; i++)
		rc |= raw_lend(g->domid, id, i * 512, 1, p->frame, NULL, 0);
	eq(rc, 0, "... one in 512 of them lent");
	gop_start(g, 1, GOP_SPIN_WRITE, 0x180000);
	gop_progress(g, 1, 1000, 60);
	progress = g->mb->cpu[1].progress;
	t = now();
	eq(raw_destroy(g->domid, id), 0, "... destroyed");
	t = now() - t;
	ok(g->mb->cpu[1].progress > progress, "... while the guest runs (%.0f ms)", t * 1000);
	gop_stop(g, 1);
	after = pool_used(g->domid, 40 << 20);
	/* its page tables stay */
	ok(after <= before + chunks + 16, "... its books are freed (%u pages in use before, %u after)", before, after);
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(p);
}

/* ---- S2: revoke when there is no memory at all ---- */

static void nothing_left(void)
{
	struct guest *g, *e;
	struct raw *r;
	struct win *w;
	struct pool *p;
	struct xen_mem_lend_counters q;
	xen_pfn_t gfn = 1 << 18;
	xc_physinfo_t phys;
	uint64_t used, most = 0, id;
	unsigned i, eaten;
	int bad = 0;

	g = guest_new(NULL);
	r = raw_open(g);
	p = pool_new(256);
	w = raw_window(r, WIN_GFN, 256);
	raw_back(w, 0, 256, p, 0);
	gop(g, 0, GOP_TOUCH, W(0), 256, 1, 1000);
	e = guest_new(&(struct guest_options){ .empty = true });
	xc_domain_setmaxmem(xch, e->domid, 16UL << 20);
	xc_set_paging_mempool_size(xch, e->domid, 32 << 20);

	at("eating Xen's memory");
	used = pool_used(g->domid, 0);
	eaten = eat_all(e, &gfn, 4);
	xc_physinfo(xch, &phys);
	ok(!phys.free_pages && !phys.scrub_pages, "a domain of %u MiB leaves Xen %lu free pages (and %lu to scrub)", eaten >> 8,
	   (long)phys.free_pages, (long)phys.scrub_pages);
	note("the borrower's pool has %lu pages, all in use", (long)used);

	at("a window without memory");
	err(raw_create(g->domid, WIN_GFN + (1 << 20), 1 << 20, r->id, &id), -ENOMEM, "no window of a million slots can be made");
	eq(raw_query(g->domid, w->id, &q), 0, "... the other one is as it was");
	eq(q.lent, 256, "... with all that is lent");
	eat_all(e, &gfn, 1);

	at("revoking without memory");
	eq(raw_revoke(g->domid, w->id, 3, 1), 0, "revoke one slot");
	eq(raw_revoke(g->domid, w->id, 0, 100), 0, "revoke a hundred");
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 156, "... they are empty");
	for (i = 0; i < 256; i++) {
		bad |= raw_revoke(g->domid, w->id, i, 1);
		/* whatever the machine's other inhabitants give back in between must not be there for the next */
		if (i % 16 == 0) {
			xc_physinfo(xch, &phys);
			most = phys.free_pages > most ? phys.free_pages : most;
			eat_all(e, &gfn, 1);
		}
	}
	eq(bad, 0, "revoke each slot by itself");
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 0, "... all are empty");
	ok(most < 16, "... and there was no memory meanwhile (at most %lu pages)", (long)most);
	eq(gop(g, 0, GOP_READ, W(7), 8), 1007, "the guest gets a page back");
	eq(gop(g, 0, GOP_TOUCH, W(0), 256, 0), 256 * 1000 + 255 * 128, "... and all others");
	eat_all(e, &gfn, 1);
	eq(raw_destroy(g->domid, w->id), 0, "destroy the window with all that is lent");
	eqx(g_read(g, W(0)), ~0UL, "... it is a hole");

	at("giving the memory back");
	ok(guest_free(e), "the large domain goes away");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(p);
}

void suite_nomem(void)
{
	xen_open();
	guest_free(guest_new(NULL));
	books();
	large();
	nothing_left();
}
