/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "gpu.h"

/* Where red, green and blue are in a pixel as a little-endian word; all
 * formats that there are have four bytes. */
struct layout { uint8_t red, green, blue; };

static const struct layout *layout(uint32_t format)
{
    static const struct layout bgrx = { 16, 8, 0 }, xrgb = { 8, 16, 24 },
                               rgbx = { 0, 8, 16 }, xbgr = { 24, 16, 8 };

    switch (format) {
    case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
    case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
        return &bgrx;
    case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
    case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
        return &xrgb;
    case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
    case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
        return &rgbx;
    case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
    case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
        return &xbgr;
    default:
        return NULL;
    }
}

bool gpu_format_known(uint32_t format)
{
    return layout(format);
}

void gpu_scanout_off(struct gpu *gpu, unsigned scanout)
{
    bool was = gpu->scanouts[scanout].resource;

    gpu->scanouts[scanout].resource = 0;
    if (was && gpu->flushed)
        gpu->flushed(gpu->flushed_opaque, scanout, NULL);
}

void gpu_scanouts_forget(struct gpu *gpu, uint32_t resource)
{
    for (unsigned i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
        if (gpu->scanouts[i].resource == resource)
            gpu_scanout_off(gpu, i);
        if (gpu->scanouts[i].cursor == resource)
            gpu->scanouts[i].cursor = 0;
    }
}

int gpu_picture_part(struct gpu *gpu, unsigned scanout,
                     const struct virtio_gpu_rect *part, uint32_t *pixels,
                     size_t stride)
{
    struct gpu_scanout *s = &gpu->scanouts[scanout];
    struct gpu_resource *r = s->resource ? gpu_find(gpu, s->resource) : NULL;
    const struct layout *l = layout(s->format);
    bool gl;

    if (!r || !l) {
        errno = ENODATA;
        return -1;
    }
    gl = gpu_resource_is_gl(r);
    if (gl) {
        const struct virtio_gpu_rect there = {
            .x = s->r.x + part->x, .y = s->r.y + part->y,
            .width = part->width, .height = part->height,
        };

        if (r->maker->read(gpu, r, &there, pixels + part->y * stride + part->x,
                           stride))
            return -1;
    }
    for (uint32_t y = part->y; y < part->y + part->height; y++) {
        uint32_t *line = pixels + y * stride + part->x;

        if (!gl &&
            gpu_resource_copy(gpu, r, s->offset + y * s->stride +
                              (uint64_t)part->x * 4, line,
                              (uint64_t)part->width * 4))
            return -1;
        for (uint32_t x = 0; x < part->width; x++)
            line[x] = (line[x] >> l->red & 0xff) << 16 |
                      (line[x] >> l->green & 0xff) << 8 |
                      (line[x] >> l->blue & 0xff);
    }
    return 0;
}

uint32_t *gpu_picture(struct gpu *gpu, unsigned scanout, unsigned *width,
                      unsigned *height)
{
    struct gpu_scanout *s = &gpu->scanouts[scanout];
    const struct virtio_gpu_rect all = { .width = s->r.width,
                                         .height = s->r.height };
    uint32_t *pixels;
    int err;

    if (!s->resource) {
        errno = ENODATA;
        return NULL;
    }
    pixels = calloc((size_t)s->r.width * s->r.height, sizeof(*pixels));
    if (!pixels)
        return NULL;
    if (gpu_picture_part(gpu, scanout, &all, pixels, s->r.width)) {
        err = errno;
        free(pixels);
        errno = err;
        return NULL;
    }
    *width = s->r.width;
    *height = s->r.height;
    return pixels;
}

/* EDID 1.4: one detailed timing at 60 Hz.  Blanking as in CVT with reduced
 * blanking, more or less: nobody has a cathode ray here. */
void gpu_edid(unsigned width, unsigned height, uint8_t edid[128])
{
    const unsigned hblank = 160, vblank = 30;
    unsigned w = width < 4095 ? width : 4095;
    unsigned h = height < 4095 ? height : 4095;
    unsigned clock = (w + hblank) * (h + vblank) * 60 / 10000;
    unsigned mm_w = w * 254 / 960, mm_h = h * 254 / 960;    /* 96 dpi */
    uint8_t *d = edid + 54, sum = 0;

    memset(edid, 0, 128);
    memset(edid + 1, 0xff, 6);
    edid[8] = ('X' - 64) << 2 | ('N' - 64) >> 3;    /* "XNL" */
    edid[9] = (uint8_t)(('N' - 64) << 5) | ('L' - 64);
    edid[10] = 1;               /* product */
    edid[16] = 0xff;            /* model year: */
    edid[17] = 2026 - 1990;
    edid[18] = 1;
    edid[19] = 4;
    edid[20] = 0xa5;            /* digital, 8 bits, DisplayPort */
    edid[21] = mm_w / 10;
    edid[22] = mm_h / 10;
    edid[23] = 120;             /* gamma 2.2 */
    edid[24] = 0x06;            /* sRGB, the preferred timing is native */
    memcpy(edid + 25, "\xee\x91\xa3\x54\x4c\x99\x26\x0f\x50\x54", 10);
    memset(edid + 38, 1, 16);   /* no standard timings */
    if (clock > 0xffff)
        clock = 0xffff;
    d[0] = clock;
    d[1] = clock >> 8;
    d[2] = w;
    d[3] = hblank;
    d[4] = w >> 8 << 4 | hblank >> 8;
    d[5] = h;
    d[6] = vblank;
    d[7] = h >> 8 << 4 | vblank >> 8;
    d[8] = 48;                  /* front porch, sync */
    d[9] = 32;
    d[10] = 3 << 4 | 6;
    d[12] = mm_w;
    d[13] = mm_h;
    d[14] = mm_w >> 8 << 4 | mm_h >> 8;
    d[17] = 0x1a;               /* digital separate sync, + horizontal */
    d[18 + 3] = 0xfc;           /* name */
    memcpy(d + 18 + 5, "xenlend\n     ", 13);
    d[36 + 3] = 0x10;           /* two descriptors unused */
    d[54 + 3] = 0x10;
    for (unsigned i = 0; i < 127; i++)
        sum += edid[i];
    edid[127] = -sum;
}
