// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypercall's arguments: everything wrong gets its documented errno (docs/abi.md) and changes nothing.
 */
#include "suites.h"

#define NR	64
#define GUEST_SHARED_INFO	0x20000	/* guests/runtime puts it there */

static struct guest *g;
static struct raw *r;
static struct win *w;
static struct pool *pool;
static struct xen_mem_lend_query base;

/* The window must be what it was at the beginning. */
static void unchanged(const char *what)
{
	struct xen_mem_lend_query q;
	int rc = raw_query(g->domid, w->id, &q);

	ok(!rc && !memcmp(&q, &base, sizeof(q)), "nothing changed: %s", what);
}

static struct xen_mem_lend blank(int op)
{
	struct xen_mem_lend m = { .op = op };

	if (op != XENLEND_info)
		m.domid = g->domid;
	if (op >= XENLEND_destroy)
		m.window = w->id;
	if (op == XENLEND_create) {
		m.u.create.gfn = WIN_GFN + 0x1000;
		m.u.create.nr = 8;
		m.u.create.server = r->id;
	}
	if (op == XENLEND_lend || op == XENLEND_revoke) {
		m.u.range.first = 8;
		m.u.range.nr = 1;
	}
	if (op == XENLEND_lend) {
		raw_frames()[0] = pool->frame[8];
		m.u.range.frames = (uintptr_t)raw_frames();
		m.flags = XENLEND_WRITE;
	}
	return m;
}

static int call(struct xen_mem_lend m)
{
	return lend_call(&m);
}

/* One deviation from a good call. */
#define bad(op_, change, want, text) ({ struct xen_mem_lend m = blank(op_); change; err(call(m), want, "%s", text); })

static void common(void)
{
	static const char *const names[] = { "info", "create", "destroy", "lend", "revoke", "query" };
	char text[100];
	unsigned op, i, used;

	at("common fields");
	bad(6, m.domid = g->domid, -EOPNOTSUPP, "op 6");
	bad(0xffff, , -EOPNOTSUPP, "op 0xffff");
	for (op = 0; op < 6; op++) {
		for (i = op == XENLEND_lend; i < 32; i += i < 2 ? 1 : 10) {
			snprintf(text, sizeof(text), "%s: flag bit %u", names[op], i);
			bad(op, m.flags |= 1U << i, -EINVAL, text);
		}
		used = op == XENLEND_info ? sizeof(struct xen_mem_lend_info) : op == XENLEND_create ? sizeof(struct xen_mem_lend_create) :
		       op == XENLEND_destroy ? 0 : op == XENLEND_query ? sizeof(struct xen_mem_lend_query) : sizeof(struct xen_mem_lend_range);
		for (i = used / 8; i < 14; i += 3) {
			snprintf(text, sizeof(text), "%s: non-zero pad[%u]", names[op], i);
			bad(op, m.u.pad[i] = 1, -EINVAL, text);
		}
		snprintf(text, sizeof(text), "%s: non-zero last pad", names[op]);
		if (used <= 13 * 8)
			bad(op, m.u.pad[13] = 1UL << 63, -EINVAL, text);
	}
	unchanged("common fields");

	bad(XENLEND_info, m.domid = 1, -EINVAL, "info with a domid");
	bad(XENLEND_info, m.window = 1, -EINVAL, "info with a window");
	err(lend_call_at(NULL), -EFAULT, "struct at address 0");
	err(lend_call_at((void *)0x7fffdeadb000UL), -EFAULT, "struct at an unmapped address");
	err(lend_call_at((void *)(1UL << 62)), -EFAULT, "struct at a non-canonical address");
	{
		struct xen_mem_lend m = { 0 };

		err(lend_call(&m), 0, "info");
		eq(m.u.info.version, XENLEND_VERSION, "... version");
		eq(m.u.info.features, 0, "... features");
		eq(m.u.info.pad, 0, "... pad");
		ok(m.u.info.max_slots >= 1 << 18 && m.u.info.max_windows >= 4, "... limits (%lu slots, %u windows)",
		   (long)m.u.info.max_slots, m.u.info.max_windows);
	}
}

