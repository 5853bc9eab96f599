// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: all that talks to Xen, see hcall.h.
 */
#define pr_fmt(fmt) "xen-lend: " fmt

#include "hcall.h"

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/panic.h>
#include <linux/string.h>

#include <xen/events.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/interface/memory.h>
#include <xen/interface/hvm/dm_op.h>
#include <asm/xen/hypercall.h>
#include <asm/xen/page.h>

/* Operations and layout of a device model's hypercall that Linux lacks. */
#define XLEND_DMOP_CREATE_SERVER	1
#define XLEND_DMOP_SERVER_INFO		2
#define XLEND_DMOP_SERVER_STATE		5
#define XLEND_DMOP_DESTROY_SERVER	6
#define XLEND_DMOP_SHUTDOWN		16
#define XLEND_DMOP_VCPUS		20

#define XLEND_DMOP_INFO_NO_GFNS		1
#define XLEND_SHUTDOWN_CRASH		3

struct xlend_dmop {
	u32 op;
	u32 pad;
	union {
		struct {
			u8 buffered;
			u8 pad[3];
			u16 id;		/* OUT */
		} create;
		struct {
			u16 id;
			u16 flags;
			u32 port;	/* OUT */
			u64 gfn;	/* OUT */
			u64 buffered;	/* OUT */
		} info;
		struct {
			u16 id;
			u8 enabled;
			u8 pad;
		} state;
		struct {
			u16 id;
			u16 pad;
		} destroy;
		struct {
			u32 reason;
		} shutdown;
		struct {
			u32 nr;		/* OUT */
		} vcpus;
		u8 room[56];
	};
};

/* Who has no privilege gets -EPERM, also from FLASK, which calls it -EACCES. */
static int xlend_denied(int rc)
{
	return rc == -EACCES ? -EPERM : rc;
}

static int xlend_dmop(domid_t domid, struct xlend_dmop *op)
{
	struct xen_dm_op_buf buf = { .size = sizeof(*op) };

	BUILD_BUG_ON(sizeof(*op) != 64);
	set_xen_guest_handle(buf.h, op);
	return xlend_denied(HYPERVISOR_dm_op(domid, 1, &buf));
}

static int xlend_op(struct xen_mem_lend *op)
{
	return xlend_denied(HYPERVISOR_memory_op(XENMEM_lend, op));
}

static u32 xlend_features __ro_after_init;

/**
 * xlend_hc_has - whether Xen can do that
 * @features: XENMEM_LEND_HAS_*
 *
 * Context: any, after xlend_hc_probe().
 */
bool xlend_hc_has(u32 features)
{
	return (xlend_features & features) == features;
}

/**
 * xlend_hc_probe - ask whether this hypervisor can lend
 * @info: filled in
 *
 * Return: 0, -ENODEV without Xen, -ENOSYS or -EOPNOTSUPP if Xen cannot lend,
 * -EPERM if this domain may not ask.
 */
int xlend_hc_probe(struct xen_mem_lend_info *info)
{
	struct xen_mem_lend op = { .op = XENMEM_LEND_info };
	int rc;

	BUILD_BUG_ON(sizeof(op) != 128);
	BUILD_BUG_ON(sizeof(struct xlend_ioreq) != 32);

	if (!xen_domain())
		return -ENODEV;
	rc = xlend_op(&op);
	if (!rc) {
		*info = op.u.info;
		xlend_features = info->features;
	}
	return rc;
}

/**
 * xlend_hc_scattered - whether pages next to each other are elsewhere in the
 *                      machine
 *
 * Context: any.
 */
bool xlend_hc_scattered(void)
{
	return xen_pv_domain();
}

/**
 * xlend_hc_frame - what the hypervisor calls a page
 * @pfn: a page frame that has a struct page
 * @frame: set
 *
 * A PV domain passes machine frames, and must not be led astray by a page
 * table entry that maps a foreign one: those read as frames without a machine
 * frame of ours, as identity frames, or as all ones.  The bits above a frame
 * number say how it is to be lent: none of them may come from here.
 *
 * Return: 0, or -EPERM if it is not memory of this domain.
 */
