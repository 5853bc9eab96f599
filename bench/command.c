// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

static void say(const char *fmt, va_list ap)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	exit(1);
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* The deadline is in now()'s seconds. */
static void look_again(const struct bench_vcpu *v, double deadline,
		       const char *what)
{
	if (v->dead && v->dead())
		die("the guest is gone: %s", v->dead());
	if (now() > deadline)
		die("%s in %u s", what, v->timeout);
	usleep(10000);
}

void command_first(const struct bench_vcpu *v)
{
	double deadline = now() + v->timeout;

	while (__atomic_load_n(&v->comm->magic, __ATOMIC_ACQUIRE) !=
	       BENCH_MAGIC)
		look_again(v, deadline, "the guest did not start");
	if (v->comm->version != BENCH_VERSION)
		die("the guest is another version: %" PRIu64, v->comm->version);
}

void command_start(const struct bench_vcpu *v, const struct command *k)
{
	volatile struct bench_comm *c = v->comm;

	c->op = k->op;
	c->wait = v->wait;
	c->first = k->first;
	c->n = k->n;
	c->stride = k->stride ? k->stride : 1;
	c->passes = k->passes ? k->passes : 1;
	c->value = k->value;
	c->idle_tsc = v->idle_tsc;
	__atomic_store_n(&c->cmd, c->cmd + 1, __ATOMIC_RELEASE);
	if (v->notify)
		v->notify(v);
}

uint64_t command_wait(const struct bench_vcpu *v)
{
	double deadline = now() + v->timeout;
	volatile struct bench_comm *c = v->comm;

	while (__atomic_load_n(&c->done, __ATOMIC_ACQUIRE) != c->cmd)
		look_again(v, deadline, "the guest did not answer");
	switch (c->status) {
	case BENCH_OK:
		return c->total;
	case BENCH_TRAP:
		die("exception %" PRIu64 " in the guest: error %#" PRIx64
		    " rip %#" PRIx64 " cr2 %#" PRIx64, c->trap_vector,
		    c->trap_error, c->trap_rip, c->trap_cr2);
	case BENCH_BAD_CONTENT:
		die("the guest read something else than was written");
	case BENCH_NO_TIMER:
		die("the guest has no x2APIC timer and cannot halt");
	case BENCH_REFUSED:
		die("Xen refused the guest: %" PRId64, (int64_t)c->sum);
	default:
		die("the guest refused command %u", c->op);
	}
}

void section(unsigned int n)
{
	/* The number has to be in the instruction. */
#define BEGIN(n) case n: BENCH_MARK(0x8000 | (n)); break;
#define BEGIN8(n) \
	BEGIN(n) BEGIN((n) + 1) BEGIN((n) + 2) BEGIN((n) + 3) \
	BEGIN((n) + 4) BEGIN((n) + 5) BEGIN((n) + 6) BEGIN((n) + 7)
	switch (n) {
	BEGIN8(1) BEGIN8(9) BEGIN8(17) BEGIN8(25) BEGIN8(33) BEGIN8(41)
	default:
		die("section %u?", n);
	}
#undef BEGIN8
#undef BEGIN
}

void section_end(void)
{
	BENCH_MARK(0x4000);
}
