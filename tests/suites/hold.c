// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What cannot be resolved.  What may pass holds the vCPU, whatever the policy: a guest never reads ones, nor loses a write,
 * because the host is short of something.  What never passes gets the policy.
 */
#include "suites.h"
#include "drv.h"
#include "toolstack.h"
#include "fusefs.h"

#define PAGES	64

static struct lent l;

/* The next event of this type about this slot; its reason, 0 if there is none in time. */
static unsigned reason(unsigned type, unsigned slot, unsigned seconds)
{
	struct lenddev_event ev[16];
	double end = now() + seconds;
	int i, n;

	while (now() < end) {
		n = drv_events(l.fd, ev, 16, 200);
		for (i = 0; i < n; i++)
			if (ev[i].type == type && ev[i].id == l.id && ev[i].gpa >> 12 == W(slot) >> 12)
				return ev[i].reason;
	}
	return 0;
}

static void begin(unsigned policy)
{
	l = lent_open(PAGES, policy);
	fcntl(l.fd, F_SETFL, fcntl(l.fd, F_GETFL) | O_NONBLOCK);
}

static void policies(void)
{
	uint64_t value;

	at("policy hold");
	begin(LENDDEV_POLICY_HOLD);
	gop_start(l.g, 0, GOP_READ, W(1) + 8, 8);
	eq(reason(LENDDEV_EVENT_HELD, 1, 20), LENDDEV_REASON_UNMAPPED, "hold: nothing is mapped, and the vCPU is held");
	ok(!gop_wait_for(l.g, 0, 1), "... it waits");
	eq(drv_st(l.fd, l.id).vcpus_held, 1, "... as the counters say");
	gop(l.g, 1, GOP_READ, 0x180000, 8);
	ok(true, "... the other vCPU goes on");
	lent_anon(&l, 1, 1);
	*(uint64_t *)(l.span + PAGE + 8) = 0x4711;
	ok(gop_wait_for(l.g, 0, 20), "memory is placed there: it goes on by itself");
	value = gret(l.g, 0, 0);
	ok(value == 0x4711 || value == 0, "... and reads that memory (%lx)", (long)value);
	eq(drv_st(l.fd, l.id).errors, 0, "... nobody gave up");

	gop_start(l.g, 0, GOP_READ, W(2), 8);
	eq(reason(LENDDEV_EVENT_HELD, 2, 20), LENDDEV_REASON_UNMAPPED, "held again");
	eq(drv_resume(l.fd, l.id, 3 * PAGE, PAGE, LENDDEV_RESUME_ONES), 0, "resuming another slot does nothing");
	ok(!gop_done(l.g, 0), "... indeed");
	eq(drv_resume(l.fd, l.id, 0, PAGES * PAGE, LENDDEV_RESUME_RETRY), 1, "resumed to try again");
	eq(reason(LENDDEV_EVENT_HELD, 2, 20), LENDDEV_REASON_UNMAPPED, "... it is held again");
	eq(drv_resume(l.fd, l.id, 2 * PAGE, PAGE, LENDDEV_RESUME_ONES), 1, "the holder gives up");
	ok(gop_wait_for(l.g, 0, 20) && gret(l.g, 0, 0) == ~0UL, "... and it reads ones");
	gop_start(l.g, 0, GOP_READ, W(2), 8);
	reason(LENDDEV_EVENT_HELD, 2, 20);
	eq(drv_resume(l.fd, l.id, 2 * PAGE, PAGE, LENDDEV_RESUME_FAULT), 1, "the holder wants a fault");
	ok(gop_wait_for(l.g, 0, 20), "... it goes on");
	eq(gtrap(l.g, 0), 13, "... with #GP");

	gop_start(l.g, 0, GOP_READ, W(2), 8);
	gop_start(l.g, 1, GOP_READ, W(4), 8);
	reason(LENDDEV_EVENT_HELD, 4, 20);
	eq(drv_zap(l.fd, l.id, 0, PAGES * PAGE), 0, "zap");
	ok(reason(LENDDEV_EVENT_HELD, 4, 20) || reason(LENDDEV_EVENT_HELD, 2, 20), "... makes those that are held try again");
	eq(drv_destroy(l.fd, l.id), 0, "destroyed while both vCPUs are held");
	ok(gop_wait_for(l.g, 0, 20) && gop_wait_for(l.g, 1, 20), "... both go on");
	eqx(gret(l.g, 0, 0) & gret(l.g, 1, 0), ~0UL, "... there is nothing any more");
	ok(lent_close(&l), "the guest goes away");

	begin(LENDDEV_POLICY_HOLD);
	gop_start(l.g, 0, GOP_READ, W(2), 8);
	reason(LENDDEV_EVENT_HELD, 2, 20);
	close(l.fd);
	l.fd = -1;
	ok(gop_wait_for(l.g, 0, 20) && gret(l.g, 0, 0) == ~0UL, "the descriptor is closed while a vCPU is held: it goes on");
	ok(lent_close(&l), "the guest goes away");

	at("policy crash");
	begin(LENDDEV_POLICY_CRASH);
	lent_anon(&l, 0, 1);
	g_write(l.g, W(0), 1);
	eq(g_read(l.g, W(0)), 1, "crash: what is there can be used");
	gop_start(l.g, 0, GOP_READ, W(1), 8);
	eq(reason(LENDDEV_EVENT_GAVE_UP, 1, 20), LENDDEV_REASON_UNMAPPED, "... what is not is told");
	{
		double end = now() + 20;

		while (!toolstack_crashed(l.g->domid) && now() < end)
			usleep(10000);
		ok(toolstack_crashed(l.g->domid), "... and the domain is crashed");
	}
	ok(lent_close(&l), "the guest goes away");
}

