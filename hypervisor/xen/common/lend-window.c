/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: the books.  Also built in user space, by the tests. */

#ifdef __XEN__
#include <xen/bug.h>
#include <xen/errno.h>
#include <xen/lend-window.h>
#include <xen/lib.h>
#include <xen/nospec.h>
#include <xen/sched.h>
#include <xen/vmap.h>
#else
#include "harness.h"
#endif

/* What is only output is not looked at: a caller may use its struct again. */
int lend_check_args(const struct xen_mem_lend *op)
{
    const struct xen_mem_lend_create *c = &op->u.create;
    const struct xen_mem_lend_lend *l = &op->u.lend;
    unsigned int i, used, flags = 0;
    bool ok = true;

    switch ( op->op )
    {
    case XENMEM_LEND_info:
        used = sizeof(op->u.info);
        break;

    case XENMEM_LEND_create:
        used = sizeof(op->u.create);
        ok = !c->pad && c->nr && c->nr <= LEND_MAX_SLOTS &&
             c->gfn + c->nr > c->gfn;
        break;

    case XENMEM_LEND_destroy:
        used = sizeof(op->u.destroy);
        for ( i = 0; i < ARRAY_SIZE(op->u.destroy.pad); i++ )
            ok &= !op->u.destroy.pad[i];
        break;

    case XENMEM_LEND_lend:
        used = sizeof(op->u.lend);
        flags = XENMEM_LEND_ANSWER;
        ok = !l->pad &&
             (l->frames || l->nr <= XENMEM_LEND_INLINE ||
              lend_is_large_call(l)) &&
             (op->flags & XENMEM_LEND_ANSWER ? l->nr <= XENMEM_LEND_BATCH ||
                                               lend_is_large_call(l)
                                             : !l->vcpu);
        break;

    case XENMEM_LEND_revoke:
        used = sizeof(op->u.revoke);
        for ( i = 0; i < ARRAY_SIZE(op->u.revoke.pad); i++ )
            ok &= !op->u.revoke.pad[i];
        break;

    case XENMEM_LEND_query:
        used = sizeof(op->u.query);
        ok = !op->u.query.pad;
        break;

    default:
        return -EOPNOTSUPP;
    }

    for ( i = used / sizeof(op->u.room[0]); i < ARRAY_SIZE(op->u.room); i++ )
        ok &= !op->u.room[i];

    return ok && !(op->flags & ~flags) ? 0 : -EINVAL;
}

/* The first window that ends after gfn. */
static unsigned int table_search(const struct lend_table *t, unsigned long gfn)
{
    unsigned int lo = 0, hi = t->nr;

    while ( lo < hi )
    {
        unsigned int mid = array_index_nospec((lo + hi) / 2, LEND_MAX_WINDOWS);
        const struct lend_window *w = t->window[mid];

        if ( gfn < w->gfn + w->nr )
            hi = mid;
        else
            lo = mid + 1;
    }

    return lo;
}

struct lend_window *lend_table_find(const struct lend_table *t,
                                   unsigned long gfn)
{
    unsigned int i = table_search(t, gfn);
    struct lend_window *w;

    if ( i >= t->nr )
        return NULL;

    w = t->window[array_index_nospec(i, LEND_MAX_WINDOWS)];

    return gfn >= w->gfn ? w : NULL;
}

int lend_table_check(const struct lend_table *t, unsigned long gfn,
                     unsigned long nr)
{
    unsigned int i = table_search(t, gfn);

    if ( i < t->nr && t->window[i]->gfn < gfn + nr )
        return -EEXIST;

    return t->nr < LEND_MAX_WINDOWS && nr <= LEND_MAX_SLOTS - t->slots
           ? 0 : -ENOSPC;
}

int lend_table_add(struct lend_table *t, struct lend_window *w)
{
    unsigned int i, pos;
    int rc = lend_table_check(t, w->gfn, w->nr);

    if ( rc )
        return rc;

    pos = table_search(t, w->gfn);
    for ( i = t->nr++; i > pos; i-- )
        t->window[i] = t->window[i - 1];
    t->window[pos] = w;
    t->slots += w->nr;

    return 0;
}

bool lend_table_del(struct lend_table *t, const struct lend_window *w)
{
    unsigned int i = table_search(t, w->gfn);

    if ( i >= t->nr || t->window[i] != w )
        return false;

    for ( t->nr--; i < t->nr; i++ )
        t->window[i] = t->window[i + 1];
    t->window[t->nr] = NULL;
    t->slots -= w->nr;

    return true;
}

