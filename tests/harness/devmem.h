/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of the machine, and one whose memory is nothing but that, as a GPU's is: QEMU's bochs-display, or Bochs' PCI VGA.  The first
 * half of it is for whoever maps it himself; the other half is the module xlmover's.  A driver domain has no devices in sysfs: dom0 has
 * given it that one's memory, at a place that the kernel's command line tells.
 */
#ifndef DEVMEM_H
#define DEVMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct devmem {
	uint64_t frame;		/* of its first page, as hypercalls want it: the same for a PV and a PVH dom0 */
	uint64_t machine;	/* the same page, as permissions name it: another number in a driver domain */
	size_t pages;		/* that are ours */
	uint64_t at;		/* offset of its first byte in the files */
	int fd;			/* to be mapped, uncached */
	int wc;			/* the same, write-combining; or -1 */
};

/* After xen_open().  False: there is none, or it is not to be had. */
bool devmem_open(struct devmem *d);
void devmem_close(struct devmem *d);

/* A PCI device of the machine, which nobody uses. */
struct pcidev {
	char name[256];		/* as in /sys/bus/pci/devices */
	uint32_t sbdf;		/* as Xen names it */
};

bool pcidev_find(struct pcidev *d, unsigned vendor, unsigned device);
/* The start of a BAR; the suite ends if it cannot be had. */
void *pcidev_map(struct pcidev *d, unsigned bar, size_t len);
/* It may access memory, and be accessed. */
void pcidev_master(struct pcidev *d);

/* How a lent slot is entered in the borrower's tables, as Xen's debug key 'W' tells. */
struct entry {
	bool there;
	uint64_t frame;		/* the machine's */
	bool mmio;
	bool write;
	bool large;		/* 2 MiB */
	int type;		/* memory type that it names: 0 UC, 1 WC, 6 WB; another: none of these */
	bool fixed;		/* whatever the guest's PAT says */
};

/* One of the first eight lent slots of that domain's window at gfn. */
struct entry entry_of(uint32_t domid, uint64_t gfn, uint64_t slot);
/* dom0: the same in a number, or a negative errno, for toolstack.h */
long entry_read(uint32_t domid, uint64_t gfn, uint64_t slot);

#endif
