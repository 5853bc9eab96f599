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
static struct xen_mem_lend_counters base;

/* The window must be what it was at the beginning. */
static void unchanged(const char *what)
{
	struct xen_mem_lend_counters q;
	int rc = raw_query(g->domid, w->id, &q);

	ok(!rc && !memcmp(&q, &base, sizeof(q)), "nothing changed: %s", what);
}

static struct xen_mem_lend_counters *room;	/* for queries */

static struct xen_mem_lend blank(unsigned op)
{
	struct xen_mem_lend m = { .op = op };

	switch (op) {
	case XENMEM_LEND_create:
		m.u.create.domid = g->domid;
		m.u.create.gfn = WIN_GFN + 0x1000;
		m.u.create.nr = 8;
		m.u.create.server = r->id;
		break;
	case XENMEM_LEND_destroy:
		m.u.destroy.domid = g->domid;
		m.u.destroy.window = w->id;
		break;
	case XENMEM_LEND_lend:
		m.u.lend.domid = g->domid;
		m.u.lend.window = w->id;
		m.u.lend.first = 8;
		m.u.lend.nr = 1;
		raw_frames()[0] = pool->frame[8] | XENMEM_LEND_WRITE;
		m.u.lend.frames = (uintptr_t)raw_frames();
		break;
	case XENMEM_LEND_revoke:
		m.u.revoke.domid = g->domid;
		m.u.revoke.window = w->id;
		m.u.revoke.first = 8;
		m.u.revoke.nr = 1;
		break;
	case XENMEM_LEND_query:
		m.u.query.domid = g->domid;
		m.u.query.window = w->id;
		m.u.query.size = sizeof(*room);
		m.u.query.counters = (uintptr_t)room;
		break;
	}
	return m;
}

static int call(struct xen_mem_lend m)
{
	return lend_call(&m);
}

/* One deviation from a good call. */
#define bad(op_, change, want, text) ({ struct xen_mem_lend m = blank(op_); change; err(call(m), want, "%s", text); })

static const char *const names[] = { "info", "create", "destroy", "lend", "revoke", "query" };
static const unsigned used[] = { sizeof(struct xen_mem_lend_info), sizeof(struct xen_mem_lend_create), sizeof(struct xen_mem_lend_destroy),
	sizeof(struct xen_mem_lend_lend), sizeof(struct xen_mem_lend_revoke), sizeof(struct xen_mem_lend_query) };

static void common(void)
{
	char text[100];
	unsigned op, i;

	at("common fields");
	bad(6, , -EOPNOTSUPP, "op 6");
	bad(0xffff, , -EOPNOTSUPP, "op 0xffff");
	bad(0x10000 | XENMEM_LEND_destroy, m.u.destroy.window = w->id, -EOPNOTSUPP, "op 0x10002");
	bad(~0U, , -EOPNOTSUPP, "op 2^32-1");
	for (op = 0; op < 6; op++) {
		for (i = op == XENMEM_LEND_lend; i < 32; i += i < 2 ? 1 : 10) {
			snprintf(text, sizeof(text), "%s: flag bit %u", names[op], i);
			bad(op, m.flags |= 1U << i, -EINVAL, text);
		}
		for (i = used[op] / 8; i < 15; i += i == 14 ? 1 : i + 3 < 14 ? 3 : 14 - i) {
			snprintf(text, sizeof(text), "%s: non-zero room[%u]", names[op], i);
			bad(op, m.u.room[i] = i == 14 ? 1UL << 63 : 1, -EINVAL, text);
		}
	}
	bad(XENMEM_LEND_lend, m.flags = XENMEM_LEND_ANSWER | 1U << 1, -EINVAL, "lend: ANSWER and another flag");
	bad(XENMEM_LEND_create, m.u.create.pad = 1, -EINVAL, "create: pad");
	bad(XENMEM_LEND_create, m.u.create.pad = 1U << 31, -EINVAL, "create: pad, last bit");
	for (i = 0; i < 3; i++) {
		bad(XENMEM_LEND_destroy, m.u.destroy.pad[i] = 1, -EINVAL, "destroy: pad");
		bad(XENMEM_LEND_revoke, m.u.revoke.pad[i] = 0x8000, -EINVAL, "revoke: pad");
	}
	bad(XENMEM_LEND_lend, m.u.lend.pad = 1, -EINVAL, "lend: pad");
	bad(XENMEM_LEND_lend, m.u.lend.pad = 0x8000, -EINVAL, "lend: pad, last bit");
	bad(XENMEM_LEND_lend, m.u.lend.vcpu = 1, -EINVAL, "lend: a vCPU without ANSWER");
	bad(XENMEM_LEND_lend, m.u.lend.vcpu = 1U << 31, -EINVAL, "lend: vCPU 2^31 without ANSWER");
	bad(XENMEM_LEND_query, m.u.query.pad = 1, -EINVAL, "query: pad");
	unchanged("common fields");

	err(lend_call_at(NULL), -EFAULT, "struct at address 0");
	err(lend_call_at((void *)0x7fffdeadb000UL), -EFAULT, "struct at an unmapped address");
	err(lend_call_at((void *)(1UL << 62)), -EFAULT, "struct at a non-canonical address");
	{
		struct xen_mem_lend m = { 0 };

		memset(&m.u.info, 0xff, sizeof(m.u.info));
		err(lend_call(&m), 0, "info, its output not 0 before");
		eq(m.u.info.version, XENMEM_LEND_VERSION, "... version");
		eq(m.u.info.features, XENMEM_LEND_HAS_CACHE | XENMEM_LEND_HAS_MMIO | XENMEM_LEND_HAS_2M, "... features");
		eq(m.u.info.pad, 0, "... pad");
		ok(m.u.info.max_slots >= 1 << 18 && m.u.info.max_windows >= 4, "... limits (%lu slots, %u windows)",
		   (long)m.u.info.max_slots, m.u.info.max_windows);
	}
}

