// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: find the pages behind slots, and have them lent, see resolve.h.
 */
#include "resolve.h"

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>

#include "compat.h"
#include "page.h"
#include "window.h"

/* Rounds of fault and snapshot lost to invalidations before giving up. */
#define XLEND_MAX_TRIES		1000
/*
 * Refusals that may pass (mprotect, no memory) before that is told, with
 * 1, 2, 4, ... 32, 32, 32 ms between them.
 */
#define XLEND_MAX_REFUSALS	8

/* What a round comes to that is not an end. */
#define XLEND_AGAIN		-1	/* pages were faulted in: look again */
#define XLEND_OVERTAKEN		-2	/* an invalidation came between */
#define XLEND_SMALL		-3	/* not as a large page */

/**
 * struct xlend_tries - what became of the last page that was faulted in
 * @slot: which
 * @retry: the fault is to be made again
 * @done: it was made
 */
struct xlend_tries {
	unsigned long slot;
	bool retry;
	bool done;
};

/*
 * Lend the targets and what is present around them.  Nothing was invalidated
 * since the snapshot, and nothing will be while the lock is held.
 */
static int xlend_lend_locked(struct xlend_window *w, unsigned long base,
			     unsigned int nr, unsigned int target,
			     struct xlend_resolve *what,
			     struct xlend_scratch *s)
{
	struct xlend_pages *p = &s->pages;
	unsigned int i, nr_targets = what->nr;
	int rc = 0;

	for (i = 0; i < nr; i++) {
		bool is_target = i - target < what->nr;
		unsigned long hpfn = s->pfns[i];
		bool rw;
		int err = LENDDEV_REASON_UNMAPPED;

		p->lend[i] = false;
		if (is_target && i - target >= nr_targets)
			continue;
		if ((hpfn & HMM_PFN_VALID) && !(hpfn & HMM_PFN_ERROR)) {
			unsigned long pfn = hpfn & ~HMM_PFN_FLAGS;

			err = s->driver ?
			      xlend_page_check_driver(pfn, s->how[i],
						      &p->frame[i]) :
			      xlend_page_check(pfn, &p->frame[i]);
		}
		if (err) {
			if (is_target) {
				/* The ones before it can be lent. */
				rc = err;
				nr_targets = i - target;
				if (!nr_targets)
					return rc;
			}
			continue;
		}
		p->lend[i] = true;
		rw = (hpfn & HMM_PFN_WRITE) && (w->flags & LENDDEV_WINDOW_WRITE);
		if (!s->driver) {
			struct folio *folio;

			folio = page_folio(hmm_pfn_to_page(hpfn));
			/* The guest's use does not make it look used. */
			if (is_target && !is_zero_pfn(hpfn & ~HMM_PFN_FLAGS))
				folio_mark_accessed(folio);
			rw = rw && ((is_target && (what->write || what->turn)) ||
				    xlend_page_dirty(folio));
			/* Before the guest can write. */
			if (rw)
				xlend_page_mark(folio);
		}
		if (rw)
			p->frame[i] |= XENMEM_LEND_WRITE;
	}

	xlend_books_lend(&w->books, base, nr, target, nr_targets, p,
			 what->turn);

	for (i = 0; i < nr_targets; i++) {
		if (p->status[target + i]) {
			rc = xlend_page_reason(p->status[target + i]);
			break;
		}
	}
	what->done = i;
	return i ? 0 : rc;
}

/*
 * Lend the large page that the target is a part of.  The same holds, for all of
 * it.  A driver's is its own affair, and of others Linux is told as it is of
 * small ones: once, since it keeps one account of it.
 */
static int xlend_large_locked(struct xlend_window *w,
			      struct xlend_resolve *what,
			      struct xlend_scratch *s)
{
	unsigned long first = round_down(what->slot, XLEND_LARGE);
	unsigned long hpfn = s->pfns[0], pfn = s->large & XENMEM_LEND_FRAME_MASK;
	u64 frame;
	int rc;

