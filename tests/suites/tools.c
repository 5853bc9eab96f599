// SPDX-License-Identifier: GPL-2.0-or-later
/* The programs as their users run them: what they choose by themselves, and what they say when something is in the way. */
#include "suites.h"
#include <xenlend.h>

#define GIB		(1UL << 30)
#define RANGE(b)	((b) << 21)			/* 2 MiB: a place is a multiple of it */
#define CHOSEN		(32 * GIB)			/* where the search for a place begins, for a small guest */
#define OUT		"/tmp/xltools.out"		/* what the last program said */

struct lent {
	pid_t pid;
	char out[32];
	uint64_t gpa;
};

/* What the file says, or "". */
static const char *said(const char *file)
{
	static char text[65536];
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static void note_all(const char *text)
{
	char copy[4096], *line, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			note("  %s", line);
}

static bool says(const char *file, const char *want, const char *what)
{
	const char *text = said(file);

	if (ok(strstr(text, want), "%s", what))
		return true;
	note("not said: %s", want);
	note_all(text);
	return false;
}

/* The hexadecimal number after a text, 0 if it is not there. */
static uint64_t number_after(const char *file, const char *text)
{
	const char *p = strstr(said(file), text);

	return p ? strtoull(p + strlen(text), NULL, 16) : 0;
}

/* Exit status of a program that ends by itself; what it says is in OUT. */
static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *fmt, ...)
{
	char cmd[400], line[500];
	va_list va;
	int rc;

	va_start(va, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, va);
	va_end(va);
	at("%s", cmd);
	snprintf(line, sizeof(line), "timeout 60 %s > " OUT " 2>&1", cmd);
	rc = system(line);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

/* Starts "xenlend lend FILE ..." and does not wait. */
static void lend_start(struct lent *l, unsigned i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void lend_start(struct lent *l, unsigned i, const char *fmt, ...)
{
	char args[200], cmd[300];
	va_list va;

	va_start(va, fmt);
	vsnprintf(args, sizeof(args), fmt, va);
	va_end(va);
	snprintf(l->out, sizeof(l->out), "/tmp/xltools.%u", i);
	unlink(l->out);
	snprintf(cmd, sizeof(cmd), "exec xenlend lend %s > %s 2>&1", args, l->out);
	fflush(stdout);
	l->pid = fork();
	if (!l->pid) {
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
}

/* Waits until it says where it lends. */
static uint64_t lend_where(struct lent *l)
{
	int i;

	at("%s", l->out);
	for (i = 0; i < 600; i++) {
		l->gpa = number_after(l->out, " at 0x");
		if (l->gpa && strchr(strstr(said(l->out), " at 0x"), '\n'))
			return l->gpa;
		if (waitpid(l->pid, NULL, WNOHANG) == l->pid) {
			l->pid = 0;
			break;
		}
		usleep(50000);
	}
	note_all(said(l->out));
	return l->gpa = 0;
}

/* Whether a process has come so far that it waits for signals, and ends in its own way. */
static bool listens(pid_t pid)
{
	unsigned long long blocked = 0;
	char path[32], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	if (f)
		fclose(f);
	return blocked >> (SIGTERM - 1) & 1;
}

static int lend_end(struct lent *l)
{
	double end = now() + 30;
	int status = -1;

	if (!l->pid)
		return -1;
	while (!listens(l->pid) && now() < end)
		usleep(10000);
	kill(l->pid, SIGTERM);
	waitpid(l->pid, &status, 0);
	l->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The first word at an address that the guest's own page tables do not map. */
static uint64_t read_far(struct guest *g, uint64_t gpa)
{
	gop(g, 0, GOP_MAP, (gpa & ~(RANGE(1UL) - 1)) | 0x87);
	return g_read(g, GUEST_HIGH_VA + (gpa & (RANGE(1UL) - 1)));
}

static void file(const char *path, const char *word, long size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, word, 8) != 8 || ftruncate(fd, size))
		die("%s: %s", path, strerror(errno));
	close(fd);
}

#define WORD(text)	(*(const uint64_t *)(text))

static void chooses(struct guest *g)
{
	struct lent l[4] = { 0 };
	unsigned i, k, same = 0;
	xen_pfn_t gfn = CHOSEN >> 12;

	at("chosen places");
	lend_start(&l[0], 0, "/tmp/xla --domain %u", g->domid);
	eqx(lend_where(&l[0]), CHOSEN, "without --gpa: a place is chosen, and said");
	if (l[0].gpa)
		eqx(read_far(g, l[0].gpa), WORD("file a .."), "... the guest reads the file there");
	eq(lend_end(&l[0]), 0, "... it ends");

	/* those that choose at the same moment get out of each other's way */
	for (i = 0; i < 4; i++)
		lend_start(&l[i], i, "/tmp/xl%c --domain %u --length 64K", 'a' + i % 2, g->domid);
	for (i = 0; i < 4; i++)
		ok(lend_where(&l[i]), "four at the same time: number %u has a place", i);
	for (i = 0; i < 4; i++)
		for (k = 0; k < i; k++)
			same += l[i].gpa == l[k].gpa;
	eq(same, 0, "... each another");
	for (i = 0; i < 4; i++)
		if (l[i].gpa)
			eqx(read_far(g, l[i].gpa), i % 2 ? WORD("file b ..") : WORD("file a .."), "... with its file");
	for (i = 0; i < 4; i++)
		eq(lend_end(&l[i]), 0, "... and ends");

	/* memory where nobody expects it */
	eq(xc_domain_populate_physmap_exact(xch, g->domid, 1, 0, 0, &gfn), 0, "a page of the guest's at 32 GiB");
	lend_start(&l[0], 0, "/tmp/xla --domain %u", g->domid);
	eqx(lend_where(&l[0]), CHOSEN + RANGE(1UL), "... the next place is taken");
	lend_end(&l[0]);
	eq(run("xenlend lend /tmp/xla --domain %u --gpa %#lx", g->domid, CHOSEN), 1, "... lending there by name fails");
	says(OUT, "in the way: memory of the guest, 0x800000000-0x800000fff (4K)", "... and says that memory is there");
	eq(xc_domain_decrease_reservation_exact(xch, g->domid, 1, 0, &gfn), 0, "... the page goes");

	/* so far into a long range that nobody looks there */
	gfn += 100000;
	eq(xc_domain_populate_physmap_exact(xch, g->domid, 1, 0, 0, &gfn), 0, "a page of the guest's further up");
	file("/tmp/xllong", "file l ..", 512L << 20);
	eq(run("xenlend lend /tmp/xllong --domain %u --gpa %#lx", g->domid, CHOSEN), 1, "... a long window over it fails");
	says(OUT, "in the way: something that is not seen from here", "... and says that it is not seen");
	eqx(number_after(OUT, "free: --gpa 0x"), CHOSEN + RANGE(256UL), "... what is free is not where that was");
	eq(xc_domain_decrease_reservation_exact(xch, g->domid, 1, 0, &gfn), 0, "... the page goes");
}

static void waits(struct guest *g)
{
	struct lent l[2] = { 0 };

	lend_start(&l[0], 0, "/tmp/xla --domain 28672 --wait");
	lend_start(&l[1], 1, "/tmp/xla --domain %u --wait", g->domid);
	ok(lend_where(&l[1]), "--wait for a domain that is there");
	eq(lend_end(&l[1]), 0, "... it ends");
	ok(!waitpid(l[0].pid, NULL, WNOHANG), "--wait for one that does not come: it waits");
	ok(!*said(l[0].out), "... and says nothing");
	note_all(said(l[0].out));
	eq(lend_end(&l[0]), 0, "... until a signal comes");
}

/* README's examples, and the same place for two. */
static void in_the_way(struct guest *g)
{
	struct lent l[2] = { 0 };
	const char *after;
	char want[200];
	uint64_t place;

	at("one after the other");
	lend_start(&l[0], 0, "/tmp/xla --domain %u", g->domid);
	ok(lend_where(&l[0]), "a file is lent");
	eq(run("xenlend-ivshmem --domain %u --size 2M --place 0:64K:/tmp/xlb --detach", g->domid), 0,
	   "... and a device made beside it, neither told where");
	note_all(said(OUT));
	eqx(g_read(g, GUEST_WINDOW), WORD("file b .."), "... the guest reads the device's memory");
	if (l[0].gpa)
		eqx(read_far(g, l[0].gpa), WORD("file a .."), "... and the file");

	eq(run("xenlend list -d %u", g->domid), 0, "list");
	says(OUT, "PROCESS\n", "... has a heading");
	snprintf(want, sizeof(want), "%u", g->domid);
	says(OUT, want, "... shows the domain");
	says(OUT, "xenlend-ivshmem\n", "... and the device's process");
	says(OUT, "0x200000000", "... and where its window is");
	eq(run("xenlend stat -d %u", g->domid), 0, "stat");
	says(OUT, "  pages revoked ", "... has counters");
	eq(run("xenlend stat -d %u -i 0.2 -n 2", g->domid), 0, "stat, twice");
	says(OUT, " FAULT/s ", "... has a heading");

	eq(run("xenlend lend /tmp/xla --domain %u --gpa 8G", g->domid), 1, "lending where the device is fails");
	says(OUT, "File exists", "... and says why");
	says(OUT, "in the way: window ", "... that a window is in the way");
	says(OUT, "(xenlend-ivshmem), 0x200000000-0x2001fffff (2M)", "... whose, and which range");
	place = number_after(OUT, "free: --gpa 0x");
	ok(place, "... and what would be free");
	lend_start(&l[1], 1, "/tmp/xla --domain %u --gpa 0x%lx", g->domid, place);
	eqx(lend_where(&l[1]), place, "... which is");

	eq(run("xenlend-ivshmem --domain %u --slot 2 --size 2M", g->domid), 1, "a second device at the same address fails");
	says(OUT, "(xenlend-ivshmem), 0x200000000-0x2001fffff (2M)", "... and says whose window is there");
	place = number_after(OUT, "free: --address 0x");
	ok(place && !(place & (RANGE(1UL) - 1)), "... and what would be free, a multiple of the size");
	eq(run("xenlend-ivshmem --domain %u --slot 2 --size 2M --address 0x%lx --place 0:64K:/tmp/xla --place 64K:64K:memfd --populate --detach",
	       g->domid, place), 0, "... which is");
	run("xenlend stat -d %u", g->domid);
	snprintf(want, sizeof(want), " at %#lx,", place);
	after = strstr(said(OUT), want);
	after = after ? strstr(after, "pages lent now") : NULL;
	eq(after ? strtoul(after + strlen("pages lent now"), NULL, 10) : 0, 32, "... and lends all of its buffers before the guest asks, if told so");
	eqx(read_far(g, place), WORD("file a .."), "... the guest reads its memory");
	lend_end(&l[0]);
	lend_end(&l[1]);

	eq(run("xenlend lend /tmp/xla --domain %u --gpa 0", g->domid), 1, "lending where the guest's memory is fails");
	says(OUT, "in the way: memory of the guest, 0", "... and says that it is memory");
	eq(run("xenlend lend /tmp/xla --domain %u --gpa 0xfec00000", g->domid), 1, "lending where Xen emulates fails");
	says(OUT, "Xen emulates devices there", "... and says so");
	eq(run("xenlend lend /tmp/xla --domain %u --gpa 0xffffffff00000", g->domid), 1, "lending far up fails");
	says(OUT, "beyond what the guest can address", "... and says so");
}

/* --- what happens in a window, as it happens */

#define TRACED		8				/* pages, each touched once */

/* Starts "xenlend trace ..." and waits until its events are on. */
static pid_t trace_start(const char *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static pid_t trace_start(const char *out, const char *fmt, ...)
{
	char args[200], cmd[300], on[120];
	va_list va;
	pid_t pid;
	int i;

	va_start(va, fmt);
	vsnprintf(args, sizeof(args), fmt, va);
	va_end(va);
	snprintf(cmd, sizeof(cmd), "exec xenlend trace %s > %s 2>&1", args, out);
	at("%s", cmd);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	snprintf(on, sizeof(on), "/sys/kernel/tracing/instances/xenlend-%d/events/xen_lend/xen_lend_window/enable", (int)pid);
	for (i = 0; i < 600 && strncmp(said(on), "1", 1); i++)
		usleep(50000);
	/* The heading is written after that. */
	for (i = 0; i < 600 && !strstr(args, "-o") && !*said(out); i++)
		usleep(50000);
	return pid;
}

static int trace_end(pid_t pid, int signal)
{
	int status = -1;

	if (signal)
		kill(pid, signal);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool traces(pid_t pid)
{
	char dir[80];

	snprintf(dir, sizeof(dir), "/sys/kernel/tracing/instances/xenlend-%d", (int)pid);
	return !access(dir, F_OK);
}

static unsigned count_of(const char *file, const char *word)
{
	const char *p = said(file);
	unsigned n = 0;

	for (; (p = strstr(p, word)); p++)
		n++;
	return n;
}

/* Faults in a distribution that stat printed: the sum of its counts, up to the heading of revokes. */
static long distributed(const char *text)
{
	char copy[4096], *line, *rest = copy;
	long sum = 0, n;

	snprintf(copy, sizeof(copy), "%s", text);
	if (strstr(copy, " revokes"))
		*strstr(copy, " revokes") = 0;
	while ((line = strsep(&rest, "\n")))
		if (strchr(line, '%') && !strchr(line, ':') && sscanf(line, "%*s %ld", &n) == 1)
			sum += n;
	return sum;
}

static void traced(struct guest *g)
{
	struct lent l = { 0 };
	char want[120];
	unsigned i, serial;
	const char *p;
	pid_t pid;

	at("trace");
	lend_start(&l, 0, "/tmp/xla --domain %u --gpa 20G", g->domid);
	if (!lend_where(&l)) {
		ok(false, "a file is lent, to be traced");
		return;
	}
	eq(run("xenlend list -d %u", g->domid), 0, "list, with a window to trace");
	p = strchr(said(OUT), '\n');
	serial = 0;
	ok(p && sscanf(p, "%*u %*u %u", &serial) == 1 && serial, "... has its serial");

	pid = trace_start("/tmp/xltrace.0", "-d %u -n 6", g->domid);
	ok(traces(pid), "trace has a tracing instance of its own");
	for (i = 0; i < TRACED; i++)
		read_far(g, l.gpa + i * 4096);
	eq(trace_end(pid, 0), 0, "trace -n 6 ends by itself");
	ok(!traces(pid), "... and removes the instance");
	says("/tmp/xltrace.0", " fault ", "... it shows a fault");
	snprintf(want, sizeof(want), " %#lx ", l.gpa);
	says("/tmp/xltrace.0", want, "... with the guest's address");

	/* another window's are not told */
	lend_end(&l);
	lend_start(&l, 0, "/tmp/xla --domain %u --gpa 20G", g->domid);
	if (!lend_where(&l)) {
		ok(false, "the file is lent again");
		return;
	}
	pid = trace_start("/tmp/xltrace.1", "-w %u -o /tmp/xlrec.1", serial);
	for (i = 0; i < TRACED; i++)
		read_far(g, l.gpa + i * 4096);
	eq(trace_end(pid, SIGTERM), 0, "... SIGTERM ends it");
	ok(!traces(pid), "... and its instance");
	eq(count_of("/tmp/xlrec.1", "\n"), 1, "... of a window that has gone it recorded nothing of the one that is there now");

	lend_end(&l);

	/* a window of which all is known */
	pid = trace_start("/tmp/xltrace.2", "-d %u -o /tmp/xlrec.2", g->domid);
	lend_start(&l, 0, "/tmp/xlc --domain %u --gpa 24G", g->domid);
	if (lend_where(&l)) {
		for (i = 0; i < TRACED; i++)
			read_far(g, l.gpa + i * RANGE(1UL));
		eq(run("xenlend stat -l -d %u", g->domid), 0, "stat -l of a window with %u faults", TRACED);
		snprintf(want, sizeof(want), "at %#lx", l.gpa);
		p = strstr(said(OUT), want);
		eq(p ? distributed(p) : -1, TRACED, "... the counts of its distribution are as many");
		says(OUT, " 8 faults: percentile 50 below ", "... and it says how long most took");
		lend_end(&l);
	} else {
		ok(false, "a file is lent, while it is traced");
	}
	eq(trace_end(pid, SIGTERM), 0, "SIGTERM ends trace");
	ok(!traces(pid), "... and its instance");
	says("/tmp/xltrace.2", " events, 0 lost", "... it says that nothing was lost");
	says("/tmp/xlrec.2", "seconds,event,what,domain,window,", "the recording has a heading");
	eq(count_of("/tmp/xlrec.2", ",fault,read,"), TRACED, "... each fault");
	eq(count_of("/tmp/xlrec.2", ",window,made,"), 1, "... the window's making");
	eq(count_of("/tmp/xlrec.2", ",window,destroyed,"), 1, "... and its end");
	eq(run("xenlend plot /tmp/xlrec.2 -o /tmp/xlrec.svg"), 0, "it can be plotted");
	note_all(said(OUT));
	snprintf(want, sizeof(want), ", %u faults of the guest, ", TRACED);
	says("/tmp/xlrec.svg", want, "... with each fault");

	eq(run("xenlend trace -s 0.5"), 0, "trace -s ends by itself");
	says(OUT, "SECONDS", "... having begun");
	eq(run("sh -c 'xenlend trace | head -n 1'"), 0, "trace ends when nobody reads it any more");
	says(OUT, "SECONDS", "... and the line was read");
	eq(run("sh -c 'ls /sys/kernel/tracing/instances | grep -c xenlend-'"), 1, "no instance is left");
}

static void limits(struct guest *g)
{
	xenlend_handle *h = xenlend_open(NULL, 0);
	xenlend_borrower *b = h ? xenlend_borrower_open(h, g->domid, 16 * GIB, GIB, 0) : NULL;
	struct xenlend_info info = { 0 };
	struct guest *pv = NULL;
	struct guest_options o = { .pv = true };
	unsigned n = 0;

	at("limits");
	if (!b || xenlend_info(h, &info))
		die("a borrower: %s", strerror(errno));
	file("/tmp/xlbig", "file big", 0);
	if (truncate("/tmp/xlbig", info.max_len + 4096))
		die("/tmp/xlbig: %s", strerror(errno));
	eq(run("xenlend lend /tmp/xlbig --domain %u", g->domid), 1, "a file larger than a window may be");
	says(OUT, " that a window may have here", "... the limit is said");

	/* the devices have two */
	for (n = 2; n < info.max_windows; n++)
		if (!xenlend_window_create(b, 16 * GIB + n * RANGE(1UL), 4096, 0, XENLEND_POLICY_ONES, 0))
			break;
	eq(n, info.max_windows, "as many windows as there can be");
	eq(run("xenlend lend /tmp/xla --domain %u", g->domid), 1, "one more fails");
	says(OUT, " windows, and may have no more: xenlend list -d ", "... and says that there are too many");
	xenlend_borrower_close(b);
	xenlend_close(h);

	eq(run("xenlend lend /tmp/xla --domain 28672"), 1, "a domain that does not exist");
	says(OUT, "there is no domain 28672", "... is said to be none");
	eq(run("xenlend lend /tmp/xla --domain 28672 --gpa 8G"), 1, "... with an address, too");
	says(OUT, "there is no domain 28672", "... as well");
	eq(run("xenlend-ivshmem --domain 28672"), 1, "... and for a device");
	says(OUT, "there is no domain 28672", "... as well");
	if (guest_try_new(&o, &pv)) {
		skip("a PV guest", "cannot be made here");
	} else {
		eq(run("xenlend lend /tmp/xla --domain %u", pv->domid), 1, "a PV guest");
		says(OUT, "is a PV guest", "... is said to be one");
		guest_free(pv);
	}
	eq(run("xenlend lend /tmp/xla --domain 32752"), 2, "a number that no guest can have is wrong usage");
}

void suite_tools(void)
{
	struct guest *g;

	xen_open();
	g = guest_new(NULL);
	file("/tmp/xla", "file a ..", 65536);
	file("/tmp/xlb", "file b ..", 65536);
	file("/tmp/xlc", "file c ..", TRACED * RANGE(1UL));
	chooses(g);
	waits(g);
	traced(g);
	in_the_way(g);
	limits(g);
	ok(guest_free(g), "the guest goes away, with two devices");
}
