// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenlend-gpu and an unmodified Linux guest with its own virtio-gpu driver: blobs of every kind of memory, used while they are
 * paged out; a picture that arrives; drivers that let go and take the device again; a device that is killed.  What the guest
 * finds it says on its console (guests/linux/gpu.c).
 */
#include "suites.h"
#include "linuxguest.h"
#include <png.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define NAME	"xltest-gpu"
#define PICTURE	"/tmp/" NAME ".png"
#define FILES	"/tmp/" NAME ".files"
#define SOCKET	"/tmp/" NAME ".wayland"
#define CGROUP	"/sys/fs/cgroup/" NAME

static bool huge;		/* there are huge pages */
static unsigned picture_w, picture_h;
static uint64_t picture_sum;

static void take_away(void)
{
	static unsigned n;
	bool some = n++ % 8;
	int fd = open(some ? CGROUP "/memory.reclaim" : "/proc/sys/vm/compact_memory", O_WRONLY);

	/* that there is nothing to reclaim is an error there */
	if (fd < 0 || write(fd, some ? "256K" : "1", some ? 4 : 1) < 0) {
		close(fd);
		return;
	}
	close(fd);
}

static bool heard(const char *line)
{
	unsigned long long sum;

	if (sscanf(line, "picture %u %u %llx", &picture_w, &picture_h, &sum) != 3)
		return false;
	picture_sum = sum;
	return true;
}

static struct linux_guest g = { .name = NAME, .heard = heard };

static bool device_start(bool trap)
{
	unlink(PICTURE);
	return linux_gpu(&g, (const char *[]){ "--size", "64M", "--test=" FILES, "--display", "640x480", "--screenshot", PICTURE,
					       "--wayland", SOCKET, trap ? "--trap" : NULL, NULL });
}

/* ---- the parts ---- */

static uint64_t checksum(const uint32_t *p, size_t n)
{
	uint64_t sum = 0, x;

	while (n--) {
		x = sum ^ (*p++ & 0xffffff);
		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
		x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
		sum = x ^ x >> 31;
	}
	return sum;
}

static void picture(void)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint64_t sum = 0;
	uint32_t *p = NULL;
	int i;

	eq(picture_w, 640, "the guest has drawn a picture");
	kill(g.device, SIGUSR1);
	/* it is written over the one before */
	for (i = 0; i < 100 && sum != picture_sum; i++) {
		usleep(100000);
		image = (png_image){ .version = PNG_IMAGE_VERSION };
		if (!png_image_begin_read_from_file(&image, PICTURE))
			continue;
		image.format = PNG_FORMAT_BGRA;
		p = realloc(p, PNG_IMAGE_SIZE(image));
		if (p && png_image_finish_read(&image, NULL, p, 0, NULL))
			sum = checksum(p, (size_t)image.width * image.height);
	}
	if (ok(p && image.width == picture_w && image.height == picture_h, "xenlend-gpu has a screenshot (%u x %u)", image.width, image.height))
		eqx(sum, picture_sum, "... which is that picture, all pixels of it");
	free(p);
	if (shell("cp " PICTURE " /results/gpu.png"))
		note("no copy of it");
}

static bool warm(void)
{
	struct xenlend_stats before, after;
	uint64_t serial;

	serial = linux_gpu_window(&g, &before);
	ok(serial, "one window");
	/* How many depends on how fast the guest is: each kind of memory has 256 pages, and one fault may bring 16 of them. */
	ok(before.faults_read + before.faults_write > 100, "faults: %lu to read, %lu to write", (long)before.faults_read,
	   (long)before.faults_write);
	ok(before.revokes > 256, "pages were taken back: %lu", (long)before.revokes);
	g.meanwhile = NULL;
	linux_go(&g);
	if (!linux_until(&g, "hot", 120))
		return false;
	linux_gpu_window(&g, &before);
	linux_go(&g);
	if (!linux_until(&g, "cold", 120))
		return false;
	eq(linux_gpu_window(&g, &after), serial, "the same window");
	ok(after.faults_read + after.faults_write + after.copies - before.faults_read - before.faults_write - before.copies <=
	   after.revokes - before.revokes, "no access of 20 passes traps, but for pages taken away (%lu faults, %lu copies, %lu revoked)",
	   (long)(after.faults_read + after.faults_write - before.faults_read - before.faults_write),
	   (long)(after.copies - before.copies), (long)(after.revokes - before.revokes));
	g.meanwhile = take_away;
	linux_go(&g);
	if (!linux_until(&g, "picture", 180))
		return false;
	eq(linux_gpu_window(&g, &after), serial, "blobs came and went in the same window");
	return true;
}

