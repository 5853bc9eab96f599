// SPDX-License-Identifier: GPL-2.0-or-later
/* The test guest: every vCPU does what its mailbox says, and sleeps in between. */
#include "runtime.h"
#include "mailbox.h"
#define __XEN_TOOLS__ 1
#include "lendgen.h"
#include <xen/memory.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/vcpu.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/hvm/dm_op.h>

struct mailbox mailbox __attribute__((section(".mailbox"), aligned(4096)));

_Static_assert(sizeof(struct mailbox) == 4096, "one page");

/* ---- operations; m is the vCPU's mailbox ---- */

#define AT(type, a) (*(volatile type *)(a))

static void op_read(struct mailbox_cpu *m)
{
	u64 a = m->arg[0], v = 0;

	switch (m->arg[1]) {
	case 1: asm volatile("movzbl (%1), %k0" : "=r"(v) : "r"(a) : "memory"); break;
	case 2: asm volatile("movzwl (%1), %k0" : "=r"(v) : "r"(a) : "memory"); break;
	case 4: asm volatile("movl (%1), %k0" : "=r"(v) : "r"(a) : "memory"); break;
	case 8: asm volatile("movq (%1), %0" : "=r"(v) : "r"(a) : "memory"); break;
	}
	m->ret[0] = v;
}

static void op_write(struct mailbox_cpu *m)
{
	u64 a = m->arg[0], v = m->arg[2];

	switch (m->arg[1]) {
	case 1: asm volatile("movb %b1, (%0)" :: "r"(a), "q"(v) : "memory"); break;
	case 2: asm volatile("movw %w1, (%0)" :: "r"(a), "r"(v) : "memory"); break;
	case 4: asm volatile("movl %k1, (%0)" :: "r"(a), "r"(v) : "memory"); break;
	case 8: asm volatile("movq %1, (%0)" :: "r"(a), "r"(v) : "memory"); break;
	}
}

#define RMW_SIZES(insn, ...)							\
	switch (size) {								\
	case 1: asm volatile("lock " insn "b %b0, (%1)" __VA_ARGS__); break;	\
	case 2: asm volatile("lock " insn "w %w0, (%1)" __VA_ARGS__); break;	\
	case 4: asm volatile("lock " insn "l %k0, (%1)" __VA_ARGS__); break;	\
	case 8: asm volatile("lock " insn "q %q0, (%1)" __VA_ARGS__); break;	\
	}

static void op_rmw(struct mailbox_cpu *m)
{
	u64 a = m->arg[1], size = m->arg[2], v = m->arg[3], old = m->arg[4], hi = 0;
	u8 z = 1;

	switch (m->arg[0]) {
	case RMW_XADD:
		RMW_SIZES("xadd", : "+q"(v) : "r"(a) : "memory");
		m->ret[0] = v;
		break;
	case RMW_XCHG:
		switch (size) {
		case 1: asm volatile("xchgb %b0, (%1)" : "+q"(v) : "r"(a) : "memory"); break;
		case 2: asm volatile("xchgw %w0, (%1)" : "+r"(v) : "r"(a) : "memory"); break;
		case 4: asm volatile("xchgl %k0, (%1)" : "+r"(v) : "r"(a) : "memory"); break;
		case 8: asm volatile("xchgq %q0, (%1)" : "+r"(v) : "r"(a) : "memory"); break;
		}
		m->ret[0] = v;
		break;
	case RMW_CMPXCHG:
		switch (size) {
		case 1: asm volatile("lock cmpxchgb %b3, (%2); sete %1" : "+a"(old), "=q"(z) : "r"(a), "q"(v) : "memory"); break;
		case 2: asm volatile("lock cmpxchgw %w3, (%2); sete %1" : "+a"(old), "=q"(z) : "r"(a), "r"(v) : "memory"); break;
		case 4: asm volatile("lock cmpxchgl %k3, (%2); sete %1" : "+a"(old), "=q"(z) : "r"(a), "r"(v) : "memory"); break;
		case 8: asm volatile("lock cmpxchgq %q3, (%2); sete %1" : "+a"(old), "=q"(z) : "r"(a), "r"(v) : "memory"); break;
		}
		m->ret[0] = old;
		m->ret[1] = z;
		break;
	case RMW_CMPXCHG16B:	/* old:old+1 -> value:value+1 */
		hi = old + 1;
		asm volatile("lock cmpxchg16b (%3); sete %2" : "+a"(old), "+d"(hi), "=q"(z) : "r"(a), "b"(v), "c"(v + 1) : "memory");
		m->ret[0] = old;
		m->ret[1] = z;
		m->ret[2] = hi;
		break;
	case RMW_OR:
		RMW_SIZES("or", :: "q"(v), "r"(a) : "memory");
		break;
	case RMW_AND:
		RMW_SIZES("and", :: "q"(v), "r"(a) : "memory");
		break;
	case RMW_INC:
		asm volatile("lock incq (%0)" :: "r"(a) : "memory");
		break;
	case RMW_BTS:		/* bit number in a register: reaches beyond the operand */
		asm volatile("lock btsq %2, (%1); setc %0" : "=q"(z) : "r"(a), "r"(v) : "memory");
		m->ret[0] = z;
		break;
	case RMW_ADD_PLAIN:
		asm volatile("addq %1, (%0)" :: "r"(a), "r"(v) : "memory");
		break;
	case RMW_PUSHPOP:	/* memory to memory through the stack */
		asm volatile("pushq (%0); popq (%1)" :: "r"(a), "r"(v) : "memory");
		break;
	}
}

