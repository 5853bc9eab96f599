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
	struct xen_mem_lend_counters q;
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

static int hold_device(struct raw *raw, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)q;
	(void)cpu;
	return RAW_HOLD;
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

	at("server disabled with both vCPUs waiting");
	s = scene();
	wait_both(&s);
	eq(xendevicemodel_set_ioreq_server_state(xdm, s.g->domid, s.r->id, 0), 0, "a server is disabled with both vCPUs waiting");
	if (ok(gop_wait_for(s.g, 0, 30) && gop_wait_for(s.g, 1, 30), "... both go on"))
		eqx(gret(s.g, 0, 0), ~0UL, "... and one read ones");
	eqx(g_read(s.g, W(6)), ~0UL, "other empty slots read ones");
	eq(g_read(s.g, W(1)), 101, "a lent slot works");
	raw_close(s.r);
	ok(guest_free(s.g), "the guest goes away");
	pool_free(s.p);

	/* what waits for a device goes on waiting, as without lending: the server may be enabled again */
	at("server disabled with one waiting for a device");
	s = scene();
	s.r->device = hold_device;
	gop_start(s.g, 0, GOP_READ, GUEST_MMIO + 8, 8);
	gop_start(s.g, 1, GOP_READ, W(5), 8);
	if (!raw_wait_held(s.r, 0, 60) || !raw_wait_held(s.r, 1, 60))
		die("no request came");
	eq(xendevicemodel_set_ioreq_server_state(xdm, s.g->domid, s.r->id, 0), 0, "a server is disabled, one vCPU waits for a device, one for a slot");
	ok(gop_wait_for(s.g, 1, 30), "... who waits for a slot goes on");
	ok(!gop_wait_for(s.g, 0, 2), "... who waits for a device goes on waiting");
	raw_close(s.r);
	ok(gop_wait_for(s.g, 0, 30), "... until the server is destroyed");
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
	eq(raw_lend(g->domid, id, 0, 1, p->frame, NULL, XENMEM_LEND_WRITE), 0, "can be lent");
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
	raw_answer(s.r, 0, XENMEM_LEND_ANSWER_RETRY);
	raw_answer(s.r, 1, XENMEM_LEND_ANSWER_GP);
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
	struct xen_mem_lend_counters q;
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
	struct xen_mem_lend_counters q;
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
	err(raw_lend(55, id, 0, 1, p->frame, NULL, XENMEM_LEND_WRITE), -ENOENT, "... lend");
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
		rc |= raw_lend(s.g->domid, id, i, 512, p->frame, NULL, XENMEM_LEND_WRITE);
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

/* Several destroy the same window at once.  Stopping a borrower that runs takes long enough for them to meet. */
static struct together {
	pthread_barrier_t start, end;
	uint32_t domid;
	uint64_t id;
	bool over;
	int rc[2];
} both;

static void *destroyer(void *arg)
{
	/* raw_destroy() would have them wait for each other */
	struct xen_mem_lend *m = xencall_alloc_buffer(xcall, sizeof(*m));
	int *rc = arg;

	if (!m)
		die("no buffers");
	memset(m, 0, sizeof(*m));
	for (;;) {
		pthread_barrier_wait(&both.start);
		if (both.over)
			break;
		m->op = XENMEM_LEND_destroy;
		m->u.destroy.domid = both.domid;
		m->u.destroy.window = both.id;
		*rc |= lend_call_at(m);
		pthread_barrier_wait(&both.end);
	}
	xencall_free_buffer(xcall, m);
	return NULL;
}

static void window_destroyed_twice(void)
{
	struct scene s = scene();
	struct pool *p = pool_new(64);
	struct xen_mem_lend_counters q;
	uint64_t before, after;
	unsigned i, left = 0;
	pthread_t t[2];
	int rc = 0;

	at("a window destroyed twice at once");
	gop_start(s.g, 0, GOP_SPIN_READ, W(0));
	gop_start(s.g, 1, GOP_SPIN_READ, W(1));
	both = (struct together){ .domid = s.g->domid };
	pthread_barrier_init(&both.start, NULL, 3);
	pthread_barrier_init(&both.end, NULL, 3);
	before = xen_free_pages();
	for (i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, destroyer, &both.rc[i]);
	for (i = 0; i < 120; i++) {
		rc |= raw_create(s.g->domid, WIN_GFN + 0x1000, 1024, s.r->id, &both.id);
		rc |= raw_lend(s.g->domid, both.id, i, 64, p->frame, NULL, XENMEM_LEND_WRITE);
		pthread_barrier_wait(&both.start);
		pthread_barrier_wait(&both.end);
		left += raw_query(s.g->domid, both.id, &q) != -ENOENT;
	}
	both.over = true;
	pthread_barrier_wait(&both.start);
	for (i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		eq(both.rc[i], 0, "two threads destroy the same windows, 120 times: thread %u", i);
	}
	eq(rc, 0, "... each could be created, and lent to");
	eq(left, 0, "... is gone when both calls are over");
	gop_stop(s.g, 0);
	gop_stop(s.g, 1);
	after = xen_free_pages();
	ok(after + 8 >= before, "... and left nothing behind (%ld, then %ld free pages)", (long)before, (long)after);
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
	window_destroyed_twice();
	borrower_destroyed();
	borrower_destroyed_in_storm();
	domid_reused();
	cycles();
}

/* ---- memory ---- */

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
	uint64_t used, most = 0;
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
