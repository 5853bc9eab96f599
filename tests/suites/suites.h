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
#define DOMU	16	/* also in a driver domain: asks nothing of Xen that only dom0 may, but through toolstack.h */
#define DOMU_ONLY 32	/* only there */
#define HVM	64	/* also NAME/hvm, on guests with QEMU, for a PV lender on the AMD machine; of others for who asks for it */
#define QEMU	128	/* all guests have QEMU: where HVM is */
#define POLICY	256	/* what depends on who may do what: on a Xen with FLASK, too */
#define FLASK	512	/* with POLICY: only there */
#define DOMU_LONG 1024	/* with DOMU: not in its short form, where it takes long and is little about such a lender */
#define HVM_EXTRA 200	/* seconds more for who makes guests by xl */

#define WIN_GFN		(GUEST_WINDOW >> 12)
#define W(slot)		(GUEST_WINDOW + (uint64_t)(slot) * PAGE)

#define SUITES(X) \
	X(smoke, 180, DRIVER | DOMU | HVM | POLICY) \
	X(access, 300, DOMU | HVM) \
	X(abi, 300, 0) \
	X(emulator, 400, 0) \
	X(hostile, 300, HVM) \
	X(frames, 300, 0) \
	X(teardown, 400, DOMU) \
	X(lender, 300, POLICY) \
	X(targets, 300, POLICY) \
	X(flask, 300, POLICY | FLASK) \
	X(domain, 300, DOMU | DOMU_ONLY) \
	X(features, 300, 0) \
	X(mmio, 300, DRIVER | BOTH | DOMU | DOMU_LONG) \
	X(cache, 300, DRIVER | BOTH | DOMU | DOMU_LONG) \
	X(huge, 300, DRIVER | BOTH | DOMU | DOMU_LONG) \
	X(nomem, 300, LONG) \
	X(iommu, 120, PV_ONLY | LONG) \
	X(dma, 120, LONG) \
	X(race, 300, DOMU) \
	X(stale, 400, 0) \
	X(counter, 400, LONG) \
	X(progress, 300, DOMU) \
	X(ioctl, 300, DRIVER | DOMU) \
	X(memory, 400, DRIVER | DOMU | POLICY) \
	X(mover, 400, DRIVER | DOMU) \
	X(dirty, 400, DRIVER | DOMU) \
	X(process, 500, DRIVER | DOMU) \
	X(hold, 400, DRIVER | DOMU) \
	X(charge, 300, LONG | DRIVER | DOMU) \
	X(hang, 500, LONG | DRIVER | DOMU) \
	X(soak, 300, LONG | DRIVER | DOMU) \
	X(storm, 300, LONG | DRIVER | DOMU) \
	X(leak, 600, LONG | DRIVER | DOMU) \
	X(library, 200, DRIVER | DOMU) \
	X(tools, 300, LONG | DRIVER | DOMU) \
	X(bar, 600, PV_ONLY | LONG | DRIVER) \
	X(linux, 600, PV_ONLY | DRIVER | HVM) \
	X(gpu, 900, LONG | DRIVER) \
	X(gpu_hostile, 400, PV_ONLY | LONG | DRIVER) \
	X(qemu, 300, DRIVER | QEMU) \
	X(fuzz, 240, 0)

int save_by_library(unsigned domid);	/* of suite features: saves a domain to nowhere; exit status */

extern unsigned fuzz_seconds;
extern uint64_t fuzz_seed;	/* 0: by the clock */

#define X(n, l, f) void suite_##n(void);
SUITES(X)
#undef X

#endif
