// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The lender in dom0: the guest was started by xl, the window comes from
 * libxenlend.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xenforeignmemory.h>
#include <xenlend.h>

#include "backend.h"
#include "command.h"

#define AROUND_PARAMETER	"/sys/module/xen_lend/parameters/fault_around"

static unsigned int domid;
static xenlend_handle *lend;
static xenlend_borrower *borrower;
static xenlend_window *window;
static unsigned int first_around;

static int xen_options(int argc, char **argv)
{
	char *end;

	if (argc != 1) {
		complain("the domain's number is wanted after --");
		return -1;
	}
	domid = strtoul(argv[0], &end, 10);
	if (end == argv[0] || *end || !domid || domid >= 0x7ff0) {
		complain("%s: not a domain's number", argv[0]);
		return -1;
	}
	return 0;
}

static unsigned int read_around(void)
{
	FILE *f = fopen(AROUND_PARAMETER, "re");
	unsigned int n = 0;

	if (!f || fscanf(f, "%u", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

static unsigned int xen_around(unsigned int pages)
{
	FILE *f;

	if (pages) {
		f = fopen(AROUND_PARAMETER, "we");
		if (!f || fprintf(f, "%u\n", pages) < 0)
			complain(AROUND_PARAMETER ": %s", strerror(errno));
		if (f)
			fclose(f);
	}
	return read_around();
}

static void xen_restore(void)
{
	if (first_around)
		xen_around(first_around);
}

static void *xen_start(void *span, size_t len)
{
	xen_pfn_t frames[BENCH_COMM_PAGES];
	xenforeignmemory_handle *fm;
	unsigned int i;
	void *comm;

	lend = xenlend_open(NULL, 0);
	if (!lend)
		return NULL;
	borrower = xenlend_borrower_open(lend, domid, BENCH_WINDOW_GPA, len, 1);
	if (!borrower)
		return NULL;
	window = xenlend_window_create_at(borrower, span, BENCH_WINDOW_GPA, len,
					  XENLEND_WINDOW_WRITE,
					  XENLEND_POLICY_FAULT, 0);
	if (!window)
		return NULL;
	first_around = read_around();
	if (!first_around) {
		complain(AROUND_PARAMETER ": %s", strerror(errno));
		return NULL;
	}
	atexit(xen_restore);

	fm = xenforeignmemory_open(NULL, 0);
	if (!fm) {
		complain("xenforeignmemory_open: %s", strerror(errno));
		return NULL;
	}
	for (i = 0; i < BENCH_COMM_PAGES; i++)
		frames[i] = BENCH_COMM_GPA / BENCH_PAGE + i;
	comm = xenforeignmemory_map(fm, domid, PROT_READ | PROT_WRITE,
				    BENCH_COMM_PAGES, frames, NULL);
	if (!comm)
		complain("domain %u's memory: %s", domid, strerror(errno));
	return comm;
}

static int xen_populate(size_t offset, size_t len)
{
	return xenlend_window_populate(window, offset, len,
				       XENLEND_POPULATE_WRITE, NULL);
}

static void add(struct counters *c, const char *name, uint64_t v)
{
	snprintf(c->c[c->n].name, sizeof(c->c[0].name), "%s", name);
	c->c[c->n++].value = v;
}

/* What dom0 got of our driver's interrupts, on all CPUs. */
static uint64_t interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[1024];
	uint64_t sum = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *p = strchr(line, ':'), *end;
		uint64_t n;

		if (!p || !strstr(p, "xen-lend"))
			continue;
		for (p++; ; p = end) {
			n = strtoull(p, &end, 10);
			if (end == p)
				break;
			sum += n;
		}
	}
	if (f)
		fclose(f);
	return sum;
}

static int xen_counters(struct counters *c)
{
	struct xenlend_stats s;

	c->n = 0;
	if (xenlend_window_stats(window, &s))
		return -1;
	add(c, "faults_read", s.faults_read);
	add(c, "faults_write", s.faults_write);
	add(c, "upgrades", s.upgrades);
	add(c, "around", s.around);
	add(c, "large", s.large);
	add(c, "lends", s.lends);
	add(c, "lend_calls", s.lend_calls);
	add(c, "revokes", s.revokes);
	add(c, "revoke_calls", s.revoke_calls);
	add(c, "invalidations", s.invalidations);
	add(c, "refaults", s.refaults);
	add(c, "retries", s.retries);
	add(c, "errors", s.errors);
	add(c, "stalls", s.stalls);
	add(c, "fault_ns", s.fault_total_ns);
	add(c, "revoke_ns", s.revoke_total_ns);
	add(c, "interrupts", interrupts());
	return 0;
}

/*
 * xentrace, with the classes of HVM guests' and PV domains' events; it ends
 * cleanly on a signal.
 */
static int xen_trace(const char *file)
{
	static pid_t child = -1;
	struct stat st;
	int status, i;

	if (file) {
		child = fork();
		if (child < 0) {
			complain("fork: %s", strerror(errno));
			return -1;
		}
		if (!child) {
			execlp("xentrace", "xentrace", "-D", "-S", "256", "-e",
			       "0x0028f000", file, NULL);
			_exit(127);
		}
		/* dom0 itself fills it: once there is something, it is on. */
		for (i = 0; i < 300; i++) {
			usleep(100000);
			if (!stat(file, &st) && st.st_size)
				return 0;
			if (waitpid(child, &status, WNOHANG) == child)
				break;
		}
		complain("xentrace writes nothing");
		return -1;
	}
	kill(child, SIGINT);
	if (waitpid(child, &status, 0) != child)
		return -1;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	complain("xentrace ended with %#x", status);
	return -1;
}

static void xen_stop(void)
{
	xenlend_window_destroy(window);
	xenlend_borrower_close(borrower);
	xenlend_close(lend);
}

const struct backend backend = {
	.name = "xenlend",
	.options = xen_options,
	.start = xen_start,
	.counters = xen_counters,
	.around = xen_around,
	.populate = xen_populate,
	.trace = xen_trace,
	.stop = xen_stop,
};
