/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "context.h"
#include "renderer.h"

#define MAX_KINDS   (2 + RENDERER_KINDS)

/* In the order of their indexes; returns how many. */
static unsigned kinds(const struct gpu *gpu,
                      const struct context_kind *kind[MAX_KINDS])
{
    unsigned n = 0;

    kind[n++] = gpu->config.connector ? &cross_domain_context_wayland
                                      : &cross_domain_context;
    if (gpu->config.renderer)
        for (unsigned i = 0; gpu->config.renderer->kinds[i]; i++)
            kind[n++] = gpu->config.renderer->kinds[i];
    if (gpu->config.test)
        kind[n++] = &test_context;
    return n;
}

unsigned gpu_capsets(const struct gpu *gpu)
{
    const struct context_kind *kind[MAX_KINDS];

    return kinds(gpu, kind);
}

const struct context_kind *context_kind_at(const struct gpu *gpu,
                                           uint32_t index)
{
    const struct context_kind *kind[MAX_KINDS];

    return index < kinds(gpu, kind) ? kind[index] : NULL;
}

const struct context_kind *context_kind_of(const struct gpu *gpu,
                                           uint32_t capset)
{
    const struct context_kind *kind[MAX_KINDS];
    unsigned n = kinds(gpu, kind);

    for (unsigned i = 0; i < n; i++)
        if (kind[i]->capset == capset)
            return kind[i];
    return NULL;
}

const struct context_kind *context_kind_gl(const struct gpu *gpu)
{
    const struct context_kind *kind[MAX_KINDS];
    unsigned n = kinds(gpu, kind);

    for (unsigned i = 0; i < n; i++)
        if (kind[i]->create)
            return kind[i];
    return NULL;
}

struct gpu_context *gpu_context(struct gpu *gpu, uint32_t id)
{
    for (unsigned i = 0; id && i < GPU_MAX_CONTEXTS; i++)
        if (gpu->contexts[i].id == id)
            return &gpu->contexts[i];
    return NULL;
}

uint32_t gpu_context_new(struct gpu *gpu, uint32_t id, uint32_t capset,
                         const char *name)
{
    /* Who asks for none means OpenGL's: there was no other once. */
    const struct context_kind *kind = capset ? context_kind_of(gpu, capset)
                                             : context_kind_gl(gpu);
    struct gpu_context *c = NULL;
    uint32_t rc = VIRTIO_GPU_RESP_OK_NODATA;

    if (!id || gpu_context(gpu, id))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (capset && !kind)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    for (unsigned i = 0; !c && i < GPU_MAX_CONTEXTS; i++)
        if (!gpu->contexts[i].id)
            c = &gpu->contexts[i];
    if (!c)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    c->state = NULL;
    if (kind && kind->state_len) {
        c->state = calloc(1, kind->state_len);
        if (!c->state)
            return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    c->id = id;
    c->kind = kind;
    if (kind && kind->open)
        rc = kind->open(gpu, c, name);
    if (rc != VIRTIO_GPU_RESP_OK_NODATA) {
        free(c->state);
        *c = (struct gpu_context){ 0 };
    }
    return rc;
}

void gpu_context_free(struct gpu *gpu, struct gpu_context *c)
{
    uint64_t bit = (uint64_t)1 << (c - gpu->contexts);

    if (c->kind && c->kind->close)
        c->kind->close(gpu, c);
    gpu_fences_passed(gpu, c->id);
    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        for (struct gpu_resource *r = gpu->buckets[i]; r; r = r->next)
            r->contexts &= ~bit;
    free(c->state);
    *c = (struct gpu_context){ 0 };
}

void gpu_context_attach(struct gpu *gpu, struct gpu_context *c,
                        struct gpu_resource *r)
{
    uint64_t bit = (uint64_t)1 << (c - gpu->contexts);

    if (!(r->contexts & bit) && c->kind && c->kind->attach)
        c->kind->attach(gpu, c, r);
    r->contexts |= bit;
}

void gpu_context_detach(struct gpu *gpu, struct gpu_context *c,
                        struct gpu_resource *r)
{
    uint64_t bit = (uint64_t)1 << (c - gpu->contexts);

    if (r->contexts & bit && c->kind && c->kind->detach)
        c->kind->detach(gpu, c, r);
    r->contexts &= ~bit;
}

bool context_has(const struct gpu *gpu, const struct gpu_context *c,
                 const struct gpu_resource *r)
{
    return r->contexts >> (c - gpu->contexts) & 1;
}

uint32_t context_response(int err)
{
    switch (err) {
    case 0:
        return VIRTIO_GPU_RESP_OK_NODATA;
    case EINVAL:
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    default:
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
}

/* Without OpenGL a context without a capset is for nothing but to be there:
 * Linux makes one for programs that ask for none. */
uint32_t gpu_context_blob(struct gpu *gpu, struct gpu_context *c,
                          struct gpu_resource *r, uint64_t blob_id,
                          uint32_t flags)
{
    uint64_t len = (r->size + XENLEND_PAGE_SIZE - 1) &
                   ~(uint64_t)(XENLEND_PAGE_SIZE - 1);
    uint32_t rc;

    if (!c->kind || !c->kind->blob)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    rc = c->kind->blob(gpu, c, r, blob_id, len, flags, &r->blob);
    if (rc == VIRTIO_GPU_RESP_OK_NODATA) {
        r->maker = c->kind;
        r->contexts = (uint64_t)1 << (c - gpu->contexts);
    }
    return rc;
}

uint32_t gpu_context_submit(struct gpu *gpu, struct gpu_context *c,
                            const struct virtqueue_chain *chain,
                            uint64_t offset, uint32_t len)
{
    if (!c->kind)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return c->kind->submit(gpu, c, chain, offset, len);
}
