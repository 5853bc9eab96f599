/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: windows, the hypercall, and all ends. */

#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/init.h>
#include <xen/ioreq.h>
#include <xen/keyhandler.h>
#include <xen/lend.h>
#include <xen/lib.h>
#include <xen/nospec.h>
#include <xen/sched.h>
#include <xen/trace.h>
#include <xen/xmalloc.h>

#include <xsm/xsm.h>

#include <asm/ioreq.h>

/* Slots looked at, and pages freed, without a chance for preemption. */
#define LEND_SCAN  (1UL << 16)
#define LEND_DRAIN 128

void lend_domain_init(struct domain *d)
{
    spin_lock_init(&d->lend.lock);
    INIT_LIST_HEAD(&d->lend.windows);
}

/* Never reused: what outlives a window, or its borrower, names nothing. */
static uint64_t new_id(void)
{
    static DEFINE_SPINLOCK(lock);
    static uint64_t last;
    uint64_t id;

    spin_lock(&lock);
    id = ++last;
    spin_unlock(&lock);

    return id;
}

static void window_free(struct lend_window *w)
{
    lend_window_fini(w);
    xfree(w);
}

static void window_get(struct lend_window *w)
{
    atomic_inc(&w->refcnt);
}

static void window_put(struct lend_window *w)
{
    if ( !atomic_dec_and_test(&w->refcnt) )
        return;

    put_domain(w->lender);
    window_free(w);
}

/*
 * The caller's window on d.  d's RCU lock keeps w->borrower valid.  Only the
 * caller's own list is looked at, so nobody else waits for its lock.
 */
static struct lend_window *find_own_window(const struct domain *d, uint64_t id)
{
    struct domain *currd = current->domain;
    struct lend_window *w, *found = NULL;

    spin_lock(&currd->lend.lock);

    list_for_each_entry ( w, &currd->lend.windows, list )
        if ( w->id == id && w->borrower == d )
        {
            window_get(w);
            found = w;
            break;
        }

    spin_unlock(&currd->lend.lock);

    return found;
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
        s = w->lent ? lend_slot_next(w, s, end) : e;

