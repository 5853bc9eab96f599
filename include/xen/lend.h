/* SPDX-License-Identifier: MIT */
/*
 * Memory lending: the hypercall and the fault request.
 *
 * A *lender* domain puts frames of its own memory into a *window* of a
 * *borrower* domain's guest-physical address space, and takes them back at
 * any moment.  docs/abi.md documents every field, range, error and guarantee.
 */
#ifndef __XEN_PUBLIC_LEND_H__
#define __XEN_PUBLIC_LEND_H__

/* Sub-op of memory_op; arg is a pointer to struct xen_mem_lend. */
#ifndef XENMEM_lend
#define XENMEM_lend             29
#endif

/* ioreq_t.type of an access to a slot that holds no (writable) frame. */
#ifndef IOREQ_TYPE_FAULT
#define IOREQ_TYPE_FAULT        9
#endif

#define XENLEND_VERSION         1

/* xen_mem_lend.op */
#define XENLEND_info            0
#define XENLEND_create          1
#define XENLEND_destroy         2
#define XENLEND_lend            3
#define XENLEND_revoke          4
#define XENLEND_query           5

/* xen_mem_lend.flags of XENLEND_lend; every other op takes none. */
#define XENLEND_WRITE           (1U << 0) /* the borrower may write */

/* xen_mem_lend.u.info.features: none is defined in version 1. */

/*
 * Answer to an IOREQ_TYPE_FAULT, in ioreq_t.data when the state becomes
 * STATE_IORESP_READY.  Any other value is taken as XENLEND_ANSWER_FAULT.
 */
#define XENLEND_ANSWER_RETRY    0 /* execute the instruction again */
#define XENLEND_ANSWER_FAULT    1 /* inject #GP */
#define XENLEND_ANSWER_ONES     2 /* this access: read ones, drop the write */

/*
 * An IOREQ_TYPE_FAULT carries:
 *   addr   guest-physical address of the access, in bytes
 *   data   the window's id
 *   dir    IOREQ_READ or IOREQ_WRITE
 *   count  faults in a row of this vCPU on this frame without progress: 1
 *          unless the one before was answered with retry and, since then,
 *          nothing was lent there, or the last frame lent there was taken
 *          back before any vCPU had used it in the way that faulted then
 *          (where the CPU notes that: AMD)
 *   size   0
 * all else is 0.
 */

struct xen_mem_lend_info {
    uint32_t version;           /* OUT XENLEND_VERSION */
    uint32_t features;          /* OUT */
    uint64_t max_slots;         /* OUT most slots: of a window, and of all
                                   windows of one borrower together */
    uint32_t max_windows;       /* OUT most windows of one borrower */
    uint32_t pad;               /* OUT 0 */
};

/* Nothing may be mapped there, nor in [0xfec00000, 0xfef00000). */
struct xen_mem_lend_create {
    uint64_t gfn;               /* IN first frame of the window */
    uint64_t nr;                /* IN frames (slots), 1 to max_slots */
    uint32_t server;            /* IN ioreq server of the caller, gets the faults */
    uint32_t pad;               /* IN 0 */
};

/*
 * With status each slot has its own result; without, the first slot that
 * fails ends XENLEND_lend with its error.  Either way slots may be lent when
 * the call fails: revoke the range.
 */
struct xen_mem_lend_range {
    uint64_t first;             /* IN first slot */
    uint64_t nr;                /* IN slots; first + nr <= window's slots */
    /* XENLEND_lend only, 0 for XENLEND_revoke: */
    uint64_t frames;            /* IN address of uint64_t[nr]: caller's frames */
    uint64_t status;            /* IN address of int32_t[nr], or 0 */
};

struct xen_mem_lend_query {     /* all OUT */
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
};

struct xen_mem_lend {
    uint16_t op;                /* IN XENLEND_* */
    uint16_t domid;             /* IN borrower; 0 for XENLEND_info */
    uint32_t flags;             /* IN */
    uint64_t window;            /* OUT XENLEND_create; IN others; 0 for info */
    union {
        struct xen_mem_lend_info   info;
        struct xen_mem_lend_create create;
        struct xen_mem_lend_range  range;   /* lend, revoke */
        struct xen_mem_lend_query  query;
        uint64_t                   pad[14]; /* unused bytes are 0 */
    } u;
};
typedef struct xen_mem_lend xen_mem_lend_t;

#ifdef DEFINE_XEN_GUEST_HANDLE
DEFINE_XEN_GUEST_HANDLE(xen_mem_lend_t);
#endif

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
