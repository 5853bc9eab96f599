// SPDX-License-Identifier: GPL-2.0-or-later
/* Test help: see xlmover.h.  For the lab's machine only: it trusts whoever opens it. */
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <asm/set_memory.h>

#include "xlmover.h"

/* Offsets of the device that a buffer has to itself, in pages. */
#define ROOM		BIT(20)

/* Of the device's memory: as much as tests need. */
#define DEVICE_PAGES	2048

struct place {
	void *va;		/* NULL: nowhere */
	unsigned long pfn;
	u32 where;
};

struct buffer {
	struct mutex lock;	/* of all below */
	struct address_space *mapping;
	unsigned long base;	/* its offset, in pages */
	unsigned long nr;
	struct place *now;
	struct place *old;	/* poisoned, or nowhere */
	bool refuse;
	u64 faults, moves, late;
};

static atomic_long_t rooms = ATOMIC_LONG_INIT(0), buffers = ATOMIC_LONG_INIT(0);

/* A device whose memory is nothing but that, if there is one. */
static struct {
	struct pci_dev *dev;
	void *va;
	unsigned long pfn;
	unsigned long nr;
	spinlock_t lock;	/* of the map */
	DECLARE_BITMAP(map, DEVICE_PAGES);
} device = { .lock = __SPIN_LOCK_UNLOCKED(device.lock) };

static void *device_page(unsigned long *pfn)
{
	void *va = NULL;
	unsigned long i;

	spin_lock(&device.lock);
	i = find_first_zero_bit(device.map, device.nr);
	if (i < device.nr) {
		__set_bit(i, device.map);
		va = device.va + i * PAGE_SIZE;
		*pfn = device.pfn + i;
	}
	spin_unlock(&device.lock);
	return va;
}

static int place_new(struct place *p, u32 where)
{
	p->where = where;
	if (where == XLMOVER_DEVICE) {
		p->va = device_page(&p->pfn);
		return p->va ? 0 : -ENOSPC;
	}
	p->va = (void *)get_zeroed_page(GFP_KERNEL);
	if (!p->va)
		return -ENOMEM;
	p->pfn = page_to_pfn(virt_to_page(p->va));
	if (where == XLMOVER_COMBINED &&
	    set_memory_wc((unsigned long)p->va, 1)) {
		free_page((unsigned long)p->va);
		p->va = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void place_free(struct place *p)
{
	if (!p->va)
		return;
	if (p->where == XLMOVER_DEVICE) {
		spin_lock(&device.lock);
		__clear_bit(p->pfn - device.pfn, device.map);
		spin_unlock(&device.lock);
	} else {
		if (p->where == XLMOVER_COMBINED)
			set_memory_wb((unsigned long)p->va, 1);
		free_page((unsigned long)p->va);
	}
	p->va = NULL;
}

static void poison(struct buffer *b, unsigned long i, bool check)
{
	u32 *word = b->old[i].va;
	unsigned long n;

	for (n = 0; n < PAGE_SIZE / sizeof(*word); n++) {
		if (check && READ_ONCE(word[n]) != XLMOVER_POISON)
			b->late++;
		WRITE_ONCE(word[n], XLMOVER_POISON);
	}
}

static void take_out(struct buffer *b, unsigned long first, unsigned long nr)
{
	unmap_mapping_range(b->mapping, (loff_t)(b->base + first) << PAGE_SHIFT,
			    (loff_t)nr << PAGE_SHIFT, 1);
}

static int move(struct buffer *b, const struct xlmover_move *m)
{
	unsigned long i;
	int rc = 0;

	if (m->place > XLMOVER_DEVICE || !m->nr || m->first >= b->nr ||
	    m->nr > b->nr - m->first)
		return -EINVAL;

	take_out(b, m->first, m->nr);
	for (i = m->first; i < m->first + m->nr; i++) {
		struct place p;

		/* What was there is looked at, and its place is free. */
		if (b->old[i].va)
			poison(b, i, true);
		place_free(&b->old[i]);
		rc = place_new(&p, m->place);
		if (rc)
			break;
		memcpy(p.va, b->now[i].va, PAGE_SIZE);
		b->old[i] = b->now[i];
		b->now[i] = p;
		poison(b, i, false);
		b->moves++;
	}
	return rc;
}

static int size(struct buffer *b, u64 nr)
{
	unsigned long i;

	if (b->nr || !nr || nr > XLMOVER_MAX)
		return -EINVAL;
	b->now = kvcalloc(nr, sizeof(*b->now), GFP_KERNEL);
	b->old = kvcalloc(nr, sizeof(*b->old), GFP_KERNEL);
	if (!b->now || !b->old)
		return -ENOMEM;
	b->nr = nr;
	for (i = 0; i < nr; i++)
		if (place_new(&b->now[i], XLMOVER_CACHED))
			return -ENOMEM;
	return 0;
}

static void counts(struct buffer *b, struct xlmover_counts *c)
{
	unsigned long i;

	for (i = 0; i < b->nr; i++)
		if (b->old[i].va)
			poison(b, i, true);
	*c = (struct xlmover_counts){
		.faults = b->faults,
		.moves = b->moves,
		.late = b->late,
		.buffers = atomic_long_read(&buffers),
		.room = device.nr - bitmap_weight(device.map, device.nr),
	};
}

/* Faults take the lock, with mmap_lock: no user memory is touched under it. */
static long mover_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct buffer *b = f->private_data;
	void __user *user = (void __user *)arg;
	struct xlmover_counts c;
	struct xlmover_move m;
	long rc = 0;
	u64 v;

	switch (cmd) {
	case XLMOVER_MOVE:
		if (copy_from_user(&m, user, sizeof(m)))
			return -EFAULT;
		mutex_lock(&b->lock);
		rc = move(b, &m);
		mutex_unlock(&b->lock);
		return rc;
	case XLMOVER_COUNTS:
		mutex_lock(&b->lock);
		counts(b, &c);
		mutex_unlock(&b->lock);
		return copy_to_user(user, &c, sizeof(c)) ? -EFAULT : 0;
	case XLMOVER_SIZE:
	case XLMOVER_REFUSE:
		if (copy_from_user(&v, user, sizeof(v)))
			return -EFAULT;
		mutex_lock(&b->lock);
		if (cmd == XLMOVER_SIZE) {
			rc = size(b, v);
		} else {
			b->refuse = v;
			if (v && b->nr)
				take_out(b, 0, b->nr);
		}
		mutex_unlock(&b->lock);
		return rc;
	}
	return -ENOTTY;
}

static vm_fault_t mover_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct buffer *b = vma->vm_private_data;
	unsigned long i = vmf->pgoff - b->base;
	vm_fault_t rc = VM_FAULT_SIGBUS;

	mutex_lock(&b->lock);
	b->faults++;
	if (i < b->nr && !b->refuse) {
		pgprot_t prot = vma->vm_page_prot;

		if (b->now[i].where != XLMOVER_CACHED)
			prot = pgprot_writecombine(prot);
		rc = vmf_insert_pfn_prot(vma, vmf->address, b->now[i].pfn,
					 prot);
	}
	mutex_unlock(&b->lock);
	return rc;
}

