/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory lending: a lender domain puts frames of its own into a window of a
 * borrower's guest-physical address space, and takes them back at will.
 *
 * Lock order: ioreq_server.lock -> window lock -> mm locks.  lend_lock is
 * taken for moments only, with nothing inside it.
 */
#ifndef XEN_LEND_H
#define XEN_LEND_H

#include <xen/types.h>

struct domain;
struct ioreq_server;
struct vcpu;

/* What a vCPU's access to a slot comes to. */
enum lend_access {
    LEND_none,                      /* not ours */
    LEND_again,                     /* there is nothing in the way */
    LEND_gp,                        /* never allowed */
    LEND_fault,                     /* ask the lender */
    LEND_copy,                      /* emulated: by value, from the lender */
    LEND_ones,                      /* nobody to ask: emulated, reads ones */
};

#ifdef CONFIG_MEMORY_LENDING

#include <xen/cpumask.h>
#include <xen/lend-window.h>
#include <xen/list.h>
#include <xen/sched.h>
#include <xen/spinlock.h>

/* Slots per acquisition of the borrower's p2m lock. */
#define LEND_BATCH 32

struct lend_window {
    struct lend_range range;
    struct list_head list;          /* all windows; lend_lock */
    unsigned int refcnt;            /* lend_lock */
    /* No reference: the window is dead, and empty, before it goes. */
    struct domain *borrower;
    struct domain *lender;          /* holds a reference */
    /*
     * NULL in an orphan.  Changes only while the borrower is paused, so that
     * its vCPUs may look without a lock.
     */
    struct ioreq_server *server;
    /*
     * Spans clearing entries, flushing and dropping references: whoever finds
     * a slot empty under it knows that no CPU can reach the frame any more.
     * Never taken inside an mm lock.
     */
    spinlock_t lock;
    bool dead;                      /* lends no more */
    unsigned long cursor;           /* how far teardown has come */

    /* Counted by the borrower's vCPUs, which may hold the p2m lock. */
    spinlock_t stat_lock;
    unsigned long faults_read, faults_write, spurious, emulated, unserved;
    unsigned long stalls;
    /* Under the lock. */
    unsigned long lends, upgrades, revokes, flushes;

#ifdef CONFIG_DEBUG
    /* Proof that the flush took place. */
    uint64_t *generation;
    cpumask_t flush_mask;
#endif
};

/* Of a borrower that has, or had, windows. */
struct lend_domain {
    struct lend_table table;
};

/* Has d windows, or had it any? */
static inline bool lend_active(const struct domain *d)
{
    return ACCESS_ONCE(d->lend);
}

static inline void lend_count(struct lend_window *w, unsigned long *counter)
{
    spin_lock(&w->stat_lock);
    ++*counter;
    spin_unlock(&w->stat_lock);
}

/* The server's answer to what v waits for; v may wait for other things. */
static inline void lend_note_answer(struct vcpu *v, uint64_t answer)
{
    if ( v->io.lend.pending )
        v->io.lend.answer = answer;
}

/* What v's registers were when it faulted means nothing any more. */
static inline void lend_cancel_fault(struct vcpu *v)
{
    v->io.lend.pending = false;
    v->io.lend.nr_ones = 0;
}

/* v's instruction was emulated, whatever came of it. */
static inline void lend_emulated(struct vcpu *v)
{
    v->io.lend.nr_ones = 0;
}

/* common/lend.c */
long do_memory_lend(XEN_GUEST_HANDLE_PARAM(void) arg, unsigned long start);
struct lend_window *lend_find(const struct domain *d, unsigned long gfn);
struct ioreq_server *lend_server(const struct lend_window *w);
void lend_complete_fault(struct vcpu *v);
bool lend_has_windows(const struct domain *d);
void lend_server_gone(struct domain *d, const struct ioreq_server *s);
int lend_borrower_teardown(struct domain *d);
int lend_lender_teardown(struct domain *d);

/* common/ioreq.c */
void ioreq_server_destroy_for(struct domain *d, const struct domain *emulator);

/* The architecture's part */
int arch_lend_check_borrower(const struct domain *d);
int arch_lend_check_range(struct domain *d, unsigned long gfn,
                          unsigned long nr, unsigned long *done);
int arch_lend_window_init(struct lend_window *w);
void arch_lend_window_free(struct lend_window *w);
int arch_lend_get_frame(struct domain *lender, uint64_t frame, bool write,
                        uint64_t *mfn);
void arch_lend_put_frame(uint64_t mfn);
uint32_t arch_lend_map(struct lend_window *w, unsigned long first,
                       unsigned int nr, const uint64_t *mfn, bool write,
                       int *status);
void arch_lend_unmap(struct lend_window *w, unsigned long s, unsigned long e);
void arch_lend_give_up(struct vcpu *v);
void arch_lend_answer_ones(struct vcpu *v);

#else /* !CONFIG_MEMORY_LENDING */

static inline bool lend_active(const struct domain *d) { return false; }
static inline bool lend_has_windows(const struct domain *d) { return false; }
static inline void lend_note_answer(struct vcpu *v, uint64_t answer) {}
static inline void lend_emulated(struct vcpu *v) {}
static inline void lend_complete_fault(struct vcpu *v) {}
static inline void lend_cancel_fault(struct vcpu *v) {}
static inline void lend_server_gone(struct domain *d,
                                    const struct ioreq_server *s) {}
static inline int lend_borrower_teardown(struct domain *d) { return 0; }
static inline int lend_lender_teardown(struct domain *d) { return 0; }

#endif /* CONFIG_MEMORY_LENDING */

/* Called only where lend_active() holds. */
void lend_send_fault(paddr_t gpa, bool write);

#endif /* XEN_LEND_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
