/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X: a function's interrupts as messages.  The table is in a BAR of its
 * own.  (A PVH guest of Xen has no other interrupt of a device: no I/O APIC,
 * no INTx.)
 */
#ifndef DEVICES_MSIX_H
#define DEVICES_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "pci.h"

struct msix;

#define MSIX_BAR_SIZE       4096
#define MSIX_MAX_VECTORS    64

/*
 * Gives fn the capability and BAR index at addr.  send is called to send a
 * message.  Returns NULL with errno set; EINVAL: vectors is 0 or too large.
 * To be freed after the bus: the guest reaches it through the BAR.
 */
struct msix *msix_new(struct pci_function *fn, unsigned index, uint64_t addr,
                      unsigned vectors,
                      void (*send)(void *opaque, uint64_t addr, uint32_t data),
                      void *opaque);
void msix_free(struct msix *msix);

unsigned msix_vectors(const struct msix *msix);

/* Sends a vector's message, now or when the guest unmasks it.  A vector that
 * there is not is ignored, and so are all while MSI-X is off. */
void msix_raise(struct msix *msix, unsigned vector);

#endif
