/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of the GPU's commands: what each does, and every bad input that came to mind.  Blobs are placed in a span of
 * the library's, as on Xen; only that nobody lends it.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm_fourcc.h>

#include "../virtio-gpu/cross_domain.h"
#include "../virtio-gpu/gpu.h"
#include "../virtio-gpu/test.h"
#include "gl.h"
#include "ram.h"
#include "tap.h"

#define REGION      (1u << 20)
#define PAGE        4096u
#define OUT_AT      (RAM_DATA + 0x6000)
#define OUT_SIZE    0x1000u
#define PIXELS      (RAM_START + 0x10000)   /* the guest's picture */
#define CTX         5

#define OK          VIRTIO_GPU_RESP_OK_NODATA
#define BAD_RES     VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_CTX     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define BAD         VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define NO_MEMORY   VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define UNSPEC      VIRTIO_GPU_RESP_ERR_UNSPEC

static struct gpu gpu;
static xenlend_span *span;
static char *seen;          /* what the guest would see of the region */
static unsigned messages;
static uint32_t written;    /* by the last command */
static union {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_resp_display_info display;
    struct virtio_gpu_resp_capset_info capset_info;
    struct virtio_gpu_resp_edid edid;
    struct virtio_gpu_resp_map_info map;
    uint8_t bytes[OUT_SIZE];
} out;

static void message(void *opaque, const char *text)
{
    (void)opaque, (void)text;
    messages++;
}

/* A request of len bytes, with room for so many of an answer; returns its type */
static uint32_t sent(const void *command, size_t len, uint32_t room, bool cursor)
{
    struct virtqueue_chain c = { .n_out = 2, .n_in = 1, .out_len = len, .in_len = room };

    /* in two parts, one of odd length */
    ram_poke(RAM_DATA, command, len);
    c.part[0].addr = RAM_DATA;
    c.part[0].len = len > 13 ? 13 : 0;
    c.part[1].addr = RAM_DATA + c.part[0].len;
    c.part[1].len = len - c.part[0].len;
    c.part[2].addr = OUT_AT;
    c.part[2].len = room;
    memset(ram(OUT_AT, OUT_SIZE), 0xaa, OUT_SIZE);
    written = gpu_command(&gpu, &c, cursor);
    memcpy(&out, ram(OUT_AT, OUT_SIZE), OUT_SIZE);
    return out.hdr.type;
}

#define HDR(type_)  .hdr = { .type = VIRTIO_GPU_CMD_##type_, .ctx_id = CTX }
#define SEND(...)   sent(&(__VA_ARGS__), sizeof(__VA_ARGS__), OUT_SIZE, false)

static uint32_t create_2d(uint32_t id, uint32_t format, uint32_t w, uint32_t h)
{
    return SEND((struct virtio_gpu_resource_create_2d){ HDR(RESOURCE_CREATE_2D), .resource_id = id, .format = format,
                                                        .width = w, .height = h });
}
static uint32_t unref(uint32_t id)
{
    return SEND((struct virtio_gpu_resource_unref){ HDR(RESOURCE_UNREF), .resource_id = id });
}
struct entries { uint32_t n; struct virtio_gpu_mem_entry e[4]; };
static uint32_t attach(uint32_t id, uint32_t claimed, const struct entries *e)
{
    struct { struct virtio_gpu_resource_attach_backing q; struct virtio_gpu_mem_entry e[4]; } r = {
        .q = { HDR(RESOURCE_ATTACH_BACKING), .resource_id = id, .nr_entries = claimed },
    };

    memcpy(r.e, e->e, sizeof(r.e));
    return sent(&r, sizeof(r.q) + e->n * sizeof(r.e[0]), OUT_SIZE, false);
}
static uint32_t detach(uint32_t id)
{
    return SEND((struct virtio_gpu_resource_detach_backing){ HDR(RESOURCE_DETACH_BACKING), .resource_id = id });
}
static uint32_t transfer(uint32_t id, uint64_t offset, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    return SEND((struct virtio_gpu_transfer_to_host_2d){ HDR(TRANSFER_TO_HOST_2D), .r = { x, y, w, h }, .offset = offset,
                                                         .resource_id = id });
}
static uint32_t scanout(uint32_t s, uint32_t id, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    return SEND((struct virtio_gpu_set_scanout){ HDR(SET_SCANOUT), .r = { x, y, w, h }, .scanout_id = s, .resource_id = id });
}
static uint32_t flush(uint32_t id, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    return SEND((struct virtio_gpu_resource_flush){ HDR(RESOURCE_FLUSH), .r = { x, y, w, h }, .resource_id = id });
}
static uint32_t blob(uint32_t id, uint32_t mem, uint32_t flags, uint64_t kind, uint64_t size)
{
    return SEND((struct virtio_gpu_resource_create_blob){ HDR(RESOURCE_CREATE_BLOB), .resource_id = id, .blob_mem = mem,
                                                          .blob_flags = flags, .blob_id = kind, .size = size });
}
static uint32_t host_blob(uint32_t id, uint64_t kind, uint64_t size)
{
    return blob(id, VIRTIO_GPU_BLOB_MEM_HOST3D, VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, kind, size);
}
static uint32_t map(uint32_t id, uint64_t offset)
{
    return SEND((struct virtio_gpu_resource_map_blob){ HDR(RESOURCE_MAP_BLOB), .resource_id = id, .offset = offset });
}
static uint32_t unmap(uint32_t id)
{
    return SEND((struct virtio_gpu_resource_unmap_blob){ HDR(RESOURCE_UNMAP_BLOB), .resource_id = id });
}
static uint32_t context(uint32_t id, uint32_t capset, uint32_t nlen)
{
    struct virtio_gpu_ctx_create q = { HDR(CTX_CREATE), .nlen = nlen, .context_init = capset };

    q.hdr.ctx_id = id;
    return sent(&q, sizeof(q), OUT_SIZE, false);
}
static uint32_t of_context(uint32_t type, uint32_t ctx, uint32_t id)
{
    struct virtio_gpu_ctx_resource q = { .hdr = { .type = type, .ctx_id = ctx }, .resource_id = id };

    return sent(&q, sizeof(q), OUT_SIZE, false);
}
/* So many commands that do nothing, in one submission: the guest needs the memory of some for them */
static uint32_t submit_many(uint32_t n)
{
    enum { SOME = 1000 };
    struct virtio_gpu_cmd_submit q = { HDR(SUBMIT_3D), .size = n * sizeof(struct gpu_test_command) };
    struct virtqueue_chain c = { .n_out = 1, .n_in = 1, .out_len = sizeof(q) + q.size, .in_len = sizeof(out.hdr) };

    ram_poke(RAM_DATA, &q, sizeof(q));
    c.part[0].addr = RAM_DATA;
    c.part[0].len = sizeof(q);
    for (unsigned i = 0; i < SOME; i++)
        ram_poke(PIXELS + i * sizeof(struct gpu_test_command), &(struct gpu_test_command){ .verb = GPU_TEST_PASS },
                 sizeof(struct gpu_test_command));
    for (uint32_t left = n, now; left; left -= now) {
        now = left < SOME ? left : SOME;
        c.part[c.n_out].addr = PIXELS;
        c.part[c.n_out++].len = now * sizeof(struct gpu_test_command);
    }
    c.part[c.n_out].addr = OUT_AT;
    c.part[c.n_out].len = sizeof(out.hdr);
    gpu_command(&gpu, &c, false);
    memcpy(&out.hdr, ram(OUT_AT, sizeof(out.hdr)), sizeof(out.hdr));
    return out.hdr.type;
}
static uint32_t submit(uint32_t claimed, uint32_t verb, uint32_t id, uint64_t offset, uint64_t len)
{
    struct { struct virtio_gpu_cmd_submit q; struct gpu_test_command t; } r = {
        .q = { HDR(SUBMIT_3D), .size = claimed }, .t = { verb, id, offset, len },
    };

    return sent(&r, sizeof(r), OUT_SIZE, false);
}

