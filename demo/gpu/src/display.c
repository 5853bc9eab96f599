/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/drm_mode.h>

#include "display.h"

#define MOST 128    /* connectors, encoders, modes (QEMU has more than 32): more are not looked at */

static int call(int fd, unsigned long request, void *argument)
{
    int rc;

    do
        rc = ioctl(fd, request, argument);
    while (rc && (errno == EINTR || errno == EAGAIN));
    return rc;
}

static bool failed(const struct display *d, const char *what)
{
    fprintf(stderr, "%s: %s: %s: %s\n", program_invocation_short_name, d->path, what, strerror(errno));
    return false;
}

/* One that can drive the connector; 0 if there is none. */
static uint32_t crtc_of(const struct display *d, const struct drm_mode_get_connector *con, const uint32_t *encoders,
                        const uint32_t *crtcs, unsigned n_crtcs)
{
    for (unsigned i = 0; i < con->count_encoders && i < MOST; i++) {
        struct drm_mode_get_encoder encoder = { .encoder_id = encoders[i] };

        if (call(d->fd, DRM_IOCTL_MODE_GETENCODER, &encoder))
            continue;
        for (unsigned k = 0; k < n_crtcs; k++)
            if (encoder.possible_crtcs & 1u << k)
                return crtcs[k];
    }
    return 0;
}

/*
 * How many there are is asked first: the kernel writes nothing to an array that has not room for all.  More than MOST
 * of anything: no connector is found.
 */
static bool find_connector(struct display *d, struct drm_mode_crtc *set, uint32_t *connector)
{
    uint32_t connectors[MOST], crtcs[MOST], encoders[MOST];
    struct drm_mode_card_res res = {
        .connector_id_ptr = (uintptr_t)connectors, .crtc_id_ptr = (uintptr_t)crtcs, .count_connectors = MOST,
        .count_crtcs = MOST,
    };
    struct drm_mode_modeinfo modes[MOST];

    if (call(d->fd, DRM_IOCTL_MODE_GETRESOURCES, &res))
        return failed(d, "DRM_IOCTL_MODE_GETRESOURCES");
    for (unsigned i = 0; i < res.count_connectors && i < MOST && res.count_crtcs <= MOST; i++) {
        struct drm_mode_get_connector con = { .connector_id = connectors[i] };
        unsigned mode = 0;

        /* without room for modes the driver looks for them anew */
        if (call(d->fd, DRM_IOCTL_MODE_GETCONNECTOR, &con))
            return failed(d, "DRM_IOCTL_MODE_GETCONNECTOR");
        con = (struct drm_mode_get_connector){
            .connector_id = connectors[i], .modes_ptr = (uintptr_t)modes, .count_modes = MOST,
            .encoders_ptr = (uintptr_t)encoders, .count_encoders = MOST,
        };
        if (call(d->fd, DRM_IOCTL_MODE_GETCONNECTOR, &con))
            return failed(d, "DRM_IOCTL_MODE_GETCONNECTOR");
        if (con.connection != 1 || !con.count_modes || con.count_modes > MOST || con.count_encoders > MOST)
            continue;
        set->crtc_id = crtc_of(d, &con, encoders, crtcs, res.count_crtcs);
        if (!set->crtc_id)
            continue;
        for (unsigned k = con.count_modes; k--;)
            if (modes[k].type & DRM_MODE_TYPE_PREFERRED)
                mode = k;
        set->mode = modes[mode];
        set->mode_valid = 1;
        *connector = connectors[i];
        return true;
    }
    fprintf(stderr, "%s: %s: nothing is connected to it\n", program_invocation_short_name, d->path);
    return false;
}

