/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests of type HVM with QEMU as device model: xl makes and destroys them. */
#ifndef HVM_H
#define HVM_H

#include <stdbool.h>
#include <stdint.h>

struct guest_options;

/* Whether a guest with these options is to be one. */
bool hvm_wanted(const struct guest_options *o);
int hvm_build(const struct guest_options *o, uint32_t *domid);	/* 0 or -errno */
/* With its QEMU, which has memory of it mapped and would keep it as a zombie. */
int hvm_destroy(uint32_t domid);

#endif
