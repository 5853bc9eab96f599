// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cubes: an animation by OpenGL ES for whoever can tell whether each picture of it is as it has to be: cubes with a texture, some
 * before others.  It is drawn to a texture and read back from there; with --kms that texture is drawn to the display's own buffers, pixel for
 * pixel.  The processor computes where each corner is, by additions, multiplications and divisions alone, and all pictures are
 * the same for one driver, wherever it runs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>
#include <gbm.h>

#include "../src/display.h"
#include "../src/sums.h"

enum { GOOD, WRONG, FAILED, NO_DEVICE };

#define CUBES  24
#define CORNERS  (CUBES * 6 * 4)
#define INDICES  (CUBES * 6 * 6)
#define TEXTURE  64  /* texels of a side, each way; six sides, one below the other */

struct corner {
    float position[4], uv[2];
};

struct cubes {
    unsigned width, height, frames, loops;
    const char *kms, *expect, *sums_file, *want;
    EGLDisplay egl;
    EGLContext context;
    EGLConfig config;
    EGLSurface surface;
    struct display display;
    struct gbm_device *gbm;
    struct gbm_surface *window;
    struct gbm_bo *shown;
    GLuint target, depth, fbo, texture, program, quad, buffer, index, quad_buffer;
    struct corner corner[CORNERS];
    uint8_t *pixels;
    struct sums expected, sums;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* ---- what there is to see ---- */

/* A turn by angle 4 * atan(t): no function of the C library's, which may differ with the processor. */
static void turn(float t, float *c, float *s)
{
    float c1 = (1 - t * t) / (1 + t * t), s1 = 2 * t / (1 + t * t);

    *c = c1 * c1 - s1 * s1;
    *s = 2 * c1 * s1;
}

static void place(struct cubes *w, unsigned frame)
{
    /* two axes of each side, and the third to where it is */
    static const int axis[6][3] = { { 0, 1, 2 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 1, 0 }, { 2, 0, 1 }, { 0, 2, 1 } };
    float aspect = (float)w->width / w->height;
    struct corner *to = w->corner;

    for (unsigned k = 0; k < CUBES; k++) {
        float cx, sx, cy, sy, at[3] = { k % 6 * 1.5f - 3.75f, k / 6 * 1.5f - 2.25f, -7.0f - k % 5 * 0.8f };
        /* from -1 to 1 over the animation: a whole turn and back where it was */
        float phase = (2.0f * ((frame + k * 3) % w->frames) + 1) / w->frames - 1;

        turn(phase, &cx, &sx);
        turn(0.3f + phase / 2, &cy, &sy);
        for (unsigned side = 0; side < 6; side++)
            for (unsigned i = 0; i < 4; i++, to++) {
                float p[3], y, z;

                p[axis[side][0]] = i & 1 ? 0.45f : -0.45f;
                p[axis[side][1]] = i & 2 ? 0.45f : -0.45f;
                p[axis[side][2]] = side & 1 ? 0.45f : -0.45f;
                y = p[1] * cx - p[2] * sx;
                z = p[1] * sx + p[2] * cx;
                p[1] = y;
                p[2] = z;
                y = p[0] * cy + p[2] * sy;
                z = p[2] * cy - p[0] * sy;
                p[0] = y + at[0];
                p[1] += at[1];
                p[2] = z + at[2];
                to->position[0] = p[0] * 1.9f / aspect;
                to->position[1] = p[1] * 1.9f;
                to->position[2] = -p[2] * 1.2f - 4;
                to->position[3] = -p[2];
                to->uv[0] = i & 1 ? 0.999f : 0.001f;
                to->uv[1] = (side + (i & 2 ? 0.999f : 0.001f)) / 6;
            }
    }
}

/* With its light: a product in a shader may be rounded one way or the other, texels are as they are. */
static void paint(uint8_t *rgba)
{
    for (unsigned line = 0; line < 6 * TEXTURE; line++)
        for (unsigned x = 0; x < TEXTURE; x++, rgba += 4) {
            unsigned y = line % TEXTURE, light = 8 + line / TEXTURE;
            bool edge = x < 3 || y < 3 || x >= TEXTURE - 3 || y >= TEXTURE - 3, dark = (x / 8 + y / 8) & 1;

            rgba[0] = (edge ? 250 : dark ? 30 : x * 3 + 50) * light / 14;
            rgba[1] = (edge ? 240 : dark ? 90 + y : 200 - y * 2) * light / 14;
            rgba[2] = (edge ? 200 : dark ? 180 : (x ^ y) * 2 + 40) * light / 14;
            rgba[3] = 255;
        }
}

/* ---- OpenGL ---- */

static bool failed(const char *what)
{
    fprintf(stderr, "cubes: %s: EGL error %#x, OpenGL error %#x\n", what, eglGetError(), eglGetCurrentContext() ? glGetError() : 0);
    return false;
}

static GLuint shader(GLenum kind, const char *text)
{
    GLuint s = glCreateShader(kind);
    char log[500] = "";
    GLint good;

    glShaderSource(s, 1, &text, NULL);
    glCompileShader(s);
    glGetShaderiv(s, GL_COMPILE_STATUS, &good);
    if (good)
        return s;
    glGetShaderInfoLog(s, sizeof(log), NULL, log);
    fprintf(stderr, "cubes: shader: %s\n", log);
    return 0;
}

static GLuint program(const char *vertex, const char *fragment)
{
    GLuint p = glCreateProgram(), v = shader(GL_VERTEX_SHADER, vertex), f = shader(GL_FRAGMENT_SHADER, fragment);
    GLint good;

    if (!v || !f)
        return 0;
    glAttachShader(p, v);
    glAttachShader(p, f);
    glBindAttribLocation(p, 0, "position");
    glBindAttribLocation(p, 1, "uv");
    glLinkProgram(p);
    glGetProgramiv(p, GL_LINK_STATUS, &good);
    return good ? p : 0;
}

static GLuint new_texture(unsigned width, unsigned height, const void *pixels)
{
    GLuint t;

    glGenTextures(1, &t);
    glBindTexture(GL_TEXTURE_2D, t);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, width, height, 0, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
    return t;
}

static bool context(struct cubes *w)
{
    PFNEGLGETPLATFORMDISPLAYEXTPROC get = (PFNEGLGETPLATFORMDISPLAYEXTPROC)eglGetProcAddress("eglGetPlatformDisplayEXT");
    const EGLint attributes[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
    const EGLint wanted[] = {
        EGL_SURFACE_TYPE, w->kms ? EGL_WINDOW_BIT : EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT,
        EGL_RED_SIZE, 8, EGL_GREEN_SIZE, 8, EGL_BLUE_SIZE, 8, EGL_NONE,
    };
    EGLConfig configs[64];
    EGLint n = 0, visual;

    if (w->kms) {
        w->gbm = gbm_create_device(w->display.fd);
        if (!w->gbm)
            return failed("gbm_create_device");
    }
    w->egl = !get ? EGL_NO_DISPLAY : w->kms ? get(EGL_PLATFORM_GBM_KHR, w->gbm, NULL)
                        : get(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
    if (w->egl == EGL_NO_DISPLAY || !eglInitialize(w->egl, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API))
        return failed("EGL");
    if (!eglChooseConfig(w->egl, wanted, configs, 64, &n) || !n)
        return failed("eglChooseConfig");
    w->config = configs[0];
    for (EGLint i = 0; w->kms && i < n; i++)
        if (eglGetConfigAttrib(w->egl, configs[i], EGL_NATIVE_VISUAL_ID, &visual) && visual == GBM_FORMAT_XRGB8888)
            w->config = configs[i];
    w->context = eglCreateContext(w->egl, w->config, EGL_NO_CONTEXT, attributes);
    if (w->context == EGL_NO_CONTEXT)
        return failed("eglCreateContext");
    w->surface = EGL_NO_SURFACE;
    if (w->kms) {
        w->window = gbm_surface_create(w->gbm, w->width, w->height, GBM_FORMAT_XRGB8888,
                                       GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);
        if (w->window)
            w->surface = eglCreateWindowSurface(w->egl, w->config, (EGLNativeWindowType)w->window, NULL);
        if (w->surface == EGL_NO_SURFACE)
            return failed("a window's surface");
    }
    return eglMakeCurrent(w->egl, w->surface, w->surface, w->context) || failed("eglMakeCurrent");
}

static bool objects(struct cubes *w)
{
    static const char fragment[] = "precision highp float; uniform sampler2D picture; varying vec2 at;\n"
                                   "void main() { gl_FragColor = vec4(texture2D(picture, at).rgb, 1.0); }\n";
    static const float square[4][2] = { { -1, -1 }, { 1, -1 }, { -1, 1 }, { 1, 1 } };
    static uint8_t texels[TEXTURE * TEXTURE * 6 * 4];
    static uint16_t index[INDICES];

    w->program = program("attribute vec4 position; attribute vec2 uv; varying vec2 at;\n"
                         "void main() { gl_Position = position; at = uv; }\n", fragment);
    w->quad = program("attribute vec4 position; varying vec2 at;\n"
                      "void main() { gl_Position = vec4(position.xy, 0.0, 1.0); at = position.xy * 0.5 + 0.5; }\n",
                      fragment);
    if (!w->program || !w->quad)
        return false;
    paint(texels);
    w->texture = new_texture(TEXTURE, 6 * TEXTURE, texels);
    w->target = new_texture(w->width, w->height, NULL);
    glGenRenderbuffers(1, &w->depth);
    glBindRenderbuffer(GL_RENDERBUFFER, w->depth);
    glRenderbufferStorage(GL_RENDERBUFFER, GL_DEPTH_COMPONENT16, w->width, w->height);
    glGenFramebuffers(1, &w->fbo);
    glBindFramebuffer(GL_FRAMEBUFFER, w->fbo);
    glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, w->target, 0);
    glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_ATTACHMENT, GL_RENDERBUFFER, w->depth);
    if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
        return failed("framebuffer");
    for (unsigned i = 0; i < INDICES; i++)
        index[i] = i / 6 * 4 + (uint8_t[]){ 0, 1, 2, 2, 1, 3 }[i % 6];
    glGenBuffers(1, &w->index);
    glBindBuffer(GL_ELEMENT_ARRAY_BUFFER, w->index);
    glBufferData(GL_ELEMENT_ARRAY_BUFFER, sizeof(index), index, GL_STATIC_DRAW);
    glGenBuffers(1, &w->buffer);
    glBindBuffer(GL_ARRAY_BUFFER, w->buffer);
    glBufferData(GL_ARRAY_BUFFER, sizeof(w->corner), NULL, GL_DYNAMIC_DRAW);
    glGenBuffers(1, &w->quad_buffer);
    glBindBuffer(GL_ARRAY_BUFFER, w->quad_buffer);
    glBufferData(GL_ARRAY_BUFFER, sizeof(square), square, GL_STATIC_DRAW);
    return glGetError() == GL_NO_ERROR || failed("objects");
}

static void draw(struct cubes *w)
{
    const GLsizei size = sizeof(struct corner);

    glBindFramebuffer(GL_FRAMEBUFFER, w->fbo);
    glViewport(0, 0, w->width, w->height);
    glEnable(GL_DEPTH_TEST);
    glClearColor(0.125f, 0.1875f, 0.25f, 1);
    glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
    glUseProgram(w->program);
    glBindTexture(GL_TEXTURE_2D, w->texture);
    glBindBuffer(GL_ARRAY_BUFFER, w->buffer);
    glBufferSubData(GL_ARRAY_BUFFER, 0, sizeof(w->corner), w->corner);
    glVertexAttribPointer(0, 4, GL_FLOAT, GL_FALSE, size, (void *)offsetof(struct corner, position));
    glVertexAttribPointer(1, 2, GL_FLOAT, GL_FALSE, size, (void *)offsetof(struct corner, uv));
    glEnableVertexAttribArray(0);
    glEnableVertexAttribArray(1);
    glDrawElements(GL_TRIANGLES, INDICES, GL_UNSIGNED_SHORT, NULL);
    glReadPixels(0, 0, w->width, w->height, GL_RGBA, GL_UNSIGNED_BYTE, w->pixels);
}

/* OpenGL's first line is the lowest one; pictures begin at the top. */
static void turn_over(struct cubes *w)
{
    size_t line = 4 * (size_t)w->width;

    for (unsigned y = 0; y < w->height / 2; y++) {
        uint8_t *a = w->pixels + y * line, *b = w->pixels + (w->height - 1 - y) * line;

        for (size_t x = 0; x < line; x++) {
            uint8_t t = a[x];

            a[x] = b[x];
            b[x] = t;
        }
    }
}

static bool show(struct cubes *w)
{
    struct gbm_bo *bo;

    glBindFramebuffer(GL_FRAMEBUFFER, 0);
    glViewport(0, 0, w->width, w->height);
    glDisable(GL_DEPTH_TEST);
    glUseProgram(w->quad);
    glBindTexture(GL_TEXTURE_2D, w->target);
    glBindBuffer(GL_ARRAY_BUFFER, w->quad_buffer);
    glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, NULL);
    glDisableVertexAttribArray(1);
    glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
    if (!eglSwapBuffers(w->egl, w->surface))
        return failed("eglSwapBuffers");
    bo = gbm_surface_lock_front_buffer(w->window);
    if (!bo)
        return failed("gbm_surface_lock_front_buffer");
    if (!display_flip(&w->display, gbm_bo_get_handle(bo).u32, gbm_bo_get_stride(bo)))
        return false;
    if (w->shown)
        gbm_surface_release_buffer(w->window, w->shown);
    w->shown = bo;
    return true;
}

