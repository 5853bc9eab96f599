/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains that run guests/testguest, built without xl: some milliseconds each, any domid, with or without an IOMMU.  Or made
 * by xl, of type HVM, with QEMU as device model: some seconds each.  And the ends of Xen that most tests need.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sys/types.h>

#define __XEN_TOOLS__ 1
#include <xenctrl.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenstore.h>

#include "../../guests/testguest/mailbox.h"

#define PAGE		4096UL
#define TESTGUEST	"/xenlend/guests/testguest.elf"
#define TESTGUEST_HVM	"/xenlend/guests/testguest-hvm.elf"	/* the same in hvmloader's place */
#define NO_TRAP		(~0U)
#define MAX_GUESTS	8

extern xc_interface *xch;
extern xencall_handle *xcall;
extern xendevicemodel_handle *xdm;
extern xenforeignmemory_handle *xfm;
extern struct xs_handle *xsh;
extern bool lender_pvh;
extern bool guests_hvm;		/* guests without options that forbid it are made by xl, with QEMU: suites named .../hvm */
extern bool has_flask;			/* Xen decides by a policy of FLASK's, now or when it is told to enforce it */
extern int xen_denies;			/* what Xen says to who has no privilege over another domain: -EPERM, or FLASK's -EACCES */

/* Opens all of the above; on failure the suite ends. */
void xen_open(void);
/* In a child: handles of its own, but for the store; it cleans nothing up. */
void xen_open_again(void);

struct guest {
	uint32_t domid;
	struct mailbox *mb;
	xenevtchn_handle *ev;
	int port[MBOX_CPUS];
	unsigned timeout;		/* seconds that a guest operation may take */
	bool hvm;			/* QEMU has its first ioreq server, number 0 */
};

struct guest_options {
	uint32_t domid;			/* 0: any */
	unsigned mem_mb;		/* 0: 8 */
	bool iommu;
	bool pv;			/* an empty PV domain, never run */
	bool empty;			/* HVM without memory, never run */
	bool paused;			/* built, not started */
	bool nested;
	unsigned altp2m;		/* XEN_DOMCTL_ALTP2M_* */
	bool no_xenstore;
	bool stranger;			/* asked for by a driver domain: not its target */
	bool hvm;			/* made by xl, with QEMU: of the other options mem_mb and paused only */
	bool vga;			/* with hvm: and a VGA of 16 MiB */
	const char *qemu;		/* with hvm: arguments for QEMU, as xl.cfg has them: "\"-device\", \"edu\"" */
	const char *label;		/* FLASK's type of it; NULL: domU_t.  Means nothing to a Xen without FLASK */
};

/* FLASK's number for a label of that type, or 0 where there is no FLASK; the suite ends if the policy has no such type. */
uint32_t flask_label(const char *type);

/* Built, running and waiting for work; the suite ends if that fails. */
struct guest *guest_new(const struct guest_options *o);
/* The same, but 0 or a negative errno where the hypervisor refuses. */
int guest_try_new(const struct guest_options *o, struct guest **out);
void guest_run(struct guest *g);	/* after .paused */

/* Lets go of the guest, destroys the domain, waits until it is gone.  False: it stays as a zombie. */
bool guest_free(struct guest *g);
/* QEMU's process, or 0 if this guest has none. */
pid_t guest_qemu(uint32_t domid);
/* Only the first half: the mailbox and channels. */
void guest_release(struct guest *g);
int domain_destroy(uint32_t domid);		/* with its QEMU; returns when it is dying; 0 or -errno */
bool domain_gone(uint32_t domid, unsigned seconds);

/* One operation on one vCPU: GOP_* and its arguments, see mailbox.h. */
#define gop(g, cpu, op, ...) gop_((g), (cpu), (op), (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)
#define gop_start(g, cpu, op, ...) gop_start_((g), (cpu), (op), (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)
/* Returns ret[0]; the suite ends if the guest does not answer in time. */
uint64_t gop_(struct guest *g, unsigned cpu, unsigned op, const uint64_t *arg, unsigned n);
void gop_start_(struct guest *g, unsigned cpu, unsigned op, const uint64_t *arg, unsigned n);
uint64_t gop_wait(struct guest *g, unsigned cpu);
bool gop_done(struct guest *g, unsigned cpu);
/* true if it answers within the time */
bool gop_wait_for(struct guest *g, unsigned cpu, unsigned seconds);
/* Ends a spinning operation and waits for it. */
uint64_t gop_stop(struct guest *g, unsigned cpu);
uint64_t gret(struct guest *g, unsigned cpu, unsigned i);
uint32_t gtrap(struct guest *g, unsigned cpu);		/* vector or NO_TRAP of the last one */
/* Waits until a spinning operation has got on by at least n. */
bool gop_progress(struct guest *g, unsigned cpu, uint64_t n, unsigned seconds);

uint64_t g_read(struct guest *g, uint64_t addr);		/* u64 by vCPU 0 */
void g_write(struct guest *g, uint64_t addr, uint64_t value);
uint64_t mix(uint64_t seed, uint64_t i);			/* what GOP_FILL writes */
unsigned check_fill(const void *p, size_t bytes, uint64_t seed);	/* wrong words */

/* Puts an argument for a guest's hypercall at data + offset; its address in the guest. */
uint64_t g_data(struct guest *g, unsigned offset, const void *p, size_t n);

/* Frames of Xen that are free, including those it still scrubs. */
uint64_t xen_free_pages(void);
double now(void);
/* A process's first child; 0: it has none. */
pid_t child_of(pid_t parent);
/* A command of the shell, 600 bytes at most; what system() says. */
int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- frames of this domain, through the module xlpfn ---- */

uint64_t frame_of(const void *p);	/* gfn (PVH) or mfn (PV) of a page of this process */
uint64_t frame_of_pgd(void);

struct pool {
	size_t nr;
	uint8_t *va;
	uint64_t *frame;
};
/* Pages that stay where they are: locked, not in huge pages, not inherited by children. */
struct pool *pool_new(size_t nr);
/* The same, for children too: their ends change nothing. */
struct pool *pool_new_shared(size_t nr);
void pool_free(struct pool *p);
static inline void *pool_page(struct pool *p, size_t i) { return p->va + i * PAGE; }

#endif
