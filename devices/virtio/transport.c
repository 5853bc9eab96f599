/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_pci.h>

#include "common.h"
#include "transport.h"

/* The four parts of BAR 0; each has a page. */
#define PART            0x1000u
#define COMMON_AT       (0 * PART)
#define ISR_AT          (1 * PART)
#define KIND_AT         (2 * PART)
#define NOTIFY_AT       (3 * PART)

#define NOTIFY_STEP     4u          /* bytes from a queue to the next */

struct virtio_pci {
    struct virtio_device dev;
    struct common common;
    struct msix *msix;
    struct pci_function *fn;
    unsigned window;                /* the capability to access BAR 0 by */
    void (*wake)(void *opaque);
    void *opaque;
};

uint16_t virtio_pci_device_id(uint16_t kind)
{
    return 0x1040 + kind;
}

/* BAR 0 ------------------------------------------------------------------ */

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    struct virtio_pci *vp = opaque;
    struct virtio_device *dev = &vp->dev;
    uint64_t v = 0, at = offset % PART;

    switch (offset - at) {
    case COMMON_AT:
        return common_read(&vp->common, at, size);
    case ISR_AT:
        if (at)
            return 0;
        v = dev->isr;
        dev->isr = 0;
        return v;
    case KIND_AT:
        if (at < dev->kind.config_size && size <= dev->kind.config_size - at)
            dev->kind.config_read(dev->opaque, at, size, &v);
        return v;
    default:
        return 0;
    }
}

static void bar_write(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct virtio_pci *vp = opaque;
    struct virtio_device *dev = &vp->dev;
    uint64_t at = offset % PART;

    switch (offset - at) {
    case COMMON_AT:
        common_write(&vp->common, at, size, value);
        break;
    case KIND_AT:
        if (at < dev->kind.config_size && size <= dev->kind.config_size - at)
            dev->kind.config_write(dev->opaque, at, size, &value);
        break;
    case NOTIFY_AT:
        /* Where it is written says which queue; what is written says it too,
         * if the driver is right. */
        virtio_device_kick(dev, at / NOTIFY_STEP);
        break;
    }
}

static const struct pci_bar_ops bar_ops = {
    .read = bar_read, .write = bar_write,
};

/* The same by configuration cycles --------------------------------------- */

static uint32_t get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = v;
    p[1] = v >> 8;
    p[2] = v >> 16;
    p[3] = v >> 24;
}

/* Returns the size of the access that the driver has chosen, 0 if it is none
 * of BAR 0. */
static unsigned window(const struct virtio_pci *vp, uint32_t *offset)
{
    const uint8_t *cap = pci_config(vp->fn) + vp->window;
    uint32_t size = get32(cap + VIRTIO_PCI_CAP_LENGTH);

    *offset = get32(cap + VIRTIO_PCI_CAP_OFFSET);
    if (cap[VIRTIO_PCI_CAP_BAR] != VIRTIO_BAR ||
        (size != 1 && size != 2 && size != 4) || *offset % size ||
        *offset > VIRTIO_BAR_SIZE - size)
        return 0;
    return size;
}

static void window_reading(void *opaque, unsigned offset, unsigned size)
{
    struct virtio_pci *vp = opaque;
    uint8_t *data = pci_config(vp->fn) + vp->window +
                    sizeof(struct virtio_pci_cap);
    uint32_t at;

    (void)offset, (void)size;
    size = window(vp, &at);
    if (size)
        put32(data, bar_read(vp, at, size));
}

static void window_written(void *opaque, unsigned offset, unsigned size)
{
    struct virtio_pci *vp = opaque;
    uint8_t *data = pci_config(vp->fn) + vp->window +
                    sizeof(struct virtio_pci_cap);
    uint32_t at;

    (void)offset, (void)size;
    size = window(vp, &at);
    if (size)
        bar_write(vp, at, size,
                  get32(data) & (size == 4 ? ~0u : (1u << 8 * size) - 1));
}

static const struct pci_config_ops window_ops = {
    .reading = window_reading, .written = window_written,
};

/* Capabilities ----------------------------------------------------------- */

