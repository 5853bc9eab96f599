// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one would do without lending, for the machine that counts instructions:
 * the lender grants pages and the guest maps them (which pins them, and takes
 * the guest's help to end), or each access traps to a program of the lender's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define __XEN_TOOLS__ 1
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>

#include "many.h"
#include "workload.h"

#define TOUCHES		512
#define GRANTS		512	/* gntalloc's limit is 1024 */
#define FIRST_SECTION	19	/* bench.c has those before */

static struct many_guest guest;
static const struct bench_vcpu *vcpu = &guest.vcpu[0];

static void run(unsigned int nr, const struct command *k)
{
	usleep(30000);
	section(nr);
	command(vcpu, k);
	section_end();
}

/* ------------------------------------------------------------------------
 * Trapping: memory that is nowhere but here
 */

static struct {
	xendevicemodel_handle *dm;
	xenforeignmemory_handle *fm;
	xenforeignmemory_resource_handle *res;
	xenevtchn_handle *events;
	ioservid_t id;
	shared_iopage_t *page;
	int port;
	uint8_t *memory;
	volatile int end;
	uint64_t served;
} trap;

static void serve(ioreq_t *q)
{
	uint64_t at = q->addr - BENCH_WINDOW_GPA - BENCH_TRAPPED * BENCH_PAGE;
	uint8_t *p = trap.memory + at;

	if (at > TOUCHES * BENCH_PAGE - q->size || q->data_is_ptr)
		die("an access that nobody made: %#lx", (long)q->addr);
	if (q->dir == IOREQ_WRITE)
		memcpy(p, &q->data, q->size);
	else
		memcpy(&q->data, p, q->size);
	trap.served++;
}

static void *server(void *arg)
{
	struct pollfd fd = { .fd = xenevtchn_fd(trap.events), .events = POLLIN };
	volatile ioreq_t *q = &trap.page->vcpu_ioreq[0];

	(void)arg;
	while (!trap.end) {
		xenevtchn_port_or_error_t port;

		if (poll(&fd, 1, 100) <= 0)
			continue;
		port = xenevtchn_pending(trap.events);
		if (port < 0 || xenevtchn_unmask(trap.events, port))
			die("event channels: %s", strerror(errno));
		if (q->state != STATE_IOREQ_READY)
			continue;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		q->state = STATE_IOREQ_INPROCESS;
		serve((ioreq_t *)q);
		__atomic_thread_fence(__ATOMIC_RELEASE);
		q->state = STATE_IORESP_READY;
		if (xenevtchn_notify(trap.events, trap.port))
			die("answering: %s", strerror(errno));
	}
	return NULL;
}

static void trapping(void)
{
	uint64_t first = BENCH_WINDOW_GPA + BENCH_TRAPPED * BENCH_PAGE;
	pthread_t thread;
	size_t i;

	trap.memory = calloc(TOUCHES, BENCH_PAGE);
	trap.dm = xendevicemodel_open(NULL, 0);
	trap.fm = xenforeignmemory_open(NULL, 0);
	trap.events = xenevtchn_open(NULL, 0);
	if (!trap.memory || !trap.dm || !trap.fm || !trap.events ||
	    xendevicemodel_create_ioreq_server(trap.dm, guest.domid,
					       HVM_IOREQSRV_BUFIOREQ_OFF,
					       &trap.id))
		die("an ioreq server: %s", strerror(errno));
	trap.res = xenforeignmemory_map_resource(
		trap.fm, guest.domid, XENMEM_resource_ioreq_server, trap.id,
		XENMEM_resource_ioreq_server_frame_ioreq(0), 1,
		(void **)&trap.page, PROT_READ | PROT_WRITE, 0);
	if (!trap.res ||
	    xendevicemodel_map_io_range_to_ioreq_server(
		    trap.dm, guest.domid, trap.id, 1, first,
		    first + TOUCHES * BENCH_PAGE - 1) ||
	    xendevicemodel_set_ioreq_server_state(trap.dm, guest.domid,
						  trap.id, 1))
		die("the ioreq server: %s", strerror(errno));
	trap.port = xenevtchn_bind_interdomain(trap.events, guest.domid,
					       trap.page->vcpu_ioreq[0].vp_eport);
	if (trap.port < 0 || pthread_create(&thread, NULL, server, NULL))
		die("the ioreq server's thread: %s", strerror(errno));

	run(FIRST_SECTION, &(struct command){ .op = BENCH_WRITE_EACH,
		.first = BENCH_TRAPPED, .n = TOUCHES, .value = 19 });
	for (i = 0; i < TOUCHES; i++) {
		uint64_t v;

		/* As the workload chooses the word. */
		memcpy(&v, trap.memory + i * BENCH_PAGE +
		       ((BENCH_TRAPPED + i) * 64 & (BENCH_PAGE - 1)), 8);
		if (v != 19 + BENCH_TRAPPED + i)
			die("not what the guest wrote");
	}
	if (trap.served != TOUCHES)
		die("%lu accesses came, not %u", (long)trap.served, TOUCHES);

	trap.end = 1;
	pthread_join(thread, NULL);
	xendevicemodel_destroy_ioreq_server(trap.dm, guest.domid, trap.id);
	xenforeignmemory_unmap_resource(trap.fm, trap.res);
	xenevtchn_close(trap.events);
	xenforeignmemory_close(trap.fm);
	xendevicemodel_close(trap.dm);
	free(trap.memory);
}

/* ------------------------------------------------------------------------
 * Grants
 */

static void granting(void)
{
	static const unsigned int batch[] = { 1, 64 };
	uint32_t refs[GRANTS];
	xengntshr_handle *share = xengntshr_open(NULL, 0);
	unsigned int nr = FIRST_SECTION + 1, b;
	uint8_t *memory;
	size_t i;

	if (!share)
		die("xengntshr_open: %s", strerror(errno));
	for (b = 0; b < 2; b++) {
		usleep(30000);
		section(nr++);
		BENCH_MARK(3);
		memory = xengntshr_share_pages(share, guest.domid, GRANTS,
					       refs, 1);
		BENCH_MARK(4);
		section_end();
		if (!memory)
			die("%u grants: %s", GRANTS, strerror(errno));
		for (i = 0; i < GRANTS; i++)
			bench_samples(vcpu)[i] = refs[i];
		run(nr++, &(struct command){ .op = BENCH_MAP_GRANTS,
			.first = BENCH_GRANTED, .n = GRANTS,
			.stride = batch[b] });
		run(nr++, &(struct command){ .op = BENCH_WRITE_EACH,
			.first = BENCH_GRANTED, .n = GRANTS, .value = b });
		for (i = 0; i < GRANTS; i++) {
			uint64_t v;

			memcpy(&v, memory + i * BENCH_PAGE +
			       ((BENCH_GRANTED + i) * 64 & (BENCH_PAGE - 1)), 8);
			if (v != b + BENCH_GRANTED + i)
				die("not what the guest wrote");
		}
		run(nr++, &(struct command){ .op = BENCH_UNMAP_GRANTS,
			.first = BENCH_GRANTED, .n = GRANTS,
			.stride = batch[b] });
		usleep(30000);
		section(nr++);
		BENCH_MARK(3);
		if (xengntshr_unshare(share, memory, GRANTS))
			die("unsharing: %s", strerror(errno));
		BENCH_MARK(4);
		section_end();
	}
	xengntshr_close(share);
}

int main(int argc, char **argv)
{
	xenlend_handle *lend;

	if (argc != 2) {
		fprintf(stderr, "Usage: %s DOMID\n",
			program_invocation_short_name);
		return 2;
	}
	lend = xenlend_open(NULL, 0);
	if (!lend)
		return 1;
	many_open(&guest, lend, many_domid(argv[1]), 1, 1);
	trapping();
	granting();
	many_close(&guest);
	xenlend_close(lend);
	return 0;
}
