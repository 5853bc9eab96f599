/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory lending: the books.  Windows, their slots, which arguments are sane,
 * and who faulted where.
 *
 * No locks are taken here, and nothing of the machine is known but where pages
 * for the books come from, so that tools/tests/lend can build it.  Unless said
 * otherwise the caller of a function holds the window's lock, or the lock of
 * the table; nothing sleeps.
 */
#ifndef XEN_LEND_WINDOW_H
#define XEN_LEND_WINDOW_H

#ifdef __XEN__
#include <xen/cpumask.h>
#include <xen/list.h>
#include <xen/spinlock.h>
#include <xen/types.h>

#include <asm/atomic.h>

#include <public/lend.h>
#include <public/memory.h>
#include <public/xen.h>
#endif

struct domain;
struct ioreq_server;

#define LEND_MAX_WINDOWS 16
/* Slots of all windows of one borrower: fits a continuation's cursor. */
#define LEND_MAX_SLOTS   (1UL << 22)

/* The slots of one page of the books, and of a large entry. */
#define LEND_CHUNK_ORDER 9
#define LEND_CHUNK       (1UL << LEND_CHUNK_ORDER)

/*
 * A slot is one word.  Its low half is the frame while it is lent; the notes
 * about the last frame outlive it.
 */
#define LEND_SLOT_FRAME    ((1UL << 40) - 1)
#define LEND_SLOT_SEQ      (0x7fffUL << 40)     /* frames lent here, ever */
#define LEND_SLOT_SEQ_ONE  (1UL << 40)
#define LEND_SLOT_LARGE    (1UL << 55)          /* first of a large entry */
#define LEND_SLOT_UNREAD   (1UL << 56)          /* last frame: never used */
#define LEND_SLOT_UNWRITTEN (1UL << 57)         /* last frame: never written */
#define LEND_SLOT_MMIO     (1UL << 58)          /* a device's: no reference */
#define LEND_SLOT_WC       (1UL << 59)          /* write-combining */
#define LEND_SLOT_UC       (1UL << 60)          /* uncached */
#define LEND_SLOT_REVOKING (1UL << 61)          /* cleared, reference held */
#define LEND_SLOT_WRITE    (1UL << 62)          /* REVOKING: was writable */
#define LEND_SLOT_LENT     (1UL << 63)
/* What is lent: a frame, of which kind, and as which type of memory. */
#define LEND_SLOT_WHAT     (LEND_SLOT_FRAME | LEND_SLOT_MMIO | \
                            LEND_SLOT_WC | LEND_SLOT_UC)

struct lend_window {
    /*
     * Spans clearing entries, flushing and dropping references: whoever finds
     * a slot empty under it knows that no CPU can reach the frame any more.
     * Never taken inside an mm lock.
     */
    spinlock_t lock;

    uint64_t id;                /* never used again */
    unsigned long gfn, nr;      /* set at creation */
    /*
     * [nr / LEND_CHUNK] pages of the books, made by lending (under the lock),
     * read by the borrower's vCPUs without it.  Goes while the borrower is
     * paused, the pages after that, preemptibly.
     */
    uint64_t **chunk;
    uint64_t **old_chunk;       /* on its way out; lock */
    unsigned long lent;         /* slots LENT or REVOKING; lock */
    unsigned long mmio;         /* ... that are MMIO; lock */
    unsigned long large;        /* large entries; lock */
    bool dead;                  /* lends no more; lock */
    unsigned long cursor;       /* how far teardown has come; lock */
    /*
     * Slots from here on may be MMIO that the lender has no permission for any
     * more; the lender's lend.lock.
     */
    unsigned long denied;

    atomic_t refcnt;
    struct list_head list;      /* of the lender's windows; its lend.lock */
    /* No reference: the window is dead, and empty, before it goes. */
    struct domain *borrower;
    struct domain *lender;      /* holds a reference */
    /*
     * NULL in an orphan.  Changes only while the borrower is paused and its
     * ioreq_server.lock is held: its vCPUs look without a lock.
     */
    struct ioreq_server *server;

    /* Counted by the borrower's vCPUs, which may hold the p2m lock. */
    spinlock_t stat_lock;
    unsigned long faults_read, faults_write, spurious, emulated, unserved;
    unsigned long stalls;
    /* Counted under the lock. */
    unsigned long lends, upgrades, revokes, unused, flushes, answers;
};

/* The windows of a borrower. */
struct lend_table {
    struct lend_window *window[LEND_MAX_WINDOWS]; /* by frame */
    unsigned int nr;
    unsigned long slots;        /* of all of them */
};

/* Of a domain.  The lock is for moments, and innermost. */
struct lend_domain {
    spinlock_t lock;
    /*
     * As a borrower: made with its first window, goes when it dies.  Windows
     * come and go under the lock while the domain is paused.
     */
    struct lend_table *table;
    unsigned int exclusions;    /* things just being switched on; lock */
    struct list_head windows;   /* as a lender; lock */
    unsigned long denials;      /* of permission for MMIO, ever; lock */
};

