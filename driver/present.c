// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: lend pages that are present, see present.h.
 */
#include "present.h"

#include <linux/hugetlb.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/page-flags.h>
#include <linux/percpu.h>
#include <linux/pgtable.h>

#include "page.h"
#include "param.h"
#include "request.h"
#include "stream.h"
#include "window.h"

/**
 * struct xlend_seen - what page tables say
 * @pfn: of the page, if it is one: xlend_page_check() says so
 * @there: whether there is anything
 * @writable: and it can be lent for writing
 */
struct xlend_seen {
	unsigned long pfn;
	bool there;
	bool writable;
};

/* Interrupts do not nest. */
struct xlend_present_scratch {
	struct xlend_seen seen[XLEND_BATCH];
	struct xlend_pages pages;
};

static struct xlend_present_scratch __percpu *xlend_present_scratch;

static void xlend_see(struct xlend_seen *seen, unsigned long pfn, bool write,
		      bool dirty)
{
	seen->there = true;
	seen->pfn = pfn;
	/* An entry that is dirty is not cleaned without an invalidation. */
	seen->writable = write &&
			 (dirty ||
			  (pfn_valid(pfn) &&
			   xlend_page_dirty(page_folio(pfn_to_page(pfn)))));
}

/*
 * Entries of [addr, addr + nr pages), which have one table.  False: no table, or
 * @large, and a large page.
 */
static bool xlend_look(struct mm_struct *mm, unsigned long addr,
		       unsigned int nr, bool large, struct xlend_seen *seen)
{
	unsigned int i;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t *ptep;

	pgd = READ_ONCE(*pgd_offset(mm, addr));
	if (pgd_none(pgd))
		return false;
	p4d = READ_ONCE(*p4d_offset(&pgd, addr));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return false;
	pud = READ_ONCE(*pud_offset(&p4d, addr));
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud))
		return false;
	pmd = READ_ONCE(*pmd_offset(&pud, addr));
	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_protnone(pmd))
		return false;

	if (pmd_leaf(pmd)) {
		unsigned long pfn = pmd_pfn(pmd) + pte_index(addr);

		if (large)
			return false;
		for (i = 0; i < nr; i++)
			xlend_see(&seen[i], pfn + i, pmd_write(pmd),
				  pmd_dirty(pmd));
		return true;
	}

	ptep = (pte_t *)pmd_page_vaddr(pmd) + pte_index(addr);
	for (i = 0; i < nr; i++) {
		pte_t pte = READ_ONCE(ptep[i]);

		seen[i].there = false;
		if (pte_present(pte) && !pte_protnone(pte) && !pte_special(pte))
			xlend_see(&seen[i], pte_pfn(pte), pte_write(pte),
				  pte_dirty(pte));
	}
	return true;
}

static bool xlend_present_allowed(struct xlend_present *p)
{
	unsigned long tick = jiffies;

	if (p->tick != tick) {
		p->tick = tick;
		p->nr = 0;
	}
	return p->nr++ < READ_ONCE(xlend_interrupt_faults);
}

static void xlend_present_count(struct xlend_window *w, bool write, int n)
{
	spin_lock(&w->stat_lock);
	if (write)
		w->counts.faults_write += n;
	else
		w->counts.faults_read += n;
	w->counts.interrupts += n;
	spin_unlock(&w->stat_lock);
}

/* The window is open, and stays so. */
static bool xlend_present_lend(struct xlend_window *w, struct xlend_turn *t,
			       struct vm_area_struct *vma)
{
	struct xlend_present_scratch *s = this_cpu_ptr(xlend_present_scratch);
	unsigned long slot = (t->req.addr >> PAGE_SHIFT) - w->gfn;
	unsigned long addr = w->addr + (slot << PAGE_SHIFT), base, end;
	struct xlend_stream stream = t->r->stream;
	bool write = xlend_ioreq_is_write(&t->req);
	struct xlend_block block;
	unsigned int i, target;
	struct folio *folio;
	bool large;

	if (xlend_page_vma(vma, write) || is_vm_hugetlb_page(vma) ||
	    (vma->vm_flags & VM_PFNMAP))
		return false;

