/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "context.h"

/* In the order of their indexes; the last one is for --test only. */
static const struct context_kind *const kinds[] = {
    &cross_domain_context, &test_context,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

unsigned gpu_capsets(const struct gpu *gpu)
{
    return gpu->config.test ? KINDS : KINDS - 1;
}

const struct context_kind *context_kind_at(const struct gpu *gpu,
                                           uint32_t index)
{
    return index < gpu_capsets(gpu) ? kinds[index] : NULL;
}

const struct context_kind *context_kind_of(const struct gpu *gpu,
                                           uint32_t capset)
{
    for (unsigned i = 0; i < gpu_capsets(gpu); i++)
        if (kinds[i]->capset == capset)
            return kinds[i];
    return NULL;
}

struct gpu_context *gpu_context(struct gpu *gpu, uint32_t id)
{
    for (unsigned i = 0; id && i < GPU_MAX_CONTEXTS; i++)
        if (gpu->contexts[i].id == id)
            return &gpu->contexts[i];
    return NULL;
}

uint32_t gpu_context_new(struct gpu *gpu, uint32_t id, uint32_t capset)
{
    const struct context_kind *kind = context_kind_of(gpu, capset);
    struct gpu_context *c = NULL;

    if (!id || gpu_context(gpu, id))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (capset && !kind)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (unsigned i = 0; !c && i < GPU_MAX_CONTEXTS; i++)
        if (!gpu->contexts[i].id)
            c = &gpu->contexts[i];
    if (!c)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    c->state = NULL;
    if (kind && kind->state_len) {
        c->state = calloc(1, kind->state_len);
        if (!c->state)
            return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    c->id = id;
    c->kind = kind;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

void gpu_context_free(struct gpu *gpu, struct gpu_context *c)
{
    uint64_t bit = (uint64_t)1 << (c - gpu->contexts);

    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        for (struct gpu_resource *r = gpu->buckets[i]; r; r = r->next)
            r->contexts &= ~bit;
    free(c->state);
    *c = (struct gpu_context){ 0 };
}

bool context_has(const struct gpu *gpu, const struct gpu_context *c,
                 const struct gpu_resource *r)
{
    return r->contexts >> (c - gpu->contexts) & 1;
}

uint32_t context_response(int err)
{
    switch (err) {
    case 0:
        return VIRTIO_GPU_RESP_OK_NODATA;
    case EINVAL:
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    default:
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
}

/* A context without a capset is for nothing but to be there: Linux makes one
 * for programs that ask for none. */
uint32_t gpu_context_blob(struct gpu *gpu, struct gpu_context *c,
                          uint64_t blob_id, uint64_t len, struct blob *blob)
{
    if (!c->kind)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return c->kind->blob(gpu, c, blob_id, len, blob);
}

uint32_t gpu_context_submit(struct gpu *gpu, struct gpu_context *c,
                            const struct virtqueue_chain *chain,
                            uint64_t offset, uint32_t len)
{
    if (!c->kind)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return c->kind->submit(gpu, c, chain, offset, len);
}
