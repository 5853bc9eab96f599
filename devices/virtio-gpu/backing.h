/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of the guest's that stand behind a resource, in an order of its own. */
#ifndef GPU_BACKING_H
#define GPU_BACKING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../virtio/queue.h"

#define BACKING_MAX_ENTRIES 65536u

struct backing {
    unsigned n;                 /* 0: none */
    struct backing_part { uint64_t addr, start; uint32_t len; } *part;
    uint64_t len;
    /* while it is mapped: n parts, and the pages that they are in */
    struct iovec *iov;
    void *pages;
    size_t n_pages;
};

/*
 * Reads n entries (struct virtio_gpu_mem_entry) at offset of a request.
 * Returns 0 or an errno value: EINVAL, ENOMEM, EFAULT for a request that is
 * too short.
 */
int backing_read(struct backing *b, const struct virtqueue_chain *chain,
                 const struct guest_memory *mem, uint64_t offset, unsigned n);
/* It must not be mapped. */
void backing_free(struct backing *b);

/* How many pages the parts touch; one that several touch is counted as often. */
uint64_t backing_pages(const struct backing *b);
/* For who needs addresses.  0 or an errno value: EFAULT, some of it is not
 * there; ENOTSUP. */
int backing_map(struct backing *b, const struct guest_memory *mem);
void backing_unmap(struct backing *b, const struct guest_memory *mem);

/* Copies what is at offset in the backing.  0, or -1 with errno set: EINVAL,
 * it is not as long; EFAULT, there is no memory. */
int backing_copy(const struct backing *b, const struct guest_memory *mem,
                 uint64_t offset, void *to, uint64_t len);
/* The other way round. */
int backing_write(const struct backing *b, const struct guest_memory *mem,
                  uint64_t offset, const void *from, uint64_t len);

#endif
