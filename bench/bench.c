// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The experiment: what is measured, in which order.  Linked once with the
 * xenlend backend and once with the KVM one.  Writes one JSON object a line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "backend.h"
#include "command.h"
#include "lender-ops.h"
#include "workload.h"

static struct {
	size_t pages;
	unsigned int rounds;
	unsigned int warmups;		/* rounds before, not counted */
	unsigned int around;		/* 0: what the backend has */
	unsigned int timeout;		/* seconds for one command */
	const char *trace;
	int marks;
	FILE *out;
} opt = { .pages = 256, .rounds = 5, .warmups = 1, .timeout = 300 };

static struct bench_vcpu vcpu = { .wait = BENCH_SPIN };
static volatile uint64_t *samples;
static uint8_t *span;
static uint64_t tsc_khz;

/* ------------------------------------------------------------------------
 * Commands to the guest
 */

static uint64_t guest(const struct command *k)
{
	return command(&vcpu, k);
}

/* How the guest waits from now on. */
static void set_wait(enum bench_wait wait)
{
	vcpu.wait = wait;
	guest(&(struct command){ .op = BENCH_NOP });
	if (wait == BENCH_IDLE)
		usleep(20000);		/* it halts after its answer */
}

/* ------------------------------------------------------------------------
 * Records
 */

static struct counters before;
static unsigned int round_nr;
static const char *cur_kind = "";
static unsigned int cur_around;

static void count_from_here(void)
{
	before.n = 0;
	if (backend.counters && backend.counters(&before))
		die("cannot read counters: %s", strerror(errno));
}

static void begin_record(const char *type, const char *metric)
{
	fprintf(opt.out, "{\"bench\":\"%s\",\"rec\":\"%s\",\"metric\":\"%s\","
		"\"kind\":\"%s\",\"around\":%u,\"round\":%d", backend.name, type,
		metric, cur_kind, cur_around,
		(int)round_nr - (int)opt.warmups);
}

static void end_record(void)
{
	fputs("}\n", opt.out);
	fflush(opt.out);
}

/* Ticks for n things (pages, calls, ...), and the counters since. */
static void value(const char *metric, uint64_t ticks, uint64_t n, int counted)
{
	struct counters after = { 0 };
	unsigned int i, first = 1;

	if (counted && backend.counters && backend.counters(&after))
		die("cannot read counters: %s", strerror(errno));
	begin_record("value", metric);
	fprintf(opt.out, ",\"ticks\":%" PRIu64 ",\"n\":%" PRIu64, ticks, n);
	if (after.n) {
		fputs(",\"counters\":{", opt.out);
		for (i = 0; i < after.n && i < before.n; i++) {
			if (after.c[i].value == before.c[i].value)
				continue;
			fprintf(opt.out, "%s\"%s\":%" PRIu64, first ? "" : ",",
				after.c[i].name,
				after.c[i].value - before.c[i].value);
			first = 0;
		}
		fputc('}', opt.out);
	}
	end_record();
}

static int cmp_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A distribution: percentiles and the sorted samples themselves. */
static void distribution(const char *metric, const volatile uint64_t *from,
			 size_t n)
{
	uint64_t *s = malloc(n * sizeof(*s));
	size_t i;

	if (!s || !n)
		die("no samples");
	for (i = 0; i < n; i++)
		s[i] = from[i];
	qsort(s, n, sizeof(*s), cmp_u64);
	begin_record("samples", metric);
	fputs(",\"samples\":[", opt.out);
	for (i = 0; i < n; i++)
		fprintf(opt.out, "%s%" PRIu64, i ? "," : "", s[i]);
	fputc(']', opt.out);
	end_record();
	free(s);
}

/* ------------------------------------------------------------------------
 * Calibration: the same in both boots, so that they can be compared
 */

#define CAL_N		256

