/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenGL, by the protocol of Mesa's driver "virgl".  The library executes it in
 * this process, by EGL without a surface.  A resource's pixels are the
 * library's; the guest's memory behind it is mapped, and is read and written
 * when the guest says so.  There are no blobs of this kind: a buffer of
 * OpenGL's cannot be mapped for a guest unless it has a descriptor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include <virgl/virglrenderer.h>

#include "library.h"
#include "text.h"

static struct virgl_box *box_of(const struct virtio_gpu_box *box)
{
    /* The same six words.  The library's is in no header that is installed. */
    return (struct virgl_box *)box;
}

static uint32_t create(struct gpu *gpu, const struct gpu_resource *r,
                       const struct virtio_gpu_resource_create_3d *q)
{
    struct virgl_renderer_resource_create_args args = {
        .handle = r->id, .target = q->target, .format = q->format,
        .bind = q->bind, .width = q->width, .height = q->height,
        .depth = q->depth, .array_size = q->array_size,
        .last_level = q->last_level, .nr_samples = q->nr_samples,
        .flags = q->flags,
    };

    (void)gpu;
    return virgl_renderer_resource_create(&args, NULL, 0)
        ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER : VIRTIO_GPU_RESP_OK_NODATA;
}

static void forget(struct gpu *gpu, const struct gpu_resource *r)
{
    (void)gpu;
    virgl_renderer_resource_unref(r->id);
}

static uint32_t back(struct gpu *gpu, const struct gpu_resource *r)
{
    (void)gpu;
    return virgl_renderer_resource_attach_iov(r->id, r->backing.iov,
                                              r->backing.n)
        ? VIRTIO_GPU_RESP_ERR_UNSPEC : VIRTIO_GPU_RESP_OK_NODATA;
}

static void release(struct gpu *gpu, const struct gpu_resource *r)
{
    struct iovec *iov;
    int n;

    (void)gpu;
    virgl_renderer_resource_detach_iov(r->id, &iov, &n);
}

static uint32_t transfer(struct gpu *gpu, struct gpu_context *c,
                         const struct gpu_resource *r,
                         const struct virtio_gpu_transfer_host_3d *q,
                         bool to_host)
{
    uint32_t ctx = c ? c->id : 0;
    int rc;

    (void)gpu;
    /* The library looks at all of it. */
    if (to_host)
        rc = virgl_renderer_transfer_write_iov(r->id, ctx, q->level, q->stride,
                                               q->layer_stride, box_of(&q->box),
                                               q->offset, NULL, 0);
    else
        rc = virgl_renderer_transfer_read_iov(r->id, ctx, q->level, q->stride,
                                              q->layer_stride, box_of(&q->box),
                                              q->offset, NULL, 0);
    return rc ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
              : VIRTIO_GPU_RESP_OK_NODATA;
}

static int read_(struct gpu *gpu, const struct gpu_resource *r,
                 const struct virtio_gpu_rect *rect, uint32_t *pixels,
                 size_t stride)
{
    const struct virtio_gpu_box box = {
        .x = rect->x, .y = rect->y, .w = rect->width, .h = rect->height, .d = 1,
    };
    struct iovec iov = {
        .iov_base = pixels,
        .iov_len = ((rect->height - 1) * stride + rect->width) * 4,
    };

    (void)gpu;
    if (virgl_renderer_transfer_read_iov(r->id, 0, 0, stride * 4, 0,
                                         box_of(&box), 0, &iov, 1)) {
        errno = EIO;
        return -1;
    }
    return 0;
}

#define KIND(capset_) { \
    .capset = capset_, LIBRARY_KIND, .plain_fences = true, .create = create, \
    .forget = forget, .back = back, .release = release, .transfer = transfer, \
    .read = read_, \
}
static struct context_kind kinds[2] = {
    KIND(VIRTIO_GPU_CAPSET_VIRGL), KIND(VIRTIO_GPU_CAPSET_VIRGL2),
};

void virgl_environment(void)
{
    /* A cache of shaders has no place to be. */
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
}

unsigned virgl_start(const struct context_kind *list[2])
{
    static uint8_t caps[2][CAPSET_MAX_LEN];
    unsigned n = 0;

    for (unsigned i = 0; i < 2; i++)
        if (!library_caps(&kinds[i], caps[i]))
            list[n++] = &kinds[i];
    if (!n)
        say(0, "this virglrenderer has no OpenGL");
    return n;
}
