/* SPDX-License-Identifier: GPL-2.0-only */
/* xen-lend: what differs between the kernels it is built for, 6.1 and up. */
#ifndef _XLEND_COMPAT_H
#define _XLEND_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/version.h>

#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC		0x5345434d
#endif

#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK		VM_NONE
#endif

/* of a large page */
#ifndef PMD_ORDER
#define PMD_ORDER		(PMD_SHIFT - PAGE_SHIFT)
#endif

/* Mappings of PV domains whose entries are not what they seem (gntdev). */
static inline bool xlend_vma_special(struct vm_area_struct *vma)
{
#if defined(CONFIG_FIND_NORMAL_PAGE)
	return vma->vm_ops && vma->vm_ops->find_normal_page;
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
	return vma->vm_ops && vma->vm_ops->find_special_page;
#else
	/* only gntdev needs the callback, and this kernel has no gntdev */
	return false;
#endif
}

/**
 * struct xlend_entry - an entry for memory that has no struct pages, or is
 *                      mapped as if it had none
 * @pfn: where it is
 * @writable: it may be written
 * @special: it is as its driver made it, not a copy of a private mapping's
 * @cache: how it is cached, as a page table entry of 4 KiB would say it
 */
struct xlend_entry {
	unsigned long pfn;
	bool writable;
	bool special;
	unsigned long cache;
};

/* Of a VM_PFNMAP mapping, with its mmap_lock.  0, or an errno: nothing there. */
static inline int xlend_entry_at(struct vm_area_struct *vma, unsigned long addr,
				 struct xlend_entry *e)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	int rc = follow_pfnmap_start(&args);

	if (rc)
		return rc;
	/* Without a pte it is a huge page, whose PAT bit is another one. */
	if (!args.ptep)
		args.pgprot = pgprot_large_2_4k(args.pgprot);
	e->pfn = args.pfn;
	e->writable = args.writable;
	e->special = args.special;
	e->cache = pgprot_val(args.pgprot) & _PAGE_CACHE_MASK;
	follow_pfnmap_end(&args);
#else
	spinlock_t *lock; /* of the page table */
	pte_t *ptep, pte;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	int rc = follow_pte(vma, addr, &ptep, &lock);
#else
	int rc = follow_pte(vma->vm_mm, addr, &ptep, &lock);
#endif

	if (rc)
		return rc;
	pte = *ptep;
	pte_unmap_unlock(ptep, lock);
	e->pfn = pte_pfn(pte);
	e->writable = pte_write(pte);
	e->special = pte_special(pte);
	e->cache = pgprot_val(pte_pgprot(pte)) & _PAGE_CACHE_MASK;
#endif
	return 0;
}

static inline void xlend_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

#endif /* _XLEND_COMPAT_H */
