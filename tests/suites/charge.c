// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest's faults cost is the lender's: pages, I/O and CPU time count for its cgroup, and the cgroup's limits hold.
 * The process itself does nothing meanwhile, so that all that is counted is the workers' doing.
 */
#include "suites.h"
#include "drv.h"

#define WHERE	"/sys/fs/cgroup/xlcharge"
#define IMAGE	"/tmp/xlcharge.img"
#define MOUNT	"/tmp/xlcharge"

/* In the window: pages of each kind, and then a file that is larger than the limit. */
#define PART	512
#define ANON	0
#define SHMEM	PART
#define FILE_AT	(2 * PART)
#define FILE_NR	4096
#define PAGES	(FILE_AT + FILE_NR)
#define SEED	777

static bool charged, on_disk;

/* A number in a file of the cgroup: the first there, or the one behind this word; -1 if there is none. */
static long cg(const char *file, const char *word)
{
	char path[100], line[400];
	size_t len = word ? strlen(word) : 0;
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), WHERE "/%s", file);
	f = fopen(path, "r");
	while (f && v < 0 && fgets(line, sizeof(line), f))
		if (!word || (!strncmp(line, word, len) && line[len] == ' '))
			v = atol(line + (word ? len + 1 : 0));
	if (f)
		fclose(f);
	return v;
}

/* Bytes read from all block devices. */
static long bytes_read(void)
{
	char line[400], *p;
	long sum = 0;
	FILE *f = fopen(WHERE "/io.stat", "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		p = strstr(line, "rbytes=");
		if (p)
			sum += atol(p + 7);
	}
	fclose(f);
	return sum;
}

static bool cg_set(const char *file, const char *fmt, long value)
{
	char path[100];
	FILE *f;
	bool good;

	snprintf(path, sizeof(path), WHERE "/%s", file);
	f = fopen(path, "w");
	if (!f)
		return false;
	good = fprintf(f, fmt, value) > 0;
	return !fclose(f) && good;
}

/* On a disk, if there can be a file system on one: not in the cache, so that reading it is I/O. */
static int make_file(void)
{
	uint64_t *buf = malloc(FILE_NR * PAGE);
	const char *name = MOUNT "/f";
	size_t i;
	int fd;

	on_disk = !system("modprobe -q loop; truncate -s 40M " IMAGE " && mkfs.ext4 -q -O ^has_journal " IMAGE " 2>/dev/null && "
			  "mkdir -p " MOUNT " && mount -o loop " IMAGE " " MOUNT " 2>/dev/null");
	if (!on_disk)
		name = "/tmp/xlcharge.file";
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (i = 0; buf && i < FILE_NR * 512; i++)
		buf[i] = mix(SEED, i);
	if (!buf || fd < 0 || write(fd, buf, FILE_NR * PAGE) != (ssize_t)(FILE_NR * PAGE) || fsync(fd))
		die("%s: %s", name, strerror(errno));
	close(fd);
	free(buf);
	if (on_disk && system("umount " MOUNT " && mount -o loop " IMAGE " " MOUNT))
		die("mounting again");
	fd = open(name, O_RDONLY);
	if (fd < 0)
		die("%s: %s", name, strerror(errno));
	return fd;
}

