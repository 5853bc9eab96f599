// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of the books of memory lending: TAP on stdout. */
#include "model.h"

long alloc_fail_after = -1;
long allocated;

uint64_t *arch_lend_alloc_chunk(struct domain *d)
{
    (void)d;

    return test_alloc(LEND_CHUNK * sizeof(uint64_t));
}

void arch_lend_free_chunk(struct domain *d, uint64_t *chunk)
{
    (void)d;
    test_free(chunk);
}

static int tests, failed;
static bool bad;

static void ok(const char *name)
{
    printf("%sok %d - %s\n", bad ? "not " : "", ++tests, name);
    failed += bad;
    bad = false;
}

#define EXPECT(c) do { \
    if ( !(c) ) { \
        printf("# line %d: %s\n", __LINE__, #c); \
        bad = true; \
    } \
} while ( 0 )

static uint32_t draw_random(struct source *s, uint32_t n)
{
    s->state = s->state * 6364136223846793005ULL + 1442695040888963407ULL;

    return (s->state >> 33) % n;
}

static void test_args(void)
{
    /* Bytes of the union that each op makes use of; OUT counts as used. */
    static const struct { int op; unsigned int used, flags; } ops[] = {
        { XENMEM_LEND_info, sizeof(struct xen_mem_lend_info), 0 },
        { XENMEM_LEND_create, sizeof(struct xen_mem_lend_create), 0 },
        { XENMEM_LEND_destroy, sizeof(struct xen_mem_lend_destroy), 0 },
        { XENMEM_LEND_lend, sizeof(struct xen_mem_lend_lend),
          XENMEM_LEND_ANSWER },
        { XENMEM_LEND_revoke, sizeof(struct xen_mem_lend_revoke), 0 },
        { XENMEM_LEND_query, sizeof(struct xen_mem_lend_query), 0 },
    };
    unsigned int i, j;

    EXPECT(sizeof(struct xen_mem_lend) == 128);
    EXPECT(offsetof(struct xen_mem_lend, u) == 8);
    EXPECT(sizeof(struct xen_mem_lend_lend) == 112);
    EXPECT(offsetof(struct xen_mem_lend_lend, inline_frames) == 48);
    EXPECT(offsetof(struct xen_mem_lend_create, window) == 24);
    EXPECT(offsetof(struct xen_mem_lend_query, counters) == 16);
    EXPECT(sizeof(struct xen_mem_lend_counters) == 17 * 8);

    for ( i = 0; i < ARRAY_SIZE(ops); i++ )
    {
        struct xen_mem_lend good = { .op = ops[i].op };

        if ( ops[i].op == XENMEM_LEND_create )
            good.u.create.nr = 1;
        EXPECT(!lend_check_args(&good));

        for ( j = 0; j < 32; j++ )
        {
            struct xen_mem_lend op = good;

            op.flags = 1U << j;
            EXPECT(lend_check_args(&op) ==
                   (op.flags & ops[i].flags ? 0 : -EINVAL));
        }

        for ( j = ops[i].used; j < sizeof(good.u); j++ )
        {
            struct xen_mem_lend op = good;

            ((uint8_t *)&op.u)[j] = 0x80;
            EXPECT(lend_check_args(&op) == -EINVAL);
        }
    }

    for ( i = XENMEM_LEND_query + 1; i < 65536; i++ )
    {
        struct xen_mem_lend op = { .op = i };

        EXPECT(lend_check_args(&op) == -EOPNOTSUPP);
    }
    ok("unknown ops, unknown flags and what is not 0 are refused, for each op");

    for ( i = 0; i < 3; i++ )
    {
        struct xen_mem_lend op = { .op = XENMEM_LEND_destroy };

        op.u.destroy.pad[i] = 1;
        EXPECT(lend_check_args(&op) == -EINVAL);
        op.op = XENMEM_LEND_revoke;
        EXPECT(lend_check_args(&op) == -EINVAL);
        op.u.destroy.pad[i] = 0;
        EXPECT(!lend_check_args(&op));
    }
    {
        struct xen_mem_lend op = { .op = XENMEM_LEND_query };

        op.u.query.pad = 1;
        EXPECT(lend_check_args(&op) == -EINVAL);
    }
    ok("padding is 0");

    {
        static const struct { uint64_t gfn, nr; int rc; } c[] = {
            { 0, 0, -EINVAL },
            { 0, 1, 0 },
            { 0, LEND_MAX_SLOTS, 0 },
            { 0, LEND_MAX_SLOTS + 1, -EINVAL },
            { 0, ~0ULL, -EINVAL },
            { ~0ULL, 1, -EINVAL },
            { ~0ULL, 2, -EINVAL },
            { ~0ULL - 5, 5, 0 },
            { ~0ULL - 4, 5, -EINVAL },
        };

        for ( i = 0; i < ARRAY_SIZE(c); i++ )
        {
            struct xen_mem_lend op = {
                .op = XENMEM_LEND_create,
                .u.create = { .gfn = c[i].gfn, .nr = c[i].nr },
            };

            EXPECT(lend_check_args(&op) == c[i].rc);
            op.u.create.pad = 1;
            EXPECT(lend_check_args(&op) == -EINVAL);
        }
    }
    ok("create: no slots, too many, a range that wraps");

    {
        static const struct {
            uint32_t flags, vcpu;
            uint64_t nr, frames;
            int rc;
        } l[] = {
            { 0, 0, XENMEM_LEND_INLINE, 0, 0 },
            { 0, 0, XENMEM_LEND_INLINE + 1, 0, -EINVAL },
            { 0, 0, XENMEM_LEND_INLINE + 1, 8, 0 },
            { 0, 0, ~0ULL, 8, 0 },
            { 0, 1, 1, 0, -EINVAL },
            { XENMEM_LEND_ANSWER, 1, 1, 0, 0 },
            { XENMEM_LEND_ANSWER, 1, XENMEM_LEND_BATCH, 8, 0 },
            { XENMEM_LEND_ANSWER, 1, XENMEM_LEND_BATCH + 1, 8, -EINVAL },
        };

        for ( i = 0; i < ARRAY_SIZE(l); i++ )
        {
            struct xen_mem_lend op = {
                .op = XENMEM_LEND_lend,
                .flags = l[i].flags,
                .u.lend = { .vcpu = l[i].vcpu, .nr = l[i].nr,
                            .frames = l[i].frames },
            };

            EXPECT(lend_check_args(&op) == l[i].rc);
            op.u.lend.pad = 1;
            EXPECT(lend_check_args(&op) == -EINVAL);
        }
    }
    {
        static const uint64_t words[] = {
            XENMEM_LEND_2M, 512 | XENMEM_LEND_2M | XENMEM_LEND_WRITE,
            /* what it says else is looked at with the frames */
            XENMEM_LEND_2M | (uint64_t)7 << 44,
        };
        struct xen_mem_lend op = {
            .op = XENMEM_LEND_lend,
            .u.lend = { .nr = 512 },
        };
        struct xen_mem_lend_lend *l = &op.u.lend;

        for ( i = 0; i < ARRAY_SIZE(words); i++ )
        {
            l->inline_frames[0] = words[i];
            EXPECT(!lend_check_args(&op) && lend_is_large_call(l));
            op.flags = XENMEM_LEND_ANSWER;
            EXPECT(!lend_check_args(&op));
            op.flags = 0;
            l->nr = 511;
            EXPECT(lend_check_args(&op) == -EINVAL);
            l->nr = 513;
            EXPECT(lend_check_args(&op) == -EINVAL);
            l->nr = 512;
            l->status = 8;
            EXPECT(lend_check_args(&op) == -EINVAL);
            l->status = 0;
            l->frames = 8;
            EXPECT(!lend_check_args(&op) && !lend_is_large_call(l));
            l->frames = 0;
        }
        for ( i = 0; i < 16; i++ )
        {
            l->inline_frames[0] = (uint64_t)i << 40;
            EXPECT(lend_check_args(&op) == (i == 9 ? 0 : -EINVAL));
        }
    }
    ok("lend: few frames inline, a vCPU only to answer it, one batch then");
}