int xlend_hc_frame(unsigned long pfn, u64 *frame)
{
	unsigned long mfn;

	mfn = xen_pv_domain() ? __pfn_to_mfn(pfn) : pfn;
	if (mfn == INVALID_P2M_ENTRY ||
	    (mfn & (FOREIGN_FRAME_BIT | IDENTITY_FRAME_BIT)) ||
	    (mfn & ~XENMEM_LEND_FRAME_MASK))
		return -EPERM;
	*frame = mfn;
	return 0;
}

/**
 * xlend_hc_frame_mmio - what the hypervisor calls a page of a device's memory
 * @pfn: a page frame, of which a driver's mapping says that it is that
 * @frame: set
 *
 * In a PV domain device memory has the machine's numbers, and so have foreign
 * frames that lie beyond all of our own: Xen knows which is which.
 *
 * Return: 0, or -EPERM if it is none.
 */
int xlend_hc_frame_mmio(unsigned long pfn, u64 *frame)
{
	unsigned long mfn = pfn;

	if (xen_pv_domain()) {
		mfn = __pfn_to_mfn(pfn);
		if (mfn == INVALID_P2M_ENTRY || (mfn & FOREIGN_FRAME_BIT) ||
		    !(mfn & IDENTITY_FRAME_BIT))
			return -EPERM;
		mfn &= ~IDENTITY_FRAME_BIT;
	}
	if (mfn & ~XENMEM_LEND_FRAME_MASK)
		return -EPERM;
	*frame = mfn;
	return 0;
}

/**
 * xlend_hc_create - make a window
 * @domid: borrower
 * @server: our ioreq server in it
 * @gfn: first guest frame
 * @nr: slots
 * @handle: set to the window's id
 *
 * Return: 0 or the hypervisor's errno.
 */
int xlend_hc_create(domid_t domid, u16 server, u64 gfn, u64 nr, u64 *handle)
{
	struct xen_mem_lend op = {
		.op = XENMEM_LEND_create,
		.u.create = {
			.domid = domid,
			.server = server,
			.gfn = gfn,
			.nr = nr,
		},
	};
	int rc = xlend_op(&op);

	if (!rc)
		*handle = op.u.create.window;
	return rc;
}

/* Whether what was to be undone is undone because nothing is left of it. */
static int xlend_vacuous(int rc)
{
	return rc == -ESRCH || rc == -ENOENT ? 0 : rc;
}

/**
 * xlend_hc_destroy - revoke all and forget a window
 * @domid: borrower
 * @handle: window
 *
 * Return: 0, also if window or borrower are gone.
 */
int xlend_hc_destroy(domid_t domid, u64 handle)
{
	struct xen_mem_lend op = {
		.op = XENMEM_LEND_destroy,
		.u.destroy = { .domid = domid, .window = handle },
	};

	return xlend_vacuous(xlend_op(&op));
}

/**
 * xlend_hc_lend - put frames into slots
 * @domid: borrower
 * @handle: window
 * @first: first slot
 * @nr: slots, 1 to XLEND_BATCH
 * @frames: one for each slot, with XENMEM_LEND_WRITE if it may be written
 * @status: result for each slot
 * @vcpu: a vCPU of the borrower's whose fault this resolves, or
 *        XLEND_NO_ANSWER: Xen answers it if its slot is lent
 *
 * When this fails any of the slots may be lent, and @status says nothing.
 *
 * Context: also with interrupts off; is not preempted.
 * Return: 0 if each slot has its status, else an errno.
 */
