/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The demo's picture: a piece of the Mandelbrot set, in integer arithmetic only, so that the guest and the lender
 * compute the same to the last bit.  Freestanding; used by both.
 *
 * A sample is the colour of one point.  A pixel is the sum of a number of samples at different places in it.
 */
#ifndef SCENE_H
#define SCENE_H

#include <stdint.h>

#define SCENE_FRAC  26              /* fixed point; with 40 as the limit of |z|^2 no product overflows */
#define SCENE_ONE   ((int64_t)1 << SCENE_FRAC)

struct scene_rgb {
    uint32_t r, g, b;               /* 0 to 65535, linear light */
};

/* What is looked at: a spiral in the valley between the set's head and its body */
#define SCENE_CENTER_X  (-(SCENE_ONE * 743650) / 1000000)
#define SCENE_CENTER_Y  ((SCENE_ONE * 131820) / 1000000)
#define SCENE_WIDTH     ((SCENE_ONE * 6400) / 1000000)
#define SCENE_MAX_ITER  900

/* log2(v / SCENE_ONE) in 16.16, for v > 0 */
static inline int32_t scene_log2(uint64_t v)
{
    int top = 63 - __builtin_clzll(v);
    uint64_t m = top > 31 ? v >> (top - 31) : v << (31 - top);  /* 1.31, in [1, 2) */
    int32_t r = (top - SCENE_FRAC) * 65536;

    for (int bit = 15; bit >= 0; bit--) {
        m = m * m >> 31;
        if (m >> 32) {
            m >>= 1;
            r += 1 << bit;
        }
    }
    return r;
}

/* The palette: colours at equal distances of a closed circle, in between a smooth step */
static inline struct scene_rgb scene_palette(uint32_t turn /* 16 bits are the circle */)
{
    static const struct { uint16_t r, g, b; } stop[8] = {
        {   200,  1300,  7500 },    /* night blue */
        {   900,  9000, 26000 },
        { 12000, 36000, 56000 },    /* sky */
        { 60000, 63000, 57000 },    /* white */
        { 65000, 46000, 12000 },    /* gold */
        { 52000, 15000,  1600 },    /* ember */
        { 16000,  1900,  2600 },    /* wine */
        {  2500,   500,  4500 },
    };
    uint32_t at = turn & 0xffff, i = at >> 13, t = (at & 0x1fff) << 3, j = (i + 1) & 7;
    uint32_t s = (uint64_t)t * t / 65536 * (3 * 65536 - 2 * t) / 65536;
    struct scene_rgb c;

    c.r = (stop[i].r * (65536 - s) + stop[j].r * (uint64_t)s) >> 16;
    c.g = (stop[i].g * (65536 - s) + stop[j].g * (uint64_t)s) >> 16;
    c.b = (stop[i].b * (65536 - s) + stop[j].b * (uint64_t)s) >> 16;
    return c;
}

static inline struct scene_rgb scene_point(int64_t cx, int64_t cy)
{
    int64_t x = 0, y = 0, xx = 0, yy = 0, trap = SCENE_ONE * 4;
    struct scene_rgb c = { 0, 0, 0 };
    uint32_t n, glow;
    int32_t mu;

    for (n = 0; n < SCENE_MAX_ITER && xx + yy < 40 * SCENE_ONE; n++) {
        int64_t d;

        y = (x * y >> (SCENE_FRAC - 1)) + cy;
        x = xx - yy + cx;
        xx = x * x >> SCENE_FRAC;
        yy = y * y >> SCENE_FRAC;
        /* how near the orbit comes to a small circle */
        d = xx + yy - SCENE_ONE / 16;
        if (d < 0)
            d = -d;
        if (d < trap)
            trap = d;
    }
    if (n == SCENE_MAX_ITER) {
        /* inside: dark, with a hint of the orbit */
        glow = trap >= SCENE_ONE / 4 ? 0 : (uint32_t)((SCENE_ONE / 4 - trap) >> (SCENE_FRAC - 14));
        c.r = glow / 4;
        c.g = glow / 5;
        c.b = 900 + glow;
        return c;
    }
    /* n + 1 - log2(log2|z|), 16.16: no steps between one n and the next */
    mu = (int32_t)n * 65536 - scene_log2((uint64_t)scene_log2((uint64_t)(xx + yy)) << (SCENE_FRAC - 17));
    /* the colours go round more slowly where there are many: log2 of the count */
    c = scene_palette((uint32_t)(((int64_t)scene_log2((uint64_t)(mu > 65536 ? mu : 65536) << (SCENE_FRAC - 16)) * 4 / 5)) -
                      9000);
    /* a bright thread where the orbit touched the circle */
    if (trap < SCENE_ONE / 128) {
        glow = (uint32_t)((SCENE_ONE / 128 - trap) >> (SCENE_FRAC - 7 - 16)); /* to 65536 */
        glow = (uint64_t)glow * glow >> 17;
        c.r += (uint64_t)(65535 - (c.r > 65535 ? 65535 : c.r)) * glow >> 16;
        c.g += (uint64_t)(65535 - (c.g > 65535 ? 65535 : c.g)) * glow >> 16;
        c.b += (uint64_t)(65535 - (c.b > 65535 ? 65535 : c.b)) * glow >> 16;
    }
    return c;
}

/*
 * Sample number s of pixel (px, py) of a picture of w by h pixels.  The places of the samples follow a sequence that
 * fills the pixel evenly (the plastic number's), so that any number of them will do.
 */
static inline struct scene_rgb scene_sample(uint32_t px, uint32_t py, uint32_t w, uint32_t h, uint32_t s)
{
    uint32_t jx = s * 3242174889u, jy = s * 2447445414u;    /* fractions of a pixel, 0.32 */
    int64_t step = SCENE_WIDTH * 65536 / w;                 /* a pixel's width, 4.44 */
    int64_t x = (((int64_t)px << 16 | jx >> 16) - ((int64_t)w << 15)) * step >> 32;
    int64_t y = (((int64_t)py << 16 | jy >> 16) - ((int64_t)h << 15)) * step >> 32;

    return scene_point(SCENE_CENTER_X + x, SCENE_CENTER_Y - y);
}

/* The square root of v / 65535, to 255: from linear light to a screen's values, nearly */
static inline uint32_t scene_tone(uint32_t v)
{
    uint32_t r = 0, t;

    if (v > 65535)
        v = 65535;
    for (uint32_t bit = 128; bit; bit >>= 1) {
        t = r | bit;
        if (t * t <= v)
            r = t;
    }
    return r;
}

/* 0x00RRGGBB of n samples' sum */
static inline uint32_t scene_pixel(uint32_t r, uint32_t g, uint32_t b, uint32_t n)
{
    return scene_tone(r / n) << 16 | scene_tone(g / n) << 8 | scene_tone(b / n);
}

#endif
