/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Borrower objects and their events. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <xen/lenddev.h>

#include "private.h"
#include "stats.h"

/* Takes fd over, also when it fails. */
static struct xenlend_borrower *borrower_new(xentoollog_logger *logger,
                                             unsigned log_flags, int fd)
{
    struct xenlend_borrower *b = calloc(1, sizeof(*b));
    int err;

    int flags = fcntl(fd, F_GETFL);

    /* poll() tells whether there are events; who reads them is another matter. */
    if (b && flags >= 0 && !fcntl(fd, F_SETFL, flags | O_NONBLOCK) &&
        !xenlend_log_init(&b->log, logger, log_flags)) {
        pthread_mutex_init(&b->lock, NULL);
        b->event_size = sizeof(struct lenddev_event);
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
    struct lenddev_borrower k = {
        .size = sizeof(k), .domid = domid, .gpa = gpa, .len = len,
        .max_windows = max_windows, .fd = -1,
    };

    /* The driver would see the low half only. */
    if (domid > UINT16_MAX)
        errno = ESRCH;
    else if (!ioctl(h->fd, LENDDEV_BORROWER, &k))
        /* Without a logger of its own the borrower outlives the handle's. */
        return borrower_new(h->log.own ? NULL : h->log.logger,
                            h->log.logger ? 0 : XENLEND_QUIET, k.fd);

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
    struct lenddev_stats k = { .size = sizeof(k) };

    if (!ioctl(fd, LENDDEV_STATS, &k) || errno == EBADF)
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

    if (flags & ~XENLEND_QUIET) {
        errno = EINVAL;
        return NULL;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return NULL;
    b = borrower_new(logger, flags, copy);
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
            xenlend_window_forget(w);
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

const char *xenlend_reason(unsigned reason)
{
    switch (reason) {
    case XENLEND_REASON_UNMAPPED:   return "nothing is mapped there";
    case XENLEND_REASON_BEYOND:     return "past the end of the file";
    case XENLEND_REASON_FORBIDDEN:  return "mapped without the permission";
    case XENLEND_REASON_READ_ONLY:  return "a write, the window is read-only";
    case XENLEND_REASON_KIND:       return "memory that cannot be lent";
    case XENLEND_REASON_FOREIGN:    return "memory that is not this domain's";
    case XENLEND_REASON_POISONED:   return "a hardware memory error";
    case XENLEND_REASON_DEAD:       return "the process behind it is gone";
    case XENLEND_REASON_NO_MEMORY:  return "out of memory, or of a cgroup's";
    case XENLEND_REASON_XEN_MEMORY: return "the guest's pool in Xen is empty";
    case XENLEND_REASON_IO:         return "an I/O error, or no room";
    case XENLEND_REASON_CONTENDED:  return "the kernel takes it away each time";
    case XENLEND_REASON_STALLED:    return "taken away before it can be used";
    case XENLEND_REASON_BUSY:       return "Xen has a use for the frame";
    case XENLEND_REASON_OTHER:      return "an unexpected error";
    default:                        return "no reason given";
    }
}

/* Kernels may append to an event: it says how long it is. */
static unsigned decode(struct xenlend_event *to, const char *buf, size_t len)
{
    struct lenddev_event k;
    unsigned n = 0;
    size_t size;

    for (; len >= sizeof(k.size); buf += size, len -= size) {
        memcpy(&k.size, buf, sizeof(k.size));
        size = k.size;
        if (size < sizeof(k) || size > len)
            break;
        memcpy(&k, buf, sizeof(k));
        to[n++] = (struct xenlend_event){
            .type = k.type, .reason = k.reason, .id = k.id, .vcpu = k.vcpu,
            .cookie = k.cookie, .gpa = k.gpa, .access = k.access,
            .count = k.count,
        };
    }
    return n;
}

int xenlend_read_events(struct xenlend_borrower *b,
                        struct xenlend_event *events, unsigned max,
                        int timeout_ms)
{
    /* Never waits in read(): another process may be faster. */
    struct pollfd p = { .fd = b->fd, .events = POLLIN };
    char buf[4096];
    size_t size;
    struct timespec end, now;
    ssize_t r;
    int left = timeout_ms;
    int ready;

    if (!max || timeout_ms < -1) {
        errno = EINVAL;
        return -1;
    }
    if (!events) {
        errno = EFAULT;
        return -1;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += timeout_ms % 1000 * 1000000L;

    for (;;) {
        ready = poll(&p, 1, left);
        if (ready < 0)
            return -1;
        if (!ready)
            return 0;
        if (!(p.revents & POLLIN)) {
            errno = ENODEV;
            return -1;
        }
        size = max * b->event_size;
        r = read(b->fd, buf, size < sizeof(buf) ? size : sizeof(buf));
        if (r > 0)
            return decode(events, buf, r);
        if (!r) {
            errno = ENODEV;
            return -1;
        }
        /* Not one fits: a newer kernel's are longer. */
        if (errno == EINVAL && b->event_size < 512) {
            b->event_size += 8;
            continue;
        }
        if (errno != EAGAIN) {
            if (errno != EINTR)
                xenlend_log_error(&b->log, errno, "reading events");
            return -1;
        }
        if (timeout_ms < 0)
            continue;
        clock_gettime(CLOCK_MONOTONIC, &now);
        left = (end.tv_sec - now.tv_sec) * 1000 +
               (end.tv_nsec - now.tv_nsec) / 1000000;
        if (left <= 0)
            return 0;
    }
}
