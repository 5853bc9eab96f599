/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: the lender's frames and the borrower's p2m. */

#include <xen/domain_page.h>
#include <xen/iocap.h>
#include <xen/iommu.h>
#include <xen/lend.h>
#include <xen/mm.h>
#include <xen/rangeset.h>
#include <xen/sched.h>
#include <xen/vm_event.h>

#include <asm/altp2m.h>
#include <asm/event.h>
#include <asm/hap.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/vmx/vmx.h>
#include <asm/lend.h>
#include <asm/mem_sharing.h>
#include <asm/p2m.h>
#include <asm/paging.h>

#include "mm-locks.h"

/*
 * I/O APICs, HPET, IOMMUs, local APICs, MSI doorbells: in a guest Xen emulates
 * these itself, and nobody lends the machine's.
 */
#define RESERVED_FIRST paddr_to_pfn(0xfec00000U)
#define RESERVED_END   paddr_to_pfn(0xfef00000U)

/*
 * All of these would copy p2m entries or let devices see them, and so keep a
 * frame within reach that was taken back; or they mean that the borrower is to
 * be moved, and what it borrowed cannot move with it.
 */
int arch_lend_check_borrower(const struct domain *d)
{
    const struct p2m_domain *p2m;

    if ( !is_hvm_domain(d) || !hap_enabled(d) || is_control_domain(d) ||
         is_hardware_domain(d) || nestedhvm_enabled(d) ||
         d->arch.hvm.params[HVM_PARAM_ALTP2M] != XEN_ALTP2M_disabled ||
         iommu_use_hap_pt(d) )
        return -EOPNOTSUPP;

    p2m = p2m_get_hostp2m(d);

    if ( altp2m_active(d) || paging_mode_log_dirty(d) ||
         mem_sharing_enabled(d) )
        return -EBUSY;

    /*
     * Populating on demand may have to search all of the borrower's memory,
     * with the p2m lock held that revoking needs.
     */
    if ( p2m->pod.entry_count || p2m->pod.count )
        return -EBUSY;

    /* Who watches a domain's memory would not see what is lent. */
    if ( vm_event_check_ring(d->vm_event_monitor) )
        return -EBUSY;

#ifdef CONFIG_MEM_PAGING
    if ( vm_event_check_ring(d->vm_event_paging) )
        return -EBUSY;
#endif

    return 0;
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

        if ( !p2m_is_lendable(t) )
            return -EEXIST;

        *done += (1UL << order) - (cur & ((1UL << order) - 1));

        if ( *done < nr && !(++count & 0xff) && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

void arch_lend_prepare_borrower(struct domain *d)
{
    /* The CPUs' notes in the borrower's entries tell whether it gets on. */
    if ( cpu_has_vmx )
        ept_enable_ad(d);
}

/*
 * The books grow with what is lent, as the borrower's page tables do, and come
 * from the same pool: its size is the tool stack's choice.
 */
uint64_t *arch_lend_alloc_chunk(struct domain *d)
{
    struct page_info *pg = d->arch.paging.alloc_page(d);
    void *p;

    BUILD_BUG_ON(LEND_CHUNK * sizeof(uint64_t) != PAGE_SIZE);

    if ( !pg )
        return NULL;

    p = __map_domain_page_global(pg);
    if ( !p )
    {
        d->arch.paging.free_page(d, pg);
        return NULL;
    }

    clear_page(p);

    return p;
}

void arch_lend_free_chunk(struct domain *d, uint64_t *chunk)
{
    mfn_t mfn = domain_page_map_to_mfn(chunk);

    unmap_domain_page_global(chunk);
    d->arch.paging.free_page(d, mfn_to_page(mfn));
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
 * Permission is all there is to own MMIO.  dom0 may be permitted everything,
 * RAM as well: that it is none has to be seen otherwise.
 */
static int get_mmio_frame(struct domain *lender, uint64_t *what)
{
    mfn_t m = _mfn(*what & LEND_SLOT_FRAME);
    unsigned long mfn;

    ASSERT(rw_is_locked(&lender->caps_lock));

    if ( paging_mode_translate(lender) )
    {
        p2m_type_t t;

        m = get_gfn_query_unlocked(lender, mfn_x(m), &t);
        if ( t != p2m_mmio_direct )
            return p2m_is_hole(t) || p2m_is_mmio(t) ? -EINVAL : -EPERM;
    }

    mfn = mfn_x(m);
    if ( mfn >> (paddr_bits - PAGE_SHIFT) )
        return -EINVAL;

    if ( mfn_valid(m) )
    {
        const struct domain *owner =
            page_get_owner_and_reference(mfn_to_page(m));

        if ( owner )
            put_page(mfn_to_page(m));
        if ( owner != dom_io )
            return -EPERM;
    }

    /* Read-only are MSI-X tables and the like, of which some is for writing. */
    if ( (mfn >= RESERVED_FIRST && mfn < RESERVED_END) ||
         !iomem_access_permitted(lender, mfn, mfn) ||
         rangeset_contains_singleton(mmio_ro_ranges, mfn) )
        return -EPERM;

    *what = (*what & ~LEND_SLOT_FRAME) | mfn;

    return 0;
}

/*
 * May a borrower's writes pass by caches that hold other data?  Intel's EPT
 * makes the lender's memory type the only one; with NPT the guest's own PAT has
 * a say.
 */
static bool may_combine(uint64_t what)
{
    return !boot_cpu_has(X86_FEATURE_XEN_SELFSNOOP) &&
           (!cpu_has_vmx || (what & LEND_SLOT_WC));
}

/*
 * Of a page with a reference: a writable type whatever the rights lent.  This
 * way a PV lender's page tables are neither written nor read by the borrower,
 * and rights can be added later without asking again.  Without a type, no
 * reference is left.
 */
static int get_frame_type(struct page_info *page, bool write, uint64_t *what)
{
    unsigned long type = page->u.inuse.type_info;
    int rc = 0;

    if ( is_special_page(page) )
        rc = -EPERM;
    /* get_page_type() would say so, too. */
    else if ( ((type & PGT_count_mask) &&
               (type & PGT_type_mask) != PGT_writable_page) ||
              !get_page_type(page, PGT_writable_page) )
        rc = -EBUSY;

    if ( rc )
    {
        put_page(page);
        return rc;
    }

    /* As for a PV domain's own mappings, in get_page_from_l1e(). */
    if ( write && !(type & PGT_non_coherent) && may_combine(*what) )
        set_bit(_PGT_non_coherent, &page->u.inuse.type_info);

    *what = (*what & ~LEND_SLOT_FRAME) | mfn_x(page_to_mfn(page));

    return 0;
}

static int get_frame(struct domain *lender, bool write, uint64_t *what)
{
    mfn_t m = _mfn(*what & LEND_SLOT_FRAME);
    int rc;

    if ( unlikely(*what & LEND_SLOT_MMIO) )
        return get_mmio_frame(lender, what);

    rc = paging_mode_translate(lender)
         ? get_hvm_frame(lender, _gfn(mfn_x(m)), write, &m)
         : get_pv_frame(lender, m);

    return rc ?: get_frame_type(mfn_to_page(m), write, what);
}

/*
 * References to those of an HVM lender's frames that are plain RAM: the walk of
 * its p2m is paid once for all that one entry covers.  Returns a bit for each
 * that has got one, and has the machine's name in *what; of the others nothing
 * is known.
 */
static uint64_t get_ram_frames(struct domain *lender, unsigned int nr,
                               uint64_t *what, const int *status)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(lender);
    unsigned long first = 0, covered = 0;
    uint64_t got = 0;
    mfn_t base = INVALID_MFN;
    unsigned int i;

    p2m_read_lock(p2m);

    for ( i = 0; i < nr; i++ )
    {
        unsigned long gfn = what[i] & LEND_SLOT_FRAME;
        mfn_t mfn;

        if ( status[i] || (what[i] & LEND_SLOT_MMIO) )
            continue;

        if ( gfn - first >= covered )
        {
            unsigned int order;
            p2m_access_t a;
            p2m_type_t t;

            mfn = p2m->get_entry(p2m, _gfn(gfn), &t, &a, 0, &order, NULL);
            covered = 0;
            if ( t != p2m_ram_rw || !mfn_valid(mfn) )
                continue;

            /* Of what it logs the types may differ within an entry. */
            if ( unlikely(paging_mode_log_dirty(lender)) )
                order = PAGE_ORDER_4K;

            covered = 1UL << order;
            first = gfn & ~(covered - 1);
            base = _mfn(mfn_x(mfn) - (gfn - first));
        }

        mfn = mfn_add(base, gfn - first);
        if ( mfn_valid(mfn) && get_page(mfn_to_page(mfn), lender) )
        {
            what[i] = (what[i] & ~LEND_SLOT_FRAME) | mfn_x(mfn);
            got |= 1UL << i;
        }
    }

    p2m_read_unlock(p2m);

    return got;
}

void arch_lend_get_frames(struct domain *lender, unsigned int nr,
                          uint64_t write, uint64_t *what, int *status)
{
    uint64_t got = 0;
    unsigned int i;

    BUILD_BUG_ON(LEND_BATCH > 64);

    if ( paging_mode_translate(lender) )
        got = get_ram_frames(lender, nr, what, status);

    for ( i = 0; i < nr; i++ )
    {
        uint64_t bit = 1UL << i;

        if ( got & bit )
            status[i] = get_frame_type(mfn_to_page(_mfn(what[i] &
                                                        LEND_SLOT_FRAME)),
                                       write & bit, &what[i]);
        else if ( !status[i] )
            status[i] = get_frame(lender, write & bit, &what[i]);
    }
}

void arch_lend_put_frame(struct domain *lender, uint64_t what, bool dirty)
{
    mfn_t mfn = _mfn(what & LEND_SLOT_FRAME);

    if ( unlikely(what & LEND_SLOT_MMIO) )
        return;

    /* Whoever moves the lender's memory has not seen the borrower's writes. */
    if ( dirty && unlikely(paging_mode_log_dirty(lender)) )
        paging_mark_dirty(lender, mfn);

    put_page_and_type(mfn_to_page(mfn));
}

void arch_lend_put_frames(struct domain *lender, uint64_t what,
                          unsigned int nr)
{
    while ( nr-- )
        arch_lend_put_frame(lender, what++, false);
}

int arch_lend_get_large(struct domain *lender, bool write, uint64_t *what)
{
    uint64_t batch[LEND_BATCH], base = 0;
    int status[LEND_BATCH], rc = 0;
    unsigned int i, k;

    BUILD_BUG_ON(LEND_CHUNK % LEND_BATCH);

    for ( i = 0; !rc && i < LEND_CHUNK; i += LEND_BATCH )
    {
        for ( k = 0; k < LEND_BATCH; k++ )
        {
            batch[k] = *what + i + k;
            status[k] = 0;
        }

        arch_lend_get_frames(lender, LEND_BATCH, write ? ~0UL : 0, batch,
                             status);

        if ( !i && !status[0] )
            base = batch[0];

        for ( k = 0; !rc && k < LEND_BATCH; k++ )
            rc = status[k] ?: batch[k] == base + i + k ? 0 : -EOPNOTSUPP;

        if ( base & (LEND_CHUNK - 1) )
            rc = rc ?: -EOPNOTSUPP;

        for ( k = 0; rc && k < LEND_BATCH; k++ )
            if ( !status[k] )
                arch_lend_put_frame(lender, batch[k], false);
    }

    if ( !rc )
        *what = base;
    else if ( i > LEND_BATCH )
        arch_lend_put_frames(lender, base, i - LEND_BATCH);

    return rc;
}

/* Where entries are: the table of the last one stays mapped. */
struct cursor {
    struct p2m_domain *p2m;
    void *table;
    unsigned long nr;           /* gfn / entries of a table, if there is one */
};

static void cursor_end(struct cursor *c)
{
    if ( c->table )
        unmap_domain_page(c->table);
    c->table = NULL;
}

static bool cursor_at(const struct cursor *c, unsigned long gfn)
{
    return c->table && c->nr == gfn >> PAGETABLE_ORDER;
}

static void *cursor_go(struct cursor *c, unsigned long gfn)
{
    cursor_end(c);
    c->table = c->p2m->lend.map_table(c->p2m, gfn, false);
    c->nr = gfn >> PAGETABLE_ORDER;

    return c->table;
}

/* To where an entry is to be filled.  0, -EEXIST or no memory for tables. */
static int cursor_make(struct cursor *c, unsigned long gfn)
{
    struct p2m_domain *p2m = c->p2m;
    p2m_type_t t;
    p2m_access_t a;
    int rc;

    /* Changes which are due, and their flushes, come first. */
    rc = p2m->recalc(p2m, gfn);
    if ( rc < 0 )
        return rc;

    if ( cursor_go(c, gfn) )
        return 0;

    p2m->get_entry(p2m, _gfn(gfn), &t, &a, 0, NULL, NULL);
    if ( !p2m_is_lendable(t) )
        return -EEXIST;

    rc = p2m->set_entry(p2m, _gfn(gfn), INVALID_MFN, PAGE_ORDER_4K, p2m_invalid,
                        p2m->default_access, -1);
    if ( rc )
        return rc;

    return cursor_go(c, gfn) ? 0 : -ENOMEM;
}

static p2m_type_t lent_type(uint64_t what, bool writable)
{
    if ( likely(!(what & (LEND_SLOT_WC | LEND_SLOT_UC))) )
        return writable ? p2m_lent_rw : p2m_lent_ro;

    if ( what & LEND_SLOT_WC )
        return writable ? p2m_lent_wc_rw : p2m_lent_wc_ro;

    return writable ? p2m_lent_uc_rw : p2m_lent_uc_ro;
}

/* Whether the slot takes over the frame's references is left in *used. */
static int map_slot(struct lend_window *w, struct cursor *c, unsigned long gfn,
                    uint64_t *slot, uint64_t what, bool writable, bool *used)
{
    struct p2m_domain *p2m = c->p2m;
    p2m_type_t t = lent_type(what, writable);
    mfn_t mfn = _mfn(what & LEND_SLOT_FRAME);
    int rc = cursor_at(c, gfn) ? 0 : cursor_make(c, gfn);

    *used = false;

    if ( rc )
        return rc;

    switch ( lend_slot_test(slot, what, writable) )
    {
    case LEND_SLOT_empty:
        if ( !p2m->lend.fill(p2m, c->table, gfn, mfn, t) )
            return -EEXIST;

        lend_slot_fill(w, slot, what, writable);
        p2m->lend.nr++;
        w->lends++;
        *used = true;
        return 0;

    case LEND_SLOT_upgrade:
        /*
         * No flush: a CPU that remembers the old entry faults at worst, finds
         * nothing wrong, and goes on.
         */
        p2m->lend.write(p2m, c->table, gfn, mfn, t);
        lend_slot_upgrade(slot);
        w->upgrades++;
        return 0;

    case LEND_SLOT_same:
        return 0;

    case LEND_SLOT_busy:
        return -EBUSY;

    default:
        ASSERT_UNREACHABLE();
        return -EINVAL;
    }
}

uint64_t arch_lend_map(struct lend_window *w, unsigned long first,
                       unsigned int nr, const uint64_t *what, uint64_t write,
                       int *status, uint64_t *good)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(w->borrower);
    struct cursor c = { .p2m = p2m };
    uint64_t used = 0, *slot = NULL;
    unsigned int i;

    ASSERT(spin_is_locked(&w->lock));

    p2m_lock(p2m);

    for ( i = 0; i < nr; i++ )
    {
        uint64_t bit = 1UL << i;
        bool taken;

        /* Slots in one page of the books are next to each other. */
        if ( slot && ((first + i) & (LEND_CHUNK - 1)) )
            slot++;
        else
            slot = lend_slot(w, first + i);

        if ( !(*good & bit) )
            continue;

        if ( unlikely(lend_is_large(w, first + i)) )
        {
            /* There is no entry for it alone. */
            if ( lend_slot_test(slot, what[i], write & bit) != LEND_SLOT_same )
            {
                status[i] = -EBUSY;
                *good &= ~bit;
            }
            continue;
        }

        status[i] = map_slot(w, &c, w->gfn + first + i, slot, what[i],
                             write & bit, &taken);
        if ( status[i] )
            *good &= ~bit;
        if ( taken )
            used |= bit;
    }

    cursor_end(&c);
    p2m_unlock(p2m);

    return used;
}

/*
 * After p2m->lend.stale() only the CPUs that run the borrower at this moment
 * can go on with what they remember.  A vCPU that is not running has to go
 * through context_switch(), whose barrier pairs with the one here: either it
 * is seen to run, or it sees on its way into the guest what stale() wrote.
 */
static void kick(struct p2m_domain *p2m)
{
    static DEFINE_PER_CPU(cpumask_t, kick_cpumask);
    cpumask_t *mask = &this_cpu(kick_cpumask);
    const struct vcpu *v;

    cpumask_clear(mask);
    smp_mb();

    /* Whoever moves on after the look at is_running enters the guest anew. */
    for_each_vcpu ( p2m->domain, v )
        if ( ACCESS_ONCE(v->is_running) )
            __cpumask_set_cpu(read_atomic(&v->processor), mask);

    if ( !cpumask_empty(mask) )
        p2m->lend.kick(p2m, mask);
}

int arch_lend_map_large(struct lend_window *w, unsigned long s, uint64_t what,
                        bool write, bool *used)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(w->borrower);
    struct cursor c = { .p2m = p2m };
    unsigned long gfn = w->gfn + s;
    mfn_t mfn = _mfn(what & LEND_SLOT_FRAME);
    p2m_type_t t = lent_type(what, write);
    struct page_info *old = NULL;
    void *table;
    int rc;

    ASSERT(spin_is_locked(&w->lock));
    BUILD_BUG_ON(LEND_CHUNK_ORDER != PAGE_ORDER_2M);

    p2m_lock(p2m);

    /* Changes which are due, and their flushes, come first. */
    rc = p2m->recalc(p2m, gfn);
    table = rc < 0 ? NULL : p2m->lend.map_table(p2m, gfn, true);
    if ( rc >= 0 && !table )
    {
        /* With one more table than needed, which is taken out again. */
        rc = cursor_make(&c, gfn);
        cursor_end(&c);
        table = rc ? NULL : p2m->lend.map_table(p2m, gfn, true);
    }

    ASSERT(table || rc < 0);

    if ( table )
    {
        rc = 0;

        switch ( lend_large_test(w, s, what, write) )
        {
        case LEND_SLOT_empty:
            if ( !p2m->lend.fill_large(p2m, table, gfn, mfn, t, &old) )
            {
                rc = -EEXIST;
                break;
            }

            lend_large_fill(w, s, what, write);
            p2m->lend.nr += LEND_CHUNK;
            w->lends += LEND_CHUNK;
            *used = true;
            break;

        case LEND_SLOT_upgrade:
            p2m->lend.write_large(p2m, table, gfn, mfn, t);
            lend_large_upgrade(w, s);
            w->upgrades += LEND_CHUNK;
            break;

        case LEND_SLOT_same:
            break;

        default:
            rc = -EBUSY;
            break;
        }

        unmap_domain_page(table);
    }

    if ( old )
        p2m->lend.stale(p2m);

    p2m_unlock(p2m);

    /* A CPU may still look for entries in what was a table. */
    if ( old )
    {
        kick(p2m);

        p2m_lock(p2m);
        p2m_free_ptp(p2m, old);
        p2m_unlock(p2m);
    }

    return rc;
}

