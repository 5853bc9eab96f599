// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S7, S8, S2 without the driver: every way a window, a server or a domain can end, with vCPUs waiting.
 */
#include "suites.h"

static int hold(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)q;
	(void)cpu;
	return slot >= 4 ? RAW_HOLD : RAW_DEFAULT;
}

struct scene {
	struct guest *g;
	struct raw *r;
	struct win *w;
	struct pool *p;
};

static struct scene scene(void)
{
	struct scene s;

	s.g = guest_new(NULL);
	s.r = raw_open(s.g);
	s.w = raw_window(s.r, WIN_GFN, 8);
	s.p = pool_new(8);
	raw_back(s.w, 0, 8, s.p, 0);
	s.r->fault = hold;
	gop(s.g, 0, GOP_TOUCH, W(0), 4, 1, 100);	/* four slots lent */
	return s;
}

static void wait_both(struct scene *s)
{
	gop_start(s->g, 0, GOP_READ, W(4), 8);
	gop_start(s->g, 1, GOP_WRITE, W(5), 8, 9);
	if (!raw_wait_held(s->r, 0, 60) || !raw_wait_held(s->r, 1, 60))
		die("no fault came");
}

static void server_destroyed(void)
{
	struct scene s = scene();
	struct xen_mem_lend_query q;
	uint32_t domid = s.g->domid;
	uint64_t id = s.w->id;

	at("server destroyed with both vCPUs waiting");
	wait_both(&s);
	eq(xendevicemodel_destroy_ioreq_server(xdm, domid, s.r->id), 0, "the server is destroyed with both vCPUs waiting");
	ok(gop_wait_for(s.g, 0, 60), "vCPU 0 goes on");
	ok(gop_wait_for(s.g, 1, 60), "vCPU 1 goes on");
	eqx(gret(s.g, 0, 0), ~0UL, "an empty slot of an orphaned window reads ones");
	eq(g_read(s.g, W(1)), 101, "what was lent goes on working");
	g_write(s.g, W(1), 102);
	eq(*(uint64_t *)pool_page(s.p, 1), 102, "... both ways");
	eqx(g_read(s.g, W(6)), ~0UL, "other empty slots read ones");
	eq(raw_query(domid, id, &q), 0, "the window is there");
	eq(q.lent, 4, "... with its slots");
	ok(q.unserved > 0, "... and counts accesses that nobody serves");
	eq(win_lend(s.w, 6, true), 0, "slots of an orphan can be lent");
	g_write(s.g, W(6), 7);
	eq(*(uint64_t *)pool_page(s.p, 6), 7, "... and used");
	eq(raw_revoke(domid, id, 0, 8), 0, "and revoked");
	eqx(g_read(s.g, W(1)), ~0UL, "a revoked slot reads ones");
	eq(raw_destroy(domid, id), 0, "the orphan is destroyed");
	raw_abandon(s.r);
	ok(guest_free(s.g), "the guest goes away");
	pool_free(s.p);
}

static void server_disabled(void)
{
	struct scene s = scene();

	at("server disabled");
	eq(xendevicemodel_set_ioreq_server_state(xdm, s.g->domid, s.r->id, 0), 0, "the server is disabled");
	eqx(g_read(s.g, W(6)), ~0UL, "an empty slot reads ones");
	eq(g_read(s.g, W(1)), 101, "a lent slot works");
	xendevicemodel_set_ioreq_server_state(xdm, s.g->domid, s.r->id, 1);
	/* ports are new after that: start over */
	raw_close(s.r);
	ok(guest_free(s.g), "the guest goes away");
	pool_free(s.p);
}

/* A window may name a server that was never enabled and has no page. */
static void server_raw(void)
{
	struct guest *g = guest_new(NULL);
	struct raw *r = raw_open_bare(g);
	struct pool *p = pool_new(1);
	uint64_t id;

	at("a server without a page");
	eq(raw_create(g->domid, WIN_GFN, 4, r->id, &id), 0, "a window for a server without a page");
	eqx(g_read(g, W(0)), ~0UL, "reads ones");
	eq(raw_lend(g->domid, id, 0, 1, p->frame, NULL, XENLEND_WRITE), 0, "can be lent");
	g_write(g, W(0), 3);
	eq(*(uint64_t *)p->va, 3, "works");
	eq(xendevicemodel_set_ioreq_server_state(xdm, g->domid, r->id, 1) ? 1 : 0, 0, "the server is enabled, still without a page");
	eqx(g_read(g, W(1)), ~0UL, "reads ones");
	raw_revoke(g->domid, id, 0, 4);
	raw_destroy(g->domid, id);
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(p);
}

