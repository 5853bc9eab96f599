// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A lender that is not dom0: a guest with privilege over one other guest lends it its memory, and dies.
 */
#include "suites.h"
#include "lender.h"
#include "toolstack.h"
#include <xen/hvm/dm_op.h>
#include <xen/domctl.h>
#include <xen/memory.h>

struct guest *lender, *borrower;
static bool read_only;		/* what is lent next */

long lender_memory_op(unsigned cmd, void *p, size_t n)
{
	long rc = gop(lender, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, cmd, g_data(lender, 0, p, n));

	memcpy(p, (void *)lender->mb->data, n);
	return rc;
}

long lender_dm_op(struct xen_dm_op *op)
{
	struct xen_dm_op_buf buf = { .size = sizeof(*op) };
	uint64_t bufs;
	long rc;

	set_xen_guest_handle_raw(buf.h, (void *)g_data(lender, 0, op, sizeof(*op)));
	bufs = g_data(lender, 512, &buf, sizeof(buf));
	rc = gop(lender, 0, GOP_HYPERCALL, __HYPERVISOR_dm_op, borrower->domid, 1, bufs);
	memcpy(op, (void *)lender->mb->data, sizeof(*op));
	return rc;
}

long lender_lend(unsigned op, uint64_t window, uint64_t a, uint64_t n, uint64_t x, uint64_t *out)
{
	struct xen_mem_lend m = { .op = op };
	long rc;

	switch (op) {
	case XENMEM_LEND_create:	/* x is the server */
		m.u.create.domid = borrower->domid;
		m.u.create.server = x;
		m.u.create.gfn = a;
		m.u.create.nr = n;
		break;
	case XENMEM_LEND_destroy:
		m.u.destroy.domid = borrower->domid;
		m.u.destroy.window = window;
		break;
	case XENMEM_LEND_lend:		/* x is the first of n frames in a row */
		m.u.lend.domid = borrower->domid;
		m.u.lend.window = window;
		m.u.lend.first = a;
		m.u.lend.nr = n;
		for (unsigned i = 0; i < n && i < XENMEM_LEND_INLINE; i++)
			m.u.lend.inline_frames[i] = (x + i) | (read_only ? 0 : XENMEM_LEND_WRITE);
		break;
	case XENMEM_LEND_revoke:
		m.u.revoke.domid = borrower->domid;
		m.u.revoke.window = window;
		m.u.revoke.first = a;
		m.u.revoke.nr = n;
		break;
	}
	rc = lender_memory_op(XENMEM_lend, &m, sizeof(m));
	if (out)
		*out = m.u.create.window;
	return rc;
}

long lender_query(uint64_t window, struct xen_mem_lend_counters *c)
{
	uint64_t room = g_data(lender, 1024, c, sizeof(*c));
	struct xen_mem_lend m = { .op = XENMEM_LEND_query, .u.query = {
		.domid = borrower->domid, .window = window, .size = sizeof(*c), .counters = room } };
	long rc = lender_memory_op(XENMEM_lend, &m, sizeof(m));

	memcpy(c, (void *)(lender->mb->data + 1024), sizeof(*c));
	return rc;
}

uint64_t lender_server_id;
uint64_t lender_server_gfn;
static unsigned mapped;			/* pages so far: each has a place of its own */

static long server_enable(void)
{
	struct xen_dm_op op = { .op = XEN_DMOP_set_ioreq_server_state };

	op.u.set_ioreq_server_state.id = lender_server_id;
	op.u.set_ioreq_server_state.enabled = 1;
	return lender_dm_op(&op);
}

long lender_server_try(void)
{
	struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
	long rc = lender_dm_op(&op);

	if (!rc) {
		op.op = XEN_DMOP_destroy_ioreq_server;
		if (lender_dm_op(&op))
			die("the lender cannot destroy its server");
	}
	return rc;
}

void lender_let_go(uint64_t server_gfn)
{
	struct xen_remove_from_physmap rm = { .domid = DOMID_SELF, .gpfn = server_gfn };

	if (lender_memory_op(XENMEM_remove_from_physmap, &rm, sizeof(rm)))
		die("the lender cannot unmap its server's page");
}

