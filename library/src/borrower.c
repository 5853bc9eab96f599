/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Borrower objects and their events. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/xen-lend.h>

#include "private.h"
#include "stats.h"

/* Takes fd over, also when it fails. */
static struct xenlend_borrower *borrower_new(xentoollog_logger *logger, int fd)
{
    struct xenlend_borrower *b = calloc(1, sizeof(*b));
    int err;

    if (b && !xenlend_log_init(&b->log, logger)) {
        pthread_mutex_init(&b->lock, NULL);
        b->fd = fd;
        b->pid = getpid();
        return b;
    }
    err = errno;
    free(b);
    close(fd);
    errno = err;
    return NULL;
}

struct xenlend_borrower *xenlend_borrower_open(struct xenlend_handle *h,
                                               uint32_t domid, uint64_t gpa,
                                               uint64_t len,
                                               unsigned max_windows)
{
    struct xen_lend_borrower k = {
        .size = sizeof(k), .domid = domid, .gpa = gpa, .len = len,
        .max_windows = max_windows, .fd = -1,
    };

    /* The driver would see the low half only. */
    if (domid > UINT16_MAX)
        errno = ESRCH;
    else if (!ioctl(h->fd, XEN_LEND_BORROWER, &k))
        /* Without a logger of its own the borrower outlives the handle's. */
        return borrower_new(h->log.own ? NULL : h->log.logger, k.fd);

    xenlend_log_error(&h->log, errno, "lending to domain %u at %#llx, %#llx "
                      "bytes", domid, (unsigned long long)gpa,
                      (unsigned long long)len);
    return NULL;
}

/*
 * Is this a borrower's descriptor?  No window has id 0, so asking for its
 * counters is answered with ENOENT there and changes nothing anywhere.
 */
static int probe(int fd)
{
    struct xen_lend_stats k = { .size = sizeof(k) };

    if (!ioctl(fd, XEN_LEND_STATS, &k) || errno == EBADF)
        return -1;
    if (errno == ENOENT)
        return 0;
    errno = ENOTTY;
    return -1;
}

struct xenlend_borrower *xenlend_borrower_from_fd(xentoollog_logger *logger,
                                                  unsigned flags, int fd)
{
    struct xenlend_borrower *b;
    int copy;

    if (flags) {
        errno = EINVAL;
        return NULL;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return NULL;
    b = borrower_new(logger, copy);
    if (b && probe(copy)) {
        int err = errno;

        xenlend_log_error(&b->log, err, "descriptor %d", fd);
        xenlend_borrower_close(b);
        errno = err;
        return NULL;
    }
    return b;
}

int xenlend_borrower_fd(const struct xenlend_borrower *b)
{
    return b->fd;
}

int xenlend_borrower_close(struct xenlend_borrower *b)
{
    if (!b)
        return 0;
    /*
     * In the child of a fork: the windows are the parent's, and so is the
     * address of each; only the memory that describes them is ours.
     */
    if (b->pid != getpid()) {
        while (b->windows) {
            struct xenlend_window *w = b->windows;

            b->windows = w->next;
            free(w);
        }
    }
    while (b->windows)
        xenlend_window_destroy(b->windows);
    close(b->fd);
    xenlend_log_fini(&b->log);
    pthread_mutex_destroy(&b->lock);
    free(b);
    return 0;
}

int xenlend_read_events(struct xenlend_borrower *b,
                        struct xenlend_event *events, unsigned max,
                        int timeout_ms)
{
    struct xen_lend_event k[16];
    struct pollfd p = { .fd = b->fd, .events = POLLIN };
    unsigned n;
    ssize_t r;
    int ready;

    if (!max || timeout_ms < -1) {
        errno = EINVAL;
        return -1;
    }
    if (!events) {
        errno = EFAULT;
        return -1;
    }
    ready = poll(&p, 1, timeout_ms);
    if (ready < 0)
        return -1;
    if (!ready)
        return 0;
    if (!(p.revents & POLLIN)) {
        errno = ENODEV;
        return -1;
    }

    n = max < 16 ? max : 16;
    r = read(b->fd, k, n * sizeof(k[0]));
    if (r < 0) {
        if (errno == EAGAIN)    /* another process was faster */
            return 0;
        if (errno != EINTR)
            xenlend_log_error(&b->log, errno, "reading events");
        return -1;
    }
    if (!r) {
        errno = ENODEV;
        return -1;
    }
    n = r / sizeof(k[0]);
    for (unsigned i = 0; i < n; i++) {
        events[i].type = k[i].type;
        events[i].error = -k[i].error;
        events[i].id = k[i].id;
        events[i].vcpu = k[i].vcpu;
        events[i].cookie = k[i].cookie;
        events[i].gpa = k[i].gpa;
    }
    return n;
}
