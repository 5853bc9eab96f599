/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include "scene.h"

#define TURN        4096u       /* the circle has as many steps */
#define STEPS(x)    ((int)((x) * (TURN / 6.2831853f)))   /* of radians */

#define FLAG_LENGTH 2.5f
#define FLAG_HEIGHT 1.3f
#define FLAG_BOTTOM 0.95f
#define POLE_RADIUS 0.045f
#define POLE_TOP    2.45f
#define POLE_BOTTOM (-0.6f)

struct vec {
    float x, y, z;
};

static struct vec sub(struct vec a, struct vec b)
{
    return (struct vec){ a.x - b.x, a.y - b.y, a.z - b.z };
}

static struct vec cross(struct vec a, struct vec b)
{
    return (struct vec){ a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x };
}

static float dot(struct vec a, struct vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static struct vec unit(struct vec a)
{
    float by = 1 / sqrtf(dot(a, a));

    return (struct vec){ a.x * by, a.y * by, a.z * by };
}

/*
 * libm picks its sine by what the processor can do, and the last bit depends on it.  This is a series that is exact
 * enough, computed in one way only.
 */
static float sine(int steps)
{
    static float table[TURN];

    if (!table[TURN / 4])
        for (unsigned i = 0; i < TURN; i++) {
            /* to a quarter of the circle */
            unsigned q = i % (TURN / 2), k = q > TURN / 4 ? TURN / 2 - q : q;
            double x = k * (6.283185307179586 / TURN), s = x, term = x;

            for (int j = 2; j < 16; j += 2) {
                term *= -x * x / (j * (j + 1));
                s += term;
            }
            table[i] = i < TURN / 2 ? s : -s;
        }
    return table[(unsigned)steps % TURN];
}

static float cosine(int steps)
{
    return sine(steps + TURN / 4);
}

/* Triangles -------------------------------------------------------------- */

static uint16_t *grid(uint16_t *p, unsigned first, unsigned columns, unsigned rows)
{
    for (unsigned y = 0; y + 1 < rows; y++)
        for (unsigned x = 0; x + 1 < columns; x++) {
            unsigned a = first + y * columns + x, b = a + columns;

            *p++ = a;
            *p++ = b;
            *p++ = a + 1;
            *p++ = a + 1;
            *p++ = b;
            *p++ = b + 1;
        }
    return p;
}

void scene_indices(uint16_t *p)
{
    _Static_assert(SCENE_VERTICES <= 65536, "indices of 16 bits");
    p = grid(p, 0, FLAG_COLUMNS, FLAG_ROWS);
    for (unsigned y = 0; y + 1 < POLE_RINGS; y++)
        for (unsigned x = 0; x < POLE_SIDES; x++) {
            unsigned a = FLAG_VERTICES + y * POLE_SIDES, b = a + POLE_SIDES, next = (x + 1) % POLE_SIDES;

            *p++ = a + x;
            *p++ = b + x;
            *p++ = a + next;
            *p++ = a + next;
            *p++ = b + x;
            *p++ = b + next;
        }
    grid(p, FLAG_VERTICES + POLE_VERTICES, WATER_COLUMNS, WATER_ROWS);
}

/* Vertices --------------------------------------------------------------- */

static struct scene_vertex *put(struct scene_vertex *v, struct vec p, struct vec n, float s, float t)
{
    *v = (struct scene_vertex){ { p.x, p.y, p.z }, { n.x, n.y, n.z }, { s, t } };
    return v + 1;
}

/* t: the frame's phase; every wave has gone on by a whole number of its lengths when t has been around once */
static struct scene_vertex *flag(struct scene_vertex *v, int t)
{
    static struct vec p[FLAG_ROWS][FLAG_COLUMNS];

    for (unsigned y = 0; y < FLAG_ROWS; y++)
        for (unsigned x = 0; x < FLAG_COLUMNS; x++) {
            float s = x / (FLAG_COLUMNS - 1.f), d = y / (FLAG_ROWS - 1.f);
            /* fast at the pole, free at the other end */
            float loose = s * (1.5f - 0.5f * s);
            float z = 0.27f * sine(STEPS(8.2f * s + 0.9f * d) - 2 * t) + 0.085f * sine(STEPS(14.5f * s - 2.1f * d) - 3 * t) +
                      0.06f * sine(STEPS(3.f * d + 2.f * s) - t);
            float sag = 0.05f * sine(STEPS(5.f * s + 0.6f) - 2 * t) - 0.09f * s;

            p[y][x] = (struct vec){
                0.03f + FLAG_LENGTH * s * (1 - 0.05f * s) + 0.03f * loose * sine(STEPS(8.2f * s) - 2 * t + TURN / 4),
                FLAG_BOTTOM + FLAG_HEIGHT * (1 - d) + loose * sag,
                loose * z,
            };
        }
    for (unsigned y = 0; y < FLAG_ROWS; y++)
        for (unsigned x = 0; x < FLAG_COLUMNS; x++) {
            struct vec along = sub(p[y][x + (x + 1 < FLAG_COLUMNS)], p[y][x - (x > 0)]);
            struct vec down = sub(p[y + (y + 1 < FLAG_ROWS)][x], p[y - (y > 0)][x]);

            v = put(v, p[y][x], unit(cross(down, along)), x / (FLAG_COLUMNS - 1.f), y / (FLAG_ROWS - 1.f));
        }
    return v;
}

/* Its colour is that of the flag's edge. */
static struct scene_vertex *pole(struct scene_vertex *v)
{
    /* what is on top, and how wide it is; below, so many rings that what water mirrors can bend */
    static const float top[3][2] = { { -0.06f, 1 }, { 0, 1.9f }, { 0.1f, 0.1f } };
    const unsigned straight = POLE_RINGS - 3;

    for (unsigned y = 0; y < POLE_RINGS; y++) {
        float high = y < straight ? POLE_BOTTOM + y * ((POLE_TOP - 0.06f - POLE_BOTTOM) / straight) : POLE_TOP + top[y - straight][0];
        float wide = POLE_RADIUS * (y < straight ? 1 : top[y - straight][1]);

        for (unsigned x = 0; x < POLE_SIDES; x++) {
            struct vec n = { sine(x * TURN / POLE_SIDES), 0, cosine(x * TURN / POLE_SIDES) };

            v = put(v, (struct vec){ wide * n.x, high, wide * n.z }, n, 0.012f, 0.012f);
        }
    }
    return v;
}

/* How high a wave of this direction and phase is there, and how it leans */
static float wave(float x, float z, float along_x, float along_z, int phase, float high, struct vec *normal)
{
    int where = STEPS(along_x * x + along_z * z) + phase;
    float slope = high * cosine(where);

    normal->x -= slope * along_x;
    normal->z -= slope * along_z;
    return high * sine(where);
}

/* From the horizon to where it is behind whoever looks; the rows are closer where they are near. */
static struct scene_vertex *water(struct scene_vertex *v, int t)
{
    for (unsigned y = 0; y < WATER_ROWS; y++)
        for (unsigned x = 0; x < WATER_COLUMNS; x++) {
            float far = 1 - y / (WATER_ROWS - 1.f), side = 2 * x / (WATER_COLUMNS - 1.f) - 1;
            float away = far * far * far;
            struct vec p = { side * (5 + 75 * away) + 1, 0, 4 - 6.5f * far - 50 * away };
            struct vec n = { 0, 1, 0 };
            /* what is small there would be nothing but noise */
            float near = 1 - away;

            p.y = wave(p.x, p.z, 1.1f, 0.7f, -t, 0.028f * near, &n) + wave(p.x, p.z, -1.9f, 1.6f, -t, 0.02f * near, &n) +
                  wave(p.x, p.z, 0.9f, 3.7f, -2 * t, 0.013f * near, &n) +
                  wave(p.x, p.z, 4.3f, -2.6f, 2 * t, 0.009f * near * near, &n) +
                  wave(p.x, p.z, -5.2f, -4.9f, -3 * t, 0.006f * near * near, &n);
            v = put(v, p, unit(n), 0, 0);
        }
    return v;
}

/* The camera ------------------------------------------------------------- */

static void camera(struct scene_view *view, int t, float aspect)
{
    const struct vec middle = { 1.15f, 1.12f, 0 };
    const struct vec sun = unit((struct vec){ -0.36f, 0.13f, -1 });
    const float open = 0.5f, near = 0.1f, far = 100;    /* half of what is seen, by its distance, upwards */
    int turn = (int)(280 * sine(t));
    struct vec eye = { middle.x + 3.7f * sine(turn), 1.12f + 0.14f * cosine(t), middle.z + 3.7f * cosine(turn) };
    struct vec f = unit(sub(middle, eye)), r = unit(cross(f, (struct vec){ 0, 1, 0 })), u = cross(r, f);
    const float x = 1 / (open * aspect), y = -1 / open, z = far / (near - far);
    struct scene_view v = {
        .clip = {
            x * r.x, y * u.x, -z * f.x, f.x,
            x * r.y, y * u.y, -z * f.y, f.y,
            x * r.z, y * u.z, -z * f.z, f.z,
            -x * dot(r, eye), -y * dot(u, eye), z * dot(f, eye) + z * near, -dot(f, eye),
        },
        .eye = { eye.x, eye.y, eye.z, 1 },
        .sun = { sun.x, sun.y, sun.z, 0 },
        .forward = { f.x, f.y, f.z, 0 },
        .right = { r.x * open * aspect, r.y * open * aspect, r.z * open * aspect, 0 },
        .up = { u.x * open, u.y * open, u.z * open, 0 },
        .time = { sine(t), cosine(t), sine(2 * t), cosine(2 * t) },
    };

    memcpy(view, &v, sizeof(v));
}

void scene_frame(unsigned i, unsigned n, float aspect, struct scene_view *view, struct scene_vertex *v)
{
    int t = (uint64_t)(i % n) * TURN / n;

    camera(view, t, aspect);
    v = flag(v, t);
    v = pole(v);
    water(v, t);
}
