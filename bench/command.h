/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands to a guest of the benchmark, through the pages that it shares with
 * its lender (abi.h).  Each vCPU of a guest has pages of its own.
 */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

#include <stdint.h>

#include "abi.h"

struct command {
	enum bench_op op;
	uint64_t first, n, stride, passes, value;
};

struct bench_vcpu {
	volatile struct bench_comm *comm;
	enum bench_wait wait;		/* until its next command */
	uint64_t idle_tsc;		/* BENCH_IDLE looks this often */
	unsigned int timeout;		/* seconds for one command */

	/*
	 * Tells a vCPU that sleeps until it is told; why it does not answer,
	 * NULL if that is not known.  Both are optional.
	 */
	void (*notify)(const struct bench_vcpu *vcpu);
	const char *(*dead)(void);
	int port;			/* notify()'s */
};

/* For each, see abi.h: uint64_t[BENCH_MAX_SAMPLES]. */
static inline volatile uint64_t *bench_samples(const struct bench_vcpu *vcpu)
{
	return (volatile uint64_t *)((uint8_t *)vcpu->comm + BENCH_PAGE);
}

/* Waits until the guest listens.  Errors end the program, with a message. */
void command_first(const struct bench_vcpu *vcpu);

void command_start(const struct bench_vcpu *vcpu, const struct command *k);

/*
 * Returns ticks from the first touch to the last.  Sleeps between looks: the
 * lender's CPU is left to whoever serves the faults.
 */
uint64_t command_wait(const struct bench_vcpu *vcpu);

static inline uint64_t command(const struct bench_vcpu *vcpu,
			       const struct command *k)
{
	command_start(vcpu, k);
	return command_wait(vcpu);
}

/* Marks the begin of a section, from 1 to 48, for the machine that counts. */
void section(unsigned int n);
void section_end(void);

/* Of CLOCK_MONOTONIC, seconds. */
double now(void);

/* A line to stderr; and the end. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif
