/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: lend pageable memory of a process to a Xen guest.
 *
 * Objects
 * -------
 *
 * xlend_domain    one per borrower domain: our ioreq server in it and one slot
 *                 per vCPU.  Made with the first borrower descriptor of the
 *                 domain, found by domid until the domain dies or the last
 *                 descriptor is closed; never revived after that, so a reused
 *                 domid gets a new object.
 * xlend_borrower  one per borrower descriptor.
 * xlend_window    one per window: a range of guest frames, the span of a
 *                 process behind it, an interval notifier over that span.
 * xlend_slot      one per vCPU, embedded in the domain: the request that this
 *                 vCPU waits for.
 * xlend_job       what works on a slot's request.  One belongs to each slot; it
 *                 is left behind and replaced when its request was answered by
 *                 somebody else while it may be stuck in a page fault.
 *
 * References (kref)
 * -----------------
 *
 * domain          held by each borrower, each window, each queued or running
 *                 job.
 * borrower        held by its file and each of its windows.
 * window          held by the borrower's array of windows, until
 *                 xlend_window_destroy(), and by whoever looked it up.
 * module          held by the files (through fops->owner) and by each queued or
 *                 running job, so that unloading is refused, not stuck, while a
 *                 page fault hangs.
 *
 * The window holds mm_count (mmgrab) of the process, never mm_users, except
 * while a fault is being served.  No page is ever referenced or pinned.
 *
 * Lock order, outer to inner
 * --------------------------
 *
 * xlend_domains_lock (mutex)      the list of domains; making and stopping of
 *                                 ioreq servers.
 *   mmap_lock, file system, folio and reverse map locks   (core mm)
 *     xlend_window.lock (mutex)   what is lent: the bitmaps and the hypercalls
 *                                 that change it, in the order they are made.
 *
 * Taken in reclaim (from the notifier) is xlend_window.lock: under it nothing
 * allocates, faults, copies to user space or waits for anything but Xen.
 *
 * Leaves, under any of the above, and under none of each other except that
 * xlend_domain.lock may enclose xlend_borrower.ev_lock:
 *
 * xlend_domain.lock (spin)        tree of windows, list of borrowers.
 * xlend_slot.lock (spin, irq)     state of the request; hypercalls that answer
 *                                 it.
 * xlend_borrower.ev_lock (spin)   event queue.
 * xlend_window.stat_lock (spin)   counters.
 *
 * Who never waits for whom
 * ------------------------
 *
 * A job may be stuck in a page fault for as long as some file system or user
 * program likes.  Nothing waits for it but another job of the same vCPU:
 * destroying windows, closing descriptors and process exit answer the request
 * themselves (xlend_slots_abort()); the generation in the slot makes sure that
 * each request is answered exactly once.  They may spin for a hypercall that
 * lends and answers, which is made under the slot's lock.
 */
#ifndef _XLEND_H
#define _XLEND_H

#define pr_fmt(fmt) "xen-lend: " fmt

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/kfifo.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <xen/interface/xen.h>
#include <xen/interface/event_channel.h>

#include <linux/xen-lend.h>
#include <xen/public/lend.h>

/* Slots of one hypercall, and the most a fault looks at around itself. */
#define XLEND_BATCH		64
static_assert(XLEND_BATCH == XENMEM_LEND_BATCH);

#define XLEND_WINDOW_FLAGS	XEN_LEND_WINDOW_WRITE

/* Module parameters and what they come to with the hypervisor's limits. */
extern unsigned int xlend_max_windows;
extern unsigned long xlend_max_pages;
extern unsigned int xlend_fault_around;
extern unsigned int xlend_stall_limit;
extern u32 xlend_hv_version;

/*
 * A request as it lies in the page shared with Xen, one per vCPU.  Xen writes
 * it before it makes the state READY; from INPROCESS to the answer it is ours.
 */
struct xlend_ioreq {
	u64 addr;
	u64 data;
	u32 count;
	u32 size;
	u32 port;
	u16 reserved;
	u8 bits;
	u8 type;
};

#define XLEND_IOREQ_STATE	0x0f	/* of bits */
#define XLEND_IOREQ_IS_PTR	0x10
#define XLEND_IOREQ_READ	0x20
#define XLEND_IOREQ_DOWN	0x40

#define XLEND_STATE_READY	1
#define XLEND_STATE_INPROCESS	2
#define XLEND_STATE_RESPONSE	3

#define XLEND_IOREQ_PIO		0
#define XLEND_IOREQ_COPY	1
#define XLEND_IOREQ_INVALIDATE	8

#define XLEND_MAX_VCPUS		(PAGE_SIZE / sizeof(struct xlend_ioreq))

struct file;
struct poll_table_struct;

struct xlend_domain;
struct xlend_slot;
struct xlend_window;

/**
 * struct xlend_scratch - working space of one fault, too large for a stack
 * @pfns: snapshot of the page tables
 * @frames: what the hypervisor calls these pages, and the rights
 * @status: per-slot result of the hypercall
 * @lend: whether to lend it
 * @slot: the vCPU that waits for this fault, or NULL if none does
 * @gen: of its request
 * @answered: when Xen answered it because of the lend, ns; 0 if it did not
 */
struct xlend_scratch {
	unsigned long pfns[XLEND_BATCH];
	u64 frames[XLEND_BATCH];
	s32 status[XLEND_BATCH];
	bool lend[XLEND_BATCH];
	struct xlend_slot *slot;
	u32 gen;
	u64 answered;
};

struct xlend_job {
	struct work_struct work;
	struct xlend_slot *slot;
	struct xlend_scratch scratch;
};

struct xlend_slot {
	struct xlend_domain *dom;
	unsigned int vcpu;
	evtchn_port_t port;
	int irq;			/* set first by the handler, see there */

	spinlock_t lock;		/* all below */
	bool busy;			/* between take and answer */
	bool eoi_owed;
	bool closing;			/* takes no more requests */
	u32 gen;			/* of the request, changes when answered */
	u64 since;			/* when it was taken, ns */
	struct xlend_ioreq *shared;	/* NULL when the page is gone */
	struct xlend_ioreq req;
	struct xlend_window *window;	/* found by the job; only to compare */
	struct xlend_job *job;
};

struct xlend_domain {
	struct kref ref;
	struct list_head node;		/* xlend_domains_lock */
	unsigned int nr_files;		/* xlend_domains_lock: open borrowers */
	bool running;			/* xlend_domains_lock: has a server */
	bool gone;			/* the domain died: never cleared */
	domid_t domid;
	u16 server;
	unsigned int nr_slots;
	unsigned int nr_bound;
	struct page *page;
	struct xlend_ioreq *shared;
	atomic_t leftover;		/* jobs left behind */

	spinlock_t lock;		/* all below but the slots */
	struct rb_root windows;		/* by gfn, no overlaps */
	unsigned int nr_windows;
	struct list_head borrowers;

	struct xlend_slot slots[];
};

struct xlend_borrower {
	struct kref ref;
	struct xlend_domain *dom;
	struct list_head node;		/* dom->lock */
	u64 gfn;
	u64 nr;
	u32 max_windows;
	u32 nr_windows;			/* dom->lock */
	u32 last_id;			/* dom->lock */
	struct xarray windows;		/* by id */

	spinlock_t ev_lock;		/* events, ev_lost */
	DECLARE_KFIFO(events, struct xen_lend_event, 64);
	bool ev_lost;			/* events were dropped after the last */
	bool gone_told;			/* the event of the domain's death is queued */
	wait_queue_head_t wait;
};

struct xlend_window {
	struct kref ref;
	struct xlend_borrower *borrower;
	struct xlend_domain *dom;
	struct rb_node node;		/* dom->lock */
	u64 gfn;
	unsigned long nr;
	unsigned long addr;
	struct mm_struct *mm;
	struct pid *pid;		/* creator */
	u64 flags;
	u64 cookie;
	u64 serial;
	u64 handle;			/* Xen's id; valid while ready */
	u32 id;
	u32 policy;

	struct mmu_interval_notifier notifier;

	struct mutex lock;		/* taken in reclaim */
	bool ready;			/* lock: Xen knows the window */
	bool dead;			/* lock: the span's process is gone */
	unsigned long nr_lent;		/* lock: bits set in lent */
	unsigned long *lent;		/* lock: clear means not lent in Xen */
	unsigned long *writable;	/* lock: lent for writing */
	unsigned long *before;		/* lock: was lent once */

	spinlock_t stat_lock;		/* stats */
	struct xen_lend_stats stats;
};

static inline void xlend_count(struct xlend_window *w, u64 *counter, u64 n)
{
	spin_lock(&w->stat_lock);
	*counter += n;
	spin_unlock(&w->stat_lock);
}

/* main.c */
extern struct workqueue_struct *xlend_wq;
int xlend_copy_in(void *to, size_t ksize, size_t min, void __user *from,
		  u32 *usize);
int xlend_copy_out(void __user *to, const void *from, size_t ksize, u32 usize);

/* borrower.c */
int xlend_borrower_open(struct xen_lend_borrower *arg, struct file **file);
void xlend_borrower_put(struct xlend_borrower *b);
void xlend_domain_put(struct xlend_domain *d);
int xlend_death_init(void);
void xlend_death_exit(void);

/* window.c */
extern struct xarray xlend_windows;
long xlend_window_create(struct xlend_borrower *b, void __user *arg);
long xlend_window_remove(struct xlend_borrower *b, void __user *arg);
long xlend_window_populate(struct xlend_borrower *b, void __user *arg);
long xlend_window_zap(struct xlend_borrower *b, void __user *arg);
long xlend_window_stats(struct xlend_borrower *b, void __user *arg);
long xlend_window_next(void __user *arg);
void xlend_window_destroy(struct xlend_window *w);
void xlend_window_put(struct xlend_window *w);
struct xlend_window *xlend_window_find(struct xlend_domain *d, u64 gfn);
void xlend_revoke_locked(struct xlend_window *w, unsigned long first,
			 unsigned long last);

/* fault.c */

/**
 * struct xlend_access - an access made by value instead of lending the page
 * @offset: first byte in the page
 * @size: bytes of one item: 1, 2, 4 or 8
 * @write: store, else load
 * @value: the item
 */
struct xlend_access {
	unsigned int offset;
	unsigned int size;
	bool write;
	u64 value;
};

#define XLEND_FAULT_WRITE	0x1
#define XLEND_FAULT_PATIENT	0x2	/* wait for what may pass */

int xlend_fault(struct xlend_window *w, unsigned long idx, unsigned int flags,
		unsigned int around, struct xlend_access *acc,
		struct xlend_scratch *s);

/* ioreq.c */
int xlend_slots_init(struct xlend_domain *d);
void xlend_slots_free(struct xlend_domain *d);
int xlend_slots_start(struct xlend_domain *d);
void xlend_slots_stop(struct xlend_domain *d);
void xlend_slots_abort(struct xlend_domain *d, struct xlend_window *w);
int xlend_slot_lend(struct xlend_window *w, unsigned long base,
		    unsigned int from, unsigned int to,
		    struct xlend_scratch *scratch);

/* event.c */
void xlend_event(struct xlend_borrower *b, const struct xen_lend_event *ev);
void xlend_event_window(struct xlend_window *w, u32 type, int error, u32 vcpu,
			u64 gpa);
ssize_t xlend_event_read(struct file *file, char __user *buf, size_t len,
			 loff_t *pos);
__poll_t xlend_event_poll(struct file *file, struct poll_table_struct *pt);

/* hcall.c */
#define XLEND_NO_ANSWER		UINT_MAX
int xlend_hc_probe(struct xen_mem_lend_info *info);
int xlend_hc_frame(unsigned long pfn, u64 *frame);
int xlend_hc_create(domid_t domid, u16 server, u64 gfn, u64 nr, u64 *handle);
int xlend_hc_destroy(domid_t domid, u64 handle);
int xlend_hc_lend(domid_t domid, u64 handle, u64 first, unsigned int nr,
		  const u64 *frames, s32 *status, unsigned int vcpu);
int xlend_hc_revoke(domid_t domid, u64 handle, u64 first, u64 nr);
int xlend_hc_crash(domid_t domid);
int xlend_hc_vcpus(domid_t domid, unsigned int *nr);
int xlend_hc_server_create(domid_t domid, u16 *server);
int xlend_hc_server_enable(domid_t domid, u16 server, bool on);
int xlend_hc_server_destroy(domid_t domid, u16 server);
bool xlend_hc_server_alive(domid_t domid, u16 server);
int xlend_hc_server_map(domid_t domid, u16 server, struct page **page,
			void **va);
void xlend_hc_server_unmap(struct page *page);
int xlend_hc_bind(domid_t domid, evtchn_port_t remote, evtchn_port_t *local);
void xlend_hc_close(evtchn_port_t port);
void xlend_hc_notify(evtchn_port_t port);

#endif /* _XLEND_H */
