/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in the guest's memory are little-endian, as on every host of Xen's
 * HVM and PVH guests. */
#define _GNU_SOURCE
#include <errno.h>

#include <linux/virtio_ring.h>

#include "queue.h"

/* In the two rings: 16 bits of flags, 16 of the index, then the entries */
#define INDEX_AT        2
#define ENTRIES_AT      4

void virtqueue_reset(struct virtqueue *vq, uint16_t max)
{
    *vq = (struct virtqueue){ .size = max, .vector = 0xffff };
}

static bool placed(uint64_t addr, uint64_t len, uint64_t align)
{
    return !(addr % align) && len <= UINT64_MAX - addr;
}

int virtqueue_enable(struct virtqueue *vq)
{
    uint64_t n = vq->size;

    if (!n || n > VIRTQUEUE_MAX || n & (n - 1) ||
        !placed(vq->desc, n * sizeof(struct vring_desc), 16) ||
        !placed(vq->avail, ENTRIES_AT + n * 2 + 2, 2) ||
        !placed(vq->used, ENTRIES_AT + n * 8 + 2, 4)) {
        errno = EINVAL;
        return -1;
    }
    vq->enabled = true;
    return 0;
}

static int broken(struct virtqueue *vq, int err)
{
    vq->broken = true;
    errno = err;
    return -1;
}

static int add(struct virtqueue_chain *c, const struct vring_desc *d)
{
    bool in = d->flags & VRING_DESC_F_WRITE;
    unsigned n = c->n_out + c->n_in;

    if ((!in && c->n_in) || n == VIRTQUEUE_MAX ||
        d->len > UINT64_MAX - d->addr)
        return -1;
    c->part[n].addr = d->addr;
    c->part[n].len = d->len;
    if (in) {
        c->n_in++;
        c->in_len += d->len;
    } else {
        c->n_out++;
        c->out_len += d->len;
    }
    return 0;
}

/* Follows a chain.  No more steps than the queue has entries, as the driver is
 * told, so that there are no endless ones. */
static int follow(const struct virtqueue *vq, const struct guest_memory *mem,
                  struct virtqueue_chain *c)
{
    uint64_t table = vq->desc;
    unsigned entries = vq->size, next = c->head;
    bool indirect = false;
    struct vring_desc d;

    for (unsigned steps = 0; steps <= vq->size; steps++) {
        if (next >= entries)
            return EPROTO;
        if (guest_read(mem, table + next * sizeof(d), &d, sizeof(d)))
            return EFAULT;
        if (d.flags & VRING_DESC_F_INDIRECT) {
            if (indirect || d.flags & VRING_DESC_F_NEXT || !d.len ||
                d.len % sizeof(d) || d.len / sizeof(d) > vq->size ||
                d.len > UINT64_MAX - d.addr)
                return EPROTO;
            indirect = true;
            table = d.addr;
            entries = d.len / sizeof(d);
            next = 0;
            continue;
        }
        if (add(c, &d))
            return EPROTO;
        if (!(d.flags & VRING_DESC_F_NEXT))
            return 0;
        next = d.next;
    }
    return ELOOP;
}

int virtqueue_pop(struct virtqueue *vq, const struct guest_memory *mem,
                  struct virtqueue_chain *c)
{
    uint16_t index, head;
    int err;

    if (!vq->enabled)
        return 0;
    if (vq->broken) {
        errno = EPROTO;
        return -1;
    }
    if (guest_read(mem, vq->avail + INDEX_AT, &index, 2))
        return broken(vq, EFAULT);
    if (index == vq->seen)
        return 0;
    if ((uint16_t)(index - vq->seen) > vq->size)
        return broken(vq, EPROTO);
    /* The entry was written before the index. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (guest_read(mem, vq->avail + ENTRIES_AT + vq->seen % vq->size * 2,
                   &head, 2))
        return broken(vq, EFAULT);
    c->head = head;
    c->n_out = c->n_in = 0;
    c->out_len = c->in_len = 0;
    err = follow(vq, mem, c);
    if (err)
        return broken(vq, err);
    vq->seen++;
    return 1;
}

/* One of to and from is NULL. */
static size_t transfer(const struct virtqueue_chain *c,
                       const struct guest_memory *mem, unsigned first,
                       unsigned n, uint64_t offset, char *to,
                       const char *from, size_t len)
{
    size_t done = 0;

    for (unsigned i = first; i < first + n && done < len; i++) {
        uint64_t room = c->part[i].len, addr = c->part[i].addr;
        size_t now;

        if (offset >= room) {
            offset -= room;
            continue;
        }
        addr += offset;
        room -= offset;
        offset = 0;
        now = len - done < room ? len - done : room;
        if (to ? guest_read(mem, addr, to + done, now)
               : guest_write(mem, addr, from + done, now))
            break;
        done += now;
    }
    return done;
}

size_t virtqueue_read(const struct virtqueue_chain *c,
                      const struct guest_memory *mem, uint64_t offset,
                      void *to, size_t len)
{
    return transfer(c, mem, 0, c->n_out, offset, to, NULL, len);
}

size_t virtqueue_write(const struct virtqueue_chain *c,
                       const struct guest_memory *mem, uint64_t offset,
                       const void *from, size_t len)
{
    return transfer(c, mem, c->n_out, c->n_in, offset, NULL, from, len);
}

int virtqueue_push(struct virtqueue *vq, const struct guest_memory *mem,
                   uint16_t head, uint32_t written)
{
    struct vring_used_elem e = { .id = head, .len = written };

    if (!vq->enabled || vq->broken) {
        errno = EPROTO;
        return -1;
    }
    if (guest_write(mem, vq->used + ENTRIES_AT + vq->done % vq->size * 8, &e,
                    sizeof(e)))
        return broken(vq, EFAULT);
    vq->done++;
    /* What it is about comes before it. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    if (guest_write(mem, vq->used + INDEX_AT, &vq->done, 2))
        return broken(vq, EFAULT);
    return 0;
}

bool virtqueue_wants_interrupt(struct virtqueue *vq,
                               const struct guest_memory *mem)
{
    uint16_t flags;

    /* The index is seen before the flags are read: else the driver's look at
     * the ring after it has set them might miss it. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !guest_read(mem, vq->avail, &flags, 2) &&
           !(flags & VRING_AVAIL_F_NO_INTERRUPT);
}