int xlend_hc_lend(domid_t domid, u64 handle, u64 first, unsigned int nr,
		  const u64 *frames, s32 *status, unsigned int vcpu)
{
	struct xen_mem_lend op = {
		.op = XENMEM_LEND_lend,
		.u.lend = {
			.domid = domid,
			.window = handle,
			.first = first,
			.nr = nr,
		},
	};
	int rc;

	if (vcpu != XLEND_NO_ANSWER) {
		op.flags = XENMEM_LEND_ANSWER;
		op.u.lend.vcpu = vcpu;
	}
	if (nr <= XENMEM_LEND_INLINE)
		memcpy(op.u.lend.inline_frames, frames, nr * sizeof(*frames));
	else
		op.u.lend.frames = (uintptr_t)frames;
	/* The result of one slot is that of the call. */
	if (nr > 1)
		op.u.lend.status = (uintptr_t)status;

	rc = xlend_op(&op);
	if (!rc && nr == 1)
		status[0] = 0;
	return rc;
}

/**
 * xlend_hc_lend_large - put XLEND_LARGE frames into as many slots, as one entry
 * @domid: borrower
 * @handle: window
 * @first: first slot
 * @frame: the first, with the rest of its word
 * @vcpu: as for xlend_hc_lend()
 *
 * Context: not preempted; Xen looks at each of the frames.
 * Return: 0; or an errno, and then nothing is lent.
 */
int xlend_hc_lend_large(domid_t domid, u64 handle, u64 first, u64 frame,
			unsigned int vcpu)
{
	struct xen_mem_lend op = {
		.op = XENMEM_LEND_lend,
		.u.lend = {
			.domid = domid,
			.window = handle,
			.first = first,
			.nr = XLEND_LARGE,
			.inline_frames[0] = frame | XENMEM_LEND_2M,
		},
	};

	if (vcpu != XLEND_NO_ANSWER) {
		op.flags = XENMEM_LEND_ANSWER;
		op.u.lend.vcpu = vcpu;
	}
	return xlend_op(&op);
}

/**
 * xlend_hc_revoke - empty slots
 * @domid: borrower
 * @handle: window
 * @first: first slot
 * @nr: slots
 *
 * When it returns no CPU of the borrower can reach what was in the slots.
 *
 * Return: 0, also if window or borrower are gone.  Anything else is a broken
 * promise of the hypervisor's.
 */
int xlend_hc_revoke(domid_t domid, u64 handle, u64 first, u64 nr)
{
	struct xen_mem_lend op = {
		.op = XENMEM_LEND_revoke,
		.u.revoke = {
			.domid = domid,
			.window = handle,
			.first = first,
			.nr = nr,
		},
	};

	return xlend_vacuous(xlend_op(&op));
}

/**
 * xlend_hc_used - how much of what was revoked was of use
 * @domid: borrower
 * @handle: window
 * @revokes: slots revoked so far
 * @unused: of these, before any vCPU had used them; 0 where CPUs do not tell
 *
 * Context: any; does not sleep.
 * Return: 0 or an errno.
 */
int xlend_hc_used(domid_t domid, u64 handle, u64 *revokes, u64 *unused)
{
	struct xen_mem_lend_counters counters = {};
	struct xen_mem_lend op = {
		.op = XENMEM_LEND_query,
		.u.query = {
			.domid = domid,
			.window = handle,
			.size = sizeof(counters),
			.counters = (uintptr_t)&counters,
		},
	};
	int rc = xlend_op(&op);

	*revokes = counters.revokes;
	*unused = counters.unused;
	return rc;
}

/**
 * xlend_hc_crash - stop a borrower for good
 * @domid: borrower
 *
 * Return: 0 or an errno.
 */
int xlend_hc_crash(domid_t domid)
{
	struct xlend_dmop op = {
		.op = XLEND_DMOP_SHUTDOWN,
		.shutdown.reason = XLEND_SHUTDOWN_CRASH,
	};

	return xlend_dmop(domid, &op);
}

/**
 * xlend_hc_broken - go no further: memory could not be taken back
 * @domid: borrower
 * @rc: what Xen said
 *
 * The hypervisor promised that taking back never fails.  The caller is about to
 * let go of pages that the borrower can still write: whoever gets them next is
 * lost.  Stop the borrower, and if not even that works, stop here.
 */
