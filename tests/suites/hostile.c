// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S3: nobody can do anything else with a lent frame.  Each attempt, by the borrower, by another guest, by the
 * lender domain, is refused with an ordinary error; afterwards the guest lives and the slots hold what they held.
 */
#include "suites.h"
#include <xengnttab.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/vcpu.h>

#define NR	16
#define RW	1	/* lent writable */
#define RO	2	/* lent read-only */
#define EMPTY	3	/* backed, but not lent before someone touches it */
#define GRANT_GFN	GUEST_FREE_GFN
#define RAM_GFN		0x1c0UL

static struct guest *g, *h;
static struct raw *r;
static struct win *w;
static struct pool *pool;

static const struct { const char *name; unsigned slot; } targets[] = {
	{ "a lent slot", RW }, { "a slot lent read-only", RO }, { "an empty slot", EMPTY },
};
#define FOR_TARGETS(t) for (unsigned t = 0; t < 3; t++)

/* Brings the slots into the state their names say. */
static void arrange(void)
{
	win_revoke(w, 0, NR);
	win_lend(w, RW, true);
	win_lend(w, RO, false);
}

/* Mapping and contents are as they were: read by the guest, compared with the lender's pages. */
static void intact(const char *after)
{
	unsigned bad = 0, t;

	for (t = 0; t < 3; t++) {
		uint64_t *p = pool_page(pool, targets[t].slot);

		bad += g_read(g, W(targets[t].slot) + 64) != mix(targets[t].slot, 8);
		p[9]++;
		bad += g_read(g, W(targets[t].slot) + 72) != p[9];
		p[9]--;
		bad += check_fill(p, PAGE, targets[t].slot) != 0;
	}
	eq(bad, 0, "intact after: %s", after);
	arrange();
}

static long hc(unsigned nr, uint64_t a, uint64_t b, uint64_t c)
{
	return gop(g, 0, GOP_HYPERCALL, nr, a, b, c);
}

static long memory_op(unsigned cmd, const void *p, size_t n)
{
	return hc(__HYPERVISOR_memory_op, cmd, g_data(g, 0, p, n), 0);
}

#define refused(rc, ...) ({ long rc_ = (rc); if (!ok(rc_ < 0, __VA_ARGS__)) note("got %ld", rc_); rc_; })

static void physmap(void)
{
	at("physmap");
	FOR_TARGETS(t) {
		uint64_t gfn = WIN_GFN + targets[t].slot;
		struct xen_remove_from_physmap rm = { .domid = DOMID_SELF, .gpfn = gfn };
		struct xen_add_to_physmap add = { .domid = DOMID_SELF };
		bool lent = targets[t].slot != EMPTY;
		long rc;

		arrange();
		refused(memory_op(XENMEM_remove_from_physmap, &rm, sizeof(rm)), "remove_from_physmap of %s", targets[t].name);
		arrange();
		add.space = XENMAPSPACE_gmfn;
		add.idx = gfn;
		add.gpfn = GUEST_FREE_GFN + 16;
		refused(memory_op(XENMEM_add_to_physmap, &add, sizeof(add)), "add_to_physmap: moving %s elsewhere", targets[t].name);
		arrange();
		add.space = XENMAPSPACE_gmfn_range;
		add.size = 2;
		refused(memory_op(XENMEM_add_to_physmap, &add, sizeof(add)), "add_to_physmap: moving a range from %s on", targets[t].name);
		add.size = 0;
		if (!lent)
			continue;	/* an empty slot is a hole: what a guest puts there only harms itself, see below */
		arrange();
		add.space = XENMAPSPACE_shared_info;
		add.idx = 0;
		add.gpfn = gfn;
		refused(memory_op(XENMEM_add_to_physmap, &add, sizeof(add)), "add_to_physmap: shared_info over %s", targets[t].name);
		add.space = XENMAPSPACE_grant_table;
		refused(memory_op(XENMEM_add_to_physmap, &add, sizeof(add)), "add_to_physmap: a grant frame over %s", targets[t].name);
		add.space = XENMAPSPACE_gmfn;
		add.idx = RAM_GFN;
		refused(memory_op(XENMEM_add_to_physmap, &add, sizeof(add)), "add_to_physmap: own RAM over %s", targets[t].name);
		gop(g, 0, GOP_WRITE, RAM_GFN << 12, 8, 0x77);
		rc = gop(g, 0, GOP_READ, RAM_GFN << 12, 8);
		eq(rc, 0x77, "... that RAM is still the guest's");
	}
	intact("add_to_physmap, remove_from_physmap");
}

