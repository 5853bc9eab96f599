/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: all that talks to Xen.
 *
 * Nothing else in the driver makes a hypercall or knows whether this domain is
 * PV or PVH, so that hcall.c can be replaced: driver/tests does.  (Interrupts
 * of event channels are bound in request.c, through the kernel's interface.)
 *
 * Unless said otherwise functions return 0 or a negative errno, may be called
 * with mutexes held, and do not sleep except for being preempted; a hypercall
 * that takes long continues by itself.
 */
#ifndef _XLEND_HCALL_H
#define _XLEND_HCALL_H

#include <linux/build_bug.h>
#include <linux/limits.h>
#include <linux/types.h>
#include <xen/interface/xen.h>
#include <xen/interface/event_channel.h>

#include <xen/public/lend.h>

struct page;

/* Slots of one hypercall, and the most that is looked at around a fault. */
#define XLEND_BATCH		64
static_assert(XLEND_BATCH == XENMEM_LEND_BATCH);

/* Slots of one large entry, of 2 MiB. */
#define XLEND_LARGE		512

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

/* No vCPU: nobody waits for the lend. */
#define XLEND_NO_ANSWER		UINT_MAX

int xlend_hc_probe(struct xen_mem_lend_info *info);
bool xlend_hc_has(u32 features);
bool xlend_hc_scattered(void);
int xlend_hc_frame(unsigned long pfn, u64 *frame);
int xlend_hc_frame_mmio(unsigned long pfn, u64 *frame);
int xlend_hc_create(domid_t domid, u16 server, u64 gfn, u64 nr, u64 *handle);
int xlend_hc_destroy(domid_t domid, u64 handle);
int xlend_hc_lend(domid_t domid, u64 handle, u64 first, unsigned int nr,
		  const u64 *frames, s32 *status, unsigned int vcpu);
int xlend_hc_lend_large(domid_t domid, u64 handle, u64 first, u64 frame,
			unsigned int vcpu);
int xlend_hc_revoke(domid_t domid, u64 handle, u64 first, u64 nr);
int xlend_hc_used(domid_t domid, u64 handle, u64 *revokes, u64 *unused);
int xlend_hc_crash(domid_t domid);
void xlend_hc_broken(domid_t domid, int rc);
int xlend_hc_vcpus(domid_t domid, unsigned int *nr);
int xlend_hc_server_create(domid_t domid, u16 *server);
int xlend_hc_server_enable(domid_t domid, u16 server, bool on);
int xlend_hc_server_destroy(domid_t domid, u16 server);
bool xlend_hc_server_alive(domid_t domid, u16 server);
int xlend_hc_server_map(domid_t domid, u16 server, struct page **page,
			void **va);
void xlend_hc_server_unmap(struct page *page);
int xlend_hc_bind(domid_t domid, evtchn_port_t remote, evtchn_port_t *local);
void xlend_hc_close(evtchn_port_t port, domid_t domid, evtchn_port_t remote);
void xlend_hc_notify(evtchn_port_t port);

#endif /* _XLEND_HCALL_H */
