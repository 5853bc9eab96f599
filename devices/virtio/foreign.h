/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's memory by way of libxenforeignmemory, mapped in chunks that stay
 * mapped for a while. */
#ifndef DEVICES_FOREIGN_H
#define DEVICES_FOREIGN_H

#include "memory.h"

struct xenforeignmemory_handle;
struct foreign;

/* The handle stays the caller's.  NULL with errno set on error. */
struct foreign *foreign_new(struct xenforeignmemory_handle *fm,
                            uint32_t domid);
void foreign_free(struct foreign *foreign);

struct guest_memory foreign_memory(struct foreign *foreign);

/* Unmaps everything: the guest has given memory back. */
void foreign_forget(struct foreign *foreign);

#endif
