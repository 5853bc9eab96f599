/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device (virtio 1.2) without its transport: status, features,
 * queues, reset; and what any kind of device does with its queues.
 */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue.h"

#define VIRTIO_MAX_QUEUES   8
#define VIRTIO_NO_VECTOR    0xffff

/* What a request that is answered later "returns" */
#define VIRTIO_LATER    UINT32_MAX

/* What kind of device it is.  Offers VIRTIO_F_VERSION_1 and indirect
 * descriptors by itself. */
struct virtio_kind {
    uint16_t id;                /* VIRTIO_ID_* */
    uint64_t features;
    unsigned queues;
    uint16_t queue_size;        /* a power of two, at most VIRTQUEUE_MAX */
    unsigned config_size;

    /* The configuration of the kind: offset + size is not beyond its size. */
    void (*config_read)(void *opaque, unsigned offset, unsigned size,
                        void *to);
    void (*config_write)(void *opaque, unsigned offset, unsigned size,
                         const void *from);
    /*
     * One request.  Returns how many bytes were written, or VIRTIO_LATER: then
     * virtio_device_answer() goes with the chain's head, unless the driver
     * resets the device before.  Takes place in virtio_device_work(), not when
     * the driver notifies.
     */
    uint32_t (*request)(void *opaque, unsigned queue,
                        const struct virtqueue_chain *chain);
    /* The driver has reset the device, or is gone. */
    void (*reset)(void *opaque);
};

/* How a device reaches the guest. */
struct virtio_transport {
    void (*interrupt)(void *opaque, uint16_t vector);
    /* whether the device may touch the guest's memory now */
    bool (*may_access)(void *opaque);
    /* there is something to do for virtio_device_work() */
    void (*wake)(void *opaque);
    void *opaque;
};

struct virtio_device {
    struct virtio_kind kind;
    void *opaque;               /* the kind's */
    struct guest_memory mem;
    struct virtio_transport transport;
    uint64_t offered, accepted; /* features */
    uint8_t status;
    uint8_t isr;
    uint8_t generation;
    uint16_t config_vector;
    uint32_t kicked;            /* bit n: queue n */
    struct virtqueue queues[VIRTIO_MAX_QUEUES];
    struct virtqueue_chain chain;   /* of the request that is served */
};

void virtio_device_init(struct virtio_device *dev,
                        const struct virtio_kind *kind, void *opaque,
                        const struct guest_memory *mem,
                        const struct virtio_transport *transport);

void virtio_device_reset(struct virtio_device *dev);

/* The driver writes the status. */
void virtio_device_status(struct virtio_device *dev, uint8_t status);

/* The driver enables a queue. */
void virtio_device_enable(struct virtio_device *dev, unsigned queue);

/* The driver notifies the device of a queue. */
void virtio_device_kick(struct virtio_device *dev, unsigned queue);

/*
 * Serves requests: some, so that a driver that never stops does not keep the
 * caller.  Returns whether there is more.
 */
bool virtio_device_work(struct virtio_device *dev);

/* The answer to a request is complete: so many bytes of it. */
void virtio_device_answer(struct virtio_device *dev, unsigned queue,
                          uint16_t head, uint32_t written);

/* The configuration of the kind has changed. */
void virtio_device_changed(struct virtio_device *dev);

#endif
