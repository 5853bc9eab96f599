// SPDX-License-Identifier: GPL-2.0-or-later
/* Features of a borrower that do not go with windows: one of the two is refused, and lent slots stay as they are. */
#include "suites.h"
#include <xen/sched.h>
#include <xenguest.h>

static struct guest *g;
static struct raw *r;
static struct pool *pool;

static int window_in(const struct guest_options *o, const char *what)
{
	struct guest *h;
	uint64_t id;
	ioservid_t server;
	int rc = guest_try_new(o, &h);

	if (rc) {
		skip(what, "such a domain cannot be built here: %s", strerror(-rc));
		return 0;
	}
	if (xendevicemodel_create_ioreq_server(xdm, h->domid, 0, &server))
		die("no ioreq server: %s", strerror(errno));
	rc = raw_create(h->domid, WIN_GFN, 4, server, &id);
	ok(guest_free(h), "the domain with %s goes away", what);
	return rc;
}

static int logdirty(unsigned op)
{
	return xc_logdirty_control(xch, g->domid, op, NULL, 0, 0, NULL) < 0 ? -errno : 0;
}

/* ---- one of the two, and never both: whoever comes first, and when they come at once ---- */

struct feature {
	const char *name;
	int (*on)(void);	/* 0 or -errno */
	void (*off)(void);
	const char *why;	/* not tested here, or NULL */
};

