// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A lender that is not dom0: a guest with privilege over one other guest lends it its memory, and dies.
 */
#include "suites.h"
#include <xen/hvm/dm_op.h>
#include <xen/memory.h>

#define RAM_GPA		0x180000UL
#define PATTERN		0x600dcafe00000000UL

static struct guest *l, *b;
static bool read_only;		/* what is lent next */

static long memory_op(unsigned cmd, void *p, size_t n)
{
	long rc = gop(l, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, cmd, g_data(l, 0, p, n));

	memcpy(p, (void *)l->mb->data, n);
	return rc;
}

static long dm_op(struct xen_dm_op *op)
{
	struct xen_dm_op_buf buf = { .size = sizeof(*op) };
	uint64_t bufs;
	long rc;

	set_xen_guest_handle_raw(buf.h, (void *)g_data(l, 0, op, sizeof(*op)));
	bufs = g_data(l, 512, &buf, sizeof(buf));
	rc = gop(l, 0, GOP_HYPERCALL, __HYPERVISOR_dm_op, b->domid, 1, bufs);
	memcpy(op, (void *)l->mb->data, sizeof(*op));
	return rc;
}

static long lend(unsigned op, uint64_t window, uint64_t a, uint64_t n, uint64_t x, uint64_t *out)
{
	struct xen_mem_lend m = { .op = op };
	long rc;

	switch (op) {
	case XENMEM_LEND_create:	/* x is the server */
		m.u.create.domid = b->domid;
		m.u.create.server = x;
		m.u.create.gfn = a;
		m.u.create.nr = n;
		break;
	case XENMEM_LEND_destroy:
		m.u.destroy.domid = b->domid;
		m.u.destroy.window = window;
		break;
	case XENMEM_LEND_lend:		/* x is the first of n frames in a row */
		m.u.lend.domid = b->domid;
		m.u.lend.window = window;
		m.u.lend.first = a;
		m.u.lend.nr = n;
		for (unsigned i = 0; i < n && i < XENMEM_LEND_INLINE; i++)
			m.u.lend.inline_frames[i] = (x + i) | (read_only ? 0 : XENMEM_LEND_WRITE);
		break;
	case XENMEM_LEND_revoke:
		m.u.revoke.domid = b->domid;
		m.u.revoke.window = window;
		m.u.revoke.first = a;
		m.u.revoke.nr = n;
		break;
	}
	rc = memory_op(XENMEM_lend, &m, sizeof(m));
	if (out)
		*out = m.u.create.window;
	return rc;
}

static uint64_t server, server_gfn;	/* where its page is in the lender */
static unsigned mapped;			/* pages so far: each has a place of its own */

static long server_enable(void)
{
	struct xen_dm_op op = { .op = XEN_DMOP_set_ioreq_server_state };

	op.u.set_ioreq_server_state.id = server;
	op.u.set_ioreq_server_state.enabled = 1;
	return dm_op(&op);
}

/* An ioreq server of the lender's in the borrower. */
static void server_new(bool page, bool enable)
{
	struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
	struct xen_mem_acquire_resource res = { .type = XENMEM_resource_ioreq_server, .nr_frames = 1 };
	uint64_t gfn = server_gfn = GUEST_FREE_GFN + 1 + mapped++ % 64;
	long rc = dm_op(&op);

	if (rc)
		die("the lender makes no server: %ld", rc);
	server = op.u.create_ioreq_server.id;
	if (page) {	/* mapped into the lender: without one it gets no faults */
		res.domid = b->domid;
		res.id = server;
		res.frame = XENMEM_resource_ioreq_server_frame_ioreq(0);
		set_xen_guest_handle_raw(res.frame_list, (void *)g_data(l, 1024, &gfn, sizeof(gfn)));
		rc = memory_op(XENMEM_acquire_resource, &res, sizeof(res));
		if (rc)
			die("the lender does not get its server's page: %ld", rc);
	}
	if (enable) {
		rc = server_enable();
		if (rc)
			die("the lender cannot enable its server: %ld", rc);
	}
}

