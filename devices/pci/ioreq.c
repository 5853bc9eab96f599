/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>
#include <xentoollog.h>

#include "gmem.h"
#include "ioreq.h"

#define PAGE_SIZE_      4096u
#define PCI_PORTS_FIRST 0xcf8
#define PCI_PORTS_LAST  0xcff
#define MAX_REQUESTS    64      /* of one dispatch */

struct ioreq_server {
    xentoollog_logger *logger;
    domid_t domid;
    ioservid_t id;
    bool have_id;
    xendevicemodel_handle *dm;
    xenforeignmemory_handle *fm;
    xenforeignmemory_resource_handle *res;
    xenevtchn_handle *xce;
    shared_iopage_t *page;
    unsigned vcpus;
    evtchn_port_t *ports;       /* of each vCPU */
    uint32_t cf8;               /* the configuration address register */
    struct pci_bus *bus;
    void (*invalidate)(void *opaque);
    void *invalidate_opaque;
};

static int failed(struct ioreq_server *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int failed(struct ioreq_server *s, const char *fmt, ...)
{
    int err = errno;
    va_list al;

    va_start(al, fmt);
    xtl_logv(s->logger, XTL_ERROR, err, "ioreq", fmt, al);
    va_end(al);
    errno = err;
    return -1;
}

/* For the bus ------------------------------------------------------------ */

static int claim(void *opaque, uint64_t addr, uint64_t size)
{
    struct ioreq_server *s = opaque;

    return xendevicemodel_map_io_range_to_ioreq_server(
        s->dm, s->domid, s->id, 1, addr, addr + size - 1);
}

static void release(void *opaque, uint64_t addr, uint64_t size)
{
    struct ioreq_server *s = opaque;

    xendevicemodel_unmap_io_range_from_ioreq_server(s->dm, s->domid, s->id, 1,
                                                    addr, addr + size - 1);
}

static void message(void *opaque, const char *text)
{
    struct ioreq_server *s = opaque;

    xtl_log(s->logger, XTL_WARN, -1, "pci", "%s", text);
}

/* Requests --------------------------------------------------------------- */

static void on_pio(struct ioreq_server *s, ioreq_t *r)
{
    /* Xen keeps the register too, and makes configuration cycles of what
     * goes to the data ports; we answer for reading it back. */
    if (r->addr == PCI_PORTS_FIRST && r->size == 4 && !r->data_is_ptr) {
        if (r->dir == IOREQ_WRITE)
            s->cf8 = r->data;
        else
            r->data = s->cf8;
    } else if (r->dir == IOREQ_READ && !r->data_is_ptr) {
        r->data = ~(uint64_t)0;
    }
}

static void on_config(struct ioreq_server *s, ioreq_t *r)
{
    unsigned sbdf = r->addr >> 32, offset = (uint32_t)r->addr;

    if (sbdf > 0xff || r->data_is_ptr) {    /* not on bus 0 */
        if (r->dir == IOREQ_READ && !r->data_is_ptr)
            r->data = ~(uint64_t)0;
    } else if (r->dir == IOREQ_READ) {
        r->data = pci_bus_config_read(s->bus, sbdf, offset, r->size);
    } else {
        pci_bus_config_write(s->bus, sbdf, offset, r->size, r->data);
    }
}

static void on_copy(struct ioreq_server *s, ioreq_t *r)
{
    int64_t step = r->df ? -(int64_t)r->size : r->size;
    uint64_t addr = r->addr, ptr = r->data, v;

    if (r->size != 1 && r->size != 2 && r->size != 4 && r->size != 8)
        return;
    if (!r->data_is_ptr) {
        if (r->dir == IOREQ_READ)
            r->data = pci_bus_mmio_read(s->bus, addr, r->size);
        else
            pci_bus_mmio_write(s->bus, addr, r->size, r->data);
        return;
    }
    /* A string instruction: guest memory on the other side */
    for (uint32_t i = 0; i < r->count; i++, addr += step, ptr += step) {
        if (r->dir == IOREQ_READ) {
            v = pci_bus_mmio_read(s->bus, addr, r->size);
            gmem_write(s->fm, s->domid, ptr, &v, r->size);
        } else {
            v = ~(uint64_t)0;
            gmem_read(s->fm, s->domid, ptr, &v, r->size);
            pci_bus_mmio_write(s->bus, addr, r->size, v);
        }
    }
}

static void serve(struct ioreq_server *s, unsigned vcpu)
{
    volatile ioreq_t *slot = &s->page->vcpu_ioreq[vcpu];
    ioreq_t r;

    if (slot->state != STATE_IOREQ_READY)
        return;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    r = *(ioreq_t *)slot;
    slot->state = STATE_IOREQ_INPROCESS;

    switch (r.type) {
    case IOREQ_TYPE_PIO:
        on_pio(s, &r);
        break;
    case IOREQ_TYPE_PCI_CONFIG:
        on_config(s, &r);
        break;
    case IOREQ_TYPE_COPY:
        on_copy(s, &r);
        break;
    case IOREQ_TYPE_INVALIDATE:     /* gmem keeps nothing mapped */
        if (s->invalidate)
            s->invalidate(s->invalidate_opaque);
        break;
    case IOREQ_TYPE_TIMEOFFSET:
        break;
    default:
        r.data = ~(uint64_t)0;
    }

    slot->data = r.data;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    slot->state = STATE_IORESP_READY;
    if (xenevtchn_notify(s->xce, s->ports[vcpu]))
        failed(s, "answering vCPU %u", vcpu);
}

int ioreq_server_dispatch(struct ioreq_server *s)
{
    struct pollfd p = { .fd = xenevtchn_fd(s->xce), .events = POLLIN };

    /* A few: vCPUs that never stop asking shall not keep the caller from its
     * signals, and poll() says of more. */
    for (unsigned n = 0; n < MAX_REQUESTS && poll(&p, 1, 0) > 0 &&
         p.revents & POLLIN; n++) {
        int port = xenevtchn_pending(s->xce);

        if (port < 0)
            return errno == EAGAIN || errno == EINTR ? 0
                   : failed(s, "reading event channels");
        if (xenevtchn_unmask(s->xce, port))
            return failed(s, "unmasking event channel %d", port);
        for (unsigned v = 0; v < s->vcpus; v++)
            if (s->ports[v] == (evtchn_port_t)port)
                serve(s, v);
    }
    return 0;
}

int ioreq_server_msi(struct ioreq_server *s, uint64_t addr, uint32_t data)
{
    return xendevicemodel_inject_msi(s->dm, s->domid, addr, data);
}

xenforeignmemory_handle *ioreq_server_memory(const struct ioreq_server *s)
{
    return s->fm;
}

void ioreq_server_on_invalidate(struct ioreq_server *s,
                                void (*fn)(void *opaque), void *opaque)
{
    s->invalidate = fn;
    s->invalidate_opaque = opaque;
}

int ioreq_server_fd(const struct ioreq_server *s)
{
    return xenevtchn_fd(s->xce);
}

/* Life ------------------------------------------------------------------- */

struct pci_bus *ioreq_server_bus(struct ioreq_server *s)
{
    return s->bus;
}

/* The handles, and ports for vcpus vCPUs.  -1: errno, and a message. */
static int open_all(struct ioreq_server *s, xentoollog_logger *logger,
                    uint32_t domid, unsigned *vcpus)
{
    s->logger = logger;
    s->domid = domid;
    if (domid >= DOMID_FIRST_RESERVED) {
        errno = ESRCH;
        return failed(s, "domain %u", domid);
    }
    /* These say themselves what is wrong. */
    s->dm = xendevicemodel_open(logger, 0);
    s->fm = xenforeignmemory_open(logger, 0);
    s->xce = xenevtchn_open(logger, 0);
    if (!s->dm || !s->fm || !s->xce)
        return -1;

    if (xendevicemodel_nr_vcpus(s->dm, domid, vcpus))
        return failed(s, "domain %u", domid);
    if (*vcpus > PAGE_SIZE_ / sizeof(ioreq_t)) {
        errno = E2BIG;
        return failed(s, "domain %u has %u vCPUs", domid, *vcpus);
    }
    s->ports = calloc(*vcpus, sizeof(*s->ports));
    return s->ports ? 0 : -1;
}

static int map_page(struct ioreq_server *s)
{
    s->res = xenforeignmemory_map_resource(
        s->fm, s->domid, XENMEM_resource_ioreq_server, s->id,
        XENMEM_resource_ioreq_server_frame_ioreq(0), 1, (void **)&s->page,
        PROT_READ | PROT_WRITE, 0);
    return s->res ? 0 : failed(s, "mapping the request page");
}

struct ioreq_server *ioreq_server_new(xentoollog_logger *logger, uint32_t domid)
{
    struct ioreq_server *s = calloc(1, sizeof(*s));
    unsigned vcpus;
    int err;

    if (!s)
        return NULL;
    if (open_all(s, logger, domid, &vcpus))
        goto fail;
    if (xendevicemodel_create_ioreq_server(s->dm, domid,
                                           HVM_IOREQSRV_BUFIOREQ_OFF, &s->id)) {
        failed(s, "making an ioreq server for domain %u", domid);
        goto fail;
    }
    s->have_id = true;
    if (map_page(s))
        goto fail;
    s->vcpus = vcpus;

    s->bus = pci_bus_new(&(struct pci_host){
        .claim = claim, .release = release, .message = message, .opaque = s,
    });
    if (s->bus)
        return s;
fail:
    err = errno;
    ioreq_server_free(s);
    errno = err;
    return NULL;
}

int ioreq_server_start(struct ioreq_server *s)
{
    uint32_t slots = pci_bus_slots(s->bus);

    if (xendevicemodel_map_io_range_to_ioreq_server(
            s->dm, s->domid, s->id, 0, PCI_PORTS_FIRST, PCI_PORTS_LAST))
        return failed(s, "claiming the PCI configuration ports");
    for (unsigned i = 0; i < 32; i++)
        if (slots & 1u << i &&
            xendevicemodel_map_pcidev_to_ioreq_server(s->dm, s->domid, s->id, 0,
                                                      0, i, 0))
            return failed(s, "claiming PCI device 00:%02x.0", i);
    /* The ports in the page are valid from here on. */
    if (xendevicemodel_set_ioreq_server_state(s->dm, s->domid, s->id, 1))
        return failed(s, "enabling the ioreq server");
    for (unsigned v = 0; v < s->vcpus; v++) {
        int port = xenevtchn_bind_interdomain(s->xce, s->domid,
                                              s->page->vcpu_ioreq[v].vp_eport);

        if (port < 0)
            return failed(s, "binding vCPU %u", v);
        s->ports[v] = port;
    }
    /* A guest that was not paused may have been faster. */
    for (unsigned v = 0; v < s->vcpus; v++)
        serve(s, v);
    return 0;
}

void ioreq_server_free(struct ioreq_server *s)
{
    if (!s)
        return;
    if (s->have_id)
        xendevicemodel_set_ioreq_server_state(s->dm, s->domid, s->id, 0);
    /* What came before that is answered: nobody shall wait for us. */
    for (unsigned v = 0; v < s->vcpus; v++)
        if (s->ports[v])
            serve(s, v);
    pci_bus_free(s->bus);
    if (s->res)
        xenforeignmemory_unmap_resource(s->fm, s->res);
    if (s->have_id)
        xendevicemodel_destroy_ioreq_server(s->dm, s->domid, s->id);
    if (s->xce)
        xenevtchn_close(s->xce);
    if (s->fm)
        xenforeignmemory_close(s->fm);
    if (s->dm)
        xendevicemodel_close(s->dm);
    free(s->ports);
    free(s);
}

unsigned ioreq_server_id(const struct ioreq_server *s)
{
    return s->id;
}

int ioreq_server_bury(xentoollog_logger *logger, uint32_t domid, unsigned id)
{
    struct ioreq_server *s = calloc(1, sizeof(*s));
    unsigned vcpus;
    int rc = -1, err;

    if (!s)
        return -1;
    if (open_all(s, logger, domid, &vcpus))
        goto out;
    s->id = id;
    if (map_page(s))
        goto out;
    s->have_id = true;      /* which the end of this destroys */
    if (xendevicemodel_set_ioreq_server_state(s->dm, domid, s->id, 0)) {
        failed(s, "disabling ioreq server %u", id);
        goto out;
    }
    for (unsigned v = 0; v < vcpus; v++) {
        volatile ioreq_t *slot = &s->page->vcpu_ioreq[v];
        int port;

        if (slot->state != STATE_IOREQ_READY &&
            slot->state != STATE_IOREQ_INPROCESS)
            continue;
        /* The port that the process had bound is free since it died. */
        port = xenevtchn_bind_interdomain(s->xce, domid, slot->vp_eport);
        slot->data = ~(uint64_t)0;
        __atomic_thread_fence(__ATOMIC_RELEASE);
        slot->state = STATE_IORESP_READY;
        if (port < 0 || xenevtchn_notify(s->xce, port)) {
            failed(s, "answering vCPU %u", v);
            goto out;
        }
    }
    /* Without the server there is no answer to take: give them some time,
     * they may be paused. */
    for (unsigned v = 0, tries = 0; v < vcpus && tries < 100; tries++) {
        volatile ioreq_t *slot = &s->page->vcpu_ioreq[v];

        if (slot->state == STATE_IORESP_READY)
            usleep(10000);
        else
            v++;
    }
    rc = 0;
out:
    err = errno;
    ioreq_server_free(s);
    errno = err;
    return rc;
}
