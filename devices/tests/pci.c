/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of the PCI bus: what a guest sees, and which ranges are decoded when.  TAP on stdout. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../pci/pci.h"
#include "tap.h"

/* The surroundings: what is claimed, as text like "+addr/size -addr/size " */
static char trace[1024];
static int refuse;
static char last[200];
static unsigned messages;

static void decoded(char sign, uint64_t addr, uint64_t size)
{
    snprintf(trace + strlen(trace), sizeof(trace) - strlen(trace), "%c%llx/%llx ", sign, (unsigned long long)addr,
             (unsigned long long)size);
}
static int claim(void *opaque, uint64_t addr, uint64_t size)
{
    (void)opaque;
    if (refuse) {
        errno = ENOSPC;
        return -1;
    }
    decoded('+', addr, size);
    return 0;
}
static void release(void *opaque, uint64_t addr, uint64_t size)
{
    (void)opaque;
    decoded('-', addr, size);
}
static void message(void *opaque, const char *text)
{
    (void)opaque;
    snprintf(last, sizeof(last), "%s", text);
    messages++;
}
static const struct pci_host host = { .claim = claim, .release = release, .message = message };

static int traced(const char *want)
{
    int same = !strcmp(trace, want);

    if (!same)
        note("decoded: \"%s\", not \"%s\"", trace, want);
    trace[0] = 0;
    return same;
}

/* A BAR with registers, and one that decodes by itself */
static uint64_t reg, reg_offset, reg_size;
static uint64_t reg_read(void *opaque, uint64_t offset, unsigned size)
{
    reg_offset = offset;
    reg_size = size;
    return *(uint64_t *)opaque;
}
static void reg_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    reg_offset = offset;
    reg_size = size;
    *(uint64_t *)opaque = value;
}
static const struct pci_bar_ops regs = { .read = reg_read, .write = reg_write };
static int own_map(void *opaque, uint64_t addr)
{
    if (refuse) {
        errno = ERANGE;
        return -1;
    }
    decoded('M', addr, (uintptr_t)opaque);
    return 0;
}
static void own_unmap(void *opaque, uint64_t addr)
{
    decoded('U', addr, (uintptr_t)opaque);
}
static const struct pci_bar_ops own = { .map = own_map, .unmap = own_unmap };

#define DEVFN (3 << 3)
static struct pci_bus *bus;
static uint32_t rd(unsigned off, unsigned size) { return pci_bus_config_read(bus, DEVFN, off, size); }
static void wr(unsigned off, unsigned size, uint32_t v) { pci_bus_config_write(bus, DEVFN, off, size, v); }

