/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * waves: an animation, drawn by Vulkan for whoever can tell whether each picture of it is as it has to be.
 *
 * There is no window: pictures come back through memory that both sides see, as vertices went there.  The same driver
 * and processor draw the same pictures, to the last bit, whether the memory is lent or not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "display.h"
#include "holes.h"
#include "render.h"
#include "sums.h"

enum { GOOD, WRONG, FAILED, NO_DEVICE };

/* Where a picture is to come: fully opaque it is not, and pictures are. */
#define PATTERN 0x5a5aa5c3u

#define BUFFERS_MAX 1024u
#define BUFFER_WORDS 4096u  /* of 32 bits */

struct options {
    unsigned width, height, frames, loops, samples, buffers, holes;
    const char *kms, *expect, *sums, *raw, *device;
    bool still, verify, verbose;
};

struct waves {
    struct options o;
    struct gpu gpu;
    struct render render;
    struct display display;
    struct gpu_buffer buffers[BUFFERS_MAX], punched;
    struct holes holes;
    struct sums expected, sums;
    FILE *raw;
    double start;
    unsigned wrong;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double uptime(void)
{
    FILE *f = fopen("/proc/uptime", "re");
    double seconds;

    if (!f || fscanf(f, "%lf", &seconds) != 1)
        seconds = 0;
    if (f)
        fclose(f);
    return seconds;
}

static void spoil(uint32_t *pixels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pixels[i] = PATTERN;
}

/* Pixels that never came */
static size_t missing(const uint8_t *pixels, size_t n)
{
    size_t bad = 0;

    for (size_t i = 0; i < n; i++)
        bad += pixels[4 * i + 3] != 255;
    return bad;
}

/* Whether all of the picture is there, and is the one that it has to be; a message if not. */
static bool right(struct waves *w, unsigned loop, unsigned i)
{
    size_t n = (size_t)w->o.width * w->o.height, lacking = missing(w->render.pixels.map, n);
    uint32_t sum = sums_of(w->render.pixels.map, n);
    bool ok = true;

    if (lacking) {
        printf("frame %u of loop %u: %zu pixels never came\n", i, loop, lacking);
        ok = false;
    }
    if (w->o.expect && sum != w->expected.sum[i]) {
        printf("frame %u of loop %u: %08x, not %08x as in %s\n", i, loop, sum, w->expected.sum[i], w->o.expect);
        ok = false;
    }
    /* the animation is the same each time around */
    if (loop && sum != w->sums.sum[i]) {
        printf("frame %u of loop %u: %08x, it was %08x in the first\n", i, loop, sum, w->sums.sum[i]);
        ok = false;
    }
    if (!loop) {
        w->sums.sum[i] = sum;
        w->sums.known[i] = true;
        if (i >= w->sums.n)
            w->sums.n = i + 1;
    }
    return ok;
}

/* One frame and all that is to be done with it; frame o.frames is the still.  False with a message if it cannot be. */
static bool frame(struct waves *w, unsigned loop, unsigned i)
{
    size_t n = (size_t)w->o.width * w->o.height;
    double t = now();
    bool still = i == w->o.frames, ok;

    if (w->o.verify)
        spoil(w->render.pixels.map, n);
    if (still ? !render_sky(&w->render, 0, w->o.frames) : !render_frame(&w->render, i, w->o.frames))
        return false;
    if (still || (!loop && !i))
        printf("%s after %.3f s, uptime %.2f s\n", still ? "still" : "first frame", now() - w->start, uptime());
    ok = right(w, loop, i);
    w->wrong += !ok;
    if (w->o.verbose)
        printf("%u %08x %.1f ms%s\n", i, sums_of(w->render.pixels.map, n), 1e3 * (now() - t), ok ? "" : " WRONG");
    if (w->o.kms && !display_show(&w->display, w->render.pixels.map, w->o.width, w->o.height))
        return false;
    if (w->raw && !loop && fwrite(w->render.pixels.map, 4, n, w->raw) != n) {
        fprintf(stderr, "waves: %s: %s\n", w->o.raw, strerror(errno));
        return false;
    }
    return true;
}

/* Memory that is written once and looked at in the end: in between somebody may have taken it away. */
static uint32_t buffer_word(unsigned buffer, unsigned word)
{
    return (buffer * BUFFER_WORDS + word) * 2654435761u;
}

static bool make_buffers(struct waves *w)
{
    for (unsigned i = 0; i < w->o.buffers; i++) {
        uint32_t *words;

        if (!gpu_buffer_make(&w->gpu, &w->buffers[i], 4 * BUFFER_WORDS, VK_BUFFER_USAGE_TRANSFER_DST_BIT, true))
            return false;
        words = w->buffers[i].map;
        for (unsigned j = 0; j < BUFFER_WORDS; j++)
            words[j] = buffer_word(i, j);
    }
    return true;
}

static unsigned look_at_buffers(struct waves *w)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < w->o.buffers; i++) {
        const uint32_t *words = w->buffers[i].map;
        unsigned bad = 0;

        for (unsigned j = 0; j < BUFFER_WORDS; j++)
            bad += words[j] != buffer_word(i, j);
        if (bad)
            printf("buffer %u: %u words of %u are wrong\n", i, bad, BUFFER_WORDS);
        wrong += bad != 0;
    }
    if (w->o.buffers)
        printf("%u buffers, %u wrong\n", w->o.buffers, wrong);
    return wrong;
}