static long server_range(bool mmio, uint64_t start, uint64_t end)
{
	struct xen_dm_op op = { .op = XEN_DMOP_map_io_range_to_ioreq_server };

	op.u.map_io_range_to_ioreq_server.id = server;
	op.u.map_io_range_to_ioreq_server.type = mmio ? XEN_DMOP_IO_RANGE_MEMORY : XEN_DMOP_IO_RANGE_PORT;
	op.u.map_io_range_to_ioreq_server.start = start;
	op.u.map_io_range_to_ioreq_server.end = end;
	return dm_op(&op);
}

static void pair(void)
{
	l = guest_new(NULL);
	b = guest_new(NULL);
	if (xc_domain_set_target(xch, l->domid, b->domid))
		die("no privilege for the lender: %s", strerror(errno));
}

/* ---- a lender dies that has servers: what it had made must not outlive it ---- */

static void dies(bool page, bool enable, bool window_before, const char *what)
{
	ioservid_t id;
	uint64_t window;
	unsigned n;

	at("a lender dies: %s", what);
	pair();
	server_new(page, enable);
	if (window_before) {
		if (lend(XENMEM_LEND_create, 0, WIN_GFN, 16, server, &window) ||
		    lend(XENMEM_LEND_destroy, window, 0, 0, 0, NULL))
			die("no window");
	}
	ok(guest_free(l), "a lender with %s goes away, and is no zombie", what);
	g_write(b, RAM_GPA, 0x1234);
	eqx(gop(b, 1, GOP_READ, RAM_GPA, 8), 0x1234, "... the borrower lives");
	eqx(g_read(b, GUEST_MMIO), ~0UL, "... and nobody answers for devices there");
	/* its servers are gone: there is room for as many as there may be */
	for (n = 0; n < 16 && !xendevicemodel_create_ioreq_server(xdm, b->domid, 0, &id); n++)
		;
	eq(n, 8, "... all numbers of servers are free");
	ok(guest_free(b), "... and the borrower goes away");
}

static void dies_with_waiting(bool window)
{
	uint64_t id;

	at("a lender dies: vCPUs wait for its device%s", window ? ", and it has a window" : "");
	pair();
	server_new(true, true);
	if (server_range(true, GUEST_MMIO, GUEST_MMIO + 0xfff) || server_range(false, GUEST_PORT, GUEST_PORT + 15))
		die("no ranges");
	if (window && lend(XENMEM_LEND_create, 0, WIN_GFN, 16, server, &id))
		die("no window");
	gop_start(b, 0, GOP_READ, GUEST_MMIO + 64, 8);
	gop_start(b, 1, GOP_PORT, PORT_INSL, GUEST_PORT, RAM_GPA + 64, 4);
	ok(!gop_wait_for(b, 0, 1) && !gop_wait_for(b, 1, 1), "vCPUs of the borrower wait for devices of the lender%s",
	   window ? ", which has a window" : "");
	ok(guest_free(l), "the lender goes away, and is no zombie");
	if (ok(gop_wait_for(b, 0, 30) && gop_wait_for(b, 1, 30), "... the vCPUs go on"))
		eqx(gret(b, 0, 0), ~0UL, "... the device read ones");
	ok(guest_free(b), "... and the borrower goes away");
}

/* ---- a lender that is being migrated: what others write to its memory is its memory's news ---- */

#define BITMAP_PAGES	4096

