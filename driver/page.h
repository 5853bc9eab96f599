/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: which pages can be lent, and what Linux is to know of it.
 */
#ifndef _XLEND_PAGE_H
#define _XLEND_PAGE_H

#include <linux/mm.h>
#include <linux/types.h>

int xlend_page_vma(struct vm_area_struct *vma, bool write);
unsigned long xlend_page_look(struct vm_area_struct *vma, unsigned long addr,
			      u64 *how);
int xlend_page_check(unsigned long pfn, u64 *frame);
int xlend_page_check_driver(unsigned long pfn, u64 how, u64 *frame);
int xlend_page_reason(int rc);

/**
 * xlend_page_dirty - whether lending for writing changes nothing for Linux
 * @folio: of the page
 *
 * A neighbour that the guest has not asked for, let alone for writing, must not
 * be written to swap for that.
 *
 * Context: any in which the page cannot go away.
 */
static inline bool xlend_page_dirty(struct folio *folio)
{
	if (folio_test_swapbacked(folio) || folio_test_anon(folio))
		return folio_test_dirty(folio);
	return true;
}

/**
 * xlend_page_mark - before the guest may write to a page
 * @folio: of the page
 *
 * A write by the guest does not make the host's page table entry dirty, and a
 * writable entry need not be: reclaim would drop the page with what the guest
 * wrote.  File pages that are written back are write-protected, with a notifier
 * call, when they are cleaned, so their writable entries are dirty.
 *
 * Context: process, with the books.
 */
static inline void xlend_page_mark(struct folio *folio)
{
	if (!xlend_page_dirty(folio))
		folio_mark_dirty(folio);
}

#endif /* _XLEND_PAGE_H */
