/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XENLEND_PRIVATE_H
#define XENLEND_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <xentoollog.h>

#include <xenlend.h>

/* All kinds of handle log the same way. */
struct log {
    xentoollog_logger *logger;  /* NULL: quiet */
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

struct xenlend_span {
    struct log log;
    char *addr;
    uint64_t len;
    unsigned windows;           /* over it, of this process; atomic */
};

struct xenlend_window {
    struct xenlend_borrower *borrower;
    struct xenlend_window *next;
    struct xenlend_span *own;   /* made with the window, and to go with it */
    struct xenlend_span *bound; /* the caller's, or NULL: only addresses */
    char *addr;
    uint64_t gpa, len, cookie;
    uint32_t id;
};

/* log.c: both leave errno alone */
int xenlend_log_init(struct log *log, xentoollog_logger *logger,
                     unsigned flags);
void xenlend_log_fini(struct log *log);
void xenlend_log_error(const struct log *log, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* span.c */

/* Reserved address space without a message: the caller's log is log. */
struct xenlend_span *xenlend_span_make(const struct log *log, uint64_t len,
                                       uint64_t like);
/* The object goes, the address range stays as it is. */
void xenlend_span_forget(struct xenlend_span *span);

/* 0, EINVAL or ERANGE: [offset, offset + len) as a range of whole pages */
int xenlend_range_check(uint64_t offset, uint64_t len, uint64_t whole);

/* window.c: the object goes, the window and its span stay */
void xenlend_window_forget(struct xenlend_window *window);

/* Where something can be placed: all of a span, or what a window has of it */
struct area {
    const struct log *log;
    char *addr;
    uint64_t len;
    uint32_t window;            /* for messages; 0: a span */
};

void *xenlend_area_place(const struct area *area, uint64_t offset,
                         uint64_t len, int prot, int flags, int fd,
                         off_t fd_offset);
int xenlend_area_remove(const struct area *area, uint64_t offset,
                        uint64_t len);

#define PAGE_MASK_ ((uint64_t)XENLEND_PAGE_SIZE - 1)

#endif
