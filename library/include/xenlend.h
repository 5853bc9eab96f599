/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxenlend: lend pageable memory of this process to a Xen guest.
 *
 * A *window* is a range of the guest's physical address space, usually an
 * emulated PCI memory BAR.  Behind it stands a *span*: as many bytes of this
 * process's virtual address space, page for page.  Whatever is mapped in the
 * span is what the guest finds in the window, and it stays ordinary memory:
 * the kernel may swap it, move it, write it back or free it at any time.  The
 * guest cannot tell, but for the time its next access takes.
 *
 * So a device model reserves a span once, as large as the BAR, makes it a
 * window, and from then on only calls mmap(2) and munmap(2) inside it:
 *
 *      xenlend_handle *lend = xenlend_open(NULL, 0);
 *      xenlend_borrower *b = xenlend_borrower_open(lend, domid, bar, size, 0);
 *      xenlend_window *w = xenlend_window_create(b, bar, size,
 *              XENLEND_WINDOW_WRITE, XENLEND_POLICY_ONES, 0);
 *      xenlend_window_place(w, 0, len, PROT_READ | PROT_WRITE, MAP_SHARED,
 *              memfd, 0);
 *
 * Conventions
 *
 *   Addresses, offsets and lengths are in bytes; where a page is meant they
 *   are multiples of 4096.  Offsets into a window count from its start, on
 *   both sides: guest address - gpa == process address - span.
 *   Functions that return int return 0, or -1 with errno set; those that
 *   return a pointer return NULL with errno set.  Each function lists the
 *   values that say something about its arguments; any may also fail with
 *   ENOMEM, and with what the kernel's driver says (docs/abi.md).
 *   Errors are also reported to the logger, at level XTL_ERROR, unless the
 *   object was made with XENLEND_QUIET.
 *
 * Threads and processes
 *
 *   Different threads may use one handle, borrower or window at the same
 *   time, except that nobody may use what is being closed or destroyed, and
 *   that one thread at a time reads a borrower's events.
 *   A window lends the memory of the process that created it.  After fork(2)
 *   the child has a copy of the memory and no window; the only calls it may
 *   make on objects of its parent are xenlend_close(),
 *   xenlend_borrower_close() and, after that, xenlend_span_free(), which leave
 *   the parent's windows and spans alone.
 *   When the process ends, however that happens, its windows end.
 */
#ifndef XENLEND_H
#define XENLEND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Include <xentoollog.h> to make one; NULL does everywhere. */
struct xentoollog_logger;

typedef struct xenlend_handle xenlend_handle;
typedef struct xenlend_borrower xenlend_borrower;
typedef struct xenlend_span xenlend_span;
typedef struct xenlend_window xenlend_window;

#define XENLEND_PAGE_SIZE       4096u

/* -------------------------------------------------------------------------
 * The device: for a privileged process (CAP_SYS_ADMIN) in the lender domain.
 */

/*
 * For whoever takes a logger and flags: nothing is logged.  logger is not used
 * then, and nothing is written to stderr.  What is made through the object
 * (a handle's borrowers, a borrower's windows) is as quiet as it is.
 */
#define XENLEND_QUIET           (1u << 0)

/*
 * Opens /dev/xen/lend.  With logger NULL, messages of level XTL_PROGRESS and
 * above go to stderr.  flags: 0 or XENLEND_QUIET.
 *
 * ENOENT, ENODEV, ENXIO: the driver is not loaded.  EACCES: not allowed.
 * EINVAL: flags.
 */
xenlend_handle *xenlend_open(struct xentoollog_logger *logger, unsigned flags);

/*
 * Closes the handle.  Borrowers opened through it live on.  NULL is allowed.
 */
int xenlend_close(xenlend_handle *handle);

struct xenlend_info {
    uint32_t version;               /* of the driver's interface */
    uint32_t hypervisor_version;    /* of the hypervisor's */
    uint64_t window_flags;          /* XENLEND_* that xenlend_window_create() takes */
    uint64_t max_len;               /* bytes: the largest window */
    uint32_t max_windows;           /* of one borrower */
    uint32_t policies;              /* bit n: XENLEND_POLICY_n is supported */
    uint64_t features;              /* XENLEND_FEATURE_* */
    uint32_t workers;               /* most threads of one window */
    uint32_t reserved[3];
};

/* All that resolving faults costs is charged to the process whose memory is
 * lent, CPU time included. */
