/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /dev/xen/lend. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xen/lenddev.h>

#include "private.h"
#include "stats.h"

#define DEVICE "/dev/xen/lend"

struct xenlend_handle *xenlend_open(xentoollog_logger *logger, unsigned flags)
{
    struct xenlend_handle *h;
    int err;

    if (flags & ~XENLEND_QUIET) {
        errno = EINVAL;
        return NULL;
    }
    h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    if (xenlend_log_init(&h->log, logger, flags)) {
        err = errno;
        free(h);
        errno = err;
        return NULL;
    }
    h->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
    if (h->fd < 0) {
        err = errno;
        xenlend_log_error(&h->log, err, "opening %s%s", DEVICE,
                          err == ENOENT || err == ENODEV || err == ENXIO ?
                          ": is the driver xen-lend loaded?" : "");
        xenlend_log_fini(&h->log);
        free(h);
        errno = err;
        return NULL;
    }
    return h;
}

int xenlend_close(struct xenlend_handle *h)
{
    if (!h)
        return 0;
    close(h->fd);
    xenlend_log_fini(&h->log);
    free(h);
    return 0;
}

int xenlend_info(struct xenlend_handle *h, struct xenlend_info *info)
{
    struct lenddev_info k = { .size = sizeof(k) };

    if (!info) {
        errno = EFAULT;
        return -1;
    }
    if (ioctl(h->fd, LENDDEV_INFO, &k)) {
        xenlend_log_error(&h->log, errno, "asking the driver for its version");
        return -1;
    }
    memset(info, 0, sizeof(*info));
    info->version = k.version;
    info->hypervisor_version = k.hypervisor_version;
    info->window_flags = k.window_flags;
    info->max_len = k.max_len;
    info->max_windows = k.max_windows;
    info->policies = k.policies;
    info->features = k.features;
    info->workers = k.workers;
    return 0;
}

int xenlend_next(struct xenlend_handle *h, uint64_t after,
                 struct xenlend_window_info *info)
{
    struct lenddev_next k = { .size = sizeof(k), .serial = after };

    if (!info) {
        errno = EFAULT;
        return -1;
    }
    if (ioctl(h->fd, LENDDEV_NEXT, &k)) {
        if (errno == ENOENT)
            return 0;
        xenlend_log_error(&h->log, errno, "listing windows");
        return -1;
    }
    memset(info, 0, sizeof(*info));
    info->serial = k.serial;
    info->gpa = k.gpa;
    info->len = k.len;
    info->domid = k.domid;
    info->id = k.id;
    info->pid = k.pid;
    info->flags = k.flags;
    info->policy = k.policy;
    info->dead = k.dead;
    return 1;
}

int xenlend_stats(struct xenlend_handle *h, uint64_t serial,
                  struct xenlend_stats *stats)
{
    struct lenddev_stats k = { .size = sizeof(k), .serial = serial };

    if (!stats) {
        errno = EFAULT;
        return -1;
    }
    if (ioctl(h->fd, LENDDEV_STATS, &k)) {
        if (errno != ENOENT)
            xenlend_log_error(&h->log, errno, "reading a window's counters");
        return -1;
    }
    xenlend_stats_from_kernel(stats, &k);
    return 0;
}
