/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WAVES_TEXTURE_H
#define WAVES_TEXTURE_H

#include <stddef.h>
#include <stdint.h>

#define TEXTURE_WIDTH   512u
#define TEXTURE_HEIGHT  256u
#define TEXTURE_LEVELS  8u      /* each of half the width and height of the one before */
#define TEXTURE_PIXELS  ((4 * TEXTURE_WIDTH * TEXTURE_HEIGHT - (TEXTURE_WIDTH >> 7) * (TEXTURE_HEIGHT >> 7)) / 3)

/* The flag's cloth, all levels one after the other, TEXTURE_PIXELS: red, green, blue, 255.  Written once, in ascending order. */
void texture_make(uint8_t *pixels);

#endif
