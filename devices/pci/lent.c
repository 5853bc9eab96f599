/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <xentoollog.h>

#include "lent.h"
#include "patience.h"

/*
 * Where the guest may put the BAR.  What is memory there, or another window,
 * Xen refuses; no guest can have an address beyond the end.
 */
#define HOLE_START      ((uint64_t)1 << 20)     /* not into legacy devices */
#define HOLE_END        ((uint64_t)1 << 52)
/* I/O APIC, HPET, local APIC, Xen's special pages, firmware: a window over one
 * would take it away from the guest. */
#define FIXED_START     0xfec00000ull
#define FIXED_END       ((uint64_t)1 << 32)

struct lent_bar {
    xentoollog_logger *logger;
    struct lent_config config;
    xenlend_borrower *borrower;
    xenlend_window *window;
    xenlend_span *span;
    struct patience patience;
    unsigned logged;
    int map_error;              /* why the BAR is no window, or 0 */
    void (*on_event)(void *opaque, const struct xenlend_event *e);
    void *on_event_opaque;
};

static bool in_hole(uint64_t addr, uint64_t size)
{
    return addr >= HOLE_START && addr < HOLE_END && size <= HOLE_END - addr &&
           (addr >= FIXED_END ||
            (addr < FIXED_START && size <= FIXED_START - addr));
}

static int map(void *opaque, uint64_t addr)
{
    struct lent_bar *bar = opaque;

    if (!in_hole(addr, bar->config.size)) {
        errno = bar->map_error = ERANGE;
        return -1;
    }
    bar->window = xenlend_window_bind(bar->borrower, bar->span, 0, addr,
                                      bar->config.size, bar->config.flags,
                                      bar->config.policy, bar->config.cookie);
    bar->map_error = bar->window ? 0 : errno;
    return bar->window ? 0 : -1;
}

static void unmap(void *opaque, uint64_t addr)
{
    struct lent_bar *bar = opaque;

    (void)addr;
    xenlend_window_destroy(bar->window);
    bar->window = NULL;
}

static const struct pci_bar_ops ops = { .map = map, .unmap = unmap };

/*
 * The right to lend anywhere in the hole.  The handle's logger hears of what
 * is wrong here; later the guest decides how often something is, and the bus
 * counts what it says of that.
 */
static int borrow(struct lent_bar *bar)
{
    xenlend_handle *lend = xenlend_open(bar->logger, 0);
    xenlend_borrower *b;
    int err;

    if (!lend)
        return -1;
    b = xenlend_borrower_open(lend, bar->config.domid, HOLE_START,
                              HOLE_END - HOLE_START, 1);
    err = errno;
    xenlend_close(lend);        /* the borrower is all that is needed */
    errno = err;
    if (!b)
        return -1;
    bar->borrower = xenlend_borrower_from_fd(NULL, XENLEND_QUIET,
                                             xenlend_borrower_fd(b));
    err = errno;
    xenlend_borrower_close(b);
    errno = err;
    return bar->borrower ? 0 : -1;
}

struct lent_bar *lent_bar_new(xentoollog_logger *logger,
                              const struct lent_config *config)
{
    struct lent_bar *bar = calloc(1, sizeof(*bar));
    int err;

    if (!bar)
        return NULL;
    bar->logger = logger;
    bar->config = *config;
    if (patience_init(&bar->patience)) {
        free(bar);
        return NULL;
    }
    bar->span = xenlend_span_reserve(NULL, XENLEND_QUIET, config->size, 0);
    if (bar->span && !borrow(bar))
        return bar;
    err = errno;
    lent_bar_free(bar);
    errno = err;
    return NULL;
}

void lent_bar_free(struct lent_bar *bar)
{
    if (!bar)
        return;
    xenlend_borrower_close(bar->borrower);
    patience_fini(&bar->patience);
    xenlend_span_free(bar->span);
    free(bar);
}

int lent_bar_add(struct lent_bar *bar, struct pci_function *fn, unsigned index,
                 uint64_t addr)
{
    return pci_bar_add(fn, index, addr, bar->config.size,
                       PCI_BASE_ADDRESS_MEM_TYPE_64 |
                       PCI_BASE_ADDRESS_MEM_PREFETCH, &ops, bar);
}

xenlend_span *lent_bar_span(const struct lent_bar *bar)
{
    return bar->span;
}

xenlend_window *lent_bar_window(const struct lent_bar *bar)
{
    return bar->window;
}

int lent_bar_error(const struct lent_bar *bar)
{
    return bar->map_error;
}

void lent_bar_pollfds(const struct lent_bar *bar, struct pollfd *fds)
{
    fds[0] = (struct pollfd){ .fd = xenlend_borrower_fd(bar->borrower),
                              .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = bar->patience.fd, .events = POLLIN };
}

void lent_bar_on_event(struct lent_bar *bar,
                       void (*fn)(void *opaque, const struct xenlend_event *e),
                       void *opaque)
{
    bar->on_event = fn;
    bar->on_event_opaque = opaque;
}

static void event(struct lent_bar *bar, const struct xenlend_event *e)
{
    bool held = e->type == XENLEND_EVENT_HELD;

    if (held && !patience_begin(&bar->patience, e))
        return;
    if (bar->on_event) {
        bar->on_event(bar->on_event_opaque, e);
        return;
    }
    /* A guest can make any number of these. */
    if ((held || e->type == XENLEND_EVENT_GAVE_UP) && bar->logged < 10) {
        bar->logged++;
        xtl_log(bar->logger, XTL_WARN, -1, bar->config.name,
                "%s for an access of vCPU %u to %#llx: %s%s",
                held ? "nothing can be lent for now" : "nothing to lend",
                e->vcpu, (unsigned long long)e->gpa, xenlend_reason(e->reason),
                bar->logged == 10 ? " (no more of these)" : "");
    }
}

int lent_bar_dispatch(struct lent_bar *bar)
{
    struct xenlend_event e[16];
    int n, gone = 0;

    if (patience_over(&bar->patience, bar->window))
        return -1;
    /* A few: the caller has signals to look after, and poll() says of more. */
    n = xenlend_read_events(bar->borrower, e, 16, 0);
    for (int i = 0; i < n; i++) {
        if (e[i].type == XENLEND_EVENT_BORROWER_GONE)
            gone = 1;
        event(bar, &e[i]);
    }
    if (n < 0 && errno == ENODEV)
        return 1;
    if (n < 0 && errno != EINTR)
        return -1;
    return gone;
}
