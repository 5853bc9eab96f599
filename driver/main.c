// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: the module and its device, /dev/xen/lend.
 */
#include "xlend.h"

#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

unsigned int xlend_max_windows = 64;
module_param_named(max_windows, xlend_max_windows, uint, 0444);
MODULE_PARM_DESC(max_windows, "windows of one borrower domain (64)");

unsigned long xlend_max_pages = 1UL << 22;
module_param_named(max_pages, xlend_max_pages, ulong, 0444);
MODULE_PARM_DESC(max_pages, "pages of one window (4194304, that is 16 GiB)");

unsigned int xlend_fault_around = 16;
module_param_named(fault_around, xlend_fault_around, uint, 0644);
MODULE_PARM_DESC(fault_around,
		 "pages looked at by a fault, those present are lent (16; 1 to 64)");

unsigned int xlend_stall_limit = 1000;
module_param_named(stall_limit, xlend_stall_limit, uint, 0644);
MODULE_PARM_DESC(stall_limit,
		 "faults without progress before the window's policy answers (1000; 0: never)");

u32 xlend_hv_version;
struct workqueue_struct *xlend_wq;

/**
 * xlend_copy_in - read an extensible struct from user space
 * @to: zeroed or not, is filled
 * @ksize: size of the struct here
 * @min: size it has at least
 * @from: where it is, starting with its size
 * @usize: set to the size it has there
 *
 * Return: 0, -EINVAL if too small, -E2BIG if it has more than we know, -EFAULT.
 */
int xlend_copy_in(void *to, size_t ksize, size_t min, void __user *from,
		  u32 *usize)
{
	int rc;

	if (get_user(*usize, (u32 __user *)from))
		return -EFAULT;
	if (*usize < min)
		return -EINVAL;
	if (*usize > PAGE_SIZE)
		return -E2BIG;
	rc = copy_struct_from_user(to, ksize, from, *usize);
	if (!rc)
		*(u32 *)to = *usize;	/* may have changed meanwhile */
	return rc;
}

/**
 * xlend_copy_out - write an extensible struct back
 * @to: where
 * @from: what
 * @ksize: size of the struct here
 * @usize: size it has there
 *
 * Return: 0 or -EFAULT.
 */
int xlend_copy_out(void __user *to, const void *from, size_t ksize, u32 usize)
{
	return copy_to_user(to, from, min_t(size_t, ksize, usize)) ? -EFAULT : 0;
}

static long xlend_info(void __user *arg)
{
	struct xen_lend_info info;
	u32 usize;
	int rc;

	rc = xlend_copy_in(&info, sizeof(info), sizeof(u32), arg, &usize);
	if (rc)
		return rc;

	info.version = XEN_LEND_VERSION;
	info.window_flags = XLEND_WINDOW_FLAGS;
	info.max_len = (u64)xlend_max_pages << PAGE_SHIFT;
	info.max_windows = xlend_max_windows;
	info.hypervisor_version = xlend_hv_version;
	return xlend_copy_out(arg, &info, sizeof(info), usize);
}

static long xlend_borrower(void __user *arg)
{
	struct xen_lend_borrower bor;
	struct file *file;
	u32 usize;
	int fd, rc;

	rc = xlend_copy_in(&bor, sizeof(bor), offsetofend(typeof(bor), fd), arg,
			   &usize);
	if (rc)
		return rc;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	rc = xlend_borrower_open(&bor, &file);
	if (rc)
		goto free;
	bor.fd = fd;
	rc = xlend_copy_out(arg, &bor, sizeof(bor), usize);
	if (rc)
		goto close;
	fd_install(fd, file);
	return 0;

close:
	fput(file);
free:
	put_unused_fd(fd);
	return rc;
}

static long xlend_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case XEN_LEND_INFO:
		return xlend_info(uarg);
	case XEN_LEND_BORROWER:
		return capable(CAP_SYS_ADMIN) ? xlend_borrower(uarg) : -EPERM;
	case XEN_LEND_NEXT:
		return capable(CAP_SYS_ADMIN) ? xlend_window_next(uarg) : -EPERM;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations xlend_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = xlend_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice xlend_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xen/lend",
	.fops = &xlend_fops,
	.mode = 0600,
};

static int __init xlend_init(void)
{
	struct xen_mem_lend_info info;
	int rc;

	rc = xlend_hc_probe(&info);
	if (rc == -ENODEV) {
		pr_info("not running on Xen\n");
		return -ENODEV;
	}
	if (rc) {
		pr_info("this Xen cannot lend memory (%d)\n", rc);
		return -ENODEV;
	}
	if (info.version != XENMEM_LEND_VERSION) {
		pr_info("Xen lends memory by version %u, this module knows %u\n",
			info.version, XENMEM_LEND_VERSION);
		return -ENODEV;
	}
	xlend_hv_version = info.version;
	xlend_max_windows = min(xlend_max_windows, info.max_windows);
	xlend_max_pages = min_t(u64, xlend_max_pages, info.max_slots);

	/* Jobs wait in page faults: as many at once as a workqueue can have. */
	xlend_wq = alloc_workqueue("xen-lend", WQ_UNBOUND | WQ_FREEZABLE,
				   WQ_UNBOUND_MAX_ACTIVE);
	if (!xlend_wq)
		return -ENOMEM;
	rc = xlend_death_init();
	if (rc)
		goto destroy;
	rc = misc_register(&xlend_dev);
	if (rc)
		goto death;
	return 0;

death:
	xlend_death_exit();
destroy:
	destroy_workqueue(xlend_wq);
	return rc;
}

static void __exit xlend_exit(void)
{
	/* No file is open and no job runs: both hold the module. */
	misc_deregister(&xlend_dev);
	xlend_death_exit();
	/* The last job may have dropped the module, but not yet returned. */
	destroy_workqueue(xlend_wq);
	WARN_ON(!xa_empty(&xlend_windows));
}

module_init(xlend_init);
module_exit(xlend_exit);

MODULE_DESCRIPTION("Lend pageable memory to Xen guests");
MODULE_LICENSE("GPL");
