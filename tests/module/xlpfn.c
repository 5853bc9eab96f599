// SPDX-License-Identifier: GPL-2.0-or-later
/* Test help: see xlpfn.h.  For the lab's machine only: it trusts whoever opens it. */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <xen/xen.h>
#include <xen/page.h>
#include <xen/mem-reservation.h>

#include "xlpfn.h"

static DEFINE_MUTEX(lock);
static struct page *page;
static bool given_up;

static int give_up(void)
{
	xen_pfn_t frame;

	if (!page || given_up)
		return -EINVAL;
	frame = xen_page_to_gfn(page);
	xenmem_reservation_va_mapping_reset(1, &page);
	if (xenmem_reservation_decrease(1, &frame) != 1) {
		xenmem_reservation_va_mapping_update(1, &page, &frame);
		return -EBUSY;
	}
	given_up = true;
	return 0;
}

static int take_back(void)
{
	xen_pfn_t frame;

	if (!page)
		return -EINVAL;
	if (given_up) {
		frame = page_to_xen_pfn(page);
		if (xenmem_reservation_increase(1, &frame) != 1)
			return -ENOMEM;
		xenmem_reservation_va_mapping_update(1, &page, &frame);
		given_up = false;
	}
	__free_page(page);
	page = NULL;
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
static int mapped(u64 *v)
{
	struct follow_pfnmap_args args = { .address = *v };
	int rc;

	mmap_read_lock(current->mm);
	args.vma = vma_lookup(current->mm, *v);
	rc = args.vma ? follow_pfnmap_start(&args) : -EFAULT;
	if (!rc) {
		*v = args.pfn;
		follow_pfnmap_end(&args);
	}
	mmap_read_unlock(current->mm);
	return rc;
}
#else
static int mapped(u64 *v)
{
	struct vm_area_struct *vma;
	unsigned long pfn;
	int rc;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, *v);
	rc = vma ? follow_pfn(vma, *v, &pfn) : -EFAULT;
	if (!rc)
		*v = pfn;
	mmap_read_unlock(current->mm);
	return rc;
}
#endif

static atomic_t delays = ATOMIC_INIT(0), delayed = ATOMIC_INIT(0);
static atomic_t returned = ATOMIC_INIT(0), lent = ATOMIC_INIT(0);
static unsigned int delay_ms;

static int before_commit(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned int ms;

	if (atomic_dec_if_positive(&delays) < 0)
		return 1; /* nor is its return of interest */
	atomic_inc(&delayed);
	for (ms = 0; ms < READ_ONCE(delay_ms); ms++)
		mdelay(1);
	return 0;
}

static int after_commit(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (!(int)regs_return_value(regs))
		atomic_inc(&lent);
	smp_mb__before_atomic(); /* who sees the return sees the result */
	atomic_inc(&returned);
	return 0;
}

/* The window is closed, but Xen still has it. */
static int before_destroy(struct kprobe *p, struct pt_regs *regs)
{
	unsigned int ms;

	if (!atomic_read(&delayed))
		return 0;
	WRITE_ONCE(delay_ms, 0);
	for (ms = 0; ms < 5000; ms++) {
		if (atomic_read(&returned) >= atomic_read(&delayed))
			break;
		mdelay(1);
	}
	/* in which a guest that was lent something uses it */
	mdelay(20);
	return 0;
}

static struct kretprobe commit;
static struct kprobe destroy;
static bool commit_probed, destroy_probed;

/* An invalidation has been told. */
static int after_invalidate(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned int ms;

	if (!(bool)regs_return_value(regs) ||
	    atomic_dec_if_positive(&delays) < 0)
		return 0;
	atomic_inc(&delayed);
	for (ms = 0; ms < READ_ONCE(delay_ms); ms++)
		mdelay(1);
	return 0;
}

static int delay(u64 v, bool revoked)
{
	int rc;

	/* who waits goes on, or it could not be unregistered */
	atomic_set(&delays, 0);
	WRITE_ONCE(delay_ms, 0);
	/* anew each time: the driver may have been unloaded */
	if (commit_probed)
		unregister_kretprobe(&commit);
	commit_probed = false;
	if (destroy_probed)
		unregister_kprobe(&destroy);
	destroy_probed = false;
	if (!v)
		return 0;
	atomic_set(&delayed, 0);
	atomic_set(&returned, 0);
	atomic_set(&lent, 0);
	WRITE_ONCE(delay_ms, (u32)v);
	atomic_set(&delays, v >> 32);
	commit = (struct kretprobe){
		.kp.symbol_name = revoked ? "xlend_invalidate" : "xlend_commit",
		.entry_handler = revoked ? NULL : before_commit,
		.handler = revoked ? after_invalidate : after_commit,
	};
	rc = register_kretprobe(&commit);
	commit_probed = !rc;
	return rc;
}

static int meet(void)
{
	int rc;

	if (!commit_probed || destroy_probed)
		return -EINVAL;
	destroy = (struct kprobe){
		.symbol_name = "xlend_hc_destroy",
		.pre_handler = before_destroy,
	};
	rc = register_kprobe(&destroy);
	destroy_probed = !rc;
	return rc;
}

static long do_ioctl(unsigned int cmd, u64 __user *arg)
{
	u64 v = 0;
	int rc;

	switch (cmd) {
	case XLPFN_FRAME:
		if (get_user(v, arg))
			return -EFAULT;
		return put_user((u64)pfn_to_gfn(v), arg);
	case XLPFN_MAPPED:
		if (get_user(v, arg))
			return -EFAULT;
		rc = mapped(&v);
		return rc ? rc : put_user(v, arg);
	case XLPFN_PGD:
		return put_user((u64)pfn_to_gfn(virt_to_pfn(current->mm->pgd)), arg);
	case XLPFN_ALLOC:
		if (page)
			return -EBUSY;
		page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		return put_user((u64)xen_page_to_gfn(page), arg);
	case XLPFN_GIVE_UP:
		return give_up();
	case XLPFN_FREE:
		return take_back();
	case XLPFN_DELAY:
	case XLPFN_DELAY_REVOKED:
		if (get_user(v, arg))
			return -EFAULT;
		return (u32)v > XLPFN_LONGEST ?
		       -EINVAL : delay(v, cmd == XLPFN_DELAY_REVOKED);
	case XLPFN_DELAYED:
		return put_user((u64)atomic_read(&delayed), arg);
	case XLPFN_MEET:
		return meet();
	case XLPFN_GO_ON:
		WRITE_ONCE(delay_ms, 0);
		return 0;
	case XLPFN_COMMITS:
		v = (u64)atomic_read(&returned) << 32;
		smp_rmb(); /* see after_commit() */
		return put_user(v | atomic_read(&lent), arg);
	case XLPFN_PEEK:
		if (!page || given_up)
			return -EINVAL;
		return put_user(*(u64 *)page_address(page), arg);
	}
	return -ENOTTY;
}

static long xlpfn_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	long rc;

	mutex_lock(&lock);
	rc = do_ioctl(cmd, (u64 __user *)arg);
	mutex_unlock(&lock);
	return rc;
}

static int xlpfn_release(struct inode *inode, struct file *f)
{
	mutex_lock(&lock);
	if (page)
		take_back();
	delay(0, false);
	mutex_unlock(&lock);
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = xlpfn_ioctl,
	.release = xlpfn_release,
};

static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xlpfn",
	.fops = &fops,
	.mode = 0600,
};

module_misc_device(dev);

MODULE_DESCRIPTION("Test help for memory lending");
MODULE_LICENSE("GPL");