static void start(bool test)
{
    ram_new();
    gpu_init(&gpu, &(struct gpu_config){ .width = 640, .height = 480, .scanouts = 2, .max_memory = 16 << 20, .test = test,
                                         .test_sources = { .dir = "/tmp", .udmabuf = -1 } },
             &ram_memory, span, message, NULL);
    messages = 0;
}

/* Nothing is left. */
static void end(void)
{
    gpu_reset(&gpu);
    ok(!gpu.used_memory && !gpu.n_resources && !gpu.n_entries, "after a reset nothing is left");
}

/* Whether there is something at an offset in the region: a system call knows, without a signal */
static bool there(uint64_t offset)
{
    int fd = memfd_create("probe", MFD_CLOEXEC);
    bool yes = write(fd, seen + offset, 1) == 1;

    close(fd);
    return yes;
}

static void envelope(void)
{
    struct virtio_gpu_ctrl_hdr h = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
    struct virtio_gpu_resource_create_2d q = { HDR(RESOURCE_CREATE_2D), .resource_id = 1, .format = 1, .width = 1, .height = 1 };

    start(true);
    ok(sent(&h, 23, OUT_SIZE, false) == UNSPEC && written == 24, "a command shorter than its header");
    eqx(sent(&h, 0, OUT_SIZE, false), UNSPEC, "one of nothing");
    for (unsigned len = 24; len < sizeof(q); len++)
        if (sent(&q, len, OUT_SIZE, false) != BAD)
            eq(len, 0, "cut off");
    ok(!gpu.n_resources, "a command cut off anywhere does nothing");
    h.type = 0x4711;
    eqx(sent(&h, sizeof(h), OUT_SIZE, false), UNSPEC, "an unknown command");
    h.type = 0;
    eqx(sent(&h, sizeof(h), OUT_SIZE, false), UNSPEC, "... 0");
    h.type = VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID;
    eqx(sent(&h, sizeof(h), OUT_SIZE, false), UNSPEC, "... one whose feature is not offered");
    h.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
    eqx(sent(&h, sizeof(h), OUT_SIZE, true), UNSPEC, "a control command in the cursor queue");
    ok(messages <= 10, "with %u messages in all", messages);
    sent(&h, sizeof(h), 0, false);
    eq(written, 0, "no room for an answer");
    sent(&h, sizeof(h), 30, false);
    ok(written == 30 && out.bytes[30] == 0xaa, "... or little");

    h.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX | 0xff00;
    h.fence_id = 0x123456789;
    h.ctx_id = 9;
    h.ring_idx = 3;
    ok(sent(&h, sizeof(h), OUT_SIZE, false) == VIRTIO_GPU_RESP_OK_DISPLAY_INFO && out.hdr.fence_id == 0x123456789 &&
       out.hdr.flags == 3 && out.hdr.ctx_id == 9 && out.hdr.ring_idx == 3, "a fence comes back");
    h.type = 1;
    ok(sent(&h, sizeof(h), OUT_SIZE, false) == UNSPEC && out.hdr.fence_id == 0x123456789, "... with an error, too");
    h.flags = 0;
    ok(sent(&h, sizeof(h), OUT_SIZE, false) == UNSPEC && !out.hdr.fence_id && !out.hdr.flags, "no fence, none back");
    end();
}

static void displays(void)
{
    struct virtio_gpu_update_cursor u = { HDR(UPDATE_CURSOR), .pos = { .scanout_id = 1, .x = 5, .y = 6 }, .resource_id = 3 };
    struct virtio_gpu_cmd_get_edid e = { HDR(GET_EDID) };
    uint8_t sum = 0;

    start(false);
    ok(SEND((struct virtio_gpu_ctrl_hdr){ .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO }) == VIRTIO_GPU_RESP_OK_DISPLAY_INFO &&
       written == sizeof(out.display) && out.display.pmodes[1].r.width == 640 && out.display.pmodes[1].enabled &&
       !out.display.pmodes[2].enabled, "two displays");
    ok(sent(&e, sizeof(e), OUT_SIZE, false) == VIRTIO_GPU_RESP_OK_EDID && out.edid.size == 128, "an EDID");
    for (unsigned i = 0; i < 128; i++)
        sum += out.edid.edid[i];
    ok(!sum && !memcmp(out.edid.edid, "\0\xff\xff\xff\xff\xff\xff\0", 8), "... well formed");
    ok(out.edid.edid[56] == (640 & 0xff) && out.edid.edid[58] >> 4 == 640 >> 8 && out.edid.edid[59] == (480 & 0xff), "... of that size");
    e.scanout = 2;
    eqx(sent(&e, sizeof(e), OUT_SIZE, false), BAD_SCANOUT, "no third display");

    eqx(sent(&u, sizeof(u), OUT_SIZE, true), BAD_RES, "a pointer without resource");
    create_2d(3, 1, 64, 64);
    ok(sent(&u, sizeof(u), OUT_SIZE, true) == OK && gpu.scanouts[1].cursor == 3 && gpu.scanouts[1].x == 5, "a pointer");
    u.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR;
    u.pos.y = 77;
    sent(&u, sizeof(u), 0, true);
    ok(gpu.scanouts[1].y == 77 && !written, "... moves, without an answer");
    u.pos.scanout_id = 16;
    eqx(sent(&u, sizeof(u), OUT_SIZE, true), BAD_SCANOUT, "... not on a display that there is not");
    unref(3);
    eq(gpu.scanouts[1].cursor, 0, "... and is gone with its resource");
    end();
}

static unsigned displays_flushed[2], displays_dark[2];
static struct virtio_gpu_rect changed[2];
static void flushed(void *opaque, unsigned scanout_, const struct virtio_gpu_rect *what)
{
    ok(opaque == displays_flushed, "the hook's own");
    if (what) {
        displays_flushed[scanout_]++;
        changed[scanout_] = *what;
    } else {
        displays_dark[scanout_]++;
    }
}

/* What the last flush of a display's picture was about */
static void is_changed(unsigned display, uint32_t x, uint32_t y, uint32_t w, uint32_t h, const char *what)
{
    const struct virtio_gpu_rect *r = &changed[display];

    ok(r->x == x && r->y == y && r->width == w && r->height == h, "%s: %u,%u %ux%u", what, r->x, r->y, r->width, r->height);
}

static void damage(void)
{
    start(false);
    memset(displays_flushed, 0, sizeof(displays_flushed));
    gpu.flushed = flushed;
    gpu.flushed_opaque = displays_flushed;
    create_2d(1, 1, 100, 50);
    create_2d(2, 1, 100, 50);
    scanout(0, 1, 0, 0, 100, 50);
    scanout(1, 1, 10, 20, 30, 20);
    eq(displays_flushed[0], 0, "what has not been flushed is not shown");
    flush(1, 5, 6, 7, 8);
    is_changed(0, 0, 0, 100, 50, "the first flush of a picture is all of it");
    is_changed(1, 0, 0, 30, 20, "... on each display");
    flush(1, 5, 6, 7, 8);
    is_changed(0, 5, 6, 7, 8, "the next one is that part");
    is_changed(1, 0, 0, 0, 0, "... or nothing, of a picture that has nothing of it");
    eq(displays_flushed[1], 2, "... which is told as well");
    flush(1, 0, 0, 12, 23);
    is_changed(1, 0, 0, 2, 3, "a part over the picture's corner");
    flush(1, 38, 39, 62, 11);
    is_changed(1, 28, 19, 2, 1, "... over the other one");
    flush(1, 0, 0, 100, 50);
    is_changed(1, 0, 0, 30, 20, "... over all of it");
    flush(1, 40, 20, 1, 1);
    is_changed(1, 0, 0, 0, 0, "a part beside it");
    scanout(0, 2, 0, 0, 100, 50);
    flush(2, 1, 1, 1, 1);
    is_changed(0, 0, 0, 100, 50, "of another resource all is new");
    eq(displays_dark[0] + displays_dark[1], 0, "no display has been dark");
    scanout(0, 0, 0, 0, 0, 0);
    eq(displays_dark[0], 1, "a display that is switched off is");
    scanout(0, 0, 0, 0, 0, 0);
    eq(displays_dark[0], 1, "... once");
    unref(1);
    eq(displays_dark[1], 1, "one whose resource goes is");
    scanout(1, 2, 0, 0, 100, 50);
    gpu_reset(&gpu);
    eq(displays_dark[1], 2, "a reset is the same to it");
    gpu.flushed = NULL;
    end();
}

