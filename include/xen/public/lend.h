/* SPDX-License-Identifier: MIT */
/*
 * Memory lending: the hypercall and the fault request.
 *
 * A *lender* domain puts frames of its own memory into a *window* of a
 * *borrower* domain's guest-physical address space, and takes them back at
 * any moment.  A *slot* is one 4 KiB frame of a window.  A borrower's access to
 * a slot that is empty, or not writable when it writes, is a *fault*: it
 * becomes a request to the lender's ioreq server.
 *
 * All structs have the same layout for 32- and 64-bit callers.  Frames are
 * 4 KiB, addresses are those of the caller's virtual address space.
 */
#ifndef __XEN_PUBLIC_LEND_H__
#define __XEN_PUBLIC_LEND_H__

#include "xen.h"

/* Sub-op of memory_op; arg is the address of a struct xen_mem_lend. */
#define XENMEM_lend                 29

/* Features and layout; only ever grows, and never changes what is here. */
#define XENMEM_LEND_VERSION         1

/* xen_mem_lend.op */
#define XENMEM_LEND_info            0
#define XENMEM_LEND_create          1
#define XENMEM_LEND_destroy         2
#define XENMEM_LEND_lend            3
#define XENMEM_LEND_revoke          4
#define XENMEM_LEND_query           5

/*
 * xen_mem_lend.flags of XENMEM_LEND_lend; every other op takes none.
 *
 * ANSWER: if the call succeeds, and the slot for which the borrower's vCPU
 * `vcpu` waits is among those whose result is 0, its request is answered with
 * XENMEM_LEND_ANSWER_RETRY: nothing else must answer it then.  Only for calls
 * with at most XENMEM_LEND_BATCH slots, or a word of 2M.
 */
#define XENMEM_LEND_ANSWER          (1U << 0)

/*
 * What is to be lent in one slot: a frame number as the caller uses it in
 * hypercalls (a PV domain's machine frame, a translated domain's guest frame),
 * and how.  All other bits are 0.
 *
 * A word of 2M stands for 512 slots and as many frames, which become one entry
 * of the borrower's tables: the slots are empty, the first slot's guest frame
 * and the frame are multiples of 512, and so is the window's first frame; the
 * frames are next to each other in the machine.  It is the only one of its
 * call, which succeeds as a whole or not at all: in inline_frames[0], with
 * `nr` 512, and without status.  To revoke any of its slots revokes all.
 *
 * Without MMIO the frame is RAM, with it a device's: one that the lender has
 * I/O memory permission for.  What is lent of that is taken back when the
 * permission is.
 *
 * The memory type is to be the one by which the lender itself reaches the
 * frame.  MMIO cannot be write-back.
 */
#define XENMEM_LEND_FRAME_MASK      (((uint64_t)1 << 40) - 1)
#define XENMEM_LEND_ORDER_MASK      ((uint64_t)0xf << 40)
#define XENMEM_LEND_4K              ((uint64_t)0 << 40)
#define XENMEM_LEND_2M              ((uint64_t)9 << 40)
#define XENMEM_LEND_CACHE_MASK      ((uint64_t)0xf << 44)
#define XENMEM_LEND_WB              ((uint64_t)0 << 44) /* write-back */
#define XENMEM_LEND_WC              ((uint64_t)1 << 44) /* write-combining */
#define XENMEM_LEND_UC              ((uint64_t)2 << 44) /* uncached */
#define XENMEM_LEND_MMIO            ((uint64_t)1 << 48)
#define XENMEM_LEND_WRITE           ((uint64_t)1 << 63) /* may be written */

/* As many slots as are lent without a chance of preemption. */
#define XENMEM_LEND_BATCH           64
/* As many frames as xen_mem_lend_lend itself can hold. */
#define XENMEM_LEND_INLINE          8

/*
 * ioreq_t.type of a fault.  The request carries:
 *   addr   guest-physical address of the access, in bytes
 *   data   the window
 *   dir    IOREQ_READ or IOREQ_WRITE
 *   count  faults in a row of this vCPU on this slot without progress: 1
 *          unless the one before was answered with retry and, since then,
 *          nothing was lent there, or the last frame lent there was taken
 *          back before any vCPU had used it in the way that faulted then
 *   size   0
 * all else is 0.  The answer goes to ioreq_t.data before the state becomes
 * STATE_IORESP_READY; an unknown one is taken as XENMEM_LEND_ANSWER_GP.
 */
#define IOREQ_TYPE_LEND_FAULT       9

#define XENMEM_LEND_ANSWER_RETRY    0 /* execute the instruction again */
#define XENMEM_LEND_ANSWER_GP       1 /* give up: inject #GP */
#define XENMEM_LEND_ANSWER_ONES     2 /* give up: read ones, drop the write */

