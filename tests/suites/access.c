// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S9: what the guest sees is memory.  Every kind of access to empty, lent and read-only slots, checked on both sides.
 * The lender here is raw: it lends what is behind a slot when asked.
 */
#include "suites.h"

#define NR	64

static struct guest *g;
static struct raw *r;
static struct win *w;
static struct pool *pool;

static uint8_t *page(unsigned slot)
{
	return w->back[slot];
}

static void fill(unsigned first, unsigned nr, unsigned seed)
{
	unsigned s, i;

	for (s = first; s < first + nr; s++)
		for (i = 0; i < PAGE; i++)
			page(s)[i] = seed + s * 31 + i * 7 + (i >> 8);
}

/* Empties the slots: the next access faults. */
static void empty(unsigned first, unsigned nr)
{
	int rc = win_revoke(w, first, nr);

	if (rc)
		die("revoke: %s", strerror(-rc));
}

/* Bytes of the window as the lender has them, across slots. */
static void peek(uint64_t off, void *to, unsigned n)
{
	uint8_t *d = to;

	for (; n--; off++)
		*d++ = page(off / PAGE)[off % PAGE];
}

static uint64_t peek8(uint64_t off)
{
	uint64_t v;

	peek(off, &v, 8);
	return v;
}

static void plain(void)
{
	static const unsigned sizes[] = { 1, 2, 4, 8 }, offs[] = { 0, 1, 7, 8, 2047, 4088, 4093, 4095 };
	unsigned i, j, bad_r = 0, bad_w = 0, bad_n = 0, n = 0;
	uint64_t want, v, before[3], after[3];

	at("plain accesses");
	fill(0, 4, 1);
	for (i = 0; i < 4; i++)
		for (j = 0; j < sizeof(offs) / sizeof(offs[0]); j++, n++) {
			empty(0, 4);
			want = 0;
			peek(PAGE + offs[j], &want, sizes[i]);
			v = gop(g, 0, GOP_READ, W(1) + offs[j], sizes[i]);
			bad_r += v != want;

			empty(0, 4);
			want = 0x8877665544332211UL * (n + 3);
			if (sizes[i] < 8)
				want &= (1UL << sizes[i] * 8) - 1;
			peek(PAGE + offs[j] - 8, before, 24);
			memcpy((uint8_t *)before + 8, &want, sizes[i]);
			gop(g, 0, GOP_WRITE, W(1) + offs[j], sizes[i], want);
			peek(PAGE + offs[j] - 8, after, 24);
			v = 0;
			memcpy(&v, after + 1, sizes[i]);
			bad_w += v != want;
			bad_n += memcmp(before, after, 24) != 0;
		}
	eq(bad_r, 0, "loads of 1 to 8 bytes from empty slots, %u cases, some across pages", n);
	eq(bad_w, 0, "stores of 1 to 8 bytes to empty slots");
	eq(bad_n, 0, "... and nothing beside them");
}

