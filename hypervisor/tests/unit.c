// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of the books of memory lending: TAP on stdout. */
#include "model.h"

long alloc_fail_after = -1;
long allocated;

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
    static const struct { int op; unsigned int used; bool window; } ops[] = {
        { XENLEND_info, sizeof(struct xen_mem_lend_info), false },
        { XENLEND_create, sizeof(struct xen_mem_lend_create), true },
        { XENLEND_destroy, 0, true },
        { XENLEND_lend, sizeof(struct xen_mem_lend_range), true },
        { XENLEND_revoke, sizeof(struct xen_mem_lend_range), true },
        { XENLEND_query, sizeof(struct xen_mem_lend_query), true },
    };
    unsigned int i, j;

    EXPECT(sizeof(struct xen_mem_lend) == 128);
    EXPECT(offsetof(struct xen_mem_lend, window) == 8);
    EXPECT(offsetof(struct xen_mem_lend, u) == 16);

    for ( i = 0; i < ARRAY_SIZE(ops); i++ )
    {
        struct xen_mem_lend good = { .op = ops[i].op };

        if ( ops[i].op == XENLEND_create )
            good.u.create.nr = 1;
        EXPECT(!lend_check_args(&good));

        for ( j = 0; j < 32; j++ )
        {
            struct xen_mem_lend op = good;

            op.flags = 1U << j;
            EXPECT(lend_check_args(&op) ==
                   (ops[i].op == XENLEND_lend && op.flags == XENLEND_WRITE
                    ? 0 : -EINVAL));
        }

        for ( j = ops[i].used; j < sizeof(good.u); j++ )
        {
            struct xen_mem_lend op = good;

            ((uint8_t *)&op.u)[j] = 0x80;
            EXPECT(lend_check_args(&op) == -EINVAL);
        }

        good.window = 1;
        EXPECT(lend_check_args(&good) == (ops[i].window ? 0 : -EINVAL));
        good.window = 0;
        good.domid = 1;
        EXPECT(lend_check_args(&good) ==
               (ops[i].op == XENLEND_info ? -EINVAL : 0));
    }

    for ( i = XENLEND_query + 1; i < 65536; i++ )
    {
        struct xen_mem_lend op = { .op = i };

        EXPECT(lend_check_args(&op) == -EOPNOTSUPP);
    }
    ok("unknown ops, unknown flags and what is not 0 are refused, for each op");

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
                .op = XENLEND_create,
                .u.create = { .gfn = c[i].gfn, .nr = c[i].nr },
            };

            EXPECT(lend_check_args(&op) == c[i].rc);
            op.u.create.pad = 1;
            EXPECT(lend_check_args(&op) == -EINVAL);
        }
    }
    ok("create: no slots, too many, a range that wraps");

    for ( i = 0; i < 2; i++ )
    {
        struct xen_mem_lend op = { .op = XENLEND_revoke };

        *(i ? &op.u.range.frames : &op.u.range.status) = 4096;
        EXPECT(lend_check_args(&op) == -EINVAL);
        op.op = XENLEND_lend;
        EXPECT(!lend_check_args(&op));
    }
    ok("revoke takes no arrays");
}

static void test_table(void)
{
    static struct lend_range r[LEND_MAX_WINDOWS + 1];
    struct lend_table t = {};
    unsigned int i;

    for ( i = 0; i <= LEND_MAX_WINDOWS; i++ )
    {
        EXPECT(!lend_range_init(&r[i], i * 100, 100));
        r[i].id = i + 1;
        EXPECT(lend_table_add(&t, &r[i]) ==
               (i < LEND_MAX_WINDOWS ? 0 : -ENOSPC));
    }
    EXPECT(lend_table_check(&t, 99, 1) == -EEXIST);
    EXPECT(lend_table_check(&t, 0, 1000000) == -EEXIST);
    EXPECT(lend_table_find(&t, 99) == &r[0]);
    EXPECT(lend_table_find(&t, 100) == &r[1]);
    EXPECT(lend_table_find(&t, ~0UL) == NULL);
    EXPECT(lend_table_get(&t, 0) == NULL);
    EXPECT(lend_table_get(&t, 5) == &r[4]);
    EXPECT(lend_table_del(&t, &r[4]));
    EXPECT(!lend_table_del(&t, &r[4]));
    EXPECT(lend_table_get(&t, 5) == NULL);
    EXPECT(!lend_table_add(&t, &r[LEND_MAX_WINDOWS]));
    for ( i = 0; i <= LEND_MAX_WINDOWS; i++ )
    {
        lend_table_del(&t, &r[i]);
        lend_range_free(&r[i]);
    }
    EXPECT(!t.slots);
    ok("a table has room for so many windows, which do not overlap");

    EXPECT(!lend_range_init(&r[0], 0, LEND_MAX_SLOTS - 1));
    EXPECT(!lend_table_add(&t, &r[0]));
    EXPECT(lend_table_check(&t, LEND_MAX_SLOTS, 2) == -ENOSPC);
    EXPECT(lend_table_check(&t, LEND_MAX_SLOTS, 1) == 0);
    EXPECT(lend_table_check(&t, LEND_MAX_SLOTS, ~0UL) == -ENOSPC);
    lend_table_del(&t, &r[0]);
    lend_range_free(&r[0]);
    ok("the slots of all windows together are bounded");
}

