/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of virtio devices: a guest's memory, which is an array here, and rings in it. */
#ifndef RAM_H
#define RAM_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "../virtio/queue.h"

#define RAM_START   0x100000ull     /* so that 0 is nowhere */
#define RAM_SIZE    (256u << 10)

static uint8_t *ram_bytes;

static uint8_t *ram(uint64_t gpa, size_t len)
{
    if (gpa < RAM_START || gpa - RAM_START > RAM_SIZE || len > RAM_SIZE - (gpa - RAM_START)) {
        errno = EFAULT;
        return NULL;
    }
    return ram_bytes + (gpa - RAM_START);
}

static int ram_read(void *opaque, uint64_t gpa, void *to, size_t len)
{
    const uint8_t *p = ram(gpa, len);

    (void)opaque;
    if (!p)
        return -1;
    memcpy(to, p, len);
    return 0;
}

static int ram_write(void *opaque, uint64_t gpa, const void *from, size_t len)
{
    uint8_t *p = ram(gpa, len);

    (void)opaque;
    if (!p)
        return -1;
    memcpy(p, from, len);
    return 0;
}

static const struct guest_memory ram_memory = { .read = ram_read, .write = ram_write };

static inline void ram_new(void)
{
    free(ram_bytes);
    ram_bytes = calloc(1, RAM_SIZE);
    if (!ram_bytes)
        abort();
}

static inline void ram_poke(uint64_t gpa, const void *from, size_t len)
{
    if (ram_write(NULL, gpa, from, len))
        abort();
}

/* A queue's three parts, and where tests have their buffers */
#define RAM_DESC    (RAM_START + 0x0000)
#define RAM_AVAIL   (RAM_START + 0x2000)
#define RAM_USED    (RAM_START + 0x3000)
#define RAM_TABLE   (RAM_START + 0x4000)    /* an indirect one */
#define RAM_DATA    (RAM_START + 0x8000)

static inline void ram_desc(uint64_t table, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    struct vring_desc d = { .addr = addr, .len = len, .flags = flags, .next = next };

    ram_poke(table + i * sizeof(d), &d, sizeof(d));
}

static inline void ram_u16(uint64_t gpa, uint16_t v)
{
    ram_poke(gpa, &v, sizeof(v));
}

static inline uint16_t ram_get16(uint64_t gpa)
{
    uint16_t v;

    memcpy(&v, ram(gpa, 2), 2);
    return v;
}

/* Makes a chain available in a ring of so many entries. */
static inline void ram_offer(unsigned entries, uint16_t head)
{
    uint16_t index = ram_get16(RAM_AVAIL + 2);

    ram_u16(RAM_AVAIL + 4 + index % entries * 2, head);
    ram_u16(RAM_AVAIL + 2, index + 1);
}

#endif
