/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include <linux/virtio_gpu.h>

#include "backing.h"

#define PAGE_SIZE_  4096u

int backing_read(struct backing *b, const struct virtqueue_chain *chain,
                 const struct guest_memory *mem, uint64_t offset, unsigned n)
{
    struct virtio_gpu_mem_entry e;

    *b = (struct backing){ 0 };
    if (!n || n > BACKING_MAX_ENTRIES)
        return EINVAL;
    /* Before there is memory for as many */
    if (chain->out_len < offset ||
        chain->out_len - offset < (uint64_t)n * sizeof(e))
        return EFAULT;
    b->part = calloc(n, sizeof(*b->part));
    if (!b->part)
        return ENOMEM;
    for (; b->n < n; b->n++) {
        if (virtqueue_read(chain, mem, offset + b->n * sizeof(e), &e,
                           sizeof(e)) != sizeof(e)) {
            backing_free(b);
            return EFAULT;
        }
        if (!e.length || e.length > UINT64_MAX - e.addr) {
            backing_free(b);
            return EINVAL;
        }
        b->part[b->n] = (struct backing_part){
            .addr = e.addr, .start = b->len, .len = e.length,
        };
        b->len += e.length;     /* 2^16 entries of 2^32 bytes: no overflow */
    }
    return 0;
}

void backing_free(struct backing *b)
{
    free(b->part);
    *b = (struct backing){ 0 };
}

static uint64_t pages_of(const struct backing_part *p)
{
    return (p->addr + (p->len - 1)) / PAGE_SIZE_ - p->addr / PAGE_SIZE_ + 1;
}

uint64_t backing_pages(const struct backing *b)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < b->n; i++)
        n += pages_of(&b->part[i]);
    return n;
}

int backing_map(struct backing *b, const struct guest_memory *mem)
{
    uint64_t n = backing_pages(b), *gfn, at = 0;
    int err = ENOMEM;

    if (!mem->map)
        return ENOTSUP;
    gfn = calloc(n, sizeof(*gfn));
    b->iov = calloc(b->n, sizeof(*b->iov));
    if (!gfn || !b->iov)
        goto out;
    for (unsigned i = 0; i < b->n; i++)
        for (uint64_t k = 0; k < pages_of(&b->part[i]); k++)
            gfn[at++] = b->part[i].addr / PAGE_SIZE_ + k;
    b->pages = mem->map(mem->opaque, gfn, n);
    err = b->pages ? 0 : errno;
    b->n_pages = n;
    at = 0;
    for (unsigned i = 0; !err && i < b->n; i++) {
        b->iov[i].iov_base = (char *)b->pages + at * PAGE_SIZE_ +
                             b->part[i].addr % PAGE_SIZE_;
        b->iov[i].iov_len = b->part[i].len;
        at += pages_of(&b->part[i]);
    }
out:
    free(gfn);
    if (err) {
        free(b->iov);
        b->iov = NULL;
    }
    return err;
}

void backing_unmap(struct backing *b, const struct guest_memory *mem)
{
    if (!b->iov)
        return;
    mem->unmap(mem->opaque, b->pages, b->n_pages);
    free(b->iov);
    b->iov = NULL;
}

/* One of to and from is NULL. */
static int transfer(const struct backing *b, const struct guest_memory *mem,
                    uint64_t offset, char *to, const char *from, uint64_t len)
{
    unsigned low = 0, high = b->n;

    if (offset > b->len || len > b->len - offset) {
        errno = EINVAL;
        return -1;
    }
    /* The last part that starts at offset or before it */
    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;

        if (b->part[middle].start <= offset)
            low = middle;
        else
            high = middle;
    }
    for (; len; low++) {
        const struct backing_part *part = &b->part[low];
        uint64_t skip = offset - part->start, now = part->len - skip;

        if (now > len)
            now = len;
        if (to ? guest_read(mem, part->addr + skip, to, now)
               : guest_write(mem, part->addr + skip, from, now)) {
            errno = EFAULT;
            return -1;
        }
        if (to)
            to += now;
        else
            from += now;
        offset += now;
        len -= now;
    }
    return 0;
}

int backing_copy(const struct backing *b, const struct guest_memory *mem,
                 uint64_t offset, void *to, uint64_t len)
{
    return transfer(b, mem, offset, to, NULL, len);
}

int backing_write(const struct backing *b, const struct guest_memory *mem,
                  uint64_t offset, const void *from, uint64_t len)
{
    return transfer(b, mem, offset, NULL, from, len);
}
