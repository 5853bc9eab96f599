/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vulkan, by the Venus protocol: contexts of libvirglrenderer, whose render
 * server executes the commands.  What a guest maps is memory that the server
 * has made: a memfd for rings and commands, a dma-buf for what Vulkan
 * allocates, or something that only Vulkan can map ("opaque"; lavapipe without
 * /dev/udmabuf).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <virgl/virglrenderer.h>

#include "../renderer.h"
#include "server.h"
#include "text.h"

#define CAPSET          4u
#define MAX_COMMANDS    (1u << 20)  /* bytes of one submission */
#define MAX_MESSAGES    20          /* of the library's */
#define LOOK_NS         50000000    /* at fences that nothing is heard of */

struct state {
    uint32_t id;
    int fence_fd;               /* the library's; -1: not watched */
};

static struct {
    struct gpu *gpu;            /* whose contexts they are */
    bool opaque;
    int server;                 /* until the library has it; then -1 */
    int epoll, timer;
    bool timer_runs;
    unsigned messages;
    uint8_t caps[CAPSET_MAX_LEN];
} venus = { .server = -1, .epoll = -1, .timer = -1 };

/* Fences ----------------------------------------------------------------- */

static void fence_passed(void *cookie, uint32_t ctx, uint32_t ring,
                         uint64_t fence)
{
    (void)cookie;
    gpu_fence_passed(venus.gpu, ctx, ring, fence);
}

/* The library's eventfds tell of fences, but not that a server has died, after
 * which the library gives up when it has looked often enough. */
static void look_now_and_then(bool on)
{
    const struct itimerspec t = {
        .it_value.tv_nsec = on ? LOOK_NS : 0,
        .it_interval.tv_nsec = on ? LOOK_NS : 0,
    };

    if (on == venus.timer_runs)
        return;
    venus.timer_runs = on;
    timerfd_settime(venus.timer, 0, &t, NULL);
}