static void calibrate(void)
{
	static uint64_t own[CAL_N];
	size_t len = CAL_N * BENCH_PAGE, i;
	uint64_t t0, t1;
	uint8_t *p;

	cur_kind = "";
	cur_around = 0;
	set_wait(BENCH_SPIN);

	guest(&(struct command){ .op = BENCH_CAL_RDTSC, .n = CAL_N });
	distribution("cal_guest_rdtsc", samples, CAL_N);
	guest(&(struct command){ .op = BENCH_CAL_CPUID, .n = CAL_N });
	distribution("cal_guest_cpuid", samples, CAL_N);
	t0 = guest(&(struct command){ .op = BENCH_CAL_COMPUTE, .n = 2000000 });
	value("cal_guest_compute", t0, 2000000, 0);
	t0 = guest(&(struct command){ .op = BENCH_CAL_WALK, .n = 512,
				      .passes = 64 });
	value("cal_guest_walk", t0, 512 * 64, 0);

	for (i = 0; i < CAL_N; i++) {
		t0 = bench_tsc();
		own[i] = bench_tsc() - t0;
	}
	distribution("cal_lender_rdtsc", own, CAL_N);
	for (i = 0; i < CAL_N; i++) {
		t0 = bench_tsc();
		getppid();
		own[i] = bench_tsc() - t0;
	}
	distribution("cal_lender_syscall", own, CAL_N);
	t0 = bench_tsc();
	bench_compute(2000000);
	value("cal_lender_compute", bench_tsc() - t0, 2000000, 0);

	/* A page fault of the lender's own, and taking the pages away. */
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	(void)madvise(p, len, MADV_NOHUGEPAGE);
	for (i = 0; i < CAL_N; i++) {
		t0 = bench_tsc();
		*(volatile uint8_t *)(p + i * BENCH_PAGE) = 1;
		own[i] = bench_tsc() - t0;
	}
	distribution("cal_lender_fault", own, CAL_N);
	t1 = lender_drop(p, len);
	value("cal_lender_drop", t1, CAL_N, 0);
	munmap(p, len);
}

/* ------------------------------------------------------------------------
 * The workload
 */

static void place(enum lender_kind kind)
{
	if (lender_place(span, opt.pages * BENCH_PAGE, kind))
		die("cannot map new memory: %s", strerror(errno));
}

static void touch(const char *metric, uint64_t v, const char *dist)
{
	uint64_t t;
	size_t bad;

	count_from_here();
	t = guest(&(struct command){ .op = BENCH_WRITE_EACH, .n = opt.pages,
				     .value = v });
	value(metric, t, opt.pages, 1);
	if (dist)
		distribution(dist, samples, opt.pages);
	bad = lender_check(span, opt.pages, v);
	if (bad)
		die("%s: %zu pages without what the guest wrote", metric, bad);
}

/* The whole range at once. */
static void take(const char *metric, int forbid)
{
	size_t len = opt.pages * BENCH_PAGE;
	uint64_t t;

	count_from_here();
	t = forbid ? lender_forbid(span, len) : lender_drop(span, len);
	if (!t)
		die("%s: %s", metric, strerror(errno));
	value(metric, t, opt.pages, 1);
	if (forbid && lender_allow(span, len))
		die("mprotect: %s", strerror(errno));
}

/* One page a call, every eighth page of the range. */
static void take_single(const char *metric)
{
	static uint64_t own[BENCH_MAX_SAMPLES];
	size_t i, n = 0;

	for (i = 0; i < opt.pages && n < BENCH_MAX_SAMPLES; i += 8) {
		own[n] = lender_drop(span + i * BENCH_PAGE, BENCH_PAGE);
		if (!own[n++])
			die("%s: %s", metric, strerror(errno));
	}
	distribution(metric, own, n);
}

static void quiet_touch(uint64_t v)
{
	guest(&(struct command){ .op = BENCH_WRITE_ALL, .n = opt.pages,
				 .value = v });
}

#define WARM_PASSES	128

