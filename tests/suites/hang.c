// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Faults that hang: the page behind the slot comes from a file system that does not answer.  Whatever ends meanwhile, each
 * vCPU goes on, its next request is served, and nothing is left.
 */
#include "suites.h"
#include "drv.h"
#include "fusefs.h"
#include <sys/syscall.h>

#define PAGES	64
#define HANGING	32	/* from here on */

enum ending { DESTROY, CLOSE, KILL, KILL_OTHER_HOLDS, KILL_AND_HOLD, SERVER, BORROWER, NR_ENDINGS };
static const char *const endings[] = {
	"the window is destroyed", "the descriptor is closed", "the process is killed",
	"the process is killed while another has the descriptor",
	"the process is killed, and its window's policy is to hold",
	"the ioreq server is destroyed behind the driver's back", "the borrower is destroyed",
};

static struct fusefs *f;

static int fuse_span(uint8_t *span)
{
	int fd = fusefs_open();

	if (mmap(span, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return -1;
	madvise(span, PAGES * PAGE, MADV_RANDOM);
	close(fd);
	return 0;
}

/* A process that lends from the file system, and then does as it is told; fd: an inherited descriptor, or -1. */
static pid_t lender(uint32_t domid, int fd, unsigned policy, int *say)
{
	int to[2], from[2];
	char c;
	pid_t pid;

	if (pipe(to) || pipe(from))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		uint8_t *span = span_new(PAGES * PAGE);
		int id, i;

		if (fd < 0)
			fd = drv_borrower(drv_open(), domid, GUEST_WINDOW, 1UL << 30, 0);
		close(to[1]);
		if (fd < 0 || fuse_span(span))
			_exit(80);
		/* a process that was killed just now has still to close its descriptor, and its window is in the way until then */
		for (i = 0, id = -EEXIST; i < 1000 && id == -EEXIST; i++) {
			id = drv_window(fd, GUEST_WINDOW, PAGES * PAGE, span, LENDDEV_WINDOW_WRITE, policy, 0);
			if (id == -EEXIST)
				usleep(10000);
		}
		if (id <= 0 || write(from[1], "r", 1) != 1)
			_exit(81);
		while (read(to[0], &c, 1) == 1)
			switch (c) {
			case 'd':
				if (drv_destroy(fd, id) || write(from[1], "d", 1) != 1)
					_exit(82);
				break;
			case 'c':
				close(fd);
				if (write(from[1], "c", 1) != 1)
					_exit(83);
				break;
			}
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	if (read(from[0], &c, 1) != 1)
		die("the lender process does not start");
	say[0] = to[1];
	say[1] = from[0];
	return pid;
}

static bool tell(int *say, char c)
{
	char got;

	return write(say[0], &c, 1) == 1 && read(say[1], &got, 1) == 1 && got == c;
}

static void one(enum ending how, unsigned workers)
{
	struct guest *g = guest_new(NULL);
	const char *when = workers == 1 ? "one request claimed, one queued behind it" : "both requests claimed";
	int say[2], status, n0, n1, fd = -1, dev = -1;
	/* pages that came once stay */
	unsigned page = HANGING + 2 * ((workers - 1) * NR_ENDINGS + how);
	double since;
	pid_t pid;
	bool rc = true;

	at("%s, %s", endings[how], when);
	fusefs_set(f, 0, PAGES, FUSEFS_SERVE);
	if (how == KILL_OTHER_HOLDS || how == KILL_AND_HOLD) {
		dev = drv_open();
		fd = drv_borrower(dev, g->domid, GUEST_WINDOW, 1UL << 30, 0);
	}
	pid = lender(g->domid, fd, how == KILL_AND_HOLD ? LENDDEV_POLICY_HOLD : LENDDEV_POLICY_ONES, say);
	if (!eqx(g_read(g, W(3)), fusefs_word(3), "%s, %s: a page that comes", endings[how], when))
		note("...");
	fusefs_set(f, HANGING, PAGES - HANGING, FUSEFS_HANG);
	gop_start(g, 0, GOP_READ, W(page), 8);
	n0 = fusefs_wait(f, 1, 30);
	gop_start(g, 1, GOP_READ, W(page + 1), 8);
	n1 = workers == 1 ? true : fusefs_wait(f, 2, 30);
	usleep(200000);
	ok(n0 && n1 && !gop_done(g, 0) && !gop_done(g, 1), "... two that do not: both vCPUs wait");

	since = now();
	switch (how) {
	case DESTROY:
		rc = tell(say, 'd');
		break;
	case CLOSE:
		rc = tell(say, 'c');
		break;
	case KILL:
	case KILL_OTHER_HOLDS:
	case KILL_AND_HOLD:
		kill(pid, SIGKILL);
		break;
	case SERVER:
		/* the first in this domain, but for QEMU's */
		rc = !xendevicemodel_destroy_ioreq_server(xdm, g->domid, g->hvm);
		break;
	default:
		guest_release(g);
		rc = !domain_destroy(g->domid);
	}
	ok(rc && now() - since < 20, "... it ends, and does not hang with them");
	if (how == BORROWER) {
		/* the pages that the lender's process has mapped are not the guest's */
		ok(guest_free(g), "... no zombie is left");
	} else {
		if (how == KILL_AND_HOLD) {
			double end = now() + 30;

			while (drv_st(fd, 1).vcpus_held < 2 && now() < end)
				usleep(10000);
			eq(drv_st(fd, 1).vcpus_held, 2, "... both vCPUs are held");
			eq(drv_resume(fd, 1, 0, PAGES * PAGE, LENDDEV_RESUME_RETRY), 0, "... there is nobody to try again for them");
			ok(!gop_done(g, 0) && !gop_done(g, 1), "... and they wait");
			eq(drv_resume(fd, 1, 0, PAGES * PAGE, LENDDEV_RESUME_ONES), 2, "... they can be told to go on without");
		}
		rc = gop_wait_for(g, 0, 30);
		ok(rc && gret(g, 0, 0) == ~0UL, "... vCPU 0 goes on");
		rc = gop_wait_for(g, 1, 30);
		ok(rc && gret(g, 1, 0) == ~0UL, "... vCPU 1 goes on");
		if (how == KILL_AND_HOLD)	/* nor for what comes later */
			err(drv_destroy(fd, 1), 0, "... who has the descriptor may destroy the window");
		eqx(g_read(g, W(1)), ~0UL, "... the window is gone");
		if (how == KILL) {
			/* the dead process still hangs in its fault: somebody else lends meanwhile */
			int say2[2];
			pid_t other;

			fusefs_set(f, 0, HANGING, FUSEFS_SERVE);
			other = lender(g->domid, -1, LENDDEV_POLICY_ONES, say2);
			eqx(g_read(g, W(5)), fusefs_word(5), "... another process lends to it at once");
			kill(other, SIGKILL);
			waitpid(other, &status, 0);
			close(say2[0]);
			close(say2[1]);
		}
		if (how == KILL_OTHER_HOLDS) {
			struct lenddev_event ev;

			/* while the address space still lives */
			do
				n0 = read(fd, &ev, sizeof(ev));
			while (n0 == sizeof(ev) && ev.type == LENDDEV_EVENT_GAVE_UP);
			ok(n0 == sizeof(ev) && ev.type == LENDDEV_EVENT_WINDOW_DEAD, "... who has the descriptor is told that the window is dead");
			err(drv_destroy(fd, 1), 0, "... and may destroy it");
		}
		close(fd);
		close(dev);
		rc = syscall(SYS_delete_module, "xen_lend", O_NONBLOCK);
		ok(rc && (errno == EAGAIN || errno == EBUSY || errno == EWOULDBLOCK), "... the module cannot be unloaded while they hang (%s)",
		   strerror(errno));
	}
	fusefs_set(f, 0, PAGES, FUSEFS_SERVE);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(say[0]);
	close(say[1]);
	if (how != BORROWER)
		ok(guest_free(g), "... the guest goes away");
}

/* Many windows of one descriptor, each left with a fault that hangs: they take nothing from the next one, or from others. */
static void cycles(void)
{
	struct guest *other = guest_new(NULL);
	struct lent l = lent_open(PAGES, LENDDEV_POLICY_ONES), o = { .g = other };
	/* each leaves two threads, and as many reads as the file system can let hang are more than enough */
	unsigned i, n = 160, bad = 0, uneven = 0;
	uint64_t faults, first = 0;
	uint8_t *span;

	at("cycles of windows that hang");
	o.dev = drv_open();
	o.fd = drv_borrower(o.dev, other->domid, GUEST_WINDOW, 1UL << 30, 0);
	o.pages = 256;
	o.span = span_new(256 * PAGE);
	o.id = drv_window(o.fd, GUEST_WINDOW, 256 * PAGE, o.span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
	lent_anon(&o, 0, 256);
	memset(o.span, 1, 256 * PAGE);
	drv_destroy(l.fd, l.id);
	fusefs_set(f, 0, FUSEFS_PAGES, FUSEFS_HANG);
	for (i = 0; i < n; i++) {
		int fd = fusefs_open(), id;

		span = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (100 + 2 * i) * PAGE);
		close(fd);
		id = drv_window(l.fd, GUEST_WINDOW, 2 * PAGE, span, 0, LENDDEV_POLICY_ONES, 0);
		if (id <= 0) {
			note("window %u: %s", i, strerror(-id));
			bad++;
			break;
		}
		gop_start(l.g, 0, GOP_READ, W(0), 8);
		gop_start(l.g, 1, GOP_READ, W(1), 8);
		bad += !fusefs_wait(f, 2 * (i + 1), 30);
		bad += drv_destroy(l.fd, id) != 0;
		bad += !gop_wait_for(l.g, 0, 30) || !gop_wait_for(l.g, 1, 30);
		/* another guest's faults, meanwhile */
		if (i % 8)
			continue;
		faults = drv_st(o.fd, o.id).faults_read;
		drv_zap(o.fd, o.id, 0, 256 * PAGE);
		bad += gop(o.g, 0, GOP_TOUCH, W(0), 256, 0) != 256 * 0x0101010101010101UL;
		faults = drv_st(o.fd, o.id).faults_read - faults;
		if (!i)
			first = faults;
		/* whether the interrupt or a worker serves one makes a difference to how many pages come with it */
		uneven += faults > first + 2 || first > faults + 2;
	}
	eq(bad, 0, "%u windows of one descriptor with two faults each that hang: each vCPU goes on when its window goes", n);
	eq(f->waiting, 2 * n, "... the faults hang on");
	ok(first && !uneven, "... another guest goes on as before, with about %lu faults each time", (long)first);
	close(l.fd);
	l.fd = drv_borrower(l.dev, l.g->domid, GUEST_WINDOW, 1UL << 30, 0);
	lent_anon(&l, 0, PAGES);
	l.span[5 * PAGE] = 9;
	ok(drv_window(l.fd, GUEST_WINDOW, PAGES * PAGE, l.span, 0, LENDDEV_POLICY_ONES, 0) > 0 && g_read(l.g, W(5)) == 9,
	   "another descriptor's window is served");
	fusefs_set(f, 0, FUSEFS_PAGES, FUSEFS_SERVE);
	close(o.fd);
	close(o.dev);
	ok(guest_free(other), "the other guest goes away");
	ok(lent_close(&l), "the guest goes away");
}

void suite_hang(void)
{
	xen_open();
	f = fusefs_start();
	for (unsigned workers = 1; workers <= 2; workers++) {
		ok(drv_reload(workers == 1 ? "workers=1" : "workers=2"), "the module with %u worker%s", workers, workers == 1 ? "" : "s");
		for (enum ending e = DESTROY; e < NR_ENDINGS; e++)
			one(e, workers);
	}
	ok(drv_reload(""), "the module as it was: it could be unloaded when nothing hung any more");
	cycles();
	fusefs_stop(f);
}
