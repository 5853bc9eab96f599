// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S5: only RAM of the lender that nobody else depends on can be lent.  S6: what is lent stays allocated.
 */
#include "suites.h"
#include <xengnttab.h>
#include "../module/xlpfn.h"

#define NR	64

static struct guest *g;
static struct raw *r;
static struct win *w;
static struct pool *pool;

static int try_lend(uint64_t frame, bool write)
{
	int rc = raw_lend(g->domid, w->id, 60, 1, &frame, NULL, write ? XENMEM_LEND_WRITE : 0);

	if (raw_revoke(g->domid, w->id, 60, 1))
		die("revoke");
	return rc;
}

static void both(uint64_t frame, const char *what)
{
	int a = try_lend(frame, false), b = try_lend(frame, true);

	ok(a < 0 && b < 0, "%s cannot be lent (read-only %d, writable %d)", what, a, b);
}

static void whose(void)
{
	xc_domaininfo_t i;
	xc_physinfo_t phys;
	struct guest *other;
	xen_pfn_t max = 0;

	at("whose frames");
	both(1UL << 39, "a frame beyond all memory");
	both((1UL << 40) - 1, "frame 2^40-1, as PV Linux reads foreign pages");
	both(~0UL, "frame 2^64-1");
	both((1UL << 44) - 1, "an invalid frame");
	xc_maximum_ram_page(xch, &max);
	xc_physinfo(xch, &phys);
	both(max + 1, "the first frame after RAM");
	if (!lender_pvh) {
		both(0, "frame 0");
		both(0xb8, "VGA memory");
		both(0xfee00, "the local APIC");
		other = guest_new(NULL);
		xc_domain_getinfo_single(xch, other->domid, &i);
		both(i.shared_info_frame, "another domain's shared info page");
		guest_free(other);
		xc_domain_getinfo_single(xch, 0, &i);
		both(i.shared_info_frame, "the lender's own shared info page");
	} else {
		both(0xfee00, "a hole (the local APIC)");
		both(0xfebff, "a hole");
		both(frame_of(g->mb), "a page of the borrower that the lender has mapped");
		both(frame_of(r->page), "the ioreq server's page");
	}
}

static void tables(void)
{
	uint64_t f = frame_of_pgd();

	at("page tables");
	if (lender_pvh) {
		eq(try_lend(f, true), 0, "a PVH lender's page table is RAM like any other");
		return;
	}
	err(try_lend(f, true), -EBUSY, "a PV lender's page table cannot be lent writable");
	err(try_lend(f, false), -EBUSY, "... nor read-only");
	/* and the other way round: a lent page cannot become one */
	{
		struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE };
		struct mmuext_op *b = xencall_alloc_buffer(xcall, sizeof(op));
		long rc;

		memset(pool_page(pool, 5), 0, PAGE);
		win_lend(w, 5, true);
		op.arg1.mfn = pool->frame[5];
		*b = op;
		rc = xencall4(xcall, __HYPERVISOR_mmuext_op, (uintptr_t)b, 1, 0, DOMID_SELF);
		ok(rc < 0, "a lent frame cannot be pinned as a page table");
		if (rc >= 0) {
			b->cmd = MMUEXT_UNPIN_TABLE;
			xencall4(xcall, __HYPERVISOR_mmuext_op, (uintptr_t)b, 1, 0, DOMID_SELF);
		}
		g_write(g, W(5), 55);
		eq(*(uint64_t *)pool_page(pool, 5), 55, "... and goes on working");
		win_revoke(w, 5, 1);
		xencall_free_buffer(xcall, b);
	}
}

/* Any number at all: some errno, or lent for the moment; never a crash.  The guest does not run on it. */
static void any(void)
{
	struct xen_mem_lend_counters q;
	static const uint64_t edges[] = { 0, 1, 0x9f, 0xa0, 0xc0, 0xff, 0x100, 0xfec00, 0xfed00, 0xfffff, 0x100000, 1UL << 28, 1UL << 36,
		(1UL << 36) - 1, 1UL << 51, 1UL << 52, (1UL << 52) - 1, 1UL << 63 };
	uint64_t fr[32], x = 88172645463325252UL;
	int32_t st[32];
	unsigned i, n, lent = 0, refused = 0, odd = 0;
	int rc = 0;

	at("any frame");
	for (n = 0; n < 200; n++) {
		for (i = 0; i < 32; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			switch (x >> 60 & 3) {
			case 0: fr[i] = edges[x % (sizeof(edges) / 8)]; break;
			case 1: fr[i] = x >> 3; break;
			default: fr[i] = x % 0xd0000; break;
			}
		}
		/*
		 * Read-only on PVH, too: the frames are in use by others in the lender.  And a short moment each: on PV,
		 * while lent, a frame cannot be made a page table, which the kernel would not survive.
		 */
		if (!lender_pvh)
			for (i = 0; i < 32; i++)
				if (fr[i] > 0x100 && fr[i] < 0xc0000)
					fr[i] |= 1UL << 39;
		rc |= raw_lend(g->domid, w->id, 0, 32, fr, st, 0);
		rc |= raw_revoke(g->domid, w->id, 0, 32);
		for (i = 0; i < 32; i++) {
			lent += !st[i];
			refused += st[i] < 0;
			odd += st[i] && st[i] != -EINVAL && st[i] != -EPERM && st[i] != -EBUSY;
		}
	}
	eq(rc, 0, "6400 arbitrary frames: lend and revoke return (%u lent, %u refused)", lent, refused);
	eq(odd, 0, "... each refusal is -EINVAL, -EPERM or -EBUSY");
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 0, "... and nothing stays lent");
}

