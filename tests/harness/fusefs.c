// SPDX-License-Identifier: GPL-2.0-or-later
/* The protocol of /dev/fuse by hand: a library would serve requests in order, and hang with them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fusefs.h"
#include "guest.h"
#include "tap.h"

#define WHERE	"/tmp/xl-fuse"
#define NAME	"file"
#define MOST	512	/* reads that hang at once */

static pid_t server;

struct request {
	struct fuse_in_header in;
	union {
		struct fuse_read_in read;
		struct fuse_write_in write;
		char room[128 << 10];
	};
};

static struct hanging { uint64_t unique; unsigned page, n; } hanging[MOST];
static unsigned n_hanging;

static void reply(int fd, uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header out = { .len = sizeof(out) + len, .error = -error, .unique = unique };
	struct iovec v[2] = { { &out, sizeof(out) }, { (void *)data, len } };

	/* fails when the request was interrupted meanwhile */
	if (writev(fd, v, len ? 2 : 1) < 0)
		return;
}

static struct fuse_attr attr(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node, .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644, .nlink = 1,
		.size = node == FUSE_ROOT_ID ? 0 : FUSEFS_PAGES * 4096, .blksize = 4096,
	};
}

static void read_pages(struct fusefs *f, int fd, uint64_t unique, unsigned page, unsigned n)
{
	static uint64_t data[(128 << 10) / 8];
	unsigned i, mode = FUSEFS_SERVE;

	for (i = 0; i < n; i++) {
		unsigned m = __atomic_load_n(&f->mode[page + i], __ATOMIC_ACQUIRE);

		if (m != FUSEFS_SERVE)
			mode = m;
		memset(data + i * 512, 0, 4096);
		data[i * 512] = fusefs_word(page + i);
	}
	if (mode == FUSEFS_HANG && n_hanging < MOST) {
		hanging[n_hanging++] = (struct hanging){ unique, page, n };
		return;
	}
	__atomic_add_fetch(&f->served, 1, __ATOMIC_RELAXED);
	reply(fd, unique, mode == FUSEFS_EIO ? EIO : 0, data, mode == FUSEFS_EIO ? 0 : n * 4096UL);
}

static void serve_one(struct fusefs *f, int fd, const struct request *r)
{
	uint64_t u = r->in.unique;

	switch (r->in.opcode) {
	case FUSE_INIT: {
		struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096,
			.max_background = 1024, .congestion_threshold = 1024 };

		reply(fd, u, 0, &out, sizeof(out));
		break;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out out = { .nodeid = 2, .entry_valid = 3600, .attr_valid = 3600, .attr = attr(2) };

		if (strcmp(r->room, NAME))
			reply(fd, u, ENOENT, NULL, 0);
		else
			reply(fd, u, 0, &out, sizeof(out));
		break;
	}
	case FUSE_GETATTR:
	case FUSE_SETATTR: {
		struct fuse_attr_out out = { .attr_valid = 3600, .attr = attr(r->in.nodeid) };

		reply(fd, u, 0, &out, sizeof(out));
		break;
	}
	case FUSE_OPEN: {
		/* or opening it again would wait for the pages that hang */
		struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };

		reply(fd, u, 0, &out, sizeof(out));
		break;
	}
	case FUSE_READ:
		read_pages(f, fd, u, r->read.offset / 4096, r->read.size / 4096);
		break;
	case FUSE_WRITE: {
		struct fuse_write_out out = { .size = r->write.size };

		reply(fd, u, 0, &out, sizeof(out));
		break;
	}
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_FSYNC:
		reply(fd, u, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(fd, u, ENOSYS, NULL, 0);
	}
}

static void serve(struct fusefs *f, int fd)
{
	static struct request r;
	struct pollfd p = { fd, POLLIN, 0 };

	for (;;) {
		unsigned i, n = n_hanging;

		/* those that need not hang any more */
		for (i = n_hanging = 0; i < n; i++)
			read_pages(f, fd, hanging[i].unique, hanging[i].page, hanging[i].n);
		__atomic_store_n(&f->waiting, n_hanging, __ATOMIC_RELEASE);
		if (poll(&p, 1, 10) <= 0)
			continue;
		if (p.revents & (POLLERR | POLLHUP))
			_exit(0);
		if (read(fd, &r, sizeof(r)) >= (ssize_t)sizeof(r.in))
			serve_one(f, fd, &r);
		else if (errno == ENODEV)
			_exit(0);
	}
}

struct fusefs *fusefs_start(void)
{
	struct fusefs *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char options[100];
	int fd;

	if (system("modprobe fuse 2>/dev/null"))
		note("no module fuse: perhaps it is built in");
	umount2(WHERE, MNT_DETACH);
	mkdir(WHERE, 0700);
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !system("mknod /dev/fuse c 10 229"))
		fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("/dev/fuse: %s", strerror(errno));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("xl-fuse", WHERE, "fuse", 0, options))
		die("mounting a FUSE file system: %s", strerror(errno));
	fflush(stdout);
	server = fork();
	if (!server) {
		/* a suite that ends badly must leave nothing that hangs to the next */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 3; i < 1024; i++)
			if (i != fd)
				close(i);
		serve(f, fd);
	}
	close(fd);
	return f;
}

int fusefs_open(void)
{
	int fd = open(WHERE "/" NAME, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", WHERE "/" NAME, strerror(errno));
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

void fusefs_set(struct fusefs *f, unsigned first, unsigned n, enum fusefs_mode mode)
{
	while (n--)
		__atomic_store_n(&f->mode[first++], mode, __ATOMIC_RELEASE);
}

bool fusefs_wait(struct fusefs *f, int waiting, unsigned seconds)
{
	double end = now() + seconds;

	while (__atomic_load_n(&f->waiting, __ATOMIC_ACQUIRE) < waiting) {
		if (now() > end)
			return false;
		usleep(5000);
	}
	return true;
}

void fusefs_stop(struct fusefs *f)
{
	int status;

	/* the connection ends with its server, and all requests with an error */
	kill(server, SIGKILL);
	waitpid(server, &status, 0);
	umount2(WHERE, MNT_DETACH);
	munmap(f, sizeof(*f));
}
