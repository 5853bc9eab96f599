// SPDX-License-Identifier: GPL-2.0-or-later
#include "runtime.h"

static struct cpu cpus[MAX_CPUS];
static volatile u32 online;
static int use_vmcall;

/* ---- console ---- */

void putchar(char c)
{
	asm volatile("outb %0, %1" :: "a"(c), "Nd"((u16)0xe9));
}

void print(const char *s)
{
	while (*s)
		putchar(*s++);
}

void print_hex(u64 v)
{
	int i = 60;

	while (i && !(v >> i & 15))
		i -= 4;
	for (; i >= 0; i -= 4)
		putchar("0123456789abcdef"[v >> i & 15]);
}

/* ---- exceptions ---- */

struct frame {
	u64 r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax, vec, err, rip, cs, rflags, rsp, ss;
};

struct gate {
	u16 low, sel;
	u8 ist, type;
	u16 mid;
	u32 high, zero;
};

extern char vectors[];
int try_call(void (*fn)(void *), void *arg, u64 *sp);
void try_unwind(u64 sp) __attribute__((noreturn));

static struct gate idt[NR_VECTORS] __attribute__((aligned(16)));

struct cpu *this_cpu(void)
{
	struct cpu *c;

	asm volatile("mov %%gs:0, %0" : "=r"(c));
	return c;
}

/* called by start.S */
void trap(struct frame *f);
void cpu_main(u32 id, u64 start_info);

void trap(struct frame *f)
{
	struct cpu *c = this_cpu();
	u64 sp;

	c->frame = (u64)f;
	c->nr_traps++;
	if (f->vec >= VEC_SOFT)
		return;

	c->vec = f->vec;
	c->err = f->err;
	c->rip = f->rip;
	asm volatile("mov %%cr2, %0" : "=r"(c->cr2));
	sp = c->catch;
	if (sp) {
		c->catch = 0;
		try_unwind(sp);
	}
	print("guest: unexpected exception ");
	print_hex(f->vec);
	print(" error ");
	print_hex(f->err);
	print(" at ");
	print_hex(f->rip);
	print(" cr2 ");
	print_hex(c->cr2);
	putchar('\n');
	for (;;)
		asm volatile("cli; hlt");
}

u32 try(void (*fn)(void *), void *arg)
{
	struct cpu *c = this_cpu();
	u32 caught;

	c->vec = NO_TRAP;
	c->err = 0;
	caught = try_call(fn, arg, &c->catch);
	c->catch = 0;
	return caught ? c->vec : NO_TRAP;
}

static void idt_load(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) r = { sizeof(idt) - 1, (u64)idt };

	asm volatile("lidt %0" :: "m"(r));
}

static void idt_build(void)
{
	u64 a = (u64)vectors;
	u32 i;

	for (i = 0; i < NR_VECTORS; i++, a += 16) {
		idt[i].low = a;
		idt[i].mid = a >> 16;
		idt[i].high = a >> 32;
		idt[i].sel = 8;
		idt[i].type = 0x8e;
	}
}

/* ---- processors ---- */

int avx_enable(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	if ((r[2] >> 26 & 5) != 5)	/* XSAVE and AVX */
		return 0;
	asm volatile("mov %%cr4, %%rax; or $0x40000, %%rax; mov %%rax, %%cr4;"
		     "xor %%ecx, %%ecx; xgetbv; or $7, %%eax; xsetbv" ::: "rax", "rcx", "rdx");
	return 1;
}

u32 cpus_online(void)
{
	return online;
}

void cpu_main(u32 id, u64 start_info)
{
	struct cpu *c = &cpus[id];
	u32 r[4];

	(void)start_info;
	c->self = (u64)c;
	c->id = id;
	asm volatile("wrmsr" :: "c"(0xc0000101), "a"((u32)(u64)c), "d"(0));	/* GS base */
	if (!id) {
		cpuid(0, 0, r);
		use_vmcall = r[1] == 0x756e6547;				/* "Genu" */
		idt_build();
	}
	idt_load();
	__atomic_fetch_add(&online, 1, __ATOMIC_SEQ_CST);
	guest_main(id);
	for (;;)
		asm volatile("cli; hlt");
}

/* struct vcpu_hvm_context with the 64-bit member, see Xen's public/hvm/hvm_vcpu.h */
static struct {
	u32 mode, pad;
	u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, rip, rflags, cr0, cr3, cr4, efer;
	u64 unused[8];
} context;

extern char ap_start[], stacks[];

int cpu_start(u32 id)
{
	u32 before = online;
	s64 rc;

	if (id >= MAX_CPUS)
		return -22;
	memset(&context, 0, sizeof(context));
	context.mode = 1;
	context.rsp = (u64)stacks + STACK_SIZE * (id + 1) - 64;
	context.rdi = id;
	context.rip = (u64)ap_start;
	context.rflags = 2;
	asm volatile("mov %%cr0, %0" : "=r"(context.cr0));
	asm volatile("mov %%cr3, %0" : "=r"(context.cr3));
	asm volatile("mov %%cr4, %0" : "=r"(context.cr4));
	context.cr4 &= ~0x40000UL;
	context.efer = 0x500;		/* LMA, LME */
	rc = hypercall(HC_vcpu_op, 0, id, (u64)&context, 0, 0);	/* VCPUOP_initialise */
	if (!rc)
		rc = hypercall(HC_vcpu_op, 1, id, 0, 0, 0);	/* VCPUOP_up */
	if (rc)
		return rc;
	while (online == before)
		pause();
	return 0;
}

/* ---- Xen ---- */

s64 hypercall(u64 nr, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	register u64 r10 asm("r10") = d;
	register u64 r8 asm("r8") = e;
	s64 r;

	if (use_vmcall)
		asm volatile("vmcall" : "=a"(r), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8) : "0"(nr) : "memory");
	else
		asm volatile("vmmcall" : "=a"(r), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8) : "0"(nr) : "memory");
	return r;
}

static u64 *shared_pending(void) { return (u64 *)(SHARED_INFO_GFN * PAGE_SIZE + 2048); }
static u64 *shared_mask(void) { return (u64 *)(SHARED_INFO_GFN * PAGE_SIZE + 2560); }

int shared_info_map(void)
{
	struct { u16 domid, size; u32 space; u64 idx, gpfn; } p = { 0x7ff0, 0, 0, 0, SHARED_INFO_GFN };

	return hypercall(HC_memory_op, 7, (u64)&p, 0, 0, 0);
}

int event_alloc(u16 remote)
{
	struct { u16 dom, remote; u32 port; } p = { 0x7ff0, remote, 0 };
	s64 rc = hypercall(HC_event_channel_op, 6, (u64)&p, 0, 0, 0);

	if (rc)
		return rc;
	/* never as an interrupt: only event_wait() takes it */
	__atomic_fetch_or(&shared_mask()[p.port / 64], 1UL << p.port % 64, __ATOMIC_SEQ_CST);
	return p.port;
}

void event_wait(u32 port)
{
	struct { u64 ports; u32 nr, pad; u64 timeout; } p = { (u64)&port, 1, 0, 0 };
	u64 bit = 1UL << port % 64;

	while (!(__atomic_fetch_and(&shared_pending()[port / 64], ~bit, __ATOMIC_SEQ_CST) & bit))
		hypercall(HC_sched_op, 3, (u64)&p, 0, 0, 0);	/* SCHEDOP_poll */
}

void *memcpy(void *d, const void *s, u64 n)
{
	void *r = d;

	asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) :: "memory");
	return r;
}

void *memset(void *d, int c, u64 n)
{
	void *r = d;

	asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return r;
}
