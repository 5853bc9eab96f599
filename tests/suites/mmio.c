// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S1, S3, S5 and S9 for the memory of a device: what the lender has permission for can be lent, nothing else, and not for
 * longer.  A failure would mean that a guest reaches registers of the machine, or a device that it should not reach any more.
 */
#include "suites.h"
#include "devmem.h"
#include "drv.h"
#include "toolstack.h"

#define NR	64
#define DENIED	16		/* pages of the device's memory that this domain gives up: the last ones; dom0 for good */
#define UC	(XENMEM_LEND_MMIO | XENMEM_LEND_UC)
#define WC	(XENMEM_LEND_MMIO | XENMEM_LEND_WC)
#define RW	XENMEM_LEND_WRITE

static struct raw *r;
static struct guest *g;
static struct win *w;
static struct pool *pool;
static struct devmem dev;
static volatile uint64_t *mem;		/* NR pages of the device, mapped here */
#define M(page) mem[(page) * PAGE / 8]

static int try_word(uint64_t word)
{
	int32_t *status = raw_status();
	int rc = raw_lend_words(g->domid, w->id, NR - 1, 1, &word, status);

	if (!rc)
		rc = status[0];
	if (raw_revoke(g->domid, w->id, NR - 1, 1))
		die("revoke");
	return rc;
}

static struct xen_mem_lend_counters counters(void)
{
	struct xen_mem_lend_counters c;

	if (raw_query(g->domid, w->id, &c))
		die("query");
	return c;
}

/* ---- what can be lent ---- */

static void lending(void)
{
	uint64_t *words = raw_frames();
	int32_t *status = raw_status();
	unsigned i, bad = 0;

	at("a device's memory is lent");
	for (i = 0; i < NR; i++)
		M(i) = 500 + i;
	/* RAM and MMIO, writable and not, in one call */
	for (i = 0; i < NR; i++) {
		words[i] = i % 3 ? (dev.frame + i) | (i % 2 ? UC : WC) : pool->frame[i];
		if (i % 5)
			words[i] |= RW;
		*(uint64_t *)pool_page(pool, i) = 900 + i;
	}
	err(raw_lend_words(g->domid, w->id, 0, NR, words, status), 0, "RAM and MMIO, in one call");
	for (i = 0; i < NR; i++)
		bad += status[i] != 0;
	eq(bad, 0, "... each slot of it");
	for (i = 0; i < NR; i++)
		bad += g_read(g, W(i)) != (i % 3 ? 500 : 900) + i;
	eq(bad, 0, "the guest reads all of it");
	eq(counters().mmio, NR - (NR + 2) / 3, "how many are MMIO is told");
	for (i = 0; i < NR; i++)
		if (i % 5)
			g_write(g, W(i), 7000 + i);
	for (i = bad = 0; i < NR; i++)
		bad += (i % 3 ? M(i) : *(uint64_t *)pool_page(pool, i)) != (i % 5 ? 7000 : i % 3 ? 500 : 900) + i;
	eq(bad, 0, "and writes what is lent for it");

	gop(g, 0, GOP_RMW, RMW_XADD, W(1), 8, 5);
	eq(M(1), 7006, "a LOCKed access reaches the device");
	win_revoke(w, 10, 1);
	words[0] = (dev.frame + 10) | UC;
	err(raw_lend_words(g->domid, w->id, 10, 1, words, NULL), 0, "lent for reading");
	words[0] = (dev.frame + 10) | WC;
	err(raw_lend_words(g->domid, w->id, 10, 1, words, NULL), -EBUSY, "the same frame as another type of memory: busy");
	words[0] = (dev.frame + 10) | UC;
	err(raw_lend_words(g->domid, w->id, 10, 1, words, NULL), 0, "... as the same: lent already");
	words[0] |= RW;
	err(raw_lend_words(g->domid, w->id, 10, 1, words, NULL), 0, "... and can be made writable in place");
	g_write(g, W(10), 4);
	eq(M(10), 4, "... which it is");
	words[0] = pool->frame[10] | RW;
	err(raw_lend_words(g->domid, w->id, 10, 1, words, NULL), -EBUSY, "RAM instead: busy");

	err(win_revoke(w, 0, NR), 0, "all is revoked");
	eq(counters().mmio + counters().lent, 0, "... and nothing is lent");
	raw_back(w, 0, NR, pool, 0);
	for (i = bad = 0; i < NR; i++) {
		g_write(g, W(i), 1);
		bad += M(i) == 1 || *(uint64_t *)pool_page(pool, i) != 1;
	}
	eq(bad, 0, "the next access faults, and finds what is lent then");
	win_revoke(w, 0, NR);
}

