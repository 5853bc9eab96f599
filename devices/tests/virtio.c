/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of virtio: rings with everything that a driver can do wrong in them, the registers, reset, interrupts, by way
 * of a PCI bus as a guest would.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "../pci/pci.h"
#include "../virtio/transport.h"
#include "ram.h"
#include "tap.h"

#define N       8               /* entries of the queue */
#define NEXT    VRING_DESC_F_NEXT
#define WRITE   VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

/* ---- queues ---- */

static struct virtqueue vq;
static struct virtqueue_chain chain;

static void queue_new(void)
{
    ram_new();
    virtqueue_reset(&vq, N);
    vq.desc = RAM_DESC;
    vq.avail = RAM_AVAIL;
    vq.used = RAM_USED;
    if (virtqueue_enable(&vq))
        abort();
}

/* The chain that starts with descriptor 0 breaks the queue, with this error. */
static void breaks(int want, const char *what)
{
    ram_offer(N, 0);
    errno = 0;
    ok(virtqueue_pop(&vq, &ram_memory, &chain) == -1 && errno == want && vq.broken, "%s (%s)", what, strerror(errno));
    ok(virtqueue_pop(&vq, &ram_memory, &chain) == -1 && virtqueue_push(&vq, &ram_memory, 0, 0) == -1, "... for good");
    queue_new();
}

static void places(void)
{
    struct { uint16_t size; uint64_t desc, avail, used; const char *what; } bad[] = {
        { 0, RAM_DESC, RAM_AVAIL, RAM_USED, "of no entries" },
        { 6, RAM_DESC, RAM_AVAIL, RAM_USED, "of 6 entries" },
        { 512, RAM_DESC, RAM_AVAIL, RAM_USED, "too long" },
        { N, RAM_DESC + 8, RAM_AVAIL, RAM_USED, "with descriptors misaligned" },
        { N, RAM_DESC, RAM_AVAIL + 1, RAM_USED, "with a misaligned available ring" },
        { N, RAM_DESC, RAM_AVAIL, RAM_USED + 2, "with a misaligned used ring" },
        { N, -16ull, RAM_AVAIL, RAM_USED, "at the end of all addresses" },
        { N, RAM_DESC, RAM_AVAIL, -4ull, "with a used ring there" },
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        virtqueue_reset(&vq, N);
        vq.size = bad[i].size;
        vq.desc = bad[i].desc;
        vq.avail = bad[i].avail;
        vq.used = bad[i].used;
        ok(virtqueue_enable(&vq) == -1 && errno == EINVAL && !vq.enabled, "no queue %s", bad[i].what);
    }
    virtqueue_reset(&vq, N);
    eq(virtqueue_pop(&vq, &ram_memory, &chain), 0, "nothing in a queue that is not enabled");
}

