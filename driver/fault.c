// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: find the page behind a slot and lend it.
 *
 * Fault the page in as its process would, take a snapshot of the page tables,
 * and under the window's lock, if nothing was invalidated since, lend what the
 * snapshot shows.  Pages are never referenced: between the check of the
 * notifier's sequence and the end of the lock they cannot go away, and after
 * it the notifier takes them back.
 */
#include "xlend.h"

#include <linux/dax.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "trace.h"

/* Rounds of fault and snapshot lost to invalidations before giving up. */
#define XLEND_MAX_TRIES		1000
/*
 * Refusals that may pass (mprotect, no memory) before the policy answers, with
 * 1, 2, 4, ... 32, 32, 32 ms between them.
 */
#define XLEND_MAX_REFUSALS	8

/* The page was faulted in: look again. */
#define XLEND_AGAIN		1

/* Whether what is mapped there is of a kind that can be lent. */
static int xlend_vma_check(struct vm_area_struct *vma, bool write)
{
	if (!vma)
		return -EFAULT;

	/*
	 * Frames without struct pages; frames of other domains (privcmd,
	 * gntdev); pages of which some driver thinks that it knows all users.
	 */
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_SHADOW_STACK))
		return -EOPNOTSUPP;
	if (xlend_vma_special(vma))
		return -EOPNOTSUPP;
	/* Memory of devices. */
	if (vma_is_dax(vma))
		return -EOPNOTSUPP;
	/* Its faults wait for a program, and could not be interrupted here. */
	if (userfaultfd_armed(vma))
		return -EOPNOTSUPP;
	/* Memory that is not even for the kernel. */
	if (vma->vm_file &&
	    file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC)
		return -EOPNOTSUPP;

	/* A reservation where nothing was placed. */
	if (!(vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC)) &&
	    !vma->vm_file && !vma->anon_vma)
		return -EFAULT;
	/* May be about to change back. */
	if (!(vma->vm_flags & VM_READ) || (write && !(vma->vm_flags & VM_WRITE)))
		return -EACCES;
	return 0;
}

/* Whether a page of the snapshot can be lent, and as which frame. */
static int xlend_page_check(unsigned long hpfn, u64 *frame)
{
	unsigned long pfn = hpfn & ~HMM_PFN_FLAGS;
	struct page *page;

	/* Foreign frames of a PV domain have numbers beyond all memory. */
	if (!pfn_valid(pfn))
		return -EPERM;
	page = pfn_to_page(pfn);
	if (is_zone_device_page(page))
		return -EOPNOTSUPP;
	/* The kernel's own; those of a PVH domain that map foreign frames. */
	if (!is_zero_pfn(pfn) && PageReserved(page))
		return -EPERM;
	return xlend_hc_frame(pfn, frame);
}

/*
 * A write by the guest does not make the host's page table entry dirty, and a
 * writable entry need not be: reclaim would drop the page with what the guest
 * wrote.  File pages that are written back are write-protected, with a notifier
 * call, when they are cleaned, so their writable entries are dirty.
 */
static void xlend_mark_dirty(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (folio_test_anon(folio) || folio_test_swapbacked(folio))
		folio_mark_dirty(folio);
}

/*
 * Whether the page can be lent for writing and nothing changes for Linux. A
 * neighbour that the guest has not asked for, let alone for writing, must not
 * be written to swap for that.
 */
static bool xlend_is_dirty(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (folio_test_anon(folio) || folio_test_swapbacked(folio))
		return folio_test_dirty(folio);
	return true;
}

/* What Xen says of a lend, as xlend_fault() returns it. */
static int xlend_lend_errno(int rc)
{
	switch (rc) {
	case -EBUSY: /* it has a use for the frame, which may pass */
		return -EAGAIN;
	case -EINVAL: /* not a frame of ours */
		return -EPERM;
	case -ENOENT:
	case -ESRCH:
		return -ENODEV;
	default:
		return rc;
	}
}

/*
 * Lend slots [from, to) of the snapshot.  @base is the slot of its first page,
 * @target the index of the page that matters.
 */
static void xlend_lend_run(struct xlend_window *w, unsigned long base,
			   unsigned int from, unsigned int to,
			   unsigned int target, struct xlend_scratch *s)
{
	unsigned int i, lends = 0, around = 0, upgrades = 0, refaults = 0;
	bool resolves = s->slot && from <= target && target < to;
	int rc;

	if (resolves)
		rc = xlend_slot_lend(w, base, from, to, s);
	else
		rc = xlend_hc_lend(w->dom->domid, w->handle, base + from,
				   to - from, s->frames + from,
				   s->status + from, XLEND_NO_ANSWER);
	trace_xen_lend_lend(w, base + from, to - from, s->frames + from,
			    resolves && s->answered, rc);

	for (i = from; i < to; i++) {
		bool rw = s->frames[i] & XENMEM_LEND_WRITE;
		unsigned long slot = base + i;
		bool was = test_bit(slot, w->lent);

		if (!rc && !s->status[i]) {
			if (!was) {
				__set_bit(slot, w->lent);
				w->nr_lent++;
				lends++;
				around += i != target;
				if (__test_and_set_bit(slot, w->before))
					refaults += i == target;
			} else if (rw && !test_bit(slot, w->writable)) {
				upgrades++;
			}
			if (rw)
				__set_bit(slot, w->writable);
			continue;
		}

		/*
		 * What the call got to is not known; or another frame may be
		 * there.  None may stay that we do not know of.
		 */
		if (rc || s->status[i] == -EBUSY) {
			if (!was) {
				__set_bit(slot, w->lent);
				w->nr_lent++;
			}
			if (!rc)
				xlend_revoke_locked(w, slot, slot);
		}
		s->status[i] = xlend_lend_errno(rc ?: s->status[i]);
	}
	if (rc)
		xlend_revoke_locked(w, base + from, base + to - 1);

	spin_lock(&w->stat_lock);
	w->stats.lend_calls++;
	w->stats.lends += lends;
	w->stats.around += around;
	w->stats.upgrades += upgrades;
	w->stats.refaults += refaults;
	spin_unlock(&w->stat_lock);
}

