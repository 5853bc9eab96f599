/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of who is left when a device's process dies, with a stand-in for what cleans up in Xen: exit statuses, signals
 * that are passed on, the background.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../pci/ioreq.h"
#include "../pci/keeper.h"
#include "tap.h"

#define SERVER  5u
#define DOMID   17u

struct note { enum { RUNS, BURIED, SIGNALLED, REFUSED } what; unsigned number; };
static int notes[2];

static void leave_note(int what, unsigned number)
{
    struct note n = { what, number };

    if (write(notes[1], &n, sizeof(n)) != sizeof(n))
        abort();
}

int ioreq_server_bury(struct xentoollog_logger *logger, uint32_t domid, unsigned id)
{
    (void)logger;
    leave_note(BURIED, domid == DOMID ? id : 0);
    return 0;
}

static volatile sig_atomic_t got;
static void on_signal(int sig) { got = sig; }

/* The device: what it does once it is ready, or instead */
enum end { EXITS, FAILS_FIRST, DIES, DIES_FIRST, WAITS, ALONE };

static void device(int ready, enum end end)
{
    struct sigaction sa = { .sa_handler = on_signal };
    pid_t keeper = getppid();
    int n;

    if (end == FAILS_FIRST)
        _exit(7);
    if (end == DIES_FIRST)
        raise(SIGKILL);
    if (end == WAITS || end == ALONE) {     /* before it may be told something */
        sigaction(SIGUSR1, &sa, NULL);
        sigaction(SIGTERM, &sa, NULL);
    }
    if (end == ALONE) {
        /* the keeper is killed first */
        leave_note(RUNS, getpid());
        while (getppid() == keeper)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        leave_note(REFUSED, keeper_ready(ready, SERVER) && errno == EPIPE);
        _exit(0);
    }
    if (keeper_ready(ready, SERVER))
        _exit(99);
    leave_note(RUNS, getpid());
    if (end == DIES)
        raise(SIGKILL);
    if (end == WAITS) {
        alarm(60);
        for (int i = 0; i < 2; i++) {
            while (!got)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
            n = got;
            got = 0;        /* another one may come at any time */
            leave_note(SIGNALLED, n);
        }
        _exit(3);
    }
    _exit(0);
}

/* Starts both; what is returned is the process that a shell would know. */
static pid_t start(enum end end, bool background)
{
    pid_t pid = fork();

    if (!pid) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(98);
        device(keeper_fork(NULL, DOMID, background), end);
    }
    return pid;
}

static int status(pid_t pid)
{
    int s;

    if (waitpid(pid, &s, 0) != pid)
        return -1;
    return WIFEXITED(s) ? WEXITSTATUS(s) : 1000 + WTERMSIG(s);
}

/* The next note within a while */
static struct note next(void)
{
    struct note n = { -1, 0 };

    if (poll(&(struct pollfd){ .fd = notes[0], .events = POLLIN }, 1, 20000) != 1 ||
        read(notes[0], &n, sizeof(n)) != sizeof(n))
        n.what = -1;
    return n;
}

static bool no_note(void)
{
    struct note n = { BURIED, 4711 };

    leave_note(n.what, n.number);   /* the first one that there is is this one */
    return next().number == 4711;
}

static bool gone(pid_t pid)
{
    for (int i = 0; i < 2000; i++) {
        if (kill(pid, 0) && errno == ESRCH)
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return false;
}

int main(void)
{
    struct note n;
    pid_t pid;

    tap_begin("keeper");
    if (pipe(notes))
        return 1;
    pid = start(EXITS, false);
    ok(!status(pid) && next().what == RUNS && no_note(), "a device that ends: its status, nothing to clean up");
    pid = start(FAILS_FIRST, false);
    ok(status(pid) == 7 && no_note(), "one that fails before it is there, too");
    pid = start(DIES_FIRST, false);
    ok(status(pid) == 1 && no_note(), "one that dies before it is there: an error, nothing to clean up");
    pid = start(DIES, false);
    eq(status(pid), 1, "one that dies: an error");
    next();
    n = next();
    ok(n.what == BURIED && n.number == SERVER, "... and its server is buried");
    ok(no_note(), "... once");

    pid = start(WAITS, false);
    next();
    kill(pid, SIGUSR1);
    n = next();
    ok(n.what == SIGNALLED && n.number == SIGUSR1, "a signal is passed on");
    kill(pid, SIGTERM);
    n = next();
    ok(n.what == SIGNALLED && n.number == SIGTERM && status(pid) == 3, "... and the one to end");

    pid = start(WAITS, false);
    n = next();
    kill(pid, SIGKILL);
    eq(status(pid), 1000 + SIGKILL, "the one that waits is killed");
    ok(next().number == SIGTERM, "... the device is told to end");
    kill(n.number, SIGTERM);
    ok(next().number == SIGTERM && gone(n.number), "... which it does by itself");

    pid = start(ALONE, false);
    n = next();
    kill(pid, SIGKILL);
    status(pid);
    n = next();
    ok(n.what == REFUSED && n.number, "... and before it has said that it is there");

    pid = start(WAITS, true);
    eq(status(pid), 0, "in the background: the command ends when the device is there");
    n = next();
    kill(n.number, SIGKILL);
    n = next();
    ok(n.what == BURIED && n.number == SERVER, "... and there is one to bury it");
    pid = start(FAILS_FIRST, true);
    eq(status(pid), 7, "... or with its status, when it fails");
    pid = start(DIES_FIRST, true);
    eq(status(pid), 1, "... or an error, when it dies");
    ok(no_note(), "and nothing else happens");
    return tap_end();
}