static void locked(void)
{
	static const unsigned sizes[] = { 1, 2, 4, 8 };
	uint64_t v, mask, bad = 0;
	unsigned i;

	at("LOCKed accesses");
	for (i = 0; i < 4; i++) {
		mask = sizes[i] == 8 ? ~0UL : (1UL << sizes[i] * 8) - 1;
		*(uint64_t *)page(4) = 0x1020304050607080UL;
		empty(4, 1);
		v = gop(g, 0, GOP_RMW, RMW_XADD, W(4), sizes[i], 0x55);
		bad += (v & mask) != (0x1020304050607080UL & mask);
		bad += *(uint64_t *)page(4) != ((0x1020304050607080UL & ~mask) | ((0x1020304050607080UL + 0x55) & mask));
		empty(4, 1);
		v = gop(g, 0, GOP_RMW, RMW_XCHG, W(4), sizes[i], 0x99);
		bad += (*(uint64_t *)page(4) & mask) != 0x99;
		empty(4, 1);
		gop(g, 0, GOP_RMW, RMW_CMPXCHG, W(4), sizes[i], 0x77, 0x99);
		bad += gret(g, 0, 1) != 1 || (*(uint64_t *)page(4) & mask) != 0x77;
		empty(4, 1);
		gop(g, 0, GOP_RMW, RMW_CMPXCHG, W(4), sizes[i], 0x11, 0x99);
		bad += gret(g, 0, 1) != 0 || (*(uint64_t *)page(4) & mask) != 0x77;
		empty(4, 1);
		gop(g, 0, GOP_RMW, RMW_OR, W(4), sizes[i], 0x08);
		bad += (*(uint64_t *)page(4) & mask) != 0x7f;
		empty(4, 1);
		gop(g, 0, GOP_RMW, RMW_AND, W(4), sizes[i], 0x3c);
		bad += (*(uint64_t *)page(4) & mask) != 0x3c;
	}
	eq(bad, 0, "LOCK xadd, xchg, cmpxchg, or, and of 1 to 8 bytes on an empty slot");

	memset(page(4), 0, PAGE);
	empty(4, 1);
	gop(g, 0, GOP_RMW, RMW_CMPXCHG16B, W(4) + 16, 16, 7, 0);	/* expects 0:1, memory is 0:0 */
	eq(gret(g, 0, 1), 0, "cmpxchg16b on an empty slot that must not match");
	((uint64_t *)page(4))[3] = 1;
	empty(4, 1);
	gop(g, 0, GOP_RMW, RMW_CMPXCHG16B, W(4) + 16, 16, 7, 0);
	eq(gret(g, 0, 1), 1, "cmpxchg16b that must match");
	ok(((uint64_t *)page(4))[2] == 7 && ((uint64_t *)page(4))[3] == 8, "... stored both halves");

	memset(page(5), 0, PAGE);
	empty(4, 2);
	gop(g, 0, GOP_RMW, RMW_BTS, W(4), 8, 8 * PAGE + 40);	/* a bit in the next page */
	eqx(*(uint64_t *)page(5), 1UL << 40, "lock bts that reaches into the next slot");
	gop(g, 0, GOP_RMW, RMW_INC, W(4) + 8);
	eq(((uint64_t *)page(4))[1], 1, "lock inc");

	/* split locks */
	memset(page(6), 0, PAGE);
	memset(page(7), 0, PAGE);
	for (i = 1; i < 8; i++) {
		empty(6, 2);
		gop(g, 0, GOP_RMW, RMW_XADD, W(7) - i, 8, 0x0101010101010101UL);
	}
	v = peek8(7 * PAGE - 1);
	eqx(v, 0x0102030405060707UL, "LOCK xadd across two empty slots, seven ways");
}

static void simd(void)
{
	uint8_t buf[32], got[32];
	unsigned i, off;
	bool avx = g->mb->avx;

	at("SIMD");
	for (i = 0; i < 32; i++)
		buf[i] = 0xf0 - 3 * i;
	fill(8, 2, 9);
	g_data(g, 0, buf, 32);
	empty(8, 2);
	gop(g, 0, GOP_SIMD, SIMD_STORE16, W(9) - 7);
	peek(9 * PAGE - 7, got, 16);
	ok(!memcmp(buf, got, 16), "16-byte store across two empty slots");
	fill(8, 2, 5);
	empty(8, 2);
	gop(g, 0, GOP_SIMD, SIMD_LOAD16, W(9) - 3);
	peek(9 * PAGE - 3, got, 16);
	ok(!memcmp((void *)g->mb->data, got, 16), "16-byte load across two empty slots");
	if (!avx) {
		skip("32-byte accesses", "no AVX in this guest");
		return;
	}
	unsigned bad = 0;
	for (off = 1; off < 32; off += 5) {
		fill(8, 2, 11 + off);
		g_data(g, 0, buf, 32);
		empty(8, 2);
		gop(g, 0, GOP_SIMD, SIMD_STORE32, W(9) - off);
		peek(9 * PAGE - off, got, 32);
		bad += memcmp(buf, got, 32) != 0;
		fill(8, 2, 70 + off);
		empty(8, 2);
		gop(g, 0, GOP_SIMD, SIMD_LOAD32, W(9) - off);
		peek(9 * PAGE - off, got, 32);
		bad += memcmp((void *)g->mb->data, got, 32) != 0;
		empty(9, 1);	/* only the second half faults */
		gop(g, 0, GOP_SIMD, SIMD_LOAD32, W(9) - off);
		bad += memcmp((void *)g->mb->data, got, 32) != 0;
	}
	eq(bad, 0, "32-byte loads and stores across empty slots");
	fill(8, 2, 3);
	memset(got, 0, 32);
	for (i = 0; i < 32; i += 8)
		memset(got + i, 0xff, 4);	/* every second dword */
	g_data(g, 0, buf, 32);
	g_data(g, 32, got, 32);
	peek(9 * PAGE - 16, got, 32);
	for (i = 0; i < 32; i += 8)
		memcpy(got + i, buf + i, 4);
	empty(8, 2);
	gop(g, 0, GOP_SIMD, SIMD_MASKED_STORE32, W(9) - 16);
	peek(9 * PAGE - 16, buf, 32);
	ok(!memcmp(buf, got, 32), "masked 32-byte store across empty slots");
	empty(8, 2);
	gop(g, 0, GOP_SIMD, SIMD_FXSAVE, W(9) - 256);
	eq(gtrap(g, 0), NO_TRAP, "fxsave and fxrstor, 512 bytes across empty slots");
}

