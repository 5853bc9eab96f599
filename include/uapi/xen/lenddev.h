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
#ifndef _UAPI_XEN_LENDDEV_H
#define _UAPI_XEN_LENDDEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define LENDDEV_VERSION		1
#define LENDDEV_IOC			0xBE

/* On the device: privileged (CAP_SYS_ADMIN), but for LENDDEV_INFO. */

struct lenddev_info {
	__u32 size;
	__u32 version;			/* OUT: LENDDEV_VERSION */
	__aligned_u64 window_flags;	/* OUT: LENDDEV_WINDOW_* supported */
	__aligned_u64 max_len;		/* OUT: bytes, largest window */
	__u32 max_windows;		/* OUT: windows of one borrower */
	__u32 hypervisor_version;	/* OUT: XENMEM_LEND_VERSION of Xen */
	__aligned_u64 features;		/* OUT: LENDDEV_FEATURE_* */
	__aligned_u64 populate_flags;	/* OUT: LENDDEV_POPULATE_* supported */
	__u32 policies;			/* OUT: bit n: policy n is supported */
	__u32 events;			/* OUT: bit n: events of type n may come */
	__u32 event_size;		/* OUT: bytes of one event, now */
	__u32 workers;			/* OUT: most workers of one window */
};

#define LENDDEV_FEATURE_CHARGED	(1ULL << 0) /* all that resolving costs
						     * is the lender's, CPU
						     * time included */

