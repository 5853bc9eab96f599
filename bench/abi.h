/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmark's guest and its two lenders share: a few pages of the
 * guest's own memory at a fixed place.  The lender writes a command and
 * raises `cmd`; the guest does it, writes results and sets `done` to the same
 * number.  Neither side makes a hypercall or an exit for it, but for many-guest,
 * which sleeps in Xen between its commands.
 */
#ifndef BENCH_ABI_H
#define BENCH_ABI_H

#include <stdint.h>

#define BENCH_PAGE		4096UL
#define BENCH_MAGIC		0x68636e6562786e6cULL
#define BENCH_VERSION		2

#define BENCH_COMM_GPA		0x400000UL	/* as in guest.ld */
#define BENCH_MAX_SAMPLES	4096
#define BENCH_COMM_PAGES	(1 + BENCH_MAX_SAMPLES * 8 / BENCH_PAGE)

#define BENCH_WINDOW_GPA	0x200000000UL	/* 8 GiB */
#define BENCH_MAX_PAGES		(1UL << 18)	/* the guest maps 1 GiB there */

/* Where many-guest has other things than a window, in pages from there. */
#define BENCH_TRAPPED		(1UL << 16)	/* each access goes to the lender */
#define BENCH_GRANTED		(1UL << 17)	/* grants are mapped */

/* many-guest: each vCPU has a bench_comm and samples of its own, in a row. */
#define BENCH_MAX_VCPUS		8

#define BENCH_RAM_MIB		16		/* enough on both */

enum bench_op {
	BENCH_NOP,
	BENCH_WRITE_EACH,	/* store to each page, time each */
	BENCH_READ_EACH,	/* load from each page, time each */
	BENCH_WRITE_ALL,	/* `passes` times over all pages, one time */
	BENCH_READ_ALL,
	BENCH_CAL_RDTSC,	/* n times the cost of taking a time, each */
	BENCH_CAL_CPUID,	/* n exits, each */
	BENCH_CAL_COMPUTE,	/* n rounds of arithmetic, one time */
	BENCH_CAL_WALK,		/* `passes` over n pages of the guest's RAM */
	/*
	 * many-guest: maps n grants of domain 0, whose references are the
	 * samples, at `first` and after, `stride` with one hypercall; unmaps
	 * those of the last time.
	 */
	BENCH_MAP_GRANTS,
	BENCH_UNMAP_GRANTS,
	BENCH_NR_OPS,
};

enum bench_wait {
	BENCH_SPIN,		/* stays in guest mode and looks at `cmd` */
	BENCH_IDLE,		/* halts, wakes by its timer to look at `cmd` */
};

/* bench_comm.status */
#define BENCH_OK		0
#define BENCH_BAD_COMMAND	1
#define BENCH_BAD_CONTENT	2	/* a load found another value: see `sum` */
#define BENCH_TRAP		3	/* the guest is dead: trap_* */
#define BENCH_NO_TIMER		4	/* BENCH_IDLE is not possible */
#define BENCH_REFUSED		5	/* a hypercall failed: its error is `sum` */

struct bench_comm {
	uint64_t magic;		/* guest: BENCH_MAGIC once it listens */
	uint64_t version;	/* guest */
	uint32_t cmd;		/* lender: number of the last command */
	uint32_t done;		/* guest: number of the last one carried out */

	/* The command. */
	uint32_t op;		/* enum bench_op */
	uint32_t wait;		/* enum bench_wait: how to wait afterwards */
	uint64_t first;		/* page of the window */
	uint64_t n;		/* pages or repetitions */
	uint64_t stride;	/* pages from one touch to the next */
	uint64_t passes;
	uint64_t value;		/* page p is written, or must hold, value + p */
	uint64_t idle_tsc;	/* BENCH_IDLE looks this often */

	/* The answer. */
	uint64_t status;
	uint64_t total;		/* TSC ticks from first to last touch */
	uint64_t sum;		/* of what was read */
	uint64_t trap_vector, trap_error, trap_rip, trap_cr2;

	int32_t port;		/* many-guest: raise it after `cmd` */
};

/* Of the pages after the first: uint64_t[BENCH_MAX_SAMPLES], TSC ticks. */

#endif
