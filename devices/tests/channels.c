/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of the cross-domain protocol's channels: a guest's commands on one side, a socket where this program is the
 * compositor on the other, and between them the process that connects.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm_fourcc.h>

#include "../virtio-gpu/channel.h"
#include "../virtio-gpu/connector.h"
#include "../virtio-gpu/cross_domain.h"
#include "../virtio-gpu/drop.h"
#include "../virtio-gpu/gpu.h"
#include "ram.h"
#include "tap.h"

#define REGION      (1u << 20)
#define PAGE        4096u
#define OUT_AT      (RAM_DATA + 0x6000)
#define QUERY       (RAM_START + 0x10000)
#define RING        (RAM_START + 0x11000)
#define COMMAND     (RAM_START + 0x20000)
#define CTX         5
#define QUERY_ID    1
#define RING_ID     2
#define ROUNDS      3000        /* of 10 ms; nothing is expected to take long */
#define BOTH        (VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX)
#define HEAD        (sizeof(struct cross_domain_message) + 3 * CROSS_DOMAIN_IDS * sizeof(uint32_t))
#define BLOB        CROSS_DOMAIN_ID_BLOB
#define READ_PIPE   CROSS_DOMAIN_ID_READ_PIPE
#define WRITE_PIPE  CROSS_DOMAIN_ID_WRITE_PIPE
#define PIPE_1      (CROSS_DOMAIN_READ_PIPES + 1)

#define OK          VIRTIO_GPU_RESP_OK_NODATA
#define OK_MAP      VIRTIO_GPU_RESP_OK_MAP_INFO
#define BAD         VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define BAD_RES     VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define NO_MEMORY   VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define UNSPEC      VIRTIO_GPU_RESP_ERR_UNSPEC

/* of drop.c, which needs Xen: the socket is ours */
int identity_become(const struct identity *id)
{
    return id->uid == geteuid() ? 0 : -1;
}

static struct gpu gpu;
static struct connector *connector;
static xenlend_span *span;
static char *seen;
static char folder[] = "/tmp/check-channels-XXXXXX", path[64];
static int listener = -1;
static unsigned messages, answers;
static uint16_t last_answer;

/* ---- the guest ---- */

static void message(void *opaque, const char *text)
{
    (void)opaque, (void)text;
    messages++;
}

static void answered(void *opaque, uint16_t head, uint32_t len)
{
    (void)opaque, (void)len;
    answers++;
    last_answer = head;
}

static struct virtio_gpu_resp_capset_info out;

/* A request in two parts, of which the second one is at COMMAND */
static uint32_t request(uint16_t head, const void *q, size_t q_len, const void *command, size_t len)
{
    struct virtqueue_chain c = { .head = head, .n_out = 2, .n_in = 1, .out_len = q_len + len, .in_len = PAGE };

    ram_poke(RAM_DATA, q, q_len);
    if (len)
        ram_poke(COMMAND, command, len);
    c.part[0].addr = RAM_DATA;
    c.part[0].len = q_len;
    c.part[1].addr = COMMAND;
    c.part[1].len = len;
    c.part[2].addr = OUT_AT;
    c.part[2].len = PAGE;
    memset(ram(OUT_AT, sizeof(out)), 0, sizeof(out));
    if (gpu_command(&gpu, &c, false) == VIRTIO_LATER)
        return VIRTIO_LATER;
    memcpy(&out, ram(OUT_AT, sizeof(out)), sizeof(out));
    return out.hdr.type;
}

static uint32_t submit_as(uint32_t ctx, const void *command, size_t len)
{
    struct virtio_gpu_cmd_submit q = { .hdr = { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = ctx }, .size = len };

    return request(0, &q, sizeof(q), command, len);
}
static uint32_t submit(const void *command, size_t len)
{
    return submit_as(CTX, command, len);
}
/* POLL, as request "head" */
static uint32_t poll_as(uint16_t head, uint32_t ctx, uint8_t ring)
{
    struct virtio_gpu_cmd_submit q = {
        .hdr = { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = ctx, .flags = BOTH, .ring_idx = ring, .fence_id = head },
        .size = sizeof(struct cross_domain_header),
    };
    struct cross_domain_header h = { CROSS_DOMAIN_POLL, 0, sizeof(h), 0 };

    return request(head, &q, sizeof(q), &h, sizeof(h));
}
static uint32_t polled(uint16_t head)
{
    return poll_as(head, CTX, CROSS_DOMAIN_CHANNEL_RING);
}
static uint32_t context(uint32_t id)
{
    struct virtio_gpu_ctx_create q = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = id },
                                       .context_init = CROSS_DOMAIN_CAPSET };

    return request(0, &q, sizeof(q), NULL, 0);
}
static uint32_t no_context(uint32_t id)
{
    struct virtio_gpu_ctx_destroy q = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = id } };

    return request(0, &q, sizeof(q), NULL, 0);
}
static uint32_t attach(uint32_t ctx, uint32_t id)
{
    struct virtio_gpu_ctx_resource q = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = ctx }, .resource_id = id };

    return request(0, &q, sizeof(q), NULL, 0);
}
static uint32_t unref(uint32_t id)
{
    struct virtio_gpu_resource_unref q = { .hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_UNREF }, .resource_id = id };

    return request(0, &q, sizeof(q), NULL, 0);
}
static uint32_t guest_blob(uint32_t id, uint64_t at, uint32_t size)
{
    struct virtio_gpu_resource_create_blob q = { .hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB }, .resource_id = id,
                                                 .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 1, .size = size };
    struct virtio_gpu_mem_entry e = { .addr = at, .length = size };

    return request(0, &q, sizeof(q), &e, sizeof(e));
}
static uint32_t host_blob(uint32_t ctx, uint32_t id, uint64_t blob, uint64_t size)
{
    struct virtio_gpu_resource_create_blob q = { .hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = ctx },
                                                 .resource_id = id, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D, .blob_id = blob,
                                                 .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, .size = size };

    return request(0, &q, sizeof(q), NULL, 0);
}
static uint32_t map(uint32_t id, uint64_t offset)
{
    struct virtio_gpu_resource_map_blob q = { .hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB }, .resource_id = id,
                                              .offset = offset };

    return request(0, &q, sizeof(q), NULL, 0);
}
/* of len bytes: 16, 20 and 24 are forms of it */
static uint32_t init_as(uint32_t ctx, uint32_t query, uint32_t ring, uint32_t type, uint32_t version, size_t len)
{
    struct { struct cross_domain_init_1 q; uint32_t more; } i = {
        .q = { .init = { .h = { CROSS_DOMAIN_INIT, 0, len, 0 }, .query_resource = query, .channel_resource = ring,
                         .channel = type }, .version = version },
    };

    if (len == 16)
        i.q.init.channel_resource = type;
    return submit_as(ctx, &i, len);
}
static uint32_t init(void)
{
    return init_as(CTX, QUERY_ID, RING_ID, CROSS_DOMAIN_WAYLAND, 0, 20);
}

struct ids { uint32_t n, id[CROSS_DOMAIN_IDS], type[CROSS_DOMAIN_IDS]; };

static uint32_t send_as(uint32_t ctx, const struct ids *ids, const void *data, size_t len)
{
    static struct { struct cross_domain_message m; uint32_t table[3][CROSS_DOMAIN_IDS]; char data[65536]; } s;

    memset(&s, 0, HEAD);
    s.m = (struct cross_domain_message){ { CROSS_DOMAIN_SEND, 0, HEAD + len, 0 }, ids ? ids->n : 0, len };
    for (unsigned i = 0; ids && i < CROSS_DOMAIN_IDS; i++) {
        s.table[0][i] = ids->id[i];
        s.table[1][i] = ids->type[i];
    }
    memcpy(s.data, data, len);
    return submit_as(ctx, &s, HEAD + len);
}
static uint32_t say(const char *text)
{
    return send_as(CTX, NULL, text, strlen(text));
}
#define SEND(n, id, type) send_as(CTX, &(struct ids){ n, { id }, { type } }, "x", 1)

static uint32_t pipe_write(uint32_t id, uint32_t hang_up, const void *data, size_t len)
{
    static struct { struct cross_domain_data d; char data[65536]; } w;

    w.d = (struct cross_domain_data){ { CROSS_DOMAIN_WRITE, 0, sizeof(w.d) + len, 0 }, id, hang_up, len, 0 };
    memcpy(w.data, data, len);
    return submit(&w, sizeof(w.d) + len);
}

/* ---- what it has received ---- */

static struct cross_domain_message *received(void)
{
    return (struct cross_domain_message *)ram(RING, PAGE);
}
static uint32_t received_id(unsigned i, unsigned what)  /* 0: id, 1: type, 2: size */
{
    return ((uint32_t *)(received() + 1))[what * CROSS_DOMAIN_IDS + i];
}
static bool is_text(const char *text)
{
    struct cross_domain_message *m = received();

    return m->h.command == CROSS_DOMAIN_RECEIVE && m->len == strlen(text) && m->h.len == HEAD + m->len &&
           !memcmp((char *)m + HEAD, text, m->len);
}
static bool is_end(void)
{
    return is_text("") && !received()->n;
}

/* ---- the device's loop ---- */

static void turn(int ms)
{
    struct pollfd p = { .fd = connector->epoll, .events = POLLIN };

    poll(&p, 1, ms);
    cross_domain_dispatch(&gpu);
}
#define UNTIL(cond) do { for (int n_ = 0; n_ < ROUNDS && !(cond); n_++) turn(10); } while (0)
/* What has not come after that does not come. */
static void quiet(void)
{
    for (int i = 0; i < 5; i++)
        turn(2);
}
/* Nothing is left for the loop to do. */
static bool idle(void)
{
    struct pollfd p = { .fd = connector->epoll, .events = POLLIN };

    return !poll(&p, 1, 20);
}
/* The guest polls, and has got something. */
static bool gets(uint16_t head)
{
    unsigned before = answers;

    memset(ram(RING, PAGE), 0xee, PAGE);
    if (polled(head) != VIRTIO_LATER)
        return false;
    UNTIL(answers > before);
    return answers == before + 1 && last_answer == head;
}

/* ---- the compositor ---- */

static void listen_(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    strcpy(a.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 4))
        die("a socket: %s", strerror(errno));
}
static int accepted(void)
{
    int fd = -1;

    UNTIL((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
    return fd;
}
static bool tells(int to, const void *data, size_t len, const int *fds, unsigned n)
{
    struct iovec part = { (void *)data, len };
    union { struct cmsghdr h; char room[CMSG_SPACE(64 * sizeof(int))]; } c = {
        .h = { .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS },
    };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

    if (n) {
        memcpy(CMSG_DATA(&c.h), fds, n * sizeof(int));
        m.msg_control = &c;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
    }
    return sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)len;
}
/* Bytes, -1: none, 0: the end; fds: with room for 28, *n: how many */
static ssize_t hears_some(int from, void *to, size_t len, int *fds, unsigned *n)
{
    struct iovec part = { to, len };
    union { struct cmsghdr h; char room[CMSG_SPACE(28 * sizeof(int))]; } c;
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c.room) };
    ssize_t got = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *h = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;

    *n = h ? (h->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    if (h)
        memcpy(fds, CMSG_DATA(h), *n * sizeof(int));
    return got;
}
static bool hears(int from, const char *text)
{
    char got[100] = "";
    size_t at_ = 0;

    for (int i = 0; i < ROUNDS && at_ < strlen(text); i++) {
        ssize_t n = read(from, got + at_, sizeof(got) - 1 - at_);

        if (!n)
            break;
        at_ += n > 0 ? n : 0;
        turn(1);
    }
    return !strcmp(got, text);
}
static bool ended(int from)
{
    ssize_t n = -1;
    char c;

    UNTIL((n = read(from, &c, 1)) >= 0 || errno != EAGAIN);
    return n <= 0;
}
static int file_of(const char *text, size_t size)
{
    int fd = memfd_create("theirs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, size) || pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        die("a file");
    return fd;
}
static int read_only(int fd)
{
    char name[40];
    int new;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    new = open(name, O_RDONLY | O_CLOEXEC);
    close(fd);
    return new;
}

/* ---- a scene ---- */

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (d && readdir(d))
        n++;
    closedir(d);
    return n;
}
static unsigned before_all;