static void window_destroyed(void)
{
	struct scene s = scene();

	at("window destroyed with both vCPUs waiting");
	wait_both(&s);
	eq(raw_destroy(s.g->domid, s.w->id), 0, "the window is destroyed with both vCPUs waiting");
	raw_answer(s.r, 0, XENLEND_ANSWER_RETRY);
	raw_answer(s.r, 1, XENLEND_ANSWER_FAULT);
	ok(gop_wait_for(s.g, 0, 60) && gop_wait_for(s.g, 1, 60), "answered, both go on");
	eqx(gret(s.g, 0, 0), ~0UL, "... one into a hole that reads ones");
	eq(gtrap(s.g, 1), 13, "... the other with #GP");
	eqx(g_read(s.g, W(0)), ~0UL, "slots that were lent are holes, too");
	err(win_lend(s.w, 0, true), -ENOENT, "lending into it");
	eq(win_revoke(s.w, 0, 8), 0, "revoking from it: vacuous");
	raw_close(s.r);
	ok(guest_free(s.g), "the guest goes away");
	pool_free(s.p);
}

static void borrower_destroyed(void)
{
	struct xen_mem_lend_query q;
	unsigned i, bad = 0;

	for (i = 0; i < 3; i++) {
		struct scene s = scene();
		uint32_t domid = s.g->domid;
		uint64_t id = s.w->id;
		struct raw *r = s.r;

		at("borrower destroyed, case %u", i);
		if (i)
			wait_both(&s);
		if (i == 2) {	/* the lender keeps the ioreq page: a zombie, by Xen's rules, until it lets go */
			guest_release(s.g);
			domain_destroy(domid);
			eq(raw_revoke(domid, id, 0, 8), 0, "revoke while the dead domain is still listed");
			eq(raw_query(domid, id, &q) < 0 ? 0 : (long)q.lent, 0, "nothing is lent to it");
		}
		raw_abandon(r);
		ok(guest_free(s.g), "borrower destroyed %s", i == 0 ? "with slots lent" : i == 1 ? "with both vCPUs waiting" : "before the lender lets go");
		err(raw_query(domid, id, &q), -ENOENT, "query after that");
		eq(raw_revoke(domid, id, 0, 8), 0, "revoke after that");
		eq(raw_destroy(domid, id), 0, "destroy after that");
		/* the pages are the lender's alone */
		for (unsigned k = 0; k < 8; k++) {
			memset(pool_page(s.p, k), 0xa5, PAGE);
			bad += *(uint8_t *)pool_page(s.p, k) != 0xa5;
		}
		pool_free(s.p);
	}
	eq(bad, 0, "the lender's pages stay its own");
}

static volatile bool storming;
static void *storm(void *arg)
{
	struct win *w = arg;
	unsigned n = 0;

	while (storming) {
		win_revoke(w, n & 7, 1 + n % 3);
		win_lend(w, n & 7, true);
		n++;
	}
	return NULL;
}

static int lend_all(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)slot;
	(void)q;
	(void)cpu;
	return RAW_DEFAULT;
}

static void borrower_destroyed_in_storm(void)
{
	unsigned i, gone = 0;

	for (i = 0; i < 4; i++) {
		struct scene s = scene();
		struct raw *r = s.r;
		pthread_t t;

		at("borrower destroyed in a storm, round %u", i);
		r->fault = lend_all;
		gop_start(s.g, 0, GOP_SPIN_TAG, W(0), 8);
		gop_start(s.g, 1, GOP_SPIN_TAG, W(0), 8);
		storming = true;
		pthread_create(&t, NULL, storm, s.w);
		usleep(200000 + i * 50000);
		guest_release(s.g);
		domain_destroy(s.g->domid);
		usleep(20000);
		storming = false;
		pthread_join(t, NULL);
		raw_abandon(r);
		gone += guest_free(s.g);
		memset(s.p->va, 0, 8 * PAGE);
		pool_free(s.p);
	}
	eq(gone, 4, "borrower destroyed while it faults and slots come and go, four times");
}