static void strings(void)
{
	uint64_t ram = 0x180000, i;
	uint8_t got[64];
	unsigned bad;

	at("string instructions");
	gop(g, 0, GOP_FILL, ram, 4 * PAGE, 77);
	memset(page(10), 0, PAGE);
	empty(10, 5);
	gop(g, 0, GOP_STRING, STR_MOVSB, W(10) + 5, ram, 3 * PAGE + 104);
	eq(gret(g, 0, 0), W(10) + 5 + 3 * PAGE + 104, "rep movsb RAM to four empty slots: rdi");
	for (i = bad = 0; i < (3 * PAGE + 104) / 8; i++)
		bad += peek8(10 * PAGE + 5 + i * 8) != mix(77, i);
	eq(bad, 0, "... every byte");
	empty(10, 10);
	gop(g, 0, GOP_STRING, STR_MOVSB, W(15) + 900, W(10) + 5, 3 * PAGE);
	for (i = bad = 0; i < 3 * PAGE / 8; i++)
		bad += peek8(15 * PAGE + 900 + i * 8) != mix(77, i);
	eq(bad, 0, "rep movsb from empty slots to empty slots");
	empty(10, 10);
	gop(g, 0, GOP_STRING, STR_MOVSQ, ram + 4 * PAGE, W(15) + 900, 3 * PAGE / 8);
	eq(gop(g, 0, GOP_CHECK, ram + 4 * PAGE, 3 * PAGE, 77), 0, "rep movsq from empty slots to RAM");
	empty(10, 10);
	gop(g, 0, GOP_STRING, STR_MOVSB_BACK, W(13) + 99, ram + PAGE + 99, PAGE + 100);
	for (i = bad = 0; i < PAGE / 8; i++)
		bad += peek8(12 * PAGE + 0 + i * 8) != mix(77, i);
	eq(bad, 0, "rep movsb downwards into empty slots");
	empty(10, 3);
	gop(g, 0, GOP_STRING, STR_STOSQ, W(10) + 4000, 0x1234567890abcdefUL, 520);
	for (i = bad = 0; i < 520; i++)
		bad += peek8(10 * PAGE + 4000 + i * 8) != 0x1234567890abcdefUL;
	eq(bad, 0, "rep stosq across empty slots");
	memset(page(10), 1, PAGE);
	memset(page(11), 1, PAGE);
	page(11)[40] = 9;
	empty(10, 2);
	gop(g, 0, GOP_STRING, STR_SCASB, W(10) + 10, 9, 2 * PAGE - 10);
	eq(gret(g, 0, 0), W(11) + 41, "repne scasb finds its byte in the second empty slot");
	*(uint64_t *)page(10) = 0x1111;
	*(uint64_t *)(page(11)) = 0;
	empty(10, 2);
	gop(g, 0, GOP_RMW, RMW_PUSHPOP, W(10), 0, W(11));
	peek(11 * PAGE, got, 8);
	eq(*(uint64_t *)got, 0x1111, "push from and pop to an empty slot");
}

