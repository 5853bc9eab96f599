/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: a borrower's faults, and what becomes of them. */

#include <xen/ioreq.h>
#include <xen/lend.h>
#include <xen/lib.h>
#include <xen/sched.h>
#include <xen/trace.h>

#include <asm/ioreq.h>

/* A server that is switched off, or has no page yet, can answer nobody. */
struct ioreq_server *lend_server(const struct lend_window *w)
{
    struct ioreq_server *s = w->server;

    return s && s->enabled && s->ioreq.va ? s : NULL;
}

/* vcpu_io.req is not used: there is nothing to be completed or replayed. */
void lend_send_fault(paddr_t gpa, bool write)
{
    struct vcpu *curr = current;
    struct vcpu_io *vio = &curr->io;
    struct lend_window *w = lend_find(curr->domain, paddr_to_pfn(gpa));
    struct ioreq_server *s = w ? lend_server(w) : NULL;
    unsigned long slot;
    ioreq_t p = {
        .type = IOREQ_TYPE_LEND_FAULT,
        .addr = gpa,
        .dir = write ? IOREQ_WRITE : IOREQ_READ,
    };

    /* The caller has seen both, and current cannot be paused in between. */
    if ( !s )
    {
        ASSERT_UNREACHABLE();
        return;
    }

    slot = paddr_to_pfn(gpa) - w->gfn;
    p.data = w->id;
    p.count = lend_note_fault(&vio->lend, w, slot, write);

    vio->lend.answer = XENMEM_LEND_ANSWER_RETRY;
    vio->suspended = false;
    /* Before the request can be seen, and answered. */
    vio->lend.pending = true;

    if ( ioreq_send(s, &p, false) != IOREQ_STATUS_RETRY )
    {
        vio->lend.pending = false;
        /* The server has spoilt its page.  Do not spin on that. */
        lend_count(w, &w->unserved);
        arch_lend_answer_ones(curr);
        return;
    }

    /* Not sent: the domain is being shut down, and comes back here later. */
    if ( vio->suspended )
    {
        vio->lend.pending = false;
        return;
    }

    lend_count(w, write ? &w->faults_write : &w->faults_read);
    if ( p.count > 1 )
        lend_count(w, &w->stalls);

    TRACE_TIME(TRC_MEM_LEND_FAULT, curr->domain->domain_id, curr->vcpu_id,
               w->id, w->id >> 32, slot, write, p.count);
}

void lend_complete_fault(struct vcpu *v)
{
    if ( likely(!v->io.lend.pending) )
        return;

    v->io.lend.pending = false;

    TRACE_TIME(TRC_MEM_LEND_ANSWER, v->domain->domain_id, v->vcpu_id,
               v->io.lend.last.slot, v->io.lend.answer);

    if ( v->io.lend.answer == XENMEM_LEND_ANSWER_RETRY )
        return;

    /* The access does not come back: that is progress, of a kind. */
    v->io.lend.count = 0;

    if ( v->io.lend.answer == XENMEM_LEND_ANSWER_ONES )
        arch_lend_answer_ones(v);
    else
        arch_lend_inject_gp(v);
}

bool lend_answer_fault(struct lend_window *w, unsigned int vcpu)
{
    struct domain *d = w->borrower;
    struct vcpu *v = domain_vcpu(d, vcpu);
    bool ret = false;

    if ( !v )
        return false;

    rspin_lock(&d->ioreq_server.lock);

    /*
     * The server stays while the lock is held.  It may have gone before, without
     * a word to the window, where the borrower dies or is reset: all windows
     * have ended by then.
     */
    if ( !ACCESS_ONCE(w->dead) && w->server && lend_pending(v) )
        ret = ioreq_server_answer(w->server, v, XENMEM_LEND_ANSWER_RETRY);

    rspin_unlock(&d->ioreq_server.lock);

    return ret;
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