        if ( s < end )
        {
            uint64_t *slot = NULL;
            bool ok;

            end = lend_revoke_step(w, &s, end);

            TRACE_TIME(TRC_MEM_LEND_REVOKE, w->borrower->domain_id, w->id,
                       w->id >> 32, s, end - s);

            ok = arch_lend_unmap(w, s, end);
            w->flushes++;

            if ( unlikely(!ok) )
            {
                /* Its vCPUs stop for good before anything is given back. */
                spin_unlock(&w->lock);
                domain_crash(w->borrower);
                if ( w->borrower != current->domain )
                    domain_pause(w->borrower);
                spin_lock(&w->lock);
            }

            /* From here on no CPU can reach the frames. */
            for ( ; s < end; s++ )
            {
                bool dirty;

                /* Slots in one page of the books are next to each other. */
                if ( slot && (s & (LEND_CHUNK - 1)) )
                    slot++;
                else
                    slot = lend_slot(w, s);

                if ( slot && (*slot & LEND_SLOT_REVOKING) )
                {
                    uint64_t what = lend_slot_release(w, slot, &dirty);

                    arch_lend_put_frame(w->lender, what, dirty);
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

/*
 * Ends a window: no more lending, nothing lent, no books, then not there any
 * more.  Preemptible, to be called again after -ERESTART; also by several at
 * the same time.
 */
static int window_teardown(struct lend_window *w, struct domain *d)
{
    unsigned long s;
    bool open, found;
    int rc;

    spin_lock(&w->lock);
    w->dead = true;
    open = w->chunk;
    /* Slots below the cursor are empty, and stay so now. */
    s = w->cursor;
    spin_unlock(&w->lock);

    /* Who set the cursor to the end need not have closed the books yet. */
    if ( open )
    {
        s = window_revoke(w, s, w->nr);

        spin_lock(&w->lock);
        if ( w->chunk )
            w->cursor = s;
        spin_unlock(&w->lock);

        if ( s < w->nr )
            return -ERESTART;

        /* d's vCPUs look at the books without a lock. */
        rc = domain_pause_except_self(d);
        if ( rc )
            return rc;

        spin_lock(&w->lock);
        lend_window_close(w);
        spin_unlock(&w->lock);

        domain_unpause_except_self(d);
    }

    for ( ; ; )
    {
        bool done;

        spin_lock(&w->lock);
        done = lend_window_drain(w, LEND_DRAIN);
        spin_unlock(&w->lock);

        if ( done )
            break;

        if ( hypercall_preempt_check() )
            return -ERESTART;
    }

    rc = domain_pause_except_self(d);
    if ( rc )
        return rc;

    spin_lock(&d->lend.lock);
    found = d->lend.table && lend_table_del(d->lend.table, w);
    spin_unlock(&d->lend.lock);

    domain_unpause_except_self(d);

    if ( found )
    {
        spin_lock(&w->lender->lend.lock);
        list_del(&w->list);
        spin_unlock(&w->lender->lend.lock);

        window_put(w);
    }

    return 0;
}

/* d is paused, and its ioreq server lock held. */
static int attach_window(struct domain *d, struct lend_window *w,
                         struct lend_table **spare)
{
    int rc;

    spin_lock(&d->lend.lock);

    if ( d->is_dying )
        rc = -ESRCH;
    else if ( d->lend.exclusions )
        rc = -EBUSY;
    else
        /* Nothing can be switched on from here on, only be on already. */
        rc = arch_lend_check_borrower(d);

    if ( !rc )
    {
        if ( !d->lend.table )
        {
            d->lend.table = *spare;
            *spare = NULL;
        }
        rc = lend_table_add(d->lend.table, w);
    }

    spin_unlock(&d->lend.lock);

    return rc;
}

static int lend_create(struct domain *d, struct xen_mem_lend_create *c,
                       unsigned long *done)
{
    struct domain *currd = current->domain;
    struct lend_table *table;
    struct lend_window *w;
    struct ioreq_server *s;
    int rc;

    rc = arch_lend_check_borrower(d);
    if ( rc )
        return rc;

    spin_lock(&d->lend.lock);
    rc = d->lend.table ? lend_table_check(d->lend.table, c->gfn, c->nr) : 0;
    spin_unlock(&d->lend.lock);
    if ( rc )
        return rc;

    rc = arch_lend_check_range(d, c->gfn, c->nr, done);
    if ( rc )
        return rc;

    table = xzalloc(struct lend_table);
    w = xzalloc(struct lend_window);
    rc = -ENOMEM;
    if ( !table || !w )
        goto out;

    rc = lend_window_init(w, c->gfn, c->nr);
    if ( rc )
        goto out;

    spin_lock_init(&w->lock);
    spin_lock_init(&w->stat_lock);
    atomic_set(&w->refcnt, 1);
    w->borrower = d;
    w->lender = currd;
    w->id = new_id();
    get_knownalive_domain(currd);

    /* Before the borrower's table: whoever finds it there takes it out here. */
    spin_lock(&currd->lend.lock);
    list_add_tail(&w->list, &currd->lend.windows);
    spin_unlock(&currd->lend.lock);

    domain_pause(d);
    rspin_lock(&d->ioreq_server.lock);

    s = c->server < MAX_NR_IOREQ_SERVERS
        ? array_access_nospec(d->ioreq_server.server, c->server) : NULL;
    if ( !s )
        rc = -ENOENT;
    else if ( s->emulator != currd )
        rc = -EPERM;
    else
    {
        w->server = s;
        rc = attach_window(d, w, &table);
    }

    if ( !rc )
    {
        arch_lend_prepare_borrower(d);
        c->window = w->id;
    }

    rspin_unlock(&d->ioreq_server.lock);
    domain_unpause(d);

    if ( rc )
    {
        spin_lock(&currd->lend.lock);
        list_del(&w->list);
        spin_unlock(&currd->lend.lock);

        /* Another vCPU of ours may have guessed its id, and hold it. */
        window_put(w);
        w = NULL;
    }
    else
        TRACE_TIME(TRC_MEM_LEND_CREATE, d->domain_id, w->id, w->id >> 32,
                   c->gfn, c->nr);

 out:
    xfree(table);
    if ( rc && w )
        window_free(w);

    return rc;
}

/*
 * Up to LEND_BATCH slots.  Unless the window is dead each has its result, and
 * *good a bit for each that has got what was asked for.
 */
static int lend_batch(struct lend_window *w, unsigned long first,
                      unsigned int nr, const uint64_t *frames, int *status,
                      uint64_t *good)
{
    uint64_t what[LEND_BATCH];
    uint64_t held = 0, used = 0, write = 0, any = 0;
    unsigned int i, end;
    int rc = 0;

    BUILD_BUG_ON(LEND_BATCH > 64);

    for ( i = 0; i < nr; i++ )
    {
        any |= frames[i];
        status[i] = lend_check_word(frames[i], &what[i]);
        if ( frames[i] & XENMEM_LEND_WRITE )
            write |= 1UL << i;
    }

    /* Permission is not taken away between the look at it and the entry. */
    if ( unlikely(any & XENMEM_LEND_MMIO) )
        read_lock(&w->lender->caps_lock);

    /* First of all, as it may take the lender's p2m lock. */
    arch_lend_get_frames(w->lender, nr, write, what, status);
    for ( i = 0; i < nr; i++ )
        if ( !status[i] )
            held |= 1UL << i;

    spin_lock(&w->lock);

    if ( w->dead || w->borrower->is_dying || w->lender->is_dying )
        rc = -ENOENT;
    else
    {
        *good = held;

        /* Those that have one page of the books, of which it may not be. */
        for ( i = 0; i < nr; i = end )
        {
            uint64_t those;

            end = min_t(unsigned long, nr,
                        i + LEND_CHUNK - ((first + i) & (LEND_CHUNK - 1)));
            those = *good & (~0UL >> (64 - (end - i))) << i;

            if ( those && !lend_slot_alloc(w, first + i) )
            {
                *good &= ~those;
                for_each_set_bit ( k, those )
                    status[k] = -ENOMEM;
            }
        }

        used = arch_lend_map(w, first, nr, what, write, status, good);
    }

    spin_unlock(&w->lock);

    if ( unlikely(any & XENMEM_LEND_MMIO) )
        read_unlock(&w->lender->caps_lock);

    for_each_set_bit ( k, held & ~used )
        arch_lend_put_frame(w->lender, what[k], false);

    TRACE_TIME(TRC_MEM_LEND_LEND, w->borrower->domain_id, w->id, w->id >> 32,
               first, nr, hweight64(used));

    return rc;
}

/* One entry of LEND_CHUNK slots, or none. */
static int lend_large(struct lend_window *w, unsigned long first,
                      uint64_t word)
{
    bool write = word & XENMEM_LEND_WRITE, mmio = word & XENMEM_LEND_MMIO;
    bool used = false;
    uint64_t what;
    int rc = lend_check_word(word & ~XENMEM_LEND_ORDER_MASK, &what);

    if ( rc )
        return rc;

    /* Then it is a page of the books as well. */
    if ( (w->gfn | first | what) & (LEND_CHUNK - 1) )
        return -EINVAL;

    if ( mmio )
        read_lock(&w->lender->caps_lock);

    rc = arch_lend_get_large(w->lender, write, &what);
    if ( !rc )
    {
        spin_lock(&w->lock);

        if ( w->dead || w->borrower->is_dying || w->lender->is_dying )
            rc = -ENOENT;
        else if ( !lend_slot_alloc(w, first) )
            rc = -ENOMEM;
        else
            rc = arch_lend_map_large(w, first, what, write, &used);

        spin_unlock(&w->lock);

        if ( !used )
            arch_lend_put_frames(w->lender, what, LEND_CHUNK);
    }

    if ( mmio )
        read_unlock(&w->lender->caps_lock);

    TRACE_TIME(TRC_MEM_LEND_LEND, w->borrower->domain_id, w->id, w->id >> 32,
               first, LEND_CHUNK, used ? LEND_CHUNK : 0);

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
    const struct xen_mem_lend_lend *l = &op->u.lend;
    const struct vcpu *v = NULL;
    XEN_GUEST_HANDLE_PARAM(uint64_t) frames =
        guest_handle_from_ptr((void *)(unsigned long)l->frames, uint64_t);
    XEN_GUEST_HANDLE_PARAM(int) results =
        guest_handle_from_ptr((void *)(unsigned long)l->status, int);

    BUILD_BUG_ON(sizeof(int) != sizeof(int32_t));

    if ( !handle_okay(l->frames) || !handle_okay(l->status) )
        return -EFAULT;

    if ( op->flags & XENMEM_LEND_ANSWER )
    {
        v = domain_vcpu(w->borrower, l->vcpu);
        if ( !v )
            return -EINVAL;
    }

    if ( lend_is_large_call(l) )
    {
        int rc = lend_large(w, l->first, l->inline_frames[0]);

        if ( !rc && v &&
             lend_waits_at(&v->io.lend, w) - l->first < LEND_CHUNK &&
             lend_answer_fault(w, l->vcpu) )
        {
            spin_lock(&w->lock);
            w->answers++;
            spin_unlock(&w->lock);
        }

        return rc;
    }

    while ( *done < l->nr )
    {
        uint64_t frame[LEND_BATCH], good, bad;
        int status[LEND_BATCH], rc;
        unsigned int n = min_t(unsigned long, l->nr - *done, LEND_BATCH);
        unsigned long at;
        bool answer;

        if ( !l->frames )
            memcpy(frame, l->inline_frames, n * sizeof(*frame));
        else if ( copy_from_guest_offset(frame, frames, *done, n) )
            return -EFAULT;

        rc = lend_batch(w, l->first + *done, n, frame, status, &good);
        if ( rc )
            return rc;

        bad = ~good & (~0UL >> (64 - n));
        if ( bad && !l->status )
            return status[ffsl(bad) - 1];

        at = v ? lend_waits_at(&v->io.lend, w) - (l->first + *done) : n;
        answer = at < n && (good & (1UL << at));

        if ( l->status && copy_to_guest_offset(results, *done, status, n) )
            return -EFAULT;

        *done += n;

        /* Nothing can go wrong any more: there is but one batch then. */
        if ( answer && lend_answer_fault(w, l->vcpu) )
        {
            spin_lock(&w->lock);
            w->answers++;
            spin_unlock(&w->lock);
        }

        if ( *done < l->nr && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

static int lend_query(struct lend_window *w, struct xen_mem_lend_query *q)
{
    struct xen_mem_lend_counters c = {};
    XEN_GUEST_HANDLE_PARAM(char) buffer =
        guest_handle_from_ptr((void *)(unsigned long)q->counters, char);

    if ( !handle_okay(q->counters) )
        return -EFAULT;

    c.gfn = w->gfn;
    c.nr = w->nr;

    spin_lock(&w->stat_lock);
    c.faults_read = w->faults_read;
    c.faults_write = w->faults_write;
    c.spurious = w->spurious;
    c.emulated = w->emulated;
    c.unserved = w->unserved;
    c.stalls = w->stalls;
    spin_unlock(&w->stat_lock);

    spin_lock(&w->lock);
    c.lent = w->lent;
    c.lends = w->lends;
    c.upgrades = w->upgrades;
    c.revokes = w->revokes;
    c.flushes = w->flushes;
    c.answers = w->answers;
    c.unused = w->unused;
    c.mmio = w->mmio;
    c.large = w->large;
    spin_unlock(&w->lock);

    if ( copy_to_guest(buffer, (const char *)&c,
                       min_t(size_t, q->size, sizeof(c))) )
        return -EFAULT;

    q->size = sizeof(c);

    return 0;
}

/* Privilege is checked for create, at every lend, and never to revoke. */
static int lend_on_window(struct domain *d, struct lend_window *w,
                          struct xen_mem_lend *op, unsigned long *done)
{
    const struct xen_mem_lend_lend *l = &op->u.lend;
    const struct xen_mem_lend_revoke *r = &op->u.revoke;
    unsigned long e;
    int rc;

    switch ( op->op )
    {
    case XENMEM_LEND_lend:
        if ( l->nr > w->nr || l->first > w->nr - l->nr || *done > l->nr )
            return -EINVAL;

        /* The window's creator may have lost its privilege since. */
        rc = xsm_lend_memory(XSM_DM_PRIV, d);

        return rc ?: lend_slots(w, op, done);

    case XENMEM_LEND_revoke:
        if ( r->nr > w->nr || r->first > w->nr - r->nr || *done > r->nr )
            return -EINVAL;

        e = r->first + r->nr;
        *done = window_revoke(w, r->first + *done, e) - r->first;

        return *done < r->nr ? -ERESTART : 0;

    case XENMEM_LEND_destroy:
        return window_teardown(w, d);

    case XENMEM_LEND_query:
        return lend_query(w, &op->u.query);

    default:
        ASSERT_UNREACHABLE();
        return -EOPNOTSUPP;
    }
}

static int lend_with_window(struct xen_mem_lend *op, domid_t domid, uint64_t id,
                            unsigned long *done)
{
    struct domain *d = rcu_lock_domain_by_id(domid);
    struct lend_window *w = d ? find_own_window(d, id) : NULL;
    int rc;

    if ( w )
    {
        rc = lend_on_window(d, w, op, done);
        window_put(w);
    }
    else
        /* Nothing lent: what revoke is to achieve is so already. */
        rc = op->op == XENMEM_LEND_revoke || op->op == XENMEM_LEND_destroy
             ? 0 : -ENOENT;

    if ( d )
        rcu_unlock_domain(d);

    return rc;
}

static const struct xen_mem_lend_info lend_info = {
    .version = XENMEM_LEND_VERSION,
    .features = XENMEM_LEND_HAS_CACHE | XENMEM_LEND_HAS_MMIO |
                XENMEM_LEND_HAS_2M,
    .max_slots = LEND_MAX_SLOTS,
    .max_windows = LEND_MAX_WINDOWS,
};

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
    case XENMEM_LEND_info:
        op.u.info = lend_info;
        if ( __copy_field_to_guest(uop, &op, u.info) )
            rc = -EFAULT;
        break;

    case XENMEM_LEND_create:
        rc = op.u.create.domid == DOMID_SELF
             ? -EPERM
             : rcu_lock_live_remote_domain_by_id(op.u.create.domid, &d);
        if ( rc )
            return rc == -EPERM ? rc : -ESRCH;

        rc = xsm_lend_memory(XSM_DM_PRIV, d);
        if ( !rc )
            rc = lend_create(d, &op.u.create, &done);

        rcu_unlock_domain(d);

        if ( !rc && __copy_field_to_guest(uop, &op, u.create.window) )
        {
            /* Nobody would know its name.  It is empty: no preemption. */
            op.op = XENMEM_LEND_destroy;
            if ( lend_with_window(&op, op.u.create.domid, op.u.create.window,
                                  &done) )
                ASSERT_UNREACHABLE();
            rc = -EFAULT;
        }
        break;

    case XENMEM_LEND_destroy:
        rc = lend_with_window(&op, op.u.destroy.domid, op.u.destroy.window,
                              &done);
        break;

    case XENMEM_LEND_lend:
        rc = lend_with_window(&op, op.u.lend.domid, op.u.lend.window, &done);
        break;

    case XENMEM_LEND_revoke:
        rc = lend_with_window(&op, op.u.revoke.domid, op.u.revoke.window,
                              &done);
        break;

    case XENMEM_LEND_query:
        rc = lend_with_window(&op, op.u.query.domid, op.u.query.window, &done);
        if ( !rc && __copy_field_to_guest(uop, &op, u.query.size) )
            rc = -EFAULT;
        break;

    default:
        ASSERT_UNREACHABLE();
        rc = -EOPNOTSUPP;
        break;
    }

    if ( rc == -ERESTART )
        rc = hypercall_create_continuation(
                 __HYPERVISOR_memory_op, "lh",
                 XENMEM_lend | (done << MEMOP_EXTENT_SHIFT), arg);

    return rc;
}

struct lend_window *lend_find(const struct domain *d, unsigned long gfn)
{
    return lend_table_find(d->lend.table, gfn);
}

bool lend_has_windows(struct domain *d)
{
    bool ret;

    spin_lock(&d->lend.lock);
    ret = d->lend.table && d->lend.table->nr;
    spin_unlock(&d->lend.lock);

    return ret;
}

int lend_exclude(struct domain *d)
{
    int rc = 0;

    spin_lock(&d->lend.lock);
    if ( d->lend.table && d->lend.table->nr )
        rc = -EBUSY;
    else
        d->lend.exclusions++;
    spin_unlock(&d->lend.lock);

    return rc;
}

void lend_exclude_end(struct domain *d)
{
    spin_lock(&d->lend.lock);
    ASSERT(d->lend.exclusions);
    d->lend.exclusions--;
    spin_unlock(&d->lend.lock);
}

void lend_server_gone(struct domain *d, const struct ioreq_server *s)
{
    unsigned int i;

    spin_lock(&d->lend.lock);

    for ( i = 0; d->lend.table && i < d->lend.table->nr; i++ )
    {
        struct lend_window *w = d->lend.table->window[i];

        if ( w->server == s )
            w->server = NULL;
    }

    spin_unlock(&d->lend.lock);
}

int lend_borrower_teardown(struct domain *d)
{
    struct lend_table *table;

    if ( !d->lend.table )
        return 0;

    for ( ; ; )
    {
        struct lend_window *w;
        int rc;

        spin_lock(&d->lend.lock);
        w = d->lend.table->nr ? d->lend.table->window[0] : NULL;
        if ( w )
            window_get(w);
        spin_unlock(&d->lend.lock);

        if ( !w )
            break;

        rc = window_teardown(w, d);
        window_put(w);

        if ( rc || hypercall_preempt_check() )
            return -ERESTART;
    }

    /* Its vCPUs look at this without a lock. */
    if ( d->is_dying )
    {
        spin_lock(&d->lend.lock);
        table = d->lend.table;
        d->lend.table = NULL;
        spin_unlock(&d->lend.lock);

        xfree(table);
    }

    return 0;
}

int lend_lender_teardown(struct domain *d, const struct domain *only)
{
    for ( ; ; )
    {
        struct lend_window *i, *w = NULL;
        struct domain *borrower = NULL;
        int rc;

        spin_lock(&d->lend.lock);
        list_for_each_entry ( i, &d->lend.windows, list )
            if ( !only || i->borrower == only )
            {
                w = i;
                window_get(w);
                /* It cannot go away with a window in the list. */
                borrower = w->borrower;
                get_knownalive_domain(borrower);
                break;
            }
        spin_unlock(&d->lend.lock);

        if ( !w )
            return 0;

        rc = window_teardown(w, borrower);

        window_put(w);
        put_domain(borrower);

        if ( rc || hypercall_preempt_check() )
            return -ERESTART;
    }
}

/*
 * All of what is lent in a window that has MMIO in it is taken back: S2 allows
 * that, and what may be lent still comes back with the next fault.
 */
int lend_iomem_denied(struct domain *d, bool anew)
{
    struct lend_window *w;

    if ( anew )
    {
        spin_lock(&d->lend.lock);
        d->lend.denials++;
        list_for_each_entry ( w, &d->lend.windows, list )
            w->denied = 0;
        spin_unlock(&d->lend.lock);
    }

    for ( ; ; )
    {
        struct lend_window *found = NULL;
        struct domain *borrower = NULL;
        unsigned long s = 0, denials;
        bool mmio;

        spin_lock(&d->lend.lock);
        denials = d->lend.denials;
        list_for_each_entry ( w, &d->lend.windows, list )
            if ( w->denied < w->nr )
            {
                window_get(w);
                /* It cannot go away with a window in the list. */
                borrower = w->borrower;
                get_knownalive_domain(borrower);
                s = w->denied;
                found = w;
                break;
            }
        spin_unlock(&d->lend.lock);

        if ( !found )
            return 0;

        w = found;
        spin_lock(&w->lock);
        mmio = w->mmio;
        spin_unlock(&w->lock);

        s = mmio ? window_revoke(w, s, w->nr) : w->nr;

        spin_lock(&d->lend.lock);
        /* Otherwise somebody starts anew, and not for nothing. */
        if ( d->lend.denials == denials )
            w->denied = s;
        spin_unlock(&d->lend.lock);

        window_put(w);
        put_domain(borrower);

        if ( hypercall_preempt_check() )
            return -ERESTART;
    }
}

static void dump_window(struct lend_window *w)
{
    printk("    window %#"PRIx64": gfn %#lx nr %#lx, lent %lu (MMIO %lu, entries of 2M %lu), of %pd%s%s\n",
           w->id, w->gfn, w->nr, w->lent, w->mmio, w->large, w->lender,
           w->server ? lend_server(w) ? "" : ", server cannot answer"
                     : ", orphan",
           w->dead ? ", dead" : "");
    printk("      faults %lu r %lu w, spurious %lu, emulated %lu, unserved %lu, stalls %lu\n",
           w->faults_read, w->faults_write, w->spurious, w->emulated,
           w->unserved, w->stalls);
    printk("      lends %lu, upgrades %lu, revokes %lu (%lu unused), flushes %lu, answers %lu\n",
           w->lends, w->upgrades, w->revokes, w->unused, w->flushes,
           w->answers);

    spin_lock(&w->lock);
    if ( !w->dead )
        arch_lend_dump(w);
    spin_unlock(&w->lock);
}

static void cf_check dump_windows(unsigned char key)
{
    struct domain *d;

    printk("'%c' pressed -> dumping memory lending\n", key);

    rcu_read_lock(&domlist_read_lock);

    for_each_domain ( d )
    {
        const struct vcpu *v;
        unsigned int i;

        if ( !lend_has_windows(d) )
            continue;

        printk("  %pd borrows:\n", d);

        for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
        {
            struct lend_window *w = NULL;

            spin_lock(&d->lend.lock);
            if ( d->lend.table && i < d->lend.table->nr )
            {
                w = d->lend.table->window[i];
                window_get(w);
            }
            spin_unlock(&d->lend.lock);

            if ( !w )
                break;

            dump_window(w);
            window_put(w);
        }

        for_each_vcpu ( d, v )
            if ( lend_pending(v) )
                printk("    %pv waits for slot %#lx of window %#"PRIx64"\n",
                       v, v->io.lend.last.slot, v->io.lend.last.id);
    }

    rcu_read_unlock(&domlist_read_lock);
}

static int __init cf_check lend_init(void)
{
    register_keyhandler('W', dump_windows, "dump memory lending windows", 1);

    return 0;
}
__initcall(lend_init);

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
