/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "abi.h"

/*
 * A time that no earlier instruction is still to follow and no later one has
 * preceded.
 */
static inline uint64_t bench_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi) :: "memory");
	return (uint64_t)hi << 32 | lo;
}

/*
 * For the machine that counts instructions, see count/insncount.c: a NOP that
 * nobody else writes.
 */
#define BENCH_MARK(code) \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.long 0x584c0000 + %c0" \
			 :: "i"(code) : "memory")

/* Carries out the command in c.  window and ram: where its pages are. */
void bench_workload(struct bench_comm *c, uint64_t *samples,
		    volatile uint8_t *window, volatile uint8_t *ram,
		    uint64_t ram_pages);

/* Rounds of arithmetic that no compiler can shorten; also the lender's. */
static inline uint64_t bench_compute(uint64_t n)
{
	uint64_t x = 88172645463325252ULL;

	while (n--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

#endif