static void begin(const char *what)
{
    at("%s", what);
    ram_new();
    gpu_init(&gpu, &(struct gpu_config){ .max_memory = 16 << 20, .connector = connector }, &ram_memory, span, message, NULL);
    before_all = descriptors();
    gpu.answer = answered;
    messages = answers = 0;
    context(CTX);
    guest_blob(QUERY_ID, QUERY, PAGE);
    guest_blob(RING_ID, RING, PAGE);
    attach(CTX, QUERY_ID);
    attach(CTX, RING_ID);
}
/* ... with a channel; returns the compositor's side of it */
static int connected(const char *what)
{
    int fd;

    begin(what);
    eqx(init(), OK, "a channel");
    fd = accepted();
    ok(fd >= 0, "... is a connection");
    return fd;
}
static void end(int fd)
{
    gpu_reset(&gpu);
    if (fd >= 0)
        close(fd);
    quiet();
    ok(!gpu.used_memory && !gpu.n_resources && !gpu.n_waiting && descriptors() == before_all && idle(),
       "after a reset nothing is left (%u, %u descriptors)", descriptors(), before_all);
}

/* Whether what is there can be read, or written: system calls know without a signal */
static bool readable(uint64_t offset)
{
    int fd = memfd_create("probe", MFD_CLOEXEC);
    bool yes = write(fd, seen + offset, 1) == 1;

    close(fd);
    return yes;
}
static bool writable(uint64_t offset)
{
    int fd = memfd_create("probe", MFD_CLOEXEC);
    bool yes = write(fd, "x", 1) == 1 && pread(fd, seen + offset, 1, 0) == 1;

    close(fd);
    return yes;
}

/* ---- the parts ---- */

static void inits(void)
{
    struct { struct virtio_gpu_get_capset q; } g = {
        .q = { .hdr = { .type = VIRTIO_GPU_CMD_GET_CAPSET }, .capset_id = CROSS_DOMAIN_CAPSET, .capset_version = 1 },
    };
    struct cross_domain_header h = { CROSS_DOMAIN_POLL, 0, sizeof(h), 0 };
    int fd;

    begin("INIT");
    request(0, &g, sizeof(g), NULL, 0);
    ok(out.hdr.type == VIRTIO_GPU_RESP_OK_CAPSET && *(uint32_t *)ram(OUT_AT + 24, 4) == 1 &&
       *(uint32_t *)ram(OUT_AT + 28, 4) == 1u << CROSS_DOMAIN_WAYLAND, "the capset says that there are Wayland's channels");
    eqx(submit(&h, sizeof(h)), BAD, "without a channel no POLL");
    eqx(polled(1), BAD, "... also with a fence, which is answered at once");
    eqx(say("x"), BAD, "... no SEND");
    eqx(pipe_write(1, 0, "x", 1), BAD, "... no WRITE");
    eqx(host_blob(CTX, 9, 1, PAGE), BAD, "... no blob that has come by one");
    eqx(init_as(CTX, QUERY_ID, RING_ID, 2, 0, 20), BAD, "a camera's channel");
    eqx(init_as(CTX, QUERY_ID, RING_ID, UINT32_MAX, 0, 20), BAD, "a type that there is not");
    eqx(init_as(CTX, QUERY_ID, 0, 1, 0, 20), BAD, "no resource to receive in");
    eqx(init_as(CTX, QUERY_ID, 9, 1, 0, 20), BAD, "... an unknown one");
    guest_blob(3, RING, PAGE);
    eqx(init_as(CTX, QUERY_ID, 3, 1, 0, 20), BAD, "... one of no context");
    guest_blob(4, RING, PAGE - 4);
    attach(CTX, 4);
    eqx(init_as(CTX, QUERY_ID, 4, 1, 0, 20), BAD, "... one that is too small");
    eqx(init_as(CTX, 3, RING_ID, 1, 0, 20), BAD, "no resource for answers to queries");
    eqx(init_as(CTX, QUERY_ID, RING_ID, 1, 2, 24), BAD, "a version that there is not");
    eqx(init_as(CTX, QUERY_ID, RING_ID, 1, 0, 28), BAD, "a command that is too long");
    eq(connector->asked, 0, "none of these has asked for a connection");
    eqx(init_as(CTX, QUERY_ID, RING_ID, 0, 0, 20), OK, "no channel: for images only");
    eqx(init(), OK, "... and then one");
    eqx(init(), BAD, "... once");
    fd = accepted();
    ok(fd >= 0, "... it is a connection");
    eqx(poll_as(3, CTX, CROSS_DOMAIN_QUERY_RING), OK, "a fence of the other ring waits for nothing");
    end(fd);

    begin("older forms of INIT");
    eqx(init_as(CTX, RING_ID, 0, 1, 0, 16), OK, "one resource for both");
    fd = accepted();
    tells(fd, "in it", 5, NULL, 0);
    ok(gets(1) && is_text("in it"), "... in which it receives");
    end(fd);
}

