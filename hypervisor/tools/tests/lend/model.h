/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A naive model of the books, and one step of both side by side.  The random
 * test and the fuzzer draw the steps from different sources.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdio.h>
#include <string.h>

#include "harness.h"

#define MODEL_RANGES 20         /* more than there can be windows */
#define MODEL_SLOTS  2048
#define MODEL_FRAMES 7
#define MODEL_GFNS   8192

struct model_slot {
    bool lent, write, unread, unwritten;
    uint64_t frame;
    unsigned int seq;
};

struct model_range {
    bool used, in_table;
    struct lend_window w;
    unsigned long gfn, nr;
    struct model_slot slot[MODEL_SLOTS];
    bool large[MODEL_SLOTS / LEND_CHUNK + 1];
    bool chunk[MODEL_SLOTS / LEND_CHUNK + 1];
};

struct model_vcpu {
    struct lend_vcpu v;
    struct { uint64_t id; unsigned long slot; unsigned int seq; bool write; } last;
    uint32_t count;
    bool any;
};

struct model {
    struct lend_table table;
    struct model_range range[MODEL_RANGES];
    struct model_vcpu vcpu[2];
    uint64_t last_id;
};

/* Draws the next number below n. */
struct source {
    uint32_t (*draw)(struct source *s, uint32_t n);
    const uint8_t *data;
    size_t size;
    uint64_t state;
};

#define CHECK(c) do { \
    if ( !(c) ) { \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c); \
        abort(); \
    } \
} while ( 0 )

static inline struct model_range *model_at(struct model *m, unsigned long gfn)
{
    unsigned int i;

    for ( i = 0; i < MODEL_RANGES; i++ )
        if ( m->range[i].in_table && gfn >= m->range[i].gfn &&
             gfn < m->range[i].gfn + m->range[i].nr )
            return &m->range[i];

    return NULL;
}

static inline unsigned int slot_seq(const struct lend_window *w,
                                    unsigned long s)
{
    const uint64_t *slot = lend_slot(w, s);

    return slot ? MASK_EXTR(*slot, LEND_SLOT_SEQ) : 0;
}

/* An empty window's books go, some pages at a time. */
static inline void window_end(struct lend_window *w)
{
    long before = allocated;
    unsigned long s;

    w->dead = true;
    lend_window_close(w);
    for ( s = 0; s < w->nr; s += LEND_CHUNK )
        CHECK(!lend_slot(w, s));
    while ( !lend_window_drain(w, 1) )
    {
        CHECK(allocated == before - 1);
        before = allocated;
        /* Closing again changes nothing. */
        lend_window_close(w);
    }
    CHECK(lend_window_drain(w, 1));
    lend_window_fini(w);
}

static inline void model_drop(struct model *m, struct model_range *x)
{
    if ( x->in_table )
        CHECK(lend_table_del(&m->table, &x->w));
    CHECK(!lend_table_del(&m->table, &x->w));
    window_end(&x->w);
    x->used = x->in_table = false;
}

