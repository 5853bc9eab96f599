/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GPU_PICTURE_H
#define GPU_PICTURE_H

#include <stdint.h>

/*
 * Writes 0x00RRGGBB pixels as PNG over what is in a file that is open.
 * Returns 0, or -1 with errno set.
 */
int picture_put(int fd, const uint32_t *pixels, unsigned width,
                unsigned height);
/* Likewise, but where the file is, as one more picture. */
int picture_append(int fd, const uint32_t *pixels, unsigned width,
                   unsigned height);

#endif
