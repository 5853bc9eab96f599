/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci.h"

/* No guest can have an address beyond. */
#define ADDRESS_END ((uint64_t)1 << 52)

#define MAX_MESSAGES 10         /* of one function, about its guest */

struct bar {
    uint64_t size;              /* 0: none here */
    unsigned flags;
    const struct pci_bar_ops *ops;
    void *opaque;
    uint64_t seen;              /* address at the last look, if decoding */
    bool decoding;              /* was it to decode then? */
    bool mapped;                /* and it did work */
};

struct watch {
    unsigned offset, size;
    const struct pci_config_ops *ops;
    void *opaque;
};

struct pci_function {
    struct pci_bus *bus;
    unsigned slot;
    uint8_t config[PCI_CFG_SPACE_SIZE];
    uint8_t writable[PCI_CFG_SPACE_SIZE];
    unsigned caps_end, last_cap;
    struct bar bars[PCI_STD_NUM_BARS];
    struct watch watches[PCI_MAX_WATCHES];
    unsigned n_watches;
    unsigned messages;
};

struct pci_bus {
    struct pci_host host;
    struct pci_function *slots[32];
};

static void message(struct pci_function *fn, const char *fmt, ...)
{
    static const char no_more[] = " (no more of these)";
    char text[160];
    va_list al;
    int n;

    /* A guest can make any number of these. */
    if (!fn->bus->host.message || fn->messages == MAX_MESSAGES)
        return;
    fn->messages++;
    n = snprintf(text, sizeof(text), "00:%02x.0: ", fn->slot);
    va_start(al, fmt);
    vsnprintf(text + n, sizeof(text) - n - sizeof(no_more) + 1, fmt, al);
    va_end(al);
    if (fn->messages == MAX_MESSAGES)
        strcat(text, no_more);
    fn->bus->host.message(fn->bus->host.opaque, text);
}

/* Configuration space is little-endian whatever we are. */
static uint32_t get(const uint8_t *p, unsigned size)
{
    uint32_t v = 0;

    while (size--)
        v = v << 8 | p[size];
    return v;
}

static void put(uint8_t *p, unsigned size, uint32_t v)
{
    for (; size--; v >>= 8)
        *p++ = v;
}

/* Base address registers ------------------------------------------------- */