/* Extents lists go to data + 64. */
static long reservation(unsigned cmd, uint64_t gfn)
{
	struct xen_memory_reservation res = { .nr_extents = 1, .domid = DOMID_SELF };
	uint64_t at_ = g_data(g, 64, &gfn, 8);

	memcpy(&res.extent_start, &at_, 8);
	return memory_op(cmd, &res, sizeof(res));
}

static void ballooning(void)
{
	at("ballooning");
	FOR_TARGETS(t) {
		uint64_t gfn = WIN_GFN + targets[t].slot;
		struct xen_memory_exchange x = { 0 };
		uint64_t in, out;
		uint64_t src[1] = { gfn }, dst[1] = { RAM_GFN };

		arrange();
		ok(reservation(XENMEM_decrease_reservation, gfn) <= 0, "decrease_reservation of %s", targets[t].name);
		arrange();
		if (targets[t].slot != EMPTY)
			ok(reservation(XENMEM_populate_physmap, gfn) <= 0, "populate_physmap over %s", targets[t].name);
		in = g_data(g, 64, src, 8);
		out = g_data(g, 72, dst, 8);
		x.in.nr_extents = x.out.nr_extents = 1;
		x.in.domid = x.out.domid = DOMID_SELF;
		memcpy(&x.in.extent_start, &in, 8);
		memcpy(&x.out.extent_start, &out, 8);
		refused(memory_op(XENMEM_exchange, &x, sizeof(x)), "exchange of %s", targets[t].name);
	}
	intact("ballooning");
	eq(g_read(g, RAM_GFN << 12), 0x77, "the guest's own RAM too");
}

static void buffers(void)
{
	at("hypercall buffers");
	FOR_TARGETS(t) {
		uint64_t a = W(targets[t].slot);
		struct vcpu_register_runstate_memory_area rs = { 0 };
		unsigned i;
		long rc;

		arrange();
		err(hc(__HYPERVISOR_xen_version, 1, a, 0), -EFAULT, "a hypercall's result into %s", targets[t].name);
		err(hc(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, a, 0), -EFAULT, "a hypercall's struct in %s", targets[t].name);
		err(hc(__HYPERVISOR_memory_op, XENMEM_lend, a, 0), -EFAULT, "XENMEM_lend's struct in %s", targets[t].name);
		err(hc(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, a, 0), -EFAULT, "an event channel op's struct in %s", targets[t].name);
		err(hc(__HYPERVISOR_xen_version, 1, a + PAGE - 4, 0), -EFAULT, "a result across the end of %s", targets[t].name);
		/* Xen writes this area at each context switch: it must not write there */
		memcpy(&rs.addr, &a, 8);
		rc = hc(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, g_data(g, 0, &rs, sizeof(rs)));
		for (i = 0; i < 5; i++) {
			gop(g, 0, GOP_NOP);
			usleep(2000);
		}
		eq(check_fill(pool_page(pool, targets[t].slot), PAGE, targets[t].slot), 0, "a runstate area in %s (%ld): nothing is written there",
		   targets[t].name, rc);
		a = 0;
		memcpy(&rs.addr, &a, 8);
		hc(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, g_data(g, 0, &rs, sizeof(rs)));
	}
	intact("hypercall buffers");
}

