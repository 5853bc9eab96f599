// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HVM guests with QEMU: windows where an emulated device has its memory.  A window takes precedence over a BAR that traps, for
 * as long as it is there; what QEMU has put into the guest's tables itself, a VGA's frame buffer, is in a window's way as RAM is,
 * and the other way round.
 */
#include "suites.h"
#include "drv.h"

#define BAR	(GUEST_FREE_GFN << 12)		/* where the guest puts a BAR */
#define AWAY	(BAR + (64UL << 20))
#define SIZE	(1UL << 20)			/* of QEMU's edu */
#define SLOTS	16UL
#define BESIDE	(BAR + 16 * PAGE)		/* a window in the BAR, where the device has no registers */

/* QEMU's edu: an identification, a register that reads as the complement of what was written, one of 64 bits that keeps it */
#define EDU_ID		0x00
#define EDU_LIVE	0x04
#define EDU_SRC		0x80
#define EDU_DST		0x88
#define EDU_COUNT	0x90
#define EDU_DO		0x98
#define EDU_BUFFER	0x40000UL	/* of the device, as it names it */
#define FROM_GUEST	1UL
#define TO_GUEST	3UL
#define EDU_IS		0x010000edU
#define KEPT		0x0123456789abcdefUL

#define COMMAND		0x04
#define BAR0		0x10

static unsigned devfn;
static struct guest *g;
static int dev, fd;
static uint8_t *span;

static uint32_t get(unsigned reg)
{
	return gop(g, 0, GOP_CONFIG, devfn << 8 | reg, 0, 0);
}

static void put(unsigned reg, uint32_t value)
{
	gop(g, 0, GOP_CONFIG, devfn << 8 | reg, 1, value);
}

static void place_bar(uint64_t to)
{
	put(COMMAND, 0);
	put(BAR0, to);
	put(COMMAND, 6);
}

static uint32_t find(uint32_t ident)
{
	for (devfn = 0; devfn < 256; devfn += 8)
		if (get(0) == ident)
			return ident;
	return get(0);
}

/* Does QEMU serve the registers at this address? */
static bool device_at(uint64_t bar)
{
	static uint32_t n;
	uint32_t v = 0x5a000000 | ++n;

	if (gop(g, 0, GOP_READ, bar + EDU_ID, 4) != EDU_IS)
		return false;
	gop(g, 0, GOP_WRITE, bar + EDU_LIVE, 4, v);
	return (uint32_t)gop(g, 0, GOP_READ, bar + EDU_LIVE, 4) == ~v;
}

static unsigned window(uint64_t gpa, size_t pages, size_t at_page)
{
	int id = drv_window(fd, gpa, pages * PAGE, span + at_page * PAGE, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);

	if (id <= 0)
		die("a window at %#lx: %s", gpa, strerror(-id));
	return id;
}