static void two_dimensions(void)
{
    static const uint32_t formats[] = { 1, 2, 3, 4, 67, 68, 121, 134 };
    /* blue, green, red as bytes in each of them */
    static const uint8_t where[][3] = { { 0, 1, 2 }, { 0, 1, 2 }, { 3, 2, 1 }, { 3, 2, 1 }, { 2, 1, 0 }, { 1, 2, 3 }, { 1, 2, 3 }, { 2, 1, 0 } };
    struct entries one = { 1, { { PIXELS, 16 * 8 * 4, 0 } } };
    /* 16 x 8 pixels in three pieces, in an order of their own */
    struct entries three = { 3, { { PIXELS + 0x1000, 100, 0 }, { PIXELS, 28, 0 }, { PIXELS + 0x2000, 384, 0 } } };
    struct entries wrap = { 1, { { UINT64_MAX - 3, 16, 0 } } }, empty = { 2, { { PIXELS, 4, 0 }, { PIXELS, 0, 0 } } };
    unsigned w, h;
    uint32_t *p;

    start(false);
    eqx(create_2d(0, 1, 4, 4), BAD_RES, "no resource 0");
    eqx(create_2d(1, 5, 4, 4), BAD, "an unknown format");
    eqx(create_2d(1, 1, 0, 4), BAD, "no width");
    eqx(create_2d(1, 1, 4, 16385), BAD, "too high");
    eqx(create_2d(1, 1, 0x10001, 0x10001), BAD, "larger than 32 bits");
    eqx(create_2d(1, 1, 4096, 4096), NO_MEMORY, "more memory than there may be");
    eqx(create_2d(1, 2, 16, 8), OK, "a resource of 16 x 8");
    eqx(create_2d(1, 2, 16, 8), BAD_RES, "... once");
    eqx(create_2d(257, 2, 16, 8), OK, "another in the same bucket");
    eqx(unref(2), BAD_RES, "unref of what there is not");
    eqx(unref(0), BAD_RES, "... of 0");
    eqx(unref(257), OK, "... of what there is");
    eqx(unref(257), BAD_RES, "... once");

    eqx(transfer(1, 0, 0, 0, 1, 1), UNSPEC, "transfer from no backing");
    eqx(attach(9, 1, &one), BAD_RES, "backing for what there is not");
    eqx(attach(1, 0, &one), BAD, "a backing of nothing");
    eqx(attach(1, 2, &one), BAD, "more entries than follow");
    eqx(attach(1, 65537, &one), BAD, "more than there may be");
    eqx(attach(1, UINT32_MAX, &one), NO_MEMORY, "... of all resources");
    eqx(attach(1, 1, &wrap), BAD, "an entry over the end of all addresses");
    eqx(attach(1, 2, &empty), BAD, "an empty entry");
    ok(!gpu.n_entries, "none of these leaves entries");
    eqx(attach(1, 3, &three), OK, "a backing in pieces");
    eqx(attach(1, 1, &one), UNSPEC, "... once");

    for (unsigned i = 0; i < 128; i++) {
        uint32_t v = 0xff000000 | i << 16 | (255 - i) << 8 | (i ^ 0x55);
        unsigned at_ = i * 4;

        ram_poke(at_ < 100 ? PIXELS + 0x1000 + at_ : at_ < 128 ? PIXELS + at_ - 100 : PIXELS + 0x2000 + at_ - 128, &v, 4);
    }
    eqx(transfer(1, 0, 0, 0, 17, 1), BAD, "a rectangle too wide");
    eqx(transfer(1, 0, 15, 7, 2, 1), BAD, "... over the edge");
    eqx(transfer(1, 0, 0, 8, 1, 1), BAD, "... behind the end");
    eqx(transfer(1, 0, UINT32_MAX, 0, 2, 1), BAD, "... that wraps");
    eqx(transfer(1, 0, 1, 1, UINT32_MAX, UINT32_MAX), BAD, "... as large as can be");
    eqx(transfer(1, 0, 0, 0, 0, 1), BAD, "... of nothing");
    eqx(transfer(1, 4, 0, 0, 16, 8), BAD, "an offset too far");
    eqx(transfer(1, UINT64_MAX - 8, 0, 0, 1, 1), BAD, "... that wraps");
    eqx(transfer(1, 0, 0, 0, 16, 8), OK, "a whole picture");

    p = gpu_picture(&gpu, 0, &w, &h);
    ok(!p && errno == ENODATA, "nobody shows it");
    eqx(scanout(2, 1, 0, 0, 16, 8), BAD_SCANOUT, "no third display");
    eqx(scanout(0, 7, 0, 0, 16, 8), BAD_RES, "no such resource");
    eqx(scanout(0, 1, 8, 0, 9, 8), BAD, "a rectangle over the edge");
    eqx(scanout(0, 1, 0, 0, 16, 8), OK, "shown");
    p = gpu_picture(&gpu, 0, &w, &h);
    ok(p && w == 16 && h == 8 && p[0] == 0xff55 && p[127] == (127 << 16 | 128 << 8 | (127 ^ 0x55)) &&
       p[25] == (25 << 16 | 230 << 8 | (25 ^ 0x55)) && p[32] == (32 << 16 | 223 << 8 | (32 ^ 0x55)), "... as the guest drew it");
    free(p);
    eqx(flush(1, 0, 0, 16, 9), BAD, "flush over the edge");
    eqx(flush(2, 0, 0, 16, 8), BAD_RES, "... of what there is not");
    memset(displays_flushed, 0, sizeof(displays_flushed));
    gpu.flushed = flushed;
    gpu.flushed_opaque = displays_flushed;
    eqx(flush(1, 0, 0, 16, 8), OK, "... of it");
    ok(gpu.scanouts[0].flushes == 1 && displays_flushed[0] == 1 && !displays_flushed[1], "... arrives at the display");
    gpu.flushed = NULL;
    memset(ram(PIXELS + 0x2000, 384), 0, 384);
    eqx(transfer(1, 16 * 4 * 5 + 3 * 4, 3, 5, 2, 2), OK, "a part of it");
    eqx(scanout(1, 1, 3, 4, 3, 3), OK, "a part shown");
    p = gpu_picture(&gpu, 1, &w, &h);
    ok(p && w == 3 && h == 3 && p[0] && p[1] && p[2] && !p[3] && !p[4] && p[5] && !p[6] && !p[7] && p[8], "... which has changed");
    free(p);
    eqx(scanout(0, 0, 0, 0, 0, 0), OK, "a display goes dark");
    eqx(detach(1), OK, "no backing any more");
    eqx(detach(1), UNSPEC, "... once");
    eq(gpu.n_entries, 0, "... nothing left of it");
    eqx(unref(1), OK, "unref while it is shown");
    ok(!gpu_picture(&gpu, 1, &w, &h), "... nothing is shown");

    at("no memory behind the backing");
    create_2d(1, 1, 16, 8);
    one.e[0].addr = 0x1000;
    eqx(attach(1, 1, &one), OK, "attached");
    eqx(transfer(1, 0, 0, 0, 16, 8), BAD, "transfer finds none");
    one.e[0].addr = PIXELS;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t pixel[4] = { 0 };

        at("format %u", formats[i]);
        pixel[where[i][0]] = 1;
        pixel[where[i][1]] = 2;
        pixel[where[i][2]] = 3;
        ram_poke(PIXELS, pixel, 4);
        create_2d(10 + i, formats[i], 1, 1);
        attach(10 + i, 1, &one);
        transfer(10 + i, 0, 0, 0, 1, 1);
        scanout(0, 10 + i, 0, 0, 1, 1);
        p = gpu_picture(&gpu, 0, &w, &h);
        ok(p && p[0] == 0x030201, "format %u: where red, green and blue are", formats[i]);
        free(p);
    }
    at("many");
    gpu_reset(&gpu);
    for (uint32_t i = 1; i <= GPU_MAX_RESOURCES; i++)
        if (create_2d(i * 3, 1, 1, 1) != OK)
            eq(i, 0, "many");
    eqx(create_2d(1, 1, 1, 1), NO_MEMORY, "more resources than there may be");
    eqx(unref(3 * 100), OK, "... one of them goes");
    eqx(create_2d(1, 1, 1, 1), OK, "... another comes");
    end();
}