static void final(void)
{
	int m = memfd_create("hold", 0), status;

	at("final reasons");
	begin(LENDDEV_POLICY_ONES);
	if (ftruncate(m, 4 * PAGE))
		die("ftruncate");
	lent_map(&l, 0, 8, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	eqx(g_read(l.g, W(5)), ~0UL, "beyond the end of a file: ones");
	eq(reason(LENDDEV_EVENT_GAVE_UP, 5, 20), LENDDEV_REASON_BEYOND, "... for that reason");
	lent_map(&l, 8, 1, PROT_NONE, MAP_SHARED, m, 0);
	eqx(g_read(l.g, W(8)), ~0UL, "mapped without permission: ones");
	eq(reason(LENDDEV_EVENT_GAVE_UP, 8, 20), LENDDEV_REASON_FORBIDDEN, "... for that reason");
	lent_map(&l, 9, 1, PROT_READ, MAP_SHARED, m, 0);
	g_write(l.g, W(9), 5);
	eq(reason(LENDDEV_EVENT_GAVE_UP, 9, 20), LENDDEV_REASON_FORBIDDEN, "a write where only reading is allowed: the same");
	lent_map(&l, 10, 1, PROT_READ | PROT_WRITE, MAP_SHARED, m, 3 * PAGE);
	*(uint64_t *)(l.span + 10 * PAGE) = 7;
	/* whoever asks for one is killed by it */
	fflush(stdout);
	if (!fork())
		_exit(madvise(l.span + 10 * PAGE, PAGE, 100 /* MADV_HWPOISON */) ? errno : 0);
	wait(&status);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		skip("a page with a hardware error", "madvise: %s", strerror(WEXITSTATUS(status)));
	else {
		eqx(g_read(l.g, W(10)), ~0UL, "a page with a hardware error: ones");
		eq(reason(LENDDEV_EVENT_GAVE_UP, 10, 20), LENDDEV_REASON_POISONED, "... for that reason");
	}
	eq(drv_st(l.fd, l.id).holds, 0, "nobody was held for any of these");
	close(m);
	ok(lent_close(&l), "the guest goes away");
}

static void io_error(void)
{
	struct fusefs *f = fusefs_start();
	int fd = fusefs_open();

	at("an I/O error");
	begin(LENDDEV_POLICY_ONES);
	lent_map(&l, 0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	eqx(g_read(l.g, W(1)), fusefs_word(1), "a page of a FUSE file");
	fusefs_set(f, 2, 1, FUSEFS_EIO);
	gop_start(l.g, 0, GOP_READ, W(2), 8);
	eq(reason(LENDDEV_EVENT_HELD, 2, 30), LENDDEV_REASON_IO, "one that cannot be read: the vCPU is held");
	ok(!gop_done(l.g, 0), "... and reads no ones");
	fusefs_set(f, 2, 1, FUSEFS_SERVE);
	eq(drv_resume(l.fd, l.id, 2 * PAGE, PAGE, LENDDEV_RESUME_RETRY), 1, "it can be read again: resumed");
	ok(gop_wait_for(l.g, 0, 30), "... it goes on");
	eqx(gret(l.g, 0, 0), fusefs_word(2), "... and reads what is there");
	eq(drv_st(l.fd, l.id).errors, 0, "... nobody gave up");
	close(fd);
	ok(lent_close(&l), "the guest goes away");
	fusefs_stop(f);
}

/* The limit of a memory cgroup, with nobody in it who can be killed. */
static void no_memory(void)
{
	const char *where = "/sys/fs/cgroup/xlhold";
	unsigned held = 0, i, n = 6 << 8, bad;
	uint64_t sum;
	char cmd[300];
	FILE *f;
	int out;

	at("a full cgroup");
	snprintf(cmd, sizeof(cmd), "echo +memory > /sys/fs/cgroup/cgroup.subtree_control; mkdir -p %s && echo 4M > %s/memory.max && "
		 "echo 0 > %s/memory.swap.max && echo -1000 > /proc/%d/oom_score_adj", where, where, where, getpid());
	if (system(cmd)) {
		skip("a full memory cgroup", "none can be made");
		return;
	}
	l = lent_open(n, LENDDEV_POLICY_ONES);
	fcntl(l.fd, F_SETFL, fcntl(l.fd, F_GETFL) | O_NONBLOCK);
	lent_anon(&l, 0, n);
	out = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
	snprintf(cmd, sizeof(cmd), "%s/cgroup.procs", where);
	f = fopen(cmd, "w");
	fprintf(f, "%d\n", getpid());
	fclose(f);
	gop_start(l.g, 0, GOP_TOUCH, W(0), n, 1, 77);
	for (i = 0; i < 60 && !held && !gop_done(l.g, 0); i++) {
		struct lenddev_event ev[16];
		int k, got = drv_events(l.fd, ev, 16, 1000);

		for (k = 0; k < got; k++)
			held += ev[k].type == LENDDEV_EVENT_HELD && ev[k].reason == LENDDEV_REASON_NO_MEMORY;
	}
	ok(held, "6 MiB where 4 are allowed: the vCPU is held");
	ok(!gop_done(l.g, 0), "... and loses no write");
	/* there is no memory to open a file with */
	if (dprintf(out, "%d\n", getpid()) < 0)
		die("leaving the cgroup: %s", strerror(errno));
	close(out);
	snprintf(cmd, sizeof(cmd), "echo max > %s/memory.max", where);
	eq(system(cmd), 0, "the limit is raised");
	for (i = 0; i < 100 && !gop_wait_for(l.g, 0, 1); i++)
		drv_resume(l.fd, l.id, 0, n * PAGE, LENDDEV_RESUME_RETRY);
	ok(gop_done(l.g, 0), "resumed: the guest goes on to its end");
	sum = gop(l.g, 1, GOP_TOUCH, W(0), n, 0);
	eq(sum, n * 77UL + n * (n - 1UL) / 2, "... and finds all that it wrote");
	for (i = bad = 0; i < n; i++)
		bad += *(uint64_t *)(l.span + i * PAGE) != 77 + i;
	eq(bad, 0, "... so does the lender");
	eq(drv_st(l.fd, l.id).errors, 0, "... nobody gave up");
	ok(lent_close(&l), "the guest goes away");
	snprintf(cmd, sizeof(cmd), "echo 0 > /proc/%d/oom_score_adj; rmdir %s", getpid(), where);
	if (system(cmd))
		note("%s stays", where);
}

/* The borrower's pool in Xen, from which its page tables come. */
static void no_pool(void)
{
	uint64_t value;
	long pool;

	at("an empty pool");
	l = lent_open(1 << 18, LENDDEV_POLICY_ONES);
	fcntl(l.fd, F_SETFL, fcntl(l.fd, F_GETFL) | O_NONBLOCK);
	lent_anon(&l, 0, 1 << 18);
	l.span[0] = 1;
	g_read(l.g, W(0));
	pool = toolstack_pool(l.g->domid);
	if (pool < 0)
		die("the pool's size: %s", strerror(-pool));
	/* as small as it can be: what is in use stays */
	toolstack_set_pool(l.g->domid, 0);
	*(uint64_t *)(l.span + 200000 * PAGE) = 0xabcdef;
	gop_start(l.g, 0, GOP_READ, W(200000), 8);
	eq(reason(LENDDEV_EVENT_HELD, 200000, 30), LENDDEV_REASON_XEN_MEMORY, "no page table can be had: the vCPU is held");
	ok(!gop_done(l.g, 0), "... and reads no ones");
	eq(toolstack_set_pool(l.g->domid, pool), 0, "the pool is filled again");
	drv_resume(l.fd, l.id, 0, (1UL << 18) * PAGE, LENDDEV_RESUME_RETRY);
	ok(gop_wait_for(l.g, 0, 30), "... it goes on");
	value = gret(l.g, 0, 0);
	eqx(value, 0xabcdef, "... and reads what is there");
	ok(lent_close(&l), "the guest goes away");
}

void suite_hold(void)
{
	xen_open();
	policies();
	final();
	io_error();
	no_memory();
	no_pool();
}