/* ---- all of it ---- */

/*
 * Linux waits 15 s for a GPU, then Mesa takes what is there.  Where the other side's compiler is emulated it may take longer
 * than that for the first picture, and is not wrong: it is waited for.
 */
static void warm_up(struct cubes *w)
{
    for (unsigned i = 0; i < 5; i++) {
        place(w, 0);
        draw(w);
        turn_over(w);
        if (!w->expect || sums_of(w->pixels, (size_t)w->width * w->height) == w->expected.sum[0])
            break;
        printf("not drawn in time\n");
    }
}

static int run(struct cubes *w)
{
    size_t n = (size_t)w->width * w->height;
    double start = now(), first = 0;
    unsigned wrong = 0, done = 0;

    if (w->kms && !display_open(&w->display, w->kms))
        return FAILED;
    if (!context(w))
        return NO_DEVICE;
    printf("device: %s, %s\n", glGetString(GL_RENDERER), glGetString(GL_VERSION));
    if (w->want && !strstr((const char *)glGetString(GL_RENDERER), w->want)) {
        fprintf(stderr, "cubes: that is not %s\n", w->want);
        return NO_DEVICE;
    }
    if (!objects(w))
        return FAILED;
    warm_up(w);
    for (unsigned i = 0; i < w->frames * w->loops; i++) {
        unsigned f = i % w->frames;
        uint32_t sum;

        memset(w->pixels, 0x5a, n * 4);
        place(w, f);
        draw(w);
        turn_over(w);
        sum = sums_of(w->pixels, n);
        if (i < w->frames) {
            w->sums.sum[f] = sum;
            w->sums.known[f] = true;
            w->sums.n = f + 1;
        }
        if (sum != w->sums.sum[f] || (w->expect && sum != w->expected.sum[f])) {
            wrong++;
            printf("frame %u: %08x, not %08x\n", i, sum, w->expect ? w->expected.sum[f] : w->sums.sum[f]);
        }
        if (w->kms && !show(w))
            return FAILED;
        if (!done++) {
            first = now();
            printf("first frame after %.3f s\n", first - start);
        }
    }
    if (glGetError() != GL_NO_ERROR)
        return failed("drawing") ? GOOD : FAILED;
    printf("%u frames of %u x %u", done, w->width, w->height);
    if (done > 1)
        printf(", %.2f frames per second", (done - 1) / (now() - first));
    printf(", %u wrong\n", wrong);
    if (w->sums_file && !sums_write(&w->sums, w->sums_file, w->width, w->height))
        return FAILED;
    return wrong ? WRONG : GOOD;
}