#define XENLEND_FEATURE_CHARGED (1u << 0)

/* What the driver and the hypervisor can do.  EFAULT: info. */
int xenlend_info(xenlend_handle *handle, struct xenlend_info *info);

/* -------------------------------------------------------------------------
 * Borrowers: the right to lend to one range of one domain.
 */

/*
 * Makes an object (and a file descriptor) with which windows can be made in
 * the guest-physical range [gpa, gpa + len) of domain domid: at most
 * max_windows at a time, 0 for as many as the driver allows.
 *
 * EINVAL: gpa or len misaligned, len 0, the range wraps, max_windows too
 * large, a reserved domain number.  ESRCH: no such domain.  EPERM: this
 * process or this domain has no privilege over it.  EOPNOTSUPP: memory cannot
 * be lent to this domain (not HVM or PVH, or more than 128 vCPUs).  ENOSPC:
 * it has no room for another ioreq server.
 */
xenlend_borrower *xenlend_borrower_open(xenlend_handle *handle, uint32_t domid,
                                        uint64_t gpa, uint64_t len,
                                        unsigned max_windows);

/*
 * The same object in another process, which needs no privilege and no device
 * node, only the descriptor that xenlend_borrower_fd() gave elsewhere (passed
 * by xenlend_send_fd(), inherited, ...).  logger and flags: as for
 * xenlend_open().  fd stays the caller's: the object uses a duplicate.
 *
 * EBADF: fd is not open.  ENOTTY: it is not a borrower's.  EINVAL: flags.
 */
xenlend_borrower *xenlend_borrower_from_fd(struct xentoollog_logger *logger,
                                           unsigned flags, int fd);

/*
 * The borrower's descriptor, valid until the borrower is closed; it is
 * close-on-exec.  poll(2) reports POLLIN when there are events to read and
 * POLLHUP when the domain is gone.
 */
int xenlend_borrower_fd(const xenlend_borrower *borrower);

/*
 * Destroys this process's windows made through this object, and closes it.
 * Copies of the descriptor in other processes keep working.  NULL is allowed.
 */
int xenlend_borrower_close(xenlend_borrower *borrower);

/*
 * Send and receive a descriptor over a connected unix(7) socket, with one
 * byte of ordinary data.  xenlend_recv_fd() returns it, close-on-exec, or -1.
 *
 * EBADF, ENOTSOCK, EPIPE, ...: as sendmsg(2) and recvmsg(2).  EPROTO: what
 * arrived was something else (extra descriptors are closed).  ECONNRESET: the
 * other end closed first.
 */
int xenlend_send_fd(int socket, int fd);
int xenlend_recv_fd(int socket);

/* -------------------------------------------------------------------------
 * Spans: the address space behind windows.  A device model whose guest moves
 * its BAR, or turns it off, keeps one span for as long as it has the BAR, and
 * makes and destroys windows over it.
 */

/*
 * Reserves len bytes of address space, with nothing in it and no memory behind
 * it: congruent to like modulo 2 MiB, if len is that large; 0 aligns it to
 * 2 MiB.  like is a multiple of 4096, usually where the window shall be.
 * logger and flags: as for xenlend_open().
 *
 * EINVAL: flags, len misaligned or 0, like misaligned.  ENOMEM: there is not
 * as much address space.
 */
xenlend_span *xenlend_span_reserve(struct xentoollog_logger *logger,
                                   unsigned flags, uint64_t len,
                                   uint64_t like);

/*
 * Unmaps the span with everything placed in it.  NULL is allowed.  EBUSY: a
 * window made by xenlend_window_bind() is over it; nothing has changed then.
 * Nobody may be making one at the same time.
 */
int xenlend_span_free(xenlend_span *span);

void *xenlend_span_addr(const xenlend_span *span);
uint64_t xenlend_span_len(const xenlend_span *span);

/*
 * As xenlend_window_place() and xenlend_window_remove() below, whether there
 * are windows over the span or not; offset is into the span.
 */
void *xenlend_span_place(xenlend_span *span, uint64_t offset, uint64_t len,
                         int prot, int flags, int fd, off_t fd_offset);
int xenlend_span_remove(xenlend_span *span, uint64_t offset, uint64_t len);

/* -------------------------------------------------------------------------
 * Windows.
 */

/* flags of xenlend_window_create() */
#define XENLEND_WINDOW_WRITE    (1u << 0)   /* the guest may write */

