// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S9 for types of memory: the guest reaches a page as the type of memory by which the lender reaches it.  The lab's processors
 * make no difference between them, so what is looked at are the entries of the guest's second-stage tables, as Xen has them.
 */
#include "suites.h"
#include "devmem.h"
#include "drv.h"
#include "toolstack.h"
#include "../module/xlmover.h"

#define NR	8		/* as many slots as Xen shows */

static const struct { const char *name; uint64_t bits; int type; } kinds[] = {
	{ "write-back", XENMEM_LEND_WB, 6 }, { "write-combining", XENMEM_LEND_WC, 1 }, { "uncached", XENMEM_LEND_UC, 0 },
};

static bool intel(const struct entry *e)
{
	return e->fixed;
}

static void raw_words(void)
{
	struct raw *r = raw_scene(NR);
	struct win *w = &r->win[0];
	struct pool *pool = pool_new(NR);
	struct devmem dev;
	bool have = devmem_open(&dev);
	unsigned k, rw, mmio, fixed = 0, n = 0;
	struct entry e;
	uint64_t word;

	at("by hypercall");
	for (k = 0; k < 3; k++)
		for (rw = 0; rw < 2; rw++)
			for (mmio = 0; mmio < 2; mmio++) {
				if (mmio && (!have || kinds[k].type == 6))
					continue;
				word = (mmio ? dev.frame + k : pool->frame[k]) | kinds[k].bits | (rw ? XENMEM_LEND_WRITE : 0) |
				       (mmio ? XENMEM_LEND_MMIO : 0);
				err(raw_lend_words(r->g->domid, w->id, k, 1, &word, NULL), 0, "%s, %s, %s", mmio ? "MMIO" : "RAM", kinds[k].name,
				    rw ? "writable" : "read-only");
				e = entry_of(r->g->domid, WIN_GFN, k);
				ok(e.there && e.type == kinds[k].type && e.write == rw && e.mmio == mmio, "... is what the entry says");
				fixed += intel(&e);
				n++;
				win_revoke(w, k, 1);
			}
	ok(fixed == 0 || fixed == n, "the guest's PAT %s", fixed ? "has no say (EPT)" : "has a say (NPT)");

	/* in place, when something around it changes */
	for (k = 0; k < 3; k++) {
		word = pool->frame[k] | kinds[k].bits;
		err(raw_lend_words(r->g->domid, w->id, k, 1, &word, NULL), 0, "%s, read-only", kinds[k].name);
	}
	for (k = 0; k < 3; k++) {
		word = pool->frame[k] | kinds[k].bits | XENMEM_LEND_WRITE;
		err(raw_lend_words(r->g->domid, w->id, k, 1, &word, NULL), 0, "... made writable");
		e = entry_of(r->g->domid, WIN_GFN, k);
		ok(e.there && e.type == kinds[k].type && e.write, "... and still %s", kinds[k].name);
	}
	for (k = 0; k < 3; k++) {
		word = pool->frame[k] | kinds[(k + 1) % 3].bits | XENMEM_LEND_WRITE;
		err(raw_lend_words(r->g->domid, w->id, k, 1, &word, NULL), -EBUSY, "lent as another type of memory meanwhile: busy");
	}
	/* Intel: all entries are looked at again when a domain's I/O changes; of a guest that is not this one */
	if (toolstack_ioport(r->g->domid, 0x80, true) || toolstack_ioport(r->g->domid, 0x80, false))
		die("permission for a port: %s", strerror(errno));
	for (k = n = 0; k < 3; k++) {
		g_write(r->g, W(k), 55);
		e = entry_of(r->g->domid, WIN_GFN, k);
		n += e.there && e.type == kinds[k].type && *(uint64_t *)pool_page(pool, k) == 55;
	}
	eq(n, 3, "after Xen has looked at all memory types anew they are the same");
	win_revoke(w, 0, NR);
	raw_scene_close(r);
	pool_free(pool);
	if (have)
		devmem_close(&dev);
}

static struct lent l;

static void is(unsigned page, int type, bool mmio, const char *what)
{
	struct entry e;

	g_write(l.g, W(page), 1);
	e = entry_of(l.g->domid, WIN_GFN, page);
	ok(e.there && e.type == type && e.mmio == mmio, "%s", what);
	if (!e.there || e.type != type || e.mmio != mmio)
		note("there %u, type %u, MMIO %u", e.there, e.type, e.mmio);
	drv_zap(l.fd, l.id, 0, l.pages * PAGE);
}

static void by_driver(void)
{
	uint64_t pages = NR;
	int fd = open("/dev/xlmover", O_RDWR | O_CLOEXEC), n;
	struct xlmover_move m = { .nr = 4 };
	struct xlmover_counts c;
	struct devmem dev;

	l = lent_open(NR, LENDDEV_POLICY_ONES);
	at("by the driver");
	lent_anon(&l, 0, NR);
	is(2, 6, false, "memory of a process: write-back");
	if (fd < 0 || ioctl(fd, XLMOVER_SIZE, &pages) || ioctl(fd, XLMOVER_COUNTS, &c))
		die("/dev/xlmover: %s", strerror(errno));
	lent_map(&l, 0, NR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	is(1, 6, false, "a driver's pages: write-back");
	m.place = XLMOVER_COMBINED;
	n = ioctl(fd, XLMOVER_MOVE, &m);
	if (n)
		skip("a driver's pages that are write-combining", "the module: %s", strerror(errno));
	else {
		is(1, 1, false, "moved to where they are write-combining: so they are for the guest");
		is(5, 6, false, "... and those beside them are not");
	}
	m.place = XLMOVER_DEVICE;
	if (!c.room)
		skip("a device's memory", "the machine has no device with memory that is known here");
	else {
		eq(ioctl(fd, XLMOVER_MOVE, &m), 0, "moved into a device");
		is(1, 1, true, "... mapped write-combining");
		m.place = XLMOVER_CACHED;
		eq(ioctl(fd, XLMOVER_MOVE, &m), 0, "and back");
		is(1, 6, false, "... write-back");
	}
	if (devmem_open(&dev)) {
		lent_map(&l, 0, NR, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at);
		is(3, 0, true, "a BAR that a program maps: uncached");
		if (dev.wc >= 0) {
			/* Linux keeps to the type by which a page was mapped before, also longer than it should: another part */
			lent_map(&l, 0, NR, PROT_READ | PROT_WRITE, MAP_SHARED, dev.wc, dev.at + dev.pages / 2 * PAGE);
			is(3, 1, true, "... by resource_wc: write-combining");
		} else {
			skip("... mapped write-combining", "this domain has it by /dev/mem, which maps nothing like that; the module did, above");
		}
		devmem_close(&dev);
	}
	munmap(l.span, NR * PAGE);
	close(fd);
	ok(lent_close(&l), "the guest goes away");
}

void suite_cache(void)
{
	raw_words();
	by_driver();
}
