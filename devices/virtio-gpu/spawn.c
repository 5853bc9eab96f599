/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "spawn.h"
#include "text.h"

#define FIRST   3   /* after the standard ones */

static int arrange(const struct spawn *what)
{
    int fds[SPAWN_FDS];

    /* First out of the way of each other */
    for (unsigned i = 0; i < what->n_fds; i++) {
        fds[i] = fcntl(what->fds[i], F_DUPFD_CLOEXEC, FIRST + SPAWN_FDS);
        if (fds[i] < 0)
            return -1;
    }
    for (unsigned i = 0; i < what->n_fds; i++)
        if (dup2(fds[i], FIRST + i) < 0)
            return -1;
    return close_range(FIRST + what->n_fds, ~0u, 0);
}

/* When memory is short they are killed before the device, which can tell its
 * guest of that. */
static void go_first(const char *name)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "1000", 4) != 4)
        say(errno, "%s may outlive the device when memory is short", name);
    if (fd >= 0)
        close(fd);
}

__attribute__((noreturn))
static void become(const struct spawn *what, pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Not the terminal's signals: it ends when we do. */
    setpgid(0, 0);
    go_first(what->argv[0]);
    if (arrange(what) || (what->id && identity_become(what->id)) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL)) {
        say(errno, "starting %s", what->argv[0]);
        _exit(127);
    }
    if (getppid() != parent)
        _exit(127);
    execv(what->argv[0], what->argv);
    say(errno, "%s", what->argv[0]);
    _exit(127);
}

int spawn(const struct spawn *what)
{
    pid_t parent = getpid(), child;

    if (what->n_fds > SPAWN_FDS) {
        errno = EINVAL;
        return -1;
    }
    child = fork();
    if (!child)
        become(what, parent);
    return child < 0 ? -1 : 0;
}
