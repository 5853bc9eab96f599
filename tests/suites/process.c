// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S7 with the driver: processes, descriptors, modules and domains that end, in any order, at any moment.
 */
#include "suites.h"
#include "drv.h"
#include "../module/xlpfn.h"
#include <sys/syscall.h>

#define PAGES	64

/* What a lender process does before it is killed. */
enum stage { BORROWER, WINDOW, LENT, FAULTING, POPULATING, EVICTING, MAPPING, NR_STAGES };
static const char *const stages[] = {
	"with a borrower descriptor only", "with an empty window", "with everything lent", "with the guest faulting", "while it populates",
	"while it evicts", "while it maps and unmaps",
};

static void lender(uint32_t domid, enum stage st, int tell)
{
	size_t len = PAGES * PAGE;
	uint8_t *span = span_new(len);
	int dev = drv_open(), fd = drv_borrower(dev, domid, GUEST_WINDOW, 1UL << 30, 0), id;

	if (fd < 0)
		_exit(80);
	if (st > BORROWER) {
		id = drv_window(fd, GUEST_WINDOW, len, span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
		if (id <= 0)
			_exit(81);
	}
	if (st >= LENT)
		mmap(span, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (st == LENT)
		memset(span, 5, len);
	if (st == LENT && drv_populate(fd, id, 0, len, true, NULL))
		_exit(82);
	if (write(tell, "r", 1) != 1)
		_exit(83);
	for (;;) {
		switch (st) {
		case POPULATING:
			drv_populate(fd, id, 0, len, true, NULL);
			drv_zap(fd, id, 0, len);
			break;
		case EVICTING:
			madvise(span, len, MADV_PAGEOUT);
			madvise(span, len, MADV_DONTNEED);
			break;
		case MAPPING:
			munmap(span, len / 2);
			mmap(span, len / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		default:
			pause();
		}
	}
}

static int start_lender(uint32_t domid, enum stage st)
{
	int p[2], pid;
	char c;

	if (pipe(p))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(p[0]);
		signal(SIGTERM, SIG_DFL);
		lender(domid, st, p[1]);
		_exit(0);
	}
	close(p[1]);
	if (read(p[0], &c, 1) != 1)
		die("the lender process did not get ready, %s", stages[st]);
	close(p[0]);
	return pid;
}

static void killed(void)
{
	struct guest *g = guest_new(NULL);
	enum stage st;
	int pid, status, round;

	for (st = BORROWER; st < NR_STAGES; st++) {
		unsigned good = 0;

		for (round = 0; round < 3; round++) {
			at("lender killed %s", stages[st]);
			pid = start_lender(g->domid, st);
			if (st >= FAULTING) {
				gop_start(g, 0, GOP_SPIN_TAG, W(0), PAGES);
				gop_start(g, 1, GOP_SPIN_READ, W(7), 1);
				usleep(30000 + 25000 * round);
			} else if (st == LENT)
				eqx(g_read(g, W(3)), 0x0505050505050505UL, "lent");
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			if (st >= FAULTING) {
				/* both vCPUs go on, with ones */
				good += gop_progress(g, 0, 10, 60) && gop_progress(g, 1, 10, 60);
				gop_stop(g, 0);
				gop_stop(g, 1);
			} else
				good++;
			good += g_read(g, W(3)) == ~0UL;
		}
		eq(good, 6, "lender killed %s, three times: the vCPUs go on and read ones", stages[st]);
	}
	/* and the domain is as good as new */
	pid = start_lender(g->domid, LENT);
	eqx(g_read(g, W(3)), 0x0505050505050505UL, "another process lends to the same guest");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok(guest_free(g), "the guest goes away");
}

enum ending { DESTROYED, CLOSED, KILLED, NR_ENDINGS };
static const char *const endings[] = { "its window is destroyed", "the descriptor is closed", "the process is killed" };

/* Lends PAGES pages of fives at slot PAGES, by an inherited descriptor, and does as it is told. */
static pid_t told_lender(int fd, int *say, int *id)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) || pipe(from))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		uint8_t *span = span_new(PAGES * PAGE);
		char c;

		signal(SIGTERM, SIG_DFL);
		close(to[1]);
		*id = drv_window(fd, W(PAGES), PAGES * PAGE, span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
		if (*id <= 0)
			_exit(81);
		mmap(span, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		memset(span, 5, PAGES * PAGE);
		if (write(from[1], id, sizeof(*id)) != sizeof(*id))
			_exit(82);
		while (read(to[0], &c, 1) == 1) {
			if (c == DESTROYED ? drv_destroy(fd, *id) : close(fd))
				_exit(83);
			if (write(from[1], &c, 1) != 1)
				_exit(84);
		}
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	if (read(from[0], id, sizeof(*id)) != sizeof(*id))
		die("the lender process did not get ready");
	say[0] = to[1];
	say[1] = from[0];
	return pid;
}

/* Until so many of those that were made to wait before their lend are done; how many of them lent, or -1. */
static int commits(int xlpfn, unsigned n)
{
	double end = now() + 30;
	uint64_t v = 0;

	do
		if (ioctl(xlpfn, XLPFN_COMMITS, &v))
			die("XLPFN_COMMITS: %s", strerror(errno));
	while (v >> 32 < n && now() < end && !usleep(1000));
	return v >> 32 < n ? -1 : (int)v;
}

/*
 * A worker has found the page, and is about to lend it: not left to chance, it is made to wait there.  Either until the end
 * of the window has closed the books, and Xen does not yet know of it; or until all of that is over, and the vCPU waits for
 * something else.
 */
static void ended_while_resolving(enum ending how, bool early)
{
	struct lent l = lent_open(PAGES, LENDDEV_POLICY_HOLD);
	int fd = drv_borrower(l.dev, l.g->domid, GUEST_WINDOW, 1UL << 30, 0);
	int x = open("/dev/xlpfn", O_RDWR), m = memfd_create("next", 0);
	uint64_t v = 1ULL << 32 | XLPFN_LONGEST, next = 0x4711;
	struct lenddev_stats st = { 0 };
	int say[2], id, status;
	char c = how;
	double end;
	pid_t pid;

	at("%s while a page is about to be lent, %s", endings[how], early ? "just before Xen knows" : "when all is over");
	if (fd < 0 || x < 0 || m < 0 || ftruncate(m, PAGE) || pwrite(m, &next, 8, 8) != 8)
		die("descriptors: %s", strerror(errno));
	pid = told_lender(fd, say, &id);
	if (how != KILLED) {
		close(fd);
		fd = -1;
	}
	/* it would not wait */
	xlend_param("interrupt_faults", 0);
	if (ioctl(x, XLPFN_DELAY, &v) || (early && ioctl(x, XLPFN_MEET)))
		die("a delay before the driver's xlend_commit: %s", strerror(errno));
	gop_start(l.g, 0, GOP_READ, W(PAGES + 3), 8);
	for (end = now() + 30, v = 0; !v && now() < end; usleep(1000))
		ioctl(x, XLPFN_DELAYED, &v);
	ok(v == 1 && !gop_done(l.g, 0), "a page is about to be lent");
	if (fd >= 0)
		st = drv_st(fd, id);

	if (how == KILLED)
		kill(pid, SIGKILL);
	else
		ok(write(say[0], &c, 1) == 1 && read(say[1], &c, 1) == 1, "... %s", endings[how]);
	ok(gop_wait_for(l.g, 0, 30), "... %s, %s: the vCPU goes on", endings[how],
	   early ? "the worker before that" : "the worker does not");
	eqx(gret(l.g, 0, 0), ~0UL, "... there is nothing any more");
	if (!early) {
		eq(commits(x, 0), 0, "... the worker has not gone on");
		gop_start(l.g, 0, GOP_READ, W(1) + 8, 8);
		for (end = now() + 30; !drv_st(l.fd, l.id).vcpus_held && now() < end;)
			usleep(1000);
		ioctl(x, XLPFN_GO_ON);
	}
	eq(commits(x, 1), 0, "... it lends nothing when it goes on");
	if (fd >= 0) {
		eq(drv_st(fd, id).lends - st.lends, 0, "... as the counters say");
		eq(drv_st(fd, id).pages_lent, 0, "... nothing is lent");
	}
	if (!early) {
		/* an answer that comes late would be the answer to this */
		ok(!gop_wait_for(l.g, 0, 1) && drv_st(l.fd, l.id).vcpus_held == 1,
		   "... what the vCPU waits for next is not answered by it");
		lent_map(&l, 1, 1, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
		ok(gop_wait_for(l.g, 0, 30), "... but when it is there");
		eqx(gret(l.g, 0, 0), next, "... with what is there");
	}
	eqx(g_read(l.g, W(PAGES + 3)), ~0UL, "... and where the window was there is nothing");
	v = 0;
	ioctl(x, XLPFN_DELAY, &v);
	xlend_param("interrupt_faults", 64);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(say[0]);
	close(say[1]);
	close(x);
	close(m);
	if (fd >= 0)
		close(fd);
	ok(lent_close(&l), "... the guest goes away");
}

/* The other way round: the guest dies first, at each stage. */
static void guest_dies(void)
{
	enum stage st;
	unsigned gone = 0, n = 0;
	int pid, status;

	for (st = BORROWER; st < NR_STAGES; st++) {
		struct guest *g = guest_new(NULL);

		at("guest destroyed %s", stages[st]);
		pid = start_lender(g->domid, st);
		if (st >= FAULTING) {
			gop_start(g, 0, GOP_SPIN_TAG, W(0), PAGES);
			gop_start(g, 1, GOP_SPIN_READ, W(7), 1);
			usleep(50000);
		}
		n++;
		gone += guest_free(g);		/* the lender process is still there */
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	eq(gone, n, "guest destroyed at each stage while its lender lives on: no zombie");
}


static void module_in_use(void)
{
	struct lent l = lent_open(PAGES, LENDDEV_POLICY_ONES);
	int rc;

	at("module in use");
	lent_anon(&l, 0, PAGES);
	g_write(l.g, W(0), 1);
	rc = syscall(SYS_delete_module, "xen_lend", O_NONBLOCK);
	ok(rc && (errno == EAGAIN || errno == EBUSY || errno == EWOULDBLOCK), "the module cannot be unloaded while a window exists (%s)", strerror(errno));
	eq(g_read(l.g, W(0)), 1, "... and goes on working");
	ok(lent_close(&l), "the guest goes away");
}

static void module_unload(void)
{
	struct guest *g = guest_new(NULL);
	int rc, i, fd, bad = 0;
	double end;

	at("unloading the module");
	for (i = 0; i < 5; i++) {
		end = now() + 20;
		do	/* the last job may hold it for a moment */
			rc = syscall(SYS_delete_module, "xen_lend", O_NONBLOCK);
		while (rc && errno == EAGAIN && now() < end && !usleep(100000));
		if (rc) {
			note("delete_module: %s", strerror(errno));
			bad++;
			break;
		}
		fd = open("/xenlend/modules/xen-lend.ko", O_RDONLY);
		rc = fd < 0 ? -1 : syscall(SYS_finit_module, fd, "", 0);
		if (rc)
			note("finit_module: %s", strerror(errno));
		bad += rc != 0;
		close(fd);
		if (!rc) {
			int status, pid;

			for (end = now() + 10; access("/dev/xen/lend", F_OK) && now() < end;)
				usleep(10000);
			pid = start_lender(g->domid, LENT);
			bad += g_read(g, W(3)) != 0x0505050505050505UL;
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
	}
	eq(bad, 0, "the module is unloaded and loaded five times, with lending in between");
	ok(guest_free(g), "the guest goes away");
}

/* Two lender processes and two guests, everything at once. */
static void two_by_two(void)
{
	struct guest *g[2];
	int pid[2][2], fdm[2], status, i, j, bad = 0;
	volatile uint64_t *shared[2];
	char c;

	at("two lenders, two guests");
	for (i = 0; i < 2; i++) {
		g[i] = guest_new(NULL);
		fdm[i] = memfd_create("two", 0);
		if (ftruncate(fdm[i], PAGES * PAGE))
			die("ftruncate");
		shared[i] = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fdm[i], 0);
	}
	/* process i lends buffer i to guest j at its own place: every buffer is in both guests */
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++) {
			int p[2];

			if (pipe(p))
				die("pipe");
			fflush(stdout);
			pid[i][j] = fork();
			if (!pid[i][j]) {
				uint8_t *span = span_new(PAGES * PAGE);
				int dev = drv_open(), fd = drv_borrower(dev, g[j]->domid, GUEST_WINDOW, 1UL << 30, 0);
				unsigned n = 0;

				if (fd < 0 || drv_window(fd, W(i * PAGES), PAGES * PAGE, span, LENDDEV_WINDOW_WRITE, 0, 0) <= 0)
					_exit(80);
				mmap(span, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fdm[i], 0);
				if (write(p[1], "r", 1) != 1)
					_exit(81);
				for (;; n++) {
					/* evict the pages again and again; their content stays */
					madvise(span, PAGES * PAGE, MADV_DONTNEED);
					madvise(span + n % PAGES * PAGE, PAGE, MADV_PAGEOUT);
					usleep(2000);
				}
			}
			close(p[1]);
			if (read(p[0], &c, 1) != 1)
				die("lender %d for guest %d did not get ready", i, j);
			close(p[0]);
		}
	/* both guests count in both buffers, two vCPUs each */
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++)
			gop_start(g[j], i, GOP_SPIN_ADD, W(i * PAGES) + 64, 20000);
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++)
			gop_wait(g[j], i);
	for (i = 0; i < 2; i++)
		bad += shared[i][8] != 2 * 20000;
	eq(bad, 0, "two guests count in two buffers, each lent by two processes under eviction: none lost (%lu, %lu)", (long)shared[0][8], (long)shared[1][8]);
	for (j = 0; j < 2; j++)
		gop(g[j], 0, GOP_TOUCH, W(0), 2 * PAGES, 1, 700 + 1000 * j);
	for (i = bad = 0; i < 2 * PAGES; i++)
		bad += shared[i / PAGES][i % PAGES * 512] != 1700u + i;
	eq(bad, 0, "what the second guest wrote last is there");
	bad = gop(g[0], 0, GOP_TOUCH, W(0), 2 * PAGES, 0) != 2 * PAGES * 1700UL + 2 * PAGES * (2 * PAGES - 1) / 2;
	eq(bad, 0, "and the first guest reads it");
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++) {
			kill(pid[i][j], SIGKILL);
			waitpid(pid[i][j], &status, 0);
		}
	for (i = 0; i < 2; i++) {
		ok(guest_free(g[i]), "guest %d goes away", i);
		munmap((void *)shared[i], PAGES * PAGE);
		close(fdm[i]);
	}
}

