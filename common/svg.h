/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVG_H
#define SVG_H

#include "record.h"

/*
 * Plots a record over time; 0, or -1 with errno set.  total_pages is what can be
 * lent at most, 0 if that says nothing.  title and axis go into XML as they are.
 */
int svg_write(const char *path, const struct record *r, unsigned total_pages,
              const char *title, const char *axis);

#endif