static void domid_reused(void)
{
	struct scene s;
	struct xen_mem_lend_query q;
	struct guest *g = guest_new(&(struct guest_options){ .domid = 55 });
	struct raw *r = raw_open(g);
	struct win *w = raw_window(r, WIN_GFN, 8);
	struct pool *p = pool_new(8);
	uint64_t id = w->id;

	at("domid reused");
	raw_back(w, 0, 8, p, 0);
	g_write(g, W(0), 5);
	raw_abandon(r);
	ok(guest_free(g), "domain 55 goes away with a slot lent");
	s.g = guest_new(&(struct guest_options){ .domid = 55 });
	eq(s.g->domid, 55, "another domain 55");
	err(raw_query(55, id, &q), -ENOENT, "the old window's id: query");
	err(raw_lend(55, id, 0, 1, p->frame, NULL, XENLEND_WRITE), -ENOENT, "... lend");
	eq(raw_revoke(55, id, 0, 8), 0, "... revoke: vacuous");
	eq(raw_destroy(55, id), 0, "... destroy: vacuous");
	eqx(g_read(s.g, W(0)), ~0UL, "the new domain has a hole there");
	s.r = raw_open(s.g);
	s.w = raw_window(s.r, WIN_GFN, 8);
	raw_back(s.w, 0, 8, p, 0);
	ok(s.w->id > id, "a new window has a new id");
	g_write(s.g, W(0), 6);
	eq(raw_revoke(55, id, 0, 8), 0, "revoking with the old id");
	raw_query(55, s.w->id, &q);
	eq(q.lent, 1, "... does not touch the new window");
	eq(raw_destroy(55, id), 0, "destroying with the old id");
	eq(raw_query(55, s.w->id, &q), 0, "... neither");
	raw_close(s.r);
	ok(guest_free(s.g), "the second domain goes away");
	pool_free(p);
}

/* All that lending takes from Xen comes back. */
static void cycles(void)
{
	struct scene s = scene();
	uint64_t before = 0, after, id;
	struct pool *p = pool_new(512);
	unsigned i;
	int rc = 0;

	at("cycles");
	for (i = 0; i < 320; i++) {
		rc |= raw_create(s.g->domid, WIN_GFN + 0x1000, 512 + i, s.r->id, &id);
		rc |= raw_lend(s.g->domid, id, i, 512, p->frame, NULL, XENLEND_WRITE);
		if (i & 1)
			rc |= raw_revoke(s.g->domid, id, 0, 512 + i);
		rc |= raw_destroy(s.g->domid, id);
		if (i == 19)
			before = xen_free_pages();
	}
	after = xen_free_pages();
	eq(rc, 0, "320 windows created, 512 slots lent, destroyed");
	ok(after + 8 >= before, "Xen's free pages are back (%ld, after 300 more cycles %ld)", (long)before, (long)after);
	raw_close(s.r);
	ok(guest_free(s.g), "the guest goes away");
	pool_free(p);
	pool_free(s.p);
}

void suite_teardown(void)
{
	xen_open();
	server_destroyed();
	server_disabled();
	server_raw();
	window_destroyed();
	borrower_destroyed();
	borrower_destroyed_in_storm();
	domid_reused();
	cycles();
}

/* ---- S2: revoke when Xen has no memory at all ---- */

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

void suite_nomem(void)
{
	struct guest *g, *e;
	struct raw *r;
	struct win *w;
	struct pool *p;
	struct xen_mem_lend_query q;
	xen_pfn_t gfn = 1 << 18;
	xc_physinfo_t phys;
	uint64_t size, id;
	unsigned i, eaten;
	int rc, bad = 0;

	xen_open();
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
	eaten = eat(e, &gfn);
	xc_physinfo(xch, &phys);
	ok(phys.free_pages < 512, "a domain of %u MiB leaves Xen %lu free pages", eaten >> 8, (long)phys.free_pages);
	/* and the borrower's pool for page tables: as small as Xen allows */
	for (size = 4 << 20; size; size -= 64 << 10)
		if (xc_set_paging_mempool_size(xch, g->domid, size))
			break;
	xc_get_paging_mempool_size(xch, g->domid, &size);
	note("the borrower's pool is down to %lu KiB", (long)size >> 10);

	at("revoking without memory");
	eq(raw_revoke(g->domid, w->id, 3, 1), 0, "revoke one slot");
	eq(raw_revoke(g->domid, w->id, 0, 100), 0, "revoke a hundred");
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 156, "... they are empty");
	for (i = 0; i < 256; i++)
		bad |= raw_revoke(g->domid, w->id, i, 1);
	eq(bad, 0, "revoke each slot by itself");
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 0, "... all are empty");
	eq(gop(g, 0, GOP_READ, W(7), 8), 1007, "the guest gets a page back");
	eq(gop(g, 0, GOP_TOUCH, W(0), 256, 0), 256 * 1000 + 255 * 128, "... and all others");
	rc = raw_create(g->domid, WIN_GFN + 0x40000, 1 << 18, r->id, &id);
	ok(rc == 0 || rc == -ENOMEM, "creating a large window: %s", rc ? strerror(-rc) : "works");
	if (!rc) {
		uint64_t f[16];
		int32_t st[16];
		unsigned none = 0;

		/* far apart: each would need page tables of its own */
		for (i = 0; i < 128; i++) {
			f[0] = p->frame[i];
			rc = raw_lend(g->domid, id, i * 2048, 1, f, st, XENLEND_WRITE);
			none += st[0] == -ENOMEM;
			bad |= rc || (st[0] && st[0] != -ENOMEM);
		}
		eq(bad, 0, "lending far apart: works or has no memory (%u without)", none);
		ok(none > 0, "... there was none for some");
		eq(raw_revoke(g->domid, id, 0, 1 << 18), 0, "revoke all of it");
		eq(raw_destroy(g->domid, id), 0, "destroy it");
	}
	eq(gop(g, 1, GOP_TOUCH, W(0), 256, 0), 256 * 1000 + 255 * 128, "the guest still has all its pages");
	eq(raw_destroy(g->domid, w->id), 0, "destroy the window");
	eqx(g_read(g, W(0)), ~0UL, "... it is a hole");

	at("giving the memory back");
	ok(guest_free(e), "the large domain goes away");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(p);
}