	rc = s->driver ? xlend_page_check_driver(pfn, s->how[0], &frame) :
			 xlend_page_check(pfn, &frame);
	if (rc)
		goto small;
	if ((hpfn & HMM_PFN_WRITE) && (w->flags & LENDDEV_WINDOW_WRITE)) {
		bool rw = true;

		if (!s->driver) {
			struct folio *folio = page_folio(pfn_to_page(pfn));

			folio_mark_accessed(folio);
			/* 2 MiB are not written to swap for one that is read. */
			rw = what->write || xlend_page_dirty(folio);
			if (rw)
				xlend_page_mark(folio);
		}
		if (rw)
			frame |= XENMEM_LEND_WRITE;
	}
	rc = xlend_books_lend_large(&w->books, first, frame, what->slot,
				    what->turn);
	if (rc)
		goto small;
	what->done = min_t(unsigned long, what->nr,
			   first + XLEND_LARGE - what->slot);
	return 0;
small:
	/* Whatever was wrong need not be with the target.  Not again for a while. */
	WRITE_ONCE(w->large_after, jiffies + HZ);
	return XLEND_SMALL;
}

/*
 * Access a driver's page by value, by the mapping that shows it, which has the
 * right type of memory.  It cannot go away now; nor does it have to be there.
 */
static int xlend_access_driver(struct xlend_window *w, unsigned long hpfn,
			       u64 how, unsigned long slot, bool write,
			       struct xlend_access *acc)
{
	void __user *p = (void __user *)(w->addr + (slot << PAGE_SHIFT) +
					 acc->offset);
	u64 frame;
	int rc;

	rc = xlend_page_check_driver(hpfn & ~HMM_PFN_FLAGS, how, &frame);
	if (rc)
		return rc;
	/* The address means something in that process only. */
	if (w->mm != current->mm)
		return LENDDEV_REASON_DEAD;

	rc = -EINVAL;
	pagefault_disable();
	switch (acc->size) {
	case 1:
		rc = write ? put_user((u8)acc->value, (u8 __user *)p) :
			     get_user(acc->value, (u8 __user *)p);
		break;
	case 2:
		rc = write ? put_user((u16)acc->value, (u16 __user *)p) :
			     get_user(acc->value, (u16 __user *)p);
		break;
	case 4:
		rc = write ? put_user((u32)acc->value, (u32 __user *)p) :
			     get_user(acc->value, (u32 __user *)p);
		break;
	case 8:
		rc = write ? put_user(acc->value, (u64 __user *)p) :
			     get_user(acc->value, (u64 __user *)p);
		break;
	}
	pagefault_enable();
	if (rc == -EINVAL)
		return LENDDEV_REASON_OTHER;
	return rc ? XLEND_OVERTAKEN : 0;
}

/* Access the page by value.  The same holds. */
static int xlend_access_locked(unsigned long hpfn, bool write,
			       struct xlend_access *acc)
{
	struct page *page;
	u64 frame;
	void *p;
	int rc;

	rc = xlend_page_check(hpfn & ~HMM_PFN_FLAGS, &frame);
	if (rc)
		return rc;
	page = hmm_pfn_to_page(hpfn);
	if (write)
		xlend_page_mark(page_folio(page));

	/* One access, which is whole if it is aligned. */
	p = kmap_local_page(page) + acc->offset;
	switch (acc->size) {
	case 1:
		if (write)
			WRITE_ONCE(*(u8 *)p, acc->value);
		else
			acc->value = READ_ONCE(*(u8 *)p);
		break;
	case 2:
		if (write)
			WRITE_ONCE(*(u16 *)p, acc->value);
		else
			acc->value = READ_ONCE(*(u16 *)p);
		break;
	case 4:
		if (write)
			WRITE_ONCE(*(u32 *)p, acc->value);
		else
			acc->value = READ_ONCE(*(u32 *)p);
		break;
	case 8:
		if (write)
			WRITE_ONCE(*(u64 *)p, acc->value);
		else
			acc->value = READ_ONCE(*(u64 *)p);
		break;
	default:
		rc = LENDDEV_REASON_OTHER;
	}
	kunmap_local(p);
	return rc;
}

