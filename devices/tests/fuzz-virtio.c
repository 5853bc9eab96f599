/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any accesses to a virtio device on the PCI bus, and any contents of its rings, for libFuzzer.  Input: commands of four
 * bytes: what to access, where, and with which value.
 */
#define _GNU_SOURCE
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "../virtio/transport.h"
#include "ram.h"

#define BASE    0xe0000000ull
#define DEVFN   (1 << 3)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void config_read(void *opaque, unsigned offset, unsigned size, void *to)
{
    (void)opaque;
    memset(to, offset, size);
}
static void config_write(void *opaque, unsigned offset, unsigned size, const void *from)
{
    (void)opaque, (void)offset, (void)size, (void)from;
}
static uint32_t request(void *opaque, unsigned queue, const struct virtqueue_chain *c)
{
    char buffer[300];
    size_t n = virtqueue_read(c, &ram_memory, queue, buffer, sizeof(buffer));

    (void)opaque;
    return virtqueue_write(c, &ram_memory, 1, buffer, n);
}
static void reset(void *opaque)
{
    (void)opaque;
}
static void send_msi(void *opaque, uint64_t addr, uint32_t v)
{
    (void)opaque, (void)addr, (void)v;
}
static void wake(void *opaque)
{
    (void)opaque;
}
static int claim(void *opaque, uint64_t addr, uint64_t size)
{
    (void)opaque, (void)size;
    return addr & 0x10000 ? -1 : 0;
}
static void release(void *opaque, uint64_t addr, uint64_t size)
{
    (void)opaque, (void)addr, (void)size;
}

/* Values that mean something, and others */
static uint64_t value(uint8_t v)
{
    static const uint64_t some[] = { RAM_DESC, RAM_AVAIL, RAM_USED, RAM_TABLE, RAM_DATA, RAM_START + RAM_SIZE - 8, UINT64_MAX,
                                     1ull << 32, 0xe0000000, 0xfee00000, UINT32_MAX, 0xffff, 0x8000, 0xc000, 6, 16 };

    return v & 0x80 ? some[v % 16] << (v & 0x10 ? 32 : 0) >> (v & 0x20 ? 32 : 0) : v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct virtio_kind kind = {
        .id = 16, .features = 1, .queues = 2, .queue_size = 8, .config_size = 10, .config_read = config_read,
        .config_write = config_write, .request = request, .reset = reset,
    };
    struct pci_bus *bus = pci_bus_new(&(struct pci_host){ .claim = claim, .release = release });
    struct pci_function *fn = bus ? pci_function_add(bus, 1, &(struct pci_ident){ .vendor = 0x1af4, .device = 0x1050 }) : NULL;
    struct virtio_pci *vp = fn ? virtio_pci_new(&(struct virtio_pci_config){
        .fn = fn, .address = BASE, .kind = &kind, .mem = ram_memory, .send_msi = send_msi, .wake = wake }) : NULL;

    if (!vp)
        abort();
    ram_new();
    pci_enable(fn);
    pci_bus_config_write(bus, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    for (; len >= 4; data += 4, len -= 4) {
        unsigned size = 1u << (data[0] >> 6), where = data[1] | data[2] << 8;
        uint64_t v = value(data[3]);

        switch (data[0] % 16) {
        case 0:
            pci_bus_config_write(bus, DEVFN, where, size, v);
            break;
        case 1:
            pci_bus_config_read(bus, DEVFN, where, size);
            break;
        case 2:
            pci_bus_mmio_read(bus, BASE + where, size);
            break;
        case 3:
            pci_bus_mmio_write(bus, BASE + where, size, v);
            break;
        case 4: /* the rings */
            ram_poke(RAM_DESC + where % 0x100, &v, size);
            break;
        case 5:
            ram_poke(RAM_AVAIL + where % 0x20, &v, size);
            break;
        case 6:
            ram_poke(RAM_TABLE + where % 0x100, &v, size);
            break;
        case 7:
            pci_bus_mmio_write(bus, BASE + 0x3000 + where % 8, 2, v);
            break;
        case 8:
            virtio_device_work(virtio_pci_device(vp));
            break;
        case 9: /* a driver that does it right so far */
            pci_bus_mmio_write(bus, BASE + 20, 1, 0);
            pci_bus_mmio_write(bus, BASE + 8, 4, 1);
            pci_bus_mmio_write(bus, BASE + 12, 4, 1);
            pci_bus_mmio_write(bus, BASE + 20, 1, VIRTIO_CONFIG_S_FEATURES_OK);
            pci_bus_mmio_write(bus, BASE + 22, 2, where & 1);
            pci_bus_mmio_write(bus, BASE + 32, 8, RAM_DESC);
            pci_bus_mmio_write(bus, BASE + 40, 8, RAM_AVAIL);
            pci_bus_mmio_write(bus, BASE + 48, 8, RAM_USED);
            pci_bus_mmio_write(bus, BASE + 28, 2, 1);
            pci_bus_mmio_write(bus, BASE + 20, 1, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
            break;
        case 10:
            ram_desc(RAM_DESC, where & 7, RAM_DATA + (where >> 3) % 0x100, v, (where >> 11) & 7, where >> 14);
            break;
        case 11:
            ram_desc(RAM_TABLE, where & 7, RAM_DATA + (where >> 3) % 0x100, v, (where >> 11) & 7, where >> 14);
            break;
        case 12:
            ram_offer(8, where & 7);
            break;
        case 13: /* the common configuration */
            pci_bus_mmio_write(bus, BASE + where % 56, size, v);
            break;
        case 14:
            virtio_device_changed(virtio_pci_device(vp));
            break;
        case 15:
            ram_desc(RAM_DESC, where & 7, RAM_TABLE, (v % 10) * 16, VRING_DESC_F_INDIRECT, 0);
            break;
        }
    }
    virtio_device_work(virtio_pci_device(vp));
    pci_bus_free(bus);
    virtio_pci_free(vp);
    return 0;
}
