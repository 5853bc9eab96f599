/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues (virtio 1.2, 2.7), the device's side.  All that is in the
 * guest's memory is copied before it is looked at, and a driver that breaks a
 * rule breaks its queue: nothing more comes out of it until it is reset.
 */
#ifndef DEVICES_QUEUE_H
#define DEVICES_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

#define VIRTQUEUE_MAX   256     /* entries of a queue, and parts of a chain */

struct virtqueue {
    /* What the driver writes into the registers */
    uint16_t size;              /* entries */
    uint16_t vector;
    uint64_t desc, avail, used; /* where the three parts are */
    bool enabled;

    bool broken;
    uint16_t seen;              /* of the available ring */
    uint16_t done;              /* of the used ring */
};

/* One request: first the parts to read, then those to write. */
struct virtqueue_chain {
    uint16_t head;
    unsigned n_out, n_in;
    uint64_t out_len, in_len;   /* bytes to read, and to write */
    struct { uint64_t addr; uint32_t len; } part[VIRTQUEUE_MAX];
};

/* Back to how it is before a driver: max entries, a power of two of at most
 * VIRTQUEUE_MAX. */
void virtqueue_reset(struct virtqueue *vq, uint16_t max);

/* The driver has set it up.  Returns 0, or -1: EINVAL, not enabled. */
int virtqueue_enable(struct virtqueue *vq);

/*
 * Takes the next request.  Returns 1, 0 if there is none, or -1 with errno set
 * if the queue is or has become broken.
 */
int virtqueue_pop(struct virtqueue *vq, const struct guest_memory *mem,
                  struct virtqueue_chain *chain);

/*
 * Copies from what is to be read, or to what is to be written, starting at
 * offset.  Return how much: less than len at the end of it, and nothing more
 * where there is no memory.
 */
size_t virtqueue_read(const struct virtqueue_chain *chain,
                      const struct guest_memory *mem, uint64_t offset,
                      void *to, size_t len);
size_t virtqueue_write(const struct virtqueue_chain *chain,
                       const struct guest_memory *mem, uint64_t offset,
                       const void *from, size_t len);

/* Gives a request back, with so many bytes written.  -1: broken. */
int virtqueue_push(struct virtqueue *vq, const struct guest_memory *mem,
                   uint16_t head, uint32_t written);

/* After virtqueue_push(): does the driver want to be interrupted? */
bool virtqueue_wants_interrupt(struct virtqueue *vq,
                               const struct guest_memory *mem);

#endif
