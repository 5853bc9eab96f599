/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of a guest's memory as it is mapped, with a stand-in for libxenforeignmemory that has pages of its own: what is
 * there, what is not, what stays mapped and for how long.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "../virtio/foreign.h"
#include "tap.h"

#define PAGE    4096u
#define PAGES   2048u

static int ram;                     /* a memfd: the guest's pages */
static bool absent[PAGES];
static unsigned maps, mapped;       /* calls; pages now */
static bool refuse;

void *xenforeignmemory_map(xenforeignmemory_handle *f, uint32_t domid, int prot, size_t n, const xen_pfn_t *pfn, int *err)
{
    char *p = mmap(NULL, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)f, (void)domid;
    maps++;
    if (refuse) {
        munmap(p, n * PAGE);
        errno = ENOMEM;
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        err[i] = pfn[i] >= PAGES || absent[pfn[i]] ? -EINVAL : 0;
        if (!err[i] && mmap(p + i * PAGE, PAGE, prot, MAP_SHARED | MAP_FIXED, ram, pfn[i] * PAGE) == MAP_FAILED)
            abort();
    }
    mapped += n;
    return p;
}
int xenforeignmemory_unmap(xenforeignmemory_handle *f, void *p, size_t n)
{
    (void)f;
    mapped -= n;
    return munmap(p, n * PAGE);
}

int main(void)
{
    static char buffer[200000], back[200000];
    struct foreign *f;
    struct guest_memory m;
    unsigned before;
    uint16_t v;

    tap_begin("foreign");
    ram = memfd_create("ram", MFD_CLOEXEC);
    if (ftruncate(ram, PAGES * PAGE))
        return 1;
    f = foreign_new(NULL, 5);
    m = foreign_memory(f);
    for (unsigned i = 0; i < sizeof(buffer); i++)
        buffer[i] = i * 7 + i / 251;
    ok(!guest_write(&m, 12345, buffer, sizeof(buffer)) && pread(ram, back, sizeof(back), 12345) == sizeof(back) &&
       !memcmp(buffer, back, sizeof(back)), "many pages are written");
    memset(back, 0, sizeof(back));
    ok(!guest_read(&m, 12345, back, sizeof(back)) && !memcmp(buffer, back, sizeof(back)), "... and read");
    before = maps;
    ok(!guest_read(&m, 20000, &v, 2) && !guest_read(&m, 20000, &v, 2) && maps == before, "what is mapped stays mapped");
    ok(!guest_read(&m, UINT64_MAX, back, 0), "nothing can be read anywhere");
    ok(guest_read(&m, UINT64_MAX, back, 1) && errno == EFAULT, "... but not one byte");
    ok(guest_read(&m, UINT64_MAX - 1, back, 4) && errno == EFAULT, "... nor over the end of all addresses");
    ok(guest_read(&m, (uint64_t)PAGES * PAGE - 1, back, 2) && errno == EFAULT, "nor over the end of memory");

    absent[300] = true;
    ok(!guest_read(&m, 299 * PAGE, back, PAGE) && !guest_read(&m, 301 * PAGE, back, PAGE), "pages beside one that is not there");
    ok(guest_write(&m, 300 * PAGE - 4, buffer, 8) && errno == EFAULT, "not that one");
    ok(pread(ram, back, 4, 300 * PAGE - 4) == 4 && !memcmp(back, buffer, 4), "... the part before it is done");
    absent[300] = false;
    ok(!guest_write(&m, 300 * PAGE - 4, buffer, 8) && pread(ram, back, 8, 300 * PAGE - 4) == 8 && !memcmp(back, buffer, 8),
       "... when it is there it is found");

    for (unsigned i = 0; i < PAGES; i++)
        if (guest_write(&m, (uint64_t)i * PAGE + 6, &i, 4))
            eq(i, -1, "all pages");
    eq(mapped, 1024, "no more than so many pages are mapped");
    before = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        uint32_t got;

        before += guest_read(&m, (uint64_t)i * PAGE + 6, &got, 4) || got != i;
    }
    eq(before, 0, "but each can be had");
    foreign_forget(f);
    eq(mapped, 0, "forgotten: none");
    refuse = true;
    ok(guest_read(&m, 0, &v, 2) && errno == ENOMEM, "no room for a mapping");
    refuse = false;
    ok(!guest_read(&m, 0, &v, 2), "... then there is");

    {
        const uint64_t gfn[3] = { 7, 2000, 8 };
        char *three;

        foreign_forget(f);
        three = m.map(m.opaque, gfn, 3);
        ok(three && mapped == 3, "three frames in a row");
        memcpy(three + PAGE, "here", 4);
        ok(pread(ram, back, 4, 2000 * PAGE) == 4 && !memcmp(back, "here", 4), "... are the guest's");
        foreign_forget(f);
        ok(mapped == 3 && !memcmp(three + PAGE, "here", 4), "... stay when all else is forgotten");
        m.unmap(m.opaque, three, 3);
        eq(mapped, 0, "... until they are given back");
        absent[8] = true;
        ok(!m.map(m.opaque, gfn, 3) && errno == EFAULT && !mapped, "one that is not there: none");
        absent[8] = false;
        refuse = true;
        ok(!m.map(m.opaque, gfn, 3) && errno == ENOMEM && !mapped, "no room for a mapping");
        refuse = false;
    }
    foreign_free(f);
    eq(mapped, 0, "freed: none");
    return tap_end();
}