static void create(void)
{
	struct xen_mem_lend info = { 0 };
	struct guest *other, *pv;
	struct raw *theirs;
	uint64_t id[64], w2;
	unsigned i, n;
	int rc;

	at("create");
	lend_call(&info);
	bad(XENLEND_create, m.u.create.nr = 0, -EINVAL, "create: no slots");
	bad(XENLEND_create, m.u.create.nr = info.u.info.max_slots + 1, -EINVAL, "create: too many slots");
	bad(XENLEND_create, m.u.create.nr = ~0UL, -EINVAL, "create: 2^64-1 slots");
	bad(XENLEND_create, m.u.create.pad = 1, -EINVAL, "create: pad");
	bad(XENLEND_create, m.u.create.gfn = ~0UL, -EINVAL, "create: last gfn there is");
	bad(XENLEND_create, m.u.create.gfn = ~0UL - 7, -EINVAL, "create: range wraps");
	bad(XENLEND_create, m.u.create.gfn = 1UL << 40, -EINVAL, "create: beyond what the guest can address");
	bad(XENLEND_create, m.u.create.gfn = 0xfee00, -EINVAL, "create: over the local APIC");
	bad(XENLEND_create, m.u.create.gfn = 0xfebff, -EINVAL, "create: running into the I/O APIC");
	bad(XENLEND_create, m.u.create.gfn = 0x100, -EEXIST, "create: over RAM");
	bad(XENLEND_create, m.u.create.gfn = GUEST_SHARED_INFO, -EEXIST, "create: over the shared info page");
	bad(XENLEND_create, m.u.create.gfn = w->gfn, -EEXIST, "create: over a window");
	bad(XENLEND_create, m.u.create.gfn = w->gfn + NR - 1, -EEXIST, "create: over a window's last slot");
	bad(XENLEND_create, m.u.create.gfn = w->gfn - 7, -EEXIST, "create: over a window's first slot");
	bad(XENLEND_create, m.u.create.server = 7, -ENOENT, "create: no such server");
	bad(XENLEND_create, m.u.create.server = 8, -ENOENT, "create: server number too large");
	bad(XENLEND_create, m.u.create.server = ~0U, -ENOENT, "create: server number 2^32-1");
	bad(XENLEND_create, m.u.create.server = 0x10000 | r->id, -ENOENT, "create: server number with high bits");
	bad(XENLEND_create, m.domid = 0x7123, -ESRCH, "create: no such domain");
	rc = call(({ struct xen_mem_lend m = blank(XENLEND_create); m.domid = 0; m; }));
	err(rc, -EPERM, "create: in the lender itself");
	bad(XENLEND_create, m.domid = DOMID_SELF, -EPERM, "create: DOMID_SELF");
	bad(XENLEND_create, m.domid = DOMID_XEN, -ESRCH, "create: DOMID_XEN");
	unchanged("create");

	rc = guest_try_new(&(struct guest_options){ .pv = true }, &pv);
	if (rc)
		skip("create: in a PV domain", "cannot build one: %s", strerror(-rc));
	else {
		rc = raw_create(pv->domid, WIN_GFN, 1, 0, &w2);
		err(rc, -EOPNOTSUPP, "create: in a PV domain");
		guest_free(pv);
	}
	other = guest_new(&(struct guest_options){ .empty = true });
	theirs = raw_open_bare(other);
	rc = raw_create(g->domid, WIN_GFN + 0x1000, 1, theirs->id + 1, &w2);
	err(rc, -ENOENT, "create: a server of another domain");

	/* as many as there may be */
	for (n = 0; n < 64; n++) {
		rc = raw_create(other->domid, WIN_GFN + n, 1, theirs->id, &id[n]);
		if (rc)
			break;
	}
	eq(n, info.u.info.max_windows, "as many windows as info says, side by side");
	err(rc, -ENOSPC, "... and one more");
	for (i = 1; i < n; i++)
		if (id[i] <= id[i - 1])
			break;
	eq(i, n, "ids grow");
	raw_destroy(other->domid, id[3]);
	err(raw_create(other->domid, WIN_GFN + 3, 1, theirs->id, &w2), 0, "the place of a destroyed one can be taken");
	ok(w2 > id[n - 1], "... by a new id");
	for (i = 0; i < n; i++)
		raw_destroy(other->domid, i == 3 ? w2 : id[i]);
	err(raw_create(other->domid, WIN_GFN, info.u.info.max_slots, theirs->id, &w2), 0, "the largest window");
	err(raw_create(other->domid, WIN_GFN + info.u.info.max_slots, 1, theirs->id, &w2), -ENOSPC, "... leaves no slots for another");
	guest_free(other);
	raw_abandon(theirs);
}

