/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <string.h>

#include <linux/pci_regs.h>

#include "trapped.h"

/* Where an access goes, or NULL: no blob is there, or not all of it. */
static void *at(const struct trapped_bar *bar, uint64_t offset, unsigned size)
{
    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        for (struct gpu_resource *r = bar->gpu->buckets[i]; r; r = r->next)
            if (r->blob.placed && offset >= r->blob.offset &&
                r->blob.len >= size &&
                offset - r->blob.offset <= r->blob.len - size)
                return (char *)xenlend_span_addr(bar->gpu->region) + offset;
    return NULL;
}

/* Others look at this memory meanwhile: what is aligned is accessed as one. */
static uint64_t read_bar(void *opaque, uint64_t offset, unsigned size)
{
    struct trapped_bar *bar = opaque;
    void *p = at(bar, offset, size);
    uint64_t v = 0;

    bar->reads++;
    if (!p)
        return UINT64_MAX;
    if (offset % size) {
        memcpy(&v, p, size);
        return v;
    }
    switch (size) {
    case 1:
        return __atomic_load_n((uint8_t *)p, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_load_n((uint16_t *)p, __ATOMIC_SEQ_CST);
    case 4:
        return __atomic_load_n((uint32_t *)p, __ATOMIC_SEQ_CST);
    default:
        return __atomic_load_n((uint64_t *)p, __ATOMIC_SEQ_CST);
    }
}

static void write_bar(void *opaque, uint64_t offset, unsigned size, uint64_t v)
{
    struct trapped_bar *bar = opaque;
    void *p = at(bar, offset, size);

    bar->writes++;
    if (!p)
        return;
    if (offset % size) {
        memcpy(p, &v, size);
        return;
    }
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)p, v, __ATOMIC_SEQ_CST);
        break;
    case 2:
        __atomic_store_n((uint16_t *)p, v, __ATOMIC_SEQ_CST);
        break;
    case 4:
        __atomic_store_n((uint32_t *)p, v, __ATOMIC_SEQ_CST);
        break;
    default:
        __atomic_store_n((uint64_t *)p, v, __ATOMIC_SEQ_CST);
    }
}

int trapped_bar_add(struct trapped_bar *bar, struct pci_function *fn,
                    unsigned index, uint64_t addr, uint64_t size)
{
    static const struct pci_bar_ops ops = { .read = read_bar,
                                            .write = write_bar };

    return pci_bar_add(fn, index, addr, size, PCI_BASE_ADDRESS_MEM_TYPE_64 |
                       PCI_BASE_ADDRESS_MEM_PREFETCH, &ops, bar);
}
