/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the two lenders: how the guest gets to run with a
 * window over a span of this process, and which counters there are.
 */
#ifndef BENCH_BACKEND_H
#define BENCH_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#define BACKEND_MAX_COUNTERS	96

struct counters {
	unsigned int n;
	struct {
		char name[48];
		uint64_t value;
	} c[BACKEND_MAX_COUNTERS];
};

struct backend {
	const char *name;		/* as in the records: "xenlend", "kvm" */

	/* Its own options, before start: what it does not know stays. */
	int (*options)(int argc, char **argv);

	/*
	 * Starts the guest, or finds it, and lends it the span at
	 * BENCH_WINDOW_GPA.  Returns the shared pages, NULL after a message.
	 */
	void *(*start)(void *span, size_t len);

	/* Counters that only grow.  Optional. */
	int (*counters)(struct counters *c);

	/*
	 * Pages lent with one fault: sets it and returns what it is now, 0 if
	 * there is no such thing.  Optional.
	 */
	unsigned int (*around)(unsigned int pages);

	/* Lends [offset, offset + len) of the span for writing.  Optional. */
	int (*populate)(size_t offset, size_t len);

	/*
	 * Starts to write the hypervisor's own trace of exits and hypercalls
	 * to a file; stops, with NULL.  Optional.
	 */
	int (*trace)(const char *file);

	/* Why the guest does not answer, if the backend knows. */
	const char *(*dead)(void);

	void (*stop)(void);
};

extern const struct backend backend;

#endif
