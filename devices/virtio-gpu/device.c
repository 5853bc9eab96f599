/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_ids.h>
#include <xentoollog.h>

#include "../pci/ioreq.h"
#include "../pci/lent.h"
#include "../virtio/foreign.h"
#include "../virtio/transport.h"
#include "connector.h"
#include "device.h"
#include "renderer.h"
#include "trapped.h"

#define REGION_BAR  4

struct gpu_device {
    xentoollog_logger *logger;
    struct gpu_device_config config;
    struct gpu gpu;
    struct lent_bar *region;
    struct trapped_bar trapped;
    struct ioreq_server *server;
    struct foreign *foreign;
    struct pci_function *fn;
    struct virtio_pci *virtio;
    int work;                   /* eventfd: requests wait */
};

static void message(void *opaque, const char *text)
{
    struct gpu_device *dev = opaque;

    xtl_log(dev->logger, XTL_WARN, -1, "gpu", "%s", text);
}

static void send_msi(void *opaque, uint64_t addr, uint32_t data)
{
    struct gpu_device *dev = opaque;

    /* An address that is no local APIC's is the guest's mistake, and what it
     * misses is its interrupt. */
    (void)ioreq_server_msi(dev->server, addr, data);
}

/* gpu.answer: of the control queue */
static void answer(void *opaque, uint16_t head, uint32_t written)
{
    struct gpu_device *dev = opaque;

    virtio_device_answer(virtio_pci_device(dev->virtio), 0, head, written);
}

static void wake(void *opaque)
{
    struct gpu_device *dev = opaque;

    eventfd_write(dev->work, 1);
}

static void invalidate(void *opaque)
{
    struct gpu_device *dev = opaque;

    foreign_forget(dev->foreign);
}

static int check(const struct gpu_device_config *c)
{
    if (c->size < XENLEND_PAGE_SIZE || c->size & (c->size - 1) ||
        c->size > (uint64_t)1 << 46 || c->address & (c->size - 1) ||
        c->address < (uint64_t)1 << 32 || c->slot < 1 || c->slot > 31 ||
        c->gpu.scanouts > VIRTIO_GPU_MAX_SCANOUTS) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

/* All that the guest will see.  -1: errno */
static int plug(struct gpu_device *dev)
{
    const struct gpu_device_config *c = &dev->config;
    const struct pci_ident ident = {
        .vendor = VIRTIO_PCI_VENDOR,
        .device = virtio_pci_device_id(VIRTIO_ID_GPU), .class = 0x0380,
        .subsys_vendor = VIRTIO_PCI_VENDOR, .subsys_device = 0x1100,
        .revision = 1,
    };
    struct guest_memory mem = foreign_memory(dev->foreign);
    struct virtio_kind kind;

    gpu_init(&dev->gpu, &c->gpu, &mem, lent_bar_span(dev->region), message,
             dev);
    dev->gpu.answer = answer;
    kind = gpu_kind();
    dev->fn = pci_function_add(ioreq_server_bus(dev->server), c->slot, &ident);
    if (!dev->fn)
        return -1;
    dev->virtio = virtio_pci_new(&(struct virtio_pci_config){
        .fn = dev->fn, .address = GPU_REGISTERS + c->slot * 0x10000,
        .kind = &kind, .kind_opaque = &dev->gpu, .mem = mem,
        .send_msi = send_msi, .wake = wake, .opaque = dev,
    });
    dev->trapped.gpu = &dev->gpu;
    if (!dev->virtio ||
        (c->trap ? trapped_bar_add(&dev->trapped, dev->fn, REGION_BAR,
                                   c->address, c->size)
                 : lent_bar_add(dev->region, dev->fn, REGION_BAR, c->address)))
        return -1;
    return virtio_pci_add_shared_memory(dev->virtio, GPU_REGION_ID, REGION_BAR,
                                        c->size);
}

struct gpu_device *gpu_device_open(xentoollog_logger *logger,
                                   const struct gpu_device_config *config)
{
    struct gpu_device *dev;
    int err;

    if (check(config)) {
        xtl_log(logger, XTL_ERROR, errno, "gpu", "%#llx bytes at %#llx in "
                "slot %u", (unsigned long long)config->size,
                (unsigned long long)config->address, config->slot);
        return NULL;
    }
    dev = calloc(1, sizeof(*dev));
    if (!dev)
        return NULL;
    dev->logger = logger;
    dev->config = *config;
    dev->work = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dev->work < 0)
        goto fail;
    dev->region = lent_bar_new(logger, &(struct lent_config){
        .name = "gpu", .domid = config->domid, .size = config->size,
        .flags = XENLEND_WINDOW_WRITE, .policy = config->policy,
        .cookie = config->slot,
    });
    if (!dev->region)
        goto fail;
    dev->server = ioreq_server_new(logger, config->domid);
    if (!dev->server)
        goto fail;
    dev->foreign = foreign_new(ioreq_server_memory(dev->server),
                               config->domid);
    if (!dev->foreign)
        goto fail;
    ioreq_server_on_invalidate(dev->server, invalidate, dev);
    if (!plug(dev))
        return dev;
fail:
    err = errno;
    gpu_device_close(dev);
    errno = err;
    return NULL;
}

