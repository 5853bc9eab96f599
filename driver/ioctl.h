/* SPDX-License-Identifier: GPL-2.0-only */
/* xen-lend: the device /dev/xen/lend, its descriptors and their ioctls. */
#ifndef _XLEND_IOCTL_H
#define _XLEND_IOCTL_H

int xlend_device_init(void);
void xlend_device_exit(void);

#endif /* _XLEND_IOCTL_H */
