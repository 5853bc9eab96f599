// SPDX-License-Identifier: GPL-2.0-or-later
/* libxenlend and the xenlend command, as their users use them. */
#include "suites.h"
#include <xenlend.h>
#include <sys/socket.h>

static uint64_t first_word(struct guest *g)
{
	return g_read(g, W(0));
}

void suite_library(void)
{
	xenlend_handle *h;
	xenlend_borrower *b;
	xenlend_window *w;
	struct xenlend_info info;
	struct xenlend_stats st;
	struct xenlend_window_info wi;
	struct xenlend_event ev[4];
	struct guest *g;
	uint64_t done = 0;
	uint64_t *p;
	char cmd[300];
	int sv[2], pid, status, rc, i;

	xen_open();
	g = guest_new(NULL);
	h = xenlend_open(NULL, 0);
	if (!ok(h, "open"))
		die("%s", strerror(errno));
	eq(xenlend_info(h, &info), 0, "info");
	eq(info.hypervisor_version, 1, "... the hypervisor's version");
	b = xenlend_borrower_open(h, 0x7000, GUEST_WINDOW, 1 << 24, 0);
	ok(!b && errno == ESRCH, "a borrower that does not exist: %s", b ? "made" : strerror(errno));
	b = xenlend_borrower_open(h, g->domid, GUEST_WINDOW, 1 << 24, 0);
	if (!ok(b, "a borrower"))
		die("%s", strerror(errno));
	w = xenlend_window_create(b, GUEST_WINDOW, 1 << 20, XENLEND_WINDOW_WRITE, XENLEND_POLICY_ONES, 99);
	if (!ok(w, "a window"))
		die("%s", strerror(errno));
	eqx(first_word(g), ~0UL, "nothing placed: ones");
	rc = xenlend_read_events(b, ev, 4, 10000);
	ok(rc == 1 && ev[0].type == XENLEND_EVENT_GAVE_UP && ev[0].reason == XENLEND_REASON_UNMAPPED && ev[0].cookie == 99 && ev[0].gpa == GUEST_WINDOW, "an event says so");
	p = xenlend_window_place(w, 0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok(p && (void *)p == xenlend_window_addr(w), "place");
	p[0] = 0x11b;
	eqx(first_word(g), 0x11b, "the guest sees it");
	g_write(g, W(1), 5);
	eq(p[512], 5, "and writes to it");
	eq(xenlend_window_populate(w, 0, 8 * PAGE, XENLEND_POPULATE_WRITE, &done), 0, "populate");
	eq(done, 8 * PAGE, "... done");
	eq(xenlend_window_stats(w, &st), 0, "stats");
	eq(st.pages_lent, 8, "... pages lent");
	eq(xenlend_window_zap(w, 0, 4 * PAGE, &done), 0, "zap");
	xenlend_window_stats(w, &st);
	eq(st.pages_lent, 4, "... four left");
	eq(xenlend_next(h, 0, &wi), 1, "next");
	ok(wi.domid == g->domid && wi.gpa == GUEST_WINDOW && wi.pid == (uint32_t)getpid(), "... the window");
	eq(xenlend_next(h, wi.serial, &wi), 0, "... the only one");
	eq(xenlend_window_remove(w, 0, 8 * PAGE), 0, "remove");
	eqx(first_word(g), ~0UL, "the guest sees ones");
	ok(!xenlend_window_place(w, 1 << 20, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) && errno == ERANGE, "place outside: ERANGE");

	at("a descriptor for another process");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		die("socketpair");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		xenlend_borrower *cb;
		xenlend_window *cw;
		volatile uint64_t *q;
		int f;

		close(sv[0]);
		if (setgid(65534) || setuid(65534))
			_exit(1);
		f = xenlend_recv_fd(sv[1]);
		cb = f < 0 ? NULL : xenlend_borrower_from_fd(NULL, 0, f);
		if (!cb)
			_exit(2);
		cw = xenlend_window_create(cb, GUEST_WINDOW + (2 << 20), 1 << 20, XENLEND_WINDOW_WRITE, XENLEND_POLICY_ONES, 0);
		if (!cw)
			_exit(3);
		q = xenlend_window_place(cw, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!q)
			_exit(4);
		q[0] = 0xc0de;
		if (write(sv[1], "r", 1) != 1)
			_exit(5);
		for (i = 0; i < 6000 && q[1] != 0xabc; i++)
			usleep(10000);
		_exit(q[1] == 0xabc ? 0 : 6);
	}
	close(sv[1]);
	eq(xenlend_send_fd(sv[0], xenlend_borrower_fd(b)), 0, "send a borrower's descriptor");
	{
		char c;

		ok(read(sv[0], &c, 1) == 1, "an unprivileged process makes a window with it");
	}
	eqx(g_read(g, W(512)), 0xc0de, "the guest sees its memory");
	g_write(g, W(512) + 8, 0xabc);
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && !WEXITSTATUS(status), "it sees what the guest wrote (%x)", status);
	close(sv[0]);

	at("end of the library's part");
	eq(xenlend_window_destroy(w), 0, "destroy");
	eq(xenlend_borrower_close(b), 0, "close the borrower");
	eq(xenlend_close(h), 0, "close");

	at("the command");
	snprintf(cmd, sizeof(cmd), "printf 'lent by a command' > /tmp/xlfile; truncate -s 64K /tmp/xlfile; xenlend lend /tmp/xlfile --domain %u --gpa 0x%lx "
		 "> /tmp/xl.out 2>&1 & echo $! > /tmp/xl.pid", g->domid, GUEST_WINDOW);
	rc = system(cmd);
	for (i = 0; i < 200 && first_word(g) == ~0UL; i++)
		usleep(50000);
	p = (uint64_t *)"lent by ";
	eqx(first_word(g), *p, "xenlend lend FILE: the guest reads the file");
	rc = system("xenlend list > /tmp/xl.list 2>&1");
	eq(rc, 0, "xenlend list");
	snprintf(cmd, sizeof(cmd), "grep -q '\\b%u\\b' /tmp/xl.list", g->domid);
	eq(system(cmd), 0, "... shows the domain");
	rc = system("timeout 20 xenlend stat --help > /tmp/xl.help 2>&1; cat /tmp/xl.list | sed 's/^/# /'; sed 's/^/# /' /tmp/xl.out");
	rc = system("kill -TERM $(cat /tmp/xl.pid); for i in $(seq 50); do kill -0 $(cat /tmp/xl.pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1");
	eq(rc, 0, "it ends on SIGTERM");
	eqx(first_word(g), ~0UL, "... and takes the file back");
	ok(guest_free(g), "the guest goes away");
}