static int logdirty_on(void)
{
	return logdirty(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
}

static void logdirty_off(void)
{
	logdirty(XEN_DOMCTL_SHADOW_OP_OFF);
}

static void *ring;
static int monitor_on(void)
{
	static xc_interface *quiet;	/* libxc has much to say when it is refused */
	uint32_t port;

	if (!quiet)
		quiet = xc_interface_open((xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0), NULL, 0);
	ring = xc_monitor_enable(quiet, g->domid, &port);
	return ring ? 0 : -errno;
}

static void monitor_off(void)
{
	xc_monitor_disable(xch, g->domid);
	munmap(ring, PAGE);
}

static int save(void)
{
	int n = xc_domain_hvm_getcontext(xch, g->domid, NULL, 0);
	uint8_t *buf;

	if (n <= 0)
		return -errno;
	buf = calloc(1, n);
	n = xc_domain_hvm_getcontext(xch, g->domid, buf, n);
	n = n < 0 ? -errno : 0;
	free(buf);
	return n;
}

static void both_orders(struct feature *f)
{
	uint64_t id;
	int rc;

	at("a window and %s", f->name);
	rc = f->on();
	if (rc) {
		f->why = strerror(-rc);
		skip(f->name, "it cannot be switched on here: %s", f->why);
		return;
	}
	err(raw_create(g->domid, WIN_GFN, 4, r->id, &id), -EBUSY, "no window where there is %s", f->name);
	f->off();
	rc = raw_create(g->domid, WIN_GFN, 4, r->id, &id);
	if (!err(rc, 0, "... without, there can be one"))
		return;
	rc = f->on();
	if (!err(rc, -EBUSY, "... then there cannot be %s", f->name) && !rc)
		f->off();
	raw_destroy(g->domid, id);
	rc = f->on();
	if (err(rc, 0, "... and when the window is gone, again"))
		f->off();
}

static volatile int round_on, round_done, on_rc;
static volatile double on_delay;
static struct feature *racing;

static void idle(double seconds)
{
	double end = now() + seconds;

	while (seconds > 0 && now() < end)
		;
}

static void *racer(void *arg)
{
	int n, seen = 0;

	(void)arg;
	while ((n = round_on) >= 0) {
		if (n == seen)
			continue;
		seen = n;
		idle(on_delay);
		on_rc = racing->on();
		__sync_synchronize();
		round_done = n;
	}
	return NULL;
}

/*
 * Both at the same moment, over and over: each finds the other at every point
 * of its way. How much later one of them begins follows who came first, since
 * how long each takes depends on what else the machine does.
 */
static void race(struct feature *f, double seconds)
{
	unsigned n, both = 0, first = 0, second = 0, neither = 0, i;
	uint64_t id, x = 88172645463325252UL;
	double end, t, on = 1, create = 1, step, later = 0;
	pthread_t thread;
	int rc, in_row = 0;

	if (f->why)
		return;
	at("a window and %s at once", f->name);
	for (i = 0; i < 8; i++) {	/* how long each takes when it is alone */
		t = now();
		if (f->on())
			return;
		t = now() - t;
		on = t < on ? t : on;
		f->off();
		t = now();
		if (raw_create(g->domid, WIN_GFN, 4, r->id, &id))
			return;
		t = now() - t;
		create = t < create ? t : create;
		raw_destroy(g->domid, id);
	}
	racing = f;
	round_on = round_done = 0;
	pthread_create(&thread, NULL, racer, NULL);
	step = (on + create) / 16;
	end = now() + seconds;
	for (n = 1; now() < end && n < 20000; n++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		t = later + ((x >> 11 & 0xffff) / 65536.0 - 0.5) * (on + create);
		on_delay = t < 0 ? -t : 0;
		__sync_synchronize();
		round_on = n;
		idle(t);
		rc = raw_create(g->domid, WIN_GFN, 4, r->id, &id);
		while (round_done != (int)n)
			;
		__sync_synchronize();
		both += !rc && !on_rc;
		first += !rc && on_rc;
		second += rc && !on_rc;
		neither += rc && on_rc;
		if (rc != on_rc) {	/* the one that came first begins later, much if it always does */
			in_row = !rc == (in_row > 0) ? in_row + (rc ? -1 : 1) : rc ? -1 : 1;
			later += step * in_row;
		}
		if ((rc && rc != -EBUSY) || (on_rc && on_rc != -EBUSY)) {
			ok(false, "round %u: a window %d, %s %d", n, rc, f->name, on_rc);
			break;
		}
		if (!on_rc)
			f->off();
		if (!rc)
			raw_destroy(g->domid, id);
	}
	round_on = -1;
	pthread_join(thread, NULL);
	eq(both, 0, "never a window and %s, in %u rounds (%u windows, %u the other, %u neither)", f->name, n - 1, first, second, neither);
	ok(n < 50 || (first && second), "... and each came first at times");
}

/* ---- populate on demand ---- */

static int pod_extent(uint32_t domid, xen_pfn_t gfn)
{
	int n = xc_domain_populate_physmap(xch, domid, 1, 9, XENMEMF_populate_on_demand, &gfn);

	return n == 1 ? 0 : n < 0 ? -errno : -EPERM;
}

static void pod(void)
{
	uint64_t tot, cache, entries, id;
	xen_pfn_t over;
	struct guest *h = guest_new(&(struct guest_options){ .empty = true, .mem_mb = 64 });
	struct raw *s = raw_open_bare(h);
	struct pool *p = pool_new(1);
	int rc;

	at("populate on demand");
	rc = xc_domain_set_pod_target(xch, h->domid, 1024, &tot, &cache, &entries);
	if (rc) {
		skip("populate on demand", "no such domain can be made here: %s", strerror(errno));
		goto out;
	}
	rc = pod_extent(h->domid, 0);
	eq(rc, 0, "2 MiB to be populated on demand");
	err(raw_create(h->domid, WIN_GFN, 4, s->id, &id), -EBUSY, "... no window in that domain");
	raw_close(s);
	ok(guest_free(h), "... which goes away");

	h = guest_new(&(struct guest_options){ .empty = true, .mem_mb = 64 });
	s = raw_open_bare(h);
	if (!err(raw_create(h->domid, WIN_GFN, 4, s->id, &id), 0, "a window in another"))
		goto out;
	rc = pod_extent(h->domid, 512);
	ok(rc < 0, "... then nothing can be populated on demand (%d)", rc);
	rc = pod_extent(h->domid, WIN_GFN & ~511UL);
	ok(rc < 0, "... least of all the window (%d)", rc);
	tot = cache = entries = 0;
	rc = xc_domain_set_pod_target(xch, h->domid, 1024, &tot, &cache, &entries);
	ok(rc < 0 || (!cache && !entries), "... and there is no cache for it (%d, %lu pages)", rc, (long)cache);
	err(raw_lend(h->domid, id, 0, 1, p->frame, NULL, 0), 0, "... the window works");
	raw_revoke(h->domid, id, 0, 4);
	over = WIN_GFN & ~511UL;
	eq(xc_domain_populate_physmap(xch, h->domid, 1, 9, 0, &over), 1, "2 MiB of memory are put over it");
	err(raw_lend(h->domid, id, 0, 1, p->frame, NULL, 0), -EEXIST, "... where nothing can be lent any more");
	raw_destroy(h->domid, id);
	rc = pod_extent(h->domid, 512);
	eq(rc, 0, "... and when it is gone, populate on demand does");
out:
	raw_close(s);
	ok(guest_free(h), "the domain goes away");
	pool_free(p);
}

/* ---- state ---- */

static int refuse_suspend(void *data)
{
	(void)data;
	puts("suspend");
	return 0;
}

static int no_qemu(uint32_t domid, unsigned enable, void *data)
{
	(void)domid, (void)enable, (void)data;
	return 0;
}

/* In a process of its own, as the series' libxenguest is to be used for this and for nothing else. */
int save_by_library(unsigned domid)
{
	xentoollog_logger *log = (xentoollog_logger *)xtl_createlogger_stdiostream(stdout, XTL_ERROR, 0);
	struct save_callbacks cb = { .suspend = refuse_suspend, .switch_qemu_logdirty = no_qemu };
	xc_interface *x = xc_interface_open(log, NULL, 0);
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return !x || fd < 0 || xc_domain_save(x, fd, domid, 0, &cb, XC_STREAM_PLAIN, -1);
}

/* What a toolstack with the series' libxenguest gets as far as: said in `text`.  True if it came to suspend the domain. */
static bool toolstack_saves(char *text, size_t size)
{
	char cmd[200];
	size_t n;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "LD_LIBRARY_PATH=/xenlend/series %s --save %u 2>&1", program_invocation_name, g->domid);
	f = popen(cmd, "r");
	if (!f)
		die("%s: %s", cmd, strerror(errno));
	n = fread(text, 1, size - 1, f);
	text[n] = 0;
	pclose(f);
	return strstr(text, "suspend\n");
}