/* flags of xenlend_window_populate() */
#define XENLEND_POPULATE_WRITE  (1u << 0)   /* as if the guest had written */

/* What the guest gets from an access that can never be resolved: nothing is
 * mapped there, or mapped without the right to read (or write), ...  What may
 * pass (no memory, an I/O error, ...) makes the vCPU wait whatever the policy,
 * see XENLEND_EVENT_HELD. */
#define XENLEND_POLICY_ONES     0   /* reads give ones, writes are dropped */
#define XENLEND_POLICY_FAULT    1   /* #GP in the guest */
#define XENLEND_POLICY_CRASH    2   /* the domain is crashed */
#define XENLEND_POLICY_HOLD     3   /* the vCPU waits, as for what may pass */

/*
 * Makes the guest-physical range [gpa, gpa + len) a window, and reserves the
 * span behind it: address space only, with nothing in it, aligned to 2 MiB
 * just as gpa is.  cookie is the caller's own and comes back in events.
 * The frames must be empty in the guest (no RAM, no other window).
 *
 * EINVAL: gpa misaligned, len misaligned or 0, unknown flags or policy.
 * ERANGE: not inside the borrower's range.  EFBIG: larger than the driver
 * allows.  EEXIST: something is there already.  ENOSPC: too many windows.
 * ENODEV, ESRCH: the domain is gone.  EOPNOTSUPP, EBUSY: the hypervisor cannot
 * lend to this domain as it is (docs/abi.md has the list).  EAGAIN: this
 * process may not have more threads: each window has a few, in the kernel.
 */
xenlend_window *xenlend_window_create(xenlend_borrower *borrower, uint64_t gpa,
                                      uint64_t len, unsigned flags,
                                      unsigned policy, uint64_t cookie);

/*
 * The same, with a span of the caller's: len bytes at addr.  What is mapped
 * there is not touched, now or when the window is destroyed; there may also
 * be holes.  EINVAL: addr is NULL or misaligned.  EFAULT: not an address range
 * of this process.
 */
xenlend_window *xenlend_window_create_at(xenlend_borrower *borrower,
                                         void *addr, uint64_t gpa,
                                         uint64_t len, unsigned flags,
                                         unsigned policy, uint64_t cookie);

/*
 * The same, with [offset, offset + len) of a span, which then cannot be freed.
 * Destroying the window leaves the span and what is placed in it; another
 * window may be made over it then, at any gpa.  Several at a time may share
 * it, also the same pages.  EINVAL, ERANGE: also offset and len, as a part of
 * the span.
 */
xenlend_window *xenlend_window_bind(xenlend_borrower *borrower,
                                    xenlend_span *span, uint64_t offset,
                                    uint64_t gpa, uint64_t len, unsigned flags,
                                    unsigned policy, uint64_t cookie);

/*
 * Destroys a window: from the return on the guest reaches nothing through it,
 * and what it wrote is in the caller's buffers.  The span
 * that xenlend_window_create() reserved is unmapped with everything placed in
 * it, others stay.  The object is gone also when this fails.  NULL is allowed.
 */
int xenlend_window_destroy(xenlend_window *window);

void *xenlend_window_addr(const xenlend_window *window);    /* the span */
uint64_t xenlend_window_gpa(const xenlend_window *window);
uint64_t xenlend_window_len(const xenlend_window *window);
uint32_t xenlend_window_id(const xenlend_window *window);   /* as in events */
uint64_t xenlend_window_cookie(const xenlend_window *window);

/*
 * Maps a buffer into the span at offset: mmap(2) with MAP_FIXED.  prot, flags
 * (MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE, ...), fd and
 * fd_offset are mmap's.  What was there is replaced, and taken back from the
 * guest before this returns.  Returns the address, NULL on error.
 *
 * Nothing is needed but the mapping: a program may as well call mmap() or
 * mremap() itself, or let a library do it, anywhere inside the span.  This
 * call adds the checks that mmap() cannot make.
 *
 * EINVAL: offset or len misaligned, len 0, MAP_FIXED_NOREPLACE or
 * MAP_GROWSDOWN in flags.  ERANGE: not inside the window.  Others: mmap(2).
 * After an error of mmap() itself the old mapping may be gone, as there.
 */
void *xenlend_window_place(xenlend_window *window, uint64_t offset,
                           uint64_t len, int prot, int flags, int fd,
                           off_t fd_offset);

