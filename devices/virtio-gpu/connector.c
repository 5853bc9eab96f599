/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device's side of the process in connect.c */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connector.h"

int connector_init(struct connector *c, int fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.u64 = CONNECTOR_FD };

    *c = (struct connector){ .fd = fd, .epoll = epoll_create1(EPOLL_CLOEXEC) };
    if (c->epoll >= 0 && !epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e))
        return 0;
    if (c->epoll >= 0)
        close(c->epoll);
    return -1;
}

static void gone(struct connector *c)
{
    if (c->fd < 0)
        return;
    epoll_ctl(c->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    c->fd = -1;
}

void connector_fini(struct connector *c)
{
    gone(c);
    close(c->epoll);
}

uint32_t connector_ask(struct connector *c)
{
    uint32_t number = c->asked + 1 ? c->asked + 1 : 1;
    struct iovec part = { &number, sizeof(number) };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

    if (c->fd < 0) {
        errno = EPIPE;
        return 0;
    }
    if (sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(number))
        return 0;
    c->asked = number;
    return number;
}

int connector_next(struct connector *c, struct connector_answer *a, int *fd)
{
    struct iovec part = { a, sizeof(*a) };
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(*fd))];
    } u;
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &u,
                        .msg_controllen = sizeof(u.room) };
    struct cmsghdr *h;
    ssize_t n;

    if (c->fd < 0)
        return 0;
    n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    *fd = -1;
    h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h && h->cmsg_type == SCM_RIGHTS &&
        h->cmsg_len == CMSG_LEN(sizeof(*fd)))
        memcpy(fd, CMSG_DATA(h), sizeof(*fd));
    if (n != sizeof(*a)) {
        if (*fd >= 0)
            close(*fd);
        gone(c);
        return 0;
    }
    /* There may have been no descriptor left for it here. */
    if (*fd < 0 && !a->error)
        a->error = EMFILE;
    return 1;
}