static void stack(void)
{
	at("stacks in the window");
	empty(20, 4);
	gop(g, 0, GOP_STACK, STK_INT, W(21));
	eq(gret(g, 0, 0), W(21) - 128, "interrupt frame pushed into an empty slot");
	eq(gret(g, 0, 1), 1, "... once");
	empty(20, 4);
	gop(g, 0, GOP_STACK, STK_INT, W(22) + 64);
	eq(gret(g, 0, 1), 1, "interrupt frame across two empty slots");
	empty(20, 4);
	gop(g, 0, GOP_STACK, STK_UD2, W(21));
	eq(gtrap(g, 0), 6, "#UD with its frame in an empty slot");
	eq(gret(g, 0, 0) >> 12, W(20) >> 12, "... really there");
	empty(20, 4);
	gop(g, 0, GOP_STACK, STK_CALL, W(23));
	eq(gtrap(g, 0), NO_TRAP, "call and return on an empty slot");
}

static void tables(void)
{
	uint64_t *pt = (uint64_t *)page(24), ram = 0x1a0000;
	struct pool *other = pool_new(1);

	at("page tables in the window");
	memset(pt, 0, PAGE);
	pt[0] = ram | 7;
	pt[1] = W(25) | 7;
	gop(g, 0, GOP_FILL, ram, 64, 5);
	memset(page(25), 0, PAGE);
	empty(24, 2);
	gop(g, 0, GOP_MAP, W(24) | 7);
	eqx(gop(g, 0, GOP_READ, GUEST_HIGH_VA, 8), mix(5, 0), "a page table in an empty slot is walked");
	ok(pt[0] & 0x20, "... its accessed bit is in the lender's page");
	ok(!(pt[0] & 0x40), "... and not dirty");
	gop(g, 0, GOP_WRITE, GUEST_HIGH_VA + 8, 8, 99);
	ok(pt[0] & 0x40, "after a write it is dirty");
	empty(24, 2);
	gop(g, 0, GOP_WRITE, GUEST_HIGH_VA + PAGE + 16, 8, 0xef01);
	eqx(((uint64_t *)page(25))[2], 0xef01, "table and target in empty slots");

	/* the table comes back as another frame */
	empty(24, 1);
	memcpy(other->va, pt, PAGE);
	((uint64_t *)other->va)[2] = (ram + PAGE) | 7;
	memset(pt, 0xee, PAGE);
	raw_back(w, 24, 1, other, 0);
	gop(g, 0, GOP_MAP, W(24) | 7);
	gop(g, 0, GOP_WRITE, ram + PAGE, 8, 4711);
	eq(gop(g, 0, GOP_READ, GUEST_HIGH_VA + 2 * PAGE, 8), 4711, "the table moved to another frame");

	/* read-only to the guest: setting the accessed bit is a write */
	((uint64_t *)other->va)[3] = ram | 7;
	empty(24, 1);
	w->ro[24] = true;
	gop(g, 0, GOP_MAP, W(24) | 7);
	eqx(gop(g, 0, GOP_READ, GUEST_HIGH_VA + 3 * PAGE, 8), mix(5, 0), "a table lent read-only is upgraded by its walk");
	w->ro[24] = false;
	gop(g, 0, GOP_MAP, 0);
	empty(24, 2);
	raw_back(w, 24, 1, pool, 24);
	pool_free(other);
}