/* Everything lent in [s, e) comes back, and large entries as a whole. */
static inline void model_revoke(struct model_range *x, unsigned long s,
                                unsigned long e, struct source *src)
{
    unsigned long i, next = s, n;
    bool dirty;

    /* As Xen does it: step by step, none of which has half of one. */
    for ( i = s; (i = lend_slot_next(&x->w, i, e)) < e; i = n )
    {
        unsigned long from = i, end;

        n = lend_revoke_step(&x->w, &from, e);
        end = (i | (LEND_CHUNK - 1)) + 1;
        if ( x->large[i / LEND_CHUNK] )
        {
            CHECK(from == (i & ~(LEND_CHUNK - 1)) && n == end);
            s = from < s ? from : s;
            e = n > e ? n : e;
            continue;
        }
        CHECK(from == i && n > i && n <= e && n - i <= LEND_CHUNK);
        CHECK(n == e || n == i + LEND_CHUNK ||
              (n == end && x->large[n / LEND_CHUNK]));
        CHECK(n <= end || !x->large[end / LEND_CHUNK]);
    }

    for ( next = i = s; i < e; i++ )
    {
        bool unread, unwritten;
        unsigned int j;

        if ( i % LEND_CHUNK || !x->large[i / LEND_CHUNK] )
            continue;

        CHECK(lend_is_large(&x->w, i) && lend_is_large(&x->w, i + 511));
        unread = src->draw(src, 2);
        unwritten = unread || src->draw(src, 2);
        lend_large_clear(&x->w, i, unread, unwritten);
        CHECK(!lend_is_large(&x->w, i));
        x->large[i / LEND_CHUNK] = false;
        for ( j = 0; j < LEND_CHUNK; j++ )
        {
            struct model_slot *ms = &x->slot[i + j];

            CHECK(ms->lent);
            ms->unread = unread;
            ms->unwritten = unwritten;
            CHECK(lend_slot_release(&x->w, lend_slot(&x->w, i + j), &dirty) ==
                  ms->frame);
            CHECK(dirty == ms->write);
            ms->lent = ms->write = false;
        }
    }

    for ( i = s; i < e; i++ )
    {
        struct model_slot *ms = &x->slot[i];
        bool unread, unwritten;
        uint64_t *slot;

        if ( !ms->lent )
            continue;

        next = lend_slot_next(&x->w, next, e);
        CHECK(next == i);

        unread = src->draw(src, 2);
        unwritten = unread || src->draw(src, 2);
        slot = lend_slot(&x->w, i);
        lend_slot_clear(slot, unread, unwritten);
        CHECK(lend_slot_test(slot, ms->frame, false) == LEND_SLOT_busy);
        next++;
        ms->unread = unread;
        ms->unwritten = unwritten;
    }

    CHECK(lend_slot_next(&x->w, next, e) == e);

    for ( i = s; i < e; i++ )
    {
        struct model_slot *ms = &x->slot[i];

        if ( !ms->lent )
            continue;

        CHECK(lend_slot_release(&x->w, lend_slot(&x->w, i), &dirty) ==
              ms->frame);
        CHECK(dirty == ms->write);
        ms->lent = ms->write = false;
    }
}

static inline void model_lend(struct model_range *x, unsigned long s,
                              struct source *src)
{
    static const uint64_t kinds[] = {
        0, 0, LEND_SLOT_WC, LEND_SLOT_UC, LEND_SLOT_MMIO | LEND_SLOT_WC,
        LEND_SLOT_MMIO | LEND_SLOT_UC,
    };
    uint64_t frame = src->draw(src, MODEL_FRAMES) *
                     (LEND_SLOT_FRAME / (MODEL_FRAMES - 1)) |
                     kinds[src->draw(src, ARRAY_SIZE(kinds))];
    bool write = src->draw(src, 2), had = x->chunk[s / LEND_CHUNK];
    struct model_slot *ms = &x->slot[s];
    uint64_t *slot;

    if ( !src->draw(src, 16) )
        alloc_fail_after = 0;
    slot = lend_slot_alloc(&x->w, s);
    CHECK(slot || (!had && !alloc_fail_after));
    alloc_fail_after = -1;
    if ( !slot )
    {
        CHECK(!lend_slot(&x->w, s));
        return;
    }
    x->chunk[s / LEND_CHUNK] = true;
    CHECK(slot == lend_slot(&x->w, s));

    switch ( lend_slot_test(slot, frame, write) )
    {
    case LEND_SLOT_empty:
        CHECK(!ms->lent);
        lend_slot_fill(&x->w, slot, frame, write);
        ms->lent = true;
        ms->unread = ms->unwritten = false;
        ms->frame = frame;
        ms->write = write;
        ms->seq = (ms->seq + 1) & 0x7fff;
        break;

    case LEND_SLOT_same:
        CHECK(ms->lent && ms->frame == frame && ms->write == write);
        break;

    case LEND_SLOT_upgrade:
        CHECK(ms->lent && ms->frame == frame && write && !ms->write);
        lend_slot_upgrade(slot);
        ms->write = true;
        ms->seq = (ms->seq + 1) & 0x7fff;
        break;

    case LEND_SLOT_busy:
        CHECK(ms->lent && (ms->frame != frame || (ms->write && !write)));
        break;

    default:
        CHECK(false);
        break;
    }
}

