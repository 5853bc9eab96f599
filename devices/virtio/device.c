/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "device.h"

#define MAX_REQUESTS    64      /* of one virtio_device_work() */

#define ISR_QUEUE       1
#define ISR_CONFIG      2

static bool running(const struct virtio_device *dev)
{
    return dev->status & VIRTIO_CONFIG_S_DRIVER_OK &&
           !(dev->status & (VIRTIO_CONFIG_S_NEEDS_RESET |
                            VIRTIO_CONFIG_S_FAILED));
}

static void forget_driver(struct virtio_device *dev)
{
    dev->status = dev->isr = 0;
    dev->accepted = 0;
    dev->kicked = 0;
    dev->config_vector = VIRTIO_NO_VECTOR;
    for (unsigned i = 0; i < dev->kind.queues; i++)
        virtqueue_reset(&dev->queues[i], dev->kind.queue_size);
}

void virtio_device_init(struct virtio_device *dev,
                        const struct virtio_kind *kind, void *opaque,
                        const struct guest_memory *mem,
                        const struct virtio_transport *transport)
{
    *dev = (struct virtio_device){
        .kind = *kind, .opaque = opaque, .mem = *mem, .transport = *transport,
        .offered = kind->features | (uint64_t)1 << VIRTIO_F_VERSION_1 |
                   (uint64_t)1 << VIRTIO_RING_F_INDIRECT_DESC,
    };
    forget_driver(dev);
}

void virtio_device_reset(struct virtio_device *dev)
{
    forget_driver(dev);
    dev->kind.reset(dev->opaque);
}

static void interrupt_config(struct virtio_device *dev)
{
    dev->isr |= ISR_CONFIG;
    if (dev->config_vector != VIRTIO_NO_VECTOR)
        dev->transport.interrupt(dev->transport.opaque, dev->config_vector);
}

static void needs_reset(struct virtio_device *dev)
{
    if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
        return;
    dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
        interrupt_config(dev);
}

void virtio_device_changed(struct virtio_device *dev)
{
    dev->generation++;
    if (running(dev))
        interrupt_config(dev);
}

static bool acceptable(const struct virtio_device *dev)
{
    return !(dev->accepted & ~dev->offered) &&
           dev->accepted >> VIRTIO_F_VERSION_1 & 1;
}

void virtio_device_status(struct virtio_device *dev, uint8_t status)
{
    const uint8_t driver = VIRTIO_CONFIG_S_ACKNOWLEDGE |
                           VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |
                           VIRTIO_CONFIG_S_FEATURES_OK |
                           VIRTIO_CONFIG_S_FAILED;

    if (!status) {
        virtio_device_reset(dev);
        return;
    }
    /* A bit that is set stays until the reset. */
    status = (status & driver) | dev->status;
    if (status & ~dev->status & VIRTIO_CONFIG_S_FEATURES_OK &&
        !acceptable(dev))
        status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
    if (!(status & VIRTIO_CONFIG_S_FEATURES_OK))
        status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
    dev->status = status;
}

void virtio_device_enable(struct virtio_device *dev, unsigned queue)
{
    if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
        dev->queues[queue].enabled)
        return;
    if (virtqueue_enable(&dev->queues[queue]))
        needs_reset(dev);
}

void virtio_device_kick(struct virtio_device *dev, unsigned queue)
{
    if (queue >= dev->kind.queues || !running(dev))
        return;
    dev->kicked |= 1u << queue;
    dev->transport.wake(dev->transport.opaque);
}

static void interrupt_queue(struct virtio_device *dev, struct virtqueue *vq)
{
    if (!virtqueue_wants_interrupt(vq, &dev->mem))
        return;
    dev->isr |= ISR_QUEUE;
    if (vq->vector != VIRTIO_NO_VECTOR)
        dev->transport.interrupt(dev->transport.opaque, vq->vector);
}

/* Returns whether the queue may have more. */
static bool serve(struct virtio_device *dev, unsigned queue)
{
    struct virtqueue *vq = &dev->queues[queue];
    bool any = false, more = true;
    int r = 1;

    for (unsigned n = 0; n < MAX_REQUESTS && more; n++) {
        uint32_t written;

        r = virtqueue_pop(vq, &dev->mem, &dev->chain);
        if (r <= 0) {
            more = false;
            break;
        }
        written = dev->kind.request(dev->opaque, queue, &dev->chain);
        if (written == VIRTIO_LATER)
            continue;
        r = virtqueue_push(vq, &dev->mem, dev->chain.head, written);
        if (r < 0)
            more = false;
        any = true;
    }
    if (any && r >= 0)
        interrupt_queue(dev, vq);
    if (r < 0)
        needs_reset(dev);
    return more;
}

void virtio_device_answer(struct virtio_device *dev, unsigned queue,
                          uint16_t head, uint32_t written)
{
    struct virtqueue *vq = &dev->queues[queue];

    if (!running(dev) || !dev->transport.may_access(dev->transport.opaque))
        return;
    if (virtqueue_push(vq, &dev->mem, head, written) < 0)
        needs_reset(dev);
    else
        interrupt_queue(dev, vq);
}

bool virtio_device_work(struct virtio_device *dev)
{
    uint32_t kicked = dev->kicked;

    if (!running(dev) || !dev->transport.may_access(dev->transport.opaque)) {
        dev->kicked = 0;
        return false;
    }
    dev->kicked = 0;
    for (unsigned i = 0; i < dev->kind.queues; i++)
        if (kicked >> i & 1 && running(dev) && serve(dev, i))
            dev->kicked |= 1u << i;
    return dev->kicked;
}