/* What a caller cannot be told does not happen: structs that can be read and not written. */
static void unwritable(void)
{
	struct xen_mem_lend *p;
	struct xen_mem_lend_counters q;
	uint64_t id;
	unsigned i;
	int rc;

	at("results that cannot be told");
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mlock(p, 2 * PAGE))
		die("mmap: %s", strerror(errno));
	memset(p, 0, 2 * PAGE);
	for (i = 0; i < 2; i++) {
		struct xen_mem_lend *at_ = i ? (void *)((char *)p + PAGE - 32) : p;

		mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE);
		*at_ = blank(XENMEM_LEND_create);
		/* the first time the whole struct, then only its second half, with the id, cannot be written */
		mprotect(i ? (char *)p + PAGE : (char *)p, PAGE, PROT_READ);
		rc = lend_call_at(at_);
		err(rc, -EFAULT, "create, and its id cannot be told%s", i ? ": only that" : "");
		rc = raw_create(g->domid, WIN_GFN + 0x1000, 8, r->id, &id);
		if (err(rc, 0, "... the range is free"))
			raw_destroy(g->domid, id);
	}
	mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE);
	*p = blank(XENMEM_LEND_info);
	mprotect(p, PAGE, PROT_READ);
	err(lend_call_at(p), -EFAULT, "info, and its result cannot be told");
	mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	*p = blank(XENMEM_LEND_query);
	mprotect(p, PAGE, PROT_READ);
	err(lend_call_at(p), -EFAULT, "query, and its size cannot be told");
	/* as many windows as there may be were made and lost, if they were not taken back */
	mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	*p = blank(XENMEM_LEND_create);
	mprotect(p, PAGE, PROT_READ);
	for (i = rc = 0; i < 40; i++)
		rc |= lend_call_at(p) != -EFAULT;
	eq(rc, 0, "40 of those");
	err(raw_create(g->domid, WIN_GFN + 0x1000, 8, r->id, &id), 0, "... use up nothing");
	raw_query(g->domid, id, &q);
	eq(q.nr, 8, "... the window is as asked for");
	raw_destroy(g->domid, id);
	munmap(p, 2 * PAGE);
	unchanged("results that cannot be told");
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
	bad(XENMEM_LEND_create, m.u.create.nr = 0, -EINVAL, "create: no slots");
	bad(XENMEM_LEND_create, m.u.create.nr = info.u.info.max_slots + 1, -EINVAL, "create: too many slots");
	bad(XENMEM_LEND_create, m.u.create.nr = ~0UL, -EINVAL, "create: 2^64-1 slots");
	bad(XENMEM_LEND_create, m.u.create.gfn = ~0UL, -EINVAL, "create: last gfn there is");
	bad(XENMEM_LEND_create, m.u.create.gfn = ~0UL - 7, -EINVAL, "create: range wraps");
	bad(XENMEM_LEND_create, m.u.create.gfn = 1UL << 40, -EINVAL, "create: beyond what the guest can address");
	bad(XENMEM_LEND_create, m.u.create.gfn = 0xfee00, -EINVAL, "create: over the local APIC");
	bad(XENMEM_LEND_create, m.u.create.gfn = 0xfebff, -EINVAL, "create: running into the I/O APIC");
	bad(XENMEM_LEND_create, m.u.create.gfn = 0x100, -EEXIST, "create: over RAM");
	bad(XENMEM_LEND_create, m.u.create.gfn = GUEST_SHARED_INFO, -EEXIST, "create: over the shared info page");
	bad(XENMEM_LEND_create, m.u.create.gfn = w->gfn, -EEXIST, "create: over a window");
	bad(XENMEM_LEND_create, m.u.create.gfn = w->gfn + NR - 1, -EEXIST, "create: over a window's last slot");
	bad(XENMEM_LEND_create, m.u.create.gfn = w->gfn - 7, -EEXIST, "create: over a window's first slot");
	bad(XENMEM_LEND_create, m.u.create.server = 7, -ENOENT, "create: no such server");
	bad(XENMEM_LEND_create, m.u.create.server = 8, -ENOENT, "create: server number too large");
	bad(XENMEM_LEND_create, m.u.create.server = 0xffff, -ENOENT, "create: server number 2^16-1");
	bad(XENMEM_LEND_create, m.u.create.server = 0x100 | r->id, -ENOENT, "create: server number with high bits");
	bad(XENMEM_LEND_create, m.u.create.domid = 0x7123, -ESRCH, "create: no such domain");
	bad(XENMEM_LEND_create, m.u.create.domid = 0, -EPERM, "create: in the lender itself");
	bad(XENMEM_LEND_create, m.u.create.domid = DOMID_SELF, -EPERM, "create: DOMID_SELF");
	bad(XENMEM_LEND_create, m.u.create.domid = DOMID_XEN, -ESRCH, "create: DOMID_XEN");
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
	rc = raw_create(g->domid, WIN_GFN + 0x1000, 1, r->id + 1, &w2);
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
	bad(XENMEM_LEND_lend, m.u.lend.first = NR, -EINVAL, "lend: first slot beyond the window");
	bad(XENMEM_LEND_lend, m.u.lend.nr = NR + 1, -EINVAL, "lend: too many slots");
	bad(XENMEM_LEND_lend, m.u.lend.nr = NR, -EINVAL, "lend: first + nr beyond the window");
	bad(XENMEM_LEND_lend, m.u.lend.first = ~0UL, -EINVAL, "lend: first 2^64-1");
	bad(XENMEM_LEND_lend, (m.u.lend.first = ~0UL, m.u.lend.nr = 2), -EINVAL, "lend: first + nr wraps");
	bad(XENMEM_LEND_lend, m.u.lend.nr = ~0UL, -EINVAL, "lend: nr 2^64-1");
	bad(XENMEM_LEND_lend, m.u.lend.nr = 0, 0, "lend: no slots");
	bad(XENMEM_LEND_lend, (m.u.lend.nr = 0, m.u.lend.frames = 0), 0, "lend: no slots, no array");
	bad(XENMEM_LEND_lend, (m.u.lend.nr = 0, m.u.lend.first = NR), 0, "lend: no slots at the window's end");
	bad(XENMEM_LEND_lend, (m.u.lend.nr = 0, m.u.lend.first = NR + 1), -EINVAL, "lend: no slots beyond the window's end");
	bad(XENMEM_LEND_lend, (m.u.lend.nr = XENMEM_LEND_INLINE + 1, m.u.lend.frames = 0), -EINVAL, "lend: 9 slots without an array");
	bad(XENMEM_LEND_lend, (m.u.lend.nr = NR - 8, m.u.lend.frames = 0), -EINVAL, "lend: 56 slots without an array");
	bad(XENMEM_LEND_lend, (m.flags = XENMEM_LEND_ANSWER, m.u.lend.nr = XENMEM_LEND_BATCH + 1), -EINVAL, "lend: ANSWER with 65 slots");
	bad(XENMEM_LEND_lend, (m.flags = XENMEM_LEND_ANSWER, m.u.lend.nr = 1UL << 32), -EINVAL, "lend: ANSWER with 2^32 slots");
	bad(XENMEM_LEND_lend, m.u.lend.frames = PAGE, -EFAULT, "lend: frames at 4096");
	bad(XENMEM_LEND_lend, m.u.lend.frames = 0x7fffdeadb000UL, -EFAULT, "lend: frames unmapped");
	bad(XENMEM_LEND_lend, m.u.lend.frames = 1UL << 62, -EFAULT, "lend: frames non-canonical");
	bad(XENMEM_LEND_lend, m.u.lend.frames = 0xffff830000000000UL, -EFAULT, "lend: frames in Xen's own memory");
	bad(XENMEM_LEND_lend, m.u.lend.window = 0, -ENOENT, "lend: window 0");
	bad(XENMEM_LEND_lend, m.u.lend.window = w->id + 100, -ENOENT, "lend: a window that is not there yet");
	bad(XENMEM_LEND_lend, m.u.lend.window = w->id | 1UL << 32, -ENOENT, "lend: window id with high bits");
	bad(XENMEM_LEND_lend, m.u.lend.window = ~0UL, -ENOENT, "lend: window 2^64-1");
	bad(XENMEM_LEND_lend, m.u.lend.domid = 0x7123, -ENOENT, "lend: no such domain");
	bad(XENMEM_LEND_lend, m.u.lend.domid = 0, -ENOENT, "lend: another domain");
	bad(XENMEM_LEND_lend, m.u.lend.domid = DOMID_SELF, -ENOENT, "lend: DOMID_SELF");
	bad(XENMEM_LEND_lend, f[0] = 1UL << 40, -EINVAL, "lend: frame 2^40");
	bad(XENMEM_LEND_lend, f[0] = ~0UL, -EINVAL, "lend: frame 2^64-1");
	bad(XENMEM_LEND_lend, f[0] = 1UL << 52, -EINVAL, "lend: frame 2^52");
	for (i = 40; i < 63; i++) {
		char text[60];

		/* two types of memory, see suite cache; MMIO is none with this frame, see mmio; 2M not in an array */
		if (i == 44 || i == 45)
			continue;
		snprintf(text, sizeof(text), "lend: bit %u of a frame", i);
		bad(XENMEM_LEND_lend, f[0] |= 1UL << i, -EINVAL, text);
	}
	bad(XENMEM_LEND_lend, f[0] |= XENMEM_LEND_2M, -EINVAL, "lend: 2M in an array");
	bad(XENMEM_LEND_lend, (m.u.lend.frames = 0, m.u.lend.inline_frames[0] = XENMEM_LEND_2M), -EINVAL, "lend: 2M for one slot");
	bad(XENMEM_LEND_lend, (m.u.lend.frames = 0, m.u.lend.inline_frames[0] = XENMEM_LEND_2M, m.u.lend.nr = 512), -EINVAL,
	    "lend: 2M beyond the window");
	unchanged("lend");

	at("lend with results");
	for (i = 0; i < 4; i++)
		fr[i] = pool->frame[16 + i];
	fr[2] = 1UL << 40;
	err(raw_lend(g->domid, w->id, 16, 4, fr, status, XENMEM_LEND_WRITE), 0, "lend four, one bad, with a status array");
	ok(!status[0] && !status[1] && status[2] == -EINVAL && !status[3], "... each has its result");
	err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke them");
	raw_query(g->domid, w->id, &base);
	eq(base.lent, 1, "... one is left from before");
	err(raw_lend(g->domid, w->id, 16, 4, fr, NULL, XENMEM_LEND_WRITE), -EINVAL, "the same without: the first error");
	err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke the range, whatever was lent");
	fr[2] = pool->frame[18];
	{
		struct xen_mem_lend m = blank(XENMEM_LEND_lend);

		for (i = 0; i < 4; i++)
			f[i] = fr[i] | XENMEM_LEND_WRITE;
		m.u.lend.first = 16;
		m.u.lend.nr = 4;
		m.u.lend.status = 0x7fffdeadb000UL;
		err(lend_call(&m), -EFAULT, "lend with the status array unmapped");
		m.u.lend.status = 1UL << 62;
		err(lend_call(&m), -EFAULT, "... non-canonical");
		err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke the range");
		m.u.lend.status = (uintptr_t)st + 1;
		st[0] = 5;
		err(lend_call(&m), 0, "lend with the status array misaligned");
		err(raw_revoke(g->domid, w->id, 16, 4), 0, "... revoke");
	}
	err(raw_lend(g->domid, w->id, 16, 4, fr, status, XENMEM_LEND_WRITE), 0, "lend four");
	err(raw_lend(g->domid, w->id, 16, 4, fr, status, XENMEM_LEND_WRITE), 0, "lend the same again");
	ok(!status[0] && !status[3], "... without effect");
	fr[0] = pool->frame[20];
	err(raw_lend(g->domid, w->id, 16, 1, fr, NULL, XENMEM_LEND_WRITE), -EBUSY, "another frame into a full slot");
	fr[0] = pool->frame[16];
	err(raw_lend(g->domid, w->id, 16, 1, fr, NULL, 0), -EBUSY, "fewer rights for a full slot");
	err(raw_lend(g->domid, w->id, 20, 1, fr, NULL, XENMEM_LEND_WRITE), 0, "one frame into two slots");
	err(raw_revoke(g->domid, w->id, 16, 8), 0, "revoke");
}

