// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The benchmark's guest, around the workload: it waits for commands in the
 * shared pages, spinning in guest mode or halted.  No hypercalls, no devices
 * but its local APIC's timer.
 */
#include "workload.h"

#define RAM_PAGES	512
#define TIMER_VECTOR	0x40

static struct {
	struct bench_comm c;
	uint8_t pad[BENCH_PAGE - sizeof(struct bench_comm)];
	uint64_t samples[BENCH_MAX_SAMPLES];
} comm __attribute__((section(".bench_comm,\"aw\",@nobits#"), aligned(4096)));

static uint8_t ram[RAM_PAGES * BENCH_PAGE] __attribute__((aligned(4096)));

static struct {
	uint16_t low, selector, type, mid;
	uint32_t high, zero;
} idt[TIMER_VECTOR + 1] __attribute__((aligned(16)));

extern char trap_stubs[], timer_stub[];

/* Called by guest-start.S. */
void guest_main(void);
void guest_trap(const uint64_t *frame);

static void gate(unsigned int vector, uint64_t to)
{
	idt[vector].low = to;
	idt[vector].selector = 8;
	idt[vector].type = 0x8e00;
	idt[vector].mid = to >> 16;
	idt[vector].high = to >> 32;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" :: "c"(msr), "a"((uint32_t)v),
			 "d"((uint32_t)(v >> 32)) : "memory");
}

/* The guest has no use for an exception: frame is vector, error, rip. */
void guest_trap(const uint64_t *frame)
{
	uint64_t cr2;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	comm.c.trap_vector = frame[0];
	comm.c.trap_error = frame[1];
	comm.c.trap_rip = frame[2];
	comm.c.trap_cr2 = cr2;
	comm.c.status = BENCH_TRAP;
	__atomic_store_n(&comm.c.done, comm.c.cmd, __ATOMIC_RELEASE);
	for (;;)
		__asm__ volatile("cli; hlt");
}

#define X2APIC_SVR		0x80f
#define X2APIC_TIMER_LVT	0x832
#define X2APIC_TIMER_INITIAL	0x838
#define X2APIC_TIMER_CURRENT	0x839
#define X2APIC_TIMER_DIVIDE	0x83e

/* 2^32 * timer counts per TSC tick; 0: no timer. */
static uint64_t timer_rate;

static void timer_init(void)
{
	uint32_t a = 1, b, c = 0, d;
	uint64_t t0, t, left;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(c & 1U << 21))
		return;
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	wrmsr(X2APIC_SVR, 0x1ff);
	wrmsr(X2APIC_TIMER_DIVIDE, 0xb);		/* by 1 */
	wrmsr(X2APIC_TIMER_LVT, 0x10000 | TIMER_VECTOR);	/* masked */
	t0 = bench_tsc();
	wrmsr(X2APIC_TIMER_INITIAL, 0xffffffff);
	while ((t = bench_tsc() - t0) < 20000000)
		;
	left = rdmsr(X2APIC_TIMER_CURRENT);
	wrmsr(X2APIC_TIMER_INITIAL, 0);
	timer_rate = ((0xffffffff - left) << 32) / t;
	wrmsr(X2APIC_TIMER_LVT, TIMER_VECTOR);
}

static void halt(uint64_t tsc)
{
	unsigned __int128 count = (unsigned __int128)tsc * timer_rate >> 32;

	if (count > 0xffffffff)
		count = 0xffffffff;
	wrmsr(X2APIC_TIMER_INITIAL, count ? (uint64_t)count : 1);
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}

/*
 * Stays in guest mode for a while.  Not with PAUSE: hypervisors may exit for
 * it, and the emulated machine takes its big lock at each.
 */
static inline void spin(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		__asm__ volatile("");
}

void guest_main(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed))
		idtr = { sizeof(idt) - 1, (uint64_t)idt };
	unsigned int i, done = 0;

	for (i = 0; i < 32; i++)
		gate(i, (uint64_t)trap_stubs + i * 16);
	gate(TIMER_VECTOR, (uint64_t)timer_stub);
	__asm__ volatile("lidt %0" :: "m"(idtr));

	for (i = 0; i < RAM_PAGES; i++)
		((volatile uint8_t *)ram)[i * BENCH_PAGE] = 1;
	timer_init();

	comm.c.version = BENCH_VERSION;
	__atomic_store_n(&comm.c.magic, BENCH_MAGIC, __ATOMIC_RELEASE);

	for (;;) {
		while (__atomic_load_n(&comm.c.cmd, __ATOMIC_ACQUIRE) == done) {
			if (comm.c.wait == BENCH_IDLE && timer_rate)
				halt(comm.c.idle_tsc);
			else
				spin();
		}
		done = comm.c.cmd;
		bench_workload(&comm.c, comm.samples,
			       (volatile uint8_t *)BENCH_WINDOW_GPA, ram,
			       RAM_PAGES);
		if (comm.c.wait == BENCH_IDLE && !timer_rate)
			comm.c.status = BENCH_NO_TIMER;
		__atomic_store_n(&comm.c.done, done, __ATOMIC_RELEASE);
	}
}
