/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <xentoollog.h>

#include "../pci/ioreq.h"
#include "patience.h"
#include "ivshmem.h"

#define REGISTERS_SIZE  256

/*
 * Where the guest may put BAR 2.  What is memory there, or another window, Xen
 * refuses; no guest can have an address beyond the end.
 */
#define HOLE_START      ((uint64_t)1 << 20)     /* not into legacy devices */
#define HOLE_END        ((uint64_t)1 << 52)
/* I/O APIC, HPET, local APIC, Xen's special pages, firmware: a window over one
 * would take it away from the guest. */
#define FIXED_START     0xfec00000ull
#define FIXED_END       ((uint64_t)1 << 32)

struct ivshmem {
    xentoollog_logger *logger;
    struct ivshmem_config config;
    xenlend_handle *lend;
    xenlend_borrower *borrower;
    xenlend_window *window;
    xenlend_span *span;
    struct ioreq_server *server;
    struct pci_function *fn;
    struct patience patience;
    unsigned logged;
    int map_error;              /* why BAR 2 is no window, or 0 */
    void (*on_event)(void *opaque, const struct xenlend_event *e);
    void *on_event_opaque;
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

/* BAR 2 */
static bool in_hole(uint64_t addr, uint64_t size)
{
    return addr >= HOLE_START && addr < HOLE_END && size <= HOLE_END - addr &&
           (addr >= FIXED_END ||
            (addr < FIXED_START && size <= FIXED_START - addr));
}

static int memory_map(void *opaque, uint64_t addr)
{
    struct ivshmem *dev = opaque;

    if (!in_hole(addr, dev->config.size)) {
        errno = dev->map_error = ERANGE;
        return -1;
    }
    dev->window = xenlend_window_bind(dev->borrower, dev->span, 0, addr,
                                      dev->config.size, dev->config.flags,
                                      dev->config.policy, dev->config.slot);
    dev->map_error = dev->window ? 0 : errno;
    return dev->window ? 0 : -1;
}

static void memory_unmap(void *opaque, uint64_t addr)
{
    struct ivshmem *dev = opaque;

    (void)addr;
    xenlend_window_destroy(dev->window);
    dev->window = NULL;
}

static const struct pci_bar_ops memory = {
    .map = memory_map, .unmap = memory_unmap,
};

/*
 * The right to lend anywhere in the hole.  The handle's logger hears of what
 * is wrong here; later the guest decides how often something is, and the bus
 * counts what it says of that.
 */
static int borrow(struct ivshmem *dev)
{
    xenlend_borrower *b;
    int err;

    b = xenlend_borrower_open(dev->lend, dev->config.domid, HOLE_START,
                              HOLE_END - HOLE_START, 1);
    if (!b)
        return -1;
    dev->borrower = xenlend_borrower_from_fd(NULL, XENLEND_QUIET,
                                             xenlend_borrower_fd(b));
    err = errno;
    xenlend_borrower_close(b);
    errno = err;
    return dev->borrower ? 0 : -1;
}

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
    dev->logger = logger;
    dev->config = *config;
    if (patience_init(&dev->patience)) {
        free(dev);
        return NULL;
    }
    dev->lend = xenlend_open(logger, 0);
    if (!dev->lend)
        goto fail;
    dev->span = xenlend_span_reserve(NULL, XENLEND_QUIET, config->size, 0);
    if (!dev->span || borrow(dev))
        goto fail;
    dev->server = ioreq_server_new(logger, config->domid);
    if (!dev->server)
        goto fail;
    dev->fn = pci_function_add(ioreq_server_bus(dev->server), config->slot,
                               &ident);
    if (!dev->fn ||
        pci_bar_add(dev->fn, 0, IVSHMEM_REGISTERS + config->slot * 4096,
                    REGISTERS_SIZE, 0, &registers, dev) ||
        pci_bar_add(dev->fn, 2, config->address, config->size,
                    PCI_BASE_ADDRESS_MEM_TYPE_64 |
                    PCI_BASE_ADDRESS_MEM_PREFETCH, &memory, dev))
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
    if (!dev->window) {     /* it has said why */
        errno = dev->map_error;
        return -1;
    }
    return ioreq_server_start(dev->server);
}

void ivshmem_close(struct ivshmem *dev)
{
    if (!dev)
        return;
    /* Takes the BARs away, and the window with them. */
    ioreq_server_free(dev->server);
    xenlend_borrower_close(dev->borrower);
    xenlend_close(dev->lend);
    patience_fini(&dev->patience);
    xenlend_span_free(dev->span);
    free(dev);
}

void *ivshmem_span(const struct ivshmem *dev)
{
    return xenlend_span_addr(dev->span);
}

uint64_t ivshmem_size(const struct ivshmem *dev)
{
    return dev->config.size;
}

xenlend_window *ivshmem_window(const struct ivshmem *dev)
{
    return dev->window;
}

void *ivshmem_place(struct ivshmem *dev, uint64_t offset, uint64_t len,
                    int prot, int flags, int fd, off_t fd_offset)
{
    return xenlend_span_place(dev->span, offset, len, prot, flags, fd,
                              fd_offset);
}

int ivshmem_remove(struct ivshmem *dev, uint64_t offset, uint64_t len)
{
    return xenlend_span_remove(dev->span, offset, len);
}

void ivshmem_pollfds(const struct ivshmem *dev, struct pollfd *fds)
{
    fds[0] = (struct pollfd){ .fd = ioreq_server_fd(dev->server),
                              .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = xenlend_borrower_fd(dev->borrower),
                              .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = dev->patience.fd, .events = POLLIN };
}

void ivshmem_on_event(struct ivshmem *dev,
                      void (*fn)(void *opaque, const struct xenlend_event *e),
                      void *opaque)
{
    dev->on_event = fn;
    dev->on_event_opaque = opaque;
}

static void event(struct ivshmem *dev, const struct xenlend_event *e)
{
    bool held = e->type == XENLEND_EVENT_HELD;

    if (held && !patience_begin(&dev->patience, e))
        return;
    if (dev->on_event) {
        dev->on_event(dev->on_event_opaque, e);
        return;
    }
    /* A guest can make any number of these. */
    if ((held || e->type == XENLEND_EVENT_GAVE_UP) && dev->logged < 10) {
        dev->logged++;
        xtl_log(dev->logger, XTL_WARN, -1, "ivshmem",
                "%s for an access of vCPU %u to %#llx: %s%s",
                held ? "nothing can be lent for now" : "nothing to lend",
                e->vcpu, (unsigned long long)e->gpa, xenlend_reason(e->reason),
                dev->logged == 10 ? " (no more of these)" : "");
    }
}

int ivshmem_dispatch(struct ivshmem *dev)
{
    struct xenlend_event e[16];
    int n, gone = 0;

    if (ioreq_server_dispatch(dev->server))
        return -1;
    if (patience_over(&dev->patience, dev->window))
        return -1;
    /* A few: the caller has signals to look after, and poll() says of more. */
    n = xenlend_read_events(dev->borrower, e, 16, 0);
    for (int i = 0; i < n; i++) {
        if (e[i].type == XENLEND_EVENT_BORROWER_GONE)
            gone = 1;
        event(dev, &e[i]);
    }
    if (n < 0 && errno == ENODEV)
        return 1;
    if (n < 0 && errno != EINTR)
        return -1;
    return gone;
}