static void revoking(void)
{
	at("revoke");
	bad(XENMEM_LEND_revoke, m.u.revoke.first = NR, -EINVAL, "revoke: first slot beyond the window");
	bad(XENMEM_LEND_revoke, m.u.revoke.nr = NR + 1, -EINVAL, "revoke: too many slots");
	bad(XENMEM_LEND_revoke, (m.u.revoke.first = 1, m.u.revoke.nr = NR), -EINVAL, "revoke: first + nr beyond the window");
	bad(XENMEM_LEND_revoke, (m.u.revoke.first = ~0UL, m.u.revoke.nr = 2), -EINVAL, "revoke: first + nr wraps");
	bad(XENMEM_LEND_revoke, (m.u.revoke.first = 1, m.u.revoke.nr = ~0UL), -EINVAL, "revoke: nr 2^64-1");
	raw_query(g->domid, w->id, &base);
	bad(XENMEM_LEND_revoke, m.u.revoke.window = w->id + 100, 0, "revoke: no such window, nothing is lent");
	bad(XENMEM_LEND_revoke, m.u.revoke.domid = 0x7123, 0, "revoke: no such domain, nothing is lent");
	bad(XENMEM_LEND_revoke, m.u.revoke.domid = 0, 0, "revoke: another domain, nothing is lent");
	bad(XENMEM_LEND_revoke, m.u.revoke.nr = 0, 0, "revoke: no slots");
	bad(XENMEM_LEND_revoke, , 0, "revoke: an empty slot");
	bad(XENMEM_LEND_destroy, m.u.destroy.window = w->id + 100, 0, "destroy: no such window");
	bad(XENMEM_LEND_destroy, m.u.destroy.domid = 0x7123, 0, "destroy: no such domain");
	bad(XENMEM_LEND_query, m.u.query.window = w->id + 100, -ENOENT, "query: no such window");
	bad(XENMEM_LEND_destroy, m.u.destroy.domid = DOMID_SELF, 0, "destroy: DOMID_SELF");
	bad(XENMEM_LEND_destroy, m.u.destroy.window = 0, 0, "destroy: window 0");
	bad(XENMEM_LEND_query, m.u.query.window = 0, -ENOENT, "query: window 0");
	bad(XENMEM_LEND_query, m.u.query.domid = DOMID_SELF, -ENOENT, "query: DOMID_SELF");
	bad(XENMEM_LEND_query, m.u.query.domid = 0x7123, -ENOENT, "query: no such domain");
	unchanged("revoke, destroy, query");
}