static void op_simd(struct mailbox_cpu *m)
{
	volatile u8 *d = mailbox.data;
	u64 a = m->arg[1];

	switch (m->arg[0]) {
	case SIMD_LOAD16:
		asm volatile("movups (%0), %%xmm1; movups %%xmm1, (%1)" :: "r"(a), "r"(d) : "memory");
		break;
	case SIMD_STORE16:
		asm volatile("movups (%1), %%xmm2; movups %%xmm2, (%0)" :: "r"(a), "r"(d) : "memory");
		break;
	case SIMD_LOAD32:
		asm volatile("vmovdqu (%0), %%ymm3; vmovdqu %%ymm3, (%1)" :: "r"(a), "r"(d) : "memory");
		break;
	case SIMD_STORE32:
		asm volatile("vmovdqu (%1), %%ymm4; vmovdqu %%ymm4, (%0)" :: "r"(a), "r"(d) : "memory");
		break;
	case SIMD_MASKED_STORE32:	/* the mask is in data[32..63] */
		asm volatile("vmovdqu (%1), %%ymm5; vmovdqu 32(%1), %%ymm6; vmaskmovps %%ymm5, %%ymm6, (%0)"
			     :: "r"(a), "r"(d) : "memory");
		break;
	case SIMD_FXSAVE:
		asm volatile("fxsave64 (%0); fxrstor64 (%0)" :: "r"(a) : "memory");
		break;
	}
}

static void op_string(struct mailbox_cpu *m)
{
	u64 di = m->arg[1], si = m->arg[2], n = m->arg[3], al = m->arg[2];

	switch (m->arg[0]) {
	case STR_MOVSB:
		asm volatile("rep movsb" : "+D"(di), "+S"(si), "+c"(n) :: "memory");
		break;
	case STR_MOVSQ:
		asm volatile("rep movsq" : "+D"(di), "+S"(si), "+c"(n) :: "memory");
		break;
	case STR_STOSB:
		asm volatile("rep stosb" : "+D"(di), "+c"(n) : "a"(al) : "memory");
		break;
	case STR_STOSQ:
		asm volatile("rep stosq" : "+D"(di), "+c"(n) : "a"(al) : "memory");
		break;
	case STR_MOVSQ_ONE:
		asm volatile("movsq" : "+D"(di), "+S"(si) :: "memory");
		break;
	case STR_LODSQ_ONE:
		asm volatile("lodsq" : "=a"(di), "+S"(si) :: "memory");
		break;
	case STR_MOVSB_BACK:
		asm volatile("std; rep movsb; cld" : "+D"(di), "+S"(si), "+c"(n) :: "memory");
		break;
	case STR_SCASB:
		asm volatile("repne scasb" : "+D"(di), "+c"(n) : "a"(al) : "memory");
		break;
	}
	m->ret[0] = di;
	m->ret[1] = si;
	m->ret[2] = n;
}

