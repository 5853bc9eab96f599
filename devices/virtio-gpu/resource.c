/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "gpu.h"

static struct gpu_resource **slot(struct gpu *gpu, uint32_t id)
{
    struct gpu_resource **p = &gpu->buckets[id % GPU_BUCKETS];

    while (*p && (*p)->id != id)
        p = &(*p)->next;
    return p;
}

struct gpu_resource *gpu_find(struct gpu *gpu, uint32_t id)
{
    return *slot(gpu, id);
}

uint32_t gpu_resource_new(struct gpu *gpu, uint32_t id, uint64_t cost,
                          struct gpu_resource **out)
{
    struct gpu_resource **p = slot(gpu, id), *r;

    if (!id || *p)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (gpu->n_resources == GPU_MAX_RESOURCES)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    r = calloc(1, sizeof(*r));
    if (!r)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    if (!gpu_charge(gpu, r, cost)) {
        free(r);
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    r->id = id;
    r->blob.fd = -1;
    gpu->n_resources++;
    *p = *out = r;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

bool gpu_charge(struct gpu *gpu, struct gpu_resource *r, uint64_t bytes)
{
    if (bytes > gpu->config.max_memory ||
        gpu->used_memory > gpu->config.max_memory - bytes)
        return false;
    gpu->used_memory += bytes;
    r->cost += bytes;
    return true;
}

void gpu_backing_free(struct gpu *gpu, struct gpu_resource *r)
{
    uint64_t mapped = r->backing.n_pages * (uint64_t)XENLEND_PAGE_SIZE;

    if (r->backing.iov) {
        r->maker->release(gpu, r);
        backing_unmap(&r->backing, &gpu->mem);
        gpu->used_memory -= mapped;
        r->cost -= mapped;
    }
    gpu->n_entries -= r->backing.n;
    backing_free(&r->backing);
}

void gpu_resource_free(struct gpu *gpu, struct gpu_resource *r)
{
    struct gpu_resource **p = slot(gpu, r->id);

    *p = r->next;
    gpu_scanouts_forget(gpu, r->id);
    gpu_backing_free(gpu, r);
    blob_free(&r->blob);        /* also out of the guest's sight */
    if (r->maker && r->maker->forget)
        r->maker->forget(gpu, r);
    free(r->pixels);
    gpu->used_memory -= r->cost;
    gpu->n_resources--;
    free(r);
}

bool gpu_resource_is_gl(const struct gpu_resource *r)
{
    return r->maker && !r->blob_mem;
}

uint64_t gpu_resource_size(const struct gpu_resource *r)
{
    return r->blob_mem ? r->size : (uint64_t)r->width * r->height * 4;
}

int gpu_resource_copy(struct gpu *gpu, struct gpu_resource *r,
                      uint64_t offset, void *to, uint64_t len)
{
    uint64_t size = gpu_resource_size(r);

    if (offset > size || len > size - offset) {
        errno = EINVAL;
        return -1;
    }
    if (gpu_resource_is_gl(r)) {
        errno = EINVAL;
        return -1;
    }
    if (!r->blob_mem) {
        memcpy(to, (char *)r->pixels + offset, len);
        return 0;
    }
    if (r->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST)
        return backing_copy(&r->backing, &gpu->mem, offset, to, len);
    return blob_copy(&r->blob, offset, to, len);
}