/* The counters go to an array of the caller's, as much of them as fits. */
static void querying(void)
{
	unsigned char *c = (unsigned char *)room, want[sizeof(*room)];
	static const unsigned sizes[] = { 0, 8, 16, 24, sizeof(*room) - 8, sizeof(*room), sizeof(*room) + 8, 4000 };
	unsigned i, k, n, wrong = 0;
	struct xen_mem_lend q;

	at("query");
	raw_query(g->domid, w->id, &base);
	memcpy(want, &base, sizeof(want));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(c, 0x55, PAGE);
		q = blank(XENMEM_LEND_query);
		q.u.query.size = sizes[i];
		err(lend_call(&q), 0, "query with room for %u bytes", sizes[i]);
		wrong += q.u.query.size != sizeof(*room);
		n = sizes[i] < sizeof(*room) ? sizes[i] : sizeof(*room);
		for (k = 0; k < PAGE; k++)
			wrong += c[k] != (k < n ? want[k] : 0x55);
	}
	eq(wrong, 0, "... each tells the size there is, and fills what fits and no more");
	bad(XENMEM_LEND_query, (m.u.query.size = 0, m.u.query.counters = 0), 0, "query: only the size");
	bad(XENMEM_LEND_query, m.u.query.counters = 0, -EFAULT, "query: counters at 0");
	bad(XENMEM_LEND_query, m.u.query.counters = 0x7fffdeadb000UL, -EFAULT, "query: counters unmapped");
	bad(XENMEM_LEND_query, m.u.query.counters = 1UL << 62, -EFAULT, "query: counters non-canonical");
	bad(XENMEM_LEND_query, m.u.query.counters = 0xffff830000000000UL, -EFAULT, "query: counters in Xen's own memory");
	unchanged("query");
}

