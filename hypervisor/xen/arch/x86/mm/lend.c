/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: the lender's frames, the borrower's p2m, and its accesses. */

#include <xen/iommu.h>
#include <xen/ioreq.h>
#include <xen/lend.h>
#include <xen/mm.h>
#include <xen/sched.h>

#include <asm/altp2m.h>
#include <asm/event.h>
#include <asm/hap.h>
#include <asm/hvm/asid.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/lend.h>
#include <asm/mem_sharing.h>
#include <asm/p2m.h>
#include <asm/paging.h>

#include "mm-locks.h"

/* I/O APICs, HPET, local APICs, MSI doorbells: Xen emulates these itself. */
#define RESERVED_FIRST paddr_to_pfn(0xfec00000U)
#define RESERVED_END   paddr_to_pfn(0xfef00000U)

/*
 * All of these would copy p2m entries or let devices see them, and so keep a
 * frame within reach that was taken back; or they mean that the borrower is to
 * be moved, and what it borrowed cannot move with it.
 */
int arch_lend_check_borrower(const struct domain *d)
{
    if ( !is_hvm_domain(d) || !hap_enabled(d) || is_control_domain(d) ||
         is_hardware_domain(d) || nestedhvm_enabled(d) ||
         d->arch.hvm.params[HVM_PARAM_ALTP2M] != XEN_ALTP2M_disabled ||
         iommu_use_hap_pt(d) )
        return -EOPNOTSUPP;

    if ( altp2m_active(d) || paging_mode_log_dirty(d) ||
         mem_sharing_enabled(d) )
        return -EBUSY;

#ifdef CONFIG_MEM_PAGING
    if ( d->vm_event_paging )
        return -EBUSY;
#endif

    return 0;
}

static bool is_free(p2m_type_t t)
{
    return t == p2m_mmio_dm || t == p2m_invalid;
}

