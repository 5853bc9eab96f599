/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A filter of system calls: what the device needs to serve a guest, nothing
 * else. */
#ifndef GPU_FILTER_H
#define GPU_FILTER_H

#include <stdbool.h>

/*
 * For this process, from now on; it must have given up new privileges.  Other
 * calls fail with EPERM, and so does memory that is to be executed.  files:
 * files may be opened.  0, or -1 with errno set.
 */
int filter_install(bool files);

#endif
