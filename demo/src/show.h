/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is printed while it goes on: plain text, a line or a few at a time. */
#ifndef DEMO_SHOW_H
#define DEMO_SHOW_H

#include "demo.h"
#include "csv.h"

void show_progress(const struct sample *s, unsigned total_pages, unsigned evictions);

/* The frame as a small picture of characters */
void show_frame(const volatile uint32_t *frame);

/* Table of the evictions by kind */
void show_evictions(const struct record *r);

#endif
