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

/* Sends the guest a message-signalled interrupt.  Returns 0, or -1 with errno
 * set. */
int ioreq_server_msi(struct ioreq_server *server, uint64_t addr, uint32_t data);

/* The guest's memory as the server maps it: its handle, until it is freed. */
struct xenforeignmemory_handle *
ioreq_server_memory(const struct ioreq_server *server);

/* fn is called when the guest has given memory back: who has some mapped
 * unmaps it. */
void ioreq_server_on_invalidate(struct ioreq_server *server,
                                void (*fn)(void *opaque), void *opaque);

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

/* Xen's name for it, valid as long as the guest has it */
unsigned ioreq_server_id(const struct ioreq_server *server);

/*
 * The same for a server whose process has died: Xen keeps it, and vCPUs that
 * had asked it something wait for ever.  They get ones, and the server is
 * destroyed.  Returns 0, or -1 with errno set and a message.
 */
int ioreq_server_bury(struct xentoollog_logger *logger, uint32_t domid,
                      unsigned id);

#endif
