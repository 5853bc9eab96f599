// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenlend-gpu and a guest that does everything to it that a driver must not (guests/linux/hostile.c).  The guest sees that each
 * time the device serves a driver that does it right.  Seen from here: its process lives, nothing of what the guest had is left
 * with it, another guest gets its memory all the while, and when the guest is gone so is all of it.
 *
 * XENLEND_GPU_HOSTILE="TIMES CYCLES [SEED]": so many times as many rounds, so many blobs that come and go (job gpu-hostile).
 */
#include "suites.h"
#include "drv.h"
#include "linuxguest.h"
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NAME	"xltest-gpu-hostile"
#define FILES	"/tmp/" NAME ".files"
#define PICTURE	"/tmp/" NAME ".png"
#define SOCKET	"/tmp/" NAME ".wayland"
#define CGROUP	"/sys/fs/cgroup/" NAME
#define OTHER	16		/* pages of the other guest's */

static struct linux_guest g = { .name = NAME };
static pid_t child;

/* ---- what the device has ---- */

struct holds {
	unsigned files, maps;
	unsigned long charged;	/* bytes, of its cgroup */
	uint64_t lent;		/* pages */
};

static unsigned long number_in(const char *path)
{
	unsigned long v = 0;
	FILE *f = fopen(path, "r");

	if (!f || fscanf(f, "%lu", &v) != 1)
		note("%s: %s", path, strerror(errno));
	if (f)
		fclose(f);
	return v;
}

static struct holds holds(void)
{
	struct xenlend_stats s = { 0 };
	struct holds h = { 0 };
	char line[600];
	FILE *f;

	snprintf(line, sizeof(line), "ls /proc/%d/fd | wc -l", child);
	f = popen(line, "r");
	if (!f || fscanf(f, "%u", &h.files) != 1)
		note("no list of the device's descriptors");
	if (f)
		pclose(f);
	snprintf(line, sizeof(line), "/proc/%d/maps", child);
	f = fopen(line, "r");
	/* of the guest's memory some stays mapped, as much as was of use */
	while (f && fgets(line, sizeof(line), f))
		h.maps += !strstr(line, "privcmd");
	if (f)
		fclose(f);
	h.charged = number_in(CGROUP "/memory.current");
	linux_gpu_window(&g, &s);
	h.lent = s.pages_lent;
	return h;
}

/* The guest has nothing at this moment. */
static void nothing_left(const char *after, const struct holds *first)
{
	struct holds h = holds();

	at("after %s", after);
	ok(!kill(child, 0) && linux_gpu_child(&g) == child, "the device's process lives");
	eq(h.files, first->files, "its descriptors are as many as before");
	/* heaps grow */
	ok(h.maps <= first->maps + 4, "its mappings are no more (%u, were %u)", h.maps, first->maps);
	eq(h.lent, 0, "nothing is lent");
	ok(h.charged <= first->charged + (2 << 20), "no more memory is charged to it (%lu KiB, were %lu)", h.charged >> 10, first->charged >> 10);
}

/* ---- a compositor: it reads now and then, sends what nobody has asked for, and hangs up ---- */

#define CLIENTS	16
static int listener = -1;
static uint64_t compositor_seed;
static volatile bool composed;
static uint64_t clients, spoken;

static void compositor_listen(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = SOCKET };

	unlink(SOCKET);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 4))
		die("a socket for a compositor: %s", strerror(errno));
}

/* At most so many descriptors of each kind, of which the second one may be one that nobody understands */
static void say_something(int fd, uint64_t r)
{
	int fds[8], n = r >> 8 & 7, p[2] = { -1, -1 }, m = memfd_create("theirs", MFD_CLOEXEC), i;
	char data[5000] = "";
	struct iovec part = { data, 1 + (r >> 16) % sizeof(data) };
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(fds))]; } c = {
		.h = { .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS },
	};
	struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = n ? &c : NULL,
			    .msg_controllen = n ? CMSG_SPACE(n * sizeof(int)) : 0 };

	if (m < 0 || ftruncate(m, r >> 32 & 0xffff) || pipe2(p, O_CLOEXEC))
		die("descriptors");
	for (i = 0; i < n; i++)
		fds[i] = i == 1 && !(r >> 48 & 15) ? p[0] : i % 2 ? p[1] : m;
	memcpy(CMSG_DATA(&c.h), fds, n * sizeof(int));
	spoken += sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
	close(m);
	close(p[0]);
	close(p[1]);
}

