/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A renderer: more kinds of context, in a module of its own, since the
 * libraries that it needs are large and not everybody has them.
 */
#ifndef GPU_RENDERER_H
#define GPU_RENDERER_H

#include <stdbool.h>

#include "context.h"
#include "drop.h"

struct renderer_config {
    bool venus, virgl;              /* Vulkan, OpenGL */
    const char *server;             /* virgl_render_server, or NULL: where it
                                     * usually is */
    const char *cache;              /* a folder for its shaders, made if it is
                                     * not there; NULL: none */
    const struct identity *id;      /* who it shall be; NULL: as we are */
    bool opaque;                    /* also memory of Vulkan's that has no
                                     * dma-buf and no memfd */
};

/* What a module has as "xenlend_gpu_renderer" */
struct renderer {
    const struct context_kind *const *kinds;    /* RENDERER_KINDS at most, then
                                                 * NULL; once it is started */
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

#define RENDERER_KINDS  3u
#define RENDERER_SYMBOL "xenlend_gpu_renderer"

/*
 * renderer.c: loads the module, gpu-virglrenderer.so, from folder dir (NULL:
 * where it was installed), and starts what config asks for.  NULL after a
 * message.
 */
struct renderer *renderer_load(const char *dir,
                               const struct renderer_config *config);

#endif
