// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest does to the BAR behind which memory is lent: sizes it, turns it off, moves it to good places and bad ones,
 * and all of that as fast as it can.  A failure means that a device loses its memory, or that its model can be kept from
 * listening to anybody else.
 */
#include "suites.h"
#include <sys/prctl.h>
#include <sys/stat.h>
#include <xenlend.h>

#define DATA	"/tmp/xlbar"
#define LOG	"/tmp/xlbar.log"
#define SIZE	(2UL << 20)
#define HOME	GUEST_WINDOW
#define AWAY	(GUEST_MMIO + SIZE)
#define OTHER	(GUEST_MMIO + 16 * SIZE)	/* another window */
#define RAM	(2UL << 20)
#define SEED	77

#define SLOT		(guests_hvm ? 5 : 1)	/* QEMU has 1 itself */
#define FUNCTION	(SLOT << 11)
#define COMMAND		0x04
#define BAR2		0x18

static uint32_t get(struct guest *g, unsigned offset)
{
	return gop(g, 0, GOP_CONFIG, FUNCTION | offset, 0, 0);
}

static void put(struct guest *g, unsigned offset, uint32_t value)
{
	gop(g, 0, GOP_CONFIG, FUNCTION | offset, 1, value);
}

static void decode(struct guest *g, bool on)
{
	put(g, COMMAND, on ? 2 : 0);
}

/* As an operating system does it */
static void move(struct guest *g, uint64_t to)
{
	at("moving to %#lx", to);
	decode(g, false);
	put(g, BAR2, to);
	put(g, BAR2 + 4, to >> 32);
	decode(g, true);
}

static bool there(struct guest *g, uint64_t addr)
{
	return !gop(g, 0, GOP_CHECK, addr, SIZE, SEED);
}

static long log_size(void)
{
	struct stat st;

	return stat(LOG, &st) ? -1 : st.st_size;
}

static bool logged(const char *want)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "grep -q '%s' " LOG, want);
	return !system(cmd);
}

static pid_t device_start(struct guest *g)
{
	char domid[16], slot[4];
	pid_t pid;
	int fd, i;

	snprintf(domid, sizeof(domid), "%u", g->domid);
	snprintf(slot, sizeof(slot), "%u", SLOT);
	unlink(LOG);
	fd = open(DATA, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, SIZE))
		die("%s: %s", DATA, strerror(errno));
	close(fd);
	pid = fork();
	if (!pid) {
		fd = open(LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execlp("xenlend-ivshmem", "xenlend-ivshmem", "--domain", domid, "--slot", slot, "--size", "2M", "--place", "0:2M:" DATA, NULL);
		_exit(127);
	}
	for (i = 0; i < 300 && !logged("has 1af4:1110"); i++)
		usleep(100000);
	if (!ok(i < 300, "the device is there"))
		die("xenlend-ivshmem says nothing in " LOG);
	return pid;
}

