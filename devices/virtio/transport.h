/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio over PCI (virtio 1.2, 4.1), no legacy interface: capabilities, the
 * BAR with the registers, interrupts by MSI-X only.
 */
#ifndef DEVICES_TRANSPORT_H
#define DEVICES_TRANSPORT_H

#include "../pci/msix.h"
#include "../pci/pci.h"
#include "device.h"

#define VIRTIO_PCI_VENDOR   0x1af4
#define VIRTIO_BAR          0       /* registers */
#define VIRTIO_MSIX_BAR     1
#define VIRTIO_BAR_SIZE     0x4000

struct virtio_pci;

struct virtio_pci_config {
    struct pci_function *fn;
    uint64_t address;               /* of BAR 0, and of BAR 1 behind it */
    const struct virtio_kind *kind;
    void *kind_opaque;
    struct guest_memory mem;
    void (*send_msi)(void *opaque, uint64_t addr, uint32_t data);
    void (*wake)(void *opaque);     /* virtio_device_work() has something */
    void *opaque;                   /* of these two */
};

/* The class and subsystem of the function are the caller's. */
uint16_t virtio_pci_device_id(uint16_t kind);

/* NULL with errno set on error.  To be freed after the bus. */
struct virtio_pci *virtio_pci_new(const struct virtio_pci_config *config);
void virtio_pci_free(struct virtio_pci *vp);

/*
 * Says that a 64-bit BAR of the caller's is shared memory region id.  Returns
 * 0, or -1: ENOSPC.
 */
int virtio_pci_add_shared_memory(struct virtio_pci *vp, uint8_t id,
                                 unsigned bar, uint64_t size);

struct virtio_device *virtio_pci_device(struct virtio_pci *vp);

#endif