/* Where the blob of this many pages is, found among the device's memfds; NULL: there is none. */
static uint64_t *blob_of(unsigned pages)
{
	char path[64], name[64];
	void *p = MAP_FAILED;
	struct stat st;
	int i, fd;

	for (i = 0; i < 256 && p == MAP_FAILED; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", linux_gpu_child(&g), i);
		memset(name, 0, sizeof(name));
		if (readlink(path, name, sizeof(name) - 1) < 0 || strncmp(name, "/memfd:gpu ", 11))
			continue;
		fd = open(path, O_RDWR);
		if (fd >= 0 && !fstat(fd, &st) && st.st_size == pages * 4096)
			p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	return p == MAP_FAILED ? NULL : p;
}

static volatile uint64_t *counter;
static volatile bool counted;
static uint64_t counts;

static void *count(void *arg)
{
	(void)arg;
	while (!counted) {
		__atomic_fetch_add(&counter[0], 1, __ATOMIC_SEQ_CST);
		counts++;
	}
	return NULL;
}

/* A word to which the guest adds, and we, by LOCKed instructions.  trap: emulated ones, which get lost. */
static bool locked(bool trap)
{
	uint64_t guest, all;
	pthread_t thread;
	bool good;

	if (!linux_until(&g, "locked", 120))
		return false;
	counter = blob_of(3);
	if (!ok(counter, "the blob's memory, for a process of this domain"))
		return false;
	counts = 0;
	counted = false;
	if (pthread_create(&thread, NULL, count, NULL))
		die("pthread_create");
	linux_go(&g);
	good = linux_until(&g, "counted", 120);
	counted = true;
	pthread_join(thread, NULL);
	guest = counter[512];
	all = counter[0];
	if (trap)
		ok(all < guest + counts && guest > 1000, "without lending LOCKed additions get lost: %lu of the guest's %lu and our %lu",
		   (long)(guest + counts - all), (long)guest, (long)counts);
	else
		ok(all == guest + counts && guest > 1000, "no LOCKed addition is lost: the guest's %lu and our %lu (%ld)",
		   (long)guest, (long)counts, (long)(guest + counts - all));
	munmap((void *)counter, 3 * 4096);
	linux_go(&g);
	return good;
}

/* ---- a compositor ---- */

static int listener = -1;
static const char *compositor_failed;

static void compositor_listen(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = SOCKET };

	unlink(SOCKET);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 4))
		die("a socket for a compositor: %s", strerror(errno));
}