static int add(struct virtio_pci *vp, uint8_t type, uint8_t bar, uint8_t id,
               uint64_t offset, uint64_t length, unsigned cap_len)
{
    int at = pci_capability_add(vp->fn, PCI_CAP_ID_VNDR, cap_len);
    uint8_t *cap;

    if (at < 0)
        return -1;
    cap = pci_config(vp->fn) + at;
    cap[VIRTIO_PCI_CAP_LEN] = cap_len;
    cap[VIRTIO_PCI_CAP_CFG_TYPE] = type;
    cap[VIRTIO_PCI_CAP_BAR] = bar;
    cap[offsetof(struct virtio_pci_cap, id)] = id;
    put32(cap + VIRTIO_PCI_CAP_OFFSET, offset);
    put32(cap + VIRTIO_PCI_CAP_LENGTH, length);
    if (cap_len == sizeof(struct virtio_pci_cap64)) {
        put32(cap + offsetof(struct virtio_pci_cap64, offset_hi), offset >> 32);
        put32(cap + offsetof(struct virtio_pci_cap64, length_hi), length >> 32);
    }
    return at;
}

static int add_all(struct virtio_pci *vp)
{
    const unsigned plain = sizeof(struct virtio_pci_cap);
    uint8_t *config = pci_config(vp->fn);
    int at;

    if (add(vp, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_BAR, 0, COMMON_AT,
            sizeof(struct virtio_pci_common_cfg), plain) < 0 ||
        add(vp, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_BAR, 0, ISR_AT, 1, plain) < 0 ||
        add(vp, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_BAR, 0, KIND_AT,
            vp->dev.kind.config_size, plain) < 0)
        return -1;
    at = add(vp, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_BAR, 0, NOTIFY_AT,
             vp->dev.kind.queues * NOTIFY_STEP,
             sizeof(struct virtio_pci_notify_cap));
    if (at < 0)
        return -1;
    put32(config + at + plain, NOTIFY_STEP);
    at = add(vp, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, 0, plain + 4);
    if (at < 0)
        return -1;
    vp->window = at;
    pci_config_writable(vp->fn, at + VIRTIO_PCI_CAP_BAR, 1, 0xff);
    pci_config_writable(vp->fn, at + VIRTIO_PCI_CAP_OFFSET, 4, ~0u);
    pci_config_writable(vp->fn, at + VIRTIO_PCI_CAP_LENGTH, 4, ~0u);
    pci_config_writable(vp->fn, at + plain, 4, ~0u);
    return pci_config_watch(vp->fn, at + plain, 4, &window_ops, vp);
}

int virtio_pci_add_shared_memory(struct virtio_pci *vp, uint8_t id,
                                 unsigned bar, uint64_t size)
{
    return add(vp, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, bar, id, 0, size,
               sizeof(struct virtio_pci_cap64)) < 0 ? -1 : 0;
}

/* For the device --------------------------------------------------------- */

static void interrupt(void *opaque, uint16_t vector)
{
    struct virtio_pci *vp = opaque;

    msix_raise(vp->msix, vector);
}

static bool may_access(void *opaque)
{
    struct virtio_pci *vp = opaque;

    return pci_is_master(vp->fn);
}

static void wake(void *opaque)
{
    struct virtio_pci *vp = opaque;

    vp->wake(vp->opaque);
}

struct virtio_device *virtio_pci_device(struct virtio_pci *vp)
{
    return &vp->dev;
}

struct virtio_pci *virtio_pci_new(const struct virtio_pci_config *config)
{
    struct virtio_pci *vp;
    int err;

    if (config->kind->queues > VIRTIO_MAX_QUEUES ||
        config->kind->queue_size > VIRTQUEUE_MAX ||
        config->kind->config_size > PART) {
        errno = EINVAL;
        return NULL;
    }
    vp = calloc(1, sizeof(*vp));
    if (!vp)
        return NULL;
    vp->fn = config->fn;
    vp->wake = config->wake;
    vp->opaque = config->opaque;
    virtio_device_init(&vp->dev, config->kind, config->kind_opaque,
                       &config->mem, &(struct virtio_transport){
        .interrupt = interrupt, .may_access = may_access, .wake = wake,
        .opaque = vp,
    });
    /* One for each queue, and one for changes of the configuration */
    vp->common = (struct common){ .dev = &vp->dev,
                                  .vectors = config->kind->queues + 1 };
    vp->msix = msix_new(vp->fn, VIRTIO_MSIX_BAR,
                        config->address + VIRTIO_BAR_SIZE, vp->common.vectors,
                        config->send_msi, config->opaque);
    if (vp->msix && !add_all(vp) &&
        !pci_bar_add(vp->fn, VIRTIO_BAR, config->address, VIRTIO_BAR_SIZE, 0,
                     &bar_ops, vp))
        return vp;
    err = errno;
    virtio_pci_free(vp);
    errno = err;
    return NULL;
}

void virtio_pci_free(struct virtio_pci *vp)
{
    if (!vp)
        return;
    msix_free(vp->msix);
    free(vp);
}
