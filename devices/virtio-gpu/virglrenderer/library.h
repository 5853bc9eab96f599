/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this module's kinds of context share. */
#ifndef GPU_LIBRARY_H
#define GPU_LIBRARY_H

#include "../renderer.h"

struct library_state {          /* of each context */
    int fence_fd;               /* the library's; -1: not watched */
};

/* library.c: for struct context_kind */
uint32_t library_open(struct gpu *gpu, struct gpu_context *c, const char *name);
void library_close(struct gpu *gpu, struct gpu_context *c);
uint32_t library_submit(struct gpu *gpu, struct gpu_context *c,
                        const struct virtqueue_chain *chain, uint64_t offset,
                        uint32_t len);
void library_attach(struct gpu *gpu, struct gpu_context *c,
                    const struct gpu_resource *r);
void library_detach(struct gpu *gpu, struct gpu_context *c,
                    const struct gpu_resource *r);
uint32_t library_fence(struct gpu *gpu, struct gpu_context *c, uint32_t ring,
                       uint64_t id);
#define LIBRARY_KIND \
    .state_len = sizeof(struct library_state), .submit = library_submit, \
    .open = library_open, .close = library_close, .attach = library_attach, \
    .detach = library_detach, .fence = library_fence

/* What a kind can, by the library.  0, or -1: it cannot be had. */
int library_caps(struct context_kind *kind, uint8_t caps[CAPSET_MAX_LEN]);

/* venus.c, virgl.c: once the library is there.  0, or how many kinds there are
 * now; -1, or 0, after a message. */
extern struct context_kind venus_kind;
int venus_start(const struct renderer_config *config);
void virgl_environment(void);   /* before the library is there */
unsigned virgl_start(const struct context_kind *kinds[2]);

#endif
