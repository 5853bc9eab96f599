// SPDX-License-Identifier: GPL-2.0-or-later
/* Features of a borrower that do not go with windows: one of the two is refused, and lent slots stay as they are. */
#include "suites.h"

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

static void mem_access(void)
{
	uint32_t port;
	void *ring = xc_monitor_enable(xch, g->domid, &port);
	xenmem_access_t a;
	int rc;

	if (!ring) {
		skip("access rights of a lent slot", "monitoring cannot be enabled here: %s", strerror(errno));
		return;
	}
	rc = xc_set_mem_access(xch, g->domid, XENMEM_access_rw, 0x180, 1);
	if (rc)
		skip("access rights of a lent slot", "not even those of RAM can be set here: %s", strerror(errno));
	else {
		xc_set_mem_access(xch, g->domid, XENMEM_access_rwx, 0x180, 1);
		rc = xc_set_mem_access(xch, g->domid, XENMEM_access_n, WIN_GFN, 1);
		err(rc ? -errno : 0, -EPERM, "access rights of a lent slot cannot be changed");
		rc = xc_set_mem_access(xch, g->domid, XENMEM_access_r, WIN_GFN + 1, 1);
		err(rc ? -errno : 0, -EPERM, "... nor of a read-only one");
		if (!xc_get_mem_access(xch, g->domid, WIN_GFN, &a))
			eq(a, XENMEM_access_rwx, "... and are what they were");
	}
	xc_monitor_disable(xch, g->domid);
	munmap(ring, PAGE);
	eqx(g_read(g, W(0)), 0x11, "the slot is still there");
	eqx(g_read(g, W(1)), 0x22, "... and the other one");
}

void suite_features(void)
{
	struct win *w;
	uint64_t id;
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
	rc = logdirty(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
	if (rc)
		skip("a window while dirty pages are logged", "they cannot be logged here: %s", strerror(-rc));
	else {
		err(raw_create(g->domid, WIN_GFN, 4, r->id, &id), -EBUSY, "a window while dirty pages are logged");
		logdirty(XEN_DOMCTL_SHADOW_OP_OFF);
	}

	w = raw_window(r, WIN_GFN, 4);
	raw_back(w, 0, 4, pool, 0);
	*(uint64_t *)pool_page(pool, 0) = 0x11;
	*(uint64_t *)pool_page(pool, 1) = 0x22;
	eq(win_lend(w, 0, true), 0, "lend one");
	eq(win_lend(w, 1, false), 0, "lend one read-only");

	at("later");
	err(logdirty(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY), -EBUSY, "dirty pages cannot be logged now");
	eqx(g_read(g, W(0)), 0x11, "what is lent is there");
	mem_access();
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
}
