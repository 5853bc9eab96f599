// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenlend-gpu and an unmodified Linux guest with its own virtio-gpu driver: blobs of every kind of memory, used while they are
 * paged out; a picture that arrives; drivers that let go and take the device again; a device that is killed.  What the guest
 * finds it says on its console (guests/linux/gpu.c).
 */
#include "suites.h"
#include <xenlend.h>
#include <png.h>
#include <pthread.h>
#include <sys/stat.h>

#define NAME	"xltest-gpu"
#define LOG	"/tmp/xl-gpu.log"
#define PICTURE	"/tmp/xl-gpu.png"
#define FILES	"/tmp/xl-gpu.files"
#define CGROUP	"/sys/fs/cgroup/xlgpu"
#define ADDRESS	0x200000000ULL

static int tty = -1;
static uint32_t domid;
static pid_t device;
static bool huge;		/* there are huge pages */
static bool pressure;		/* pages are taken away meanwhile */
static char text[65536];	/* of the console: all that is not ours */
static size_t text_len;
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

static void show_logs(void)
{
	char *p = text_len > 6000 ? text + text_len - 6000 : text, *line;

	while ((line = strsep(&p, "\n")))
		printf("# guest: %s\n", line);
	if (shell("sed 's/^/# device: /' " LOG " >&2; sed 's/^/# device: /' " LOG))
		return;
}

/* ---- the device ---- */

static bool logged(const char *want)
{
	return !shell("grep -q '%s' " LOG, want);
}

