/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: windows, the hypercall, fault requests, and all ends. */

#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/ioreq.h>
#include <xen/lend.h>
#include <xen/lib.h>
#include <xen/nospec.h>
#include <xen/sched.h>
#include <xen/xmalloc.h>

#include <xsm/xsm.h>

#include <asm/ioreq.h>

/* Slots looked at without a chance for preemption. */
#define LEND_SCAN (1UL << 16)

/* The list, who is in which table, and reference counts. */
static DEFINE_SPINLOCK(lend_lock);
static LIST_HEAD(lend_windows);
/* Never reused: what outlives a window, or its borrower, names nothing. */
static uint64_t lend_last_id;

#define to_window(r) container_of(r, struct lend_window, range)

static void window_free(struct lend_window *w)
{
    arch_lend_window_free(w);
    lend_range_free(&w->range);
    xfree(w);
}

static void window_put(struct lend_window *w)
{
    bool last;

    spin_lock(&lend_lock);
    last = !--w->refcnt;
    spin_unlock(&lend_lock);

    if ( last )
    {
        put_domain(w->lender);
        window_free(w);
    }
}

/* The caller's window on d.  d's RCU lock keeps w->borrower valid. */
static struct lend_window *window_get(const struct domain *d, uint64_t id)
{
    struct lend_range *r;
    struct lend_window *w = NULL;

    spin_lock(&lend_lock);

    r = d->lend ? lend_table_get(&d->lend->table, id) : NULL;
    if ( r && to_window(r)->lender == current->domain )
    {
        w = to_window(r);
        w->refcnt++;
    }

    spin_unlock(&lend_lock);

    return w;
}

static void window_kill(struct lend_window *w)
{
    spin_lock(&w->lock);
    w->dead = true;
    spin_unlock(&w->lock);
}

/* Cannot fail; stops before e only to be preempted. */
static unsigned long window_revoke(struct lend_window *w, unsigned long s,
                                   unsigned long e)
{
    while ( s < e )
    {
        unsigned long end = min(e, s + LEND_SCAN);

        spin_lock(&w->lock);

        /* Nothing lent: the borrower may be gone.  Do not touch it. */
        s = w->range.lent ? lend_slot_next(&w->range, s, end) : e;

        if ( s < end )
        {
            end = min(end, s + LEND_CHUNK);

            arch_lend_unmap(w, s, end);
            w->flushes++;

            /* From here on no CPU can reach the frames. */
            for ( ; s < end; s++ )
            {
                uint64_t *slot = lend_slot(&w->range, s);

                if ( slot && (*slot & LEND_SLOT_REVOKING) )
                {
                    arch_lend_put_frame(lend_slot_release(&w->range, slot));
                    w->revokes++;
                }
            }
        }

        spin_unlock(&w->lock);

        if ( s < e && hypercall_preempt_check() )
            break;
    }

    return s;
}

/* Unhook a dead and empty window, if nobody else did. */
static int window_unlink(struct lend_window *w, struct domain *d)
{
    bool found;
    int rc;

    ASSERT(w->dead && !w->range.lent);

    rc = domain_pause_except_self(d);
    if ( rc )
        return rc;

    spin_lock(&lend_lock);
    found = d->lend && lend_table_del(&d->lend->table, &w->range);
    if ( found )
        list_del(&w->list);
    spin_unlock(&lend_lock);

    domain_unpause_except_self(d);

    if ( found )
        window_put(w);

    return 0;
}

/* Preemptible: to be called again after -ERESTART. */
static int window_teardown(struct lend_window *w, struct domain *d)
{
    window_kill(w);

    /* Slots below the cursor are empty, and stay so now. */
    w->cursor = window_revoke(w, w->cursor, w->range.nr);
    if ( w->cursor < w->range.nr )
        return -ERESTART;

    return window_unlink(w, d);
}