static unsigned write_faults;
static int no_writes(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)slot;
	(void)cpu;
	if (q->dir != IOREQ_WRITE)
		return RAW_DEFAULT;
	write_faults++;
	return XENMEM_LEND_ANSWER_GP;
}

/* Each slot's word says what its frame may be used for. */
static void words(void)
{
	struct xen_mem_lend m;
	uint64_t word[16];
	int32_t st[16];
	unsigned i, wrong;
	int rc;

	at("rights of each slot");
	r->fault = no_writes;
	for (i = 0; i < 16; i++)
		word[i] = pool->frame[32 + i] | (i % 3 ? XENMEM_LEND_WRITE : 0);
	err(raw_lend_words(g->domid, w->id, 32, 16, word, st), 0, "16 slots, every third read-only, in one call");
	for (i = wrong = 0; i < 16; i++) {
		*(uint64_t *)pool_page(pool, 32 + i) = 100 + i;
		wrong += st[i] || g_read(g, W(32 + i)) != 100 + i;
	}
	eq(wrong, 0, "... all can be read");
	for (i = wrong = 0; i < 16; i++) {
		write_faults = 0;
		g_write(g, W(32 + i), 200 + i);
		wrong += i % 3 ? write_faults || gtrap(g, 0) != NO_TRAP || *(uint64_t *)pool_page(pool, 32 + i) != 200 + i :
				 write_faults != 1 || gtrap(g, 0) != 13 || *(uint64_t *)pool_page(pool, 32 + i) != 100 + i;
	}
	eq(wrong, 0, "... and those that may be written");
	for (i = 0; i < 16; i++)
		word[i] = i == 5 ? word[i] | 1UL << 48 : i == 6 ? word[i] | 1UL << 40 : i == 7 ? word[i] | 15UL << 44 : word[i] | XENMEM_LEND_WRITE;
	err(raw_lend_words(g->domid, w->id, 32, 16, word, st), 0, "all writable, three with bits that mean nothing yet");
	for (i = wrong = 0; i < 16; i++)
		wrong += st[i] != (i >= 5 && i <= 7 ? -EINVAL : 0);
	eq(wrong, 0, "... those three fail");
	write_faults = 0;
	g_write(g, W(32), 7);
	eq(write_faults, 0, "... and a read-only one was upgraded in place");
	raw_revoke(g->domid, w->id, 32, 16);

	at("frames in the struct");
	m = blank(XENMEM_LEND_lend);
	m.u.lend.frames = 0;
	m.u.lend.first = 32;
	m.u.lend.nr = XENMEM_LEND_INLINE;
	m.u.lend.status = (uintptr_t)raw_status();
	for (i = 0; i < XENMEM_LEND_INLINE; i++)
		m.u.lend.inline_frames[i] = pool->frame[40 + i] | (i & 1 ? XENMEM_LEND_WRITE : 0) | (i == 6 ? 1UL << 62 : 0);
	memset(raw_status(), 0x55, 64);
	err(lend_call(&m), 0, "eight slots without an array");
	for (i = wrong = 0; i < XENMEM_LEND_INLINE; i++)
		wrong += raw_status()[i] != (i == 6 ? -EINVAL : 0);
	eq(wrong, 0, "... each has its result");
	for (i = wrong = 0; i < XENMEM_LEND_INLINE; i++) {
		*(uint64_t *)pool_page(pool, 40 + i) = 300 + i;
		if (i == 6)
			continue;
		wrong += g_read(g, W(32 + i)) != 300 + i;
		write_faults = 0;
		g_write(g, W(32 + i), 400 + i);
		wrong += write_faults != !(i & 1);
	}
	eq(wrong, 0, "... frames and rights are those given");
	raw_revoke(g->domid, w->id, 32, 16);
	m.u.lend.status = 0;
	m.u.lend.nr = 2;
	err(lend_call(&m), 0, "two of them, and what follows is not looked at");
	m.u.lend.frames = (uintptr_t)raw_frames();
	raw_frames()[0] = pool->frame[40];
	raw_frames()[1] = pool->frame[41] | XENMEM_LEND_WRITE;
	memset(m.u.lend.inline_frames, 0xff, sizeof(m.u.lend.inline_frames));
	err(lend_call(&m), 0, "the same from an array, and what is in the struct is not looked at");
	rc = raw_query(g->domid, w->id, &base);
	ok(!rc && base.lent == 3, "... without effect");
	raw_revoke(g->domid, w->id, 32, 16);
	r->fault = NULL;
}

