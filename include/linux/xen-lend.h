/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Memory lending for Xen: the ioctls of /dev/xen/lend.
 *
 * docs/abi.md documents every field, range, error and guarantee.
 *
 * Each struct starts with its size as the caller knows it.  A larger one than
 * the kernel's is accepted if the excess is all zero, a smaller one is taken
 * as followed by zeros and no more than it is written back.
 * Reserved fields must be zero.  Addresses and lengths are in bytes.
 */
#ifndef _LINUX_XEN_LEND_H
#define _LINUX_XEN_LEND_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XEN_LEND_VERSION		1
#define XEN_LEND_IOC			0xBE

/* On the device: privileged (CAP_SYS_ADMIN), but for XEN_LEND_INFO. */

struct xen_lend_info {
	__u32 size;
	__u32 version;			/* OUT: XEN_LEND_VERSION */
	__aligned_u64 window_flags;	/* OUT: XEN_LEND_WINDOW_* supported */
	__aligned_u64 max_len;		/* OUT: bytes, largest window */
	__u32 max_windows;		/* OUT: windows of one borrower */
	__u32 hypervisor_version;	/* OUT: XENMEM_LEND_VERSION of Xen */
};

/* A file descriptor that can only lend to one range of one domain. */
struct xen_lend_borrower {
	__u32 size;
	__u16 domid;			/* IN */
	__u16 reserved;
	__aligned_u64 flags;		/* IN: 0 */
	__aligned_u64 gpa;		/* IN: page aligned */
	__aligned_u64 len;		/* IN: page multiple, not 0 */
	__u32 max_windows;		/* IN: 0 for the largest number */
	__s32 fd;			/* OUT: close-on-exec */
};

/* On the borrower descriptor: whoever holds it. */

#define XEN_LEND_WINDOW_WRITE		(1ULL << 0) /* the guest may write */

/* What a guest access gets that the span cannot serve. */
#define XEN_LEND_POLICY_ONES		0	/* reads ones, writes are dropped */
#define XEN_LEND_POLICY_FAULT		1	/* #GP in the guest */

struct xen_lend_window {
	__u32 size;
	__u32 policy;			/* IN: XEN_LEND_POLICY_* */
	__aligned_u64 flags;		/* IN: XEN_LEND_WINDOW_* */
	__aligned_u64 gpa;		/* IN: page aligned, in the borrower's range */
	__aligned_u64 len;		/* IN: page multiple, not 0 */
	__aligned_u64 addr;		/* IN: span in the caller's address space */
	__aligned_u64 cookie;		/* IN: caller's own, comes back in events */
	__u32 id;			/* OUT: not 0, never used again on this fd */
	__u32 reserved;
};

struct xen_lend_range {
	__u32 size;
	__u32 id;			/* IN: window */
	__aligned_u64 flags;		/* IN: XEN_LEND_WINDOW_WRITE or 0; populate only */
	__aligned_u64 offset;		/* IN: page aligned; 0 for destroy */
	__aligned_u64 len;		/* IN: page multiple; 0 for destroy */
	__aligned_u64 done;		/* OUT: bytes from offset that were done */
};

struct xen_lend_stats {
	__u32 size;
	__u32 id;			/* IN: window */
	__aligned_u64 pages_lent;	/* now */
	__aligned_u64 faults_read;
	__aligned_u64 faults_write;
	__aligned_u64 upgrades;		/* read-only pages made writable */
	__aligned_u64 around;		/* pages lent with a neighbour's fault */
	__aligned_u64 copies;		/* accesses served by value */
	__aligned_u64 lends;		/* pages lent, ever */
	__aligned_u64 lend_calls;
	__aligned_u64 revokes;		/* pages revoked, ever */
	__aligned_u64 revoke_calls;
	__aligned_u64 invalidations;	/* MMU notifier events that met the span */
	__aligned_u64 refaults;		/* faults on a page lent before */
	__aligned_u64 retries;		/* fault attempts lost to an invalidation */
	__aligned_u64 errors;		/* faults answered by the policy */
	__aligned_u64 stalls;		/* faults that came without progress */
	__aligned_u64 fault_max_ns;
	__aligned_u64 fault_total_ns;
	__aligned_u64 revoke_max_ns;
	__aligned_u64 revoke_total_ns;
};

/* read(2) on a borrower descriptor returns whole events. */
#define XEN_LEND_EVENT_FAULT		1	/* a fault met the policy: error, gpa */
#define XEN_LEND_EVENT_WINDOW_DEAD	2	/* the span's process is gone */
#define XEN_LEND_EVENT_BORROWER_GONE	3	/* the domain is gone: also POLLHUP */
#define XEN_LEND_EVENT_LOST		4	/* events were dropped here */

struct xen_lend_event {
	__u32 type;
	__s32 error;			/* negative errno */
	__u32 id;			/* window, or 0 */
	__u32 vcpu;
	__aligned_u64 cookie;		/* window's */
	__aligned_u64 gpa;		/* byte address of the access */
};

/* On the device: the window with the smallest serial greater than the given. */
struct xen_lend_next {
	__u32 size;
	__u32 id;			/* OUT */
	__aligned_u64 serial;		/* IN/OUT: unique since the module was loaded */
	__u16 domid;			/* OUT */
	__u16 reserved;
	__u32 pid;			/* OUT: creator's, in the caller's namespace, or 0 */
	__u32 policy;			/* OUT */
	__u32 dead;			/* OUT: 1 when nothing can be lent any more */
	__aligned_u64 flags;		/* OUT */
	__aligned_u64 gpa;		/* OUT */
	__aligned_u64 len;		/* OUT */
	struct xen_lend_stats stats;	/* OUT; its size is set by the caller */
};

#define XEN_LEND_INFO			_IO(XEN_LEND_IOC, 0x00)
#define XEN_LEND_BORROWER		_IO(XEN_LEND_IOC, 0x01)
#define XEN_LEND_NEXT			_IO(XEN_LEND_IOC, 0x02)
#define XEN_LEND_WINDOW_CREATE		_IO(XEN_LEND_IOC, 0x10)
#define XEN_LEND_WINDOW_DESTROY		_IO(XEN_LEND_IOC, 0x11)
#define XEN_LEND_POPULATE		_IO(XEN_LEND_IOC, 0x12)
#define XEN_LEND_ZAP			_IO(XEN_LEND_IOC, 0x13)
#define XEN_LEND_STATS			_IO(XEN_LEND_IOC, 0x14)

#endif /* _LINUX_XEN_LEND_H */