static void texts(void)
{
    int fd;

    begin("text");
    init();
    eqx(say("hello, "), OK, "what is sent before there is a connection ...");
    eqx(send_as(CTX, NULL, "", 0), OK, "... nothing at all ...");
    eqx(say("world"), OK, "... and more of it");
    fd = accepted();
    ok(hears(fd, "hello, world"), "... arrives");
    tells(fd, "one", 3, NULL, 0);
    quiet();
    ok(!received()->h.command && idle(), "nothing is read before the guest asks for it, nor looked at all the time");
    ok(gets(1) && is_text("one") && !received()->n, "POLL: it has come");
    eqx(polled(2), VIRTIO_LATER, "POLL, and there is nothing");
    eqx(polled(3), VIRTIO_LATER, "... once more");
    quiet();
    eq(answers, 1, "... they wait");
    tells(fd, "two", 3, NULL, 0);
    UNTIL(answers == 2);
    quiet();
    ok(answers == 2 && last_answer == 2 && is_text("two"), "one message answers the first one");
    tells(fd, "three", 5, NULL, 0);
    UNTIL(answers == 3);
    ok(last_answer == 3 && is_text("three"), "... the next one the other");
    /* more than fits */
    {
        char much[3 * PAGE];
        size_t got = 0;
        bool good = true;

        for (size_t i = 0; i < sizeof(much); i++)
            much[i] = i * 7 + i / 256;
        tells(fd, much, sizeof(much), NULL, 0);
        for (uint16_t n = 10; got < sizeof(much) && n < 20 && gets(n); n++) {
            good &= received()->len <= PAGE - HEAD && got + received()->len <= sizeof(much) &&
                    !memcmp((char *)received() + HEAD, much + got, received()->len);
            got += received()->len;
        }
        ok(good && got == sizeof(much), "more than fits into the ring comes in parts");
    }
    eqx(polled(30), VIRTIO_LATER, "a POLL of a context ...");
    eqx(no_context(CTX), OK, "... that is destroyed ...");
    ok(last_answer == 30 && ended(fd), "... is answered, and the compositor sees the end");
    end(fd);
}

static void bad_sends(void)
{
    struct { struct cross_domain_message m; uint32_t table[3][CROSS_DOMAIN_IDS]; char data[8]; } s = {
        .m = { { CROSS_DOMAIN_SEND, 0, HEAD + 8, 0 }, 0, 8 },
    }, t;
    struct { struct cross_domain_data d; char data[8]; } w = { .d = { { CROSS_DOMAIN_WRITE, 0, sizeof(w), 0 }, 1, 0, 8, 0 } }, v;
    int fd = connected("bad commands"), other;

    at("bad commands");
#define TRY(field, value, want, ...) (t = s, t.field = value, eqx(submit(&t, sizeof(t)), want, __VA_ARGS__))
    TRY(m.h.len, HEAD - 4, BAD, "a SEND that is shorter than its head");
    TRY(m.h.len, HEAD + 7, BAD, "... than it says to have data");
    TRY(m.h.len, HEAD + 9, BAD, "... than what was sent");
    TRY(m.len, 9, BAD, "... more data than there are");
    TRY(m.len, UINT32_MAX, BAD, "... by far");
    TRY(m.n, CROSS_DOMAIN_IDS + 1, BAD, "... more identifiers than there can be");
    TRY(m.n, UINT32_MAX, BAD, "... by far");
    TRY(m.n, 1, BAD, "... an identifier of no type");
    TRY(m.h.command, CROSS_DOMAIN_RECEIVE, BAD, "a command for the other direction");
    TRY(m.h.command, CROSS_DOMAIN_READ, BAD, "... and the other one");
    TRY(m.h.command, 8, BAD, "... one that there is not");
    eqx(send_as(CTX, &(struct ids){ 1, { QUERY_ID }, { BLOB } }, "", 0), BAD, "an identifier without data");
    eqx(SEND(1, 99, BLOB), BAD_RES, "an unknown resource");
    eqx(SEND(1, RING_ID, BLOB), BAD_RES, "one of the guest's memory, of which there is no descriptor");
    eqx(SEND(1, 0, BLOB), BAD_RES, "resource 0");
    eqx(SEND(1, PIPE_1, 2), BAD, "a type that is not understood");
    eqx(SEND(1, PIPE_1, WRITE_PIPE), BAD, "a pipe in the wrong direction");
    eqx(SEND(1, CROSS_DOMAIN_READ_PIPES - 1, READ_PIPE), BAD, "a pipe with a number that is the device's to give");
    eqx(send_as(CTX, &(struct ids){ 2, { PIPE_1, PIPE_1 }, { READ_PIPE, READ_PIPE } }, "x", 1), BAD, "the same pipe twice");
    eqx(send_as(CTX, &(struct ids){ 2, { PIPE_1, 99 }, { READ_PIPE, BLOB } }, "x", 1), BAD_RES, "a pipe, and then something bad");
    context(CTX + 1);
    guest_blob(7, QUERY, PAGE);
    attach(CTX + 1, 7);
    attach(CTX + 1, RING_ID);
    eqx(init_as(CTX + 1, 7, RING_ID, 1, 0, 20), OK, "another context");
    other = accepted();
    {
        int file = file_of("theirs", PAGE);

        tells(other, "x", 1, &file, 1);
        close(file);
        poll_as(9, CTX + 1, 1);
        UNTIL(answers);
        eqx(host_blob(CTX, 8, received_id(0, 0), PAGE), BAD, "what another context has received");
        eqx(host_blob(CTX + 1, 8, received_id(0, 0), PAGE), OK, "... is that one's");
    }
    eqx(SEND(1, 8, BLOB), BAD_RES, "another context's resource");
#define TRY_W(field, value, want, ...) (v = w, v.field = value, eqx(submit(&v, sizeof(v)), want, __VA_ARGS__))
    TRY_W(d.h.len, sizeof(w.d) - 1, BAD, "a WRITE that is shorter than its head");
    TRY_W(d.len, 9, BAD, "... more data than there are");
    TRY_W(d.len, UINT32_MAX, BAD, "... by far");
    TRY_W(d.hang_up, 2, BAD, "... neither the end nor not");
    TRY_W(d.id, 1, BAD, "... to an unknown pipe");
    TRY_W(d.id, 0, BAD, "... to none");
    quiet();
    ok(read(fd, &s, 1) == -1 && errno == EAGAIN, "nothing of all that has reached the compositor");
    eqx(say("good"), OK, "the channel is as good as before");
    ok(hears(fd, "good"), "... it is");
    close(other);
    end(fd);
}

