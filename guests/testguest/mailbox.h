/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a test in the lender and the test guest talk: one page of the guest's RAM at MBOX_GPA, which the lender
 * foreign-maps.  It does not depend on lending.  Used by both sides.
 *
 * To run something on a vCPU: fill op and arg, raise req, notify the vCPU's event channel.  The vCPU runs it,
 * fills ret and the exception, and sets done = req.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#define MBOX_GPA	0x100000UL
#define MBOX_MAGIC	0x786d6c6e	/* "nlmx" */
#define MBOX_CPUS	2
#define MBOX_DATA	2048		/* offset of data[]: for hypercall arguments and the like */

/* Addresses a test may use: identity mapped in the guest. */
#define GUEST_WINDOW	0x200000000UL	/* 8 GiB: 1 GiB for windows */
#define GUEST_MMIO	0x240000000UL	/* 9 GiB: 1 GiB nothing lives in, for emulated devices */
#define GUEST_PORT	0x3000UL	/* 16 ports nothing lives at, for emulated devices */
#define GUEST_FREE_GFN	0x28000UL	/* 640 MiB: frames with no RAM, mapped, for tests that want to put some there */
#define GUEST_HIGH_VA	0x3fe00000UL	/* 2 MiB of addresses whose mapping GOP_MAP replaces */

enum {
	GOP_NOP,
	GOP_READ,	/* addr, size                    -> value */
	GOP_WRITE,	/* addr, size, value */
	GOP_RMW,	/* RMW_*, addr, size, value, old -> what was there, done? */
	GOP_SIMD,	/* SIMD_*, addr: data[0..31] <-> memory */
	GOP_STRING,	/* STR_*, to, from (or value), count -> rdi, rsi, rcx */
	GOP_PORT,	/* PORT_*, port, address, count  -> address after it, count left */
	GOP_STACK,	/* STK_*, stack pointer, address -> frame's address, traps taken */
	GOP_FETCH,	/* addr: jumps there */
	GOP_MAP,	/* page directory entry for GUEST_HIGH_VA */
	GOP_HYPERCALL,	/* number, 5 arguments           -> result */
	GOP_TOUCH,	/* addr, pages, write?, value: one u64 per page at its start -> sum of what was read */
	GOP_FILL,	/* addr, bytes, seed */
	GOP_CHECK,	/* addr, bytes, seed             -> wrong words, offset of the first, what it was */
	GOP_SPIN_READ,	/* addr, forbidden value: reads it until stopped -> reads, forbidden ones seen, last other value */
	GOP_SPIN_ADD,	/* addr, n or 0 for until stopped: LOCK ADD 1 -> done */
	GOP_SPIN_WRITE,	/* addr: writes a counter until stopped -> last value */
	GOP_SPIN_TAG,	/* addr, pages, stride of tags: writes and checks own tags in each page until stopped -> rounds, wrong */
	GOP_RACE,	/* addr, pages, parties, kind: all parties access each page at the same moment -> sum */
	GOP_FUZZ,	/* seed, FUZZ_*, other domain, slots: random doings until stopped; progress counts, last: forbidden successes */
	GOP_CONFIG,	/* configuration address, write?, u32 -> what was read */
	GOP_SPIN_CONFIG,/* configuration address, two u32, addr: writes them in turn and reads addr until stopped -> rounds */
	GOP_NR
};

enum { RMW_XADD, RMW_XCHG, RMW_CMPXCHG, RMW_CMPXCHG16B, RMW_OR, RMW_AND, RMW_INC, RMW_BTS, RMW_ADD_PLAIN, RMW_PUSHPOP };
enum { SIMD_LOAD16, SIMD_STORE16, SIMD_LOAD32, SIMD_STORE32, SIMD_MASKED_STORE32, SIMD_FXSAVE };
enum { STR_MOVSB, STR_MOVSQ, STR_STOSB, STR_STOSQ, STR_MOVSQ_ONE, STR_LODSQ_ONE, STR_MOVSB_BACK, STR_SCASB };
enum { PORT_INSB, PORT_INSW, PORT_INSL, PORT_OUTSB, PORT_OUTSW, PORT_OUTSL, PORT_INSW_ONE, PORT_OUTSW_ONE, PORT_INSW_BACK };
enum { STK_INT, STK_UD2, STK_CALL, STK_PUSH, STK_POP };
enum { RACE_READ, RACE_WRITE, RACE_ADD };

enum { FUZZ_BORROWER, FUZZ_BYSTANDER, FUZZ_LENDER };

#ifndef __ASSEMBLER__
struct mailbox_cpu {
	volatile unsigned int req, done, op, port;
	volatile unsigned long arg[8];
	volatile unsigned long ret[4];
	volatile unsigned int vec, err;		/* exception, or vec = ~0 */
	volatile unsigned int stop, running;
	volatile unsigned long rip, cr2;
	volatile unsigned long progress;	/* of the spinning operations, while they run */
	volatile unsigned long last;
};

struct mailbox {
	volatile unsigned int magic, cpus, avx;
	volatile unsigned int lender;		/* domid, set before the guest starts: who binds its event channels */
	struct mailbox_cpu cpu[MBOX_CPUS];
	unsigned char reserve[MBOX_DATA - 16 - MBOX_CPUS * sizeof(struct mailbox_cpu)];
	volatile unsigned char data[4096 - MBOX_DATA];
};
#endif

#endif
