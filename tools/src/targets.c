/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenlend targets: which guests a driver domain may serve.
 *
 * The series has xc_domain_add_target() and xc_domain_remove_target(); the
 * libxenctrl that is installed may be an older one, so the calls are made here.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xenctrl.h>
#include <xencall.h>
#include <xen/domctl.h>

#include "tool.h"

#ifndef XEN_DOMCTL_add_target
#define XEN_DOMCTL_add_target    90
#define XEN_DOMCTL_remove_target 91
#endif

/* 0 or an errno */
static int change(bool add, uint32_t domain, uint32_t target)
{
    xencall_handle *x = xencall_open(NULL, 0);
    struct xen_domctl *c;
    int rc = 0;

    if (!x)
        return errno;
    c = xencall_alloc_buffer(x, sizeof(*c));
    if (!c) {
        rc = ENOMEM;
    } else {
        memset(c, 0, sizeof(*c));
        c->cmd = add ? XEN_DOMCTL_add_target : XEN_DOMCTL_remove_target;
        c->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        c->domain = domain;
        c->u.set_target.target = target;
        if (xencall1(x, __HYPERVISOR_domctl, (uintptr_t)c))
            rc = errno;
        xencall_free_buffer(x, c);
    }
    xencall_close(x);
    return rc;
}

static const char *why(int rc, uint32_t domain, uint32_t target)
{
    switch (rc) {
    case ESRCH:
        return "there is no such domain, or it is dying";
    case EINVAL:
        return domain == target ? "a domain cannot be its own target"
                                : "not of the domain that asks";
    case EOPNOTSUPP:
        return "dom0 serves any guest, and is nobody's target";
    case EPERM:
    case EACCES:
        return "this domain may not say so";
    case ENOSYS:
        return "this Xen has no lists of targets";
    default:
        return strerror(rc);
    }
}

int cmd_targets(int argc, char **argv)
{
    uint32_t domain, target;
    bool add;
    int rc;

    if (argc != 4)
        return usage_error("targets: add or remove, driver domain, guest");
    if (!strcmp(argv[1], "add"))
        add = true;
    else if (!strcmp(argv[1], "remove"))
        add = false;
    else
        return usage_error("targets: '%s' is neither add nor remove", argv[1]);
    if (parse_domain(argv[2], &domain))
        return usage_error("'%s' is no domain number (xl domid gives it for a name)", argv[2]);
    if (parse_domain(argv[3], &target))
        return usage_error("'%s' is no domain number (xl domid gives it for a name)", argv[3]);
    rc = change(add, domain, target);
    if (!rc)
        return EXIT_OK;
    say(0, "guest %u, %s domain %u: %s", target, add ? "to be served by" : "taken from", domain,
        why(rc, domain, target));
    return EXIT_FAILED;
}
