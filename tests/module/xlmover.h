/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test help: buffers that move, as a GPU's driver moves them.
 *
 * An open file is a buffer; mmap() it shared, at offset 0.  Its pages are the
 * module's own, in RAM or in the memory of the machine's PCI device that has
 * some, mapped without struct pages (VM_PFNMAP), and may become others at any
 * moment: they are taken out of all mappings, copied, and the old ones
 * poisoned.  A private mapping of one page is of the first as it is then, and
 * does not follow it.
 */
#ifndef XLMOVER_H
#define XLMOVER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XLMOVER_MAX		4096	/* pages of a buffer */
#define XLMOVER_POISON		0x6d6f7665

/* where pages are */
#define XLMOVER_CACHED		0	/* in RAM, mapped write-back */
#define XLMOVER_COMBINED	1	/* in RAM, mapped write-combining */
#define XLMOVER_DEVICE		2	/* in a device's memory, write-combining */

struct xlmover_move {
	__u32 first;
	__u32 nr;
	__u32 place;
	__u32 pad;
};

/**
 * struct xlmover_counts - what happened
 * @faults: of this buffer
 * @moves: pages of it that were moved
 * @late: words that were written to its old pages after they had been taken out
 *        of all mappings; found when the next are, or here
 * @buffers: that there are, of whoever
 * @room: pages that the device's memory has left
 */
struct xlmover_counts {
	__u64 faults;
	__u64 moves;
	__u64 late;
	__u64 buffers;
	__u64 room;
};

/* pages: once, before mmap() */
#define XLMOVER_SIZE	_IOW('~', 32, __u64)
#define XLMOVER_MOVE	_IOW('~', 33, struct xlmover_move)
#define XLMOVER_COUNTS	_IOR('~', 34, struct xlmover_counts)
/* not 0: it is taken out of all mappings, and faults end in bus errors */
#define XLMOVER_REFUSE	_IOW('~', 35, __u64)

#endif
