/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>

#include "refusal.h"
#include "text.h"

/* Addresses that Xen emulates itself: IO-APIC, HPET, local APIC, ... */
#define XENS_OWN        0xfec00000ull
#define XENS_OWN_LEN    0x300000ull
#define MOST_VCPUS      128
/* What Xen lends one guest in all, its max_slots; the driver may allow less. */
#define XENS_MOST       (16ull << 30)

static void line(FILE *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void line(FILE *f, const char *fmt, ...)
{
    va_list al;

    fprintf(f, "%s: ", program_invocation_short_name);
    va_start(al, fmt);
    vfprintf(f, fmt, al);
    va_end(al);
    fputc('\n', f);
}

static void in_the_way(FILE *f, const struct refusal *r, const struct guest *g)
{
    unsigned found = 0;
    uint64_t place;

    for (unsigned i = 0; i < g->space.n; i++) {
        const struct taken *t = &g->space.taken[i];
        unsigned long long first = t->gpa, last = t->gpa + t->len - 1;

        if (!space_meet(r->gpa, r->len, t->gpa, t->len))
            continue;
        if (t->by == TAKEN_WINDOW)
            line(f, "in the way: window %u of process %u (%s), %#llx-%#llx "
                 "(%s)", t->window, t->pid, process_name(t->pid), first, last,
                 show_size(t->len));
        else if (t->by == TAKEN_MEMORY)
            line(f, "in the way: memory of the guest, %#llx-%#llx (%s)", first,
                 last, show_size(t->len));
        else
            continue;
        found++;
    }
    if (!found)
        line(f, "in the way: something that is not seen from here, like a "
             "device's memory or a window of another domain's");
    place = space_find(&g->space, r->len, r->align);
    if (place)
        line(f, "free: %s %#llx", r->option, (unsigned long long)place);
}

static void too_many(FILE *f, const struct refusal *r, const struct guest *g,
                     const struct xenlend_info *info)
{
    unsigned windows = 0;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < g->space.n; i++)
        if (g->space.taken[i].by == TAKEN_WINDOW) {
            windows++;
            bytes += g->space.taken[i].len;
        }
    if (windows >= info->max_windows)
        line(f, "domain %u has %u windows, and may have no more: xenlend list "
             "-d %u shows them", r->domid, windows, r->domid);
    else if (windows && (bytes > XENS_MOST || r->len > XENS_MOST - bytes))
        line(f, "domain %u has %u windows of %s in all: %s more are above the "
             "%s that Xen lends one guest", r->domid, windows,
             show_size(bytes), show_size(r->len), show_size(XENS_MOST));
    else if (windows)
        line(f, "domain %u has %u windows of %s in all from here: windows of "
             "other domains, which are not seen from here, leave no room for "
             "another", r->domid, windows, show_size(bytes));
    else
        line(f, "domain %u has no room for another ioreq server, of which Xen "
             "gives each domain a few", r->domid);
}

static void not_this_guest(FILE *f, const struct refusal *r,
                           const struct guest *g)
{
    if (!g->hvm)
        line(f, "domain %u is a PV guest: memory can be lent to HVM and PVH "
             "guests", r->domid);
    else if (!g->hap)
        line(f, "domain %u runs on shadow page tables (hap=0)", r->domid);
    else if (g->vcpus > MOST_VCPUS)
        line(f, "domain %u has %u vCPUs, more than %u", r->domid, g->vcpus,
             MOST_VCPUS);
    else
        line(f, "domain %u has what does not go with windows: nested "
             "virtualisation (nestedhvm), altp2m, or an IOMMU that shares its "
             "page tables", r->domid);
}

void refusal_write(FILE *f, const struct refusal *r, const struct guest *g,
                   const struct xenlend_info *info)
{
    switch (r->err) {
    case EEXIST:
        if (g)
            in_the_way(f, r, g);
        break;
    case EADDRNOTAVAIL:
        line(f, "no free place was found: %s says where", r->option);
        break;
    case ENOSPC:
        if (g && info)
            too_many(f, r, g, info);
        break;
    case EFBIG:
        if (info)
            line(f, "%s are more than the %s that a window may have here",
                 show_size(r->len), show_size(info->max_len));
        break;
    case EINVAL:
        if (space_meet(r->gpa, r->len, XENS_OWN, XENS_OWN_LEN))
            line(f, "%#llx-%#llx cannot be lent to: Xen emulates devices there",
                 XENS_OWN, XENS_OWN + XENS_OWN_LEN - 1);
        else
            line(f, "%#llx-%#llx is beyond what the guest can address",
                 (unsigned long long)r->gpa,
                 (unsigned long long)(r->gpa + r->len - 1));
        break;
    case ESRCH:
        line(f, "there is no domain %u: xl list shows which there are",
             r->domid);
        break;
    case EPERM:
        line(f, "this needs CAP_SYS_ADMIN here, and a domain that may control "
             "domain %u", r->domid);
        break;
    case EOPNOTSUPP:
        if (g)
            not_this_guest(f, r, g);
        break;
    case EBUSY:
        line(f, "not now: domain %u is being migrated, or its memory is "
             "shared, paged, monitored or populated on demand", r->domid);
        break;
    }
}
