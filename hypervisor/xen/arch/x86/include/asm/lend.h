/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASM_X86_LEND_H
#define ASM_X86_LEND_H

#include <xen/lend.h>
#include <xen/mm.h>

#include <asm/p2m.h>

/*
 * What current's nested page fault at gfn comes to.  Only where
 * lend_active(current->domain).  No locks held: what is found holds for no
 * longer than this, but then a retry finds better.
 */
enum lend_access lend_nested_fault(unsigned long gfn, struct npfec npfec);

/*
 * What an access that Xen's emulator makes for current comes to; *server is
 * set for LEND_copy only.  Only where lend_active(current->domain).  The p2m
 * lock may or may not be held: what is found holds for no longer than this.
 */
enum lend_access lend_emulate(paddr_t gpa, bool write,
                              struct ioreq_server **server);

#endif /* ASM_X86_LEND_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
