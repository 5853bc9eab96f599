// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Xen's emulator and windows.  What an instruction reads from a device is read once, what it writes there is written
 * once, however often the memory on its other side faults or is taken away in the middle; and an instruction that is
 * carried out again after its slot has changed does no harm to the guest.
 */
#include "suites.h"
#include "toolstack.h"
#include <xen/hvm/dm_op.h>

#define NR	16
#define RAM	0x180000UL	/* of the guest */
#define TRAP	0x1c0000UL	/* RAM whose writes are emulated */

static struct guest *g;
static struct raw *r;
static struct win *w;
static struct pool *pool;

static void empty(void)
{
	int rc = win_revoke(w, 0, NR);

	if (rc)
		die("revoke: %s", strerror(-rc));
}

static void ports_reset(void)
{
	pthread_mutex_lock(&r->lock);
	r->port_reads = r->port_writes = r->mmio_reads = r->mmio_writes = 0;
	pthread_mutex_unlock(&r->lock);
}

/* Bytes of the window, across slots. */
static uint64_t peek(uint64_t off, unsigned n)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < n; i++, off++)
		v |= (uint64_t)((uint8_t *)pool_page(pool, off / PAGE))[off % PAGE] << i * 8;
	return v;
}

static void poke(uint64_t off, uint64_t v, unsigned n)
{
	for (; n--; off++, v >>= 8)
		((uint8_t *)pool_page(pool, off / PAGE))[off % PAGE] = v;
}

static uint64_t cut(uint64_t v, unsigned size)
{
	return size == 8 ? v : v & ((1UL << size * 8) - 1);
}

/* ---- with slots that come and go meanwhile ---- */

static volatile bool storming;
static uint64_t storms;

/* Each time after something got through, so that it ends; and now and then in between. */
static void *storm(void *arg)
{
	uint64_t seen;
	unsigned i;

	(void)arg;
	while (storming) {
		seen = r->window_mmio;
		win_revoke(w, 0, NR);
		storms++;
		for (i = 0; storming && r->window_mmio == seen; i++) {
			usleep(50);
			if (i == storms % 64)
				win_revoke(w, 0, NR);
		}
	}
	return NULL;
}

static pthread_t storm_start(void)
{
	pthread_t t;

	storming = true;
	if (pthread_create(&t, NULL, storm, NULL))
		die("pthread_create");
	return t;
}

static void storm_end(pthread_t t)
{
	storming = false;
	pthread_join(t, NULL);
}

/* ---- ports ---- */

static unsigned ins_bad(uint64_t off, unsigned size, unsigned n, int step)
{
	unsigned i, bad = 0;

	for (i = 0; i < n; i++)
		bad += peek(off + (int64_t)i * step * size, size) != cut(port_word(i), size);
	return bad;
}

static void ins(unsigned kind, unsigned size, uint64_t off, unsigned n, int step, const char *what)
{
	ports_reset();
	gop(g, 0, GOP_PORT, kind, GUEST_PORT, W(0) + off, n);
	eq(gtrap(g, 0), NO_TRAP, "%s", what);
	eq(r->port_reads, n, "... each element is read from the port once");
	eq(ins_bad(off, size, n, step), 0, "... and is where it belongs");
	eqx(gret(g, 0, 0), W(0) + off + (int64_t)n * step * size, "... rdi");
}

static void outs(unsigned kind, unsigned size, uint64_t off, unsigned n, const char *what)
{
	unsigned i, bad = 0;

	for (i = 0; i < n; i++)
		poke(off + i * size, mix(0x0075, i), size);
	ports_reset();
	gop(g, 0, GOP_PORT, kind, GUEST_PORT, W(0) + off, n);
	eq(gtrap(g, 0), NO_TRAP, "%s", what);
	eq(r->port_writes, n, "... each element is written to the port once");
	for (i = 0; i < n; i++)
		bad += r->port_log[i] != cut(mix(0x0075, i), size);
	eq(bad, 0, "... in order");
}

static void ports(void)
{
	pthread_t t;

	at("ports and RAM");
	ports_reset();
	gop(g, 0, GOP_PORT, PORT_INSW, GUEST_PORT, RAM, 20);
	eq(r->port_reads, 20, "rep insw into RAM: twenty reads");
	eqx(gop(g, 0, GOP_READ, RAM + 38, 2), cut(port_word(19), 2), "... the last");

	at("ports and empty slots");
	empty();
	ins(PORT_INSW_ONE, 2, 8, 1, 1, "insw into an empty slot");
	empty();
	ins(PORT_INSW, 2, 100, 20, 1, "rep insw into an empty slot");
	empty();
	ins(PORT_INSB, 1, 2 * PAGE - 50, 100, 1, "rep insb across two empty slots");
	empty();
	ins(PORT_INSL, 4, 2 * PAGE - 10, 8, 1, "rep insl, one element in two empty slots");
	empty();
	ins(PORT_INSW_BACK, 2, PAGE + 20, 30, -1, "rep insw downwards");
	win_revoke(w, 1, 1);
	ins(PORT_INSW, 2, PAGE - 20, 20, 1, "rep insw from a lent slot on into an empty one");

	empty();
	outs(PORT_OUTSW_ONE, 2, 8, 1, "outsw from an empty slot");
	empty();
	outs(PORT_OUTSW, 2, 100, 20, "rep outsw from an empty slot");
	empty();
	outs(PORT_OUTSB, 1, 2 * PAGE - 50, 100, "rep outsb across two empty slots");
	empty();
	outs(PORT_OUTSL, 4, 2 * PAGE - 10, 8, "rep outsl, one element from two empty slots");

	at("ports while slots are taken away");
	t = storm_start();
	ins(PORT_INSW, 2, PAGE - 60, 80, 1, "rep insw under a storm of revokes");
	ins(PORT_INSB, 1, PAGE - 60, 80, 1, "rep insb under a storm of revokes");
	outs(PORT_OUTSW, 2, PAGE - 60, 80, "rep outsw under a storm of revokes");
	storm_end(t);
	note("%lu revokes meanwhile, %lu faults", (long)storms, (long)w->faults);
}