int arch_lend_check_range(struct domain *d, unsigned long gfn,
                          unsigned long nr, unsigned long *done)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    unsigned long end = 1UL << (domain_max_paddr_bits(d) - PAGE_SHIFT);
    unsigned int count = 0;

    if ( gfn >= end || nr > end - gfn ||
         (gfn < RESERVED_END && gfn + nr > RESERVED_FIRST) )
        return -EINVAL;

    /* Not the last word: the borrower may put something there later. */
    while ( *done < nr )
    {
        unsigned long cur = gfn + *done;
        unsigned int order;
        p2m_type_t t;
        p2m_access_t a;

        p2m_read_lock(p2m);
        p2m->get_entry(p2m, _gfn(cur), &t, &a, 0, &order, NULL);
        p2m_read_unlock(p2m);

        if ( !is_free(t) )
            return -EEXIST;

        *done += (1UL << order) - (cur & ((1UL << order) - 1));

        if ( *done < nr && !(++count & 0xff) && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

int arch_lend_window_init(struct lend_window *w)
{
#ifdef CONFIG_DEBUG
    w->generation = xzalloc_array(uint64_t, nr_cpu_ids);
    if ( !w->generation )
        return -ENOMEM;
#endif

    return 0;
}

void arch_lend_window_free(struct lend_window *w)
{
#ifdef CONFIG_DEBUG
    xfree(w->generation);
#endif
}

static int get_pv_frame(struct domain *lender, mfn_t mfn)
{
    if ( !mfn_valid(mfn) )
        return -EINVAL;

    /*
     * get_page() says on the console what it does not like.  The look without
     * a reference is only there to keep a lender from filling it.
     */
    return page_get_owner(mfn_to_page(mfn)) == lender &&
           get_page(mfn_to_page(mfn), lender) ? 0 : -EPERM;
}

static int get_hvm_frame(struct domain *lender, gfn_t gfn, bool write,
                         mfn_t *mfn)
{
    p2m_type_t t;
    struct page_info *page = get_page_from_gfn(lender, gfn_x(gfn), &t,
                                               P2M_ALLOC);
    int rc;

    if ( !page )
        return -EINVAL;

    *mfn = page_to_mfn(page);

    if ( page_get_owner(page) != lender )
        rc = -EPERM;
    else if ( t == p2m_ram_rw || (t == p2m_ram_ro && !write) )
        return 0;
    else
        rc = t == p2m_ram_ro ? -EPERM : -EBUSY;

    put_page(page);

    return rc;
}

/*
 * A reference, and a writable type whatever the rights lent: this way a PV
 * lender's page tables are neither written nor read by the borrower, and
 * rights can be added later without asking again.
 */
int arch_lend_get_frame(struct domain *lender, uint64_t frame, bool write,
                        uint64_t *mfn)
{
    struct page_info *page;
    unsigned long type;
    mfn_t m = _mfn(frame);
    int rc;

    if ( frame & ~LEND_SLOT_FRAME )
        return -EINVAL;

    rc = paging_mode_translate(lender)
         ? get_hvm_frame(lender, _gfn(frame), write, &m)
         : get_pv_frame(lender, m);
    if ( rc )
        return rc;

    page = mfn_to_page(m);
    type = page->u.inuse.type_info;

    if ( is_special_page(page) )
        rc = -EPERM;
    /* get_page_type() would say so, too. */
    else if ( ((type & PGT_count_mask) &&
               (type & PGT_type_mask) != PGT_writable_page) ||
              !get_page_type(page, PGT_writable_page) )
        rc = -EBUSY;

    if ( rc )
        put_page(page);
    else
        *mfn = mfn_x(m);

    return rc;
}

void arch_lend_put_frame(uint64_t mfn)
{
    put_page_and_type(mfn_to_page(_mfn(mfn)));
}

/* Writing an entry here is the only way to make or change a lent one. */
static int set_entry(struct p2m_domain *p2m, gfn_t gfn, mfn_t mfn,
                     p2m_type_t t, p2m_access_t a)
{
    int rc;

    p2m->lend.busy = true;
    rc = p2m->set_entry(p2m, gfn, mfn, PAGE_ORDER_4K, t, a, -1);
    p2m->lend.busy = false;

    return rc;
}

static int add_rights(struct p2m_domain *p2m, gfn_t gfn, mfn_t mfn)
{
    bool need_flush;
    int rc;

    /* Changes which are due, and their flushes, come first. */
    rc = p2m->recalc(p2m, gfn_x(gfn));
    if ( rc < 0 )
        return rc;

    /*
     * No flush: a CPU that remembers the old entry faults at worst, finds
     * nothing wrong, and goes on.
     */
    need_flush = p2m->need_flush;
    rc = set_entry(p2m, gfn, mfn, p2m_lent_rw, p2m_access_rwx);
    p2m->need_flush = need_flush;

    return rc;
}

/* Returns a bit for each frame whose reference the slot has taken over. */
uint32_t arch_lend_map(struct lend_window *w, unsigned long first,
                       unsigned int nr, const uint64_t *mfn, bool write,
                       int *status)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(w->borrower);
    uint32_t used = 0;
    unsigned int i;

    ASSERT(spin_is_locked(&w->lock));

    p2m_lock(p2m);

    for ( i = 0; i < nr; i++ )
    {
        gfn_t gfn = _gfn(w->range.gfn + first + i);
        uint64_t *slot;
        p2m_type_t t;
        p2m_access_t a;

        if ( status[i] )
            continue;

        slot = lend_slot(&w->range, first + i);

        switch ( lend_slot_test(slot, mfn[i], write) )
        {
        case LEND_SLOT_empty:
            p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL);
            if ( !is_free(t) )
            {
                status[i] = -EEXIST;
                break;
            }

            status[i] = set_entry(p2m, gfn, _mfn(mfn[i]),
                                  write ? p2m_lent_rw : p2m_lent_ro,
                                  p2m_access_rwx);
            if ( status[i] )
                break;

            lend_slot_fill(&w->range, slot, mfn[i], write);
            p2m->lend.nr++;
            w->lends++;
            used |= 1U << i;
            break;

        case LEND_SLOT_upgrade:
            status[i] = add_rights(p2m, gfn, _mfn(mfn[i]));
            if ( !status[i] )
            {
                lend_slot_upgrade(slot);
                w->upgrades++;
            }
            break;

        case LEND_SLOT_same:
            break;

        case LEND_SLOT_busy:
            status[i] = -EBUSY;
            break;
        }
    }

    p2m_unlock(p2m);

    return used;
}

#ifdef CONFIG_DEBUG
/*
 * Emulated machines drop the translations of a guest whenever it leaves guest
 * mode, so no test there can tell a flush from a mere interrupt.  Have proof
 * instead that each CPU which may hold translations was told to drop them.
 */
static void flush_prepare(struct lend_window *w)
{
    struct domain *d = w->borrower;
    unsigned int cpu;

    /* The flush which the next p2m_unlock() makes. */
    ASSERT(p2m_get_hostp2m(d)->need_flush || !d->vcpu || !d->vcpu[0]);
    ASSERT(p2m_get_hostp2m(d)->defer_flush == 1);

    cpumask_copy(&w->flush_mask, d->dirty_cpumask);

    for_each_cpu ( cpu, &w->flush_mask )
        w->generation[cpu] = hvm_asid_generation(cpu);
}