static int lend_create(struct domain *d, struct xen_mem_lend *op,
                       unsigned long *done)
{
    const struct xen_mem_lend_create *c = &op->u.create;
    struct domain *currd = current->domain;
    struct lend_domain *new;
    struct lend_window *w;
    struct ioreq_server *s;
    int rc;

    rc = arch_lend_check_borrower(d);
    if ( rc )
        return rc;

    spin_lock(&lend_lock);
    rc = d->lend ? lend_table_check(&d->lend->table, c->gfn, c->nr) : 0;
    spin_unlock(&lend_lock);
    if ( rc )
        return rc;

    rc = arch_lend_check_range(d, c->gfn, c->nr, done);
    if ( rc )
        return rc;

    new = xzalloc(struct lend_domain);
    w = xzalloc(struct lend_window);
    rc = -ENOMEM;
    if ( !new || !w )
        goto out;

    rc = lend_range_init(&w->range, c->gfn, c->nr);
    if ( !rc )
        rc = arch_lend_window_init(w);
    if ( rc )
        goto out;

    spin_lock_init(&w->lock);
    spin_lock_init(&w->stat_lock);
    w->refcnt = 1;
    w->borrower = d;
    w->lender = currd;

    domain_pause(d);
    rspin_lock(&d->ioreq_server.lock);

    s = c->server < MAX_NR_IOREQ_SERVERS
        ? array_access_nospec(d->ioreq_server.server, c->server) : NULL;
    if ( !s )
        rc = -ENOENT;
    else if ( s->emulator != currd )
        rc = -EPERM;
    else
        /* Again: now nothing can be switched on behind our back. */
        rc = arch_lend_check_borrower(d);

    if ( !rc )
    {
        spin_lock(&lend_lock);

        if ( d->is_dying )
            rc = -ESRCH;
        else
        {
            if ( !d->lend )
            {
                d->lend = new;
                new = NULL;
            }
            rc = lend_table_add(&d->lend->table, &w->range);
        }

        if ( !rc )
        {
            get_knownalive_domain(currd);
            w->server = s;
            op->window = w->range.id = ++lend_last_id;
            list_add(&w->list, &lend_windows);
        }

        spin_unlock(&lend_lock);
    }

    rspin_unlock(&d->ioreq_server.lock);
    domain_unpause(d);

 out:
    xfree(new);
    if ( rc && w )
        window_free(w);

    return rc;
}

/* Up to LEND_BATCH slots: each has its result, unless the window is dead. */
static int lend_batch(struct lend_window *w, unsigned long first,
                      unsigned int nr, const uint64_t *frames, bool write,
                      int *status)
{
    uint64_t mfn[LEND_BATCH];
    uint32_t held = 0, used = 0;
    unsigned int i;
    int rc = 0;

    BUILD_BUG_ON(LEND_BATCH > 32);

    /* First of all, as it may take the lender's p2m lock. */
    for ( i = 0; i < nr; i++ )
    {
        status[i] = arch_lend_get_frame(w->lender, frames[i], write, &mfn[i]);
        if ( !status[i] )
            held |= 1U << i;
    }

    spin_lock(&w->lock);

    if ( w->dead || w->borrower->is_dying || w->lender->is_dying )
        rc = -ENOENT;
    else
    {
        for ( i = 0; i < nr; i++ )
            if ( !status[i] && !lend_slot_alloc(&w->range, first + i) )
                status[i] = -ENOMEM;

        used = arch_lend_map(w, first, nr, mfn, write, status);
    }

    spin_unlock(&w->lock);

    for ( i = 0; i < nr; i++ )
        if ( (held & ~used) & (1U << i) )
            arch_lend_put_frame(mfn[i]);

    return rc;
}

/* A 32-bit caller can name no address above 4G, and must not try to. */
static bool handle_okay(uint64_t addr)
{
#ifdef CONFIG_COMPAT
    if ( current->hcall_compat )
        return addr == (uint32_t)addr;
#endif
    return addr == (unsigned long)addr;
}