static inline void model_lend_large(struct model_range *x, unsigned long s,
                                    struct source *src)
{
    uint64_t what = (1 + src->draw(src, 4)) * LEND_CHUNK |
                    (src->draw(src, 4) ? 0 : LEND_SLOT_MMIO | LEND_SLOT_UC);
    bool write = src->draw(src, 2), any = false;
    enum lend_slot_state state;
    unsigned int i;

    s &= ~(LEND_CHUNK - 1);
    if ( x->nr - s < LEND_CHUNK || !lend_slot_alloc(&x->w, s) )
        return;
    x->chunk[s / LEND_CHUNK] = true;

    for ( i = 0; i < LEND_CHUNK; i++ )
        any |= x->slot[s + i].lent;

    state = lend_large_test(&x->w, s, what, write);
    if ( state == LEND_SLOT_empty )
    {
        CHECK(!any && !x->large[s / LEND_CHUNK]);
        lend_large_fill(&x->w, s, what, write);
        x->large[s / LEND_CHUNK] = true;
    }
    else if ( state == LEND_SLOT_upgrade )
    {
        CHECK(x->large[s / LEND_CHUNK] && write && !x->slot[s].write &&
              x->slot[s].frame == what);
        lend_large_upgrade(&x->w, s);
    }
    else
    {
        CHECK(any);
        CHECK((state == LEND_SLOT_same) ==
              (x->large[s / LEND_CHUNK] && x->slot[s].frame == what &&
               x->slot[s].write == write));
        return;
    }

    for ( i = 0; i < LEND_CHUNK; i++ )
    {
        struct model_slot *ms = &x->slot[s + i];

        if ( state == LEND_SLOT_empty )
            ms->unread = ms->unwritten = false;
        ms->lent = true;
        ms->frame = what + i;
        ms->write = write;
        ms->seq = (ms->seq + 1) & 0x7fff;
    }
}

static inline void model_fault(struct model *m, struct model_range *x,
                               unsigned long s, struct source *src)
{
    struct model_vcpu *v = &m->vcpu[src->draw(src, 2)];
    const struct model_slot *ms = &x->slot[s];
    bool write = src->draw(src, 2);
    unsigned long ip = src->draw(src, 3);
    bool stalled = v->any && v->last.id == x->w.id && v->last.slot == s &&
                   (v->last.seq == ms->seq ||
                    (v->last.write ? ms->unwritten : ms->unread));

    v->count = stalled ? v->count + 1 : 1;
    v->any = true;
    v->last.id = x->w.id;
    v->last.slot = s;
    v->last.seq = ms->seq;
    v->last.write = write;
    CHECK(lend_note_fault(&v->v, &x->w, s, write) == v->count);
    CHECK(lend_waits_at(&v->v, &x->w) == ~0UL);
    v->v.pending = true;
    CHECK(lend_waits_at(&v->v, &x->w) == s);
    v->v.pending = false;
    CHECK(slot_seq(&x->w, s) == ms->seq);

    if ( src->draw(src, 4) )
        return;

    lend_note_ones(&v->v, ip);
    CHECK(v->v.nr_ones >= 1 && v->v.nr_ones <= LEND_MAX_ONES);
    CHECK(lend_is_ones(&v->v, &x->w, s, ip));
    CHECK(!lend_is_ones(&v->v, &x->w, s, ip + 1));
}

