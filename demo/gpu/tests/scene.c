/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of all that waves computes without a GPU.  TAP on stdout. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/scene.h"
#include "../src/sums.h"
#include "../src/texture.h"
#include "tap.h"

static struct scene_vertex a[SCENE_VERTICES + 1], b[SCENE_VERTICES];
static struct scene_view va, vb;
static char path[] = "/tmp/xenlend-waves-XXXXXX";

static void frames(void)
{
    unsigned odd = 0, same = 0, behind = 0;
    struct scene_vertex canary;

    memset(&a[SCENE_VERTICES], 0xa5, sizeof(canary));
    canary = a[SCENE_VERTICES];
    scene_frame(0, 32, 1.5f, &va, a);
    ok(!memcmp(&canary, &a[SCENE_VERTICES], sizeof(canary)), "no vertex is beyond the last");
    for (unsigned i = 0; i < SCENE_VERTICES; i++) {
        const float *n = a[i].normal, *p = a[i].position;

        odd += !(fabsf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2] - 1) < 1e-4f);
        odd += !isfinite(p[0]) || !isfinite(p[1]) || !isfinite(p[2]);
        odd += !(a[i].uv[0] >= 0 && a[i].uv[0] <= 1 && a[i].uv[1] >= 0 && a[i].uv[1] <= 1);
        if (i < FLAG_VERTICES)
            behind += !(va.clip[3] * p[0] + va.clip[7] * p[1] + va.clip[11] * p[2] + va.clip[15] > 1);
    }
    eq(odd, 0, "each vertex is a place, with a direction of length 1");
    eq(behind, 0, "all of the flag is before the eye");
    scene_frame(32, 32, 1.5f, &vb, b);
    ok(!memcmp(a, b, sizeof(b)) && !memcmp(&va, &vb, sizeof(va)), "frame n is frame 0 again");
    for (unsigned i = 1; i < 32; i++) {
        scene_frame(i, 32, 1.5f, &vb, b);
        same += !memcmp(a, b, sizeof(b));
    }
    eq(same, 0, "... and no other is");
    scene_frame(31, 32, 1.5f, &vb, b);
    for (unsigned i = 0; i < FLAG_VERTICES; i++)
        for (unsigned k = 0; k < 3; k++)
            odd += fabsf(a[i].position[k] - b[i].position[k]) > 0.3f;
    eq(odd, 0, "the flag does not jump at the end");
}

static void triangles(void)
{
    uint16_t *index = malloc(SCENE_INDICES * sizeof(*index));
    static bool used[SCENE_VERTICES];
    unsigned bad = 0, unused = 0;

    if (!index)
        die("no memory");
    memset(index, 0xff, SCENE_INDICES * sizeof(*index));
    scene_indices(index);
    for (unsigned i = 0; i < SCENE_INDICES; i++) {
        bad += index[i] >= SCENE_VERTICES;
        if (index[i] < SCENE_VERTICES)
            used[index[i]] = true;
    }
    for (unsigned i = 0; i < SCENE_INDICES; i += 3)
        bad += index[i] == index[i + 1] || index[i + 1] == index[i + 2] || index[i] == index[i + 2];
    for (unsigned i = 0; i < SCENE_VERTICES; i++)
        unused += !used[i];
    eq(bad, 0, "triangles have three vertices that there are");
    eq(unused, 0, "every vertex is one of some triangle's");
    free(index);
}

static void texture(void)
{
    uint8_t *pixels = malloc(4 * TEXTURE_PIXELS);
    unsigned expected = 0, clear = 0, light = 0;

    for (unsigned i = 0; i < TEXTURE_LEVELS; i++)
        expected += (TEXTURE_WIDTH >> i) * (TEXTURE_HEIGHT >> i);
    eq(TEXTURE_PIXELS, expected, "the texture has room for its levels");
    if (!pixels)
        die("no memory");
    memset(pixels, 0, 4 * TEXTURE_PIXELS);
    texture_make(pixels);
    for (unsigned i = 0; i < TEXTURE_PIXELS; i++)
        clear += pixels[4 * i + 3] != 255;
    eq(clear, 0, "every pixel is there");
    for (unsigned i = 0; i < TEXTURE_WIDTH * TEXTURE_HEIGHT; i++)
        light += pixels[4 * i] > 200;
    ok(light > 10000 && light < 40000, "so much of it is letters and rims: %u", light);
    free(pixels);
}

static bool reads(const char *text, struct sums *s)
{
    FILE *f = fopen(path, "we");

    if (!f || fputs(text, f) < 0 || fclose(f))
        die("%s cannot be written", path);
    return sums_read(s, path);
}

static void files(void)
{
    /* what zlib has to say of the second */
    static const uint8_t some[] = { 1, 2, 3, 0, 4, 5, 6, 99 }, opaque[] = { 1, 2, 3, 255, 4, 5, 6, 255 };
    static struct sums s, t;

    eqx(sums_of(opaque, 2), 0x8016664b, "a checksum is that of zlib");
    eqx(sums_of(some, 2), 0x8016664b, "... and does not depend on alpha");
    eqx(sums_of(some, 0), 0, "... of nothing");
    ok(reads("# none\n\n0 deadbeef\n7 00000001\n", &s) && s.n == 8 && s.known[0] && s.sum[0] == 0xdeadbeef && !s.known[1] &&
       s.sum[7] == 1, "a file of sums is read");
    ok(sums_write(&s, path, 3, 4) && sums_read(&t, path) && !memcmp(&s, &t, sizeof(s)), "... and is the same once written");
    ok(!reads("0 deadbeef\n0 deadbeef\n", &s), "a frame that is there twice is refused");
    ok(!reads("0 deadbeef more\n", &s), "... a line with more in it");
    ok(!reads("0\n", &s), "... one without a sum");
    ok(!reads("4096 deadbeef\n", &s), "... a frame beyond the last");
    ok(!sums_read(&s, "/nowhere/sums"), "... a file that is not there");
    ok(!sums_read(&s, "/"), "... a folder");
    ok(!sums_write(&t, "/dev/full", 3, 4), "a disk that is full is noticed");
}

int main(void)
{
    int fd = mkstemp(path);

    if (fd < 0)
        die("%s cannot be made", path);
    close(fd);
    tap_begin("waves");
    frames();
    triangles();
    texture();
    files();
    unlink(path);
    return tap_end();
}