static void variant(enum lender_kind kind, unsigned int around)
{
	uint64_t v = (uint64_t)(round_nr + 1) << 32 | (uint64_t)kind << 24;
	uint64_t t;

	cur_kind = lender_kind_name[kind];
	cur_around = backend.around ? backend.around(around) : 1;
	if (backend.around && cur_around != around)
		die("fault-around is %u, not %u", cur_around, around);
	set_wait(BENCH_SPIN);

	/* Nothing present in the lender either. */
	place(kind);
	touch("cold_absent", v += 1 << 16, around == 1 ? "fault_absent" : NULL);

	/* The lender's pages are there, the guest's view is not. */
	place(kind);
	lender_fill(span, opt.pages, v);
	touch("cold_present", v += 1 << 16,
	      around == 1 ? "fault_present" : NULL);

	count_from_here();
	t = guest(&(struct command){ .op = BENCH_WRITE_ALL, .n = opt.pages,
				     .passes = WARM_PASSES, .value = v });
	value("warm_write", t, opt.pages * WARM_PASSES, 1);
	count_from_here();
	t = guest(&(struct command){ .op = BENCH_READ_ALL, .n = opt.pages,
				     .passes = WARM_PASSES });
	value("warm_read", t, opt.pages * WARM_PASSES, 1);

	take("drop_spin", 0);
	touch("again_dropped", v += 1 << 16, NULL);
	take("forbid_spin", 1);
	touch("again_forbidden", v += 1 << 16, NULL);

	set_wait(BENCH_IDLE);
	take("drop_idle", 0);
	set_wait(BENCH_SPIN);
	quiet_touch(v);
	set_wait(BENCH_IDLE);
	take("forbid_idle", 1);
	set_wait(BENCH_SPIN);
	quiet_touch(v);

	take_single("drop_one_spin");
	quiet_touch(v);
	set_wait(BENCH_IDLE);
	take_single("drop_one_idle");
	set_wait(BENCH_SPIN);

	/* The same calls when the guest has none of the pages. */
	place(kind);
	lender_fill(span, opt.pages, v);
	take("drop_unlent", 0);
	lender_fill(span, opt.pages, v);
	take("forbid_unlent", 1);
	take_single("drop_one_unlent");

	if (around > 1) {
		/* One touch for each group of pages that comes together. */
		size_t n = opt.pages / around;

		place(kind);
		lender_fill(span, opt.pages, v);
		count_from_here();
		t = guest(&(struct command){ .op = BENCH_WRITE_EACH, .n = n,
					     .stride = around, .value = v });
		value("cold_group", t, n, 1);
		distribution("fault_group", samples, n);
	}
}

/*
 * Once more, untimed, with the hypervisor's trace on: only what lies between
 * the two times counts.
 */
static void traced(const char *file)
{
	uint64_t t0, t1;

	set_wait(BENCH_SPIN);
	if (backend.around && backend.around(1) != 1)
		die("fault-around does not go off");
	place(LENDER_MEMFD);
	lender_fill(span, opt.pages, 0);
	if (backend.trace(file))
		die("no trace");
	usleep(500000);
	t0 = bench_tsc();
	guest(&(struct command){ .op = BENCH_WRITE_EACH, .n = opt.pages });
	t1 = bench_tsc();
	usleep(500000);
	if (backend.trace(NULL))
		die("the trace did not end");
	fprintf(opt.out, "{\"bench\":\"%s\",\"rec\":\"trace\",\"kind\":\"%s\","
		"\"t0\":%" PRIu64 ",\"t1\":%" PRIu64 ",\"n\":%zu}\n",
		backend.name, lender_kind_name[LENDER_MEMFD], t0, t1, opt.pages);
}

static void run_round(void)
{
	struct { enum lender_kind kind; unsigned int around; } v[4];
	unsigned int n = 0, i, k;

	for (k = 0; k < LENDER_NR_KINDS; k++) {
		v[n].kind = k;
		v[n++].around = 1;
		if (backend.around && opt.around != 1) {
			v[n].kind = k;
			v[n++].around = opt.around;
		}
	}
	calibrate();
	for (i = 0; i < n; i++) {
		k = round_nr & 1 ? n - 1 - i : i;
		variant(v[k].kind, v[k].around);
	}
}

