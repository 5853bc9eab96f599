// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ioctls' arguments: everything wrong gets its documented errno (docs/abi.md) and changes nothing.  S11: what a
 * descriptor is good for, and for whom.
 */
#include "suites.h"
#include "drv.h"
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#define LEN	(64 * PAGE)

static struct guest *g;
static int dev, fd;
static uint8_t *span;
static unsigned id;

/* ---- sizes: the same for all structs ---- */

static const struct { const char *name; unsigned long cmd; unsigned size, min; bool on_dev; } structs[] = {
	{ "info", LENDDEV_INFO, sizeof(struct lenddev_info), 4, true },
	{ "borrower", LENDDEV_BORROWER, sizeof(struct lenddev_borrower), sizeof(struct lenddev_borrower), true },
	{ "next", LENDDEV_NEXT, sizeof(struct lenddev_next), 16, true },
	{ "window", LENDDEV_WINDOW_CREATE, sizeof(struct lenddev_window), 56, false },
	{ "destroy", LENDDEV_WINDOW_DESTROY, sizeof(struct lenddev_range), 8, false },
	{ "populate", LENDDEV_POPULATE, sizeof(struct lenddev_range), 32, false },
	{ "zap", LENDDEV_ZAP, sizeof(struct lenddev_range), 32, false },
	{ "resume", LENDDEV_RESUME, sizeof(struct lenddev_resume), 28, false },
	{ "stats", LENDDEV_STATS, sizeof(struct lenddev_stats), 8, false },
};

static void sizes(void)
{
	uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned i;
	int rc, d, other;

	munmap(page + PAGE, PAGE);
	for (i = 0; i < sizeof(structs) / sizeof(structs[0]); i++) {
		const char *n = structs[i].name;
		uint32_t *size = (uint32_t *)page;

		at("sizes of %s", n);
		d = structs[i].on_dev ? dev : fd;
		other = structs[i].on_dev ? fd : dev;
		memset(page, 0, PAGE);
		*size = 0;
		err(drv_ioctl(d, structs[i].cmd, page), -EINVAL, "%s: size 0", n);
		*size = structs[i].min - 1;
		err(drv_ioctl(d, structs[i].cmd, page), -EINVAL, "%s: size too small", n);
		*size = structs[i].size + 8;
		page[structs[i].size] = 1;
		err(drv_ioctl(d, structs[i].cmd, page), -E2BIG, "%s: larger, excess not zero", n);
		page[structs[i].size] = 0;
		page[structs[i].size + 7] = 1;
		err(drv_ioctl(d, structs[i].cmd, page), -E2BIG, "%s: larger, last byte not zero", n);
		page[structs[i].size + 7] = 0;
		*size = ~0U;
		err(drv_ioctl(d, structs[i].cmd, page), -E2BIG, "%s: size 2^32-1", n);
		err(drv_ioctl(d, structs[i].cmd, NULL), -EFAULT, "%s: no struct", n);
		err(drv_ioctl(d, structs[i].cmd, page + PAGE), -EFAULT, "%s: struct unmapped", n);
		err(drv_ioctl(d, structs[i].cmd, (void *)0xffff888000000000UL), -EFAULT, "%s: struct in the kernel", n);
		*(uint32_t *)(page + PAGE - 8) = structs[i].size;
		rc = drv_ioctl(d, structs[i].cmd, page + PAGE - 8);
		ok(rc == -EFAULT || (rc == -EINVAL && structs[i].size <= 8), "%s: struct running off its page (%d)", n, rc);
		if (structs[i].cmd != LENDDEV_STATS) /* on both */
			err(drv_ioctl(other, structs[i].cmd, page), -ENOTTY, "%s: on the wrong descriptor", n);
	}
	munmap(page, PAGE);

	at("numbers");
	err(drv_ioctl(dev, _IO(LENDDEV_IOC, 0x03), NULL), -ENOTTY, "unknown ioctl on the device");
	err(drv_ioctl(dev, _IO(LENDDEV_IOC, 0x10), NULL), -ENOTTY, "a borrower's ioctl on the device");
	err(drv_ioctl(fd, _IO(LENDDEV_IOC, 0x16), NULL), -ENOTTY, "unknown ioctl on a borrower");
	err(drv_ioctl(fd, _IO(0xBD, 0x10), NULL), -ENOTTY, "another driver's ioctl on a borrower");
	err(drv_ioctl(fd, 0, NULL), -ENOTTY, "ioctl 0 on a borrower");
	{
		struct lenddev_info in;
		unsigned s;

		for (s = 4; s <= sizeof(in) + 16; s += 4) {
			uint8_t b[sizeof(in) + 16];

			memset(b, 0, sizeof(b));
			*(uint32_t *)b = s;
			rc = drv_ioctl(dev, LENDDEV_INFO, b);
			if (rc)
				break;
			if (s < sizeof(b) && s < sizeof(in) && b[s]) {
				rc = 1;
				break;
			}
		}
		eq(rc, 0, "info with every size from 4 on works and writes no more than that");
		memset(&in, 0, sizeof(in));
		in.size = sizeof(in);
		err(drv_ioctl(dev, LENDDEV_INFO, &in), 0, "info");
		eq(in.version, LENDDEV_VERSION, "... version");
		ok(in.window_flags & LENDDEV_WINDOW_WRITE, "... flags");
		ok(in.max_len >= 1UL << 30 && in.max_windows > 0, "... limits");
		eq(in.hypervisor_version, 1, "... the hypervisor's version");
	}
}

