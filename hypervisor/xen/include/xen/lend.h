/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory lending: a lender domain puts frames of its own into a window of a
 * borrower's guest-physical address space, and takes them back at will.
 *
 * Lock order: ioreq_server.lock or the lender's caps_lock -> a window's lock
 * -> mm locks.  A domain's lend.lock and a window's stat_lock are taken for
 * moments, with nothing inside them, and may be taken inside of all others.
 */
#ifndef XEN_LEND_H
#define XEN_LEND_H

#include <xen/types.h>

struct domain;
struct ioreq_server;
struct vcpu;

/* What a vCPU's access to a frame comes to. */
enum lend_access {
    LEND_none,                      /* no window there */
    LEND_again,                     /* nothing is in the way: do it again */
    LEND_forbidden,                 /* never allowed: #GP */
    LEND_request,                   /* a fault: ask the lender */
    LEND_copy,                      /* emulated: by value, from the lender */
    LEND_ones,                      /* given up, or nobody to ask: ones */
};

#ifdef CONFIG_MEMORY_LENDING

#include <xen/lend-window.h>
#include <xen/list.h>
#include <xen/sched.h>
#include <xen/spinlock.h>

/* Slots per acquisition of the borrower's p2m lock. */
#define LEND_BATCH XENMEM_LEND_BATCH

/*
 * Has d windows, or had it any?  Any context; for d's own vCPUs, and others
 * while d is paused, the answer lasts.
 */
static inline bool lend_active(const struct domain *d)
{
    return ACCESS_ONCE(d->lend.table);
}

/* Any context, any locks. */
static inline void lend_count(struct lend_window *w, unsigned long *counter)
{
    spin_lock(&w->stat_lock);
    ++*counter;
    spin_unlock(&w->stat_lock);
}

/* ---- common/lend.c: windows and the hypercall */

/* Before d is known to anybody. */
void lend_domain_init(struct domain *d);

/*
 * XENMEM_lend.  `done` says how many slots the earlier parts of a preempted
 * call took care of.  The public header says which errors.
 */
long do_memory_lend(XEN_GUEST_HANDLE_PARAM(void) arg, unsigned long done);

/*
 * The window of d with gfn in it, or NULL.  No lock is needed: for d's own
 * vCPUs, and others while d is paused, since windows come and go only then.
 */
struct lend_window *lend_find(const struct domain *d, unsigned long gfn);

/* Any context.  May be out of date as soon as it returns: see lend_exclude. */
bool lend_has_windows(struct domain *d);

/*
 * For what windows do not go with, and refuse once it is on.  Between the two
 * calls no window of d can be made.  0, or -EBUSY if there is one already:
 * then there is nothing to end.  No locks needed, any held.
 */
int lend_exclude(struct domain *d);
void lend_exclude_end(struct domain *d);

/*
 * d, which is paused or dying, loses server s; its ioreq_server.lock is held.
 * What is lent stays.
 */
void lend_server_gone(struct domain *d, const struct ioreq_server *s);

/*
 * d dies, or starts anew; none of its vCPUs runs.  Ends its windows.  0 or
 * -ERESTART.  No locks held.
 */
int lend_borrower_teardown(struct domain *d);

/*
 * d dies, and must get its frames back before it can give them up; none of
 * its vCPUs runs, and its ioreq servers are gone.  Or it loses its privilege
 * over `only`.  Ends its windows (those of that domain, if it is not NULL).  0
 * or -ERESTART.  No locks held.
 */
int lend_lender_teardown(struct domain *d, const struct domain *only);

/*
 * d has lost permission for I/O memory: what it lends of that is taken back,
 * and more.  Preemptible: 0, or -ERESTART, to be called again.  `anew`: it had
 * some until this call.  No locks held.
 */
int lend_iomem_denied(struct domain *d, bool anew);

/* ---- common/lend-fault.c: faults, and what becomes of them */

/* Who answers for w: NULL if nobody can.  As lend_find(). */
struct ioreq_server *lend_server(const struct lend_window *w);

