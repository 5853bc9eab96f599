/* SPDX-License-Identifier: GPL-2.0-only */
/* xen-lend: what differs between the kernels it is built for, 6.1 and up. */
#ifndef _XLEND_COMPAT_H
#define _XLEND_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/version.h>

#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC		0x5345434d
#endif

#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK		VM_NONE
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

static inline void xlend_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

#endif /* _XLEND_COMPAT_H */
