// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S11, with Linux: a driver domain serves two guests at once through the driver, and has no power over a third one, dom0 or Xen.
 * What dom0 takes from it goes, and nothing else.  A failure would mean that a GPU's driver domain reaches a guest that it was not
 * given, loses one that it has, or cannot be told apart from dom0.
 */
#include "suites.h"
#include "devmem.h"
#include "drv.h"
#include "toolstack.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

#define PAGES	64

struct served {
	struct guest *g;
	int dev, fd;
	int id;
	uint8_t *span;
	uint64_t pattern;
};

static void serve(struct served *s, struct guest *g, uint64_t pattern)
{
	s->g = g;
	s->pattern = pattern;
	s->dev = drv_open();
	s->fd = drv_borrower(s->dev, g->domid, GUEST_WINDOW, 1UL << 30, 0);
	if (s->fd < 0)
		die("borrower: %s", strerror(-s->fd));
	s->span = span_new(PAGES * PAGE);
	if (mmap(s->span, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	for (unsigned i = 0; i < PAGES; i++)
		*(uint64_t *)(s->span + i * PAGE) = pattern + i;
	s->id = drv_window(s->fd, GUEST_WINDOW, PAGES * PAGE, s->span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
	if (s->id <= 0)
		die("window: %s", strerror(-s->id));
}

static void leave(struct served *s)
{
	close(s->fd);
	close(s->dev);
	munmap(s->span, PAGES * PAGE);
}

static unsigned wrong(const struct served *s)
{
	unsigned i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += g_read(s->g, W(i)) != s->pattern + i;
	return n;
}

/* Both compute on what they were lent, while it is paged out and moves. */
static void both(struct served *one, struct served *two)
{
	unsigned i;

	at("two at once");
	eq(wrong(one), 0, "the first guest reads what was lent to it");
	eq(wrong(two), 0, "the second guest, too");
	for (i = 0; i < 2; i++)
		memset((i ? two : one)->span + PAGE + 8, 0, 16);
	gop_start(one->g, 0, GOP_SPIN_ADD, W(1) + 8, 0);
	gop_start(two->g, 0, GOP_SPIN_ADD, W(1) + 8, 0);
	for (i = 0; i < 100; i++) {
		struct served *s = i & 1 ? two : one;

		madvise(s->span, PAGES * PAGE, i & 2 ? MADV_PAGEOUT : MADV_COLD);
		__atomic_fetch_add((uint64_t *)(s->span + PAGE + 16), 1, __ATOMIC_SEQ_CST);
		usleep(2000);
	}
	for (i = 0; i < 2; i++) {
		struct served *s = i ? two : one;
		uint64_t done = gop_stop(s->g, 0);

		eq(*(uint64_t *)(s->span + PAGE + 8), done, "guest %u: what it added is there", i);
		eq(*(uint64_t *)(s->span + PAGE + 16), 50, "... and what the lender added beside");
		eqx(g_read(s->g, W(1)), s->pattern + 1, "... and what neither touched");
	}
}

static int hypercall_domctl(unsigned cmd, uint32_t domid, uint32_t arg)
{
	struct xen_domctl *c = xencall_alloc_buffer(xcall, sizeof(*c));
	int rc;

	memset(c, 0, sizeof(*c));
	c->cmd = cmd;
	c->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	c->domain = domid;
	c->u.set_target.target = arg;
	rc = xencall1(xcall, __HYPERVISOR_domctl, (uintptr_t)c) ? -errno : 0;
	xencall_free_buffer(xcall, c);
	return rc;
}

static void no_power(struct guest *third, const char *what)
{
	xen_pfn_t gfn = MBOX_GPA >> 12;
	uint64_t window;
	ioservid_t id;
	void *map;
	int dev, fd, rc, e = 0;

	at("%s", what);
	dev = drv_open();
	fd = drv_borrower(dev, third->domid, GUEST_WINDOW, 1UL << 30, 0);
	if (fd >= 0) {
		void *span = span_new(PAGE);

		rc = drv_window(fd, GUEST_WINDOW + (16 << 20), PAGE, span, 0, LENDDEV_POLICY_ONES, 0);
		close(fd);
		munmap(span, PAGE);
	} else {
		rc = fd;
	}
	/* dom0 cannot have one at all, and Xen says that first */
	err(rc, third->domid ? -EPERM : -EOPNOTSUPP, "%s: no window by the driver", what);
	close(dev);
	err(raw_create(third->domid, WIN_GFN + 4096, 16, 0, &window), -EPERM, "... nor by hypercall");
	rc = xendevicemodel_create_ioreq_server(xdm, third->domid, 0, &id) ? -errno : 0;
	err(rc, third->domid ? -EPERM : -EINVAL, "... no ioreq server");
	map = xenforeignmemory_map(xfm, third->domid, PROT_READ, 1, &gfn, &e);
	ok(!map || e, "... its memory is not mapped");
	if (map)
		xenforeignmemory_unmap(xfm, map, 1);
}

/* Memory of a device that dom0 gave to this domain: see jobs/driver-domain. */
static void device(struct served *s)
{
	volatile uint64_t *mine;
	struct devmem dev;

	at("a device's memory");
	if (!devmem_open(&dev)) {
		skip("a device's memory, lent by a driver domain", "the machine has no device with memory that is known here");
		return;
	}
	mine = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, dev.at);
	if (mine == MAP_FAILED)
		die("/dev/mem: %s", strerror(errno));
	for (unsigned i = 0; i < 8; i++)
		mine[i * PAGE / 8] = 0xde71ce00 + i;
	if (mmap(s->span, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, dev.fd, dev.at) == MAP_FAILED)
		die("/dev/mem: %s", strerror(errno));
	devmem_close(&dev);
	for (unsigned i = 0; i < 8; i++)
		eqx(g_read(s->g, W(i)), 0xde71ce00 + i, "the guest reads page %u of the device", i);
	g_write(s->g, W(5) + 8, 0xfeed);
	eqx(mine[(5 * PAGE + 8) / 8], 0xfeed, "what it writes is in the device");
	ok(drv_st(s->fd, s->id).to_device >= 8, "pages that came from the device are counted");
	/* RAM again, with what was there */
	if (mmap(s->span, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	for (unsigned i = 0; i < 8; i++)
		*(uint64_t *)(s->span + i * PAGE) = s->pattern + i;
	eq(wrong(s), 0, "RAM in its place: the guest reads that");
	eqx(mine[(5 * PAGE + 8) / 8], 0xfeed, "... and the device keeps what it has");
	munmap((void *)mine, 8 * PAGE);
}

void suite_domain(void)
{
	struct guest *g[3], xen = { .domid = 0 };
	struct served one, two;
	struct xen_sysctl *s;
	unsigned i;
	uint64_t value;

	xen_open();
	if (!driver_domain)
		die("this is for a driver domain");
	for (i = 0; i < 3; i++)
		g[i] = guest_new(&(struct guest_options){ .stranger = i == 2, .paused = i == 2 });

	serve(&one, g[0], 0x1111000);
	serve(&two, g[1], 0x2222000);
	both(&one, &two);
	device(&one);

	no_power(g[2], "a third guest");
	no_power(&xen, "dom0");
	at("Xen");
	err(hypercall_domctl(XEN_DOMCTL_add_target, own_domid, g[2]->domid), -EPERM, "it cannot make itself a target");
	err(hypercall_domctl(XEN_DOMCTL_set_target, own_domid, g[2]->domid), -EPERM, "... nor by set_target");
	err(hypercall_domctl(XEN_DOMCTL_pausedomain, g[2]->domid, 0), -EPERM, "it cannot pause a stranger");
	s = xencall_alloc_buffer(xcall, sizeof(*s));
	memset(s, 0, sizeof(*s));
	s->cmd = XEN_SYSCTL_debug_keys;
	s->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	err(xencall1(xcall, __HYPERVISOR_sysctl, (uintptr_t)s) ? -errno : 0, -EPERM, "nor control Xen");
	xencall_free_buffer(xcall, s);

	at("one is taken from it");
	gop_start(g[0], 1, GOP_SPIN_ADD, W(2) + 8, 0);
	gop_start(g[1], 1, GOP_SPIN_ADD, W(2) + 8, 0);
	ok(gop_progress(g[0], 1, 100, 30) && gop_progress(g[1], 1, 100, 30), "both compute");
	err(toolstack_target(own_domid, g[0]->domid, false), 0, "dom0 removes a target");
	/* The mailbox is a mapping that this domain has from before. */
	gop_stop(g[0], 1);
	eqx(g_read(g[0], W(1)), ~0UL, "that guest has nothing of it any more");
	ok(gop_progress(g[1], 1, 100, 30), "the other one goes on");
	value = gop_stop(g[1], 1);
	eq(*(uint64_t *)(two.span + 2 * PAGE + 8), value, "... and nothing of what it did is lost");
	eq(wrong(&two), 0, "... nor of what it had");
	{
		struct lenddev_event ev[64];
		double end = now() + 60;
		int gone = 0, n, k;

		while (!gone && now() < end)
			for (n = drv_events(one.fd, ev, 64, 500), k = 0; k < n; k++)
				gone += ev[k].type == LENDDEV_EVENT_BORROWER_GONE;
		eq(gone, 1, "who has a descriptor for it is told");
	}
	no_power(g[0], "a guest that was a target");
	madvise(one.span, PAGES * PAGE, MADV_DONTNEED);
	ok(true, "what was lent to it can be unmapped");
	leave(&one);

	at("and given again");
	err(toolstack_target(own_domid, g[0]->domid, true), 0, "dom0 adds it again");
	serve(&one, g[0], 0x3333000);
	both(&one, &two);

	at("the end");
	leave(&one);
	leave(&two);
	for (i = 0; i < 3; i++)
		ok(guest_free(g[i]), "guest %u goes away", i);
}
