/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is left when the device's process dies: a guest that waits for the
 * answer to an access would wait for ever, since Xen keeps the server.
 */
#ifndef DEVICES_KEEPER_H
#define DEVICES_KEEPER_H

#include <stdint.h>

struct xentoollog_logger;

/*
 * Forks.  In the child, which shall be the device, returns a descriptor for
 * keeper_ready().  The parent never returns: it waits for the child, passes
 * SIGTERM, SIGINT, SIGHUP and SIGUSR1 on to it, cleans up if the child died of
 * a signal, and ends with its status.  With background it leaves a process that
 * does all that, and ends when the device is ready.
 */
int keeper_fork(struct xentoollog_logger *logger, uint32_t domid,
                int background);

/* A descriptor that only the device is to have: the process that waits closes
 * it.  To be called before keeper_fork(), at most once. */
void keeper_without(int fd);

/* The guest sees the device, which is of this server.  0, or -1 with errno
 * set. */
int keeper_ready(int fd, unsigned server);

#endif
