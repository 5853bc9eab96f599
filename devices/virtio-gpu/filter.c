/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
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
/* ... if what is mapped is not to be executed */
static const unsigned short mapping[] = { SYS_mmap, SYS_mprotect };

/* With FILTER_JIT */
static const unsigned short jit[] = {
    SYS_mmap, SYS_mprotect, SYS_clone, SYS_clone3, SYS_set_robust_list,
    SYS_rseq, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_setscheduler, SYS_prctl,
    SYS_getcpu, SYS_gettimeofday, SYS_clock_nanosleep, SYS_membarrier,
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

int filter_install(unsigned may)
{
    struct sock_filter code[2 * (N(allowed) + N(renderer) + N(jit) + 1) +
                            5 * N(mapping) + 12];
    struct sock_fprog prog = { .filter = code };
    unsigned n = 0;

#define ADD(...) (code[n++] = (struct sock_filter)__VA_ARGS__)
#define LOAD(field) \
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
#define RETURN(what) ADD(BPF_STMT(BPF_RET | BPF_K, what))
    LOAD(arch);
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    RETURN(SECCOMP_RET_KILL_PROCESS);
    LOAD(nr);
    for (unsigned i = 0; i < N(allowed); i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
    }
    for (unsigned i = 0; may & FILTER_RENDERER && i < N(renderer); i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, renderer[i], 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
    }
    for (unsigned i = 0; may & FILTER_JIT && i < N(jit); i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, jit[i], 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
    }
    if (may & FILTER_RENDERER) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 4));
        LOAD(args[0]);
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)getpid(), 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
        LOAD(nr);
    }
    if (may & FILTER_FILES) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1));
        RETURN(SECCOMP_RET_ALLOW);
    }
    for (unsigned i = 0; i < N(mapping); i++) {
        LOAD(nr);               /* the last one has loaded something else */
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mapping[i], 0, 3));
        LOAD(args[2]);          /* its lower half; prot of both calls */
        ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
        RETURN(SECCOMP_RET_ALLOW);
    }
    RETURN(SECCOMP_RET_ERRNO | EPERM);
#undef RETURN
#undef LOAD
#undef ADD
    prog.len = n;
    /* All threads: a renderer's libraries may have some. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                   SECCOMP_FILTER_FLAG_TSYNC, &prog) ? -1 : 0;
}