/* Not in op_string: the register of the other side is the port. */
static void op_port(struct mailbox_cpu *m)
{
	u64 a = m->arg[2], n = m->arg[3];
	u16 port = m->arg[1];

	switch (m->arg[0]) {
	case PORT_INSB:
		asm volatile("rep insb" : "+D"(a), "+c"(n) : "d"(port) : "memory");
		break;
	case PORT_INSW:
		asm volatile("rep insw" : "+D"(a), "+c"(n) : "d"(port) : "memory");
		break;
	case PORT_INSL:
		asm volatile("rep insl" : "+D"(a), "+c"(n) : "d"(port) : "memory");
		break;
	case PORT_OUTSB:
		asm volatile("rep outsb" : "+S"(a), "+c"(n) : "d"(port) : "memory");
		break;
	case PORT_OUTSW:
		asm volatile("rep outsw" : "+S"(a), "+c"(n) : "d"(port) : "memory");
		break;
	case PORT_OUTSL:
		asm volatile("rep outsl" : "+S"(a), "+c"(n) : "d"(port) : "memory");
		break;
	case PORT_INSW_ONE:
		asm volatile("insw" : "+D"(a) : "d"(port) : "memory");
		break;
	case PORT_OUTSW_ONE:
		asm volatile("outsw" : "+S"(a) : "d"(port) : "memory");
		break;
	case PORT_INSW_BACK:
		asm volatile("std; rep insw; cld" : "+D"(a), "+c"(n) : "d"(port) : "memory");
		break;
	}
	m->ret[0] = a;
	m->ret[1] = n;
}

static void op_stack(struct mailbox_cpu *m)
{
	struct cpu *c = this_cpu();
	u64 sp = m->arg[1], a = m->arg[2], before = c->nr_traps;

	c->frame = 0;
	switch (m->arg[0]) {
	case STK_INT:
		asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; int $0x40; mov %%rbx, %%rsp" :: "r"(sp) : "rbx", "memory");
		break;
	case STK_UD2:		/* comes back through the try() around us, on the old stack */
		asm volatile("mov %0, %%rsp; ud2" :: "r"(sp) : "memory");
		break;
	case STK_CALL:
		asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; call 1f; jmp 2f; 1: ret; 2: mov %%rbx, %%rsp" :: "r"(sp) : "rbx", "memory");
		break;
	case STK_PUSH:		/* memory (a device, perhaps) to the stack, and back */
		asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; pushq (%1); mov %%rbx, %%rsp" :: "r"(sp), "r"(a) : "rbx", "memory");
		break;
	case STK_POP:
		asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; popq (%1); mov %%rbx, %%rsp" :: "r"(sp), "r"(a) : "rbx", "memory");
		break;
	}
	m->ret[0] = c->frame;
	m->ret[1] = c->nr_traps - before;
}

static void op_fetch(struct mailbox_cpu *m)
{
	asm volatile("jmp *%0" :: "r"(m->arg[0]) : "memory");
}

static void op_map(struct mailbox_cpu *m)
{
	pd0[511] = m->arg[0];
	flush_tlb();
}

static void op_hypercall(struct mailbox_cpu *m)
{
	m->ret[0] = hypercall(m->arg[0], m->arg[1], m->arg[2], m->arg[3], m->arg[4], m->arg[5]);
}

static void op_touch(struct mailbox_cpu *m)
{
	u64 a = m->arg[0], i, sum = 0;

	for (i = 0; i < m->arg[1]; i++, a += PAGE_SIZE) {
		m->progress = i;
		if (m->arg[2])
			AT(u64, a) = m->arg[3] + i;
		else
			sum += AT(u64, a);
	}
	m->ret[0] = sum;
}