void xlend_hc_broken(domid_t domid, int rc)
{
	pr_crit("d%u: cannot take back memory (%d), crashing the domain\n",
		domid, rc);
	rc = xlend_hc_crash(domid);
	if (rc && rc != -ESRCH && rc != -ENOENT)
		panic("xen-lend: d%u keeps memory it was lent (%d)", domid, rc);
}

/**
 * xlend_hc_vcpus - how many vCPUs a domain can have
 * @domid: the domain
 * @nr: set
 *
 * Return: 0; -ESRCH without such a domain; -EOPNOTSUPP for a PV one; -EPERM.
 */
int xlend_hc_vcpus(domid_t domid, unsigned int *nr)
{
	struct xlend_dmop op = { .op = XLEND_DMOP_VCPUS };
	int rc = xlend_dmop(domid, &op);

	if (!rc)
		*nr = op.vcpus.nr;
	return rc == -EINVAL ? -EOPNOTSUPP : rc;
}

/**
 * xlend_hc_server_create - make an ioreq server, not yet enabled
 * @domid: borrower
 * @server: set to its id
 *
 * Return: 0 or an errno.
 */
int xlend_hc_server_create(domid_t domid, u16 *server)
{
	struct xlend_dmop op = { .op = XLEND_DMOP_CREATE_SERVER };
	int rc = xlend_dmop(domid, &op);

	if (!rc)
		*server = op.create.id;
	return rc;
}

/**
 * xlend_hc_server_enable - enable or disable an ioreq server
 * @domid: borrower
 * @server: its id
 * @on: which
 *
 * Pauses the domain: after disabling, no vCPU is about to send a request.
 * Takes milliseconds; not for a lock that the notifier can need.
 *
 * Return: 0 or an errno.
 */
int xlend_hc_server_enable(domid_t domid, u16 server, bool on)
{
	struct xlend_dmop op = {
		.op = XLEND_DMOP_SERVER_STATE,
		.state = { .id = server, .enabled = on },
	};

	return xlend_dmop(domid, &op);
}

/**
 * xlend_hc_server_destroy - destroy an ioreq server
 * @domid: borrower
 * @server: its id
 *
 * Return: 0 or an errno.
 */
int xlend_hc_server_destroy(domid_t domid, u16 server)
{
	struct xlend_dmop op = {
		.op = XLEND_DMOP_DESTROY_SERVER,
		.destroy.id = server,
	};

	return xlend_dmop(domid, &op);
}

/**
 * xlend_hc_server_alive - whether the domain still lives, and is still ours
 * @domid: borrower
 * @server: our ioreq server in it, its page mapped
 *
 * The mapped page keeps a dead domain from going away entirely, and so its
 * number from being used again: an answer is about the domain we mean.  Of a
 * driver domain a guest is no target any more once it is dying, or when dom0
 * says so, and then it has no servers there, either.
 *
 * Return: false only when the domain is dead, or there is no privilege over it.
 */
bool xlend_hc_server_alive(domid_t domid, u16 server)
{
	struct xlend_dmop op = {
		.op = XLEND_DMOP_SERVER_INFO,
		.info = { .id = server, .flags = XLEND_DMOP_INFO_NO_GFNS },
	};
	int rc = xlend_dmop(domid, &op);

	return rc != -ENOENT && rc != -ESRCH && rc != -EPERM;
}

/**
 * xlend_hc_server_map - map the page of requests
 * @domid: borrower
 * @server: our ioreq server in it
 * @page: set, for xlend_hc_server_unmap()
 * @va: set to where it is mapped
 *
 * Context: may sleep and allocate.
 * Return: 0 or an errno.
 */
