/* SPDX-License-Identifier: MIT */
/*
 * lend.h is one file for Xen, Linux and programs, and includes "xen.h" as
 * Xen's public headers do.  Inside Xen's tree that is the file beside it;
 * here it is this one, which knows where the others keep theirs.
 */
#ifndef XENLEND_PUBLIC_XEN_H
#define XENLEND_PUBLIC_XEN_H

#ifdef __KERNEL__
#include <xen/interface/xen.h>
#define DEFINE_XEN_GUEST_HANDLE(name)
#else
#include <xen/xen.h>
#endif

#endif
