/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEMO_SVG_H
#define DEMO_SVG_H

#include "record.h"

/* Plots a record over time; 0, or -1 with errno set. */
int svg_write(const char *path, const struct record *r, unsigned total_pages,
              const char *title);

#endif