static void test_words(void)
{
    static const struct { uint64_t word, what; int rc; } t[] = {
        { 5, 5, 0 },
        { XENMEM_LEND_FRAME_MASK, LEND_SLOT_FRAME, 0 },
        { 5 | XENMEM_LEND_WRITE, 5, 0 },
        { 5 | XENMEM_LEND_WC, 5 | LEND_SLOT_WC, 0 },
        { 5 | XENMEM_LEND_UC | XENMEM_LEND_WRITE, 5 | LEND_SLOT_UC, 0 },
        { 5 | XENMEM_LEND_MMIO | XENMEM_LEND_WC,
          5 | LEND_SLOT_MMIO | LEND_SLOT_WC, 0 },
        { 5 | XENMEM_LEND_MMIO | XENMEM_LEND_UC,
          5 | LEND_SLOT_MMIO | LEND_SLOT_UC, 0 },
        { 5 | XENMEM_LEND_MMIO | XENMEM_LEND_WB, 0, -EINVAL },
    };
    unsigned int i;
    uint64_t what;

    for ( i = 0; i < ARRAY_SIZE(t); i++ )
    {
        EXPECT(lend_check_word(t[i].word, &what) == t[i].rc);
        EXPECT(t[i].rc || what == t[i].what);
        EXPECT(t[i].rc || !(what & ~LEND_SLOT_WHAT));
    }
    for ( i = 3; i < 16; i++ )
        EXPECT(lend_check_word(5 | (uint64_t)i << 44, &what) == -EINVAL);
    for ( i = 40; i < 64; i++ )
    {
        uint64_t bit = (uint64_t)1 << i;
        bool fine = bit == XENMEM_LEND_WC || bit == XENMEM_LEND_UC ||
                    bit == XENMEM_LEND_WRITE;

        EXPECT(lend_check_word(5 | bit, &what) == (fine ? 0 : -EINVAL));
        fine |= bit == XENMEM_LEND_MMIO;
        EXPECT(lend_check_word(5 | bit | XENMEM_LEND_MMIO | XENMEM_LEND_UC,
                               &what) ==
               (fine && bit != XENMEM_LEND_WC ? 0 : -EINVAL));
    }
    ok("memory types and MMIO: what there is, and no other bit");
}

