/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-lend: what becomes of a request.
 *
 * The dispatcher finds the window that a request is about and puts it into the
 * queue there; the window's workers serve it.  What cannot be resolved now is
 * held; what never can be gets the window's policy.
 */
#ifndef _XLEND_SERVE_H
#define _XLEND_SERVE_H

#include <linux/types.h>

struct xlend_request;
struct xlend_scratch;
struct xlend_turn;
struct xlend_window;

void xlend_serve_now(struct xlend_turn *t);
void xlend_dispatch(struct xlend_request *r);
void xlend_serve(struct xlend_window *w, struct xlend_turn *t,
		 struct xlend_scratch *s);
void xlend_serve_dead(struct xlend_window *w);
void xlend_serve_none(struct xlend_window *w);
unsigned int xlend_serve_held(struct xlend_window *w, unsigned long first,
			      unsigned long last, u32 action);

#endif /* _XLEND_SERVE_H */
