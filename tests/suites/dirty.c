// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S10: what the guest wrote is not lost when Linux pages it out, and what it did not write is not made dirty.
 */
#include "suites.h"
#include <sched.h>
#include <sys/sysinfo.h>
#include "drv.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static struct lent l;
#define V(page) (*(volatile uint64_t *)(l.span + (page) * PAGE))

/* Pages of the span that are mapped: a copy in the swap cache is none. */
static unsigned mapped(unsigned page, unsigned n)
{
	uint64_t e[64];
	unsigned i, in = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, e, n * 8, (uintptr_t)(l.span + page * PAGE) / PAGE * 8) != (ssize_t)(n * 8))
		die("/proc/self/pagemap: %s", strerror(errno));
	close(fd);
	for (i = 0; i < n; i++)
		in += e[i] >> 63;
	return in;
}

/* Runs on one CPU only; -1: on any again. */
static void on_cpu(int cpu)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	for (i = 0; i < get_nprocs(); i++)
		if (cpu < 0 || cpu == i)
			CPU_SET(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %d: %s", cpu, strerror(errno));
}

/* Pages out, and sees that they are. */
static void page_out(unsigned page, unsigned n, const char *what)
{
	unsigned tries, in = n, cpus = get_nprocs();

	/*
	 * New pages wait in a batch of the CPU that made them, and stay there when that CPU makes no more.
	 * madvise() looks into the batch of its own CPU only: called on each in turn.
	 */
	for (tries = 0; tries < 50 && in > n / 8; tries++) {
		on_cpu(tries % cpus);
		madvise(l.span + page * PAGE, n * PAGE, MADV_PAGEOUT);
		in = mapped(page, n);
		if (in > n / 8 && tries >= cpus)
			usleep(20000);
	}
	on_cpu(-1);
	ok(in <= n / 8, "%s: paged out (%u of %u stayed)", what, in, n);
}

/* Pages that Linux would write out before it lets go of them. */
static unsigned dirty_pages(unsigned page, unsigned n)
{
	int map = open("/proc/self/pagemap", O_RDONLY), flags = open("/proc/kpageflags", O_RDONLY);
	unsigned i, dirty = 0;
	uint64_t e, f;

	for (i = 0; i < n; i++) {
		if (pread(map, &e, 8, (uintptr_t)&V(page + i) / PAGE * 8) != 8 || !(e >> 63) ||
		    pread(flags, &f, 8, (e & ((1UL << 55) - 1)) * 8) != 8)
			die("page %u: no flags", page + i);
		dirty += f >> 4 & 1;	/* KPF_DIRTY */
	}
	close(map);
	close(flags);
	return dirty;
}

