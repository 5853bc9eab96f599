// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S11 where FLASK decides: who may lend is whom the policy lets, and nobody by other means.  A failure would mean that a domain
 * lends to a guest although the policy of the machine forbids it, or that what was lent cannot be taken back for that reason.
 *
 * The labels are Xen's own, and those of lab/xen-policy/lab.te; lab/run --xen flask boots with that policy.
 */
#include "suites.h"
#include "drv.h"
#include "lender.h"
#include <xen/memory.h>

#define LAB_POLICY	"/xenlend/flask/xenpolicy"
#define WITHOUT		"/xenlend/flask/xenpolicy-without"	/* the same, but its interfaces give no lend_memory */

static uint64_t window;

static void enforce(bool on)
{
	if (xc_flask_setenforce(xch, on))
		die("FLASK's mode cannot be changed: %s", strerror(errno));
}

static void boolean(const char *name, bool on)
{
	char text[32];

	snprintf(text, sizeof(text), "%s", name);
	if (xc_flask_setbool(xch, text, on, 1))
		die("boolean %s: %s", name, strerror(errno));
}

static void load(const char *path)
{
	static char policy[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, policy, sizeof(policy));

	if (n <= 0 || n == sizeof(policy) || xc_flask_load(xch, policy, n))
		die("the policy %s cannot be loaded: %s", path, strerror(errno));
	close(fd);
}

static int relabel(struct guest *g, const char *type)
{
	return xc_flask_relabel_domain(xch, g->domid, flask_label(type)) ? -errno : 0;
}

static struct guest *labelled(const char *type)
{
	return guest_new(&(struct guest_options){ .label = type });
}

/* ---- what the lender does; its server is the last that it made ---- */

static long create(uint64_t gfn)
{
	uint64_t id;
	long rc = lender_lend(XENMEM_LEND_create, 0, gfn, 16, lender_server_id, &id);

	if (!rc)
		window = id;
	return rc;
}

static long lend(unsigned slot, unsigned n)
{
	return lender_lend(XENMEM_LEND_lend, window, slot, n, (RAM_GPA >> 12) + slot, NULL);
}

static long take_back(unsigned slot, unsigned n)
{
	return lender_lend(XENMEM_LEND_revoke, window, slot, n, 0, NULL);
}

static long destroy(void)
{
	return lender_lend(XENMEM_LEND_destroy, window, 0, 0, 0, NULL);
}

static long lent(void)
{
	struct xen_mem_lend_counters c = {};
	long rc = lender_query(window, &c);

	return rc ? rc : (long)c.lent;
}

static void lender_new(const char *type)
{
	lender = labelled(type);
	for (int i = 0; i < 16; i++)
		gop(lender, 0, GOP_WRITE, RAM_GPA + i * PAGE, 8, PATTERN + i);
}

static void lends(const char *who)
{
	lender_server(true, true);
	err(create(WIN_GFN), 0, "%s opens a window", who);
	err(lend(0, 4), 0, "... lends");
	eqx(g_read(borrower, W(3)), PATTERN + 3, "... the borrower reads");
	eq(lent(), 4, "... asks");
	err(take_back(3, 1), 0, "... revokes");
	eq(lent(), 3, "... and one is gone");
}

/* ---- device models ---- */

static void device_model(void)
{
	struct guest *g = guest_new(NULL), *other = guest_new(NULL);

	at("a device model");
	lender_new("dm_dom_t");
	borrower = g;
	err(lender_server_try(), -EACCES, "the label of a device model gives it no guest: no server");
	err(create(WIN_GFN), -EACCES, "... no window");

	at("a device model, on the list");
	err(change_target(ADD_TARGET, lender->domid, g->domid), 0, "a guest becomes its target");
	lends("now it");
	borrower = other;
	err(lender_server_try(), -EACCES, "not in another guest of the same label: no server");
	err(create(WIN_GFN), -EACCES, "... no window");
	borrower = g;
	lender_let_go(lender_server_gfn);
	err(change_target(REMOVE_TARGET, lender->domid, g->domid), 0, "the target is taken away");
	eqx(g_read(g, W(0)), ~0UL, "what it had lent is gone");
	err(lender_server_try(), -EACCES, "so is its privilege: no server");
	err(create(WIN_GFN), -EACCES, "... no window");

	at("a device model, by set_target");
	err(xc_domain_set_target(xch, lender->domid, g->domid), 0, "a target for good");
	lends("it");
	ok(guest_free(lender), "the lender goes away");
	eqx(g_read(g, W(0)), ~0UL, "... and what it lent");
	ok(guest_free(g) && guest_free(other), "the guests go away");
}