int xlend_hc_server_map(domid_t domid, u16 server, struct page **page,
			void **va)
{
	xen_pfn_t frame;
	struct xen_mem_acquire_resource res = {
		.domid = domid,
		.type = XENMEM_resource_ioreq_server,
		.id = server,
		.frame = XENMEM_resource_ioreq_server_frame_ioreq(0),
		.nr_frames = 1,
	};
	unsigned int level;
	struct mmu_update u;
	pte_t *pte;
	int rc;

	rc = xen_alloc_unpopulated_pages(1, page);
	if (rc)
		return rc;

	/* PVH: where to put it.  PV: what it is. */
	frame = page_to_xen_pfn(*page);
	set_xen_guest_handle(res.frame_list, &frame);
	rc = xlend_denied(HYPERVISOR_memory_op(XENMEM_acquire_resource, &res));
	if (rc)
		goto free;

	*va = page_to_virt(*page);
	if (xen_pv_domain()) {
		/* The direct map has an empty entry for an unpopulated page. */
		pte = lookup_address((unsigned long)*va, &level);
		if (!pte || level != PG_LEVEL_4K) {
			rc = -ENXIO;
			goto free;
		}
		u.ptr = arbitrary_virt_to_machine(pte).maddr |
			MMU_PT_UPDATE_NO_TRANSLATE;
		u.val = pte_val_ma(mfn_pte(frame, PAGE_KERNEL));
		rc = HYPERVISOR_mmu_update(&u, 1, NULL, domid);
		if (rc)
			goto free;
	}
	return 0;

free:
	xen_free_unpopulated_pages(1, page);
	*page = NULL;
	return rc;
}

/**
 * xlend_hc_server_unmap - undo xlend_hc_server_map()
 * @page: from there
 *
 * A page that cannot be unmapped is not used again.
 *
 * Context: may sleep.
 */
void xlend_hc_server_unmap(struct page *page)
{
	struct xen_remove_from_physmap rem = {
		.domid = DOMID_SELF,
		.gpfn = page_to_xen_pfn(page),
	};
	int rc;

	if (xen_pv_domain())
		rc = HYPERVISOR_update_va_mapping((unsigned long)page_to_virt(page),
						  __pte_ma(0),
						  UVMF_INVLPG | UVMF_ALL);
	else
		rc = HYPERVISOR_memory_op(XENMEM_remove_from_physmap, &rem);

	if (rc)
		pr_warn("a page of requests stays mapped: %d\n", rc);
	else
		xen_free_unpopulated_pages(1, &page);
}

/**
 * xlend_hc_bind - make our end of a vCPU's event channel
 * @domid: borrower
 * @remote: Xen's end
 * @local: set to ours
 *
 * Return: 0 or an errno.
 */
int xlend_hc_bind(domid_t domid, evtchn_port_t remote, evtchn_port_t *local)
{
	struct evtchn_bind_interdomain bind = {
		.remote_dom = domid,
		.remote_port = remote,
	};
	int rc = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);

	if (!rc)
		*local = bind.local_port;
	return rc;
}

/**
 * xlend_hc_close - close an event channel that got no interrupt
 * @port: ours
 * @domid: borrower
 * @remote: Xen's end
 *
 * Where an interrupt was found but its handler could not be installed, the
 * port is closed already, and may be another driver's by now: what is bound to
 * Xen's end is ours.
 */
void xlend_hc_close(evtchn_port_t port, domid_t domid, evtchn_port_t remote)
{
	struct evtchn_status status = { .dom = DOMID_SELF, .port = port };
	struct evtchn_close close = { .port = port };

	if (HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) ||
	    status.status != EVTCHNSTAT_interdomain ||
	    status.u.interdomain.dom != domid ||
	    status.u.interdomain.port != remote)
		return;
	if (HYPERVISOR_event_channel_op(EVTCHNOP_close, &close))
		pr_warn("event channel %u cannot be closed\n", port);
}

/**
 * xlend_hc_notify - tell Xen that a request was answered
 * @port: ours
 *
 * Context: any.
 */
void xlend_hc_notify(evtchn_port_t port)
{
	notify_remote_via_evtchn(port);
}