/* A frame that is mapped here by grant, and one that belongs to the other side, seen through the lender's numbers. */
static void granted(void)
{
	struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = 0, .gpfn = GUEST_FREE_GFN };
	xengnttab_handle *gt = xengnttab_open(NULL, 0);
	void *p;

	at("granted frames");
	gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, g_data(g, 0, &add, sizeof(add)));
	gop(g, 0, GOP_WRITE, (GUEST_FREE_GFN << 12) + 80 + 4, 4, 0x1c0);
	gop(g, 0, GOP_WRITE, (GUEST_FREE_GFN << 12) + 80, 4, 1);
	p = xengnttab_map_grant_ref(gt, g->domid, 10, PROT_READ | PROT_WRITE);
	if (!p) {
		ok(false, "the lender maps a grant: %s", strerror(errno));
		return;
	}
	if (lender_pvh)
		both(frame_of(p), "a page granted to the lender and mapped there");
	else
		skip("a page granted to the lender", "a PV kernel does not know its frame; the driver's suite has it");
	xengnttab_unmap(gt, p, 1);
	xengnttab_close(gt);
}

/* S6 */
static void given_up(void)
{
	int fd = open("/dev/xlpfn", O_RDWR);
	struct guest *eater;
	xc_domaininfo_t i0, i1, i2;
	uint64_t f, x = 0, *p;
	xen_pfn_t *gfns;
	unsigned i, n, bad;
	int rc;

	at("a frame given up while lent");
	if (fd < 0 || ioctl(fd, XLPFN_ALLOC, &f)) {
		ok(false, "a page of the kernel's: %s", strerror(errno));
		return;
	}
	err(raw_lend(g->domid, w->id, 40, 1, &f, NULL, XENMEM_LEND_WRITE), 0, "a page of the lender's kernel is lent");
	gop(g, 0, GOP_FILL, W(40), PAGE, 66);
	ioctl(fd, XLPFN_PEEK, &x);
	eqx(x, mix(66, 0), "the guest writes to it");
	xc_domain_getinfo_single(xch, 0, &i0);
	rc = ioctl(fd, XLPFN_GIVE_UP);
	eq(rc ? -errno : 0, 0, "the lender gives the page to Xen");
	xc_domain_getinfo_single(xch, 0, &i1);
	eq(i1.tot_pages, i0.tot_pages, "it still counts as the lender's");

	/* who takes all that is free does not get it */
	eater = guest_new(&(struct guest_options){ .empty = true });
	xc_domain_setmaxmem(xch, eater->domid, 64 << 10);
	n = 2048;
	gfns = calloc(n, sizeof(*gfns));
	for (i = 0; i < n; i++)
		gfns[i] = 0x10000 + i;
	rc = xc_domain_populate_physmap(xch, eater->domid, n, 0, 0, gfns);
	ok(rc > 1000, "another domain takes %d pages", rc);
	for (i = 0; i < (unsigned)rc; i += 64) {
		int e[64];

		p = xenforeignmemory_map(xfm, eater->domid, PROT_READ | PROT_WRITE, 64, gfns + i, e);
		if (p) {
			memset(p, 0xdd, 64 * PAGE);
			xenforeignmemory_unmap(xfm, p, 64);
		}
	}
	bad = gop(g, 0, GOP_CHECK, W(40), PAGE, 66);
	eq(bad, 0, "the guest's page is not among them");
	gop(g, 0, GOP_FILL, W(40), PAGE, 67);
	eq(gop(g, 0, GOP_CHECK, W(40), PAGE, 67), 0, "the guest can still use it");
	eq(raw_revoke(g->domid, w->id, 40, 1), 0, "revoke");
	xc_domain_getinfo_single(xch, 0, &i2);
	eq((long)i1.tot_pages - (long)i2.tot_pages, 1, "now Xen has it back");
	err(raw_lend(g->domid, w->id, 40, 1, &f, NULL, XENMEM_LEND_WRITE) < 0 ? -1 : 0, -1, "and it cannot be lent any more");
	raw_revoke(g->domid, w->id, 40, 1);
	free(gfns);
	ok(guest_free(eater), "the other domain goes away");
	rc = ioctl(fd, XLPFN_FREE);
	eq(rc ? -errno : 0, 0, "the lender fills the hole again");
	close(fd);
}

/* One frame in two guests' windows: both see it, and taking it from one leaves it with the other. */
static void shared(void)
{
	struct guest *h = guest_new(NULL);
	struct raw *s = raw_open(h);
	struct win *v = raw_window(s, WIN_GFN, 4);

	at("one frame, two guests");
	raw_back(v, 0, 1, pool, 7);
	g_write(g, W(7), 1);
	eq(g_read(h, W(0)), 1, "a frame lent to two guests");
	gop_start(g, 0, GOP_SPIN_ADD, W(7), 2000);
	gop_start(h, 0, GOP_SPIN_ADD, W(0), 2000);
	gop_wait(g, 0);
	gop_wait(h, 0);
	eq(*(uint64_t *)pool_page(pool, 7), 4001, "both count in it");
	win_revoke(v, 0, 1);
	g_write(g, W(7), 5);
	eq(*(uint64_t *)pool_page(pool, 7), 5, "taken from one, it works in the other");
	raw_close(s);
	ok(guest_free(h), "one guest goes away");
	g_write(g, W(7), 6);
	eq(*(uint64_t *)pool_page(pool, 7), 6, "... and the other still has it");
	win_revoke(w, 7, 1);
}

void suite_frames(void)
{
	xen_open();
	g = guest_new(NULL);
	r = raw_open(g);
	pool = pool_new(NR);
	w = raw_window(r, WIN_GFN, NR);
	raw_back(w, 0, NR, pool, 0);
	whose();
	tables();
	any();
	granted();
	given_up();
	shared();
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(pool);
}
