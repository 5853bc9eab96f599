/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The runtime of the freestanding test guests: see ../README.md. */
#ifndef RUNTIME_H
#define RUNTIME_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef int s32;
typedef long s64;

#define PAGE_SIZE	4096UL
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NO_TRAP		(~0U)

/* What each program provides: runs on every vCPU that was started; vCPU 0 first. */
void guest_main(u32 cpu);

/* ---- processors ---- */

struct cpu {
	u64 self;		/* at %gs:0 */
	u32 id;
	u32 vec, err;		/* last exception that try() caught */
	u64 rip, cr2;
	u64 frame;		/* address of the last exception or interrupt frame, whatever happened to it */
	u64 nr_traps;
	u64 catch;		/* stack pointer to unwind to, or 0 */
};

struct cpu *this_cpu(void);
int cpu_start(u32 cpu);			/* 0 or a negative Xen errno */
u32 cpus_online(void);

/* Calls fn(arg); when it takes an exception, comes back at once.  The vector, or NO_TRAP. */
u32 try(void (*fn)(void *), void *arg);

/* Vectors from here on are for `int n`: they are counted and return. */
#define VEC_SOFT	0x40

extern u64 pml4[], pdpt[], pd0[], pd8[], pd9[];

static inline void pause(void) { asm volatile("pause" ::: "memory"); }
static inline void barrier(void) { asm volatile("" ::: "memory"); }
static inline u64 rdtsc(void)
{
	u32 a, d;

	asm volatile("rdtsc" : "=a"(a), "=d"(d));
	return (u64)d << 32 | a;
}
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
static inline void flush_tlb(void)
{
	u64 t;

	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(t) :: "memory");
}

/* 0 without AVX */
int avx_enable(void);

/* ---- console: Xen prints it when it is started with guest_loglvl=all ---- */

void putchar(char c);
void print(const char *s);
void print_hex(u64 v);

/* ---- Xen ---- */

s64 hypercall(u64 nr, u64 a, u64 b, u64 c, u64 d, u64 e);

#define HC_memory_op		12
#define HC_xen_version		17
#define HC_grant_table_op	20
#define HC_vcpu_op		24
#define HC_sched_op		29
#define HC_event_channel_op	32
#define HC_hvm_op		34

#define SHARED_INFO_GFN		0x20000UL	/* 512 MiB: above any RAM of these guests */

int shared_info_map(void);

/* An event channel that the domain `remote` may bind, or a negative Xen errno. */
int event_alloc(u16 remote);
/* Blocks until the channel is notified; takes the notification. */
void event_wait(u32 port);

void *memcpy(void *d, const void *s, u64 n);
void *memset(void *d, int c, u64 n);

#endif
