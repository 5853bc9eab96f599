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
