/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Windows. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <xen/lenddev.h>

#include "private.h"
#include "stats.h"

/* What can be checked without the driver, so that no span is made in vain. */
static int check(uint64_t gpa, uint64_t len, unsigned flags, unsigned policy)
{
    if (((gpa | len) & PAGE_MASK_) || !len || gpa + len < gpa)
        return EINVAL;
    if (flags & ~XENLEND_WINDOW_WRITE)
        return EINVAL;
    if (policy > XENLEND_POLICY_HOLD)
        return EINVAL;
    return 0;
}

/* addr NULL: a new span */
static struct xenlend_window *create(struct xenlend_borrower *b, char *addr,
                                     struct xenlend_span *bound, uint64_t gpa,
                                     uint64_t len, unsigned flags,
                                     unsigned policy,
                                     uint64_t cookie)
{
    struct lenddev_window k = {
        .size = sizeof(k), .policy = policy, .flags = flags, .gpa = gpa,
        .len = len, .cookie = cookie,
    };
    struct xenlend_window *w = NULL;
    int err = check(gpa, len, flags, policy);

    if (err)
        goto fail;
    w = calloc(1, sizeof(*w));
    if (!w) {
        err = ENOMEM;
        goto fail;
    }
    if (!addr) {
        w->own = xenlend_span_make(&b->log, len, gpa);
        if (!w->own) {
            err = errno;
            goto fail;
        }
        addr = w->own->addr;
    }
    w->borrower = b;
    w->bound = bound;
    w->addr = addr;
    w->gpa = gpa;
    w->len = len;
    w->cookie = cookie;
    k.addr = (uintptr_t)addr;
    if (ioctl(b->fd, LENDDEV_WINDOW_CREATE, &k)) {
        err = errno;
        goto fail;
    }
    w->id = k.id;
    if (bound)
        __atomic_fetch_add(&bound->windows, 1, __ATOMIC_RELAXED);

    pthread_mutex_lock(&b->lock);
    w->next = b->windows;
    b->windows = w;
    pthread_mutex_unlock(&b->lock);
    return w;

fail:
    xenlend_log_error(&b->log, err, "making a window at %#llx, %#llx bytes",
                      (unsigned long long)gpa, (unsigned long long)len);
    if (w)
        xenlend_span_free(w->own);
    free(w);
    errno = err;
    return NULL;
}

struct xenlend_window *xenlend_window_create(struct xenlend_borrower *b,
                                             uint64_t gpa, uint64_t len,
                                             unsigned flags, unsigned policy,
                                             uint64_t cookie)
{
    return create(b, NULL, NULL, gpa, len, flags, policy, cookie);
}

struct xenlend_window *xenlend_window_create_at(struct xenlend_borrower *b,
                                                void *addr, uint64_t gpa,
                                                uint64_t len, unsigned flags,
                                                unsigned policy,
                                                uint64_t cookie)
{
    if ((uintptr_t)addr & PAGE_MASK_ || !addr) {
        xenlend_log_error(&b->log, EINVAL, "making a window: no span at %p",
                          addr);
        errno = EINVAL;
        return NULL;
    }
    return create(b, addr, NULL, gpa, len, flags, policy, cookie);
}

struct xenlend_window *xenlend_window_bind(struct xenlend_borrower *b,
                                           struct xenlend_span *span,
                                           uint64_t offset, uint64_t gpa,
                                           uint64_t len, unsigned flags,
                                           unsigned policy, uint64_t cookie)
{
    int err = xenlend_range_check(offset, len, span->len);

    if (err) {
        xenlend_log_error(&b->log, err, "making a window over %#llx bytes at "
                          "%#llx of a span of %#llx", (unsigned long long)len,
                          (unsigned long long)offset,
                          (unsigned long long)span->len);
        errno = err;
        return NULL;
    }
    return create(b, span->addr + offset, span, gpa, len, flags, policy,
                  cookie);
}

void xenlend_window_forget(struct xenlend_window *w)
{
    if (w->own)
        xenlend_span_forget(w->own);
    if (w->bound)
        __atomic_fetch_sub(&w->bound->windows, 1, __ATOMIC_RELAXED);
    free(w);
}

