/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that connects to a compositor */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "connector.h"
#include "drop.h"
#include "filter.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define DEVICE  3           /* the socket, in that process */

/* What it needs: nothing that opens, starts or changes anything. */
static const unsigned short calls[] = {
    SYS_socket, SYS_connect, SYS_close, SYS_read, SYS_sendmsg,
    SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit, SYS_exit_group,
};

/* A connection that is refused, or would have to be waited for, is none. */
static int connected(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a))) {
        err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static int answer(uint32_t number, int fd, int error)
{
    struct connector_answer a = { .number = number, .error = error };
    struct iovec part = { &a, sizeof(a) };
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(fd))];
    } c = { .h = { .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET,
                   .cmsg_type = SCM_RIGHTS } };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

    if (fd >= 0) {
        memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
        m.msg_control = &c;
        m.msg_controllen = sizeof(c.room);
    }
    return sendmsg(DEVICE, &m, MSG_NOSIGNAL) == sizeof(a) ? 0 : -1;
}

__attribute__((noreturn)) static void serve(const struct sockaddr_un *a)
{
    uint32_t number;

    while (read(DEVICE, &number, sizeof(number)) == sizeof(number)) {
        int fd = connected(a), err = errno, rc;

        rc = answer(number, fd, fd < 0 ? err : 0);
        /* Too many of them may be on their way. */
        if (rc && fd >= 0)
            rc = answer(number, -1, errno);
        if (fd >= 0)
            close(fd);
        if (rc)
            break;
    }
    _exit(0);
}

__attribute__((noreturn))
static void become(int fd, const struct sockaddr_un *a,
                   const struct identity *id, pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    if ((fd != DEVICE && dup2(fd, DEVICE) < 0) ||
        close_range(DEVICE + 1, ~0u, 0) || (id && identity_become(id)) ||
        prctl(PR_SET_NAME, "gpu-connector") || prctl(PR_SET_DUMPABLE, 0) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        say(errno, "starting what connects to a compositor");
        _exit(1);
    }
    if (getppid() != parent)
        _exit(1);
    if (filter_install_only(calls, N(calls))) {
        say(errno, "filtering system calls");
        _exit(1);
    }
    serve(a);
}

struct connector *connector_start(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct connector *c;
    struct identity id;
    struct stat st;
    int fds[2];
    pid_t parent = getpid(), child;

    if (strlen(path) >= sizeof(a.sun_path)) {
        say(ENAMETOOLONG, "--wayland %s", path);
        return NULL;
    }
    strcpy(a.sun_path, path);
    if (stat(path, &st)) {
        say(errno, "--wayland %s", path);
        return NULL;
    }
    if (!S_ISSOCK(st.st_mode)) {
        say(0, "--wayland %s: that is no socket", path);
        return NULL;
    }
    id = (struct identity){ st.st_uid, st.st_gid };
    c = malloc(sizeof(*c));
    if (!c || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
        say(errno, "--wayland");
        free(c);
        return NULL;
    }
    child = fork();
    if (!child)
        become(fds[1], &a, geteuid() ? NULL : &id, parent);
    close(fds[1]);
    if (child < 0 || connector_init(c, fds[0])) {
        say(errno, "--wayland");
        close(fds[0]);
        free(c);
        return NULL;
    }
    return c;
}
