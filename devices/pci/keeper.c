/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioreq.h"
#include "keeper.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const int passed[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
static pid_t device;
static int without = -1;

static void pass_on(int sig)
{
    if (device > 0)
        kill(device, sig);
}

__attribute__((noreturn)) static void fail(const char *what)
{
    say(errno, "%s", what);
    exit(1);
}

/* Returns the status of the child. */
static int ended(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            fail("waiting for the device");
    return status;
}

static void keep(struct xentoollog_logger *logger, uint32_t domid, int from,
                 int to, const sigset_t *mask)
{
    struct sigaction sa = { .sa_handler = pass_on };
    unsigned server;
    int status, ready;
    ssize_t n;

    if (without >= 0)
        close(without);
    for (unsigned i = 0; i < N(passed); i++)
        sigaction(passed[i], &sa, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    do
        n = read(from, &server, sizeof(server));
    while (n < 0 && errno == EINTR);
    ready = n == sizeof(server);
    if (ready && to >= 0) {
        if (write(to, "", 1) != 1)
            say(errno, "going into the background");
        close(to);
    }
    status = ended(device);
    if (WIFEXITED(status))
        exit(WEXITSTATUS(status));
    say(0, "the device's process has died of signal %d%s", WTERMSIG(status),
        ready ? ": it is unplugged" : "");
    if (ready)
        ioreq_server_bury(logger, domid, server);
    exit(1);
}

void keeper_without(int fd)
{
    without = fd;
}

int keeper_fork(struct xentoollog_logger *logger, uint32_t domid,
                int background)
{
    int fds[2], out[2] = { -1, -1 }, status;
    pid_t child, keeper = 0;
    sigset_t set, mask;
    char c;

    if (background) {
        if (pipe2(out, O_CLOEXEC) || (keeper = fork()) < 0)
            fail("going into the background");
        if (keeper) {
            close(out[1]);
            if (read(out[0], &c, 1) == 1)
                exit(0);
            status = ended(keeper);
            exit(WIFEXITED(status) && WEXITSTATUS(status)
                 ? WEXITSTATUS(status) : 1);
        }
        close(out[0]);
        setsid();
    }
    keeper = getpid();
    /* A signal that comes before there is somebody to pass it on to waits. */
    sigemptyset(&set);
    for (unsigned i = 0; i < N(passed); i++)
        sigaddset(&set, passed[i]);
    sigprocmask(SIG_BLOCK, &set, &mask);
    if (pipe2(fds, O_CLOEXEC) || (child = fork()) < 0)
        fail("starting the device");
    if (child) {
        device = child;
        close(fds[1]);
        keep(logger, domid, fds[0], out[1], &mask);
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(fds[0]);
    if (out[1] >= 0)
        close(out[1]);
    /* And the other way round: without a keeper it ends while it can, which a
     * signal for nobody listening to it any more would prevent. */
    signal(SIGPIPE, SIG_IGN);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM))
        fail("starting the device");
    if (getppid() != keeper)
        exit(1);
    return fds[1];
}

int keeper_ready(int fd, unsigned server)
{
    int rc = write(fd, &server, sizeof(server)) == sizeof(server) ? 0 : -1;

    close(fd);
    return rc;
}
