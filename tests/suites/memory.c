// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver's memory side: every kind of memory in the span, and everything Linux does to it meanwhile.
 */
#include "suites.h"
#include "drv.h"
#include "toolstack.h"
#include "../module/xlpfn.h"
#include <sys/syscall.h>
#include <linux/mman.h>
#include <xengnttab.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static struct lent l;
#define V(page) (*(volatile uint64_t *)(l.span + (page) * PAGE))

/* The guest writes to and reads from n pages at a page; both sides see the same. */
static bool works(unsigned page, unsigned n, uint64_t seed)
{
	unsigned i, bad = 0;

	gop(l.g, 0, GOP_TOUCH, W(page), n, 1, seed);
	for (i = 0; i < n; i++)
		bad += V(page + i) != seed + i;
	for (i = 0; i < n; i++)
		V(page + i) = seed * 3 + i;
	bad += gop(l.g, 1, GOP_TOUCH, W(page), n, 0) != seed * 3 * n + n * (n - 1) / 2;
	return !bad;
}

static int file_new(const char *dir, size_t pages)
{
	char path[100];
	uint64_t *buf = calloc(pages, PAGE);
	size_t i;
	int fd;

	snprintf(path, sizeof(path), "%s/xltest-XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	unlink(path);
	for (i = 0; i < pages * 512; i++)
		buf[i] = mix(1000, i);
	if (write(fd, buf, pages * PAGE) != (ssize_t)(pages * PAGE))
		die("write: %s", strerror(errno));
	free(buf);
	return fd;
}

/* ---- kinds of memory ---- */

static void anonymous(void)
{
	struct lenddev_stats a, b;
	unsigned i, bad;

	at("anonymous memory");
	lent_anon(&l, 0, 32);
	madvise(l.span, 32 * PAGE, MADV_NOHUGEPAGE);
	eq(g_read(l.g, W(0)), 0, "anonymous memory, never touched: reads zero");
	g_write(l.g, W(0), 77);
	eq(V(0), 77, "... then written");
	ok(works(0, 32, 500), "anonymous memory");
	a = drv_st(l.fd, l.id);
	eq(a.pages_lent, 32, "all of it is lent");
	for (i = 0; i < 32; i++)
		V(i) = i;
	drv_zap(l.fd, l.id, 0, 32 * PAGE);
	g_read(l.g, W(3));
	b = drv_st(l.fd, l.id);
	ok(b.faults_read - a.faults_read == 1 && b.pages_lent > 1, "present neighbours are lent with a fault (%lu pages by one fault)",
	   (long)b.pages_lent);
	eq(b.refaults - a.refaults, 1, "... counted as a refault");

	/* the guest goes on while the driver has still to count, if it is not made to wait */
	for (i = bad = 0; i < 400; i++) {
		drv_zap(l.fd, l.id, 0, 32 * PAGE);
		g_read(l.g, W(i % 32));
		bad += drv_st(l.fd, l.id).pages_lent == 0;
	}
	eq(bad, 0, "what a guest was lent counts as soon as it goes on, 400 times");
}

static void huge(void)
{
	uint8_t *p;
	unsigned i, bad = 0;

	at("transparent huge pages");
	p = lent_anon(&l, 512, 1024);
	madvise(p, 1024 * PAGE, MADV_HUGEPAGE);
	for (i = 0; i < 1024; i += 64)
		V(512 + i) = i;
	for (i = 0; i < 1024; i += 64)
		bad += g_read(l.g, W(512 + i)) != i;
	eq(bad, 0, "memory that may be in huge pages");
	ok(works(512 + 5, 32, 900), "... read and written");
	madvise(p + 7 * PAGE, PAGE, MADV_DONTNEED);
	eq(g_read(l.g, W(512 + 7)), 0, "a page punched out of it reads zero");
	eq(g_read(l.g, W(512 + 8)), V(512 + 8), "... its neighbour is unharmed");
	lent_map(&l, 512, 1024, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void hugetlb(void)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r+");
	unsigned n = 0;
	void *p;

	at("hugetlb");
	if (f) {
		fprintf(f, "4");
		fclose(f);
		f = fopen("/proc/sys/vm/nr_hugepages", "r");
		if (f) {
			if (fscanf(f, "%u", &n) != 1)
				n = 0;
			fclose(f);
		}
	}
	if (n < 1) {
		skip("hugetlb memory", "no huge pages to be had (PV kernels have none)");
		return;
	}
	p = mmap(l.span + 512 * PAGE, 512 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED) {
		skip("hugetlb memory", "mmap: %s", strerror(errno));
		lent_map(&l, 512, 512, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		return;
	}
	ok(works(512, 64, 4000), "hugetlb memory");
	munmap(p, 512 * PAGE);
	lent_map(&l, 512, 512, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	eqx(g_read(l.g, W(520)), ~0UL, "... unmapped, it is gone for the guest");
	f = fopen("/proc/sys/vm/nr_hugepages", "w");
	if (f) {
		fprintf(f, "0");
		fclose(f);
	}
}

static void files(void)
{
	struct lenddev_stats a, b;
	uint64_t buf[512];
	int fd, m;

	at("memfd");
	m = memfd_create("xltest", 0);
	if (ftruncate(m, 16 * PAGE))
		die("ftruncate");
	lent_map(&l, 32, 16, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	ok(works(32, 16, 70), "memfd, shared");
	if (pread(m, buf, PAGE, PAGE) != (ssize_t)PAGE)
		die("pread");
	eq(buf[0], V(33), "... read(2) sees what the guest wrote");
	buf[1] = 0x77aa;
	if (pwrite(m, buf, PAGE, PAGE) != (ssize_t)PAGE)
		die("pwrite");
	eqx(g_read(l.g, W(33) + 8), 0x77aa, "... and the guest what write(2) wrote");
	if (ftruncate(m, 8 * PAGE))
		die("ftruncate");
	eqx(g_read(l.g, W(32 + 12)), ~0UL, "truncated: the guest reads ones beyond the end");
	eq(g_read(l.g, W(32 + 3)), V(35), "... and the rest as before");
	if (fallocate(m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, PAGE))
		die("fallocate: %s", strerror(errno));
	eq(g_read(l.g, W(34)), 0, "a punched hole reads zero");
	close(m);

	at("file, private");
	fd = file_new("/tmp", 16);
	lent_map(&l, 48, 16, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	a = drv_st(l.fd, l.id);
	eqx(g_read(l.g, W(48)), mix(1000, 0), "private file mapping: the guest reads the file");
	g_write(l.g, W(48), 4242);
	eq(V(48), 4242, "... writes its copy");
	if (pread(fd, buf, PAGE, 0) != (ssize_t)PAGE)
		die("pread");
	eqx(buf[0], mix(1000, 0), "... not the file");
	b = drv_st(l.fd, l.id);
	ok(b.faults_write > a.faults_write, "... by a write fault");
	eqx(g_read(l.g, W(50) + 24), mix(1000, 2 * 512 + 3), "another page is the file's still");
	gop(l.g, 0, GOP_RMW, RMW_XADD, W(51), 8, 5);
	eqx(V(51), mix(1000, 3 * 512) + 5, "LOCK xadd on a page of the file: on a copy");
	close(fd);

	at("file, shared");
	fd = file_new("/tmp", 8);
	lent_map(&l, 48, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	g_write(l.g, W(49) + 8, 31337);
	if (pread(fd, buf, PAGE, PAGE) != (ssize_t)PAGE)
		die("pread");
	eq(buf[1], 31337, "shared file mapping: the guest writes the file");
	lent_map(&l, 48, 8, PROT_READ, MAP_SHARED, fd, 0);
	eqx(g_read(l.g, W(49) + 16), mix(1000, 512 + 2), "mapped read-only: the guest reads");
	g_write(l.g, W(49) + 16, 1);
	if (pread(fd, buf, PAGE, PAGE) != (ssize_t)PAGE)
		die("pread");
	eqx(buf[2], mix(1000, 512 + 2), "... and its write is dropped");
	close(fd);
}

/* A file on a disk that is written back: pages are cleaned and write-protected meanwhile. */
static void writeback(void)
{
	static const char img[] = "/tmp/xltest.img";
	uint64_t v = 0;
	int fd, rc, i, bad = 0;

	at("writeback");
	rc = system("rm -f /tmp/xltest.img; truncate -s 16M /tmp/xltest.img && mkfs.ext4 -q -O ^has_journal /tmp/xltest.img 2>/dev/null && "
		    "mkdir -p /tmp/xlmnt && modprobe -q loop; mount -o loop /tmp/xltest.img /tmp/xlmnt 2>/dev/null");
	(void)img;
	if (rc) {
		skip("a shared mapping of a file on a disk", "no ext4 on a loop device here");
		return;
	}
	fd = open("/tmp/xlmnt/f", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 8 * PAGE))
		die("file on ext4: %s", strerror(errno));
	lent_map(&l, 48, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 1; i <= 10; i++) {
		g_write(l.g, W(48), i);
		if (i & 1)
			fsync(fd);		/* cleans the page: the guest's next write must make it dirty again */
		else
			g_write(l.g, W(49), i);
		g_write(l.g, W(50), 100 + i);
		msync(l.span + 48 * PAGE, 8 * PAGE, MS_SYNC);
	}
	lent_map(&l, 48, 8, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	fsync(fd);
	close(fd);
	rc = system("umount /tmp/xlmnt && mount -o loop,ro /tmp/xltest.img /tmp/xlmnt");
	fd = open("/tmp/xlmnt/f", O_RDONLY);
	if (rc || fd < 0)
		die("mounting again");
	bad += pread(fd, &v, 8, 0) != 8 || v != 10;
	bad += pread(fd, &v, 8, PAGE) != 8 || v != 10;
	bad += pread(fd, &v, 8, 2 * PAGE) != 8 || v != 110;
	eq(bad, 0, "what the guest wrote between writebacks is on the disk");
	close(fd);
	rc = system("umount /tmp/xlmnt; rm -f /tmp/xltest.img");
}

static void protections(void)
{
	struct lenddev_stats a, b;

	at("protections");
	lent_anon(&l, 64, 8);
	madvise(l.span + 64 * PAGE, 8 * PAGE, MADV_NOHUGEPAGE);
	g_write(l.g, W(64), 5);
	mprotect(l.span + 64 * PAGE, PAGE, PROT_READ);
	g_write(l.g, W(64), 6);
	eq(V(64), 5, "made read-only: a write is dropped");
	eq(g_read(l.g, W(64)), 5, "... reads go on");
	mprotect(l.span + 64 * PAGE, PAGE, PROT_NONE);
	eqx(g_read(l.g, W(64)), ~0UL, "made inaccessible: reads ones");
	mprotect(l.span + 64 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	eq(g_read(l.g, W(64)), 5, "made accessible again");
	g_write(l.g, W(64), 7);
	eq(V(64), 7, "... and writable");

	at("upgrade");
	V(66) = 1;
	drv_zap(l.fd, l.id, 0, l.pages * PAGE);
	a = drv_st(l.fd, l.id);
	mprotect(l.span + 66 * PAGE, PAGE, PROT_READ);
	g_read(l.g, W(66));
	mprotect(l.span + 66 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	g_write(l.g, W(66), 9);
	eq(V(66), 9, "read-only, then writable: written");
	b = drv_st(l.fd, l.id);
	ok(b.faults_write > a.faults_write, "... by a write fault");
	/* the zero page: read first, then written */
	eq(g_read(l.g, W(67)), 0, "zero page: read");
	g_write(l.g, W(67), 3);
	eq(V(67), 3, "... written: a page of its own");
	eq(g_read(l.g, W(68)), 0, "... the zero page is still zero");
}

/* ---- what Linux does ---- */

static void changes(void)
{
	void *p, *q;
	int m;

	at("changes of the mappings");
	lent_anon(&l, 80, 16);
	madvise(l.span + 80 * PAGE, 16 * PAGE, MADV_NOHUGEPAGE);
	gop(l.g, 0, GOP_TOUCH, W(80), 16, 1, 10);
	madvise(l.span + 81 * PAGE, PAGE, MADV_DONTNEED);
	eq(g_read(l.g, W(81)), 0, "MADV_DONTNEED: zero");
	madvise(l.span + 82 * PAGE, 2 * PAGE, MADV_PAGEOUT);
	eq(g_read(l.g, W(82)), 12, "MADV_PAGEOUT: the page comes back");
	madvise(l.span + 84 * PAGE, PAGE, MADV_FREE);
	ok(g_read(l.g, W(84)) == 14 || g_read(l.g, W(84)) == 0, "MADV_FREE: old or zero");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = mremap(l.span + 85 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	ok(q == p && *(uint64_t *)q == 15, "mremap moves a page out of the span");
	eqx(g_read(l.g, W(85)), ~0UL, "... it is gone for the guest");
	q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, l.span + 85 * PAGE);
	ok(q == l.span + 85 * PAGE, "mremap moves it in again");
	eq(g_read(l.g, W(85)), 15, "... the guest has it back");
	lent_map(&l, 86, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	eq(g_read(l.g, W(86)), 0, "mmap(MAP_FIXED) replaces a page");
	munmap(l.span + 87 * PAGE, PAGE);
	eqx(g_read(l.g, W(87)), ~0UL, "munmap: reads ones");
	gop(l.g, 0, GOP_WRITE, W(87), 8, 1);
	eq(gtrap(l.g, 0), NO_TRAP, "... and writes are dropped");
	lent_anon(&l, 87, 1);
	eq(g_read(l.g, W(87)), 0, "mapped again");
	g_write(l.g, W(88) - 4, 0x1111111122222222UL);
	ok((V(87) == 0) && *(uint32_t *)(l.span + 88 * PAGE - 4) == 0x22222222, "an access across pages of two mappings");

	at("migration");
	m = memfd_create("two", 0);
	if (ftruncate(m, 2 * PAGE))
		die("ftruncate");
	lent_map(&l, 90, 1, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	lent_map(&l, 91, 1, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	g_write(l.g, W(90), 99);
	eq(g_read(l.g, W(91)), 99, "one page in two slots");
	lent_map(&l, 90, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	g_write(l.g, W(91), 98);
	eq(V(91), 98, "taken from one, it works in the other");
	close(m);
	gop(l.g, 0, GOP_FILL, W(92), 4 * PAGE, 8);
	p = l.span + 92 * PAGE;
	{
		FILE *f = fopen("/proc/sys/vm/compact_memory", "w");
		unsigned i;

		for (i = 0; f && i < 3; i++) {
			fprintf(f, "1\n");
			fflush(f);
			gop(l.g, 0, GOP_CHECK, W(92), 4 * PAGE, 8);
		}
		if (f)
			fclose(f);
		eq(gop(l.g, 0, GOP_CHECK, W(92), 4 * PAGE, 8), 0, "after compacting memory the guest's pages hold what they held");
		eq(check_fill(p, 4 * PAGE, 8), 0, "... the lender's, too");
	}
}

static void forks(void)
{
	int pid, st, to[2], from[2];
	char c;

	at("fork");
	lent_anon(&l, 100, 8);
	madvise(l.span + 100 * PAGE, 8 * PAGE, MADV_NOHUGEPAGE);
	gop(l.g, 0, GOP_TOUCH, W(100), 8, 1, 40);
	if (pipe(to) || pipe(from))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		unsigned bad = 0, i;

		if (write(from[1], "f", 1) != 1 || read(to[0], &c, 1) != 1)
			_exit(1);
		for (i = 0; i < 8; i++)		/* the guest has written since: not here */
			bad += V(100 + i) != 40 + i;
		_exit(bad ? 2 : 0);
	}
	if (read(from[0], &c, 1) != 1)
		die("child");
	eq(g_read(l.g, W(103)), 43, "after fork the guest reads on");
	gop(l.g, 0, GOP_TOUCH, W(100), 8, 1, 80);
	eq(V(102), 82, "what it writes goes to the parent");
	if (write(to[1], "g", 1) != 1)
		die("child");
	waitpid(pid, &st, 0);
	ok(WIFEXITED(st) && !WEXITSTATUS(st), "... and not to the child (%x)", st);
	gop(l.g, 0, GOP_TOUCH, W(100), 8, 1, 90);
	eq(V(107), 97, "after the child is gone, too");
	close(to[0]);
	close(to[1]);
	close(from[0]);
	close(from[1]);
}

/*
 * S1, the race that matters: the page is replaced after the driver has looked up what is there, and before it lends that.
 * Not left to chance: the driver is made to wait in between.
 */
static void overtaken(void)
{
	int fd = open("/dev/xlpfn", O_RDWR), i, stale = 0, wrong = 0, waited = 0;
	uint64_t v, *next;

	at("a snapshot that is overtaken");
	if (fd < 0)
		die("/dev/xlpfn: %s", strerror(errno));
	/* which takes none: it does not let go of what it looks at */
	xlend_param("interrupt_faults", 0);
	for (i = 0; i < 20; i++) {
		v = 1ULL << 32 | 40;
		lent_anon(&l, 120, 1);
		V(120) = 1000 + i;
		drv_zap(l.fd, l.id, 120 * PAGE, PAGE);
		next = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*next = 2000 + i;
		if (ioctl(fd, XLPFN_DELAY, &v)) {
			ok(false, "a delay before the driver's xlend_commit: %s", strerror(errno));
			close(fd);
			xlend_param("interrupt_faults", 64);
			return;
		}
		gop_start(l.g, 0, GOP_READ, W(120), 8);
		do
			ioctl(fd, XLPFN_DELAYED, &v);
		while (!v && !gop_done(l.g, 0));
		waited += v == 1;
		/* another page, with other contents: one made before, or it would be the same frame again */
		if (mremap(next, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, l.span + 120 * PAGE) == MAP_FAILED)
			die("mremap: %s", strerror(errno));
		gop_wait(l.g, 0);
		/* it may have read before that; from here on it may not */
		stale += g_read(l.g, W(120)) != 2000UL + i;
		g_write(l.g, W(120) + 8, i);
		wrong += *(volatile uint64_t *)(l.span + 120 * PAGE + 8) != (uint64_t)i;
	}
	v = 0;
	ioctl(fd, XLPFN_DELAY, &v);
	close(fd);
	xlend_param("interrupt_faults", 64);
	ok(waited >= 15, "pages replaced between the driver's look and its lend (%d of 20)", waited);
	eq(stale, 0, "... and the guest never reads the old one");
	eq(wrong, 0, "... nor writes to it");
}

static void *drop_120(void *arg)
{
	(void)arg;
	if (madvise(l.span + 120 * PAGE, PAGE, MADV_DONTNEED))
		die("madvise: %s", strerror(errno));
	return NULL;
}

/*
 * The same race for what the interrupt lends: it reads page tables while an invalidation is under way, that has revoked
 * what was lent, and has not changed the tables yet.
 */
static void under_way(void)
{
	int fd = open("/dev/xlpfn", O_RDWR), i, early = 0, stale = 0, wrong = 0;
	pthread_t thread;
	uint64_t v, n;

	at("an invalidation under way");
	if (fd < 0)
		die("/dev/xlpfn: %s", strerror(errno));
	for (i = 0; i < 20; i++) {
		lent_anon(&l, 120, 1);
		V(120) = 1000 + i;
		/* a worker waits for the invalidations before, so that none of these keeps the interrupt from it */
		g_write(l.g, W(120) + 16, 1);
		drv_zap(l.fd, l.id, 120 * PAGE, PAGE);
		v = 1ULL << 32 | 40;
		if (ioctl(fd, XLPFN_DELAY_REVOKED, &v)) {
			ok(false, "a delay after the driver's xlend_invalidate: %s", strerror(errno));
			close(fd);
			return;
		}
		pthread_create(&thread, NULL, drop_120, NULL);
		do
			ioctl(fd, XLPFN_DELAYED, &v);
		while (!v);
		gop_start(l.g, 0, GOP_READ, W(120), 8);
		pthread_join(thread, NULL);
		/* it may have read that before the page went, if that could be */
		early += gop_wait(l.g, 0) == 1000UL + i;
		stale += g_read(l.g, W(120)) != 0;
		g_write(l.g, W(120) + 8, i);
		wrong += *(volatile uint64_t *)(l.span + 120 * PAGE + 8) != (uint64_t)i;
	}
	v = 0;
	ioctl(fd, XLPFN_DELAY, &v);
	close(fd);
	eq(early, 0, "no page is lent that an invalidation is about to take away (20 times)");
	eq(stale, 0, "... the guest reads what comes after it");
	eq(wrong, 0, "... and writes to that");

	/* where nothing is under way the interrupt does lend */
	lent_anon(&l, 0, 16);
	for (i = 0; i < 16; i++)
		V(i) = i;
	g_write(l.g, W(0), 7);
	drv_zap(l.fd, l.id, 0, 16 * PAGE);
	n = drv_st(l.fd, l.id).interrupts;
	for (i = 0; i < 16; i++)
		g_write(l.g, W(i), 8);
	ok(drv_st(l.fd, l.id).interrupts > n, "pages that are there are lent by the interrupt");
	xlend_param("interrupt_faults", 0);
	drv_zap(l.fd, l.id, 0, 16 * PAGE);
	n = drv_st(l.fd, l.id).interrupts;
	for (i = 0; i < 16; i++)
		g_write(l.g, W(i), 8);
	eq(drv_st(l.fd, l.id).interrupts - n, 0, "... if it may");
	xlend_param("interrupt_faults", 64);
}

/* A guest that goes through pages in sequence gets more of them with each fault, also such that are not there. */
static void sequences(void)
{
	struct lenddev_stats a, b;
	unsigned i, bad = 0;

	at("in sequence");
	lent_anon(&l, 0, 128);
	a = drv_st(l.fd, l.id);
	gop(l.g, 0, GOP_TOUCH, W(0), 128, 1, 7);
	b = drv_st(l.fd, l.id);
	ok(b.faults_write - a.faults_write <= 32, "128 absent pages: %lu faults", (long)(b.faults_write - a.faults_write));
	ok(b.ahead - a.ahead >= 96, "... %lu were brought before they were asked for", (long)(b.ahead - a.ahead));
	for (i = 0; i < 128; i++)
		bad += V(i) != 7 + i;
	eq(bad, 0, "... each has what the guest wrote");

	lent_anon(&l, 0, 128);
	a = drv_st(l.fd, l.id);
	for (i = 0; i < 40; i++)
		g_write(l.g, W(i * 37 % 128), 1);
	b = drv_st(l.fd, l.id);
	eq(b.ahead - a.ahead, 0, "here and there: nothing is brought that nobody asked for");
	eq(b.lends - a.lends, 40, "... what was written to is lent, and no more");
}

/* Touches one page in each group of n, or all, then takes the group away from the guest; for Linux it stays. */
static void wasteful(unsigned groups, unsigned n, bool all)
{
	unsigned i;

	for (i = 0; i < groups; i++) {
		gop(l.g, 0, GOP_TOUCH, W(i * n), all ? n : 1, 1, 1);
		if (mprotect(l.span + i * n * PAGE, n * PAGE, PROT_NONE) || mprotect(l.span + i * n * PAGE, n * PAGE, PROT_READ | PROT_WRITE))
			die("mprotect: %s", strerror(errno));
	}
}

/* Pages lent with a neighbour's fault are counted when they were of no use, and become fewer. */
static void waste(void)
{
	struct lenddev_stats a, b;
	unsigned i;

	at("waste");
	lent_anon(&l, 0, 128);
	for (i = 0; i < 128; i++)
		V(i) = i;
	/* whatever went before: all of what comes now is of use */
	for (i = 0; i < 12; i++)
		wasteful(8, 16, true);
	a = drv_st(l.fd, l.id);
	wasteful(1, 16, false);
	b = drv_st(l.fd, l.id);
	eq(b.lends - a.lends, 16, "one access brings what is around it");
	eq(b.revokes - a.revokes, 16, "... which is taken away");
	eq(b.unused - a.unused, 15, "... and of no use, but for one page");
	a = drv_st(l.fd, l.id);
	wasteful(8, 16, true);
	b = drv_st(l.fd, l.id);
	eq(b.unused - a.unused, 0, "what was used is not counted (of %lu)", (long)(b.revokes - a.revokes));

	/* each judgement takes 16 calls and 64 pages, and halves */
	for (i = 0; i < 12; i++)
		wasteful(8, 16, false);
	a = drv_st(l.fd, l.id);
	wasteful(8, 16, false);
	b = drv_st(l.fd, l.id);
	eq(b.faults_write - a.faults_write, 8, "where it never is of use, 8 faults ...");
	ok(b.lends - a.lends <= 16, "... come to bring %lu pages", (long)(b.lends - a.lends));
	for (i = 0; i < 12; i++)
		wasteful(8, 16, true);
	a = drv_st(l.fd, l.id);
	wasteful(8, 16, false);
	b = drv_st(l.fd, l.id);
	eq(b.lends - a.lends, 128, "where it is, all again");
}

/* What must not be lent, and must not harm anybody when someone maps it into a span. */
static void refused(void)
{
	xengnttab_handle *gt = xengnttab_open(NULL, 0);
	struct lenddev_event ev[16];
	struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = 0, .gpfn = GUEST_FREE_GFN };
	xen_pfn_t gfn = MBOX_GPA >> 12;
	void *p, *q;
	int e = 0, n, i, fd, found;

	at("refused memory");
	fcntl(l.fd, F_SETFL, fcntl(l.fd, F_GETFL) | O_NONBLOCK);
	while (drv_events(l.fd, ev, 16, 0) > 0)
		;
	/* another domain's page, through privcmd */
	p = xenforeignmemory_map2(xfm, l.g->domid, l.span + 110 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 1, &gfn, &e);
	if (p && !e) {
		eqx(g_read(l.g, W(110)), ~0UL, "a foreign mapping in the span cannot be lent");
		n = drv_events(l.fd, ev, 16, 5000);
		for (i = found = 0; i < n; i++)
			found += ev[i].type == LENDDEV_EVENT_GAVE_UP && (ev[i].reason == LENDDEV_REASON_KIND || ev[i].reason == LENDDEV_REASON_FOREIGN);
		ok(found > 0, "... says an event (%d)", n > 0 ? ev[0].reason : 0);
		n = drv_populate(l.fd, l.id, 110 * PAGE, PAGE, false, NULL);
		ok(n == -EOPNOTSUPP || n == -EPERM, "... and populate (%d)", n);
		xenforeignmemory_unmap(xfm, p, 1);
	} else
		ok(false, "a foreign mapping in the span: %s", strerror(e ? -e : errno));
	lent_map(&l, 110, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	/* a page granted to us */
	gop(l.g, 0, GOP_HYPERCALL, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, g_data(l.g, 0, &add, sizeof(add)));
	gop(l.g, 0, GOP_WRITE, (GUEST_FREE_GFN << 12) + 80 + 4, 4, 0x1c0);
	gop(l.g, 0, GOP_WRITE, (GUEST_FREE_GFN << 12) + 80, 4, 1 | own_domid << 16);
	p = xengnttab_map_grant_ref(gt, l.g->domid, 10, PROT_READ | PROT_WRITE);
	if (p) {
		q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, l.span + 111 * PAGE);
		if (q == MAP_FAILED) {
			int id2;
			void *span2 = p;

			/* gntdev's pages do not move: a window over them where they are */
			id2 = drv_window(l.fd, GUEST_WINDOW + l.pages * PAGE, PAGE, span2, LENDDEV_WINDOW_WRITE, 0, 0);
			ok(id2 > 0, "a window over a granted page");
			n = drv_populate(l.fd, id2, 0, PAGE, false, NULL);
			ok(n == -EOPNOTSUPP || n == -EPERM, "... cannot be populated (%d)", n);
			eqx(g_read(l.g, GUEST_WINDOW + l.pages * PAGE), ~0UL, "... and reads ones");
			drv_destroy(l.fd, id2);
		} else {
			eqx(g_read(l.g, W(111)), ~0UL, "a granted page in the span cannot be lent");
			p = q;
		}
		xengnttab_unmap(gt, p, 1);
	} else
		ok(false, "map a grant: %s", strerror(errno));
	xengnttab_close(gt);

	/* device memory, where there is any to map */
	fd = open("/dev/mem", O_RDWR);
	p = fd < 0 ? MAP_FAILED : mmap(l.span + 112 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0xb8000);
	if (p == MAP_FAILED)
		skip("device memory in the span", "/dev/mem: %s", strerror(errno));
	else {
		uint64_t mine = *(volatile uint64_t *)p, its = g_read(l.g, W(112));

		n = drv_populate(l.fd, l.id, 112 * PAGE, PAGE, false, NULL);
		ok(n ? its == ~0UL && (n == -EOPNOTSUPP || n == -EPERM) : its == mine,
		   "the machine's text screen is lent if it is this domain's, and is not if it is none (%d)", n);
	}
	if (fd >= 0)
		close(fd);
	/* the kernel's own: vvar and vdso are special mappings; secret memory */
#ifdef SYS_memfd_secret
	fd = syscall(SYS_memfd_secret, 0);
	if (fd < 0 || ftruncate(fd, PAGE))
		skip("secret memory in the span", "memfd_secret: %s", strerror(errno));
	else {
		lent_map(&l, 113, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		V(113) = 5;
		eqx(g_read(l.g, W(113)), ~0UL, "secret memory cannot be lent");
		close(fd);
	}
#endif
	lent_map(&l, 111, 4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Accesses that Xen emulates reach the driver by value. */
static void by_value(void)
{
	struct lenddev_stats a, b;
	unsigned i, bad = 0;

	at("accesses by value");
	lent_anon(&l, 120, 2);
	a = drv_st(l.fd, l.id);
	/* the hole reads ones: ones arrive in the page */
	gop(l.g, 0, GOP_STRING, STR_MOVSQ, W(120) + 64, GUEST_MMIO, 8);
	for (i = 0; i < 8; i++)
		bad += ((uint64_t *)(l.span + 120 * PAGE))[8 + i] != ~0UL;
	eq(bad, 0, "rep movsq from a device into a window of the driver");
	eq(((uint64_t *)(l.span + 120 * PAGE))[16], 0, "... and not beyond");
	gop(l.g, 0, GOP_STRING, STR_MOVSQ, GUEST_MMIO, W(121), 4);
	eq(gret(l.g, 0, 1), W(121) + 32, "rep movsq from the window to a device ends");
	gop(l.g, 0, GOP_STRING, STR_MOVSB, GUEST_MMIO, W(115), 4);
	eq(gret(l.g, 0, 2), 0, "... also where nothing is behind the window");
	b = drv_st(l.fd, l.id);
	ok(b.copies > a.copies, "the driver served them by value (%lu)", (long)(b.copies - a.copies));
}

void suite_memory(void)
{
	struct lenddev_stats st, later;

	xen_open();
	l = lent_open(2048, LENDDEV_POLICY_ONES);
	anonymous();
	huge();
	hugetlb();
	files();
	writeback();
	protections();
	changes();
	forks();
	overtaken();
	under_way();
	sequences();
	waste();
	refused();
	by_value();
	at("end");
	munmap(l.span, l.pages * PAGE);
	eq(lent_now(&l), 0, "nothing is lent when nothing is mapped");
	l.span = span_new(l.pages * PAGE);
	st = drv_st(l.fd, l.id);
	err(domain_destroy(l.g->domid), 0, "the guest is destroyed");
	later = drv_st(l.fd, l.id);
	ok(st.unused > 0 && later.unused >= st.unused, "... how much was of no use is still told (%lu, then %lu)", (long)st.unused, (long)later.unused);
	ok(lent_close(&l), "the guest goes away");
}