/* ---- XENMEM_LEND_ANSWER ---- */

static int hold_some(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)q;
	(void)cpu;
	return slot >= 48 && slot < 60 ? RAW_HOLD : RAW_DEFAULT;
}

static void wait_at(unsigned cpu, unsigned slot)
{
	gop_start(g, cpu, GOP_READ, W(slot), 8);
	if (!raw_wait_held(r, cpu, 60))
		die("no fault came from vCPU %u", cpu);
}

/* What Xen says on its console after a debug key. */
static bool console_says(char key, const char *what)
{
	static char ring[1 << 20];
	unsigned n = sizeof(ring) - 1;
	uint32_t index = 0;

	if (xc_send_debug_keys(xch, (char[]){ key, 0 }))
		return false;
	usleep(200000);
	if (xc_readconsolering(xch, ring, &n, 0, 0, &index))
		return false;
	ring[n] = 0;
	return strstr(ring, what);
}

static uint64_t answers(void)
{
	struct xen_mem_lend_counters q;

	if (raw_query(g->domid, w->id, &q))
		die("query");
	return q.answers;
}

static uint64_t rw(unsigned slot)
{
	return pool->frame[slot] | XENMEM_LEND_WRITE;
}

static int lend_answer(unsigned first, unsigned nr, int32_t *st, unsigned cpu)
{
	uint64_t word[16];
	unsigned i;

	for (i = 0; i < nr; i++)
		word[i] = rw(first + i);
	return raw_lend_answer(g->domid, w->id, first, nr, word, st, cpu);
}