static u64 mix(u64 seed, u64 i)
{
	u64 x = seed + i * 0x9e3779b97f4a7c15UL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

static void op_fill(struct mailbox_cpu *m)
{
	u64 i;

	for (i = 0; i < m->arg[1] / 8; i++)
		AT(u64, m->arg[0] + i * 8) = mix(m->arg[2], i);
}

static void op_check(struct mailbox_cpu *m)
{
	u64 i, v, bad = 0;

	for (i = 0; i < m->arg[1] / 8; i++) {
		v = AT(u64, m->arg[0] + i * 8);
		if (v != mix(m->arg[2], i) && !bad++) {
			m->ret[1] = i * 8;
			m->ret[2] = v;
		}
	}
	m->ret[0] = bad;
}

static void op_spin_read(struct mailbox_cpu *m)
{
	u64 a = m->arg[0], forbidden = m->arg[1], v, n = 0, seen = 0, last = 0;

	/* few instructions between the reads and no exit: only an IPI gets this vCPU out of the guest */
	while (!m->stop) {
		v = AT(u64, a);
		if (v == forbidden)
			seen++;
		else
			last = v;
		n++;
		if (!(n & 0xff)) {
			m->progress = n;
			m->last = last;
		}
	}
	m->ret[0] = n;
	m->ret[1] = seen;
	m->ret[2] = last;
}

static void op_spin_add(struct mailbox_cpu *m)
{
	u64 a = m->arg[0], todo = m->arg[1], n = 0;

	while (todo ? n < todo : !m->stop) {
		asm volatile("lock addq $1, (%0)" :: "r"(a) : "memory");
		m->progress = ++n;
	}
	m->ret[0] = n;
}

static void op_spin_write(struct mailbox_cpu *m)
{
	u64 n = 0;

	while (!m->stop) {
		AT(u64, m->arg[0]) = ++n;
		m->progress = n;
	}
	m->ret[0] = n;
}

/* By ports 0xcf8 and 0xcfc.  Two vCPUs that do it at a time disturb each other, as on any machine. */
static u32 config(u32 address, int write, u32 value)
{
	asm volatile("outl %0, %w1" :: "a"(0x80000000u | address), "Nd"(0xcf8) : "memory");
	if (write)
		asm volatile("outl %0, %w1" :: "a"(value), "Nd"(0xcfc) : "memory");
	else
		asm volatile("inl %w1, %0" : "=a"(value) : "Nd"(0xcfc) : "memory");
	return value;
}

static void op_config(struct mailbox_cpu *m)
{
	m->ret[0] = config(m->arg[0], m->arg[1], m->arg[2]);
}

static void op_spin_config(struct mailbox_cpu *m)
{
	u64 n;

	for (n = 0; !m->stop; n++) {
		config(m->arg[0], 1, m->arg[1 + (n & 1)]);
		m->last = AT(u64, m->arg[3]);
		m->progress = n;
	}
	m->ret[0] = n;
}

static void op_spin_tag(struct mailbox_cpu *m)
{
	u64 a, i, rounds = 0, wrong = 0, off = this_cpu()->id * 8 + 16;

	while (!m->stop) {
		for (i = 0; i < m->arg[1]; i++) {
			a = m->arg[0] + i * PAGE_SIZE + off;
			if (rounds && AT(u64, a) != mix(i, rounds - 1)) {
				if (!wrong++) {
					m->ret[2] = i;
					m->ret[3] = AT(u64, a);
				}
			}
			AT(u64, a) = mix(i, rounds);
			m->progress++;
		}
		rounds++;
	}
	m->ret[0] = rounds;
	m->ret[1] = wrong;
}

static volatile u64 race_arrived;

static void op_race(struct mailbox_cpu *m)
{
	u64 i, a, sum = 0, n = m->arg[2];

	for (i = 0; i < m->arg[1]; i++) {
		a = m->arg[0] + i * PAGE_SIZE;
		__atomic_fetch_add(&race_arrived, 1, __ATOMIC_SEQ_CST);
		while (race_arrived < n * (i + 1))
			pause();
		switch (m->arg[3]) {
		case RACE_READ:
			sum += AT(u64, a);
			break;
		case RACE_WRITE:
			AT(u64, a + 8 * this_cpu()->id) = i + 1;
			break;
		case RACE_ADD:
			asm volatile("lock addq $1, (%0)" :: "r"(a) : "memory");
			break;
		}
		m->progress = i;
	}
	m->ret[0] = sum;
}

static void (*const ops[GOP_NR])(struct mailbox_cpu *) = {
	[GOP_READ] = op_read, [GOP_WRITE] = op_write, [GOP_RMW] = op_rmw, [GOP_SIMD] = op_simd, [GOP_STRING] = op_string, [GOP_PORT] = op_port,
	[GOP_STACK] = op_stack, [GOP_FETCH] = op_fetch, [GOP_MAP] = op_map, [GOP_HYPERCALL] = op_hypercall,
	[GOP_TOUCH] = op_touch, [GOP_FILL] = op_fill, [GOP_CHECK] = op_check, [GOP_SPIN_READ] = op_spin_read,
	[GOP_SPIN_ADD] = op_spin_add, [GOP_SPIN_WRITE] = op_spin_write, [GOP_SPIN_TAG] = op_spin_tag, [GOP_RACE] = op_race,
	[GOP_CONFIG] = op_config, [GOP_SPIN_CONFIG] = op_spin_config,
};

/* The race's barrier starts again with operation GOP_NOP on any vCPU. */
static void run(void *arg)
{
	struct mailbox_cpu *m = arg;

	if (m->op < GOP_NR && ops[m->op])
		ops[m->op](m);
	else
		race_arrived = 0;
}

/* ---- random doings ---- */

#define SCRATCH		0x180000UL	/* to 0x200000: RAM that nothing else uses */
#define RAM_END		0x800000UL
#define LENT_GFN	0x1a0UL		/* 64 frames that a lender lends */

struct fuzz {
	struct rng r;
	struct mailbox_cpu *m, op;
	u64 kind, other, slots;
	u64 frame[64], window[8];
	struct lend_world world;
	u64 args;		/* where hypercalls' structs are put */
};

static struct fuzz fuzzers[MBOX_CPUS];

static u64 some_window_address(struct fuzz *f)
{
	u64 a = GUEST_WINDOW + below(&f->r, f->slots * (one_in(&f->r, 10) ? 9 : 3)) * PAGE_SIZE;

	switch (below(&f->r, 4)) {
	case 0: return a;
	case 1: return a + PAGE_SIZE - 1 - below(&f->r, 64);
	default: return a + below(&f->r, PAGE_SIZE);
	}
}

static u64 some_address(struct fuzz *f)
{
	switch (below(&f->r, 16)) {
	case 0: case 1: return SCRATCH + below(&f->r, 0x80000 - 0x4000);
	case 2: return GUEST_MMIO + below(&f->r, 3 * PAGE_SIZE);
	case 3: return GUEST_WINDOW + below(&f->r, 0x40000000 - 0x4000);
	case 4: return GUEST_HIGH_VA + below(&f->r, 0x200000 - 0x4000);
	default: return some_window_address(f);
	}
}

/* Numbers of hypercalls whose structs, gfns or buffers may be in a window. */
static u64 random_hypercall(struct fuzz *f)
{
	struct rng *r = &f->r;
	u64 gfn = one_in(r, 6) ? (SCRATCH >> 12) + below(r, 64) : some_window_address(f) >> 12;
	u64 buf = one_in(r, 3) ? some_window_address(f) : f->args;
	volatile u64 *a = (volatile u64 *)f->args;
	u64 third = (GUEST_WINDOW >> 12) + 2 * f->slots + below(r, f->slots);

	/* what puts a guest's own memory into its windows is its own loss, and lasts: seldom */
	switch (one_in(r, 20) ? 1 + below(r, 3) : 4 + below(r, 7)) {
	case 10:
		return hypercall(HC_xen_version, below(r, 2) * 9 + 1, buf, 0, 0, 0);
	case 1: {
		struct xen_add_to_physmap *p = (void *)a;

		p->domid = DOMID_SELF;
		p->size = below(r, 3);
		p->space = one_in(r, 4) ? XENMAPSPACE_grant_table : XENMAPSPACE_gmfn;
		p->idx = one_in(r, 2) ? gfn : (SCRATCH >> 12) + below(r, 64);
		p->gpfn = third;
		return hypercall(HC_memory_op, XENMEM_add_to_physmap, buf, 0, 0, 0);
	}
	case 2: {
		struct xen_remove_from_physmap *p = (void *)a;

		p->domid = DOMID_SELF;
		p->gpfn = some_window_address(f) >> 12;
		return hypercall(HC_memory_op, XENMEM_remove_from_physmap, buf, 0, 0, 0);
	}
	case 3: {
		struct xen_memory_reservation *p = (void *)a;

		a[8] = one_in(r, 2) ? gfn : third;
		a[9] = third;
		set_xen_guest_handle_raw(p->extent_start, (void *)(a + 8));
		p->nr_extents = 1 + below(r, 2);
		p->extent_order = 0;
		p->mem_flags = 0;
		p->domid = DOMID_SELF;
		return hypercall(HC_memory_op, one_in(r, 2) ? XENMEM_decrease_reservation : XENMEM_populate_physmap, buf, 0, 0, 0);
	}
	case 4:
		a[0] = DOMID_SELF;
		return hypercall(HC_event_channel_op, one_in(r, 2) ? EVTCHNOP_status : EVTCHNOP_send, some_window_address(f), 0, 0, 0);
	case 5: {
		struct vcpu_register_runstate_memory_area *p = (void *)a;

		((volatile u64 *)p)[0] = one_in(r, 3) ? 0 : some_window_address(f);
		return hypercall(HC_vcpu_op, VCPUOP_register_runstate_memory_area, this_cpu()->id, buf, 0, 0);
	}
	case 6: {
		struct gnttab_copy *p = (void *)a;
		u32 i;

		for (i = 0; i < sizeof(*p) / 8; i++)
			a[i] = 0;
		p->source.u.gmfn = gfn;
		p->source.domid = DOMID_SELF;
		p->dest.u.gmfn = some_window_address(f) >> 12;
		p->dest.domid = DOMID_SELF;
		p->len = 1 + below(r, 300);
		return hypercall(HC_grant_table_op, GNTTABOP_copy, buf, 1, 0, 0);
	}
	case 7: {
		struct xen_hvm_param *p = (void *)a;

		p->domid = DOMID_SELF;
		p->index = one_in(r, 2) ? HVM_PARAM_CALLBACK_IRQ : HVM_PARAM_IOREQ_PFN;
		return hypercall(HC_hvm_op, HVMOP_get_param, buf, 0, 0, 0);
	}
	default: {
		struct xen_mem_lend *p = (void *)a;

		lend_random(r, p, &f->world);
		return hypercall(HC_memory_op, XENMEM_lend, one_in(r, 6) ? some_window_address(f) : f->args, 0, 0, 0);
	}
	}
}

/* The lock is for the other vCPU. */
static volatile u32 server_lock;
static u32 next_page, own_server;

static s64 dm_op(struct fuzz *f, struct xen_dm_op *op)
{
	struct xen_dm_op_buf *buf = (void *)(f->args + 512);

	buf->size = sizeof(*op);
	set_xen_guest_handle_raw(buf->h, (void *)op);
	return hypercall(41, f->other, 1, (u64)buf, 0, 0);
}

static u32 random_server(struct fuzz *f)
{
	struct rng *r = &f->r;
	struct xen_dm_op *op = (void *)(f->args + 256);
	u32 i, id = below(r, 8);
	s64 rc = -1;

	for (i = 0; i < sizeof(*op) / 8; i++)
		((volatile u64 *)op)[i] = 0;
	while (__atomic_exchange_n(&server_lock, 1, __ATOMIC_ACQUIRE))
		pause();
	switch (below(r, 8)) {
	case 0: case 1:
		op->op = XEN_DMOP_create_ioreq_server;
		rc = dm_op(f, op);
		if (rc >= 0)
			own_server = op->u.create_ioreq_server.id;
		break;
	case 2: case 3:
		op->op = XEN_DMOP_set_ioreq_server_state;
		op->u.set_ioreq_server_state.id = id;
		/* those of a lender are enabled by the toolstack, page first, as device models do it */
		op->u.set_ioreq_server_state.enabled = f->kind == FUZZ_BYSTANDER && !one_in(r, 4);
		rc = dm_op(f, op);
		break;
	case 4:
		op->op = XEN_DMOP_map_io_range_to_ioreq_server;
		op->u.map_io_range_to_ioreq_server.id = id;
		op->u.map_io_range_to_ioreq_server.type = below(r, 3);
		op->u.map_io_range_to_ioreq_server.start = one_in(r, 2) ? GUEST_MMIO : GUEST_WINDOW;
		op->u.map_io_range_to_ioreq_server.end = op->u.map_io_range_to_ioreq_server.start + PAGE_SIZE - 1;
		rc = dm_op(f, op);
		break;
	case 5:
		op->op = XEN_DMOP_destroy_ioreq_server;
		op->u.destroy_ioreq_server.id = id;
		rc = dm_op(f, op);
		break;
	case 6: {
		struct xen_mem_acquire_resource *res = (void *)op;
		volatile u64 *gfn = (void *)(f->args + 768);

		/* another place each time */
		*gfn = GUEST_FREE_GFN + next_page++ % 4096;
		res->domid = f->other;
		res->type = XENMEM_resource_ioreq_server;
		res->id = id;
		res->nr_frames = 1;
		res->frame = XENMEM_resource_ioreq_server_frame_ioreq(0);
		set_xen_guest_handle_raw(res->frame_list, (void *)gfn);
		rc = hypercall(HC_memory_op, XENMEM_acquire_resource, (u64)res, 0, 0, 0);
		break;
	}
	default:
		op->op = below(r, 24);
		/* these have their cases above; servers are put to use by the toolstack; no events */
		if (op->op == XEN_DMOP_create_ioreq_server || op->op == XEN_DMOP_set_ioreq_server_state ||
		    op->op == XEN_DMOP_destroy_ioreq_server || op->op == XEN_DMOP_get_ioreq_server_info ||
		    op->op == XEN_DMOP_map_mem_type_to_ioreq_server || op->op == XEN_DMOP_inject_event)
			break;
		for (i = 1; i < sizeof(*op) / 8; i++)
			((volatile u64 *)op)[i] = below(r, 64);
		rc = dm_op(f, op);
		break;
	}
	__atomic_store_n(&server_lock, 0, __ATOMIC_RELEASE);
	return rc >= 0;
}

/* As a lender, or as somebody who would like to be one.  True if something succeeded that takes privilege. */
static u32 random_lend(struct fuzz *f)
{
	struct rng *r = &f->r;
	struct xen_mem_lend *m = (void *)f->args;
	u32 i;
	s64 rc;

	if (!one_in(r, 4)) {
		lend_random(r, m, &f->world);
		i = m->op;
		if (i == XENMEM_LEND_create && one_in(r, 2))
			m->u.create.server = own_server;
		rc = hypercall(HC_memory_op, XENMEM_lend, f->args, 0, 0, 0);
		if (!rc && i == XENMEM_LEND_create) {
			u32 k = below(r, f->world.nr_windows);
			u64 old = f->window[k], n;

			/* whose number is forgotten goes: what nobody knows would only be in the way */
			f->window[k] = m->u.create.window;
			for (n = 0; n < sizeof(*m) / 8; n++)
				((volatile u64 *)m)[n] = 0;
			m->op = XENMEM_LEND_destroy;
			m->u.destroy.domid = f->other;
			m->u.destroy.window = old;
			hypercall(HC_memory_op, XENMEM_lend, f->args, 0, 0, 0);
		}
		return !rc && (i == XENMEM_LEND_create || i == XENMEM_LEND_lend || i == XENMEM_LEND_query);
	}
	return random_server(f);
}

static void random_access(struct fuzz *f)
{
	struct mailbox_cpu *m = &f->op;
	struct rng *r = &f->r;
	u64 a = some_address(f);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(m->arg); i++)
		m->arg[i] = 0;
	m->stop = 1;
	switch (below(r, 20)) {
	case 0: case 1: case 2: case 3:
		m->op = GOP_READ;
		m->arg[0] = a;
		m->arg[1] = 1UL << below(r, 4);
		break;
	case 4: case 5: case 6:
		m->op = GOP_WRITE;
		/* what a random page table maps is read only: it may be this program */
		m->arg[0] = a - GUEST_HIGH_VA < 0x200000 ? SCRATCH : a;
		m->arg[1] = 1UL << below(r, 4);
		m->arg[2] = rnd(r);
		break;
	case 7: case 8:
		m->op = GOP_RMW;
		m->arg[0] = below(r, RMW_PUSHPOP + 1);
		m->arg[1] = some_window_address(f);
		m->arg[2] = 1UL << below(r, 4);
		m->arg[3] = m->arg[0] == RMW_PUSHPOP ? some_window_address(f) : m->arg[0] == RMW_BTS ? below(r, 70000) : rnd(r);
		m->arg[4] = rnd(r);
		if (m->arg[0] == RMW_CMPXCHG16B)
			m->arg[1] &= ~15UL;
		break;
	case 9:
		m->op = GOP_SIMD;
		m->arg[0] = below(r, mailbox.avx ? SIMD_FXSAVE + 1 : SIMD_LOAD32);
		m->arg[1] = some_window_address(f);
		if (m->arg[0] == SIMD_FXSAVE)
			m->arg[1] &= ~15UL;
		break;
	case 10: case 11: case 12:
		m->op = GOP_STRING;
		m->arg[0] = below(r, STR_SCASB + 1);
		m->arg[1] = one_in(r, 4) ? GUEST_MMIO + below(r, PAGE_SIZE) : one_in(r, 4) ? SCRATCH + 0x1000 : some_window_address(f);
		m->arg[2] = one_in(r, 4) ? GUEST_MMIO + below(r, PAGE_SIZE) : one_in(r, 4) ? SCRATCH + 0x1000 : some_window_address(f);
		m->arg[3] = 1 + below(r, one_in(r, 8) ? 600 : 40);
		/* backwards by more than the pages there are before it would reach other things */
		if (m->arg[0] == STR_MOVSB_BACK)
			m->arg[3] &= 0xfff;
		break;
	case 13:
		m->op = GOP_PORT;
		m->arg[0] = below(r, PORT_INSW_BACK + 1);
		m->arg[1] = GUEST_PORT + below(r, 16);
		m->arg[2] = some_window_address(f);
		m->arg[3] = 1 + below(r, 40);
		break;
	case 14:
		m->op = GOP_FETCH;
		m->arg[0] = some_window_address(f);
		break;
	case 15:
		m->op = GOP_MAP;
		/* a page directory entry has the page table's frame: in a window, lent or not */
		m->arg[0] = one_in(r, 4) ? 0 : (some_window_address(f) & ~(PAGE_SIZE - 1)) | 7;
		break;
	case 16:
		/* an exception there with nobody to serve it is the end of this guest: seldom */
		m->op = one_in(r, 200) ? GOP_STACK : GOP_NR;
		m->arg[0] = one_in(r, 2) ? STK_INT : STK_CALL;
		m->arg[1] = some_window_address(f) & ~15UL;
		break;
	default:
		m->op = GOP_TOUCH;
		m->arg[0] = GUEST_WINDOW + below(r, f->slots) * PAGE_SIZE;
		m->arg[1] = 1 + below(r, 16);
		m->arg[2] = below(r, 2);
		m->arg[3] = rnd(r);
		break;
	}
	if (m->op < GOP_NR)
		try(run, m);
}

