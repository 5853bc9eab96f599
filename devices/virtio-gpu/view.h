/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the display shows, for viewers.  They are served by a program of its own
 * (view/), which has the picture in shared memory; the device waits for none of
 * them and reads nothing that they have sent.
 */
#ifndef GPU_VIEW_H
#define GPU_VIEW_H

#include <stdint.h>

#include "drop.h"
#include "gpu.h"

struct view;

struct view_config {
    const char *server;         /* gpu-view; NULL: where it was installed */
    const struct identity *id;  /* who it shall be; NULL: as we are */
    int listener;               /* where viewers connect; closed here */
    uint32_t domid;
    unsigned width, height;     /* of a display that shows nothing */
};

/* To be called before anything is given up.  NULL after a message. */
struct view *view_start(const struct view_config *config);
/* v may be NULL. */
void view_end(struct view *v);

/* As gpu.flushed says it, of display 0.  Costs nothing while nobody looks. */
void view_changed(struct view *v, struct gpu *gpu,
                  const struct virtio_gpu_rect *changed);

/* A descriptor that is readable when there is something for view_dispatch();
 * -1: never again */
int view_fd(const struct view *v);
void view_dispatch(struct view *v, struct gpu *gpu);

#endif
