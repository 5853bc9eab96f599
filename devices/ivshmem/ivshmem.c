/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include <xentoollog.h>

#include "../pci/ioreq.h"
#include "../pci/lent.h"
#include "ivshmem.h"

#define REGISTERS_SIZE  256

struct ivshmem {
    struct ivshmem_config config;
    struct lent_bar *memory;    /* BAR 2 */
    struct ioreq_server *server;
    struct pci_function *fn;
};

/* BAR 0: interrupt mask, interrupt status, IV position, doorbell. */
static uint64_t registers_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void registers_write(void *opaque, uint64_t offset, unsigned size,
                            uint64_t value)
{
    (void)opaque, (void)offset, (void)size, (void)value;
}

static const struct pci_bar_ops registers = {
    .read = registers_read, .write = registers_write,
};

static int check(const struct ivshmem_config *c)
{
    if (c->size < XENLEND_PAGE_SIZE || c->size & (c->size - 1) ||
        c->size > (uint64_t)1 << 46 || c->address & (c->size - 1) ||
        c->address < (uint64_t)1 << 32 || c->slot < 1 || c->slot > 31) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

struct ivshmem *ivshmem_open(xentoollog_logger *logger,
                             const struct ivshmem_config *config)
{
    static const struct pci_ident ident = {
        .vendor = IVSHMEM_VENDOR, .device = IVSHMEM_DEVICE, .class = 0x0500,
        .subsys_vendor = IVSHMEM_VENDOR, .subsys_device = 0x1100,
        .revision = 1,
    };
    struct ivshmem *dev;
    int err;

    if (check(config)) {
        xtl_log(logger, XTL_ERROR, errno, "ivshmem", "%#llx bytes at %#llx in "
                "slot %u", (unsigned long long)config->size,
                (unsigned long long)config->address, config->slot);
        return NULL;
    }
    dev = calloc(1, sizeof(*dev));
    if (!dev)
        return NULL;
    dev->config = *config;
    dev->memory = lent_bar_new(logger, &(struct lent_config){
        .name = "ivshmem", .domid = config->domid, .size = config->size,
        .flags = config->flags, .policy = config->policy,
        .cookie = config->slot,
    });
    if (!dev->memory)
        goto fail;
    dev->server = ioreq_server_new(logger, config->domid);
    if (!dev->server)
        goto fail;
    dev->fn = pci_function_add(ioreq_server_bus(dev->server), config->slot,
                               &ident);
    if (!dev->fn ||
        pci_bar_add(dev->fn, 0, IVSHMEM_REGISTERS + config->slot * 4096,
                    REGISTERS_SIZE, 0, &registers, dev) ||
        lent_bar_add(dev->memory, dev->fn, 2, config->address))
        goto fail;
    return dev;
fail:
    err = errno;
    ivshmem_close(dev);
    errno = err;
    return NULL;
}

int ivshmem_start(struct ivshmem *dev)
{
    pci_enable(dev->fn);
    if (!ivshmem_window(dev)) {     /* it has said why */
        errno = lent_bar_error(dev->memory);
        return -1;
    }
    return ioreq_server_start(dev->server);
}

unsigned ivshmem_server(const struct ivshmem *dev)
{
    return ioreq_server_id(dev->server);
}

void ivshmem_close(struct ivshmem *dev)
{
    if (!dev)
        return;
    /* Takes the BARs away, and the window with them. */
    ioreq_server_free(dev->server);
    lent_bar_free(dev->memory);
    free(dev);
}

void *ivshmem_span(const struct ivshmem *dev)
{
    return xenlend_span_addr(lent_bar_span(dev->memory));
}

uint64_t ivshmem_size(const struct ivshmem *dev)
{
    return dev->config.size;
}

xenlend_window *ivshmem_window(const struct ivshmem *dev)
{
    return lent_bar_window(dev->memory);
}

void *ivshmem_place(struct ivshmem *dev, uint64_t offset, uint64_t len,
                    int prot, int flags, int fd, off_t fd_offset)
{
    return xenlend_span_place(lent_bar_span(dev->memory), offset, len, prot,
                              flags, fd, fd_offset);
}

int ivshmem_remove(struct ivshmem *dev, uint64_t offset, uint64_t len)
{
    return xenlend_span_remove(lent_bar_span(dev->memory), offset, len);
}

void ivshmem_pollfds(const struct ivshmem *dev, struct pollfd *fds)
{
    fds[0] = (struct pollfd){ .fd = ioreq_server_fd(dev->server),
                              .events = POLLIN };
    lent_bar_pollfds(dev->memory, fds + 1);
}

void ivshmem_on_event(struct ivshmem *dev,
                      void (*fn)(void *opaque, const struct xenlend_event *e),
                      void *opaque)
{
    lent_bar_on_event(dev->memory, fn, opaque);
}

int ivshmem_dispatch(struct ivshmem *dev)
{
    if (ioreq_server_dispatch(dev->server))
        return -1;
    return lent_bar_dispatch(dev->memory);
}
