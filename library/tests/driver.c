/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

struct driver_window driver_windows[64];
unsigned driver_n_windows;
int driver_fail, driver_calls;

/* A borrower is the reading end of a pipe; known by inode, so that dup works. */
static struct { ino_t ino; int fd, writer; } borrowers[16];
static unsigned n_borrowers;
static ino_t device;

static ino_t inode(int fd)
{
    struct stat st;

    return fstat(fd, &st) ? 0 : st.st_ino;
}

int driver_device(void)
{
    int fd = memfd_create("device", MFD_CLOEXEC);

    if (fd < 0)
        abort();
    device = inode(fd);
    return fd;
}

int driver_borrower(void)
{
    int fds[2];

    if (n_borrowers == 16 || pipe2(fds, O_CLOEXEC))
        abort();
    borrowers[n_borrowers].ino = inode(fds[0]);
    borrowers[n_borrowers].fd = fds[0];
    borrowers[n_borrowers].writer = fds[1];
    n_borrowers++;
    return fds[0];
}

static int find(int fd)
{
    ino_t ino = inode(fd);

    for (unsigned i = 0; i < n_borrowers; i++)
        if (borrowers[i].ino == ino)
            return i;
    return -1;
}

int driver_event(int fd, const struct lenddev_event *e)
{
    return write(borrowers[find(fd)].writer, e, sizeof(*e)) == sizeof(*e);
}

void driver_hang_up(int fd)
{
    close(borrowers[find(fd)].writer);
}

static struct driver_window *window(int b, unsigned id)
{
    for (unsigned i = 0; i < driver_n_windows; i++)
        if (driver_windows[i].borrower == b && driver_windows[i].live &&
            driver_windows[i].w.id == id)
            return &driver_windows[i];
    return NULL;
}

static int on_device(unsigned long request, void *arg)
{
    switch (request) {
    case LENDDEV_INFO: {
        struct lenddev_info *k = arg;

        if (k->size != sizeof(*k))
            return EINVAL;
        k->version = LENDDEV_VERSION;
        k->window_flags = LENDDEV_WINDOW_WRITE;
        k->max_len = 1ull << 36;
        k->max_windows = 4;
        k->hypervisor_version = 7;
        return 0;
    }
    case LENDDEV_BORROWER: {
        struct lenddev_borrower *k = arg;

        if (k->size != sizeof(*k) || k->reserved || k->flags)
            return EINVAL;
        if (k->domid != 5)
            return ESRCH;
        k->fd = driver_borrower();
        return 0;
    }
    case LENDDEV_NEXT: {
        struct lenddev_next *k = arg;

        if (k->size != sizeof(*k))
            return EINVAL;
        if (k->serial >= driver_n_windows)
            return ENOENT;
        k->gpa = driver_windows[k->serial].w.gpa;
        k->len = driver_windows[k->serial].w.len;
        k->id = driver_windows[k->serial].w.id;
        k->policy = driver_windows[k->serial].w.policy;
        k->flags = driver_windows[k->serial].w.flags;
        k->dead = !driver_windows[k->serial].live;
        k->domid = 5;
        k->pid = getpid();
        k->serial++;
        return 0;
    }
    case LENDDEV_STATS: {
        struct lenddev_stats *k = arg;

        if (k->size != sizeof(*k))
            return EINVAL;
        if (!k->serial || k->serial > driver_n_windows)
            return ENOENT;
        k->lends = 1000 + k->serial;
        return 0;
    }
    }
    return ENOTTY;
}

static int on_borrower(int b, unsigned long request, void *arg)
{
    switch (request) {
    case LENDDEV_WINDOW_CREATE: {
        struct lenddev_window *k = arg;

        if (k->size != sizeof(*k) || k->eventfd || !k->addr ||
            ((k->gpa | k->len | k->addr) & 4095))
            return EINVAL;
        if (driver_n_windows == 64)
            return ENOSPC;
        k->id = driver_n_windows + 1;
        driver_windows[driver_n_windows++] =
            (struct driver_window){ .w = *k, .borrower = b, .live = 1 };
        return 0;
    }
    case LENDDEV_WINDOW_DESTROY: {
        struct lenddev_range *k = arg;
        struct driver_window *w = window(b, k->id);

        if (k->size != sizeof(*k) || k->flags || k->offset || k->len)
            return EINVAL;
        if (!w)
            return ENOENT;
        w->live = 0;
        return 0;
    }
    case LENDDEV_POPULATE:
    case LENDDEV_ZAP: {
        struct lenddev_range *k = arg;

        if (k->size != sizeof(*k))
            return EINVAL;
        if (!window(b, k->id))
            return ENOENT;
        if (k->flags && request == LENDDEV_ZAP)
            return EINVAL;
        k->done = k->offset >= 0x10000 ? 0x1000 : k->len;
        return k->offset >= 0x10000 ? EFAULT : 0;
    }
    case LENDDEV_RESUME: {
        struct lenddev_resume *k = arg;

        if (k->size != sizeof(*k) || k->action > LENDDEV_RESUME_FAULT)
            return EINVAL;
        if (!window(b, k->id))
            return ENOENT;
        k->count = 3 + k->action;
        return 0;
    }
    case LENDDEV_STATS: {
        struct lenddev_stats *k = arg;
        unsigned size = k->size, id = k->id;

        if (size != sizeof(*k))
            return EINVAL;
        if (!window(b, id))
            return ENOENT;
        /* each field its own value: its place in the struct */
        for (unsigned long i = 8; i < sizeof(*k); i += 8)
            memcpy((char *)k + i, &i, 8);
        return 0;
    }
    }
    return ENOTTY;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    int b = find(fd), err;
    va_list al;
    void *arg;

    va_start(al, request);
    arg = va_arg(al, void *);
    va_end(al);
    if (b < 0 && (!device || inode(fd) != device))
        return __real_ioctl(fd, request, arg);
    driver_calls++;
    if (driver_fail) {
        err = driver_fail;
        driver_fail = 0;
    } else {
        err = b < 0 ? on_device(request, arg) : on_borrower(b, request, arg);
    }
    if (!err)
        return 0;
    errno = err;
    return -1;
}
