/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "gmem.h"

#define PAGE_SIZE_ 4096u

static int copy(struct xenforeignmemory_handle *fm, uint32_t domid,
                uint64_t gpa, char *buf, size_t len, bool write)
{
    while (len) {
        size_t offset = gpa % PAGE_SIZE_, n = PAGE_SIZE_ - offset;
        xen_pfn_t gfn = gpa / PAGE_SIZE_;
        int err = 0;
        char *page;

        if (n > len)
            n = len;
        page = xenforeignmemory_map(fm, domid,
                                    write ? PROT_READ | PROT_WRITE : PROT_READ,
                                    1, &gfn, &err);
        if (!page)
            return -1;
        if (!err && write)
            memcpy(page + offset, buf, n);
        else if (!err)
            memcpy(buf, page + offset, n);
        xenforeignmemory_unmap(fm, page, 1);
        if (err) {
            errno = err;
            return -1;
        }
        gpa += n;
        buf += n;
        len -= n;
    }
    return 0;
}

int gmem_read(struct xenforeignmemory_handle *fm, uint32_t domid, uint64_t gpa,
              void *to, size_t len)
{
    return copy(fm, domid, gpa, to, len, false);
}

int gmem_write(struct xenforeignmemory_handle *fm, uint32_t domid,
               uint64_t gpa, const void *from, size_t len)
{
    return copy(fm, domid, gpa, (char *)from, len, true);
}
