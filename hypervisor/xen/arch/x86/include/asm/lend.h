/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASM_X86_LEND_H
#define ASM_X86_LEND_H

#include <xen/lend.h>
#include <xen/mm.h>

/* Both only where lend_active(current->domain). */
enum lend_access lend_nested_fault(unsigned long gfn, unsigned int p2mt,
                                   struct npfec npfec);
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
