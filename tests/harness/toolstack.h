/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the domain that builds domains does for the tests.  In dom0 it is done here and now.  In a driver domain, which may do
 * nothing of it, dom0 is asked through the store: there `xltest --toolstack DOMID` answers.  What it builds for a driver domain is
 * its target from before it runs, but for strangers.
 */
#ifndef TOOLSTACK_H
#define TOOLSTACK_H

#include "guest.h"
#include <xen/domctl.h>

/* The series' own: headers of an older Xen do not know them. */
#ifndef XEN_DOMCTL_add_target
#define XEN_DOMCTL_add_target		90
#define XEN_DOMCTL_remove_target	91
#endif

extern bool driver_domain;	/* this is one */
extern uint32_t own_domid;

/* Finds out where it is; the suite ends if it cannot. */
void toolstack_open(void);

/* All: 0 (or what is named), or a negative errno. */
int toolstack_build(const struct guest_options *o, uint32_t *domid);
int toolstack_destroy(uint32_t domid);		/* returns when it is dying */
int toolstack_forget(uint32_t domid);		/* the store's part of a domain that is gone */
int toolstack_pause(uint32_t domid);
int toolstack_unpause(uint32_t domid);
long toolstack_state(uint32_t domid);		/* XEN_DOMINF_* flags; -ESRCH: there is no such domain */
bool toolstack_crashed(uint32_t domid);
long toolstack_pages(uint32_t domid);		/* that it has */
long toolstack_free_pages(void);		/* Xen's, with those it still scrubs */
int toolstack_keys(const char *keys);		/* Xen's debug keys */
long toolstack_pool(uint32_t domid);		/* bytes of memory for its tables */
int toolstack_set_pool(uint32_t domid, uint64_t bytes);
/* Makes it a target of that domain, or no target any more. */
int toolstack_target(uint32_t of, uint32_t domid, bool add);
/* Permission for a frame of the machine's that is a device's, for that domain, or with 0 for this one; for an I/O port. */
int toolstack_iomem(uint32_t domid, uint64_t frame, unsigned nr, bool allow);
int toolstack_ioport(uint32_t domid, unsigned port, bool allow);
int toolstack_map_mmio(uint32_t domid, uint64_t gfn, uint64_t frame);
/* entry_read() (devmem.h), where Xen's log can be read */
long toolstack_entry(uint32_t domid, uint64_t gfn, uint64_t slot);
/* Destroys all domains, or all that were built for this one; 0 when they are gone. */
int toolstack_sweep(void);

/* dom0: does what the driver domain asks for, until that is gone. */
int toolstack_serve(uint32_t domid);

#endif
