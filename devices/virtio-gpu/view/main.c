/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gpu-view NAME: shows what xenlend-gpu's display shows to viewers, by VNC.
 * xenlend-gpu starts it, with these descriptors: 3, a socket to the device; 4,
 * one where viewers connect; 5, the picture.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../filter.h"
#include "memory.h"
#include "rfb.h"
#include "serve.h"
#include "text.h"

#define DEVICE      3
#define LISTENER    4
#define PICTURE     5
#define N(array)    (sizeof(array) / sizeof((array)[0]))

/* A viewer's process may have so much: two pictures of the largest size, the
 * shared one, its libraries, and what compresses. */
#define MOST_MEMORY (1ull << 30)

/* What libvncserver, the libraries below it, the C library and we call for a
 * viewer: it reads and writes, and has memory. */
#define OF_A_VIEWER \
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_recvfrom, SYS_sendto, \
    SYS_select, SYS_pselect6, SYS_poll, SYS_ppoll, SYS_restart_syscall, \
    SYS_close, SYS_shutdown, SYS_fcntl, SYS_setsockopt, SYS_getpeername, \
    SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_futex, \
    SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom, SYS_getpid, \
    SYS_gettid, SYS_tgkill, SYS_rt_sigreturn, SYS_rt_sigprocmask, \
    SYS_rt_sigaction, SYS_sched_yield, SYS_exit, SYS_exit_group

static const unsigned short for_viewer[] = { OF_A_VIEWER };
/* To make more of these, which then give up the rest */
static const unsigned short for_all[] = {
    OF_A_VIEWER, SYS_accept4, SYS_socketpair, SYS_clone, SYS_clone3,
    SYS_set_robust_list, SYS_rseq, SYS_wait4, SYS_kill, SYS_getppid, SYS_prctl,
    SYS_seccomp,
};

static const char *name;

static void viewer(int connection, int bell, const struct view_memory *memory)
{
    if (filter_install_only(for_viewer, N(for_viewer)))
        say(errno, "filtering system calls");
    else
        rfb_serve(connection, bell, memory, name);
}

static int limit(int what, rlim_t most)
{
    return setrlimit(what, &(struct rlimit){ most, most });
}

int main(int argc, char **argv)
{
    struct view_memory memory;

    if (argc != 2)
        return usage_error("xenlend-gpu --view starts this");
    name = argv[1];
    signal(SIGPIPE, SIG_IGN);
    if (view_memory_open(&memory, PICTURE)) {
        say(errno, "the picture of xenlend-gpu, which starts this and is to be "
            "of the same version");
        return 1;
    }
    /* Not to be looked at by others of the same user, and no dumps */
    if (prctl(PR_SET_DUMPABLE, 0) || limit(RLIMIT_CORE, 0) ||
        limit(RLIMIT_AS, MOST_MEMORY) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        filter_install_only(for_all, N(for_all))) {
        say(errno, "giving up privileges");
        return 1;
    }
    if (!view_serve(DEVICE, LISTENER, &memory, viewer))
        return 0;
    say(errno, "serving viewers");
    return 1;
}