/*
 * Use the snapshot, if it still holds.  A function of its own, so that tests can
 * put a delay before it: what happens then is what it is about.
 */
static noinline __noclone int
xlend_commit(struct xlend_window *w, struct xlend_resolve *what,
	     struct xlend_snapshot snap, unsigned long base, unsigned int nr,
	     unsigned int target, struct xlend_scratch *s)
{
	int rc;

	xlend_books_lock(&w->books);
	if (!w->books.open)
		rc = -ESHUTDOWN;
	else if (READ_ONCE(w->dead))
		rc = LENDDEV_REASON_DEAD;
	else if (xlend_notify_retry(w, snap, base, base + nr - 1))
		rc = XLEND_OVERTAKEN;
	else if (what->access && s->driver)
		rc = xlend_access_driver(w, s->pfns[target], s->how[target],
					 what->slot, what->write, what->access);
	else if (what->access)
		rc = xlend_access_locked(s->pfns[target], what->write,
					 what->access);
	else if (s->large)
		rc = xlend_large_locked(w, what, s);
	else
		rc = xlend_lend_locked(w, base, nr, target, what, s);
	xlend_books_unlock(&w->books);
	return rc;
}

/* As hmm_range_fault(), which does not look at mappings of drivers. */
static int xlend_walk(struct vm_area_struct *vma, struct hmm_range *range,
		      struct xlend_scratch *s)
{
	unsigned long addr, *hpfn = range->hmm_pfns;
	u64 *how = s->how;

	s->driver = vma->vm_flags & VM_PFNMAP;
	if (!s->driver)
		return hmm_range_fault(range);
	for (addr = range->start; addr < range->end; addr += PAGE_SIZE)
		*hpfn++ = xlend_page_look(vma, addr, how++);
	return 0;
}

/*
 * Whether the target, which is at @s->pfns[@target], and what is around it can be
 * lent as one large page: one for Linux, or a driver's mapping that comes to one.
 * If so @s->large is set, and the first page of the arrays is the first of it.
 */
static bool xlend_walk_large(struct xlend_window *w, struct vm_area_struct *vma,
			     unsigned long slot, unsigned int target,
			     struct xlend_scratch *s)
{
	unsigned long first = round_down(slot, XLEND_LARGE);
	unsigned long addr = w->addr + (first << PAGE_SHIFT);
	unsigned long hpfn = s->pfns[target], pfn = hpfn & ~HMM_PFN_FLAGS;
	unsigned long flags = hpfn & HMM_PFN_WRITE;
	u64 how = s->driver ? s->how[target] : 0;
	unsigned int i;

	s->large = 0;
	if (!xlend_window_large(w, slot) || addr < vma->vm_start ||
	    vma->vm_end - addr < PMD_SIZE || pfn < slot - first ||
	    !xlend_books_fits_large(&w->books, first))
		return false;
	pfn -= slot - first;
	if (!IS_ALIGNED(pfn, XLEND_LARGE))
		return false;
	if (!s->driver) {
		if (hmm_pfn_to_map_order(hpfn) < PMD_ORDER)
			return false;
	} else {
		/* The far end first: it is the most likely to differ. */
		for (i = XLEND_LARGE; i--; ) {
			unsigned long p;
			u64 h;

			p = xlend_page_look(vma, addr + i * PAGE_SIZE, &h);
			if (h != how ||
			    p != ((pfn + i) | HMM_PFN_VALID | flags))
				return false;
		}
	}
	/* A PV domain's large pages are none in the machine, but a device's are. */
	if (!(how & XENMEM_LEND_MMIO) && xlend_hc_scattered())
		return false;
	s->pfns[0] = pfn | HMM_PFN_VALID | flags;
	s->how[0] = how;
	s->large = pfn | how;
	return true;
}

