/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include "gpu.h"

#define MAX_MESSAGES    10
#define QUEUE_SIZE      256
#define CURSOR_QUEUE    1

void gpu_init(struct gpu *gpu, const struct gpu_config *config,
              const struct guest_memory *mem, xenlend_span *region,
              void (*message)(void *opaque, const char *text), void *opaque)
{
    *gpu = (struct gpu){ .config = *config, .mem = *mem, .region = region,
                         .message = message, .opaque = opaque };
    (void)blob_init();          /* or when it is needed */
}

void gpu_reset(struct gpu *gpu)
{
    /* Nobody waits for answers any more. */
    gpu->n_waiting = 0;
    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        while (gpu->buckets[i])
            gpu_resource_free(gpu, gpu->buckets[i]);
    for (unsigned i = 0; i < GPU_MAX_CONTEXTS; i++)
        if (gpu->contexts[i].id)
            gpu_context_free(gpu, &gpu->contexts[i]);
    memset(gpu->scanouts, 0, sizeof(gpu->scanouts));
}

void gpu_unmap(struct gpu *gpu)
{
    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        for (struct gpu_resource *r = gpu->buckets[i]; r; r = r->next)
            if (r->backing.iov)
                gpu_backing_free(gpu, r);
}

void gpu_message(struct gpu *gpu, const char *fmt, ...)
{
    char text[160];
    va_list al;

    /* A guest can make any number of these. */
    if (!gpu->message || gpu->messages == MAX_MESSAGES)
        return;
    gpu->messages++;
    va_start(al, fmt);
    vsnprintf(text, sizeof(text) - 24, fmt, al);
    va_end(al);
    if (gpu->messages == MAX_MESSAGES)
        strcat(text, " (no more of these)");
    gpu->message(gpu->opaque, text);
}

static void config_read(void *opaque, unsigned offset, unsigned size, void *to)
{
    struct gpu *gpu = opaque;
    struct virtio_gpu_config c = {
        .events_read = gpu->events, .num_scanouts = gpu->config.scanouts,
        .num_capsets = gpu_capsets(gpu),
    };

    memcpy(to, (char *)&c + offset, size);
}

static void config_write(void *opaque, unsigned offset, unsigned size,
                         const void *from)
{
    struct gpu *gpu = opaque;
    uint32_t v;

    if (offset != offsetof(struct virtio_gpu_config, events_clear) ||
        size != sizeof(v))
        return;
    memcpy(&v, from, sizeof(v));
    gpu->events &= ~v;
}

static uint32_t request(void *opaque, unsigned queue,
                        const struct virtqueue_chain *chain)
{
    return gpu_command(opaque, chain, queue == CURSOR_QUEUE);
}

static void reset(void *opaque)
{
    gpu_reset(opaque);
}

struct virtio_kind gpu_kind(void)
{
    return (struct virtio_kind){
        .id = VIRTIO_ID_GPU,
        /* VIRGL, "3D", is what Linux wants to see before it has contexts; that
         * there is OpenGL is said by a capset. */
        .features = 1u << VIRTIO_GPU_F_EDID | 1u << VIRTIO_GPU_F_VIRGL |
                    1u << VIRTIO_GPU_F_RESOURCE_BLOB |
                    1u << VIRTIO_GPU_F_CONTEXT_INIT,
        .queues = 2,
        .queue_size = QUEUE_SIZE,
        .config_size = sizeof(struct virtio_gpu_config),
        .config_read = config_read, .config_write = config_write,
        .request = request, .reset = reset,
    };
}
