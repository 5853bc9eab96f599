/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lender that is not dom0, but a guest of the tests: what it does, it is told to.  For suites lender, targets and flask. */
#ifndef LENDER_H
#define LENDER_H

#include "guest.h"
#include "toolstack.h"
#include <xen/hvm/dm_op.h>
#include <xen/public/lend.h>

#define RAM_GPA		0x180000UL
#define PATTERN		0x600dcafe00000000UL

/* Who does it, and to whom: set both before any of these. */
extern struct guest *lender, *borrower;

/* Hypercalls of the lender's: their results. */
long lender_memory_op(unsigned cmd, void *p, size_t n);
long lender_dm_op(struct xen_dm_op *op);
/* XENMEM_LEND_op; what else depends on it, see there.  *out, if not NULL: the window that was made. */
long lender_lend(unsigned op, uint64_t window, uint64_t a, uint64_t n, uint64_t x, uint64_t *out);

/* An ioreq server of the lender's in the borrower, which later calls are about; where its page is in the lender. */
void lender_server(bool page, bool enable);
extern uint64_t lender_server_id, lender_server_gfn;
long lender_server_try(void);		/* only to see whether it may make one */
/* The lender unmaps that page, as a driver does when a guest goes: what it has mapped of it would keep it. */
void lender_let_go(uint64_t server_gfn);
/* What Xen tells the lender of a window. */
long lender_query(uint64_t window, struct xen_mem_lend_counters *c);

#define ADD_TARGET	XEN_DOMCTL_add_target
#define REMOVE_TARGET	XEN_DOMCTL_remove_target
/* dom0 changes the list of targets of a domain. */
int change_target(unsigned op, uint32_t of, uint32_t target);
/* ... or a guest tries. */
long guest_change_target(struct guest *tool, unsigned op, uint32_t of, uint32_t target);

#endif