static void sent_blobs(void)
{
    struct cross_domain_query q = { .h = { CROSS_DOMAIN_REQUIREMENTS, 0, sizeof(q), 0 }, .width = PAGE, .height = 2,
                                    .format = DRM_FORMAT_R8 };
    struct cross_domain_answer *a;
    int fd = connected("a blob sent"), fds[28];
    unsigned n, rounds;
    char *theirs, text[4];

    at("a blob sent");
    eqx(submit(&q, sizeof(q)), OK, "an image");
    a = (struct cross_domain_answer *)ram(QUERY, sizeof(*a));
    eqx(host_blob(CTX, 5, a->blob_id, a->size), OK, "... a blob");
    eqx(map(5, 0), OK_MAP, "... that the guest sees");
    memcpy(seen, "guest", 6);
    eqx(send_as(CTX, &(struct ids){ 3, { 5, 5, PIPE_1 }, { BLOB, BLOB, READ_PIPE } }, "abc", 3), OK, "... sent, twice, and a pipe");
    for (rounds = 0; rounds < ROUNDS && hears_some(fd, text, sizeof(text), fds, &n) < 0; rounds++)
        turn(1);
    ok(n == 3 && !memcmp(text, "abc", 3), "the compositor gets three descriptors with it");
    theirs = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
    if (ok(theirs != MAP_FAILED, "... memory ...")) {
        ok(!strcmp(theirs, "guest"), "... that the guest has written");
        memcpy(theirs + PAGE, "compositor", 11);
        ok(!strcmp(seen + PAGE, "compositor"), "... the same that the guest sees: nothing is copied");
        munmap(theirs, 2 * PAGE);
    }
    ok(ftruncate(fds[0], PAGE) && errno == EPERM, "... and that nobody makes shorter");
    unref(5);
    ok(pread(fds[0], text, 4, PAGE) == 4 && !memcmp(text, "comp", 4), "the compositor still has it when the guest's is gone");
    while (n)
        close(fds[--n]);
    end(fd);
}

