// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S11: a lender that serves several guests has power over these and no others, for as long as dom0 says so.  A failure would
 * mean that a GPU's driver domain reaches a guest that it was not given, or keeps what was taken from it.
 */
#include "suites.h"
#include "lender.h"
#include <xen/domctl.h>
#include <xen/memory.h>

struct served {
	struct guest *g;
	uint64_t window;
	uint64_t server_gfn;
	uint64_t pattern;
};

/* The lender makes a server and a window in it, and lends it four pages of its own. */
static void serve(struct served *s, struct guest *g, uint64_t gpa, uint64_t pattern)
{
	s->g = borrower = g;
	s->pattern = pattern;
	lender_server(true, true);
	s->server_gfn = lender_server_gfn;
	if (lender_lend(XENMEM_LEND_create, 0, WIN_GFN, 16, lender_server_id, &s->window))
		die("no window");
	for (int i = 0; i < 4; i++)
		gop(lender, 0, GOP_WRITE, gpa + i * PAGE, 8, pattern + i);
	if (lender_lend(XENMEM_LEND_lend, s->window, 0, 4, gpa >> 12, NULL))
		die("nothing is lent");
}

static unsigned missing(const struct served *s)
{
	unsigned i, n = 0;

	for (i = 0; i < 4; i++)
		n += g_read(s->g, W(i)) != s->pattern + i;
	return n;
}

static unsigned servers_free(struct guest *g)
{
	ioservid_t id[16];
	unsigned n = 0, i;

	while (n < 16 && !xendevicemodel_create_ioreq_server(xdm, g->domid, 0, &id[n]))
		n++;
	for (i = 0; i < n; i++)
		xendevicemodel_destroy_ioreq_server(xdm, g->domid, id[i]);
	return n;
}

static long powerless(struct guest *g)
{
	long rc;

	borrower = g;
	rc = lender_server_try();
	return rc ? rc : lender_lend(XENMEM_LEND_create, 0, WIN_GFN + 64, 16, 0, NULL);
}