/* ------------------------------------------------------------------------
 * Once, for the machine that counts instructions, see count/insncount.c
 */

static void set_around(unsigned int around)
{
	if (backend.around && backend.around(around) != around)
		die("fault-around is not %u", around);
}

/* New memory, and what of it the lender has in its page tables. */
enum counted_memory { ABSENT, PRESENT, CACHED };

static void counted_place(enum lender_kind kind, enum counted_memory mem)
{
	place(kind);
	if (mem != ABSENT)
		lender_fill(span, opt.pages, 0);
	if (mem == CACHED && !lender_drop(span, opt.pages * BENCH_PAGE))
		die("madvise: %s", strerror(errno));
}

/* n accesses, one in each group of stride pages. */
static void counted_touch(unsigned int nr, size_t n, size_t stride)
{
	/* Whatever the lender has to do still. */
	usleep(30000);
	section(nr);
	guest(&(struct command){ .op = BENCH_WRITE_EACH, .n = n,
				 .stride = stride, .value = nr });
	section_end();
}

/* Calls for `pages` pages each, `step` apart. */
static void counted_take(unsigned int nr, enum bench_wait wait, size_t pages,
			 size_t step, size_t calls)
{
	size_t i;

	set_wait(wait);
	usleep(30000);
	section(nr);
	for (i = 0; i < calls; i++)
		if (!lender_drop(span + i * step * BENCH_PAGE,
				 pages * BENCH_PAGE))
			die("madvise: %s", strerror(errno));
	section_end();
	set_wait(BENCH_SPIN);
}

/* A buffer that is known to be wanted, 256 pages a call. */
static void counted_populate(unsigned int nr, enum counted_memory mem)
{
	size_t i;

	counted_place(LENDER_MEMFD, mem);
	set_wait(BENCH_IDLE);
	usleep(30000);
	section(nr);
	for (i = 0; i < opt.pages; i += 256) {
		BENCH_MARK(3);
		if (backend.populate(i * BENCH_PAGE, 256 * BENCH_PAGE))
			die("populate: %s", strerror(errno));
		BENCH_MARK(4);
	}
	section_end();
	set_wait(BENCH_SPIN);
}

/* Memory in pages of 2 MiB, where the lender's kernel has them. */
static int counted_place_huge(void)
{
	if (lender_place_huge(span, opt.pages * BENCH_PAGE)) {
		if (errno != ENOTSUP)
			die("mmap: %s", strerror(errno));
		return 0;
	}
	lender_fill(span, opt.pages, 0);
	return 1;
}

/* The records say how many were lent as one entry. */
static void counted_huge(void)
{
	size_t n = opt.pages;

	if (n < 512 || n % 512 || !counted_place_huge())
		return;
	count_from_here();
	counted_touch(31, n, 1);
	value("huge_touch", 0, n, 1);
	count_from_here();
	counted_take(32, BENCH_IDLE, 512, 512, n / 512);
	value("huge_take", 0, n, 1);
	if (counted_place_huge())
		counted_touch(33, n / 512, 512);
}