static void special_pages(void)
{
	at("special pages");
	FOR_TARGETS(t) {
		uint64_t gfn = WIN_GFN + targets[t].slot, a = gfn << 12;
		struct vcpu_register_vcpu_info vi = { .mfn = gfn };
		struct evtchn_init_control ic = { .control_gfn = gfn, .vcpu = 1 };
		struct evtchn_expand_array ea = { .array_gfn = gfn };
		struct vcpu_register_runstate_memory_area rs = { 0 };
		struct xen_hvm_param hp = { .domid = DOMID_SELF };

		arrange();
		refused(hc(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 1, g_data(g, 0, &vi, sizeof(vi))), "vcpu_info in %s", targets[t].name);
		memcpy(&rs.addr, &a, 8);
#ifdef VCPUOP_register_runstate_phys_area
		refused(hc(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_phys_area, 1, g_data(g, 0, &rs, sizeof(rs))), "runstate area by physical address in %s", targets[t].name);
		refused(hc(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_phys_area, 1, g_data(g, 0, &rs, sizeof(rs))), "time area by physical address in %s", targets[t].name);
#endif
		refused(hc(__HYPERVISOR_event_channel_op, EVTCHNOP_init_control, g_data(g, 0, &ic, sizeof(ic)), 0), "event channel control block in %s", targets[t].name);
		refused(hc(__HYPERVISOR_event_channel_op, EVTCHNOP_expand_array, g_data(g, 0, &ea, sizeof(ea)), 0), "event array page in %s", targets[t].name);
		hp.index = HVM_PARAM_IOREQ_PFN;
		hp.value = gfn;
		refused(hc(__HYPERVISOR_hvm_op, HVMOP_set_param, g_data(g, 0, &hp, sizeof(hp)), 0), "an HVM param that names %s", targets[t].name);
	}
	intact("special pages");
}

/* ---- grants ---- */

/* Maps the first grant frame of a guest at GRANT_GFN; entries are written by the guest itself. */
static void grants_setup(struct guest *d)
{
	struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = 0, .gpfn = GRANT_GFN };
	long rc = gop(d, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, g_data(d, 0, &add, sizeof(add)));

	if (rc)
		die("no grant table in the guest: %ld", rc);
}

static void grant(struct guest *d, unsigned ref, unsigned to, uint64_t gfn, unsigned flags)
{
	uint64_t e = (GRANT_GFN << 12) + ref * 8;

	gop(d, 0, GOP_WRITE, e, 4, to << 16);
	gop(d, 0, GOP_WRITE, e + 4, 4, gfn);
	gop(d, 0, GOP_WRITE, e, 4, to << 16 | flags);
}

static long gnttab_copy(uint64_t from, uint64_t to, bool from_is_ref, unsigned dom)
{
	struct gnttab_copy c = { .len = 8 };
	long rc;

	if (from_is_ref) {
		c.source.u.ref = from;
		c.source.domid = dom;
		c.flags = GNTCOPY_source_gref;
	} else {
		c.source.u.gmfn = from;
		c.source.domid = DOMID_SELF;
	}
	c.dest.u.gmfn = to;
	c.dest.domid = DOMID_SELF;
	rc = hc(__HYPERVISOR_grant_table_op, GNTTABOP_copy, g_data(g, 128, &c, sizeof(c)), 1);
	memcpy(&c, (void *)(g->mb->data + 128), sizeof(c));
	return rc ? rc : c.status;
}