static bool dirty(unsigned gfn, unsigned op)
{
	DECLARE_HYPERCALL_BUFFER(unsigned long, bitmap);
	xc_shadow_op_stats_t stats;
	bool set;

	bitmap = xc_hypercall_buffer_alloc_pages(xch, bitmap, 1);
	if (!bitmap)
		die("no bitmap");
	memset(bitmap, 0, PAGE);
	if (xc_logdirty_control(xch, l->domid, op, HYPERCALL_BUFFER(bitmap), BITMAP_PAGES, 0, &stats) < 0)
		die("log-dirty operation %u: %s", op, strerror(errno));
	set = bitmap[gfn / 64] >> gfn % 64 & 1;
	xc_hypercall_buffer_free_pages(xch, bitmap, 1);
	return set;
}
#define PEEK(gfn)	dirty(gfn, XEN_DOMCTL_SHADOW_OP_PEEK)
#define CLEAN(gfn)	dirty(gfn, XEN_DOMCTL_SHADOW_OP_CLEAN)

static void log_dirty(void)
{
	static const char *const how[] = { "revoked", "revoked with others", "in a window that is destroyed",
		"made writable in place and revoked", "in the window of a borrower that dies" };
	unsigned gfn = RAM_GPA >> 12, i;
	uint64_t window, other;
	bool gone = false;
	int rc;

	at("a lender in log-dirty mode");
	pair();
	server_new(false, false);
	if (lend(XENMEM_LEND_create, 0, WIN_GFN, 16, server, &window) || lend(XENMEM_LEND_create, 0, WIN_GFN + 16, 16, server, &other))
		die("no windows");
	/* one is lent read-only before */
	gop(l, 0, GOP_WRITE, (uint64_t)(gfn + 3) << 12, 8, 1);
	read_only = true;
	rc = lend(XENMEM_LEND_lend, window, 3, 1, gfn + 3, NULL);
	read_only = false;
	eq(rc, 0, "a frame lent read-only");
	rc = xc_logdirty_control(xch, l->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0, NULL);
	if (rc < 0) {
		skip("a lender in log-dirty mode", "it cannot be switched on: %s", strerror(errno));
		goto out;
	}
	for (i = 0; i < 5; i++) {
		uint64_t at_ = W(i + (i == 2 ? 16 : 0));

		at("log-dirty: %s", how[i]);
		gop(l, 0, GOP_WRITE, (uint64_t)(gfn + i) << 12, 8, 1);
		ok(PEEK(gfn + i), "what the lender writes itself is in its bitmap");
		/* a frame that the lender has not written in this mode cannot be lent writable: this one it has */
		rc = lend(XENMEM_LEND_lend, i == 2 ? other : window, i, 1, gfn + i, NULL);
		if (!err(rc, 0, "a frame is lent by a domain in log-dirty mode"))
			continue;
		g_write(b, at_, 77);
		CLEAN(gfn + i);
		g_write(b, at_, 78);
		switch (i) {
		case 0:
			rc = lend(XENMEM_LEND_revoke, window, i, 1, 0, NULL);
			break;
		case 1:
			rc = lend(XENMEM_LEND_revoke, window, 0, 3, 0, NULL);
			break;
		case 3:
			rc = lend(XENMEM_LEND_revoke, window, 0, 16, 0, NULL);
			break;
		case 2:
			rc = lend(XENMEM_LEND_destroy, other, 0, 0, 0, NULL);
			break;
		case 4:
			/* the lender, whose target it is, keeps what is left of it */
			rc = domain_destroy(b->domid);
			gone = true;
			break;
		}
		err(rc, 0, "written by the borrower, %s", how[i]);
		ok(PEEK(gfn + i), "... it is in the lender's bitmap then");
		eqx(gop(l, 0, GOP_READ, (uint64_t)(gfn + i) << 12, 8), 78, "... and holds what was written");
	}
	xc_logdirty_control(xch, l->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0, NULL);
out:
	ok(guest_free(l), "the lender goes away");
	ok(guest_free(b), "%s", gone ? "and so does what was left of the borrower" : "the borrower goes away");
}