static unsigned long nr_chunks(const struct lend_window *w)
{
    return (w->nr + LEND_CHUNK - 1) >> LEND_CHUNK_ORDER;
}

int lend_window_init(struct lend_window *w, unsigned long gfn,
                     unsigned long nr)
{
    w->gfn = gfn;
    w->nr = nr;
    w->denied = nr;
    w->chunk = vzalloc(nr_chunks(w) * sizeof(*w->chunk));

    return w->chunk ? 0 : -ENOMEM;
}

void lend_window_close(struct lend_window *w)
{
    ASSERT(w->dead && !w->lent);

    if ( !w->chunk )
        return;

    w->old_chunk = w->chunk;
    w->chunk = NULL;
    w->cursor = 0;
}

bool lend_window_drain(struct lend_window *w, unsigned long max)
{
    ASSERT(!w->chunk);

    if ( !w->old_chunk )
        return true;

    for ( ; max && w->cursor < nr_chunks(w); w->cursor++ )
        if ( w->old_chunk[w->cursor] )
        {
            arch_lend_free_chunk(w->borrower, w->old_chunk[w->cursor]);
            max--;
        }

    if ( w->cursor < nr_chunks(w) )
        return false;

    vfree(w->old_chunk);
    w->old_chunk = NULL;

    return true;
}

void lend_window_fini(struct lend_window *w)
{
    ASSERT(!w->lent && !w->old_chunk);

    /* Empty, if it never got as far as having a borrower. */
    vfree(w->chunk);
    w->chunk = NULL;
}

uint64_t *lend_slot(const struct lend_window *w, unsigned long s)
{
    uint64_t **chunk = ACCESS_ONCE(w->chunk), *c;

    ASSERT(s < w->nr);

    if ( unlikely(!chunk) )
        return NULL;

    c = ACCESS_ONCE(chunk[array_index_nospec(s >> LEND_CHUNK_ORDER,
                                             nr_chunks(w))]);

    return c ? c + (s & (LEND_CHUNK - 1)) : NULL;
}

/* Readers of the chunk array hold no lock that the caller holds. */
uint64_t *lend_slot_alloc(struct lend_window *w, unsigned long s)
{
    uint64_t **c = &w->chunk[s >> LEND_CHUNK_ORDER];

    ASSERT(s < w->nr && !w->dead);

    if ( !*c )
    {
        uint64_t *new = arch_lend_alloc_chunk(w->borrower);

        if ( !new )
            return NULL;

        smp_wmb();
        ACCESS_ONCE(*c) = new;
    }

    return lend_slot(w, s);
}

int lend_check_kind(uint64_t word, uint64_t *what)
{
    bool mmio = word & XENMEM_LEND_MMIO;

    if ( word & ~(XENMEM_LEND_FRAME_MASK | XENMEM_LEND_CACHE_MASK |
                  XENMEM_LEND_MMIO | XENMEM_LEND_WRITE) )
        return -EINVAL;

    *what = word & XENMEM_LEND_FRAME_MASK;
    if ( mmio )
        *what |= LEND_SLOT_MMIO;

    switch ( word & XENMEM_LEND_CACHE_MASK )
    {
    case XENMEM_LEND_WB:
        /* With EPT nothing would keep a CPU from caching a device's memory. */
        return mmio ? -EINVAL : 0;

    case XENMEM_LEND_WC:
        *what |= LEND_SLOT_WC;
        return 0;

    case XENMEM_LEND_UC:
        *what |= LEND_SLOT_UC;
        return 0;

    default:
        return -EINVAL;
    }
}

bool lend_is_large(const struct lend_window *w, unsigned long s)
{
    const uint64_t *head;

    if ( likely(!w->large) )
        return false;

    head = lend_slot(w, s & ~(LEND_CHUNK - 1));

    return head && (*head & LEND_SLOT_LARGE);
}

unsigned long lend_revoke_step(const struct lend_window *w, unsigned long *s,
                               unsigned long e)
{
    unsigned long next = (*s | (LEND_CHUNK - 1)) + 1;

    if ( lend_is_large(w, *s) )
    {
        *s &= ~(LEND_CHUNK - 1);
        return next;
    }

    e = e - *s > LEND_CHUNK ? *s + LEND_CHUNK : e;

    return next < e && lend_is_large(w, next) ? next : e;
}