static void grants(void)
{
	xengnttab_handle *gt = xengnttab_open(NULL, 0);
	struct gnttab_map_grant_ref m;
	unsigned ref = 10;
	void *p;
	long rc;

	at("grants");
	grants_setup(g);
	grants_setup(h);
	grant(g, 9, 0, RAM_GFN, GTF_permit_access);
	p = xengnttab_map_grant_ref(gt, g->domid, 9, PROT_READ);
	ok(p && *(uint64_t *)p == 0x77, "a grant of the guest's own RAM works");
	if (p)
		xengnttab_unmap(gt, p, 1);

	FOR_TARGETS(t) {
		uint64_t gfn = WIN_GFN + targets[t].slot;

		/* to dom0: mapped and copied */
		arrange();
		grant(g, ref, 0, gfn, GTF_permit_access);
		p = xengnttab_map_grant_ref(gt, g->domid, ref, PROT_READ | PROT_WRITE);
		ok(!p, "dom0 maps a grant of %s", targets[t].name);
		if (p)
			xengnttab_unmap(gt, p, 1);
		p = xengnttab_map_grant_ref(gt, g->domid, ref, PROT_READ);
		ok(!p, "... read-only");
		if (p)
			xengnttab_unmap(gt, p, 1);
		grant(g, ref, 0, 0, 0);

		/* to the other guest: mapped there */
		grant(g, ref, h->domid, gfn, GTF_permit_access);
		memset(&m, 0, sizeof(m));
		m.host_addr = (GUEST_FREE_GFN + 32) << 12;
		m.flags = GNTMAP_host_map;
		m.ref = ref;
		m.dom = g->domid;
		rc = gop(h, 0, GOP_HYPERCALL, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, g_data(h, 0, &m, sizeof(m)), 1);
		memcpy(&m, (void *)h->mb->data, sizeof(m));
		ok(rc || m.status, "another guest maps a grant of %s", targets[t].name);
		grant(g, ref, 0, 0, 0);
		ref++;

		arrange();
		ok(gnttab_copy(gfn, RAM_GFN, false, 0), "grant copy out of %s", targets[t].name);
		ok(gnttab_copy(RAM_GFN, gfn, false, 0), "grant copy into %s", targets[t].name);
		eq(g_read(g, RAM_GFN << 12), 0x77, "... nothing was copied");

		/* a foreign page over it */
		if (targets[t].slot != EMPTY) {
			grant(h, 10, g->domid, RAM_GFN, GTF_permit_access);
			memset(&m, 0, sizeof(m));
			m.host_addr = gfn << 12;
			m.flags = GNTMAP_host_map;
			m.ref = 10;
			m.dom = h->domid;
			rc = hc(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, g_data(g, 0, &m, sizeof(m)), 1);
			memcpy(&m, (void *)g->mb->data, sizeof(m));
			ok(rc || m.status, "a grant mapped over %s", targets[t].name);
			grant(h, 10, 0, 0, 0);
		}
	}
	intact("grants");
	xengnttab_close(gt);
}

/* ---- the lender domain, the tool stack ---- */

