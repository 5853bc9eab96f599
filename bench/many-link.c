// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenevtchn.h>
#include <xenforeignmemory.h>

#include "many.h"

#define AROUND_PARAMETER	"/sys/module/xen_lend/parameters/fault_around"
#define TIMEOUT			300

static xenforeignmemory_handle *fm;
static xenevtchn_handle *events;

static void notify(const struct bench_vcpu *v)
{
	if (xenevtchn_notify(events, v->port))
		die("cannot wake the guest: %s", strerror(errno));
}

void many_open(struct many_guest *g, xenlend_handle *lend, unsigned int domid,
	       unsigned int vcpus, size_t pages)
{
	xen_pfn_t frames[BENCH_COMM_PAGES];
	unsigned int i, k;

	if (!fm)
		fm = xenforeignmemory_open(NULL, 0);
	if (!events)
		events = xenevtchn_open(NULL, 0);
	if (!fm || !events)
		die("Xen's libraries: %s", strerror(errno));
	*g = (struct many_guest){ .domid = domid, .vcpus = vcpus };
	for (k = 0; k < vcpus; k++) {
		struct bench_vcpu *v = &g->vcpu[k];

		for (i = 0; i < BENCH_COMM_PAGES; i++)
			frames[i] = BENCH_COMM_GPA / BENCH_PAGE +
				    k * BENCH_COMM_PAGES + i;
		v->comm = xenforeignmemory_map(fm, domid,
					       PROT_READ | PROT_WRITE,
					       BENCH_COMM_PAGES, frames, NULL);
		if (!v->comm)
			die("domain %u's memory: %s", domid, strerror(errno));
		v->timeout = TIMEOUT;
		command_first(v);
		v->port = xenevtchn_bind_interdomain(events, domid,
						     v->comm->port);
		if (v->port < 0)
			die("domain %u's event channel: %s", domid,
			    strerror(errno));
		v->notify = notify;
	}
	g->borrower = xenlend_borrower_open(lend, domid, BENCH_WINDOW_GPA,
					    pages * BENCH_PAGE, 0);
	if (!g->borrower)
		exit(1);
}

void many_close(struct many_guest *g)
{
	unsigned int k;

	xenlend_borrower_close(g->borrower);
	for (k = 0; k < g->vcpus; k++) {
		xenevtchn_unbind(events, g->vcpu[k].port);
		xenforeignmemory_unmap(fm, (void *)g->vcpu[k].comm,
				       BENCH_COMM_PAGES);
	}
}

unsigned int many_around(unsigned int pages)
{
	FILE *f = fopen(AROUND_PARAMETER, "r+e");
	unsigned int was;

	if (!f || fscanf(f, "%u", &was) != 1)
		die(AROUND_PARAMETER ": %s", strerror(errno));
	rewind(f);
	if (fprintf(f, "%u\n", pages) < 0 || fclose(f))
		die(AROUND_PARAMETER ": %s", strerror(errno));
	return was;
}

unsigned int many_domid(const char *arg)
{
	unsigned long n;
	char *end;

	n = strtoul(arg, &end, 10);
	if (end == arg || *end || !n || n >= 0x7ff0)
		die("%s: not a domain's number", arg);
	return n;
}