bool display_open(struct display *d, const char *path)
{
    struct drm_mode_crtc set = { .set_connectors_ptr = (uintptr_t)&d->connector, .count_connectors = 1 };
    struct drm_mode_create_dumb dumb = { .bpp = 32 };
    struct drm_mode_fb_cmd add = { .bpp = 32, .depth = 24 };
    struct drm_mode_map_dumb map = { 0 };
    void *p;

    *d = (struct display){ .path = path };
    d->fd = open(path, O_RDWR | O_CLOEXEC);
    if (d->fd < 0)
        return failed(d, "open");
    if (!find_connector(d, &set, &d->connector))
        return false;
    dumb.width = d->width = set.mode.hdisplay;
    dumb.height = d->height = set.mode.vdisplay;
    if (call(d->fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
        return failed(d, "DRM_IOCTL_MODE_CREATE_DUMB");
    d->handle = map.handle = add.handle = dumb.handle;
    d->pitch = add.pitch = dumb.pitch;
    d->size = dumb.size;
    add.width = dumb.width;
    add.height = dumb.height;
    if (call(d->fd, DRM_IOCTL_MODE_ADDFB, &add))
        return failed(d, "DRM_IOCTL_MODE_ADDFB");
    d->framebuffer = set.fb_id = add.fb_id;
    if (call(d->fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
        return failed(d, "DRM_IOCTL_MODE_MAP_DUMB");
    p = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, map.offset);
    if (p == MAP_FAILED)
        return failed(d, "mmap");
    d->map = p;
    memset(p, 0, d->size);
    d->mode = set.mode;
    d->crtc = set.crtc_id;
    if (call(d->fd, DRM_IOCTL_MODE_SETCRTC, &set))
        return failed(d, "DRM_IOCTL_MODE_SETCRTC");
    return true;
}

bool display_flip(struct display *d, uint32_t handle, uint32_t pitch)
{
    struct drm_mode_fb_cmd add = { .bpp = 32, .depth = 24, .width = d->width, .height = d->height, .pitch = pitch,
                                   .handle = handle };
    struct drm_mode_crtc set = { .set_connectors_ptr = (uintptr_t)&d->connector, .count_connectors = 1, .crtc_id = d->crtc,
                                 .mode = d->mode, .mode_valid = 1 };

    if (call(d->fd, DRM_IOCTL_MODE_ADDFB, &add))
        return failed(d, "DRM_IOCTL_MODE_ADDFB");
    set.fb_id = add.fb_id;
    if (call(d->fd, DRM_IOCTL_MODE_SETCRTC, &set)) {
        failed(d, "DRM_IOCTL_MODE_SETCRTC");
        call(d->fd, DRM_IOCTL_MODE_RMFB, &add.fb_id);
        return false;
    }
    if (d->flipped)
        call(d->fd, DRM_IOCTL_MODE_RMFB, &d->flipped);
    d->flipped = add.fb_id;
    return true;
}

void display_close(struct display *d)
{
    struct drm_mode_destroy_dumb dumb = { .handle = d->handle };

    if (d->fd < 0 || !d->path)
        return;
    if (d->map)
        munmap(d->map, d->size);
    if (d->flipped)
        call(d->fd, DRM_IOCTL_MODE_RMFB, &d->flipped);
    if (d->framebuffer)
        call(d->fd, DRM_IOCTL_MODE_RMFB, &d->framebuffer);
    if (d->handle)
        call(d->fd, DRM_IOCTL_MODE_DESTROY_DUMB, &dumb);
    close(d->fd);
    *d = (struct display){ .fd = -1 };
}

bool display_show(struct display *d, const uint8_t *rgba, unsigned width, unsigned height)
{
    unsigned w = width < d->width ? width : d->width, h = height < d->height ? height : d->height;
    unsigned to_x = (d->width - w) / 2, to_y = (d->height - h) / 2;
    struct drm_mode_fb_dirty_cmd dirty = { .fb_id = d->framebuffer };

    for (unsigned y = 0; y < h; y++) {
        const uint8_t *from = rgba + 4 * ((size_t)((height - h) / 2 + y) * width + (width - w) / 2);
        uint32_t *to = (uint32_t *)(d->map + (size_t)(to_y + y) * d->pitch) + to_x;

        for (unsigned x = 0; x < w; x++, from += 4)
            to[x] = (uint32_t)from[0] << 16 | from[1] << 8 | from[2];
    }
    /* A driver that shows its memory as it is has no such call. */
    if (call(d->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty) && errno != ENOSYS)
        return failed(d, "DRM_IOCTL_MODE_DIRTYFB");
    return true;
}
