// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S1: when revoke returns, nobody but the lender reaches the frame.  And nothing is lost by being revoked.
 *
 * The lab's CPUs remember a guest's translations until its ASID is flushed, so both are seen here: a CPU that is left in
 * the guest with its old translation, and one that leaves it and comes back with the same ASID.
 */
#include "suites.h"
#include "../module/xlpfn.h"

#define SENTINEL	0x5e5e5e5e5e5e5e5eUL

static struct guest *g;
static struct raw *r;
static struct win *w;

/* Seconds for each storm: the mechanism is the same for a PVH lender, and its share of a run is to be short. */
static unsigned spell(void)
{
	return lender_pvh ? 10 : 25;
}

static void setup(unsigned slots)
{
	xen_open();
	g = guest_new(NULL);
	r = raw_open(g);
	w = raw_window(r, WIN_GFN, slots);
}

static void teardown(void)
{
	eq(r->odd, 0, "all requests were well formed %s", r->odd_text);
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
}

/* Some time in which a CPU that still has the old translation would use it. */
static void linger(unsigned n)
{
	while (n--)
		__builtin_ia32_pause();
}

static void put_behind(struct win *win, unsigned slot, struct pool *p, unsigned i)
{
	win->back[slot] = pool_page(p, i);
	win->frame[slot] = p->frame[i];
}

/* Two vCPUs read a page that is revoked, reused for a sentinel, and comes back as another page. */
static void readers(void)
{
	struct pool *p = pool_new(2);
	unsigned n, i, cur = 0, live = 0;
	double end;
	uint64_t *q, before[2], rc = 0;

	at("stale reads");
	put_behind(w, 0, p, 0);
	gop_start(g, 0, GOP_SPIN_READ, W(0), SENTINEL);
	gop_start(g, 1, GOP_SPIN_READ, W(0) + 2048, SENTINEL);
	end = now() + spell();
	for (n = 0; n < 400 && (now() < end || n < 20); n++) {
		/* they must be at it: else the round proves nothing */
		before[0] = g->mb->cpu[0].progress;
		before[1] = g->mb->cpu[1].progress;
		if (!gop_progress(g, n & 1, 256, 60))
			die("the guest does not get on after %u revokes", n);
		live += g->mb->cpu[0].progress != before[0] && g->mb->cpu[1].progress != before[1];
		pthread_mutex_lock(&r->lock);		/* its faults wait meanwhile */
		rc |= win_revoke(w, 0, 1);
		q = pool_page(p, cur);
		for (i = 0; i < 512; i++)
			q[i] = SENTINEL;
		linger(n % 16 * 2000);
		cur ^= 1;
		q = pool_page(p, cur);
		for (i = 0; i < 512; i++)
			q[i] = n;
		put_behind(w, 0, p, cur);
		pthread_mutex_unlock(&r->lock);
	}
	gop_stop(g, 0);
	gop_stop(g, 1);
	eq(rc, 0, "%u revokes under two reading vCPUs succeed", n);
	ok(live > n / 4, "both were reading in many of the rounds (%u)", live);
	eq(gret(g, 0, 1), 0, "vCPU 0 never saw the sentinel in %lu reads", (long)gret(g, 0, 0));
	eq(gret(g, 1, 1), 0, "vCPU 1 never saw the sentinel in %lu reads", (long)gret(g, 1, 0));
	win_revoke(w, 0, 1);
	pool_free(p);
}

/* The guest writes; after a revoke nothing in the old frame changes any more. */
static void writers(void)
{
	struct pool *p = pool_new(2);
	unsigned n, i, k, cur = 0, changed = 0;
	volatile uint64_t *q;
	double end;

	at("stale writes");
	put_behind(w, 1, p, 0);
	gop_start(g, 0, GOP_SPIN_WRITE, W(1));
	gop_start(g, 1, GOP_SPIN_ADD, W(1) + 1024, 0);
	end = now() + spell();
	for (n = 0; n < 400 && (now() < end || n < 20); n++) {
		if (!gop_progress(g, n & 1, 50, 60))
			die("the guest does not get on after %u revokes", n);
		pthread_mutex_lock(&r->lock);
		win_revoke(w, 1, 1);
		q = pool_page(p, cur);
		memcpy(pool_page(p, cur ^ 1), (void *)q, PAGE);
		for (i = 0; i < 512; i++)
			q[i] = SENTINEL;
		for (k = 0; k < 4; k++) {
			linger(n % 8 * 1000);
			for (i = 0; i < 512; i++)
				changed += q[i] != SENTINEL;
		}
		cur ^= 1;
		put_behind(w, 1, p, cur);
		pthread_mutex_unlock(&r->lock);
	}
	gop_stop(g, 0);
	gop_stop(g, 1);
	eq(changed, 0, "no word of a revoked page changed in %u revokes", n);
	q = pool_page(p, cur);
	/* the last page may have come back by a fault after the last move */
	eq(q[0], gret(g, 0, 0), "the last value written is in the last page");
	eq(q[128], gret(g, 1, 0), "the other vCPU's LOCKed adds followed the page, none lost");
	win_revoke(w, 1, 1);
	pool_free(p);
}

