/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kind of context is: a capset, and what its contexts do. */
#ifndef GPU_CONTEXT_H
#define GPU_CONTEXT_H

#include <stddef.h>

#include "gpu.h"

#define CAPSET_MAX_LEN  4096u

struct context_kind {
    uint32_t capset, version;
    /* Also fences of no ring wait for what was sent to such a context. */
    bool plain_fences;
    /* VIRTIO_GPU_CMD_GET_CAPSET: at most CAPSET_MAX_LEN bytes */
    const void *caps;
    size_t caps_len;
    size_t state_len;           /* bytes that each context has, zero at first */

    /* Those that return something return VIRTIO_GPU_RESP_*; those that are
     * said to be may be NULL. */
    /* Memory for a resource that is to be a blob of len bytes, whole pages;
     * flags: VIRTIO_GPU_BLOB_FLAG_*. */
    uint32_t (*blob)(struct gpu *gpu, struct gpu_context *c,
                     const struct gpu_resource *r, uint64_t blob_id,
                     uint64_t len, uint32_t flags, struct blob *blob);
    /* One command or more: len bytes at offset of a request. */
    uint32_t (*submit)(struct gpu *gpu, struct gpu_context *c,
                       const struct virtqueue_chain *chain, uint64_t offset,
                       uint32_t len);
    /* May be NULL: */
    uint32_t (*open)(struct gpu *gpu, struct gpu_context *c, const char *name);
    void (*close)(struct gpu *gpu, struct gpu_context *c);
    void (*attach)(struct gpu *gpu, struct gpu_context *c,
                   const struct gpu_resource *r);
    void (*detach)(struct gpu *gpu, struct gpu_context *c,
                   const struct gpu_resource *r);
    /* A resource that it made is freed: its blob has been taken out of the
     * span, its backing is gone. */
    void (*forget)(struct gpu *gpu, const struct gpu_resource *r);
    /* gpu_fence_passed() shall be called, later, when the commands before this
     * have got that far. */
    uint32_t (*fence)(struct gpu *gpu, struct gpu_context *c, uint32_t ring,
                      uint64_t fence);

    /* OpenGL's resources: all of these, or none. */
    uint32_t (*create)(struct gpu *gpu, const struct gpu_resource *r,
                       const struct virtio_gpu_resource_create_3d *q);
    /* r->backing is mapped, and will be until release(). */
    uint32_t (*back)(struct gpu *gpu, const struct gpu_resource *r);
    void (*release)(struct gpu *gpu, const struct gpu_resource *r);
    /* Between resource and backing; c: NULL, no context.  The parameters are
     * as the guest has sent them. */
    uint32_t (*transfer)(struct gpu *gpu, struct gpu_context *c,
                         const struct gpu_resource *r,
                         const struct virtio_gpu_transfer_host_3d *q,
                         bool to_host);
    /* Its pixels, of four bytes, from line to line of them stride more.  0, or
     * -1 with errno set */
    int (*read)(struct gpu *gpu, const struct gpu_resource *r,
                const struct virtio_gpu_rect *rect, uint32_t *pixels,
                size_t stride);
};

extern const struct context_kind cross_domain_context,
    cross_domain_context_wayland, test_context;

/* The kind that a guest sees at this index, or with this capset; NULL: none */
const struct context_kind *context_kind_at(const struct gpu *gpu,
                                           uint32_t index);
const struct context_kind *context_kind_of(const struct gpu *gpu,
                                           uint32_t capset);

/* The kind that has OpenGL's resources; NULL: none */
const struct context_kind *context_kind_gl(const struct gpu *gpu);

/* VIRTIO_GPU_RESP_* for an errno value, 0: success */
uint32_t context_response(int err);

/* Whether a resource was attached to the context */
bool context_has(const struct gpu *gpu, const struct gpu_context *c,
                 const struct gpu_resource *r);

#endif
