/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XENLEND_PRIVATE_H
#define XENLEND_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <xentoollog.h>

#include <xenlend.h>

/* Both kinds of handle log the same way. */
struct log {
    xentoollog_logger *logger;
    xentoollog_logger *own;     /* ours to destroy, or NULL */
};

struct xenlend_handle {
    struct log log;
    int fd;
};

struct xenlend_borrower {
    struct log log;
    int fd;
    size_t event_size;          /* bytes of one, as read */
    pid_t pid;                  /* whose windows these are */
    pthread_mutex_t lock;       /* the list */
    struct xenlend_window *windows;
};

struct xenlend_window {
    struct xenlend_borrower *borrower;
    struct xenlend_window *next;
    void *reservation;          /* what to unmap, or NULL: the caller's span */
    char *span;
    uint64_t gpa, len, cookie;
    uint32_t id;
};

/* log.c: both leave errno alone */
int xenlend_log_init(struct log *log, xentoollog_logger *logger);
void xenlend_log_fini(struct log *log);
void xenlend_log_error(const struct log *log, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* span.c */

/*
 * Reserves len bytes of address space congruent to gpa modulo 2 MiB (where
 * len is that large).  Returns the address, NULL on error.
 */
void *xenlend_span_reserve(uint64_t len, uint64_t gpa);

/* 0, EINVAL or ERANGE: [offset, offset + len) as a range of whole pages */
int xenlend_span_check(uint64_t offset, uint64_t len, uint64_t window_len);

#define PAGE_MASK_ ((uint64_t)XENLEND_PAGE_SIZE - 1)

#endif