static void from_dom0(void)
{
	at("from dom0");
	FOR_TARGETS(t) {
		xen_pfn_t gfn = WIN_GFN + targets[t].slot, one = gfn;
		unsigned long bitmap[8] = { 0 };
		int e = 0, prot, rc;
		void *m;

		arrange();
		for (prot = PROT_READ; prot <= (PROT_READ | PROT_WRITE); prot += PROT_WRITE) {
			e = 0;
			m = xenforeignmemory_map(xfm, g->domid, prot, 1, &gfn, &e);
			ok(!m || e, "dom0 maps %s%s", targets[t].name, prot & PROT_WRITE ? " writable" : "");
			if (m)
				xenforeignmemory_unmap(xfm, m, 1);
		}
		if (targets[t].slot != EMPTY) {
			ok(xc_domain_populate_physmap_exact(xch, g->domid, 1, 0, 0, &one), "dom0 populates %s", targets[t].name);
			ok(xc_domain_add_to_physmap(xch, g->domid, XENMAPSPACE_shared_info, 0, gfn), "dom0 puts shared_info over %s", targets[t].name);
			ok(xc_domain_add_to_physmap(xch, g->domid, XENMAPSPACE_gmfn, RAM_GFN, gfn), "dom0 moves RAM over %s", targets[t].name);
			xc_domain_iomem_permission(xch, g->domid, 0xb8, 1, 1);
			rc = xc_domain_memory_mapping(xch, g->domid, gfn, 0xb8, 1, 1);
			ok(rc, "dom0 maps MMIO over %s", targets[t].name);
			if (!rc)
				xc_domain_memory_mapping(xch, g->domid, gfn, 0xb8, 1, 0);
			rc = xc_domain_memory_mapping(xch, g->domid, gfn, 0xb8, 1, 0);
			note("dom0 unmaps MMIO that is not at %s: %d", targets[t].name, rc ? -errno : 0);
		}
		ok(xc_domain_add_to_physmap(xch, g->domid, XENMAPSPACE_gmfn, gfn, GUEST_FREE_GFN + 20), "dom0 moves %s elsewhere", targets[t].name);
		one = gfn;
		ok(xc_domain_decrease_reservation_exact(xch, g->domid, 1, 0, &one), "dom0 takes the frame out of %s", targets[t].name);
		rc = xendevicemodel_set_mem_type(xdm, g->domid, HVMMEM_ram_ro, gfn, 1);
		ok(rc, "dom0 sets the memory type of %s", targets[t].name);
		rc = xendevicemodel_modified_memory(xdm, g->domid, gfn, 1);
		note("modified_memory: %d", rc ? -errno : 0);
		rc = xendevicemodel_track_dirty_vram(xdm, g->domid, WIN_GFN, 8, bitmap);
		note("track_dirty_vram: %d", rc ? -errno : 0);
		if (!rc)
			xendevicemodel_track_dirty_vram(xdm, g->domid, 0, 0, NULL);
	}
	intact("dom0's attempts");
}

static void logdirty(void)
{
	int rc;

	at("log-dirty mode");
	arrange();
	rc = xc_logdirty_control(xch, g->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0, NULL);
	note("log-dirty on: %d", rc < 0 ? -errno : rc);
	g_write(g, W(RW) + 8, mix(RW, 1));
	eq(gtrap(g, 0), NO_TRAP, "the guest writes to a lent slot while log-dirty is %s", rc < 0 ? "refused" : "on");
	g_write(g, RAM_GFN << 12, 0x77);
	eq(gtrap(g, 0), NO_TRAP, "... and to its RAM");
	eqx(g_read(g, W(EMPTY) + 64), mix(EMPTY, 8), "... and faults on an empty one");
	if (rc >= 0)
		xc_logdirty_control(xch, g->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0, NULL);
	intact("log-dirty mode");
}

