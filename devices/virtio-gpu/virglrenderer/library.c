/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirglrenderer, which renders: its start, its fences, and what contexts of
 * all its kinds have in common.  They share resources.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <virgl/virglrenderer.h>

#include "library.h"
#include "server.h"
#include "text.h"

#define MAX_MESSAGES    20          /* of the library's */
#define LOOK_NS         50000000    /* at fences that nothing is heard of */
#define VIRGL_FENCES    UINT32_MAX  /* in epoll: no context's number */

static struct {
    struct gpu *gpu;            /* whose contexts they are */
    int server;                 /* until the library has it; then -1 */
    int epoll, timer;
    bool timer_runs, virgl;
    unsigned messages;
    const struct context_kind *kinds[RENDERER_KINDS + 1];
} library = { .server = -1, .epoll = -1, .timer = -1 };

/* Fences ----------------------------------------------------------------- */

static void fence_passed(void *cookie, uint32_t ctx, uint32_t ring,
                         uint64_t fence)
{
    (void)cookie;
    gpu_fence_passed(library.gpu, ctx, ring, fence);
}

/* That of no context: nobody makes one. */
static void no_fence(void *cookie, uint32_t fence)
{
    (void)cookie, (void)fence;
}

/* The library's eventfds tell of fences, but not that a server has died, after
 * which the library gives up when it has looked often enough. */
static void look_now_and_then(bool on)
{
    const struct itimerspec t = {
        .it_value.tv_nsec = on ? LOOK_NS : 0,
        .it_interval.tv_nsec = on ? LOOK_NS : 0,
    };

    if (on == library.timer_runs)
        return;
    library.timer_runs = on;
    timerfd_settime(library.timer, 0, &t, NULL);
}