static void lives_and_dies(void)
{
	struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
	uint64_t window = 0;
	int i;

	l = guest_new(NULL);
	b = guest_new(NULL);
	at("without privilege");
	err(dm_op(&op), -EPERM, "a guest makes no ioreq server in another");
	err(lend(XENMEM_LEND_create, 0, WIN_GFN, 16, 0, NULL), -EPERM, "nor a window");

	at("with privilege");
	err(xc_domain_set_target(xch, l->domid, b->domid), 0, "privilege over the other guest");
	server_new(true, true);
	if (!err(lend(XENMEM_LEND_create, 0, WIN_GFN, 16, server, &window), 0, "a window"))
		die("no window");
	for (i = 0; i < 4; i++)
		gop(l, 0, GOP_WRITE, RAM_GPA + i * PAGE, 8, PATTERN + i);
	err(lend(XENMEM_LEND_lend, window, 0, 4, RAM_GPA >> 12, NULL), 0, "it lends its own RAM");
	for (i = 0; i < 4; i++)
		eqx(g_read(b, W(i)), PATTERN + i, "page %d is there", i);
	g_write(b, W(2), 0x77);
	eqx(gop(l, 0, GOP_READ, RAM_GPA + 2 * PAGE, 8), 0x77, "what the borrower writes arrives");
	err(lend(XENMEM_LEND_revoke, window, 3, 1, 0, NULL), 0, "it takes one back");
	err(xendevicemodel_set_mem_type(xdm, l->domid, HVMMEM_ram_ro, (RAM_GPA >> 12) + 4, 1), 0, "a frame that the lender may only read");
	err(lend(XENMEM_LEND_lend, window, 4, 1, (RAM_GPA >> 12) + 4, NULL), -EPERM, "... it cannot lend for writing");
	read_only = true;
	err(lend(XENMEM_LEND_lend, window, 4, 1, (RAM_GPA >> 12) + 4, NULL), 0, "... but for reading");
	read_only = false;
	err(raw_destroy(b->domid, window), 0, "dom0 destroys a window that is not its own: nothing is its own there");
	eqx(g_read(b, W(1)), PATTERN + 1, "... and nothing happens");

	at("the lender dies");
	gop_start(b, 1, GOP_READ, W(9), 8);
	ok(!gop_wait_for(b, 1, 2), "a vCPU of the borrower waits for it");
	ok(guest_free(l), "the lender goes away, and is no zombie");
	ok(gop_wait_for(b, 1, 30), "the vCPU goes on");
	eqx(gret(b, 1, 0), ~0UL, "... and reads ones");
	for (i = 0; i < 5; i++)
		eqx(g_read(b, W(i)), ~0UL, "nothing is left of page %d", i);
	g_write(b, W(0), 5);
	eqx(g_read(b, MBOX_GPA) & 0xffffffff, MBOX_MAGIC, "the borrower lives");
	ok(guest_free(b), "and goes away");
}

/* ---- several targets ---- */

/* These ops are the series' own: headers of an older Xen do not know them. */
#define ADD_TARGET	90
#define REMOVE_TARGET	91

static int change_target(unsigned op, uint32_t of, uint32_t target)
{
	struct xen_domctl *c = xencall_alloc_buffer(xcall, sizeof(*c));
	int rc;

	memset(c, 0, sizeof(*c));
	c->cmd = op;
	c->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	c->domain = of;
	c->u.set_target.target = target;
	rc = xencall1(xcall, __HYPERVISOR_domctl, (uintptr_t)c) ? -errno : 0;
	xencall_free_buffer(xcall, c);
	return rc;
}

struct served {
	struct guest *g;
	uint64_t window;
	uint64_t server_gfn;
	uint64_t pattern;
};

/* The lender makes a server and a window in it, and lends it four pages of its own. */
static void serve(struct served *s, struct guest *g, uint64_t gpa, uint64_t pattern)
{
	s->g = b = g;
	s->pattern = pattern;
	server_new(true, true);
	s->server_gfn = server_gfn;
	if (lend(XENMEM_LEND_create, 0, WIN_GFN, 16, server, &s->window))
		die("no window");
	for (int i = 0; i < 4; i++)
		gop(l, 0, GOP_WRITE, gpa + i * PAGE, 8, pattern + i);
	if (lend(XENMEM_LEND_lend, s->window, 0, 4, gpa >> 12, NULL))
		die("nothing is lent");
}

