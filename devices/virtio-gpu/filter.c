/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "filter.h"

/*
 * What Xen's libraries, libpng, the C library and we call once the device is
 * there.  A call that was overlooked fails, and does not end the device.
 */
static const unsigned short allowed[] = {
    /* the loop */
    SYS_poll, SYS_ppoll, SYS_restart_syscall, SYS_read, SYS_write, SYS_readv,
    SYS_writev, SYS_ioctl, SYS_timerfd_settime, SYS_clock_gettime,
    SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_futex,
    SYS_sched_yield, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_exit,
    SYS_exit_group, SYS_getrandom,
    /* memory */
    SYS_mremap, SYS_munmap, SYS_madvise, SYS_brk,
    /* blobs, and the screenshot */
    SYS_memfd_create, SYS_ftruncate, SYS_fallocate, SYS_pread64, SYS_pwrite64,
    SYS_lseek, SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_dup, SYS_close,
};
/* With FILTER_RENDERER: to talk to the render server */
static const unsigned short renderer[] = {
    SYS_sendmsg, SYS_recvmsg, SYS_eventfd2, SYS_epoll_ctl, SYS_epoll_wait,
    SYS_epoll_pwait, SYS_getsockopt,
};
/* With FILTER_CHANNELS: to talk to a compositor, and to who connects to it */
static const unsigned short channels[] = {
    SYS_sendmsg, SYS_recvmsg, SYS_pipe2, SYS_epoll_ctl, SYS_epoll_wait,
    SYS_epoll_pwait,
};
/* ... if what is mapped is not to be executed */
static const unsigned short mapping[] = { SYS_mmap, SYS_mprotect };
/* With FILTER_JIT: code that was made here, threads and what they begin with */
static const unsigned short jit[] = {
    SYS_mmap, SYS_mprotect, SYS_set_robust_list, SYS_rseq, SYS_prctl,
    SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_setscheduler,
    SYS_getcpu, SYS_gettimeofday, SYS_clock_nanosleep, SYS_membarrier,
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

struct filter {
    struct sock_filter code[2 * FILTER_CALLS + 5 * N(mapping) + 20];
    unsigned n;
};

#define ADD(...) (f->code[f->n++] = (struct sock_filter)__VA_ARGS__)
#define LOAD(field) \
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
#define RETURN(what) ADD(BPF_STMT(BPF_RET | BPF_K, what))

static void start(struct filter *f)
{
    f->n = 0;
    LOAD(arch);
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    RETURN(SECCOMP_RET_KILL_PROCESS);
    LOAD(nr);
}

static void allow(struct filter *f, const unsigned short *calls, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
    }
}

static int finish(struct filter *f)
{
    struct sock_fprog prog = { .filter = f->code };

    for (unsigned i = 0; i < N(mapping); i++) {
        LOAD(nr);               /* the last one has loaded something else */
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mapping[i], 0, 3));
        LOAD(args[2]);          /* its lower half; prot of both calls */
        ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
        RETURN(SECCOMP_RET_ALLOW);
    }
    RETURN(SECCOMP_RET_ERRNO | EPERM);
    prog.len = f->n;
    /* All threads: a renderer's libraries may have some. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                   SECCOMP_FILTER_FLAG_TSYNC, &prog) ? -1 : 0;
}

int filter_install(unsigned may)
{
    static const unsigned short files[] = { SYS_openat };
    struct filter filter, *f = &filter;

    _Static_assert(N(allowed) + N(renderer) + N(jit) + N(channels) + N(files) <=
                   FILTER_CALLS, "more calls than there is room for");
    start(f);
    allow(f, allowed, N(allowed));
    if (may & FILTER_RENDERER) {
        allow(f, renderer, N(renderer));
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 4));
        LOAD(args[0]);
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)getpid(), 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
        LOAD(nr);
    }
    if (may & FILTER_JIT) {
        allow(f, jit, N(jit));
        /* Threads, not processes.  What clone3() is to make cannot be seen from
         * here; who does not find it takes clone(). */
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
        RETURN(SECCOMP_RET_ERRNO | ENOSYS);
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
        LOAD(args[0]);
        ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
        LOAD(nr);
    }
    if (may & FILTER_CHANNELS)
        allow(f, channels, N(channels));
    if (may & FILTER_FILES)
        allow(f, files, N(files));
    return finish(f);
}

int filter_install_only(const unsigned short *calls, unsigned n)
{
    struct filter f;

    if (n > FILTER_CALLS) {
        errno = EINVAL;
        return -1;
    }
    start(&f);
    allow(&f, calls, n);
    return finish(&f);
}
