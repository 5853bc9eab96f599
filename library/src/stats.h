/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XENLEND_STATS_H
#define XENLEND_STATS_H

#include <xen/lenddev.h>
#include <xenlend.h>

void xenlend_stats_from_kernel(struct xenlend_stats *to,
                               const struct lenddev_stats *from);

#endif