static void contexts(void)
{
    struct virtio_gpu_get_capset_info i = { HDR(GET_CAPSET_INFO) };
    struct virtio_gpu_get_capset g = { HDR(GET_CAPSET), .capset_id = GPU_TEST_CAPSET, .capset_version = 1 };
    struct virtio_gpu_ctx_destroy d = { HDR(CTX_DESTROY) };

    start(false);
    i.capset_index = 1;
    eqx(sent(&i, sizeof(i), OUT_SIZE, false), BAD, "without --test not the capset for tests");
    eqx(sent(&g, sizeof(g), OUT_SIZE, false), BAD, "... nor its data");
    eqx(context(CTX, GPU_TEST_CAPSET, 0), BAD, "... nor a context of it");
    start(true);
    ok(sent(&i, sizeof(i), OUT_SIZE, false) == VIRTIO_GPU_RESP_OK_CAPSET_INFO && out.capset_info.capset_id == GPU_TEST_CAPSET &&
       out.capset_info.capset_max_size == 4, "with it there is");
    i.capset_index = 2;
    eqx(sent(&i, sizeof(i), OUT_SIZE, false), BAD, "... no third one");
    ok(sent(&g, sizeof(g), OUT_SIZE, false) == VIRTIO_GPU_RESP_OK_CAPSET && written == 28 && out.bytes[24] == 1, "... its data");
    g.capset_version = 2;
    eqx(sent(&g, sizeof(g), OUT_SIZE, false), BAD, "... of no version 2");
    eqx(context(0, GPU_TEST_CAPSET, 0), BAD_CTX, "no context 0");
    eqx(context(CTX, GPU_TEST_CAPSET, 65), BAD, "a name too long");
    eqx(context(CTX, 4, 0), BAD, "an unknown capset");
    eqx(context(CTX, GPU_TEST_CAPSET, 64), OK, "a context");
    eqx(context(CTX, GPU_TEST_CAPSET, 0), BAD_CTX, "... once");
    create_2d(1, 1, 1, 1);
    eqx(of_context(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 6, 1), BAD_CTX, "attach: no such context");
    eqx(of_context(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, CTX, 2), BAD_RES, "attach: no such resource");
    eqx(of_context(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, CTX, 1), OK, "attached");
    ok(gpu_find(&gpu, 1)->contexts, "... it is");
    eqx(of_context(VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, CTX, 1), OK, "detached");
    ok(!gpu_find(&gpu, 1)->contexts, "... it is");
    of_context(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, CTX, 1);
    eqx(sent(&d, sizeof(d), OUT_SIZE, false), OK, "destroyed");
    ok(!gpu_find(&gpu, 1)->contexts, "... nothing is attached to it any more");
    eqx(sent(&d, sizeof(d), OUT_SIZE, false), BAD_CTX, "... once");
    for (uint32_t n = 1; n <= GPU_MAX_CONTEXTS; n++)
        if (context(n * 1000, 0, 0) != OK)
            eq(n, 0, "many");
    eqx(context(1, 0, 0), NO_MEMORY, "more contexts than there may be");
    end();
}

static unsigned answers;
static uint16_t last_answer;
static void answered(void *opaque, uint16_t head, uint32_t len)
{
    (void)opaque, (void)len;
    answers++;
    last_answer = head;
}

/* A command of a context with a fence, as request "head" */
static uint32_t fenced(uint16_t head, uint32_t ctx, uint32_t flags, uint8_t ring, uint64_t fence)
{
    struct virtio_gpu_cmd_submit q = {
        .hdr = { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .flags = flags, .ctx_id = ctx, .ring_idx = ring, .fence_id = fence },
    };
    struct virtqueue_chain c = { .head = head, .n_out = 1, .n_in = 1, .out_len = sizeof(q), .in_len = OUT_SIZE };

    ram_poke(RAM_DATA, &q, sizeof(q));
    c.part[0].addr = RAM_DATA;
    c.part[0].len = sizeof(q);
    c.part[1].addr = OUT_AT;
    c.part[1].len = OUT_SIZE;
    written = gpu_command(&gpu, &c, false);
    memcpy(&out, ram(OUT_AT, OUT_SIZE), OUT_SIZE);
    return written;
}

static uint32_t pass(uint32_t ctx, uint32_t ring, uint64_t fence)
{
    struct { struct virtio_gpu_cmd_submit q; struct gpu_test_command t; } q = {
        .q = { HDR(SUBMIT_3D), .size = sizeof(q.t) },
        .t = { .verb = GPU_TEST_PASS, .resource = ring, .offset = fence },
    };

    q.q.hdr.ctx_id = ctx;
    return sent(&q, sizeof(q), OUT_SIZE, false);
}

static void fences(void)
{
    const uint32_t both = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX;
    struct virtio_gpu_ctx_destroy d = { HDR(CTX_DESTROY) };
    unsigned n;

    start(true);
    context(CTX, GPU_TEST_CAPSET, 0);
    context(CTX + 1, GPU_TEST_CAPSET, 0);
    eq(fenced(1, CTX, both, 1, 10), 24, "who cannot be answered later is answered at once");
    gpu.answer = answered;
    answers = 0;
    eq(fenced(1, CTX, VIRTIO_GPU_FLAG_FENCE, 0, 10), 24, "a fence of no ring: at once");
    eq(fenced(1, CTX, both, 0, 10), 24, "a ring whose fences are passed at once");
    ok(out.hdr.flags == both && out.hdr.fence_id == 10, "... the fence comes back");
    eqx(fenced(2, CTX, both, 1, 11), VIRTIO_LATER, "a ring whose fences are passed later");
    ok(out.hdr.type == OK && out.hdr.fence_id == 11 && out.hdr.ring_idx == 1, "... the answer is there");
    eqx(fenced(4, CTX, both, 2, 12), VIRTIO_LATER, "another ring");
    eqx(fenced(3, CTX, both, 1, 12), VIRTIO_LATER, "another one of the first");
    eqx(fenced(5, CTX + 1, both, 1, 12), VIRTIO_LATER, "another context");
    eqx(fenced(6, CTX, both, 1, 13), VIRTIO_LATER, "one more");
    eq(answers, 0, "nobody has an answer yet");
    pass(CTX, 1, 99);
    eq(answers, 0, "a fence that there is not");
    pass(CTX, 1, 12);
    ok(answers == 2 && last_answer == 3, "a fence passed: its command and the one before it in its ring");
    pass(CTX, 1, 12);
    eq(answers, 2, "... once");
    pass(CTX, 2, 12);
    ok(answers == 3 && last_answer == 4, "the other ring's");
    eqx(sent(&d, sizeof(d), OUT_SIZE, false), OK, "a context goes");
    ok(answers == 4 && last_answer == 6, "... nothing of it waits any more");
    pass(CTX + 1, 1, 12);
    ok(answers == 5 && last_answer == 5, "... the other one's did");
    for (n = 0; n < VIRTQUEUE_MAX; n++)
        if (fenced(n, CTX + 1, both, 1, n) != VIRTIO_LATER)
            break;
    eq(n, VIRTQUEUE_MAX, "as many as a queue has requests can wait");
    eq(fenced(1, CTX + 1, both, 1, n), 24, "... no more than that");
    pass(CTX + 1, 1, n - 1);
    eq(answers, 5 + VIRTQUEUE_MAX, "... all of them are answered");
    fenced(7, CTX + 1, both, 1, 1);
    gpu_reset(&gpu);
    eq(answers, 5 + VIRTQUEUE_MAX, "after a reset nobody is");
    end();
}

