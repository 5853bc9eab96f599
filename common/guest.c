/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "guest.h"
#include "windows.h"

#define PAGE    ((uint64_t)XENLEND_PAGE_SIZE)
#define BATCH   256
#define PIECES  4
#define FAR     ((uint64_t)256 << 20)

/* More than that is no limit but a tool stack that has set none: 4 TiB */
#define NO_LIMIT ((uint64_t)1 << 30)

static int look_domain(struct guest *g)
{
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    xc_domaininfo_t info;
    int r;

    if (!xc)
        return -1;
    r = xc_domain_getinfo_single(xc, g->domid, &info);
    if (!r) {
        g->hvm = info.flags & XEN_DOMINF_hvm_guest;
        g->hap = info.flags & XEN_DOMINF_hap;
        g->vcpus = info.max_vcpu_id + 1;
        /*
         * What it may have at most, after the hole for devices below 4 GiB:
         * what it has now may be less, and grow into a place found today.
         */
        g->space.memory_end = ((uint64_t)4 << 30) + PAGE *
            (info.max_pages < NO_LIMIT ? info.max_pages : info.tot_pages);
    }
    xc_interface_close(xc);
    return r ? -1 : 0;
}

int guest_look(struct guest *g, xenlend_handle *h, uint32_t domid)
{
    struct windows ws = { 0 };
    int r;

    *g = (struct guest){ .domid = domid };
    r = look_domain(g);
    if (!r)
        r = windows_read(&ws, h, domid);
    for (unsigned i = 0; !r && i < ws.n; i++)
        r = space_add(&g->space, &(struct taken){
            .gpa = ws.w[i].info.gpa, .len = ws.w[i].info.len, .by = TAKEN_WINDOW,
            .window = ws.w[i].info.id, .pid = ws.w[i].info.pid,
        });
    windows_free(&ws);
    if (r)
        guest_forget(g);
    return r;
}

/* Mapping is the way to ask that needs no privilege but over the guest. */
static int look_batch(xenforeignmemory_handle *fm, uint32_t domid,
                      uint64_t first, unsigned n, int *err)
{
    xen_pfn_t gfn[BATCH];
    void *p;

    for (unsigned i = 0; i < n; i++)
        gfn[i] = first + i;
    p = xenforeignmemory_map(fm, domid, PROT_READ, n, gfn, err);
    if (!p)
        return -1;
    xenforeignmemory_unmap(fm, p, n);
    return 0;
}

int guest_look_memory(struct guest *g, uint64_t gpa, uint64_t len)
{
    uint64_t end = gpa + len, start = 0, at = gpa;
    xenforeignmemory_handle *fm;
    unsigned pieces = 0;
    bool inside = false;
    int r = 0, err[BATCH];

    /* It may be long, and far up there is hardly ever anything. */
    if (end > g->space.memory_end && end - at > FAR)
        end = g->space.memory_end > at + FAR ? g->space.memory_end : at + FAR;
    fm = xenforeignmemory_open(NULL, 0);
    if (!fm)
        return -1;
    while (!r && at < end && pieces < PIECES) {
        uint64_t left = (end - at) / PAGE;
        unsigned n = left < BATCH ? left : BATCH;

        r = look_batch(fm, g->domid, at / PAGE, n, err);
        for (unsigned i = 0; !r && i < n; i++, at += PAGE) {
            if (!err[i] && !inside)
                start = at;
            if (err[i] && inside) {
                r = space_add(&g->space, &(struct taken){
                    .gpa = start, .len = at - start, .by = TAKEN_MEMORY });
                pieces++;
            }
            inside = !err[i];
        }
    }
    if (inside && !r)
        r = space_add(&g->space, &(struct taken){
            .gpa = start, .len = at - start, .by = TAKEN_MEMORY });
    xenforeignmemory_close(fm);
    return r;
}

void guest_forget(struct guest *g)
{
    space_free(&g->space);
}