/* Each case changes one thing of a struct that is good. */
static struct lenddev_borrower good_borrower(void)
{
	return (struct lenddev_borrower){ .size = sizeof(struct lenddev_borrower), .domid = g->domid, .gpa = GUEST_WINDOW, .len = LEN };
}
static int borrower(struct lenddev_borrower b)
{
	int rc;

	rc = drv_ioctl(dev, LENDDEV_BORROWER, &b);
	if (!rc)
		close(b.fd);
	return rc;
}
#define bor(stmt, want, text) ({ struct lenddev_borrower b_ = good_borrower(), *b = &b_; stmt; err(borrower(b_), want, "borrower: %s", text); })

static void borrowers(void)
{
	struct guest *pv;
	int rc, f2;

	at("borrowers");
	bor(b->domid = g->domid, 0, "good");
	bor(b->reserved = 1, -EINVAL, "reserved");
	bor(b->flags = 1, -EINVAL, "flags");
	bor(b->flags = 1UL << 63, -EINVAL, "high flag");
	bor(b->gpa += 1, -EINVAL, "gpa misaligned");
	bor(b->gpa += 2048, -EINVAL, "gpa in the middle of a page");
	bor(b->len = 0, -EINVAL, "no length");
	bor(b->len += 1, -EINVAL, "length misaligned");
	bor((b->gpa = ~0UL << 12, b->len = 8192), -EINVAL, "range wraps");
	bor((b->gpa = 8192, b->len = ~0UL << 12), -EINVAL, "range wraps by one page");
	bor(b->max_windows = ~0U, -EINVAL, "too many windows");
	bor(b->domid = 0x7000, -ESRCH, "no such domain");
	bor(b->domid = 0x7ff0, -EINVAL, "DOMID_SELF");
	bor(b->domid = 0xffff, -EINVAL, "domid 65535");
	rc = borrower((struct lenddev_borrower){ .size = sizeof(struct lenddev_borrower), .domid = 0, .gpa = GUEST_WINDOW, .len = LEN });
	ok(rc < 0, "borrower: the lender itself (%d)", rc);
	rc = guest_try_new(&(struct guest_options){ .pv = true }, &pv);
	if (!rc) {
		f2 = drv_borrower(dev, pv->domid, GUEST_WINDOW, LEN, 0);
		if (f2 >= 0) {
			rc = drv_window(f2, GUEST_WINDOW, LEN, span, 0, 0, 0);
			ok(rc == -EOPNOTSUPP, "a PV domain: the window is refused (%d)", rc);
			close(f2);
		} else
			ok(f2 == -EOPNOTSUPP || f2 == -EINVAL, "borrower: a PV domain (%d)", f2);
		guest_free(pv);
	}
	f2 = drv_borrower(dev, g->domid, GUEST_WINDOW, LEN, 1);
	ok(f2 >= 0, "a second borrower of one domain");
	ok(fcntl(f2, F_GETFD) & FD_CLOEXEC, "its descriptor is close-on-exec");
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "the first one's, too");
	close(f2);
}