/* ---- OpenGL ---- */

static uint32_t create_3d(uint32_t id, uint32_t target, uint32_t format, uint32_t w, uint32_t h)
{
    return SEND((struct virtio_gpu_resource_create_3d){ HDR(RESOURCE_CREATE_3D), .resource_id = id, .target = target,
                                                        .format = format, .width = w, .height = h, .depth = 1, .array_size = 1 });
}
static uint32_t transfer_3d(uint32_t id, uint32_t ctx, bool to_host, uint32_t w, uint32_t h)
{
    struct virtio_gpu_transfer_host_3d q = { HDR(TRANSFER_TO_HOST_3D), .box = { .w = w, .h = h, .d = 1 }, .resource_id = id };

    q.hdr.ctx_id = ctx;
    if (!to_host)
        q.hdr.type = VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D;
    return sent(&q, sizeof(q), OUT_SIZE, false);
}

/* Fences of no ring: in the order of the commands, whatever waits */
static void plain_fences(void)
{
    const uint32_t plain = VIRTIO_GPU_FLAG_FENCE, both = plain | VIRTIO_GPU_FLAG_INFO_RING_IDX;
    struct virtio_gpu_ctx_destroy d = { HDR(CTX_DESTROY) };

    gpu.answer = answered;
    answers = 0;
    eqx(fenced(1, CTX, plain, 0, 1), VIRTIO_LATER, "OpenGL: a fence of no ring waits for what was drawn");
    eqx(fenced(2, CTX + 1, plain, 0, 2), VIRTIO_LATER, "... that of another context behind it, too");
    eqx(fenced(3, 0, plain, 0, 3), VIRTIO_LATER, "... and that of no context");
    ok(out.hdr.type == BAD_CTX && out.hdr.fence_id == 3, "... even if it is for an error");
    eq(fenced(4, CTX + 1, both, 0, 4), 24, "one of a ring does not");
    eq(fenced(5, CTX + 1, 0, 0, 0), 24, "nor does no fence");
    eqx(fenced(6, CTX, plain, 0, 6), VIRTIO_LATER, "more is drawn");
    eqx(fenced(7, CTX, both, 0, 7), VIRTIO_LATER, "... with a fence of the context's");
    eqx(fenced(8, CTX + 1, both, 1, 8), VIRTIO_LATER, "... and one of another context's ring");
    gpu_fence_passed(&gpu, CTX + 1, 1, 8);
    ok(answers == 1 && last_answer == 8, "that one is passed: nothing else is answered");
    answers = 0;
    gpu_fence_passed(&gpu, CTX, 0, 1);
    ok(answers == 3 && last_answer == 3, "the first is passed: all up to what was drawn next are answered");
    gpu_fence_passed(&gpu, CTX, 0, 7);
    ok(answers == 5 && last_answer == 7, "... then the rest");
    eq(fenced(8, CTX + 1, plain, 0, 8), 24, "nothing waits: at once");
    eqx(fenced(9, CTX, plain, 0, 9), VIRTIO_LATER, "a context draws");
    eqx(fenced(10, CTX + 1, plain, 0, 10), VIRTIO_LATER, "... something is behind it");
    eqx(sent(&d, sizeof(d), OUT_SIZE, false), OK, "... and it goes");
    ok(answers == 7 && last_answer == 10, "nothing of it waits, nor behind it");
    gpu.answer = NULL;
}

