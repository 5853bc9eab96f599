/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the device gives up once it is set up: it reads what a guest writes. */
#ifndef GPU_DROP_H
#define GPU_DROP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct identity {
    uid_t uid;
    gid_t gid;
};

/* Looks up a user.  0, or -1 with errno set: ENOENT. */
int identity_find(const char *user, struct identity *id);

/* For this process and what it executes.  0, or -1 with errno set. */
int identity_become(const struct identity *id);

/*
 * Xen's handles for this domain only, another user (NULL: as it is), no new
 * privileges, few system calls (may: FILTER_*, filter.h, which more).  Says
 * each in the log.  0, or -1 with errno set and a message.
 */
int drop_privileges(uint32_t domid, const struct identity *id, unsigned may);

#endif