static struct lenddev_window good_window(void)
{
	return (struct lenddev_window){ .size = sizeof(struct lenddev_window), .flags = LENDDEV_WINDOW_WRITE,
		.gpa = GUEST_WINDOW + LEN, .len = 8 * PAGE, .addr = (uintptr_t)span + LEN };
}
static int window(struct lenddev_window w)
{
	int rc;

	rc = drv_ioctl(fd, LENDDEV_WINDOW_CREATE, &w);
	if (!rc)
		drv_destroy(fd, w.id);
	return rc;
}
#define win(stmt, want, text) ({ struct lenddev_window w_ = good_window(), *w = &w_; stmt; err(window(w_), want, "window: %s", text); })

static void windows(void)
{
	int rc, f2, i, ids[80], n;

	at("windows");
	win(w->policy = 0, 0, "good");
	win(w->policy = LENDDEV_POLICY_HOLD, 0, "policy hold");
	win(w->policy = LENDDEV_POLICY_HOLD + 1, -EINVAL, "a policy that there is not");
	win(w->policy = ~0U, -EINVAL, "policy 2^32-1");
	win(w->flags = 4, -EINVAL, "flag 4");
	win(w->flags = 1UL << 32, -EINVAL, "a flag that is set aside");
	win(w->flags = 1UL << 63 | 1, -EINVAL, "high flag");
	win(w->eventfd = 1, -EINVAL, "an eventfd, and not the flag");
	win((w->flags |= LENDDEV_WINDOW_EVENTFD, w->eventfd = -1), -EBADF, "eventfd -1");
	win((w->flags |= LENDDEV_WINDOW_EVENTFD, w->eventfd = 1), -EINVAL, "a descriptor that is no eventfd");
	win(w->gpa += 1, -EINVAL, "gpa misaligned");
	win(w->len = 0, -EINVAL, "no length");
	win(w->len = 4097, -EINVAL, "length misaligned");
	win(w->addr += 8, -EINVAL, "address misaligned");
	win(w->addr = 0xffff888000000000UL, -EFAULT, "address in the kernel");
	win(w->addr = ~0UL << 12, -EFAULT, "address at the end of all");
	win(w->addr = 0x7fffffffe000UL, -EFAULT, "address running out of user space");
	win(w->gpa = 0, -ERANGE, "below the borrower's range");
	win(w->gpa -= (2 * LEN), -ERANGE, "just below the borrower's range");
	win(w->gpa = GUEST_WINDOW + 2 * LEN, -ERANGE, "just above the borrower's range");
	win(w->gpa = GUEST_WINDOW + 2 * LEN - 4 * PAGE, -ERANGE, "half above the borrower's range");
	win(w->gpa = ~0UL << 12, -ERANGE, "gpa at the end of all");
	win(w->len = 2 * LEN, -ERANGE, "larger than the borrower's range");
	win(w->len = 1UL << 46, -EFBIG, "larger than any window");
	win(w->len = ~0UL << 12, -EFBIG, "length 2^64-4096");
	win(w->gpa = GUEST_WINDOW, -EEXIST, "over another window");
	win(w->gpa = GUEST_WINDOW + LEN - PAGE, -EEXIST, "over a window's last page");
	eq(drv_st(fd, id).pages_lent, 0, "nothing was lent by all that");

	/* over guest RAM: such a borrower can be had, not such a window */
	f2 = drv_borrower(dev, g->domid, 0, 1UL << 30, 0);
	rc = drv_window(f2, 0x100000, PAGE, span + LEN, 0, 0, 0);
	err(rc, -EEXIST, "window: over guest RAM");
	rc = drv_window(f2, GUEST_WINDOW, PAGE, span + LEN, 0, 0, 0);
	err(rc, -ERANGE, "a borrower of low memory has no windows at 8 GiB");
	close(f2);
	f2 = drv_borrower(dev, g->domid, GUEST_WINDOW, 2 * LEN, 0);
	rc = drv_window(f2, GUEST_WINDOW, PAGE, span + LEN, 0, 0, 0);
	err(rc, -EEXIST, "window: over one of another descriptor");
	err(drv_destroy(f2, id), -ENOENT, "an id of another descriptor: destroy");
	err(drv_zap(f2, id, 0, PAGE), -ENOENT, "... zap");
	{
		struct lenddev_stats st;

		err(drv_stats(f2, id, &st), -ENOENT, "... stats");
	}
	close(f2);

	/* as many as one may have */
	f2 = drv_borrower(dev, g->domid, GUEST_WINDOW, 2 * LEN, 3);
	for (n = 0; n < 10; n++) {
		ids[n] = drv_window(f2, GUEST_WINDOW + LEN + n * PAGE, PAGE, span + LEN, 0, 0, 0);
		if (ids[n] <= 0)
			break;
	}
	eq(n, 3, "as many windows as the descriptor allows");
	err(ids[n], -ENOSPC, "... and one more");
	eq(drv_destroy(f2, ids[1]), 0, "one is destroyed");
	rc = drv_window(f2, GUEST_WINDOW + LEN + PAGE, PAGE, span + LEN, 0, 0, 0);
	ok(rc > ids[2], "its place can be taken, by a new id");
	for (i = 0; i < n; i++)
		if (i != 1)
			drv_destroy(f2, ids[i]);
	err(drv_destroy(f2, ids[0]), -ENOENT, "destroying one twice");
	close(f2);
	rc = drv_window(fd, GUEST_WINDOW + LEN, 8 * PAGE, span + LEN, 0, 0, 0);
	ok(rc > 0, "closing a descriptor ends its windows: the place is free");
	drv_destroy(fd, rc);
}