static void test_slots(void)
{
    struct lend_range r;
    uint64_t *s;

    EXPECT(!lend_range_init(&r, 7, LEND_CHUNK * 3 + 1));
    EXPECT(!lend_slot(&r, 0));
    EXPECT(lend_slot_next(&r, 0, r.nr) == r.nr);
    s = lend_slot_alloc(&r, r.nr - 1);
    EXPECT(s && !lend_slot(&r, r.nr - 2));
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_empty);
    lend_slot_fill(&r, s, 5, false);
    EXPECT(lend_slot_test(s, 5, false) == LEND_SLOT_same);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_upgrade);
    EXPECT(lend_slot_test(s, 6, false) == LEND_SLOT_busy);
    lend_slot_upgrade(s);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_same);
    EXPECT(lend_slot_test(s, 5, false) == LEND_SLOT_busy);
    EXPECT(lend_slot_next(&r, 0, r.nr) == r.nr - 1);
    EXPECT(lend_slot_next(&r, 0, r.nr - 1) == r.nr - 1);
    EXPECT(r.lent == 1);
    lend_slot_clear(s, false, false);
    EXPECT(r.lent == 1);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_busy);
    EXPECT(lend_slot_release(&r, s) == 5);
    EXPECT(!r.lent);
    EXPECT(lend_slot_test(s, 5, true) == LEND_SLOT_empty);
    lend_slot_fill(&r, s, LEND_SLOT_FRAME, true);
    lend_slot_clear(s, true, true);
    EXPECT(lend_slot_release(&r, s) == LEND_SLOT_FRAME);
    lend_range_free(&r);
    EXPECT(!allocated);
    ok("a slot's life");
}

static void test_count(void)
{
    struct lend_vcpu v = {}, w = {};
    struct lend_range r;
    uint64_t *s;
    unsigned int i;

    EXPECT(!lend_range_init(&r, 0, 10));
    r.id = 1;
    EXPECT(lend_note_fault(&v, &r, 3, false) == 1);
    EXPECT(lend_note_fault(&v, &r, 3, false) == 2);
    EXPECT(lend_note_fault(&v, &r, 4, false) == 1);
    EXPECT(lend_note_fault(&v, &r, 3, false) == 1);
    ok("faults with nothing lent in between count up, for each place anew");

    s = lend_slot_alloc(&r, 3);
    for ( i = 2; i < 5; i++ )
    {
        lend_slot_fill(&r, s, 9, true);
        lend_slot_clear(s, true, true);
        lend_slot_release(&r, s);
        EXPECT(lend_note_fault(&v, &r, 3, false) == i);
    }
    EXPECT(lend_note_fault(&w, &r, 3, false) == 1);
    ok("and so they do when what was lent was of no use to anybody");

    lend_slot_fill(&r, s, 9, true);
    lend_slot_clear(s, false, true);
    lend_slot_release(&r, s);
    EXPECT(lend_note_fault(&v, &r, 3, false) == 1);
    lend_slot_fill(&r, s, 9, true);
    lend_slot_clear(s, false, true);
    lend_slot_release(&r, s);
    EXPECT(lend_note_fault(&v, &r, 3, true) == 1);
    lend_slot_fill(&r, s, 9, true);
    lend_slot_clear(s, false, true);
    lend_slot_release(&r, s);
    EXPECT(lend_note_fault(&v, &r, 3, true) == 2);
    lend_slot_fill(&r, s, 9, true);
    lend_slot_clear(s, false, false);
    lend_slot_release(&r, s);
    EXPECT(lend_note_fault(&v, &r, 3, true) == 1);
    ok("what was read helps a reader, what was written a writer");

    lend_slot_fill(&r, s, 9, false);
    EXPECT(lend_note_fault(&v, &r, 3, true) == 1);
    EXPECT(lend_note_fault(&v, &r, 3, true) == 2);
    lend_slot_upgrade(s);
    lend_slot_clear(s, false, false);
    lend_slot_release(&r, s);
    EXPECT(lend_note_fault(&v, &r, 3, true) == 1);
    ok("a write to a slot that stays read-only counts up");

    v.count = ~0U;
    EXPECT(lend_note_fault(&v, &r, 3, true) == ~0U);
    ok("the count does not wrap");

    for ( i = 0; i < LEND_MAX_ONES + 2; i++ )
    {
        lend_note_fault(&v, &r, i, false);
        lend_note_ones(&v, 100);
        EXPECT(v.nr_ones <= LEND_MAX_ONES);
        EXPECT(lend_is_ones(&v, &r, i, 100));
    }
    EXPECT(!lend_is_ones(&v, &r, 0, 100));
    EXPECT(!lend_is_ones(&v, &r, i - 1, 101));
    lend_note_fault(&v, &r, 3, false);
    lend_note_ones(&v, 200);
    EXPECT(v.nr_ones == 1 && lend_is_ones(&v, &r, 3, 200));
    lend_slot_fill(&r, s, 9, false);
    EXPECT(!lend_is_ones(&v, &r, 3, 200));
    lend_slot_clear(s, false, false);
    lend_slot_release(&r, s);
    lend_range_free(&r);
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
    test_table();
    test_slots();
    test_count();
    test_random(seeds, 3000);
    printf("1..%d\n", tests);

    return !!failed;
}