/* Xen decodes these itself, because their other operand is an emulated device. */
static void emulated(void)
{
	uint64_t *m = (uint64_t *)r->mmio[0], copies, i;
	unsigned bad;

	at("emulated accesses");
	for (i = 0; i < 512; i++)
		m[i] = mix(3, i);
	memset(page(26), 0, PAGE);
	empty(26, 2);
	gop(g, 0, GOP_STRING, STR_MOVSQ_ONE, W(26) + 8, GUEST_MMIO);
	eqx(peek8(26 * PAGE + 8), mix(3, 0), "movsq from a device to an empty slot");
	eqx(peek8(26 * PAGE + 16), 0, "... and not beyond");
	gop(g, 0, GOP_STRING, STR_MOVSQ_ONE, W(26) + 24, GUEST_MMIO + 8);
	eqx(peek8(26 * PAGE + 24), mix(3, 1), "movsq from a device to a lent slot");
	gop(g, 0, GOP_STRING, STR_MOVSQ, W(26) + 64, GUEST_MMIO, 20);
	for (i = bad = 0; i < 20; i++)
		bad += peek8(26 * PAGE + 64 + i * 8) != mix(3, i);
	eq(bad, 0, "rep movsq from a device to a slot");
	empty(26, 2);
	gop(g, 0, GOP_STRING, STR_MOVSB, W(26) + 500, GUEST_MMIO, 100);
	for (i = bad = 0; i < 12; i++)
		bad += peek8(26 * PAGE + 500 + i * 8) != mix(3, i);
	eq(bad, 0, "rep movsb from a device to an empty slot");
	for (i = 0; i < 64; i++)
		((uint64_t *)page(27))[i] = mix(8, i);
	copies = r->window_mmio;
	empty(27, 1);
	gop(g, 0, GOP_STRING, STR_MOVSQ_ONE, GUEST_MMIO + 8, W(27));
	eqx(m[1], mix(8, 0), "movsq from an empty slot to a device");
	gop(g, 0, GOP_STRING, STR_MOVSQ, GUEST_MMIO + 64, W(27) + 8, 10);
	for (i = bad = 0; i < 10; i++)
		bad += m[8 + i] != mix(8, 1 + i);
	eq(bad, 0, "rep movsq from a slot to a device");
	eq(gret(g, 0, 1), W(27) + 88, "... rsi");
	ok(r->window_mmio > copies, "these went by value through the lender");
	m[0] = 0x600d;
	empty(27, 1);
	*(uint64_t *)page(27) = GUEST_MMIO;
	eqx(gop(g, 0, GOP_READ, GUEST_MMIO, 8), 0x600d, "the device itself");
	eq(r->odd, 0, "no request was malformed %s", r->odd_text);
}

static void fetch(void)
{
	at("instruction fetch");
	memset(page(28), 0x90, PAGE);
	page(28)[1] = 0xc3;
	gop(g, 0, GOP_READ, W(28), 8);
	gop(g, 0, GOP_FETCH, W(28));
	eq(gtrap(g, 0), 13, "fetching from a lent slot: #GP");
	empty(28, 1);
	gop(g, 0, GOP_FETCH, W(28));
	eq(gtrap(g, 0), 13, "fetching from an empty slot: #GP");
	gop(g, 0, GOP_READ, W(28), 8);
	eq(gtrap(g, 0), NO_TRAP, "reading it still works");
	w->ro[28] = true;
	empty(28, 1);
	gop(g, 0, GOP_READ, W(28), 8);
	gop(g, 0, GOP_FETCH, W(28));
	eq(gtrap(g, 0), 13, "fetching from a slot lent read-only: #GP");
	w->ro[28] = false;
	gop(g, 0, GOP_WRITE, W(28), 8, 1);
	eq(gtrap(g, 0), NO_TRAP, "writing that works");
}

static struct pool *cow;
static int cow_fault(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)cpu;
	if (slot == 30 && q->dir == IOREQ_WRITE && win->back[30] != cow->va) {
		win_revoke(win, 30, 1);
		memcpy(cow->va, win->back[30], PAGE);
		win->back[30] = cow->va;
		win->frame[30] = cow->frame[0];
	}
	return RAW_DEFAULT;
}

