// SPDX-License-Identifier: GPL-2.0-or-later
/* The test guest: every vCPU does what its mailbox says, and sleeps in between. */
#include "runtime.h"
#include "mailbox.h"

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

static void op_stack(struct mailbox_cpu *m)
{
	struct cpu *c = this_cpu();
	u64 sp = m->arg[1], before = c->nr_traps;

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
	[GOP_READ] = op_read, [GOP_WRITE] = op_write, [GOP_RMW] = op_rmw, [GOP_SIMD] = op_simd, [GOP_STRING] = op_string,
	[GOP_STACK] = op_stack, [GOP_FETCH] = op_fetch, [GOP_MAP] = op_map, [GOP_HYPERCALL] = op_hypercall,
	[GOP_TOUCH] = op_touch, [GOP_FILL] = op_fill, [GOP_CHECK] = op_check, [GOP_SPIN_READ] = op_spin_read,
	[GOP_SPIN_ADD] = op_spin_add, [GOP_SPIN_WRITE] = op_spin_write, [GOP_SPIN_TAG] = op_spin_tag, [GOP_RACE] = op_race,
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

void guest_main(u32 id)
{
	struct mailbox_cpu *m = &mailbox.cpu[id];
	struct cpu *c = this_cpu();
	u32 req, i;
	int rc;

	if (!id) {
		rc = shared_info_map();
		for (i = 0; !rc && i < MBOX_CPUS; i++) {
			rc = event_alloc(0);
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
		m->vec = try(run, m);
		m->err = c->err;
		m->rip = c->rip;
		m->cr2 = c->cr2;
		if (m->op == GOP_STACK && m->vec != NO_TRAP)
			m->ret[0] = c->frame;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		m->done = req;
	}
}
