/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands.  Each is copied from the guest as a whole before it is looked
 * at; numbers are little-endian, as this host's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "context.h"
#include "gpu.h"

#define PAGES(len)  (((len) + XENLEND_PAGE_SIZE - 1) & \
                     ~(uint64_t)(XENLEND_PAGE_SIZE - 1))

struct command {
    struct gpu *gpu;
    const struct virtqueue_chain *chain;
    union {
        struct virtio_gpu_ctrl_hdr hdr;
        struct virtio_gpu_resource_create_2d create_2d;
        struct virtio_gpu_resource_unref unref;
        struct virtio_gpu_set_scanout set_scanout;
        struct virtio_gpu_resource_flush flush;
        struct virtio_gpu_transfer_to_host_2d transfer_2d;
        struct virtio_gpu_resource_attach_backing attach;
        struct virtio_gpu_resource_detach_backing detach;
        struct virtio_gpu_get_capset_info capset_info;
        struct virtio_gpu_get_capset capset;
        struct virtio_gpu_cmd_get_edid edid;
        struct virtio_gpu_resource_create_3d create_3d;
        struct virtio_gpu_transfer_host_3d transfer_3d;
        struct virtio_gpu_resource_create_blob create_blob;
        struct virtio_gpu_set_scanout_blob scanout_blob;
        struct virtio_gpu_ctx_create ctx_create;
        struct virtio_gpu_ctx_resource ctx_resource;
        struct virtio_gpu_cmd_submit submit;
        struct virtio_gpu_resource_map_blob map;
        struct virtio_gpu_resource_unmap_blob unmap;
        struct virtio_gpu_update_cursor cursor;
    } r;
    uint64_t fixed;             /* bytes of r; what follows is at this offset */
    union {
        struct virtio_gpu_ctrl_hdr hdr;
        struct virtio_gpu_resp_display_info display;
        struct virtio_gpu_resp_capset_info capset_info;
        struct {
            struct virtio_gpu_ctrl_hdr hdr;
            uint8_t data[CAPSET_MAX_LEN];
        } capset;
        struct virtio_gpu_resp_edid edid;
        struct virtio_gpu_resp_map_info map;
    } out;
    size_t out_len;             /* if it is more than a header */
};

/* What a command is about; on failure *why is VIRTIO_GPU_RESP_*. */
static struct gpu_resource *resource(struct command *c, uint32_t id,
                                     uint32_t *why)
{
    struct gpu_resource *r = id ? gpu_find(c->gpu, id) : NULL;

    *why = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    return r;
}

static bool inside(const struct virtio_gpu_rect *r, uint32_t width,
                   uint32_t height)
{
    return r->width && r->height && r->x <= width && r->y <= height &&
           r->width <= width - r->x && r->height <= height - r->y;
}

/* 2D --------------------------------------------------------------------- */

