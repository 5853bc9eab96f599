/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: which pages can be lent, and what Linux is to know of it.
 */
#ifndef _XLEND_PAGE_H
#define _XLEND_PAGE_H

#include <linux/types.h>

struct page;
struct vm_area_struct;

int xlend_page_vma(struct vm_area_struct *vma, bool write);
int xlend_page_check(unsigned long pfn, u64 *frame);
void xlend_page_mark(struct page *page);
bool xlend_page_dirty(struct page *page);
int xlend_page_reason(int rc);

#endif /* _XLEND_PAGE_H */