static struct lenddev_range good_range(unsigned long cmd)
{
	return (struct lenddev_range){ .size = sizeof(struct lenddev_range), .id = id,
		.len = cmd == LENDDEV_WINDOW_DESTROY ? 0 : PAGE };
}
#define ran(cmd, stmt, want, text) \
	({ struct lenddev_range r_ = good_range(cmd), *r = &r_; stmt; err(drv_ioctl(fd, cmd, r), want, "%s", text); })

static void ranges(void)
{
	static const struct { unsigned long cmd; const char *name; } c[] = { { LENDDEV_POPULATE, "populate" }, { LENDDEV_ZAP, "zap" } };
	char t[100];
	unsigned i;
	uint64_t done;

	at("ranges");
	for (i = 0; i < 2; i++) {
#define r(stmt, want, text) (snprintf(t, sizeof(t), "%s: %s", c[i].name, text), ran(c[i].cmd, stmt, want, t))
		r(r->id = 0, -ENOENT, "id 0");
		r(r->id = id + 1000, -ENOENT, "id that never was");
		r(r->id = ~0U, -ENOENT, "id 2^32-1");
		r(r->flags = 2, -EINVAL, "unknown flag");
		r(r->flags = 1UL << 32, -EINVAL, "high flag");
		r(r->offset = 1, -EINVAL, "offset misaligned");
		r(r->len = 1, -EINVAL, "length misaligned");
		r(r->len = 0, -EINVAL, "no length");
		r(r->offset = LEN, -ERANGE, "offset beyond the window");
		r(r->offset = ~0UL << 12, -ERANGE, "offset at the end of all");
		r((r->offset = LEN - PAGE, r->len = 2 * PAGE), -ERANGE, "end beyond the window");
		r((r->offset = PAGE, r->len = ~0UL << 12), -ERANGE, "range wraps");
	}
	ran(LENDDEV_ZAP, r->flags = LENDDEV_WINDOW_WRITE, -EINVAL, "zap: a flag of populate");
	ran(LENDDEV_WINDOW_DESTROY, r->offset = PAGE, -EINVAL, "destroy: an offset");
	ran(LENDDEV_WINDOW_DESTROY, r->len = PAGE, -EINVAL, "destroy: a length");
	ran(LENDDEV_WINDOW_DESTROY, r->flags = 1, -EINVAL, "destroy: a flag");
	ran(LENDDEV_WINDOW_DESTROY, r->id = id + 1000, -ENOENT, "destroy: no such window");
	ran(LENDDEV_ZAP, r->len = LEN, 0, "zap of an empty window");
	err(drv_populate(fd, id, 0, LEN, false, &done), -EFAULT, "populate where nothing is mapped");
	eq(done, 0, "... nothing done");
	mmap(span, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	err(drv_populate(fd, id, 0, LEN, true, &done), -EFAULT, "populate beyond what is mapped");
	eq(done, 4 * PAGE, "... done as far as it went");
	eq(drv_st(fd, id).pages_lent, 4, "... and lent");
	mprotect(span, PAGE, PROT_READ);
	err(drv_populate(fd, id, 0, PAGE, true, &done), -EACCES, "populate for writing what may only be read");
	err(drv_populate(fd, id, 0, PAGE, false, &done), 0, "... for reading");
	mmap(span, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	eq(drv_st(fd, id).pages_lent, 0, "replaced by nothing: taken back");
}

static void next(void)
{
	struct lenddev_next n = { .size = sizeof(n) };
	struct lenddev_stats st;
	unsigned seen = 0;
	int rc;

	at("next");
	n.reserved = 1;
	err(drv_ioctl(dev, LENDDEV_NEXT, &n), -EINVAL, "next: reserved");
	n.reserved = 0;
	n.serial = ~0UL;
	err(drv_ioctl(dev, LENDDEV_NEXT, &n), -ENOENT, "next: after the last serial there can be");
	n.serial = 0;
	while (!(rc = drv_ioctl(dev, LENDDEV_NEXT, &n))) {
		seen++;
		if (n.id == id && n.domid == g->domid) {
			eq(n.gpa, GUEST_WINDOW, "next lists the window: gpa");
			eq(n.len, LEN, "... length");
			eq(n.pid, getpid(), "... process");
			eq(n.dead, 0, "... not dead");
			eq(n.flags, LENDDEV_WINDOW_WRITE, "... flags");
			st = (struct lenddev_stats){ .size = sizeof(st), .serial = n.serial };
			err(drv_ioctl(dev, LENDDEV_STATS, &st), 0, "its counters by its serial");
			eq(st.id, id, "... are its own");
			st.serial++;
			err(drv_ioctl(dev, LENDDEV_STATS, &st), -ENOENT, "counters of a serial that there is not");
		}
		if (seen > 100)
			break;
	}
	err(rc, -ENOENT, "the list ends");
	eq(seen, 1, "... after one window");
}

/* ---- S11: descriptors in other processes ---- */

static void send_fd(int sock, int f)
{
	union { struct cmsghdr h; char b[CMSG_SPACE(sizeof(int))]; } u;
	char c = 'x';
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof(u.b) };

	u.h.cmsg_level = SOL_SOCKET;
	u.h.cmsg_type = SCM_RIGHTS;
	u.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&u.h), &f, sizeof(int));
	if (sendmsg(sock, &m, 0) != 1)
		_exit(90);
}

