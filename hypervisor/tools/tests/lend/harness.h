/* SPDX-License-Identifier: GPL-2.0-only */
/* What xen/common/lend-window.c needs of Xen, for user space. */
#ifndef HARNESS_H
#define HARNESS_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Of what a window has besides its books only the place matters here. */
typedef struct { int unused; } spinlock_t;
typedef struct { int counter; } atomic_t;
struct list_head { struct list_head *next, *prev; };

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ASSERT(x) assert(x)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ACCESS_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define MASK_EXTR(v, m) (((v) & (m)) / ((m) & -(m)))
#define array_index_nospec(i, n) ((void)(n), (i))
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#include "../../../xen/include/public/lend.h"
#include "../../../xen/include/xen/lend-window.h"

/* Allocations until the next one that fails; negative: none fails. */
extern long alloc_fail_after;
extern long allocated;

static inline void *test_alloc(size_t size)
{
    void *p;

    if ( !alloc_fail_after )
        return NULL;
    if ( alloc_fail_after > 0 )
        alloc_fail_after--;

    p = calloc(1, size ? size : 1);
    allocated += !!p;

    return p;
}

static inline void test_free(void *p)
{
    allocated -= !!p;
    free(p);
}

#define vzalloc(size) test_alloc(size)
#define vfree(p) test_free(p)

#endif
