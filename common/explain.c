/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>

#include <xentoollog.h>

#include "refusal.h"

void refusal_explain(const struct refusal *r)
{
    int saved = errno;
    xentoollog_logger *quiet = (xentoollog_logger *)
        xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    xenlend_handle *h = quiet ? xenlend_open(quiet, 0) : NULL;
    struct guest g = { 0 };
    struct xenlend_info info;
    bool know_guest = h && !guest_look(&g, h, r->domid);
    bool know_limits = h && !xenlend_info(h, &info);

    if (know_guest && r->err == EEXIST) {
        guest_look_memory(&g, r->gpa, r->len);
        /* whatever it is: not free */
        space_add(&g.space, &(struct taken){ .gpa = r->gpa, .len = r->len,
                                             .by = TAKEN_UNKNOWN });
    }
    refusal_write(stderr, r, know_guest ? &g : NULL,
                  know_limits ? &info : NULL);
    guest_forget(&g);
    xenlend_close(h);
    if (quiet)
        xtl_logger_destroy(quiet);
    errno = saved;
}
