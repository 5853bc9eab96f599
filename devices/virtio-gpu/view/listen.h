/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where viewers connect */
#ifndef GPU_VIEW_LISTEN_H
#define GPU_VIEW_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct view_address {
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_storage room;
    } addr;
    socklen_t len;
};

/*
 * "unix:PATH", or HOST:PORT with HOST a number ([...] for IPv6) or localhost,
 * which is this host's own.  0, or -1 with the reason in why.
 */
int view_address_parse(const char *text, struct view_address *a, char *why,
                       size_t size);

/*
 * Listens there.  What is left of a socket of that path to which nobody listens
 * any more is replaced; the new one is for its owner only (mode 0600).  A
 * descriptor, or -1 with errno set: EADDRINUSE, somebody listens there; EEXIST,
 * the file is no socket.
 */
int view_listen(const struct view_address *a);

/* Removes the path, if it is still that of the last view_listen(). */
void view_unlisten(void);

#endif