static int recv_fd(int sock)
{
	union { struct cmsghdr h; char b[CMSG_SPACE(sizeof(int))]; } u;
	char c;
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof(u.b) };
	int f;

	if (recvmsg(sock, &m, 0) != 1)
		_exit(91);
	memcpy(&f, CMSG_DATA(&u.h), sizeof(int));
	return f;
}

static void unprivileged(void)
{
	int sv[2], result[8] = { 0 }, n, pid, st, pipefd[2];
	struct lenddev_next nx = { .size = sizeof(nx) };


	at("an unprivileged process");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) || pipe(pipefd))
		die("socketpair");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int f, dv, i;
		uint8_t *sp;
		int res[8] = { 0 };

		/* everything but standard output goes */
		for (i = 3; i < 256; i++)
			if (i != sv[1] && i != pipefd[1])
				close(i);
		if (setgid(65534) || setuid(65534))
			_exit(92);
		res[0] = open("/dev/xen/lend", O_RDWR) < 0 ? -errno : 0;
		f = recv_fd(sv[1]);
		dv = recv_fd(sv[1]);
		res[1] = drv_borrower(dv, 1, GUEST_WINDOW, LEN, 0);
		res[2] = drv_ioctl(dv, LENDDEV_NEXT, &nx);
		{
			struct lenddev_info in = { .size = sizeof(in) };

			res[3] = drv_ioctl(dv, LENDDEV_INFO, &in);
		}
		sp = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*(uint64_t *)sp = 0xfeed;
		res[4] = drv_window(f, GUEST_WINDOW + LEN, 8 * PAGE, sp, LENDDEV_WINDOW_WRITE, 0, 7);
		res[5] = drv_window(f, GUEST_WINDOW + 2 * LEN, 8 * PAGE, sp, 0, 0, 7);
		/* the parent's window is in the parent's memory */
		res[6] = drv_populate(f, id, 0, PAGE, false, NULL);
		res[7] = drv_zap(f, id, 0, PAGE) == -EPERM && drv_resume(f, id, 0, PAGE, LENDDEV_RESUME_ONES) == -EPERM ?
			drv_destroy(f, id) : -1000;
		if (write(pipefd[1], res, sizeof(res)) < 0)
			_exit(93);
		for (i = 0; i < 12000 && *(volatile uint64_t *)(sp + 8) != 0xbeef; i++)
			usleep(10000);
		_exit(*(uint64_t *)(sp + 8) == 0xbeef ? 0 : 94);
	}
	close(pipefd[1]);
	send_fd(sv[0], fd);
	send_fd(sv[0], dev);
	n = read(pipefd[0], result, sizeof(result));

	eq(n, sizeof(result), "an unprivileged process reports");
	err(result[0], -EACCES, "it cannot open the device");
	err(result[1], -EPERM, "with a device descriptor it can make no borrower");
	err(result[2], -EPERM, "... nor list windows");
	err(result[3], 0, "... but ask for info");
	ok(result[4] > 0, "with a borrower descriptor it makes a window over its own memory (%d)", result[4]);
	err(result[5], -ERANGE, "... not outside the descriptor's range");
	err(result[6], -EPERM, "it cannot lend another process's memory");
	err(result[7], -EPERM, "... nor zap, resume or destroy its window");
	eqx(g_read(g, GUEST_WINDOW + LEN), 0xfeed, "the guest sees its memory");
	err(drv_populate(fd, result[4], 0, PAGE, false, NULL), -EPERM, "this process cannot populate that window");
	err(drv_zap(fd, result[4], 0, PAGE), 0, "it can take pages back: it is privileged");
	g_write(g, GUEST_WINDOW + LEN + 8, 0xbeef);
	waitpid(pid, &st, 0);
	ok(WIFEXITED(st) && WEXITSTATUS(st) == 0, "the guest's write arrived there (%x)", st);
	eqx(g_read(g, GUEST_WINDOW + LEN), ~0UL, "after it exited its window reads ones");
	{
		struct lenddev_event ev[8];
		int k, dead = 0;

		n = drv_events(fd, ev, 8, 5000);
		for (k = 0; k < n; k++)
			dead += ev[k].type == LENDDEV_EVENT_WINDOW_DEAD && ev[k].id == (unsigned)result[4] && ev[k].cookie == 7;
		eq(dead, 1, "an event says that the window is dead");
	}
	err(drv_destroy(fd, result[4]), 0, "it can be destroyed here");
	close(sv[0]);
	close(sv[1]);
	close(pipefd[0]);
}

