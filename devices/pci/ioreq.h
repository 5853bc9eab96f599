/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ioreq server: how Xen hands a guest's accesses to a device model.  This
 * one takes configuration cycles and MMIO for a PCI bus.
 */
#ifndef DEVICES_IOREQ_H
#define DEVICES_IOREQ_H

#include <stdint.h>

#include "pci.h"

struct xentoollog_logger;
struct ioreq_server;

/*
 * Makes the server and the bus.  The guest sees nothing until
 * ioreq_server_start().  Errors: NULL with errno set, and a message.
 */
struct ioreq_server *ioreq_server_new(struct xentoollog_logger *logger,
                                      uint32_t domid);

/* The bus, to add functions to. */
struct pci_bus *ioreq_server_bus(struct ioreq_server *server);

/*
 * Shows the bus to the guest.  Functions cannot be added any more.  To be
 * called before the guest looks, that is while it is still paused.
 */
int ioreq_server_start(struct ioreq_server *server);

/* A descriptor that is readable when there is work, for ... */
int ioreq_server_fd(const struct ioreq_server *server);
/* ... this.  Never waits, and ends after some of it, however fast the guest
 * makes more.  Returns 0, or -1 with errno set. */
int ioreq_server_dispatch(struct ioreq_server *server);

/*
 * Takes everything away from the guest: what is behind the bus reads as ones
 * from now on.
 */
void ioreq_server_free(struct ioreq_server *server);

#endif