static uint32_t get_display_info(struct command *c)
{
    for (unsigned i = 0; i < c->gpu->config.scanouts; i++) {
        c->out.display.pmodes[i].r.width = c->gpu->config.width;
        c->out.display.pmodes[i].r.height = c->gpu->config.height;
        c->out.display.pmodes[i].enabled = 1;
    }
    c->out_len = sizeof(c->out.display);
    return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

static uint32_t get_edid(struct command *c)
{
    if (c->r.edid.scanout >= c->gpu->config.scanouts)
        return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
    gpu_edid(c->gpu->config.width, c->gpu->config.height, c->out.edid.edid);
    c->out.edid.size = 128;
    c->out_len = sizeof(c->out.edid);
    return VIRTIO_GPU_RESP_OK_EDID;
}

static uint32_t create_2d(struct command *c)
{
    const struct virtio_gpu_resource_create_2d *q = &c->r.create_2d;
    struct gpu_resource *r;
    uint32_t *pixels, rc;
    uint64_t size;

    if (!gpu_format_known(q->format) || !q->width || !q->height ||
        q->width > GPU_MAX_SIDE || q->height > GPU_MAX_SIDE)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    size = (uint64_t)q->width * q->height * sizeof(*pixels);
    rc = gpu_resource_new(c->gpu, q->resource_id, size, &r);
    if (rc != VIRTIO_GPU_RESP_OK_NODATA)
        return rc;
    pixels = calloc(1, size);
    if (!pixels) {
        gpu_resource_free(c->gpu, r);
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    r->pixels = pixels;
    r->format = q->format;
    r->width = q->width;
    r->height = q->height;
    return rc;
}

static uint32_t unref(struct command *c)
{
    uint32_t why;
    struct gpu_resource *r = resource(c, c->r.unref.resource_id, &why);

    if (!r)
        return why;
    gpu_resource_free(c->gpu, r);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t read_backing(struct command *c, struct gpu_resource *r,
                             uint32_t n)
{
    struct gpu *gpu = c->gpu;

    if (n > GPU_MAX_ENTRIES - gpu->n_entries)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    switch (backing_read(&r->backing, c->chain, &gpu->mem, c->fixed, n)) {
    case 0:
        gpu->n_entries += n;
        return VIRTIO_GPU_RESP_OK_NODATA;
    case ENOMEM:
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    default:
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
}

/* What is OpenGL's is read and written where it is. */
static uint32_t map_backing(struct command *c, struct gpu_resource *r)
{
    struct gpu *gpu = c->gpu;
    uint64_t bytes = backing_pages(&r->backing) * XENLEND_PAGE_SIZE;
    uint32_t rc;
    int err;

    if (!gpu_charge(gpu, r, bytes))
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    err = backing_map(&r->backing, &gpu->mem);
    rc = err == EFAULT ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
                       : context_response(err);
    if (!err) {
        rc = r->maker->back(gpu, r);
        if (rc == VIRTIO_GPU_RESP_OK_NODATA)
            return rc;
        backing_unmap(&r->backing, &gpu->mem);
    }
    gpu->used_memory -= bytes;
    r->cost -= bytes;
    return rc;
}

static uint32_t attach_backing(struct command *c)
{
    uint32_t why, rc;
    struct gpu_resource *r = resource(c, c->r.attach.resource_id, &why);

    if (!r)
        return why;
    if (r->blob_mem || r->backing.n)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    rc = read_backing(c, r, c->r.attach.nr_entries);
    if (rc == VIRTIO_GPU_RESP_OK_NODATA && gpu_resource_is_gl(r)) {
        rc = map_backing(c, r);
        if (rc != VIRTIO_GPU_RESP_OK_NODATA)
            gpu_backing_free(c->gpu, r);
    }
    return rc;
}

static uint32_t detach_backing(struct command *c)
{
    uint32_t why;
    struct gpu_resource *r = resource(c, c->r.detach.resource_id, &why);

    if (!r)
        return why;
    if (r->blob_mem || !r->backing.n)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    gpu_backing_free(c->gpu, r);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t transfer_2d(struct command *c)
{
    const struct virtio_gpu_transfer_to_host_2d *q = &c->r.transfer_2d;
    const struct virtio_gpu_rect *t = &q->r;
    uint64_t stride, len, end;
    uint32_t why;
    struct gpu_resource *r = resource(c, q->resource_id, &why);

    if (!r)
        return why;
    if (!r->pixels || !r->backing.n)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    if (!inside(t, r->width, r->height))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    /* offset is where the rectangle starts in the backing, whose lines are as
     * long as the resource's.  Of lines all of it must be there, or none is
     * copied. */
    stride = (uint64_t)r->width * 4;
    len = (uint64_t)t->width * 4;
    end = stride * (t->height - 1) + len;
    if (q->offset > r->backing.len || end > r->backing.len - q->offset)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (uint32_t y = 0; y < t->height; y++)
        if (backing_copy(&r->backing, &c->gpu->mem, q->offset + stride * y,
                         r->pixels + (uint64_t)(t->y + y) * r->width + t->x,
                         len))
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t set_scanout(struct command *c)
{
    const struct virtio_gpu_set_scanout *q = &c->r.set_scanout;
    struct gpu_scanout *s;
    struct gpu_resource *r;
    uint32_t why;

    if (q->scanout_id >= c->gpu->config.scanouts)
        return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
    s = &c->gpu->scanouts[q->scanout_id];
    if (!q->resource_id) {
        gpu_scanout_off(c->gpu, q->scanout_id);
        return VIRTIO_GPU_RESP_OK_NODATA;
    }
    r = resource(c, q->resource_id, &why);
    if (!r)
        return why;
    if (r->blob_mem)            /* it has no width: SET_SCANOUT_BLOB */
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!gpu_format_known(r->format) || !inside(&q->r, r->width, r->height))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    s->resource = r->id;
    s->unseen = true;
    s->r = q->r;
    s->format = r->format;
    s->stride = (uint64_t)r->width * 4;
    s->offset = q->r.y * s->stride + (uint64_t)q->r.x * 4;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t set_scanout_blob(struct command *c)
{
    const struct virtio_gpu_set_scanout_blob *q = &c->r.scanout_blob;
    struct gpu_scanout *s;
    struct gpu_resource *r;
    uint64_t start, end;
    uint32_t why;

    if (q->scanout_id >= c->gpu->config.scanouts)
        return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
    s = &c->gpu->scanouts[q->scanout_id];
    if (!q->resource_id) {
        gpu_scanout_off(c->gpu, q->scanout_id);
        return VIRTIO_GPU_RESP_OK_NODATA;
    }
    r = resource(c, q->resource_id, &why);
    if (!r)
        return why;
    if (!r->blob_mem)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!gpu_format_known(q->format) || q->width > GPU_MAX_SIDE ||
        q->height > GPU_MAX_SIDE || !inside(&q->r, q->width, q->height) ||
        q->strides[0] < (uint64_t)q->width * 4)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    /* 2^32 of 2^14 lines: no overflow */
    start = q->offsets[0] + (uint64_t)q->strides[0] * q->r.y +
            (uint64_t)q->r.x * 4;
    end = start + (uint64_t)q->strides[0] * (q->r.height - 1) +
          (uint64_t)q->r.width * 4;
    if (end > r->size)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    s->resource = r->id;
    s->unseen = true;
    s->r = q->r;
    s->format = q->format;
    s->stride = q->strides[0];
    s->offset = start;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/*
 * What of a display's picture is in that part of its resource, in pixels of
 * the picture; a blob is as wide as the picture says.
 */
static struct virtio_gpu_rect shown(const struct gpu_scanout *s,
                                    const struct virtio_gpu_rect *part)
{
    uint64_t x = part->x > s->r.x ? part->x : s->r.x;
    uint64_t y = part->y > s->r.y ? part->y : s->r.y;
    uint64_t right = (uint64_t)part->x + part->width;
    uint64_t bottom = (uint64_t)part->y + part->height;

    if (right > (uint64_t)s->r.x + s->r.width)
        right = (uint64_t)s->r.x + s->r.width;
    if (bottom > (uint64_t)s->r.y + s->r.height)
        bottom = (uint64_t)s->r.y + s->r.height;
    if (x >= right || y >= bottom)
        return (struct virtio_gpu_rect){ 0 };
    return (struct virtio_gpu_rect){ .x = x - s->r.x, .y = y - s->r.y,
                                     .width = right - x,
                                     .height = bottom - y };
}

static void show(struct gpu *gpu, unsigned scanout,
                 const struct virtio_gpu_rect *part)
{
    struct gpu_scanout *s = &gpu->scanouts[scanout];
    /* of another picture all of it */
    struct virtio_gpu_rect changed = shown(s, s->unseen ? &s->r : part);

    s->flushes++;
    s->unseen = false;
    if (gpu->flushed)
        gpu->flushed(gpu->flushed_opaque, scanout, &changed);
}

static uint32_t flush(struct command *c)
{
    const struct virtio_gpu_resource_flush *q = &c->r.flush;
    uint32_t why;
    struct gpu_resource *r = resource(c, q->resource_id, &why);

    if (!r)
        return why;
    if (!r->blob_mem && !inside(&q->r, r->width, r->height))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (unsigned i = 0; i < c->gpu->config.scanouts; i++)
        if (c->gpu->scanouts[i].resource == r->id)
            show(c->gpu, i, &q->r);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t move_cursor(struct command *c)
{
    const struct virtio_gpu_cursor_pos *p = &c->r.cursor.pos;

    if (p->scanout_id >= c->gpu->config.scanouts)
        return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
    c->gpu->scanouts[p->scanout_id].x = p->x;
    c->gpu->scanouts[p->scanout_id].y = p->y;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t update_cursor(struct command *c)
{
    uint32_t id = c->r.cursor.resource_id, rc;

    if (id && !gpu_find(c->gpu, id))
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    rc = move_cursor(c);
    if (rc == VIRTIO_GPU_RESP_OK_NODATA)
        c->gpu->scanouts[c->r.cursor.pos.scanout_id].cursor = id;
    return rc;
}

/* OpenGL ----------------------------------------------------------------- */

/* At most this much memory; 0: it cannot be. */
static uint64_t size_3d(const struct virtio_gpu_resource_create_3d *q)
{
    const unsigned max_samples = 32, max_layers = 2048;
    uint64_t size;

    if (!q->width)
        return 0;
    if (!q->target)             /* a buffer: bytes */
        return q->width;
    if (q->width > GPU_MAX_SIDE || q->height > GPU_MAX_SIDE ||
        q->depth > GPU_MAX_SIDE || q->array_size > max_layers ||
        q->nr_samples > max_samples || q->last_level > 15)
        return 0;
    /* No pixel has more than 16 bytes; 2^(14 + 14 + 14 + 11 + 5 + 4) */
    size = gpu_format_known(q->format) ? 4 : 16;
    size *= q->width;
    size *= q->height ? q->height : 1;
    size *= q->depth ? q->depth : 1;
    size *= q->array_size ? q->array_size : 1;
    size *= q->nr_samples ? q->nr_samples : 1;
    return q->last_level ? 2 * size : size;
}

static uint32_t create_3d(struct command *c)
{
    const struct virtio_gpu_resource_create_3d *q = &c->r.create_3d;
    const struct context_kind *kind = context_kind_gl(c->gpu);
    uint64_t size = size_3d(q);
    struct gpu_resource *r;
    uint32_t rc;

    if (!kind)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    if (!size)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    rc = gpu_resource_new(c->gpu, q->resource_id, size, &r);
    if (rc != VIRTIO_GPU_RESP_OK_NODATA)
        return rc;
    rc = kind->create(c->gpu, r, q);
    if (rc != VIRTIO_GPU_RESP_OK_NODATA) {
        gpu_resource_free(c->gpu, r);
        return rc;
    }
    r->maker = kind;
    r->format = q->format;
    r->width = q->width;
    r->height = q->height;
    return rc;
}

static uint32_t transfer_3d(struct command *c)
{
    const struct virtio_gpu_transfer_host_3d *q = &c->r.transfer_3d;
    struct gpu_context *ctx = gpu_context(c->gpu, q->hdr.ctx_id);
    uint32_t why;
    struct gpu_resource *r = resource(c, q->resource_id, &why);

    if (!r)
        return why;
    if (q->hdr.ctx_id && !ctx)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (!gpu_resource_is_gl(r) || !r->backing.iov ||
        (ctx && (!ctx->kind || !ctx->kind->transfer)))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    return r->maker->transfer(c->gpu, ctx, r, q, q->hdr.type ==
                              VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D);
}

/* Blobs ------------------------------------------------------------------ */

static uint32_t create_blob(struct command *c)
{
    const struct virtio_gpu_resource_create_blob *q = &c->r.create_blob;
    const uint32_t flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE |
                           VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
                           VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;
    bool host = q->blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D;
    struct gpu_context *ctx = NULL;
    struct gpu_resource *r;
    uint32_t rc;

    if ((!host && q->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST) ||
        q->blob_flags & ~flags || !q->size ||
        q->size > UINT64_MAX - XENLEND_PAGE_SIZE ||
        (host ? q->nr_entries : !q->nr_entries))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (host) {
        ctx = gpu_context(c->gpu, q->hdr.ctx_id);
        if (!ctx)
            return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    }
    rc = gpu_resource_new(c->gpu, q->resource_id, host ? PAGES(q->size) : 0,
                          &r);
    if (rc != VIRTIO_GPU_RESP_OK_NODATA)
        return rc;
    r->size = q->size;
    r->blob_mem = q->blob_mem;
    if (host) {
        rc = gpu_context_blob(c->gpu, ctx, r, q->blob_id, q->blob_flags);
    } else {
        rc = read_backing(c, r, q->nr_entries);
        if (rc == VIRTIO_GPU_RESP_OK_NODATA && r->backing.len < q->size)
            rc = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    if (rc != VIRTIO_GPU_RESP_OK_NODATA)
        gpu_resource_free(c->gpu, r);
    return rc;
}

static bool overlaps(struct gpu *gpu, uint64_t offset, uint64_t len)
{
    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        for (struct gpu_resource *r = gpu->buckets[i]; r; r = r->next)
            if (r->blob.placed && offset < r->blob.offset + r->blob.len &&
                r->blob.offset < offset + len)
                return true;
    return false;
}

static uint32_t map_blob(struct command *c)
{
    uint64_t offset = c->r.map.offset, room;
    uint32_t why;
    struct gpu_resource *r = resource(c, c->r.map.resource_id, &why);

    if (!r)
        return why;
    if (r->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    room = c->gpu->region ? xenlend_span_len(c->gpu->region) : 0;
    if (!r->blob.len || r->blob.placed || offset % XENLEND_PAGE_SIZE ||
        offset > room ||
        r->blob.len > room - offset || overlaps(c->gpu, offset, r->blob.len))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (blob_place(&r->blob, c->gpu->region, offset)) {
        gpu_message(c->gpu, "mapping resource %u: %s", r->id, strerror(errno));
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    c->out.map.map_info = r->blob.map_info;
    c->out_len = sizeof(c->out.map);
    return VIRTIO_GPU_RESP_OK_MAP_INFO;
}

static uint32_t unmap_blob(struct command *c)
{
    uint32_t why;
    struct gpu_resource *r = resource(c, c->r.unmap.resource_id, &why);

    if (!r)
        return why;
    if (!r->blob.placed)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    /* When this returns, the guest reaches nothing of it any more. */
    if (blob_remove(&r->blob)) {
        gpu_message(c->gpu, "unmapping resource %u: %s", r->id,
                    strerror(errno));
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Contexts --------------------------------------------------------------- */

static uint32_t get_capset_info(struct command *c)
{
    const struct context_kind *kind =
        context_kind_at(c->gpu, c->r.capset_info.capset_index);

    if (!kind)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    c->out.capset_info.capset_id = kind->capset;
    c->out.capset_info.capset_max_version = kind->version;
    c->out.capset_info.capset_max_size = kind->caps_len;
    c->out_len = sizeof(c->out.capset_info);
    return VIRTIO_GPU_RESP_OK_CAPSET_INFO;
}

static uint32_t get_capset(struct command *c)
{
    const struct context_kind *kind =
        context_kind_of(c->gpu, c->r.capset.capset_id);

    if (!kind || c->r.capset.capset_version > kind->version)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    memcpy(c->out.capset.data, kind->caps, kind->caps_len);
    c->out_len = sizeof(c->out.hdr) + kind->caps_len;
    return VIRTIO_GPU_RESP_OK_CAPSET;
}

static uint32_t ctx_create(struct command *c)
{
    const struct virtio_gpu_ctx_create *q = &c->r.ctx_create;
    char name[sizeof(q->debug_name) + 1];

    if (q->nlen > sizeof(q->debug_name))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    memcpy(name, q->debug_name, q->nlen);
    name[q->nlen] = 0;
    /* its lowest byte; the others are for features that there are not yet */
    return gpu_context_new(c->gpu, q->hdr.ctx_id, q->context_init & 0xff,
                           name);
}

static uint32_t ctx_destroy(struct command *c)
{
    struct gpu_context *ctx = gpu_context(c->gpu, c->r.hdr.ctx_id);

    if (!ctx)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    gpu_context_free(c->gpu, ctx);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t ctx_resource(struct command *c)
{
    struct gpu_context *ctx = gpu_context(c->gpu, c->r.hdr.ctx_id);
    uint32_t why;
    struct gpu_resource *r;

    if (!ctx)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    r = resource(c, c->r.ctx_resource.resource_id, &why);
    if (!r)
        return why;
    if (c->r.hdr.type == VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE)
        gpu_context_attach(c->gpu, ctx, r);
    else
        gpu_context_detach(c->gpu, ctx, r);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t submit(struct command *c)
{
    struct gpu_context *ctx = gpu_context(c->gpu, c->r.hdr.ctx_id);
    uint32_t len = c->r.submit.size;

    if (!ctx)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    /* A guest that has the same page a thousand times in one request has any
     * number of commands in it. */
    if (len > GPU_MAX_SUBMISSION || len > c->chain->out_len - c->fixed)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return gpu_context_submit(c->gpu, ctx, c->chain, c->fixed, len);
}

/* All of them ------------------------------------------------------------ */

struct entry {
    uint32_t type;
    uint16_t len;
    uint32_t (*run)(struct command *c);
};

#define ENTRY(type, field, run) \
    { VIRTIO_GPU_CMD_##type, sizeof(((struct command *)0)->r.field), run }

static const struct entry control[] = {
    ENTRY(GET_DISPLAY_INFO, hdr, get_display_info),
    ENTRY(RESOURCE_CREATE_2D, create_2d, create_2d),
    ENTRY(RESOURCE_UNREF, unref, unref),
    ENTRY(SET_SCANOUT, set_scanout, set_scanout),
    ENTRY(RESOURCE_FLUSH, flush, flush),
    ENTRY(TRANSFER_TO_HOST_2D, transfer_2d, transfer_2d),
    ENTRY(RESOURCE_ATTACH_BACKING, attach, attach_backing),
    ENTRY(RESOURCE_DETACH_BACKING, detach, detach_backing),
    ENTRY(GET_CAPSET_INFO, capset_info, get_capset_info),
    ENTRY(GET_CAPSET, capset, get_capset),
    ENTRY(GET_EDID, edid, get_edid),
    ENTRY(RESOURCE_CREATE_3D, create_3d, create_3d),
    ENTRY(TRANSFER_TO_HOST_3D, transfer_3d, transfer_3d),
    ENTRY(TRANSFER_FROM_HOST_3D, transfer_3d, transfer_3d),
    ENTRY(RESOURCE_CREATE_BLOB, create_blob, create_blob),
    ENTRY(SET_SCANOUT_BLOB, scanout_blob, set_scanout_blob),
    ENTRY(CTX_CREATE, ctx_create, ctx_create),
    ENTRY(CTX_DESTROY, hdr, ctx_destroy),
    ENTRY(CTX_ATTACH_RESOURCE, ctx_resource, ctx_resource),
    ENTRY(CTX_DETACH_RESOURCE, ctx_resource, ctx_resource),
    ENTRY(SUBMIT_3D, submit, submit),
    ENTRY(RESOURCE_MAP_BLOB, map, map_blob),
    ENTRY(RESOURCE_UNMAP_BLOB, unmap, unmap_blob),
    { 0 }
};

static const struct entry pointer[] = {
    ENTRY(UPDATE_CURSOR, cursor, update_cursor),
    ENTRY(MOVE_CURSOR, cursor, move_cursor),
    { 0 }
};

static uint32_t run(struct command *c, const struct entry *e)
{
    struct virtio_gpu_ctrl_hdr hdr;
    uint64_t rest;

    c->out_len = sizeof(c->out.hdr);
    if (virtqueue_read(c->chain, &c->gpu->mem, 0, &hdr, sizeof(hdr)) !=
        sizeof(hdr))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    c->r.hdr = hdr;
    while (e->type && e->type != hdr.type)
        e++;
    if (!e->type)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    rest = e->len - sizeof(hdr);
    c->fixed = e->len;
    if (virtqueue_read(c->chain, &c->gpu->mem, sizeof(hdr),
                       (char *)&c->r + sizeof(hdr), rest) != rest)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return e->run(c);
}

/*
 * Whether a command that has been executed has started something that its
 * fence waits for.  Without a ring fences are those of all commands: most have
 * been executed when they are answered, but none is to be passed before those
 * of earlier commands.
 */
static bool waits(struct command *c, uint32_t type, struct gpu_waiting *w)
{
    const struct virtio_gpu_ctrl_hdr *h = &c->r.hdr;
    bool plain = !(h->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX), started = false;
    struct gpu *gpu = c->gpu;
    struct gpu_context *ctx;

    if (!(h->flags & VIRTIO_GPU_FLAG_FENCE) || !gpu->answer ||
        gpu->n_waiting == VIRTQUEUE_MAX)
        return false;
    ctx = gpu_context(gpu, h->ctx_id);
    *w = (struct gpu_waiting){
        .ctx = h->ctx_id, .ring = plain ? 0 : h->ring_idx,
        .fence = h->fence_id, .head = c->chain->head, .plain = plain,
    };
    if (type < VIRTIO_GPU_RESP_ERR_UNSPEC && ctx && ctx->kind &&
        ctx->kind->fence && (!plain || ctx->kind->plain_fences))
        started = ctx->kind->fence(gpu, ctx, w->ring, w->fence) ==
                  VIRTIO_GPU_RESP_OK_NODATA;
    w->done = !started;
    return started || (plain && gpu_waits_plain(gpu));
}

uint32_t gpu_command(struct gpu *gpu, const struct virtqueue_chain *chain,
                     bool cursor)
{
    struct command c = { .gpu = gpu, .chain = chain };
    struct virtio_gpu_ctrl_hdr *out = &c.out.hdr;
    struct gpu_waiting later;
    bool wait;
    uint32_t type;

    type = run(&c, cursor ? pointer : control);
    gpu->commands++;
    if (type >= VIRTIO_GPU_RESP_ERR_UNSPEC) {
        gpu->errors++;
        gpu_message(gpu, "command %#x: error %#x", c.r.hdr.type, type);
        c.out_len = sizeof(*out);
    }
    wait = !cursor && waits(&c, type, &later);
    out->type = type;
    if (c.r.hdr.flags & VIRTIO_GPU_FLAG_FENCE) {
        out->flags = c.r.hdr.flags & (VIRTIO_GPU_FLAG_FENCE |
                                      VIRTIO_GPU_FLAG_INFO_RING_IDX);
        out->fence_id = c.r.hdr.fence_id;
        out->ctx_id = c.r.hdr.ctx_id;
        out->ring_idx = c.r.hdr.ring_idx;
    }
    later.written = virtqueue_write(chain, &gpu->mem, 0, out, c.out_len);
    if (!wait)
        return later.written;
    gpu_wait(gpu, &later);
    return VIRTIO_LATER;
}