static void good_chains(void)
{
    char text[32] = "";

    queue_new();
    eq(virtqueue_pop(&vq, &ram_memory, &chain), 0, "an empty queue has no request");
    ram_desc(RAM_DESC, 3, RAM_DATA, 4, NEXT, 5);
    ram_desc(RAM_DESC, 5, RAM_DATA + 0x100, 3, NEXT, 1);
    ram_desc(RAM_DESC, 1, RAM_DATA + 0x200, 6, NEXT | WRITE, 2);
    ram_desc(RAM_DESC, 2, RAM_DATA + 0x300, 10, WRITE, 7);
    ram_poke(RAM_DATA, "abcd", 4);
    ram_poke(RAM_DATA + 0x100, "efg", 3);
    ram_offer(N, 3);
    eq(virtqueue_pop(&vq, &ram_memory, &chain), 1, "a request of four parts");
    ok(chain.head == 3 && chain.n_out == 2 && chain.n_in == 2 && chain.out_len == 7 && chain.in_len == 16, "... as it is");
    ok(virtqueue_read(&chain, &ram_memory, 0, text, sizeof(text)) == 7 && !memcmp(text, "abcdefg", 7), "read as one");
    ok(virtqueue_read(&chain, &ram_memory, 3, text, 2) == 2 && !memcmp(text, "de", 2), "... from the middle");
    eq(virtqueue_read(&chain, &ram_memory, 7, text, 1), 0, "... not behind the end");
    eq(virtqueue_read(&chain, &ram_memory, UINT64_MAX, text, 1), 0, "... nor far behind it");
    ok(virtqueue_write(&chain, &ram_memory, 4, "12345", 5) == 5 && !memcmp(ram(RAM_DATA + 0x204, 2), "12", 2) &&
       !memcmp(ram(RAM_DATA + 0x300, 3), "345", 3), "written over parts");
    eq(virtqueue_write(&chain, &ram_memory, 10, text, 32), 6, "... as much as there is room");
    eq(virtqueue_pop(&vq, &ram_memory, &chain), 0, "and no other request");
    ok(!virtqueue_push(&vq, &ram_memory, 3, 9) && ram_get16(RAM_USED + 2) == 1 && ram_get16(RAM_USED + 4) == 3 &&
       ram_get16(RAM_USED + 8) == 9, "given back");
    ok(virtqueue_wants_interrupt(&vq, &ram_memory), "the driver wants to know");
    ram_u16(RAM_AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
    ok(!virtqueue_wants_interrupt(&vq, &ram_memory), "... or not");

    queue_new();
    for (unsigned i = 0; i < N; i++)
        ram_desc(RAM_TABLE, i, RAM_DATA + i, 1, i < N - 1 ? NEXT : 0, i + 1);
    ram_desc(RAM_DESC, 0, RAM_TABLE, N * 16, INDIRECT, 0);
    ram_offer(N, 0);
    ok(virtqueue_pop(&vq, &ram_memory, &chain) == 1 && chain.n_out == N && !chain.n_in, "an indirect one, as long as can be");

    queue_new();
    for (unsigned i = 0; i < 70000; i++) {
        ram_desc(RAM_DESC, i % N, RAM_DATA, i % 100, 0, 0);
        ram_offer(N, i % N);
        if (virtqueue_pop(&vq, &ram_memory, &chain) != 1 || chain.head != i % N || chain.out_len != i % 100 ||
            virtqueue_push(&vq, &ram_memory, chain.head, i)) {
            eq(i, -1, "goes round");
            return;
        }
    }
    eq(ram_get16(RAM_USED + 2), (uint16_t)70000, "70,000 requests, over the end of all indexes");
}

static void bad_chains(void)
{
    queue_new();
    vq.avail = RAM_START + RAM_SIZE;
    ok(virtqueue_pop(&vq, &ram_memory, &chain) == -1 && errno == EFAULT, "no memory behind the available ring");
    queue_new();
    vq.used = RAM_START + RAM_SIZE;
    ok(virtqueue_push(&vq, &ram_memory, 0, 0) == -1 && errno == EFAULT && vq.broken, "no memory behind the used ring");
    queue_new();
    ram_u16(RAM_AVAIL + 2, N + 1);
    ok(virtqueue_pop(&vq, &ram_memory, &chain) == -1 && errno == EPROTO, "more requests than entries");
    queue_new();
    ram_offer(N, N);
    ok(virtqueue_pop(&vq, &ram_memory, &chain) == -1 && errno == EPROTO, "a request that starts behind the table");
    queue_new();
    ram_desc(RAM_DESC, 0, RAM_DATA, 1, NEXT, N);
    breaks(EPROTO, "a request that goes on behind the table");
    ram_desc(RAM_DESC, 0, RAM_DATA, 1, NEXT, 0);
    breaks(ELOOP, "one without end");
    ram_desc(RAM_DESC, 0, RAM_DATA, 1, NEXT, 1);
    ram_desc(RAM_DESC, 1, RAM_DATA, 1, NEXT, 0);
    breaks(ELOOP, "one without end, in two steps");
    ram_desc(RAM_DESC, 0, RAM_DATA, 1, NEXT | WRITE, 1);
    ram_desc(RAM_DESC, 1, RAM_DATA, 1, 0, 0);
    breaks(EPROTO, "one to be read after it was written");
    ram_desc(RAM_DESC, 0, UINT64_MAX - 2, 4, 0, 0);
    breaks(EPROTO, "a part over the end of all addresses");
    ram_desc(RAM_DESC, 0, RAM_TABLE, 16, INDIRECT | NEXT, 0);
    breaks(EPROTO, "an indirect part that goes on");
    ram_desc(RAM_DESC, 0, RAM_TABLE, 24, INDIRECT, 0);
    breaks(EPROTO, "half an entry in an indirect table");
    ram_desc(RAM_DESC, 0, RAM_TABLE, 0, INDIRECT, 0);
    breaks(EPROTO, "an indirect table with nothing in it");
    ram_desc(RAM_DESC, 0, RAM_TABLE, (N + 1) * 16, INDIRECT, 0);
    breaks(EPROTO, "one longer than the queue");
    ram_desc(RAM_DESC, 0, RAM_TABLE, 16, INDIRECT, 0);
    ram_desc(RAM_TABLE, 0, RAM_TABLE, 16, INDIRECT, 0);
    breaks(EPROTO, "an indirect table in an indirect table");
    ram_desc(RAM_DESC, 0, RAM_TABLE, N * 16, INDIRECT, 0);
    for (unsigned i = 0; i < N; i++)
        ram_desc(RAM_TABLE, i, RAM_DATA, 1, NEXT, (i + 1) % N);
    breaks(ELOOP, "an indirect one without end");
    ram_desc(RAM_DESC, 0, 0x1000, 16, INDIRECT, 0);
    breaks(EFAULT, "an indirect table where no memory is");
    ram_desc(RAM_DESC, 0, 0x1000, 16, 0, 0);
    ram_offer(N, 0);
    ok(virtqueue_pop(&vq, &ram_memory, &chain) == 1 && !virtqueue_read(&chain, &ram_memory, 0, &(char[4]){ 0 }, 4) && !vq.broken,
       "a part where no memory is can be had, not read");
}

/* ---- a device, by way of the bus ---- */

#define DEVFN   (1 << 3)
#define BASE    0xe0000000ull
#define COMMON(field) (BASE + offsetof(struct virtio_pci_common_cfg, field))
#define NOTIFY  (BASE + 0x3000)

static struct pci_bus *bus;
static struct virtio_pci *vp;
static unsigned requests, resets, wakes, sent;
static uint64_t sent_addr;
static uint32_t sent_data;
static uint8_t kind_config[6] = { 1, 2, 3, 4, 5, 6 };

static void config_read(void *opaque, unsigned offset, unsigned size, void *to)
{
    (void)opaque;
    memcpy(to, kind_config + offset, size);
}
static void config_write(void *opaque, unsigned offset, unsigned size, const void *from)
{
    (void)opaque;
    memcpy(kind_config + offset, from, size);
}
static uint32_t request(void *opaque, unsigned queue, const struct virtqueue_chain *c)
{
    (void)opaque, (void)queue;
    requests++;
    return virtqueue_write(c, &ram_memory, 0, "done", 4);
}
static void reset(void *opaque)
{
    (void)opaque;
    resets++;
}
static const struct virtio_kind kind = {
    .id = 16, .features = 5, .queues = 2, .queue_size = N, .config_size = sizeof(kind_config),
    .config_read = config_read, .config_write = config_write, .request = request, .reset = reset,
};
static void send_msi(void *opaque, uint64_t addr, uint32_t data)
{
    (void)opaque;
    sent++;
    sent_addr = addr;
    sent_data = data;
}
static void wake(void *opaque)
{
    (void)opaque;
    wakes++;
}
static int claim(void *opaque, uint64_t addr, uint64_t size)
{
    (void)opaque, (void)addr, (void)size;
    return 0;
}
static void release(void *opaque, uint64_t addr, uint64_t size)
{
    (void)opaque, (void)addr, (void)size;
}

static uint32_t cfg(unsigned offset, unsigned size) { return pci_bus_config_read(bus, DEVFN, offset, size); }
static void cfg_write(unsigned offset, unsigned size, uint32_t v) { pci_bus_config_write(bus, DEVFN, offset, size, v); }
static uint64_t rd(uint64_t addr, unsigned size) { return pci_bus_mmio_read(bus, addr, size); }
static void wr(uint64_t addr, unsigned size, uint64_t v) { pci_bus_mmio_write(bus, addr, size, v); }

static void device_new(void)
{
    struct pci_function *fn;

    ram_new();
    bus = pci_bus_new(&(struct pci_host){ .claim = claim, .release = release });
    fn = pci_function_add(bus, 1, &(struct pci_ident){ .vendor = VIRTIO_PCI_VENDOR, .device = virtio_pci_device_id(16) });
    vp = virtio_pci_new(&(struct virtio_pci_config){ .fn = fn, .address = BASE, .kind = &kind, .mem = ram_memory,
                                                     .send_msi = send_msi, .wake = wake });
    if (!vp || virtio_pci_add_shared_memory(vp, 1, 4, 0x180000000ull))
        abort();
    pci_enable(fn);
    cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void device_free(void)
{
    pci_bus_free(bus);
    virtio_pci_free(vp);
}

/* Where the capability of a type is, 0 if nowhere */
static unsigned capability(uint8_t id, uint8_t type)
{
    unsigned at = cfg(PCI_CAPABILITY_LIST, 1);

    for (unsigned n = 0; at && n < 64; n++, at = cfg(at + 1, 1))
        if (cfg(at, 1) == id && (id != PCI_CAP_ID_VNDR || cfg(at + 3, 1) == type))
            return at;
    return 0;
}

/* As far as a driver comes before it enables queues */
static void driver_start(uint32_t low, uint32_t high)
{
    wr(COMMON(device_status), 1, 0);
    wr(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    wr(COMMON(guest_feature_select), 4, 0);
    wr(COMMON(guest_feature), 4, low);
    wr(COMMON(guest_feature_select), 4, 1);
    wr(COMMON(guest_feature), 4, high);
    wr(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void driver_queue(unsigned q)
{
    wr(COMMON(queue_select), 2, q);
    wr(COMMON(queue_desc_lo), 8, RAM_DESC);
    wr(COMMON(queue_avail_lo), 4, (uint32_t)RAM_AVAIL);
    wr(COMMON(queue_avail_hi), 4, RAM_AVAIL >> 32);
    wr(COMMON(queue_used_lo), 8, RAM_USED);
    wr(COMMON(queue_msix_vector), 2, q + 1);
    wr(COMMON(queue_enable), 2, 1);
}

static uint8_t status(void) { return rd(COMMON(device_status), 1); }
static void driver_ok(void) { wr(COMMON(device_status), 1, status() | VIRTIO_CONFIG_S_DRIVER_OK); }
static bool work(void) { return virtio_device_work(virtio_pci_device(vp)); }

static void msix_on(unsigned vectors)
{
    unsigned cap = capability(PCI_CAP_ID_MSIX, 0);

    for (unsigned i = 0; i < vectors; i++) {
        wr(BASE + 0x4000 + i * 16, 4, 0xfee01000 + i);
        wr(BASE + 0x4000 + i * 16 + 4, 4, 0);
        wr(BASE + 0x4000 + i * 16 + 8, 4, 0x40 + i);
        wr(BASE + 0x4000 + i * 16 + 12, 4, 0);
    }
    cfg_write(cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
}

static void registers(void)
{
    static const uint8_t types[] = { VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_PCI_CAP_ISR_CFG,
                                     VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_CAP_PCI_CFG, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG };
    unsigned cap;

    device_new();
    eqx(cfg(0, 4), 0x10501af4, "a virtio GPU's ids");
    for (unsigned i = 0; i < sizeof(types); i++)
        ok(capability(PCI_CAP_ID_VNDR, types[i]), "a capability of type %u", types[i]);
    cap = capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG);
    ok(cfg(cap + 2, 1) == 24 && cfg(cap + 4, 1) == 4 && cfg(cap + 5, 1) == 1 && cfg(cap + 12, 4) == 0x80000000 &&
       cfg(cap + 20, 4) == 1, "the shared memory: where, which, how long");
    cap = capability(PCI_CAP_ID_MSIX, 0);
    ok(cap && (cfg(cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) == 2, "MSI-X with three vectors");

    wr(COMMON(device_feature_select), 4, 0);
    eqx(rd(COMMON(device_feature), 4), 5 | 1u << VIRTIO_RING_F_INDIRECT_DESC, "features");
    wr(COMMON(device_feature_select), 4, 1);
    eqx(rd(COMMON(device_feature), 4), 1, "... VIRTIO_F_VERSION_1");
    wr(COMMON(device_feature_select), 4, 2);
    eqx(rd(COMMON(device_feature), 4), 0, "... no more");
    eq(rd(COMMON(num_queues), 2), 2, "two queues");
    wr(COMMON(queue_select), 2, 7);
    ok(!rd(COMMON(queue_size), 2) && rd(COMMON(queue_msix_vector), 2) == 0xffff, "no eighth one");
    wr(COMMON(queue_desc_lo), 8, 1);
    wr(COMMON(queue_enable), 2, 1);
    eq(rd(COMMON(num_queues), 4), 0, "an access over two registers gives nothing");
    ok(!rd(BASE + 56, 4) && !rd(BASE + 0xffe, 2) && !rd(BASE + 0x1fff, 1) && !rd(BASE + 0x3ffc, 4), "nor one where nothing is");
    wr(BASE + 0xff8, 8, ~0ull);
    wr(BASE + 0x2000 + sizeof(kind_config) - 2, 4, ~0ull);
    ok(rd(BASE + 0x2000, 4) == 0x04030201 && rd(BASE + 0x2004, 2) == 0x0605 && !rd(BASE + 0x2004, 4),
       "the kind's configuration, not beyond");

    at("features");
    driver_start(1, 0);
    ok(!(status() & VIRTIO_CONFIG_S_FEATURES_OK), "not without VIRTIO_F_VERSION_1");
    driver_start(2, 1);
    ok(!(status() & VIRTIO_CONFIG_S_FEATURES_OK), "nor with a feature that was not offered");
    driver_ok();
    ok(!(status() & VIRTIO_CONFIG_S_DRIVER_OK), "no driver without features");
    driver_start(5, 1);
    ok(status() & VIRTIO_CONFIG_S_FEATURES_OK, "with those that were");
    wr(COMMON(guest_feature), 4, 0);
    eqx(rd(COMMON(guest_feature), 4), 1, "... which cannot be changed then");
    wr(COMMON(device_status), 1, 1);
    ok(status() & VIRTIO_CONFIG_S_FEATURES_OK, "status bits stay");

    at("the window in configuration space");
    cap = capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);
    cfg_write(cap + 8, 4, offsetof(struct virtio_pci_common_cfg, device_status));
    cfg_write(cap + 12, 4, 1);
    eqx(cfg(cap + 16, 4), status(), "reads a register");
    cfg_write(cap + 16, 4, 0);
    eqx(status(), 0, "... and writes it");
    for (unsigned i = 0; i < 5; i++) {
        static const uint32_t bad[5][3] = { { 1, 0, 4 }, { 0, 0x4000, 1 }, { 0, 0xfffffffc, 4 }, { 0, 0, 3 }, { 0, 1, 4 } };

        cfg_write(cap + 4, 1, bad[i][0]);
        cfg_write(cap + 8, 4, bad[i][1]);
        cfg_write(cap + 12, 4, bad[i][2]);
        cfg_write(cap + 16, 4, 0x5a5a5a5a);
        eqx(cfg(cap + 16, 4), 0x5a5a5a5a, "bar %u, offset %#x, length %u: nothing happens", bad[i][0], bad[i][1], bad[i][2]);
    }
    device_free();
}

static void requests_(void)
{
    unsigned before;

    device_new();
    msix_on(3);
    driver_start(5, 1);
    driver_queue(0);
    eq(rd(COMMON(queue_enable), 2), 1, "a queue is enabled");
    wr(COMMON(queue_desc_lo), 4, 0);
    wr(COMMON(queue_size), 2, 4);
    ok(rd(COMMON(queue_desc_lo), 4) == (uint32_t)RAM_DESC && rd(COMMON(queue_size), 2) == N, "... and stays where it is");
    ram_desc(RAM_DESC, 0, RAM_DATA, 8, WRITE, 0);
    ram_offer(N, 0);
    wr(NOTIFY, 2, 0);
    ok(!wakes && !work() && !requests, "nothing is served before DRIVER_OK");
    driver_ok();
    wr(NOTIFY, 2, 0);
    ok(wakes == 1 && !requests, "a notification wakes the device, later");
    ok(!work() && requests == 1 && ram_get16(RAM_USED + 2) == 1 && !memcmp(ram(RAM_DATA, 4), "done", 4), "which serves the request");
    ok(sent == 1 && sent_addr == 0xfee01001 && sent_data == 0x41, "... and interrupts: vector 1");
    eq(rd(BASE + 0x1000, 1), 1, "... the ISR says so");
    eq(rd(BASE + 0x1000, 1), 0, "... once");
    wr(NOTIFY + 4 * 5, 2, 0);
    eq(wakes, 1, "a notification for a queue that there is not");

    at("masked");
    wr(BASE + 0x4000 + 16 + 12, 4, 1);
    ram_offer(N, 0);
    wr(NOTIFY, 2, 0);
    work();
    ok(requests == 2 && sent == 1 && rd(BASE + 0x4800, 8) == 2, "a masked vector waits");
    wr(BASE + 0x4000 + 16 + 12, 4, 0);
    ok(sent == 2 && !rd(BASE + 0x4800, 8), "... until it is unmasked");
    cfg_write(capability(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    ram_offer(N, 0);
    wr(NOTIFY, 2, 0);
    work();
    eq(sent, 2, "all masked");
    cfg_write(capability(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
    eq(sent, 3, "... and unmasked");
    wr(COMMON(queue_select), 2, 0);
    wr(COMMON(queue_msix_vector), 2, 3);
    eqx(rd(COMMON(queue_msix_vector), 2), 0xffff, "a vector that there is not reads as none");
    wr(COMMON(queue_msix_vector), 2, 1);
    wr(BASE + 0x4000 + 3 * 16, 8, ~0ull);
    wr(BASE + 0x4ff8, 8, ~0ull);
    ok(!rd(BASE + 0x4000 + 3 * 16, 8), "nor has it an entry");

    at("no bus master");
    before = requests;
    cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ram_offer(N, 0);
    wr(NOTIFY, 2, 0);
    work();
    eq(requests, before, "memory that may not be accessed is not");
    cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    wr(NOTIFY, 2, 0);
    work();
    eq(requests, before + 1, "... until it may");

    at("a configuration change");
    wr(COMMON(msix_config), 2, 0);
    before = sent;
    virtio_device_changed(virtio_pci_device(vp));
    ok(sent == before + 1 && sent_data == 0x40 && rd(COMMON(config_generation), 1) == 1, "interrupts, with a new generation");
    eq(rd(BASE + 0x1000, 1), 3, "... the ISR says so");

    at("a broken queue");
    before = sent;
    ram_desc(RAM_DESC, 0, RAM_DATA, 8, NEXT, 0);
    ram_offer(N, 0);
    wr(NOTIFY, 2, 0);
    work();
    ok(status() & VIRTIO_CONFIG_S_NEEDS_RESET && sent == before + 1 && sent_data == 0x40, "the device says that it needs a reset");
    wr(NOTIFY, 2, 0);
    ok(!work() && !virtio_pci_device(vp)->kicked, "... and does nothing until then");
    before = resets;
    wr(COMMON(device_status), 1, 0);
    ok(resets == before + 1 && !status() && !rd(COMMON(queue_enable), 2) && rd(COMMON(queue_size), 2) == N &&
       rd(COMMON(msix_config), 2) == 0xffff, "reset: as new");
    driver_start(5, 1);
    wr(COMMON(queue_select), 2, 0);
    wr(COMMON(queue_desc_lo), 8, 8);
    wr(COMMON(queue_enable), 2, 1);
    ok(!rd(COMMON(queue_enable), 2) && status() & VIRTIO_CONFIG_S_NEEDS_RESET, "a queue in a place that cannot be: a reset, too");

    at("a driver that never stops");
    ram_new();
    driver_start(5, 1);
    driver_queue(0);
    driver_ok();
    ram_desc(RAM_DESC, 0, RAM_DATA, 8, WRITE, 0);
    for (unsigned i = 0; i < N; i++)
        ram_offer(N, 0);
    before = requests;
    wr(NOTIFY, 2, 0);
    ok(!work() && requests == before + N, "as many requests as entries at once");
    wr(COMMON(device_status), 1, VIRTIO_CONFIG_S_FAILED);
    wr(NOTIFY, 2, 0);
    ok(!work(), "a driver that has failed is not served");
    device_free();
}

int main(void)
{
    tap_begin("virtio");
    places();
    good_chains();
    bad_chains();
    registers();
    requests_();
    ram_free();
    return tap_end();
}
