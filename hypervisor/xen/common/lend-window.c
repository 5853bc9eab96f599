/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory lending: the books.  Also built in user space, by the tests. */

#ifdef __XEN__
#include <xen/bug.h>
#include <xen/errno.h>
#include <xen/lend-window.h>
#include <xen/lib.h>
#include <xen/nospec.h>
#include <xen/vmap.h>
#include <xen/xmalloc.h>

#include <asm/atomic.h>
#else
#include "harness.h"
#endif

/*
 * Everything that can be said of the arguments without looking at a domain.
 * What is only output is not looked at: a caller may use its struct again.
 */
int lend_check_args(const struct xen_mem_lend *op)
{
    unsigned int i, used;

    switch ( op->op )
    {
    case XENLEND_info:
        if ( op->domid || op->window )
            return -EINVAL;
        used = sizeof(op->u.info);
        break;

    case XENLEND_create:
        if ( op->u.create.pad )
            return -EINVAL;
        used = sizeof(op->u.create);
        break;

    case XENLEND_lend:
    case XENLEND_revoke:
        used = sizeof(op->u.range);
        break;

    case XENLEND_destroy:
        used = 0;
        break;

    case XENLEND_query:
        used = sizeof(op->u.query);
        break;

    default:
        return -EOPNOTSUPP;
    }

    if ( op->flags & ~(op->op == XENLEND_lend ? XENLEND_WRITE : 0U) )
        return -EINVAL;

    for ( i = used / sizeof(op->u.pad[0]); i < ARRAY_SIZE(op->u.pad); i++ )
        if ( op->u.pad[i] )
            return -EINVAL;

    if ( op->op == XENLEND_revoke &&
         (op->u.range.frames || op->u.range.status) )
        return -EINVAL;

    if ( op->op == XENLEND_create &&
         (!op->u.create.nr || op->u.create.nr > LEND_MAX_SLOTS ||
          op->u.create.gfn + op->u.create.nr < op->u.create.gfn) )
        return -EINVAL;

    return 0;
}

struct lend_range *lend_table_find(const struct lend_table *t,
                                   unsigned long gfn)
{
    unsigned int i;

    for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
    {
        struct lend_range *r = t->range[i];

        if ( r && gfn - r->gfn < r->nr )
            return r;
    }

    return NULL;
}

struct lend_range *lend_table_get(const struct lend_table *t, uint64_t id)
{
    unsigned int i;

    for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
        if ( t->range[i] && t->range[i]->id == id )
            return t->range[i];

    return NULL;
}

int lend_table_check(const struct lend_table *t, unsigned long gfn,
                     unsigned long nr)
{
    unsigned int i, used = 0;

    for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
    {
        const struct lend_range *r = t->range[i];

        if ( !r )
            continue;

        if ( gfn < r->gfn + r->nr && r->gfn < gfn + nr )
            return -EEXIST;
        used++;
    }

    return used < LEND_MAX_WINDOWS && nr <= LEND_MAX_SLOTS - t->slots
           ? 0 : -ENOSPC;
}

int lend_table_add(struct lend_table *t, struct lend_range *r)
{
    unsigned int i;
    int rc = lend_table_check(t, r->gfn, r->nr);

    if ( rc )
        return rc;

    for ( i = 0; t->range[i]; i++ )
        ASSERT(i < LEND_MAX_WINDOWS - 1);

    t->range[i] = r;
    t->slots += r->nr;

    return 0;
}

bool lend_table_del(struct lend_table *t, const struct lend_range *r)
{
    unsigned int i;

    for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
        if ( t->range[i] == r )
        {
            t->range[i] = NULL;
            t->slots -= r->nr;
            return true;
        }

    return false;
}

static unsigned long nr_chunks(const struct lend_range *r)
{
    return (r->nr + LEND_CHUNK - 1) >> LEND_CHUNK_ORDER;
}

int lend_range_init(struct lend_range *r, unsigned long gfn, unsigned long nr)
{
    r->gfn = gfn;
    r->nr = nr;
    r->lent = 0;
    r->chunk = vzalloc(nr_chunks(r) * sizeof(*r->chunk));

    return r->chunk ? 0 : -ENOMEM;
}

void lend_range_free(struct lend_range *r)
{
    unsigned long i;

    ASSERT(!r->lent);

    for ( i = 0; r->chunk && i < nr_chunks(r); i++ )
        xfree(r->chunk[i]);

    vfree(r->chunk);
    r->chunk = NULL;
}

uint64_t *lend_slot(const struct lend_range *r, unsigned long s)
{
    uint64_t *c;

    ASSERT(s < r->nr);

    c = ACCESS_ONCE(r->chunk[array_index_nospec(s >> LEND_CHUNK_ORDER,
                                                nr_chunks(r))]);

    return c ? c + (s & (LEND_CHUNK - 1)) : NULL;
}

/* Readers of the chunk array hold no lock that the caller holds. */
uint64_t *lend_slot_alloc(struct lend_range *r, unsigned long s)
{
    uint64_t **c = &r->chunk[s >> LEND_CHUNK_ORDER];

    ASSERT(s < r->nr);

    if ( !*c )
    {
        uint64_t *new = xzalloc_array(uint64_t, LEND_CHUNK);

        if ( !new )
            return NULL;

        smp_wmb();
        ACCESS_ONCE(*c) = new;
    }

    return lend_slot(r, s);
}