static inline void model_step(struct model *m, struct source *src)
{
    struct model_range *x = &m->range[src->draw(src, MODEL_RANGES)];
    unsigned int i, in_table = 0;
    unsigned long gfn, s, e, slots = 0;

    switch ( src->draw(src, x->used ? 8 : 1) )
    {
    case 0:
        if ( x->used )
        {
            int rc = 0;

            if ( x->in_table )
                break;

            /* Offer it to the table. */
            for ( i = 0; i < MODEL_RANGES; i++ )
            {
                const struct model_range *o = &m->range[i];

                if ( !o->in_table )
                    continue;
                in_table++;
                if ( x->gfn < o->gfn + o->nr && o->gfn < x->gfn + x->nr )
                    rc = -EEXIST;
            }
            if ( !rc && in_table == LEND_MAX_WINDOWS )
                rc = -ENOSPC;
            CHECK(lend_table_check(&m->table, x->gfn, x->nr) == rc);
            CHECK(lend_table_add(&m->table, &x->w) == rc);
            x->in_table = !rc;
            break;
        }

        memset(x, 0, sizeof(*x));
        x->gfn = src->draw(src, MODEL_GFNS);
        x->nr = 1 + src->draw(src, src->draw(src, 2) ? MODEL_SLOTS : 64);
        if ( !src->draw(src, 8) )
            alloc_fail_after = 0;
        x->used = !lend_window_init(&x->w, x->gfn, x->nr);
        CHECK(x->used || !alloc_fail_after);
        alloc_fail_after = -1;
        if ( !x->used )
            lend_window_fini(&x->w);
        x->w.id = ++m->last_id;
        break;

    case 1:
        model_revoke(x, 0, x->nr, src);
        model_drop(m, x);
        break;

    case 2:
        s = src->draw(src, x->nr);
        e = s + src->draw(src, x->nr - s + 1);
        model_revoke(x, s, e, src);
        break;

    case 3:
        model_fault(m, x, src->draw(src, x->nr), src);
        break;

    default:
        s = src->draw(src, x->nr);
        if ( !src->draw(src, 8) )
            model_lend_large(x, s, src);
        for ( i = 1 + src->draw(src, 40); i-- && s < x->nr; s++ )
            if ( !x->large[s / LEND_CHUNK] )
                model_lend(x, s, src);
        break;
    }

    gfn = src->draw(src, MODEL_GFNS + MODEL_SLOTS);
    x = model_at(m, gfn);
    CHECK(lend_table_find(&m->table, gfn) == (x ? &x->w : NULL));

    for ( i = 0; i < MODEL_RANGES; i++ )
    {
        x = &m->range[i];
        if ( x->in_table )
            slots += x->nr;
    }
    CHECK(m->table.slots == slots);
}

static inline void model_check(const struct model *m)
{
    unsigned int i;

    for ( i = 0; i < MODEL_RANGES; i++ )
    {
        const struct model_range *x = &m->range[i];
        unsigned long s, lent = 0, mmio = 0, large = 0;

        if ( !x->used )
            continue;

        for ( s = 0; s < x->nr; s++ )
        {
            const struct model_slot *ms = &x->slot[s];
            const uint64_t *slot = lend_slot(&x->w, s);

            CHECK(!slot == !x->chunk[s / LEND_CHUNK]);
            if ( !slot )
                continue;
            lent += ms->lent;
            mmio += ms->lent && (ms->frame & LEND_SLOT_MMIO);
            CHECK(!!(*slot & LEND_SLOT_LENT) == ms->lent);
            CHECK(!!(*slot & LEND_SLOT_WRITE) == ms->write);
            CHECK(!(*slot & LEND_SLOT_REVOKING));
            CHECK((*slot & LEND_SLOT_WHAT) == (ms->lent ? ms->frame : 0));
            CHECK(slot_seq(&x->w, s) == ms->seq);
            large += !(s % LEND_CHUNK) && x->large[s / LEND_CHUNK];
            CHECK(lend_is_large(&x->w, s) == x->large[s / LEND_CHUNK]);
        }
        CHECK(x->w.lent == lent);
        CHECK(x->w.mmio == mmio);
        CHECK(x->w.large == large);
    }
}

static inline void model_end(struct model *m, struct source *src)
{
    unsigned int i;

    for ( i = 0; i < MODEL_RANGES; i++ )
        if ( m->range[i].used )
        {
            model_revoke(&m->range[i], 0, m->range[i].nr, src);
            model_drop(m, &m->range[i]);
        }
}

#endif
