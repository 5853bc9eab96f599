/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of virtio devices: a guest's memory, which is an array here, and rings in it. */
#ifndef RAM_H
#define RAM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include "../virtio/queue.h"

#define RAM_START   0x100000ull     /* so that 0 is nowhere */
#define RAM_SIZE    (256u << 10)

static uint8_t *ram_bytes;
static int ram_fd = -1;             /* a memfd */
static size_t ram_mapped;           /* pages, by map() */

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

static void *ram_map(void *opaque, const uint64_t *gfn, size_t n)
{
    char *p = mmap(NULL, n << 12, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)opaque;
    if (p == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (gfn[i] >= UINT64_MAX >> 12 || !ram(gfn[i] << 12, 4096) ||
            mmap(p + (i << 12), 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd, (gfn[i] << 12) - RAM_START) ==
            MAP_FAILED) {
            munmap(p, n << 12);
            errno = EFAULT;
            return NULL;
        }
    ram_mapped += n;
    return p;
}

static void ram_unmap(void *opaque, void *addr, size_t n)
{
    (void)opaque;
    munmap(addr, n << 12);
    ram_mapped -= n;
}

static const struct guest_memory ram_memory = { .read = ram_read, .write = ram_write, .map = ram_map, .unmap = ram_unmap };

static inline void ram_free(void)
{
    if (ram_bytes)
        munmap(ram_bytes, RAM_SIZE);
    ram_bytes = NULL;
    if (ram_fd >= 0)
        close(ram_fd);
    ram_fd = -1;
}

/* All zero */
static inline void ram_new(void)
{
    ram_free();
    ram_fd = syscall(SYS_memfd_create, "ram", 1u);  /* MFD_CLOEXEC */
    if (ram_fd < 0 || ftruncate(ram_fd, RAM_SIZE))
        abort();
    ram_bytes = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
    if (ram_bytes == MAP_FAILED)
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
