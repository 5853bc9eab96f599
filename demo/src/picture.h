/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEMO_PICTURE_H
#define DEMO_PICTURE_H

#include <stdint.h>

/* Writes 0x00RRGGBB pixels as a PNG file; 0, or -1 with errno set. */
int picture_write(const char *path, const uint32_t *pixels, unsigned width,
                  unsigned height);

#endif
