/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SUITES_H
#define SUITES_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "raw.h"
#include "tap.h"

struct suite {
	const char *name;
	void (*run)(void);
	unsigned limit;		/* seconds: generous, it is there to end a hang */
	unsigned flags;
};
#define PV_ONLY	1	/* not for a PVH lender: its share of the time is small, and nothing here depends on the lender's kind */
#define LONG	2	/* not in the short form: takes long on the Intel machine, and is little or nothing about the CPU */
#define DRIVER	4	/* about the driver, or what is above it: what make check-debug runs */
#define BOTH	8	/* with DRIVER: and about Xen */

#define WIN_GFN		(GUEST_WINDOW >> 12)
#define W(slot)		(GUEST_WINDOW + (uint64_t)(slot) * PAGE)

#define SUITES(X) \
	X(smoke, 180, DRIVER) \
	X(access, 300, 0) \
	X(abi, 300, 0) \
	X(emulator, 400, 0) \
	X(hostile, 300, 0) \
	X(frames, 300, 0) \
	X(teardown, 400, 0) \
	X(lender, 300, 0) \
	X(targets, 300, 0) \
	X(features, 300, 0) \
	X(mmio, 300, DRIVER | BOTH) \
	X(cache, 300, DRIVER | BOTH) \
	X(huge, 300, DRIVER | BOTH) \
	X(nomem, 300, LONG) \
	X(iommu, 120, PV_ONLY | LONG) \
	X(dma, 120, PV_ONLY | LONG) \
	X(race, 300, 0) \
	X(stale, 400, 0) \
	X(counter, 400, LONG) \
	X(progress, 300, 0) \
	X(ioctl, 300, DRIVER) \
	X(memory, 400, DRIVER) \
	X(mover, 400, DRIVER) \
	X(dirty, 400, DRIVER) \
	X(process, 500, DRIVER) \
	X(hold, 400, DRIVER) \
	X(charge, 300, LONG | DRIVER) \
	X(hang, 500, LONG | DRIVER) \
	X(soak, 300, LONG | DRIVER) \
	X(storm, 300, LONG | DRIVER) \
	X(leak, 600, LONG | DRIVER) \
	X(library, 200, DRIVER) \
	X(tools, 300, LONG | DRIVER) \
	X(bar, 600, PV_ONLY | LONG | DRIVER) \
	X(linux, 600, PV_ONLY | DRIVER) \
	X(fuzz, 240, 0)

int save_by_library(unsigned domid);	/* of suite features: saves a domain to nowhere; exit status */

extern unsigned fuzz_seconds;
extern uint64_t fuzz_seed;	/* 0: by the clock */

#define X(n, l, f) void suite_##n(void);
SUITES(X)
#undef X

#endif
