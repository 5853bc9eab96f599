// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S4 by the deed: a device of the borrower's reaches its RAM, and nothing that was lent to it.  The device is QEMU's `edu`,
 * which copies between memory and a buffer of its own; this domain tells it what to copy, as the guest's driver would.
 */
#include "suites.h"
#include "devmem.h"

#define NR	8
#define RAM	0x1c0000UL	/* of the guest's, unused */
#define BUFFER	0x40000UL	/* the device's own, as it calls it */
#define LENGTH	256

static struct pcidev edu;
static volatile uint8_t *regs;
static struct raw *r;
static struct win *w;
static struct guest *g;
static struct pool *pool;

static void copy(uint64_t from, uint64_t to, bool to_memory)
{
	double until = now() + 20;

	/* Xen takes this away from a device that has faulted often enough */
	pcidev_master(&edu);
	*(volatile uint64_t *)(regs + 0x80) = from;
	*(volatile uint64_t *)(regs + 0x88) = to;
	*(volatile uint64_t *)(regs + 0x90) = LENGTH;
	*(volatile uint64_t *)(regs + 0x98) = to_memory ? 3 : 1;
	while (*(volatile uint64_t *)(regs + 0x98) & 1) {
		if (now() > until)
			die("the device does not end");
		usleep(1000);
	}
}

/* What the guest has at addr. */
static bool guest_has(uint64_t addr, uint64_t seed)
{
	return gop(g, 0, GOP_CHECK, addr, LENGTH, seed) == 0;
}

/* The device's buffer is filled, by way of the guest's RAM: which shows that it works, too. */
static void load(uint64_t seed)
{
	gop(g, 0, GOP_FILL, RAM, LENGTH, seed);
	copy(RAM, BUFFER, false);
	gop(g, 0, GOP_FILL, RAM, LENGTH, 1);
	copy(BUFFER, RAM, true);
	if (!guest_has(RAM, seed))
		die("the device does not reach the guest's RAM");
}

/* Neither writes to that address of the guest's, nor reads what the lender's page has. */
static void out_of_reach(unsigned slot, const char *what)
{
	void *page = pool_page(pool, slot);
	unsigned i, written;
	uint64_t *p = page;

	for (i = 0; i < LENGTH / 8; i++)
		p[i] = mix(77, i);
	load(5);
	copy(BUFFER, W(slot), true);
	written = check_fill(page, LENGTH, 77);
	eq(written, 0, "%s: a device cannot write there", what);
	copy(W(slot), BUFFER, false);
	gop(g, 0, GOP_FILL, RAM, LENGTH, 2);
	copy(BUFFER, RAM, true);
	ok(!guest_has(RAM, 77), "... and does not get what is there");
}

#define LARGE	512

/* In an entry of 2 MiB: of another device's memory, which a PV lender has in one piece, too. */
static void large(struct devmem *dev)
{
	uint64_t first = (dev->frame + LARGE - 1) / LARGE * LARGE - dev->frame;
	struct win *wide = raw_window(r, WIN_GFN + LARGE, LARGE);
	volatile uint64_t *mem;
	struct xen_mem_lend m = {
		.op = XENMEM_LEND_lend,
		.u.lend = { .domid = g->domid, .window = wide->id, .nr = LARGE,
			    .inline_frames[0] = (dev->frame + first) | XENMEM_LEND_2M | XENMEM_LEND_MMIO | XENMEM_LEND_UC | XENMEM_LEND_WRITE },
	};
	static const unsigned page[] = { 0, 300, LARGE - 1 };
	unsigned i, k, bad;

	mem = mmap(NULL, LARGE * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd, first * PAGE);
	if (mem == MAP_FAILED)
		die("the device's memory cannot be mapped: %s", strerror(errno));
	err(lend_call(&m), 0, "another device's memory as one entry of 2 MiB");
	ok(entry_of(g->domid, WIN_GFN + LARGE, 0).large, "... which it is");
	for (k = 0; k < 3; k++) {
		volatile uint64_t *p = mem + page[k] * PAGE / 8;

		for (i = 0; i < LENGTH / 8; i++)
			p[i] = mix(99, i);
		load(7);
		copy(BUFFER, W(LARGE + page[k]), true);
		for (bad = i = 0; i < LENGTH / 8; i++)
			bad += p[i] != mix(99, i);
		eq(bad, 0, "its page %u cannot be written by the device", page[k]);
		copy(W(LARGE + page[k]), BUFFER, false);
		copy(BUFFER, RAM, true);
		ok(!guest_has(RAM, 99), "... nor read");
		eqx(g_read(g, W(LARGE + page[k])), mix(99, 0), "... but by the guest");
	}
	munmap((void *)mem, LARGE * PAGE);
}