void suite_dirty(void)
{
	unsigned i, bad;
	uint64_t x = 0;
	int m;

	xen_open();
	l = lent_open(256, LENDDEV_POLICY_ONES);

	at("memfd, read first");
	m = memfd_create("dirty", 0);
	if (ftruncate(m, 64 * PAGE))
		die("ftruncate");
	lent_map(&l, 0, 64, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	for (i = 0; i < 64; i++) {
		on_cpu(i / 17 % get_nprocs());	/* as may happen: some in each CPU's batch */
		x += V(i);		/* present, writable, clean */
	}
	on_cpu(-1);
	eq(dirty_pages(0, 64), 0, "memfd, read by the lender: clean");
	x += g_read(l.g, W(0));
	ok(lent_now(&l) > 1, "a read by the guest brings neighbours along (%lu lent)", (long)lent_now(&l));
	eq(dirty_pages(0, 64), 1, "... and makes no page dirty but its own");
	eq(x + gop(l.g, 0, GOP_TOUCH, W(0), 64, 0), 0, "memfd, read by both: zero");
	gop(l.g, 0, GOP_WRITE, W(63), 8, 0);
	ok(dirty_pages(0, 64) > 1, "a write takes neighbours along for writing (%u dirty)", dirty_pages(0, 64));
	gop(l.g, 0, GOP_TOUCH, W(0), 64, 1, 0x1000);
	page_out(0, 64, "memfd");
	for (i = bad = 0; i < 64; i++)
		bad += V(i) != 0x1000 + i;
	eq(bad, 0, "memfd read first, written by the guest, paged out: kept");

	at("memfd, second round");
	/* swapped in by a read: clean again */
	for (i = 0; i < 64; i++)
		x += V(i);
	gop(l.g, 0, GOP_TOUCH, W(0), 64, 0);
	gop(l.g, 0, GOP_TOUCH, W(0), 64, 1, 0x2000);
	page_out(0, 64, "memfd, again");
	eq(gop(l.g, 0, GOP_TOUCH, W(0), 64, 0), 64 * 0x2000 + 63 * 32, "swapped in, written by the guest, paged out: kept");
	munmap(l.span, 64 * PAGE);
	{
		uint64_t v = 0;

		for (i = bad = 0; i < 64; i++)
			bad += pread(m, &v, 8, i * PAGE) != 8 || v != 0x2000 + i;
		eq(bad, 0, "... and in the file after munmap");
	}
	close(m);

	at("anonymous, freed lazily");
	lent_anon(&l, 64, 64);
	madvise(l.span + 64 * PAGE, 64 * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < 64; i++)
		V(64 + i) = 1;
	madvise(l.span + 64 * PAGE, 64 * PAGE, MADV_FREE);
	gop(l.g, 0, GOP_TOUCH, W(64), 64, 1, 0x3000);
	page_out(64, 64, "anonymous, freed lazily");
	for (i = bad = 0; i < 64; i++)
		bad += V(64 + i) != 0x3000 + i;
	eq(bad, 0, "anonymous, MADV_FREE, then written by the guest, paged out: kept");

	at("anonymous, swapped");
	for (i = 0; i < 64; i++)
		V(64 + i) = 7;
	page_out(64, 64, "anonymous");
	for (i = 0; i < 64; i++)
		x += V(64 + i);		/* swapped in for reading: on a disk the swap copy stays */
	gop(l.g, 0, GOP_TOUCH, W(64), 64, 0);
	gop(l.g, 0, GOP_TOUCH, W(64), 64, 1, 0x4000);
	page_out(64, 64, "anonymous, again");
	for (i = bad = 0; i < 64; i++)
		bad += V(64 + i) != 0x4000 + i;
	eq(bad, 0, "anonymous, swapped in by a read, written by the guest, paged out: kept");

	at("under a limit");
	/* more pages than may be in memory: reclaim chooses.  Not memory.high: Linux has no kernel thread wait for that. */
	{
		FILE *f;
		/* each page that goes or comes interrupts the other CPU, and a busy host takes its time with that */
		size_t mib = 8;
		char cmd[200];
		int lim;

		snprintf(cmd, sizeof(cmd), "echo +memory > /sys/fs/cgroup/cgroup.subtree_control; mkdir -p /sys/fs/cgroup/xltest && "
			 "echo %zuM > /sys/fs/cgroup/xltest/memory.max 2>/dev/null", mib / 2);
		lim = system(cmd);

		f = lim ? NULL : fopen("/sys/fs/cgroup/xltest/cgroup.procs", "w");
		if (!f)
			skip("reclaim under a memory limit", "no memory cgroup");
		else {
			uint64_t sum;
			size_t n = mib << 8;
			struct lent b;

			fprintf(f, "%d\n", getpid());
			fclose(f);
			b = lent_open(n, LENDDEV_POLICY_ONES);
			b.g->timeout *= 2;
			lent_anon(&b, 0, n);
			gop(b.g, 0, GOP_TOUCH, W(0), n, 1, 5);
			sum = gop(b.g, 1, GOP_TOUCH, W(0), n, 0);
			eq(sum, n * 5 + n * (n - 1) / 2, "%zu MiB written by the guest under a limit of %zu MiB", mib, mib / 2);
			for (i = bad = 0; i < n; i++)
				bad += *(uint64_t *)(b.span + i * PAGE) != 5 + i;
			eq(bad, 0, "... the lender reads the same");
			ok(drv_st(b.fd, b.id).revokes > 0, "... and pages were taken back meanwhile (%lu)", (long)drv_st(b.fd, b.id).revokes);
			ok(lent_close(&b), "the guest goes away");
			f = fopen("/sys/fs/cgroup/cgroup.procs", "w");
			if (f) {
				fprintf(f, "%d\n", getpid());
				fclose(f);
			}
		}
	}
	(void)x;
	munmap(l.span, l.pages * PAGE);
	l.span = span_new(l.pages * PAGE);
	ok(lent_close(&l), "the guest goes away");
}
