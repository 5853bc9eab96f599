// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The benchmark's workload: the same object code runs as a guest of Xen and
 * of KVM.  Nothing here knows which.
 */
#include "workload.h"

static inline volatile uint64_t *word(volatile uint8_t *base, uint64_t page)
{
	/* One word somewhere in the page, not always in the same cache set. */
	return (volatile uint64_t *)(base + page * BENCH_PAGE +
				     (page * 64 & (BENCH_PAGE - 1)));
}

static void write_each(struct bench_comm *c, uint64_t *samples,
		       volatile uint8_t *window)
{
	uint64_t i, t0, t1, start = bench_tsc(), end = start;

	for (i = 0; i < c->n; i++) {
		uint64_t page = c->first + i * c->stride;
		volatile uint64_t *p = word(window, page);
		uint64_t v = c->value + page;

		BENCH_MARK(1);
		t0 = bench_tsc();
		*p = v;
		t1 = bench_tsc();
		BENCH_MARK(2);
		samples[i] = t1 - t0;
		end = t1;
	}
	c->total = end - start;
}

static void read_each(struct bench_comm *c, uint64_t *samples,
		      volatile uint8_t *window)
{
	uint64_t i, t0, t1, start = bench_tsc(), end = start, sum = 0;

	for (i = 0; i < c->n; i++) {
		uint64_t page = c->first + i * c->stride;
		volatile uint64_t *p = word(window, page);
		uint64_t v;

		t0 = bench_tsc();
		v = *p;
		t1 = bench_tsc();
		samples[i] = t1 - t0;
		end = t1;
		sum += v;
		if (v != c->value + page)
			c->status = BENCH_BAD_CONTENT;
	}
	c->total = end - start;
	c->sum = sum;
}

static void write_all(struct bench_comm *c, volatile uint8_t *window)
{
	uint64_t i, k, start = bench_tsc();

	for (k = 0; k < c->passes; k++)
		for (i = 0; i < c->n; i++) {
			uint64_t page = c->first + i * c->stride;

			*word(window, page) = c->value + page;
		}
	c->total = bench_tsc() - start;
}

static void read_all(struct bench_comm *c, volatile uint8_t *window)
{
	uint64_t i, k, sum = 0, start = bench_tsc();

	for (k = 0; k < c->passes; k++)
		for (i = 0; i < c->n; i++)
			sum += *word(window, c->first + i * c->stride);
	c->total = bench_tsc() - start;
	c->sum = sum;
}

static inline void cpuid0(void)
{
	uint32_t a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

void bench_workload(struct bench_comm *c, uint64_t *samples,
		    volatile uint8_t *window, volatile uint8_t *ram,
		    uint64_t ram_pages)
{
	int each = c->op == BENCH_WRITE_EACH || c->op == BENCH_READ_EACH ||
		   c->op == BENCH_CAL_RDTSC || c->op == BENCH_CAL_CPUID;
	int pages = c->op >= BENCH_WRITE_EACH && c->op <= BENCH_READ_ALL;
	uint64_t i, t0;

	c->status = BENCH_OK;
	c->total = c->sum = 0;

	if (each && c->n > BENCH_MAX_SAMPLES)
		goto bad;
	if (pages && (c->first >= BENCH_MAX_PAGES || c->n > BENCH_MAX_PAGES ||
		      c->stride > BENCH_MAX_PAGES ||
		      (c->n && c->first + (c->n - 1) * c->stride >=
			       BENCH_MAX_PAGES)))
		goto bad;

	switch (c->op) {
	case BENCH_NOP:
		return;
	case BENCH_WRITE_EACH:
		write_each(c, samples, window);
		return;
	case BENCH_READ_EACH:
		read_each(c, samples, window);
		return;
	case BENCH_WRITE_ALL:
		write_all(c, window);
		return;
	case BENCH_READ_ALL:
		read_all(c, window);
		return;
	case BENCH_CAL_RDTSC:
		for (i = 0; i < c->n; i++) {
			t0 = bench_tsc();
			samples[i] = bench_tsc() - t0;
		}
		return;
	case BENCH_CAL_CPUID:
		for (i = 0; i < c->n; i++) {
			t0 = bench_tsc();
			cpuid0();
			samples[i] = bench_tsc() - t0;
		}
		return;
	case BENCH_CAL_COMPUTE:
		t0 = bench_tsc();
		c->sum = bench_compute(c->n);
		c->total = bench_tsc() - t0;
		return;
	case BENCH_CAL_WALK:
		if (c->n > ram_pages)
			goto bad;
		t0 = bench_tsc();
		for (i = 0; i < c->passes * c->n; i++)
			c->sum += *word(ram, i % c->n);
		c->total = bench_tsc() - t0;
		return;
	}
bad:
	c->status = BENCH_BAD_COMMAND;
}
