// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "toolstack.h"
#include "hvm.h"
#include "tap.h"
#include "../module/xlpfn.h"

xc_interface *xch;
xencall_handle *xcall;
xendevicemodel_handle *xdm;
xenforeignmemory_handle *xfm;
struct xs_handle *xsh;
bool lender_pvh;
bool has_flask;
int xen_denies = -EPERM;

static struct guest *guests[MAX_GUESTS];
static int fd_pagemap = -1, fd_xlpfn = -1;

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

pid_t child_of(pid_t parent)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "r");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

int shell(const char *fmt, ...)
{
	char cmd[600];
	va_list va;

	va_start(va, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, va);
	va_end(va);
	return system(cmd);
}

static void cleanup(void)
{
	int i;

	/* first make sure that none runs on memory this process is about to give back */
	for (i = 0; i < MAX_GUESTS; i++)
		if (guests[i])
			toolstack_pause(guests[i]->domid);
	for (i = 0; i < MAX_GUESTS; i++)
		if (guests[i])
			domain_destroy(guests[i]->domid);
}

static void write_file(const char *path, const char *s)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		if (write(fd, s, strlen(s)) < 0)
			note("%s: %s", path, strerror(errno));
		close(fd);
	}
}

void xen_open_again(void)
{
	xch = xc_interface_open(NULL, NULL, 0);
	xcall = xencall_open(NULL, 0);
	xdm = xendevicemodel_open(NULL, 0);
	xfm = xenforeignmemory_open(NULL, 0);
	xsh = NULL;
	if (!xch || !xcall || !xdm || !xfm)
		die("cannot open Xen's libraries: %s", strerror(errno));
	tap_cleanup = NULL;
}

void xen_open(void)
{
	char type[16] = "";
	int fd;

	fd = open("/sys/hypervisor/guest_type", O_RDONLY);
	if (fd < 0 || read(fd, type, sizeof(type) - 1) < 0)
		die("no /sys/hypervisor/guest_type: not on Xen?");
	close(fd);
	lender_pvh = !strncmp(type, "PVH", 3);
	xch = xc_interface_open(NULL, NULL, 0);
	xcall = xencall_open(NULL, 0);
	xdm = xendevicemodel_open(NULL, 0);
	xfm = xenforeignmemory_open(NULL, 0);
	xsh = xs_open(0);
	if (!xch || !xcall || !xdm || !xfm || !xsh)
		die("cannot open Xen's libraries: %s", strerror(errno));
	toolstack_open();
	has_flask = xc_flask_getenforce(xch) >= 0;
	xen_denies = has_flask ? -EACCES : -EPERM;
	/* locked pages must not be moved under a frame that was lent by hand */
	write_file("/proc/sys/vm/compact_unevictable_allowed", "0");
	tap_cleanup = cleanup;
}

/* ---- building ---- */

uint32_t flask_label(const char *type)
{
	char context[64];
	uint32_t sid;
	int n;

	if (!has_flask)
		return 0;
	n = snprintf(context, sizeof(context), "system_u:system_r:%s", type);
	if (xc_flask_context_to_sid(xch, context, n, &sid))
		die("the policy has no %s: %s", context, strerror(errno));
	return sid;
}

void guest_run(struct guest *g)
{
	xen_pfn_t gfn = MBOX_GPA >> 12;
	double end = now() + g->timeout;
	int e = 0, i, p;

	at("starting domain %u", g->domid);
	g->mb = xenforeignmemory_map(xfm, g->domid, PROT_READ | PROT_WRITE, 1, &gfn, &e);
	if (!g->mb || e)
		die("cannot map the mailbox of domain %u: %s", g->domid, strerror(e ? -e : errno));
	g->mb->lender = own_domid;
	e = toolstack_unpause(g->domid);
	if (e)
		die("cannot unpause domain %u: %s", g->domid, strerror(-e));
	while (g->mb->magic != MBOX_MAGIC || !g->mb->cpu[MBOX_CPUS - 1].running) {
		if (now() > end)
			die("the test guest in domain %u does not start (magic %x, cpus %u)", g->domid, g->mb->magic, g->mb->cpus);
		usleep(500);
	}
	g->ev = xenevtchn_open(NULL, 0);
	if (!g->ev)
		die("xenevtchn_open: %s", strerror(errno));
	for (i = 0; i < MBOX_CPUS; i++) {
		p = xenevtchn_bind_interdomain(g->ev, g->domid, g->mb->cpu[i].port);
		if (p < 0)
			die("cannot bind the event channel of domain %u: %s", g->domid, strerror(errno));
		g->port[i] = p;
	}
}

