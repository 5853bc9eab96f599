/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <stddef.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "common.h"

#define AT(field)   offsetof(struct virtio_pci_common_cfg, field)

static struct virtqueue *selected(struct common *c)
{
    return c->queue_select < c->dev->kind.queues
           ? &c->dev->queues[c->queue_select] : NULL;
}

static uint32_t half(uint64_t v, uint32_t which)
{
    return which < 2 ? v >> 32 * which : 0;
}

/* A register as wide as it is; the two halves of addresses are registers, too.
 * Returns how wide, 0 if there is none. */
static unsigned get(struct common *c, unsigned offset, uint64_t *v)
{
    struct virtio_device *dev = c->dev;
    struct virtqueue *vq = selected(c);

    *v = 0;
    switch (offset) {
    case AT(device_feature_select):
        *v = c->device_feature_select;
        return 4;
    case AT(device_feature):
        *v = half(dev->offered, c->device_feature_select);
        return 4;
    case AT(guest_feature_select):
        *v = c->driver_feature_select;
        return 4;
    case AT(guest_feature):
        *v = half(dev->accepted, c->driver_feature_select);
        return 4;
    case AT(msix_config):
        *v = dev->config_vector;
        return 2;
    case AT(num_queues):
        *v = dev->kind.queues;
        return 2;
    case AT(device_status):
        *v = dev->status;
        return 1;
    case AT(config_generation):
        *v = dev->generation;
        return 1;
    case AT(queue_select):
        *v = c->queue_select;
        return 2;
    case AT(queue_size):
        *v = vq ? vq->size : 0;
        return 2;
    case AT(queue_msix_vector):
        *v = vq ? vq->vector : VIRTIO_NO_VECTOR;
        return 2;
    case AT(queue_enable):
        *v = vq && vq->enabled;
        return 2;
    case AT(queue_notify_off):
        *v = vq ? c->queue_select : 0;
        return 2;
    case AT(queue_desc_lo):
        *v = vq ? (uint32_t)vq->desc : 0;
        return 4;
    case AT(queue_desc_hi):
        *v = vq ? vq->desc >> 32 : 0;
        return 4;
    case AT(queue_avail_lo):
        *v = vq ? (uint32_t)vq->avail : 0;
        return 4;
    case AT(queue_avail_hi):
        *v = vq ? vq->avail >> 32 : 0;
        return 4;
    case AT(queue_used_lo):
        *v = vq ? (uint32_t)vq->used : 0;
        return 4;
    case AT(queue_used_hi):
        *v = vq ? vq->used >> 32 : 0;
        return 4;
    default:
        return 0;
    }
}

uint64_t common_read(struct common *c, uint64_t offset, unsigned size)
{
    uint64_t low, high;

    if (offset >= sizeof(struct virtio_pci_common_cfg))
        return 0;
    if (get(c, offset, &low) == size)
        return low;
    /* An address in one go */
    if (size == 8 && offset % 8 == 0 && get(c, offset, &low) == 4 &&
        get(c, offset + 4, &high) == 4)
        return low | high << 32;
    return 0;
}

static void set_low(uint64_t *where, uint32_t v)
{
    *where = (*where & ~(uint64_t)UINT32_MAX) | v;
}

static void set_high(uint64_t *where, uint32_t v)
{
    *where = (*where & UINT32_MAX) | (uint64_t)v << 32;
}

static uint16_t vector(const struct common *c, uint64_t v)
{
    return v < c->vectors ? v : VIRTIO_NO_VECTOR;
}

static void set_features(struct common *c, uint32_t v)
{
    if (c->dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
        return;
    if (c->driver_feature_select == 0)
        set_low(&c->dev->accepted, v);
    else if (c->driver_feature_select == 1)
        set_high(&c->dev->accepted, v);
}

static void set_queue(struct common *c, unsigned offset, uint64_t v)
{
    struct virtqueue *vq = selected(c);

    if (!vq)
        return;
    if (offset == AT(queue_msix_vector)) {
        vq->vector = vector(c, v);
        return;
    }
    /* What it is cannot be changed under requests. */
    if (vq->enabled)
        return;
    switch (offset) {
    case AT(queue_size):
        vq->size = v;
        break;
    case AT(queue_enable):
        if (v == 1)
            virtio_device_enable(c->dev, c->queue_select);
        break;
    case AT(queue_desc_lo):
        set_low(&vq->desc, v);
        break;
    case AT(queue_desc_hi):
        set_high(&vq->desc, v);
        break;
    case AT(queue_avail_lo):
        set_low(&vq->avail, v);
        break;
    case AT(queue_avail_hi):
        set_high(&vq->avail, v);
        break;
    case AT(queue_used_lo):
        set_low(&vq->used, v);
        break;
    case AT(queue_used_hi):
        set_high(&vq->used, v);
        break;
    }
}

void common_write(struct common *c, uint64_t offset, unsigned size,
                  uint64_t value)
{
    uint64_t old;

    if (offset >= sizeof(struct virtio_pci_common_cfg))
        return;
    if (size < 8)
        value &= ((uint64_t)1 << 8 * size) - 1;
    if (size == 8 && offset % 8 == 0 && offset >= AT(queue_desc_lo) &&
        offset <= AT(queue_used_lo)) {
        set_queue(c, offset, (uint32_t)value);
        set_queue(c, offset + 4, value >> 32);
        return;
    }
    if (get(c, offset, &old) != size)
        return;
    switch (offset) {
    case AT(device_feature_select):
        c->device_feature_select = value;
        break;
    case AT(guest_feature_select):
        c->driver_feature_select = value;
        break;
    case AT(guest_feature):
        set_features(c, value);
        break;
    case AT(msix_config):
        c->dev->config_vector = vector(c, value);
        break;
    case AT(device_status):
        virtio_device_status(c->dev, value);
        break;
    case AT(queue_select):
        c->queue_select = value;
        break;
    default:
        set_queue(c, offset, value);
        break;
    }
}
