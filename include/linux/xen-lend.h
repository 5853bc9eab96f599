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
	__aligned_u64 features;		/* OUT: XEN_LEND_FEATURE_* */
	__aligned_u64 populate_flags;	/* OUT: XEN_LEND_POPULATE_* supported */
	__u32 policies;			/* OUT: bit n: policy n is supported */
	__u32 events;			/* OUT: bit n: events of type n may come */
	__u32 event_size;		/* OUT: bytes of one event, now */
	__u32 workers;			/* OUT: most workers of one window */
};

#define XEN_LEND_FEATURE_CHARGED	(1ULL << 0) /* all that resolving costs
						     * is the lender's, CPU
						     * time included */

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

/*
 * On the borrower descriptor: whoever holds it.  What is said of a window, other
 * than its counters, may only be said by the process that made it, by one with
 * CAP_SYS_ADMIN, or by anyone once that process is gone.
 */

/* Bits 32 to 47 are set aside for a cache attribute and an order. */
#define XEN_LEND_WINDOW_WRITE		(1ULL << 0) /* the guest may write */
#define XEN_LEND_WINDOW_EVENTFD		(1ULL << 1) /* eventfd is one */

/* What a guest access gets that can never be resolved. */
#define XEN_LEND_POLICY_ONES		0	/* reads ones, writes are dropped */
#define XEN_LEND_POLICY_FAULT		1	/* #GP in the guest */
#define XEN_LEND_POLICY_CRASH		2	/* the domain is crashed */
#define XEN_LEND_POLICY_HOLD		3	/* the vCPU waits, see RESUME */

struct xen_lend_window {
	__u32 size;
	__u32 policy;			/* IN: XEN_LEND_POLICY_* */
	__aligned_u64 flags;		/* IN: XEN_LEND_WINDOW_* */
	__aligned_u64 gpa;		/* IN: page aligned, in the borrower's range */
	__aligned_u64 len;		/* IN: page multiple, not 0 */
	__aligned_u64 addr;		/* IN: span in the caller's address space */
	__aligned_u64 cookie;		/* IN: caller's own, comes back in events */
	__u32 id;			/* OUT: not 0, never used again on this fd */
	__s32 eventfd;			/* IN: counts this window's events, if the
					 * flag says so; else 0 */
};

#define XEN_LEND_POPULATE_WRITE		(1ULL << 0) /* as if they were written */

struct xen_lend_range {
	__u32 size;
	__u32 id;			/* IN: window */
	__aligned_u64 flags;		/* IN: XEN_LEND_POPULATE_*; populate only */
	__aligned_u64 offset;		/* IN: page aligned; 0 for destroy */
	__aligned_u64 len;		/* IN: page multiple; 0 for destroy */
	__aligned_u64 done;		/* OUT: bytes from offset that were done */
};

/* What becomes of the vCPUs that are held in a range. */
#define XEN_LEND_RESUME_RETRY		0	/* the access is tried again */
#define XEN_LEND_RESUME_ONES		1	/* reads ones, writes are dropped */
#define XEN_LEND_RESUME_FAULT		2	/* #GP in the guest */

struct xen_lend_resume {
	__u32 size;
	__u32 id;			/* IN: window */
	__aligned_u64 offset;		/* IN: page aligned */
	__aligned_u64 len;		/* IN: page multiple, not 0 */
	__u32 action;			/* IN: XEN_LEND_RESUME_* */
	__u32 count;			/* OUT: vCPUs that were held */
};

/* Bucket n of a distribution counts what took less than 2^n us, and no less
 * than half of that; the last one all that took longer.
 */
#define XEN_LEND_BUCKETS		24

struct xen_lend_stats {
	__u32 size;
	__u32 id;			/* IN: window; OUT on the device */
	__aligned_u64 serial;		/* OUT; IN on the device, see NEXT */
	__aligned_u64 pages_lent;	/* now */
	__aligned_u64 vcpus_held;	/* now */
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
	__aligned_u64 retries;		/* attempts lost to an invalidation */
	__aligned_u64 errors;		/* faults answered by the policy */
	__aligned_u64 holds;		/* vCPUs held, ever */
	__aligned_u64 stalls;		/* faults that came without progress */
	__aligned_u64 fault_max_ns;
	__aligned_u64 fault_total_ns;
	__aligned_u64 revoke_max_ns;
	__aligned_u64 revoke_total_ns;
	__aligned_u64 fault_us[XEN_LEND_BUCKETS];  /* faults by their time */
	__aligned_u64 revoke_us[XEN_LEND_BUCKETS]; /* revoke calls */
};

