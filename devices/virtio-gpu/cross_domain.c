/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contexts of the cross-domain protocol: they say how an image is laid out in
 * memory, and make that memory; and have a channel to a Wayland compositor of the
 * host, if there is one (--wayland).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <drm/drm_fourcc.h>

#include "channel.h"
#include "connector.h"
#include "context.h"
#include "cross_domain.h"
#include "test.h"

#define MAX_SIZES   256u    /* that images of one context have */
#define ALIGN       64u     /* bytes, of a line */

struct state {
    uint32_t query_resource;    /* 0: none yet */
    unsigned n;
    uint64_t sizes[MAX_SIZES];  /* blob_id / 2 - 1: which */
    struct channel *channel;    /* NULL: none */
};

static const struct format { uint32_t fourcc; uint8_t bytes, chroma; } formats[] = {
    { DRM_FORMAT_XRGB8888, 4, 0 }, { DRM_FORMAT_ARGB8888, 4, 0 },
    { DRM_FORMAT_XBGR8888, 4, 0 }, { DRM_FORMAT_ABGR8888, 4, 0 },
    { DRM_FORMAT_RGB565, 2, 0 },   { DRM_FORMAT_R8, 1, 0 },
    { DRM_FORMAT_NV12, 1, 1 },
};

/* A resource of the context's of the guest's memory, which may be another one
 * than it was.  NULL: it is none */
static struct gpu_resource *ring(struct gpu *gpu, const struct gpu_context *c,
                                 uint32_t id, uint64_t size)
{
    struct gpu_resource *r = id ? gpu_find(gpu, id) : NULL;

    return r && context_has(gpu, c, r) &&
           r->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST && r->size >= size
           ? r : NULL;
}