static uint32_t fence(struct gpu *gpu, struct gpu_context *c, uint32_t ring,
                      uint64_t id)
{
    int rc = virgl_renderer_context_create_fence(c->id, 0, ring, id);

    (void)gpu;
    if (rc)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    look_now_and_then(true);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static void dispatch(struct gpu *gpu)
{
    struct epoll_event e[8];
    uint64_t ticks;
    int n = epoll_wait(venus.epoll, e, 8, 0);

    if (n <= 0)
        return;
    for (int i = 0; i < n; i++)
        if (!e[i].data.u32 &&
            read(venus.timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
            say(errno, "renderer");
    for (unsigned i = 0; i < GPU_MAX_CONTEXTS; i++)
        if (gpu->contexts[i].id && gpu->contexts[i].kind &&
            gpu->contexts[i].kind->capset == CAPSET)
            virgl_renderer_context_poll(gpu->contexts[i].id);
    look_now_and_then(gpu->n_waiting);
}

static int poll_fd(void)
{
    return venus.epoll;
}

/* Contexts --------------------------------------------------------------- */

static uint32_t open_context(struct gpu *gpu, struct gpu_context *c,
                             const char *name)
{
    struct epoll_event e = { .events = EPOLLIN };
    struct state *s = c->state;

    venus.gpu = gpu;
    if (virgl_renderer_context_create_with_flags(c->id, CAPSET, strlen(name),
                                                 name))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    s->fence_fd = virgl_renderer_context_get_poll_fd(c->id);
    e.data.u32 = c->id;
    if (s->fence_fd >= 0 &&
        epoll_ctl(venus.epoll, EPOLL_CTL_ADD, s->fence_fd, &e))
        s->fence_fd = -1;       /* there is the timer */
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static void close_context(struct gpu *gpu, struct gpu_context *c)
{
    struct state *s = c->state;

    (void)gpu;
    if (s->fence_fd >= 0)
        epoll_ctl(venus.epoll, EPOLL_CTL_DEL, s->fence_fd, NULL);
    virgl_renderer_context_destroy(c->id);
}

static uint32_t submit(struct gpu *gpu, struct gpu_context *c,
                       const struct virtqueue_chain *chain, uint64_t offset,
                       uint32_t len)
{
    uint32_t *commands;
    int rc = -1;

    if (!len)
        return VIRTIO_GPU_RESP_OK_NODATA;
    if (len % sizeof(*commands) || len > MAX_COMMANDS)
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

/* Memory ----------------------------------------------------------------- */

/* What the server has made for this blob, to be mapped by us. */
static int take(uint32_t id, uint64_t len, struct blob *b)
{
    uint32_t type, map_info;
    uint64_t size;
    void *addr;
    int fd;

    if (virgl_renderer_resource_get_map_info(id, &map_info) ||
        virgl_renderer_resource_export_blob(id, &type, &fd))
        return -1;
    map_info &= VIRGL_RENDERER_MAP_CACHE_MASK;
    *b = (struct blob){ .len = len, .prot = PROT_READ | PROT_WRITE, .fd = fd,
                        .map_info = map_info };
    if (type != VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE)
        return 0;
    /* How it is laid out in there is the driver's affair. */
    close(fd);
    b->fd = -1;
    if (!venus.opaque || virgl_renderer_resource_map(id, &addr, &size))
        goto fail;
    b->addr = addr;
    b->other = true;
    if (!((uintptr_t)addr % XENLEND_PAGE_SIZE) &&
        len - size < XENLEND_PAGE_SIZE)
        return 0;
    virgl_renderer_resource_unmap(id);
fail:
    *b = (struct blob){ .fd = -1 };
    return -1;
}

static uint32_t blob(struct gpu *gpu, struct gpu_context *c,
                     const struct gpu_resource *r, uint64_t blob_id,
                     uint64_t len, uint32_t flags, struct blob *new)
{
    struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = r->id, .ctx_id = c->id,
        .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D, .blob_flags = flags,
        .blob_id = blob_id, .size = len,
    };

    if (virgl_renderer_resource_create_blob(&args))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE && take(r->id, len, new)) {
        gpu_message(gpu, "blob %llu of context %u cannot be mapped%s",
                    (unsigned long long)blob_id, c->id,
                    venus.opaque ? "" : " (--opaque)");
        virgl_renderer_resource_unref(r->id);
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    if (!new->len)              /* nobody will map it */
        *new = (struct blob){ .fd = -1 };
    virgl_renderer_ctx_attach_resource(c->id, r->id);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static void forget(struct gpu *gpu, const struct gpu_resource *r)
{
    (void)gpu;
    /* What take() has had mapped stays mapped otherwise; an error if it has
     * not. */
    virgl_renderer_resource_unmap(r->id);
    virgl_renderer_resource_unref(r->id);
}

/* Resources of other kinds of context are none of the library's. */
static void attach(struct gpu *gpu, struct gpu_context *c,
                   const struct gpu_resource *r)
{
    (void)gpu;
    if (r->maker && r->maker->capset == CAPSET)
        virgl_renderer_ctx_attach_resource(c->id, r->id);
}

static void detach(struct gpu *gpu, struct gpu_context *c,
                   const struct gpu_resource *r)
{
    (void)gpu;
    if (r->maker && r->maker->capset == CAPSET)
        virgl_renderer_ctx_detach_resource(c->id, r->id);
}

static struct context_kind kind = {
    .capset = CAPSET, .caps = venus.caps, .state_len = sizeof(struct state),
    .blob = blob, .submit = submit, .open = open_context,
    .close = close_context, .attach = attach, .detach = detach,
    .forget = forget, .fence = fence,
};

/* The start -------------------------------------------------------------- */

static int get_server(void *cookie, uint32_t version)
{
    int fd = venus.server;

    (void)cookie, (void)version;
    venus.server = -1;
    return fd;
}

static void message(enum virgl_log_level_flags level, const char *text,
                    void *opaque)
{
    (void)opaque;
    if (level < VIRGL_LOG_LEVEL_WARNING || venus.messages == MAX_MESSAGES)
        return;
    venus.messages++;
    say(0, "virglrenderer: %.*s%s", (int)strcspn(text, "\n"), text,
        venus.messages == MAX_MESSAGES ? " (no more of these)" : "");
}

/*
 * The library loads Vulkan when something opaque is mapped for the first time.
 * By then files can no longer be opened, so let it fail once before.
 */
static int load_vulkan(void)
{
    struct virgl_renderer_resource_import_blob_args args = {
        .res_handle = 1, .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
        .fd_type = VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE,
        .size = XENLEND_PAGE_SIZE,
    };
    uint64_t size;
    void *addr;

    args.fd = memfd_create("nothing", MFD_CLOEXEC);
    if (args.fd < 0)
        return -1;
    if (virgl_renderer_resource_import_blob(&args)) {
        close(args.fd);
        return -1;
    }
    if (!virgl_renderer_resource_map(args.res_handle, &addr, &size))
        virgl_renderer_resource_unmap(args.res_handle);
    virgl_renderer_resource_unref(args.res_handle);
    return 0;
}

static int start(const struct renderer_config *config)
{
    static struct virgl_renderer_callbacks callbacks = {
        .version = 3, .write_context_fence = fence_passed,
        .get_server_fd = get_server,
    };
    struct epoll_event e = { .events = EPOLLIN };
    uint32_t version = 0, size = 0;

    venus.opaque = config->opaque;
    venus.epoll = epoll_create1(EPOLL_CLOEXEC);
    venus.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (venus.epoll < 0 || venus.timer < 0 ||
        epoll_ctl(venus.epoll, EPOLL_CTL_ADD, venus.timer, &e)) {
        say(errno, "starting the renderer");
        return -1;
    }
    venus.server = server_start(config);
    if (venus.server < 0)
        return -1;
    virgl_set_log_callback(message, NULL, NULL);
    if (virgl_renderer_init(&venus, VIRGL_RENDERER_VENUS |
                            VIRGL_RENDERER_NO_VIRGL |
                            VIRGL_RENDERER_RENDER_SERVER |
                            VIRGL_RENDERER_THREAD_SYNC, &callbacks)) {
        say(0, "virglrenderer does not start");
        return -1;
    }
    virgl_renderer_get_cap_set(CAPSET, &version, &size);
    if (!size || size > sizeof(venus.caps)) {
        say(0, "this virglrenderer has no Venus");
        return -1;
    }
    virgl_renderer_fill_caps(CAPSET, version, venus.caps);
    kind.version = version;
    kind.caps_len = size;
    if (config->opaque && load_vulkan()) {
        say(0, "Vulkan does not load here");
        return -1;
    }
    return 0;
}

const struct renderer xenlend_gpu_renderer = {
    .kind = &kind, .start = start, .fd = poll_fd, .dispatch = dispatch,
};