static void answering(void)
{
	static const unsigned wrong_cpu[] = { MBOX_CPUS, 7, 127, 128, 8192, 1U << 31, ~0U };
	uint64_t a0, word[4];
	int32_t st[4];
	unsigned i, n;
	int rc;

	at("lend and answer");
	for (i = 48; i < NR; i++)
		*(uint64_t *)pool_page(pool, i) = 1000 + i;
	r->fault = hold_some;
	a0 = answers();
	wait_at(0, 48);
	err(lend_answer(48, 1, NULL, 0), 0, "lend and answer");
	if (!ok(gop_wait_for(g, 0, 60), "... the vCPU goes on"))
		raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	raw_answered(r, 0);
	eq(gop_wait(g, 0), 1048, "... and reads what was lent");
	eq(answers() - a0, 1, "... the answer was counted");
	n = w->faults;
	g_write(g, W(48), 5);
	eq(w->faults, n, "... and wrote without another fault");

	at("the request after that");
	wait_at(0, 49);
	ok(r->held_req[0].count == 1 && r->held_req[0].addr == W(49) && r->held_req[0].dir == IOREQ_READ, "the next request is as it should be");
	ok(!gop_wait_for(g, 0, 1), "... and waits for its own answer");
	win_lend(w, 49, true);
	raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	eq(gop_wait(g, 0), 1049, "... which it gets from the server");
	wait_at(1, 50);
	err(lend_answer(50, 1, st, 1), 0, "the other vCPU");
	raw_answered(r, 1);
	eq(gop_wait(g, 1), 1050, "... goes on");
	eq(st[0], 0, "... and the slot has its result");

	at("a request that the server has not seen");
	pthread_mutex_lock(&r->lock);
	gop_start(g, 0, GOP_READ, W(51), 8);
	for (i = 0; i < 60000 && r->page->vcpu_ioreq[0].state != STATE_IOREQ_READY; i++)
		usleep(1000);
	eq(r->page->vcpu_ioreq[0].state, STATE_IOREQ_READY, "a request that the server has not touched");
	err(lend_answer(51, 1, NULL, 0), 0, "... is answered by a lend");
	rc = gop_wait_for(g, 0, 60);
	pthread_mutex_unlock(&r->lock);
	ok(rc, "... the vCPU goes on");
	eq(gop_wait(g, 0), 1051, "... with what was lent");

	at("a slot that was lent before");
	wait_at(0, 59);
	win_lend(w, 59, true);
	ok(!gop_wait_for(g, 0, 1), "a lend without ANSWER answers nobody");
	err(lend_answer(59, 1, NULL, 0), 0, "the same again with it: the slot holds that frame already");
	if (!ok(gop_wait_for(g, 0, 60), "... and the vCPU goes on"))
		raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	raw_answered(r, 0);
	eq(gop_wait(g, 0), 1059, "... with what was lent");

	at("wrong vCPUs");
	a0 = answers();
	raw_query(g->domid, w->id, &base);
	for (i = 0; i < sizeof(wrong_cpu) / sizeof(wrong_cpu[0]); i++)
		err(lend_answer(52, 1, NULL, wrong_cpu[i]), -EINVAL, "answer for vCPU %u", wrong_cpu[i]);
	unchanged("wrong vCPUs");
	err(lend_answer(52, 1, NULL, 1), 0, "answer for a vCPU that does not wait");
	eq(answers() - a0, 0, "... there was nothing to answer");
	eq(g_read(g, W(52)), 1052, "... and the slot is lent");
	err(raw_lend_answer(g->domid, w->id, 0, 0, word, NULL, 1), 0, "answer and no slots");

	at("slots that were not lent");
	wait_at(0, 53);
	ok(console_says('W', "waits for slot 0x35 of window"), "Xen says of it, when asked, what it waits for");
	err(lend_answer(54, 1, NULL, 0), 0, "it waits for another slot");
	ok(!gop_wait_for(g, 0, 1), "... and goes on waiting");
	for (i = 0; i < 3; i++)
		word[i] = rw(52 + i);
	word[1] |= 1UL << 41;
	raw_revoke(g->domid, w->id, 52, 4);
	err(raw_lend_answer(g->domid, w->id, 52, 3, word, st, 0), 0, "its slot is the one that fails");
	ok(!st[0] && st[1] == -EINVAL && !st[2], "... as its result says");
	ok(!gop_wait_for(g, 0, 1), "... and it goes on waiting");
	raw_revoke(g->domid, w->id, 52, 4);
	word[0] = rw(53);
	word[1] = 1UL << 41;
	err(raw_lend_answer(g->domid, w->id, 53, 2, word, NULL, 0), -EINVAL, "its slot is lent, but the call fails");
	ok(!gop_wait_for(g, 0, 1), "... and it goes on waiting");
	eq(answers() - a0, 0, "nothing was answered");
	raw_revoke(g->domid, w->id, 53, 2);
	err(lend_answer(53, 2, NULL, 0), 0, "its slot is lent, with another");
	raw_answered(r, 0);
	eq(gop_wait(g, 0), 1053, "... and it goes on");
	eq(answers() - a0, 1, "... by that answer");

	at("two vCPUs, one slot");
	wait_at(0, 55);
	wait_at(1, 55);
	err(lend_answer(55, 1, NULL, 1), 0, "two wait for a slot, one is answered");
	raw_answered(r, 1);
	eq(gop_wait(g, 1), 1055, "... that goes on");
	ok(!gop_wait_for(g, 0, 1), "... the other goes on waiting");
	raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	eq(gop_wait(g, 0), 1055, "... until it is answered");

	at("not writable");
	gop_start(g, 0, GOP_WRITE, W(56), 8, 77);
	raw_wait_held(r, 0, 60);
	word[0] = pool->frame[56];
	err(raw_lend_answer(g->domid, w->id, 56, 1, word, NULL, 0), 0, "a write is answered with a read-only frame");
	raw_answered(r, 0);
	ok(raw_wait_held(r, 0, 60), "... it asks again");
	eq(*(uint64_t *)pool_page(pool, 56), 1056, "... and has not written");
	err(lend_answer(56, 1, NULL, 0), 0, "lend it writable");
	raw_answered(r, 0);
	gop_wait(g, 0);
	eq(*(uint64_t *)pool_page(pool, 56), 77, "... then it writes");
	raw_revoke(g->domid, w->id, 48, 12);
	r->fault = NULL;

	at("answers by lend, many");
	r->answer_by_lend = true;
	for (i = n = 0; i < 300; i++) {
		gop(g, i & 1, GOP_WRITE, W(48 + i % 12) + 8, 8, i);
		n += *(uint64_t *)(pool_page(pool, 48 + i % 12) + 8) != i;
		raw_revoke(g->domid, w->id, 48 + i % 12, 1);
	}
	eq(n, 0, "300 faults answered that way");
	ok(r->answered_by_lend >= 300, "... all of them (%lu)", (long)r->answered_by_lend);
	r->answer_by_lend = false;
}