/* ---- S4 ---- */

/* Does Xen's dump of the IOMMU's tables say that this frame number is mapped there?  -1: no dump. */
static int in_iommu(uint32_t domid, uint64_t first, uint64_t nr, unsigned *lines)
{
	static char ring[1 << 20];
	unsigned n = sizeof(ring) - 1;
	uint32_t index = 0;
	char *s, *p, head[40];
	uint64_t dfn, mfn;
	bool mine = false;
	int found = 0, seen = 0;

	xc_readconsolering(xch, ring, &(unsigned){ sizeof(ring) - 1 }, 1, 0, &index);	/* clears */
	if (xc_send_debug_keys(xch, "o"))
		return -1;
	usleep(500000);
	index = 0;
	if (xc_readconsolering(xch, ring, &n, 0, 0, &index))
		return -1;
	ring[n] = 0;
	*lines = 0;
	snprintf(head, sizeof(head), "IOMMU d%u table", domid);
	for (s = strtok(ring, "\n"); s; s = strtok(NULL, "\n")) {
		if (strstr(s, "IOMMU d")) {
			mine = strstr(s, head);
			seen |= mine;
		}
		p = strstr(s, "dfn: ");
		if (mine && p && sscanf(p, "dfn: %lx  mfn: %lx", &dfn, &mfn) == 2) {
			++*lines;
			/* one line may stand for a larger page; none of those starts inside a window */
			if (dfn >= first && dfn < first + nr)
				found = 1;
		}
	}
	return seen ? found : -1;
}

void suite_iommu(void)
{
	struct guest *g;
	struct raw *r;
	struct win *w;
	struct pool *p;
	unsigned lines = 0;
	xc_physinfo_t phys;
	int rc, i;

	xen_open();
	xc_physinfo(xch, &phys);
	if (!(phys.capabilities & XEN_SYSCTL_PHYSCAP_directio)) {
		skip("a borrower with an IOMMU", "this machine has none");
		return;
	}
	rc = guest_try_new(&(struct guest_options){ .iommu = true }, &g);
	if (!eq(rc, 0, "a PVH domain with an IOMMU context"))
		return;
	r = raw_open(g);
	p = pool_new(8);
	w = raw_window(r, WIN_GFN, 8);
	ok(true, "a window in it: page tables and IOMMU tables are separate on this machine");
	raw_back(w, 0, 8, p, 0);
	gop(g, 0, GOP_TOUCH, W(0), 8, 1, 1);
	rc = in_iommu(g->domid, 0, 2048, &lines);
	if (rc < 0)
		skip("what the IOMMU maps", "no dump of this domain's IOMMU tables");
	else {
		eq(rc, 1, "the IOMMU's tables map the guest's RAM (%u lines)", lines);
		eq(in_iommu(g->domid, WIN_GFN, 8, &lines), 0, "... and no lent slot");
		win_revoke(w, 0, 8);
		for (i = 0; i < 8; i++)
			win_lend(w, i, i & 1);
		eq(in_iommu(g->domid, WIN_GFN, 8, &lines), 0, "... neither after revoke and lend, writable or not");
	}
	eq(gop(g, 0, GOP_TOUCH, W(0), 8, 0), 8 + 28, "the guest uses its slots");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(p);
}