int xenlend_window_destroy(struct xenlend_window *w)
{
    struct xenlend_borrower *b;
    struct xenlend_window **p;
    struct lenddev_range k = { .size = sizeof(k) };
    int err = 0;

    if (!w)
        return 0;
    b = w->borrower;
    pthread_mutex_lock(&b->lock);
    for (p = &b->windows; *p && *p != w; p = &(*p)->next)
        ;
    if (*p)
        *p = w->next;
    pthread_mutex_unlock(&b->lock);

    k.id = w->id;
    if (ioctl(b->fd, LENDDEV_WINDOW_DESTROY, &k)) {
        err = errno;
        xenlend_log_error(&b->log, err, "destroying window %u", w->id);
    }
    /* Unmapping takes the pages back from the guest even then. */
    xenlend_span_free(w->own);
    w->own = NULL;
    xenlend_window_forget(w);
    errno = err;
    return err ? -1 : 0;
}

void *xenlend_window_addr(const struct xenlend_window *w)
{
    return w->addr;
}

uint64_t xenlend_window_gpa(const struct xenlend_window *w)
{
    return w->gpa;
}

uint64_t xenlend_window_len(const struct xenlend_window *w)
{
    return w->len;
}

uint32_t xenlend_window_id(const struct xenlend_window *w)
{
    return w->id;
}

uint64_t xenlend_window_cookie(const struct xenlend_window *w)
{
    return w->cookie;
}

static int range_op(struct xenlend_window *w, unsigned long op,
                    const char *what, uint64_t offset, uint64_t len,
                    unsigned flags, uint64_t *done)
{
    struct lenddev_range k = {
        .size = sizeof(k), .id = w->id, .flags = flags, .offset = offset,
        .len = len,
    };
    int err = xenlend_range_check(offset, len, w->len);

    if (!err && flags & ~XENLEND_POPULATE_WRITE)
        err = EINVAL;
    if (!err && ioctl(w->borrower->fd, op, &k))
        err = errno;
    if (done)
        *done = k.done;
    if (!err)
        return 0;
    if (err != EINTR)
        xenlend_log_error(&w->borrower->log, err,
                          "window %u: cannot %s %#llx bytes at %#llx (%#llx "
                          "done)", w->id, what, (unsigned long long)len,
                          (unsigned long long)offset,
                          (unsigned long long)k.done);
    errno = err;
    return -1;
}

int xenlend_window_populate(struct xenlend_window *w, uint64_t offset,
                            uint64_t len, unsigned flags, uint64_t *done)
{
    return range_op(w, LENDDEV_POPULATE, "populate", offset, len, flags,
                    done);
}

int xenlend_window_zap(struct xenlend_window *w, uint64_t offset, uint64_t len,
                       uint64_t *done)
{
    return range_op(w, LENDDEV_ZAP, "zap", offset, len, 0, done);
}

int xenlend_window_resume(struct xenlend_window *w, uint64_t offset,
                          uint64_t len, unsigned action, unsigned *count)
{
    struct lenddev_resume k = {
        .size = sizeof(k), .id = w->id, .offset = offset, .len = len,
        .action = action,
    };
    int err = xenlend_range_check(offset, len, w->len);

    if (!err && action > XENLEND_RESUME_FAULT)
        err = EINVAL;
    if (!err && ioctl(w->borrower->fd, LENDDEV_RESUME, &k))
        err = errno;
    if (count)
        *count = err ? 0 : k.count;
    if (!err)
        return 0;
    xenlend_log_error(&w->borrower->log, err, "window %u: cannot resume at "
                      "%#llx, %#llx bytes", w->id, (unsigned long long)offset,
                      (unsigned long long)len);
    errno = err;
    return -1;
}

int xenlend_window_stats(struct xenlend_window *w, struct xenlend_stats *stats)
{
    struct lenddev_stats k = { .size = sizeof(k), .id = w->id };

    if (!stats) {
        errno = EFAULT;
        return -1;
    }
    if (ioctl(w->borrower->fd, LENDDEV_STATS, &k)) {
        xenlend_log_error(&w->borrower->log, errno,
                          "reading the counters of window %u", w->id);
        return -1;
    }
    xenlend_stats_from_kernel(stats, &k);
    return 0;
}

static struct area area(const struct xenlend_window *w)
{
    return (struct area){
        .log = &w->borrower->log, .addr = w->addr, .len = w->len,
        .window = w->id,
    };
}

void *xenlend_window_place(struct xenlend_window *w, uint64_t offset,
                           uint64_t len, int prot, int flags, int fd,
                           off_t fd_offset)
{
    struct area a = area(w);

    return xenlend_area_place(&a, offset, len, prot, flags, fd, fd_offset);
}

int xenlend_window_remove(struct xenlend_window *w, uint64_t offset,
                          uint64_t len)
{
    struct area a = area(w);

    return xenlend_area_remove(&a, offset, len);
}
