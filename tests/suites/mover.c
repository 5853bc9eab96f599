// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S1, S5 and S9 for memory that a driver maps without struct pages, as those of GPUs do, and moves when it likes.  A
 * failure would mean that a guest still reaches where a buffer has been, or reads what is not in it.
 */
#include "suites.h"
#include "drv.h"
#include "../module/xlmover.h"
#include <pthread.h>
#include <linux/udmabuf.h>

#define PAGES	64

static struct lent l;
#define V(page) (*(volatile uint64_t *)(l.span + (page) * PAGE))

static int buffer_new(uint64_t pages)
{
	int fd = open("/dev/xlmover", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, XLMOVER_SIZE, &pages))
		die("/dev/xlmover: %s", strerror(errno));
	return fd;
}

static int buffer_move(int fd, unsigned first, unsigned nr, unsigned place)
{
	struct xlmover_move m = { .first = first, .nr = nr, .place = place };

	return ioctl(fd, XLMOVER_MOVE, &m) ? -errno : 0;
}

static struct xlmover_counts buffer_counts(int fd)
{
	struct xlmover_counts c;

	if (ioctl(fd, XLMOVER_COUNTS, &c))
		die("XLMOVER_COUNTS: %s", strerror(errno));
	return c;
}

static void no_events(void)
{
	struct lenddev_event ev[16];

	while (drv_events(l.fd, ev, 16, 0) > 0)
		;
}

/* Whether the driver says that it gave up a fault for such a reason. */
static bool gave_up(unsigned reason)
{
	struct lenddev_event ev[16];
	int i, n = drv_events(l.fd, ev, 16, 5000);

	for (i = 0; i < n; i++)
		if (ev[i].type == LENDDEV_EVENT_GAVE_UP && ev[i].reason == reason)
			return true;
	return false;
}

