/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GPU as a PCI function of a Xen guest: 1af4:1050 with registers in BAR 0,
 * the MSI-X table in BAR 1, and the host-visible region in BAR 4, which is a
 * window over one span for as long as the guest lets it decode.
 */
#ifndef GPU_DEVICE_H
#define GPU_DEVICE_H

#include <poll.h>
#include <stdint.h>

#include "gpu.h"

struct xentoollog_logger;
struct gpu_device;

#define GPU_ADDRESS     0x200000000ull  /* 8 GiB */
#define GPU_REGISTERS   0xe0000000ull   /* BAR 0 of slot 0; 64 KiB apart */

struct gpu_device_config {
    uint32_t domid;
    unsigned slot;          /* on bus 0, 1 to 31 */
    uint64_t address;       /* of BAR 4; a multiple of size */
    uint64_t size;          /* of BAR 4 in bytes; a power of two */
    unsigned policy;        /* XENLEND_POLICY_*, where no blob is */
    bool trap;              /* without lending: trapped.h */
    struct gpu_config gpu;
};

/*
 * Makes the device.  The guest sees it after gpu_device_start(), which is to
 * be called while the guest is still paused, or has no such device yet.
 * Errors: NULL or -1 with errno set, and a message to the logger; if there is
 * no gpu_device_window() after gpu_device_start(), errno is that of
 * xenlend_window_create().
 */
struct gpu_device *gpu_device_open(struct xentoollog_logger *logger,
                                   const struct gpu_device_config *config);
int gpu_device_start(struct gpu_device *dev);
/* Unplugs it. */
void gpu_device_close(struct gpu_device *dev);

struct gpu *gpu_device_gpu(struct gpu_device *dev);
/* The window, or NULL while BAR 4 decodes nothing. */
xenlend_window *gpu_device_window(const struct gpu_device *dev);
/* Accesses to host-visible memory that were emulated, with config.trap */
uint64_t gpu_device_trapped(const struct gpu_device *dev);
/* For ioreq_server_bury(), by whoever is left when this process dies */
unsigned gpu_device_server(const struct gpu_device *dev);

/*
 * The poll loop is the caller's.  Fills in GPU_DEVICE_POLLFDS entries; when
 * one of them has something, gpu_device_dispatch() deals with it and never
 * waits.  It returns 0, 1 when the guest is gone, -1 with errno set.
 */
#define GPU_DEVICE_POLLFDS 6
void gpu_device_pollfds(const struct gpu_device *dev, struct pollfd *fds);
int gpu_device_dispatch(struct gpu_device *dev);

#endif