/* A file descriptor that can only lend to one range of one domain. */
struct lenddev_borrower {
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
#define LENDDEV_WINDOW_WRITE		(1ULL << 0) /* the guest may write */
#define LENDDEV_WINDOW_EVENTFD		(1ULL << 1) /* eventfd is one */

/* What a guest access gets that can never be resolved. */
#define LENDDEV_POLICY_ONES		0	/* reads ones, writes are dropped */
#define LENDDEV_POLICY_FAULT		1	/* #GP in the guest */
#define LENDDEV_POLICY_CRASH		2	/* the domain is crashed */
#define LENDDEV_POLICY_HOLD		3	/* the vCPU waits, see RESUME */

struct lenddev_window {
	__u32 size;
	__u32 policy;			/* IN: LENDDEV_POLICY_* */
	__aligned_u64 flags;		/* IN: LENDDEV_WINDOW_* */
	__aligned_u64 gpa;		/* IN: page aligned, in the borrower's range */
	__aligned_u64 len;		/* IN: page multiple, not 0 */
	__aligned_u64 addr;		/* IN: span in the caller's address space */
	__aligned_u64 cookie;		/* IN: caller's own, comes back in events */
	__u32 id;			/* OUT: not 0, never used again on this fd */
	__s32 eventfd;			/* IN: counts this window's events, if the
					 * flag says so; else 0 */
};

#define LENDDEV_POPULATE_WRITE		(1ULL << 0) /* as if they were written */

struct lenddev_range {
	__u32 size;
	__u32 id;			/* IN: window */
	__aligned_u64 flags;		/* IN: LENDDEV_POPULATE_*; populate only */
	__aligned_u64 offset;		/* IN: page aligned; 0 for destroy */
	__aligned_u64 len;		/* IN: page multiple; 0 for destroy */
	__aligned_u64 done;		/* OUT: bytes from offset that were done */
};

/* What becomes of the vCPUs that are held in a range. */
#define LENDDEV_RESUME_RETRY		0	/* the access is tried again */
#define LENDDEV_RESUME_ONES		1	/* reads ones, writes are dropped */
#define LENDDEV_RESUME_FAULT		2	/* #GP in the guest */

struct lenddev_resume {
	__u32 size;
	__u32 id;			/* IN: window */
	__aligned_u64 offset;		/* IN: page aligned */
	__aligned_u64 len;		/* IN: page multiple, not 0 */
	__u32 action;			/* IN: LENDDEV_RESUME_* */
	__u32 count;			/* OUT: vCPUs that were held */
};

/* Bucket n of a distribution counts what took less than 2^n us, and no less
 * than half of that; the last one all that took longer.
 */
#define LENDDEV_BUCKETS		24

struct lenddev_stats {
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
	__aligned_u64 fault_us[LENDDEV_BUCKETS];  /* faults by their time */
	__aligned_u64 revoke_us[LENDDEV_BUCKETS]; /* revoke calls */
	__aligned_u64 interrupts;	/* faults served without a worker */
	__aligned_u64 ahead;		/* absent pages brought for a sequence */
	__aligned_u64 unused;		/* pages revoked that no vCPU had used */
	__aligned_u64 to_device;	/* pages lent that had moved from RAM ... */
	__aligned_u64 to_ram;		/* ... and to it from a device's memory */
	__aligned_u64 large;		/* entries of 2 MiB lent, ever */
};

/*
 * read(2) on a borrower descriptor returns whole events of the windows that the
 * caller may destroy.  Each starts with its size, after which the next one
 * begins: later versions may append fields.
 */
#define LENDDEV_EVENT_GAVE_UP		1	/* a fault met the policy */
#define LENDDEV_EVENT_HELD		2	/* a vCPU waits, see RESUME */
#define LENDDEV_EVENT_WINDOW_DEAD	3	/* the span's process is gone */
#define LENDDEV_EVENT_BORROWER_GONE	4	/* the domain is gone, or our power over it: also POLLHUP */
#define LENDDEV_EVENT_LOST		5	/* count events of it were dropped */

/* Why an access cannot be resolved: never will be. */
#define LENDDEV_REASON_UNMAPPED	1	/* nothing there, or a reservation */
#define LENDDEV_REASON_BEYOND		2	/* past the end of the file */
#define LENDDEV_REASON_FORBIDDEN	3	/* mapped without the permission */
#define LENDDEV_REASON_READ_ONLY	4	/* a write; the window is for reading */
#define LENDDEV_REASON_KIND		5	/* memory that cannot be lent */
#define LENDDEV_REASON_FOREIGN		6	/* memory of other domains, or Linux' own */
#define LENDDEV_REASON_POISONED	7	/* a hardware memory error */
#define LENDDEV_REASON_DEAD		8	/* the span's process is gone */
/* Or not now. */
#define LENDDEV_REASON_PASSING		32	/* this one and all greater ones */
#define LENDDEV_REASON_NO_MEMORY	32	/* the host's, a cgroup's */
#define LENDDEV_REASON_XEN_MEMORY	33	/* the borrower's pool in Xen */
#define LENDDEV_REASON_IO		34	/* an error of the file or of swap, or a
						 * full file system */
#define LENDDEV_REASON_CONTENDED	35	/* lost to invalidations, often */
#define LENDDEV_REASON_STALLED		36	/* lent again and again, never used */
#define LENDDEV_REASON_BUSY		37	/* Xen has a use for the frame */
#define LENDDEV_REASON_OTHER		38	/* an error that was not expected */

#define LENDDEV_ACCESS_WRITE		(1U << 0)
#define LENDDEV_ACCESS_VALUE		(1U << 1) /* made by value, by Xen's emulator */

struct lenddev_event {
	__u32 size;			/* of this event, a multiple of 8 */
	__u16 type;			/* LENDDEV_EVENT_* */
	__u16 reason;			/* LENDDEV_REASON_*, or 0 */
	__u32 id;			/* window, or 0 */
	__u32 vcpu;
	__aligned_u64 cookie;		/* window's */
	__aligned_u64 gpa;		/* byte address of the access */
	__u32 access;			/* LENDDEV_ACCESS_* */
	__u32 count;			/* of LOST: events; else 0 */
	__aligned_u64 reserved[3];	/* 0 */
};

/* On the device: the window with the smallest serial greater than the given. */
struct lenddev_next {
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

#define LENDDEV_INFO			_IO(LENDDEV_IOC, 0x00)
#define LENDDEV_BORROWER		_IO(LENDDEV_IOC, 0x01)
#define LENDDEV_NEXT			_IO(LENDDEV_IOC, 0x02)
#define LENDDEV_WINDOW_CREATE		_IO(LENDDEV_IOC, 0x10)
#define LENDDEV_WINDOW_DESTROY		_IO(LENDDEV_IOC, 0x11)
#define LENDDEV_POPULATE		_IO(LENDDEV_IOC, 0x12)
#define LENDDEV_ZAP			_IO(LENDDEV_IOC, 0x13)
#define LENDDEV_RESUME			_IO(LENDDEV_IOC, 0x14)
/* On both; on the device any window, by its serial. */
#define LENDDEV_STATS			_IO(LENDDEV_IOC, 0x15)

#endif /* _UAPI_XEN_LENDDEV_H */