/*
 * A domain that takes memory as fast as it can, and writes into it.  The allocator hands out first what became free
 * last and is no part of a larger block.
 */
#define TAKE_MAX	2048
#define TAKE_BATCH	8
#define TAKEN_MARK	0x6d61726b6d61726bUL

static struct taker {
	struct guest *g;
	volatile bool go, idle, end;
	volatile uint64_t mark;		/* in the last word of the frame of this round */
	volatile unsigned found;
	unsigned refused;
} taker;

static void *take(void *arg)
{
	xc_interface *x = xc_interface_open(NULL, NULL, 0);
	xenforeignmemory_handle *f = xenforeignmemory_open(NULL, 0);
	static xen_pfn_t gfn[TAKE_MAX];
	unsigned i, k, n = 0;
	int e[TAKE_BATCH];
	uint64_t *p;

	(void)arg;
	for (i = 0; i < TAKE_MAX; i++)
		gfn[i] = 0x10000 + i;
	while (!taker.end) {
		if (!taker.go || n + TAKE_BATCH > TAKE_MAX) {
			if (n && !taker.go) {
				xc_domain_decrease_reservation(x, taker.g->domid, n, 0, gfn);
				n = 0;
			}
			taker.idle = !taker.go;
			usleep(100);
			continue;
		}
		taker.idle = false;
		if (xc_domain_populate_physmap(x, taker.g->domid, TAKE_BATCH, 0, 0, gfn + n) != TAKE_BATCH) {
			taker.refused++;
			continue;
		}
		p = xenforeignmemory_map(f, taker.g->domid, PROT_READ | PROT_WRITE, TAKE_BATCH, gfn + n, e);
		n += TAKE_BATCH;
		if (!p) {
			taker.refused++;
			continue;
		}
		for (k = 0; k < TAKE_BATCH; k++) {
			/* Xen does not clear what a living domain gave back */
			unsigned hit = p[k * 512 + 511] == taker.mark;

			for (i = 0; i < 512; i++)
				p[k * 512 + i] = SENTINEL;
			taker.found += hit;
		}
		xenforeignmemory_unmap(f, p, TAKE_BATCH);
	}
	xenforeignmemory_close(f);
	xc_interface_close(x);
	return NULL;
}

/*
 * S6 with S1: the lender gives a frame up while it is lent, so that revoke frees it, and another domain takes it at once.
 * A reference that goes before the flush shows the guest what that domain writes; this needs a processor for each: the
 * revoke, the other domain, and the guest, which must not be moved meanwhile (a context switch flushes).
 */
static void reused(void)
{
	struct pool *p = pool_new(1);
	unsigned n, seen = 0;
	int rc = 0, fd = open("/dev/xlpfn", O_RDWR);
	pthread_t t;
	uint64_t f;
	double end, wait;

	at("reused frames");
	if (fd < 0)
		die("/dev/xlpfn: %s", strerror(errno));
	taker.g = guest_new(&(struct guest_options){ .empty = true });
	xc_domain_setmaxmem(xch, taker.g->domid, 64 << 10);
	pthread_create(&t, NULL, take, NULL);
	put_behind(w, 2, p, 0);
	gop_start(g, 0, GOP_SPIN_READ, W(2), SENTINEL);
	end = now() + spell() / 2;
	for (n = 0; n < 200 && (now() < end || n < 10); n++) {
		if (ioctl(fd, XLPFN_ALLOC, &f))
			die("a page of the kernel's: %s", strerror(errno));
		pthread_mutex_lock(&r->lock);
		rc |= win_revoke(w, 2, 1);
		w->frame[2] = f;
		pthread_mutex_unlock(&r->lock);
		taker.mark = TAKEN_MARK + n;
		gop(g, 1, GOP_WRITE, W(2) + 4088, 8, taker.mark);
		gop_start(g, 1, GOP_SPIN_READ, W(2) + 2048, SENTINEL);
		if (!gop_progress(g, 0, 512, 60) || !gop_progress(g, 1, 512, 60))
			die("the guest does not get on after %u rounds", n);
		if (ioctl(fd, XLPFN_GIVE_UP))
			die("giving up a lent page: %s", strerror(errno));
		taker.found = 0;
		taker.go = true;
		while (taker.idle)
			usleep(100);
		pthread_mutex_lock(&r->lock);
		rc |= win_revoke(w, 2, 1);
		for (wait = now() + 0.5; !taker.found && now() < wait; )
			usleep(200);
		seen += !!taker.found;
		w->frame[2] = p->frame[0];
		pthread_mutex_unlock(&r->lock);
		taker.go = false;
		while (!taker.idle)
			usleep(200);
		gop_stop(g, 1);
		if (gret(g, 1, 1))
			break;
		if (ioctl(fd, XLPFN_FREE))
			die("filling the hole again: %s", strerror(errno));
	}
	gop_stop(g, 0);
	eq(rc, 0, "%u revokes of frames that the lender had given up", n);
	ok(seen > n / 4, "another domain had the frame in many of the rounds (%u)", seen);
	eq(gret(g, 0, 1), 0, "vCPU 0 never saw what that domain wrote in %lu reads", (long)gret(g, 0, 0));
	eq(gret(g, 1, 1), 0, "nor did vCPU 1");
	win_revoke(w, 2, 1);
	taker.end = true;
	pthread_join(t, NULL);
	if (taker.refused)
		note("%u batches were refused", taker.refused);
	guest_free(taker.g);
	close(fd);
	pool_free(p);
}

