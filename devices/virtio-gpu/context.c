/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "gpu.h"
#include "test.h"

struct gpu_context *gpu_context(struct gpu *gpu, uint32_t id)
{
    for (unsigned i = 0; id && i < GPU_MAX_CONTEXTS; i++)
        if (gpu->contexts[i].id == id)
            return &gpu->contexts[i];
    return NULL;
}

unsigned gpu_capsets(const struct gpu *gpu)
{
    return gpu->config.test;
}

uint32_t gpu_context_new(struct gpu *gpu, uint32_t id, uint32_t capset)
{
    if (!id || gpu_context(gpu, id))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (capset && (capset != GPU_TEST_CAPSET || !gpu->config.test))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (unsigned i = 0; i < GPU_MAX_CONTEXTS; i++)
        if (!gpu->contexts[i].id) {
            gpu->contexts[i] = (struct gpu_context){ .id = id,
                                                     .capset = capset };
            return VIRTIO_GPU_RESP_OK_NODATA;
        }
    return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
}

void gpu_context_free(struct gpu *gpu, struct gpu_context *c)
{
    uint64_t bit = (uint64_t)1 << (c - gpu->contexts);

    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        for (struct gpu_resource *r = gpu->buckets[i]; r; r = r->next)
            r->contexts &= ~bit;
    c->id = 0;
}

static uint32_t response(int err)
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

uint32_t gpu_context_blob(struct gpu *gpu, struct gpu_context *c,
                          uint64_t blob_id, uint64_t len, struct blob *blob)
{
    int err;

    if (c->capset != GPU_TEST_CAPSET || blob_id > UINT32_MAX)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    err = blob_make(blob, blob_id, len, &gpu->config.test_sources);
    if (err)
        gpu_message(gpu, "no memory of kind %u: %s", (unsigned)blob_id,
                    strerror(err));
    return response(err);
}

static int execute(struct gpu *gpu, unsigned context,
                   const struct gpu_test_command *t)
{
    struct gpu_resource *r = gpu_find(gpu, t->resource);
    int rc;

    if (!r || !(r->contexts >> context & 1) ||
        r->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D)
        return EINVAL;
    switch (t->verb) {
    case GPU_TEST_PAGE_OUT:
        rc = blob_page_out(&r->blob, t->offset, t->len);
        break;
    case GPU_TEST_PUNCH:
        rc = blob_punch(&r->blob, t->offset, t->len);
        break;
    default:
        return EINVAL;
    }
    return rc ? errno : 0;
}

uint32_t gpu_context_submit(struct gpu *gpu, struct gpu_context *c,
                            const struct virtqueue_chain *chain,
                            uint64_t offset, uint32_t len)
{
    struct gpu_test_command t;
    int err;

    if (c->capset != GPU_TEST_CAPSET || len % sizeof(t))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (; len; len -= sizeof(t), offset += sizeof(t)) {
        if (virtqueue_read(chain, &gpu->mem, offset, &t, sizeof(t)) !=
            sizeof(t))
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        err = execute(gpu, c - gpu->contexts, &t);
        if (err)
            return response(err);
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}
