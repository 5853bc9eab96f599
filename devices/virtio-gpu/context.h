/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kind of context is: a capset, and what its contexts do. */
#ifndef GPU_CONTEXT_H
#define GPU_CONTEXT_H

#include <stddef.h>

#include "gpu.h"

#define CAPSET_MAX_LEN  64u

struct context_kind {
    uint32_t capset, version;
    /* VIRTIO_GPU_CMD_GET_CAPSET: at most CAPSET_MAX_LEN bytes */
    const void *caps;
    size_t caps_len;
    size_t state_len;           /* bytes that each context has, zero at first */

    /* Return VIRTIO_GPU_RESP_*. */
    /* Memory for a blob of len bytes, whole pages. */
    uint32_t (*blob)(struct gpu *gpu, struct gpu_context *c, uint64_t blob_id,
                     uint64_t len, struct blob *blob);
    /* One command or more: len bytes at offset of a request. */
    uint32_t (*submit)(struct gpu *gpu, struct gpu_context *c,
                       const struct virtqueue_chain *chain, uint64_t offset,
                       uint32_t len);
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
