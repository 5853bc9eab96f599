/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The address space behind a window. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "private.h"

#define BIG ((uint64_t)2 << 20)

void *xenlend_span_reserve(uint64_t len, uint64_t gpa)
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
    p = mmap(NULL, room, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;

    start = (uintptr_t)p;
    head = (gpa - start) & (align - 1);
    if (head)
        munmap(p, head);
    if (room - head > len)
        munmap(p + head + len, room - head - len);
    return p + head;
}

int xenlend_span_check(uint64_t offset, uint64_t len, uint64_t window_len)
{
    if (((offset | len) & PAGE_MASK_) || !len)
        return EINVAL;
    if (offset >= window_len || len > window_len - offset)
        return ERANGE;
    return 0;
}

static int range(struct xenlend_window *w, const char *what, uint64_t offset,
                 uint64_t len)
{
    int err = xenlend_span_check(offset, len, w->len);

    if (!err)
        return 0;
    xenlend_log_error(&w->borrower->log, err,
                      "window %u: cannot %s %#llx bytes at %#llx of %#llx",
                      w->id, what, (unsigned long long)len,
                      (unsigned long long)offset, (unsigned long long)w->len);
    errno = err;
    return -1;
}

void *xenlend_window_place(struct xenlend_window *w, uint64_t offset,
                           uint64_t len, int prot, int flags, int fd,
                           off_t fd_offset)
{
    void *p;

    if (range(w, "place", offset, len))
        return NULL;
    if ((flags & MAP_FIXED_NOREPLACE) == MAP_FIXED_NOREPLACE ||
        (flags & MAP_GROWSDOWN)) {
        xenlend_log_error(&w->borrower->log, EINVAL,
                          "window %u: cannot place with flags %#x", w->id,
                          flags);
        errno = EINVAL;
        return NULL;
    }
    p = mmap(w->span + offset, len, prot, flags | MAP_FIXED, fd, fd_offset);
    if (p == MAP_FAILED) {
        xenlend_log_error(&w->borrower->log, errno,
                          "window %u: mapping %#llx bytes at %#llx", w->id,
                          (unsigned long long)len, (unsigned long long)offset);
        return NULL;
    }
    return p;
}

int xenlend_window_remove(struct xenlend_window *w, uint64_t offset,
                          uint64_t len)
{
    if (range(w, "remove", offset, len))
        return -1;
    if (mmap(w->span + offset, len, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
        MAP_FAILED) {
        xenlend_log_error(&w->borrower->log, errno,
                          "window %u: removing %#llx bytes at %#llx", w->id,
                          (unsigned long long)len, (unsigned long long)offset);
        return -1;
    }
    return 0;
}