/* Lend the target and what is present around it.  Sequence checked. */
static int xlend_lend_locked(struct xlend_window *w, unsigned long base,
			     unsigned int nr, unsigned int target, bool write,
			     struct xlend_scratch *s)
{
	unsigned int i, from, to;

	for (i = 0; i < nr; i++) {
		unsigned long hpfn = s->pfns[i];
		int rc = -ENOENT;
		bool rw;

		s->lend[i] = false;
		if ((hpfn & HMM_PFN_VALID) && !(hpfn & HMM_PFN_ERROR))
			rc = xlend_page_check(hpfn, &s->frames[i]);
		if (rc) {
			if (i == target)
				return rc;
			continue;
		}
		rw = (hpfn & HMM_PFN_WRITE) &&
		     (w->flags & XEN_LEND_WINDOW_WRITE) &&
		     (i == target || write ||
		      xlend_is_dirty(hmm_pfn_to_page(hpfn)));

		/* The target is lent even if it seems to be: Xen faulted. */
		if (i != target && test_bit(base + i, w->lent) &&
		    (!rw || test_bit(base + i, w->writable)))
			continue;

		s->lend[i] = true;
		if (rw) {
			s->frames[i] |= XENMEM_LEND_WRITE;
			/* Before the guest can write. */
			xlend_mark_dirty(hmm_pfn_to_page(hpfn));
		}
	}

	/* The target's run first: the vCPU waits for no other. */
	from = target;
	to = target + 1;
	while (from && s->lend[from - 1])
		from--;
	while (to < nr && s->lend[to])
		to++;
	xlend_lend_run(w, base, from, to, target, s);
	/* The guest's use does not make it look used. */
	folio_mark_accessed(page_folio(hmm_pfn_to_page(s->pfns[target])));
	memset(s->lend + from, 0, to - from);

	for (from = 0; from < nr; from = to) {
		to = from + 1;
		if (!s->lend[from])
			continue;
		while (to < nr && s->lend[to])
			to++;
		xlend_lend_run(w, base, from, to, target, s);
	}
	return s->status[target];
}

/* Access the page by value.  Sequence checked. */
static int xlend_access_locked(unsigned long hpfn, struct xlend_access *acc)
{
	struct page *page;
	u64 frame;
	void *p;
	int rc;

	rc = xlend_page_check(hpfn, &frame);
	if (rc)
		return rc;
	page = hmm_pfn_to_page(hpfn);
	if (acc->write)
		xlend_mark_dirty(page);

	/* One access, which is whole if it is aligned. */
	p = kmap_local_page(page);
	switch (acc->size) {
	case 1:
		if (acc->write)
			WRITE_ONCE(*(u8 *)(p + acc->offset), acc->value);
		else
			acc->value = READ_ONCE(*(u8 *)(p + acc->offset));
		break;
	case 2:
		if (acc->write)
			WRITE_ONCE(*(u16 *)(p + acc->offset), acc->value);
		else
			acc->value = READ_ONCE(*(u16 *)(p + acc->offset));
		break;
	case 4:
		if (acc->write)
			WRITE_ONCE(*(u32 *)(p + acc->offset), acc->value);
		else
			acc->value = READ_ONCE(*(u32 *)(p + acc->offset));
		break;
	case 8:
		if (acc->write)
			WRITE_ONCE(*(u64 *)(p + acc->offset), acc->value);
		else
			acc->value = READ_ONCE(*(u64 *)(p + acc->offset));
		break;
	default:
		rc = -EINVAL;
	}
	kunmap_local(p);
	return rc;
}

/*
 * One round.  Return: 0 done; XLEND_AGAIN when the page was faulted in; -EBUSY
 * when an invalidation came between; other errors as xlend_fault().
 */
static int xlend_fault_once(struct xlend_window *w, unsigned long idx,
			    bool write, unsigned int around,
			    struct xlend_access *acc, struct xlend_scratch *s)
{
	unsigned long addr = w->addr + (idx << PAGE_SHIFT);
	struct hmm_range range = {
		.notifier = &w->notifier,
		.hmm_pfns = s->pfns,
	};
	struct mm_struct *mm = w->mm;
	unsigned long base, end, hpfn;
	struct vm_area_struct *vma;
	unsigned int target;
	bool unlocked = false;
	int rc;

