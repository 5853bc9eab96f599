/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contexts of the cross-domain protocol, without channels to other programs:
 * they say how an image is laid out in memory, and make that memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <drm/drm_fourcc.h>

#include "context.h"
#include "cross_domain.h"
#include "test.h"

#define MAX_SIZES   256u    /* that images of one context have */
#define ALIGN       64u     /* bytes, of a line */

struct state {
    uint32_t query_resource;    /* 0: none yet */
    unsigned n;
    uint64_t sizes[MAX_SIZES];  /* blob_id - 1: which */
};

static const struct format { uint32_t fourcc; uint8_t bytes, chroma; } formats[] = {
    { DRM_FORMAT_XRGB8888, 4, 0 }, { DRM_FORMAT_ARGB8888, 4, 0 },
    { DRM_FORMAT_XBGR8888, 4, 0 }, { DRM_FORMAT_ABGR8888, 4, 0 },
    { DRM_FORMAT_RGB565, 2, 0 },   { DRM_FORMAT_R8, 1, 0 },
    { DRM_FORMAT_NV12, 1, 1 },
};

static uint32_t init(struct gpu *gpu, struct gpu_context *c,
                     const struct virtqueue_chain *chain, uint64_t offset,
                     uint32_t len)
{
    struct state *s = c->state;
    struct cross_domain_init q = { 0 };
    uint32_t channel;
    struct gpu_resource *r;

    /* Without the third field the second one is the channel. */
    if ((len != sizeof(q) && len != sizeof(q) - 4) ||
        virtqueue_read(chain, &gpu->mem, offset, &q, len) != len)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    channel = len == sizeof(q) ? q.channel : q.channel_resource;
    r = q.query_resource ? gpu_find(gpu, q.query_resource) : NULL;
    if (!r || !context_has(gpu, c, r) ||
        r->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST ||
        r->size < sizeof(struct cross_domain_answer) || channel)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    s->query_resource = r->id;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* The id of blobs of a size, 0 if there are too many sizes */
static uint32_t size_id(struct state *s, uint64_t size)
{
    unsigned i;

    for (i = 0; i < s->n; i++)
        if (s->sizes[i] == size)
            return i + 1;
    if (i == MAX_SIZES)
        return 0;
    s->sizes[s->n++] = size;
    return s->n;
}

static bool lay_out(const struct cross_domain_query *q,
                    struct cross_domain_answer *a)
{
    for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const struct format *f = &formats[i];
        uint64_t stride, luma;

        if (f->fourcc != q->format)
            continue;
        stride = ((uint64_t)q->width * f->bytes + ALIGN - 1) / ALIGN * ALIGN;
        luma = stride * q->height;
        a->strides[0] = stride;
        a->size = luma;
        if (f->chroma) {    /* pairs, half as many each way */
            a->strides[1] = stride;
            a->offsets[1] = luma;
            a->size += stride * ((q->height + 1) / 2);
        }
        a->size = (a->size + XENLEND_PAGE_SIZE - 1) &
                  ~(uint64_t)(XENLEND_PAGE_SIZE - 1);
        return true;
    }
    return false;
}

static uint32_t requirements(struct gpu *gpu, struct gpu_context *c,
                             const struct virtqueue_chain *chain,
                             uint64_t offset, uint32_t len)
{
    struct state *s = c->state;
    struct cross_domain_query q;
    struct cross_domain_answer a = {
        .modifier = DRM_FORMAT_MOD_LINEAR,
        .map_info = VIRTIO_GPU_MAP_CACHE_CACHED,
        .memory_index = -1, .device_index = -1,     /* none of Vulkan's */
    };
    struct gpu_resource *r;

    if (len != sizeof(q) ||
        virtqueue_read(chain, &gpu->mem, offset, &q, len) != len)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    r = s->query_resource ? gpu_find(gpu, s->query_resource) : NULL;
    /* The resource may be another one by now. */
    if (!r || !context_has(gpu, c, r) ||
        r->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST || r->size < sizeof(a) ||
        !q.width || !q.height || q.width > GPU_MAX_SIDE ||
        q.height > GPU_MAX_SIDE || !lay_out(&q, &a))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    a.blob_id = size_id(s, a.size);
    if (!a.blob_id)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    if (backing_write(&r->backing, &gpu->mem, 0, &a, sizeof(a)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t submit(struct gpu *gpu, struct gpu_context *c,
                       const struct virtqueue_chain *chain, uint64_t offset,
                       uint32_t len)
{
    struct cross_domain_header h;
    uint32_t rc;

    while (len) {
        if (len < sizeof(h) ||
            virtqueue_read(chain, &gpu->mem, offset, &h, sizeof(h)) !=
            sizeof(h) || h.len < sizeof(h) || h.len > len)
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        switch (h.command) {
        case CROSS_DOMAIN_INIT:
            rc = init(gpu, c, chain, offset, h.len);
            break;
        case CROSS_DOMAIN_REQUIREMENTS:
            rc = requirements(gpu, c, chain, offset, h.len);
            break;
        default:
            rc = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        }
        if (rc != VIRTIO_GPU_RESP_OK_NODATA)
            return rc;
        offset += h.len;
        len -= h.len;
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t blob(struct gpu *gpu, struct gpu_context *c,
                     const struct gpu_resource *r, uint64_t blob_id,
                     uint64_t len, uint32_t flags, struct blob *new)
{
    const struct state *s = c->state;

    (void)gpu, (void)r, (void)flags;
    if (!blob_id || blob_id > s->n || len != s->sizes[blob_id - 1])
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return context_response(blob_make(new, GPU_TEST_MEMFD, len, NULL));
}

static const struct cross_domain_caps caps = { .version = 1 };

const struct context_kind cross_domain_context = {
    .capset = CROSS_DOMAIN_CAPSET, .version = 1,
    .caps = &caps, .caps_len = sizeof(caps),
    .state_len = sizeof(struct state), .blob = blob, .submit = submit,
};