static void test_table(void)
{
    static struct lend_window r[LEND_MAX_WINDOWS + 1];
    struct lend_table t = {};
    unsigned int i;

    for ( i = 0; i <= LEND_MAX_WINDOWS; i++ )
    {
        EXPECT(!lend_window_init(&r[i], i * 100, 100));
        r[i].id = i + 1;
        EXPECT(lend_table_add(&t, &r[i]) ==
               (i < LEND_MAX_WINDOWS ? 0 : -ENOSPC));
    }
    EXPECT(lend_table_check(&t, 99, 1) == -EEXIST);
    EXPECT(lend_table_check(&t, 0, 1000000) == -EEXIST);
    EXPECT(lend_table_find(&t, 99) == &r[0]);
    EXPECT(lend_table_find(&t, 100) == &r[1]);
    EXPECT(lend_table_find(&t, ~0UL) == NULL);
    EXPECT(lend_table_del(&t, &r[4]));
    EXPECT(!lend_table_del(&t, &r[4]));
    EXPECT(!lend_table_add(&t, &r[LEND_MAX_WINDOWS]));
    for ( i = 0; i <= LEND_MAX_WINDOWS; i++ )
    {
        lend_table_del(&t, &r[i]);
        window_end(&r[i]);
    }
    EXPECT(!t.slots);
    ok("a table has room for so many windows, which do not overlap");

    /* 7 and 16 have no common divisor: all of them, in some order */
    for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
    {
        unsigned int k = i * 7 % LEND_MAX_WINDOWS;

        EXPECT(!lend_window_init(&r[k], 1000 + k * 100, 50));
        EXPECT(!lend_table_add(&t, &r[k]));
    }
    for ( i = 0; i < LEND_MAX_WINDOWS; i++ )
    {
        unsigned int k = i * 5 % LEND_MAX_WINDOWS, j;

        for ( j = 0; j < LEND_MAX_WINDOWS; j++ )
        {
            struct lend_window *w = r[j].chunk ? &r[j] : NULL;

            EXPECT(lend_table_find(&t, 999 + j * 100) == NULL);
            EXPECT(lend_table_find(&t, 1000 + j * 100) == w);
            EXPECT(lend_table_find(&t, 1049 + j * 100) == w);
            EXPECT(lend_table_find(&t, 1050 + j * 100) == NULL);
            EXPECT(lend_table_check(&t, 1049 + j * 100, 2) ==
                   (w ? -EEXIST : t.nr == LEND_MAX_WINDOWS ? -ENOSPC : 0));
        }
        EXPECT(lend_table_del(&t, &r[k]));
        EXPECT(!lend_table_del(&t, &r[k]));
        window_end(&r[k]);
    }
    EXPECT(!t.nr && !t.slots);
    ok("windows are found in whatever order they come and go");

    EXPECT(!lend_window_init(&r[0], 0, LEND_MAX_SLOTS - 1));
    EXPECT(!lend_table_add(&t, &r[0]));
    EXPECT(lend_table_check(&t, LEND_MAX_SLOTS, 2) == -ENOSPC);
    EXPECT(lend_table_check(&t, LEND_MAX_SLOTS, 1) == 0);
    EXPECT(lend_table_check(&t, LEND_MAX_SLOTS, ~0UL) == -ENOSPC);
    lend_table_del(&t, &r[0]);
    window_end(&r[0]);
    ok("the slots of all windows together are bounded");
}