static void readonly(void)
{
	struct xen_mem_lend_counters q0, q1;
	uint8_t *old;
	int rc;

	at("read-only slots");
	w->ro[29] = w->ro[30] = true;
	*(uint64_t *)page(29) = 0xc0ffee;
	*(uint64_t *)page(30) = 0xc0ffee;
	empty(29, 2);
	raw_query(g->domid, w->id, &q0);
	eqx(g_read(g, W(29)), 0xc0ffee, "a slot lent read-only can be read");
	raw_query(g->domid, w->id, &q1);
	eq(q1.faults_write - q0.faults_write, 0, "... by a read fault");
	g_write(g, W(29) + 8, 1234);
	eq(((uint64_t *)page(29))[1], 1234, "a write makes it writable in place");
	raw_query(g->domid, w->id, &q1);
	eq(q1.faults_write - q0.faults_write, 1, "... by one write fault");
	eq(q1.upgrades - q0.upgrades, 1, "... counted as an upgrade");
	eq(q1.flushes - q0.flushes, 0, "... without a flush");
	eq(q1.lent - q0.lent, 1, "... and still one slot");
	gop(g, 0, GOP_RMW, RMW_INC, W(29) + 8);
	eq(((uint64_t *)page(29))[1], 1235, "then LOCK inc");
	rc = win_lend(w, 29, false);
	ok(rc == -EBUSY || rc == 0, "fewer rights for a lent slot: refused or without effect (%d)", rc);

	cow = pool_new(1);
	r->fault = cow_fault;
	eqx(g_read(g, W(30)), 0xc0ffee, "read-only again");
	old = page(30);
	gop(g, 0, GOP_RMW, RMW_XADD, W(30), 8, 1);
	eqx(gret(g, 0, 0), 0xc0ffee, "LOCK xadd meets a copy on write: old value");
	eqx(*(uint64_t *)page(30), 0xc0ffef, "... the copy has the sum");
	eqx(*(uint64_t *)old, 0xc0ffee, "... the original is untouched");
	r->fault = NULL;
	empty(29, 2);
	w->ro[29] = w->ro[30] = false;
	raw_back(w, 30, 1, pool, 30);
	pool_free(cow);
}

static int answer;
static unsigned asked;
static int giving_up(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)q;
	(void)cpu;
	if (slot < 32 || slot >= 36)
		return RAW_DEFAULT;
	asked++;
	return answer;
}

static void policies(void)
{
	static const uint8_t ones[32] = { [0 ... 31] = 0xff };
	unsigned i, bad = 0;

	at("answers");
	memset(page(32), 0x21, PAGE);
	empty(32, 4);
	r->fault = giving_up;
	answer = XENMEM_LEND_ANSWER_GP;
	gop(g, 0, GOP_READ, W(32), 8);
	eq(gtrap(g, 0), 13, "give up: a load gets #GP");
	eq(g->mb->cpu[0].err, 0, "... with error code 0");
	gop(g, 0, GOP_WRITE, W(32), 4, 1);
	eq(gtrap(g, 0), 13, "a store gets #GP");
	gop(g, 0, GOP_RMW, RMW_XADD, W(32), 8, 1);
	eq(gtrap(g, 0), 13, "a LOCKed access gets #GP");
	gop(g, 0, GOP_WRITE, W(32) - 4, 8, ~0UL);
	eq(gtrap(g, 0), 13, "half an access gets #GP");
	gop(g, 0, GOP_STRING, STR_MOVSB, 0x180000, W(31) + 4000, 4096);
	eq(gtrap(g, 0), 13, "rep movsb gets #GP where it meets the slot");
	eq(page(32)[0], 0x21, "nothing was written");
	answer = 4711;
	gop(g, 0, GOP_READ, W(33), 8);
	eq(gtrap(g, 0), 13, "an unknown answer counts as giving up");
	answer = RAW_DEFAULT;
	eqx(gop(g, 0, GOP_READ, W(32), 1), 0x21, "the slot works when it is lent later");

	empty(32, 4);
	answer = XENMEM_LEND_ANSWER_ONES;
	for (i = 1; i <= 8; i *= 2) {
		bad += gop(g, 0, GOP_READ, W(32) + 8, i) != (i == 8 ? ~0UL : (1UL << i * 8) - 1);
		bad += gtrap(g, 0) != NO_TRAP;
	}
	eq(bad, 0, "ones: loads of 1 to 8 bytes read ones");
	asked = 0;
	gop(g, 0, GOP_WRITE, W(32), 8, 0x1234);
	eq(gtrap(g, 0), NO_TRAP, "ones: a store is dropped");
	eq(asked, 1, "... after one question");
	gop(g, 0, GOP_READ, W(32), 8);
	eq(asked, 2, "the answer holds for one access only");
	eq(page(32)[0], 0x21, "nothing was written");
	g_data(g, 0, page(32), 32);
	gop(g, 0, GOP_SIMD, SIMD_LOAD16, W(33));
	ok(gtrap(g, 0) != NO_TRAP || !memcmp((void *)g->mb->data, ones, 16), "ones: a 16-byte load reads ones (or faults)");
	gop(g, 0, GOP_RMW, RMW_XADD, W(33), 8, 1);
	ok(gtrap(g, 0) != NO_TRAP || gret(g, 0, 0) == ~0UL, "ones: LOCK xadd reads ones");
	gop(g, 0, GOP_SIMD, SIMD_FXSAVE, W(33));
	eq(gtrap(g, 0), 13, "ones: #GP for what Xen cannot emulate (fxsave)");
	gop(g, 0, GOP_STRING, STR_MOVSQ_ONE, W(34), W(35));
	ok(gtrap(g, 0) == NO_TRAP, "ones: movsq between two such slots ends");
	gop(g, 0, GOP_STRING, STR_STOSQ, W(34), 5, 16);
	ok(gtrap(g, 0) == NO_TRAP && gret(g, 0, 2) == 0, "ones: rep stosq ends");
	gop(g, 0, GOP_WRITE, W(32) - 4, 8, 0x1111111122222222UL);
	note("ones: a store half in a lent slot, half in one with ones: trap %#x", gtrap(g, 0));
	answer = RAW_DEFAULT;
	eqx(gop(g, 0, GOP_READ, W(32), 1), 0x21, "the slot works when it is lent later");
	r->fault = NULL;
}