/* xen_mem_lend_info.features; unknown ones are not to be minded. */
#define XENMEM_LEND_HAS_CACHE       (1U << 0) /* WC and UC */
#define XENMEM_LEND_HAS_MMIO        (1U << 1) /* MMIO */
#define XENMEM_LEND_HAS_2M          (1U << 2) /* words of 2M */

/* Anybody may ask. */
struct xen_mem_lend_info {
    uint32_t version;           /* OUT XENMEM_LEND_VERSION */
    uint32_t features;          /* OUT XENMEM_LEND_HAS_* */
    uint64_t max_slots;         /* OUT most slots: of a window, and of all
                                   windows of one borrower together */
    uint32_t max_windows;       /* OUT most windows of one borrower */
    uint32_t pad;               /* OUT 0 */
};

/* Nothing may be mapped there, nor in [0xfec00000, 0xfef00000). */
struct xen_mem_lend_create {
    domid_t  domid;             /* IN borrower */
    uint16_t server;            /* IN ioreq server of the caller's in it, which
                                   gets the faults */
    uint32_t pad;               /* IN 0 */
    uint64_t gfn;               /* IN first frame of the window */
    uint64_t nr;                /* IN slots, 1 to max_slots */
    uint64_t window;            /* OUT its id, never used again; not 0 */
};

/* When it returns nothing is lent there; 0 also if there is no such window. */
struct xen_mem_lend_destroy {
    domid_t  domid;             /* IN borrower */
    uint16_t pad[3];            /* IN 0 */
    uint64_t window;            /* IN */
};

/*
 * With status each slot has its own result; without, the first slot that
 * fails ends the call with its error.  Either way slots may be lent when the
 * call fails: revoke them.
 */
struct xen_mem_lend_lend {
    domid_t  domid;             /* IN borrower */
    uint16_t pad;               /* IN 0 */
    uint32_t vcpu;              /* IN with XENMEM_LEND_ANSWER, else 0 */
    uint64_t window;            /* IN */
    uint64_t first;             /* IN first slot */
    uint64_t nr;                /* IN slots; first + nr <= window's slots */
    uint64_t frames;            /* IN address of uint64_t[nr]; or 0: below */
    uint64_t status;            /* IN address of int32_t[nr] (OUT), or 0 */
    uint64_t inline_frames[XENMEM_LEND_INLINE]; /* IN the first nr of these,
                                                   if frames is 0 */
};

/*
 * When it returns no CPU of the borrower can reach what was lent in these
 * slots.  0 also if there is no such window.
 */
struct xen_mem_lend_revoke {
    domid_t  domid;             /* IN borrower */
    uint16_t pad[3];            /* IN 0 */
    uint64_t window;            /* IN */
    uint64_t first;             /* IN first slot */
    uint64_t nr;                /* IN slots; first + nr <= window's slots */
};

/* What a query tells; later versions only append. */
struct xen_mem_lend_counters {
    uint64_t gfn, nr;           /* as created */
    uint64_t lent;              /* slots lent now */
    uint64_t faults_read;       /* requests sent for reads */
    uint64_t faults_write;      /* requests sent for writes */
    uint64_t spurious;          /* faults on slots that were fine by then */
    uint64_t emulated;          /* accesses made by Xen's emulator */
    uint64_t unserved;          /* accesses with no server to ask */
    uint64_t lends;             /* slots lent, ever */
    uint64_t upgrades;          /* slots made writable in place, ever */
    uint64_t revokes;           /* slots revoked, ever */
    uint64_t flushes;           /* guest-physical TLB flushes for revokes */
    uint64_t stalls;            /* requests sent with count > 1 */
    uint64_t answers;           /* requests answered by XENMEM_LEND_ANSWER */
    uint64_t unused;            /* slots revoked before any vCPU had used the
                                   frame, ever; 0 where CPUs do not tell */
    uint64_t mmio;              /* slots lent now that are MMIO */
    uint64_t large;             /* entries of 2 MiB now */
};

struct xen_mem_lend_query {
    domid_t  domid;             /* IN borrower */
    uint16_t pad;               /* IN 0 */
    uint32_t size;              /* IN room at counters, in bytes;
                                   OUT bytes that Xen has to tell */
    uint64_t window;            /* IN */
    uint64_t counters;          /* IN address of a xen_mem_lend_counters (OUT) */
};

struct xen_mem_lend {
    uint32_t op;                /* IN XENMEM_LEND_* */
    uint32_t flags;             /* IN */
    union {
        struct xen_mem_lend_info    info;
        struct xen_mem_lend_create  create;
        struct xen_mem_lend_destroy destroy;
        struct xen_mem_lend_lend    lend;
        struct xen_mem_lend_revoke  revoke;
        struct xen_mem_lend_query   query;
        uint64_t                    room[15]; /* IN 0 where an op's ends */
    } u;
};
typedef struct xen_mem_lend xen_mem_lend_t;
DEFINE_XEN_GUEST_HANDLE(xen_mem_lend_t);

#endif /* __XEN_PUBLIC_LEND_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