/* As a driver does when a guest dies: what it has mapped of it would keep it from going away. */
static void let_go(const struct served *s)
{
	struct xen_remove_from_physmap rm = { .domid = DOMID_SELF, .gpfn = s->server_gfn };

	if (memory_op(XENMEM_remove_from_physmap, &rm, sizeof(rm)))
		die("the lender cannot unmap its server's page");
}

static unsigned missing(const struct served *s)
{
	unsigned i, n = 0;

	for (i = 0; i < 4; i++)
		n += g_read(s->g, W(i)) != s->pattern + i;
	return n;
}

static unsigned servers_free(struct guest *g)
{
	ioservid_t id[16];
	unsigned n = 0, i;

	while (n < 16 && !xendevicemodel_create_ioreq_server(xdm, g->domid, 0, &id[n]))
		n++;
	for (i = 0; i < n; i++)
		xendevicemodel_destroy_ioreq_server(xdm, g->domid, id[i]);
	return n;
}

static long powerless(struct guest *g)
{
	struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
	long rc;

	b = g;
	rc = dm_op(&op);
	return rc ? rc : lend(XENMEM_LEND_create, 0, WIN_GFN + 64, 16, 0, NULL);
}

void suite_targets(void)
{
	struct served one, two;
	struct guest *g[3];
	uint32_t old;
	uint64_t before;
	unsigned i;
	int rc;

	xen_open();
	guest_free(guest_new(NULL));
	before = xen_free_pages();
	l = guest_new(NULL);
	for (i = 0; i < 3; i++)
		g[i] = guest_new(NULL);

	at("arguments");
	err(change_target(ADD_TARGET, l->domid, l->domid), -EINVAL, "a domain as its own target");
	err(change_target(ADD_TARGET, l->domid, 0x7123), -ESRCH, "no such target");
	err(change_target(ADD_TARGET, 0x7123, g[0]->domid), -ESRCH, "no such domain");
	rc = change_target(ADD_TARGET, l->domid, 0);
	if (lender_pvh)
		change_target(REMOVE_TARGET, l->domid, 0);
	else
		err(rc, -EOPNOTSUPP, "a PV domain as a target");
	err(change_target(REMOVE_TARGET, l->domid, g[0]->domid), 0, "what is no target is removed: nothing to do");
	err(change_target(REMOVE_TARGET, 0, g[0]->domid), -EINVAL, "from whoever asks");

	at("two targets");
	for (i = 0; i < 3; i++)
		err(powerless(g[i]), -EPERM, "no privilege over guest %u", i);
	err(change_target(ADD_TARGET, l->domid, g[0]->domid), 0, "one target");
	err(change_target(ADD_TARGET, l->domid, g[1]->domid), 0, "another");
	err(change_target(ADD_TARGET, l->domid, g[1]->domid), 0, "... again: it is one already");
	serve(&one, g[0], RAM_GPA, PATTERN);
	serve(&two, g[1], RAM_GPA + 8 * PAGE, PATTERN + 0x1000);
	eq(missing(&one) + missing(&two), 0, "both borrow from one lender at the same time");
	err(powerless(g[2]), -EPERM, "no privilege over the third guest");
	ok(powerless(&(struct guest){ .domid = 0 }) < 0, "nor over dom0");
	b = &(struct guest){ .domid = 0 };
	err(lend(XENMEM_LEND_create, 0, WIN_GFN, 16, 0, NULL), -EPERM, "... not a window in it");
	ok((long)gop(l, 0, GOP_HYPERCALL, __HYPERVISOR_domctl, g_data(l, 0, &(struct xen_domctl){
		.cmd = ADD_TARGET, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = l->domid,
		.u.set_target.target = g[2]->domid }, sizeof(struct xen_domctl))) < 0, "it cannot make itself another target");
	err(powerless(g[2]), -EPERM, "... it has none");

	at("one is removed");
	gop_start(g[0], 1, GOP_READ, W(9), 8);
	gop_start(g[1], 1, GOP_READ, W(9), 8);
	ok(!gop_wait_for(g[0], 1, 1), "a vCPU of it waits for the lender");
	err(change_target(REMOVE_TARGET, l->domid, g[0]->domid), 0, "removed");
	ok(gop_wait_for(g[0], 1, 30), "the vCPU goes on");
	eqx(gret(g[0], 1, 0), ~0UL, "... and reads ones");
	eq(missing(&one), 4, "what was lent to it is gone");
	eqx(g_read(g[0], W(1)), ~0UL, "... there are ones");
	eq(servers_free(g[0]), 8, "the lender's server in it, too");
	err(powerless(g[0]), -EPERM, "and its privilege");
	b = g[0];
	err(lend(XENMEM_LEND_lend, one.window, 5, 1, RAM_GPA >> 12, NULL), -ENOENT, "... and its window");
	eq(missing(&two), 0, "the other has what it had");
	ok(!gop_done(g[1], 1), "... and a vCPU that waits");
	b = g[1];
	err(lend(XENMEM_LEND_lend, two.window, 9, 1, (RAM_GPA >> 12) + 9, NULL), 0, "the lender lends to it");
	err(change_target(REMOVE_TARGET, l->domid, g[0]->domid), 0, "removed again: nothing to do");
	eq(missing(&two), 0, "... and the other keeps everything");

	at("added again");
	let_go(&one);
	err(change_target(ADD_TARGET, l->domid, g[0]->domid), 0, "added again");
	serve(&one, g[0], RAM_GPA, PATTERN);
	eq(missing(&one), 0, "it is lent to again");

	at("a target dies");
	old = g[0]->domid;
	let_go(&one);
	ok(guest_free(g[0]), "a target goes away, and is no zombie");
	g[0] = guest_new(&(struct guest_options){ .domid = old });
	eq(g[0]->domid, old, "another guest has its number");
	err(powerless(g[0]), -EPERM, "... and is no target");
	eq(missing(&two), 0, "the other target has what it had");

	at("set_target as well");
	err(xc_domain_set_target(xch, l->domid, g[2]->domid), 0, "a target for good");
	err(change_target(ADD_TARGET, l->domid, g[2]->domid), 0, "... and on the list");
	serve(&one, g[2], RAM_GPA, PATTERN);
	err(change_target(REMOVE_TARGET, l->domid, g[2]->domid), 0, "... and off it");
	eq(missing(&one), 0, "... is one still, and has what it had");

	at("the lender dies");
	ok(guest_free(l), "the lender goes away, and is no zombie");
	ok(gop_wait_for(g[1], 1, 30), "a vCPU that waited for it goes on");
	eq(missing(&one) + missing(&two), 8, "nothing is left of what it lent");
	for (i = 0; i < 3; i++)
		ok(guest_free(g[i]), "guest %u goes away", i);
	ok(xen_free_pages() + 64 >= before, "no pages are missing (%ld before, %ld after)", (long)before, (long)xen_free_pages());
}

void suite_lender(void)
{
	uint64_t before;

	xen_open();
	guest_free(guest_new(NULL));
	before = xen_free_pages();
	lives_and_dies();
	dies(false, false, false, "a server");
	dies(true, false, false, "a server and its page");
	dies(false, true, false, "a server that is enabled");
	dies(true, true, false, "a server that is enabled, and its page");
	dies(true, true, true, "a server whose window is gone");
	dies_with_waiting(false);
	dies_with_waiting(true);
	log_dirty();
	ok(xen_free_pages() + 64 >= before, "no pages are missing (%ld before, %ld after)", (long)before, (long)xen_free_pages());
}