/* Each of these changes what the policy says: the same calls fail, work, and fail again. */
static void forbidden(const char *how)
{
	long n = lent();

	eqx(g_read(borrower, W(0)), PATTERN, "%s: what is lent stays", how);
	err(lend(1, 1), -EACCES, "... nothing more is lent");
	err(create(WIN_GFN + 32), -EACCES, "... no other window is made");
	eq(lent(), n, "... nothing has changed, as it finds when it asks");
	err(take_back(0, 1), 0, "... it may take back what is lent");
	eq(lent(), n - 1, "... all of it");
}

static void without_permission(void)
{
	struct raw *r;
	uint64_t own;

	at("a device model that may not lend");
	borrower = guest_new(NULL);
	lender_new("lab_mute_t");
	err(change_target(ADD_TARGET, lender->domid, borrower->domid), 0, "a guest is the target of a device model without lend_memory");
	lender_server(true, true);
	ok(true, "... it has a server there, and its page");
	err(create(WIN_GFN), -EACCES, "... but no window");
	window = 1;
	err(lend(0, 1), -ENOENT, "... nor one to lend to");
	err(lent(), -ENOENT, "... to ask of");
	err(take_back(0, 16), 0, "... to revoke: there is nothing to do");
	err(destroy(), 0, "... to destroy, likewise");
	r = raw_open_bare(borrower);
	err(raw_create(borrower->domid, WIN_GFN, 16, r->id, &own), 0, "nothing of it is left: dom0 makes a window in that place");
	err(raw_destroy(borrower->domid, own), 0, "... and destroys it");
	raw_close(r);

	at("setenforce");
	enforce(false);
	err(create(WIN_GFN), 0, "FLASK permissive: it makes a window");
	err(lend(0, 1), 0, "... and lends");
	enforce(true);
	forbidden("enforcing");
	err(destroy(), 0, "... and the window");

	at("a boolean");
	boolean("lab_mute_lends", true);
	err(create(WIN_GFN), 0, "a boolean of the policy: it makes a window");
	err(lend(0, 1), 0, "... and lends");
	boolean("lab_mute_lends", false);
	forbidden("the boolean off");
	boolean("lab_mute_lends", true);
	err(lend(1, 1), 0, "on again: it lends");
	eqx(g_read(borrower, W(1)), PATTERN + 1, "... the borrower reads");
	boolean("lab_mute_lends", false);
	err(destroy(), 0, "off: the window goes");
	ok(guest_free(lender) && guest_free(borrower), "lender and borrower go away");
}

static void other_policy(void)
{
	at("another policy");
	borrower = guest_new(NULL);
	lender_new("dm_dom_t");
	err(change_target(ADD_TARGET, lender->domid, borrower->domid), 0, "a target");
	lender_server(true, true);
	err(create(WIN_GFN), 0, "a window");
	err(lend(0, 1), 0, "a page is lent");
	load(WITHOUT);
	err(lender_server_try(), 0, "a policy whose interfaces do not know of lending is loaded: still a device model");
	forbidden("without them");
	load(LAB_POLICY);
	err(lend(1, 1), 0, "ours is loaded: it lends");
	eqx(g_read(borrower, W(1)), PATTERN + 1, "... the borrower reads");
	ok(guest_free(lender) && guest_free(borrower), "lender and borrower go away");
}

/* ---- dom0, by hypercalls and by the driver ---- */