static int lend_slots(struct lend_window *w, const struct xen_mem_lend *op,
                      unsigned long *done)
{
    const struct xen_mem_lend_range *r = &op->u.range;
    XEN_GUEST_HANDLE_PARAM(uint64_t) frames =
        guest_handle_from_ptr((void *)(unsigned long)r->frames, uint64_t);
    XEN_GUEST_HANDLE_PARAM(int) results =
        guest_handle_from_ptr((void *)(unsigned long)r->status, int);

    BUILD_BUG_ON(sizeof(int) != sizeof(int32_t));

    if ( !handle_okay(r->frames) || !handle_okay(r->status) )
        return -EFAULT;

    while ( *done < r->nr )
    {
        uint64_t frame[LEND_BATCH];
        int status[LEND_BATCH], rc;
        unsigned int i, n = min_t(unsigned long, r->nr - *done, LEND_BATCH);

        if ( copy_from_guest_offset(frame, frames, *done, n) )
            return -EFAULT;

        rc = lend_batch(w, r->first + *done, n, frame,
                        op->flags & XENLEND_WRITE, status);
        if ( rc )
            return rc;

        if ( r->status )
        {
            if ( copy_to_guest_offset(results, *done, status, n) )
                return -EFAULT;
        }
        else
            for ( i = 0; i < n; i++ )
                if ( status[i] )
                    return status[i];

        *done += n;

        if ( *done < r->nr && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

static void lend_query(struct lend_window *w, struct xen_mem_lend_query *q)
{
    memset(q, 0, sizeof(*q));

    q->gfn = w->range.gfn;
    q->nr = w->range.nr;

    spin_lock(&w->stat_lock);
    q->faults_read = w->faults_read;
    q->faults_write = w->faults_write;
    q->spurious = w->spurious;
    q->emulated = w->emulated;
    q->unserved = w->unserved;
    q->stalls = w->stalls;
    spin_unlock(&w->stat_lock);

    spin_lock(&w->lock);
    q->lent = w->range.lent;
    q->lends = w->lends;
    q->upgrades = w->upgrades;
    q->revokes = w->revokes;
    q->flushes = w->flushes;
    spin_unlock(&w->lock);
}

static int lend_on_window(struct domain *d, struct lend_window *w,
                          struct xen_mem_lend *op, unsigned long *done)
{
    const struct xen_mem_lend_range *r = &op->u.range;
    int rc;

    switch ( op->op )
    {
    case XENLEND_lend:
    case XENLEND_revoke:
        if ( r->nr > w->range.nr || r->first > w->range.nr - r->nr ||
             *done > r->nr )
            return -EINVAL;

        if ( op->op == XENLEND_revoke )
        {
            unsigned long e = r->first + r->nr;

            *done = window_revoke(w, r->first + *done, e) - r->first;

            return *done < r->nr ? -ERESTART : 0;
        }

        /* The window's creator may have lost its privilege since. */
        rc = xsm_lend_memory(XSM_DM_PRIV, d);

        return rc ?: lend_slots(w, op, done);

    case XENLEND_destroy:
        return window_teardown(w, d);

    case XENLEND_query:
        lend_query(w, &op->u.query);
        return 0;
    }

    ASSERT_UNREACHABLE();
    return -EOPNOTSUPP;
}

static const struct xen_mem_lend_info lend_info = {
    .version = XENLEND_VERSION,
    .max_slots = LEND_MAX_SLOTS,
    .max_windows = LEND_MAX_WINDOWS,
};

/* done: slots that earlier parts of a preempted call took care of. */
long do_memory_lend(XEN_GUEST_HANDLE_PARAM(void) arg, unsigned long done)
{
    XEN_GUEST_HANDLE_PARAM(xen_mem_lend_t) uop =
        guest_handle_cast(arg, xen_mem_lend_t);
    struct xen_mem_lend op;
    struct domain *d;
    long rc;

    if ( copy_from_guest(&op, uop, 1) )
        return -EFAULT;

    rc = lend_check_args(&op);
    if ( rc )
        return rc;

    switch ( op.op )
    {
    case XENLEND_info:
        op.u.info = lend_info;
        break;

    case XENLEND_create:
        rc = op.domid == DOMID_SELF
             ? -EPERM : rcu_lock_live_remote_domain_by_id(op.domid, &d);
        if ( rc )
            return rc == -EPERM ? rc : -ESRCH;

        rc = xsm_lend_memory(XSM_DM_PRIV, d);
        if ( !rc )
            rc = lend_create(d, &op, &done);

        rcu_unlock_domain(d);
        break;

    default:
    {
        struct lend_window *w = NULL;

        d = rcu_lock_domain_by_id(op.domid);
        if ( d )
            w = window_get(d, op.window);

        if ( w )
        {
            rc = lend_on_window(d, w, &op, &done);
            window_put(w);
        }
        /* No window, nothing lent: what revoke is to achieve is so already. */
        else if ( op.op != XENLEND_revoke && op.op != XENLEND_destroy )
            rc = -ENOENT;

        if ( d )
            rcu_unlock_domain(d);
        break;
    }
    }

    if ( rc == -ERESTART )
        return hypercall_create_continuation(
                   __HYPERVISOR_memory_op, "lh",
                   XENMEM_lend | (done << MEMOP_EXTENT_SHIFT), arg);

    if ( !rc &&
         (op.op == XENLEND_info ? __copy_field_to_guest(uop, &op, u.info)
          : op.op == XENLEND_create ? __copy_field_to_guest(uop, &op, window)
          : op.op == XENLEND_query ? __copy_field_to_guest(uop, &op, u.query)
          : 0) )
        rc = -EFAULT;

    return rc;
}

/*
 * For d's own vCPUs, and others only while d is paused: windows come and go
 * while it is.
 */
struct lend_window *lend_find(const struct domain *d, unsigned long gfn)
{
    struct lend_range *r = lend_table_find(&d->lend->table, gfn);

    return r ? to_window(r) : NULL;
}

/* A server that is switched off, or has no page yet, can answer nobody. */
struct ioreq_server *lend_server(const struct lend_window *w)
{
    struct ioreq_server *s = w->server;

    return s && s->enabled && s->ioreq.va ? s : NULL;
}

/*
 * Ask the lender for the frame at gpa.  The instruction is executed again
 * after that, so nothing is kept of it: curr->io.req is not used.
 */
void lend_send_fault(paddr_t gpa, bool write)
{
    struct vcpu *curr = current;
    struct vcpu_io *vio = &curr->io;
    struct lend_window *w = lend_find(curr->domain, paddr_to_pfn(gpa));
    struct ioreq_server *s = w ? lend_server(w) : NULL;
    unsigned long slot;
    ioreq_t p = {
        .type = IOREQ_TYPE_FAULT,
        .addr = gpa,
        .dir = write ? IOREQ_WRITE : IOREQ_READ,
    };

    /* The caller has seen both, and current cannot be paused in between. */
    if ( !s )
    {
        ASSERT_UNREACHABLE();
        return;
    }

    slot = paddr_to_pfn(gpa) - w->range.gfn;
    p.data = w->range.id;
    p.count = lend_note_fault(&vio->lend, &w->range, slot, write);

    vio->lend.answer = XENLEND_ANSWER_RETRY;
    vio->suspended = false;

    if ( ioreq_send(s, &p, false) != IOREQ_STATUS_RETRY )
    {
        /* The server has spoilt its page.  Do not spin on that. */
        lend_count(w, &w->unserved);
        arch_lend_answer_ones(curr);
        return;
    }

    /* Not sent: the domain is being shut down, and comes back here later. */
    if ( vio->suspended )
        return;

    vio->lend.pending = true;
    lend_count(w, write ? &w->faults_write : &w->faults_read);
    if ( p.count > 1 )
        lend_count(w, &w->stalls);
}

void lend_complete_fault(struct vcpu *v)
{
    if ( likely(!v->io.lend.pending) )
        return;

    v->io.lend.pending = false;

    if ( v->io.lend.answer == XENLEND_ANSWER_RETRY )
        return;

    /* The access does not come back: that is progress, of a kind. */
    v->io.lend.count = 0;

    if ( v->io.lend.answer == XENLEND_ANSWER_ONES )
        arch_lend_answer_ones(v);
    else
        arch_lend_give_up(v);
}

bool lend_has_windows(const struct domain *d)
{
    bool ret;

    spin_lock(&lend_lock);
    ret = d->lend && d->lend->table.slots;
    spin_unlock(&lend_lock);

    return ret;
}

/* d is paused, or dying.  What is lent stays; nobody can be asked any more. */
void lend_server_gone(struct domain *d, const struct ioreq_server *s)
{
    unsigned int i;

    spin_lock(&lend_lock);

    for ( i = 0; d->lend && i < LEND_MAX_WINDOWS; i++ )
    {
        struct lend_range *r = d->lend->table.range[i];

        if ( r && to_window(r)->server == s )
            to_window(r)->server = NULL;
    }

    spin_unlock(&lend_lock);
}

/* d dies, or starts anew.  None of its vCPUs runs. */
int lend_borrower_teardown(struct domain *d)
{
    unsigned int i;

    if ( !d->lend )
        return 0;

    for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
    {
        struct lend_window *w = NULL;
        int rc;

        spin_lock(&lend_lock);
        if ( d->lend->table.range[i] )
        {
            w = to_window(d->lend->table.range[i]);
            w->refcnt++;
        }
        spin_unlock(&lend_lock);

        if ( !w )
            continue;

        rc = window_teardown(w, d);
        window_put(w);

        if ( rc || hypercall_preempt_check() )
            return -ERESTART;
    }

    /* Its vCPUs look at this without a lock. */
    if ( d->is_dying )
    {
        struct lend_domain *old;

        spin_lock(&lend_lock);
        old = d->lend;
        d->lend = NULL;
        spin_unlock(&lend_lock);

        xfree(old);
    }

    return 0;
}

/* d dies, and must get its frames back before it can give them up. */
int lend_lender_teardown(struct domain *d)
{
    for ( ; ; )
    {
        struct lend_window *w;
        struct domain *borrower = NULL;
        int rc;

        spin_lock(&lend_lock);
        list_for_each_entry ( w, &lend_windows, list )
            if ( w->lender == d )
            {
                w->refcnt++;
                borrower = w->borrower;
                /* It cannot go away with a window in the list. */
                get_knownalive_domain(borrower);
                break;
            }
        spin_unlock(&lend_lock);

        if ( !borrower )
            return 0;

        window_kill(w);

        /*
         * Nobody would destroy the server that answered the faults: vCPUs
         * would wait for it, and it would hold on to d, for ever.
         */
        rc = domain_pause_except_self(borrower);
        if ( !rc )
        {
            ioreq_server_destroy_for(borrower, d);
            domain_unpause_except_self(borrower);

            rc = window_teardown(w, borrower);
        }

        window_put(w);
        put_domain(borrower);

        if ( rc || hypercall_preempt_check() )
            return -ERESTART;
    }
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
