/* SPDX-License-Identifier: GPL-2.0-only */
/* xen-lend: module parameters, and what they come to with Xen's limits. */
#ifndef _XLEND_PARAM_H
#define _XLEND_PARAM_H

#include <linux/types.h>

extern unsigned int xlend_max_windows;
extern unsigned long xlend_max_pages;
extern unsigned int xlend_fault_around;
extern unsigned int xlend_interrupt_faults;
extern unsigned int xlend_stall_limit;
extern unsigned int xlend_workers;
extern u32 xlend_hv_version;

#endif /* _XLEND_PARAM_H */