/*
 * Ask the lender for the frame at gpa, a place with a window and a server.
 * For current, on its way back into the guest; no locks held.  The instruction
 * is executed again after that, so nothing is kept of it.
 */
void lend_send_fault(paddr_t gpa, bool write);

/* v, which is current, no longer waits for its server: does what that said. */
void lend_complete_fault(struct vcpu *v);

/*
 * Make a vCPU whose fault's slot is one of w's go on.  `vcpu` is one of the
 * borrower's.  Returns false if there was nothing to answer.  No locks held.
 */
bool lend_answer_fault(struct lend_window *w, unsigned int vcpu);

/* The server's answer to what v waits for; v may wait for other things. */
static inline void lend_note_answer(struct vcpu *v, uint64_t answer)
{
    if ( v->io.lend.pending )
        v->io.lend.answer = answer;
}

/* v's registers, as far as they matter to a fault, are not what they were. */
static inline void lend_cancel_fault(struct vcpu *v)
{
    v->io.lend.pending = false;
    v->io.lend.resume = false;
    v->io.lend.nr_ones = 0;
    v->io.lend.pio_bytes = 0;
}

/* Does v wait for a fault's answer? */
static inline bool lend_pending(const struct vcpu *v)
{
    return v->io.lend.pending;
}

/*
 * The emulator has been at an instruction of v's.  If `keep`, it will come
 * back to it where it is now: what it has read from devices is kept.
 */
static inline void lend_emulated(struct vcpu *v, bool retired, bool keep)
{
    if ( retired )
        v->io.lend.nr_ones = 0;
    if ( !keep )
        v->io.lend.pio_bytes = 0;
    v->io.lend.resume = keep && v->io.lend.pending;
}

/* Does the emulator come back to an instruction that had to wait for a fault? */
static inline bool lend_resumed(const struct vcpu *v)
{
    return v->io.lend.resume;
}

/*
 * A port is read once by an instruction that is emulated several times, since
 * where it stores the value was not lent yet.
 */
static inline bool lend_pio_known(const struct vcpu *v, unsigned int port,
                                  unsigned int bytes, unsigned long *val)
{
    if ( likely(v->io.lend.pio_bytes != bytes || v->io.lend.pio_port != port) )
        return false;

    *val = v->io.lend.pio_value;

    return true;
}

static inline void lend_pio_note(struct vcpu *v, unsigned int port,
                                 unsigned int bytes, unsigned long val)
{
    v->io.lend.pio_bytes = bytes;
    v->io.lend.pio_port = port;
    v->io.lend.pio_value = val;
}

/* ---- common/ioreq.c */

/*
 * Answer the request that v waits for from s in the server's stead: as if it
 * had written `data` and notified.  false if v does not wait for s.  v's
 * domain's ioreq_server.lock is held.
 */
bool ioreq_server_answer(struct ioreq_server *s, struct vcpu *v,
                         uint64_t data);

/* ---- The architecture's part: frames and the borrower's p2m */

/*
 * May there be windows in d?  0, -EOPNOTSUPP (never) or -EBUSY (not now).
 * Takes no locks.
 */
int arch_lend_check_borrower(const struct domain *d);

/*
 * Is nothing mapped in [gfn, gfn + nr)?  Starts at slot *done and leaves there
 * how far it came.  0, -EINVAL (not an address), -EEXIST or -ERESTART.  No
 * locks held.
 */
int arch_lend_check_range(struct domain *d, unsigned long gfn,
                          unsigned long nr, unsigned long *done);

/* d gets its first window, and is paused; its ioreq_server.lock is held. */
void arch_lend_prepare_borrower(struct domain *d);

/*
 * Takes what slots hold of nr <= LEND_BATCH frames, of those that have 0 in
 * status.  what[] is as in a slot, but that its frame has the lender's name,
 * which becomes the machine's; write has a bit for each.  status[]: 0, -EINVAL
 * (no frame), -EPERM (not the lender's to lend this way) or -EBUSY (in use in a
 * way that forbids it), and then what[] says nothing.  May take the lender's
 * p2m lock: none of another domain's may be held.  For MMIO the lender's
 * caps_lock is held.
 */