static void flush_check(const struct lend_window *w)
{
    unsigned int cpu;

    /* EPT: there is no more to see than need_flush. */
    if ( !cpu_has_svm )
        return;

    for_each_cpu ( cpu, &w->flush_mask )
    {
        const struct vcpu *v = ACCESS_ONCE(per_cpu(pgtable_vcpu, cpu));
        uint64_t generation;

        /*
         * switch_cr3_cr4() starts a new generation and then notes whose
         * tables it loaded.  So a CPU that has left the borrower needed no
         * flush, though it may have been in the mask for a moment after its
         * new generation; and one that came back has got another since.
         */
        if ( v->domain != w->borrower )
            continue;

        smp_rmb();
        generation = hvm_asid_generation(cpu);

        /* No ASIDs: the CPU forgets everything at each VM entry. */
        if ( generation && generation == w->generation[cpu] )
        {
            printk(XENLOG_ERR "%pd: CPU%u was not flushed\n",
                   w->borrower, cpu);
            BUG();
        }
    }
}
#else
static void flush_prepare(struct lend_window *w) {}
static void flush_check(const struct lend_window *w) {}
#endif

/*
 * Empty the slots of [s, e), and return when no CPU can use the old entries.
 * All tables exist and nothing is to be split, so no memory is needed, and
 * nothing can go wrong.
 */
void arch_lend_unmap(struct lend_window *w, unsigned long s, unsigned long e)
{
    struct domain *d = w->borrower;
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    bool any = false, bad = false;

    ASSERT(spin_is_locked(&w->lock));

    p2m_lock(p2m);

    for ( ; (s = lend_slot_next(&w->range, s, e)) < e; s++ )
    {
        p2m->lend.oflags = _PAGE_ACCESSED | _PAGE_DIRTY;

        if ( set_entry(p2m, _gfn(w->range.gfn + s), INVALID_MFN, p2m_invalid,
                       p2m->default_access) )
            bad = true;

        lend_slot_clear(lend_slot(&w->range, s),
                        !(p2m->lend.oflags & _PAGE_ACCESSED),
                        !(p2m->lend.oflags & _PAGE_DIRTY));
        p2m->lend.nr--;
        any = true;
    }

    if ( any )
        flush_prepare(w);

    p2m_unlock(p2m);

    if ( any )
        flush_check(w);

    if ( unlikely(bad) )
    {
        ASSERT_UNREACHABLE();
        /* It never runs again, and nobody else can use what it has left. */
        domain_crash(d);
        if ( d != current->domain )
            domain_pause(d);
    }
}

static bool may_access(p2m_type_t t, bool write)
{
    return t == p2m_lent_rw || (t == p2m_lent_ro && !write);
}

static bool wants_ones(const struct lend_window *w, unsigned long gfn)
{
    return unlikely(current->io.lend.nr_ones) &&
           lend_is_ones(&current->io.lend, &w->range, gfn - w->range.gfn,
                        guest_cpu_user_regs()->rip);
}

/* A nested page fault; the p2m lock is held. */
enum lend_access lend_nested_fault(unsigned long gfn, unsigned int p2mt,
                                   struct npfec npfec)
{
    struct lend_window *w;

    if ( !p2m_is_lent(p2mt) && !is_free(p2mt) )
        return LEND_none;

    w = lend_find(current->domain, gfn);
    if ( !w )
    {
        ASSERT(!p2m_is_lent(p2mt));
        return LEND_none;
    }

    if ( npfec.insn_fetch )
        return LEND_gp;

    if ( may_access(p2mt, npfec.write_access) )
    {
        lend_count(w, &w->spurious);
        return LEND_again;
    }

    return lend_server(w) && !wants_ones(w, gfn) ? LEND_fault : LEND_ones;
}

/*
 * An access by Xen's emulator.  The p2m lock may or may not be held; either
 * way, what is found holds for no longer than this.  server is set only for
 * LEND_copy.
 */
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
    if ( !p2m_is_lent(t) && !is_free(t) )
        return LEND_none;

    lend_count(w, &w->emulated);

    s = lend_server(w);
    if ( !s )
    {
        lend_count(w, &w->unserved);
        return LEND_ones;
    }

    if ( !may_access(t, write) )
        return wants_ones(w, gfn) ? LEND_ones : LEND_fault;

    *server = s;
    /* The frame is of use, though its entry does not show it. */
    current->io.lend.count = 0;

    return LEND_copy;
}

/* v is current, on its way into the guest. */
void arch_lend_give_up(struct vcpu *v)
{
    ASSERT(v == current);

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
