/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xen_lend

#if !defined(_XLEND_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _XLEND_TRACE_H

#include <linux/ktime.h>
#include <linux/tracepoint.h>

#include "hcall.h"

/*
 * Somebody tried to resolve a guest's fault: 0, LENDDEV_REASON_*, or a negative
 * errno.  The answer may come later.
 */
TRACE_EVENT(xen_lend_fault,
	TP_PROTO(u16 domid, u64 serial, u32 vcpu, u64 gpa, bool write,
		 u32 count, int rc, u64 since),
	TP_ARGS(domid, serial, vcpu, gpa, write, count, rc, since),
	TP_STRUCT__entry(
		__field(u64, gpa)
		__field(u64, ns)
		__field(u64, serial)
		__field(u32, vcpu)
		__field(u32, count)
		__field(int, rc)
		__field(u16, domid)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->gpa = gpa;
		__entry->ns = ktime_get_ns() - since;
		__entry->serial = serial;
		__entry->vcpu = vcpu;
		__entry->count = count;
		__entry->rc = rc;
		__entry->domid = domid;
		__entry->write = write;
	),
	TP_printk("d%u v%u window %llu gpa %#llx %s count %u rc %d %llu ns",
		  __entry->domid, __entry->vcpu, __entry->serial, __entry->gpa,
		  __entry->write ? "write" : "read", __entry->count,
		  __entry->rc, __entry->ns)
);

/* Frames were put into slots. */
TRACE_EVENT(xen_lend_lend,
	TP_PROTO(u16 domid, u64 serial, u64 first, u32 nr,
		 const u64 *frames, bool answered, int rc),
	TP_ARGS(domid, serial, first, nr, frames, answered, rc),
	TP_STRUCT__entry(
		__field(u64, first)
		__field(u64, serial)
		__field(u64, writable)
		__field(u32, nr)
		__field(int, rc)
		__field(u16, domid)
		__field(bool, answered)
	),
	TP_fast_assign(
		u32 i;

		__entry->first = first;
		__entry->serial = serial;
		__entry->writable = 0;
		/* Large entries have one word for all. */
		if (nr > 64 && (frames[0] & XENMEM_LEND_WRITE))
			__entry->writable = U64_MAX;
		for (i = 0; i < nr && nr <= 64; i++)
			if (frames[i] & XENMEM_LEND_WRITE)
				__entry->writable |= 1ULL << i;
		__entry->nr = nr;
		__entry->rc = rc;
		__entry->domid = domid;
		__entry->answered = answered;
	),
	TP_printk("d%u window %llu slots %llu+%u writable %#llx%s rc %d",
		  __entry->domid, __entry->serial, __entry->first,
		  __entry->nr, __entry->writable,
		  __entry->answered ? " answered" : "", __entry->rc)
);

/* Slots were emptied. */
TRACE_EVENT(xen_lend_revoke,
	TP_PROTO(u16 domid, u64 serial, u64 first, u64 nr, u64 lent),
	TP_ARGS(domid, serial, first, nr, lent),
	TP_STRUCT__entry(
		__field(u64, first)
		__field(u64, nr)
		__field(u64, lent)
		__field(u64, serial)
		__field(u16, domid)
	),
	TP_fast_assign(
		__entry->first = first;
		__entry->nr = nr;
		__entry->lent = lent;
		__entry->serial = serial;
		__entry->domid = domid;
	),
	TP_printk("d%u window %llu slots %llu+%llu lent %llu", __entry->domid,
		  __entry->serial, __entry->first, __entry->nr, __entry->lent)
);

/* Memory management is about to change something in the span. */
TRACE_EVENT(xen_lend_invalidate,
	TP_PROTO(u16 domid, u64 serial, unsigned long start,
		 unsigned long end, u32 event, u64 since),
	TP_ARGS(domid, serial, start, end, event, since),
	TP_STRUCT__entry(
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(u64, ns)
		__field(u64, serial)
		__field(u32, event)
		__field(u16, domid)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->end = end;
		__entry->ns = ktime_get_ns() - since;
		__entry->serial = serial;
		__entry->event = event;
		__entry->domid = domid;
	),
	TP_printk("d%u window %llu [%#lx, %#lx) event %u %llu ns",
		  __entry->domid, __entry->serial, __entry->start,
		  __entry->end, __entry->event, __entry->ns)
);

/* A vCPU's request was answered, by whoever came first. */
TRACE_EVENT(xen_lend_answer,
	TP_PROTO(u16 domid, u32 vcpu, u8 type, u64 data, u64 since),
	TP_ARGS(domid, vcpu, type, data, since),
	TP_STRUCT__entry(
		__field(u64, data)
		__field(u64, ns)
		__field(u32, vcpu)
		__field(u16, domid)
		__field(u8, type)
	),
	TP_fast_assign(
		__entry->data = data;
		__entry->ns = ktime_get_ns() - since;
		__entry->vcpu = vcpu;
		__entry->domid = domid;
		__entry->type = type;
	),
	TP_printk("d%u v%u type %u data %#llx %llu ns", __entry->domid,
		  __entry->vcpu, __entry->type, __entry->data, __entry->ns)
);

/* A window was made or destroyed. */
TRACE_EVENT(xen_lend_window,
	TP_PROTO(u16 domid, u64 serial, u32 id, u64 gfn, u64 nr,
		 unsigned long addr, bool made),
	TP_ARGS(domid, serial, id, gfn, nr, addr, made),
	TP_STRUCT__entry(
		__field(u64, gfn)
		__field(u64, nr)
		__field(u64, serial)
		__field(unsigned long, addr)
		__field(u32, id)
		__field(u16, domid)
		__field(bool, made)
	),
	TP_fast_assign(
		__entry->gfn = gfn;
		__entry->nr = nr;
		__entry->serial = serial;
		__entry->addr = addr;
		__entry->id = id;
		__entry->domid = domid;
		__entry->made = made;
	),
	TP_printk("d%u window %llu id %u gfn %#llx+%llu addr %#lx %s",
		  __entry->domid, __entry->serial, __entry->id, __entry->gfn,
		  __entry->nr, __entry->addr,
		  __entry->made ? "made" : "destroyed")
);

#endif /* _XLEND_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
