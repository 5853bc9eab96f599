// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The benchmark's other guest, for Xen alone: up to eight vCPUs, each with
 * commands of its own, which sleep between them; and it can map grants.
 */
#include "../guests/runtime/runtime.h"
#include "workload.h"

#define GRANTS_A_CALL	256

/* As in Xen's public/grant_table.h. */
struct map_grant {
	u64 host_addr;
	u32 flags, ref;
	u16 dom;
	short status;
	u32 handle;
	u64 dev_bus_addr;
};

struct unmap_grant {
	u64 host_addr, dev_bus_addr;
	u32 handle;
	short status;
};

#define GNTTABOP_MAP	0
#define GNTTABOP_UNMAP	1
#define GNTMAP_HOST		2

static struct {
	struct bench_comm c;
	u8 pad[BENCH_PAGE - sizeof(struct bench_comm)];
	u64 samples[BENCH_MAX_SAMPLES];
} comm[BENCH_MAX_VCPUS]
	__attribute__((section(".bench_comm,\"aw\",@nobits#"), aligned(4096)));

static u8 ram[BENCH_PAGE];
static u32 handles[BENCH_MAX_SAMPLES];
static struct map_grant maps[GRANTS_A_CALL];
static struct unmap_grant unmaps[GRANTS_A_CALL];

static u64 grant_address(const struct bench_comm *c, u64 i)
{
	return BENCH_WINDOW_GPA + (c->first + i) * BENCH_PAGE;
}

static void map_grants(struct bench_comm *c, const u64 *refs)
{
	u64 i, k, n;

	for (i = 0; i < c->n; i += n) {
		n = c->n - i < c->stride ? c->n - i : c->stride;
		BENCH_MARK(1);
		for (k = 0; k < n; k++)
			maps[k] = (struct map_grant){
				.host_addr = grant_address(c, i + k),
				.flags = GNTMAP_HOST,
				.ref = refs[i + k],
			};
		c->sum = hypercall(HC_grant_table_op, GNTTABOP_MAP,
				   (u64)maps, n, 0, 0);
		for (k = 0; k < n && !c->sum; k++) {
			c->sum = maps[k].status;
			handles[i + k] = maps[k].handle;
		}
		BENCH_MARK(2);
		if (c->sum) {
			c->status = BENCH_REFUSED;
			return;
		}
	}
}

static void unmap_grants(struct bench_comm *c)
{
	u64 i, k, n;

	for (i = 0; i < c->n; i += n) {
		n = c->n - i < c->stride ? c->n - i : c->stride;
		BENCH_MARK(1);
		for (k = 0; k < n; k++)
			unmaps[k] = (struct unmap_grant){
				.host_addr = grant_address(c, i + k),
				.handle = handles[i + k],
			};
		c->sum = hypercall(HC_grant_table_op, GNTTABOP_UNMAP,
				   (u64)unmaps, n, 0, 0);
		for (k = 0; k < n && !c->sum; k++)
			c->sum = unmaps[k].status;
		BENCH_MARK(2);
		if (c->sum) {
			c->status = BENCH_REFUSED;
			return;
		}
	}
}

static void carry_out(struct bench_comm *c, u64 *samples)
{
	int grants = c->op == BENCH_MAP_GRANTS || c->op == BENCH_UNMAP_GRANTS;

	if (!grants) {
		bench_workload(c, samples,
			       (volatile u8 *)BENCH_WINDOW_GPA, ram, 1);
		return;
	}
	c->status = BENCH_OK;
	if (c->n > BENCH_MAX_SAMPLES || !c->stride ||
	    c->stride > GRANTS_A_CALL) {
		c->status = BENCH_BAD_COMMAND;
		return;
	}
	if (c->op == BENCH_MAP_GRANTS)
		map_grants(c, samples);
	else
		unmap_grants(c);
}

struct job {
	struct bench_comm *c;
	u64 *samples;
};

static void job(void *arg)
{
	struct job *j = arg;

	carry_out(j->c, j->samples);
}

void guest_main(u32 cpu)
{
	struct bench_comm *c = &comm[cpu].c;
	struct job j = { c, comm[cpu].samples };
	u32 done = 0, vector;

	if (!cpu && shared_info_map())
		return;
	c->port = event_alloc(0);
	c->version = BENCH_VERSION;
	__atomic_store_n(&c->magic, BENCH_MAGIC, __ATOMIC_RELEASE);
	/* Those that the domain has not are refused. */
	if (!cpu)
		for (cpu = 1; cpu < BENCH_MAX_VCPUS && !cpu_start(cpu); cpu++)
			;

	for (;;) {
		while (__atomic_load_n(&c->cmd, __ATOMIC_ACQUIRE) == done)
			event_wait(c->port);
		done = c->cmd;
		vector = try(job, &j);
		if (vector != NO_TRAP) {
			c->trap_vector = vector;
			c->trap_error = this_cpu()->err;
			c->trap_rip = this_cpu()->rip;
			c->trap_cr2 = this_cpu()->cr2;
			c->status = BENCH_TRAP;
		}
		__atomic_store_n(&c->done, done, __ATOMIC_RELEASE);
	}
}