static int usage(void)
{
    fprintf(stderr, "Usage: cubes [--size WxH] [--frames N] [--loops N] [--kms CARD] [--sums FILE] [--expect FILE] [--device TEXT]\n");
    return FAILED;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "size", 1, NULL, 's' }, { "frames", 1, NULL, 'f' }, { "loops", 1, NULL, 'l' }, { "kms", 1, NULL, 'k' },
        { "sums", 1, NULL, 'o' }, { "expect", 1, NULL, 'e' }, { "device", 1, NULL, 'd' }, { 0 },
    };
    static struct cubes w = { .width = 320, .height = 240, .frames = 8, .loops = 1 };
    int opt, rc;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1)
        switch (opt) {
        case 's':
            if (sscanf(optarg, "%4ux%4u", &w.width, &w.height) != 2)
                return usage();
            break;
        case 'f':
            w.frames = strtoul(optarg, NULL, 10);
            break;
        case 'l':
            w.loops = strtoul(optarg, NULL, 10);
            break;
        case 'k':
            w.kms = optarg;
            break;
        case 'o':
            w.sums_file = optarg;
            break;
        case 'e':
            w.expect = optarg;
            break;
        case 'd':
            w.want = optarg;
            break;
        default:
            return usage();
        }
    if (optind < argc || !w.width || !w.height || !w.frames || w.frames > SUMS_MAX || !w.loops)
        return usage();
    if (w.expect && (!sums_read(&w.expected, w.expect) || w.expected.n < w.frames)) {
        fprintf(stderr, "cubes: %s does not have all frames\n", w.expect);
        return FAILED;
    }
    w.pixels = malloc((size_t)w.width * w.height * 4);
    if (!w.pixels)
        return FAILED;
    rc = run(&w);
    if (w.egl != EGL_NO_DISPLAY)
        eglTerminate(w.egl);
    return rc;
}
