/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test help: what user space in the lender cannot find out or do. */
#ifndef XLPFN_H
#define XLPFN_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* pfn -> the frame's number for Xen: mfn for a PV lender, gfn for PVH */
#define XLPFN_FRAME	_IOWR('~', 1, __u64)
/* the frame of this process's top-level page table */
#define XLPFN_PGD	_IOR('~', 2, __u64)
/* a page of the kernel's own, for the next two; its frame */
#define XLPFN_ALLOC	_IOR('~', 3, __u64)
/* that page goes back to Xen, as a balloon would do it */
#define XLPFN_GIVE_UP	_IO('~', 4)
/* ... and is filled again with another frame, and freed; also at close */
#define XLPFN_FREE	_IO('~', 5)
/* first word of that page */
#define XLPFN_PEEK	_IOR('~', 6, __u64)
/*
 * address of this process in a mapping of pages that Linux does not own
 * (VM_PFNMAP: pagemap is silent there) -> pfn
 */
#define XLPFN_MAPPED	_IOWR('~', 7, __u64)

/*
 * The next so many times that the driver is about to use a snapshot of page
 * tables, it waits for so many milliseconds: times << 32 | milliseconds.  It
 * keeps its processor meanwhile.  0: no more, and who waits goes on.
 */
#define XLPFN_DELAY	_IOW('~', 8, __u64)
/* how many times it has waited since then */
#define XLPFN_DELAYED	_IOR('~', 9, __u64)
#define XLPFN_LONGEST	30000	/* milliseconds: there to end a hang */
/*
 * The same, but it waits after an invalidation has been told to it, and all was
 * revoked: page tables are not changed yet.
 */
#define XLPFN_DELAY_REVOKED	_IOW('~', 13, __u64)
/*
 * after XLPFN_DELAY: when a window has been closed and is about to be destroyed
 * in Xen, who waits goes on, and the end of the window waits for that
 */
#define XLPFN_MEET	_IO('~', 10)
/* who waits goes on now */
#define XLPFN_GO_ON	_IO('~', 11)
/* of those that have waited: how many are done << 32 | how many of these lent */
#define XLPFN_COMMITS	_IOR('~', 12, __u64)

#endif
