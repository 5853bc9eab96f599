/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of what is said when memory could not be lent.  TAP on stdout. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "refusal.h"
#include "tap.h"

#define GIB ((uint64_t)1 << 30)

static struct taken taken[] = {
    { 8 * GIB, 64 << 20, TAKEN_WINDOW, 3, 4000000000u },
    { 9 * GIB, 4096, TAKEN_WINDOW, 4, 0 },
    { 0, 1 << 20, TAKEN_MEMORY, 0, 0 },
    { 32 * GIB, 4096, TAKEN_UNKNOWN, 0, 0 },
};
static struct guest guest = {
    .domid = 5, .hvm = true, .hap = true, .vcpus = 2,
    .space = { .taken = taken, .n = 4, .memory_end = 4 * GIB + (8 << 20) },
};
static struct xenlend_info info = { .max_len = 16 * GIB, .max_windows = 16 };
static struct refusal r = { .domid = 5, .gpa = 8 * GIB, .len = 65536, .align = 2 << 20, .option = "--gpa" };

static void said(int e, const struct guest *g, const struct xenlend_info *i, const char *want, const char *what)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    r.err = e;
    refusal_write(f, &r, g, i);
    fclose(f);
    if (!ok(!strcmp(text, want), "%s", what))
        for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n"))
            note("|%s|", l);
    free(text);
}

int main(void)
{
    tap_begin("refusal");
    program_invocation_short_name = (char *)"x";

    said(EEXIST, &guest, &info,
         "x: in the way: window 3 of process 4000000000 (-), 0x200000000-0x203ffffff (64M)\n"
         "x: free: --gpa 0x800200000\n", "a window in the way");
    r.gpa = 8 * GIB + 4096;
    r.len = 2 * GIB;
    r.align = 2 * GIB;
    r.option = "--address";
    said(EEXIST, &guest, &info,
         "x: in the way: window 3 of process 4000000000 (-), 0x200000000-0x203ffffff (64M)\n"
         "x: in the way: window 4 of process 0 (-), 0x240000000-0x240000fff (4K)\n"
         "x: free: --address 0x880000000\n", "two windows in the way of a large one");
    r.gpa = 0x1000;
    r.len = 4096;
    r.align = 4096;
    said(EEXIST, &guest, &info,
         "x: in the way: memory of the guest, 0-0xfffff (1M)\n"
         "x: free: --address 0x800001000\n", "memory in the way");
    r.gpa = 32 * GIB;
    said(EEXIST, &guest, &info,
         "x: in the way: something that is not seen from here, like a device's memory or a window of another domain's\n"
         "x: free: --address 0x800001000\n", "nobody knows what is in the way");
    said(EEXIST, NULL, NULL, "", "nothing is known");

    info.max_windows = 2;
    said(ENOSPC, &guest, &info, "x: domain 5 has 2 windows, and may have no more: xenlend list -d 5 shows them\n",
         "too many windows");
    info.max_windows = 3;
    said(ENOSPC, &guest, &info,
         "x: domain 5 has 2 windows of 64.0M in all from here: windows of other domains, which are not seen from here, leave "
         "no room for another\n", "others have the rest");
    r.len = 16 * GIB;
    said(ENOSPC, &guest, &info,
         "x: domain 5 has 2 windows of 64.0M in all: 16G more are above the 16G that Xen lends one guest\n",
         "windows too large in all");
    r.len = 4096;
    guest.space.n = 0;
    said(ENOSPC, &guest, &info,
         "x: domain 5 has no room for another ioreq server, of which Xen gives each domain a few\n", "no ioreq server");
    said(ENOSPC, &guest, NULL, "", "no limits known");
    r.len = 17 * GIB;
    said(EFBIG, NULL, &info, "x: 17G are more than the 16G that a window may have here\n", "too large");

    r.gpa = 0xfeb00000;
    r.len = 0x100000;
    said(EINVAL, NULL, NULL, "x: 0xfeb00000-0xfebfffff is beyond what the guest can address\n", "just below Xen's devices");
    r.len = 0x101000;
    said(EINVAL, NULL, NULL, "x: 0xfec00000-0xfeefffff cannot be lent to: Xen emulates devices there\n", "Xen's devices");
    said(ESRCH, NULL, NULL, "x: there is no domain 5: xl list shows which there are\n", "no such domain");
    said(EPERM, NULL, NULL, "x: this needs CAP_SYS_ADMIN here, and a domain that may control domain 5\n", "no privilege");
    said(EBUSY, NULL, NULL,
         "x: not now: domain 5 is being migrated, or its memory is shared, paged, monitored or populated on demand\n",
         "not now");
    said(EADDRNOTAVAIL, NULL, NULL, "x: no free place was found: --address says where\n", "no place");
    said(ENOENT, &guest, &info, "", "other errors: the library has said it");

    said(EOPNOTSUPP, &guest, &info,
         "x: domain 5 has what does not go with windows: nested virtualisation (nestedhvm), altp2m, or an IOMMU that shares "
         "its page tables\n", "a feature");
    guest.vcpus = 129;
    said(EOPNOTSUPP, &guest, &info, "x: domain 5 has 129 vCPUs, more than 128\n", "too many vCPUs");
    guest.hap = false;
    said(EOPNOTSUPP, &guest, &info, "x: domain 5 runs on shadow page tables (hap=0)\n", "shadow page tables");
    guest.hvm = false;
    said(EOPNOTSUPP, &guest, &info, "x: domain 5 is a PV guest: memory can be lent to HVM and PVH guests\n", "PV");
    return tap_end();
}