static void model_clear_large(struct lend_window *w, unsigned long s)
{
    unsigned int i;
    bool dirty;

    lend_large_clear(w, s, false, false);
    for ( i = 0; i < LEND_CHUNK; i++ )
    {
        EXPECT(lend_slot_release(w, lend_slot(w, s + i), &dirty) ==
               LEND_CHUNK + i);
        EXPECT(dirty);
    }
}

static void test_slots(void)
{
    struct lend_window w = {};
    uint64_t *s;
    bool dirty;

    EXPECT(!lend_window_init(&w, 7, LEND_CHUNK * 3 + 1));
    EXPECT(!lend_slot(&w, 0));
    EXPECT(lend_slot_next(&w, 0, w.nr) == w.nr);
    s = lend_slot_alloc(&w, w.nr - 1);
    EXPECT(s && !lend_slot(&w, w.nr - 2));
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_empty);
    lend_slot_fill(&w, s, 5, false);
    EXPECT(lend_slot_test(s, 5, false) == LEND_SLOT_same);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_upgrade);
    EXPECT(lend_slot_test(s, 6, false) == LEND_SLOT_busy);
    EXPECT(lend_slot_test(s, 5 | LEND_SLOT_WC, false) == LEND_SLOT_busy);
    EXPECT(lend_slot_test(s, 5 | LEND_SLOT_MMIO, true) == LEND_SLOT_busy);
    lend_slot_upgrade(s);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_same);
    EXPECT(lend_slot_test(s, 5, false) == LEND_SLOT_busy);
    EXPECT(lend_slot_next(&w, 0, w.nr) == w.nr - 1);
    EXPECT(lend_slot_next(&w, 0, w.nr - 1) == w.nr - 1);
    EXPECT(w.lent == 1);
    lend_slot_clear(s, false, false);
    EXPECT(w.lent == 1);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_busy);
    EXPECT(lend_slot_release(&w, s, &dirty) == 5);
    EXPECT(dirty);
    EXPECT(!w.lent);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_empty);
    lend_slot_fill(&w, s, LEND_SLOT_FRAME, true);
    lend_slot_clear(s, true, true);
    EXPECT(lend_slot_release(&w, s, &dirty) == LEND_SLOT_FRAME);
    EXPECT(dirty);
    lend_slot_fill(&w, s, 5, false);
    lend_slot_clear(s, true, true);
    EXPECT(lend_slot_release(&w, s, &dirty) == 5);
    EXPECT(!dirty);
    EXPECT(!w.mmio);
    lend_slot_fill(&w, s, 5 | LEND_SLOT_MMIO | LEND_SLOT_UC, true);
    EXPECT(w.mmio == 1);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_busy);
    lend_slot_clear(s, false, false);
    EXPECT(w.mmio == 1);
    EXPECT(lend_slot_release(&w, s, &dirty) ==
           (5 | LEND_SLOT_MMIO | LEND_SLOT_UC));
    EXPECT(dirty);
    EXPECT(!w.mmio);
    window_end(&w);
    EXPECT(!allocated);
    ok("a slot's life");

    EXPECT(!lend_window_init(&w, 0, LEND_CHUNK * 2 + 10));
    w.dead = false;
    s = lend_slot_alloc(&w, LEND_CHUNK);
    EXPECT(s && lend_slot_alloc(&w, 0) && lend_slot_alloc(&w, LEND_CHUNK * 2));
    EXPECT(lend_large_test(&w, LEND_CHUNK, LEND_CHUNK, true) ==
           LEND_SLOT_empty);
    lend_large_fill(&w, LEND_CHUNK, LEND_CHUNK, true);
    EXPECT(w.lent == LEND_CHUNK && w.large == 1);
    EXPECT(lend_slot_test(s + 7, LEND_CHUNK + 7, true) == LEND_SLOT_same);
    {
        /* from, to: what is revoked first */
        static const unsigned long t[][4] = {
            { 512, 1024, 512, 1024 }, { 600, 601, 512, 1024 },
            { 512, 513, 512, 1024 }, { 1023, 1034, 512, 1024 },
            { 500, 600, 500, 512 }, { 0, 1034, 0, 512 },
            { 1, 1034, 1, 512 }, { 1024, 1034, 1024, 1034 },
        };
        unsigned int i;

        for ( i = 0; i < ARRAY_SIZE(t); i++ )
        {
            unsigned long from = t[i][0];

            EXPECT(lend_revoke_step(&w, &from, t[i][1]) == t[i][3]);
            EXPECT(from == t[i][2]);
        }
    }
    model_clear_large(&w, LEND_CHUNK);
    EXPECT(!w.lent && !w.large);
    window_end(&w);
    EXPECT(!allocated);
    ok("a large entry is revoked as a whole, or not at all");
}