void suite_stale(void)
{
	setup(4);
	readers();
	writers();
	reused();
	teardown();
}

/* ---- the counter ---- */

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

	setup(2);
	p = pool_new(1);
	raw_back(w, 0, 1, p, 0);
	adding = true;
	pthread_create(&t, NULL, adder, p->va);
	gop_start(g, 0, GOP_SPIN_ADD, W(0), 0);
	gop_start(g, 1, GOP_SPIN_ADD, W(0), 0);
	end = now() + spell();
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
	teardown();
}

/* ---- two vCPUs, one slot ---- */

static int delayed(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)slot;
	(void)q;
	(void)cpu;
	usleep(1000);		/* so that the other vCPU asks, too */
	return RAW_DEFAULT;
}

static int hold_first(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)slot;
	(void)q;
	return cpu == 0 ? RAW_HOLD : RAW_DEFAULT;
}

void suite_race(void)
{
	static const char *const what[] = { "reads", "writes", "LOCKed adds" };
	struct xen_mem_lend_counters q;
	struct pool *p;
	unsigned kind, round, i, bad;
	uint64_t asked = 0;

	setup(32);
	p = pool_new(32);
	raw_back(w, 0, 32, p, 0);
	for (kind = RACE_READ; kind <= RACE_ADD; kind++) {
		at("racing %s", what[kind]);
		for (round = bad = 0; round < 6; round++) {
			r->fault = round & 1 ? delayed : NULL;
			win_revoke(w, 0, 32);
			for (i = 0; i < 32; i++) {
				memset(pool_page(p, i), 0, PAGE);
				*(uint64_t *)pool_page(p, i) = kind == RACE_READ ? i : 0;
			}
			gop(g, 0, GOP_NOP);
			gop_start(g, 0, GOP_RACE, W(0), 32, 2, kind);
			gop_start(g, 1, GOP_RACE, W(0), 32, 2, kind);
			gop_wait(g, 0);
			gop_wait(g, 1);
			for (i = 0; i < 32; i++) {
				uint64_t *v = pool_page(p, i);

				if (kind == RACE_WRITE)
					bad += v[0] != i + 1 || v[1] != i + 1;
				else if (kind == RACE_ADD)
					bad += v[0] != 2;
			}
			if (kind == RACE_READ)
				bad += gret(g, 0, 0) != 31 * 16 || gret(g, 1, 0) != 31 * 16;
		}
		eq(bad, 0, "two vCPUs meet in empty slots: %s", what[kind]);
	}
	asked = w->faults;
	ok(asked > 3 * 6 * 32, "both asked for many of them (%lu requests for %d slots)", (long)asked, 3 * 6 * 32);

	at("one waits, the other passes");
	r->fault = hold_first;
	win_revoke(w, 0, 32);
	gop_start(g, 0, GOP_READ, W(5), 8);
	ok(raw_wait_held(r, 0, 60), "vCPU 0 waits for its answer");
	gop(g, 1, GOP_WRITE, W(5), 8, 77);
	ok(!gop_done(g, 0), "vCPU 1 gets the same slot meanwhile");
	gop(g, 1, GOP_WRITE, W(6), 8, 78);
	raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	eq(gop_wait(g, 0), 77, "vCPU 0 goes on when it is answered");

	at("answers that come too late");
	win_revoke(w, 0, 32);
	gop_start(g, 0, GOP_READ, W(5), 8);
	raw_wait_held(r, 0, 60);
	win_lend(w, 5, true);
	win_revoke(w, 5, 1);
	r->fault = NULL;
	raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	eq(gop_wait(g, 0), 77, "lent and revoked before the answer: it asks again");
	raw_query(g->domid, w->id, &q);
	note("faults %lu read %lu write, spurious %lu", (long)q.faults_read, (long)q.faults_write, (long)q.spurious);
	win_revoke(w, 0, 32);
	pool_free(p);
	teardown();
}

/* ---- L1 ---- */

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

	setup(8);
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
	teardown();
}