void suite_dma(void)
{
	struct devmem dev;
	xc_physinfo_t phys;
	uint64_t word;
	int rc;

	xen_open();
	xc_physinfo(xch, &phys);
	if (!(phys.capabilities & XEN_SYSCTL_PHYSCAP_directio) || !pcidev_find(&edu, 0x1234, 0x11e8)) {
		skip("a borrower with a device", "this machine has no IOMMU, or no device edu");
		return;
	}
	regs = pcidev_map(&edu, 0, PAGE);
	*(volatile uint32_t *)(regs + 4) = 0x12345678;
	eqx(*(volatile uint32_t *)(regs + 4), ~0x12345678U, "the device answers");
	if (!eq(guest_try_new(&(struct guest_options){ .iommu = true }, &g), 0, "a PVH domain with an IOMMU context"))
		return;
	rc = xc_assign_device(xch, g->domid, edu.sbdf, 0);
	if (!eq(rc, 0, "the device is the guest's"))
		die("assign: %s", strerror(errno));
	r = raw_open(g);
	w = raw_window(r, WIN_GFN, NR);
	pool = pool_new(NR);

	at("memory of its own");
	load(3);
	ok(true, "a device reaches the guest's RAM, both ways");

	at("lent memory");
	out_of_reach(0, "an empty slot that was never lent");
	raw_back(w, 0, NR, pool, 0);
	win_lend(w, 1, true);
	out_of_reach(1, "a slot lent writable");
	win_lend(w, 2, false);
	out_of_reach(2, "a slot lent read-only");
	g_write(g, W(3), 1);
	out_of_reach(3, "a slot lent by a fault");
	win_revoke(w, 1, 1);
	out_of_reach(1, "a slot that was revoked");
	win_lend(w, 1, true);
	out_of_reach(1, "... and lent again");
	word = pool->frame[4] | XENMEM_LEND_WRITE | XENMEM_LEND_UC;
	err(raw_lend_words(g->domid, w->id, 4, 1, &word, NULL), 0, "a slot lent uncached");
	out_of_reach(4, "that slot");
	if (devmem_open(&dev)) {
		volatile uint64_t *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, 0);
		unsigned i, bad = 0;

		word = dev.frame | XENMEM_LEND_MMIO | XENMEM_LEND_UC | XENMEM_LEND_WRITE;
		err(raw_lend_words(g->domid, w->id, 5, 1, &word, NULL), 0, "another device's memory");
		for (i = 0; i < LENGTH / 8; i++)
			mem[i] = mix(88, i);
		load(6);
		copy(BUFFER, W(5), true);
		for (i = 0; i < LENGTH / 8; i++)
			bad += mem[i] != mix(88, i);
		eq(bad, 0, "... cannot be written by it");
		copy(W(5), BUFFER, false);
		copy(BUFFER, RAM, true);
		ok(!guest_has(RAM, 88), "... nor read");
		large(&dev);
		devmem_close(&dev);
	}
	load(4);
	ok(true, "after all that the device still reaches the guest's RAM");
	eq(g_read(g, W(1)), mix(77, 0), "and the guest what is lent");

	win_revoke(w, 0, NR);
	eq(xc_deassign_device(xch, g->domid, edu.sbdf), 0, "the device is taken away");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(pool);
}