/* SIGTERM; its exit status, or -1 if it does not end */
static int device_end(pid_t pid)
{
	int i, status;

	kill(pid, SIGTERM);
	for (i = 0; i < 600; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
		usleep(100000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static void moves(void)
{
	struct guest *g = guest_new(NULL);
	pid_t pid = device_start(g);
	xenlend_handle *h;
	xenlend_borrower *b;
	xenlend_window *w;
	uint64_t *p;

	eqx(get(g, 0), 0x11101af4, "the guest finds it");
	gop(g, 0, GOP_FILL, HOME, SIZE, SEED);
	ok(there(g, HOME), "it fills the memory");

	at("sizing");
	decode(g, false);
	eqx(g_read(g, HOME), ~0UL, "decoding off: ones");
	g_write(g, HOME, 1);
	put(g, BAR2, ~0U);
	put(g, BAR2 + 4, ~0U);
	eqx(get(g, BAR2), 0xffe0000c, "sizing: 2 MiB, 64-bit, prefetchable");
	eqx(get(g, BAR2 + 4), 0xffffffff, "... the upper half");
	put(g, BAR2, (uint32_t)HOME);
	put(g, BAR2 + 4, HOME >> 32);
	decode(g, true);
	ok(there(g, HOME), "decoding on: everything is there");
	put(g, BAR2, ~0U);
	put(g, BAR2 + 4, ~0U);
	put(g, BAR2, (uint32_t)HOME);
	put(g, BAR2 + 4, HOME >> 32);
	ok(there(g, HOME), "sizing while it decodes: everything is there");

	move(g, AWAY);
	ok(there(g, AWAY), "moved: everything is there");
	eqx(g_read(g, HOME), ~0UL, "... and nothing where it was");
	put(g, BAR2, (uint32_t)(AWAY + SIZE));
	ok(there(g, AWAY + SIZE), "moved while it decodes: everything is there");

	/* the guest's own memory stays its own */
	at("onto memory");
	g_write(g, RAM + 8, 0x1234);
	move(g, RAM);
	eqx(g_read(g, RAM + 8), 0x1234, "moved onto memory: that is what is there");
	ok(logged("cannot be at 0x200000:"), "... the log says that it cannot be there");
	move(g, 0xfee00000);
	eqx(get(g, 0), 0x11101af4, "moved onto the local APIC: the device answers");
	ok(logged("cannot be at 0xfee00000:"), "... the log says that it cannot be there");
	move(g, AWAY);
	ok(there(g, AWAY), "moved to a good place: everything is there");

	at("onto another window");
	h = xenlend_open(NULL, 0);
	b = h ? xenlend_borrower_open(h, g->domid, OTHER, SIZE, 1) : NULL;
	w = b ? xenlend_window_create(b, OTHER, SIZE, XENLEND_WINDOW_WRITE, XENLEND_POLICY_ONES, 0) : NULL;
	if (!ok(w, "another window"))
		die("%s", strerror(errno));
	p = xenlend_window_place(w, 0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p[0] = 0x0123;
	move(g, OTHER);
	eqx(g_read(g, OTHER), 0x0123, "moved onto another window: that is what is there");
	eqx(g_read(g, AWAY), ~0UL, "... and nothing where it was");
	move(g, HOME);
	ok(there(g, HOME), "moved home: everything is there");
	eqx(g_read(g, OTHER), 0x0123, "... and in the other window, too");
	xenlend_borrower_close(b);
	xenlend_close(h);

	eq(device_end(pid), 0, "the device ends");
	ok(guest_free(g), "the guest goes away");
}

static void storm(void)
{
	struct guest *g = guest_new(NULL);
	pid_t pid = device_start(g);

	gop(g, 0, GOP_FILL, HOME, SIZE, SEED);
	/* one moves it between its place and memory, and touches it; the other turns it on and off, both hit all registers */
	gop_start(g, 0, GOP_SPIN_CONFIG, FUNCTION | (BAR2 + 4), HOME >> 32, 0, HOME);
	gop_start(g, 1, GOP_SPIN_CONFIG, FUNCTION | BAR2, (uint32_t)HOME, RAM, AWAY);
	ok(gop_progress(g, 0, 300, 120) && gop_progress(g, 1, 300, 120), "two vCPUs move it as fast as they can");
	gop_stop(g, 0);
	gop_stop(g, 1);
	move(g, HOME);
	ok(there(g, HOME), "... then everything is there");

	gop_start(g, 0, GOP_SPIN_CONFIG, FUNCTION | (BAR2 + 4), HOME >> 32, 0, HOME);
	gop_start(g, 1, GOP_SPIN_CONFIG, FUNCTION | BAR2, (uint32_t)HOME, RAM, AWAY);
	ok(gop_progress(g, 0, 50, 120) && gop_progress(g, 1, 50, 120), "and again");
	eq(device_end(pid), 0, "told to end meanwhile, the device does");
	ok(gop_progress(g, 0, 50, 120) && gop_progress(g, 1, 50, 120), "... the vCPUs go on without it");
	gop_stop(g, 0);
	gop_stop(g, 1);
	note("%ld bytes of log", log_size());
	ok(log_size() < 8192, "the log is short");
	ok(guest_free(g), "the guest goes away");
}

/* It dies while vCPUs wait for it. */
static void killed(void)
{
	struct guest *g = guest_new(NULL);
	/* the device is the child of what was started, which waits for it */
	pid_t pid = device_start(g), child = child_of(pid), other;
	int status = -1, i;

	at("killed");
	gop(g, 0, GOP_FILL, HOME, SIZE, SEED);
	ok(child > 1 && !kill(child, SIGSTOP), "the device's process is stopped");
	gop_start(g, 0, GOP_CONFIG, FUNCTION, 0, 0);
	gop_start(g, 1, GOP_CONFIG, FUNCTION | COMMAND, 0, 0);
	ok(!gop_wait_for(g, 0, 2) && !gop_done(g, 1), "two vCPUs wait in an access to it");
	kill(child, SIGKILL);
	for (i = 0; i < 600 && waitpid(pid, &status, WNOHANG) != pid; i++)
		usleep(100000);
	ok(i < 600 && WIFEXITED(status) && WEXITSTATUS(status) == 1, "killed: the other one ends, with an error");
	ok(logged("died of signal 9"), "... that it says");
	if (!ok(gop_wait_for(g, 0, 30) && gop_wait_for(g, 1, 30), "... the vCPUs go on"))
		die("a vCPU waits for a server that nobody serves");
	eqx((uint32_t)gret(g, 0, 0), 0xffffffff, "... with ones");
	eqx((uint32_t)gret(g, 1, 0), 0xffffffff, "... both");
	eqx(get(g, 0), 0xffffffff, "there is no device any more");
	eqx(g_read(g, HOME), ~0UL, "... nor its memory");
	other = device_start(g);
	eqx(get(g, 0), 0x11101af4, "a new one takes its place");
	/* the other way round */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child = child_of(other);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	for (i = 0; i < 600 && waitpid(child, &status, WNOHANG) != child; i++)
		usleep(100000);
	ok(child > 1 && i < 600 && WIFEXITED(status) && !WEXITSTATUS(status), "who waits for it is killed: it ends by itself, too");
	eqx(get(g, 0), 0xffffffff, "... and is unplugged");
	ok(guest_free(g), "the guest goes away");
}

void suite_bar(void)
{
	xen_open();
	moves();
	killed();
	storm();
	unlink(DATA);
}
