/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages, by Xen's logger. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "private.h"

int xenlend_log_init(struct log *log, xentoollog_logger *logger,
                     unsigned flags)
{
    *log = (struct log){ 0 };
    if (flags & XENLEND_QUIET)
        return 0;
    if (!logger) {
        log->own = (xentoollog_logger *)
            xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
        if (!log->own) {
            errno = ENOMEM;
            return -1;
        }
        logger = log->own;
    }
    log->logger = logger;
    return 0;
}

void xenlend_log_fini(struct log *log)
{
    int saved = errno;

    if (log->own)
        xtl_logger_destroy(log->own);
    errno = saved;
}

void xenlend_log_error(const struct log *log, int err, const char *fmt, ...)
{
    int saved = errno;
    va_list al;

    if (!log->logger)
        return;
    va_start(al, fmt);
    xtl_logv(log->logger, XTL_ERROR, err, "xenlend", fmt, al);
    va_end(al);
    errno = saved;
}