static void events(void)
{
	struct lenddev_event ev[4];
	struct pollfd p = { fd, POLLIN, 0 };
	char c[8];
	int n, i, lost = 0;

	at("events");
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (drv_events(fd, ev, 4, 0) > 0)
		;
	eq(read(fd, ev, sizeof(ev)) < 0 ? errno : 0, EAGAIN, "no event: read would wait");
	eq(read(fd, c, sizeof(c)) < 0 ? errno : 0, EINVAL, "no room for an event");
	eq(poll(&p, 1, 0), 0, "poll: nothing");
	g_read(g, GUEST_WINDOW + 5 * PAGE + 16);
	n = drv_events(fd, ev, 4, 10000);
	eq(n, 1, "an access that nothing is behind: one event");
	eq(ev[0].size, sizeof(ev[0]), "... size");
	eq(ev[0].type, LENDDEV_EVENT_GAVE_UP, "... type");
	eq(ev[0].reason, LENDDEV_REASON_UNMAPPED, "... reason");
	eq(ev[0].access, 0, "... a read");
	eq(ev[0].id, id, "... window");
	eqx(ev[0].cookie, 0xc00c1e, "... cookie");
	eqx(ev[0].gpa, GUEST_WINDOW + 5 * PAGE + 16, "... address");
	eq(ev[0].vcpu, 0, "... vCPU");
	/* a guest can make any number */
	for (i = 0; i < 300; i++)
		g_read(g, GUEST_WINDOW + 6 * PAGE);
	for (i = 0, n = 0; i < 3000; i++) {
		int k = drv_events(fd, ev, 4, 0);

		if (k <= 0)
			break;
		for (; k; k--, n++)
			if (ev[k - 1].type == LENDDEV_EVENT_LOST)
				lost += ev[k - 1].count - 1;
	}
	ok(n > 0 && n < 100, "300 of them are bounded (%d)", n);
	eq(n + lost, 300, "... and those that were lost are counted (%d)", lost);
}

