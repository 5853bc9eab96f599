/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The address space behind windows. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "private.h"

#define BIG ((uint64_t)2 << 20)
#define EMPTY (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/* len bytes congruent to like modulo 2 MiB; NULL on error */
static char *reserve(uint64_t len, uint64_t like)
{
    /* A small span has no 2 MiB page to line up with. */
    uint64_t align = len >= BIG ? BIG : XENLEND_PAGE_SIZE;
    uint64_t room, head;
    uintptr_t start;
    char *p;

    if (len > SIZE_MAX - align) {
        errno = ENOMEM;
        return NULL;
    }
    room = len + align - XENLEND_PAGE_SIZE;
    p = mmap(NULL, room, PROT_NONE, EMPTY, -1, 0);
    if (p == MAP_FAILED)
        return NULL;

    start = (uintptr_t)p;
    head = (like - start) & (align - 1);
    if (head)
        munmap(p, head);
    if (room - head > len)
        munmap(p + head + len, room - head - len);
    return p + head;
}

struct xenlend_span *xenlend_span_make(const struct log *log, uint64_t len,
                                       uint64_t like)
{
    struct xenlend_span *span = calloc(1, sizeof(*span));
    int err;

    if (!span)
        return NULL;
    span->addr = reserve(len, like);
    if (!span->addr) {
        err = errno;
        free(span);
        errno = err;
        return NULL;
    }
    span->log.logger = log->logger;     /* and is not ours to destroy */
    span->len = len;
    return span;
}

struct xenlend_span *xenlend_span_reserve(xentoollog_logger *logger,
                                          unsigned flags, uint64_t len,
                                          uint64_t like)
{
    struct xenlend_span *span = NULL;
    struct log log;
    int err;

    if (flags & ~XENLEND_QUIET) {
        errno = EINVAL;
        return NULL;
    }
    if (xenlend_log_init(&log, logger, flags))
        return NULL;
    if (((len | like) & PAGE_MASK_) || !len)
        errno = EINVAL;
    else
        span = xenlend_span_make(&log, len, like);
    if (span) {
        span->log = log;
        return span;
    }
    err = errno;
    xenlend_log_error(&log, err, "reserving a span of %#llx bytes",
                      (unsigned long long)len);
    xenlend_log_fini(&log);
    errno = err;
    return NULL;
}

void xenlend_span_forget(struct xenlend_span *span)
{
    xenlend_log_fini(&span->log);
    free(span);
}

int xenlend_span_free(struct xenlend_span *span)
{
    unsigned windows;

    if (!span)
        return 0;
    windows = __atomic_load_n(&span->windows, __ATOMIC_RELAXED);
    if (windows) {
        xenlend_log_error(&span->log, EBUSY, "freeing a span under %u windows",
                          windows);
        errno = EBUSY;
        return -1;
    }
    munmap(span->addr, span->len);
    xenlend_span_forget(span);
    return 0;
}

void *xenlend_span_addr(const struct xenlend_span *span)
{
    return span->addr;
}

uint64_t xenlend_span_len(const struct xenlend_span *span)
{
    return span->len;
}

int xenlend_range_check(uint64_t offset, uint64_t len, uint64_t whole)
{
    if (((offset | len) & PAGE_MASK_) || !len)
        return EINVAL;
    if (offset >= whole || len > whole - offset)
        return ERANGE;
    return 0;
}

static void complain(const struct area *a, int err, const char *what,
                     uint64_t offset, uint64_t len)
{
    char who[32] = "span";

    if (a->window)
        snprintf(who, sizeof(who), "window %u", a->window);
    xenlend_log_error(a->log, err, "%s: cannot %s %#llx bytes at %#llx of "
                      "%#llx", who, what,
                      (unsigned long long)len, (unsigned long long)offset,
                      (unsigned long long)a->len);
    errno = err;
}

void *xenlend_area_place(const struct area *a, uint64_t offset, uint64_t len,
                         int prot, int flags, int fd, off_t fd_offset)
{
    int err = xenlend_range_check(offset, len, a->len);
    void *p;

    /* The one would not replace, the other not stay inside. */
    if (!err && ((flags & MAP_FIXED_NOREPLACE) == MAP_FIXED_NOREPLACE ||
                 flags & MAP_GROWSDOWN))
        err = EINVAL;
    if (!err) {
        p = mmap(a->addr + offset, len, prot, flags | MAP_FIXED, fd,
                 fd_offset);
        if (p != MAP_FAILED)
            return p;
        err = errno;
    }
    complain(a, err, "place", offset, len);
    return NULL;
}

int xenlend_area_remove(const struct area *a, uint64_t offset, uint64_t len)
{
    int err = xenlend_range_check(offset, len, a->len);

    if (!err && mmap(a->addr + offset, len, PROT_NONE, EMPTY | MAP_FIXED, -1,
                     0) == MAP_FAILED)
        err = errno;
    if (!err)
        return 0;
    complain(a, err, "remove", offset, len);
    return -1;
}

static struct area area(const struct xenlend_span *span)
{
    return (struct area){
        .log = &span->log, .addr = span->addr, .len = span->len,
    };
}

void *xenlend_span_place(struct xenlend_span *span, uint64_t offset,
                         uint64_t len, int prot, int flags, int fd,
                         off_t fd_offset)
{
    struct area a = area(span);

    return xenlend_area_place(&a, offset, len, prot, flags, fd, fd_offset);
}

int xenlend_span_remove(struct xenlend_span *span, uint64_t offset,
                        uint64_t len)
{
    struct area a = area(span);

    return xenlend_area_remove(&a, offset, len);
}
