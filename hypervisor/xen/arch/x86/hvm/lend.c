/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: what a borrower's accesses come to. */

#include <xen/ioreq.h>
#include <xen/lend.h>
#include <xen/sched.h>

#include <asm/event.h>
#include <asm/hvm/emulate.h>
#include <asm/hvm/hvm.h>
#include <asm/lend.h>
#include <asm/p2m.h>

static bool may_access(p2m_type_t t, bool write)
{
    return write ? p2m_is_lent_rw(t) : p2m_is_lent(t);
}

static bool wants_ones(const struct lend_window *w, unsigned long gfn)
{
    return unlikely(current->io.lend.nr_ones) &&
           lend_is_ones(&current->io.lend, w, gfn - w->gfn,
                        guest_cpu_user_regs()->rip);
}

enum lend_access lend_nested_fault(unsigned long gfn, struct npfec npfec)
{
    struct domain *currd = current->domain;
    struct lend_window *w = lend_find(currd, gfn);
    p2m_type_t t;

    if ( !w )
        return LEND_none;

    get_gfn_query_unlocked(currd, gfn, &t);
    if ( !p2m_is_lent(t) && !p2m_is_lendable(t) )
        return LEND_none;

    if ( npfec.insn_fetch )
        return LEND_forbidden;

    if ( may_access(t, npfec.write_access) )
    {
        lend_count(w, &w->spurious);
        return LEND_again;
    }

    return lend_server(w) && !wants_ones(w, gfn) ? LEND_request : LEND_ones;
}

enum lend_access lend_emulate(paddr_t gpa, bool write,
                              struct ioreq_server **server)
{
    struct domain *currd = current->domain;
    unsigned long gfn = paddr_to_pfn(gpa);
    struct lend_window *w = lend_find(currd, gfn);
    struct ioreq_server *s;
    p2m_type_t t;

    if ( !w )
        return LEND_none;

    get_gfn_query_unlocked(currd, gfn, &t);
    if ( !p2m_is_lent(t) && !p2m_is_lendable(t) )
        return LEND_none;

    lend_count(w, &w->emulated);

    s = lend_server(w);
    if ( !s )
    {
        lend_count(w, &w->unserved);
        return LEND_ones;
    }

    if ( !may_access(t, write) )
        return wants_ones(w, gfn) ? LEND_ones : LEND_request;

    *server = s;
    /* The frame is of use, though its entry does not show it. */
    current->io.lend.count = 0;

    return LEND_copy;
}

void arch_lend_inject_gp(struct vcpu *v)
{
    ASSERT(v == current);

    /* An instruction that was being emulated ends here. */
    if ( v->io.completion != VIO_no_completion )
        hvmemul_cancel(v);

    hvm_inject_hw_exception(X86_EXC_GP, 0);
}

void arch_lend_answer_ones(struct vcpu *v)
{
    ASSERT(v == current);

    lend_note_ones(&v->io.lend, guest_cpu_user_regs()->rip);
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