static bool device_start(bool trap)
{
	char number[16];
	int i, fd;

	snprintf(number, sizeof(number), "%u", domid);
	unlink(LOG);
	unlink(PICTURE);
	device = fork();
	if (!device) {
		fd = open(LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		if (shell("echo %u > " CGROUP "/cgroup.procs", getpid()))
			fprintf(stderr, "no cgroup\n");
		execlp("xenlend-gpu", "xenlend-gpu", "--domain", number, "--size", "64M", "--test=" FILES, "--display", "640x480",
		       "--screenshot", PICTURE, trap ? "--trap" : NULL, NULL);
		_exit(127);
	}
	for (i = 0; i < 300 && !logged("has a virtio GPU"); i++)
		usleep(100000);
	return ok(i < 300, "the device is there");
}

/* Its exit status, or -1 if it does not end */
static int device_ended(void)
{
	int i, status;

	for (i = 0; i < 600; i++) {
		if (waitpid(device, &status, WNOHANG) == device)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
		usleep(100000);
	}
	return -1;
}

/* The process that serves the guest is the child of the one that was started. */
static pid_t device_child(void)
{
	return child_of(device);
}

/* The window over the guest's region: its serial, or 0 */
static uint64_t window(struct xenlend_stats *stats)
{
	xenlend_handle *h = xenlend_open(NULL, 0);
	struct xenlend_window_info info = { 0 };
	uint64_t found = 0;

	while (h && xenlend_next(h, info.serial, &info) == 1)
		if (info.domid == domid && info.gpa == ADDRESS) {
			found = info.serial;
			if (stats && xenlend_stats(h, found, stats))
				found = 0;
		}
	xenlend_close(h);
	return found;
}

/* ---- the guest ---- */

static bool guest_start(unsigned vcpus, const char *extra)
{
	char path[64], *name;
	FILE *f;

	text_len = 0;
	f = fopen("/tmp/xl-gpu.cfg", "w");
	fprintf(f, "name = \"" NAME "\"\ntype = \"pvh\"\nmemory = 160\nvcpus = %u\nkernel = \"/xenlend/guests/linux/vmlinuz\"\n"
		   "ramdisk = \"/tmp/xl-gpu.initrd\"\n"
		   "extra = \"console=hvc0 loglevel=1 pci=noacpi,noearly vt.global_cursor_default=0 xenlend.guest=gpu %s\"\non_poweroff = \"destroy\"\non_crash = \"destroy\"\n",
		vcpus, extra);
	fclose(f);
	if (!eq(shell("cat /xenlend/guests/linux/initrd /xenlend/guests/linux/modules.cpio > /tmp/xl-gpu.initrd && xl create -p /tmp/xl-gpu.cfg >" LOG " 2>&1"),
		0, "xl create of a paused Linux guest")) {
		show_logs();
		return false;
	}
	f = popen("xl domid " NAME, "r");
	if (!f || fscanf(f, "%u", &domid) != 1)
		die("xl domid");
	pclose(f);
	snprintf(path, sizeof(path), "/local/domain/%u/console/tty", domid);
	name = xs_read(xsh, 0, path, NULL);
	tty = name ? open(name, O_RDWR | O_NOCTTY | O_NONBLOCK) : -1;
	if (tty < 0)
		die("the guest's console %s: %s", name, strerror(errno));
	free(name);
	return true;
}

/* One line of the console, waited for; NULL: none came in time, or the console is gone. */
static const char *guest_line(unsigned seconds)
{
	static char buf[4096];
	static size_t have;
	static char line[1024];
	double end = now() + seconds * tap_patience();

	for (;;) {
		char *nl = memchr(buf, '\n', have);
		ssize_t n;

		if (nl) {
			snprintf(line, sizeof(line), "%.*s", (int)(nl - buf), buf);
			line[strcspn(line, "\r")] = 0;
			have -= nl + 1 - buf;
			memmove(buf, nl + 1, have);
			return line;
		}
		if (have == sizeof(buf))
			have = 0;
		n = read(tty, buf + have, sizeof(buf) - have);
		if (n > 0) {
			have += n;
			continue;
		}
		if (now() > end || (n < 0 && errno != EAGAIN)) {
			have = 0;
			return NULL;
		}
		if (pressure)
			take_away();
		usleep(pressure ? 200000 : 50000);
	}
}

/* Until the guest waits for this word: its tests become ours. */
static bool guest_until(const char *word, unsigned seconds)
{
	unsigned long long sum;
	const char *line, *p;

	at("the guest, until \"%s\"", word);
	while ((line = guest_line(seconds))) {
		p = strstr(line, "gpu: ");
		if (!p) {
			if (text_len + strlen(line) + 2 < sizeof(text))
				text_len += sprintf(text + text_len, "%s\n", line);
			continue;
		}
		p += 5;
		if (!strncmp(p, "ok ", 3))
			ok(true, "guest: %s", p + 3);
		else if (!strncmp(p, "not ok ", 7))
			ok(false, "guest: %s", p + 7);
		else if (sscanf(p, "picture %u %u %llx", &picture_w, &picture_h, &sum) == 3)
			picture_sum = sum;
		else if (!strcmp(p, word) || (!strncmp(p, "wait ", 5) && !strcmp(p + 5, word)))
			return true;
		else
			note("%s", line);
	}
	ok(false, "the guest comes to \"%s\"", word);
	show_logs();
	return false;
}

static void guest_go(void)
{
	if (write(tty, "\n", 1) != 1)
		note("the console takes nothing: %s", strerror(errno));
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
	uint32_t *p = NULL;
	int i;

	eq(picture_w, 640, "the guest has drawn a picture");
	kill(device, SIGUSR1);
	for (i = 0; i < 100; i++) {
		usleep(100000);
		image = (png_image){ .version = PNG_IMAGE_VERSION };
		if (!png_image_begin_read_from_file(&image, PICTURE))
			continue;
		image.format = PNG_FORMAT_BGRA;
		p = realloc(p, PNG_IMAGE_SIZE(image));
		if (p && png_image_finish_read(&image, NULL, p, 0, NULL))
			break;
	}
	if (ok(p && i < 100 && image.width == picture_w && image.height == picture_h, "xenlend-gpu has a screenshot (%u x %u)",
	       image.width, image.height))
		eqx(checksum(p, (size_t)image.width * image.height), picture_sum, "... which is that picture, all pixels of it");
	free(p);
	if (shell("cp " PICTURE " /results/gpu.png"))
		note("no copy of it");
}

static bool warm(void)
{
	struct xenlend_stats before, after;
	uint64_t serial;

	serial = window(&before);
	ok(serial, "one window");
	/* How many depends on how fast the guest is: each kind of memory has 256 pages, and one fault may bring 16 of them. */
	ok(before.faults_read + before.faults_write > 100, "faults: %lu to read, %lu to write", (long)before.faults_read,
	   (long)before.faults_write);
	ok(before.revokes > 256, "pages were taken back: %lu", (long)before.revokes);
	pressure = false;
	guest_go();
	if (!guest_until("hot", 120))
		return false;
	window(&before);
	guest_go();
	if (!guest_until("cold", 120))
		return false;
	eq(window(&after), serial, "the same window");
	ok(after.faults_read + after.faults_write + after.copies - before.faults_read - before.faults_write - before.copies <=
	   after.revokes - before.revokes, "no access of 20 passes traps, but for pages taken away (%lu faults, %lu copies, %lu revoked)",
	   (long)(after.faults_read + after.faults_write - before.faults_read - before.faults_write),
	   (long)(after.copies - before.copies), (long)(after.revokes - before.revokes));
	pressure = true;
	guest_go();
	if (!guest_until("picture", 180))
		return false;
	eq(window(&after), serial, "blobs came and went in the same window");
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
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", device_child(), i);
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

	if (!guest_until("locked", 120))
		return false;
	counter = blob_of(3);
	if (!ok(counter, "the blob's memory, for a process of this domain"))
		return false;
	counts = 0;
	counted = false;
	if (pthread_create(&thread, NULL, count, NULL))
		die("pthread_create");
	guest_go();
	good = guest_until("counted", 120);
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
	guest_go();
	return good;
}

static bool killed(void)
{
	struct xenlend_stats s;
	pid_t child;

	if (!guest_until("kill", 120))
		return false;
	/* Stopped first, so that the guest waits for it when it dies. */
	child = device_child();
	ok(child > 1 && !kill(child, SIGSTOP), "the device's process is stopped");
	guest_go();
	sleep(3);
	kill(child, SIGKILL);
	eq(device_ended(), 1, "... the other one ends, with an error");
	ok(logged("died of signal 9"), "... that it says");
	ok(!window(&s), "... no window is left");
	if (!guest_until("restart", 120))
		return false;
	if (!device_start(false))
		return false;
	guest_go();
	return true;
}

static void run(unsigned vcpus, const char *extra, bool kills, bool destroys, bool trap)
{
	char words[100];
	int i;

	at("%u vCPU%s", vcpus, trap ? ", without lending" : "");
	snprintf(words, sizeof(words), "%s%s", extra, huge ? " xenlend.huge" : "");
	if (!guest_start(vcpus, words))
		return;
	if (!device_start(trap)) {
		show_logs();
		goto out;
	}
	ok(logged("handles are for domain"), "it has given up privileges");
	eq(shell("xl unpause " NAME), 0, "the guest starts");
	if (!guest_until("start", 300))
		goto out;
	guest_go();
	if (!locked(trap))
		goto out;
	if (!trap) {
		pressure = true;
		if (!guest_until("warm", 300) || !warm())
			goto out;
		picture();
		guest_go();
	}
	if ((kills && !killed()) || !guest_until(destroys ? "destroy" : "done", 180))
		goto out;
	pressure = false;
	at("the end");
	if (destroys)
		eq(shell("xl destroy " NAME), 0, "the guest is destroyed while it is busy");
	for (i = 0; i < 600 && !shell("xl domid " NAME " >/dev/null 2>&1"); i++)
		usleep(100000);
	ok(i < 600, "the guest is gone");
	eq(device_ended(), 0, "the device ends with the guest");
	ok(!window(NULL), "no window is left");
	ok(domain_gone(domid, 30), "... nor anything of the domain");
	ok(logged("commands, "), "... it says what it did");
out:
	pressure = false;
	if (tty >= 0)
		close(tty);
	tty = -1;
	if (waitpid(device, NULL, WNOHANG) == 0) {
		kill(device, SIGTERM);
		usleep(500000);
		kill(device, SIGKILL);
	}
	if (shell("sed 's/^/# device: /' " LOG "; xl destroy " NAME " 2>/dev/null"))
		return;
}

void suite_gpu(void)
{
	xen_open();
	eq(shell("mkdir -p -m 777 " FILES "; chmod 777 " FILES "; echo +memory > /sys/fs/cgroup/cgroup.subtree_control; mkdir -p " CGROUP), 0, "folders");
	huge = !access("/proc/sys/vm/nr_hugepages", F_OK) && !shell("echo 4 > /proc/sys/vm/nr_hugepages");
	if (!huge)
		skip("a blob of hugetlb", "this dom0 has no huge pages");
	run(2, "xenlend.kill", true, false, false);
	run(1, "xenlend.short xenlend.destroy", false, true, false);
	run(1, "xenlend.trapped", false, false, true);
	if (huge && shell("echo 0 > /proc/sys/vm/nr_hugepages"))
		note("huge pages stay");
	if (shell("rm -rf " FILES " /tmp/xl-gpu.*; rmdir " CGROUP))
		note("something stays");
}
