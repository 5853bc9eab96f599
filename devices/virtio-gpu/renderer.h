/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A renderer: one more kind of context, in a module of its own, since the
 * libraries that it needs are large and not everybody has them.
 */
#ifndef GPU_RENDERER_H
#define GPU_RENDERER_H

#include <stdbool.h>

#include "context.h"
#include "drop.h"

struct renderer_config {
    const char *server;             /* virgl_render_server, or NULL: where it
                                     * usually is */
    const struct identity *id;      /* who it shall be; NULL: as we are */
    bool opaque;                    /* also memory of Vulkan's that has no
                                     * dma-buf and no memfd */
};

/* What a module has as "xenlend_gpu_renderer" */
struct renderer {
    const struct context_kind *kind;

    /*
     * To be called before anything is given up: starts other processes, loads
     * libraries.  0, or -1 after a message.
     */
    int (*start)(const struct renderer_config *config);
    /* A descriptor that is readable when there is something for dispatch() */
    int (*fd)(void);
    /* Fences may have been passed. */
    void (*dispatch)(struct gpu *gpu);
};

#define RENDERER_SYMBOL "xenlend_gpu_renderer"

/*
 * renderer.c: loads the module of a renderer ("venus") from folder dir (NULL:
 * where it was installed), and starts it.  NULL after a message.
 */
struct renderer *renderer_load(const char *name, const char *dir,
                               const struct renderer_config *config);

#endif