/* ---- what cannot ---- */

static void refusing(void)
{
	unsigned long ram = 0, wrong = 0, f, i;
	xen_pfn_t max = 0;
	int rc, none = lender_pvh ? -EINVAL : -EPERM;

	at("what is not to be lent");
	err(try_word((dev.frame + 5) | XENMEM_LEND_MMIO), -EINVAL, "a device's memory as write-back");
	rc = try_word(dev.frame + 5);
	ok(rc == -EINVAL || rc == -EPERM, "... or as RAM (%d)", rc);
	rc = try_word((dev.frame + 5) | XENMEM_LEND_WC | RW);
	ok(rc == -EINVAL || rc == -EPERM, "... or as write-combined RAM (%d)", rc);
	for (i = 3, wrong = 0; i < 16; i++)
		wrong += try_word((dev.frame + 5) | XENMEM_LEND_MMIO | i << 44) != -EINVAL;
	eq(wrong, 0, "a type of memory that there is not");
	for (i = 40, wrong = 0; i < 63; i++)
		if (i < 44 || i > 48)
			wrong += try_word((dev.frame + 5) | UC | 1UL << i) != -EINVAL;
	eq(wrong, 0, "a bit that means nothing");
	err(try_word(XENMEM_LEND_FRAME_MASK | UC), -EINVAL, "frame 2^40-1");
	err(try_word(1UL << 39 | UC), -EINVAL, "a frame beyond all addresses");
	err(try_word(pool->frame[0] | UC), -EPERM, "RAM of this domain as MMIO");
	err(try_word(0xfee00 | UC), none, "the local APIC");
	err(try_word(0xfec00 | UC), none, "the I/O APIC");
	rc = try_word(0xfed00 | UC);
	ok(rc == none || rc == -EPERM, "the HPET (%d)", rc);
	rc = try_word(0xfed80 | UC);
	ok(rc == none || rc == -EPERM, "where an AMD machine's IOMMU is (%d)", rc);
	if (access("/sys/firmware/acpi/tables/MCFG", F_OK))
		skip("memory that is read-only for domains", "this domain is told of no PCI configuration space in memory");
	else {
		rc = try_word(0xb0000 | UC);
		ok(rc == none || rc == -EPERM, "a q35's PCI configuration space, which is read-only (%d)", rc);
	}

	/* dom0 is permitted all addresses: RAM must be known for what it is, whoever has it */
	if (lender_pvh)
		return;
	xc_maximum_ram_page(xch, &max);
	for (f = 0x100; f < max; f += NR) {
		uint64_t *words = raw_frames();
		int32_t *status = raw_status();

		for (i = 0; i < NR; i++) {
			words[i] = (f + i) | UC;
			status[i] = 1;
		}
		if (raw_lend_words(g->domid, w->id, 0, NR, words, status))
			die("lend: %s", strerror(errno));
		for (i = 0; i < NR; i++) {
			ram += status[i] == -EPERM;
			wrong += status[i] != -EPERM && status[i] != 0;
		}
		raw_revoke(g->domid, w->id, 0, NR);
		/* the first 64 MiB are RAM: Xen's, dom0's, guests' or nobody's */
		if (f < 0x4000) {
			unsigned lent = 0;

			for (i = 0; i < NR; i++)
				lent += status[i] == 0;
			wrong += lent;
		}
	}
	eq(wrong, 0, "no frame of RAM passes for MMIO (%lu of %lu were refused)", ram, (unsigned long)max);
	ok(ram > max / 2, "... nearly all are RAM");
}

