/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contexts for tests: see test.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "context.h"
#include "test.h"

static uint32_t blob(struct gpu *gpu, struct gpu_context *c, uint64_t blob_id,
                     uint64_t len, struct blob *new)
{
    int err;

    (void)c;
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
    struct gpu_resource *r = gpu_find(gpu, t->resource);
    int rc;

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

static const uint32_t version = 1;

const struct context_kind test_context = {
    .capset = GPU_TEST_CAPSET, .version = 1,
    .caps = &version, .caps_len = sizeof(version),
    .blob = blob, .submit = submit,
};
