/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver's ioctls, without the library.  Results are 0 (or what is named) or -errno. */
#ifndef DRV_H
#define DRV_H

#include <stdint.h>
#include <stddef.h>
#include <xen/lenddev.h>
#include "guest.h"

int drv_open(void);						/* the device; the suite ends if it cannot be opened */
int drv_borrower(int dev, uint32_t domid, uint64_t gpa, uint64_t len, unsigned max_windows);	/* descriptor */
int drv_window(int fd, uint64_t gpa, uint64_t len, void *addr, uint64_t flags, unsigned policy, uint64_t cookie);	/* id */
int drv_destroy(int fd, unsigned id);
int drv_populate(int fd, unsigned id, uint64_t off, uint64_t len, bool write, uint64_t *done);
int drv_zap(int fd, unsigned id, uint64_t off, uint64_t len);
/* How many vCPUs were held, or a negative errno. */
int drv_resume(int fd, unsigned id, uint64_t off, uint64_t len, unsigned action);
/* a parameter of the module, by its name */
void xlend_param(const char *name, unsigned long value);

int drv_stats(int fd, unsigned id, struct lenddev_stats *st);
struct lenddev_stats drv_st(int fd, unsigned id);		/* the suite ends if that fails */
int drv_ioctl(int fd, unsigned long cmd, void *arg);
/* Up to max events, waiting for the first at most so long. */
int drv_events(int fd, struct lenddev_event *ev, unsigned max, int timeout_ms);

/* Unloads the module, when nothing uses it any more, and loads it with these parameters. */
bool drv_reload(const char *options);

/* Address space with nothing in it. */
void *span_new(size_t len);

/* A guest, a borrower, a writable window over a span of so many pages. */
struct lent {
	struct guest *g;
	int dev, fd;
	unsigned id;
	uint8_t *span;
	size_t pages;
};
struct lent lent_open(size_t pages, unsigned policy);
bool lent_close(struct lent *l);
uint64_t lent_now(const struct lent *l);			/* pages that are lent */
/* Puts memory into the span: mmap(MAP_FIXED) at a page. */
void *lent_map(struct lent *l, size_t page, size_t pages, int prot, int flags, int fd, off_t off);
#define lent_anon(l, page, pages) lent_map(l, page, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)

#endif