/* S3: with the words of suite hostile, which is about RAM. */
static void hostile(void)
{
	uint64_t gfn = WIN_GFN + 3, word = (dev.frame + 3) | UC | RW;
	struct xen_remove_from_physmap rm = { .domid = DOMID_SELF, .gpfn = gfn };
	struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = gfn, .gpfn = GUEST_FREE_GFN };
	xen_pfn_t pfn = gfn;
	int e = 0;
	void *p;

	at("nothing else can be done with it");
	M(3) = 77;
	err(raw_lend_words(g->domid, w->id, 3, 1, &word, NULL), 0, "lent");
	p = xenforeignmemory_map(xfm, g->domid, PROT_READ, 1, &pfn, &e);
	ok(!p || e, "the lender cannot map it through the borrower");
	if (p)
		xenforeignmemory_unmap(xfm, p, 1);
	ok((long)gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, g_data(g, 0, &rm, sizeof(rm))) < 0,
	   "the guest cannot remove it");
	ok((long)gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, g_data(g, 0, &add, sizeof(add))) < 0,
	   "... nor move it");
	add.idx = 0x1c0;
	add.gpfn = gfn;
	ok((long)gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, g_data(g, 0, &add, sizeof(add))) < 0,
	   "... nor put RAM over it");
	eq((long)gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, W(3)), -EFAULT,
	   "... nor use it as a hypercall's buffer");
	err(toolstack_iomem(g->domid, dev.machine, 1, true), 0, "the guest is permitted a page of a device");
	ok(toolstack_map_mmio(g->domid, gfn, dev.machine) < 0, "the tool stack cannot map that over it");
	err(toolstack_map_mmio(g->domid, GUEST_FREE_GFN, dev.machine), 0, "... but where nothing is");
	err(toolstack_iomem(g->domid, dev.machine, 1, false), 0, "... permitted no more");
	eq(g_read(g, W(3)), 77, "the guest reads what it did before");
	gop(g, 0, GOP_FETCH, W(3));
	eq(gtrap(g, 0), 13, "and cannot execute it");
	win_revoke(w, 3, 1);
}

/* ---- permission ---- */

static void denied(void)
{
	uint64_t *words = raw_frames(), last = dev.frame + dev.pages - DENIED;
	uint64_t machine = dev.machine + dev.pages - DENIED;
	int32_t *status = raw_status();
	struct win *v;
	unsigned i, bad;

	at("permission is taken away");
	v = raw_window(r, WIN_GFN + 1024, 512);
	for (i = 0; i < DENIED; i++)
		words[i] = (last + i) | UC | RW;
	for (; i < NR; i++)
		words[i] = pool->frame[i] | RW;
	err(raw_lend_words(g->domid, w->id, 0, NR, words, status), 0, "lent: MMIO and RAM");
	for (i = 0; i < 32; i++)
		words[i] = (dev.frame + i) | WC;
	err(raw_lend_words(g->domid, v->id, 300, 32, words, status), 0, "... in another window, other MMIO");
	g_write(g, W(2), 5);
	gop_start(g, 1, GOP_SPIN_READ, W(4), 1);
	if (!gop_progress(g, 1, 1000, 20))
		die("the guest does not read");

	eq(toolstack_iomem(0, machine, DENIED, false), 0, "permission is denied for the first MMIO");
	eq(counters().mmio, 0, "it is not lent any more");
	raw_back(w, 0, NR, pool, 0);
	ok(gop_progress(g, 1, 1000, 20), "a vCPU that was reading it goes on, with what is lent next");
	gop_stop(g, 1);
	for (i = 0; i < DENIED; i++)
		words[i] = (last + i) | UC | RW;
	win_revoke(w, 0, NR);
	err(raw_lend_words(g->domid, w->id, 0, DENIED, words, status), 0, "it is lent again ...");
	for (i = bad = 0; i < DENIED; i++)
		bad += status[i] != -EPERM;
	eq(bad, 0, "... and each slot is refused");
	words[0] = (last - 1) | UC;
	err(raw_lend_words(g->domid, w->id, 0, 1, words, NULL), 0, "its neighbour is not");
	eq(toolstack_iomem(0, machine, DENIED, false), 0, "permission is denied again: nothing to be done");
	eq(counters().mmio, 1, "... and nothing is taken back for it");
	if (driver_domain) {
		at("permission is given again");
		err(toolstack_iomem(0, machine, DENIED, true), 0, "dom0 gives it again");
		err(raw_lend_words(g->domid, w->id, 0, DENIED, words, status), 0, "it is lent ...");
		for (i = bad = 0; i < DENIED; i++)
			bad += status[i] != 0;
		eq(bad, 0, "... each slot, beside its neighbour");
		eq(counters().mmio, DENIED, "... and counted");
		err(toolstack_iomem(0, machine, DENIED, false), 0, "and is taken away once more");
		eq(counters().mmio, 0, "nothing of it is lent, nor of its neighbour");
		err(toolstack_iomem(0, machine, DENIED, true), 0, "it has it again, for whoever comes next");
		at("permission is taken away");
	}
	for (i = 0; i < 32; i++)
		words[i] = (dev.frame + i) | WC;
	err(raw_lend_words(g->domid, v->id, 300, 32, words, status), 0, "in the other window what is permitted can be lent");
	bad = 0;
	for (i = 0; i < 32; i++)
		bad += status[i] != 0 || g_read(g, ((WIN_GFN + 1024UL + 300 + i) << 12) + 8) != mem[i * 512 + 1];
	eq(bad, 0, "... and is what it was");
	raw_destroy(g->domid, v->id);
	win_revoke(w, 0, NR);
}

