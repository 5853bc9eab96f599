// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Faults of many vCPUs at once: of one guest in one window and in a window
 * each, and of several guests.  For the machine that counts instructions; says
 * which section was what in lines of "SECTION VCPUS FAULTS WHAT".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lender-ops.h"
#include "many.h"

#define PAGES		2048	/* of all windows of a guest */
#define TOUCHES		512	/* of all vCPUs together */
#define MAX_GUESTS	4

static struct many_guest guests[MAX_GUESTS];
static uint8_t *spans[MAX_GUESTS];
static unsigned int nr_guests, nr_section;
static FILE *out;

/* Puts `windows` windows side by side over the first `pages` of the span. */
static void open_windows(xenlend_window **w, unsigned int g,
			 unsigned int windows, size_t pages)
{
	size_t len = pages / windows * BENCH_PAGE, i;

	for (i = 0; i < windows; i++) {
		w[i] = xenlend_window_create_at(guests[g].borrower,
						spans[g] + i * len,
						BENCH_WINDOW_GPA + i * len, len,
						XENLEND_WINDOW_WRITE,
						XENLEND_POLICY_FAULT, 0);
		if (!w[i])
			exit(1);
	}
}

/*
 * `vcpus` vCPUs of each of the first `n` guests touch as many pages each, so
 * that all together have TOUCHES faults, each in a stretch of its own.
 */
static void storm(unsigned int n, unsigned int vcpus, unsigned int windows,
		  bool present)
{
	size_t each = TOUCHES / (n * vcpus), pages = each * vcpus;
	xenlend_window *w[MAX_GUESTS][BENCH_MAX_VCPUS];
	unsigned int g, k;

	for (g = 0; g < n; g++) {
		if (lender_place(spans[g], pages * BENCH_PAGE, LENDER_MEMFD))
			die("cannot map new memory: %s", strerror(errno));
		open_windows(w[g], g, windows, pages);
		/* Page-table pages of the second stage. */
		for (k = 0; k < vcpus; k++) {
			struct command c = { .op = BENCH_WRITE_ALL, .n = each,
					     .first = k * each };

			command(&guests[g].vcpu[k], &c);
		}
		if (lender_place(spans[g], pages * BENCH_PAGE, LENDER_MEMFD))
			die("cannot map new memory: %s", strerror(errno));
		if (present)
			lender_fill(spans[g], pages, 0);
	}
	usleep(30000);
	section(++nr_section);
	for (k = 0; k < vcpus; k++)
		for (g = 0; g < n; g++) {
			struct command c = { .op = BENCH_WRITE_ALL, .n = each,
					     .first = k * each, .value = 1 };

			command_start(&guests[g].vcpu[k], &c);
		}
	for (g = 0; g < n; g++)
		for (k = 0; k < vcpus; k++)
			command_wait(&guests[g].vcpu[k]);
	section_end();
	fprintf(out, "%u %u %u %s, %s\n", nr_section, n * vcpus, TOUCHES,
		n > 1 ? "a guest each" :
		windows > 1 ? "a window each" : "one window",
		present ? "present" : "absent");
	for (g = 0; g < n; g++) {
		if (lender_check(spans[g], pages, 1))
			die("not what the guests wrote");
		for (k = 0; k < windows; k++)
			xenlend_window_destroy(w[g][k]);
	}
}

int main(int argc, char **argv)
{
	unsigned int i, vcpus, was;
	xenlend_handle *lend;
	bool present;

	if (argc < 3 || argc - 2 > MAX_GUESTS) {
		fprintf(stderr, "Usage: %s FILE DOMID...\n"
			"The first domain has eight vCPUs.\n",
			program_invocation_short_name);
		return 2;
	}
	out = fopen(argv[1], "we");
	if (!out)
		die("%s: %s", argv[1], strerror(errno));
	lend = xenlend_open(NULL, 0);
	if (!lend)
		return 1;
	nr_guests = argc - 2;
	for (i = 0; i < nr_guests; i++) {
		many_open(&guests[i], lend, many_domid(argv[i + 2]),
			  i ? 1 : BENCH_MAX_VCPUS, PAGES);
		spans[i] = lender_reserve(PAGES * BENCH_PAGE);
		if (!spans[i])
			die("no address space: %s", strerror(errno));
	}
	was = many_around(1);
	for (present = true; ; present = false) {
		for (vcpus = 1; vcpus <= BENCH_MAX_VCPUS; vcpus *= 2)
			storm(1, vcpus, 1, present);
		storm(1, 4, 4, present);
		if (nr_guests > 1)
			storm(nr_guests, 1, 1, present);
		if (!present)
			break;
	}
	many_around(was);
	for (i = 0; i < nr_guests; i++)
		many_close(&guests[i]);
	xenlend_close(lend);
	if (fclose(out))
		die("%s: %s", argv[1], strerror(errno));
	return 0;
}
