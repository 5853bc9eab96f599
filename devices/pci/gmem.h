/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small accesses to a guest's own memory, by guest-physical address.  Pages
 * are mapped for the access only, so that nothing is held when the guest
 * gives memory back.
 */
#ifndef DEVICES_GMEM_H
#define DEVICES_GMEM_H

#include <stddef.h>
#include <stdint.h>

struct xenforeignmemory_handle;

/* Return 0, or -1 with errno set if some of it is not there; then the part
 * before may have been done. */
int gmem_read(struct xenforeignmemory_handle *fm, uint32_t domid, uint64_t gpa,
              void *to, size_t len);
int gmem_write(struct xenforeignmemory_handle *fm, uint32_t domid,
               uint64_t gpa, const void *from, size_t len);

#endif