static bool make_holes(struct waves *w)
{
    if (!w->o.holes)
        return true;
    if (!gpu_buffer_make(&w->gpu, &w->punched, HOLES_PAGE * (w->o.holes + 1), VK_BUFFER_USAGE_TRANSFER_DST_BIT, true))
        return false;
    holes_begin(&w->holes, w->punched.map, w->o.holes);
    return true;
}

static unsigned say_holes(const struct waves *w)
{
    if (w->o.holes)
        printf("%lu pages looked at for holes, %lu had some, %lu wrong\n", w->holes.looked, w->holes.punched, w->holes.wrong);
    return w->holes.wrong;
}

static int run(struct waves *w)
{
    double t = 0;
    unsigned done = 0;

    for (unsigned loop = 0; loop < w->o.loops; loop++)
        for (unsigned i = 0; i < w->o.frames; i++) {
            if (!frame(w, loop, i))
                return FAILED;
            if (!done++)
                t = now();
            if (w->o.holes)
                holes_look(&w->holes);
        }
    t = now() - t;
    printf("%u frames of %u x %u%s", done, w->o.width, w->o.height, w->o.still ? " and the still" : "");
    if (done > 1 && t > 0)
        printf(", %.2f frames per second", (done - 1) / t);
    printf(", %u wrong\n", w->wrong);
    w->wrong += look_at_buffers(w) + say_holes(w);
    if (w->o.sums && !sums_write(&w->sums, w->o.sums, w->o.width, w->o.height))
        return FAILED;
    return w->wrong ? WRONG : GOOD;
}

/* All that takes long comes last. */
static int begin(struct waves *w)
{
    enum gpu_found found;

    if (w->o.expect) {
        if (!sums_read(&w->expected, w->o.expect))
            return FAILED;
        for (unsigned i = 0; i < w->o.frames + w->o.still; i++)
            if (!w->expected.known[i]) {
                fprintf(stderr, "waves: %s has no sum of frame %u\n", w->o.expect, i);
                return FAILED;
            }
    }
    if (w->o.raw) {
        w->raw = fopen(w->o.raw, "we");
        if (!w->raw) {
            fprintf(stderr, "waves: %s: %s\n", w->o.raw, strerror(errno));
            return FAILED;
        }
    }
    found = gpu_open(&w->gpu, w->o.device);
    if (found != GPU_FOUND)
        return found == GPU_NONE ? NO_DEVICE : FAILED;
    printf("device: %s, Vulkan %u.%u.%u\n", w->gpu.properties.deviceName,
           VK_API_VERSION_MAJOR(w->gpu.properties.apiVersion), VK_API_VERSION_MINOR(w->gpu.properties.apiVersion),
           VK_API_VERSION_PATCH(w->gpu.properties.apiVersion));
    if (w->o.kms) {
        if (!display_open(&w->display, w->o.kms))
            return FAILED;
        printf("display: %s, %u x %u\n", w->o.kms, w->display.width, w->display.height);
    }
    if (!make_buffers(w) || !render_begin(&w->render, &w->gpu, w->o.width, w->o.height, w->o.samples) ||
        (w->o.still && !frame(w, 0, w->o.frames)) || !make_holes(w) || !render_make(&w->render))
        return FAILED;
    return GOOD;
}

static int end(struct waves *w, int status)
{
    display_close(&w->display);
    /* A device that is lost may keep those who wait for it, for minutes. */
    if (status != FAILED) {
        render_free(&w->render);
        for (unsigned i = 0; i < w->o.buffers; i++)
            gpu_buffer_free(&w->gpu, &w->buffers[i]);
        gpu_buffer_free(&w->gpu, &w->punched);
        gpu_close(&w->gpu);
    }
    if (w->raw && fclose(w->raw) && status != FAILED) {
        fprintf(stderr, "waves: %s: %s\n", w->o.raw, strerror(errno));
        status = FAILED;
    }
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "waves: standard output: %s\n", strerror(errno));
        status = FAILED;
    }
    return status;
}

