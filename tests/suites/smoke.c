// SPDX-License-Identifier: GPL-2.0-or-later
/* The lab itself: a test guest starts, does what it is told, survives exceptions, and goes away without a trace. */
#include "suites.h"

void suite_smoke(void)
{
	struct guest *g, *h;
	uint64_t before, after;
	uint32_t first;
	int i, n = guests_hvm ? 2 : 5;	/* with QEMU each takes seconds */

	xen_open();
	g = guest_new(NULL);
	first = g->domid;
	ok(true, "a test guest starts");
	eq(guest_qemu(g->domid) > 0, guests_hvm, guests_hvm ? "QEMU is its device model" : "without QEMU");
	eq(g->mb->cpus, MBOX_CPUS, "both vCPUs run");
	gop(g, 0, GOP_NOP);
	gop(g, 1, GOP_NOP);
	eqx(gop(g, 0, GOP_READ, MBOX_GPA, 4), MBOX_MAGIC, "it reads its own memory");
	eqx(g_read(g, GUEST_MMIO), ~0UL, "a hole reads ones");
	gop(g, 0, GOP_STACK, STK_UD2, 0x180000);
	eq(gtrap(g, 0), 6, "an exception comes back as a result");
	gop(g, 1, GOP_READ, 1UL << 46, 8);
	eq(gtrap(g, 1), 14, "and a page fault on the other vCPU");
	eq(gop(g, 1, GOP_STACK, STK_INT, 0x180000), 0x180000 - 128, "interrupt frame on another stack");
	eq(gop(g, 0, GOP_HYPERCALL, __HYPERVISOR_xen_version, 0) >> 16, 4, "hypercalls: Xen 4");
	gop(g, 0, GOP_FILL, 0x180000, 4096, 7);
	eq(gop(g, 1, GOP_CHECK, 0x180000, 4096, 7), 0, "one vCPU reads what the other wrote");
	gop_start(g, 1, GOP_SPIN_WRITE, 0x180000);
	ok(gop_progress(g, 1, 1000, 60), "a spinning vCPU gets on while dom0 runs");
	ok(gop_stop(g, 1) > 1000, "and stops");
	ok(guest_free(g), "the domain goes away");

	h = guest_new(&(struct guest_options){ .domid = 77 });
	eq(h->domid, 77, "a domain with a chosen id");
	ok(guest_free(h), "which goes away");

	g = guest_new(NULL);
	guest_free(g);
	before = xen_free_pages();
	for (i = 0; i < n; i++) {
		g = guest_new(NULL);
		guest_free(g);
	}
	after = xen_free_pages();
	ok(after + 64 >= before, "%d guests leave no pages behind (%ld before, %ld after)", n, (long)before, (long)after);
	note("first domain was %u", first);
}
