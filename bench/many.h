/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lender's side of many-guest. */
#ifndef BENCH_MANY_H
#define BENCH_MANY_H

#include <stddef.h>

#include <xenlend.h>

#include "command.h"

struct many_guest {
	unsigned int domid, vcpus;
	struct bench_vcpu vcpu[BENCH_MAX_VCPUS];
	xenlend_borrower *borrower;
};

/*
 * Waits until the guest's vCPUs listen, and lets the driver serve its faults
 * in `pages` frames from BENCH_WINDOW_GPA on.  Errors end the program.
 */
void many_open(struct many_guest *g, xenlend_handle *lend, unsigned int domid,
	       unsigned int vcpus, size_t pages);
void many_close(struct many_guest *g);

/* Pages lent with one fault from now on; returns what it was. */
unsigned int many_around(unsigned int pages);

/* A domain's number. */
unsigned int many_domid(const char *arg);

#endif
