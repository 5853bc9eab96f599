/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio GPU (virtio 1.2, 5.7): resources, scanouts, contexts, and the
 * commands about them.  Knows neither Xen nor PCI: requests come as chains,
 * host-visible blobs are placed in a span.
 */
#ifndef GPU_H
#define GPU_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_gpu.h>

#include <xenlend.h>

#include "../virtio/device.h"
#include "backing.h"
#include "blob.h"

#define GPU_MAX_SIDE        16384u      /* pixels of a picture, each way */
#define GPU_MAX_RESOURCES   4096u
#define GPU_MAX_ENTRIES     (1u << 20)  /* parts of all backings */
#define GPU_MAX_CONTEXTS    64u
#define GPU_MAX_SUBMISSION  (1u << 20)  /* bytes of commands for a context */
#define GPU_BUCKETS         256u
#define GPU_REGION_ID       1           /* "host visible" */

struct gpu_config {
    unsigned width, height;     /* of each display */
    unsigned scanouts;          /* displays, 0 to 16 */
    uint64_t max_memory;        /* bytes of this process's that resources use */
    bool test;                  /* contexts of test.h */
    struct blob_sources test_sources;
    struct renderer *renderer;  /* renderer.h, started; NULL: none */
    struct connector *connector;    /* connector.h, to a compositor; NULL: none */
};

struct gpu_resource {
    struct gpu_resource *next;  /* in the bucket */
    uint32_t id;
    uint64_t cost;              /* what counts against max_memory */
    uint64_t contexts;          /* bit n: attached to the nth */
    const struct context_kind *maker;   /* who made the blob, or what is
                                         * OpenGL's */
    struct backing backing;
    /* a 2D resource, or one of OpenGL's, which has no pixels here, ... */
    uint32_t *pixels;
    uint32_t format, width, height;
    /* ... or a blob of this size */
    uint64_t size;
    uint32_t blob_mem;          /* VIRTIO_GPU_BLOB_MEM_*, 0 for 2D */
    struct blob blob;           /* of ..._HOST3D */
};

struct gpu_context {
    uint32_t id;                /* 0: free */
    const struct context_kind *kind;    /* context.h; NULL: no capset */
    void *state;                /* the kind's */
};

/* A command that has been executed, and is answered when its fence has been
 * passed. */
struct gpu_waiting {
    uint32_t ctx, ring;
    uint64_t fence;
    uint16_t head;              /* of the request */
    uint32_t written;
    /* A fence of no ring: answered in the order of the commands, in which Linux
     * takes them to be passed. */
    bool plain, done;
};

/* What a display shows */
struct gpu_scanout {
    uint32_t resource;          /* 0: nothing */
    struct virtio_gpu_rect r;   /* of the picture */
    uint32_t format;
    uint64_t offset;            /* of the picture's first pixel, and ... */
    uint64_t stride;            /* ... from one line to the next, bytes */
    uint64_t flushes;
    bool unseen;                /* no flush since it is another picture */
    /* the pointer */
    uint32_t cursor, x, y;
};

struct gpu {
    struct gpu_config config;
    struct guest_memory mem;
    xenlend_span *region;
    void (*message)(void *opaque, const char *text);
    void *opaque;
    unsigned messages;
    struct gpu_resource *buckets[GPU_BUCKETS];
    unsigned n_resources, n_entries;
    uint64_t used_memory;
    struct gpu_context contexts[GPU_MAX_CONTEXTS];
    struct gpu_scanout scanouts[VIRTIO_GPU_MAX_SCANOUTS];
    uint32_t events;
    uint64_t commands, errors;
    /* in the order of the commands */
    unsigned n_waiting;
    struct gpu_waiting waiting[VIRTQUEUE_MAX];
    void (*answer)(void *opaque, uint16_t head, uint32_t written);
    /*
     * A display shows another picture now: changed is the part of it that may
     * differ, in pixels of what is shown, and may be empty; NULL: the display
     * shows nothing any more.  The hook may be NULL.
     */
    void (*flushed)(void *opaque, unsigned scanout,
                    const struct virtio_gpu_rect *changed);
    void *flushed_opaque;
};

/*
 * message: about what the guest does, ten times at most; may be NULL.  region:
 * may be NULL, then nothing is host-visible.  Who sets gpu->answer after this
 * gets requests of the control queue answered later, when their fences are
 * passed; otherwise they are answered at once.
 */
void gpu_init(struct gpu *gpu, const struct gpu_config *config,
              const struct guest_memory *mem, xenlend_span *region,
              void (*message)(void *opaque, const char *text), void *opaque);
/* All resources and contexts go, as when the driver resets the device. */
void gpu_reset(struct gpu *gpu);
/* Nothing of the guest's memory stays mapped; what needs it is gone then. */
void gpu_unmap(struct gpu *gpu);