/* ---- device memory ---- */

static uint64_t *device(void)
{
	return (uint64_t *)r->mmio[0];
}

static void from_device(unsigned kind, unsigned size, uint64_t off, unsigned n, const char *what)
{
	unsigned i, bad = 0;
	uint64_t v;

	for (i = 0; i < 512; i++)
		device()[i] = mix(what[0] + off, i);
	ports_reset();
	gop(g, 0, GOP_STRING, kind, W(0) + off, GUEST_MMIO, n);
	eq(gtrap(g, 0), NO_TRAP, "%s", what);
	eq(r->mmio_reads, n, "... each element is read from the device once");
	for (i = 0; i < n; i++) {
		v = 0;
		memcpy(&v, r->mmio[0] + i * size, size);
		bad += peek(off + i * size, size) != v;
	}
	eq(bad, 0, "... and is where it belongs");
}

static void to_device(unsigned kind, unsigned size, uint64_t off, unsigned n, const char *what)
{
	unsigned i, bad = 0;
	uint64_t v;

	memset(r->mmio, 0, sizeof(r->mmio));
	for (i = 0; i < n; i++)
		poke(off + i * size, mix(0x1235, i), size);
	ports_reset();
	gop(g, 0, GOP_STRING, kind, GUEST_MMIO, W(0) + off, n);
	eq(gtrap(g, 0), NO_TRAP, "%s", what);
	eq(r->mmio_writes, n, "... each element is written to the device once");
	for (i = 0; i < n; i++) {
		v = 0;
		memcpy(&v, r->mmio[0] + i * size, size);
		bad += v != cut(mix(0x1235, i), size);
	}
	eq(bad, 0, "... and is where it belongs");
}

static void registers(void)
{
	pthread_t t;

	at("device memory and empty slots");
	empty();
	from_device(STR_MOVSQ_ONE, 8, 64, 1, "movsq from a register into an empty slot");
	empty();
	from_device(STR_MOVSQ, 8, 256, 20, "rep movsq from registers into an empty slot");
	empty();
	from_device(STR_MOVSB, 1, 2 * PAGE - 50, 100, "rep movsb from registers across two empty slots");
	empty();
	from_device(STR_MOVSQ, 8, 2 * PAGE - 20, 5, "rep movsq, one element in two empty slots");
	empty();
	to_device(STR_MOVSQ_ONE, 8, 64, 1, "movsq from an empty slot to a register");
	empty();
	to_device(STR_MOVSQ, 8, 256, 20, "rep movsq from an empty slot to registers");
	empty();
	to_device(STR_MOVSB, 1, 2 * PAGE - 50, 100, "rep movsb across two empty slots to registers");

	empty();
	device()[2] = 0x0123456789abcdefUL;
	ports_reset();
	gop(g, 0, GOP_STACK, STK_PUSH, W(1) + 64, GUEST_MMIO + 16);
	eq(gtrap(g, 0), NO_TRAP, "push from a register to a stack in an empty slot");
	eq(r->mmio_reads, 1, "... reads it once");
	eqx(peek(PAGE + 56, 8), 0x0123456789abcdefUL, "... and stores what it read");
	empty();
	poke(PAGE + 128, 0xfedcba9876543210UL, 8);
	ports_reset();
	gop(g, 0, GOP_STACK, STK_POP, W(1) + 128, GUEST_MMIO + 24);
	eq(gtrap(g, 0), NO_TRAP, "pop from a stack in an empty slot to a register");
	eq(r->mmio_writes, 1, "... writes it once");
	eqx(device()[3], 0xfedcba9876543210UL, "... with what was there");

	at("device memory while slots are taken away");
	t = storm_start();
	from_device(STR_MOVSQ, 8, PAGE - 240, 50, "rep movsq from registers under a storm of revokes");
	from_device(STR_MOVSB, 1, PAGE - 60, 80, "rep movsb from registers under a storm of revokes");
	to_device(STR_MOVSQ, 8, PAGE - 240, 50, "rep movsq to registers under a storm of revokes");
	storm_end(t);
}

