// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Entries of 2 MiB: lent as a whole or not at all, revoked as a whole whatever is asked, and never split.  A failure would mean
 * that a guest reaches half of what was taken back, or loses what it wrote.
 */
#include "suites.h"
#include "devmem.h"
#include "drv.h"
#include "toolstack.h"
#include "../module/xlmover.h"
#include <linux/mman.h>

#define LARGE	512
#define NR	(4 * LARGE)
#define RW	XENMEM_LEND_WRITE

static struct raw *r;
static struct guest *g;
static struct win *w;
static uint64_t piece;		/* what is lent: the word of a piece of 2 MiB of this domain's, but for its rights */
static volatile uint64_t *mem;	/* the same piece, mapped here */
#define M(page) mem[(page) * PAGE / 8]

static int lend_large(uint64_t first, uint64_t word, int cpu)
{
	struct xen_mem_lend m = {
		.op = XENMEM_LEND_lend,
		.flags = cpu >= 0 ? XENMEM_LEND_ANSWER : 0,
		.u.lend = { .domid = g->domid, .window = w->id, .first = first, .nr = LARGE, .vcpu = cpu >= 0 ? cpu : 0,
			    .inline_frames[0] = word | XENMEM_LEND_2M },
	};

	return lend_call(&m);
}

static struct xen_mem_lend_counters counters(void)
{
	struct xen_mem_lend_counters c;

	if (raw_query(g->domid, w->id, &c))
		die("query");
	return c;
}