static void hypercall_in_try(void *arg)
{
	random_hypercall(arg);
}

static void lend_in_try(void *arg)
{
	struct fuzz *f = arg;

	f->op.ret[0] = random_lend(f);
}

static void op_fuzz(struct mailbox_cpu *m)
{
	u32 id = this_cpu()->id, i;
	struct fuzz *f = &fuzzers[id];
	u64 n = 0;

	f->m = m;
	rng_seed(&f->r, m->arg[0]);
	f->kind = m->arg[1];
	f->other = m->arg[2];
	f->slots = m->arg[3];
	f->args = SCRATCH + 0x70000 + id * 0x4000;
	for (i = 0; i < ARRAY_SIZE(f->frame); i++)
		f->frame[i] = LENT_GFN + i;
	for (i = 0; i < ARRAY_SIZE(f->window); i++)
		f->window[i] = 1 + below(&f->r, 64);
	f->world = (struct lend_world){
		.domid = { f->other, DOMID_SELF, 0, 0x7ff2, 0x7fff, 1 }, .nr_domids = 6,
		.window = f->window, .nr_windows = f->kind == FUZZ_LENDER ? 2 : ARRAY_SIZE(f->window),
		.gfn = GUEST_WINDOW >> 12, .slots = f->slots, .frame = f->frame, .nr_frames = ARRAY_SIZE(f->frame),
		/* the second ends with the guest's memory: what follows cannot be read */
		.array = { f->args + 0x1000, RAM_END - 40, 0x7fffdead0000, GUEST_WINDOW },
		.result = { f->args + 0x2000, RAM_END - 20, 0x7fffdead0000, GUEST_WINDOW },
	};
	m->last = 0;
	while (!m->stop) {
		for (i = 0; i < 64; i++)
			AT(u64, f->world.array[0] + i * 8) = lend_word(&f->r, &f->world);
		if (f->kind != FUZZ_BORROWER) {
			f->op.ret[0] = 0;
			if (try(lend_in_try, f) == NO_TRAP && f->op.ret[0])
				m->last++;
		} else if (one_in(&f->r, 8)) {
			try(hypercall_in_try, f);
		} else {
			random_access(f);
		}
		m->progress = ++n;
		/* ids of other windows become known, as they are numbers in a row */
		if (f->kind != FUZZ_LENDER && one_in(&f->r, 64))
			f->window[below(&f->r, ARRAY_SIZE(f->window))] = 1 + below(&f->r, 4096);
	}
	m->ret[0] = n;
}