/* An ioreq server of the lender's in the borrower. */
void lender_server(bool page, bool enable)
{
	struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
	struct xen_mem_acquire_resource res = { .type = XENMEM_resource_ioreq_server, .nr_frames = 1 };
	uint64_t gfn = lender_server_gfn = GUEST_FREE_GFN + 1 + mapped++ % 64;
	long rc = lender_dm_op(&op);

	if (rc)
		die("the lender makes no server: %ld", rc);
	lender_server_id = op.u.create_ioreq_server.id;
	if (page) {	/* mapped into the lender: without one it gets no faults */
		res.domid = borrower->domid;
		res.id = lender_server_id;
		res.frame = XENMEM_resource_ioreq_server_frame_ioreq(0);
		set_xen_guest_handle_raw(res.frame_list, (void *)g_data(lender, 1024, &gfn, sizeof(gfn)));
		rc = lender_memory_op(XENMEM_acquire_resource, &res, sizeof(res));
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

	op.u.map_io_range_to_ioreq_server.id = lender_server_id;
	op.u.map_io_range_to_ioreq_server.type = mmio ? XEN_DMOP_IO_RANGE_MEMORY : XEN_DMOP_IO_RANGE_PORT;
	op.u.map_io_range_to_ioreq_server.start = start;
	op.u.map_io_range_to_ioreq_server.end = end;
	return lender_dm_op(&op);
}

int change_target(unsigned op, uint32_t of, uint32_t target)
{
	return toolstack_target(of, target, op == ADD_TARGET);
}

long guest_change_target(struct guest *tool, unsigned op, uint32_t of, uint32_t target)
{
	struct xen_domctl c = { .cmd = op, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = of,
		.u.set_target.target = target };

	return gop(tool, 0, GOP_HYPERCALL, __HYPERVISOR_domctl, g_data(tool, 0, &c, sizeof(c)));
}

static void pair(void)
{
	lender = guest_new(&(struct guest_options){ .label = "dm_dom_t" });
	borrower = guest_new(NULL);
	if (xc_domain_set_target(xch, lender->domid, borrower->domid))
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
	lender_server(page, enable);
	if (window_before) {
		if (lender_lend(XENMEM_LEND_create, 0, WIN_GFN, 16, lender_server_id, &window) ||
		    lender_lend(XENMEM_LEND_destroy, window, 0, 0, 0, NULL))
			die("no window");
	}
	ok(guest_free(lender), "a lender with %s goes away, and is no zombie", what);
	g_write(borrower, RAM_GPA, 0x1234);
	eqx(gop(borrower, 1, GOP_READ, RAM_GPA, 8), 0x1234, "... the borrower lives");
	eqx(g_read(borrower, GUEST_MMIO), ~0UL, "... and nobody answers for devices there");
	/* its servers are gone: there is room for as many as there may be */
	for (n = 0; n < 16 && !xendevicemodel_create_ioreq_server(xdm, borrower->domid, 0, &id); n++)
		;
	eq(n, 8 - borrower->hvm, "... all numbers of servers are free");
	ok(guest_free(borrower), "... and the borrower goes away");
}

static void dies_with_waiting(bool window)
{
	uint64_t id;

	at("a lender dies: vCPUs wait for its device%s", window ? ", and it has a window" : "");
	pair();
	lender_server(true, true);
	if (server_range(true, GUEST_MMIO, GUEST_MMIO + 0xfff) || server_range(false, GUEST_PORT, GUEST_PORT + 15))
		die("no ranges");
	if (window && lender_lend(XENMEM_LEND_create, 0, WIN_GFN, 16, lender_server_id, &id))
		die("no window");
	gop_start(borrower, 0, GOP_READ, GUEST_MMIO + 64, 8);
	gop_start(borrower, 1, GOP_PORT, PORT_INSL, GUEST_PORT, RAM_GPA + 64, 4);
	ok(!gop_wait_for(borrower, 0, 1) && !gop_wait_for(borrower, 1, 1), "vCPUs of the borrower wait for devices of the lender%s",
	   window ? ", which has a window" : "");
	ok(guest_free(lender), "the lender goes away, and is no zombie");
	if (ok(gop_wait_for(borrower, 0, 30) && gop_wait_for(borrower, 1, 30), "... the vCPUs go on"))
		eqx(gret(borrower, 0, 0), ~0UL, "... the device read ones");
	ok(guest_free(borrower), "... and the borrower goes away");
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
	if (xc_logdirty_control(xch, lender->domid, op, HYPERCALL_BUFFER(bitmap), BITMAP_PAGES, 0, &stats) < 0)
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
	lender_server(false, false);
	if (lender_lend(XENMEM_LEND_create, 0, WIN_GFN, 16, lender_server_id, &window) || lender_lend(XENMEM_LEND_create, 0, WIN_GFN + 16, 16, lender_server_id, &other))
		die("no windows");
	/* one is lent read-only before */
	gop(lender, 0, GOP_WRITE, (uint64_t)(gfn + 3) << 12, 8, 1);
	read_only = true;
	rc = lender_lend(XENMEM_LEND_lend, window, 3, 1, gfn + 3, NULL);
	read_only = false;
	eq(rc, 0, "a frame lent read-only");
	rc = xc_logdirty_control(xch, lender->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0, NULL);
	if (rc < 0) {
		skip("a lender in log-dirty mode", "it cannot be switched on: %s", strerror(errno));
		goto out;
	}
	for (i = 0; i < 5; i++) {
		uint64_t at_ = W(i + (i == 2 ? 16 : 0));

		at("log-dirty: %s", how[i]);
		gop(lender, 0, GOP_WRITE, (uint64_t)(gfn + i) << 12, 8, 1);
		ok(PEEK(gfn + i), "what the lender writes itself is in its bitmap");
		/* a frame that the lender has not written in this mode cannot be lent writable: this one it has */
		rc = lender_lend(XENMEM_LEND_lend, i == 2 ? other : window, i, 1, gfn + i, NULL);
		if (!err(rc, 0, "a frame is lent by a domain in log-dirty mode"))
			continue;
		g_write(borrower, at_, 77);
		CLEAN(gfn + i);
		g_write(borrower, at_, 78);
		switch (i) {
		case 0:
			rc = lender_lend(XENMEM_LEND_revoke, window, i, 1, 0, NULL);
			break;
		case 1:
			rc = lender_lend(XENMEM_LEND_revoke, window, 0, 3, 0, NULL);
			break;
		case 3:
			rc = lender_lend(XENMEM_LEND_revoke, window, 0, 16, 0, NULL);
			break;
		case 2:
			rc = lender_lend(XENMEM_LEND_destroy, other, 0, 0, 0, NULL);
			break;
		case 4:
			/* the lender, whose target it is, keeps what is left of it */
			rc = domain_destroy(borrower->domid);
			gone = true;
			break;
		}
		err(rc, 0, "written by the borrower, %s", how[i]);
		ok(PEEK(gfn + i), "... it is in the lender's bitmap then");
		eqx(gop(lender, 0, GOP_READ, (uint64_t)(gfn + i) << 12, 8), 78, "... and holds what was written");
	}
	xc_logdirty_control(xch, lender->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0, NULL);
out:
	ok(guest_free(lender), "the lender goes away");
	ok(guest_free(borrower), "%s", gone ? "and so does what was left of the borrower" : "the borrower goes away");
}

static void lives_and_dies(void)
{
	uint64_t window = 0;
	int i;

	lender = guest_new(&(struct guest_options){ .label = "dm_dom_t" });
	borrower = guest_new(NULL);
	at("without privilege");
	err(lender_server_try(), xen_denies, "a guest makes no ioreq server in another");
	err(lender_lend(XENMEM_LEND_create, 0, WIN_GFN, 16, 0, NULL), xen_denies, "nor a window");

	at("with privilege");
	err(xc_domain_set_target(xch, lender->domid, borrower->domid), 0, "privilege over the other guest");
	lender_server(true, true);
	if (!err(lender_lend(XENMEM_LEND_create, 0, WIN_GFN, 16, lender_server_id, &window), 0, "a window"))
		die("no window");
	for (i = 0; i < 4; i++)
		gop(lender, 0, GOP_WRITE, RAM_GPA + i * PAGE, 8, PATTERN + i);
	err(lender_lend(XENMEM_LEND_lend, window, 0, 4, RAM_GPA >> 12, NULL), 0, "it lends its own RAM");
	for (i = 0; i < 4; i++)
		eqx(g_read(borrower, W(i)), PATTERN + i, "page %d is there", i);
	g_write(borrower, W(2), 0x77);
	eqx(gop(lender, 0, GOP_READ, RAM_GPA + 2 * PAGE, 8), 0x77, "what the borrower writes arrives");
	err(lender_lend(XENMEM_LEND_revoke, window, 3, 1, 0, NULL), 0, "it takes one back");
	err(xendevicemodel_set_mem_type(xdm, lender->domid, HVMMEM_ram_ro, (RAM_GPA >> 12) + 4, 1), 0, "a frame that the lender may only read");
	err(lender_lend(XENMEM_LEND_lend, window, 4, 1, (RAM_GPA >> 12) + 4, NULL), -EPERM, "... it cannot lend for writing");
	read_only = true;
	err(lender_lend(XENMEM_LEND_lend, window, 4, 1, (RAM_GPA >> 12) + 4, NULL), 0, "... but for reading");
	read_only = false;
	err(raw_destroy(borrower->domid, window), 0, "dom0 destroys a window that is not its own: nothing is its own there");
	eqx(g_read(borrower, W(1)), PATTERN + 1, "... and nothing happens");

	at("the lender dies");
	gop_start(borrower, 1, GOP_READ, W(9), 8);
	ok(!gop_wait_for(borrower, 1, 2), "a vCPU of the borrower waits for it");
	ok(guest_free(lender), "the lender goes away, and is no zombie");
	ok(gop_wait_for(borrower, 1, 30), "the vCPU goes on");
	eqx(gret(borrower, 1, 0), ~0UL, "... and reads ones");
	for (i = 0; i < 5; i++)
		eqx(g_read(borrower, W(i)), ~0UL, "nothing is left of page %d", i);
	g_write(borrower, W(0), 5);
	eqx(g_read(borrower, MBOX_GPA) & 0xffffffff, MBOX_MAGIC, "the borrower lives");
	ok(guest_free(borrower), "and goes away");
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