/*
 * Takes buffers out of the span: the range is reserved address space again.
 * (munmap(2) alone would let the next mmap() of anybody land there and be
 * lent.)  EINVAL, ERANGE: as for xenlend_window_place().
 */
int xenlend_window_remove(xenlend_window *window, uint64_t offset,
                          uint64_t len);

/*
 * Lends pages before the guest asks, as if it had read them, or written with
 * XENLEND_POPULATE_WRITE in flags.  Pages that are not present are faulted in.
 * *done, if not NULL, is set to the bytes lent from offset on, also after an
 * error.
 *
 * EINVAL, ERANGE: the range.  EFAULT, EACCES: nothing is mapped at
 * offset + *done, or without the right.  EIO, EHWPOISON: it cannot be read.  EROFS: to write in a window
 * that was made without XENLEND_WINDOW_WRITE.  EOPNOTSUPP, EPERM, ELOOP: what is mapped
 * there cannot be lent, is not this domain's, was taken away again each time.
 * EINTR: a signal came.  EPERM: not the process that made the window.
 */
int xenlend_window_populate(xenlend_window *window, uint64_t offset,
                            uint64_t len, unsigned flags, uint64_t *done);

/*
 * Takes pages back from the guest; the mappings in the span stay, so its next
 * access faults and lends again.  *done: as above.
 */
int xenlend_window_zap(xenlend_window *window, uint64_t offset, uint64_t len,
                       uint64_t *done);

#define XENLEND_RESUME_RETRY    0   /* the access is made again */
#define XENLEND_RESUME_ONES     1   /* reads give ones, writes are dropped */
#define XENLEND_RESUME_FAULT    2   /* #GP in the guest */

/*
 * Ends the wait of the vCPUs that are held for an access to this range, see
 * XENLEND_EVENT_HELD.  *count, if not NULL, is set to how many there were.
 * (Placing or removing memory does the same as XENLEND_RESUME_RETRY, for the
 * range that it changes.)
 *
 * EINVAL, ERANGE: the range; action.
 */
int xenlend_window_resume(xenlend_window *window, uint64_t offset,
                          uint64_t len, unsigned action, unsigned *count);

#define XENLEND_BUCKETS         24

/* All but the first two count since the window was made. */
struct xenlend_stats {
    uint64_t pages_lent;        /* now */
    uint64_t vcpus_held;        /* now */
    uint64_t faults_read;       /* guest accesses that came to the lender */
    uint64_t faults_write;
    uint64_t upgrades;          /* read-only pages made writable */
    uint64_t around;            /* pages lent along with a neighbour's fault */
    uint64_t copies;            /* accesses served by value */
    uint64_t lends;             /* pages */
    uint64_t lend_calls;        /* hypercalls */
    uint64_t revokes;           /* pages */
    uint64_t revoke_calls;      /* hypercalls */
    uint64_t invalidations;     /* times the kernel changed mappings in the span */
    uint64_t refaults;          /* faults on a page that had been lent before */
    uint64_t retries;           /* attempts lost to an invalidation */
    uint64_t errors;            /* faults that met the policy */
    uint64_t holds;             /* vCPUs that were made to wait */
    uint64_t stalls;            /* faults that came without progress */
    uint64_t fault_max_ns;      /* nanoseconds in the lender's kernel */
    uint64_t fault_total_ns;
    uint64_t revoke_max_ns;
    uint64_t revoke_total_ns;
    /* Bucket n: how many took less than 2^n us, and no less than half of that;
     * the last one: all that took longer. */
    uint64_t fault_us[XENLEND_BUCKETS];
    uint64_t revoke_us[XENLEND_BUCKETS];
    uint64_t interrupts;        /* faults served without a worker */
    uint64_t ahead;             /* absent pages brought for a sequence */
    uint64_t unused;            /* pages revoked that no vCPU had used; 0 where
                                   CPUs do not tell */
    uint64_t to_device;         /* pages lent that had moved from RAM ... */
    uint64_t to_ram;            /* ... and to it from a device's memory */
    uint64_t large;             /* pages of 2 MiB lent as one, ever */
    uint64_t reserved[8];
};

/* The window's counters.  EFAULT: stats. */
int xenlend_window_stats(xenlend_window *window, struct xenlend_stats *stats);

/* -------------------------------------------------------------------------
 * Events.
 */