int gpu_device_start(struct gpu_device *dev)
{
    pci_enable(dev->fn);
    if (!dev->config.trap && !gpu_device_window(dev)) {     /* it has said why */
        errno = lent_bar_error(dev->region);
        return -1;
    }
    return ioreq_server_start(dev->server);
}

void gpu_device_close(struct gpu_device *dev)
{
    if (!dev)
        return;
    /* Its mappings are made with the server's handle. */
    if (dev->foreign) {
        gpu_unmap(&dev->gpu);
        foreign_forget(dev->foreign);
    }
    /* Takes the BARs away, and the window with them. */
    ioreq_server_free(dev->server);
    foreign_free(dev->foreign);
    virtio_pci_free(dev->virtio);
    gpu_reset(&dev->gpu);
    lent_bar_free(dev->region);
    if (dev->work >= 0)
        close(dev->work);
    free(dev);
}

struct gpu *gpu_device_gpu(struct gpu_device *dev)
{
    return &dev->gpu;
}

xenlend_window *gpu_device_window(const struct gpu_device *dev)
{
    return lent_bar_window(dev->region);
}

uint64_t gpu_device_trapped(const struct gpu_device *dev)
{
    return dev->trapped.reads + dev->trapped.writes;
}

unsigned gpu_device_server(const struct gpu_device *dev)
{
    return ioreq_server_id(dev->server);
}

void gpu_device_pollfds(const struct gpu_device *dev, struct pollfd *fds)
{
    fds[0] = (struct pollfd){ .fd = ioreq_server_fd(dev->server),
                              .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = dev->work, .events = POLLIN };
    lent_bar_pollfds(dev->region, fds + 2);
    fds[4] = (struct pollfd){
        .fd = dev->gpu.config.renderer ? dev->gpu.config.renderer->fd() : -1,
        .events = POLLIN,
    };
    fds[5] = (struct pollfd){
        .fd = dev->gpu.config.connector ? dev->gpu.config.connector->epoll : -1,
        .events = POLLIN,
    };
}

int gpu_device_dispatch(struct gpu_device *dev)
{
    eventfd_t n;

    if (ioreq_server_dispatch(dev->server))
        return -1;
    /* Requests are served here and not when the guest notifies: its vCPU goes
     * on meanwhile. */
    if (!eventfd_read(dev->work, &n) &&
        virtio_device_work(virtio_pci_device(dev->virtio)))
        wake(dev);
    if (dev->gpu.config.renderer)
        dev->gpu.config.renderer->dispatch(&dev->gpu);
    if (dev->gpu.config.connector)
        cross_domain_dispatch(&dev->gpu);
    return lent_bar_dispatch(dev->region);
}
