/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of the ivshmem device and its ioreq server, with stand-ins for Xen and for the windows of the library: where
 * the guest may move the memory, what it keeps, and what a guest that never stops can do.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/hvm/ioreq.h>
#include <xentoollog.h>

#include "../ivshmem/ivshmem.h"
#include "../pci/pci.h"
#include "tap.h"

#define MIB     (1ull << 20)
#define HOME    0x200000000ull
#define RAM_END (128 * MIB)
#define OTHER   0x300000000ull      /* another window, as long */

static char last[300];
static unsigned messages;
static void record(xentoollog_logger *l, xentoollog_level level, int err, const char *context, const char *format, va_list al)
{
    (void)l, (void)level, (void)err, (void)context;
    vsnprintf(last, sizeof(last), format, al);
    messages++;
}
static xentoollog_logger logger = { .vmessage = record };

/* ---- windows ---- */

static struct { int live; uint64_t gpa, len; char *addr; } win;
static uint64_t right_gpa, right_len;
static unsigned borrower_flags, binds;

xenlend_handle *xenlend_open(xentoollog_logger *l, unsigned flags) { (void)flags; return (void *)l; }
int xenlend_close(xenlend_handle *h) { (void)h; return 0; }
xenlend_borrower *xenlend_borrower_open(xenlend_handle *h, uint32_t domid, uint64_t gpa, uint64_t len, unsigned max)
{
    (void)h, (void)domid, (void)max;
    right_gpa = gpa;
    right_len = len;
    return (void *)1;
}
xenlend_borrower *xenlend_borrower_from_fd(xentoollog_logger *l, unsigned flags, int fd)
{
    (void)l, (void)fd;
    borrower_flags = flags;
    return (void *)2;
}
static int never = -1;              /* a descriptor that never has something */
int xenlend_borrower_fd(const xenlend_borrower *b) { (void)b; return never; }
int xenlend_borrower_close(xenlend_borrower *b) { (void)b; return 0; }
int xenlend_read_events(xenlend_borrower *b, struct xenlend_event *e, unsigned max, int ms)
{
    (void)b, (void)e, (void)max, (void)ms;
    return 0;
}
const char *xenlend_reason(unsigned reason) { (void)reason; return ""; }
static int meet(uint64_t gpa, uint64_t len, uint64_t a, uint64_t b) { return gpa < b && gpa + len > a; }
xenlend_window *xenlend_window_bind(xenlend_borrower *b, xenlend_span *span, uint64_t offset, uint64_t gpa, uint64_t len,
                                    unsigned flags, unsigned policy, uint64_t cookie)
{
    (void)b, (void)flags, (void)policy, (void)cookie;
    binds++;
    if (gpa < right_gpa || gpa + len > right_gpa + right_len)
        errno = ERANGE;
    else if (meet(gpa, len, 0, RAM_END) || meet(gpa, len, OTHER, OTHER + 2 * MIB))
        errno = EEXIST;
    else {
        win.live++;
        win.gpa = gpa;
        win.len = len;
        win.addr = (char *)xenlend_span_addr(span) + offset;
        return (void *)&win;
    }
    if (!(borrower_flags & XENLEND_QUIET))
        messages++;
    return NULL;
}
int xenlend_window_destroy(xenlend_window *w)
{
    if (w)
        win.live--;
    return 0;
}
uint64_t xenlend_window_len(const xenlend_window *w) { (void)w; return win.len; }
int xenlend_window_resume(xenlend_window *w, uint64_t offset, uint64_t len, unsigned action, unsigned *count)
{
    (void)w, (void)offset, (void)len, (void)action;
    *count = 0;
    return 0;
}
/* ---- Xen ---- */

static int work = -1;               /* the event channel device */
static int asked;                   /* a request waits to be read */
static int storm;                   /* the guest asks again at once */
static unsigned answers;
static union { shared_iopage_t p; char room[4096]; } page;
#define SLOT (page.p.vcpu_ioreq[0])