/* The guest may call XENMEM_lend, too: it has no privilege over anybody. */
static void as_lender(void)
{
	struct xen_mem_lend m = { .op = XENMEM_LEND_create };
	struct xen_mem_lend_counters q;
	uint64_t room = 0;

	at("the guest as a lender");
	m.u.create.domid = DOMID_SELF;
	m.u.create.gfn = 0x300000;
	m.u.create.nr = 1;
	err(memory_op(XENMEM_lend, &m, sizeof(m)), -EPERM, "the guest creates a window in itself");
	m.u.create.domid = h->domid;
	err(memory_op(XENMEM_lend, &m, sizeof(m)), xen_denies, "the guest creates a window in another guest");
	m.u.create.domid = 0;
	err(memory_op(XENMEM_lend, &m, sizeof(m)), xen_denies, "the guest creates a window in dom0");
	memset(&m, 0, sizeof(m));
	m.op = XENMEM_LEND_lend;
	m.u.lend.domid = g->domid;
	m.u.lend.window = w->id;
	m.u.lend.nr = 1;
	m.u.lend.first = 4;
	m.u.lend.inline_frames[0] = RAM_GFN;
	err(memory_op(XENMEM_lend, &m, sizeof(m)), -ENOENT, "the guest lends into the lender's window");
	m.flags = XENMEM_LEND_ANSWER;
	err(memory_op(XENMEM_lend, &m, sizeof(m)), -ENOENT, "... and answers its own fault");
	memset(&m, 0, sizeof(m));
	m.op = XENMEM_LEND_revoke;
	m.u.revoke.domid = g->domid;
	m.u.revoke.window = w->id;
	m.u.revoke.first = RW;
	m.u.revoke.nr = 1;
	err(memory_op(XENMEM_lend, &m, sizeof(m)), 0, "the guest revokes in the lender's window: nothing of its own is there");
	memset(&m, 0, sizeof(m));
	m.op = XENMEM_LEND_destroy;
	m.u.destroy.domid = g->domid;
	m.u.destroy.window = w->id;
	err(memory_op(XENMEM_lend, &m, sizeof(m)), 0, "the guest destroys the lender's window: likewise");
	eq(raw_query(g->domid, w->id, &q), 0, "the window is still there");
	ok(q.lent >= 2, "... with its slots");
	memset(&m, 0, sizeof(m));
	m.op = XENMEM_LEND_query;
	m.u.query.domid = g->domid;
	m.u.query.window = w->id;
	m.u.query.size = 8;
	m.u.query.counters = g_data(g, 256, &room, 8);
	err(memory_op(XENMEM_lend, &m, sizeof(m)), -ENOENT, "the guest asks about the window");
	intact("the guest as a lender");
}

/* What a guest does to its own empty slots hurts nobody else. */
static void own_goal(void)
{
	struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = RAM_GFN, .gpfn = WIN_GFN + 8 };
	uint64_t frame = pool->frame[8];
	long rc;
	int l;

	at("own goal");
	arrange();
	rc = memory_op(XENMEM_add_to_physmap, &add, sizeof(add));
	note("the guest moves RAM into an empty slot: %ld", rc);
	l = raw_lend(g->domid, w->id, 8, 1, &frame, NULL, XENMEM_LEND_WRITE);
	ok(rc ? l == 0 : l == -EEXIST, "lending there: %s", rc ? "works" : "is refused");
	eq(win_revoke(w, 8, 1), 0, "revoking there succeeds");
	if (!rc) {
		eq(g_read(g, W(8)), 0x77, "the guest keeps its RAM there");
		add.idx = WIN_GFN + 8;
		add.gpfn = RAM_GFN;
		eq(memory_op(XENMEM_add_to_physmap, &add, sizeof(add)), 0, "and moves it back");
		eq(raw_lend(g->domid, w->id, 8, 1, &frame, NULL, XENMEM_LEND_WRITE), 0, "then the slot can be lent");
		eqx(g_read(g, W(8)), mix(8, 0), "and used");
	}
	intact("own goal");
}

void suite_hostile(void)
{
	unsigned s, i;

	xen_open();
	g = guest_new(NULL);
	h = guest_new(NULL);
	r = raw_open(g);
	pool = pool_new(NR);
	w = raw_window(r, WIN_GFN, NR);
	raw_back(w, 0, NR, pool, 0);
	for (s = 0; s < NR; s++)
		for (i = 0; i < 512; i++)
			((uint64_t *)pool_page(pool, s))[i] = mix(s, i);
	w->ro[RO] = true;
	g_write(g, RAM_GFN << 12, 0x77);

	intact("nothing yet");
	physmap();
	ballooning();
	buffers();
	special_pages();
	grants();
	from_dom0();
	logdirty();
	as_lender();
	own_goal();

	eq(r->odd, 0, "all requests were well formed %s", r->odd_text);
	raw_close(r);
	ok(guest_free(h), "the other guest goes away");
	ok(guest_free(g), "the guest goes away");
	for (s = i = 0; s < NR; s++)
		i += check_fill(pool_page(pool, s), PAGE, s);
	eq(i, 0, "all pages are as they were");
	pool_free(pool);
}