	range.notifier_seq = mmu_interval_read_begin(&w->notifier);
	mmap_read_lock(mm);

	/* Killed for want of memory, and its pages are being taken. */
	rc = -ESRCH;
	if (check_stable_address_space(mm))
		goto unlock;
	vma = vma_lookup(mm, addr);
	rc = xlend_vma_check(vma, write);
	if (rc)
		goto unlock;

	/* Aligned by slot, clipped to the window and to what is mapped. */
	base = idx - idx % around;
	end = min(base + around, w->nr);
	if (vma->vm_start > w->addr)
		base = max(base, (vma->vm_start - w->addr) >> PAGE_SHIFT);
	end = min(end, (vma->vm_end - w->addr) >> PAGE_SHIFT);
	target = idx - base;

	memset(s->pfns, 0, sizeof(s->pfns));
	range.start = w->addr + (base << PAGE_SHIFT);
	range.end = w->addr + (end << PAGE_SHIFT);
	rc = hmm_range_fault(&range);
	if (rc)
		goto unlock;

	hpfn = s->pfns[target];
	rc = -EOPNOTSUPP;
	if (hpfn & HMM_PFN_ERROR)
		goto unlock;
	rc = 0;
	if (!(hpfn & HMM_PFN_VALID) || (write && !(hpfn & HMM_PFN_WRITE))) {
		rc = fixup_user_fault(mm, addr, FAULT_FLAG_REMOTE |
				      (write ? FAULT_FLAG_WRITE : 0), &unlocked);
		if (!rc)
			rc = XLEND_AGAIN;
	}
unlock:
	mmap_read_unlock(mm);
	if (rc)
		return rc;

	mutex_lock(&w->lock);
	if (!w->ready)
		rc = -ESHUTDOWN;
	else if (w->dead)
		rc = -ESRCH;
	else if (mmu_interval_read_retry(&w->notifier, range.notifier_seq))
		rc = -EBUSY;
	else if (acc)
		rc = xlend_access_locked(hpfn, acc);
	else
		rc = xlend_lend_locked(w, base, end - base, target, write, s);
	mutex_unlock(&w->lock);
	return rc;
}

/**
 * xlend_fault - lend the page behind a slot, or access it by value
 * @w: window, with a reference
 * @idx: slot
 * @flags: XLEND_FAULT_*
 * @around: size of the aligned block of slots in which pages that are present
 *          are lent with it, at most XLEND_BATCH
 * @acc: NULL to lend, else the access
 * @s: working space; its @slot and @gen name the request of the vCPU that
 *     waits for the slot to be lent, if one does
 *
 * Context: process; no lock held; may wait in a page fault for long.
 * Return: 0;
 * -ESHUTDOWN: the window is being destroyed;
 * -ESRCH: the process is gone;
 * -ENODEV: the borrower is gone;
 * -EFAULT: nothing is mapped there, or only a reservation, or beyond the end of
 *  a file, or it cannot be read;
 * -EACCES: mapped without this permission;
 * -EROFS: a write, and the window is read-only;
 * -EOPNOTSUPP: memory of a kind that cannot be lent;
 * -EPERM: memory that is not this domain's own;
 * -ENOMEM: out of memory, here or in Xen;
 * -ELOOP: lost to invalidations too many times;
 * others as the hypervisor returns them.
 */
int xlend_fault(struct xlend_window *w, unsigned long idx, unsigned int flags,
		unsigned int around, struct xlend_access *acc,
		struct xlend_scratch *s)
{
	bool write = flags & XLEND_FAULT_WRITE;
	unsigned int tries = 0, refusals = 0;
	int rc;

	if (write && !(w->flags & XEN_LEND_WINDOW_WRITE))
		return -EROFS;
	around = acc ? 1 : clamp(around, 1U, (unsigned int)XLEND_BATCH);

	if (!mmget_not_zero(w->mm))
		return -ESRCH;

	for (;;) {
		rc = -ESHUTDOWN;
		if (!READ_ONCE(w->ready))
			break;
		rc = -ESRCH;
		if (READ_ONCE(w->dead))
			break;
		rc = -ELOOP;
		if (++tries > XLEND_MAX_TRIES)
			break;

		rc = xlend_fault_once(w, idx, write, around, acc, s);
		if (rc == -EBUSY) {
			xlend_count(w, &w->stats.retries, 1);
			if (tries > 16)
				usleep_range(50, 100);
			continue;
		}
		if (rc == XLEND_AGAIN) {
			cond_resched();
			continue;
		}
		if ((rc != -EACCES && rc != -ENOMEM && rc != -EAGAIN) ||
		    !(flags & XLEND_FAULT_PATIENT) ||
		    ++refusals > XLEND_MAX_REFUSALS)
			break;
		fsleep(USEC_PER_MSEC << min(refusals - 1, 5U));
	}

	/* Not mmput(): it could end the process's address space right here. */
	mmput_async(w->mm);
	return rc;
}