/* Two who share a descriptor: each is told of its own windows, and of nothing that it misses. */
static void apart(void)
{
	int to[2], from[2], pid, st, i, n, theirs, lost = 0;
	struct lenddev_event ev[80];
	char c;

	at("a shared descriptor");
	if (pipe(to) || pipe(from))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct pollfd p = { fd, POLLIN, 0 };
		int result[6];

		if (setgid(65534) || setuid(65534))
			_exit(92);
		result[0] = drv_window(fd, GUEST_WINDOW + LEN, 8 * PAGE, span_new(8 * PAGE), 0, LENDDEV_POLICY_ONES, 8);
		if (write(from[1], result, sizeof(result[0])) < 0 || read(to[0], &c, 1) != 1)
			_exit(93);
		/* the other window has had its storm */
		result[1] = poll(&p, 1, 0);
		result[2] = drv_events(fd, ev, 80, 0);
		if (write(from[1], result, 1) < 0 || read(to[0], &c, 1) != 1)
			_exit(94);
		result[3] = poll(&p, 1, 20000);
		result[4] = drv_events(fd, ev, 80, 0);
		result[5] = result[4] == 1 && ev[0].id == (unsigned)result[0] && ev[0].cookie == 8 && ev[0].type == LENDDEV_EVENT_GAVE_UP;
		if (write(from[1], result, sizeof(result)) < 0)
			_exit(95);
		_exit(0);
	}
	if (read(from[0], &theirs, sizeof(theirs)) != sizeof(theirs) || theirs <= 0)
		die("the other process has no window");
	for (i = 0; i < 100; i++)
		g_read(g, GUEST_WINDOW + 6 * PAGE);
	if (write(to[1], "x", 1) != 1 || read(from[0], &c, 1) != 1)
		die("the other process is gone");
	g_read(g, GUEST_WINDOW + LEN + 3 * PAGE);
	if (write(to[1], "x", 1) != 1)
		die("the other process is gone");
	{
		int result[6];

		eq(read(from[0], result, sizeof(result)), sizeof(result), "a process that shares the descriptor reports");
		eq(result[1], 0, "100 events of another's window: poll says nothing to it");
		eq(result[2], 0, "... it reads nothing");
		eq(result[3], 1, "one event of its own: poll tells");
		eq(result[4], 1, "... it reads one");
		ok(result[5], "... that one, whatever the other window's queue has lost");
	}
	waitpid(pid, &st, 0);
	n = drv_events(fd, ev, 80, 0);
	for (i = 0; i < n; i++)
		if (ev[i].type == LENDDEV_EVENT_LOST)
			lost += ev[i].id == id && ev[i].cookie == 0xc00c1e ? (int)ev[i].count : -1000;
	eq(lost, 100 - 64, "those that were lost are counted, of the window that lost them");
	for (i = n = 0; i < 50 && n <= 0; i++)
		n = drv_events(fd, ev, 80, 0);
	err(drv_destroy(fd, theirs), 0, "the other process's window is destroyed");
	for (i = 0; i < 2; i++) {
		close(to[i]);
		close(from[i]);
	}
}