/* All tables exist and nothing is to be split: nothing can go wrong. */
bool arch_lend_unmap(struct lend_window *w, unsigned long s, unsigned long e)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(w->borrower);
    struct cursor c = { .p2m = p2m };
    bool any = false, ok = true;

    ASSERT(spin_is_locked(&w->lock));

    p2m_lock(p2m);

    for ( ; (s = lend_slot_next(w, s, e)) < e; s++ )
    {
        unsigned long gfn = w->gfn + s;
        unsigned int used = 0;

        if ( unlikely(lend_is_large(w, s)) )
        {
            void *table = p2m->lend.map_table(p2m, gfn, true);

            ASSERT(!(s & (LEND_CHUNK - 1)) && e - s >= LEND_CHUNK);

            if ( likely(table) )
            {
                used = p2m->lend.write_large(p2m, table, gfn, INVALID_MFN,
                                             p2m_invalid);
                unmap_domain_page(table);
            }
            else
                ok = false;

            lend_large_clear(w, s, !(used & _PAGE_ACCESSED),
                             !(used & _PAGE_DIRTY));
            w->unused += used & _PAGE_ACCESSED ? 0 : LEND_CHUNK;
            p2m->lend.nr -= LEND_CHUNK;
            any = true;
            s += LEND_CHUNK - 1;
            continue;
        }

        if ( likely(cursor_at(&c, gfn) || cursor_go(&c, gfn)) )
            used = p2m->lend.write(p2m, c.table, gfn, INVALID_MFN, p2m_invalid);
        else
            ok = false;

        lend_slot_clear(lend_slot(w, s), !(used & _PAGE_ACCESSED),
                        !(used & _PAGE_DIRTY));
        w->unused += !(used & _PAGE_ACCESSED);
        p2m->lend.nr--;
        any = true;
    }

    cursor_end(&c);

    if ( any )
        p2m->lend.stale(p2m);

    p2m_unlock(p2m);

    if ( any )
        kick(p2m);

    ASSERT(ok);

    return ok;
}

void arch_lend_dump(struct lend_window *w)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(w->borrower);
    unsigned int left = 8;
    unsigned long s;

    ASSERT(spin_is_locked(&w->lock));

    if ( !w->lent )
        return;

    p2m_lock(p2m);

    for ( s = lend_slot_next(w, 0, w->nr); s < w->nr && left--;
          s = lend_slot_next(w, s + 1, w->nr) )
    {
        unsigned long gfn = w->gfn + s;
        const uint64_t *slot = lend_slot(w, s), *table;
        bool large = lend_is_large(w, s);

        table = p2m->lend.map_table(p2m, gfn, large);
        if ( !table )
            break;

        /* NPT and EPT have entries of the same size. */
        printk("      slot %#lx: mfn %#lx%s%s, entry %#"PRIx64"\n", s,
               *slot & LEND_SLOT_FRAME, *slot & LEND_SLOT_MMIO ? " (MMIO)" : "",
               large ? " (2M)" : "",
               table[(large ? gfn >> LEND_CHUNK_ORDER : gfn) &
                     (LEND_CHUNK - 1)]);
        unmap_domain_page(table);

        if ( large )
            s |= LEND_CHUNK - 1;
    }

    p2m_unlock(p2m);
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