static void saving(void)
{
	struct pool *p = pool_new(1);
	uint64_t id, second;
	char text[4096];

	at("saving");
	xc_domain_pause(xch, g->domid);
	if (!err(save(), 0, "a domain's state can be saved"))
		goto out;
	raw_create(g->domid, WIN_GFN, 4, r->id, &id);
	raw_create(g->domid, WIN_GFN + 16, 4, r->id, &second);
	err(save(), -EBUSY, "... not with windows");
	ok(!toolstack_saves(text, sizeof(text)), "... the toolstack does not even suspend it");
	ok(strstr(text, "lends memory to this one"), "... and says why: %.200s", text);
	raw_lend(g->domid, id, 0, 1, p->frame, NULL, 0);
	err(save(), -EBUSY, "... nor with something lent");
	raw_destroy(g->domid, id);
	err(save(), -EBUSY, "... nor with one window left");
	raw_destroy(g->domid, second);
	err(save(), 0, "... again when all windows are gone");
	err(xc_domain_hvm_getcontext(xch, 0, NULL, 0) < 0 ? -errno : 0, -EINVAL, "... this domain itself as before: not at all");
	ok(toolstack_saves(text, sizeof(text)), "... and the toolstack goes on, to suspend it: %.300s", text);
out:
	xc_domain_unpause(xch, g->domid);
	pool_free(p);
}