	/* Clipped to window, mapping and table. */
	block = xlend_stream_step(&stream, w->serial, slot,
				  xlend_window_around(w));
	base = block.from;
	end = min(block.to, w->nr);
	if (vma->vm_start > w->addr)
		base = max(base, (vma->vm_start - w->addr) >> PAGE_SHIFT);
	end = min(end, (vma->vm_end - w->addr) >> PAGE_SHIFT);
	if (slot - base > pte_index(addr))
		base = slot - pte_index(addr);
	end = min(end, slot + PTRS_PER_PTE - pte_index(addr));
	target = slot - base;
	/* Large pages are lent as such by the workers: once for all of it. */
	large = !xlend_hc_scattered() && xlend_window_large(w, slot) &&
		xlend_books_fits_large(&w->books,
				       round_down(slot, XLEND_LARGE));

	if (!xlend_notify_quiet(w, base, end - 1) ||
	    !xlend_look(w->mm, w->addr + (base << PAGE_SHIFT), end - base,
			large, s->seen) ||
	    !s->seen[target].there || (write && !s->seen[target].writable))
		return false;

	for (i = 0; i < end - base; i++) {
		s->pages.lend[i] = s->seen[i].there &&
				   !xlend_page_check(s->seen[i].pfn,
						     &s->pages.frame[i]);
		if (s->pages.lend[i] && s->seen[i].writable &&
		    (w->flags & LENDDEV_WINDOW_WRITE))
			s->pages.frame[i] |= XENMEM_LEND_WRITE;
	}
	if (!s->pages.lend[target])
		return false;

	/* Before the guest goes on: statistics are not behind it. */
	xlend_present_count(w, write, 1);
	xlend_books_lend(&w->books, base, end - base, target, 1, &s->pages, t);
	if (s->pages.status[target]) {
		xlend_present_count(w, write, -1);
		return false;
	}

	stream.next = xlend_books_next(&w->books, slot);
	t->r->stream = stream;
	/* The guest's use does not make it look used; less than the workers do. */
	folio = page_folio(pfn_to_page(s->seen[target].pfn));
	if (!folio_test_referenced(folio))
		folio_set_referenced(folio);
	return true;
}

/**
 * xlend_present - resolve a fault if its page is there
 * @w: window that was just found; need not be open any more
 * @t: the request
 *
 * Context: interrupt, under RCU; no locks.
 * Return: whether it is resolved.  It need not be answered yet: see
 * xlend_turn_lend().
 */
bool xlend_present(struct xlend_window *w, struct xlend_turn *t)
{
	struct mm_struct *mm = w->mm;
	bool done = false;

	if (xlend_ioreq_is_write(&t->req) && !(w->flags & LENDDEV_WINDOW_WRITE))
		return false;
	/* PREEMPT_RT: a thread, which is no better than a worker. */
	if (!irqs_disabled())
		return false;
	/*
	 * While it is open, and somebody has the books, the window stays, and
	 * so does its mm.  While it is not dead the mm has page tables.
	 */
	if (xlend_books_enter(&w->books) && w->books.open && !w->dead &&
	    w->books.handle == t->req.data &&
	    xlend_present_allowed(&w->present) && mmap_read_trylock(mm)) {
		unsigned long slot = (t->req.addr >> PAGE_SHIFT) - w->gfn;

		if (!check_stable_address_space(mm))
			done = xlend_present_lend(w, t,
						  vma_lookup(mm, w->addr +
							     (slot << PAGE_SHIFT)));
		mmap_read_unlock(mm);
	}
	xlend_books_leave(&w->books);
	return done;
}

/**
 * xlend_present_init - before the first request
 *
 * Return: 0 or -ENOMEM.
 */
int xlend_present_init(void)
{
	xlend_present_scratch = alloc_percpu(struct xlend_present_scratch);
	return xlend_present_scratch ? 0 : -ENOMEM;
}

/**
 * xlend_present_exit - undo xlend_present_init()
 */
void xlend_present_exit(void)
{
	free_percpu(xlend_present_scratch);
}
