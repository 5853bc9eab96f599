/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host-visible memory without lending, to compare with: each access of the
 * guest's is emulated by Xen, sent here, and done on the blob that is there.
 * That is slow, and not right: a LOCKed instruction comes as a read and a
 * write, between which others may write.
 */
#ifndef GPU_TRAPPED_H
#define GPU_TRAPPED_H

#include "../pci/pci.h"
#include "gpu.h"

struct trapped_bar {
    struct gpu *gpu;
    uint64_t reads, writes;     /* accesses, of 8 bytes at most */
};

/* As pci_bar_add(), 64-bit and prefetchable; bar stays the caller's. */
int trapped_bar_add(struct trapped_bar *bar, struct pci_function *fn,
                    unsigned index, uint64_t addr, uint64_t size);

#endif
