/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of the picture's file: what is read back is what was written.  TAP on stdout. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#include "../src/picture.h"
#include "tap.h"

static char path[] = "/tmp/xenlend-picture-XXXXXX";

/* Pixels of the file that differ; all if it is no such picture. */
static unsigned differ(const uint32_t *pixels, unsigned width, unsigned height)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    unsigned wrong = width * height;
    uint8_t *rgb = malloc(3 * wrong);

    if (!rgb)
        die("no memory");
    if (png_image_begin_read_from_file(&image, path) && image.width == width && image.height == height &&
        image.format == PNG_FORMAT_RGB && png_image_finish_read(&image, NULL, rgb, 0, NULL)) {
        wrong = 0;
        for (unsigned i = 0; i < width * height; i++)
            wrong += (pixels[i] & 0xffffff) != ((uint32_t)rgb[3 * i] << 16 | rgb[3 * i + 1] << 8 | rgb[3 * i + 2]);
    } else {
        note("as a picture of %u x %u: %s", image.width, image.height, image.message);
    }
    png_image_free(&image);
    free(rgb);
    return wrong;
}

static void size(unsigned width, unsigned height)
{
    uint32_t *pixels = malloc(4 * width * height);

    if (!pixels)
        die("no memory");
    /* the highest byte is nobody's: it must not get in */
    for (unsigned i = 0; i < width * height; i++)
        pixels[i] = (i + 1) * 0x9e3779b9u;
    if (err(picture_write(path, pixels, width, height) ? -errno : 0, 0, "%u x %u: written", width, height))
        eq(differ(pixels, width, height), 0, "... every pixel as it was");
    free(pixels);
}

int main(void)
{
    static const uint32_t colours[3] = { 0xff0000, 0x00ff00, 0x0000ff };
    int fd = mkstemp(path);

    tap_begin("picture");
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    size(1, 1);
    size(640, 480);
    size(333, 17);
    err(picture_write(path, colours, 3, 1) ? -errno : 0, 0, "shorter than what was there");
    eq(differ(colours, 3, 1), 0, "... red, green, blue");
    err(picture_write("/nowhere/picture.png", colours, 3, 1) ? -errno : 0, -ENOENT, "a folder that is not there");
    err(picture_write("/dev/full", colours, 3, 1) ? -errno : 0, -ENOSPC, "a disk that is full");
    err(picture_write(path, colours, 0, 1) ? -errno : 0, -EIO, "a picture without pixels");
    close(fd);
    unlink(path);
    return tap_end();
}