/* ---- an instruction carried out again, and everything is different ---- */

static unsigned hold_left;
static int hold_window(struct raw *raw, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)cpu;
	if (q->type != IOREQ_TYPE_COPY || (q->addr >> 12) - WIN_GFN >= NR || !hold_left)
		return RAW_DEFAULT;
	hold_left--;
	return RAW_HOLD;
}

static bool crashed(void)
{
	long state = toolstack_state(g->domid);

	return state < 0 || state & (XEN_DOMINF_shutdown | XEN_DOMINF_dying);
}

/* The copy's other side is RAM whose writes Xen emulates; its slot is changed while the server has the request. */
static void replay(unsigned kind, unsigned n, const char *what, int change)
{
	unsigned i;

	at("replay: %s, change %d", what, change);
	for (i = 0; i < 64; i++)
		((uint64_t *)pool_page(pool, 3))[i] = mix(7, i);
	empty();
	win_lend(w, 3, true);
	hold_left = 1;
	r->device = hold_window;
	gop_start(g, 0, GOP_STRING, kind, TRAP + 512, W(3) + 512, n);
	while (!r->held[0] && !gop_done(g, 0))
		usleep(500);
	if (!r->held[0]) {
		ok(false, "%s: the lender is asked by value", what);
		r->device = NULL;
		return;
	}
	switch (change) {
	case 1:
		win_revoke(w, 3, 1);
		break;
	case 2:		/* gone and back */
		win_revoke(w, 3, 1);
		win_lend(w, 3, true);
		break;
	case 3:
		raw_destroy(g->domid, w->id);
		break;
	}
	raw_answer(r, 0, 0);
	if (!ok(gop_wait_for(g, 0, 60) && !crashed(), "%s: the guest lives", what))
		die("the guest is gone: nothing more to be seen here");
	r->device = NULL;
	eq(gtrap(g, 0), NO_TRAP, "... and goes on");
	if (change == 3) {
		if (raw_create(g->domid, WIN_GFN, NR, r->id, &w->id))
			die("the window does not come back");
	}
}

static void replays(void)
{
	static const char *const why[] = { "nothing changes", "slot revoked meanwhile", "slot revoked and lent meanwhile", "window destroyed meanwhile" };
	char text[100];
	uint64_t x;
	unsigned i;
	int rc;

	gop(g, 0, GOP_FILL, TRAP, PAGE, 9);
	rc = xendevicemodel_set_mem_type(xdm, g->domid, HVMMEM_ram_ro, TRAP >> 12, 1);
	if (rc) {
		skip("copies to RAM that cannot be written", "it cannot be made so: %s", strerror(errno));
		return;
	}
	for (i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "rep movsq from a slot to read-only RAM, %s", why[i]);
		replay(STR_MOVSQ, 8, text, i);
		snprintf(text, sizeof(text), "movsq from a slot to read-only RAM, %s", why[i]);
		replay(STR_MOVSQ_ONE, 1, text, i);
		snprintf(text, sizeof(text), "rep movsb backwards, %s", why[i]);
		replay(STR_MOVSB_BACK, 8, text, i);
	}
	eq(gop(g, 0, GOP_CHECK, TRAP, PAGE, 9), 0, "read-only RAM is as it was");
	xendevicemodel_set_mem_type(xdm, g->domid, HVMMEM_ram_rw, TRAP >> 12, 1);

	/* RAM whose writes go to the server */
	r->trap_gfn = TRAP >> 12;
	rc = xendevicemodel_map_mem_type_to_ioreq_server(xdm, g->domid, r->id, HVMMEM_ioreq_server, XEN_DMOP_IOREQ_MEM_ACCESS_WRITE);
	if (!rc)
		rc = xendevicemodel_set_mem_type(xdm, g->domid, HVMMEM_ioreq_server, TRAP >> 12, 1);
	if (rc) {
		skip("copies to RAM whose writes go to the server", "it cannot be made so: %s", strerror(errno));
		return;
	}
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "rep movsq from a slot to RAM that the server writes, %s", why[i]);
		x = r->trap_writes;
		replay(STR_MOVSQ, 8, text, i);
		eq(r->trap_writes - x, 8, "... each element reaches it once");
	}
	xendevicemodel_set_mem_type(xdm, g->domid, HVMMEM_ram_rw, TRAP >> 12, 1);
	xendevicemodel_map_mem_type_to_ioreq_server(xdm, g->domid, r->id, HVMMEM_ioreq_server, 0);
	r->trap_gfn = 0;
	gop(g, 0, GOP_WRITE, TRAP, 8, 0x5151);
	eqx(gop(g, 1, GOP_READ, TRAP, 8), 0x5151, "the guest uses that RAM as before");
}

void suite_emulator(void)
{
	xen_open();
	g = guest_new(NULL);
	r = raw_open(g);
	pool = pool_new(NR);
	w = raw_window(r, WIN_GFN, NR);
	raw_back(w, 0, NR, pool, 0);
	ports();
	registers();
	replays();
	eq(r->odd, 0, "all requests were well formed %s", r->odd_text);
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(pool);
}
