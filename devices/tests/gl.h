/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the GPU: in libvirglrenderer's place, a renderer for OpenGL's commands whose resources are lines of four-byte
 * pixels and which draws nothing.  Fences are passed when a test says so.
 */
#ifndef TEST_GL_H
#define TEST_GL_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../virtio-gpu/renderer.h"

#define GL_MOST     64u         /* resources */
#define GL_REFUSED  99u         /* a format that it does not have */

static struct gl_resource {
    uint32_t id, width, height;
    uint32_t *pixels;
    const struct iovec *iov;    /* NULL: none attached */
    unsigned n_iov;
} gl_resources[GL_MOST];
static unsigned gl_contexts, gl_submitted;
static bool gl_refuse;          /* to attach anything */

static struct gl_resource *gl_find(uint32_t id)
{
    for (unsigned i = 0; i < GL_MOST; i++)
        if (gl_resources[i].id == id)
            return &gl_resources[i];
    return NULL;
}

static uint32_t gl_create(struct gpu *g, const struct gpu_resource *r, const struct virtio_gpu_resource_create_3d *q)
{
    struct gl_resource *n = gl_find(0);

    (void)g;
    if (!n || q->format == GL_REFUSED || gl_find(r->id) || !q->target)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    *n = (struct gl_resource){ .id = r->id, .width = q->width, .height = q->height,
                               .pixels = calloc((size_t)q->width * q->height + 1, 4) };
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static void gl_forget(struct gpu *g, const struct gpu_resource *r)
{
    struct gl_resource *n = gl_find(r->id);

    (void)g;
    if (!n || n->iov)           /* the guest's memory would stay behind */
        abort();
    free(n->pixels);
    *n = (struct gl_resource){ 0 };
}

static uint32_t gl_back(struct gpu *g, const struct gpu_resource *r)
{
    (void)g;
    if (gl_refuse)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    gl_find(r->id)->iov = r->backing.iov;
    gl_find(r->id)->n_iov = r->backing.n;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static void gl_release(struct gpu *g, const struct gpu_resource *r)
{
    (void)g;
    if (!gl_find(r->id)->iov)
        abort();
    gl_find(r->id)->iov = NULL;
}

static uint32_t gl_transfer(struct gpu *g, struct gpu_context *c, const struct gpu_resource *r,
                            const struct virtio_gpu_transfer_host_3d *q, bool to_host)
{
    struct gl_resource *n = gl_find(r->id);
    char *p = (char *)n->pixels;
    size_t len = (size_t)n->width * n->height * 4;

    (void)g, (void)c;
    if (q->box.x || q->box.y || q->box.w != n->width || q->box.h != n->height || q->offset)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (unsigned i = 0; len && i < n->n_iov; i++) {
        size_t now = n->iov[i].iov_len < len ? n->iov[i].iov_len : len;

        if (to_host)
            memcpy(p, n->iov[i].iov_base, now);
        else
            memcpy(n->iov[i].iov_base, p, now);
        p += now;
        len -= now;
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static int gl_read(struct gpu *g, const struct gpu_resource *r, const struct virtio_gpu_rect *rect, uint32_t *pixels,
                   size_t stride)
{
    const struct gl_resource *n = gl_find(r->id);

    (void)g;
    for (uint32_t y = 0; y < rect->height; y++)
        memcpy(pixels + y * stride, n->pixels + (size_t)(rect->y + y) * n->width + rect->x, rect->width * 4);
    return 0;
}

static uint32_t gl_open(struct gpu *g, struct gpu_context *c, const char *name)
{
    (void)g, (void)c, (void)name;
    gl_contexts++;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static void gl_close(struct gpu *g, struct gpu_context *c)
{
    (void)g, (void)c;
    gl_contexts--;
}

static uint32_t gl_submit(struct gpu *g, struct gpu_context *c, const struct virtqueue_chain *chain, uint64_t offset, uint32_t len)
{
    (void)g, (void)c, (void)chain, (void)offset, (void)len;
    gl_submitted++;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t gl_fence(struct gpu *g, struct gpu_context *c, uint32_t ring, uint64_t fence)
{
    (void)g, (void)c, (void)fence;
    return ring ? VIRTIO_GPU_RESP_ERR_UNSPEC : VIRTIO_GPU_RESP_OK_NODATA;
}

static const uint8_t gl_caps[1500] = { 7 };
static const struct context_kind gl_kind = {
    .capset = VIRTIO_GPU_CAPSET_VIRGL2, .version = 2, .plain_fences = true, .caps = gl_caps, .caps_len = sizeof(gl_caps),
    .submit = gl_submit, .open = gl_open, .close = gl_close, .forget = gl_forget, .fence = gl_fence, .create = gl_create,
    .back = gl_back, .release = gl_release, .transfer = gl_transfer, .read = gl_read,
};
static const struct context_kind *const gl_kinds[] = { &gl_kind, NULL };
static struct renderer gl_renderer = { .kinds = gl_kinds };

#endif
