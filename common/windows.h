/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All windows of this lender domain, or those of one borrower, at one moment. */
#ifndef WINDOWS_H
#define WINDOWS_H

#include <xenlend.h>

#define ALL_DOMAINS UINT32_MAX

struct window {
    struct xenlend_window_info info;
    struct xenlend_stats stats;
};

struct windows {
    struct window *w;
    unsigned n, room;
};

/*
 * Replaces what is in ws, which starts as zeros.  Returns 0, or -1 with errno
 * set; the library has said why.
 */
int windows_read(struct windows *ws, xenlend_handle *h, uint32_t domid);
void windows_free(struct windows *ws);

#endif