/* A huge page of this process's, with its frames in a row: what hugetlb gives.  NULL: there are none. */
static void *huge_page(void)
{
	void *p;
	int f = open("/proc/sys/vm/nr_hugepages", O_WRONLY | O_CLOEXEC);

	if (f >= 0 && write(f, "8", 1) != 1)
		note("nr_hugepages: %s", strerror(errno));
	close(f);
	p = mmap(NULL, LARGE * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void lending(void)
{
	struct xen_mem_lend_counters before = counters(), c;
	unsigned i, bad = 0;
	struct entry e;

	at("one entry");
	for (i = 0; i < LARGE; i++)
		M(i) = 3000 + i;
	err(lend_large(LARGE, piece, -1), 0, "512 slots, by one word");
	c = counters();
	eq(c.lent - before.lent, LARGE, "all of them are lent");
	eq(c.large, 1, "... as one entry");
	e = entry_of(g->domid, WIN_GFN, LARGE);
	ok(e.there && e.large && !e.write, "... as its table says");
	eq(gop(g, 0, GOP_TOUCH, W(LARGE), LARGE, 0), 3000 * LARGE + LARGE * (LARGE - 1) / 2, "the guest reads it, without a fault");
	eq(counters().faults_read - before.faults_read, 0, "... none");
	err(lend_large(LARGE, piece, -1), 0, "the same again");
	err(lend_large(LARGE, piece | RW, -1), 0, "and for writing, in place");
	gop(g, 1, GOP_TOUCH, W(LARGE), LARGE, 1, 9000);
	for (i = 0; i < LARGE; i++)
		bad += M(i) != 9000 + i;
	eq(bad, 0, "the guest writes to it");
	eq(counters().lends - before.lends, LARGE, "... without having been lent more");

	at("small words in it");
	{
		uint64_t word = (piece + 7) | RW, other = (piece + 8) | RW, read = piece + 7;

		err(raw_lend_words(g->domid, w->id, LARGE + 7, 1, &word, NULL), 0, "a slot of it, as it is");
		err(raw_lend_words(g->domid, w->id, LARGE + 7, 1, &other, NULL), -EBUSY, "... another frame: busy");
		err(raw_lend_words(g->domid, w->id, LARGE + 7, 1, &read, NULL), -EBUSY, "... fewer rights: busy");
	}
	eq(counters().large, 1, "... it is one entry still");
}

static void revoking(void)
{
	static const struct { unsigned first, nr; } t[] = { { LARGE, 1 }, { 2 * LARGE - 1, 1 }, { LARGE + 100, 200 }, { 0, LARGE + 1 },
							   { LARGE - 5, 10 }, { 2 * LARGE - 5, 10 }, { LARGE, LARGE }, { 0, NR } };
	unsigned i;

	at("revoke of a part");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t small = r->priv ? *(uint64_t *)r->priv | RW : 0;

		win_revoke(w, 0, NR);
		err(lend_large(LARGE, piece | RW, -1), 0, "lent");
		/* neighbours, which stay as they are unless asked for */
		err(raw_lend_words(g->domid, w->id, LARGE - 3, 1, &small, NULL), 0, "... and a small one before it");
		g_write(g, W(LARGE + 300), i);
		M(77) = 1;
		gop_start(g, 1, GOP_SPIN_READ, W(LARGE + 77), 0xbad);
		if (!gop_progress(g, 1, 1000, 30))
			die("the guest does not read");
		err(raw_revoke(g->domid, w->id, t[i].first, t[i].nr), 0, "revoke of %u slots from %u on", t[i].nr, t[i].first);
		/* whoever remembers where it was would see this */
		M(77) = 0xbad;
		eq(counters().large, 0, "... takes all of it");
		eq(counters().lent, t[i].first <= LARGE - 3 && LARGE - 3 < t[i].first + t[i].nr ? 0 : 1, "... and of others what was asked for");
		ok(raw_wait_held(r, 1, 30), "a vCPU that was reading it faults");
		eq(M(300), i, "what the guest wrote is there");
		M(77) = 2;
		err(lend_large(LARGE, piece | RW, 1), 0, "lent again, with the vCPU's answer");
		raw_answered(r, 1);
		ok(gop_progress(g, 1, 1000, 30), "... which goes on");
		gop_stop(g, 1);
		eq(gret(g, 1, 1), 0, "... and never saw what was there after the revoke");
	}
	win_revoke(w, 0, NR);
	eq(counters().lent, 0, "nothing is lent");
}

static void refusing(void)
{
	uint64_t small = r->priv ? *(uint64_t *)r->priv | RW : 0;
	struct xen_mem_lend_counters c;

	at("what cannot be one");
	err(lend_large(1, piece, -1), -EINVAL, "a first slot that is no multiple of 512");
	err(lend_large(LARGE, piece + 1, -1), -EINVAL, "a frame that is none");
	err(lend_large(4 * LARGE, piece, -1), -EINVAL, "slots beyond the window");
	err(lend_large(LARGE, piece | 7UL << 44, -1), -EINVAL, "a type of memory that there is not");
	err(lend_large(LARGE, (XENMEM_LEND_FRAME_MASK & ~511UL) | (piece & ~XENMEM_LEND_FRAME_MASK), -1), -EINVAL, "frames beyond all");
	if (piece & XENMEM_LEND_MMIO)
		err(lend_large(LARGE, (piece & ~XENMEM_LEND_MMIO & ~XENMEM_LEND_CACHE_MASK), -1) < 0, true, "MMIO as RAM");
	else
		err(lend_large(LARGE, piece | XENMEM_LEND_MMIO | XENMEM_LEND_UC, -1), -EPERM, "RAM as MMIO");
	err(raw_lend_words(g->domid, w->id, LARGE + 9, 1, &small, NULL), 0, "a small one is lent there");
	err(lend_large(LARGE, piece, -1), -EBUSY, "... and in the way");
	win_revoke(w, LARGE + 9, 1);
	err(lend_large(LARGE, piece, -1), 0, "revoked, with its table left: not any more");
	c = counters();
	err(lend_large(LARGE, piece, -1), 0, "the same");
	eq(counters().lends, c.lends, "... is nothing new");
	win_revoke(w, 0, NR);
	{
		/* what a guest puts into an empty slot harms nobody but itself */
		struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = 0x1c0, .gpfn = WIN_GFN + 2 * LARGE + 5 };

		eq(gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, g_data(g, 0, &add, sizeof(add))), 0,
		   "the guest puts its own RAM among the slots");
		err(lend_large(2 * LARGE, piece, -1), -EEXIST, "... which is in the way");
		g_write(g, W(2 * LARGE + 5), 123);
		eq(g_read(g, W(2 * LARGE + 5)), 123, "... and stays the guest's");
		add.idx = add.gpfn;
		add.gpfn = 0x1c0;
		eq(gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, g_data(g, 0, &add, sizeof(add))), 0, "taken out again");
		err(lend_large(2 * LARGE, piece, -1), 0, "... it is not");
	}
	win_revoke(w, 0, NR);
	eq(counters().lent, 0, "nothing is lent after that");
	{
		struct win *v = raw_window(r, WIN_GFN + 3 * LARGE * 4 + 1, 2 * LARGE), *old = w;

		w = v;
		err(lend_large(0, piece, -1), -EINVAL, "a window that begins elsewhere");
		err(lend_large(LARGE - 1, piece, -1), -EINVAL, "... also where its slots would fit");
		w = old;
		raw_destroy(g->domid, v->id);
	}
}

