/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contexts for tests: see test.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "context.h"
#include "test.h"

static uint32_t blob(struct gpu *gpu, struct gpu_context *c,
                     const struct gpu_resource *r, uint64_t blob_id,
                     uint64_t len, uint32_t flags, struct blob *new)
{
    int err;

    (void)c, (void)r, (void)flags;
    if (blob_id > UINT32_MAX)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    err = blob_make(new, blob_id, len, &gpu->config.test_sources);
    if (err)
        gpu_message(gpu, "no memory of kind %u: %s", (unsigned)blob_id,
                    strerror(err));
    return context_response(err);
}

static int execute(struct gpu *gpu, const struct gpu_context *c,
                   const struct gpu_test_command *t)
{
    struct gpu_resource *r;
    int rc;

    if (t->verb == GPU_TEST_PASS) {
        gpu_fence_passed(gpu, c->id, t->resource, t->offset);
        return 0;
    }
    r = gpu_find(gpu, t->resource);
    if (!r || !context_has(gpu, c, r) ||
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

static uint32_t submit(struct gpu *gpu, struct gpu_context *c,
                       const struct virtqueue_chain *chain, uint64_t offset,
                       uint32_t len)
{
    struct gpu_test_command t;
    int err;

    if (len % sizeof(t))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (; len; len -= sizeof(t), offset += sizeof(t)) {
        if (virtqueue_read(chain, &gpu->mem, offset, &t, sizeof(t)) !=
            sizeof(t))
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        err = execute(gpu, c, &t);
        if (err)
            return context_response(err);
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* It is passed when GPU_TEST_PASS says so. */
static uint32_t fence(struct gpu *gpu, struct gpu_context *c, uint32_t ring,
                      uint64_t id)
{
    (void)gpu, (void)c, (void)id;
    return ring ? VIRTIO_GPU_RESP_OK_NODATA
                : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

static const uint32_t version = 1;

const struct context_kind test_context = {
    .capset = GPU_TEST_CAPSET, .version = 1,
    .caps = &version, .caps_len = sizeof(version),
    .blob = blob, .submit = submit, .fence = fence,
};