static uint64_t bar_addr(const struct pci_function *fn, unsigned i)
{
    const uint8_t *reg = fn->config + PCI_BASE_ADDRESS_0 + 4 * i;
    uint64_t addr = get(reg, 4) & PCI_BASE_ADDRESS_MEM_MASK;

    if (fn->bars[i].flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
        addr |= (uint64_t)get(reg + 4, 4) << 32;
    return addr;
}

static int bar_map(struct pci_function *fn, struct bar *bar, uint64_t addr)
{
    struct pci_host *host = &fn->bus->host;

    if (bar->ops->map)
        return bar->ops->map(bar->opaque, addr);
    return host->claim(host->opaque, addr, bar->size);
}

static void bar_unmap(struct pci_function *fn, struct bar *bar, uint64_t addr)
{
    struct pci_host *host = &fn->bus->host;

    if (bar->ops->map)
        bar->ops->unmap(bar->opaque, addr);
    else
        host->release(host->opaque, addr, bar->size);
}

/* Brings what is decoded in line with the registers. */
static void bars_update(struct pci_function *fn, bool gone)
{
    bool on = !gone && get(fn->config + PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;
    struct { bool on; uint64_t addr; } want[PCI_STD_NUM_BARS] = { 0 };

    /* First everything that goes: two BARs may swap places. */
    for (unsigned i = 0; i < PCI_STD_NUM_BARS; i++) {
        struct bar *bar = &fn->bars[i];

        if (!bar->size)
            continue;
        want[i].addr = bar_addr(fn, i);
        /* Unassigned, or while somebody finds out its size. */
        want[i].on = on && want[i].addr && want[i].addr < ADDRESS_END &&
                     bar->size <= ADDRESS_END - want[i].addr;
        if (bar->decoding && (!want[i].on || want[i].addr != bar->seen)) {
            if (bar->mapped)
                bar_unmap(fn, bar, bar->seen);
            bar->decoding = bar->mapped = false;
        }
    }
    for (unsigned i = 0; i < PCI_STD_NUM_BARS; i++) {
        struct bar *bar = &fn->bars[i];

        if (!bar->size || !want[i].on || bar->decoding)
            continue;
        bar->decoding = true;
        bar->seen = want[i].addr;
        bar->mapped = !bar_map(fn, bar, bar->seen);
        if (!bar->mapped)
            message(fn, "BAR %u cannot be at %#llx: %s", i,
                    (unsigned long long)bar->seen, strerror(errno));
    }
}

int pci_bar_add(struct pci_function *fn, unsigned index, uint64_t addr,
                uint64_t size, unsigned flags, const struct pci_bar_ops *ops,
                void *opaque)
{
    bool is64 = flags & PCI_BASE_ADDRESS_MEM_TYPE_64;
    uint8_t *reg = fn->config + PCI_BASE_ADDRESS_0 + 4 * index;

    if (index + is64 >= PCI_STD_NUM_BARS ||
        flags & ~(PCI_BASE_ADDRESS_MEM_TYPE_64 |
                  PCI_BASE_ADDRESS_MEM_PREFETCH) ||
        size < 16 || size & (size - 1) || addr & (size - 1) ||
        addr >= ADDRESS_END || size > ADDRESS_END - addr ||
        (!is64 && addr + size > (uint64_t)1 << 32)) {
        errno = EINVAL;
        return -1;
    }
    for (unsigned i = 0; i < PCI_STD_NUM_BARS; i++) {
        struct bar *b = &fn->bars[i];

        if (b->size && (i == index || (is64 && i == index + 1) ||
                        (b->flags & PCI_BASE_ADDRESS_MEM_TYPE_64 &&
                         i + 1 == index))) {
            errno = EBUSY;
            return -1;
        }
    }
    fn->bars[index] = (struct bar){
        .size = size, .flags = flags, .ops = ops, .opaque = opaque,
    };
    put(reg, 4, (uint32_t)addr | flags);
    put(fn->writable + PCI_BASE_ADDRESS_0 + 4 * index, 4,
        ~(size - 1) & PCI_BASE_ADDRESS_MEM_MASK);
    if (is64) {
        put(reg + 4, 4, addr >> 32);
        put(fn->writable + PCI_BASE_ADDRESS_0 + 4 * index + 4, 4,
            ~(size - 1) >> 32);
    }
    bars_update(fn, false);
    return 0;
}

/* Functions -------------------------------------------------------------- */

static struct pci_function *function_new(struct pci_bus *bus, unsigned slot,
                                         const struct pci_ident *ident)
{
    struct pci_function *fn = calloc(1, sizeof(*fn));

    if (!fn)
        return NULL;
    fn->bus = bus;
    fn->slot = slot;
    fn->caps_end = PCI_STD_HEADER_SIZEOF;
    put(fn->config + PCI_VENDOR_ID, 2, ident->vendor);
    put(fn->config + PCI_DEVICE_ID, 2, ident->device);
    put(fn->config + PCI_REVISION_ID, 1, ident->revision);
    put(fn->config + PCI_CLASS_DEVICE, 2, ident->class);
    put(fn->config + PCI_SUBSYSTEM_VENDOR_ID, 2, ident->subsys_vendor);
    put(fn->config + PCI_SUBSYSTEM_ID, 2, ident->subsys_device);
    bus->slots[slot] = fn;
    return fn;
}

struct pci_function *pci_function_add(struct pci_bus *bus, unsigned slot,
                                      const struct pci_ident *ident)
{
    struct pci_function *fn;

    if (!slot || slot > 31) {
        errno = EINVAL;
        return NULL;
    }
    if (bus->slots[slot]) {
        errno = EBUSY;
        return NULL;
    }
    fn = function_new(bus, slot, ident);
    if (fn) {
        pci_config_writable(fn, PCI_COMMAND, 2, PCI_COMMAND_MEMORY |
                            PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
        pci_config_writable(fn, PCI_INTERRUPT_LINE, 1, 0xff);
    }
    return fn;
}

int pci_capability_add(struct pci_function *fn, uint8_t id, unsigned len)
{
    unsigned at = fn->caps_end;

    len = (len + 3) & ~3u;
    if (len < 4 || len > PCI_CFG_SPACE_SIZE - at) {
        errno = ENOSPC;
        return -1;
    }
    fn->config[at + PCI_CAP_LIST_ID] = id;
    if (fn->last_cap) {
        fn->config[fn->last_cap + PCI_CAP_LIST_NEXT] = at;
    } else {
        fn->config[PCI_CAPABILITY_LIST] = at;
        put(fn->config + PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
    }
    fn->last_cap = at;
    fn->caps_end = at + len;
    return at;
}

uint8_t *pci_config(struct pci_function *fn)
{
    return fn->config;
}

void pci_config_writable(struct pci_function *fn, unsigned offset,
                         unsigned size, uint32_t mask)
{
    put(fn->writable + offset, size, mask);
}

int pci_config_watch(struct pci_function *fn, unsigned offset, unsigned size,
                     const struct pci_config_ops *ops, void *opaque)
{
    if (fn->n_watches == PCI_MAX_WATCHES) {
        errno = ENOSPC;
        return -1;
    }
    fn->watches[fn->n_watches++] = (struct watch){
        .offset = offset, .size = size, .ops = ops, .opaque = opaque,
    };
    return 0;
}

static bool touches(const struct watch *w, unsigned offset, unsigned size)
{
    return offset < w->offset + w->size && w->offset < offset + size;
}

bool pci_is_master(const struct pci_function *fn)
{
    return get(fn->config + PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

void pci_enable(struct pci_function *fn)
{
    put(fn->config + PCI_COMMAND, 2,
        get(fn->config + PCI_COMMAND, 2) | PCI_COMMAND_MEMORY);
    bars_update(fn, false);
}

/* The bus ---------------------------------------------------------------- */

struct pci_bus *pci_bus_new(const struct pci_host *host)
{
    /* A host bridge that no driver wants to do anything with */
    static const struct pci_ident bridge = {
        .vendor = 0x1b36, .device = 0x0008, .class = 0x0600,
        .subsys_vendor = 0x1af4, .subsys_device = 0x1100,
    };
    struct pci_bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return NULL;
    bus->host = *host;
    if (!function_new(bus, 0, &bridge)) {
        free(bus);
        errno = ENOMEM;
        return NULL;
    }
    return bus;
}

void pci_bus_free(struct pci_bus *bus)
{
    if (!bus)
        return;
    for (unsigned i = 0; i < 32; i++)
        if (bus->slots[i]) {
            bars_update(bus->slots[i], true);
            free(bus->slots[i]);
        }
    free(bus);
}

uint32_t pci_bus_slots(const struct pci_bus *bus)
{
    uint32_t mask = 0;

    for (unsigned i = 0; i < 32; i++)
        mask |= (uint32_t)!!bus->slots[i] << i;
    return mask;
}

static struct pci_function *find(struct pci_bus *bus, unsigned devfn,
                                 unsigned offset, unsigned size)
{
    if (devfn & 7 || devfn > 0xff || offset >= PCI_CFG_SPACE_SIZE ||
        size > PCI_CFG_SPACE_SIZE - offset || !size || size > 4)
        return NULL;
    return bus->slots[devfn >> 3];
}

uint32_t pci_bus_config_read(struct pci_bus *bus, unsigned devfn,
                             unsigned offset, unsigned size)
{
    struct pci_function *fn = find(bus, devfn, offset, size);

    if (!fn)
        return UINT32_MAX;
    for (unsigned i = 0; i < fn->n_watches; i++) {
        struct watch *w = &fn->watches[i];

        if (w->ops->reading && touches(w, offset, size))
            w->ops->reading(w->opaque, offset, size);
    }
    return get(fn->config + offset, size);
}

void pci_bus_config_write(struct pci_bus *bus, unsigned devfn, unsigned offset,
                          unsigned size, uint32_t value)
{
    struct pci_function *fn = find(bus, devfn, offset, size);

    if (!fn)
        return;
    for (unsigned i = 0; i < size; i++, value >>= 8) {
        uint8_t w = fn->writable[offset + i];

        fn->config[offset + i] = (fn->config[offset + i] & ~w) | (value & w);
    }
    if (offset < PCI_BASE_ADDRESS_0 + 4 * PCI_STD_NUM_BARS &&
        offset + size > PCI_COMMAND)
        bars_update(fn, false);
    for (unsigned i = 0; i < fn->n_watches; i++) {
        struct watch *w = &fn->watches[i];

        if (w->ops->written && touches(w, offset, size))
            w->ops->written(w->opaque, offset, size);
    }
}

static struct bar *bar_at(struct pci_bus *bus, uint64_t addr, unsigned size)
{
    for (unsigned s = 0; s < 32; s++)
        for (unsigned i = 0; bus->slots[s] && i < PCI_STD_NUM_BARS; i++) {
            struct bar *bar = &bus->slots[s]->bars[i];

            if (bar->mapped && !bar->ops->map && addr >= bar->seen &&
                addr - bar->seen < bar->size &&
                size <= bar->size - (addr - bar->seen))
                return bar;
        }
    return NULL;
}

uint64_t pci_bus_mmio_read(struct pci_bus *bus, uint64_t addr, unsigned size)
{
    struct bar *bar = bar_at(bus, addr, size);

    return bar ? bar->ops->read(bar->opaque, addr - bar->seen, size)
               : UINT64_MAX;
}

void pci_bus_mmio_write(struct pci_bus *bus, uint64_t addr, unsigned size,
                        uint64_t value)
{
    struct bar *bar = bar_at(bus, addr, size);

    if (bar)
        bar->ops->write(bar->opaque, addr - bar->seen, size, value);
}
