/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry of a freestanding PVH guest.
 *
 * The first vCPU arrives in 32-bit flat mode (Xen's PVH boot protocol), builds identity maps of 0-1 GiB and
 * 8-10 GiB out of 2 MiB pages, enters long mode and calls main().  Further vCPUs are started by cpu_start() in
 * long mode directly, at ap_start.
 */
	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, 18			/* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long _start

	.set CR0, 0x80000013		/* PG, ET, MP, PE: no EM, no TS */
	.set CR4, 0x620			/* PAE, OSFXSR, OSXMMEXCPT */

	.code32
	.text
	.globl _start
_start:
	cld
	movl %ebx, %esi			/* start_info */
	movl $pdpt, %eax
	orl $7, %eax
	movl %eax, pml4
	movl $pd0, %eax
	orl $7, %eax
	movl %eax, pdpt
	movl $pd8, %eax
	orl $7, %eax
	movl %eax, pdpt + 8 * 8
	movl $pd9, %eax
	orl $7, %eax
	movl %eax, pdpt + 9 * 8
	xorl %ecx, %ecx
1:	movl %ecx, %eax
	shll $21, %eax
	orl $0x87, %eax			/* present, writable, user, 2 MiB */
	movl %eax, pd0(, %ecx, 8)
	movl %eax, pd8(, %ecx, 8)
	movl $2, pd8 + 4(, %ecx, 8)
	orl $0x40000000, %eax
	movl %eax, pd9(, %ecx, 8)
	movl $2, pd9 + 4(, %ecx, 8)
	incl %ecx
	cmpl $512, %ecx
	jne 1b

	movl $CR4, %eax
	movl %eax, %cr4
	movl $pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl $CR0, %eax
	movl %eax, %cr0
	lgdt gdtr
	ljmp $8, $2f

	.code64
2:	movl $stacks + STACK_SIZE, %esp
	xorl %edi, %edi
	jmp cpu_entry

	/* %rdi: the vCPU's number, %rsp: its stack */
	.globl ap_start
ap_start:
	lgdt gdtr
	pushq $8
	leaq cpu_entry(%rip), %rax
	pushq %rax
	lretq

cpu_entry:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movl $0x2ff, %ecx		/* MTRRs: all is write-back; nobody says so to an HVM guest without hvmloader */
	movl $0x806, %eax
	xorl %edx, %edx
	wrmsr
	cld
	andq $-16, %rsp
	xorl %ebp, %ebp
	movl %esi, %esi
	call cpu_main			/* (number, start_info or 0) */
3:	cli
	hlt
	jmp 3b

	/*
	 * int try_call(void (*fn)(void *), void *arg, u64 *sp): 0 when fn returned, 1 when an exception unwound to *sp
	 */
	.globl try_call
try_call:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	subq $8, %rsp
	movq %rsp, (%rdx)
	movq %rdi, %rax
	movq %rsi, %rdi
	call *%rax
	xorl %eax, %eax
4:	addq $8, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	/* void try_unwind(u64 sp): return 1 from the try_call() that stored sp */
	.globl try_unwind
try_unwind:
	movq %rdi, %rsp
	movl $1, %eax
	jmp 4b

	/* One entry for each vector, 16 bytes apart; all push an error code and the vector. */
	.balign 16
	.globl vectors
vectors:
	.set i, 0
	.rept NR_VECTORS
	.balign 16
	.if (i != 8) && (i != 10) && (i != 11) && (i != 12) && (i != 13) && (i != 14) && (i != 17) && (i != 21) && (i != 29) && (i != 30)
	pushq $0
	.endif
	pushq $i
	jmp common
	.set i, i + 1
	.endr
	.balign 16
common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	movq %rsp, %rdi
	pushq %rbp
	movq %rsp, %rbp
	andq $-16, %rsp
	cld
	call trap
	movq %rbp, %rsp
	popq %rbp
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq

	.data
	.balign 16
gdt:	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:	.word . - gdt - 1
	.quad gdt

	.bss
	.balign 4096
	.globl pml4, pdpt, pd0, pd8, pd9, stacks
pml4:	.skip 4096
pdpt:	.skip 4096
pd0:	.skip 4096
pd8:	.skip 4096
pd9:	.skip 4096
stacks:	.skip STACK_SIZE * MAX_CPUS

	.section .note.GNU-stack, "", @progbits