static uint32_t init(struct gpu *gpu, struct gpu_context *c,
                     const struct virtqueue_chain *chain, uint64_t offset,
                     uint32_t len)
{
    struct state *s = c->state;
    struct cross_domain_init_1 q = { 0 };
    struct cross_domain_init *i = &q.init;

    if ((len != sizeof(q) && len != sizeof(*i) && len != sizeof(*i) - 4) ||
        virtqueue_read(chain, &gpu->mem, offset, &q, len) != len ||
        q.version > 1)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (len < sizeof(*i)) {     /* one resource for both, and then the type */
        i->channel = i->channel_resource;
        i->channel_resource = i->query_resource;
    }
    if (!ring(gpu, c, i->query_resource, sizeof(struct cross_domain_answer)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (i->channel) {
        if (i->channel != CROSS_DOMAIN_WAYLAND || !gpu->config.connector ||
            s->channel || !ring(gpu, c, i->channel_resource, CHANNEL_BUFFER))
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        s->channel = channel_new(gpu, gpu->config.connector,
                                 (uint64_t)(c - gpu->contexts) << 32);
        if (!s->channel)
            return errno == EPIPE ? VIRTIO_GPU_RESP_ERR_UNSPEC
                                  : VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        s->channel->ring = i->channel_resource;
        s->channel->ids = q.version ? CROSS_DOMAIN_IDS_1 : CROSS_DOMAIN_IDS;
    }
    s->query_resource = i->query_resource;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* The id of blobs of a size, 0 if there are too many sizes */
static uint32_t size_id(struct state *s, uint64_t size)
{
    unsigned i;

    for (i = 0; i < s->n; i++)
        if (s->sizes[i] == size)
            break;
    if (i == MAX_SIZES)
        return 0;
    if (i == s->n)
        s->sizes[s->n++] = size;
    return 2 * (i + 1);         /* odd ones are of what came by a channel */
}

static bool lay_out(const struct cross_domain_query *q,
                    struct cross_domain_answer *a)
{
    for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const struct format *f = &formats[i];
        uint64_t stride, luma;

        if (f->fourcc != q->format)
            continue;
        stride = ((uint64_t)q->width * f->bytes + ALIGN - 1) / ALIGN * ALIGN;
        luma = stride * q->height;
        a->strides[0] = stride;
        a->size = luma;
        if (f->chroma) {    /* pairs, half as many each way */
            a->strides[1] = stride;
            a->offsets[1] = luma;
            a->size += stride * ((q->height + 1) / 2);
        }
        a->size = (a->size + XENLEND_PAGE_SIZE - 1) &
                  ~(uint64_t)(XENLEND_PAGE_SIZE - 1);
        return true;
    }
    return false;
}

static uint32_t requirements(struct gpu *gpu, struct gpu_context *c,
                             const struct virtqueue_chain *chain,
                             uint64_t offset, uint32_t len)
{
    struct state *s = c->state;
    struct cross_domain_query q;
    struct cross_domain_answer a = {
        .modifier = DRM_FORMAT_MOD_LINEAR,
        .map_info = VIRTIO_GPU_MAP_CACHE_CACHED,
        .memory_index = -1, .device_index = -1,     /* none of Vulkan's */
    };
    struct gpu_resource *r;

    if (len != sizeof(q) ||
        virtqueue_read(chain, &gpu->mem, offset, &q, len) != len)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    r = ring(gpu, c, s->query_resource, sizeof(a));
    if (!r || !q.width || !q.height || q.width > GPU_MAX_SIDE ||
        q.height > GPU_MAX_SIDE || !lay_out(&q, &a))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    a.blob_id = size_id(s, a.size);
    if (!a.blob_id)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    if (backing_write(&r->backing, &gpu->mem, 0, &a, sizeof(a)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Channels -------------------------------------------------------------- */

/* len bytes of a command, with one more that is not used; to be freed */
static void *copied(struct gpu *gpu, const struct virtqueue_chain *chain,
                    uint64_t offset, uint32_t len)
{
    void *p = malloc(len + 1);

    if (p && virtqueue_read(chain, &gpu->mem, offset, p, len) != len) {
        free(p);
        return NULL;
    }
    return p;
}

static uint32_t send_with(struct gpu *gpu, struct gpu_context *c,
                          const struct cross_domain_message *m,
                          const uint32_t *table, const void *data)
{
    struct channel *ch = ((struct state *)c->state)->channel;
    const uint32_t *types = table + ch->ids;
    uint32_t rc = VIRTIO_GPU_RESP_OK_NODATA;
    int fds[CHANNEL_FDS], err;
    bool pipes[CHANNEL_FDS] = { false };
    unsigned n;

    for (n = 0; n < m->n; n++) {
        struct gpu_resource *r;

        if (types[n] == CROSS_DOMAIN_ID_BLOB) {
            r = gpu_find(gpu, table[n]);
            /* There are blobs of which there is no descriptor. */
            if (!r || !context_has(gpu, c, r) || !r->blob.len ||
                r->blob.fd < 0) {
                rc = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
                break;
            }
            fds[n] = r->blob.fd;
        } else if (types[n] == CROSS_DOMAIN_ID_READ_PIPE &&
                   table[n] >= CROSS_DOMAIN_READ_PIPES) {
            err = channel_pipe(ch, table[n], &fds[n]);
            if (err) {
                rc = err == EEXIST ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
                                   : context_response(err);
                break;
            }
            pipes[n] = true;
        } else {
            rc = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
            break;
        }
    }
    if (rc == VIRTIO_GPU_RESP_OK_NODATA)
        rc = context_response(channel_send(ch, data, m->len, fds, n));
    for (unsigned i = 0; i < n; i++) {
        if (!pipes[i])
            continue;
        close(fds[i]);
        if (rc != VIRTIO_GPU_RESP_OK_NODATA)
            channel_unpipe(ch, table[i]);
    }
    return rc;
}

static uint32_t send_message(struct gpu *gpu, struct gpu_context *c,
                             const struct virtqueue_chain *chain,
                             uint64_t offset, uint32_t len)
{
    const struct state *s = c->state;
    struct cross_domain_message m;
    uint32_t table[3 * CHANNEL_FDS], table_len, rest;
    uint32_t rc = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    char *data;

    if (!s->channel)
        return rc;
    table_len = 3 * s->channel->ids * sizeof(*table);
    if (len < sizeof(m) + table_len ||
        virtqueue_read(chain, &gpu->mem, offset, &m, sizeof(m)) != sizeof(m) ||
        virtqueue_read(chain, &gpu->mem, offset + sizeof(m), table,
                       table_len) != table_len)
        return rc;
    rest = len - sizeof(m) - table_len;
    /* Descriptors go with a byte at least. */
    if (m.n > s->channel->ids || m.len > rest || (m.n && !m.len))
        return rc;
    if (!m.len)
        return VIRTIO_GPU_RESP_OK_NODATA;
    data = copied(gpu, chain, offset + sizeof(m) + table_len, m.len);
    if (data)
        rc = send_with(gpu, c, &m, table, data);
    free(data);
    return rc;
}

static uint32_t write_pipe(struct gpu *gpu, struct gpu_context *c,
                           const struct virtqueue_chain *chain,
                           uint64_t offset, uint32_t len)
{
    const struct state *s = c->state;
    struct cross_domain_data d;
    uint32_t rc = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    char *data;
    int err;

    if (!s->channel || len < sizeof(d) ||
        virtqueue_read(chain, &gpu->mem, offset, &d, sizeof(d)) != sizeof(d) ||
        d.len > len - sizeof(d) || d.hang_up > 1)
        return rc;
    data = copied(gpu, chain, offset + sizeof(d), d.len);
    if (!data)
        return rc;
    err = channel_write(s->channel, d.id, data, d.len, d.hang_up);
    free(data);
    return err == ENOENT ? rc : context_response(err);
}

/* What has come goes to the ring, one thing for each fence that waits. */
static void deliver(struct gpu *gpu, struct gpu_context *c, struct channel *ch)
{
    _Alignas(8) char to[CHANNEL_BUFFER];
    uint64_t fence;
    size_t len;

    while (gpu_fence_oldest(gpu, c->id, CROSS_DOMAIN_CHANNEL_RING, &fence) &&
           channel_next(ch, to, &len)) {
        struct gpu_resource *r = ring(gpu, c, ch->ring, CHANNEL_BUFFER);

        if (!r || backing_write(&r->backing, &gpu->mem, 0, to, len))
            channel_end(ch, "what the guest would receive it in is gone");
        gpu_fence_passed(gpu, c->id, CROSS_DOMAIN_CHANNEL_RING, fence);
    }
}

static struct channel *channel_at(struct gpu *gpu, unsigned i)
{
    struct gpu_context *c = &gpu->contexts[i];

    return c->id && c->kind && c->kind->capset == CROSS_DOMAIN_CAPSET
           ? ((struct state *)c->state)->channel : NULL;
}

static void arm(struct gpu *gpu)
{
    for (unsigned i = 0; i < GPU_MAX_CONTEXTS; i++) {
        struct channel *ch = channel_at(gpu, i);
        uint64_t fence;

        if (ch)
            channel_watch(ch, gpu_fence_oldest(gpu, gpu->contexts[i].id,
                                               CROSS_DOMAIN_CHANNEL_RING,
                                               &fence));
    }
}

/* Who does not want it any more never hears of it. */
static void connected(struct gpu *gpu)
{
    struct connector *k = gpu->config.connector;
    struct connector_answer a;
    int fd;

    while (connector_next(k, &a, &fd) > 0) {
        bool wanted = false;

        for (unsigned i = 0; i < GPU_MAX_CONTEXTS && !wanted; i++) {
            struct channel *ch = channel_at(gpu, i);

            wanted = ch && ch->asked == a.number;
            if (wanted)
                channel_connected(ch, fd);
        }
        if (!wanted && fd >= 0)
            close(fd);
    }
    for (unsigned i = 0; i < GPU_MAX_CONTEXTS && k->fd < 0; i++) {
        struct channel *ch = channel_at(gpu, i);

        if (ch && ch->asked)
            channel_connected(ch, -1);
    }
}

void cross_domain_dispatch(struct gpu *gpu)
{
    struct epoll_event e[64];
    int n;

    arm(gpu);
    n = epoll_wait(gpu->config.connector->epoll, e, 64, 0);
    for (int i = 0; i < n; i++) {
        struct channel *ch;

        if (e[i].data.u64 == CONNECTOR_FD) {
            connected(gpu);
            continue;
        }
        ch = channel_at(gpu, e[i].data.u64 >> 32);
        if (ch)
            channel_event(ch, (uint32_t)e[i].data.u64, e[i].events);
    }
    for (unsigned i = 0; i < GPU_MAX_CONTEXTS; i++) {
        struct channel *ch = channel_at(gpu, i);

        if (!ch)
            continue;
        channel_flush(ch);
        deliver(gpu, &gpu->contexts[i], ch);
    }
    arm(gpu);
}

static uint32_t fence(struct gpu *gpu, struct gpu_context *c, uint32_t n,
                      uint64_t id)
{
    const struct state *s = c->state;

    (void)gpu, (void)id;
    return n == CROSS_DOMAIN_CHANNEL_RING && s->channel
           ? VIRTIO_GPU_RESP_OK_NODATA : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

static void close_context(struct gpu *gpu, struct gpu_context *c)
{
    struct state *s = c->state;

    (void)gpu;
    if (s->channel)
        channel_free(s->channel);
}

/* All of them ----------------------------------------------------------- */

static uint32_t submit(struct gpu *gpu, struct gpu_context *c,
                       const struct virtqueue_chain *chain, uint64_t offset,
                       uint32_t len)
{
    struct cross_domain_header h;
    uint32_t rc;

    while (len) {
        if (len < sizeof(h) ||
            virtqueue_read(chain, &gpu->mem, offset, &h, sizeof(h)) !=
            sizeof(h) || h.len < sizeof(h) || h.len > len)
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        switch (h.command) {
        case CROSS_DOMAIN_INIT:
            rc = init(gpu, c, chain, offset, h.len);
            break;
        case CROSS_DOMAIN_REQUIREMENTS:
            rc = requirements(gpu, c, chain, offset, h.len);
            break;
        case CROSS_DOMAIN_POLL:
            /* What waits is its fence. */
            rc = ((struct state *)c->state)->channel
                 ? VIRTIO_GPU_RESP_OK_NODATA
                 : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
            break;
        case CROSS_DOMAIN_SEND:
            rc = send_message(gpu, c, chain, offset, h.len);
            break;
        case CROSS_DOMAIN_WRITE:
            rc = write_pipe(gpu, c, chain, offset, h.len);
            break;
        default:
            rc = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        }
        if (rc != VIRTIO_GPU_RESP_OK_NODATA)
            return rc;
        offset += h.len;
        len -= h.len;
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t blob(struct gpu *gpu, struct gpu_context *c,
                     const struct gpu_resource *r, uint64_t blob_id,
                     uint64_t len, uint32_t flags, struct blob *new)
{
    const struct state *s = c->state;
    int fd, prot;

    (void)gpu, (void)r, (void)flags;
    if (blob_id % 2) {
        if (!s->channel || blob_id > UINT32_MAX ||
            channel_memory(s->channel, blob_id, len, &fd, &prot))
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        *new = (struct blob){ .len = len, .prot = prot, .fd = fd,
                              .map_info = VIRTIO_GPU_MAP_CACHE_CACHED };
        return VIRTIO_GPU_RESP_OK_NODATA;
    }
    if (!blob_id || blob_id / 2 > s->n || len != s->sizes[blob_id / 2 - 1])
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return context_response(blob_make(new, GPU_TEST_MEMFD, len, NULL));
}

static const struct cross_domain_caps caps = { .version = 1 };
static const struct cross_domain_caps caps_wayland = {
    .version = 1, .channels = 1u << CROSS_DOMAIN_WAYLAND,
};

const struct context_kind cross_domain_context = {
    .capset = CROSS_DOMAIN_CAPSET, .version = 1,
    .caps = &caps, .caps_len = sizeof(caps),
    .state_len = sizeof(struct state), .blob = blob, .submit = submit,
    .close = close_context, .fence = fence,
};

const struct context_kind cross_domain_context_wayland = {
    .capset = CROSS_DOMAIN_CAPSET, .version = 1,
    .caps = &caps_wayland, .caps_len = sizeof(caps_wayland),
    .state_len = sizeof(struct state), .blob = blob, .submit = submit,
    .close = close_context, .fence = fence,
};