static void received_blobs(void)
{
    int fd = connected("memory received"), file = file_of("keymap", PAGE + 1), fds[3], events;
    uint32_t id;

    at("memory received");
    tells(fd, "event", 5, &file, 1);
    ok(gets(1) && is_text("event") && received()->n == 1 && received_id(0, 1) == BLOB && received_id(0, 2) == PAGE + 1,
       "a file: a blob of its size");
    id = received_id(0, 0);
    ok(id % 2, "... its number is odd, images have even ones");
    eqx(host_blob(CTX, 10, id + 2, PAGE), BAD, "another number");
    eqx(host_blob(CTX, 10, id | 1ull << 32, PAGE), BAD, "... a larger one");
    eqx(host_blob(CTX, 10, id, 2 * PAGE + 1), BAD, "more than there is of it");
    eqx(pipe_write(id, 0, "x", 1), BAD, "it is no pipe");
    eqx(host_blob(CTX, 10, id, 2 * PAGE), OK, "its blob");
    eqx(host_blob(CTX, 11, id, PAGE), BAD, "... once");
    eqx(map(10, 0), OK_MAP, "... mapped");
    ok(!strcmp(seen, "keymap") && readable(PAGE), "the guest sees the file");
    memcpy(seen + 10, "from the guest", 15);
    {
        char text[15] = "";

        ok(pread(file, text, 15, 10) == 15 && !strcmp(text, "from the guest"), "... and writes into it");
    }
    ok(!ftruncate(file, 0) && !readable(0) && !readable(PAGE), "a file that becomes shorter under it is gone there, nothing else");
    {
        char byte;

        ok(gpu_resource_copy(&gpu, gpu_find(&gpu, 10), 0, &byte, 1) && errno == ENODATA, "... which the device notices");
    }
    unref(10);
    close(file);

    fds[0] = read_only(file_of("read", PAGE));
    fds[1] = file_of("sealed", PAGE);
    fcntl(fds[1], F_ADD_SEALS, F_SEAL_WRITE);
    fds[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tells(fd, "event", 5, fds, 3);
    ok(gets(2) && received()->n == 3, "three: read-only, sealed, and /dev/null");
    for (unsigned i = 0; i < 3; i++) {
        eqx(host_blob(CTX, 10 + i, received_id(i, 0), PAGE), OK, "... a blob");
        eqx(map(10 + i, i * PAGE), OK_MAP, "... mapped");
        ok(readable(i * PAGE) && !writable(i * PAGE), "... to be read, not to be written");
        close(fds[i]);
    }
    ok(!strcmp(seen, "read") && !strcmp(seen + PAGE, "sealed") && !seen[2 * PAGE] && received_id(2, 2) == PAGE,
       "... what is in them; of nothing zeros");
    end(fd);

    for (unsigned i = 0; i < 4; i++) {
        static const char *const names[] = { "an eventfd", "a pipe to read from", "a folder", "/dev/zero" };

        fd = connected(names[i]);
        at("%s", names[i]);
        if (i == 1 && pipe2(fds, O_CLOEXEC))
            die("pipe");
        events = i == 0 ? eventfd(0, EFD_CLOEXEC) : i == 1 ? fds[0] : open(i == 2 ? "/tmp" : "/dev/zero", O_RDONLY | O_CLOEXEC);
        file = file_of("good", PAGE);
        tells(fd, "x", 1, (int[]){ file, events }, 2);
        ok(gets(1) && is_end(), "a descriptor that is not understood ends the channel");
        eq(messages, 1, "... with a line in the log");
        ok(ended(fd), "... for the compositor, too");
        eqx(say("x"), UNSPEC, "nothing can be sent any more");
        eqx(polled(2), VIRTIO_LATER, "who polls again ...");
        quiet();
        ok(answers == 1 && idle(), "... waits: the guest knows");
        close(file);
        close(events);
        if (i == 1)
            close(fds[1]);
        end(fd);
    }
}

/* No descriptor is free below the limit. */
static void no_more(const struct rlimit *was)
{
    struct rlimit now = *was;
    int first;

    setrlimit(RLIMIT_NOFILE, was);
    first = dup(0);
    close(first);
    now.rlim_cur = first;
    setrlimit(RLIMIT_NOFILE, &now);
}

static void many(void)
{
    int fd, fds[29], other;
    unsigned total = 0;
    bool good = true;
    char data[] = "0123456789";

    for (unsigned i = 0; i < 29; i++)
        fds[i] = file_of("", PAGE + i);
    fd = connected("many descriptors");
    at("many descriptors");
    tells(fd, data, 10, fds, 28);
    for (unsigned i = 0; i < 7; i++) {
        good &= gets(i) && received()->n == 4 && received()->len == (i < 6 ? 1 : 4) &&
                !memcmp((char *)received() + HEAD, data + i, received()->len);
        for (unsigned k = 0; k < 4; k++)
            good &= received_id(k, 2) == PAGE + total++ && received_id(k, 1) == BLOB &&
                    received_id(k, 0) == 2 * (total - 1) + 1;
    }
    ok(good, "28 with ten bytes: four at a time, a byte with each, the rest with the last ones");
    tells(fd, "ab", 2, fds, 12);
    good = gets(20) && received()->n == 4 && received()->len == 1;
    good &= gets(21) && received()->n == 4 && received()->len == 0;
    good &= gets(22) && received()->n == 4 && received()->len == 1;
    ok(good, "... more of them than bytes: the last byte comes with the last ones");
    tells(fd, "abcdefgh", 8, fds, 24);
    for (unsigned i = 0; i < 6; i++)
        good &= gets(30 + i) && received()->n == 4;
    ok(good, "64 that the guest does not use");
    tells(fd, "x", 1, fds, 1);
    ok(gets(40) && is_end() && messages == 1, "... and no more: the channel ends");
    end(fd);

    fd = connected("too many at once");
    at("too many at once");
    tells(fd, data, 10, fds, 29);
    ok(gets(1) && is_end() && messages == 1, "29 at once: some are lost, so the channel ends");
    end(fd);

    begin("version 1");
    eqx(init_as(CTX, QUERY_ID, RING_ID, 1, 1, 24), OK, "a channel with longer messages");
    other = accepted();
    tells(other, data, 10, fds, 28);
    ok(gets(1) && received()->n == 28 && received()->len == 10 &&
       !memcmp((char *)received() + 16 + 28 * 12, data, 10) && ((uint32_t *)(received() + 1))[27] == 55 &&
       ((uint32_t *)(received() + 1))[56 + 27] == PAGE + 27, "28 at once");
    eqx(SEND(0, 0, 0), BAD, "a message as in version 0 is too short");
    end(other);

    fd = connected("no descriptors left");
    at("no descriptors left");
    {
        struct rlimit was;

        getrlimit(RLIMIT_NOFILE, &was);
        no_more(&was);
        eqx(SEND(1, PIPE_1, READ_PIPE), NO_MEMORY, "no pipe when there are no descriptors any more");
        tells(fd, data, 10, fds, 1);
        ok(gets(1) && is_end(), "one that comes is lost, so the channel ends");
        no_more(&was);
        context(CTX + 1);
        attach(CTX + 1, QUERY_ID);
        attach(CTX + 1, RING_ID);
        eqx(init_as(CTX + 1, QUERY_ID, RING_ID, 1, 0, 20), OK, "another channel ...");
        poll_as(5, CTX + 1, 1);
        UNTIL(last_answer == 5);
        ok(last_answer == 5 && is_end(), "... is none");
        setrlimit(RLIMIT_NOFILE, &was);
    }
    other = accepted();
    close(other);
    for (unsigned i = 0; i < 29; i++)
        close(fds[i]);
    before_all -= 29;
    end(fd);
}

static void pipes(void)
{
    int fd = connected("pipes"), fds[28], ours[2], more[2], size;
    struct cross_domain_data *d = (struct cross_domain_data *)ram(RING, PAGE);
    static char much[60000], got[60000];
    unsigned n, sent, good;
    char text[4];
    uint32_t id;

    at("a pipe from the host");
    eqx(SEND(1, PIPE_1, READ_PIPE), OK, "a pipe from the host");
    for (unsigned i = 0; i < ROUNDS && hears_some(fd, text, sizeof(text), fds, &n) < 0; i++)
        turn(1);
    eq(n, 1, "... the compositor has it");
    eqx(SEND(1, PIPE_1, READ_PIPE), BAD, "... its number is taken");
    eqx(pipe_write(PIPE_1, 0, "x", 1), BAD, "... the guest does not write to it");
    eqx(host_blob(CTX, 9, PIPE_1, PAGE), BAD, "... and it is no memory");
    ok(write(fds[0], "clip", 4) == 4 && gets(1) && d->h.command == CROSS_DOMAIN_READ && d->h.len == sizeof(*d) + 4 &&
       d->id == PIPE_1 && d->len == 4 && !d->hang_up && !memcmp(d + 1, "clip", 4), "what is written there comes as READ");
    ok(write(fds[0], much, 10000) == 10000 && tells(fd, "m", 1, NULL, 0), "much, and a message");
    for (unsigned i = sent = good = 0; i < 4 && gets(2 + i); i++) {
        if (is_text("m"))
            good = i;
        else if (d->h.command == CROSS_DOMAIN_READ)
            sent += d->len;
    }
    ok(sent == 10000 && good < 2, "... the message does not wait for all of it");
    close(fds[0]);
    ok(gets(10) && d->h.command == CROSS_DOMAIN_READ && d->hang_up && !d->len, "its end");
    eqx(SEND(1, PIPE_1, READ_PIPE), OK, "the number can be used again");
    end(fd);

    fd = connected("a pipe to the host");
    at("a pipe to the host");
    if (pipe2(ours, O_CLOEXEC | O_NONBLOCK))
        die("pipe");
    tells(fd, "x", 1, &ours[1], 1);
    ok(gets(1) && received()->n == 1 && received_id(0, 1) == WRITE_PIPE, "a pipe to the host");
    id = received_id(0, 0);
    close(ours[1]);
    eqx(host_blob(CTX, 9, id, PAGE), BAD, "... is no memory");
    eqx(pipe_write(id, 0, "paste", 5), OK, "... written to");
    ok(hears(ours[0], "paste"), "... it arrives");
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = i * 11 + i / 256;
    for (sent = 0; sent < 20; sent++)
        if (pipe_write(id, sent == 19, much, sizeof(much)) != OK)
            break;
    eq(sent, 20, "much more than fits into a pipe, and the end");
    eqx(pipe_write(id, 0, "x", 1), BAD, "... after which there is nothing");
    quiet();
    ok(idle(), "... which nobody looks at while there is no room");
    for (sent = good = 0; sent < 20; sent++) {
        size_t have = 0;

        for (unsigned i = 0; i < ROUNDS && have < sizeof(got); i++) {
            ssize_t r = read(ours[0], got + have, sizeof(got) - have);

            if (!r)
                break;
            have += r > 0 ? r : 0;
            turn(1);
        }
        good += have == sizeof(got) && !memcmp(got, much, sizeof(got));
    }
    eq(good, 20, "... all of it arrives");
    ok(ended(ours[0]), "... and the end");
    close(ours[0]);

    if (pipe2(ours, O_CLOEXEC | O_NONBLOCK) || pipe2(more, O_CLOEXEC | O_NONBLOCK))
        die("pipe");
    tells(fd, "x", 1, (int[]){ ours[1], more[1] }, 2);
    gets(2);
    id = received_id(0, 0);
    close(ours[1]);
    close(more[1]);
    for (sent = 0; sent < 100 && pipe_write(id, 0, much, sizeof(much)) == OK; sent++)
        ;
    size = fcntl(ours[0], F_GETPIPE_SZ);
    ok(sent >= CHANNEL_PIPE / (sizeof(much) + 200) && sent <= (CHANNEL_PIPE + size) / sizeof(much) + 1 && out.hdr.type == NO_MEMORY,
       "a pipe that nobody reads: so much is kept (%u x 60,000), then it is an error", sent);
    eqx(pipe_write(id, 0, "x", 1), BAD, "... and it is closed");
    eq(gpu.used_memory, 0, "... nothing is kept any more");
    eqx(pipe_write(received_id(1, 0), 0, "other", 5), OK, "the other pipe ...");
    ok(hears(more[0], "other"), "... is not concerned");
    close(more[0]);
    ok(pipe_write(received_id(1, 0), 0, "x", 1) >= UNSPEC, "one whose reader is gone is an error");
    eqx(pipe_write(received_id(1, 0), 0, "x", 1), BAD, "... and is closed");
    close(ours[0]);
    end(fd);
}

static void no_reader(void)
{
    int fd = connected("a compositor that does not read");
    static char much[50000], got[50000];
    unsigned sent, good;

    at("a compositor that does not read");
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = i * 13 + i / 256;
    for (sent = 0; sent < 15 && send_as(CTX, NULL, much, sizeof(much)) == OK; sent++)
        ;
    eq(sent, 15, "much more than fits into a socket");
    ok(gpu.used_memory > 200000, "... is kept, and counts as the guest's memory (%lu)", (long)gpu.used_memory);
    quiet();
    ok(idle(), "... which nobody looks at while there is no room");
    tells(fd, "still", 5, NULL, 0);
    ok(gets(1) && is_text("still"), "the other direction works");
    for (sent = good = 0; sent < 15; sent++) {
        size_t have = 0;

        for (unsigned i = 0; i < ROUNDS && have < sizeof(got); i++) {
            /* in pieces, so that messages are written in pieces */
            ssize_t r = read(fd, got + have, sizeof(got) - have > 7777 ? 7777 : sizeof(got) - have);

            have += r > 0 ? r : 0;
            turn(0);
        }
        good += have == sizeof(got) && !memcmp(got, much, sizeof(got));
    }
    eq(good, 15, "... all of it arrives when it does");
    eq(gpu.used_memory, 0, "... and nothing is kept");
    for (sent = 0; sent < 100 && send_as(CTX, NULL, much, sizeof(much)) == OK; sent++)
        ;
    ok(sent >= 20 && sent < 40 && out.hdr.type == UNSPEC, "so much is kept (%u x 50,000), then it is an error", sent);
    ok(gets(2) && is_end(), "... and the end of the channel");
    end(fd);

    fd = connected("descriptors that nobody takes");
    at("descriptors that nobody takes");
    host_blob(CTX, 5, 2, PAGE);
    for (sent = 0; sent < 1000; sent++)
        if (SEND(1, PIPE_1 + sent, READ_PIPE) != OK)
            break;
    eq(sent, CHANNEL_ITEMS, "pipes: as many as there may be");
    eqx(out.hdr.type, NO_MEMORY, "... then it is an error");
    eqx(say("x"), OK, "... of this one");
    end(fd);

    begin("descriptors without a connection");
    init();
    for (sent = 0; sent < 1000; sent++) {
        if (sent % 50 == 49)    /* pipes that were not sent are not counted twice */
            turn(0);
        if (SEND(1, PIPE_1 + sent, READ_PIPE) != OK)
            break;
    }
    eq(sent, CHANNEL_ITEMS, "... likewise");
    fd = accepted();
    end(fd);

    begin("memory");
    gpu.config.max_memory = 40000;
    init();
    eqx(send_as(CTX, NULL, much, 30000), OK, "what is kept counts for --memory ...");
    eqx(send_as(CTX, NULL, much, 30000), UNSPEC, "... of which there is an end");
    ok(gets(1) && is_end(), "... as of the channel");
    fd = accepted();
    end(fd);
}

static void ends(void)
{
    int fd = connected("the compositor hangs up"), other;

    at("the compositor hangs up");
    tells(fd, "last words", 10, NULL, 0);
    close(fd);
    ok(gets(1) && is_text("last words"), "what it has sent before comes ...");
    ok(gets(2) && is_end(), "... and then the end: nothing, with nothing");
    eqx(polled(3), VIRTIO_LATER, "... once");
    quiet();
    ok(answers == 2 && idle() && !messages, "... who polls again waits, and the loop does nothing");
    eqx(say("x"), UNSPEC, "nothing can be sent");
    no_context(CTX);
    ok(answers == 3 && last_answer == 3, "with its context all ends");
    end(-1);

    fd = connected("it hangs up while something is to be written");
    at("it hangs up while something is to be written");
    for (unsigned i = 0; i < 10; i++)
        send_as(CTX, NULL, ram(RAM_START, 50000), 50000);
    tells(fd, "bye", 3, NULL, 0);
    shutdown(fd, SHUT_RDWR);
    quiet();
    ok(gets(1) && is_text("bye") && gets(2) && is_end(), "its last words come, and the end");
    end(fd);

    fd = connected("reset in the middle");
    at("reset in the middle");
    other = file_of("x", PAGE);
    tells(fd, "x", 1, &other, 1);
    ok(gets(1), "memory that the guest has not used");
    SEND(1, PIPE_1, READ_PIPE);
    for (unsigned i = 0; i < 10; i++)
        send_as(CTX, NULL, ram(RAM_START, 50000), 50000);
    polled(2);
    tells(fd, "y", 1, &other, 1);
    close(other);
    end(fd);

    begin("reset before there is a connection");
    init();
    polled(1);
    say("never heard");
    gpu_reset(&gpu);
    fd = accepted();
    quiet();
    ok(ended(fd), "its connection ends at once");
    context(CTX);
    guest_blob(QUERY_ID, QUERY, PAGE);
    guest_blob(RING_ID, RING, PAGE);
    attach(CTX, QUERY_ID);
    attach(CTX, RING_ID);
    eqx(init(), OK, "the next one ...");
    other = accepted();
    tells(other, "new", 3, NULL, 0);
    ok(gets(1) && is_text("new"), "... is another one");
    close(other);
    end(fd);

    fd = connected("its ring is gone");
    at("its ring is gone");
    polled(1);
    unref(RING_ID);
    tells(fd, "x", 1, NULL, 0);
    UNTIL(answers);
    ok(answers == 1 && messages == 1 && ended(fd), "the guest has an answer, the channel ends");
    end(fd);

    fd = connected("its ring is other memory");
    at("its ring is other memory");
    unref(RING_ID);
    guest_blob(RING_ID, RAM_START + RAM_SIZE, PAGE);
    attach(CTX, RING_ID);
    polled(1);
    tells(fd, "x", 1, NULL, 0);
    UNTIL(answers);
    ok(answers == 1 && messages == 1 && ended(fd), "which is not there: likewise");
    end(fd);
}

static void no_connection(void)
{
    struct { char name[109]; } longest;
    pid_t child = 0;
    DIR *d;

    at("no connection");
    memset(&longest, 'x', sizeof(longest));
    longest.name[108] = 0;
    ok(!connector_start("/nowhere/at/all"), "no such path");
    ok(!connector_start("/tmp"), "no socket");
    ok(!connector_start(longest.name), "... nor one whose name is longer than there can be");

    close(listener);
    begin("nobody listens");
    eqx(init(), OK, "a channel");
    say("x");
    ok(gets(1) && is_end() && messages == 1, "... that ends at once");
    end(-1);
    unlink(path);
    listen_();

    /* The process that connects is our only child. */
    begin("nobody connects");
    d = opendir("/proc");
    for (struct dirent *e; d && !child && (e = readdir(d));) {
        char name[300], line[300] = "";
        int ppid = 0, fd;

        snprintf(name, sizeof(name), "/proc/%s/stat", e->d_name);
        fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (read(fd, line, sizeof(line) - 1) > 0 && sscanf(line, "%d (gpu-connector) %*c %d", &child, &ppid) == 2 &&
            ppid == getpid())
            ;
        else
            child = 0;
        close(fd);
    }
    closedir(d);
    if (!ok(child, "the process that connects, by its name"))
        return;
    kill(child, SIGSTOP);
    eqx(init(), OK, "a channel, while it does nothing");
    polled(1);
    quiet();
    eq(answers, 0, "... waits");
    kill(child, SIGKILL);
    UNTIL(answers);
    ok(answers == 1 && is_end(), "... until that is gone");
    waitpid(child, NULL, 0);
    context(CTX + 1);
    attach(CTX + 1, QUERY_ID);
    attach(CTX + 1, RING_ID);
    eqx(init_as(CTX + 1, QUERY_ID, RING_ID, 1, 0, 20), UNSPEC, "there are no channels any more");
    before_all--;               /* the socket to it */
    end(-1);
}

int main(void)
{
    tap_begin("channels");
    tap_limit(300);
    signal(SIGPIPE, SIG_IGN);   /* as keeper.c does */
    if (!mkdtemp(folder))
        die("a folder");
    snprintf(path, sizeof(path), "%s/wayland-0", folder);
    listen_();
    connector = connector_start(path);
    span = xenlend_span_reserve(NULL, XENLEND_QUIET, REGION, 0);
    if (!ok(connector && span, "a connector, a region"))
        return tap_end();
    seen = xenlend_span_addr(span);
    inits();
    texts();
    bad_sends();
    sent_blobs();
    received_blobs();
    many();
    pipes();
    no_reader();
    ends();
    no_connection();
    connector_fini(connector);
    free(connector);
    close(listener);
    unlink(path);
    rmdir(folder);
    ok(!xenlend_span_free(span), "the region goes");
    ram_free();
    return tap_end();
}