static void opengl(void)
{
    struct virtio_gpu_get_capset_info info = { HDR(GET_CAPSET_INFO), .capset_index = 1 };
    struct virtio_gpu_get_capset get = { HDR(GET_CAPSET), .capset_id = VIRTIO_GPU_CAPSET_VIRGL2, .capset_version = 2 };
    struct virtio_gpu_resource_create_3d c = { HDR(RESOURCE_CREATE_3D), .resource_id = 9, .target = 2, .format = 67, .width = 4,
                                               .height = 4, .depth = 1, .array_size = 1 };
    /* in the second and the third page, from inside of one */
    const struct entries two = { 2, { { PIXELS + 0x2010, 16, 0 }, { PIXELS + 0x1ffc, 4096, 0 } } };
    const struct entries absent = { 1, { { 0x1000, 4096, 0 } } }, huge = { 1, { { PIXELS, UINT32_MAX, 0 } } };
    uint32_t pixel[4] = { 0x11223344, 0x55667788, 0x99aabbcc, 0xddeeff00 }, *p;
    unsigned w, h;
    uint64_t used;

    start(false);
    eqx(create_3d(1, 2, 1, 4, 2), UNSPEC, "no OpenGL, none of its resources");
    end();
    start(true);
    gpu.config.max_memory = 64 << 20;
    gpu.config.renderer = &gl_renderer;
    eq(gpu_capsets(&gpu), 3, "a capset more");
    ok(sent(&info, sizeof(info), OUT_SIZE, false) == VIRTIO_GPU_RESP_OK_CAPSET_INFO && out.capset_info.capset_id == 2 &&
       out.capset_info.capset_max_size == sizeof(gl_caps), "... OpenGL's");
    ok(sent(&get, sizeof(get), OUT_SIZE, false) == VIRTIO_GPU_RESP_OK_CAPSET && written == 24 + sizeof(gl_caps) &&
       out.bytes[24] == 7, "... which is long");
    context(CTX, 0, 0);
    eq(gl_contexts, 1, "a context of no capset is OpenGL's");
    context(CTX + 1, GPU_TEST_CAPSET, 0);

    eqx(create_3d(0, 2, 1, 4, 2), BAD_RES, "no resource 0");
    eqx(create_3d(1, 2, 1, 0, 2), BAD, "no width");
    eqx(create_3d(1, 2, 1, GPU_MAX_SIDE + 1, 2), BAD, "too wide");
    eqx(create_3d(1, 0, 1, 1 << 27, 1), NO_MEMORY, "a buffer that is too long");
    eqx(create_3d(1, 2, 1, GPU_MAX_SIDE, GPU_MAX_SIDE), NO_MEMORY, "too large");
    eqx(create_3d(1, 2, GL_REFUSED, 4, 2), BAD, "what the renderer does not take");
#define TRY(field, value, want, ...) (c.field = value, eqx(sent(&c, sizeof(c), OUT_SIZE, false), want, __VA_ARGS__))
    TRY(depth, UINT32_MAX, BAD, "too deep");
    TRY(depth, 1, OK, "not so");
    eqx(unref(9), OK, "... it goes");
    TRY(array_size, 1u << 31, BAD, "too many layers");
    TRY(array_size, 2048, OK, "as many as there may be");
    eq(gpu.used_memory, 4 * 16 * 2048, "... counted");
    eqx(unref(9), OK, "... they go");
    TRY(format, 200, OK, "... of a format with pixels of any size");
    eq(gpu.used_memory, 16 * 16 * 2048, "... which are counted as the largest");
    eqx(unref(9), OK, "... they go");
    TRY(nr_samples, 32, OK, "... with samples");
    eq(gpu.used_memory, 16 * 16 * 2048 * 32, "... which are counted");
    eqx(unref(9), OK, "... they go");
    TRY(nr_samples, 64, BAD, "too many of those");
    c.nr_samples = 0;
    TRY(last_level, 16, BAD, "too many levels");
    TRY(last_level, 2, OK, "some");
    eq(gpu.used_memory, 2 * 16 * 16 * 2048, "... cost no more than twice as much");
    eqx(unref(9), OK, "... they go");
    ok(!gpu.used_memory && !gpu.n_resources, "none of these leaves something");

    eqx(create_3d(1, 2, 1, 4, 2), OK, "a picture of 4 by 2");
    eqx(create_3d(1, 2, 1, 4, 2), BAD_RES, "... is there");
    used = gpu.used_memory;
    eq(used, 32, "... and counted");
    eqx(transfer_3d(1, CTX, true, 4, 2), UNSPEC, "no backing, no transfer");
    eqx(attach(1, 1, &absent), BAD, "memory that the guest does not have");
    eqx(attach(1, 1, &huge), NO_MEMORY, "more than may be mapped");
    gl_refuse = true;
    eqx(attach(1, 2, &two), UNSPEC, "what the renderer does not take");
    gl_refuse = false;
    ok(gpu.used_memory == used && !gpu.n_entries && !ram_mapped, "... nothing of it stays");
    eqx(attach(1, 2, &two), OK, "backing in two parts");
    eq(ram_mapped, 3, "... is mapped");
    eq(gpu.used_memory, used + 3 * PAGE, "... and counted");
    eqx(attach(1, 2, &two), UNSPEC, "... once");
    eqx(transfer_3d(1, CTX + 9, true, 4, 2), BAD_CTX, "a transfer of no such context");
    eqx(transfer_3d(1, CTX + 1, true, 4, 2), UNSPEC, "... of one of another kind");
    eqx(transfer_3d(1, CTX, true, 5, 2), BAD, "... of too much");
    eqx(transfer(1, 0, 0, 0, 4, 2), UNSPEC, "no 2D transfer to it");
    ram_poke(PIXELS + 0x2010, pixel, 16);
    ram_poke(PIXELS + 0x1ffc, pixel, 16);
    eqx(transfer_3d(1, CTX, true, 4, 2), OK, "a transfer");
    eqx(scanout(0, 1, 1, 0, 3, 2), OK, "shown, but for its left edge");
    eqx(flush(1, 0, 0, 4, 2), OK, "... flushed");
    p = gpu_picture(&gpu, 0, &w, &h);
    ok(p && w == 3 && h == 2 && p[0] == 0x667788 && p[3] == 0x667788 && p[5] == 0xeeff00, "... as it is");
    free(p);
    gl_find(1)->pixels[5] = 0x01020304;
    eqx(transfer_3d(1, 0, false, 4, 2), OK, "a transfer back, of no context");
    ok(!memcmp(ram(PIXELS + 0x2000, 4), &(uint32_t){ 0x01020304 }, 4), "... is in the guest's memory");
    eqx(create_3d(2, 2, 200, 4, 2), OK, "a picture of another format");
    eqx(scanout(0, 2, 0, 0, 4, 2), BAD, "... cannot be shown");
    eqx(detach(1), OK, "the backing goes");
    ok(gpu.used_memory == used + 8 * 16 && !ram_mapped, "... is no longer mapped");
    eqx(detach(1), UNSPEC, "... once");
    eqx(transfer_3d(1, CTX, true, 4, 2), UNSPEC, "... no transfer any more");
    eqx(attach(1, 2, &two), OK, "backing again");
    eqx(unref(1), OK, "it goes with all of it");
    eq(ram_mapped, 0, "... nothing is mapped");
    eqx(host_blob(3, 1, PAGE), BAD, "no blobs of OpenGL's");

    plain_fences();
    context(CTX, VIRTIO_GPU_CAPSET_VIRGL2, 0);
    create_3d(1, 2, 1, 4, 2);
    attach(1, 2, &two);
    gpu_unmap(&gpu);
    ok(!ram_mapped && !gl_find(1)->iov, "before the guest's memory goes, nothing of it is mapped");
    attach(1, 2, &two);
    end();
    ok(!ram_mapped && !gl_contexts && !gl_find(1), "... nor of the renderer's");
#undef TRY
}

