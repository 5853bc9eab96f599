/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A display, by the ioctls of Linux' drivers for them. */
#ifndef WAVES_DISPLAY_H
#define WAVES_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drm/drm.h>
#include <drm/drm_mode.h>

struct display {
    const char *path;
    int fd;
    unsigned width, height, pitch;
    uint32_t handle, framebuffer, flipped;
    uint32_t crtc, connector;
    struct drm_mode_modeinfo mode;
    size_t size;
    uint8_t *map;
};

/*
 * Black, on the first connector that something is connected to, in the mode that this prefers.  False with a message;
 * display_close() is called in any case.  path is kept.
 */
bool display_open(struct display *d, const char *path);
void display_close(struct display *d);

/* Another buffer of the display's device, as large as the display, 32 bits a pixel: a handle, and how many bytes a line has.
 * It stays the caller's, who keeps it until another one is shown.  False with a message. */
bool display_flip(struct display *d, uint32_t handle, uint32_t pitch);

/* In the middle of the display, and of the picture if that is larger.  False with a message. */
bool display_show(struct display *d, const uint8_t *rgba, unsigned width, unsigned height);

#endif