int main(void)
{
    static const struct pci_ident ident = { .vendor = 0x1af4, .device = 0x1110, .class = 0x0500,
                                            .subsys_vendor = 0x1af4, .subsys_device = 0x1100, .revision = 1 };
    struct pci_function *fn;
    int cap, cap2;
    uint8_t before[256];

    tap_begin("pci");
    bus = pci_bus_new(&host);
    ok(bus && pci_bus_config_read(bus, 0, PCI_CLASS_DEVICE, 2) == 0x0600, "a bus has a host bridge");
    ok(pci_bus_config_read(bus, DEVFN, 0, 4) == 0xffffffff, "an empty slot reads as ones");
    ok(!pci_function_add(bus, 0, &ident) && errno == EINVAL, "slot 0 is the bridge's");
    ok(!pci_function_add(bus, 32, &ident) && errno == EINVAL, "there is no slot 32");
    fn = pci_function_add(bus, 3, &ident);
    ok(fn && pci_bus_slots(bus) == (1u << 3 | 1), "a function in slot 3");
    ok(!pci_function_add(bus, 3, &ident) && errno == EBUSY, "and no second one");
    ok(rd(0, 4) == 0x11101af4 && rd(0, 2) == 0x1af4 && rd(2, 2) == 0x1110 && rd(3, 1) == 0x11, "its ids, any width");
    ok(rd(8, 4) == 0x05000001 && rd(0x2c, 4) == 0x11001af4, "class, revision and subsystem");
    ok(pci_bus_config_read(bus, DEVFN | 1, 0, 4) == 0xffffffff, "function 1 is not there");
    ok(rd(256, 4) == 0xffffffff && rd(254, 4) == 0xffffffff && rd(0xfffffffc, 4) == 0xffffffff,
       "beyond configuration space: ones");

    errno = 0;
    ok(pci_bar_add(fn, 0, 0, 24, 0, &regs, &reg) && errno == EINVAL, "BAR: size no power of two");
    ok(pci_bar_add(fn, 0, 0x800, 0x1000, 0, &regs, &reg) && errno == EINVAL, "BAR: address not aligned");
    ok(pci_bar_add(fn, 5, 0x1000, 0x1000, PCI_BASE_ADDRESS_MEM_TYPE_64, &regs, &reg) && errno == EINVAL,
       "BAR: half a 64-bit one");
    ok(pci_bar_add(fn, 6, 0x1000, 0x1000, 0, &regs, &reg) && errno == EINVAL, "BAR: none has index 6");
    ok(pci_bar_add(fn, 0, 0x100000000, 0x1000, 0, &regs, &reg) && errno == EINVAL, "BAR: 32-bit one too high");
    ok(!pci_bar_add(fn, 0, 0xe0000000, 0x100, 0, &regs, &reg), "BAR 0: registers");
    ok(!pci_bar_add(fn, 2, 0x200000000, 1 << 26, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, &own, (void *)2),
       "BAR 2: memory");
    ok(pci_bar_add(fn, 3, 0xd0000000, 0x1000, 0, &regs, &reg) && errno == EBUSY, "BAR: the upper half is taken");
    ok(pci_bar_add(fn, 1, 0x300000000, 0x1000, PCI_BASE_ADDRESS_MEM_TYPE_64, &regs, &reg) && errno == EBUSY,
       "BAR: overlap from below");
    ok(traced(""), "nothing is decoded yet");
    ok(rd(0x10, 4) == 0xe0000000 && rd(0x18, 4) == 0xc && rd(0x1c, 4) == 2, "BARs read as assigned");

    pci_enable(fn);
    ok(traced("+e0000000/100 M200000000/2 ") && rd(4, 2) == 2, "enabled: both decode");
    ok(pci_bus_mmio_read(bus, 0x200000000, 4) == UINT64_MAX, "memory that decodes itself is not served here");
    reg = 0x1122334455667788;
    ok(pci_bus_mmio_read(bus, 0xe0000010, 8) == reg && reg_offset == 0x10 && reg_size == 8, "register read");
    pci_bus_mmio_write(bus, 0xe00000fc, 4, 5);
    ok(reg == 5 && reg_offset == 0xfc && reg_size == 4, "register write");
    reg_size = 0;
    ok(pci_bus_mmio_read(bus, 0xe00000fc, 8) == UINT64_MAX && !reg_size, "not across the end");
    ok(pci_bus_mmio_read(bus, 0xdffffffe, 4) == UINT64_MAX && !reg_size, "nor across the start");

    /* Sizing, as Linux does it: decoding off, ones, read, restore, on */
    wr(4, 2, 0);
    ok(traced("-e0000000/100 U200000000/2 "), "disabled: neither decodes");
    ok(pci_bus_mmio_read(bus, 0xe0000010, 4) == UINT64_MAX && !reg_size, "and registers do not answer");
    wr(0x10, 4, 0xffffffff);
    ok(rd(0x10, 4) == 0xffffff00, "BAR 0: 256 bytes, 32-bit");
    wr(0x10, 4, 0xe0000000);
    wr(0x18, 4, 0xffffffff);
    wr(0x1c, 4, 0xffffffff);
    ok(rd(0x18, 4) == 0xfc00000c && rd(0x1c, 4) == 0xffffffff, "BAR 2: 64 MiB, 64-bit, prefetchable");
    wr(0x18, 4, 0xc);
    wr(0x1c, 4, 2);
    ok(traced(""), "sizing decodes nothing");
    wr(4, 2, 0xffff);
    ok(traced("+e0000000/100 M200000000/2 ") && rd(4, 2) == 0x0406, "on again; only known bits stick");

    /* Sizing by somebody who leaves decoding on */
    wr(0x18, 4, 0xffffffff);
    ok(traced("U200000000/2 M2fc000000/2 "), "a half-written BAR moves");
    wr(0x1c, 4, 0xffffffff);
    ok(traced("U2fc000000/2 "), "all ones is no address");
    wr(0x18, 4, 0);
    wr(0x1c, 4, 2);
    ok(traced("M200000000/2 "), "back where it was");
    wr(0x10, 4, 0);
    ok(traced("-e0000000/100 "), "address 0: not assigned");
    wr(0x12, 2, 0xd123);
    ok(rd(0x10, 4) == 0xd1230000 && traced("+d1230000/100 "), "written in halves");
    wr(4, 1, 2);
    ok(traced(""), "writing the same again changes nothing");

    /* A place that cannot be had */
    refuse = 1;
    wr(0x1c, 4, 3);
    ok(traced("U200000000/2 ") && strstr(last, "00:03.0") && strstr(last, "0x300000000"), "refused: said where");
    last[0] = 0;
    wr(4, 2, 6);
    ok(!last[0], "and said once");
    refuse = 0;
    wr(0x1c, 4, 2);
    ok(traced("M200000000/2 "), "moved back, it decodes");
    refuse = 1;
    wr(4, 2, 0);
    wr(4, 2, 2);
    ok(traced("-d1230000/100 U200000000/2 "), "on again, and the place is taken meanwhile");
    refuse = 0;
    wr(0x1c, 4, 4);
    ok(traced("M400000000/2 "), "moved to where nothing is, it decodes");
    wr(4, 2, 0);
    wr(0x1c, 4, 2);
    wr(4, 2, 2);
    ok(traced("U400000000/2 +d1230000/100 M200000000/2 "), "moved while it was off: only the new place");

    /* A guest that does it again and again */
    refuse = 1;
    for (int i = 0; i < 1000; i++)
        wr(0x1c, 4, 3 + i);
    eq(messages, 10, "1000 refusals: ten messages");
    ok(strstr(last, "00:03.0") && strstr(last, " (no more of these)"), "... the last says that it is the last");
    trace[0] = 0;
    refuse = 0;
    wr(0x1c, 4, 2);
    ok(traced("M200000000/2 "), "and in a good place it decodes");

    cap = pci_capability_add(fn, 0x11, 12);
    cap2 = pci_capability_add(fn, 9, 17);
    ok(cap == 0x40 && cap2 == 0x4c && rd(PCI_CAPABILITY_LIST, 1) == 0x40 && rd(0x40, 2) == 0x4c11 && rd(0x4c, 2) == 9 &&
       rd(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, "capabilities are linked");
    ok(pci_capability_add(fn, 9, 0) < 0 && pci_capability_add(fn, 9, 161) < 0 && errno == ENOSPC,
       "capabilities that do not fit");
    pci_config_writable(fn, 0x42, 2, 0xc000);
    wr(0x40, 4, 0xffffffff);
    ok(rd(0x40, 4) == 0xc0004c11, "a capability's writable bits");

    /* Whatever a guest writes, what is not writable stays. */
    memcpy(before, pci_config(fn), 256);
    srand(1);
    for (int i = 0; i < 20000; i++) {
        unsigned size = 1u << rand() % 3;

        pci_bus_config_write(bus, rand() % 320, rand() % 300, size, (uint32_t)rand() << 1 ^ rand());
    }
    ok(!memcmp(before, pci_config(fn), 4) && !memcmp(before + 6, pci_config(fn) + 6, 10) &&
       !memcmp(before + 0x20, pci_config(fn) + 0x20, 28) && !memcmp(before + 0x43 + 1, pci_config(fn) + 0x43 + 1, 188),
       "20000 random writes: read-only registers stay");
    ok(pci_bus_config_read(bus, 0, 0, 4) == 0x00081b36 && pci_bus_config_read(bus, 0, 4, 2) == 0,
       "and the bridge too");
    wr(4, 2, 0);
    trace[0] = 0;
    wr(0x10, 4, 0xe0000000);
    wr(0x18, 4, 0);
    wr(0x1c, 4, 2);
    wr(4, 2, 2);
    ok(traced("+e0000000/100 M200000000/2 "), "and it works as before");
    pci_bus_free(bus);
    ok(traced("-e0000000/100 U200000000/2 "), "freed: nothing decodes");
    return tap_end();
}