unsigned long lend_slot_next(const struct lend_range *r, unsigned long s,
                             unsigned long e)
{
    ASSERT(e <= r->nr);

    while ( s < e )
    {
        const uint64_t *slot = lend_slot(r, s);

        if ( !slot )
            s = (s | (LEND_CHUNK - 1)) + 1;
        else if ( *slot & LEND_SLOT_LENT )
            return s;
        else
            s++;
    }

    return e;
}

enum lend_slot_state lend_slot_test(const uint64_t *slot, uint64_t frame,
                                    bool write)
{
    if ( !(*slot & (LEND_SLOT_LENT | LEND_SLOT_REVOKING)) )
        return LEND_SLOT_empty;

    /* Fewer rights than the borrower has would need a flush: revoke first. */
    if ( (*slot & LEND_SLOT_REVOKING) || (*slot & LEND_SLOT_FRAME) != frame ||
         (!write && (*slot & LEND_SLOT_WRITE)) )
        return LEND_SLOT_busy;

    return !write || (*slot & LEND_SLOT_WRITE) ? LEND_SLOT_same
                                               : LEND_SLOT_upgrade;
}

static uint64_t next_seq(uint64_t slot)
{
    return (slot + LEND_SLOT_SEQ_ONE) & LEND_SLOT_SEQ;
}

void lend_slot_fill(struct lend_range *r, uint64_t *slot, uint64_t frame,
                    bool write)
{
    ASSERT(!(*slot & (LEND_SLOT_LENT | LEND_SLOT_REVOKING)));
    ASSERT(!(frame & ~LEND_SLOT_FRAME));

    *slot = LEND_SLOT_LENT | (write ? LEND_SLOT_WRITE : 0) |
            next_seq(*slot) | frame;
    r->lent++;
}

void lend_slot_upgrade(uint64_t *slot)
{
    ASSERT(*slot & LEND_SLOT_LENT);

    *slot = (*slot & ~LEND_SLOT_SEQ) | next_seq(*slot) | LEND_SLOT_WRITE;
}

void lend_slot_clear(uint64_t *slot, bool unread, bool unwritten)
{
    ASSERT(*slot & LEND_SLOT_LENT);

    *slot = (*slot & (LEND_SLOT_FRAME | LEND_SLOT_SEQ)) | LEND_SLOT_REVOKING |
            (unread ? LEND_SLOT_UNREAD : 0) |
            (unwritten ? LEND_SLOT_UNWRITTEN : 0);
}

uint64_t lend_slot_release(struct lend_range *r, uint64_t *slot)
{
    uint64_t frame = *slot & LEND_SLOT_FRAME;

    ASSERT(*slot & LEND_SLOT_REVOKING);
    ASSERT(r->lent);

    *slot &= ~(LEND_SLOT_REVOKING | LEND_SLOT_FRAME);
    r->lent--;

    return frame;
}

unsigned int lend_slot_seq(const struct lend_range *r, unsigned long s)
{
    const uint64_t *slot = lend_slot(r, s);

    return slot ? MASK_EXTR(ACCESS_ONCE(*slot), LEND_SLOT_SEQ) : 0;
}

/*
 * How often has this vCPU faulted here in a row without getting any further?
 * It did get further if a frame was lent since its last fault, and was used in
 * the way that faulted then; a plain count of faults would grow in a loop that
 * does work.
 */
uint32_t lend_note_fault(struct lend_vcpu *v, const struct lend_range *r,
                         unsigned long s, bool write)
{
    const uint64_t *p = lend_slot(r, s);
    uint64_t slot = p ? ACCESS_ONCE(*p) : 0;
    unsigned int seq = MASK_EXTR(slot, LEND_SLOT_SEQ);
    bool stalled = v->count && v->last.id == r->id && v->last.slot == s &&
                   (v->last.seq == seq ||
                    (slot & (v->write ? LEND_SLOT_UNWRITTEN
                                      : LEND_SLOT_UNREAD)));

    v->count = stalled ? v->count + (v->count != ~0U) : 1;
    v->last.id = r->id;
    v->last.slot = s;
    v->last.seq = seq;
    v->write = write;

    return v->count;
}

/* The last fault of the instruction at ip is to be completed with ones. */
void lend_note_ones(struct lend_vcpu *v, unsigned long ip)
{
    if ( v->ip != ip || v->nr_ones == LEND_MAX_ONES )
        v->nr_ones = 0;

    v->ip = ip;
    v->ones[v->nr_ones++] = v->last;
}

bool lend_is_ones(const struct lend_vcpu *v, const struct lend_range *r,
                  unsigned long s, unsigned long ip)
{
    unsigned int i;

    if ( v->ip == ip )
        for ( i = 0; i < v->nr_ones; i++ )
            if ( v->ones[i].id == r->id && v->ones[i].slot == s &&
                 v->ones[i].seq == lend_slot_seq(r, s) )
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