int guest_try_new(const struct guest_options *o, struct guest **out)
{
	static const struct guest_options none;
	struct guest *g = calloc(1, sizeof(*g));
	int i, rc;

	if (!o)
		o = &none;
	g->timeout = 120;
	g->hvm = hvm_wanted(o);
	rc = toolstack_build(o, &g->domid);
	if (rc) {
		free(g);
		return rc;
	}
	for (i = 0; i < MAX_GUESTS; i++)
		if (!guests[i]) {
			guests[i] = g;
			break;
		}
	if (i == MAX_GUESTS)
		die("too many guests");
	if (!o->paused && !o->pv && !o->empty)
		guest_run(g);
	*out = g;
	return 0;
}

struct guest *guest_new(const struct guest_options *o)
{
	struct guest *g;
	int rc = guest_try_new(o, &g);

	if (rc)
		die("cannot build a domain: %s", strerror(-rc));
	return g;
}

void guest_release(struct guest *g)
{
	if (g->ev)
		xenevtchn_close(g->ev);
	g->ev = NULL;
	if (g->mb)
		xenforeignmemory_unmap(xfm, g->mb, 1);
	g->mb = NULL;
}

int domain_destroy(uint32_t domid)
{
	return toolstack_destroy(domid);
}

bool domain_gone(uint32_t domid, unsigned seconds)
{
	double end = now() + seconds;

	while (toolstack_state(domid) >= 0) {
		if (now() > end)
			return false;
		usleep(10000);
	}
	return true;
}

bool guest_free(struct guest *g)
{
	static bool zombies;	/* where one stays the next will, too: do not wait as long for it */
	bool gone;
	int i;

	guest_release(g);
	domain_destroy(g->domid);
	if (!g->hvm)
		toolstack_forget(g->domid);
	gone = domain_gone(g->domid, zombies ? 3 : 60);
	if (!gone) {
		zombies = true;
		note("domain %u is a zombie: %ld pages are left", g->domid, toolstack_pages(g->domid));
		/* which pages these are goes to Xen's log */
		toolstack_keys("q");
	}
	for (i = 0; i < MAX_GUESTS; i++)
		if (guests[i] == g)
			guests[i] = NULL;
	free(g);
	return gone;
}

/* ---- operations ---- */

void gop_start_(struct guest *g, unsigned cpu, unsigned op, const uint64_t *arg, unsigned n)
{
	struct mailbox_cpu *m = &g->mb->cpu[cpu];
	unsigned i;

	if (m->req != m->done)
		die("domain %u vCPU %u is still busy with operation %u", g->domid, cpu, m->op);
	m->op = op;
	for (i = 0; i < 8; i++)
		m->arg[i] = i < n ? arg[i] : 0;
	m->stop = 0;
	m->progress = 0;
	__sync_synchronize();
	m->req++;
	__sync_synchronize();
	xenevtchn_notify(g->ev, g->port[cpu]);
}

bool gop_done(struct guest *g, unsigned cpu)
{
	bool d = g->mb->cpu[cpu].done == g->mb->cpu[cpu].req;

	__sync_synchronize();
	return d;
}

bool gop_wait_for(struct guest *g, unsigned cpu, unsigned seconds)
{
	double end = now() + seconds * tap_patience();
	unsigned spins = 0;

	while (!gop_done(g, cpu)) {
		if (now() > end)
			return false;
		usleep(spins++ < 20 ? 100 : 1000);
	}
	return true;
}

uint64_t gop_wait(struct guest *g, unsigned cpu)
{
	struct mailbox_cpu *m = &g->mb->cpu[cpu];

	if (!gop_wait_for(g, cpu, g->timeout)) {
		/* Xen's console tells what it waits for */
		toolstack_keys("Wqv");
		usleep(100000);
		die("domain %u vCPU %u does not end operation %u (%#lx %#lx %#lx %#lx), progress %lu", g->domid, cpu,
		    m->op, m->arg[0], m->arg[1], m->arg[2], m->arg[3], m->progress);
	}
	return m->ret[0];
}

uint64_t gop_(struct guest *g, unsigned cpu, unsigned op, const uint64_t *arg, unsigned n)
{
	gop_start_(g, cpu, op, arg, n);
	return gop_wait(g, cpu);
}

uint64_t gop_stop(struct guest *g, unsigned cpu)
{
	g->mb->cpu[cpu].stop = 1;
	return gop_wait(g, cpu);
}

