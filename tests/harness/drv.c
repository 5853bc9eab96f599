// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drv.h"
#include "tap.h"

int drv_ioctl(int fd, unsigned long cmd, void *arg)
{
	int rc = ioctl(fd, cmd, arg);

	return rc < 0 ? -errno : rc;
}

int drv_open(void)
{
	int fd = open("/dev/xen/lend", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/xen/lend: %s (driver not loaded?)", strerror(errno));
	return fd;
}

int drv_borrower(int dev, uint32_t domid, uint64_t gpa, uint64_t len, unsigned max_windows)
{
	struct lenddev_borrower b = { .size = sizeof(b), .domid = domid, .gpa = gpa, .len = len, .max_windows = max_windows };
	int rc = drv_ioctl(dev, LENDDEV_BORROWER, &b);

	return rc ? rc : b.fd;
}

int drv_window(int fd, uint64_t gpa, uint64_t len, void *addr, uint64_t flags, unsigned policy, uint64_t cookie)
{
	struct lenddev_window w = { .size = sizeof(w), .policy = policy, .flags = flags, .gpa = gpa, .len = len,
		.addr = (uintptr_t)addr, .cookie = cookie };
	int rc = drv_ioctl(fd, LENDDEV_WINDOW_CREATE, &w);

	return rc ? rc : (int)w.id;
}

int drv_destroy(int fd, unsigned id)
{
	struct lenddev_range r = { .size = sizeof(r), .id = id };

	return drv_ioctl(fd, LENDDEV_WINDOW_DESTROY, &r);
}

int drv_populate(int fd, unsigned id, uint64_t off, uint64_t len, bool write, uint64_t *done)
{
	struct lenddev_range r = { .size = sizeof(r), .id = id, .flags = write ? LENDDEV_POPULATE_WRITE : 0, .offset = off, .len = len };
	int rc = drv_ioctl(fd, LENDDEV_POPULATE, &r);

	if (done)
		*done = r.done;
	return rc;
}

int drv_zap(int fd, unsigned id, uint64_t off, uint64_t len)
{
	struct lenddev_range r = { .size = sizeof(r), .id = id, .offset = off, .len = len };

	return drv_ioctl(fd, LENDDEV_ZAP, &r);
}

int drv_resume(int fd, unsigned id, uint64_t off, uint64_t len, unsigned action)
{
	struct lenddev_resume r = { .size = sizeof(r), .id = id, .offset = off, .len = len, .action = action };
	int rc = drv_ioctl(fd, LENDDEV_RESUME, &r);

	return rc ? rc : (int)r.count;
}

int drv_stats(int fd, unsigned id, struct lenddev_stats *st)
{
	memset(st, 0, sizeof(*st));
	st->size = sizeof(*st);
	st->id = id;
	return drv_ioctl(fd, LENDDEV_STATS, st);
}

struct lenddev_stats drv_st(int fd, unsigned id)
{
	struct lenddev_stats st;
	int rc = drv_stats(fd, id, &st);

	if (rc)
		die("stats: %s", strerror(-rc));
	return st;
}

int drv_events(int fd, struct lenddev_event *ev, unsigned max, int timeout_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	ssize_t n;

	n = poll(&p, 1, timeout_ms);
	if (n <= 0)
		return n;
	n = read(fd, ev, max * sizeof(*ev));
	return n < 0 ? -errno : n / (ssize_t)sizeof(*ev);
}

bool drv_reload(const char *options)
{
	double end = now() + 30;
	int rc, fd;

	do
		rc = syscall(SYS_delete_module, "xen_lend", O_NONBLOCK);
	while (rc && errno == EAGAIN && now() < end && !usleep(50000));
	if (rc)
		return false;
	fd = open("/xenlend/modules/xen-lend.ko", O_RDONLY);
	rc = fd < 0 ? -1 : syscall(SYS_finit_module, fd, options, 0);
	close(fd);
	for (end = now() + 10; access("/dev/xen/lend", F_OK) && now() < end;)
		usleep(10000);
	return !rc;
}

void *span_new(size_t len)
{
	void *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p;
}

struct lent lent_open(size_t pages, unsigned policy)
{
	struct lent l = { .pages = pages };
	int rc;

	l.g = guest_new(NULL);
	l.dev = drv_open();
	l.fd = drv_borrower(l.dev, l.g->domid, GUEST_WINDOW, 1UL << 30, 0);
	if (l.fd < 0)
		die("borrower: %s", strerror(-l.fd));
	l.span = span_new(pages * PAGE);
	rc = drv_window(l.fd, GUEST_WINDOW, pages * PAGE, l.span, LENDDEV_WINDOW_WRITE, policy, 0x1234);
	if (rc <= 0)
		die("window: %s", strerror(-rc));
	l.id = rc;
	return l;
}

bool lent_close(struct lent *l)
{
	bool gone;

	if (l->fd >= 0)
		close(l->fd);
	if (l->dev >= 0)
		close(l->dev);
	gone = guest_free(l->g);
	munmap(l->span, l->pages * PAGE);
	return gone;
}

uint64_t lent_now(const struct lent *l)
{
	return drv_st(l->fd, l->id).pages_lent;
}

void *lent_map(struct lent *l, size_t page, size_t pages, int prot, int flags, int fd, off_t off)
{
	void *p = mmap(l->span + page * PAGE, pages * PAGE, prot, flags | MAP_FIXED, fd, off);

	if (p == MAP_FAILED)
		die("mmap into the span: %s", strerror(errno));
	return p;
}

void xlend_param(const char *name, unsigned long value)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/xen_lend/parameters/%s", name);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%lu\n", value) < 0 || fclose(f))
		die("%s: %s", path, strerror(errno));
}
