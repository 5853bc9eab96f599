/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "msix.h"

#define PENDING_AT      2048u   /* in the BAR, behind the table */

struct entry {
    uint32_t addr_low, addr_high, data, control;
};

struct msix {
    struct pci_function *fn;
    unsigned cap;               /* where in configuration space */
    unsigned vectors;
    uint64_t pending;
    struct entry table[MSIX_MAX_VECTORS];
    void (*send)(void *opaque, uint64_t addr, uint32_t data);
    void *opaque;
};

static uint16_t flags(const struct msix *m)
{
    const uint8_t *p = pci_config(m->fn) + m->cap + PCI_MSIX_FLAGS;

    return p[0] | p[1] << 8;
}

static void deliver(struct msix *m)
{
    uint16_t f = flags(m);

    if (!(f & PCI_MSIX_FLAGS_ENABLE) || f & PCI_MSIX_FLAGS_MASKALL ||
        !pci_is_master(m->fn))
        return;
    for (unsigned i = 0; i < m->vectors; i++) {
        struct entry *e = &m->table[i];

        if (!(m->pending >> i & 1) || e->control & PCI_MSIX_ENTRY_CTRL_MASKBIT)
            continue;
        m->pending &= ~((uint64_t)1 << i);
        m->send(m->opaque, e->addr_low | (uint64_t)e->addr_high << 32,
                e->data);
    }
}

static uint64_t read_bar(void *opaque, uint64_t offset, unsigned size)
{
    struct msix *m = opaque;
    uint64_t v = 0;

    if (offset >= PENDING_AT)
        memcpy(&v, (char *)&m->pending + offset % sizeof(m->pending),
               offset - PENDING_AT < sizeof(m->pending) &&
               offset % 8 + size <= 8 ? size : 0);
    else if (offset + size <= m->vectors * sizeof(struct entry))
        memcpy(&v, (char *)m->table + offset, size);
    return v;
}

static void write_bar(void *opaque, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct msix *m = opaque;

    /* Narrower writes, and others that are not aligned, mean nothing. */
    if (size < 4 || offset % size ||
        offset + size > m->vectors * sizeof(struct entry))
        return;
    memcpy((char *)m->table + offset, &value, size);
    deliver(m);
}

static const struct pci_bar_ops bar = { .read = read_bar, .write = write_bar };

static void flags_written(void *opaque, unsigned offset, unsigned size)
{
    struct msix *m = opaque;

    (void)offset, (void)size;
    if (!(flags(m) & PCI_MSIX_FLAGS_ENABLE))
        m->pending = 0;
    deliver(m);
}

static const struct pci_config_ops watch = { .written = flags_written };

struct msix *msix_new(struct pci_function *fn, unsigned index, uint64_t addr,
                      unsigned vectors,
                      void (*send)(void *opaque, uint64_t addr, uint32_t data),
                      void *opaque)
{
    struct msix *m;
    uint8_t *c;
    int cap;

    if (!vectors || vectors > MSIX_MAX_VECTORS) {
        errno = EINVAL;
        return NULL;
    }
    m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->fn = fn;
    m->vectors = vectors;
    m->send = send;
    m->opaque = opaque;
    for (unsigned i = 0; i < vectors; i++)
        m->table[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;

    cap = pci_capability_add(fn, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
    if (cap < 0)
        goto fail;
    m->cap = cap;
    c = pci_config(fn) + cap;
    c[PCI_MSIX_FLAGS] = vectors - 1;
    c[PCI_MSIX_TABLE] = index;
    c[PCI_MSIX_PBA] = index;
    c[PCI_MSIX_PBA + 1] = PENDING_AT >> 8;
    pci_config_writable(fn, cap + PCI_MSIX_FLAGS, 2,
                        PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    if (pci_config_watch(fn, cap + PCI_MSIX_FLAGS, 2, &watch, m) ||
        pci_config_watch(fn, PCI_COMMAND, 2, &watch, m) ||
        pci_bar_add(fn, index, addr, MSIX_BAR_SIZE, 0, &bar, m))
        goto fail;
    return m;
fail:
    free(m);
    return NULL;
}

void msix_free(struct msix *m)
{
    free(m);
}

unsigned msix_vectors(const struct msix *m)
{
    return m->vectors;
}

void msix_raise(struct msix *m, unsigned vector)
{
    if (vector >= m->vectors || !(flags(m) & PCI_MSIX_FLAGS_ENABLE))
        return;
    m->pending |= (uint64_t)1 << vector;
    deliver(m);
}