/* A slot as a vCPU found it. */
struct lend_place {
    uint64_t id;
    unsigned long slot;
    unsigned int seq;
};

/* Accesses to different pages that one instruction can make. */
#define LEND_MAX_ONES 4

/* Of a vCPU, which alone changes it, or while it is paused. */
struct lend_vcpu {
    bool pending;               /* a fault request is in flight */
    bool resume;                /* ... of an instruction being emulated */
    bool write;                 /* last fault */
    uint8_t nr_ones;
    uint32_t count;             /* faults in a row at last */
    uint64_t answer;
    struct lend_place last;     /* last fault */
    /* Where the instruction at ip is to read ones, until it is done. */
    unsigned long ip;
    struct lend_place ones[LEND_MAX_ONES];
    /* What the instruction being emulated has read from a port. */
    uint8_t pio_bytes;          /* 0: nothing */
    uint16_t pio_port;
    unsigned long pio_value;
};

enum lend_slot_state {
    LEND_SLOT_empty,
    LEND_SLOT_same,             /* the frame is there, with these rights */
    LEND_SLOT_upgrade,          /* the frame is there, read-only */
    LEND_SLOT_busy,             /* another frame, or more rights */
};

/*
 * A zeroed page of d's own pool for the books, mapped for as long as it lives,
 * or NULL.  Called with a window's lock held, never inside an mm lock.
 */
uint64_t *arch_lend_alloc_chunk(struct domain *d);
void arch_lend_free_chunk(struct domain *d, uint64_t *chunk);

/*
 * Everything that can be said of the arguments without looking at a domain.
 * Needs no lock.  0, -EOPNOTSUPP (no such op) or -EINVAL.
 */
int lend_check_args(const struct xen_mem_lend *op);

/*
 * The window with gfn in it, or NULL.  Without a lock: for the borrower's own
 * vCPUs, since windows come and go only while it is paused.
 */
struct lend_window *lend_table_find(const struct lend_table *t,
                                    unsigned long gfn);
/* Room for a window there: 0, -EEXIST (overlap) or -ENOSPC (too many). */
int lend_table_check(const struct lend_table *t, unsigned long gfn,
                     unsigned long nr);
/* The same, and puts it there. */
int lend_table_add(struct lend_table *t, struct lend_window *w);
/* Whether it was there. */
bool lend_table_del(struct lend_table *t, const struct lend_window *w);

/* 0 or -ENOMEM.  Nobody else knows the window yet. */
int lend_window_init(struct lend_window *w, unsigned long gfn,
                     unsigned long nr);
/* The borrower is paused: from here on there are no books, nor will be. */
void lend_window_close(struct lend_window *w);
/*
 * Gives back at most `max` pages of a closed window's books.  Returns whether
 * that was all.
 */
bool lend_window_drain(struct lend_window *w, unsigned long max);
/* Closed, drained, and known to nobody else.  Does not free w itself. */
void lend_window_fini(struct lend_window *w);

/*
 * Slots are numbered from 0; s < w->nr.  NULL where nothing was ever lent.
 * Also without the lock, for reading, by the borrower's own vCPUs.
 */
uint64_t *lend_slot(const struct lend_window *w, unsigned long s);
/* The same with a page if there is none yet; NULL: no memory. */
uint64_t *lend_slot_alloc(struct lend_window *w, unsigned long s);
/*
 * What the caller's word says, but for the lender's name for the frame and the
 * right to write, in the books' terms.  0, or -EINVAL for what cannot be.
 * Needs no lock.
 */
int lend_check_kind(uint64_t word, uint64_t *what);

/* The only word of a call that lends a large entry. */
static inline bool lend_is_large_call(const struct xen_mem_lend_lend *l)
{
    return !l->frames && !l->status && l->nr == LEND_CHUNK &&
           (l->inline_frames[0] & XENMEM_LEND_ORDER_MASK) == XENMEM_LEND_2M;
}

static inline int lend_check_word(uint64_t word, uint64_t *what)
{
    *what = word & XENMEM_LEND_FRAME_MASK;

    /* RAM, write-back, nearly always. */
    return likely(!(word & ~(XENMEM_LEND_FRAME_MASK | XENMEM_LEND_WRITE)))
           ? 0 : lend_check_kind(word, what);
}

/*
 * Does s belong to a large entry?  Only windows that begin at a multiple of
 * LEND_CHUNK have these: one is a page of the books.
 */
bool lend_is_large(const struct lend_window *w, unsigned long s);

/*
 * What to revoke at once of [*s, e), in which *s is lent: returns its end, at
 * most LEND_CHUNK slots from *s on.  A large entry is whole: *s may become less,
 * and the end be more than e.
 */