static void ask(unsigned offset, uint32_t value, int is_write)
{
    uint64_t one = 1;

    SLOT.type = IOREQ_TYPE_PCI_CONFIG;
    SLOT.addr = (uint64_t)(1 << 3) << 32 | offset;
    SLOT.size = 4;
    SLOT.count = 1;
    SLOT.dir = is_write ? IOREQ_WRITE : IOREQ_READ;
    SLOT.data = value;
    SLOT.state = STATE_IOREQ_READY;
    if (!asked && write(work, &one, sizeof(one)) != sizeof(one))
        abort();
    asked = 1;
}
xendevicemodel_handle *xendevicemodel_open(xentoollog_logger *l, unsigned f) { (void)f; return (void *)l; }
int xendevicemodel_close(xendevicemodel_handle *d) { (void)d; return 0; }
int xendevicemodel_nr_vcpus(xendevicemodel_handle *d, domid_t domid, unsigned *n) { (void)d, (void)domid; *n = 1; return 0; }
int xendevicemodel_create_ioreq_server(xendevicemodel_handle *d, domid_t domid, int b, ioservid_t *id)
{
    (void)d, (void)domid, (void)b;
    *id = 1;
    return 0;
}
int xendevicemodel_destroy_ioreq_server(xendevicemodel_handle *d, domid_t domid, ioservid_t id)
{
    (void)d, (void)domid, (void)id;
    return 0;
}
int xendevicemodel_set_ioreq_server_state(xendevicemodel_handle *d, domid_t domid, ioservid_t id, int on)
{
    (void)d, (void)domid, (void)id, (void)on;
    return 0;
}
int xendevicemodel_map_io_range_to_ioreq_server(xendevicemodel_handle *d, domid_t domid, ioservid_t id, int mmio,
                                                uint64_t start, uint64_t end)
{
    (void)d, (void)domid, (void)id, (void)mmio, (void)start, (void)end;
    return 0;
}
int xendevicemodel_unmap_io_range_from_ioreq_server(xendevicemodel_handle *d, domid_t domid, ioservid_t id, int mmio,
                                                    uint64_t start, uint64_t end)
{
    (void)d, (void)domid, (void)id, (void)mmio, (void)start, (void)end;
    return 0;
}
int xendevicemodel_map_pcidev_to_ioreq_server(xendevicemodel_handle *d, domid_t domid, ioservid_t id, uint16_t segment,
                                              uint8_t bus, uint8_t device, uint8_t function)
{
    (void)d, (void)domid, (void)id, (void)segment, (void)bus, (void)device, (void)function;
    return 0;
}
int xendevicemodel_inject_msi(xendevicemodel_handle *d, domid_t domid, uint64_t addr, uint32_t data)
{
    (void)d, (void)domid, (void)addr, (void)data;
    return 0;
}
xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *l, unsigned f) { (void)f; return (void *)l; }
int xenforeignmemory_close(xenforeignmemory_handle *f) { (void)f; return 0; }
void *xenforeignmemory_map(xenforeignmemory_handle *f, uint32_t domid, int prot, size_t n, const xen_pfn_t *pfn, int *err)
{
    (void)f, (void)domid, (void)prot, (void)n, (void)pfn, (void)err;
    return NULL;
}
int xenforeignmemory_unmap(xenforeignmemory_handle *f, void *p, size_t n) { (void)f, (void)p, (void)n; return 0; }
xenforeignmemory_resource_handle *xenforeignmemory_map_resource(xenforeignmemory_handle *f, domid_t domid, unsigned type,
                                                                unsigned id, unsigned long frame, unsigned long n,
                                                                void **addr, int prot, int flags)
{
    (void)domid, (void)type, (void)id, (void)frame, (void)n, (void)prot, (void)flags;
    *addr = &page;
    return (void *)f;
}
int xenforeignmemory_unmap_resource(xenforeignmemory_handle *f, xenforeignmemory_resource_handle *r)
{
    (void)f, (void)r;
    return 0;
}
xenevtchn_handle *xenevtchn_open(xentoollog_logger *l, unsigned f) { (void)f; return (void *)l; }
int xenevtchn_close(xenevtchn_handle *x) { (void)x; return 0; }
int xenevtchn_fd(xenevtchn_handle *x) { (void)x; return work; }
xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *x, uint32_t domid, evtchn_port_t port)
{
    (void)x, (void)domid, (void)port;
    return 1;
}
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *x)
{
    uint64_t n;

    (void)x;
    if (read(work, &n, sizeof(n)) < 0)
        return -1;
    asked = 0;
    return 1;
}
int xenevtchn_unmask(xenevtchn_handle *x, evtchn_port_t port) { (void)x, (void)port; return 0; }
int xenevtchn_notify(xenevtchn_handle *x, evtchn_port_t port)
{
    (void)x, (void)port;
    answers++;
    if (storm)      /* to memory and back, each time */
        ask(PCI_BASE_ADDRESS_2 + 4, answers & 1 ? 0 : HOME >> 32, 1);
    return 0;
}

/* ---- the guest ---- */

