/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file system with one file, whose pages come when the test likes, or never.  Served by a child process, so that it goes
 * on when the one that maps the file is stuck or killed.
 */
#ifndef FUSEFS_H
#define FUSEFS_H

#include <stdbool.h>
#include <stdint.h>

#define FUSEFS_PAGES	1024

enum fusefs_mode { FUSEFS_SERVE, FUSEFS_HANG, FUSEFS_EIO };

struct fusefs {
	int mode[FUSEFS_PAGES];		/* of each page: enum fusefs_mode; may be changed at any time */
	int waiting;			/* reads that hang now */
	int served;			/* reads, ever */
};

/* Mounts it at a place of its own; the suite ends if that fails.  The first word of page n is fusefs_word(n). */
struct fusefs *fusefs_start(void);
int fusefs_open(void);			/* its file, for reading and writing */
void fusefs_set(struct fusefs *f, unsigned first, unsigned n, enum fusefs_mode mode);
bool fusefs_wait(struct fusefs *f, int waiting, unsigned seconds);	/* until at least so many reads hang */
/* Lets go of all reads that hang, with errors, and ends. */
void fusefs_stop(struct fusefs *f);
static inline uint64_t fusefs_word(unsigned page) { return 0xf05e000000000000UL + page; }

#endif
