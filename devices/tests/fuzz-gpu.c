/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any commands to the GPU, for libFuzzer.  Input: for each command a byte that says which, one that says how many fields
 * follow, and two bytes for each of these, so that small numbers are as likely as they are meaningful.
 */
#define _GNU_SOURCE
#include "../virtio-gpu/gpu.h"
#include "../virtio-gpu/test.h"
#include "gl.h"
#include "ram.h"

#define REGION  (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint32_t types[] = {
    VIRTIO_GPU_CMD_GET_DISPLAY_INFO, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, VIRTIO_GPU_CMD_RESOURCE_UNREF,
    VIRTIO_GPU_CMD_SET_SCANOUT, VIRTIO_GPU_CMD_RESOURCE_FLUSH, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
    VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, VIRTIO_GPU_CMD_GET_CAPSET_INFO,
    VIRTIO_GPU_CMD_GET_CAPSET, VIRTIO_GPU_CMD_GET_EDID, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
    VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, VIRTIO_GPU_CMD_CTX_CREATE, VIRTIO_GPU_CMD_CTX_DESTROY,
    VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, VIRTIO_GPU_CMD_SUBMIT_3D,
    VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, VIRTIO_GPU_CMD_UPDATE_CURSOR,
    VIRTIO_GPU_CMD_MOVE_CURSOR, VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
    VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D,
};

/* 0xff..: the largest numbers; 0xfe..: addresses in the guest, and multiples of pages; others: themselves */
static uint32_t field(const uint8_t *p)
{
    switch (p[1]) {
    case 0xff:
        return UINT32_MAX - p[0];
    case 0xfe:
        return RAM_START + p[0] * 1024u;
    case 0xfd:
        return p[0] * 4096u;
    default:
        return p[0] | p[1] << 8;
    }
}

static unsigned later;
static void answer(void *opaque, uint16_t head, uint32_t len)
{
    (void)opaque, (void)head, (void)len;
    if (!later--)
        abort();            /* who does not wait */
}

static void command(struct gpu *gpu, uint8_t which, const uint8_t *p, unsigned fields)
{
    struct virtio_gpu_ctrl_hdr h = { .type = types[which % (sizeof(types) / sizeof(types[0]))], .ctx_id = which / 32 };
    struct virtqueue_chain c = { .n_out = 1, .n_in = 1, .in_len = 1200 };
    bool cursor = h.type == VIRTIO_GPU_CMD_UPDATE_CURSOR || h.type == VIRTIO_GPU_CMD_MOVE_CURSOR;

    ram_poke(RAM_DATA, &h, sizeof(h));
    for (unsigned i = 0; i < fields; i++) {
        uint32_t v = field(p + 2 * i);

        ram_poke(RAM_DATA + sizeof(h) + 4 * i, &v, 4);
    }
    c.part[0].addr = RAM_DATA;
    c.part[0].len = c.out_len = sizeof(h) + 4 * fields;
    c.part[1].addr = RAM_DATA + 0x4000;
    c.part[1].len = 1200;
    if (which & 0x40)
        memcpy(ram(RAM_DATA + 4, 4), "\x03\0\0", 4);  /* FENCE, INFO_RING_IDX: of ring 0 or 1 */
    if (which & 0x80)
        *(uint8_t *)ram(RAM_DATA + 20, 1) = 1;
    later += gpu_command(gpu, &c, cursor) == VIRTIO_LATER;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct gpu gpu;
    static xenlend_span *span;
    unsigned w, h;

    if (!span) {
        span = xenlend_span_reserve(NULL, XENLEND_QUIET, REGION, 0);
        if (!span)
            abort();
    }
    if (!ram_bytes)
        ram_new();
    gpu_init(&gpu, &(struct gpu_config){ .width = 64, .height = 64, .scanouts = 2, .max_memory = 4 << 20, .test = true,
                                         .test_sources.udmabuf = -1, .renderer = &gl_renderer },
             &ram_memory, span, NULL, NULL);
    gpu.answer = answer;
    later = 0;
    while (len >= 2) {
        unsigned fields = data[1] % 64;

        if (len - 2 < 2 * fields)
            fields = (len - 2) / 2;
        command(&gpu, data[0], data + 2, fields);
        data += 2 + 2 * fields;
        len -= 2 + 2 * fields;
        free(gpu_picture(&gpu, 0, &w, &h));
    }
    gpu_reset(&gpu);
    if (gpu.used_memory || gpu.n_resources || gpu.n_entries || ram_mapped || gl_contexts)
        abort();
    return 0;
}