/* Two of its frames change places, by way of Xen's heap: in a row for this domain, and not in the machine. */
static void scattered(void)
{
	xen_pfn_t gfn[2] = { piece + 100, piece + 200 };
	int i, tries, rc = 0;

	at("in a row, but not in the machine");
	/* Again if Xen gives the same frames again: nothing but what is tested here tells. */
	for (tries = 0; tries < 4 && !rc; tries++) {
		for (i = 0; i < 2; i++)
			if (xc_domain_decrease_reservation_exact(xch, own_domid, 1, 0, &gfn[i])) {
				skip("2 MiB that are scattered in the machine", "a frame cannot be given up: %s", strerror(errno));
				return;
			}
		if (!tries)
			err(lend_large(LARGE, piece, -1), -EINVAL, "with two frames missing");
		/* the one that was given up last is the first to be had again */
		for (i = 0; i < 2; i++)
			if (xc_domain_populate_physmap_exact(xch, own_domid, 1, 0, 0, &gfn[i]))
				die("no frame instead of one that was given up: %s", strerror(errno));
		rc = lend_large(LARGE, piece, -1);
		if (!rc)
			win_revoke(w, 0, NR);
	}
	if (!err(rc, -EOPNOTSUPP, "with two from elsewhere"))
		return;
	eq(counters().lent, 0, "... nothing is lent");
	{
		/* before the first that does not fit there are a hundred: Xen has let go of these, too, if they are free now */
		xen_pfn_t some[64];
		uint64_t before = xen_free_pages();

		for (i = 0; i < 64; i++)
			some[i] = piece + i;
		eq(xc_domain_decrease_reservation_exact(xch, own_domid, 64, 0, some), 0, "64 of the frames are given up");
		ok(xen_free_pages() >= before + 32, "... and are free: no reference is left of all that");
		if (xc_domain_populate_physmap_exact(xch, own_domid, 64, 0, 0, some))
			die("no frames instead of those that were given up: %s", strerror(errno));
	}
	{
		uint64_t word = (piece + 100) | RW;

		err(raw_lend_words(g->domid, w->id, 0, 1, &word, NULL), 0, "... which can be lent by themselves");
		win_revoke(w, 0, 1);
	}
}

/* ---- the driver ---- */

static struct lent l;

/* A span that is congruent: 2 MiB on both sides. */
static bool aligned(void)
{
	return !((uintptr_t)l.span & (LARGE * PAGE - 1));
}

static struct lenddev_stats stats(void)
{
	return drv_st(l.fd, l.id);
}

