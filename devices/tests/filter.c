/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of the GPU's filter of system calls, in children.  TAP on stdout. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../virtio-gpu/filter.h"
#include "tap.h"

/* The call's errno behind the filter, by the child's exit status; 0 if it worked */
static int behind(unsigned may, long nr, long a, long b, long c, long d, long e, long f)
{
    int status;
    pid_t child = fork();

    if (!child) {
        long r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_install(may))
            _exit(125);
        r = syscall(nr, a, b, c, d, e, f);
        _exit(r < 0 ? errno : 0);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static int behind_self(void)
{
    int status;
    pid_t child = fork();

    if (!child) {
        char from = 'x', to = 0;
        struct iovec local = { &to, 1 }, remote = { &from, 1 };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_install(FILTER_RENDERER))
            _exit(125);
        _exit(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 && to == 'x' ? 0 : errno);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
static void *nothing(void *arg)
{
    return arg;
}

/* Whether there can be another thread, as the C library makes it */
static int behind_thread(unsigned may)
{
    int status;
    pid_t child = fork();

    if (!child) {
        pthread_t t;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_install(may))
            _exit(125);
        status = pthread_create(&t, NULL, nothing, NULL);
        _exit(status ? status : pthread_join(t, NULL));
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Behind a filter with few calls */
static int only(long nr)
{
    static const unsigned short calls[] = { SYS_getppid, SYS_exit_group };
    int status;
    pid_t child = fork();

    if (!child) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_install_only(calls, 2))
            _exit(125);
        _exit(syscall(nr) < 0 ? errno : 0);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define TRY(nr, a, b, c, d, e, f) behind(0, nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

int main(void)
{
    static const char *const none[] = { NULL };
    static int pair[2];

    tap_begin("filter");
    eq(TRY(SYS_getpid, 0, 0, 0, 0, 0, 0), 0, "what is needed works");
    eq(TRY(SYS_memfd_create, "x", 0, 0, 0, 0, 0), 0, "... memory, too");
    eq(TRY(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0, "... that can be mapped");
    eq(TRY(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EPERM, "... not to be executed");
    eq(TRY(SYS_mprotect, (long)none & -4096L, 4096, PROT_READ | PROT_EXEC, 0, 0, 0), EPERM, "... nor made so");
    eq(TRY(SYS_execve, "/bin/true", none, none, 0, 0, 0), EPERM, "no other program");
    eq(TRY(SYS_fork, 0, 0, 0, 0, 0, 0), EPERM, "no other process");
    eq(TRY(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0), EPERM, "no sockets");
    eq(TRY(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0, 0, 0), EPERM, "no files");
    eq(behind(FILTER_FILES, SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY, 0, 0, 0), 0, "... unless it is for tests");
    eq(TRY(SYS_sendmsg, -1, 0, 0, 0, 0, 0), EPERM, "no messages");
    eq(TRY(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0), EPERM, "no memory read in this way");
    eq(behind(FILTER_RENDERER, SYS_sendmsg, -1, 0, 0, 0, 0, 0), EBADF, "with a renderer messages");
    eq(behind(FILTER_RENDERER, SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0), EPERM, "... but no new sockets");
    eq(behind(FILTER_RENDERER, SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0), EPERM, "... and not others' memory");
    eq(behind_self(), 0, "... its own");
    ok(behind_thread(FILTER_RENDERER), "... no threads");
    eq(behind_thread(FILTER_RENDERER | FILTER_JIT), 0, "with OpenGL threads");
    eq(behind(FILTER_JIT, SYS_clone, SIGCHLD, 0, 0, 0, 0, 0), EPERM, "... but no other process");
    eq(behind(FILTER_JIT, SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0, 0), EPERM, "... not in this memory either");
    eq(behind(FILTER_JIT, SYS_clone3, 0, 0, 0, 0, 0, 0), ENOSYS, "... nor by a call that does not say here what it makes");
    eq(behind(FILTER_JIT, SYS_fork, 0, 0, 0, 0, 0, 0), EPERM, "... nor by the oldest one");
    eq(behind(FILTER_JIT, SYS_execve, (long)"/bin/true", (long)none, (long)none, 0, 0, 0), EPERM, "... and no other program");
    eq(behind(FILTER_JIT, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0,
       "... and memory to be executed");
    eq(behind(FILTER_JIT, SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY, 0, 0, 0), EPERM, "... no files");
    eq(behind(FILTER_CHANNELS, SYS_sendmsg, -1, 0, 0, 0, 0, 0), EBADF, "with channels messages");
    eq(behind(FILTER_CHANNELS, SYS_recvmsg, -1, 0, 0, 0, 0, 0), EBADF, "... both ways");
    eq(behind(FILTER_CHANNELS, SYS_pipe2, (long)pair, O_CLOEXEC, 0, 0, 0, 0), 0, "... pipes");
    eq(TRY(SYS_pipe2, pair, O_CLOEXEC, 0, 0, 0, 0), EPERM, "... which there are not otherwise");
    eq(behind(FILTER_CHANNELS, SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0), EPERM, "... but no new sockets");
    eq(behind(FILTER_CHANNELS, SYS_connect, -1, 0, 0, 0, 0, 0), EPERM, "... no connections");
    eq(behind(FILTER_CHANNELS, SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY, 0, 0, 0), EPERM, "... no files");
    eq(behind(FILTER_CHANNELS, SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0), EPERM, "... no memory read in this way");
    eq(TRY(SYS_kill, getppid(), 0, 0, 0, 0, 0), EPERM, "no signals to others");
    eq(TRY(SYS_ptrace, 0, 0, 0, 0, 0, 0), EPERM, "no looking at others");
    eq(only(SYS_getppid), 0, "of a list of one's own what is in it works");
    eq(only(SYS_getpid), EPERM, "... nothing else");
    err(filter_install_only(NULL, FILTER_CALLS + 1) ? -errno : 0, -EINVAL, "... not more than there is room for");
    return tap_end();
}