/* Joins the cgroup, lends, and sleeps. */
static pid_t lender(int fd, int file, int *id)
{
	int p[2];
	pid_t pid;

	if (pipe(p))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		uint8_t *span;

		signal(SIGTERM, SIG_DFL);
		if (!cg_set("cgroup.procs", "%ld\n", getpid()))
			_exit(80);
		span = span_new(PAGES * PAGE);
		mmap(span + ANON * PAGE, PART * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		mmap(span + SHMEM * PAGE, PART * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (mmap(span + FILE_AT * PAGE, FILE_NR * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
			_exit(81);
		/* each page that is asked for, and no other */
		madvise(span, FILE_AT * PAGE, MADV_NOHUGEPAGE);
		madvise(span + FILE_AT * PAGE, FILE_NR * PAGE, MADV_RANDOM);
		*id = drv_window(fd, GUEST_WINDOW, PAGES * PAGE, span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0);
		if (*id <= 0 || write(p[1], id, sizeof(*id)) != sizeof(*id))
			_exit(82);
		for (;;)
			pause();
	}
	close(p[1]);
	if (read(p[0], id, sizeof(*id)) != sizeof(*id))
		die("the lender process does not start");
	close(p[0]);
	return pid;
}

/*
 * What was touched counts; page tables and the like are no part of these numbers, but some pages of the process itself are.
 * The kernel may be 64 pages behind for each processor.
 */
static bool about(long got, long pages)
{
	return got >= (pages - 128) * (long)PAGE && got <= (pages + 256) * (long)PAGE;
}

static void memory(struct guest *g)
{
	long anon, shmem, file, io;

	at("memory");
	anon = cg("memory.stat", "anon");
	gop(g, 0, GOP_TOUCH, W(ANON), PART, 1, 5);
	anon = cg("memory.stat", "anon") - anon;
	ok(about(anon, PART), "%u anonymous pages that the guest wrote are the lender's (%ld bytes)", PART, anon);
	shmem = cg("memory.stat", "shmem");
	gop(g, 0, GOP_TOUCH, W(SHMEM), PART, 1, 5);
	shmem = cg("memory.stat", "shmem") - shmem;
	ok(about(shmem, PART), "... %u shared ones (%ld bytes)", PART, shmem);
	file = cg("memory.stat", "file");
	io = bytes_read();
	eq(gop(g, 0, GOP_CHECK, W(FILE_AT), PART * PAGE, SEED), 0, "a file is what the guest reads");
	file = cg("memory.stat", "file") - file;
	if (!on_disk) {
		skip("what a file of a disk costs", "no ext4 on a loop device here");
		return;
	}
	ok(about(file, PART), "... its pages are the lender's, too (%ld bytes)", file);
	if (io < 0)
		skip("block I/O", "no io.stat");
	else
		ok(bytes_read() - io >= PART * (long)PAGE, "... and so is the I/O (%ld bytes)", bytes_read() - io);
}

static void limit(struct guest *g)
{
	long max = cg("memory.current", NULL) + (2 << 20), hits = cg("memory.events", "max");

	at("a limit of memory");
	if (!on_disk) {
		skip("a file larger than the limit", "no ext4 on a loop device here");
		return;
	}
	ok(cg_set("memory.max", "%ld\n", max), "a limit of %ld KiB", max >> 10);
	if (!eq(gop(g, 1, GOP_CHECK, W(FILE_AT), FILE_NR * PAGE, SEED), 0, "the guest reads a file of %lu KiB, each word right",
		FILE_NR * PAGE >> 10))
		note("the first wrong one, at %lx, was %lx", (long)gret(g, 1, 1), (long)gret(g, 1, 2));
	ok(cg("memory.current", NULL) <= max, "... within the limit (%ld KiB)", cg("memory.current", NULL) >> 10);
	ok(cg("memory.events", "max") > hits, "... that was met (%ld times)", cg("memory.events", "max") - hits);
	eq(cg("memory.events", "oom_kill"), 0, "... and nobody was killed");
	cg_set("memory.max", "max\n", 0);
	eq(gop(g, 0, GOP_TOUCH, W(ANON), PART, 0), PART * 5UL + PART * (PART - 1) / 2, "... what the guest wrote before is there");
}

static void cpu(struct guest *g, int fd, int id)
{
	long usage = cg("cpu.stat", "usage_usec"), throttled;
	unsigned i;

	at("CPU time");
	if (!charged) {
		skip("CPU time", "this kernel has no vhost_task: LENDDEV_FEATURE_CHARGED");
		return;
	}
	if (usage < 0 || cg("cpu.stat", "nr_throttled") < 0) {
		skip("CPU time", "no cpu controller");
		return;
	}
	/* nobody is charged for what the interrupt does: see below */
	xlend_param("interrupt_faults", 0);
	drv_zap(fd, id, 0, FILE_AT * PAGE);
	gop(g, 0, GOP_TOUCH, W(ANON), FILE_AT, 0);
	ok(cg("cpu.stat", "usage_usec") > usage, "the lender sleeps, and has used CPU time for the guest (%ld us)",
	   cg("cpu.stat", "usage_usec") - usage);
	throttled = cg("cpu.stat", "nr_throttled");
	ok(cg_set("cpu.max", "1000 100000\n", 0), "one per cent of a CPU");
	for (i = 0; i < 100 && cg("cpu.stat", "nr_throttled") == throttled; i++) {
		drv_zap(fd, id, 0, FILE_AT * PAGE);
		gop(g, 0, GOP_TOUCH, W(ANON), FILE_AT, 0);
	}
	ok(cg("cpu.stat", "nr_throttled") > throttled, "... throttles the guest's faults (%u rounds)", i);
	cg_set("cpu.max", "max\n", 0);
	eq(gop(g, 0, GOP_TOUCH, W(ANON), PART, 0), PART * 5UL + PART * (PART - 1) / 2, "... which are served all the same");
	xlend_param("interrupt_faults", 64);
}

/* The interrupt works for free, so it must not do much. */
static void for_free(struct guest *g, int fd, int id)
{
	struct lenddev_stats before, after;
	unsigned long most;
	double begin;

	at("what the interrupt does");
	xlend_param("interrupt_faults", 1);
	xlend_param("fault_around", 1);
	gop(g, 0, GOP_TOUCH, W(ANON), FILE_AT, 0);
	before = drv_st(fd, id);
	for (begin = now(); now() < begin + 2;) {
		drv_zap(fd, id, 0, FILE_AT * PAGE);
		gop(g, 0, GOP_TOUCH, W(ANON), FILE_AT, 0);
	}
	after = drv_st(fd, id);
	/* a tick of 10 ms at most, of 1 ms at least */
	most = (now() - begin) * 1000 + 2;
	ok(after.interrupts > before.interrupts && after.interrupts - before.interrupts <= most,
	   "one fault a tick, if that is the limit: %lu of %lu in %.1f s", (long)(after.interrupts - before.interrupts),
	   (long)(after.faults_read - before.faults_read), now() - begin);
	xlend_param("interrupt_faults", 64);
	xlend_param("fault_around", 16);
}

void suite_charge(void)
{
	struct lenddev_info info = { .size = sizeof(info) };
	int dev, fd, file, id, status;
	struct guest *g;
	pid_t pid;

	xen_open();
	if (system("cd /sys/fs/cgroup && mkdir -p " WHERE " && "
		   "for c in memory io cpu; do echo +$c >cgroup.subtree_control; done 2>/dev/null") ||
	    cg("memory.current", NULL) < 0) {
		skip("what lending costs", "no memory cgroup can be made");
		return;
	}
	dev = drv_open();
	err(drv_ioctl(dev, LENDDEV_INFO, &info), 0, "info");
	charged = info.features & LENDDEV_FEATURE_CHARGED;
	g = guest_new(NULL);
	fd = drv_borrower(dev, g->domid, GUEST_WINDOW, 1UL << 30, 0);
	if (fd < 0)
		die("borrower: %s", strerror(-fd));
	file = make_file();
	pid = lender(fd, file, &id);
	memory(g);
	limit(g);
	cpu(g, fd, id);
	for_free(g, fd, id);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(fd);
	close(dev);
	close(file);
	ok(guest_free(g), "the guest goes away");
	if (system("umount " MOUNT " 2>/dev/null; rm -f " IMAGE " /tmp/xlcharge.file; rmdir " WHERE))
		note("something of it stays");
}