unsigned long lend_revoke_step(const struct lend_window *w, unsigned long *s,
                               unsigned long e);

/* What lending `what` and what comes after it to a chunk would come to. */
enum lend_slot_state lend_large_test(const struct lend_window *w,
                                     unsigned long s, uint64_t what,
                                     bool write);
/* All of its slots are empty; they take over the frames' references. */
void lend_large_fill(struct lend_window *w, unsigned long s, uint64_t what,
                     bool write);
/* It was lent read-only. */
void lend_large_upgrade(struct lend_window *w, unsigned long s);
/* Its entry is gone: all slots become REVOKING. */
void lend_large_clear(struct lend_window *w, unsigned long s, bool unread,
                      bool unwritten);

/* The first lent slot of [s, e), or e. */
unsigned long lend_slot_next(const struct lend_window *w, unsigned long s,
                             unsigned long e);

/* Called for each page of a batch, hence inline.  All with w's lock held. */

/* What lending this there would come to. */
static inline enum lend_slot_state lend_slot_test(const uint64_t *slot,
                                                  uint64_t what, bool write)
{
    if ( !(*slot & (LEND_SLOT_LENT | LEND_SLOT_REVOKING)) )
        return LEND_SLOT_empty;

    /* Fewer rights than the borrower has would need a flush: revoke first. */
    if ( (*slot & LEND_SLOT_REVOKING) || (*slot & LEND_SLOT_WHAT) != what ||
         (!write && (*slot & LEND_SLOT_WRITE)) )
        return LEND_SLOT_busy;

    return !write || (*slot & LEND_SLOT_WRITE) ? LEND_SLOT_same
                                               : LEND_SLOT_upgrade;
}

static inline uint64_t lend_slot_next_seq(uint64_t slot)
{
    return (slot + LEND_SLOT_SEQ_ONE) & LEND_SLOT_SEQ;
}

/* The slot was empty; it takes over the frame's references. */
static inline void lend_slot_fill(struct lend_window *w, uint64_t *slot,
                                  uint64_t what, bool write)
{
    ASSERT(!(*slot & (LEND_SLOT_LENT | LEND_SLOT_REVOKING)));
    ASSERT(!(what & ~LEND_SLOT_WHAT));

    *slot = LEND_SLOT_LENT | (write ? LEND_SLOT_WRITE : 0) |
            lend_slot_next_seq(*slot) | what;
    w->lent++;
    w->mmio += !!(what & LEND_SLOT_MMIO);
}

/* The slot was lent read-only. */
static inline void lend_slot_upgrade(uint64_t *slot)
{
    ASSERT(*slot & LEND_SLOT_LENT);

    *slot = (*slot & ~LEND_SLOT_SEQ) | lend_slot_next_seq(*slot) |
            LEND_SLOT_WRITE;
}

/* The entry is gone, translations may linger: REVOKING. */
static inline void lend_slot_clear(uint64_t *slot, bool unread,
                                   bool unwritten)
{
    ASSERT(*slot & LEND_SLOT_LENT);

    *slot = (*slot & (LEND_SLOT_WHAT | LEND_SLOT_SEQ | LEND_SLOT_WRITE)) |
            LEND_SLOT_REVOKING |
            (unread ? LEND_SLOT_UNREAD : 0) |
            (unwritten ? LEND_SLOT_UNWRITTEN : 0);
}

/*
 * Translations are gone as well.  Returns what was lent, of which references
 * are to be dropped, and whether the borrower may have written to it.
 */
static inline uint64_t lend_slot_release(struct lend_window *w,
                                         uint64_t *slot, bool *dirty)
{
    uint64_t what = *slot & LEND_SLOT_WHAT;

    ASSERT(*slot & LEND_SLOT_REVOKING);
    ASSERT(w->lent);

    *dirty = *slot & LEND_SLOT_WRITE;
    *slot &= ~(LEND_SLOT_REVOKING | LEND_SLOT_WRITE | LEND_SLOT_WHAT);
    w->lent--;
    w->mmio -= !!(what & LEND_SLOT_MMIO);

    return what;
}

/*
 * vCPU v faults: how often has it done so here in a row without getting any
 * further?  At least 1.  For current only, without a lock.
 */
uint32_t lend_note_fault(struct lend_vcpu *v, const struct lend_window *w,
                         unsigned long s, bool write);
/* The slot of w that v waits for, or ~0UL; a hint, as v may run. */
unsigned long lend_waits_at(const struct lend_vcpu *v,
                            const struct lend_window *w);
/* The last fault of the instruction at ip is to be completed with ones. */
void lend_note_ones(struct lend_vcpu *v, unsigned long ip);
bool lend_is_ones(const struct lend_vcpu *v, const struct lend_window *w,
                  unsigned long s, unsigned long ip);

#endif /* XEN_LEND_WINDOW_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