/* As a device of virtio; its opaque is the gpu. */
struct virtio_kind gpu_kind(void);

void gpu_message(struct gpu *gpu, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* commands.c: one request of the control queue or the cursor queue; returns
 * how many bytes were written, or VIRTIO_LATER. */
uint32_t gpu_command(struct gpu *gpu, const struct virtqueue_chain *chain,
                     bool cursor);

/* cross_domain.c, with a connector: something may have come by channels, or can
 * go.  To be called when its epoll is readable, and after commands. */
void cross_domain_dispatch(struct gpu *gpu);

/* fence.c.  A command that has been executed is to be answered later. */
void gpu_wait(struct gpu *gpu, const struct gpu_waiting *w);
/* One with a fence of no ring is. */
bool gpu_waits_plain(const struct gpu *gpu);
/* The first fence of a context's ring that waits.  false: none does */
bool gpu_fence_oldest(const struct gpu *gpu, uint32_t ctx, uint32_t ring,
                      uint64_t *fence);
/* This fence of a context's ring has been passed, and those before it. */
void gpu_fence_passed(struct gpu *gpu, uint32_t ctx, uint32_t ring,
                      uint64_t fence);
/* All fences of a context are. */
void gpu_fences_passed(struct gpu *gpu, uint32_t ctx);

/* resource.c.  Functions that return VIRTIO_GPU_RESP_* say that. */
struct gpu_resource *gpu_find(struct gpu *gpu, uint32_t id);
/* VIRTIO_GPU_RESP_*.  A new one, with nothing in it */
uint32_t gpu_resource_new(struct gpu *gpu, uint32_t id, uint64_t cost,
                          struct gpu_resource **out);
void gpu_resource_free(struct gpu *gpu, struct gpu_resource *r);
void gpu_backing_free(struct gpu *gpu, struct gpu_resource *r);
/* Copies bytes of what it has: pixels, blob or the guest's memory.  0, or -1
 * with errno set. */
int gpu_resource_copy(struct gpu *gpu, struct gpu_resource *r,
                      uint64_t offset, void *to, uint64_t len);
uint64_t gpu_resource_size(const struct gpu_resource *r);
/* Whether it is a picture of OpenGL's */
bool gpu_resource_is_gl(const struct gpu_resource *r);
/* So many bytes more of what resources may use.  false: there are none. */
bool gpu_charge(struct gpu *gpu, struct gpu_resource *r, uint64_t bytes);

/* display.c */
bool gpu_format_known(uint32_t format);
/* A display shows nothing any more, if it did. */
void gpu_scanout_off(struct gpu *gpu, unsigned scanout);
/* The resource is gone: nothing shows it any more. */
void gpu_scanouts_forget(struct gpu *gpu, uint32_t resource);
/*
 * What a display shows now, as 0x00RRGGBB; to be freed.  NULL with errno set:
 * ENODATA, nothing.
 */
uint32_t *gpu_picture(struct gpu *gpu, unsigned scanout, unsigned *width,
                      unsigned *height);
/*
 * A part of that, which is inside of it, to the same place in a picture whose
 * lines are stride pixels.  0, or -1 with errno set: ENODATA, nothing.
 */
int gpu_picture_part(struct gpu *gpu, unsigned scanout,
                     const struct virtio_gpu_rect *part, uint32_t *pixels,
                     size_t stride);
/* Another size for all displays; the driver is told by the caller. */
void gpu_edid(unsigned width, unsigned height, uint8_t edid[128]);

/* context.c */
struct gpu_context *gpu_context(struct gpu *gpu, uint32_t id);
unsigned gpu_capsets(const struct gpu *gpu);
/* capset: a capset's id, or 0.  name: of the guest's.  VIRTIO_GPU_RESP_* */
uint32_t gpu_context_new(struct gpu *gpu, uint32_t id, uint32_t capset,
                         const char *name);
void gpu_context_free(struct gpu *gpu, struct gpu_context *c);
/* The memory of a blob that a context makes.  VIRTIO_GPU_RESP_* */
uint32_t gpu_context_blob(struct gpu *gpu, struct gpu_context *c,
                          struct gpu_resource *r, uint64_t blob_id,
                          uint32_t flags);
/* A resource is, or is no longer, one of a context's. */
void gpu_context_attach(struct gpu *gpu, struct gpu_context *c,
                        struct gpu_resource *r);
void gpu_context_detach(struct gpu *gpu, struct gpu_context *c,
                        struct gpu_resource *r);
/* Commands for a context: len bytes at offset of a request.
 * VIRTIO_GPU_RESP_* */
uint32_t gpu_context_submit(struct gpu *gpu, struct gpu_context *c,
                            const struct virtqueue_chain *chain,
                            uint64_t offset, uint32_t len);

#endif
