// SPDX-License-Identifier: GPL-2.0-only
/* The model test with steps from libFuzzer, and the arguments as they come. */
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

static uint32_t draw_data(struct source *s, uint32_t n)
{
    uint32_t v = 0;
    unsigned int i, bytes = n > 0x10000 ? 4 : n > 0x100 ? 2 : 1;

    for ( i = 0; i < bytes && s->size; i++, s->size-- )
        v = v << 8 | *s->data++;

    return v % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    struct source src = { .draw = draw_data, .data = data, .size = size };

    if ( size >= sizeof(struct xen_mem_lend) )
    {
        struct xen_mem_lend op;

        memcpy(&op, data, sizeof(op));
        if ( !lend_check_args(&op) && op.op == XENMEM_LEND_create )
            CHECK(op.u.create.nr && op.u.create.nr <= LEND_MAX_SLOTS &&
                  op.u.create.gfn + op.u.create.nr > op.u.create.gfn);
    }

    memset(&m, 0, sizeof(m));
    while ( src.size )
        model_step(&m, &src);
    model_check(&m);
    model_end(&m, &src);
    CHECK(!allocated);

    return 0;
}