static void usage(FILE *to)
{
    fprintf(to, "Usage: waves [OPTION...]\n"
            "Draws an animation with Vulkan: a flag over water.\n\n"
            "      --size WxH       of the pictures, up to %ux%u (320x240)\n"
            "      --frames N       until the animation begins anew, up to %u (32)\n"
            "      --loops N        all of it so many times (1)\n"
            "      --samples 1|4    for each pixel (4)\n"
            "      --still          the sky of the first frame before all else, which is there sooner: frame N\n"
            "      --buffers N      that many more, up to %u, of %u KiB: written before all else, and looked at in the end\n"
            "      --holes N        N pages, up to %u, that are written for each frame and looked at after it: each is as it was\n"
            "                       written, or has a hole that somebody has punched (holes.py)\n"
            "      --device TEXT    the first device that has TEXT in its name, not just the first\n"
            "      --kms DEVICE     shows each frame there, such as /dev/dri/card0\n"
            "      --verify         spoils the memory that a picture comes to before each frame\n"
            "      --expect FILE    compares each frame with its checksum in FILE\n"
            "      --sums FILE      writes such a file; - is standard output\n"
            "      --raw FILE       writes all frames: red, green, blue, 255 for each pixel, and nothing else\n"
            "  -v, --verbose        each frame's number, checksum and time\n"
            "      --help\n\n"
            "Exit status: 0 if all is well, 1 if a frame is wrong, 2 if something failed, 3 if there is no device.\n",
            RENDER_MAX, RENDER_MAX, SUMS_MAX - 1, BUFFERS_MAX, BUFFER_WORDS * 4 / 1024, HOLES_MAX);
}

static unsigned number(const char *text, unsigned max)
{
    char *tail;
    unsigned long v = strtoul(text, &tail, 10);

    if (text[0] < '0' || text[0] > '9' || *tail || !v || v > max) {
        fprintf(stderr, "waves: '%s' is no number from 1 to %u\n", text, max);
        exit(FAILED);
    }
    return v;
}

static void size(const char *text, struct options *o)
{
    char copy[24], *x;

    if (strlen(text) >= sizeof(copy) || !strchr(text, 'x')) {
        fprintf(stderr, "waves: '%s' is no size such as 320x240\n", text);
        exit(FAILED);
    }
    strcpy(copy, text);
    x = strchr(copy, 'x');
    *x = '\0';
    o->width = number(copy, RENDER_MAX);
    o->height = number(x + 1, RENDER_MAX);
}

static void options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        { "size", required_argument, NULL, 's' }, { "frames", required_argument, NULL, 'f' },
        { "loops", required_argument, NULL, 'l' }, { "samples", required_argument, NULL, 'm' },
        { "still", no_argument, NULL, 't' }, { "buffers", required_argument, NULL, 'b' },
        { "holes", required_argument, NULL, 'o' },
        { "device", required_argument, NULL, 'd' }, { "kms", required_argument, NULL, 'k' },
        { "verify", no_argument, NULL, 'y' }, { "expect", required_argument, NULL, 'e' },
        { "sums", required_argument, NULL, 'u' }, { "raw", required_argument, NULL, 'r' },
        { "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' }, { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "v", longs, NULL)) != -1)
        switch (c) {
        case 's':
            size(optarg, o);
            break;
        case 'f':
            o->frames = number(optarg, SUMS_MAX - 1);
            break;
        case 'l':
            o->loops = number(optarg, 1000000);
            break;
        case 'm':
            o->samples = number(optarg, 4);
            if (o->samples != 1 && o->samples != 4) {
                fprintf(stderr, "waves: samples are 1 or 4 for each pixel\n");
                exit(FAILED);
            }
            break;
        case 'b':
            o->buffers = number(optarg, BUFFERS_MAX);
            break;
        case 'o':
            o->holes = number(optarg, HOLES_MAX);
            break;
        case 't':
            o->still = true;
            break;
        case 'd':
            o->device = optarg;
            break;
        case 'k':
            o->kms = optarg;
            break;
        case 'y':
            o->verify = true;
            break;
        case 'e':
            o->expect = optarg;
            break;
        case 'u':
            o->sums = optarg;
            break;
        case 'r':
            o->raw = optarg;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'h':
            usage(stdout);
            exit(GOOD);
        default:
            usage(stderr);
            exit(FAILED);
        }
    if (optind < argc) {
        fprintf(stderr, "waves: what is '%s'?\n", argv[optind]);
        usage(stderr);
        exit(FAILED);
    }
}

int main(int argc, char **argv)
{
    static struct waves w = { .o = { .width = 320, .height = 240, .frames = 32, .loops = 1, .samples = 4 } };
    int status;

    w.start = now();
    setvbuf(stdout, NULL, _IOLBF, 0);
    options(argc, argv, &w.o);
    status = begin(&w);
    if (status == GOOD)
        status = run(&w);
    return end(&w, status);
}
