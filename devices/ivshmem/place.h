/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IVSHMEM_PLACE_H
#define IVSHMEM_PLACE_H

#include <stdint.h>

#include "ivshmem.h"

/* A buffer as written on the command line: OFFSET:LENGTH:WHAT */
struct placement {
    uint64_t offset, len;
    const char *what;       /* "anon", "memfd", or a file's path */
};

/* Returns NULL, or what is wrong with the text. */
const char *placement_parse(const char *text, struct placement *p);

/* Puts it into the device.  Returns 0, or -1 with errno set. */
int placement_apply(const struct placement *p, struct ivshmem *dev,
                    int writable);

#endif