uint32_t library_fence(struct gpu *gpu, struct gpu_context *c, uint32_t ring,
                       uint64_t id)
{
    int rc = virgl_renderer_context_create_fence(c->id, 0, ring, id);

    (void)gpu;
    if (rc)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    look_now_and_then(true);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static bool ours(const struct context_kind *kind)
{
    for (unsigned i = 0; kind && library.kinds[i]; i++)
        if (library.kinds[i] == kind)
            return true;
    return false;
}

static void dispatch(struct gpu *gpu)
{
    struct epoll_event e[8];
    uint64_t ticks;
    int n = epoll_wait(library.epoll, e, 8, 0);

    if (n <= 0)
        return;
    for (int i = 0; i < n; i++)
        if (!e[i].data.u32 &&
            read(library.timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
            say(errno, "renderer");
    if (library.virgl)
        virgl_renderer_poll();
    for (unsigned i = 0; i < GPU_MAX_CONTEXTS; i++)
        if (gpu->contexts[i].id && ours(gpu->contexts[i].kind))
            virgl_renderer_context_poll(gpu->contexts[i].id);
    look_now_and_then(gpu->n_waiting);
}

static int poll_fd(void)
{
    return library.epoll;
}

/* Contexts --------------------------------------------------------------- */

uint32_t library_open(struct gpu *gpu, struct gpu_context *c, const char *name)
{
    struct epoll_event e = { .events = EPOLLIN };
    struct library_state *s = c->state;

    library.gpu = gpu;
    if (virgl_renderer_context_create_with_flags(c->id, c->kind->capset,
                                                 strlen(name), name))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    /* Those of OpenGL have one in common, which is watched already. */
    s->fence_fd = c->kind->plain_fences ?
                  -1 : virgl_renderer_context_get_poll_fd(c->id);
    e.data.u32 = c->id;
    if (s->fence_fd >= 0 &&
        epoll_ctl(library.epoll, EPOLL_CTL_ADD, s->fence_fd, &e))
        s->fence_fd = -1;       /* there is the timer */
    return VIRTIO_GPU_RESP_OK_NODATA;
}

void library_close(struct gpu *gpu, struct gpu_context *c)
{
    struct library_state *s = c->state;

    (void)gpu;
    if (s->fence_fd >= 0)
        epoll_ctl(library.epoll, EPOLL_CTL_DEL, s->fence_fd, NULL);
    virgl_renderer_context_destroy(c->id);
}

uint32_t library_submit(struct gpu *gpu, struct gpu_context *c,
                        const struct virtqueue_chain *chain, uint64_t offset,
                        uint32_t len)
{
    uint32_t *commands;
    int rc = -1;

    if (!len)
        return VIRTIO_GPU_RESP_OK_NODATA;
    if (len % sizeof(*commands))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    commands = malloc(len);
    if (!commands)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    if (virtqueue_read(chain, &gpu->mem, offset, commands, len) == len)
        rc = virgl_renderer_submit_cmd(commands, c->id,
                                       len / sizeof(*commands));
    free(commands);
    return rc ? VIRTIO_GPU_RESP_ERR_UNSPEC : VIRTIO_GPU_RESP_OK_NODATA;
}

/* Resources of other makers are none of the library's. */
void library_attach(struct gpu *gpu, struct gpu_context *c,
                    const struct gpu_resource *r)
{
    (void)gpu;
    if (ours(r->maker))
        virgl_renderer_ctx_attach_resource(c->id, r->id);
}

void library_detach(struct gpu *gpu, struct gpu_context *c,
                    const struct gpu_resource *r)
{
    (void)gpu;
    if (ours(r->maker))
        virgl_renderer_ctx_detach_resource(c->id, r->id);
}

/* The start -------------------------------------------------------------- */

static int get_server(void *cookie, uint32_t version)
{
    int fd = library.server;

    (void)cookie, (void)version;
    library.server = -1;
    return fd;
}

static void message(enum virgl_log_level_flags level, const char *text,
                    void *opaque)
{
    (void)opaque;
    if (level < VIRGL_LOG_LEVEL_WARNING || library.messages == MAX_MESSAGES)
        return;
    library.messages++;
    say(0, "virglrenderer: %.*s%s", (int)strcspn(text, "\n"), text,
        library.messages == MAX_MESSAGES ? " (no more of these)" : "");
}

int library_caps(struct context_kind *kind, uint8_t caps[CAPSET_MAX_LEN])
{
    uint32_t version = 0, size = 0;

    virgl_renderer_get_cap_set(kind->capset, &version, &size);
    if (!size || size > CAPSET_MAX_LEN)
        return -1;
    virgl_renderer_fill_caps(kind->capset, version, caps);
    kind->version = version;
    kind->caps_len = size;
    kind->caps = caps;
    return 0;
}

static int watch(int fd, uint32_t what)
{
    struct epoll_event e = { .events = EPOLLIN, .data.u32 = what };

    return epoll_ctl(library.epoll, EPOLL_CTL_ADD, fd, &e);
}

static int start(const struct renderer_config *config)
{
    static struct virgl_renderer_callbacks callbacks = {
        .version = 3, .write_fence = no_fence,
        .write_context_fence = fence_passed, .get_server_fd = get_server,
    };
    int flags = VIRGL_RENDERER_THREAD_SYNC, fd;
    unsigned n = 0;

    library.epoll = epoll_create1(EPOLL_CLOEXEC);
    library.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (library.epoll < 0 || library.timer < 0 || watch(library.timer, 0)) {
        say(errno, "starting the renderer");
        return -1;
    }
    if (config->venus) {
        flags |= VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER;
        library.server = server_start(config);
        if (library.server < 0)
            return -1;
    }
    if (config->virgl) {
        /* What has no descriptor is not to be mapped by guests. */
        flags |= VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_USE_SURFACELESS |
                 VIRGL_RENDERER_USE_EXTERNAL_BLOB;
        virgl_environment();
    } else {
        flags |= VIRGL_RENDERER_NO_VIRGL;
    }
    virgl_set_log_callback(message, NULL, NULL);
    if (virgl_renderer_init(&library, flags, &callbacks)) {
        say(0, "virglrenderer does not start%s", config->virgl ?
            ": is there OpenGL? (libegl1, libegl-mesa0)" : "");
        return -1;
    }
    if (config->virgl) {
        library.virgl = true;
        fd = virgl_renderer_get_poll_fd();
        if (fd >= 0 && watch(fd, VIRGL_FENCES))
            say(errno, "OpenGL's fences");  /* there is the timer */
        n = virgl_start(library.kinds);
        if (!n)
            return -1;
    }
    if (config->venus) {
        library.kinds[n++] = &venus_kind;
        if (venus_start(config))
            return -1;
    }
    return 0;
}

const struct renderer xenlend_gpu_renderer = {
    .kinds = library.kinds, .start = start, .fd = poll_fd,
    .dispatch = dispatch,
};
