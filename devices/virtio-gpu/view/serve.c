/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serve.h"

#define DEVICE      0
#define LISTENER    1
#define FIRST       2

struct serving {
    /* of the viewers the sockets by which they are rung; -1: free */
    struct pollfd fds[FIRST + VIEW_VIEWERS];
    pid_t pids[FIRST + VIEW_VIEWERS];
    unsigned viewers;
    bool told;              /* the device, that there are any */
    const struct view_memory *memory;
    void (*viewer)(int connection, int bell, const struct view_memory *memory);
};

bool view_bell(int bell)
{
    char bytes[64];
    ssize_t n;

    do
        n = recv(bell, bytes, sizeof(bytes), MSG_DONTWAIT);
    while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 && errno == EAGAIN;
}

static bool put(int fd, char what)
{
    return send(fd, &what, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* Tells the device whether anybody looks, when there is room for it. */
static void tell(struct serving *s)
{
    bool any = s->viewers;

    if (any != s->told &&
        put(s->fds[DEVICE].fd, any ? VIEW_WATCHED : VIEW_ALONE))
        s->told = any;
    s->fds[DEVICE].events = POLLIN | (any != s->told ? POLLOUT : 0);
}

__attribute__((noreturn))
static void child(const struct serving *s, int connection, int bell,
                  pid_t parent)
{
    for (unsigned i = 0; i < FIRST + VIEW_VIEWERS; i++)
        if (s->fds[i].fd >= 0)
            close(s->fds[i].fd);
    if (!prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == parent)
        s->viewer(connection, bell, s->memory);
    _exit(0);
}

static void welcome(struct serving *s, int connection)
{
    pid_t parent = getpid();
    unsigned i = FIRST;
    int pair[2];

    while (i < FIRST + VIEW_VIEWERS && s->fds[i].fd >= 0)
        i++;
    if (i == FIRST + VIEW_VIEWERS ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return;
    s->pids[i] = fork();
    if (!s->pids[i]) {
        close(pair[0]);
        child(s, connection, pair[1], parent);
    }
    close(pair[1]);
    if (s->pids[i] < 0) {
        close(pair[0]);
        return;
    }
    s->fds[i] = (struct pollfd){ .fd = pair[0], .events = POLLIN };
    s->viewers++;
}

/* Its process has ended, or has said something, which none does. */
static void farewell(struct serving *s, unsigned i)
{
    close(s->fds[i].fd);
    s->fds[i] = (struct pollfd){ .fd = -1 };
    kill(s->pids[i], SIGKILL);
    while (waitpid(s->pids[i], NULL, 0) < 0 && errno == EINTR)
        ;
    s->viewers--;
}

static void ring(struct serving *s)
{
    /* One byte is as good as many: if there is no room, there are others. */
    for (unsigned i = FIRST; i < FIRST + VIEW_VIEWERS; i++)
        if (s->fds[i].fd >= 0)
            put(s->fds[i].fd, VIEW_RING);
}

int view_serve(int device, int listener, const struct view_memory *memory,
               void (*viewer)(int connection, int bell,
                              const struct view_memory *memory))
{
    struct serving s = { .memory = memory, .viewer = viewer };
    int connection;

    s.fds[DEVICE] = (struct pollfd){ .fd = device, .events = POLLIN };
    s.fds[LISTENER] = (struct pollfd){ .fd = listener, .events = POLLIN };
    for (unsigned i = FIRST; i < FIRST + VIEW_VIEWERS; i++)
        s.fds[i].fd = -1;
    put(device, VIEW_READY);
    for (;;) {
        tell(&s);
        if (poll(s.fds, FIRST + VIEW_VIEWERS, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if (s.fds[DEVICE].revents & ~POLLOUT) {
            if (!view_bell(device))
                return 0;
            ring(&s);
        }
        for (unsigned i = FIRST; i < FIRST + VIEW_VIEWERS; i++)
            if (s.fds[i].fd >= 0 && s.fds[i].revents)
                farewell(&s, i);
        if (!s.fds[LISTENER].revents)
            continue;
        connection = accept4(listener, NULL, NULL,
                             SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection >= 0) {
            welcome(&s, connection);
            close(connection);
        }
    }
}