static struct ivshmem *dev;
static uint32_t access_(unsigned offset, uint32_t value, int is_write)
{
    ask(offset, value, is_write);
    if (ivshmem_dispatch(dev) || SLOT.state != STATE_IORESP_READY)
        abort();
    return SLOT.data;
}
static void put(unsigned offset, uint32_t value) { access_(offset, value, 1); }
static uint32_t get(unsigned offset) { return access_(offset, 0, 0); }
static void move(uint64_t to)
{
    put(PCI_COMMAND, 0);
    put(PCI_BASE_ADDRESS_2, to);
    put(PCI_BASE_ADDRESS_2 + 4, to >> 32);
    put(PCI_COMMAND, PCI_COMMAND_MEMORY);
}
static int at_(uint64_t gpa) { return win.live == 1 && ivshmem_window(dev) && win.gpa == gpa; }

int main(void)
{
    struct ivshmem_config config = { .domid = 5, .slot = 1, .address = HOME, .size = 2 * MIB,
                                     .flags = XENLEND_WINDOW_WRITE };
    char *p;

    tap_begin("ivshmem");
    alarm(120);             /* what never ends here is a failure */
    never = eventfd(0, EFD_NONBLOCK);
    work = eventfd(0, EFD_NONBLOCK);
    dev = ivshmem_open(&logger, &config);
    if (!ok(dev && !ivshmem_window(dev), "the device is made"))
        return tap_end();
    p = ivshmem_place(dev, 0, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!ok(p && p == ivshmem_span(dev), "memory is placed"))
        return tap_end();
    strcpy(p + MIB, "kept");
    ok(!ivshmem_place(dev, 2 * MIB, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) && errno == ERANGE, "not behind it");
    ok(!ivshmem_start(dev) && at_(HOME) && win.addr == p && win.len == 2 * MIB, "started: a window over it");
    eqx(get(0), 0x11101af4, "the guest sees the device");

    put(PCI_COMMAND, 0);
    ok(!win.live && !ivshmem_window(dev) && !strcmp(p + MIB, "kept"), "decoding off: no window, the memory stays");
    put(PCI_BASE_ADDRESS_2, ~0u);
    put(PCI_BASE_ADDRESS_2 + 4, ~0u);
    ok(get(PCI_BASE_ADDRESS_2) == 0xffe0000c && get(PCI_BASE_ADDRESS_2 + 4) == ~0u && !win.live, "sizing");
    move(HOME);
    ok(at_(HOME) && win.addr == p && !strcmp(p + MIB, "kept"), "on again: a window over the same memory");
    move(0x7ff00000000ull);
    ok(at_(0x7ff00000000ull) && win.addr == p && !strcmp(p + MIB, "kept"), "moved: there, over the same memory");
    move(0xc0000000);
    ok(at_(0xc0000000), "below 4 GiB, too");
    move(0xfea00000);
    ok(at_(0xfea00000), "up to Xen's own pages");
    eq(messages, 0, "and nothing to say");

    move(0xfec00000);
    ok(!win.live && strstr(last, "0xfec00000"), "not onto the I/O APIC");
    move(0xfee00000);
    ok(!win.live && strstr(last, "0xfee00000"), "nor onto the local APIC");
    move(0xffe00000);
    ok(!win.live, "nor to the end of these 4 GiB");
    move(64 * MIB);
    ok(!win.live && strstr(last, "0x4000000:") && strstr(last, strerror(EEXIST)), "nor onto memory");
    move(OTHER);
    ok(!win.live, "nor onto another window");
    eq(messages, 5, "each of these is said once");
    move(HOME);
    ok(at_(HOME) && win.addr == p && !strcmp(p + MIB, "kept"), "and back in a good place everything is there");

    binds = answers = 0;
    storm = 1;
    ask(PCI_BASE_ADDRESS_2 + 4, 0, 1);
    ok(!ivshmem_dispatch(dev) && answers, "a guest that never stops: a dispatch ends");
    for (int i = 0; i < 100; i++)
        ivshmem_dispatch(dev);
    ok(answers > 1000 && binds > 1000, "... it is served, though (%u requests, %u places)", answers, binds);
    storm = 0;
    ivshmem_dispatch(dev);
    ok(messages <= 10, "... with %u messages in all", messages);
    move(HOME);
    ok(at_(HOME) && !strcmp(p + MIB, "kept"), "... and everything is there");
    ivshmem_close(dev);
    ok(!win.live, "closed: no window");
    close(never);
    close(work);
    return tap_end();
}
