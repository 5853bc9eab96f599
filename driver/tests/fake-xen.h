/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hcall.c is to the driver, with a hypervisor behind it that is made of a
 * few arrays: one window, some vCPUs, and errors on request.
 */
#ifndef FAKE_XEN_H
#define FAKE_XEN_H

#include "../hcall.h"

#define FAKE_SLOTS	1100
#define FAKE_VCPUS	6
#define FAKE_DOMID	7
#define FAKE_HANDLE	0x1234

/* A slot of the window: 0 if empty, else the frame with its rights. */
extern u64 fake_slot[FAKE_SLOTS];
/* These XLEND_LARGE slots are one entry. */
extern bool fake_large[FAKE_SLOTS / XLEND_LARGE + 1];
extern struct xlend_ioreq fake_page[FAKE_VCPUS];

/*
 * The next call of lend fails: with @fake_fail_rc as a whole, after having done
 * the first @fake_fail_after slots; or, if that is 0, with @fake_fail_status in
 * slots whose number is divisible by @fake_fail_each.
 */
extern int fake_fail_rc, fake_fail_status;
extern unsigned int fake_fail_after, fake_fail_each;
/* Xen does not answer, though it was asked to and all was lent. */
extern bool fake_no_answer;
/* A call of lend takes so many microseconds before it does anything. */
extern unsigned int fake_lend_us;

extern unsigned long fake_lends, fake_revokes, fake_broken;

/* A vCPU sends a request; it is answered when the state says so. */
void fake_send(unsigned int vcpu, const struct xlend_ioreq *req);
/* The interrupt that comes with it. */
void fake_interrupt(unsigned int vcpu);
/* Whether there is an answer; takes it. */
bool fake_answered(unsigned int vcpu, u64 *data);
/* Whether its next access to a slot finds a page there. */
bool fake_lent(unsigned long slot);
/* Answers that came when none was due. */
extern unsigned long fake_double;
/* Interrupts that are masked until somebody says that they are over. */
extern int fake_masked[FAKE_VCPUS];

#endif /* FAKE_XEN_H */