/* A server that writes nonsense into its page: the vCPU must not come back for ever, nor wait. */
static void spoilt(void)
{
	struct xen_mem_lend_counters before, after;
	uint32_t state;

	at("a record that the server has spoilt");
	raw_query(g->domid, w->id, &before);
	for (state = STATE_IOREQ_READY + 1; state <= STATE_IORESP_READY + 1; state++) {
		r->page->vcpu_ioreq[0].state = state & 15;
		eqx(g_read(g, W(57)), ~0UL, "state %u: the access reads ones", state & 15);
	}
	r->page->vcpu_ioreq[0].state = STATE_IOREQ_NONE;
	raw_query(g->domid, w->id, &after);
	eq(after.unserved - before.unserved, STATE_IORESP_READY + 1 - STATE_IOREQ_READY, "... and is counted");
	eq(g_read(g, W(57)), 1057, "with the record as it should be it is served");
	raw_revoke(g->domid, w->id, 57, 1);
}

void suite_abi(void)
{
	struct xen_mem_lend_counters q;
	uint64_t fr;

	xen_open();
	g = guest_new(NULL);
	r = raw_open(g);
	pool = pool_new(NR);
	w = raw_window(r, WIN_GFN, NR);
	raw_back(w, 0, NR, pool, 0);
	room = xencall_alloc_buffer(xcall, PAGE);
	fr = pool->frame[0];
	eq(sizeof(struct xen_mem_lend), 128, "size of the struct");
	eq(sizeof(struct xen_mem_lend_lend), 112, "... of lend's part");
	eq(sizeof(struct xen_mem_lend_counters), 136, "... of the counters");
	err(raw_lend(g->domid, w->id, 0, 1, &fr, NULL, XENMEM_LEND_WRITE), 0, "one slot is lent");
	eq(raw_query(g->domid, w->id, &base), 0, "query");
	eqx(base.gfn, WIN_GFN, "... gfn");
	eq(base.nr, NR, "... nr");
	eq(base.lent, 1, "... lent");
	eq(base.lends, 1, "... lends");

	common();
	create();
	unwritable();
	lend();
	revoking();
	querying();
	words();
	answering();
	spoilt();

	at("end");
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 1, "one slot is lent at the end");
	g_write(g, W(0), 4711);
	eq(*(uint64_t *)pool_page(pool, 0), 4711, "and works");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(pool);
}