uint64_t gret(struct guest *g, unsigned cpu, unsigned i)
{
	return g->mb->cpu[cpu].ret[i];
}

uint32_t gtrap(struct guest *g, unsigned cpu)
{
	return g->mb->cpu[cpu].vec;
}

bool gop_progress(struct guest *g, unsigned cpu, uint64_t n, unsigned seconds)
{
	uint64_t from = g->mb->cpu[cpu].progress;
	double end = now() + seconds;

	while (g->mb->cpu[cpu].progress - from < n) {
		if (now() > end)
			return false;
		usleep(200);
	}
	return true;
}

uint64_t g_read(struct guest *g, uint64_t addr)
{
	return gop(g, 0, GOP_READ, addr, 8);
}

void g_write(struct guest *g, uint64_t addr, uint64_t value)
{
	gop(g, 0, GOP_WRITE, addr, 8, value);
}

uint64_t mix(uint64_t seed, uint64_t i)
{
	uint64_t x = seed + i * 0x9e3779b97f4a7c15UL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

unsigned check_fill(const void *p, size_t bytes, uint64_t seed)
{
	const volatile uint64_t *q = p;
	unsigned bad = 0;
	size_t i;

	for (i = 0; i < bytes / 8; i++)
		bad += q[i] != mix(seed, i);
	return bad;
}

uint64_t g_data(struct guest *g, unsigned offset, const void *p, size_t n)
{
	const uint8_t *s = p;
	size_t i;

	if (offset + n > sizeof(g->mb->data))
		die("argument too large");
	for (i = 0; i < n; i++)
		g->mb->data[offset + i] = s[i];
	__sync_synchronize();
	return MBOX_GPA + MBOX_DATA + offset;
}

/* ---- memory ---- */

uint64_t xen_free_pages(void)
{
	long last = 0, n = 0;
	int i;

	/* pages of a domain that died come back a little later */
	for (i = 0; i < 50; i++) {
		n = toolstack_free_pages();
		if (n < 0)
			die("xc_physinfo: %s", strerror(-n));
		if (i && n == last)
			break;
		last = n;
		usleep(20000);
	}
	return n;
}

static void open_frames(void)
{
	if (fd_xlpfn >= 0)
		return;
	fd_pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	fd_xlpfn = open("/dev/xlpfn", O_RDWR | O_CLOEXEC);
	if (fd_pagemap < 0 || fd_xlpfn < 0)
		die("no /proc/self/pagemap or /dev/xlpfn (module xlpfn not loaded?): %s", strerror(errno));
}

uint64_t frame_of(const void *p)
{
	uint64_t e;

	open_frames();
	if (pread(fd_pagemap, &e, 8, (uintptr_t)p / PAGE * 8) == 8 && e >> 63) {
		e &= (1ULL << 55) - 1;
	} else {
		e = (uintptr_t)p;
		if (ioctl(fd_xlpfn, XLPFN_MAPPED, &e))
			die("page %p is not present: %s", p, strerror(errno));
	}
	if (ioctl(fd_xlpfn, XLPFN_FRAME, &e))
		die("xlpfn: %s", strerror(errno));
	return e;
}

uint64_t frame_of_pgd(void)
{
	uint64_t e = 0;

	open_frames();
	if (ioctl(fd_xlpfn, XLPFN_PGD, &e))
		die("xlpfn: %s", strerror(errno));
	return e;
}

static struct pool *pool_make(size_t nr, bool shared)
{
	struct pool *p = calloc(1, sizeof(*p));
	size_t i;

	p->nr = nr;
	p->va = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
	if (p->va == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	madvise(p->va, nr * PAGE, MADV_NOHUGEPAGE);
	if (!shared)
		madvise(p->va, nr * PAGE, MADV_DONTFORK);
	memset(p->va, 0, nr * PAGE);
	if (mlock(p->va, nr * PAGE))
		die("mlock: %s", strerror(errno));
	memset(p->va, 0, nr * PAGE);
	p->frame = calloc(nr, sizeof(*p->frame));
	for (i = 0; i < nr; i++)
		p->frame[i] = frame_of(p->va + i * PAGE);
	return p;
}

struct pool *pool_new(size_t nr)
{
	return pool_make(nr, false);
}

struct pool *pool_new_shared(size_t nr)
{
	return pool_make(nr, true);
}

void pool_free(struct pool *p)
{
	munmap(p->va, p->nr * PAGE);
	free(p->frame);
	free(p);
}
