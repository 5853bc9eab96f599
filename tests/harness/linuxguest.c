// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linuxguest.h"
#include "tap.h"

void linux_logs(struct linux_guest *g)
{
	char *p = g->text_len > 6000 ? g->text + g->text_len - 6000 : g->text, *line;

	while ((line = strsep(&p, "\n")))
		printf("# guest: %s\n", line);
	if (shell("sed 's/^/# device: /' /tmp/%s.log", g->name))
		return;
}

/* ---- the device ---- */

bool linux_gpu_logged(struct linux_guest *g, const char *want)
{
	return !shell("grep -q '%s' /tmp/%s.log", want, g->name);
}

bool linux_gpu(struct linux_guest *g, const char *const *more)
{
	const char *argv[32] = { "xenlend-gpu", "--domain" };
	char number[16], log[80];
	int i, fd, n = 2;

	snprintf(number, sizeof(number), "%u", g->domid);
	snprintf(log, sizeof(log), "/tmp/%s.log", g->name);
	argv[n++] = number;
	while (*more && n < 31)
		argv[n++] = *more++;
	unlink(log);
	g->device = fork();
	if (!g->device) {
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		if (shell("echo %u > /sys/fs/cgroup/%s/cgroup.procs", getpid(), g->name))
			fprintf(stderr, "no cgroup\n");
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	for (i = 0; i < 300 && !linux_gpu_logged(g, "has a virtio GPU"); i++)
		usleep(100000);
	return ok(i < 300, "the device is there");
}

int linux_gpu_ended(struct linux_guest *g)
{
	int i, status;

	for (i = 0; i < 600; i++) {
		if (waitpid(g->device, &status, WNOHANG) == g->device)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
		usleep(100000);
	}
	return -1;
}

pid_t linux_gpu_child(struct linux_guest *g)
{
	return child_of(g->device);
}

uint64_t linux_gpu_window(struct linux_guest *g, struct xenlend_stats *stats)
{
	xenlend_handle *h = xenlend_open(NULL, 0);
	struct xenlend_window_info info = { 0 };
	uint64_t found = 0;

	while (h && xenlend_next(h, info.serial, &info) == 1)
		if (info.domid == g->domid && info.gpa == LINUX_REGION) {
			found = info.serial;
			if (stats && xenlend_stats(h, found, stats))
				found = 0;
		}
	xenlend_close(h);
	return found;
}

/* ---- the guest ---- */

bool linux_start(struct linux_guest *g, unsigned vcpus, unsigned mem_mb, bool modules, const char *words)
{
	char path[64], *name;
	FILE *f;

	g->text_len = g->have = 0;
	g->device = 0;
	g->tty = -1;
	if (shell("echo +memory > /sys/fs/cgroup/cgroup.subtree_control; mkdir -p /sys/fs/cgroup/%s", g->name))
		die("no cgroup");
	snprintf(path, sizeof(path), "/tmp/%s.cfg", g->name);
	f = fopen(path, "w");
	fprintf(f, "name = \"%s\"\ntype = \"pvh\"\nmemory = %u\nvcpus = %u\nkernel = \"/xenlend/guests/linux/vmlinuz\"\n"
		   "ramdisk = \"/tmp/%s.initrd\"\n"
		   "extra = \"console=hvc0 loglevel=1 pci=noacpi,noearly vt.global_cursor_default=0 %s\"\non_poweroff = \"destroy\"\non_crash = \"destroy\"\n",
		g->name, mem_mb, vcpus, g->name, words);
	fclose(f);
	if (!eq(shell("cd /xenlend/guests/linux && cat initrd %s > /tmp/%s.initrd && xl create -p %s >/tmp/%s.log 2>&1",
		      modules ? "modules.cpio" : "", g->name, path, g->name), 0, "xl create of a paused Linux guest")) {
		linux_logs(g);
		return false;
	}
	snprintf(path, sizeof(path), "xl domid %s", g->name);
	f = popen(path, "r");
	if (!f || fscanf(f, "%u", &g->domid) != 1)
		die("xl domid");
	pclose(f);
	snprintf(path, sizeof(path), "/local/domain/%u/console/tty", g->domid);
	name = xs_read(xsh, 0, path, NULL);
	g->tty = name ? open(name, O_RDWR | O_NOCTTY | O_NONBLOCK) : -1;
	if (g->tty < 0)
		die("the guest's console %s: %s", name, strerror(errno));
	free(name);
	return true;
}

/* One line of the console, waited for; NULL: none came in time, or the console is gone. */
static const char *line_of(struct linux_guest *g, unsigned seconds)
{
	static char line[1024];
	double end = now() + seconds * tap_patience();
	unsigned looks = 0;

	for (;;) {
		char *nl = memchr(g->buf, '\n', g->have);
		ssize_t n;

		if (nl) {
			snprintf(line, sizeof(line), "%.*s", (int)(nl - g->buf), g->buf);
			line[strcspn(line, "\r")] = 0;
			g->have -= nl + 1 - g->buf;
			memmove(g->buf, nl + 1, g->have);
			return line;
		}
		if (g->have == sizeof(g->buf))
			g->have = 0;
		n = read(g->tty, g->buf + g->have, sizeof(g->buf) - g->have);
		if (n > 0) {
			g->have += n;
			continue;
		}
		/* a console stays when its domain goes */
		if (now() > end || (n < 0 && errno != EAGAIN) || (++looks % 64 == 0 && domain_gone(g->domid, 0))) {
			g->have = 0;
			return NULL;
		}
		if (g->meanwhile)
			g->meanwhile();
		usleep(g->meanwhile ? 200000 : 50000);
	}
}

bool linux_until(struct linux_guest *g, const char *word, unsigned seconds)
{
	const char *line, *p;

	at("the guest, until \"%s\"", word);
	while ((line = line_of(g, seconds))) {
		p = strstr(line, "gpu: ");
		if (!p) {
			if (g->text_len + strlen(line) + 2 < sizeof(g->text))
				g->text_len += sprintf(g->text + g->text_len, "%s\n", line);
			continue;
		}
		p += 5;
		if (!strncmp(p, "ok ", 3))
			ok(true, "guest: %s", p + 3);
		else if (!strncmp(p, "not ok ", 7))
			ok(false, "guest: %s", p + 7);
		else if (g->heard && g->heard(p))
			continue;
		else if (!strcmp(p, word) || (!strncmp(p, "wait ", 5) && !strcmp(p + 5, word)))
			return true;
		else
			note("%s", line);
	}
	ok(false, "the guest comes to \"%s\"", word);
	linux_logs(g);
	return false;
}

void linux_go(struct linux_guest *g)
{
	if (write(g->tty, "\n", 1) != 1)
		note("the console takes nothing: %s", strerror(errno));
}

void linux_end(struct linux_guest *g)
{
	if (g->tty >= 0)
		close(g->tty);
	g->tty = -1;
	if (g->device && waitpid(g->device, NULL, WNOHANG) == 0) {
		kill(g->device, SIGTERM);
		usleep(500000);
		kill(g->device, SIGKILL);
	}
	if (shell("sed 's/^/# device: /' /tmp/%s.log; xl destroy %s 2>/dev/null", g->name, g->name))
		return;
}
