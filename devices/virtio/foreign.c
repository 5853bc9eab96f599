/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "foreign.h"

#define PAGE_SIZE_      4096u
#define CHUNK_PAGES     16u
#define CHUNK_SIZE      (CHUNK_PAGES * PAGE_SIZE_)
#define CHUNKS          64u     /* mapped at a time */

struct chunk {
    uint64_t number;            /* gpa / CHUNK_SIZE */
    char *addr;                 /* NULL: none here */
    int err[CHUNK_PAGES];       /* why a page is not there, or 0 */
};

struct foreign {
    xenforeignmemory_handle *fm;
    uint32_t domid;
    struct chunk chunks[CHUNKS];
};

static void drop(struct foreign *f, struct chunk *c)
{
    if (c->addr)
        xenforeignmemory_unmap(f->fm, c->addr, CHUNK_PAGES);
    c->addr = NULL;
}

static int map(struct foreign *f, struct chunk *c, uint64_t number)
{
    xen_pfn_t gfn[CHUNK_PAGES];

    drop(f, c);
    for (unsigned i = 0; i < CHUNK_PAGES; i++)
        gfn[i] = number * CHUNK_PAGES + i;
    c->number = number;
    c->addr = xenforeignmemory_map(f->fm, f->domid, PROT_READ | PROT_WRITE,
                                   CHUNK_PAGES, gfn, c->err);
    return c->addr ? 0 : -1;
}

/* The page of gpa, or NULL with errno set */
static char *page(struct foreign *f, uint64_t gpa)
{
    uint64_t number = gpa / CHUNK_SIZE;
    unsigned i = gpa % CHUNK_SIZE / PAGE_SIZE_;
    struct chunk *c = &f->chunks[number % CHUNKS];

    if ((!c->addr || c->number != number) && map(f, c, number))
        return NULL;
    /* What was not there may be there now. */
    if (c->err[i] && map(f, c, number))
        return NULL;
    if (c->err[i]) {
        errno = EFAULT;
        return NULL;
    }
    return c->addr + (size_t)i * PAGE_SIZE_;
}

static void copy(void *to, const void *from, size_t len)
{
    if (len == 2 && !((uintptr_t)to & 1) && !((uintptr_t)from & 1))
        __atomic_store_n((uint16_t *)to,
                         __atomic_load_n((const uint16_t *)from,
                                         __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    else
        memcpy(to, from, len);
}

static int transfer(struct foreign *f, uint64_t gpa, char *to,
                    const char *from, size_t len)
{
    if (len > UINT64_MAX - gpa) {
        errno = EFAULT;
        return -1;
    }
    while (len) {
        size_t offset = gpa % PAGE_SIZE_, n = PAGE_SIZE_ - offset;
        char *p = page(f, gpa);

        if (!p)
            return -1;
        if (n > len)
            n = len;
        if (to) {
            copy(to, p + offset, n);
            to += n;
        } else {
            copy(p + offset, from, n);
            from += n;
        }
        gpa += n;
        len -= n;
    }
    return 0;
}

static int read_(void *opaque, uint64_t gpa, void *to, size_t len)
{
    return transfer(opaque, gpa, to, NULL, len);
}

static int write_(void *opaque, uint64_t gpa, const void *from, size_t len)
{
    return transfer(opaque, gpa, NULL, from, len);
}

static void unmap_(void *opaque, void *addr, size_t n)
{
    struct foreign *f = opaque;

    xenforeignmemory_unmap(f->fm, addr, n);
}

static void *map_(void *opaque, const uint64_t *gfn, size_t n)
{
    struct foreign *f = opaque;
    xen_pfn_t *pfn = calloc(n, sizeof(*pfn));
    int *err = calloc(n, sizeof(*err));
    void *addr = NULL;

    if (!pfn || !err || !n)
        goto out;
    for (size_t i = 0; i < n; i++)
        pfn[i] = gfn[i];
    addr = xenforeignmemory_map(f->fm, f->domid, PROT_READ | PROT_WRITE, n,
                                pfn, err);
    for (size_t i = 0; addr && i < n; i++)
        if (err[i]) {
            unmap_(f, addr, n);
            addr = NULL;
            errno = EFAULT;
        }
out:
    free(pfn);
    free(err);
    return addr;
}

struct guest_memory foreign_memory(struct foreign *f)
{
    return (struct guest_memory){ .read = read_, .write = write_, .map = map_,
                                  .unmap = unmap_, .opaque = f };
}

struct foreign *foreign_new(xenforeignmemory_handle *fm, uint32_t domid)
{
    struct foreign *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->fm = fm;
    f->domid = domid;
    return f;
}

void foreign_forget(struct foreign *f)
{
    for (unsigned i = 0; i < CHUNKS; i++)
        drop(f, &f->chunks[i]);
}

void foreign_free(struct foreign *f)
{
    if (!f)
        return;
    foreign_forget(f);
    free(f);
}