/*
 * read(2) on a borrower descriptor returns whole events.  Each starts with its
 * size, after which the next one begins: later versions may append fields.
 */
#define XEN_LEND_EVENT_GAVE_UP		1	/* a fault met the policy */
#define XEN_LEND_EVENT_HELD		2	/* a vCPU waits, see RESUME */
#define XEN_LEND_EVENT_WINDOW_DEAD	3	/* the span's process is gone */
#define XEN_LEND_EVENT_BORROWER_GONE	4	/* the domain is gone: also POLLHUP */
#define XEN_LEND_EVENT_LOST		5	/* count events were dropped here */

/* Why an access cannot be resolved: never will be. */
#define XEN_LEND_REASON_UNMAPPED	1	/* nothing there, or a reservation */
#define XEN_LEND_REASON_BEYOND		2	/* past the end of the file */
#define XEN_LEND_REASON_FORBIDDEN	3	/* mapped without the permission */
#define XEN_LEND_REASON_READ_ONLY	4	/* a write; the window is for reading */
#define XEN_LEND_REASON_KIND		5	/* memory that cannot be lent */
#define XEN_LEND_REASON_FOREIGN		6	/* memory of other domains, or Linux' own */
#define XEN_LEND_REASON_POISONED	7	/* a hardware memory error */
#define XEN_LEND_REASON_DEAD		8	/* the span's process is gone */
/* Or not now. */
#define XEN_LEND_REASON_PASSING		32	/* this one and all greater ones */
#define XEN_LEND_REASON_NO_MEMORY	32	/* the host's, a cgroup's */
#define XEN_LEND_REASON_XEN_MEMORY	33	/* the borrower's pool in Xen */
#define XEN_LEND_REASON_IO		34	/* an error of the file or of swap, or a
						 * full file system */
#define XEN_LEND_REASON_CONTENDED	35	/* lost to invalidations, often */
#define XEN_LEND_REASON_STALLED		36	/* lent again and again, never used */
#define XEN_LEND_REASON_BUSY		37	/* Xen has a use for the frame */
#define XEN_LEND_REASON_OTHER		38	/* an error that was not expected */

#define XEN_LEND_ACCESS_WRITE		(1U << 0)
#define XEN_LEND_ACCESS_VALUE		(1U << 1) /* made by value, by Xen's emulator */

struct xen_lend_event {
	__u32 size;			/* of this event, a multiple of 8 */
	__u16 type;			/* XEN_LEND_EVENT_* */
	__u16 reason;			/* XEN_LEND_REASON_*, or 0 */
	__u32 id;			/* window, or 0 */
	__u32 vcpu;
	__aligned_u64 cookie;		/* window's */
	__aligned_u64 gpa;		/* byte address of the access */
	__u32 access;			/* XEN_LEND_ACCESS_* */
	__u32 count;			/* of LOST: events; else 0 */
	__aligned_u64 reserved[3];	/* 0 */
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
};

#define XEN_LEND_INFO			_IO(XEN_LEND_IOC, 0x00)
#define XEN_LEND_BORROWER		_IO(XEN_LEND_IOC, 0x01)
#define XEN_LEND_NEXT			_IO(XEN_LEND_IOC, 0x02)
#define XEN_LEND_WINDOW_CREATE		_IO(XEN_LEND_IOC, 0x10)
#define XEN_LEND_WINDOW_DESTROY		_IO(XEN_LEND_IOC, 0x11)
#define XEN_LEND_POPULATE		_IO(XEN_LEND_IOC, 0x12)
#define XEN_LEND_ZAP			_IO(XEN_LEND_IOC, 0x13)
#define XEN_LEND_RESUME			_IO(XEN_LEND_IOC, 0x14)
/* On both; on the device any window, by its serial. */
#define XEN_LEND_STATS			_IO(XEN_LEND_IOC, 0x15)

#endif /* _LINUX_XEN_LEND_H */