/* A domain that starts anew, as a guest does for kexec: nothing of a lender's is in it any more. */
static void soft_reset(void)
{
	struct guest *h = guest_new(NULL);
	struct raw *s = raw_open(h);
	struct pool *p = pool_new(1);
	struct win *w = raw_window(s, WIN_GFN, 4);
	struct sched_shutdown why = { SHUTDOWN_soft_reset };
	struct xen_mem_lend_counters q;
	xc_domaininfo_t info;
	double end = now() + 30;
	int rc;

	at("soft reset");
	raw_back(w, 0, 1, p, 0);
	*(uint64_t *)pool_page(p, 0) = 0x55;
	eqx(g_read(h, W(0)), 0x55, "a domain borrows a page");
	err(xc_domain_soft_reset(xch, h->domid) ? -errno : 0, -EINVAL, "it cannot be reset while it runs");
	eq(raw_query(h->domid, w->id, &q), 0, "... and has its window");
	gop_start(h, 0, GOP_HYPERCALL, __HYPERVISOR_sched_op, SCHEDOP_shutdown, g_data(h, 0, &why, sizeof(why)));
	do {
		usleep(1000);
		rc = xc_domain_getinfo_single(xch, h->domid, &info);
	} while (!rc && !(info.flags & XEN_DOMINF_shutdown) && now() < end);
	ok(!rc && info.flags & XEN_DOMINF_shutdown, "it shuts down to be reset");
	rc = xc_domain_soft_reset(xch, h->domid) ? -errno : 0;
	err(raw_query(h->domid, w->id, &q), -ENOENT, "reset (%d): its window is gone", rc);
	raw_abandon(s);
	ok(guest_free(h), "the domain goes away");
	pool_free(p);
}

/* Rights that Xen keeps for whatever comes: not for what is lent. */
static void default_access(void)
{
	uint64_t id, f;
	int rc;

	at("default access rights");
	if (monitor_on())
		return;
	rc = xc_set_mem_access(xch, g->domid, XENMEM_access_n, ~0UL, 1);
	monitor_off();
	if (rc) {
		skip("default access rights", "they cannot be set here: %s", strerror(errno));
		return;
	}
	f = pool->frame[0];
	rc = raw_create(g->domid, WIN_GFN, 4, r->id, &id);
	if (!rc) {
		raw_lend(g->domid, id, 0, 1, &f, NULL, XENMEM_LEND_WRITE);
		*(uint64_t *)pool_page(pool, 0) = 0x44;
		eqx(g_read(g, W(0)), 0x44, "default access rights do not hold for what is lent");
		raw_destroy(g->domid, id);
	}
	if (!monitor_on()) {
		xc_set_mem_access(xch, g->domid, XENMEM_access_rwx, ~0UL, 1);
		monitor_off();
	}
}

void suite_features(void)
{
	struct feature dirty = { "log-dirty mode", logdirty_on, logdirty_off, NULL };
	struct feature monitor = { "a monitor", monitor_on, monitor_off, NULL };
	struct win *w;
	int rc;

	xen_open();
	at("at creation");
	rc = window_in(&(struct guest_options){ .nested = true }, "nested virtualisation");
	if (rc)
		err(rc, -EOPNOTSUPP, "... and no window");
	rc = window_in(&(struct guest_options){ .altp2m = XEN_DOMCTL_ALTP2M_mixed }, "altp2m");
	if (rc)
		err(rc, -EOPNOTSUPP, "... and no window");

	g = guest_new(NULL);
	r = raw_open(g);
	pool = pool_new(4);
	both_orders(&dirty);
	both_orders(&monitor);
	default_access();
	saving();
	soft_reset();
	pod();
	race(&dirty, lender_pvh ? 10 : 20);
	race(&monitor, 10);

	w = raw_window(r, WIN_GFN, 4);
	raw_back(w, 0, 4, pool, 0);
	*(uint64_t *)pool_page(pool, 0) = 0x11;
	*(uint64_t *)pool_page(pool, 1) = 0x22;
	eq(win_lend(w, 0, true), 0, "lend one");
	eq(win_lend(w, 1, false), 0, "lend one read-only");

	at("later");
	err(logdirty(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY), -EBUSY, "dirty pages cannot be logged now");
	eqx(g_read(g, W(0)), 0x11, "what is lent is there");
	rc = xc_set_mem_access(xch, g->domid, XENMEM_access_n, WIN_GFN, 1);
	ok(rc, "access rights of a lent slot cannot be changed");
	rc = xc_set_mem_access(xch, g->domid, XENMEM_access_r, WIN_GFN + 1, 1);
	ok(rc, "... nor of a read-only one");
	eqx(g_read(g, W(0)), 0x11, "the slot is still there");
	eqx(g_read(g, W(1)), 0x22, "... and the other one");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
}