static void not_even_dom0(void)
{
	struct lent l = lent_open(16, LENDDEV_POLICY_ONES);
	struct raw *r;
	struct win *w;
	struct pool *p = pool_new(4);
	struct xen_mem_lend_counters c = {};
	uint64_t id;

	at("dom0");
	r = raw_open(l.g);
	w = raw_window(r, WIN_GFN + 64, 16);
	raw_back(w, 0, 4, p, 0);
	lent_anon(&l, 0, 8);
	g_write(l.g, W(0), 77);
	eq(*(uint64_t *)l.span, 77, "dom0's driver lends");
	g_write(l.g, W(64), 78);
	eq(*(uint64_t *)pool_page(p, 0), 78, "... and so do hypercalls of dom0");

	err(relabel(l.g, "lab_closed_t"), 0, "the guest gets a label that dom0 may not lend to");
	eqx(g_read(l.g, W(0)), 77, "what is lent stays");
	eqx(g_read(l.g, W(64)), 78, "... also what hypercalls lent");
	err(raw_lend(l.g->domid, w->id, 1, 1, p->frame + 1, NULL, XENMEM_LEND_WRITE), -EACCES, "dom0 lends no more");
	err(raw_create(l.g->domid, WIN_GFN + 128, 16, r->id, &id), -EACCES, "... nor makes a window");
	err(raw_query(l.g->domid, w->id, &c), 0, "... it may ask");
	eq(c.lent, 1, "... and nothing has changed");
	eqx(g_read(l.g, W(1)), ~0UL, "what the driver cannot lend are ones");
	err(drv_populate(l.fd, l.id, 2 * PAGE, PAGE, true, NULL), -EPERM, "... populate fails");
	eq(lent_now(&l), 1, "... and nothing has changed");
	err(drv_window(l.fd, GUEST_WINDOW + 256 * PAGE, 16 * PAGE, l.span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 1), -EPERM,
	    "the driver makes no other window");
	err(win_revoke(w, 0, 16), 0, "what hypercalls lent is revoked");
	if (madvise(l.span, PAGE, MADV_DONTNEED))
		die("madvise: %s", strerror(errno));
	eq(lent_now(&l), 0, "what dom0's kernel takes back is not lent any more");
	eqx(g_read(l.g, W(0)), ~0UL, "... and the guest reads ones");

	boolean("lab_closed_open", true);
	g_write(l.g, W(1), 79);
	eq(*(uint64_t *)(l.span + PAGE), 79, "a boolean lets dom0 lend to that label: the driver does");
	boolean("lab_closed_open", false);
	eqx(g_read(l.g, W(6)), ~0UL, "... off again: ones");	/* a page that nobody has touched: it is no lent page's neighbour */
	err(relabel(l.g, "domU_t"), 0, "the guest gets back the label that it had");
	g_write(l.g, W(6), 80);
	eq(*(uint64_t *)(l.span + 6 * PAGE), 80, "the driver lends to it");
	err(drv_populate(l.fd, l.id, 7 * PAGE, PAGE, true, NULL), 0, "... populate works");
	g_write(l.g, W(65), 81);
	eq(*(uint64_t *)pool_page(p, 1), 81, "... and so do hypercalls");
	raw_close(r);
	pool_free(p);
	ok(lent_close(&l), "all goes away");
}

/* ---- who may say whose device model a domain is ---- */

static void toolstacks(void)
{
	struct guest *stranger, *tool, *g;

	at("targets that the policy forbids");
	lender_new("dm_dom_t");
	g = guest_new(NULL);
	stranger = guest_new(NULL);
	err(change_target(ADD_TARGET, stranger->domid, g->domid), -EACCES, "dom0 makes nobody a device model who has not the label (make_priv_for)");
	err(change_target(REMOVE_TARGET, stranger->domid, g->domid), -EACCES, "... nor the contrary");
	tool = labelled("lab_tool_t");
	err(change_target(ADD_TARGET, lender->domid, tool->domid), -EACCES, "what is nobody's target does not become one (set_as_target)");
	err(change_target(REMOVE_TARGET, lender->domid, tool->domid), -EACCES, "... nor ends to be one");
	err(relabel(stranger, "lab_closed_t"), 0, "a label that is no target of this device model, but of others");
	err(change_target(ADD_TARGET, lender->domid, stranger->domid), -EACCES, "... does not become one of it (set_target)");
	err(change_target(REMOVE_TARGET, lender->domid, stranger->domid), 0, "... but could be taken away");
	borrower = stranger;
	err(create(WIN_GFN), -EACCES, "none of it gave the device model a guest");

	at("a toolstack that is not dom0");
	err(relabel(stranger, "domU_t"), 0, "an ordinary guest");
	borrower = g;
	err(guest_change_target(stranger, ADD_TARGET, lender->domid, g->domid), -EACCES, "an ordinary guest gives no targets");
	err(create(WIN_GFN), -EACCES, "... the device model has none");
	err(guest_change_target(tool, ADD_TARGET, lender->domid, g->domid), 0, "one that the policy lets does");
	lends("the device model");
	err(guest_change_target(stranger, REMOVE_TARGET, lender->domid, g->domid), -EACCES, "an ordinary guest takes none away");
	eqx(g_read(g, W(0)), PATTERN, "... what is lent stays");
	err(lend(5, 1), 0, "... and more is lent");
	lender_let_go(lender_server_gfn);
	err(guest_change_target(tool, REMOVE_TARGET, lender->domid, g->domid), 0, "who gave it takes it away");
	eqx(g_read(g, W(0)), ~0UL, "... what was lent is gone");
	err(create(WIN_GFN), -EACCES, "... and the privilege");
	ok(guest_free(lender) && guest_free(tool) && guest_free(g) && guest_free(stranger), "all go away");
}

void suite_flask(void)
{
	uint64_t before;

	xen_open();
	if (!has_flask) {
		skip("what FLASK says of lending", "this Xen has no FLASK: lab/run --xen flask");
		return;
	}
	eq(xc_flask_getenforce(xch), 1, "FLASK is enforcing");
	guest_free(guest_new(NULL));
	before = xen_free_pages();
	device_model();
	without_permission();
	other_policy();
	not_even_dom0();
	toolstacks();
	ok(xen_free_pages() + 64 >= before, "no pages are missing (%ld before, %ld after)", (long)before, (long)xen_free_pages());
}