static volatile bool quiet;

static void nothing(__attribute__((unused)) int sig)
{
}

static void *signals(void *to)
{
	for (int i = 0; i < 1000 && !quiet; i++) {
		pthread_kill(*(pthread_t *)to, SIGUSR1);
		usleep(1000);
	}
	return NULL;
}

/* A signal that comes in the middle of something is no error of it. */
static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	pthread_t self = pthread_self(), t;
	int i, n, bad = 0, rc = 0;

	at("signals");
	sigaction(SIGUSR1, &sa, NULL);
	quiet = false;
	if (pthread_create(&t, NULL, signals, &self))
		die("no thread");
	for (i = 0; i < 100; i++) {
		n = drv_window(fd, GUEST_WINDOW + LEN, 8 * PAGE, span, 0, LENDDEV_POLICY_ONES, 0);
		if (n > 0)
			n = drv_destroy(fd, n);
		if (n) {
			bad++;
			rc = n;
		}
	}
	quiet = true;
	pthread_join(t, NULL);
	eq(bad, 0, "100 windows are made and destroyed while signals come (%s)", rc ? strerror(-rc) : "no error");
}

void suite_ioctl(void)
{
	uint64_t gpa = GUEST_WINDOW;

	xen_open();
	g = guest_new(NULL);
	dev = drv_open();
	span = span_new(4 * LEN);
	fd = drv_borrower(dev, g->domid, gpa, 2 * LEN, 0);
	if (!ok(fd >= 0, "a borrower descriptor (%d)", fd))
		die("nothing to test");
	id = drv_window(fd, gpa, LEN, span, LENDDEV_WINDOW_WRITE, LENDDEV_POLICY_ONES, 0xc00c1e);
	ok((int)id > 0, "a window");
	eqx(g_read(g, GUEST_WINDOW), ~0UL, "nothing is behind it: reads ones");

	sizes();
	borrowers();
	windows();
	ranges();
	next();
	unprivileged();
	events();
	apart();
	interrupted();

	at("end");
	eq(drv_destroy(fd, id), 0, "the window is destroyed");
	eqx(g_read(g, GUEST_WINDOW), ~0UL, "a hole");
	/* the domain's death, seen by poll */
	{
		struct pollfd p = { fd, POLLIN, 0 };
		struct lenddev_event ev[64];
		uint32_t domid = g->domid;
		double end = now() + 60;
		int n = 0, k, gone = 0;

		while (drv_events(fd, ev, 64, 0) > 0)
			;
		guest_release(g);
		domain_destroy(domid);
		while (!gone && now() < end) {
			poll(&p, 1, 500);
			n = read(fd, ev, sizeof(ev));
			for (k = 0; k < n / (int)sizeof(ev[0]); k++)
				gone += ev[k].type == LENDDEV_EVENT_BORROWER_GONE;
		}
		eq(gone, 1, "the domain's death is an event");
		poll(&p, 1, 0);
		ok(p.revents & POLLHUP, "... and POLLHUP");
		eq(read(fd, ev, sizeof(ev)), 0, "... and the end of events");
		err(drv_window(fd, GUEST_WINDOW, LEN, span, 0, 0, 0), -ENODEV, "no window in a dead domain");
		ok(guest_free(g), "it is no zombie, though the descriptor is open");
	}
	close(fd);
	close(dev);
}
