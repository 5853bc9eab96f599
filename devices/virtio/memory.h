/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's memory, by guest-physical address, for who gets addresses from
 * it.  The guest may change its memory at any moment, so there are copies, and
 * what was looked at is never looked at again.
 */
#ifndef DEVICES_MEMORY_H
#define DEVICES_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct guest_memory {
    /*
     * Return 0, or -1 with errno set if some of it is not there; then the part
     * before may have been done.  len may be 0.  Two aligned bytes are read
     * and written as one.
     */
    int (*read)(void *opaque, uint64_t gpa, void *to, size_t len);
    int (*write)(void *opaque, uint64_t gpa, const void *from, size_t len);
    /*
     * n frames of 4096 bytes in a row, until they are unmapped, for who hands
     * them on to somebody that needs addresses.  NULL with errno set: EFAULT,
     * one is not there.  Both may be NULL where that is not possible.
     */
    void *(*map)(void *opaque, const uint64_t *gfn, size_t n);
    void (*unmap)(void *opaque, void *addr, size_t n);
    void *opaque;
};

static inline int guest_read(const struct guest_memory *m, uint64_t gpa,
                             void *to, size_t len)
{
    return m->read(m->opaque, gpa, to, len);
}

static inline int guest_write(const struct guest_memory *m, uint64_t gpa,
                              const void *from, size_t len)
{
    return m->write(m->opaque, gpa, from, len);
}

#endif
