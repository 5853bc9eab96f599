/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory BAR that is a window: behind it stands one span of this process's
 * address space for as long as the device lives, and what is mapped there is
 * what the guest finds.
 *
 * The BAR is a window while the guest lets the function decode memory.  While
 * it does not, what was lent is taken back; what is in the span stays, and is
 * there again when the guest turns decoding on, also in another place: the
 * right to lend covers all that is neither the guest's memory nor below 1 MiB
 * nor from 0xfec00000 up to 4 GiB.
 */
#ifndef DEVICES_LENT_H
#define DEVICES_LENT_H

#include <poll.h>
#include <stdint.h>

#include <xenlend.h>

#include "pci.h"

struct xentoollog_logger;
struct lent_bar;

struct lent_config {
    const char *name;       /* of the device, for messages */
    uint32_t domid;
    uint64_t size;          /* bytes; a power of two of at least a page */
    unsigned flags;         /* XENLEND_WINDOW_WRITE */
    unsigned policy;        /* XENLEND_POLICY_* */
    uint64_t cookie;        /* of its windows */
};

/* Reserves the span and gets the right to lend.  NULL: errno and a message. */
struct lent_bar *lent_bar_new(struct xentoollog_logger *logger,
                              const struct lent_config *config);
/* After the bus, which destroys the window. */
void lent_bar_free(struct lent_bar *bar);

/* Makes it BAR index of a function, 64-bit and prefetchable, as
 * pci_bar_add(). */
int lent_bar_add(struct lent_bar *bar, struct pci_function *fn, unsigned index,
                 uint64_t addr);

xenlend_span *lent_bar_span(const struct lent_bar *bar);
/* NULL while the BAR decodes nothing ... */
xenlend_window *lent_bar_window(const struct lent_bar *bar);
/* ... and why that is, an errno value, if the guest wants it to decode */
int lent_bar_error(const struct lent_bar *bar);

/*
 * When one of these descriptors has something, lent_bar_dispatch() deals with
 * it and never waits.  It returns 0, 1 when the guest is gone, -1 with errno
 * set.
 */
#define LENT_BAR_POLLFDS 2
void lent_bar_pollfds(const struct lent_bar *bar, struct pollfd *fds);
int lent_bar_dispatch(struct lent_bar *bar);

/*
 * Called for each event of the window; NULL: a few are logged.  vCPUs that are
 * held try again after a while without anybody's help.
 */
void lent_bar_on_event(struct lent_bar *bar,
                       void (*fn)(void *opaque, const struct xenlend_event *e),
                       void *opaque);

#endif