static void counted(void)
{
	size_t n = opt.pages, one = n < 512 ? n : 512;

	set_wait(BENCH_SPIN);
	/* Page-table pages of the second stage. */
	set_around(1);
	counted_place(LENDER_MEMFD, PRESENT);
	quiet_touch(0);

	counted_place(LENDER_MEMFD, PRESENT);
	counted_touch(1, one, 1);
	counted_place(LENDER_MEMFD, ABSENT);
	counted_touch(2, one, 1);
	counted_place(LENDER_ANON, PRESENT);
	counted_touch(3, one, 1);
	counted_place(LENDER_ANON, ABSENT);
	counted_touch(4, one, 1);
	counted_place(LENDER_MEMFD, CACHED);
	counted_touch(5, one, 1);

	/* In sequence, as it comes. */
	set_around(opt.around);
	counted_place(LENDER_MEMFD, PRESENT);
	counted_touch(6, n, 1);
	counted_place(LENDER_MEMFD, ABSENT);
	counted_touch(7, n, 1);
	/* Before anything is lent in vain: a window remembers that. */
	counted_huge();
	if (backend.around) {
		set_around(16);
		counted_place(LENDER_MEMFD, PRESENT);
		counted_touch(8, n / 16, 16);
		set_around(64);
		counted_place(LENDER_MEMFD, PRESENT);
		counted_touch(9, n / 64, 64);
	}

	set_around(opt.around);
	counted_place(LENDER_MEMFD, PRESENT);
	quiet_touch(0);
	counted_touch(30, one, 1);	/* 19 to 29 are others.c's */
	counted_take(10, BENCH_SPIN, 1, 8, n / 8);
	lender_fill(span, n, 0);
	quiet_touch(0);
	counted_take(11, BENCH_IDLE, 1, 8, n / 8);
	counted_place(LENDER_MEMFD, PRESENT);
	counted_take(12, BENCH_SPIN, 1, 8, n / 8);
	lender_fill(span, n, 0);
	quiet_touch(0);
	counted_take(13, BENCH_SPIN, 256, 256, n / 256);
	lender_fill(span, n, 0);
	quiet_touch(0);
	counted_take(14, BENCH_IDLE, 256, 256, n / 256);
	counted_place(LENDER_MEMFD, PRESENT);
	counted_take(15, BENCH_SPIN, 256, 256, n / 256);
	/* Little is lent of what goes. */
	counted_place(LENDER_MEMFD, PRESENT);
	set_around(1);
	guest(&(struct command){ .op = BENCH_WRITE_EACH, .n = n / 256,
				 .stride = 256 });
	counted_take(16, BENCH_IDLE, 256, 256, n / 256);

	set_around(opt.around);
	if (backend.populate) {
		counted_populate(17, PRESENT);
		counted_populate(18, ABSENT);
	}
}

/* ------------------------------------------------------------------------ */

static void measure_tsc(void)
{
	double t0, t1;
	uint64_t c0, c1;

	t0 = now();
	c0 = bench_tsc();
	usleep(300000);
	t1 = now();
	c1 = bench_tsc();
	tsc_khz = (uint64_t)((c1 - c0) / (t1 - t0) / 1e3);
	if (!tsc_khz)
		die("the time stamp counter stands still");
}

static void file_word(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");
	size_t i, n;

	n = f ? fread(buf, 1, len - 1, f) : 0;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	for (i = 0; buf[i]; i++)
		if (buf[i] == '"' || buf[i] == '\\' || buf[i] < ' ')
			buf[i] = '?';
	if (f)
		fclose(f);
}

static void head(void)
{
	char thp[128], shmem[128], hyp[64], clock[64];
	struct utsname u;

	uname(&u);
	file_word("/sys/kernel/mm/transparent_hugepage/enabled", thp,
		  sizeof(thp));
	file_word("/sys/kernel/mm/transparent_hugepage/shmem_enabled", shmem,
		  sizeof(shmem));
	file_word("/sys/hypervisor/type", hyp, sizeof(hyp));
	file_word("/sys/devices/system/clocksource/clocksource0/"
		  "current_clocksource", clock, sizeof(clock));
	fprintf(opt.out, "{\"bench\":\"%s\",\"rec\":\"head\",\"version\":1,"
		"\"pages\":%zu,\"rounds\":%u,\"tsc_khz\":%" PRIu64
		",\"kernel\":\"%s\",\"cpus\":%ld,\"around\":%u,"
		"\"thp\":\"%s\",\"shmem_thp\":\"%s\",\"hypervisor\":\"%s\","
		"\"clocksource\":\"%s\"}\n", backend.name, opt.pages,
		opt.rounds, tsc_khz, u.release, sysconf(_SC_NPROCESSORS_ONLN),
		backend.around ? opt.around : 1, thp, shmem, hyp, clock);
	fflush(opt.out);
}