/* Exit status; what it says goes to a file. */
#define SAID "/tmp/xltargets.out"
static int command(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int command(const char *fmt, ...)
{
	char args[100], line[200];
	va_list va;
	int rc;

	va_start(va, fmt);
	vsnprintf(args, sizeof(args), fmt, va);
	va_end(va);
	snprintf(line, sizeof(line), "timeout 60 xenlend targets %s > " SAID " 2>&1", args);
	rc = system(line);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static bool says(const char *text)
{
	char line[200];

	snprintf(line, sizeof(line), "grep -q '%s' " SAID, text);
	return !system(line);
}

static void by_command(struct guest *third)
{
	at("by the command");
	eq(command("add %u %u", lender->domid, third->domid), 0, "xenlend targets add");
	borrower = third;
	err(lender_server_try(), 0, "... gives the lender privilege");
	eq(command("add %u %u", lender->domid, third->domid), 0, "... again: nothing to do");
	eq(command("remove %u %u", lender->domid, third->domid), 0, "xenlend targets remove");
	err(powerless(third), xen_denies, "... takes it");
	eq(command("remove %u %u", lender->domid, third->domid), 0, "... again: nothing to do");
	eq(command("add %u 28963", lender->domid), 1, "no such guest");
	ok(says("there is no such domain"), "... it says so");
	eq(command("add %u %u", lender->domid, lender->domid), 1, "a domain as its own target");
	ok(says(has_flask ? "may not" : "its own target"), "... it says so");
	eq(command("add %u 0", lender->domid), 1, "dom0 as a target");
	ok(says(has_flask ? "may not" : "nobody.s target"), "... it says so");
	eq(command("add %u", lender->domid), 2, "no guest named: usage");
	eq(command("list %u %u", lender->domid, third->domid), 2, "neither add nor remove: usage");
	eq(command("add %u x%u", lender->domid, third->domid), 2, "no number: usage");
}

void suite_targets(void)
{
	struct served one, two;
	struct guest *g[3];
	uint32_t old;
	uint64_t before;
	unsigned i;

	xen_open();
	guest_free(guest_new(NULL));
	before = xen_free_pages();
	lender = guest_new(&(struct guest_options){ .label = "dm_dom_t" });
	for (i = 0; i < 3; i++)
		g[i] = guest_new(NULL);

	at("arguments");
	/* a policy has the first word, and does not know of such things */
	err(change_target(ADD_TARGET, lender->domid, lender->domid), has_flask ? xen_denies : -EINVAL, "a domain as its own target");
	err(change_target(ADD_TARGET, lender->domid, 0x7123), -ESRCH, "no such target");
	err(change_target(ADD_TARGET, 0x7123, g[0]->domid), -ESRCH, "no such domain");
	err(change_target(ADD_TARGET, lender->domid, 0), has_flask ? xen_denies : -EOPNOTSUPP, "dom0 as a target");
	err(change_target(REMOVE_TARGET, lender->domid, g[0]->domid), 0, "what is no target is removed: nothing to do");
	err(change_target(REMOVE_TARGET, 0, g[0]->domid), has_flask ? xen_denies : -EINVAL, "from whoever asks");

	at("two targets");
	for (i = 0; i < 3; i++)
		err(powerless(g[i]), xen_denies, "no privilege over guest %u", i);
	err(change_target(ADD_TARGET, lender->domid, g[0]->domid), 0, "one target");
	err(change_target(ADD_TARGET, lender->domid, g[1]->domid), 0, "another");
	err(change_target(ADD_TARGET, lender->domid, g[1]->domid), 0, "... again: it is one already");
	serve(&one, g[0], RAM_GPA, PATTERN);
	serve(&two, g[1], RAM_GPA + 8 * PAGE, PATTERN + 0x1000);
	eq(missing(&one) + missing(&two), 0, "both borrow from one lender at the same time");
	err(powerless(g[2]), xen_denies, "no privilege over the third guest");
	ok(powerless(&(struct guest){ .domid = 0 }) < 0, "nor over dom0");
	borrower = &(struct guest){ .domid = 0 };
	err(lender_lend(XENMEM_LEND_create, 0, WIN_GFN, 16, 0, NULL), xen_denies, "... not a window in it");
	err(guest_change_target(lender, ADD_TARGET, lender->domid, g[2]->domid), xen_denies, "it cannot make itself another target");
	err(powerless(g[2]), xen_denies, "... it has none");
	by_command(g[2]);

	at("one is removed");
	gop_start(g[0], 1, GOP_READ, W(9), 8);
	gop_start(g[1], 1, GOP_READ, W(9), 8);
	ok(!gop_wait_for(g[0], 1, 1), "a vCPU of it waits for the lender");
	err(change_target(REMOVE_TARGET, lender->domid, g[0]->domid), 0, "removed");
	ok(gop_wait_for(g[0], 1, 30), "the vCPU goes on");
	eqx(gret(g[0], 1, 0), ~0UL, "... and reads ones");
	eq(missing(&one), 4, "what was lent to it is gone");
	eqx(g_read(g[0], W(1)), ~0UL, "... there are ones");
	eq(servers_free(g[0]), 8 - g[0]->hvm, "the lender's server in it, too");
	err(powerless(g[0]), xen_denies, "and its privilege");
	borrower = g[0];
	err(lender_lend(XENMEM_LEND_lend, one.window, 5, 1, RAM_GPA >> 12, NULL), -ENOENT, "... and its window");
	eq(missing(&two), 0, "the other has what it had");
	ok(!gop_done(g[1], 1), "... and a vCPU that waits");
	borrower = g[1];
	err(lender_lend(XENMEM_LEND_lend, two.window, 9, 1, (RAM_GPA >> 12) + 9, NULL), 0, "the lender lends to it");
	err(change_target(REMOVE_TARGET, lender->domid, g[0]->domid), 0, "removed again: nothing to do");
	eq(missing(&two), 0, "... and the other keeps everything");

	at("added again");
	lender_let_go(one.server_gfn);
	err(change_target(ADD_TARGET, lender->domid, g[0]->domid), 0, "added again");
	serve(&one, g[0], RAM_GPA, PATTERN);
	eq(missing(&one), 0, "it is lent to again");

	at("a target dies");
	old = g[0]->domid;
	err(domain_destroy(old), 0, "it is destroyed");
	err(change_target(ADD_TARGET, lender->domid, old), -ESRCH, "... what dies cannot become one");
	lender_let_go(one.server_gfn);
	ok(guest_free(g[0]), "a target goes away, and is no zombie");
	g[0] = guest_new(&(struct guest_options){ .domid = old });
	eq(g[0]->domid, old, "another guest has its number");
	err(powerless(g[0]), xen_denies, "... and is no target");
	eq(missing(&two), 0, "the other target has what it had");

	at("set_target as well");
	err(xc_domain_set_target(xch, lender->domid, g[2]->domid), 0, "a target for good");
	err(change_target(ADD_TARGET, lender->domid, g[2]->domid), 0, "... and on the list");
	serve(&one, g[2], RAM_GPA, PATTERN);
	err(change_target(REMOVE_TARGET, lender->domid, g[2]->domid), 0, "... and off it");
	eq(missing(&one), 0, "... is one still, and has what it had");

	at("the lender dies");
	ok(guest_free(lender), "the lender goes away, and is no zombie");
	ok(gop_wait_for(g[1], 1, 30), "a vCPU that waited for it goes on");
	eq(missing(&one) + missing(&two), 8, "nothing is left of what it lent");
	for (i = 0; i < 3; i++)
		ok(guest_free(g[i]), "guest %u goes away", i);
	ok(xen_free_pages() + 64 >= before, "no pages are missing (%ld before, %ld after)", (long)before, (long)xen_free_pages());
}

