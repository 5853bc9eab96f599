/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any commands to the GPU, for libFuzzer.  Input: for each command a byte that says which, one that says how many fields
 * follow, and two bytes for each of these, so that small numbers are as likely as they are meaningful.  The two highest bits of
 * the second byte say what a compositor does before that: there is one at the other end of each channel; 3: the command is one of
 * the cross-domain protocol, whose parts have the right lengths.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "../virtio-gpu/connector.h"
#include "../virtio-gpu/cross_domain.h"
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

/*
 * 0xff..: the largest numbers; 0xfe..: addresses in the guest, and multiples of pages; 0xfc..: the head of a command of the
 * cross-domain protocol that is all that follows, n fields; 0xfb..: so many bytes; 0xfa..: the guest's pipes; others: themselves
 */
static uint32_t field(const uint8_t *p, unsigned n)
{
    switch (p[1]) {
    case 0xff:
        return UINT32_MAX - p[0];
    case 0xfe:
        return RAM_START + p[0] * 1024u;
    case 0xfd:
        return p[0] * 4096u;
    case 0xfc:
        return p[0] % 16 | 4 * n << 16;
    case 0xfb:
        return 4 * (n - 1 - p[0] % 2);
    case 0xfa:
        return CROSS_DOMAIN_READ_PIPES | p[0];
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

/* ---- the compositor, and the process that connects to it ---- */

#define PEERS   4
static struct connector connector;
static int asked, peers[PEERS], n_peers;

static void connect_(void)
{
    uint32_t number;

    while (read(asked, &number, sizeof(number)) == sizeof(number)) {
        struct connector_answer a = { .number = number, .error = n_peers == PEERS ? EAGAIN : 0 };
        struct iovec part = { &a, sizeof(a) };
        union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c = {
            .h = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS },
        };
        struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
        int fds[2];

        if (!a.error) {
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
                abort();
            memcpy(CMSG_DATA(&c.h), &fds[1], sizeof(int));
            m.msg_control = &c;
            m.msg_controllen = sizeof(c.room);
            peers[n_peers++] = fds[0];
        }
        if (sendmsg(asked, &m, MSG_NOSIGNAL) != sizeof(a))
            abort();
        if (!a.error)
            close(fds[1]);
    }
}

/* One of them reads all that there is, or sends something with descriptors, or hangs up. */
static void compositor(unsigned what, uint8_t how)
{
    char data[512] = "", rights[CMSG_SPACE(32 * sizeof(int))] = "";
    struct iovec part = { data, 1 + how };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights, .msg_controllen = CMSG_SPACE((how % 32) * sizeof(int)) };
    struct cmsghdr *h = (struct cmsghdr *)rights;
    int peer, fds[3] = { -1, -1, -1 }, got[32];

    connect_();
    if (!n_peers)
        return;
    peer = peers[how % n_peers];
    switch (what) {
    case 1:
        part.iov_len = sizeof(data);
        m.msg_controllen = sizeof(rights);
        while (recvmsg(peer, &m, MSG_CMSG_CLOEXEC) > 0) {
            h = CMSG_FIRSTHDR(&m);
            if (h) {
                unsigned n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                memcpy(got, CMSG_DATA(h), n * sizeof(int));
                while (n--) {
                    if (write(got[n], "x", 1) < 0)      /* a pipe, or memory */
                        (void)0;
                    close(got[n]);
                }
            }
            m.msg_controllen = sizeof(rights);
        }
        break;
    case 2:
        if (how == 0xff) {
            shutdown(peer, SHUT_RDWR);
            break;
        }
        if (pipe2(fds, O_CLOEXEC))
            abort();
        fds[2] = syscall(SYS_memfd_create, "theirs", 1u);
        if (fds[2] < 0 || ftruncate(fds[2], how * 64))
            abort();
        *h = (struct cmsghdr){ .cmsg_len = CMSG_LEN((how % 32) * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
        for (unsigned i = 0; i < how % 32u; i++)
            memcpy((int *)CMSG_DATA(h) + i, &fds[how == 0xfe ? 0 : 1 + i % 2], sizeof(int));
        if (!(how % 32))
            m.msg_control = NULL, m.msg_controllen = 0;
        if (sendmsg(peer, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            (void)0;                                    /* it is full, or at its end */
        for (unsigned i = 0; i < 3; i++)
            close(fds[i]);
        break;
    }
}

static void command_of(struct gpu *gpu, uint32_t ctx, uint32_t type, uint8_t flags, const uint8_t *p, unsigned fields)
{
    struct virtio_gpu_ctrl_hdr h = { .type = type, .ctx_id = ctx };
    struct virtqueue_chain c = { .n_out = 1, .n_in = 1, .in_len = 1200 };
    bool cursor = h.type == VIRTIO_GPU_CMD_UPDATE_CURSOR || h.type == VIRTIO_GPU_CMD_MOVE_CURSOR;

    ram_poke(RAM_DATA, &h, sizeof(h));
    for (unsigned i = 0; i < fields; i++) {
        uint32_t v = field(p + 2 * i, fields - i);

        ram_poke(RAM_DATA + sizeof(h) + 4 * i, &v, 4);
    }
    c.part[0].addr = RAM_DATA;
    c.part[0].len = c.out_len = sizeof(h) + 4 * fields;
    c.part[1].addr = RAM_DATA + 0x4000;
    c.part[1].len = 1200;
    if (flags & 0x40)
        memcpy(ram(RAM_DATA + 4, 4), "\x03\0\0", 4);  /* FENCE, INFO_RING_IDX: of ring 0 or 1 */
    if (flags & 0x80)
        *(uint8_t *)ram(RAM_DATA + 20, 1) = 1;
    later += gpu_command(gpu, &c, cursor) == VIRTIO_LATER;
}

static void command(struct gpu *gpu, uint8_t which, const uint8_t *p, unsigned fields)
{
    command_of(gpu, which / 32, types[which % (sizeof(types) / sizeof(types[0]))], which, p, fields);
}

/* SEND with so many identifiers as the first byte says, WRITE, or POLL with a fence */
static void spoken(struct gpu *gpu, uint8_t which, const uint8_t *p, unsigned fields)
{
    uint8_t q[2 * 20] = { 1, 0xfb, 0, 0, 0, 0xfc, 0, 0 };
    unsigned n = 4, ids = which / 4 % 5;

    switch (which % 4) {
    case 0:
        q[4] = CROSS_DOMAIN_POLL;
        break;
    case 1:
        q[4] = CROSS_DOMAIN_WRITE;
        memcpy(q + 8, p, fields < 4 ? 2 * fields : 8);
        q[12] = which & 0x80 ? 16 : 0;      /* of data */
        q[13] = 0;
        n = 12;
        break;
    default:
        q[4] = CROSS_DOMAIN_SEND;
        q[8] = ids;
        q[10] = 4;
        for (unsigned i = 0; i < ids && 2 * i + 1 < fields; i++) {
            memcpy(q + 12 + 2 * i, p + 4 * i, 2);
            q[20 + 2 * i] = p[4 * i + 2] % 5;
        }
        n = 19;
        break;
    }
    command_of(gpu, 6, VIRTIO_GPU_CMD_SUBMIT_3D, which % 4 ? 0 : 0xc0, q, n);
}

/* Context 6, whose commands can have fences of ring 1, with a channel */
static void channel(struct gpu *gpu)
{
    static const uint8_t create[] = { 0, 0, CROSS_DOMAIN_CAPSET, 0 };
    static const uint8_t blob[][28] = {
        { 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0xfd, 0, 0, 0x40, 0xfe, 0, 0, 1, 0xfd, 0, 0 },
        { 2, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0xfd, 0, 0, 0x44, 0xfe, 0, 0, 1, 0xfd, 0, 0 },
    };
    static const uint8_t attach[][4] = { { 1, 0, 0, 0 }, { 2, 0, 0, 0 } };
    static const uint8_t init[] = { 1, 0xfb, 0, 0, CROSS_DOMAIN_INIT, 0xfc, 0, 0, 1, 0, 2, 0, CROSS_DOMAIN_WAYLAND, 0 };
    uint8_t name[72] = { 0 };

    memcpy(name, create, sizeof(create));
    command_of(gpu, 6, VIRTIO_GPU_CMD_CTX_CREATE, 0, name, 18);
    for (unsigned i = 0; i < 2; i++) {
        command_of(gpu, 6, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 0, blob[i], 12);
        command_of(gpu, 6, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 0, attach[i], 2);
    }
    command_of(gpu, 6, VIRTIO_GPU_CMD_SUBMIT_3D, 0, init, 7);
    connect_();
    cross_domain_dispatch(gpu);
    if (!n_peers)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct gpu gpu;
    static xenlend_span *span;
    unsigned w, h;
    int first;

    if (!span) {
        int fds[2];

        signal(SIGPIPE, SIG_IGN);
        span = xenlend_span_reserve(NULL, XENLEND_QUIET, REGION, 0);
        if (!span || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) || connector_init(&connector, fds[0]))
            abort();
        asked = fds[1];
    }
    if (!ram_bytes)
        ram_new();
    gpu_init(&gpu, &(struct gpu_config){ .width = 64, .height = 64, .scanouts = 2, .max_memory = 4 << 20, .test = true,
                                         .test_sources.udmabuf = -1, .renderer = &gl_renderer,
                                         .connector = &connector },
             &ram_memory, span, NULL, NULL);
    first = dup(0);
    close(first);
    gpu.answer = answer;
    later = 0;
    if (len && data[0] & 1)
        channel(&gpu);
    if (len) {
        data++;
        len--;
    }
    while (len >= 2) {
        unsigned fields = data[1] % 64;

        if (len - 2 < 2 * fields)
            fields = (len - 2) / 2;
        if (data[1] / 64)
            compositor(data[1] / 64, data[0]);
        cross_domain_dispatch(&gpu);
        if (data[1] / 64 == 3)
            spoken(&gpu, data[0], data + 2, fields);
        else
            command(&gpu, data[0], data + 2, fields);
        data += 2 + 2 * fields;
        len -= 2 + 2 * fields;
        free(gpu_picture(&gpu, 0, &w, &h));
    }
    gpu_reset(&gpu);
    connect_();
    cross_domain_dispatch(&gpu);
    while (n_peers)
        close(peers[--n_peers]);
    w = dup(0);
    close(w);
    if ((int)w != first)
        abort();            /* descriptors are left */
    if (gpu.used_memory || gpu.n_resources || gpu.n_entries || ram_mapped || gl_contexts)
        abort();
    return 0;
}
