/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libpng's simple interface, on a descriptor: by the time there is a picture
 * this process may not open files any more. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <png.h>

#include "picture.h"

int picture_put(int fd, const uint32_t *pixels, unsigned width,
                unsigned height)
{
    return ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET)
           ? -1 : picture_append(fd, pixels, width, height);
}

int picture_append(int fd, const uint32_t *pixels, unsigned width,
                   unsigned height)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = width, .height = height,
        /* with alpha, as there is no format of four bytes without: all opaque */
        .format = PNG_FORMAT_BGRA,
    };
    int copy, err = 0;
    uint32_t *opaque;
    FILE *f;

    opaque = malloc((size_t)width * height * sizeof(*opaque));
    if (!opaque)
        return -1;
    for (size_t i = 0; i < (size_t)width * height; i++)
        opaque[i] = pixels[i] | 0xff000000;
    copy = dup(fd);
    f = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (!f) {
        err = errno;
        if (copy >= 0)
            close(copy);
    } else {
        errno = 0;
        if (!png_image_write_to_stdio(&image, f, 0, opaque, 0, NULL))
            err = errno ? errno : EIO;
        if (fclose(f) && !err)
            err = errno;
    }
    free(opaque);
    errno = err;
    return err ? -1 : 0;
}