static void test_count(void)
{
    struct lend_vcpu v = {}, other = {};
    struct lend_window w = {};
    uint64_t *s;
    unsigned int i;
    bool dirty;

    EXPECT(!lend_window_init(&w, 0, 10));
    w.id = 1;
    EXPECT(lend_note_fault(&v, &w, 3, false) == 1);
    EXPECT(lend_note_fault(&v, &w, 3, false) == 2);
    EXPECT(lend_note_fault(&v, &w, 4, false) == 1);
    EXPECT(lend_note_fault(&v, &w, 3, false) == 1);
    ok("faults with nothing lent in between count up, for each place anew");

    s = lend_slot_alloc(&w, 3);
    for ( i = 2; i < 5; i++ )
    {
        lend_slot_fill(&w, s, 9, true);
        lend_slot_clear(s, true, true);
        lend_slot_release(&w, s, &dirty);
        EXPECT(lend_note_fault(&v, &w, 3, false) == i);
    }
    EXPECT(lend_note_fault(&other, &w, 3, false) == 1);
    ok("and so they do when what was lent was of no use to anybody");

    lend_slot_fill(&w, s, 9, true);
    lend_slot_clear(s, false, true);
    lend_slot_release(&w, s, &dirty);
    EXPECT(lend_note_fault(&v, &w, 3, false) == 1);
    lend_slot_fill(&w, s, 9, true);
    lend_slot_clear(s, false, true);
    lend_slot_release(&w, s, &dirty);
    EXPECT(lend_note_fault(&v, &w, 3, true) == 1);
    lend_slot_fill(&w, s, 9, true);
    lend_slot_clear(s, false, true);
    lend_slot_release(&w, s, &dirty);
    EXPECT(lend_note_fault(&v, &w, 3, true) == 2);
    lend_slot_fill(&w, s, 9, true);
    lend_slot_clear(s, false, false);
    lend_slot_release(&w, s, &dirty);
    EXPECT(lend_note_fault(&v, &w, 3, true) == 1);
    ok("what was read helps a reader, what was written a writer");

    lend_slot_fill(&w, s, 9, false);
    EXPECT(lend_note_fault(&v, &w, 3, true) == 1);
    EXPECT(lend_note_fault(&v, &w, 3, true) == 2);
    lend_slot_upgrade(s);
    lend_slot_clear(s, false, false);
    lend_slot_release(&w, s, &dirty);
    EXPECT(lend_note_fault(&v, &w, 3, true) == 1);
    ok("a write to a slot that stays read-only counts up");

    v.count = ~0U;
    EXPECT(lend_note_fault(&v, &w, 3, true) == ~0U);
    ok("the count does not wrap");

    for ( i = 0; i < LEND_MAX_ONES + 2; i++ )
    {
        lend_note_fault(&v, &w, i, false);
        lend_note_ones(&v, 100);
        EXPECT(v.nr_ones <= LEND_MAX_ONES);
        EXPECT(lend_is_ones(&v, &w, i, 100));
    }
    EXPECT(!lend_is_ones(&v, &w, 0, 100));
    EXPECT(!lend_is_ones(&v, &w, i - 1, 101));
    lend_note_fault(&v, &w, 3, false);
    lend_note_ones(&v, 200);
    EXPECT(v.nr_ones == 1 && lend_is_ones(&v, &w, 3, 200));
    lend_slot_fill(&w, s, 9, false);
    EXPECT(!lend_is_ones(&v, &w, 3, 200));
    lend_slot_clear(s, false, false);
    lend_slot_release(&w, s, &dirty);
    window_end(&w);
    ok("ones are for one instruction, and until something is lent");
}

static void test_random(unsigned int seeds, unsigned int steps)
{
    static struct model m;
    unsigned int i, j;

    for ( i = 0; i < seeds; i++ )
    {
        struct source src = { .draw = draw_random, .state = i };

        memset(&m, 0, sizeof(m));
        for ( j = 0; j < steps; j++ )
        {
            model_step(&m, &src);
            if ( !(j % 64) )
                model_check(&m);
        }
        model_check(&m);
        model_end(&m, &src);
        EXPECT(!allocated);
        EXPECT(!m.table.slots);
    }
    ok("random steps, some without memory, agree with the model");
}

int main(int argc, char **argv)
{
    unsigned int seeds = argc > 1 ? atoi(argv[1]) : 40;

    test_args();
    test_words();
    test_table();
    test_slots();
    test_count();
    test_random(seeds, 3000);
    printf("1..%d\n", tests);

    return !!failed;
}