static void take_out(void)
{
	lent_map(&l, 0, l.pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	eq(lent_now(&l), 0, "nothing is lent when nothing is mapped");
}

static void whole(const char *what, bool expected)
{
	struct lenddev_stats a = stats(), b;
	unsigned i, bad = 0;

	for (i = 0; i < LARGE; i++)
		*(volatile uint64_t *)(l.span + i * PAGE) = 50 + i;
	g_write(l.g, W(100), 1);
	b = stats();
	if (expected)
		ok(b.large - a.large == 1 && b.pages_lent == LARGE, "%s: one fault, one entry of 2 MiB", what);
	else
		eq(b.large - a.large, 0, "%s: not as one entry", what);
	eq(gop(l.g, 0, GOP_TOUCH, W(0), LARGE, 0), 50 * LARGE + LARGE * (LARGE - 1) / 2 - 149, "... the guest reads all of it");
	gop(l.g, 1, GOP_TOUCH, W(0), LARGE, 1, 4000);
	for (i = 0; i < LARGE; i++)
		bad += *(volatile uint64_t *)(l.span + i * PAGE) != 4000 + i;
	eq(bad, 0, "... and writes to it");
	if (expected) {
		drv_zap(l.fd, l.id, 17 * PAGE, PAGE);
		eq(lent_now(&l), 0, "one page is taken back: and with it all");
		a = stats();
		err(drv_populate(l.fd, l.id, 0, LARGE * PAGE, true, NULL), 0, "populate");
		b = stats();
		ok(b.large - a.large == 1 && b.pages_lent == LARGE, "... lends it as one");
	}
}

/* It moves while a vCPU computes on it, and this process maps all of it again, to have it lent as one. */
static void going_on(int fd, struct xlmover_move *m)
{
	unsigned i, k, bad = 0;
	volatile uint8_t *p = l.span;

	gop_start(l.g, 0, GOP_SPIN_TAG, W(0), LARGE);
	for (i = 0; i < 10; i++) {
		m->place = i % 2 ? XLMOVER_CACHED : XLMOVER_DEVICE;
		bad += ioctl(fd, XLMOVER_MOVE, m) != 0;
		for (k = 0; k < LARGE; k++)
			(void)p[k * PAGE];
		bad += !gop_progress(l.g, 0, 1, 60);
	}
	gop_stop(l.g, 0);
	eq(bad, 0, "it moves while the guest computes, which gets on");
	eq(gret(l.g, 0, 1), 0, "... and finds what it wrote (%lu rounds)", (long)gret(l.g, 0, 0));
}

static void by_driver(void)
{
	struct lenddev_stats a;
	struct devmem dev;
	unsigned i, bad = 0;
	int fd;

	l = lent_open(2 * LARGE, LENDDEV_POLICY_ONES);
	at("by the driver");
	if (!aligned()) {
		drv_destroy(l.fd, l.id);
		l.span = (void *)(((uintptr_t)span_new(4 * LARGE * PAGE) + LARGE * PAGE - 1) & ~(LARGE * PAGE - 1));
		l.id = drv_window(l.fd, GUEST_WINDOW, 2 * LARGE * PAGE, l.span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
	}
	ok(aligned() && (int)l.id > 0, "a window over a span that is congruent");

	if (devmem_open(&dev)) {
		uint64_t first = (dev.frame + LARGE - 1) / LARGE * LARGE - dev.frame;

		lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at + first * PAGE);
		whole("a BAR", true);
		take_out();
		lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at + (first + 1) * PAGE);
		whole("a BAR that is not congruent", false);
		take_out();
		devmem_close(&dev);
	} else
		skip("a BAR", "this machine has no device with memory that is known here");

	lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(l.span, LARGE * PAGE, MADV_NOHUGEPAGE);
	whole("small pages", false);
	take_out();

	if (lender_pvh) {
		lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		whole("hugetlb", true);
		take_out();

		lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(l.span, LARGE * PAGE, MADV_HUGEPAGE);
		whole("a transparent huge page", true);

		at("a transparent huge page");
		/* one page of it goes: Linux splits it, and all of it is taken back */
		madvise(l.span + 40 * PAGE, PAGE, MADV_DONTNEED);
		eq(lent_now(&l), 0, "a page of it is given up: all is taken back");
		a = stats();
		eq(g_read(l.g, W(40)), 0, "the guest finds a new page there");
		eq(g_read(l.g, W(41)), 4041, "... and what was there beside it");
		eq(stats().large - a.large, 0, "... by small entries");
		eq(gop(l.g, 0, GOP_TOUCH, W(0), LARGE, 0), 4000 * LARGE + LARGE * (LARGE - 1) / 2 - 4040, "... all of it");
		take_out();

		/* read-only first, as its pages are, then writable */
		lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		*(volatile uint64_t *)l.span = 8;
		mprotect(l.span, LARGE * PAGE, PROT_READ);
		a = stats();
		eq(g_read(l.g, W(0)), 8, "a huge page that is read-only: the guest reads it");
		eq(stats().large - a.large, 1, "... as one entry");
		mprotect(l.span, LARGE * PAGE, PROT_READ | PROT_WRITE);
		g_write(l.g, W(9), 99);
		eq(*(volatile uint64_t *)(l.span + 9 * PAGE), 99, "... and writes to it, once it may");
		take_out();
	} else {
		lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(l.span, LARGE * PAGE, MADV_HUGEPAGE);
		whole("a PV domain's pages", false);
		take_out();
	}

	/* a driver's buffer that moves, as one and in parts, while the guest computes */
	at("a large buffer moves");
	fd = open("/dev/xlmover", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && !ioctl(fd, XLMOVER_SIZE, &(uint64_t){ LARGE })) {
		struct xlmover_move m = { .nr = LARGE, .place = XLMOVER_DEVICE };
		struct xlmover_counts c = { 0 };

		ioctl(fd, XLMOVER_COUNTS, &c);
		if (c.room >= 2 * LARGE) {
			a = stats();
			lent_map(&l, 0, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			gop(l.g, 0, GOP_FILL, W(0), LARGE * PAGE, 7);
			for (i = 0; i < 6; i++) {
				m.place = i % 2 ? XLMOVER_CACHED : XLMOVER_DEVICE;
				bad += ioctl(fd, XLMOVER_MOVE, &m) != 0;
				bad += lent_now(&l) != 0;
				/* this process first: then all of it is mapped, and can be lent as one */
				bad += check_fill(l.span, LARGE * PAGE, 7 + i) != 0;
				bad += gop(l.g, 1, GOP_CHECK, W(0), LARGE * PAGE, 7 + i) != 0;
				gop(l.g, 0, GOP_FILL, W(0), LARGE * PAGE, 8 + i);
			}
			eq(bad, 0, "it moves into a device's memory and back, and the guest finds what it wrote");
			ok(stats().large - a.large == 3, "... there it is lent as one, each time (%lu)", (long)(stats().large - a.large));
			eq(stats().to_ram - a.to_ram, 3 * LARGE, "... and counted as having moved");
			m.place = XLMOVER_DEVICE;
			going_on(fd, &m);
			ioctl(fd, XLMOVER_COUNTS, &c);
			eq(c.late, 0, "nothing was written to where it had been");
		} else
			skip("a large buffer in a device's memory", "the machine has no device with memory that is known here");
		take_out();
	}
	close(fd);
	ok(lent_close(&l), "the guest goes away");
}

static int hold_all(struct raw *x, struct win *v, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)x;
	(void)v;
	(void)slot;
	(void)q;
	return cpu == 1 ? RAW_HOLD : RAW_DEFAULT;
}