static void neighbours(void)
{
	struct win *v;
	uint64_t x;

	at("window borders");
	v = raw_window(r, WIN_GFN + NR, 4);
	raw_back(v, 0, 4, pool, NR);
	memset(v->back[0], 0, PAGE);
	empty(NR - 1, 1);
	gop(g, 0, GOP_WRITE, W(NR) - 3, 8, 0x8877665544332211UL);
	memcpy(&x, page(NR - 1) + PAGE - 3, 3);
	ok(!memcmp(page(NR - 1) + PAGE - 3, "\x11\x22\x33", 3) && !memcmp(v->back[0], "\x44\x55\x66\x77\x88", 5),
	   "a store across two windows");
	gop(g, 0, GOP_WRITE, W(NR + 4) - 3, 8, 0xaaaaaaaaaaaaaaaaUL);
	eq(gtrap(g, 0), NO_TRAP, "a store across the end of a window into a hole ends");
	x = gop(g, 0, GOP_READ, W(NR + 4) - 4, 8);
	eqx(x >> 32, 0xffffffff, "... and a load reads ones in the hole");
	raw_destroy(g->domid, v->id);
	eqx(g_read(g, W(NR)), ~0UL, "a destroyed window is a hole again");
}

void suite_access(void)
{
	struct xen_mem_lend_counters q;

	xen_open();
	g = guest_new(NULL);
	r = raw_open(g);
	pool = pool_new(NR + 4);
	w = raw_window(r, WIN_GFN, NR);
	raw_back(w, 0, NR, pool, 0);

	plain();
	locked();
	/* once more, the answers given by the lend itself */
	r->answer_by_lend = true;
	plain();
	locked();
	ok(r->answered_by_lend > 100, "many of these were answered by the lend itself (%lu)", (long)r->answered_by_lend);
	r->answer_by_lend = false;
	simd();
	strings();
	stack();
	tables();
	emulated();
	fetch();
	readonly();
	policies();
	neighbours();

	at("end");
	eq(r->odd, 0, "all requests were well formed %s", r->odd_text);
	eq(w->max_count, 1, "every fault made progress");
	eq(raw_query(g->domid, w->id, &q), 0, "query");
	eq(q.faults_read + q.faults_write, w->faults, "Xen counted the faults that came");
	eq(q.stalls, 0, "no stalls");
	empty(0, NR);
	raw_query(g->domid, w->id, &q);
	eq(q.lent, 0, "nothing is lent after revoking all");
	raw_close(r);
	pool_free(pool);
	ok(guest_free(g), "the guest goes away");
}