static void host_blobs(void)
{
    struct { unsigned kind; const char *name; } kinds[] = {
        { GPU_TEST_MEMFD, "memfd" }, { GPU_TEST_ANONYMOUS, "anonymous" }, { GPU_TEST_FILE, "file" },
        { GPU_TEST_READ_ONLY, "read-only" },
    };
    uint64_t word;

    start(true);
    eqx(host_blob(1, GPU_TEST_MEMFD, PAGE), BAD_CTX, "no context, no blob");
    eqx(map(1, 0), BAD_RES, "... nor one to map");
    context(CTX, GPU_TEST_CAPSET, 0);
    eqx(host_blob(0, GPU_TEST_MEMFD, PAGE), BAD_RES, "no resource 0");
    eqx(host_blob(1, 99, PAGE), BAD, "an unknown kind of memory");
    eqx(host_blob(1, 1ull << 32 | GPU_TEST_MEMFD, PAGE), BAD, "... 64 bits of it");
    eqx(host_blob(1, GPU_TEST_MEMFD, 0), BAD, "no size");
    eqx(host_blob(1, GPU_TEST_MEMFD, UINT64_MAX), BAD, "the largest size");
    eqx(host_blob(1, GPU_TEST_MEMFD, 1ull << 40), NO_MEMORY, "more than there may be");
    eqx(host_blob(1, GPU_TEST_HUGETLB, PAGE), BAD, "half a huge page");
    eqx(blob(1, 0, 1, GPU_TEST_MEMFD, PAGE), BAD, "no kind of blob");
    eqx(blob(1, VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST, 1, GPU_TEST_MEMFD, PAGE), BAD, "one half the guest's");
    eqx(blob(1, VIRTIO_GPU_BLOB_MEM_HOST3D, 8, GPU_TEST_MEMFD, PAGE), BAD, "an unknown flag");
    ok(!gpu.n_resources && !gpu.used_memory, "none of these leaves something");

    for (unsigned k = 0; k < 4; k++) {
        bool read_only = kinds[k].kind == GPU_TEST_READ_ONLY;

        at("%s", kinds[k].name);
        eqx(host_blob(1, kinds[k].kind, 3 * PAGE - 5), OK, "a blob: %s", kinds[k].name);
        eqx(host_blob(1, kinds[k].kind, PAGE), BAD_RES, "... once");
        eqx(map(1, 5), BAD, "not at a misaligned offset");
        eqx(map(1, REGION - 2 * PAGE), BAD, "nor over the end of the region");
        eqx(map(1, REGION), BAD, "nor behind it");
        eqx(map(1, UINT64_MAX - PAGE + 1), BAD, "nor far behind it");
        eqx(map(1, 0x8000), VIRTIO_GPU_RESP_OK_MAP_INFO, "mapped");
        ok(out.map.map_info == VIRTIO_GPU_MAP_CACHE_CACHED && written == sizeof(out.map), "... as cached memory");
        eqx(map(1, 0x10000), BAD, "... once");
        ok(!there(0x7000) && there(0x8000) && there(0xa000) && !there(0xb000), "... exactly there");
        if (read_only) {
            memcpy(&word, seen + 0x9000, 8);
            eqx(word, GPU_TEST_WORD + 1, "... with its words in it");
        } else {
            strcpy(seen + 0x9000, "kept");
        }
        host_blob(2, GPU_TEST_MEMFD, 2 * PAGE);
        eqx(map(2, 0xa000), BAD, "another cannot be over its end");
        eqx(map(2, 0x7000), BAD, "... or its start");
        eqx(map(2, 0x9000), BAD, "... or inside");
        eqx(map(2, 0xb000), VIRTIO_GPU_RESP_OK_MAP_INFO, "... behind it it can");
        eqx(unmap(1), OK, "unmapped");
        ok(!there(0x8000) && !there(0xa000) && there(0xb000), "... it alone is gone");
        eqx(unmap(1), BAD, "... once");
        eqx(map(1, 0), VIRTIO_GPU_RESP_OK_MAP_INFO, "mapped elsewhere");
        ok(read_only || !strcmp(seen + 0x1000, "kept"), "... everything is there");
        eqx(submit(sizeof(struct gpu_test_command), GPU_TEST_PAGE_OUT, 1, 0, 3 * PAGE), OK, "paged out");
        ok(read_only || !strcmp(seen + 0x1000, "kept"), "... everything is there");
        eqx(submit(sizeof(struct gpu_test_command), GPU_TEST_PUNCH, 1, PAGE, PAGE), read_only ? UNSPEC : OK,
            read_only ? "no hole in what is read-only" : "a hole");
        ok(read_only || !seen[0x1000], "... of zeros");
        eqx(unref(1), OK, "unref while mapped");
        ok(!there(0) && !there(0x2000), "... it is gone from the region");
        unref(2);
        ok(!there(0xb000) && !gpu.used_memory, "... and so is the other");
    }

    at("submit");
    host_blob(1, GPU_TEST_MEMFD, 2 * PAGE);
    create_2d(2, 1, 1, 1);
    of_context(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, CTX, 2);
    eqx(submit(24, GPU_TEST_PAGE_OUT, 1, 0, PAGE), BAD, "what is not mapped is not paged out");
    map(1, 0);
    eqx(submit(25, GPU_TEST_PAGE_OUT, 1, 0, PAGE), BAD, "half a command");
    eqx(submit(48, GPU_TEST_PAGE_OUT, 1, 0, PAGE), BAD, "fewer commands than claimed");
    eqx(submit(UINT32_MAX, GPU_TEST_PAGE_OUT, 1, 0, PAGE), BAD, "by far");
    eqx(submit(24, 9, 1, 0, PAGE), BAD, "an unknown verb");
    eqx(submit(24, GPU_TEST_PUNCH, 3, 0, PAGE), BAD, "an unknown resource");
    eqx(submit(24, GPU_TEST_PUNCH, 2, 0, PAGE), BAD, "one that is no blob");
    eqx(submit(24, GPU_TEST_PUNCH, 1, 1, PAGE), BAD, "a misaligned offset");
    eqx(submit(24, GPU_TEST_PUNCH, 1, PAGE, 2 * PAGE), BAD, "a range over the end");
    eqx(submit(24, GPU_TEST_PUNCH, 1, -(uint64_t)PAGE, 2 * PAGE), BAD, "... that wraps");
    eqx(submit(24, GPU_TEST_PUNCH, 1, 0, 0), BAD, "... of nothing");
    of_context(VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, CTX, 1);
    eqx(submit(24, GPU_TEST_PUNCH, 1, 0, PAGE), BAD, "a blob of no context");
    eqx(submit(0, 0, 0, 0, 0), OK, "no command is one, too");
    eqx(submit_many(GPU_MAX_SUBMISSION / 24), OK, "as many commands at once as there may be");
    eqx(submit_many(GPU_MAX_SUBMISSION / 24 + 1), BAD, "one more");
    end();
    ok(!there(0), "... nor in the region");
}

/* What is in the resource for answers, which is in two pieces */
static struct cross_domain_answer answer(void)
{
    struct cross_domain_answer a;

    memcpy(&a, ram(PIXELS, 10), 10);
    memcpy((char *)&a + 10, ram(PIXELS + 0x2000, sizeof(a) - 10), sizeof(a) - 10);
    return a;
}

static void images(void)
{
    struct { struct virtio_gpu_resource_create_blob q; struct virtio_gpu_mem_entry e[2]; } ring = {
        .q = { HDR(RESOURCE_CREATE_BLOB), .resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 2, .size = 4096 },
        .e = { { PIXELS, 10, 0 }, { PIXELS + 0x2000, 4086, 0 } },
    };
    struct { struct virtio_gpu_cmd_submit s; struct cross_domain_init q; } in = {
        .s = { HDR(SUBMIT_3D), .size = sizeof(struct cross_domain_init) },
        .q = { .h = { CROSS_DOMAIN_INIT, 0, sizeof(struct cross_domain_init), 0 }, .query_resource = 1 },
    }, in2;
    struct { struct virtio_gpu_cmd_submit s; struct cross_domain_query q; } ask = {
        .s = { HDR(SUBMIT_3D), .size = sizeof(struct cross_domain_query) },
        .q = { .h = { CROSS_DOMAIN_REQUIREMENTS, 0, sizeof(struct cross_domain_query), 0 }, .width = 100, .height = 50,
               .format = DRM_FORMAT_XRGB8888 },
    }, ask2;
    struct virtio_gpu_get_capset g = { HDR(GET_CAPSET), .capset_id = CROSS_DOMAIN_CAPSET };
    struct cross_domain_answer a;
    unsigned n;

    at("images");
    start(false);
    ok(sent(&g, sizeof(g), OUT_SIZE, false) == VIRTIO_GPU_RESP_OK_CAPSET && written == 40 && out.bytes[24] == 1 && !out.bytes[28],
       "cross-domain: its capset, no channels");
    context(CTX, CROSS_DOMAIN_CAPSET, 0);
    eqx(sent(&ask, sizeof(ask), OUT_SIZE, false), BAD, "no question before there is a place for the answer");
    eqx(sent(&in, sizeof(in), OUT_SIZE, false), BAD, "no resource for answers");
    sent(&ring, sizeof(ring), OUT_SIZE, false);
    eqx(sent(&in, sizeof(in), OUT_SIZE, false), BAD, "... one that is not attached");
    of_context(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, CTX, 1);
#define TRY_IN(field, value, want, ...) (in2 = in, in2.field = value, eqx(sent(&in2, sizeof(in2), OUT_SIZE, false), want, __VA_ARGS__))
    TRY_IN(q.channel, 1, BAD, "a channel that there is not");
    TRY_IN(q.query_resource, 0, BAD, "no resource");
    TRY_IN(q.h.len, 7, BAD, "a command shorter than its header");
    TRY_IN(q.h.len, 12, BAD, "... than it has to be");
    TRY_IN(q.h.len, 24, BAD, "... longer than what was sent");
    TRY_IN(q.h.command, 3, BAD, "a command about a channel");
    TRY_IN(q.h.command, 8, BAD, "an unknown command");
    TRY_IN(s.size, 5, BAD, "half a header");
    eqx(sent(&in, sizeof(in), OUT_SIZE, false), OK, "a place for answers");
    in2 = in;
    in2.s.size = in2.q.h.len = 16;
    eqx(sent(&in2, sizeof(in2), OUT_SIZE, false), OK, "... in the older form");

#define TRY_ASK(field, value, want, ...) (ask2 = ask, ask2.field = value, eqx(sent(&ask2, sizeof(ask2), OUT_SIZE, false), want, __VA_ARGS__))
    TRY_ASK(q.format, 0, BAD, "an unknown format");
    TRY_ASK(q.width, 0, BAD, "no width");
    TRY_ASK(q.height, 16385, BAD, "too high");
    TRY_ASK(q.h.len, 23, BAD, "a question too short");
    eqx(host_blob(2, 2, 24576), BAD, "no blob before there was an answer");
    eqx(sent(&ask, sizeof(ask), OUT_SIZE, false), OK, "a question");
    a = answer();
    ok(a.strides[0] == 448 && !a.strides[1] && !a.offsets[0] && a.size == 24576 && a.blob_id == 2 && !a.modifier &&
       a.map_info == VIRTIO_GPU_MAP_CACHE_CACHED, "... answered");
    TRY_ASK(q.format, DRM_FORMAT_NV12, OK, "an image of two planes");
    a = answer();
    ok(a.strides[1] == 128 && a.offsets[1] == 6400 && a.size == 12288 && a.blob_id == 4, "... where they are");
    TRY_ASK(q.height, 51, OK, "one of the same size");
    a = answer();
    eq(a.blob_id, 2, "... has the same id");
    eqx(host_blob(2, 2, 20480), BAD, "a blob of another size");
    eqx(host_blob(2, 6, 24576), BAD, "... of an unknown id");
    eqx(host_blob(2, 1, 24576), BAD, "... of one that would have come by a channel");
    eqx(host_blob(2, 0, 24576), BAD, "... of none");
    eqx(host_blob(2, 2, 24576), OK, "the blob");
    eqx(map(2, 0), VIRTIO_GPU_RESP_OK_MAP_INFO, "... can be mapped");
    ok(there(0) && there(20480) && !there(24576), "... all of it");
    for (n = 2; n < 256; n++) {
        ask2.q.height = 50 + 10 * n;
        if (sent(&ask2, sizeof(ask2), OUT_SIZE, false) != OK)
            break;
    }
    eq(n, 256, "as many sizes as there may be");
    TRY_ASK(q.height, 9999, NO_MEMORY, "more sizes than there may be");
    unref(1);
    eqx(sent(&ask, sizeof(ask), OUT_SIZE, false), BAD, "the resource for answers is gone");
    create_2d(1, 1, 4, 4);
    of_context(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, CTX, 1);
    eqx(sent(&ask, sizeof(ask), OUT_SIZE, false), BAD, "... or another one");
    end();
}