static void descriptors(void)
{
	struct lent l = lent_open(PAGES, LENDDEV_POLICY_FAULT);
	uint8_t *span2 = span_new(PAGES * PAGE);
	int d, id2, i;

	at("descriptors");
	lent_anon(&l, 0, 4);
	g_write(l.g, W(0), 1);
	gop(l.g, 0, GOP_READ, W(10), 8);
	eq(gtrap(l.g, 0), 13, "policy fault: nothing behind: #GP");
	gop(l.g, 0, GOP_WRITE, W(10), 8, 1);
	eq(gtrap(l.g, 0), 13, "... for a write, too");
	d = dup(l.fd);
	close(l.fd);
	eq(g_read(l.g, W(0)), 1, "the window lives as long as one descriptor does");
	l.fd = d;
	id2 = drv_window(l.fd, GUEST_WINDOW + 2 * PAGES * PAGE, PAGES * PAGE, span2, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 9);
	ok(id2 > 0, "a second window with another policy");
	eqx(g_read(l.g, W(2 * PAGES)), ~0UL, "... reads ones");
	gop(l.g, 0, GOP_READ, W(10), 8);
	eq(gtrap(l.g, 0), 13, "... the first still faults");
	/* a window for reading only */
	eq(drv_destroy(l.fd, id2), 0, "destroy it");
	id2 = drv_window(l.fd, GUEST_WINDOW + 2 * PAGES * PAGE, PAGES * PAGE, l.span, 0, LENDDEV_POLICY_FAULT, 9);
	eq(g_read(l.g, W(2 * PAGES)), 1, "a window for reading only, over the same span: reads");
	gop(l.g, 0, GOP_WRITE, W(2 * PAGES), 8, 5);
	eq(gtrap(l.g, 0), 13, "... a write gets #GP");
	eq(g_read(l.g, W(0)), 1, "... and changes nothing");
	err(drv_populate(l.fd, id2, 0, PAGE, true, NULL), -EROFS, "... populate for writing");
	g_write(l.g, W(0), 2);
	eq(g_read(l.g, W(2 * PAGES)), 2, "both windows show the same page");
	madvise(l.span, PAGE, MADV_DONTNEED);
	eq(g_read(l.g, W(2 * PAGES)), 0, "... and lose it together");
	for (i = 0; i < 50; i++) {
		int id3 = drv_window(l.fd, GUEST_WINDOW + 4 * PAGES * PAGE, PAGE, l.span, 0, 0, 0);

		if (id3 <= 0 || drv_destroy(l.fd, id3))
			break;
	}
	eq(i, 50, "windows come and go beside them");
	ok(lent_close(&l), "the guest goes away");
	munmap(span2, PAGES * PAGE);
}