static const struct vm_operations_struct vm_ops = {
	.fault = mover_fault,
};

static int mover_mmap(struct file *f, struct vm_area_struct *vma)
{
	struct buffer *b = f->private_data;
	unsigned long flags = VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP;

	if (vma->vm_pgoff || vma_pages(vma) > b->nr)
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED))
		return vma_pages(vma) == 1 ?
		       remap_pfn_range(vma, vma->vm_start, b->now[0].pfn,
				       PAGE_SIZE, vma->vm_page_prot) :
		       -EINVAL;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
	vma->vm_pgoff = b->base;
	vma->vm_private_data = b;
	vma->vm_ops = &vm_ops;
	return 0;
}

static int mover_open(struct inode *inode, struct file *f)
{
	struct buffer *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return -ENOMEM;
	mutex_init(&b->lock);
	b->mapping = f->f_mapping;
	b->base = atomic_long_inc_return(&rooms) * ROOM;
	atomic_long_inc(&buffers);
	f->private_data = b;
	return 0;
}

static int mover_release(struct inode *inode, struct file *f)
{
	struct buffer *b = f->private_data;
	unsigned long i;

	for (i = 0; i < b->nr; i++) {
		place_free(&b->now[i]);
		place_free(&b->old[i]);
	}
	kvfree(b->now);
	kvfree(b->old);
	kfree(b);
	atomic_long_dec(&buffers);
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = mover_open,
	.release = mover_release,
	.unlocked_ioctl = mover_ioctl,
	.mmap = mover_mmap,
};

static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xlmover",
	.fops = &fops,
	.mode = 0600,
};

/* Bochs' memory is there while it shows a picture; QEMU has no such ports. */
static void show_picture(void)
{
	/* width, height, bits per pixel, enabled with all of it in a row */
	static const u16 mode[][2] = { { 1, 1024 }, { 2, 768 }, { 3, 32 }, { 4, 0x41 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mode); i++) {
		outw(mode[i][0], 0x1ce);
		outw(mode[i][1], 0x1cf);
	}
}

static unsigned long memory, pages;
module_param(memory, ulong, 0444);
MODULE_PARM_DESC(memory, "address of a device's memory in a domain without PCI");
module_param(pages, ulong, 0444);
MODULE_PARM_DESC(pages, "its size in pages");

/* Write-combined, as drivers have it. */
static void device_map(phys_addr_t at, unsigned long nr)
{
	nr = min_t(unsigned long, nr, DEVICE_PAGES);
	device.va = (void __force *)ioremap_wc(at, nr << PAGE_SHIFT);
	if (!device.va)
		return;
	device.pfn = at >> PAGE_SHIFT;
	device.nr = nr;
}

/*
 * QEMU's bochs-display, or Bochs' PCI VGA: BAR 0 is memory.  Its second half:
 * the first is for whoever maps it himself.
 */
static void device_find(void)
{
	struct pci_dev *d = pci_get_device(0x1234, 0x1111, NULL);
	unsigned long half;

	if (!d) {
		if (memory)
			device_map(memory, pages);
		return;
	}
	if (!pci_enable_device(d)) {
		half = pci_resource_len(d, 0) / 2;
		show_picture();
		device_map(pci_resource_start(d, 0) + half, half >> PAGE_SHIFT);
		if (device.va) {
			device.dev = d;
			return;
		}
		pci_disable_device(d);
	}
	pci_dev_put(d);
}

static void device_forget(void)
{
	if (!device.va)
		return;
	iounmap((void __iomem __force *)device.va);
	if (!device.dev)
		return;
	pci_disable_device(device.dev);
	pci_dev_put(device.dev);
}

static int __init mover_init(void)
{
	int rc;

	device_find();
	rc = misc_register(&dev);
	if (rc)
		device_forget();
	return rc;
}
module_init(mover_init);

static void __exit mover_exit(void)
{
	misc_deregister(&dev);
	device_forget();
}
module_exit(mover_exit);

MODULE_DESCRIPTION("Buffers that move, for tests of memory lending");
MODULE_LICENSE("GPL");