void suite_huge(void)
{
	struct devmem dev;
	struct pool *pool;
	void *page;

	r = raw_scene(NR);
	g = r->g;
	w = &r->win[0];
	pool = pool_new(4);
	raw_back(w, 0, 4, pool, 0);
	r->priv = &pool->frame[0];
	r->fault = hold_all;

	page = lender_pvh ? huge_page() : NULL;
	if (page) {
		piece = frame_of(page);
		mem = page;
		note("RAM, a huge page at frame %#lx", (unsigned long)piece);
		lending();
		revoking();
		refusing();
		scattered();	/* and stays so: nobody else is to get this page */
	} else
		skip("2 MiB of RAM", lender_pvh ? "no huge page is left" : "a PV domain's pages are not next to each other");
	if (devmem_open(&dev)) {
		uint64_t first = (dev.frame + LARGE - 1) / LARGE * LARGE - dev.frame;

		mem = mmap(NULL, LARGE * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at + first * PAGE);
		if (mem == MAP_FAILED)
			die("the device's memory cannot be mapped: %s", strerror(errno));
		piece = (dev.frame + first) | XENMEM_LEND_MMIO | XENMEM_LEND_WC;
		note("MMIO, frame %#lx", (unsigned long)(dev.frame + first));
		lending();
		revoking();
		refusing();
		/* it goes with the permission, as a whole; what is given up is beyond what other suites use */
		at("the borrower dies with one");
		err(lend_large(LARGE, piece | RW, -1), 0, "one is lent");
		munmap((void *)mem, LARGE * PAGE);
		devmem_close(&dev);
	} else
		skip("2 MiB of a device's memory", "this machine has no device with memory that is known here");
	raw_scene_close(r);
	pool_free(pool);
	by_driver();
}