static void guest_blobs(void)
{
    struct { struct virtio_gpu_resource_create_blob q; struct virtio_gpu_mem_entry e[2]; } c = {
        .q = { HDR(RESOURCE_CREATE_BLOB), .resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 2, .size = 0x1800 },
        .e = { { PIXELS + 0x1000, 0x1000, 0 }, { PIXELS, 0x1000, 0 } },
    };
    struct virtio_gpu_set_scanout_blob s = { HDR(SET_SCANOUT_BLOB), .r = { 0, 0, 4, 2 }, .resource_id = 1, .width = 4, .height = 2,
                                             .format = 2, .strides = { 0x1000 }, .offsets = { 16 } };
    struct virtio_gpu_set_scanout_blob t;
    uint32_t pixel = 0x123456, *p;
    unsigned w, h;

    start(false);
    c.q.nr_entries = 0;
    eqx(sent(&c, sizeof(c), OUT_SIZE, false), BAD, "a guest blob of nothing");
    c.q.nr_entries = 3;
    eqx(sent(&c, sizeof(c), OUT_SIZE, false), BAD, "fewer entries than claimed");
    c.q.nr_entries = 1;
    eqx(sent(&c, sizeof(c), OUT_SIZE, false), BAD, "less memory than claimed");
    ok(!gpu.n_resources && !gpu.n_entries, "none of these leaves something");
    c.q.nr_entries = 2;
    eqx(sent(&c, sizeof(c), OUT_SIZE, false), OK, "a guest blob");
    eqx(map(1, 0), BAD_RES, "... is not host-visible");
    eqx(attach(1, 1, &(struct entries){ 1, { { PIXELS, PAGE, 0 } } }), UNSPEC, "... has its backing");
    eqx(detach(1), UNSPEC, "... and keeps it");
    eqx(transfer(1, 0, 0, 0, 1, 1), UNSPEC, "... needs no transfer");
    eqx(scanout(0, 1, 0, 0, 1, 1), BAD_RES, "... is no 2D resource");

#define TRY(field, value, want, ...) (t = s, t.field = value, eqx(sent(&t, sizeof(t), OUT_SIZE, false), want, __VA_ARGS__))
    TRY(scanout_id, 2, BAD_SCANOUT, "no third display");
    TRY(resource_id, 4, BAD_RES, "no such resource");
    TRY(format, 99, BAD, "an unknown format");
    TRY(strides[0], 15, BAD, "lines that overlap");
    TRY(width, 3, BAD, "a rectangle over the edge");
    TRY(height, UINT32_MAX, BAD, "a picture too high");
    TRY(offsets[0], 0x1800 - 0x1000 - 15, BAD, "... over the end of the blob");
    TRY(strides[0], UINT32_MAX, BAD, "... by far");
    TRY(offsets[0], UINT32_MAX, BAD, "... from far behind it");
    ram_poke(PIXELS + 0x1000 + 16, &pixel, 4);
    ram_poke(PIXELS + 16 + 12, &pixel, 4);
    eqx(sent(&s, sizeof(s), OUT_SIZE, false), OK, "shown");
    p = gpu_picture(&gpu, 0, &w, &h);
    ok(p && w == 4 && h == 2 && p[0] == pixel && !p[1] && p[7] == pixel, "... from the guest's memory");
    free(p);
    gpu.flushed = flushed;
    gpu.flushed_opaque = displays_flushed;
    flush(1, 0, 0, 1, 1);
    flush(1, s.r.x + 1, s.r.y, UINT32_MAX, UINT32_MAX);
    is_changed(0, 1, 0, 3, 2, "a flush of a blob, which has no size");
    flush(1, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
    is_changed(0, 0, 0, 0, 0, "... of what is nowhere");
    gpu.flushed = NULL;
    TRY(resource_id, 0, OK, "dark");
    ok(!gpu_picture(&gpu, 0, &w, &h), "... nothing is shown");
    create_2d(3, 1, 4, 2);
    TRY(resource_id, 3, BAD_RES, "a 2D resource is no blob");
    end();

    start(true);
    context(CTX, GPU_TEST_CAPSET, 0);
    host_blob(1, GPU_TEST_ANONYMOUS, 2 * PAGE);
    map(1, 0);
    memcpy(seen + 16, &pixel, 4);
    eqx(sent(&s, sizeof(s), OUT_SIZE, false), OK, "a host's blob shown");
    p = gpu_picture(&gpu, 0, &w, &h);
    ok(p && p[0] == pixel && !p[1], "... as it is");
    free(p);
    end();
}

int main(void)
{
    tap_begin("gpu");
    span = xenlend_span_reserve(NULL, XENLEND_QUIET, REGION, 0);
    if (!ok(span, "a region"))
        return tap_end();
    seen = xenlend_span_addr(span);
    envelope();
    displays();
    two_dimensions();
    damage();
    contexts();
    fences();
    opengl();
    host_blobs();
    images();
    guest_blobs();
    gpu_init(&gpu, &(struct gpu_config){ .max_memory = 1 << 20, .test = true, .test_sources.udmabuf = -1 }, &ram_memory, NULL,
             NULL, NULL);
    context(CTX, GPU_TEST_CAPSET, 0);
    host_blob(1, GPU_TEST_MEMFD, PAGE);
    eqx(map(1, 0), BAD, "no region, nothing to map in");
    eqx(host_blob(2, GPU_TEST_FILE, PAGE), UNSPEC, "no folder, no files");
    eqx(host_blob(2, GPU_TEST_UDMABUF, PAGE), UNSPEC, "no udmabuf device, none of its memory");
    end();
    ok(!xenlend_span_free(span), "the region goes");
    ram_free();
    return tap_end();
}
