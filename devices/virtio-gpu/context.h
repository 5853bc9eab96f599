/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kind of context is: a capset, and what its contexts do. */
#ifndef GPU_CONTEXT_H
#define GPU_CONTEXT_H

#include <stddef.h>

#include "gpu.h"

#define CAPSET_MAX_LEN  512u

struct context_kind {
    uint32_t capset, version;
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
    /* A resource whose blob it made, and has been taken out of the span, is
     * freed. */
    void (*forget)(struct gpu *gpu, const struct gpu_resource *r);
    /* gpu_fence_passed() shall be called, later, when the commands before this
     * have got that far. */
    uint32_t (*fence)(struct gpu *gpu, struct gpu_context *c, uint32_t ring,
                      uint64_t fence);
};

extern const struct context_kind cross_domain_context, test_context;

/* The kind that a guest sees at this index, or with this capset; NULL: none */
const struct context_kind *context_kind_at(const struct gpu *gpu,
                                           uint32_t index);
const struct context_kind *context_kind_of(const struct gpu *gpu,
                                           uint32_t capset);

/* VIRTIO_GPU_RESP_* for an errno value, 0: success */
uint32_t context_response(int err);

/* Whether a resource was attached to the context */
bool context_has(const struct gpu *gpu, const struct gpu_context *c,
                 const struct gpu_resource *r);

#endif
