// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: which pages can be lent, see page.h.
 */
#include "page.h"

#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/userfaultfd_k.h>

#include <xen/lenddev.h>

#include "compat.h"
#include "hcall.h"

/**
 * xlend_page_vma - whether what is mapped there is of a kind that can be lent
 * @vma: the mapping or NULL
 * @write: for writing
 *
 * Context: mmap_lock; also in interrupts.
 * Return: 0 or LENDDEV_REASON_*.
 */
int xlend_page_vma(struct vm_area_struct *vma, bool write)
{
	if (!vma)
		return LENDDEV_REASON_UNMAPPED;

	/* Pages of which some driver thinks that it knows all users. */
	if (vma->vm_flags & (VM_MIXEDMAP | VM_SHADOW_STACK))
		return LENDDEV_REASON_KIND;
	/* Only of these it can be told what is there. */
	if ((vma->vm_flags & VM_IO) && !(vma->vm_flags & VM_PFNMAP))
		return LENDDEV_REASON_KIND;
	if (xlend_vma_special(vma))
		return LENDDEV_REASON_KIND;
	/* Memory of devices. */
	if (vma_is_dax(vma))
		return LENDDEV_REASON_KIND;
	/* Its faults wait for a program, and could not be interrupted here. */
	if (userfaultfd_armed(vma))
		return LENDDEV_REASON_KIND;
	/* Memory that is not even for the kernel. */
	if (vma->vm_file &&
	    file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC)
		return LENDDEV_REASON_KIND;

	/* A reservation where nothing was placed. */
	if (!(vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC)) &&
	    !vma->vm_file && !vma->anon_vma)
		return LENDDEV_REASON_UNMAPPED;
	/* May be about to change back. */
	if (!(vma->vm_flags & VM_READ) || (write && !(vma->vm_flags & VM_WRITE)))
		return LENDDEV_REASON_FORBIDDEN;
	return 0;
}

/* The memory type that an entry names, as the hypervisor wants it. */
static bool xlend_page_cache(unsigned long cache, u64 *type)
{
	if (cache == cachemode2protval(_PAGE_CACHE_MODE_WB))
		*type = XENMEM_LEND_WB;
	/* Before WC: without a PAT that is the same. */
	else if (cache == cachemode2protval(_PAGE_CACHE_MODE_UC_MINUS) ||
		 cache == cachemode2protval(_PAGE_CACHE_MODE_UC))
		*type = XENMEM_LEND_UC;
	else if (cache == cachemode2protval(_PAGE_CACHE_MODE_WC))
		*type = XENMEM_LEND_WC;
	else
		return false;
	return *type == XENMEM_LEND_WB || xlend_hc_has(XENMEM_LEND_HAS_CACHE);
}

/**
 * xlend_page_look - what a driver has mapped, in the words of HMM
 * @vma: VM_PFNMAP
 * @addr: in it
 * @how: set to XENMEM_LEND_MMIO and the memory type, if it can be lent
 *
 * Such memory is its driver's: it takes it out of the mapping, with a notifier
 * call, before it is used for anything else.  The guest is to reach it as the
 * same type of memory: it would not see what passes by its caches.
 *
 * Context: mmap_lock.
 * Return: as of hmm_range_fault(): with HMM_PFN_VALID, and HMM_PFN_WRITE; 0 if
 * nothing is there; HMM_PFN_ERROR for what cannot be lent.
 */
unsigned long xlend_page_look(struct vm_area_struct *vma, unsigned long addr,
			      u64 *how)
{
	struct xlend_entry e;

	*how = 0;
	if (xlend_entry_at(vma, addr, &e))
		return 0;
	if (!e.special || (e.pfn & HMM_PFN_FLAGS) ||
	    !xlend_page_cache(e.cache, how))
		return HMM_PFN_ERROR;
	/* Holes between RAM have struct pages, too, which say so. */
	if (!pfn_valid(e.pfn) || PageReserved(pfn_to_page(e.pfn))) {
		if (*how == XENMEM_LEND_WB ||
		    !xlend_hc_has(XENMEM_LEND_HAS_MMIO))
			return HMM_PFN_ERROR;
		*how |= XENMEM_LEND_MMIO;
	}
	return e.pfn | HMM_PFN_VALID | (e.writable ? HMM_PFN_WRITE : 0);
}

/**
 * xlend_page_check - whether a page can be lent, and as which frame
 * @pfn: of the page
 * @frame: set to what the hypervisor calls it
 *
 * Context: any in which the page cannot go away.
 * Return: 0 or LENDDEV_REASON_*.
 */
int xlend_page_check(unsigned long pfn, u64 *frame)
{
	struct page *page;

	/* Foreign frames of a PV domain have numbers beyond all memory. */
	if (!pfn_valid(pfn))
		return LENDDEV_REASON_FOREIGN;
	page = pfn_to_page(pfn);
	if (is_zone_device_page(page))
		return LENDDEV_REASON_KIND;
	/* The kernel's own; those of a PVH domain that map foreign frames. */
	if (!is_zero_pfn(pfn) && PageReserved(page))
		return LENDDEV_REASON_FOREIGN;
	return xlend_hc_frame(pfn, frame) ? LENDDEV_REASON_FOREIGN : 0;
}

/**
 * xlend_page_check_driver - the same for what xlend_page_look() found
 * @pfn: of the page
 * @how: as it was set then
 * @frame: set to what the hypervisor calls it, and how it is to be lent
 *
 * Whether it is the device's memory of a device of ours Xen knows.
 *
 * Context: any in which the mapping cannot change.
 * Return: 0 or LENDDEV_REASON_*.
 */
int xlend_page_check_driver(unsigned long pfn, u64 how, u64 *frame)
{
	int rc;

	if (!(how & XENMEM_LEND_MMIO))
		rc = xlend_page_check(pfn, frame);
	else
		rc = xlend_hc_frame_mmio(pfn, frame) ? LENDDEV_REASON_FOREIGN :
						       0;
	if (!rc)
		*frame |= how;
	return rc;
}

/**
 * xlend_page_reason - what Xen says of a lend, as a reason
 * @rc: negative errno or 0
 *
 * Return: 0, LENDDEV_REASON_*, or -ENODEV if window or borrower are gone.
 */
int xlend_page_reason(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case -EBUSY: /* it has a use for the frame, which may pass */
		return LENDDEV_REASON_BUSY;
	case -EINVAL: /* not a frame of ours */
	case -EPERM:
		return LENDDEV_REASON_FOREIGN;
	case -EOPNOTSUPP:
		return LENDDEV_REASON_KIND;
	case -ENOMEM:
		return LENDDEV_REASON_XEN_MEMORY;
	case -ENOENT:
	case -ESRCH: /* window or borrower are gone */
		return -ENODEV;
	default:
		return LENDDEV_REASON_OTHER;
	}
}
