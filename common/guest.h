/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Xen and the driver know of a guest. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>

#include <xenlend.h>

#include "space.h"

struct guest {
    uint32_t domid;
    bool hvm, hap;
    unsigned vcpus;
    struct space space;         /* its windows; its memory's end */
};

/*
 * Fills in g.  Returns 0, or -1 with errno set: ESRCH if there is no such
 * domain.  Says nothing.
 */
int guest_look(struct guest *g, xenlend_handle *h, uint32_t domid);

/*
 * Adds to g->space where in [gpa, gpa + len) the guest has memory: the first
 * few pieces.  Returns 0, or -1 with errno set: not all could be looked at.
 */
int guest_look_memory(struct guest *g, uint64_t gpa, uint64_t len);

void guest_forget(struct guest *g);

#endif
