/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux guest whose program talks to a suite over the console (guests/linux/say.h), and its virtio GPU: a process of
 * xenlend-gpu, in a cgroup of its own.
 */
#ifndef LINUXGUEST_H
#define LINUXGUEST_H

#include <xenlend.h>
#include "guest.h"

#define LINUX_REGION	0x200000000ULL	/* where the GPU's memory is */

struct linux_guest {
	const char *name;		/* of the domain; of files in /tmp, of the cgroup */
	uint32_t domid;
	int tty;			/* its console */
	pid_t device;
	/* while nothing is heard of it; NULL: nothing */
	void (*meanwhile)(void);
	/* a line of the program's that is no test: whether that was understood; NULL: none is */
	bool (*heard)(const char *line);
	/* the rest is linuxguest.c's */
	char text[65536];		/* of the console: all that is not the program's */
	size_t text_len;
	char buf[4096];
	size_t have;
};

/* A guest that is paused; program and options are words of its kernel's command line.  modules: with those of its GPU's driver. */
bool linux_start(struct linux_guest *g, unsigned vcpus, unsigned mem_mb, bool modules, const char *words);
/* Until the guest's program says this word, or waits for it: its tests become the suite's.  False: it does not. */
bool linux_until(struct linux_guest *g, const char *word, unsigned seconds);
/* What it waits for is there. */
void linux_go(struct linux_guest *g);
/* Destroys what is left, ends the device, shows its log. */
void linux_end(struct linux_guest *g);
/* Both logs, as diagnostics */
void linux_logs(struct linux_guest *g);

/* The device, with further arguments up to NULL */
bool linux_gpu(struct linux_guest *g, const char *const *more);
bool linux_gpu_logged(struct linux_guest *g, const char *want);
/* Its exit status when it ends; -1: it does not, -2: by a signal */
int linux_gpu_ended(struct linux_guest *g);
/* The process that serves the guest: the child of the one that was started */
pid_t linux_gpu_child(struct linux_guest *g);
/* The window over the guest's region: its serial, or 0 */
uint64_t linux_gpu_window(struct linux_guest *g, struct xenlend_stats *stats);

#endif
