/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of the kernel as books.c and request.c need, for user space: every
 * header that they include becomes this one (see the Makefile).
 *
 * Locks are pthread mutexes, so that the sanitizers see them; to disable
 * interrupts means nothing, since here they come from other threads.
 */
#ifndef TEST_KERNEL_H
#define TEST_KERNEL_H

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- types and compilers */

/* the kernel's needs no message */
#undef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef uint16_t domid_t;
typedef uint32_t evtchn_port_t;

#define __user
#define __percpu
#define __acquires(x)
#define __releases(x)
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define virt_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define virt_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#define clamp_t(type, v, lo, hi) min_t(type, max_t(type, v, lo), hi)
#define WARN_ON(x)		assert(!(x))
#define BUILD_BUG_ON(x)		_Static_assert(!(x), #x)
#define U32_MAX			UINT32_MAX

#define PAGE_SIZE		4096UL
#define PAGE_SHIFT		12
#define NSEC_PER_USEC		1000UL
#define BITS_PER_LONG		64
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

static inline u64 div_u64(u64 a, u32 b)
{
	return a / b;
}

static inline int ilog2(u64 v)
{
	return 63 - __builtin_clzll(v);
}

static inline u64 ktime_get_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

/* --- memory */

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0
extern bool test_no_memory;

static inline void *kvcalloc(size_t n, size_t size, int flags)
{
	return test_no_memory ? NULL : calloc(n, size);
}

#define kvfree			free
#define fs_reclaim_acquire(f)	do { } while (0)
#define fs_reclaim_release(f)	do { } while (0)
#define might_lock(l)		do { } while (0)
#define cond_resched()		do { } while (0)

/* --- locks */

typedef struct { pthread_mutex_t m; pthread_t owner; bool held; } spinlock_t;
struct mutex { spinlock_t l; };

static inline void spin_lock_init(spinlock_t *l)
{
	pthread_mutex_init(&l->m, NULL);
	l->held = false;
}

static inline void spin_lock(spinlock_t *l)
{
	pthread_mutex_lock(&l->m);
	l->owner = pthread_self();
	l->held = true;
}

static inline bool spin_trylock(spinlock_t *l)
{
	if (pthread_mutex_trylock(&l->m))
		return false;
	l->owner = pthread_self();
	l->held = true;
	return true;
}

static inline void spin_unlock(spinlock_t *l)
{
	l->held = false;
	pthread_mutex_unlock(&l->m);
}

static inline bool test_holds(const spinlock_t *l)
{
	return l->held && pthread_equal(l->owner, pthread_self());
}

#define spin_lock_irq			spin_lock
#define spin_unlock_irq			spin_unlock
#define spin_lock_irqsave(l, f)		do { (f) = 0; spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, f)	do { (void)(f); spin_unlock(l); } while (0)
#define mutex_init(x)			spin_lock_init(&(x)->l)
#define mutex_lock(x)			spin_lock(&(x)->l)
#define mutex_unlock(x)			spin_unlock(&(x)->l)
#define mutex_trylock(x)		spin_trylock(&(x)->l)
#define lockdep_assert_held(x)	assert(_Generic((x), \
	struct mutex *: test_holds((const spinlock_t *)(x)), \
	const spinlock_t *: test_holds((const spinlock_t *)(x)), \
	spinlock_t *: test_holds((const spinlock_t *)(x))))

/* --- lists */

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list_head *l)
{
	return l->next == l;
}

static inline void test_list_put(struct list_head *n, struct list_head *after)
{
	n->next = after->next;
	n->prev = after;
	after->next->prev = n;
	after->next = n;
}

#define list_add(n, l)		test_list_put(n, l)
#define list_add_tail(n, l)	test_list_put(n, (l)->prev)

static inline void list_del_init(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	INIT_LIST_HEAD(n);
}

#define list_move(n, l)		do { list_del_init(n); list_add(n, l); } while (0)
#define list_move_tail(n, l)	do { list_del_init(n); list_add_tail(n, l); } while (0)
#define list_entry(p, type, m)	container_of(p, type, m)
#define list_first_entry_or_null(l, type, m) \
	(list_empty(l) ? NULL : list_entry((l)->next, type, m))
#define list_for_each_entry(p, l, m) \
	for (p = list_entry((l)->next, __typeof__(*p), m); &p->m != (l); \
	     p = list_entry(p->m.next, __typeof__(*p), m))
#define list_for_each_entry_safe(p, n, l, m) \
	for (p = list_entry((l)->next, __typeof__(*p), m), \
	     n = list_entry(p->m.next, __typeof__(*p), m); &p->m != (l); \
	     p = n, n = list_entry(n->m.next, __typeof__(*n), m))

/* --- bitmaps */

static inline bool test_bit(unsigned long i, const unsigned long *map)
{
	return READ_ONCE(map[i / 64]) >> (i % 64) & 1;
}

#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_down(n, m) ((n) / (m) * (m))
#define likely(x) __builtin_expect(!!(x), 1)

static inline void __set_bit(unsigned long i, unsigned long *map)
{
	WRITE_ONCE(map[i / 64], map[i / 64] | 1UL << (i % 64));
}

static inline void __clear_bit(unsigned long i, unsigned long *map)
{
	WRITE_ONCE(map[i / 64], map[i / 64] & ~(1UL << (i % 64)));
}

static inline void __change_bit(unsigned long i, unsigned long *map)
{
	WRITE_ONCE(map[i / 64], map[i / 64] ^ 1UL << (i % 64));
}

static inline bool __test_and_set_bit(unsigned long i, unsigned long *map)
{
	bool was = test_bit(i, map);

	__set_bit(i, map);
	return was;
}

static inline void bitmap_clear(unsigned long *map, unsigned long i,
				unsigned long n)
{
	for (; n--; i++)
		WRITE_ONCE(map[i / 64], map[i / 64] & ~(1UL << (i % 64)));
}

static inline void bitmap_set(unsigned long *map, unsigned long i,
			      unsigned long n)
{
	for (; n--; i++)
		__set_bit(i, map);
}

static inline unsigned long test_find(const unsigned long *map,
				      unsigned long end, unsigned long i,
				      bool value)
{
	while (i < end && test_bit(i, map) != value)
		i++;
	return min(i, end);
}

#define find_next_bit(map, end, i)	test_find(map, end, i, true)
#define find_next_zero_bit(map, end, i)	test_find(map, end, i, false)
#define for_each_set_bit_from(i, map, end) \
	for (; i = find_next_bit(map, end, i), i < end; i++)

static inline const void *memchr_inv(const void *p, int c, size_t n)
{
	for (const u8 *s = p; n--; s++)
		if (*s != (u8)c)
			return s;
	return NULL;
}

/* --- interrupts and event channels */

typedef int irqreturn_t;
#define IRQ_HANDLED	1
typedef irqreturn_t (*irq_handler_t)(int irq, void *data);

int bind_evtchn_to_irqhandler_lateeoi(evtchn_port_t port, irq_handler_t handler,
				      unsigned long flags, const char *name,
				      void *data);
void unbind_from_irqhandler(unsigned int irq, void *data);
void xen_irq_lateeoi(unsigned int irq, unsigned int flags);

/* --- tracing: nothing */

#define TP_PROTO(...)		__VA_ARGS__
#define TP_ARGS(...)
#define TP_STRUCT__entry(...)
#define TP_fast_assign(...)
#define TP_printk(...)
#define TRACE_EVENT(name, proto, ...) \
	static inline void trace_##name(proto) { }

#endif /* TEST_KERNEL_H */
