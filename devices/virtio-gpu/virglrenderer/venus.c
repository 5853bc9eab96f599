/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vulkan, by the Venus protocol: the library's render server executes the
 * commands.  What a guest maps is memory that the server has made: a memfd for
 * rings and commands, a dma-buf for what Vulkan allocates, or something that
 * only Vulkan can map ("opaque"; lavapipe without /dev/udmabuf).
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include <virgl/virglrenderer.h>

#include "library.h"
#include "text.h"

static bool opaque;

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
    if (!opaque || virgl_renderer_resource_map(id, &addr, &size))
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
                    opaque ? "" : " (--opaque)");
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

struct context_kind venus_kind = {
    .capset = VIRTIO_GPU_CAPSET_VENUS, LIBRARY_KIND, .blob = blob,
    .forget = forget,
};

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

int venus_start(const struct renderer_config *config)
{
    static uint8_t caps[CAPSET_MAX_LEN];

    opaque = config->opaque;
    if (library_caps(&venus_kind, caps)) {
        say(0, "this virglrenderer has no Venus");
        return -1;
    }
    if (opaque && load_vulkan()) {
        say(0, "Vulkan does not load here");
        return -1;
    }
    return 0;
}