void guest_main(u32 id)
{
	struct mailbox_cpu *m = &mailbox.cpu[id];
	struct cpu *c = this_cpu();
	u32 req, i;
	int rc;

	if (!id) {
		rc = shared_info_map();
		for (i = 0; !rc && i < MBOX_CPUS; i++) {
			rc = event_alloc(mailbox.lender);
			if (rc >= 0) {
				mailbox.cpu[i].port = rc;
				rc = 0;
			}
		}
		if (rc) {
			print("testguest: no event channel, error ");
			print_hex(-rc);
			putchar('\n');
			return;
		}
		for (i = 1; i < MBOX_CPUS; i++)
			if (cpu_start(i))
				break;
		mailbox.cpus = cpus_online();
	}
	if (avx_enable() && !id)
		mailbox.avx = 1;
	barrier();
	m->running = 1;
	if (!id) {
		barrier();
		mailbox.magic = MBOX_MAGIC;
	}

	for (;;) {
		while ((req = m->req) == m->done)
			event_wait(m->port);
		barrier();
		for (i = 0; i < ARRAY_SIZE(m->ret); i++)
			m->ret[i] = 0;
		m->progress = 0;
		if (m->op == GOP_FUZZ) {	/* what it does is in a try() of its own each */
			op_fuzz(m);
			m->vec = NO_TRAP;
		} else {
			m->vec = try(run, m);
		}
		m->err = c->err;
		m->rip = c->rip;
		m->cr2 = c->cr2;
		if (m->op == GOP_STACK && m->vec != NO_TRAP)
			m->ret[0] = c->frame;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		m->done = req;
	}
}