static unsigned long number(const char *s, unsigned long min, unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || end == s || *end || n < min || n > max)
		die("%s: a number from %lu to %lu is wanted", s, min, max);
	return n;
}

static void usage(void)
{
	printf("Usage: %s [-n PAGES] [-r ROUNDS] [-w WARMUPS] [-a AROUND] "
	       "[-t SECONDS] [-m] [-x FILE] [-o FILE] [-- BACKEND'S OPTIONS]\n"
	       "  -n  pages of the window, 64 to %u, a multiple of 64 (256)\n"
	       "  -r  rounds (5)\n"
	       "  -w  rounds before them that the report leaves out (1)\n"
	       "  -a  fault-around, pages: the second setting beside 1 (the "
	       "backend's own)\n"
	       "  -t  time for one command to the guest (300)\n"
	       "  -x  once more with the hypervisor's trace, to FILE\n"
	       "  -m  once, for a machine that counts instructions\n"
	       "  -o  append the records to FILE, not to standard output\n",
	       program_invocation_short_name, BENCH_MAX_SAMPLES);
}

int main(int argc, char **argv)
{
	cpu_set_t cpus;
	int c;

	opt.out = stdout;
	while ((c = getopt(argc, argv, "+n:r:w:a:t:x:o:mh")) != -1)
		switch (c) {
		case 'n':
			opt.pages = number(optarg, 64, BENCH_MAX_SAMPLES);
			if (opt.pages % 64)
				die("-n: not a multiple of 64");
			break;
		case 'r':
			opt.rounds = number(optarg, 1, 1000);
			break;
		case 'w':
			opt.warmups = number(optarg, 0, 1000);
			break;
		case 'a':
			opt.around = number(optarg, 1, 512);
			break;
		case 't':
			opt.timeout = number(optarg, 1, 86400);
			break;
		case 'm':
			opt.marks = 1;
			break;
		case 'x':
			if (!backend.trace)
				die("-x: there is no such trace here");
			opt.trace = optarg;
			break;
		case 'o':
			opt.out = fopen(optarg, "ae");
			if (!opt.out)
				die("%s: %s", optarg, strerror(errno));
			break;
		case 'h':
			usage();
			return 0;
		default:
			usage();
			return 2;
		}
	if (backend.options(argc - optind, argv + optind)) {
		usage();
		return 2;
	}

	/* The lender on the first CPU; the guest has the last to itself. */
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity: %s", strerror(errno));

	measure_tsc();
	span = lender_reserve(opt.pages * BENCH_PAGE);
	if (!span)
		die("no address space: %s", strerror(errno));
	vcpu.comm = backend.start(span, opt.pages * BENCH_PAGE);
	if (!vcpu.comm)
		return 1;
	vcpu.dead = backend.dead;
	vcpu.timeout = opt.timeout;
	vcpu.idle_tsc = tsc_khz * 100;		/* 0.1 s */
	samples = bench_samples(&vcpu);
	if (backend.around && !opt.around) {
		opt.around = backend.around(0);
		if (!opt.around)
			die("the backend does not say its fault-around");
	}
	if (opt.around > opt.pages)
		die("more fault-around than pages");

	command_first(&vcpu);

	head();
	if (opt.marks)
		counted();
	for (round_nr = 0; !opt.marks && round_nr < opt.warmups + opt.rounds;
	     round_nr++) {
		double t0 = now();

		run_round();
		complain("round %d of %u: %.1f s",
			 (int)round_nr - (int)opt.warmups + 1, opt.rounds,
			 now() - t0);
	}
	if (opt.trace)
		traced(opt.trace);
	fprintf(opt.out, "{\"bench\":\"%s\",\"rec\":\"end\"}\n", backend.name);
	if (fflush(opt.out) || ferror(opt.out))
		die("cannot write the records");
	backend.stop();
	return 0;
}
