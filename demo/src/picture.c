/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>

#include <png.h>

#include "picture.h"

/* libpng's own handler would print "libpng error: Write Error"; errno says more. */
static void failed(png_structp png, png_const_charp text)
{
    (void)text;
    longjmp(png_jmpbuf(png), 1);
}

static void ignored(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

/* Nothing here may change a variable that is used after the jump back. */
static bool write_to(FILE *f, png_structp png, png_infop info,
                     const uint32_t *pixels, unsigned width, unsigned height)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_init_io(png, f);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 9);
    png_write_info(png, info);
    /* 0x00RRGGBB in memory: blue, green, red, and a byte of no use */
    png_set_bgr(png);
    png_set_filler(png, 0, PNG_FILLER_AFTER);
    for (unsigned y = 0; y < height; y++)
        png_write_row(png, (png_const_bytep)(pixels + (size_t)y * width));
    png_write_end(png, NULL);
    return true;
}

int picture_write(const char *path, const uint32_t *pixels, unsigned width,
                  unsigned height)
{
    png_structp png = NULL;
    png_infop info = NULL;
    FILE *f = fopen(path, "we");
    int err = ENOMEM;

    if (!f)
        return -1;
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, failed, ignored);
    if (png)
        info = png_create_info_struct(png);
    if (info) {
        errno = 0;
        if (write_to(f, png, info, pixels, width, height))
            err = 0;
        else
            err = errno ? errno : EIO;
    }
    png_destroy_write_struct(&png, &info);
    if (fclose(f) && !err)
        err = errno;
    errno = err;
    return err ? -1 : 0;
}
