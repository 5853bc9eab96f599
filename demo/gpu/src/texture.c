/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Letters are strokes, pieces of lines and of circles; how far a point is from them says whether it is within one, and
 * how much of a pixel is.
 */
#include <math.h>
#include <string.h>

#include "texture.h"

#define W TEXTURE_WIDTH
#define H TEXTURE_HEIGHT

struct colour {
    float r, g, b;
};

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static float length(float x, float y)
{
    return sqrtf(x * x + y * y);
}

static struct colour mix(struct colour a, struct colour b, float share)
{
    return (struct colour){ a.r + (b.r - a.r) * share, a.g + (b.g - a.g) * share, a.b + (b.b - a.b) * share };
}

/* The word --------------------------------------------------------------- */

/* What there is of a circle: all, what is above its middle, what an "e" has of it; or it is no circle */
enum part { LINE, WHOLE, UPPER, OPEN };

/* From x, y to x2, y2; or around x, y.  Letters stand on y = 0, and what is above is negative, as in pictures. */
struct stroke {
    enum part part;
    float x, y, x2, y2, radius;
};

struct letter {
    float left, right;
    struct stroke strokes[3];   /* what is not used has no radius and no length */
};

#define THICK       8.5f    /* half of a stroke */
#define LOW         60      /* how high letters are, */
#define HIGH        96      /* and those that are higher */
#define WORD_WIDTH  484
#define SCALE       0.8f    /* pixels */
#define WORD_LEFT   ((W - SCALE * WORD_WIDTH) / 2)
#define WORD_BASE   200

#define X_AT(l) { l, l + 50, { { LINE, l, -LOW, l + 50, 0, 0 }, { LINE, l, 0, l + 50, -LOW, 0 } } }
#define E_AT(l) { l, l + 60, { { OPEN, l + 30, -30, 0, 0, 30 }, { LINE, l, -30, l + 60, -30, 0 } } }
#define N_AT(l) { l, l + 52, { { LINE, l, -LOW, l, 0, 0 }, { UPPER, l + 26, -34, 0, 0, 26 }, \
                               { LINE, l + 52, -34, l + 52, 0, 0 } } }
#define L_AT(l) { l, l, { { LINE, l, -HIGH, l, 0, 0 } } }
#define D_AT(l) { l, l + 60, { { WHOLE, l + 30, -30, 0, 0, 30 }, { LINE, l + 60, -HIGH, l + 60, 0, 0 } } }

static const struct letter word[] = {
    X_AT(0), E_AT(74), N_AT(160), L_AT(238), E_AT(262), N_AT(348), D_AT(424),
};

static float distance(const struct stroke *s, float x, float y)
{
    float dx = s->x2 - s->x, dy = s->y2 - s->y, t;

    x -= s->x;
    y -= s->y;
    if (s->part == LINE) {
        t = clamp((x * dx + y * dy) / (dx * dx + dy * dy), 0, 1);
        return length(x - t * dx, y - t * dy);
    }
    /* beyond its ends, a piece of a circle is as far as they are */
    if (s->part == UPPER && y > 0)
        return length(fabsf(x) - s->radius, y);
    if (s->part == OPEN && x > 0 && y > 0 && y < x * 0.9f)
        return fminf(length(x - s->radius, y), length(x - s->radius * 0.743f, y - s->radius * 0.669f));
    return fabsf(length(x, y) - s->radius);
}

/* How much of the pixel is a letter's, as one that is so much bolder has it */
static float lettering(float x, float y, float bolder)
{
    float nearest = HIGH, wide = THICK + bolder / SCALE;

    x = (x - WORD_LEFT) / SCALE;
    y = (y - WORD_BASE) / SCALE;
    if (y < -HIGH - wide - 1 || y > wide + 1)
        return 0;
    for (unsigned i = 0; i < sizeof(word) / sizeof(word[0]); i++) {
        const struct letter *l = &word[i];

        if (x < l->left - wide - 1 || x > l->right + wide + 1)
            continue;
        for (unsigned k = 0; k < 3; k++)
            if (l->strokes[k].part != LINE || l->strokes[k].y != l->strokes[k].y2 || l->strokes[k].x != l->strokes[k].x2)
                nearest = fminf(nearest, distance(&l->strokes[k], x, y));
    }
    return clamp((wide - nearest) * SCALE + 0.5f, 0, 1);
}

/* The cloth -------------------------------------------------------------- */

/* How much of the pixel is within a line of that width around a distance of 0 */
static float line(float away, float width)
{
    return clamp(width / 2 - fabsf(away) + 0.5f, 0, 1);
}

static struct colour cloth(unsigned px, unsigned py)
{
    static const struct colour dark = { 16, 34, 92 }, light = { 28, 84, 158 }, gold = { 240, 186, 62 }, white = { 250, 246, 236 },
                               shade = { 8, 16, 48 };
    float x = px + 0.5f, y = py + 0.5f;
    float edge = fminf(fminf(x, W - x), fminf(y, H - y));
    struct colour c = mix(dark, light, clamp((x + 2 * y) / (W + 2.f * H), 0, 1));
    float left = length(x - (W / 2 - 20), y - 68) - 30, right = length(x - (W / 2 + 20), y - 68) - 30;
    int weave = ((px + py) % 4 < 2) == ((px - py) % 8 < 4) ? 3 : -3;

    c = mix(c, gold, line(edge - 19, 3));
    c = mix(c, gold, clamp(9 - edge + 0.5f, 0, 1));
    /* two rings, each of which is once above the other */
    if (y < 68) {
        c = mix(c, white, line(left, 10));
        c = mix(c, shade, line(right, 14));
        c = mix(c, gold, line(right, 10));
    } else {
        c = mix(c, gold, line(right, 10));
        c = mix(c, shade, line(left, 14));
        c = mix(c, white, line(left, 10));
    }
    c = mix(c, shade, 0.75f * lettering(x - 2, y - 3, 1));
    c = mix(c, white, lettering(x, y, 0));
    return (struct colour){ clamp(c.r + weave, 0, 255), clamp(c.g + weave, 0, 255), clamp(c.b + weave, 0, 255) };
}

void texture_make(uint8_t *pixels)
{
    static uint8_t level[4 * W * H];

    for (unsigned y = 0; y < H; y++)
        for (unsigned x = 0; x < W; x++) {
            struct colour c = cloth(x, y);
            uint8_t *p = level + 4 * (y * W + x);

            p[0] = c.r + 0.5f;
            p[1] = c.g + 0.5f;
            p[2] = c.b + 0.5f;
            p[3] = 255;
        }
    for (unsigned w = W, h = H, i = 0; i < TEXTURE_LEVELS; i++) {
        memcpy(pixels, level, 4 * w * h);
        pixels += 4 * w * h;
        w /= 2;
        h /= 2;
        /* in place: what is written was read */
        for (unsigned y = 0; y < h; y++)
            for (unsigned x = 0; x < 4 * w; x++) {
                const uint8_t *p = level + 2 * y * 8 * w + x / 4 * 8 + x % 4;

                level[y * 4 * w + x] = (p[0] + p[4] + p[8 * w] + p[8 * w + 4] + 2) / 4;
            }
    }
}
