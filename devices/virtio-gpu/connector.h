/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections to a compositor, for contexts of the cross-domain protocol.  The
 * device's process may make no sockets, so a small process connects for it, and
 * sends it the descriptors; it knows one path, and takes nothing else from the
 * device but numbers.
 */
#ifndef GPU_CONNECTOR_H
#define GPU_CONNECTOR_H

#include <stdint.h>

struct connector {
    int fd;                     /* to that process; -1: it is gone */
    int epoll;                  /* what channels and fd wait for */
    uint32_t asked;             /* the last number */
};

/* On the socket, of type SEQPACKET, a request is a number, and this an answer,
 * with the connection's descriptor if there is no error. */
struct connector_answer {
    uint32_t number;
    int32_t error;              /* an errno value, 0: none */
};

#define CONNECTOR_FD    UINT64_MAX  /* of fd, in epoll's events */

/*
 * connect.c: starts the process, as the user whose socket path is (if we may become
 * others), who may connect to it.  To be called before anything is given up.  It
 * ends when we do.  NULL after a message.
 */
struct connector *connector_start(const char *path);

/* One with this socket, which is closed with it.  0, or -1 with errno set. */
int connector_init(struct connector *c, int fd);
void connector_fini(struct connector *c);

/* Asks for a connection; its number, or 0 with errno set: EAGAIN, as many as
 * can be are being asked for. */
uint32_t connector_ask(struct connector *c);
/*
 * The next answer.  1: there is one, *fd is a connection, which does not block,
 * or -1 with a->error set.  0: none yet, or nobody to answer any more (c->fd is
 * -1).
 */
int connector_next(struct connector *c, struct connector_answer *a, int *fd);

#endif