enum lend_slot_state lend_large_test(const struct lend_window *w,
                                     unsigned long s, uint64_t what,
                                     bool write)
{
    if ( lend_is_large(w, s) )
        return lend_slot_test(lend_slot(w, s), what, write);

    return lend_slot_next(w, s, s + LEND_CHUNK) < s + LEND_CHUNK
           ? LEND_SLOT_busy : LEND_SLOT_empty;
}

void lend_large_fill(struct lend_window *w, unsigned long s, uint64_t what,
                     bool write)
{
    uint64_t *slot = lend_slot(w, s);
    unsigned int i;

    ASSERT(!(s & (LEND_CHUNK - 1)) && !(what & (LEND_CHUNK - 1)));

    for ( i = 0; i < LEND_CHUNK; i++ )
        lend_slot_fill(w, slot + i, what + i, write);

    *slot |= LEND_SLOT_LARGE;
    w->large++;
}

void lend_large_upgrade(struct lend_window *w, unsigned long s)
{
    uint64_t *slot = lend_slot(w, s);
    unsigned int i;

    ASSERT(*slot & LEND_SLOT_LARGE);

    for ( i = 0; i < LEND_CHUNK; i++ )
        lend_slot_upgrade(slot + i);
}

void lend_large_clear(struct lend_window *w, unsigned long s, bool unread,
                      bool unwritten)
{
    uint64_t *slot = lend_slot(w, s);
    unsigned int i;

    ASSERT(*slot & LEND_SLOT_LARGE);

    for ( i = 0; i < LEND_CHUNK; i++ )
        lend_slot_clear(slot + i, unread, unwritten);
    w->large--;
}

unsigned long lend_slot_next(const struct lend_window *w, unsigned long s,
                             unsigned long e)
{
    ASSERT(e <= w->nr);

    while ( s < e )
    {
        const uint64_t *slot = lend_slot(w, s);

        if ( !slot )
            s = (s | (LEND_CHUNK - 1)) + 1;
        else if ( *slot & LEND_SLOT_LENT )
            return s;
        else
            s++;
    }

    return e;
}

static unsigned int slot_seq(const struct lend_window *w, unsigned long s)
{
    const uint64_t *slot = lend_slot(w, s);

    return slot ? MASK_EXTR(ACCESS_ONCE(*slot), LEND_SLOT_SEQ) : 0;
}

/*
 * It did get further if a frame was lent since its last fault, and was used in
 * the way that faulted then; a plain count of faults would grow in a loop that
 * does work.
 */
uint32_t lend_note_fault(struct lend_vcpu *v, const struct lend_window *w,
                         unsigned long s, bool write)
{
    const uint64_t *p = lend_slot(w, s);
    uint64_t slot = p ? ACCESS_ONCE(*p) : 0;
    unsigned int seq = MASK_EXTR(slot, LEND_SLOT_SEQ);
    bool stalled = v->count && v->last.id == w->id && v->last.slot == s &&
                   (v->last.seq == seq ||
                    (slot & (v->write ? LEND_SLOT_UNWRITTEN
                                      : LEND_SLOT_UNREAD)));

    v->count = stalled ? v->count + (v->count != ~0U) : 1;
    v->last.id = w->id;
    v->last.slot = s;
    v->last.seq = seq;
    v->write = write;

    return v->count;
}

unsigned long lend_waits_at(const struct lend_vcpu *v,
                            const struct lend_window *w)
{
    return v->pending && v->last.id == w->id ? v->last.slot : ~0UL;
}

void lend_note_ones(struct lend_vcpu *v, unsigned long ip)
{
    if ( v->ip != ip || v->nr_ones == LEND_MAX_ONES )
        v->nr_ones = 0;

    v->ip = ip;
    v->ones[v->nr_ones++] = v->last;
}

bool lend_is_ones(const struct lend_vcpu *v, const struct lend_window *w,
                  unsigned long s, unsigned long ip)
{
    unsigned int i;

    if ( v->ip == ip )
        for ( i = 0; i < v->nr_ones; i++ )
            if ( v->ones[i].id == w->id && v->ones[i].slot == s &&
                 v->ones[i].seq == slot_seq(w, s) )
                return true;

    return false;
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