/* Somebody destroys the driver's server behind its back, as a clumsy tool stack might. */
static void server_pulled(void)
{
	struct lent l = lent_open(PAGES, LENDDEV_POLICY_ONES);
	int fd, id, rc;

	at("server destroyed under the driver");
	lent_anon(&l, 0, 4);
	g_write(l.g, W(0), 1);
	lent_anon(&l, 32, 4);
	rc = xendevicemodel_destroy_ioreq_server(xdm, l.g->domid, l.g->hvm);	/* its number */
	eq(rc, 0, "the driver's ioreq server is destroyed by somebody else");
	eq(g_read(l.g, W(0)), 1, "what is lent goes on working");
	eqx(g_read(l.g, W(40)), ~0UL, "the rest reads ones");
	madvise(l.span, PAGE, MADV_DONTNEED);
	eqx(g_read(l.g, W(0)), ~0UL, "what Linux takes back is gone for the guest");
	*(uint64_t *)l.span = 7;
	eq(drv_zap(l.fd, l.id, 0, PAGES * PAGE), 0, "zap");
	fd = drv_borrower(l.dev, l.g->domid, GUEST_WINDOW, 1UL << 30, 0);
	ok(fd >= 0, "a new borrower gets a new server (%d)", fd);
	id = fd < 0 ? fd : drv_window(fd, W(PAGES), 4 * PAGE, l.span, LENDDEV_WINDOW_WRITE, 0, 0);
	if (ok(id > 0, "... and a window (%d)", id))
		eq(g_read(l.g, W(PAGES)), 7, "... that works");
	if (fd >= 0)
		close(fd);
	ok(lent_close(&l), "the guest goes away");
}

void suite_process(void)
{
	xen_open();
	descriptors();
	server_pulled();
	killed();
	for (enum ending how = DESTROYED; how < NR_ENDINGS; how++) {
		/* a killed process is known to be dead before anything is closed */
		if (how != KILLED)
			ended_while_resolving(how, true);
		ended_while_resolving(how, false);
	}
	guest_dies();
	module_in_use();
	two_by_two();
	module_unload();
}
