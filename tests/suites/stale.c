// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S1: when revoke returns, nobody but the lender reaches the frame.
 *
 * The lab's CPUs remember a guest's translations until its ASID is flushed, so both are seen here: a CPU that is left in
 * the guest with its old translation, and one that leaves it and comes back with the same ASID.
 */
#include <sys/sysinfo.h>
#include "suites.h"
#include "../module/xlpfn.h"

#define SENTINEL	0x5e5e5e5e5e5e5e5eUL

static struct guest *g;
static struct raw *r;
static struct win *w;

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

/*
 * Slot i's page goes, the sentinel takes its place for a while, and the slot gets the other page of p, with value in it.
 * The guest's faults wait meanwhile.
 */
static int swap_page(unsigned i, struct pool *p, unsigned *cur, uint64_t value, unsigned pause)
{
	uint64_t *q;
	unsigned k;
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = win_revoke(w, i, 1);
	q = pool_page(p, *cur);
	for (k = 0; k < 512; k++)
		q[k] = SENTINEL;
	linger(pause);
	*cur ^= 1;
	q = pool_page(p, *cur);
	for (k = 0; k < 512; k++)
		q[k] = value;
	put_behind(w, i, p, *cur);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* Two vCPUs read a page that is revoked, reused for a sentinel, and comes back as another page. */
static void readers(void)
{
	struct pool *p = pool_new(2);
	unsigned n, cur = 0, live = 0;
	double end;
	uint64_t before[2];
	int rc = 0;

	at("stale reads");
	put_behind(w, 0, p, 0);
	gop_start(g, 0, GOP_SPIN_READ, W(0), SENTINEL);
	gop_start(g, 1, GOP_SPIN_READ, W(0) + 2048, SENTINEL);
	end = now() + raw_spell();
	for (n = 0; n < 400 && (now() < end || n < 20); n++) {
		/* they must be at it: else the round proves nothing */
		before[0] = g->mb->cpu[0].progress;
		before[1] = g->mb->cpu[1].progress;
		if (!gop_progress(g, n & 1, 256, 60))
			die("the guest does not get on after %u revokes", n);
		live += g->mb->cpu[0].progress != before[0] && g->mb->cpu[1].progress != before[1];
		rc |= swap_page(0, p, &cur, n, n % 16 * 2000);
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
	end = now() + raw_spell();
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

/* The vCPU runs on processors [first, last] and no others. */
static void pin(uint32_t domid, unsigned vcpu, unsigned first, unsigned last)
{
	xc_cpumap_t hard = xc_cpumap_alloc(xch), soft = xc_cpumap_alloc(xch);
	unsigned i;

	if (!hard || !soft)
		die("no memory for a map of processors");
	for (i = first; i <= last; i++)
		xc_cpumap_setcpu(i, hard);
	if (xc_vcpu_setaffinity(xch, domid, vcpu, hard, soft, XEN_VCPUAFFINITY_HARD))
		die("vCPU %u of domain %u on processors %u to %u: %s", vcpu, domid, first, last, strerror(errno));
	free(hard);
	free(soft);
}

/*
 * A vCPU that waits is not interrupted: nothing of it runs.  It must forget what it knew before it runs again, also where
 * no other has run on its processor since; the last one is its own, so that nothing but Xen's idle loop comes between.
 */
static void sleepers(void)
{
	struct pool *p = pool_new(2);
	unsigned n, i, cur = 0, wrong = 0, stale = 0, last = xc_get_online_cpus(xch) - 1;
	uint64_t *q, v;
	double end;
	int rc = 0;

	at("stale reads after a rest");
	for (i = 0; i < (unsigned)get_nprocs(); i++)
		pin(0, i, 0, last - 1);
	pin(g->domid, 0, last, last);
	pin(g->domid, 1, 0, last - 1);
	put_behind(w, 3, p, 0);
	end = now() + raw_spell() / 2;
	for (n = 0; n < 400 && (now() < end || n < 20); n++) {
		q = pool_page(p, cur);
		for (i = 0; i < 512; i++)
			q[i] = n;
		wrong += gop(g, 0, GOP_READ, W(3), 8) != n;
		/* it is done; now it goes to sleep */
		usleep(1000);
		rc |= swap_page(3, p, &cur, n, 0);
		v = gop(g, 0, GOP_READ, W(3), 8);
		stale += v == SENTINEL;
		wrong += v != n && v != SENTINEL;
	}
	eq(rc, 0, "%u revokes under a sleeping vCPU succeed", n);
	eq(stale, 0, "it never saw the sentinel when it woke");
	eq(wrong, 0, "... nor anything else that is not in the page");
	win_revoke(w, 3, 1);
	for (i = 0; i < (unsigned)get_nprocs(); i++)
		pin(0, i, 0, last);
	pin(g->domid, 0, 0, last);
	pin(g->domid, 1, 0, last);
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
	end = now() + raw_spell() / 2;
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
	r = raw_scene(4);
	g = r->g;
	w = r->win;
	readers();
	writers();
	sleepers();
	reused();
	raw_scene_close(r);
}
