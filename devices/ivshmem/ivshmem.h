/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ivshmem-plain PCI function whose memory is lent.
 *
 * The guest sees a PCI device 1af4:1110 with two BARs: 0 has the registers of
 * the ivshmem specification (all zero: plain means no interrupts and no
 * peers), 2 is the memory, 64-bit and prefetchable.  Behind BAR 2 stands one
 * span of this process's address space, reserved by ivshmem_open(); whatever
 * is mapped there is what the guest finds.  Buffers come and go with
 * ivshmem_place(), ivshmem_remove(), or mmap(2) with MAP_FIXED.
 *
 * Both BARs are assigned and enabled from the start, as by a firmware, so that
 * a guest without any PCI code can use them.  BAR 2 is a window while the
 * guest lets the function decode memory.  While it does not, accesses there
 * give ones and pages that were lent are taken back; what is in the span
 * stays, and is there again when the guest turns decoding on, also when it has
 * moved the BAR meanwhile: the right to lend covers all that is neither the
 * guest's memory nor below 1 MiB nor from 0xfec00000 up to 4 GiB.  In a place
 * that cannot be had BAR 2 decodes nothing, until the guest moves it again.
 */
#ifndef DEVICES_IVSHMEM_H
#define DEVICES_IVSHMEM_H

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include <xenlend.h>

struct xentoollog_logger;
struct ivshmem;

#define IVSHMEM_VENDOR      0x1af4
#define IVSHMEM_DEVICE      0x1110
#define IVSHMEM_ADDRESS     0x200000000ull  /* 8 GiB */
#define IVSHMEM_REGISTERS   0xe0000000ull   /* BAR 0 of slot 0; 4 KiB apart */

struct ivshmem_config {
    uint32_t domid;
    unsigned slot;          /* on bus 0, 1 to 31 */
    uint64_t address;       /* of BAR 2; a multiple of size */
    uint64_t size;          /* of BAR 2 in bytes; a power of two */
    unsigned flags;         /* XENLEND_WINDOW_WRITE */
    unsigned policy;        /* XENLEND_POLICY_* */
};

/*
 * Makes the device.  The guest sees it after ivshmem_start(), which is to be
 * called while the guest is still paused.  Between the two buffers can be
 * placed.  Errors: NULL or -1 with errno set, and a message to the logger; if
 * there is no ivshmem_window() after ivshmem_start(), errno is that of
 * xenlend_window_create().
 */
struct ivshmem *ivshmem_open(struct xentoollog_logger *logger,
                             const struct ivshmem_config *config);
int ivshmem_start(struct ivshmem *dev);

/* Of its ioreq server: Xen's name for it, see ioreq_server_bury(). */
unsigned ivshmem_server(const struct ivshmem *dev);

/* Unplugs it and unmaps the span. */
void ivshmem_close(struct ivshmem *dev);

void *ivshmem_span(const struct ivshmem *dev);
uint64_t ivshmem_size(const struct ivshmem *dev);
/* The window, or NULL while BAR 2 decodes nothing: may change in dispatch. */
xenlend_window *ivshmem_window(const struct ivshmem *dev);

/* As xenlend_window_place() and xenlend_window_remove(). */
void *ivshmem_place(struct ivshmem *dev, uint64_t offset, uint64_t len,
                    int prot, int flags, int fd, off_t fd_offset);
int ivshmem_remove(struct ivshmem *dev, uint64_t offset, uint64_t len);

/*
 * The poll loop is the caller's.  Fills in IVSHMEM_POLLFDS entries; when one
 * of them has something, ivshmem_dispatch() deals with it and never waits.
 * It returns 0, 1 when the guest is gone, -1 with errno set.
 */
#define IVSHMEM_POLLFDS 3
void ivshmem_pollfds(const struct ivshmem *dev, struct pollfd *fds);
int ivshmem_dispatch(struct ivshmem *dev);

/*
 * Called for each event of the window; NULL: a few are logged.  vCPUs that are
 * held try again after a while without anybody's help.
 */
void ivshmem_on_event(struct ivshmem *dev,
                      void (*fn)(void *opaque, const struct xenlend_event *e),
                      void *opaque);

#endif