static bool tell(int fd, const char *text, const int *fds, unsigned n)
{
	struct iovec part = { (void *)text, strlen(text) };
	union { struct cmsghdr h; char room[CMSG_SPACE(3 * sizeof(int))]; } c = {
		.h = { .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS },
	};
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (n) {
		memcpy(CMSG_DATA(&c.h), fds, n * sizeof(int));
		m.msg_control = &c;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* got: its descriptor, or NULL if it shall have none */
static bool hear(int fd, const char *text, int *got)
{
	char room[CMSG_SPACE(sizeof(int))], have[40];
	struct iovec part = { have, sizeof(have) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (h && got)
		memcpy(got, CMSG_DATA(h), sizeof(int));
	return n == (ssize_t)strlen(text) && !memcmp(have, text, n) && !h == !got;
}

static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

static uint64_t *mapped(int fd)
{
	uint64_t *p = mmap(NULL, 256 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* What a guest's program does is in guests/linux/gpu.c.  Returns what went wrong, or NULL. */
static const char *compose(int fd)
{
	int pool = memfd_create("pool", MFD_CLOEXEC), keymap = memfd_create("keymap", MFD_CLOEXEC), pipes[2], drawn, clip, ro, n = 0;
	uint64_t *p, *q, sum = 0;
	char name[40], text[40] = "";
	ssize_t got;

	if (!hear(fd, "hello", NULL) || !tell(fd, "hello, guest", NULL, 0))
		return "text";
	if (!hear(fd, "draw", &drawn))
		return "a blob's descriptor";
	p = mapped(drawn);
	if (!p)
		return "the blob's memory";
	for (unsigned i = 0; i < 256; i++) {
		n += p[i * 512] != mixed(5 + i) || p[i * 512 + 511] != ~mixed(5 + i);
		p[i * 512 + 1] = mixed(6 + i);
	}
	if (n)
		return "what the guest has drawn";
	if (!tell(fd, "drawn", NULL, 0) || !hear(fd, "more", NULL))
		return "text about it";
	for (unsigned i = 0; i < 1000; i++)
		__atomic_fetch_add(&p[2], 1, __ATOMIC_SEQ_CST);
	if (!tell(fd, "added", NULL, 0))
		return "text about it";
	snprintf(name, sizeof(name), "/proc/self/fd/%d", keymap);
	if (pool < 0 || ftruncate(pool, 256 * 4096) || keymap < 0 || pwrite(keymap, "xkb_keymap {}", 13, 0) != 13 ||
	    ftruncate(keymap, 5000) || (ro = open(name, O_RDONLY | O_CLOEXEC)) < 0 || pipe2(pipes, O_CLOEXEC))
		return "memory of its own";
	q = mapped(pool);
	if (!q)
		return "memory of its own";
	for (unsigned i = 0; i < 256; i++)
		q[i * 512] = mixed(77 + i);
	if (!hear(fd, "memory", NULL) || !tell(fd, "here", (int[]){ pool, ro, pipes[1] }, 3))
		return "descriptors";
	close(pipes[1]);
	if (!hear(fd, "written", NULL))
		return "text about them";
	for (unsigned i = 0; i < 256; i++)
		n += q[i * 512] != mixed(99 + i) || q[i * 512 + 511] != ~mixed(99 + i);
	if (n)
		return "what the guest has written";
	munmap(q, 256 * 4096);
	if (ftruncate(pool, 128 * 4096))
		return "memory cut off";
	for (got = 0; got < (ssize_t)sizeof(text) - 1 && (n = read(pipes[0], text + got, sizeof(text) - 1 - got)) > 0; got += n)
		;
	if (n || strcmp(text, "pasted text"))
		return "what the guest has written to a pipe";
	if (!tell(fd, "shorter", NULL, 0) || !hear(fd, "clipboard", &clip))
		return "a pipe of the guest's";
	if (write(clip, "copied", 6) != 6)
		return "what the guest reads from a pipe";
	close(clip);
	if (!hear(fd, "bye", NULL))
		return "the last words";
	for (unsigned i = 0; i < 256; i++)
		sum += p[i * 512] == mixed(5 + i);
	if (sum != 256)
		return "the blob that the guest has not any more";
	munmap(p, 256 * 4096);
	close(drawn);
	close(pool);
	close(keymap);
	close(ro);
	close(pipes[0]);
	return NULL;
}

static void *compositor(void *arg)
{
	const struct timeval *patience = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, patience, sizeof(*patience)))
		note("a compositor that waits for ever");
	compositor_failed = fd < 0 ? "a connection" : compose(fd);
	close(fd);
	return NULL;
}

/* A program of the guest's is a client of it, while memory is taken away. */
static bool wayland(void)
{
	struct timeval patience = { .tv_sec = 120 };
	pthread_t thread;
	bool good;

	if (!linux_until(&g, "wayland", 300))
		return false;
	if (setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    pthread_create(&thread, NULL, compositor, &patience))
		die("a compositor");
	linux_go(&g);
	good = linux_until(&g, "bye", 180);
	pthread_join(thread, NULL);
	ok(good && !compositor_failed, "the compositor has what it expects (%s)", compositor_failed ? compositor_failed : "all of it");
	linux_go(&g);
	return good;
}

static bool killed(void)
{
	struct xenlend_stats s;
	pid_t child;

	if (!linux_until(&g, "kill", 120))
		return false;
	/* Stopped first, so that the guest waits for it when it dies. */
	child = linux_gpu_child(&g);
	ok(child > 1 && !kill(child, SIGSTOP), "the device's process is stopped");
	linux_go(&g);
	sleep(3);
	kill(child, SIGKILL);
	eq(linux_gpu_ended(&g), 1, "... the other one ends, with an error");
	ok(linux_gpu_logged(&g, "died of signal 9"), "... that it says");
	ok(!linux_gpu_window(&g, &s), "... no window is left");
	if (!linux_until(&g, "restart", 120))
		return false;
	if (!device_start(false))
		return false;
	linux_go(&g);
	return true;
}

static void run(unsigned vcpus, const char *extra, bool kills, bool destroys, bool trap)
{
	char words[100];
	int i;

	at("%u vCPU%s", vcpus, trap ? ", without lending" : "");
	snprintf(words, sizeof(words), "xenlend.guest=gpu %s%s", extra, huge ? " xenlend.huge" : "");
	if (!linux_start(&g, vcpus, 160, true, words))
		return;
	if (!device_start(trap)) {
		linux_logs(&g);
		goto out;
	}
	ok(linux_gpu_logged(&g, "handles are for domain"), "it has given up privileges");
	eq(shell("xl unpause " NAME), 0, "the guest starts");
	if (!linux_until(&g, "start", 300))
		goto out;
	linux_go(&g);
	if (!locked(trap))
		goto out;
	if (!trap) {
		g.meanwhile = take_away;
		if (!wayland() || !linux_until(&g, "warm", 300) || !warm())
			goto out;
		picture();
		/* ... and of blobs: of a file, and of a dma-buf, which cannot be read like one */
		for (i = 0; i < 2; i++) {
			linux_go(&g);
			if (!linux_until(&g, "picture", 180))
				goto out;
			picture();
		}
		linux_go(&g);
	}
	if ((kills && !killed()) || !linux_until(&g, destroys ? "destroy" : "done", 180))
		goto out;
	g.meanwhile = NULL;
	at("the end");
	if (destroys)
		eq(shell("xl destroy " NAME), 0, "the guest is destroyed while it is busy");
	for (i = 0; i < 600 && !shell("xl domid " NAME " >/dev/null 2>&1"); i++)
		usleep(100000);
	ok(i < 600, "the guest is gone");
	eq(linux_gpu_ended(&g), 0, "the device ends with the guest");
	ok(!linux_gpu_window(&g, NULL), "no window is left");
	ok(domain_gone(g.domid, 30), "... nor anything of the domain");
	ok(linux_gpu_logged(&g, "commands, "), "... it says what it did");
out:
	g.meanwhile = NULL;
	linux_end(&g);
}

void suite_gpu(void)
{
	xen_open();
	eq(shell("mkdir -p -m 777 " FILES "; chmod 777 " FILES), 0, "a folder");
	signal(SIGPIPE, SIG_IGN);	/* of pipes that the guest does not read from */
	compositor_listen();
	huge = !access("/proc/sys/vm/nr_hugepages", F_OK) && !shell("echo 4 > /proc/sys/vm/nr_hugepages");
	if (!huge)
		skip("a blob of hugetlb", "this dom0 has no huge pages");
	run(2, "xenlend.kill", true, false, false);
	run(1, "xenlend.short xenlend.destroy", false, true, false);
	run(1, "xenlend.trapped", false, false, true);
	if (huge && shell("echo 0 > /proc/sys/vm/nr_hugepages"))
		note("huge pages stay");
	if (shell("rm -rf " FILES " /tmp/" NAME ".*; rmdir " CGROUP))
		note("something stays");
}