static void memory(size_t page, size_t pages)
{
	if (mmap(span + page * PAGE, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap into the span: %s", strerror(errno));
}

static uint64_t *word(size_t page, size_t offset)
{
	return (uint64_t *)(span + page * PAGE + offset);
}

static void open_all(const struct guest_options *o)
{
	g = guest_new(o);
	dev = drv_open();
	fd = drv_borrower(dev, g->domid, BAR - SIZE, 256UL << 20, 0);
	if (fd < 0)
		die("borrower: %s", strerror(-fd));
	span = span_new(64 * PAGE);	/* the last of its pages are for windows over registers */
}

static void close_all(void)
{
	pid_t qemu = guest_qemu(g->domid);

	close(fd);
	close(dev);
	ok(guest_free(g), "the guest goes away");
	ok(qemu > 0 && kill(qemu, 0) && errno == ESRCH, "... and its QEMU");
	munmap(span, 64 * PAGE);
}

/* A window beside the device's registers, in its BAR */
static void beside(void)
{
	struct lenddev_stats st;
	unsigned id, i, bad;
	pid_t qemu;

	at("a window in a BAR");
	memory(0, SLOTS);
	id = window(BESIDE, SLOTS, 0);
	eq(gop(g, 0, GOP_FILL, BESIDE, SLOTS * PAGE, 3), 0, "the guest fills it");
	eq(check_fill(span, SLOTS * PAGE, 3), 0, "... that is in the lender's memory");
	eq(gop(g, 0, GOP_RMW, RMW_XADD, BESIDE, 8, 1), (long)mix(3, 0), "LOCK xadd in the BAR");
	eqx(*word(0, 0), mix(3, 0) + 1, "... is the processor's own");
	ok(device_at(BAR), "the registers beside it are QEMU's");

	at("from the device to memory and back");
	drv_zap(fd, id, 0, SLOTS * PAGE);
	gop(g, 0, GOP_WRITE, BAR + EDU_SRC, 8, KEPT);
	gop(g, 0, GOP_STRING, STR_MOVSQ_ONE, BESIDE + 64, BAR + EDU_SRC, 1);
	eqx(*word(0, 64), KEPT, "movsq from QEMU's register to an empty slot");
	*word(1, 8) = ~KEPT;
	drv_zap(fd, id, 0, SLOTS * PAGE);
	gop(g, 0, GOP_STRING, STR_MOVSQ_ONE, BAR + EDU_SRC, BESIDE + PAGE + 8, 1);
	eqx(g_read(g, BAR + EDU_SRC), ~KEPT, "movsq from an empty slot to QEMU's register");
	gop(g, 0, GOP_WRITE, BAR + EDU_SRC, 8, KEPT);

	/* QEMU need not run for the lender to serve its window */
	at("QEMU is stopped");
	qemu = guest_qemu(g->domid);
	if (qemu <= 0 || kill(qemu, SIGSTOP))
		die("QEMU cannot be stopped: %s", strerror(errno));
	gop_start(g, 1, GOP_READ, BAR + EDU_ID, 4);
	drv_zap(fd, id, 0, SLOTS * PAGE);
	gop(g, 0, GOP_FILL, BESIDE, SLOTS * PAGE, 4);
	eq(check_fill(span, SLOTS * PAGE, 4), 0, "faults are served while QEMU is stopped");
	ok(!gop_done(g, 1), "... and the other vCPU waits for QEMU");
	kill(qemu, SIGCONT);
	eqx(gop_wait(g, 1), EDU_IS, "... until it goes on");

	at("one vCPU at the device, one in the window");
	gop_start(g, 1, GOP_SPIN_READ, BAR + EDU_SRC, ~0UL);
	for (i = bad = 0; i < 30; i++) {
		drv_zap(fd, id, 0, SLOTS * PAGE);
		gop(g, 0, GOP_FILL, BESIDE, SLOTS * PAGE, 100 + i);
		bad += check_fill(span, SLOTS * PAGE, 100 + i);
	}
	ok(gop_progress(g, 1, 10, 60), "it goes on");
	gop_stop(g, 1);
	eq(bad, 0, "the window holds what was written");
	eq(gret(g, 1, 1), 0, "the device's register never read as ones");
	eqx(gret(g, 1, 2), KEPT, "... but as what it is");

	/* a window is at its guest frames, whatever becomes of the BAR */
	at("the BAR moves");
	place_bar(AWAY);
	ok(device_at(AWAY), "the guest moves the BAR away");
	eq(gop(g, 0, GOP_CHECK, BESIDE, SLOTS * PAGE, 100 + i - 1), 0, "... the window stays");
	place_bar(BAR);
	drv_zap(fd, id, 0, SLOTS * PAGE);
	eq(gop(g, 0, GOP_CHECK, BESIDE, SLOTS * PAGE, 100 + i - 1), 0, "and comes back with it: the window first");
	ok(device_at(BAR), "... then the device");
	st = drv_st(fd, id);
	eq(st.pages_lent, SLOTS, "all of the window is lent");
	eq(drv_destroy(fd, id), 0, "the window is destroyed");
	eqx(g_read(g, BESIDE), ~0UL, "... what was there reads as QEMU has it");
}

/* A window over the registers */
static void over(void)
{
	unsigned id, i, odd = 0;
	int rc;

	at("a window over registers");
	memory(32, 1);
	*word(32, EDU_ID) = 0x1111;
	*word(32, EDU_SRC) = 0x2222;
	ok(device_at(BAR), "QEMU serves the registers");
	gop(g, 0, GOP_WRITE, BAR + EDU_SRC, 8, KEPT);
	id = window(BAR, 1, 32);
	eqx(gop(g, 0, GOP_READ, BAR + EDU_ID, 4), 0x1111, "a window over them: the lender's memory");
	gop(g, 0, GOP_WRITE, BAR + EDU_LIVE, 4, 0x4444);
	eqx(gop(g, 0, GOP_READ, BAR + EDU_LIVE, 4), 0x4444, "... keeps what is written");
	drv_zap(fd, id, 0, PAGE);
	gop(g, 0, GOP_WRITE, BAR + EDU_SRC, 8, 0x3333);
	eqx(*word(32, EDU_SRC), 0x3333, "... also to an empty slot");
	if (munmap(span + 32 * PAGE, PAGE))
		die("munmap: %s", strerror(errno));
	eqx(gop(g, 0, GOP_READ, BAR + EDU_ID, 4), 0xffffffff, "nothing is there to be lent: ones, not the device");
	gop(g, 0, GOP_WRITE, BAR + EDU_SRC, 8, 0x5555);
	memory(32, 1);
	eq(drv_destroy(fd, id), 0, "the window is destroyed");
	ok(device_at(BAR), "QEMU serves the registers again");
	eqx(g_read(g, BAR + EDU_SRC), KEPT, "... and was told nothing meanwhile");

	at("windows that come and go");
	*word(32, EDU_SRC) = 0x6666;
	gop_start(g, 1, GOP_SPIN_READ, BAR + EDU_SRC, ~0UL);
	for (i = 0; i < 30; i++) {
		rc = drv_window(fd, BAR, PAGE, span + 32 * PAGE, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
		odd += rc <= 0;
		odd += g_read(g, BAR + EDU_SRC) != 0x6666;
		odd += drv_destroy(fd, rc) != 0;
		odd += g_read(g, BAR + EDU_SRC) != KEPT;
	}
	ok(gop_progress(g, 1, 10, 60), "the other vCPU reads all the time");
	gop_stop(g, 1);
	eq(odd, 0, "each time first the window's memory, then the device");
	eq(gret(g, 1, 1), 0, "... and never ones");
}

static bool transfer(uint64_t from, uint64_t to, uint64_t what)
{
	double end = now() + 60;

	gop(g, 0, GOP_WRITE, BAR + EDU_SRC, 8, from);
	gop(g, 0, GOP_WRITE, BAR + EDU_DST, 8, to);
	gop(g, 0, GOP_WRITE, BAR + EDU_COUNT, 8, 64);
	gop(g, 0, GOP_WRITE, BAR + EDU_DO, 8, what);
	while (g_read(g, BAR + EDU_DO) & 1) {
		if (now() > end)
			return false;
		usleep(10000);
	}
	return true;
}

/* An emulated device's DMA is a program's access to what it can map of the guest: not what is lent */
static void device_dma(void)
{
	const uint64_t ram = 0x180000, at_ = BAR + 32 * SIZE;
	unsigned id;
	bool done;

	at("DMA of an emulated device");
	memory(0, 2);
	id = window(at_, 2, 0);
	gop(g, 0, GOP_FILL, at_, PAGE, 11);		/* the first slot is lent, the second is not */
	gop(g, 0, GOP_FILL, ram, PAGE, 12);
	done = transfer(ram, EDU_BUFFER, FROM_GUEST) && transfer(EDU_BUFFER, ram + PAGE, TO_GUEST);
	ok(done && !gop(g, 0, GOP_CHECK, ram + PAGE, 64, 12), "QEMU's device reads and writes RAM");
	done = transfer(EDU_BUFFER, at_, TO_GUEST) && transfer(EDU_BUFFER, at_ + PAGE, TO_GUEST);
	ok(done && !check_fill(span, PAGE, 11), "it does not write to a lent slot");
	eq(*word(1, 0), 0, "... nor to what is behind an empty one");
	done = transfer(at_, EDU_BUFFER, FROM_GUEST) && transfer(EDU_BUFFER, ram, TO_GUEST);
	ok(done && g_read(g, ram) != mix(11, 0), "it reads nothing of a lent slot");
	eq(gop(g, 0, GOP_CHECK, at_, PAGE, 11), 0, "the guest does");
	eq(drv_destroy(fd, id), 0, "the window is destroyed");
}

static void trapping(void)
{
	open_all(&(struct guest_options){ .hvm = true, .qemu = "\"-device\", \"edu,dma_mask=0xffffffffffff\"" });
	eqx(find(0x11e81234), 0x11e81234, "the guest finds QEMU's edu");
	put(BAR0, ~0U);
	eqx(get(BAR0), (uint32_t)-SIZE, "... a BAR of 1 MiB");
	place_bar(BAR);
	ok(device_at(BAR), "... whose registers QEMU serves");
	beside();
	over();
	device_dma();
	close_all();
}

/* A BAR that is memory which QEMU gave the guest: Xen has it in the guest's tables, and no access traps. */
static void framebuffer(void)
{
	const uint64_t at_ = BAR + (8UL << 20), half = SLOTS / 2;
	unsigned i, bad;
	uint64_t done;
	int rc, id;

	open_all(&(struct guest_options){ .hvm = true, .vga = true });
	eqx(find(0x11111234), 0x11111234, "the guest finds QEMU's VGA");

	/* QEMU asks Xen to put frame after frame there.  Some slots are empty, some are lent. */
	at("a frame buffer that comes to a window");
	memory(0, SLOTS);
	id = window(at_, SLOTS, 0);
	gop(g, 0, GOP_FILL, at_ + half * PAGE, half * PAGE, 5);
	eq(check_fill(span + half * PAGE, half * PAGE, 5), 0, "a window, half of it lent");
	place_bar(BAR);
	gop(g, 0, GOP_FILL, BAR, 16 * PAGE, 6);
	eq(gop(g, 0, GOP_CHECK, BAR, 16 * PAGE, 6), 0, "the frame buffer is there");
	eq(gop(g, 0, GOP_CHECK, at_ + half * PAGE, half * PAGE, 5), 0, "... and what is lent is what it was");
	gop(g, 0, GOP_FILL, at_ + half * PAGE, half * PAGE, 7);
	eq(check_fill(span + half * PAGE, half * PAGE, 7), 0, "... and the lender's");
	drv_zap(fd, id, half * PAGE, half * PAGE);
	eq(gop(g, 0, GOP_CHECK, at_ + half * PAGE, half * PAGE, 7), 0, "... also when it is lent again");
	gop(g, 0, GOP_FILL, at_, half * PAGE, 8);
	eq(gop(g, 0, GOP_CHECK, at_, half * PAGE, 8), 0, "the slots that were empty are the frame buffer's");
	for (i = bad = 0; i < half * PAGE / 8; i++)
		bad += ((uint64_t *)span)[i] != 0;
	eq(bad, 0, "... and not the lender's");
	err(drv_populate(fd, id, 0, PAGE, true, &done), -EIO, "... nothing can be lent there");
	eq(drv_destroy(fd, id), 0, "the window is destroyed");
	eq(gop(g, 0, GOP_CHECK, at_, half * PAGE, 8), 0, "the frame buffer is what it was");

	at("a window that comes to a frame buffer");
	rc = drv_window(fd, BAR, SLOTS * PAGE, span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
	err(rc, -EEXIST, "a window over it is refused");
	rc = drv_window(fd, BAR - half * PAGE, SLOTS * PAGE, span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
	err(rc, -EEXIST, "one that only touches it, too");
	id = window(BAR - half * PAGE, half, 0);
	gop(g, 0, GOP_FILL, BAR - half * PAGE, half * PAGE, 9);
	eq(check_fill(span, half * PAGE, 9), 0, "one beside it lends");
	eq(gop(g, 0, GOP_CHECK, BAR, 16 * PAGE, 6), 0, "the frame buffer is what it was");
	close_all();
}

void suite_qemu(void)
{
	xen_open();
	trapping();
	framebuffer();
}