static void lend(void)
{
	uint64_t *f = raw_frames();
	int32_t *st = raw_status();
	int32_t status[8];
	uint64_t fr[8];
	unsigned i;

	at("lend");
	bad(XENLEND_lend, m.u.range.first = NR, -EINVAL, "lend: first slot beyond the window");
	bad(XENLEND_lend, m.u.range.nr = NR + 1, -EINVAL, "lend: too many slots");
	bad(XENLEND_lend, m.u.range.nr = NR, -EINVAL, "lend: first + nr beyond the window");
	bad(XENLEND_lend, m.u.range.first = ~0UL, -EINVAL, "lend: first 2^64-1");
	bad(XENLEND_lend, (m.u.range.first = ~0UL, m.u.range.nr = 2), -EINVAL, "lend: first + nr wraps");
	bad(XENLEND_lend, m.u.range.nr = ~0UL, -EINVAL, "lend: nr 2^64-1");
	bad(XENLEND_lend, m.u.range.nr = 0, 0, "lend: no slots");
	bad(XENLEND_lend, m.u.range.frames = 0, -EFAULT, "lend: frames at 0");
	bad(XENLEND_lend, m.u.range.frames = 0x7fffdeadb000UL, -EFAULT, "lend: frames unmapped");
	bad(XENLEND_lend, m.u.range.frames = 1UL << 62, -EFAULT, "lend: frames non-canonical");
	bad(XENLEND_lend, m.u.range.frames = 0xffff830000000000UL, -EFAULT, "lend: frames in Xen's own memory");
	bad(XENLEND_lend, m.window = 0, -ENOENT, "lend: window 0");
	bad(XENLEND_lend, m.window = w->id + 100, -ENOENT, "lend: a window that is not there yet");
	bad(XENLEND_lend, m.window = w->id | 1UL << 32, -ENOENT, "lend: window id with high bits");
	bad(XENLEND_lend, m.window = ~0UL, -ENOENT, "lend: window 2^64-1");
	bad(XENLEND_lend, m.domid = 0x7123, -ENOENT, "lend: no such domain");
	bad(XENLEND_lend, m.domid = 0, -ENOENT, "lend: another domain");
	bad(XENLEND_lend, m.domid = DOMID_SELF, -ENOENT, "lend: DOMID_SELF");
	bad(XENLEND_lend, f[0] = 1UL << 40, -EINVAL, "lend: frame 2^40");
	bad(XENLEND_lend, f[0] = ~0UL, -EINVAL, "lend: frame 2^64-1");
	bad(XENLEND_lend, f[0] = 1UL << 52, -EINVAL, "lend: frame 2^52");
	unchanged("lend");

	at("lend with results");
	for (i = 0; i < 4; i++)
		fr[i] = pool->frame[16 + i];
	fr[2] = 1UL << 40;
	err(raw_lend(g->domid, w->id, 16, 4, fr, status, XENLEND_WRITE), 0, "lend four, one bad, with a status array");
	ok(!status[0] && !status[1] && status[2] == -EINVAL && !status[3], "... each has its result");
	err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke them");
	raw_query(g->domid, w->id, &base);
	eq(base.lent, 1, "... one is left from before");
	err(raw_lend(g->domid, w->id, 16, 4, fr, NULL, XENLEND_WRITE), -EINVAL, "the same without: the first error");
	err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke the range, whatever was lent");
	fr[2] = pool->frame[18];
	{
		struct xen_mem_lend m = blank(XENLEND_lend);

		for (i = 0; i < 4; i++)
			f[i] = fr[i];
		m.u.range.first = 16;
		m.u.range.nr = 4;
		m.u.range.status = 0x7fffdeadb000UL;
		err(lend_call(&m), -EFAULT, "lend with the status array unmapped");
		m.u.range.status = 1UL << 62;
		err(lend_call(&m), -EFAULT, "... non-canonical");
		err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke the range");
		m.u.range.status = (uintptr_t)st + 1;
		st[0] = 5;
		err(lend_call(&m), 0, "lend with the status array misaligned");
		err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke");
	}
	err(raw_lend(g->domid, w->id, 16, 4, fr, status, XENLEND_WRITE), 0, "lend four");
	err(raw_lend(g->domid, w->id, 16, 4, fr, status, XENLEND_WRITE), 0, "lend the same again");
	ok(!status[0] && !status[3], "... without effect");
	fr[0] = pool->frame[20];
	err(raw_lend(g->domid, w->id, 16, 1, fr, NULL, XENLEND_WRITE), -EBUSY, "another frame into a full slot");
	fr[0] = pool->frame[16];
	err(raw_lend(g->domid, w->id, 16, 1, fr, NULL, 0), -EBUSY, "fewer rights for a full slot");
	err(raw_lend(g->domid, w->id, 20, 1, fr, NULL, XENLEND_WRITE), 0, "one frame into two slots");
	err(raw_revoke(g->domid, w->id, 16, 8), 0, "revoke");
}

