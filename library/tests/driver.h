/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for the driver: answers the ioctls on descriptors of its own and
 * passes all others to the kernel.  It keeps to docs/abi.md where the library
 * can tell.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <xen/lenddev.h>

struct driver_window {
    struct lenddev_window w;
    int borrower, live;
};

extern struct driver_window driver_windows[64];
extern unsigned driver_n_windows;
extern int driver_fail;             /* the next ioctl on ours fails with this */
extern int driver_calls;

int driver_device(void);            /* a descriptor that stands for the device */
int driver_borrower(void);          /* one for a borrower */
int driver_event(int fd, const struct lenddev_event *e);
void driver_hang_up(int fd);

#endif
