/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"
#include "text.h"

#define PROGRAM "/usr/libexec/virgl_render_server"
#define SOCKET  3

__attribute__((noreturn))
static void serve(const char *program, const struct identity *id, int fd,
                  pid_t parent)
{
    char *argv[] = { (char *)program, (char *)"--socket-fd", (char *)"3",
                     NULL };
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Not the terminal's signals: it ends when we do. */
    setpgid(0, 0);
    if ((fd == SOCKET ? fcntl(fd, F_SETFD, 0) : dup3(fd, SOCKET, 0)) < 0 ||
        close_range(SOCKET + 1, ~0u, 0) || (id && identity_become(id)) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL)) {
        say(errno, "starting the renderer");
        _exit(127);
    }
    if (getppid() != parent)
        _exit(127);
    /* A cache of shaders has no place to be. */
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
    execv(program, argv);
    say(errno, "%s", program);
    _exit(127);
}

int server_start(const struct renderer_config *config)
{
    const char *program = config->server ? config->server : PROGRAM;
    pid_t parent = getpid(), child;
    int fds[2];

    /* The child has nobody to complain to but the log. */
    if (access(program, X_OK)) {
        say(errno, "%s (package virgl-server)", program);
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
        say(errno, "starting the renderer");
        return -1;
    }
    child = fork();
    if (!child)
        serve(program, config->id, fds[1], parent);
    close(fds[1]);
    if (child < 0) {
        say(errno, "starting the renderer");
        close(fds[0]);
        return -1;
    }
    return fds[0];
}