/* What came with it is written to: pipes, and memory. */
static bool listen_to(int fd)
{
	char data[4096], room[CMSG_SPACE(32 * sizeof(int))];
	struct iovec part = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int got;

	for (size_t i = 0; h && CMSG_LEN((i + 1) * sizeof(int)) <= h->cmsg_len; i++) {
		memcpy(&got, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
		spoken += write(got, "x", 1) == 1;
		close(got);
	}
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static void *compositor(void *arg)
{
	struct pollfd p[1 + CLIENTS] = { { .fd = listener, .events = POLLIN } };
	unsigned n = 1, i;

	(void)arg;
	while (!composed) {
		if (poll(p, n, 100) <= 0)
			continue;
		if (p[0].revents && n <= CLIENTS) {
			p[n] = (struct pollfd){ .fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), .events = POLLIN };
			if (p[n].fd >= 0) {
				clients++;
				say_something(p[n++].fd, mix(compositor_seed, ++spoken));
			}
		}
		for (i = 1; i < n; i++) {
			uint64_t r = mix(compositor_seed, ++spoken);

			if (!p[i].revents)
				continue;
			if (r % 4 == 0)
				say_something(p[i].fd, r);
			if ((r % 4 && !listen_to(p[i].fd)) || r % 64 == 5) {
				close(p[i].fd);
				p[i--] = p[--n];
			}
		}
	}
	while (n > 1)
		close(p[--n].fd);
	return NULL;
}

/* ---- another guest, which is served all the while ---- */

static struct lent other;
static uint64_t rounds, wrong;

/* It finds what it has written, after that was paged out, and writes something else. */
static void other_goes_on(void)
{
	if (rounds)
		wrong += gop(other.g, 0, GOP_CHECK, W(0), OTHER * PAGE, rounds);
	rounds++;
	gop(other.g, 0, GOP_FILL, W(0), OTHER * PAGE, rounds);
	madvise(other.span, OTHER * PAGE, 21 /* MADV_PAGEOUT */);
}

static void meanwhile(void)
{
	static unsigned n;

	other_goes_on();
	/* a picture of whatever the display is said to show */
	if (n++ % 64 == 63)
		kill(g.device, SIGUSR1);
}

static void run(const char *words)
{
	static const char *const parts[] = { "rings", "commands", "mappings", "registers", "memory", "cycles" };
	struct holds first;
	uint64_t pages;
	unsigned i;

	pages = xen_free_pages();
	if (!linux_start(&g, 2, 160, false, words))
		return;
	if (!linux_gpu(&g, (const char *[]){ "--size", "64M", "--test=" FILES, "--display", "640x480", "--memory", "64M",
					     "--screenshot", PICTURE, "--wayland", SOCKET, NULL })) {
		linux_logs(&g);
		goto out;
	}
	child = linux_gpu_child(&g);
	eq(shell("xl unpause " NAME), 0, "the guest starts");
	if (!linux_until(&g, "start", 300))
		goto out;
	g.meanwhile = meanwhile;
	first = holds();
	note("the device has %u descriptors, %u mappings, %lu KiB", first.files, first.maps, first.charged >> 10);
	linux_go(&g);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!linux_until(&g, parts[i], 600))
			goto out;
		nothing_left(parts[i], &first);
		linux_go(&g);
	}
	if (!linux_until(&g, "destroy", 120))
		goto out;
	usleep(500000);
	at("the end");
	eq(shell("xl destroy " NAME), 0, "the guest is destroyed in the middle of it");
	eq(linux_gpu_ended(&g), 0, "the device ends with the guest");
	ok(!linux_gpu_window(&g, NULL), "no window is left");
	ok(domain_gone(g.domid, 60), "... nor anything of the domain");
	for (i = 0; i < 100 && xen_free_pages() + 64 < pages; i++)
		usleep(100000);
	ok(i < 100, "Xen has its memory back (%lu pages free, were %lu)", (long)xen_free_pages(), (long)pages);
out:
	g.meanwhile = NULL;
	linux_end(&g);
}

void suite_gpu_hostile(void)
{
	unsigned times = 1, cycles = 200;
	unsigned long long seed = 0;
	const char *how = getenv("XENLEND_GPU_HOSTILE");
	pthread_t thread;
	char words[160];

	if (how)
		sscanf(how, "%u %u %llu", &times, &cycles, &seed);
	if (!seed)
		seed = now() * 1000;
	note("seed %llu, %u times, %u blobs: job gpu-hostile with %u:%u:%llu does the same again", seed, times, cycles, times, cycles, seed);
	if (times > 1 || cycles > 1000)
		tap_limit(3000);
	xen_open();
	eq(shell("mkdir -p " FILES "; chmod 777 " FILES), 0, "a folder");
	signal(SIGPIPE, SIG_IGN);	/* of pipes that the guest does not read from */
	compositor_listen();
	compositor_seed = seed;
	if (pthread_create(&thread, NULL, compositor, NULL))
		die("pthread_create");
	other = lent_open(OTHER, LENDDEV_POLICY_ONES);
	lent_anon(&other, 0, OTHER);
	other_goes_on();
	snprintf(words, sizeof(words), "hugepages=1 xenlend.guest=hostile xenlend.seed=%llu xenlend.times=%u xenlend.cycles=%u", seed, times, cycles);
	run(words);
	composed = true;
	pthread_join(thread, NULL);
	close(listener);
	ok(clients > 0, "a compositor had %lu clients", (long)clients);
	other_goes_on();
	at("the other guest");
	ok(!wrong && rounds > 2, "another guest was served all the while: it found what it had written, %lu times (%lu words wrong)",
	   (long)rounds, (long)wrong);
	ok(lent_close(&other), "it goes away");
	if (shell("rm -rf /tmp/" NAME ".*; rmdir " CGROUP))
		note("something stays");
}