static void revoking(void)
{
	at("revoke");
	bad(XENLEND_revoke, m.u.range.first = NR, -EINVAL, "revoke: first slot beyond the window");
	bad(XENLEND_revoke, m.u.range.nr = NR + 1, -EINVAL, "revoke: too many slots");
	bad(XENLEND_revoke, (m.u.range.first = 1, m.u.range.nr = NR), -EINVAL, "revoke: first + nr beyond the window");
	bad(XENLEND_revoke, (m.u.range.first = ~0UL, m.u.range.nr = 2), -EINVAL, "revoke: first + nr wraps");
	bad(XENLEND_revoke, (m.u.range.first = 1, m.u.range.nr = ~0UL), -EINVAL, "revoke: nr 2^64-1");
	bad(XENLEND_revoke, m.u.range.frames = (uintptr_t)raw_frames(), -EINVAL, "revoke: frames given");
	bad(XENLEND_revoke, m.u.range.status = (uintptr_t)raw_status(), -EINVAL, "revoke: status given");
	raw_query(g->domid, w->id, &base);
	bad(XENLEND_revoke, m.window = w->id + 100, 0, "revoke: no such window, nothing is lent");
	bad(XENLEND_revoke, m.domid = 0x7123, 0, "revoke: no such domain, nothing is lent");
	bad(XENLEND_revoke, m.domid = 0, 0, "revoke: another domain, nothing is lent");
	bad(XENLEND_revoke, m.u.range.nr = 0, 0, "revoke: no slots");
	bad(XENLEND_revoke, , 0, "revoke: an empty slot");
	bad(XENLEND_destroy, m.window = w->id + 100, 0, "destroy: no such window");
	bad(XENLEND_destroy, m.domid = 0x7123, 0, "destroy: no such domain");
	bad(XENLEND_query, m.window = w->id + 100, -ENOENT, "query: no such window");
	bad(XENLEND_query, m.domid = 0x7123, -ENOENT, "query: no such domain");
	unchanged("revoke, destroy, query");
}


void suite_abi(void)
{
	struct xen_mem_lend_query q;
	uint64_t fr;

	xen_open();
	g = guest_new(NULL);
	r = raw_open(g);
	pool = pool_new(NR);
	w = raw_window(r, WIN_GFN, NR);
	raw_back(w, 0, NR, pool, 0);
	fr = pool->frame[0];
	eq(sizeof(struct xen_mem_lend), 128, "size of the struct");
	err(raw_lend(g->domid, w->id, 0, 1, &fr, NULL, XENLEND_WRITE), 0, "one slot is lent");
	eq(raw_query(g->domid, w->id, &base), 0, "query");
	eqx(base.gfn, WIN_GFN, "... gfn");
	eq(base.nr, NR, "... nr");
	eq(base.lent, 1, "... lent");
	eq(base.lends, 1, "... lends");

	common();
	create();
	lend();
	revoking();

	at("end");
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 1, "one slot is lent at the end");
	g_write(g, W(0), 4711);
	eq(*(uint64_t *)pool_page(pool, 0), 4711, "and works");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(pool);
}