void arch_lend_get_frames(struct domain *lender, unsigned int nr,
                          uint64_t write, uint64_t *what, int *status);

/* The reverse; `dirty`: the lender is to know that it was written to. */
void arch_lend_put_frame(struct domain *lender, uint64_t what, bool dirty);

/*
 * The same for LEND_CHUNK frames from *what on, which is a multiple of that: all
 * or none.  One of the reasons above, or -EOPNOTSUPP: they are not one such
 * piece of the machine's memory.
 */
int arch_lend_get_large(struct domain *lender, bool write, uint64_t *what);

/* Gives back the first nr of these.  Nothing was written to them. */
void arch_lend_put_frames(struct domain *lender, uint64_t what,
                          unsigned int nr);

/*
 * Fills those of slots [first, first + nr), nr <= LEND_BATCH, that have a bit in
 * *good: each has its page of the books.  If it cannot be, takes the bit away
 * and leaves the reason in status.  Returns a bit for each frame whose
 * references the slot has taken over.  w->lock is held.
 */
uint64_t arch_lend_map(struct lend_window *w, unsigned long first,
                       unsigned int nr, const uint64_t *what, uint64_t write,
                       int *status, uint64_t *good);

/*
 * Fills the chunk that begins with slot s, and has its page of the books, by
 * one entry.  *used: it has taken over the frames' references.  0, -EEXIST,
 * -EBUSY, or no memory for tables.  A table that is in the way, and empty, is
 * freed.  w->lock is held.
 */
int arch_lend_map_large(struct lend_window *w, unsigned long s, uint64_t what,
                        bool write, bool *used);

/*
 * Empties slots [s, e), and returns when no CPU can use the old entries.  Needs
 * no memory.  w->lock is held.  Returns false if the impossible happened: the
 * borrower is to be stopped for good before a reference is dropped.
 */
bool arch_lend_unmap(struct lend_window *w, unsigned long s, unsigned long e);

/* Some entries of w on the console.  w->lock is held. */
void arch_lend_dump(struct lend_window *w);

/* v, which is current, gets #GP for its access. */
void arch_lend_inject_gp(struct vcpu *v);

/* v's current instruction is to read ones where it faulted last. */
void arch_lend_answer_ones(struct vcpu *v);

#else /* !CONFIG_MEMORY_LENDING */

static inline void lend_domain_init(struct domain *d) {}
static inline bool lend_active(const struct domain *d) { return false; }
static inline bool lend_has_windows(struct domain *d) { return false; }
static inline int lend_exclude(struct domain *d) { return 0; }
static inline void lend_exclude_end(struct domain *d) {}
static inline bool lend_pending(const struct vcpu *v) { return false; }
static inline void lend_note_answer(struct vcpu *v, uint64_t answer) {}
static inline void lend_emulated(struct vcpu *v, bool retired, bool keep) {}
static inline bool lend_resumed(const struct vcpu *v) { return false; }
static inline bool lend_pio_known(const struct vcpu *v, unsigned int port,
                                  unsigned int bytes, unsigned long *val)
{
    return false;
}
static inline void lend_pio_note(struct vcpu *v, unsigned int port,
                                 unsigned int bytes, unsigned long val) {}
static inline void lend_complete_fault(struct vcpu *v) {}
static inline void lend_cancel_fault(struct vcpu *v) {}
static inline void lend_server_gone(struct domain *d,
                                    const struct ioreq_server *s) {}
static inline int lend_iomem_denied(struct domain *d, bool anew) { return 0; }
static inline int lend_borrower_teardown(struct domain *d) { return 0; }
static inline int lend_lender_teardown(struct domain *d,
                                       const struct domain *only)
{
    return 0;
}

/* Called only where lend_active() holds. */
void lend_send_fault(paddr_t gpa, bool write);

#endif /* CONFIG_MEMORY_LENDING */

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
