// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The workload and the lender's calls, run here in one process: what the two
 * halves share, without a guest.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lender-ops.h"
#include "tap.h"
#include "workload.h"

#define PAGES	32

static struct bench_comm c;
static uint64_t samples[BENCH_MAX_SAMPLES];
static uint8_t *window, *ram;

static uint64_t run(struct bench_comm command)
{
	c = command;
	bench_workload(&c, samples, window, ram, PAGES);
	return c.status;
}

#define RUN(...) run((struct bench_comm){ __VA_ARGS__ })

static void test_kind(enum lender_kind kind)
{
	size_t len = PAGES * BENCH_PAGE;
#define EXPECT(cond, text) ok(cond, "%s: " text, lender_kind_name[kind])

	EXPECT(!lender_place(window, len, kind), "placed over what was there");
	EXPECT(lender_check(window, PAGES, 0) == PAGES - 1,
	       "new memory is empty");
	lender_fill(window, PAGES, 1000);
	EXPECT(!lender_check(window, PAGES, 1000), "filled");
	EXPECT(RUN(.op = BENCH_READ_EACH, .n = PAGES, .stride = 1,
		   .value = 1000) == BENCH_OK,
	       "the guest finds what the lender wrote, where it wrote it");
	EXPECT(RUN(.op = BENCH_READ_EACH, .n = PAGES, .stride = 1,
		   .value = 1001) == BENCH_BAD_CONTENT,
	       "the guest notices another content");
	EXPECT(RUN(.op = BENCH_WRITE_EACH, .n = PAGES, .stride = 1,
		   .value = 2000) == BENCH_OK &&
	       !lender_check(window, PAGES, 2000),
	       "the lender finds what the guest wrote");
	EXPECT(RUN(.op = BENCH_WRITE_EACH, .n = PAGES / 4, .stride = 4,
		   .value = 3000) == BENCH_OK &&
	       lender_check(window, PAGES, 2000) == PAGES / 4,
	       "a stride leaves out the pages between");
	EXPECT(RUN(.op = BENCH_WRITE_ALL, .n = PAGES, .stride = 1, .passes = 3,
		   .value = 4000) == BENCH_OK &&
	       !lender_check(window, PAGES, 4000), "write all");
	EXPECT(lender_forbid(window, len) && !lender_allow(window, len) &&
	       !lender_check(window, PAGES, 4000),
	       "mprotect and back keeps the content");
	EXPECT(lender_drop(window, len) &&
	       lender_check(window, PAGES, 4000) ==
	       (kind == LENDER_MEMFD ? 0 : PAGES),
	       "MADV_DONTNEED keeps shared memory and empties private");
}

int main(void)
{
	size_t len = PAGES * BENCH_PAGE;
	unsigned int i;

	tap_begin("workload");
	window = lender_reserve(len);
	ram = calloc(PAGES, BENCH_PAGE);
	if (!window || !ram)
		return 1;
	ok(!((uintptr_t)window & ((2UL << 20) - 1)),
	   "the span is aligned to 2 MiB");

	for (i = 0; i < LENDER_NR_KINDS; i++)
		test_kind(i);

	/* Commands that would touch what is not there: refused, untouched. */
	if (lender_place(window, len, LENDER_ANON))
		return 1;
	ok(RUN(.op = BENCH_NR_OPS) == BENCH_BAD_COMMAND, "unknown command");
	ok(RUN(.op = ~0U) == BENCH_BAD_COMMAND, "absurd command");
	ok(RUN(.op = BENCH_WRITE_EACH, .n = BENCH_MAX_SAMPLES + 1,
	       .stride = 0) == BENCH_BAD_COMMAND, "more than the samples");
	ok(RUN(.op = BENCH_CAL_CPUID, .n = ~0ULL) == BENCH_BAD_COMMAND,
	   "more calibration than the samples");
	ok(RUN(.op = BENCH_WRITE_ALL, .first = BENCH_MAX_PAGES, .n = 1,
	       .stride = 1, .passes = 1) == BENCH_BAD_COMMAND,
	   "first page outside");
	ok(RUN(.op = BENCH_WRITE_ALL, .n = BENCH_MAX_PAGES, .stride = 2,
	       .passes = 1) == BENCH_BAD_COMMAND, "last page outside");
	ok(RUN(.op = BENCH_READ_ALL, .n = 2, .stride = ~0ULL,
	       .passes = 1) == BENCH_BAD_COMMAND, "a stride that wraps");
	ok(RUN(.op = BENCH_CAL_WALK, .n = PAGES + 1, .passes = 1) ==
	   BENCH_BAD_COMMAND, "more RAM than there is");
	ok(RUN(.op = BENCH_CAL_WALK, .n = PAGES, .passes = 2) == BENCH_OK,
	   "the walk");
	ok(RUN(.op = BENCH_NOP) == BENCH_OK && !c.total, "nothing");

	ok(!lender_drop(window + 1, len), "a call that fails has no time");
	ok(sizeof(struct bench_comm) <= BENCH_PAGE,
	   "the command fits into its page");
	free(ram);
	return tap_end();
}
