/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers on a command line, for all our programs. */
#ifndef SIZE_H
#define SIZE_H

#include <stdint.h>

/*
 * A number at the beginning of a text, decimal or 0x...; a size may have a
 * suffix K, M, G or T.  *end is what follows.  Return 0, or -1 if there is no
 * number or it is too large.
 */
int number_parse(const char *text, const char **end, uint64_t *value);
int size_parse(const char *text, const char **end, uint64_t *bytes);

#endif
