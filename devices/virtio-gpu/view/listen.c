/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listen.h"
#include "text.h"

#define BACKLOG 16

static struct {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat st;
} made;

static int bad(char *why, size_t size, const char *text)
{
    snprintf(why, size, "%s", text);
    return -1;
}

static int parse_local(const char *path, struct view_address *a, char *why,
                       size_t size)
{
    struct sockaddr_un *u = &a->addr.local;

    if (!*path)
        return bad(why, size, "which path?");
    if (strlen(path) >= sizeof(u->sun_path))
        return bad(why, size, "too long a path for a socket: 107 bytes");
    u->sun_family = AF_UNIX;
    strcpy(u->sun_path, path);
    a->len = sizeof(*u);
    return 0;
}

static bool is_loopback(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) ||
           (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

int view_address_parse(const char *text, struct view_address *a, char *why,
                       size_t size)
{
    const char *colon = strrchr(text, ':');
    struct sockaddr_in *in = (struct sockaddr_in *)&a->addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->addr;
    char host[64];
    uint64_t port;
    size_t len;
    bool own;

    memset(a, 0, sizeof(*a));
    if (!strncmp(text, "unix:", 5))
        return parse_local(text + 5, a, why, size);
    if (!colon)
        return bad(why, size, "it is unix:PATH or HOST:PORT");
    len = colon - text;
    if (parse_u64(colon + 1, &port) || port < 1 || port > 65535)
        return bad(why, size, "no port from 1 to 65535");
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof(host))
        return bad(why, size, "no such host");
    memcpy(host, text, len);
    host[len] = 0;
    if (!strcmp(host, "localhost"))
        strcpy(host, "127.0.0.1");
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        a->len = sizeof(*in);
        own = ntohl(in->sin_addr.s_addr) >> 24 == 127;
    } else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        a->len = sizeof(*in6);
        own = is_loopback(&in6->sin6_addr);
    } else {
        return bad(why, size, "the host is not localhost, nor a number such as "
                   "127.0.0.1 or [::1]");
    }
    if (!own)
        return bad(why, size, "this host's own addresses only (127.0.0.1, "
                   "[::1]): there is no password, and nothing is encrypted; "
                   "ssh -L and socat get further");
    return 0;
}

/* A path where a socket may be of one who is gone.  0: it is free now */
static int clear(const struct view_address *a)
{
    struct stat st;
    int fd, rc, err;

    if (lstat(a->addr.local.sun_path, &st))
        return errno == ENOENT ? 0 : -1;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    rc = connect(fd, &a->addr.any, a->len);
    err = errno;
    close(fd);
    if (!rc || err != ECONNREFUSED) {
        errno = EADDRINUSE;
        return -1;
    }
    return unlink(a->addr.local.sun_path);
}

int view_listen(const struct view_address *a)
{
    bool local = a->addr.any.sa_family == AF_UNIX;
    int fd, err, one = 1, rc;
    mode_t mask;

    made.path[0] = 0;
    if (local && clear(a))
        return -1;
    fd = socket(a->addr.any.sa_family,
                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (!local && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
        goto fail;
    /* never anybody else's, not for a moment */
    mask = umask(0177);
    rc = bind(fd, &a->addr.any, a->len);
    err = errno;
    umask(mask);
    errno = err;
    if (rc)
        goto fail;
    if (local && !lstat(a->addr.local.sun_path, &made.st))
        strcpy(made.path, a->addr.local.sun_path);
    if (!listen(fd, BACKLOG))
        return fd;
    err = errno;
    view_unlisten();
    errno = err;
fail:
    err = errno;
    close(fd);
    errno = err;
    return -1;
}

void view_unlisten(void)
{
    struct stat st;

    if (made.path[0] && !lstat(made.path, &st) && st.st_dev == made.st.st_dev &&
        st.st_ino == made.st.st_ino &&  /* which may have been used again */
        st.st_mtim.tv_sec == made.st.st_mtim.tv_sec &&
        st.st_mtim.tv_nsec == made.st.st_mtim.tv_nsec)
        unlink(made.path);
    made.path[0] = 0;
}
