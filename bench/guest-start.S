/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVH entry: 32-bit protected mode, flat segments, paging off.  Xen enters
 * here and so does kvm-vmm.c.  Goes to long mode with 2 MiB pages over the
 * first GiB and over the GiB that holds the window.
 */
#define XEN_ELFNOTE_PHYS32_ENTRY 18

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz "Xen"
	.long _start

	.code32
	.text
	.globl _start
_start:
	cld
	cli
	movl $stack_top, %esp

	movl $pdpt + 7, pml4
	movl $pd_ram + 7, pdpt
	movl $pd_window + 7, pdpt + 8 * 8
	xorl %ecx, %ecx
1:	movl %ecx, %eax
	shll $21, %eax
	orl $0x87, %eax
	movl %eax, pd_ram(,%ecx,8)
	movl %eax, pd_window(,%ecx,8)
	movl $2, pd_window + 4(,%ecx,8)
	incl %ecx
	cmpl $512, %ecx
	jne 1b

	movl %cr4, %eax
	orl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl $pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax		/* PG, PE */
	movl %eax, %cr0
	lgdt gdt_ptr
	ljmp $8, $2f

	.code64
2:	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $stack_top, %esp
	call guest_main
3:	cli
	hlt
	jmp 3b

/* Exceptions: 16 bytes of stub each, so that the IDT can be computed. */
	.globl trap_stubs
	.balign 16
trap_stubs:
	.set vector, 0
	.rept 32
	.balign 16
	.if (vector != 8) && (vector != 17) && ((vector < 10) || (vector > 14))
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr
	.balign 16
trap_common:
	movq %rsp, %rdi			/* vector, error, rip */
	andq $-16, %rsp
	call guest_trap			/* does not return */

	.globl timer_stub
timer_stub:
	pushq %rax
	pushq %rcx
	pushq %rdx
	movl $0x80b, %ecx		/* x2APIC EOI */
	xorl %eax, %eax
	xorl %edx, %edx
	wrmsr
	popq %rdx
	popq %rcx
	popq %rax
	iretq

	.data
	.balign 16
gdt:	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_ptr:
	.word . - gdt - 1
	.long gdt

	.bss
	.balign 4096
pml4:	.skip 4096
pdpt:	.skip 4096
pd_ram:	.skip 4096
pd_window: .skip 4096
	.skip 16384
stack_top:

	.section .note.GNU-stack, "", @progbits