static void nothing(void)
{
	lent_map(&l, 0, PAGES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* ---- one move at a time ---- */

static void lending(int fd)
{
	struct lenddev_stats st;
	unsigned i, bad = 0;

	at("a buffer is lent");
	lent_map(&l, 0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	eq(g_read(l.g, W(0)), 0, "a driver's page, never touched by this process: the guest reads it");
	for (i = 0; i < PAGES; i++)
		V(i) = 100 + i;
	eq(gop(l.g, 0, GOP_TOUCH, W(0), PAGES, 0), 100 * PAGES + PAGES * (PAGES - 1) / 2, "the guest reads what this process writes");
	gop(l.g, 1, GOP_TOUCH, W(0), PAGES, 1, 7000);
	for (i = 0; i < PAGES; i++)
		bad += V(i) != 7000 + i;
	eq(bad, 0, "this process reads what the guest writes");
	st = drv_st(l.fd, l.id);
	eq(st.pages_lent, PAGES, "all is lent");
	eq(st.errors, 0, "... nothing was given up");

	/* one fault, and what is around it in the buffer */
	drv_zap(l.fd, l.id, 0, PAGES * PAGE);
	g_write(l.g, W(20), 1);
	ok(lent_now(&l) > 1, "present neighbours are lent with a fault (%lu pages)", lent_now(&l));
	st = drv_st(l.fd, l.id);
	drv_zap(l.fd, l.id, 0, PAGES * PAGE);
	err(drv_populate(l.fd, l.id, 0, PAGES * PAGE, true, NULL), 0, "populate");
	eq(lent_now(&l), PAGES, "... all of it");
	gop(l.g, 0, GOP_TOUCH, W(0), PAGES, 1, 0);
	eq(drv_st(l.fd, l.id).faults_write - st.faults_write, 0, "... and no access faults any more");

	/* by value */
	memset(l.span, 0, 2 * PAGE);
	gop(l.g, 0, GOP_STRING, STR_MOVSQ, W(1) + 64, GUEST_MMIO, 8);
	for (i = bad = 0; i < 8; i++)
		bad += ((uint64_t *)(l.span + PAGE))[8 + i] != ~0UL;
	eq(bad, 0, "rep movsq from a device into it");
	eq(((uint64_t *)(l.span + PAGE))[16], 0, "... and not beyond");
}

static void moving(int fd)
{
	struct xlmover_counts c;
	unsigned round, wrong = 0, lent = 0;

	at("it moves");
	gop(l.g, 0, GOP_FILL, W(0), PAGES * PAGE, 4711);
	for (round = 0; round < 20; round++) {
		err(buffer_move(fd, round, PAGES - 2 * round, XLMOVER_CACHED), 0, "move %u", round);
		/* what was taken out of this process's mapping, and nothing else */
		lent += lent_now(&l) > 2 * round;
		wrong += gop(l.g, round % 2, GOP_CHECK, W(0), PAGES * PAGE, 4711) != 0;
		wrong += check_fill(l.span, PAGES * PAGE, 4711);
		gop(l.g, 0, GOP_FILL, W(0), PAGES * PAGE, 4711);
	}
	eq(lent, 0, "what has moved is not lent");
	eq(wrong, 0, "guest and process see the same bytes as before, wherever they are");
	c = buffer_counts(fd);
	ok(c.moves > 0, "%llu pages were moved", (unsigned long long)c.moves);
	eq(c.late, 0, "nothing was written to where they had been");
}

static void refused(int fd)
{
	uint64_t on = 1, off = 0;
	int p, n;

	at("what cannot be lent");
	no_events();
	n = buffer_move(fd, 0, 8, XLMOVER_COMBINED);
	if (n)
		skip("memory that is mapped write-combining", "the module: %s", strerror(-n));
	else {
		V(2) = 5;
		eq(g_read(l.g, W(2)), 5, "memory that is mapped write-combining is lent");
		g_write(l.g, W(3), 6);
		eq(V(3), 6, "... for writing, too");
		/* by value, which must not be by a mapping of another type */
		gop(l.g, 0, GOP_STRING, STR_MOVSQ, W(4) + 8, GUEST_MMIO, 2);
		eqx(*(volatile uint64_t *)(l.span + 4 * PAGE + 16), ~0UL, "... and by value");
		err(buffer_move(fd, 0, 8, XLMOVER_CACHED), 0, "it moves to where it is cached");
		eq(g_read(l.g, W(2)), 5, "... and is lent");
	}

	no_events();
	ioctl(fd, XLMOVER_REFUSE, &on);
	eq(lent_now(&l), 0, "the driver takes it out: nothing is lent");
	eqx(g_read(l.g, W(3)), ~0UL, "and has nothing there: ones");
	ok(gave_up(LENDDEV_REASON_KIND), "... says an event");
	ioctl(fd, XLMOVER_REFUSE, &off);
	V(3) = 33;
	eq(g_read(l.g, W(3)), 33, "it is there again: lent");

	lent_map(&l, 0, 4, PROT_READ, MAP_SHARED, fd, 0);
	eq(g_read(l.g, W(3)), 33, "mapped for reading: the guest reads");
	no_events();
	g_write(l.g, W(3), 34);
	eq(V(3), 33, "... and does not write");
	ok(gave_up(LENDDEV_REASON_FORBIDDEN), "... says an event");
	lent_map(&l, 0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	/* copies of a private mapping are Linux', among pages that are not */
	p = buffer_new(1);
	lent_map(&l, 0, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, p, 0);
	eq(g_read(l.g, W(0)), 0, "a private mapping of it: the guest reads");
	V(0) = 6;
	no_events();
	eqx(g_read(l.g, W(0)), ~0UL, "written by this process it is a copy, which is not lent");
	ok(gave_up(LENDDEV_REASON_KIND), "... says an event");
	close(p);
	lent_map(&l, 0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* ---- to a device and back ---- */

static void placed(int fd)
{
	struct xlmover_counts c = buffer_counts(fd);
	unsigned round, wrong = 0;
	struct lenddev_stats st;

	at("into a device's memory and back");
	if (c.room < 2 * PAGES) {
		skip("a buffer in a device's memory", "the machine has no device with memory that is known here");
		return;
	}
	st = drv_st(l.fd, l.id);
	gop(l.g, 0, GOP_FILL, W(0), PAGES * PAGE, 99);
	for (round = 0; round < 20; round++) {
		static const unsigned place[] = { XLMOVER_DEVICE, XLMOVER_DEVICE, XLMOVER_COMBINED, XLMOVER_DEVICE, XLMOVER_CACHED };

		err(buffer_move(fd, round, PAGES - 2 * round, place[round % 5]), 0, "move %u", round);
		wrong += gop(l.g, round % 2, GOP_CHECK, W(0), PAGES * PAGE, 99 + round) != 0;
		wrong += check_fill(l.span, PAGES * PAGE, 99 + round) != 0;
		gop(l.g, 0, GOP_FILL, W(0), PAGES * PAGE, 100 + round);
	}
	eq(wrong, 0, "guest and process see the same bytes as before, wherever they are");
	eq(buffer_counts(fd).late, 0, "nothing was written to where they had been");
	/* rounds 0, 3, 5, 8, ... go in, 2, 4, 7, 9, ... come out */
	ok(drv_st(l.fd, l.id).to_device - st.to_device > 100, "pages that had moved into the device are counted (%llu)",
	   (unsigned long long)(drv_st(l.fd, l.id).to_device - st.to_device));
	ok(drv_st(l.fd, l.id).to_ram - st.to_ram > 100, "... and those that came back (%llu)",
	   (unsigned long long)(drv_st(l.fd, l.id).to_ram - st.to_ram));
	buffer_move(fd, 0, PAGES, XLMOVER_CACHED);
}

/* ---- all the time ---- */

static volatile bool going;
static uint64_t rng = 88172645463325252UL;

/* Where to next, while it moves: RAM, if no device has memory. */
static unsigned places = 1;

/* Moves until told to stop; returns how often. */
static void *mover(void *arg)
{
	int fd = *(int *)arg;
	unsigned long n = 0;

	while (going) {
		unsigned first, nr;

		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		first = rng % PAGES;
		nr = n % 4 ? 1 : 1 + (rng >> 20) % (PAGES - first);
		if (buffer_move(fd, first, nr, n % places == 1 ? XLMOVER_DEVICE : XLMOVER_CACHED))
			die("a move: %s", strerror(errno));
		n++;
	}
	return (void *)n;
}

static void *forker(void *arg)
{
	unsigned long n = 0;

	(void)arg;
	while (going) {
		pid_t pid = fork();

		if (!pid) {
			/* the child has the mapping, too */
			V(PAGES - 1);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		n++;
		usleep(20000);
	}
	return (void *)n;
}

static void computing(int fd, bool forks)
{
	struct xlmover_counts a = buffer_counts(fd), b;
	unsigned want = forks ? 500 : 2000;
	void *n = NULL, *f = NULL;
	pthread_t t, u;
	double until = now() + 60;

	at("it moves while the guest computes%s", forks ? ", and this process forks" : "");
	going = true;
	gop_start(l.g, 0, GOP_SPIN_TAG, W(0), PAGES);
	gop_start(l.g, 1, GOP_SPIN_TAG, W(0), PAGES);
	pthread_create(&t, NULL, mover, &fd);
	if (forks)
		pthread_create(&u, NULL, forker, NULL);
	do {
		usleep(100000);
		b = buffer_counts(fd);
	} while (b.moves - a.moves < want && now() < until);
	going = false;
	pthread_join(t, &n);
	if (forks)
		pthread_join(u, &f);
	ok(gop_progress(l.g, 0, 2, 60) && gop_progress(l.g, 1, 2, 60), "the guest goes on");
	gop_stop(l.g, 0);
	gop_stop(l.g, 1);
	eq(gret(l.g, 0, 1) + gret(l.g, 1, 1), 0, "both vCPUs found all their tags (%lu and %lu rounds, %lu moves of %lu pages, %lu forks)",
	   (long)gret(l.g, 0, 0), (long)gret(l.g, 1, 0), (long)n, (long)(b.moves - a.moves), (long)f);
	ok(b.moves - a.moves >= want, "... over thousands of moves");
	eq(buffer_counts(fd).late, 0, "nothing was written to where it had been");
	memset(l.span, 0, PAGE);
	gop_start(l.g, 0, GOP_SPIN_ADD, W(0), 20000);
	gop_start(l.g, 1, GOP_SPIN_ADD, W(0), 20000);
	going = true;
	pthread_create(&t, NULL, mover, &fd);
	gop_wait(l.g, 0);
	gop_wait(l.g, 1);
	going = false;
	pthread_join(t, &n);
	eq(V(0), 40000, "a counter that both vCPUs add to is right");
}

/* The lender is killed, buffer and all, while it moves. */
static void killed(int mine)
{
	uint64_t buffers = buffer_counts(mine).buffers;
	int round, up[2], status, gone = 0, ones = 0;
	char c;

	at("the lender is killed");
	for (round = 0; round < 6; round++) {
		pid_t pid;

		if (pipe(up))
			die("pipe: %s", strerror(errno));
		pid = fork();
		if (!pid) {
			void *span = span_new(PAGES * PAGE);
			int fd = buffer_new(PAGES), lend = drv_borrower(drv_open(), l.g->domid, GUEST_WINDOW + (1UL << 29), 1UL << 20, 0);

			if (mmap(span, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED || lend < 0 ||
			    drv_window(lend, GUEST_WINDOW + (1UL << 29), PAGES * PAGE, span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0) <= 0)
				_exit(1);
			going = true;
			if (write(up[1], "x", 1) != 1)
				_exit(1);
			mover(&fd);
		}
		close(up[1]);
		if (read(up[0], &c, 1) != 1)
			die("the other lender does not come up");
		gop_start(l.g, 0, GOP_SPIN_TAG, GUEST_WINDOW + (1UL << 29), PAGES);
		gop_start(l.g, 1, GOP_SPIN_READ, GUEST_WINDOW + (1UL << 29) + 7 * PAGE, 1);
		usleep(30000 + 30000 * round);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(up[0]);
		gone += gop_progress(l.g, 0, 10, 60) && gop_progress(l.g, 1, 10, 60);
		gop_stop(l.g, 0);
		gop_stop(l.g, 1);
		ones += g_read(l.g, GUEST_WINDOW + (1UL << 29)) == ~0UL;
	}
	eq(gone, 6, "the guest goes on, six times");
	eq(ones, 6, "... and reads ones");
	/* whoever looked at its memory last lets go of it in its own time */
	for (round = 0; round < 100 && buffer_counts(mine).buffers != buffers; round++)
		usleep(100000);
	eq(buffer_counts(mine).buffers, buffers, "no buffer is left of it");
}

/* A buffer made of a memfd's pages, as device models make them. */
static void udmabuf(void)
{
	struct udmabuf_create c = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = PAGES * PAGE };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), buf;
	unsigned i, bad = 0;
	uint64_t *memory;

	at("udmabuf");
	if (dev < 0) {
		skip("a dma-buf of udmabuf", "/dev/udmabuf: %s", strerror(errno));
		return;
	}
	c.memfd = memfd_create("buffer", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (ftruncate(c.memfd, PAGES * PAGE) || fcntl(c.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("memfd: %s", strerror(errno));
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c.memfd, 0);
	for (i = 0; i < PAGES; i++)
		memory[i * 512] = 900 + i;
	buf = ioctl(dev, UDMABUF_CREATE, &c);
	if (buf < 0)
		die("UDMABUF_CREATE: %s", strerror(errno));
	lent_map(&l, 0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, buf, 0);
	eq(gop(l.g, 0, GOP_TOUCH, W(0), PAGES, 0), 900 * PAGES + PAGES * (PAGES - 1) / 2, "a dma-buf of udmabuf: the guest reads the memory behind it");
	gop(l.g, 1, GOP_TOUCH, W(0), PAGES, 1, 300);
	for (i = 0; i < PAGES; i++)
		bad += memory[i * 512] != 300 + i;
	eq(bad, 0, "... and writes to it");
	nothing();
	eq(lent_now(&l), 0, "taken out of the span, nothing of it is lent");
	munmap(memory, PAGES * PAGE);
	close(buf);
	close(c.memfd);
	close(dev);
}

void suite_mover(void)
{
	int fd;

	xen_open();
	l = lent_open(PAGES, LENDDEV_POLICY_ONES);
	fcntl(l.fd, F_SETFL, fcntl(l.fd, F_GETFL) | O_NONBLOCK);
	fd = buffer_new(PAGES);
	lending(fd);
	moving(fd);
	refused(fd);
	placed(fd);
	/* enough for this one, and for another lender's */
	if (buffer_counts(fd).room >= 4 * PAGES)
		places = 2;
	computing(fd, false);
	computing(fd, true);
	killed(fd);
	udmabuf();
	nothing();
	close(fd);
	eq(lent_now(&l), 0, "nothing is lent when nothing is mapped");
	ok(lent_close(&l), "the guest goes away");
}
