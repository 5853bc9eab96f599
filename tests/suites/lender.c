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

static long lend(unsigned op, uint64_t window, uint64_t a, uint64_t n, uint64_t frames, struct xen_mem_lend *out)
{
	struct xen_mem_lend m = { .op = op, .domid = b->domid, .window = window };
	long rc;

	if (op == XENLEND_create) {
		m.u.create.gfn = a;
		m.u.create.nr = n;
		m.u.create.server = frames;
	} else if (op != XENLEND_query) {
		m.u.range.first = a;
		m.u.range.nr = n;
		m.u.range.frames = frames;
		m.flags = op == XENLEND_lend ? XENLEND_WRITE : 0;
	}
	rc = memory_op(XENMEM_lend, &m, sizeof(m));
	if (out)
		*out = m;
	return rc;
}

void suite_lender(void)
{
	struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
	struct xen_mem_acquire_resource res = { .type = XENMEM_resource_ioreq_server, .nr_frames = 1 };
	struct xen_mem_lend m;
	uint64_t gfn, before;
	unsigned server;
	int i;

	xen_open();
	guest_free(guest_new(NULL));
	before = xen_free_pages();
	l = guest_new(NULL);
	b = guest_new(NULL);

	at("without privilege");
	err(dm_op(&op), -EPERM, "a guest makes no ioreq server in another");
	err(lend(XENLEND_create, 0, WIN_GFN, 16, 0, NULL), -EPERM, "nor a window");

	at("with privilege");
	err(xc_domain_set_target(xch, l->domid, b->domid), 0, "privilege over the other guest");
	op = (struct xen_dm_op){ .op = XEN_DMOP_create_ioreq_server };
	if (!err(dm_op(&op), 0, "an ioreq server"))
		die("no server");
	server = op.u.create_ioreq_server.id;
	/* its page is mapped into the lender: without one it gets no faults */
	gfn = GUEST_FREE_GFN + 1;
	res.domid = b->domid;
	res.id = server;
	res.frame = XENMEM_resource_ioreq_server_frame_ioreq(0);
	set_xen_guest_handle_raw(res.frame_list, (void *)g_data(l, 1024, &gfn, sizeof(gfn)));
	err(memory_op(XENMEM_acquire_resource, &res, sizeof(res)), 0, "its page");
	op = (struct xen_dm_op){ .op = XEN_DMOP_set_ioreq_server_state };
	op.u.set_ioreq_server_state.id = server;
	op.u.set_ioreq_server_state.enabled = 1;
	err(dm_op(&op), 0, "it is enabled");
	if (!err(lend(XENLEND_create, 0, WIN_GFN, 16, server, &m), 0, "a window"))
		die("no window");
	for (i = 0; i < 4; i++) {
		gop(l, 0, GOP_WRITE, RAM_GPA + i * PAGE, 8, PATTERN + i);
		gfn = (RAM_GPA >> 12) + i;
		memcpy((void *)(l->mb->data + 1024 + i * 8), &gfn, 8);
	}
	err(lend(XENLEND_lend, m.window, 0, 4, MBOX_GPA + MBOX_DATA + 1024, NULL), 0, "it lends its own RAM");
	for (i = 0; i < 4; i++)
		eqx(g_read(b, W(i)), PATTERN + i, "page %d is there", i);
	g_write(b, W(2), 0x77);
	eqx(gop(l, 0, GOP_READ, RAM_GPA + 2 * PAGE, 8), 0x77, "what the borrower writes arrives");
	err(lend(XENLEND_revoke, m.window, 3, 1, 0, NULL), 0, "it takes one back");
	err(raw_destroy(b->domid, m.window), 0, "dom0 destroys a window that is not its own: nothing is its own there");
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
	ok(xen_free_pages() + 64 >= before, "no pages are missing (%ld before, %ld after)", (long)before, (long)xen_free_pages());
}
