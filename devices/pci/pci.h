/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI bus 0 of one guest: configuration space and base address registers.
 *
 * Nothing here talks to Xen.  Whoever receives the guest's accesses (see
 * ioreq.h) hands them in; address ranges that the bus wants to see are asked
 * for through struct pci_host.
 */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/pci_regs.h>

struct pci_bus;
struct pci_function;

/* What the bus needs from its surroundings. */
struct pci_host {
    /*
     * Deliver guest accesses to [addr, addr + size) to pci_bus_mmio(), or no
     * longer.  claim returns 0, or -1 with errno set.
     */
    int (*claim)(void *opaque, uint64_t addr, uint64_t size);
    void (*release)(void *opaque, uint64_t addr, uint64_t size);
    /* For messages about what the guest does, at most ten of a function; may
     * be NULL. */
    void (*message)(void *opaque, const char *text);
    void *opaque;
};

struct pci_ident {
    uint16_t vendor, device, class, subsys_vendor, subsys_device;
    uint8_t revision;
};

/*
 * What stands behind a memory BAR.  Either registers, read and written here;
 * or something that decodes the range by itself while it is mapped.
 */
struct pci_bar_ops {
    /* size is 1, 2, 4 or 8; offset + size lies inside the BAR */
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, unsigned size, uint64_t value);

    /*
     * The guest has enabled the BAR at addr, or taken it away from there.
     * map returns 0, or -1 with errno set: then nothing decodes the range.
     */
    int (*map)(void *opaque, uint64_t addr);
    void (*unmap)(void *opaque, uint64_t addr);
};

/* Pointer-returning functions return NULL with errno set. */

/*
 * A bus with a host bridge at 00:00.0, without which Linux does not believe
 * in it.
 */
struct pci_bus *pci_bus_new(const struct pci_host *host);
/* Takes everything away from the guest, and frees the functions too. */
void pci_bus_free(struct pci_bus *bus);

/*
 * Adds a function at 00:slot.0.  EINVAL: slot is not 1 to 31.  EBUSY: taken.
 */
struct pci_function *pci_function_add(struct pci_bus *bus, unsigned slot,
                                      const struct pci_ident *ident);

/*
 * Adds memory BAR index, pre-assigned at addr.  size is a power of two of at
 * least 16 bytes, addr a multiple of it, flags PCI_BASE_ADDRESS_MEM_TYPE_64
 * and _PREFETCH; a 64-bit BAR takes two indexes.  EINVAL, EBUSY: index taken.
 */
int pci_bar_add(struct pci_function *fn, unsigned index, uint64_t addr,
                uint64_t size, unsigned flags, const struct pci_bar_ops *ops,
                void *opaque);

/*
 * Adds a capability of len bytes, which start with id and the link.  Returns
 * its offset in configuration space, or -1: ENOSPC.  Everything in it is
 * read-only until pci_config_writable() says otherwise.
 */
int pci_capability_add(struct pci_function *fn, uint8_t id, unsigned len);

/* The function's configuration space, for setting up and looking. */
uint8_t *pci_config(struct pci_function *fn);
/* Lets the guest write the bits of mask in the size bytes at offset. */
void pci_config_writable(struct pci_function *fn, unsigned offset,
                         unsigned size, uint32_t mask);

/*
 * What a function does about the guest's accesses to a part of its
 * configuration space: before a read it may bring the part up to date, after
 * a write it may look at it.  Either may be NULL.
 */
struct pci_config_ops {
    void (*reading)(void *opaque, unsigned offset, unsigned size);
    void (*written)(void *opaque, unsigned offset, unsigned size);
};

/*
 * Calls ops for accesses that touch the size bytes at offset.  At most
 * PCI_MAX_WATCHES of a function, or -1: ENOSPC.
 */
#define PCI_MAX_WATCHES 4
int pci_config_watch(struct pci_function *fn, unsigned offset, unsigned size,
                     const struct pci_config_ops *ops, void *opaque);

/* Whether the guest lets the function reach its memory, and interrupt it. */
bool pci_is_master(const struct pci_function *fn);

/*
 * Sets memory decoding in a function's command register, as firmware does.
 */
void pci_enable(struct pci_function *fn);

/*
 * Guest accesses.  Reads of what is not there give ones.
 */

/* offset may be anything, size is 1, 2 or 4 */
uint32_t pci_bus_config_read(struct pci_bus *bus, unsigned devfn,
                             unsigned offset, unsigned size);
void pci_bus_config_write(struct pci_bus *bus, unsigned devfn, unsigned offset,
                          unsigned size, uint32_t value);

/* An access to a claimed range */
uint64_t pci_bus_mmio_read(struct pci_bus *bus, uint64_t addr, unsigned size);
void pci_bus_mmio_write(struct pci_bus *bus, uint64_t addr, unsigned size,
                        uint64_t value);

/* Which functions there are: one bit for each slot, bit 0 for the bridge */
uint32_t pci_bus_slots(const struct pci_bus *bus);

#endif