/* ---- the driver ---- */

static void by_driver(void)
{
	struct lent l = lent_open(NR, LENDDEV_POLICY_ONES);
	struct lenddev_event ev[4];
	struct lenddev_stats st;
	unsigned i, bad = 0;
	uint64_t done = 0;
	int n;
	pid_t pid;

	at("by the driver");
	lent_map(&l, 0, NR, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at);
	for (i = 0; i < NR; i++)
		M(i) = 40 + i;
	eq(gop(l.g, 0, GOP_TOUCH, W(0), NR, 0), 40 * NR + NR * (NR - 1) / 2, "a BAR is placed: the guest reads what this process wrote");
	gop(l.g, 1, GOP_TOUCH, W(0), NR, 1, 6000);
	for (i = 0; i < NR; i++)
		bad += M(i) != 6000 + i;
	eq(bad, 0, "... and this process reads what the guest writes");
	st = drv_st(l.fd, l.id);
	eq(st.pages_lent, NR, "all is lent");
	ok(st.around > 0, "... most of it with neighbours");
	eq(st.to_device + st.to_ram, 0, "... nothing has moved");
	err(drv_zap(l.fd, l.id, 0, NR * PAGE), 0, "taken back");
	err(drv_populate(l.fd, l.id, 0, NR * PAGE, true, &done), 0, "populate");
	eq(lent_now(&l), NR, "... lends all of it");

	/* by value: what Xen's emulator does with a device at its other end */
	memset((void *)&M(1), 0, 256);
	gop(l.g, 0, GOP_STRING, STR_MOVSQ, W(1) + 64, GUEST_MMIO, 8);
	for (i = bad = 0; i < 8; i++)
		bad += mem[512 + 8 + i] != ~0UL;
	eq(bad, 0, "rep movsq from an emulated device into it");
	eq(mem[512 + 7] | mem[512 + 16], 0, "... and nowhere else");
	M(2) = 0x1122334455667788UL;
	gop(l.g, 0, GOP_STRING, STR_MOVSQ, GUEST_MMIO, W(2), 1);
	ok(drv_st(l.fd, l.id).copies > 0, "... by value (%llu accesses)", (unsigned long long)drv_st(l.fd, l.id).copies);

	/* RAM and back */
	lent_anon(&l, 0, NR / 2);
	gop(l.g, 0, GOP_TOUCH, W(0), NR, 1, 100);
	eq(drv_st(l.fd, l.id).to_ram, NR / 2, "RAM is placed over half of it: so many pages have moved to RAM");
	lent_map(&l, 0, NR, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at);
	gop(l.g, 0, GOP_TOUCH, W(0), NR, 1, 200);
	eq(drv_st(l.fd, l.id).to_device, NR / 2, "and back again: to the device");
	for (i = bad = 0; i < NR; i++)
		bad += *(volatile uint64_t *)(l.span + i * PAGE) != 200 + i;
	eq(bad, 0, "... with what the guest writes");

	/* rights */
	lent_map(&l, 0, 4, PROT_READ, MAP_SHARED, dev.fd, dev.at);
	M(1) = 9;
	eq(g_read(l.g, W(1)), 9, "mapped for reading: the guest reads");
	g_write(l.g, W(1), 10);
	eq(M(1), 9, "... and does not write");
	while (drv_events(l.fd, ev, 4, 0) > 0)
		;

	/* fork, and what the child does, changes nothing */
	pid = fork();
	if (!pid)
		_exit(*(volatile uint64_t *)(l.span + 20 * PAGE) == 0);
	waitpid(pid, NULL, 0);
	g_write(l.g, W(20), 11);
	eq(*(volatile uint64_t *)(l.span + 20 * PAGE), 11, "after a fork the guest still writes to it");

	/* what this domain has mapped, and must not lend any more */
	lent_map(&l, 0, DENIED, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at + (dev.pages - 2 * DENIED) * PAGE);
	g_write(l.g, W(3), 12);
	eq(toolstack_iomem(0, dev.machine + dev.pages - 2 * DENIED, DENIED, false), 0, "permission is denied for more of it");
	while (drv_events(l.fd, ev, 4, 0) > 0)
		;
	eqx(g_read(l.g, W(3)), ~0UL, "the guest reads ones there");
	n = drv_events(l.fd, ev, 4, 5000);
	ok(n > 0 && ev[0].type == LENDDEV_EVENT_GAVE_UP && ev[0].reason == LENDDEV_REASON_FOREIGN, "... says an event (reason %u)",
	   n > 0 ? ev[0].reason : 0);
	drv_zap(l.fd, l.id, 0, PAGE);
	err(drv_populate(l.fd, l.id, 0, PAGE, false, NULL), -EPERM, "... and populate");
	eq(*(volatile uint64_t *)(l.span + 3 * PAGE), 12, "... what it wrote before is there");
	eq(gop(l.g, 0, GOP_READ, W(40), 8), 240, "the rest of the window is lent again");
	if (driver_domain) {
		err(toolstack_iomem(0, dev.machine + dev.pages - 2 * DENIED, DENIED, true), 0, "dom0 gives the permission again");
		err(drv_populate(l.fd, l.id, 0, PAGE, false, NULL), 0, "... and populate lends it");
		eq(g_read(l.g, W(3)), 12, "... and the guest reads what it wrote");
	}
	munmap(l.span, NR * PAGE);
	eq(lent_now(&l), 0, "unmapped: nothing is lent");
	ok(lent_close(&l), "the guest goes away");
}

void suite_mmio(void)
{
	xen_open();	/* says whether this is a driver domain */
	if (!devmem_open(&dev)) {
		skip("memory of a device", "this machine has no device with memory that is known here");
		return;
	}
	mem = mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at);
	if (mem == MAP_FAILED)
		die("the device's memory cannot be mapped: %s", strerror(errno));
	r = raw_scene(NR);
	g = r->g;
	w = &r->win[0];
	pool = pool_new(NR);
	note("device memory at frame %#lx, %zu pages", (unsigned long)dev.frame, dev.pages);
	lending();
	refusing();
	hostile();
	denied();
	{
		uint64_t word = dev.frame | UC | RW;

		err(raw_lend_words(g->domid, w->id, 0, 1, &word, NULL), 0, "lent once more");
		M(0) = 3;
		eq(g_read(g, W(0)), 3, "... the guest reads it");
	}
	raw_scene_close(r);
	by_driver();
	munmap((void *)mem, NR * PAGE);
	pool_free(pool);
	devmem_close(&dev);
}