#define XENLEND_EVENT_GAVE_UP       1   /* an access met the policy */
#define XENLEND_EVENT_HELD          2   /* a vCPU waits */
#define XENLEND_EVENT_WINDOW_DEAD   3   /* the process behind it is gone */
#define XENLEND_EVENT_BORROWER_GONE 4   /* the domain is gone, or our power over it */
#define XENLEND_EVENT_LOST          5   /* this window's were dropped here */

/*
 * After XENLEND_EVENT_HELD the vCPU waits until the window's process calls
 * xenlend_window_resume() for it, places or removes memory there, destroys the
 * window or ends.  The kernel has tried for a while before: resume at once and
 * it will soon be back here.
 */

/* Why an access was not resolved: it never will be ... */
#define XENLEND_REASON_UNMAPPED     1   /* nothing is mapped there */
#define XENLEND_REASON_BEYOND       2   /* past the end of the file */
#define XENLEND_REASON_FORBIDDEN    3   /* mapped without the permission */
#define XENLEND_REASON_READ_ONLY    4   /* a write; the window is for reading */
#define XENLEND_REASON_KIND         5   /* memory of a kind that cannot be lent */
#define XENLEND_REASON_FOREIGN      6   /* not this domain's own, or the kernel's */
#define XENLEND_REASON_POISONED     7   /* a hardware memory error */
#define XENLEND_REASON_DEAD         8   /* the window's process is gone */
/* ... or not now. */
#define XENLEND_REASON_PASSING      32  /* this one and all greater ones */
#define XENLEND_REASON_NO_MEMORY    32  /* no memory, a cgroup's limit */
#define XENLEND_REASON_XEN_MEMORY   33  /* none in the guest's pool in Xen */
#define XENLEND_REASON_IO           34  /* an I/O error, a full file system */
#define XENLEND_REASON_CONTENDED    35  /* taken away each time, in the kernel */
#define XENLEND_REASON_STALLED      36  /* each time before the guest used it */
#define XENLEND_REASON_BUSY         37  /* Xen has a use for the frame */
#define XENLEND_REASON_OTHER        38  /* an error that was not expected */

#define XENLEND_ACCESS_WRITE        (1u << 0)
#define XENLEND_ACCESS_VALUE        (1u << 1)   /* made by Xen's emulator */

struct xenlend_event {
    uint32_t type;      /* XENLEND_EVENT_* */
    uint32_t reason;    /* GAVE_UP, HELD: XENLEND_REASON_*; else 0 */
    uint32_t id;        /* window, or 0 */
    uint32_t vcpu;      /* GAVE_UP, HELD: the guest's vCPU */
    uint64_t cookie;    /* the window's */
    uint64_t gpa;       /* GAVE_UP, HELD: address of the access */
    uint32_t access;    /* GAVE_UP, HELD: XENLEND_ACCESS_* */
    uint32_t count;     /* LOST: how many events */
    uint64_t reserved[2];
};

/* A short text for a reason; never NULL. */
const char *xenlend_reason(unsigned reason);

/*
 * Reads up to max events of this process's windows, and of those whose process
 * is gone; with CAP_SYS_ADMIN, of all.  Waits for the first one at most timeout_ms, with 0
 * not at all, with -1 for as long as it takes.  Returns how many there were,
 * 0 if none came in time, -1 on error.
 *
 * ENODEV: the domain is gone and all events have been read.  EINVAL: max 0.
 * EINTR: a signal came.
 */
int xenlend_read_events(xenlend_borrower *borrower, struct xenlend_event *events,
                        unsigned max, int timeout_ms);

/* -------------------------------------------------------------------------
 * All windows in this lender domain.
 */

struct xenlend_window_info {
    uint64_t serial;            /* unique since the driver was loaded */
    uint64_t gpa;
    uint64_t len;
    uint32_t domid;
    uint32_t id;
    uint32_t pid;               /* of the creator, 0 if not in this namespace */
    uint32_t flags;             /* XENLEND_WINDOW_WRITE */
    uint32_t policy;            /* XENLEND_POLICY_* */
    uint32_t dead;              /* 1: nothing can be lent any more */
    uint64_t reserved[4];
};

/*
 * Gives the window with the smallest serial greater than after: start with 0,
 * go on with info->serial.  Returns 1, or 0 if there is none, -1 on error.
 */
int xenlend_next(xenlend_handle *handle, uint64_t after,
                 struct xenlend_window_info *info);

/* Counters of any window, by its serial.  ENOENT: it is gone.  EFAULT: stats. */
int xenlend_stats(xenlend_handle *handle, uint64_t serial,
                  struct xenlend_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* XENLEND_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
