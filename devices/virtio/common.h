/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of virtio's "common configuration" (virtio 1.2, 4.1.4.3). */
#ifndef DEVICES_COMMON_H
#define DEVICES_COMMON_H

#include <stdint.h>

#include "device.h"

struct common {
    struct virtio_device *dev;
    unsigned vectors;           /* of the function */
    /* selectors, the driver's */
    uint32_t device_feature_select, driver_feature_select;
    uint16_t queue_select;
};

/* Any access; those that fit no register read as 0 and do nothing. */
uint64_t common_read(struct common *c, uint64_t offset, unsigned size);
void common_write(struct common *c, uint64_t offset, unsigned size,
                  uint64_t value);

#endif