/* Why a fault ended in a bus error. */
static int xlend_bus_error(struct vm_area_struct *vma, unsigned long addr)
{
	pgoff_t index = ((addr - vma->vm_start) >> PAGE_SHIFT) + vma->vm_pgoff;
	struct inode *inode = vma->vm_file ? file_inode(vma->vm_file) : NULL;

	/* Its driver has nothing there, or nothing that is this domain's. */
	if (vma->vm_flags & VM_PFNMAP)
		return LENDDEV_REASON_KIND;
	if (inode && S_ISREG(inode->i_mode) &&
	    index >= DIV_ROUND_UP(i_size_read(inode), PAGE_SIZE))
		return LENDDEV_REASON_BEYOND;
	/* Of a file or of swap; a full file system, no huge page left. */
	return LENDDEV_REASON_IO;
}

/*
 * Fault a page in.  Not fixup_user_fault(): it has one error for poison, bus
 * errors and what is not mapped.  Return: 0; XLEND_AGAIN if the lock was
 * dropped; -EINTR, and then it was, too; or a reason.
 */
static int xlend_fault_in(struct vm_area_struct *vma, unsigned long addr,
			  bool write, struct xlend_tries *tries)
{
	/* Remote: the protection keys of this thread say nothing. */
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE |
			     FAULT_FLAG_REMOTE;
	vm_fault_t fault;

	if (write)
		flags |= FAULT_FLAG_WRITE;
	/* Only then may it wait with the lock held. */
	if (tries->retry)
		flags |= FAULT_FLAG_TRIED;

	fault = handle_mm_fault(vma, addr, flags, NULL);
	tries->retry = fault & VM_FAULT_RETRY;
	tries->done = !tries->retry;
	if (fault & VM_FAULT_COMPLETED)
		return XLEND_AGAIN;
	if (fault & VM_FAULT_RETRY)
		return fatal_signal_pending(current) ? -EINTR : XLEND_AGAIN;
	if (fault & VM_FAULT_OOM)
		return LENDDEV_REASON_NO_MEMORY;
	if (fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		return LENDDEV_REASON_POISONED;
	if (fault & VM_FAULT_SIGSEGV)
		return LENDDEV_REASON_UNMAPPED;
	if (fault & VM_FAULT_SIGBUS)
		return xlend_bus_error(vma, addr);
	return 0;
}

/*
 * Fault in what comes after the slots that matter.  None of it has to succeed;
 * what does matters as well from here on, as it was brought to be used alike.
 */
static void xlend_bring(struct xlend_window *w, struct xlend_resolve *what)
{
	unsigned long slot = what->slot + what->nr;
	unsigned long end = min3(slot + what->block.ahead, what->block.to,
				 w->nr);
	struct vm_area_struct *vma = NULL;
	struct mm_struct *mm = w->mm;
	bool locked = false;
	unsigned int n = 0;

	for (; slot < end; slot++) {
		struct xlend_tries tries = { .slot = slot };
		unsigned long addr = w->addr + (slot << PAGE_SHIFT);
		int rc;

		if (xlend_books_has(&w->books, slot, false))
			continue;
		/* Shared memory lets go of the lock with each new page. */
		if (!locked) {
			mmap_read_lock(mm);
			locked = true;
			vma = vma_lookup(mm, addr);
		}
		if (check_stable_address_space(mm) || !vma ||
		    addr >= vma->vm_end || xlend_page_vma(vma, what->write))
			break;
		rc = xlend_fault_in(vma, addr, what->write, &tries);
		locked = rc != XLEND_AGAIN && rc != -EINTR;
		if (rc > 0 || rc == -EINTR)
			break;
		n += tries.done;
	}
	if (locked)
		mmap_read_unlock(mm);
	what->nr = slot - what->slot;
	what->block.ahead = 0; /* once */
	if (n)
		xlend_count(w, &w->counts.ahead, n);
}

/*
 * One round.  Return: 0; XLEND_AGAIN, XLEND_OVERTAKEN; or as xlend_resolve().
 * @what->nr is cut to what one round can do.
 */
static int xlend_resolve_once(struct xlend_window *w,
			      struct xlend_resolve *what,
			      struct xlend_tries *tries,
			      struct xlend_scratch *s)
{
	unsigned long addr = w->addr + (what->slot << PAGE_SHIFT);
	struct hmm_range range = {
		.notifier = &w->notify.interval,
		.hmm_pfns = s->pfns,
	};
	struct mm_struct *mm = w->mm;
	struct xlend_snapshot snap;
	unsigned long base, end;
	struct vm_area_struct *vma;
	unsigned int target, i;
	bool locked = true, wide = false;
	int rc;

	s->large = 0;
	snap = xlend_notify_begin(w);
	range.notifier_seq = snap.seq;
	mmap_read_lock(mm);

	/* Killed for want of memory, and its pages are being taken. */
	rc = LENDDEV_REASON_DEAD;
	if (check_stable_address_space(mm))
		goto unlock;
	vma = vma_lookup(mm, addr);
	rc = xlend_page_vma(vma, what->write);
	if (rc)
		goto unlock;

	/* First what matters alone: the rest may be for nothing. */
	base = what->slot;
	end = min(what->slot + what->nr, w->nr);
	end = min(end, (vma->vm_end - w->addr) >> PAGE_SHIFT);
	what->nr = end - base;
look:
	target = what->slot - base;
	memset(s->pfns, 0, sizeof(s->pfns));
	range.start = w->addr + (base << PAGE_SHIFT);
	range.end = w->addr + (end << PAGE_SHIFT);
	rc = xlend_walk(vma, &range, s);
	if (rc) {
		rc = rc == -EBUSY ? XLEND_OVERTAKEN : LENDDEV_REASON_KIND;
		goto unlock;
	}

	for (i = target; i < target + what->nr; i++) {
		unsigned long hpfn = s->pfns[i];

		if ((hpfn & HMM_PFN_VALID) && !(hpfn & HMM_PFN_ERROR) &&
		    (!what->write || (hpfn & HMM_PFN_WRITE)))
			continue;
		/*
		 * An error may be a page that is with some device, which a
		 * fault brings back, or one of a kind that cannot be lent.
		 */
		if (tries->slot != base + i)
			*tries = (struct xlend_tries){ .slot = base + i };
		if ((hpfn & HMM_PFN_ERROR) && tries->done) {
			rc = LENDDEV_REASON_KIND;
		} else {
			int err = xlend_fault_in(vma, w->addr +
						 ((base + i) << PAGE_SHIFT),
						 what->write, tries);

			locked = err != XLEND_AGAIN && err != -EINTR;
			rc = err ?: XLEND_AGAIN;
			if (!err)
				continue;
		}
		/* What comes before it is not to blame. */
		if (locked && rc > 0 && i > target) {
			what->nr = i - target;
			rc = XLEND_AGAIN;
		}
		break;
	}
	if (!rc && !wide && !what->access &&
	    xlend_walk_large(w, vma, what->slot, target, s)) {
		base = round_down(what->slot, XLEND_LARGE);
		end = base + XLEND_LARGE;
		target = what->slot - base;
	} else if (!rc && !wide && what->block.from < what->block.to) {
		/* It is there.  What is around it? */
		wide = true;
		base = min(base, what->block.from);
		end = min(max(end, what->block.to), w->nr);
		if (vma->vm_start > w->addr)
			base = max(base,
				   (vma->vm_start - w->addr) >> PAGE_SHIFT);
		end = min(end, (vma->vm_end - w->addr) >> PAGE_SHIFT);
		if (end - base > what->nr)
			goto look;
	}
unlock:
	if (locked)
		mmap_read_unlock(mm);
	if (rc)
		return rc;

	return xlend_commit(w, what, snap, base, end - base, target, s);
}

/* Whether some time may change it. */
static bool xlend_may_pass(int reason)
{
	switch (reason) {
	case LENDDEV_REASON_FORBIDDEN: /* mprotect, there and back */
	case LENDDEV_REASON_NO_MEMORY:
	case LENDDEV_REASON_XEN_MEMORY:
	case LENDDEV_REASON_IO:
	case LENDDEV_REASON_BUSY:
		return true;
	default:
		return false;
	}
}

/**
 * xlend_resolve - have the pages behind slots lent, or access one by value
 * @w: window, with a reference
 * @what: see there
 * @s: working space
 *
 * Context: process; no lock held; may wait in a page fault for long.
 * Return: 0; LENDDEV_REASON_* if the first slot cannot be resolved;
 * -ESHUTDOWN: the window is being destroyed; -ENODEV: it is gone in Xen, or its
 * borrower is; -EINTR: the caller is being killed.
 */
int xlend_resolve(struct xlend_window *w, struct xlend_resolve *what,
		  struct xlend_scratch *s)
{
	unsigned int tries = 0, refusals = 0, nr = what->nr;
	struct xlend_tries last = { .slot = ULONG_MAX };
	int rc;

	if (what->write && !(w->flags & LENDDEV_WINDOW_WRITE))
		return LENDDEV_REASON_READ_ONLY;
	what->done = 0;

	/* A worker that is no thread of the process, or a stranger. */
	if (w->mm != current->mm && !mmget_not_zero(w->mm))
		return LENDDEV_REASON_DEAD;

	for (;;) {
		rc = -ESHUTDOWN;
		if (!READ_ONCE(w->books.open))
			break;
		rc = LENDDEV_REASON_DEAD;
		if (READ_ONCE(w->dead))
			break;
		rc = LENDDEV_REASON_CONTENDED;
		if (++tries > XLEND_MAX_TRIES)
			break;

		rc = xlend_resolve_once(w, what, &last, s);
		if (rc == XLEND_OVERTAKEN) {
			xlend_count(w, &w->counts.retries, 1);
			what->nr = nr;
			if (tries > 16)
				usleep_range(50, 100);
			continue;
		}
		if (rc == XLEND_AGAIN) {
			if (last.done && what->block.ahead)
				xlend_bring(w, what);
			cond_resched();
			continue;
		}
		if (rc == XLEND_SMALL) {
			what->nr = nr;
			continue;
		}
		if (!what->patient || !xlend_may_pass(rc) ||
		    ++refusals > XLEND_MAX_REFUSALS)
			break;
		what->nr = nr;
		last.slot = ULONG_MAX;
		fsleep(USEC_PER_MSEC << min(refusals - 1, 5U));
	}

	if (w->mm != current->mm)
		/* Not mmput(): it could end the address space right here. */
		mmput_async(w->mm);
	return rc;
}

/**
 * xlend_reason_errno - a reason as an errno, for who called by himself
 * @reason: LENDDEV_REASON_*, or a negative errno, or 0
 *
 * Return: negative errno, or 0.
 */
int xlend_reason_errno(int reason)
{
	switch (reason) {
	case LENDDEV_REASON_UNMAPPED:
	case LENDDEV_REASON_BEYOND:
		return -EFAULT;
	case LENDDEV_REASON_FORBIDDEN:
		return -EACCES;
	case LENDDEV_REASON_READ_ONLY:
		return -EROFS;
	case LENDDEV_REASON_KIND:
		return -EOPNOTSUPP;
	case LENDDEV_REASON_FOREIGN:
		return -EPERM;
	case LENDDEV_REASON_POISONED:
		return -EHWPOISON;
	case LENDDEV_REASON_DEAD:
		return -ESRCH;
	case LENDDEV_REASON_NO_MEMORY:
	case LENDDEV_REASON_XEN_MEMORY:
		return -ENOMEM;
	case LENDDEV_REASON_CONTENDED:
	case LENDDEV_REASON_STALLED:
		return -ELOOP;
	case LENDDEV_REASON_BUSY:
		return -EAGAIN;
	case LENDDEV_REASON_IO:
	case LENDDEV_REASON_OTHER:
		return -EIO;
	default:
		return reason;
	}
}
