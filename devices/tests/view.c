/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of the GPU's view: where viewers connect, the picture in shared memory, and the device with a server of
 * viewers, which is this program once more, with viewers that are told what there is to see instead of being sent it by
 * VNC.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../virtio-gpu/gpu.h"
#include "../virtio-gpu/view.h"
#include "../virtio-gpu/view/listen.h"
#include "../virtio-gpu/view/memory.h"
#include "../virtio-gpu/view/serve.h"
#include "ram.h"
#include "tap.h"

#define PATIENCE    60000   /* ms; nothing is expected to take long */

/* of drop.c, which needs Xen: nobody here becomes another one */
int identity_become(const struct identity *id)
{
    (void)id;
    return -1;
}

/* Addresses --------------------------------------------------------------- */

static char folder[] = "/tmp/check-view-XXXXXX";
static char path[64];

static void addresses(void)
{
    static const struct { const char *text; int family; } all[] = {
        { "unix:/run/x", AF_UNIX }, { "unix:x:1", AF_UNIX }, { "127.0.0.1:5900", AF_INET }, { "127.255.0.9:1", AF_INET },
        { "localhost:65535", AF_INET }, { "[::1]:5900", AF_INET6 }, { "::1:5900", AF_INET6 }, { "[::ffff:127.0.0.1]:5900", AF_INET6 },
        { "", 0 }, { "unix:", 0 }, { "/run/x", 0 }, { "5900", 0 }, { ":5900", 0 }, { "127.0.0.1", 0 }, { "127.0.0.1:", 0 },
        { "127.0.0.1:0", 0 }, { "127.0.0.1:65536", 0 }, { "127.0.0.1:59x", 0 }, { "127.0.0.1:-1", 0 }, { "0.0.0.0:5900", 0 },
        { "192.168.1.1:5900", 0 }, { "128.0.0.1:5900", 0 }, { "[::]:5900", 0 }, { "[2001:db8::1]:5900", 0 }, { "[]:5900", 0 },
        { "[::ffff:10.0.0.1]:5900", 0 }, { "example.org:5900", 0 }, { "[localhost:5900", 0 }, { "*:5900", 0 },
        { "127.0.0.1.1111111111111111111111111111111111111111111111111111111111111111:5900", 0 },
    };
    char longest[140] = "unix:", why[160];
    struct view_address a;

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int rc;

        why[0] = 0;
        rc = view_address_parse(all[i].text, &a, why, sizeof(why));
        if (all[i].family)
            ok(!rc && a.addr.any.sa_family == all[i].family, "%s is an address", all[i].text);
        else
            ok(rc && why[0], "'%s' is none: %s", all[i].text, why);
    }
    ok(!view_address_parse("[::1]:513", &a, why, sizeof(why)) && ((struct sockaddr_in6 *)&a.addr)->sin6_port == htons(513),
       "the port is that");
    memset(longest + 5, 'x', 107);
    ok(!view_address_parse(longest, &a, why, sizeof(why)) && strlen(a.addr.local.sun_path) == 107, "a path of 107 bytes");
    longest[112] = 'x';
    ok(view_address_parse(longest, &a, why, sizeof(why)), "... not of 108");
}

static struct view_address address(void)
{
    struct view_address a;
    char text[80], why[160];

    snprintf(text, sizeof(text), "unix:%s", path);
    if (view_address_parse(text, &a, why, sizeof(why)))
        die("%s: %s", text, why);
    return a;
}

static int connected(void)
{
    struct view_address a = address();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, &a.addr.any, a.len)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void sockets(void)
{
    struct view_address a = address(), tcp;
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(in);
    char text[32], why[160];
    struct stat st;
    int fd, other;

    umask(0);
    fd = view_listen(&a);
    ok(fd >= 0 && !lstat(path, &st) && S_ISSOCK(st.st_mode), "a socket with a path");
    eqx(st.st_mode & 07777, 0600, "... for its owner only");
    eqx(umask(022), 0, "... and the umask is as it was");
    other = connected();
    ok(other >= 0, "... takes connections");
    close(other);
    err(view_listen(&a) < 0 ? -errno : 0, -EADDRINUSE, "nobody takes it away from who listens");
    close(fd);
    ok(connected() < 0 && !lstat(path, &st), "what is left of one that has gone");
    fd = view_listen(&a);
    ok(fd >= 0 && (other = connected()) >= 0, "... is replaced");
    close(other);
    chmod(path, 0660);
    view_unlisten();
    ok(lstat(path, &st) && errno == ENOENT, "it goes at the end, also with another mode");
    close(fd);

    fd = view_listen(&a);
    close(fd);
    unlink(path);
    other = open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
    view_unlisten();
    ok(!lstat(path, &st), "another file of that name does not");
    err(view_listen(&a) < 0 ? -errno : 0, -EEXIST, "... and is in the way");
    close(other);
    unlink(path);
    strcat(a.addr.local.sun_path, "/x/y");
    err(view_listen(&a) < 0 ? -errno : 0, -ENOENT, "no such folder");

    /* a port that is free: the kernel's choice, given back */
    other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(other, (struct sockaddr *)&in, sizeof(in)) || getsockname(other, (struct sockaddr *)&in, &len)) {
        skip("TCP", "no loopback interface: %s", strerror(errno));
        close(other);
        return;
    }
    close(other);
    snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(in.sin_port));
    if (view_address_parse(text, &tcp, why, sizeof(why)))
        die("%s: %s", text, why);
    fd = view_listen(&tcp);
    ok(fd >= 0, "a port");
    err(view_listen(&tcp) < 0 ? -errno : 0, -EADDRINUSE, "... of one only");
    close(fd);
    view_unlisten();
}

/* The picture in memory --------------------------------------------------- */

static struct view_memory writer, reader;

static void draw(unsigned x, unsigned y, unsigned w, unsigned h, uint32_t colour)
{
    if (view_write(&writer, writer.width, writer.height))
        die("view_write: %s", strerror(errno));
    for (unsigned i = 0; i < h; i++)
        for (unsigned j = 0; j < w; j++)
            writer.pixels[(y + i) * writer.width + x + j] = colour;
    view_written(&writer, &(struct view_rect){ x, y, w, h });
}

static bool all_pixels(const struct view_copy *c, uint32_t colour)
{
    for (unsigned i = 0; i < c->width * c->height; i++)
        if (c->pixels[i] != colour)
            return false;
    return true;
}

static bool is_rect(const struct view_rect *r, unsigned x, unsigned y, unsigned w, unsigned h)
{
    return r->x == x && r->y == y && r->width == w && r->height == h;
}

static void picture(void)
{
    struct view_copy c;
    int fd, other;
    uint32_t *old;
    unsigned n;

    if (view_memory_new(&writer, 64, 48, &fd))
        die("view_memory_new: %s", strerror(errno));
    ok(!view_memory_open(&reader, fd), "a reader");
    ok(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES, "... cannot write");
    ok(mprotect(reader.header, 4096, PROT_READ | PROT_WRITE) && errno == EACCES, "... nor make it so");
    ok(ftruncate(fd, 0), "... nor make it shorter");
    ok(ftruncate(writer.fd, 4096) && errno == EPERM, "... which the writer cannot either");
    other = memfd_create("other", MFD_CLOEXEC);
    err(view_memory_open(&(struct view_memory){ 0 }, other) ? -errno : 0, -EPROTO, "something else is no picture");
    close(other);
    writer.header->version++;
    err(view_memory_open(&(struct view_memory){ 0 }, fd) ? -errno : 0, -EPROTO, "... nor is one of another version");
    writer.header->version--;

    ok(!view_copy_new(&reader, &c) && c.width == 64 && c.height == 48 && all_pixels(&c, 0), "black at first");
    eq(view_read(&reader, &c), VIEW_SAME, "... and the same");
    ok(!view_is_live(&reader), "not kept up to date");
    view_live(&writer, true);
    ok(view_is_live(&reader), "... but now");

    ok(!view_write(&writer, 64, 48), "a picture of that size");
    for (unsigned i = 0; i < 64 * 48; i++)
        writer.pixels[i] = 0x112233;
    view_written(&writer, &(struct view_rect){ 1, 2, 3, 4 });
    eq(view_read(&reader, &c), VIEW_CHANGED, "it is seen");
    ok(c.n == 1 && is_rect(&c.changed[0], 0, 0, 64, 48) && all_pixels(&c, 0x112233), "... all of it, it is another");
    eq(view_read(&reader, &c), VIEW_SAME, "... once");
    draw(60, 40, 4, 8, 7);
    draw(0, 1, 2, 1, 8);
    writer.pixels[0] = 9;       /* which nobody is told */
    eq(view_read(&reader, &c), VIEW_CHANGED, "two parts of it");
    ok(c.n == 2 && is_rect(&c.changed[0], 60, 40, 4, 8) && is_rect(&c.changed[1], 0, 1, 2, 1) && c.pixels[47 * 64 + 63] == 7 &&
       c.pixels[64] == 8 && c.pixels[65] == 8 && c.pixels[66] == 0x112233 && !(c.pixels[0] == 9), "... no more than these");
    for (n = 0; n < VIEW_CHANGES; n++)
        draw(n % 64, 0, 1, 1, n);
    ok(view_read(&reader, &c) == VIEW_CHANGED && c.n == VIEW_CHANGES && c.pixels[63] == 63, "as many as are kept");
    for (n = 0; n <= VIEW_CHANGES; n++)
        draw(n % 64, 0, 1, 1, 100 + n);
    ok(view_read(&reader, &c) == VIEW_CHANGED && c.n == 1 && is_rect(&c.changed[0], 0, 0, 64, 48) && c.pixels[0] == 164,
       "more than these: all");
    draw(3, 3, 0, 0, 1);
    ok(view_read(&reader, &c) == VIEW_SAME && !c.n, "a part without pixels");
    writer.header->changes = UINT32_MAX;
    view_read(&reader, &c);
    draw(5, 5, 1, 1, 1);
    draw(6, 5, 1, 1, 1);
    ok(view_read(&reader, &c) == VIEW_CHANGED && c.n == 2 && c.pixels[5 * 64 + 6] == 1, "the count goes on from 0");

    at("while it is written");
    view_write(&writer, 64, 48);
    writer.pixels[0] = 0xabcdef;
    for (n = 0; view_read(&reader, &c) == VIEW_LATER; n++)
        if (c.pixels[0] == 0xabcdef)
            eq(n, 0, "seen too early");
    ok(n > 1 && n < 100, "a reader has it later, %u times", n);
    view_written(&writer, &(struct view_rect){ 0, 0, 1, 1 });
    ok(view_read(&reader, &c) == VIEW_CHANGED && c.pixels[0] == 0xabcdef && !c.attempts, "... when it is there");
    view_write(&writer, 64, 48);
    eq(view_read(&reader, &c), VIEW_LATER, "... and has patience again");
    view_written(&writer, &(struct view_rect){ 0 });
    eq(view_read(&reader, &c), VIEW_SAME, "... nothing has changed");

    at("sizes");
    old = c.pixels;
    ok(!view_write(&writer, 100, 10), "another size");
    for (unsigned i = 0; i < 1000; i++)
        writer.pixels[i] = 3;
    view_written(&writer, &(struct view_rect){ 0 });
    ok(view_read(&reader, &c) == VIEW_RESIZED && c.width == 100 && c.height == 10 && c.pixels != old && all_pixels(&c, 3), "... is seen");
    free(old);
    view_blank(&writer);
    ok(view_read(&reader, &c) == VIEW_CHANGED && c.width == 100 && all_pixels(&c, 0) && is_rect(&c.changed[0], 0, 0, 100, 10),
       "nothing is shown: black, of the same size");
    view_blank(&writer);
    eq(view_read(&reader, &c), VIEW_SAME, "... once");
    view_write(&writer, 100, 10);
    ok(!writer.pixels[5], "its memory was given back");
    view_written(&writer, &(struct view_rect){ 1, 1, 1, 1 });
    ok(view_read(&reader, &c) == VIEW_CHANGED && is_rect(&c.changed[0], 0, 0, 100, 10), "shown again: all of it");
    err(view_write(&writer, 16385, 1) ? -errno : 0, -E2BIG, "too wide");
    err(view_write(&writer, 1, 16385) ? -errno : 0, -E2BIG, "too high");
    err(view_write(&writer, 16384, 16384) ? -errno : 0, -E2BIG, "too large");
    err(view_write(&writer, 0, 1) ? -errno : 0, -E2BIG, "of nothing");
    eq(view_read(&reader, &c), VIEW_SAME, "... none of which is seen");
    old = c.pixels;
    ok(!view_write(&writer, 16384, 2048), "the largest");
    writer.pixels[VIEW_MAX_PIXELS - 1] = 5;
    view_written(&writer, &(struct view_rect){ 0 });
    ok(view_read(&reader, &c) == VIEW_RESIZED && c.pixels[VIEW_MAX_PIXELS - 1] == 5, "... to its last pixel");
    free(old);
    free(c.pixels);
    close(fd);
    munmap(reader.header, 4096 + VIEW_MAX_PIXELS * 4ul);
    view_memory_free(&writer);
    at(" ");
}

/* A reader beside a writer that never stops: what it has is one picture */
static void both(void)
{
    const unsigned w = 512, h = 256, rounds = 1000;
    unsigned whole = 0, half = 0, later = 0;
    struct view_copy c;
    uint32_t *old;
    pid_t child;
    int fd;

    if (view_memory_new(&writer, w, h, &fd) || view_memory_open(&reader, fd) || view_copy_new(&reader, &c))
        die("memory: %s", strerror(errno));
    child = fork();
    if (!child) {
        for (unsigned n = 1; n <= rounds; n++) {
            if (view_write(&writer, w, h))
                _exit(1);
            for (unsigned i = 0; i < w * h; i++)
                writer.pixels[i] = n;
            view_written(&writer, &(struct view_rect){ 0, 0, w, h });
            usleep(n % 8 ? 0 : 500);
        }
        _exit(0);
    }
    do {
        enum view_read what;

        old = c.pixels;
        what = view_read(&reader, &c);
        if (what == VIEW_RESIZED)
            free(old);
        if (what == VIEW_LATER || what == VIEW_FAILED)
            later++;
        else if (c.attempts)            /* after many, what there is */
            later++;
        else if (all_pixels(&c, c.pixels[0]))
            whole++;
        else
            half++;
    } while (c.pixels[0] != rounds || c.attempts);
    ok(waitpid(child, NULL, 0) == child && all_pixels(&c, rounds), "the last of %u pictures arrives", rounds);
    eq(half, 0, "none is half of one and half of another");
    note("%u looks had a picture, %u were too early", whole, later);
    free(c.pixels);
    close(fd);
    munmap(reader.header, 4096 + VIEW_MAX_PIXELS * 4ul);
    view_memory_free(&writer);
}

/* The server, in another process ------------------------------------------ */

/* What a viewer is told: the same as it would see */
struct told {
    uint16_t width, height, n;
    struct view_rect first;
    uint32_t corner, middle;
};

static void tell(int connection, const struct view_copy *c)
{
    struct told t = { .width = c->width, .height = c->height, .n = c->n, .first = c->changed[0], .corner = c->pixels[0],
                      .middle = c->pixels[c->height / 2 * c->width + c->width / 2] };
    struct pollfd p = { .fd = connection, .events = POLLOUT };

    if (poll(&p, 1, -1) != 1 || write(connection, &t, sizeof(t)) != sizeof(t))
        _exit(1);
}

static void viewer(int connection, int bell, const struct view_memory *memory)
{
    struct pollfd p[] = { { .fd = bell, .events = POLLIN }, { .fd = connection, .events = POLLIN } };
    struct view_copy c;
    uint32_t *old;
    char command;

    while (!view_is_live(memory))
        if (poll(p, 1, -1) < 0 || !view_bell(bell))
            return;
    if (view_copy_new(memory, &c))
        return;
    view_read(memory, &c);
    tell(connection, &c);
    for (;;) {
        if (poll(p, 2, -1) < 0 || (p[0].revents && !view_bell(bell)))
            return;
        if (p[1].revents) {
            if (read(connection, &command, 1) != 1)
                return;
            if (command == 'c')
                raise(SIGKILL);
            else if (command == 's')        /* reads no bells, ever */
                pause();
            else if (command == 'k')
                kill(getppid(), SIGKILL);
            else if (command == 'w' && write(bell, "x", 1) == 1)
                pause();                    /* what no viewer may say */
        }
        old = c.pixels;
        switch (view_read(memory, &c)) {
        case VIEW_RESIZED:
            free(old);
            tell(connection, &c);
            break;
        case VIEW_CHANGED:
            tell(connection, &c);
            break;
        default:
            break;
        }
    }
}

static int server(void)
{
    struct view_memory m;

    return view_memory_open(&m, 5) || view_serve(3, 4, &m, viewer);
}

static struct gpu gpu;
static struct view *view;
static unsigned messages;

static void message(void *opaque, const char *text)
{
    (void)opaque, (void)text;
    messages++;
}

static void flushed(void *opaque, unsigned scanout, const struct virtio_gpu_rect *changed)
{
    (void)scanout;
    view_changed(opaque, &gpu, changed);
}

static struct view *started(const char *program)
{
    struct view_address a = address();
    int fd = view_listen(&a);

    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    return view_start(&(struct view_config){ .server = program, .listener = fd, .domid = 1, .width = 64, .height = 48 });
}

/* The device's loop, until a descriptor is readable (false: in vain), or for as long as the view has something to say */
static bool device(int until)
{
    struct pollfd p[] = { { .fd = until, .events = POLLIN }, { .events = POLLIN } };

    for (;;) {
        p[1].fd = view_fd(view);
        if (poll(p, 2, PATIENCE) <= 0)
            return false;
        if (p[1].revents)
            view_dispatch(view, &gpu);
        if (p[0].revents)
            return true;
        if (until < 0)
            return true;
    }
}

/* What a viewer is told next; width 0: it is sent away */
static struct told heard(int viewer_)
{
    struct told t = { 0 };

    if (!device(viewer_))
        die("nobody says anything to a viewer");
    if (read(viewer_, &t, sizeof(t)) != sizeof(t))
        return (struct told){ 0 };
    return t;
}

static struct gpu_resource *shown(uint32_t id, unsigned w, unsigned h, uint32_t colour)
{
    struct gpu_resource *r;

    if (gpu_resource_new(&gpu, id, (uint64_t)w * h * 4, &r) != VIRTIO_GPU_RESP_OK_NODATA)
        die("no resource");
    r->pixels = calloc((size_t)w * h, 4);
    r->format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM;
    r->width = w;
    r->height = h;
    for (unsigned i = 0; i < w * h; i++)
        r->pixels[i] = colour;
    gpu.scanouts[0] = (struct gpu_scanout){ .resource = id, .r = { .width = w, .height = h }, .format = r->format, .stride = w * 4ul };
    return r;
}

static void flush(uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    view_changed(view, &gpu, &(struct virtio_gpu_rect){ x, y, w, h });
}

static void start(void)
{
    gpu_init(&gpu, &(struct gpu_config){ .width = 64, .height = 48, .scanouts = 1, .max_memory = 16 << 20 }, &ram_memory, NULL,
             message, NULL);
    view = started("/proc/self/exe");
    if (!view)
        die("the view does not start");
    gpu.flushed = flushed;
    gpu.flushed_opaque = view;
}

static void end(void)
{
    gpu_reset(&gpu);
    view_end(view);
    view_unlisten();
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void served(void)
{
    struct gpu_resource *r;
    struct told t;
    int a, b;

    ok(!started("/nowhere/gpu-view"), "no program, no view");
    ok(connected() < 0, "... and nobody listens");
    view_unlisten();
    ok(!started("/bin/false"), "nor one that ends at once");
    view_unlisten();

    start();
    r = shown(1, 20, 10, 0xff0000aa);
    flush(0, 0, 20, 10);
    a = connected();
    t = heard(a);
    ok(t.width == 20 && t.height == 10 && t.corner == 0xaa && t.middle == 0xaa, "a viewer sees what was there before: %ux%u %#x", t.width, t.height, t.corner);
    r->pixels[0] = 0xbb;
    flush(0, 0, 1, 1);
    t = heard(a);
    ok(t.n == 1 && is_rect(&t.first, 0, 0, 1, 1) && t.corner == 0xbb && t.middle == 0xaa, "... and what is new, no more");
    b = connected();
    t = heard(b);
    ok(t.corner == 0xbb && t.middle == 0xaa, "another viewer sees the same");
    r->pixels[5 * 20 + 10] = 0x123456;
    flush(10, 5, 3, 2);
    t = heard(a);
    ok(is_rect(&t.first, 10, 5, 3, 2) && t.middle == 0x123456, "a part in the middle");
    t = heard(b);
    ok(is_rect(&t.first, 10, 5, 3, 2) && t.middle == 0x123456, "... for both");
    flush(0, 0, 0, 0);
    gpu_scanout_off(&gpu, 0);
    t = heard(a);
    ok(t.width == 20 && t.height == 10 && !t.corner && !t.middle && t.first.width == 20, "it shows nothing: black");
    heard(b);
    shown(2, 30, 40, 0x77);
    flush(0, 0, 1, 1);
    t = heard(a);
    ok(t.width == 30 && t.height == 40 && t.middle == 0x77, "another size, whole, whatever was flushed");
    heard(b);
    gpu_resource_free(&gpu, gpu_find(&gpu, 2));
    ok(!heard(a).middle && !heard(b).middle, "its resource goes: black");

    at("nobody looks");
    close(a);
    close(b);
    ok(device(-1), "the device is told that nobody looks");
    shown(3, 8, 8, 0x99);
    flush(0, 0, 8, 8);
    gpu_find(&gpu, 3)->pixels[0] = 0x98;
    a = connected();
    t = heard(a);
    ok(t.width == 8 && t.corner == 0x98 && t.middle == 0x99, "who comes then sees what there is now");
    close(a);
    end();
    at(" ");
}

static void many(void)
{
    struct gpu_resource *r;
    int fds[VIEW_VIEWERS + 1];
    unsigned i, good = 0;
    uint64_t n;

    start();
    r = shown(1, 16, 16, 1);
    for (i = 0; i < VIEW_VIEWERS; i++) {
        fds[i] = connected();
        good += heard(fds[i]).width == 16;
    }
    eq(good, VIEW_VIEWERS, "many viewers");
    fds[i] = connected();
    eq(heard(fds[i]).width, 0, "one too many is sent away");
    close(fds[i]);
    close(fds[0]);
    do {
        fds[0] = connected();
        good = heard(fds[0]).width;
        if (!good)
            close(fds[0]);
    } while (!good);
    eq(good, 16, "... until another one goes");

    at("viewers that do what they should not");
    ok(write(fds[1], "c", 1) == 1 && !heard(fds[1]).width, "one dies");
    ok(write(fds[2], "w", 1) == 1 && !heard(fds[2]).width, "one says something: it is ended");
    ok(write(fds[3], "s", 1) == 1, "one hangs, one reads nothing: fds[4]");
    for (n = 0; n < 20000; n++) {
        r->pixels[0] = n;
        flush(0, 0, 1, 1);
        /* what the others are told, so that they do not wait */
        if (n % 16 == 0)
            for (i = 5; i < VIEW_VIEWERS; i++) {
                char bytes[4096];

                while (recv(fds[i], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
                    ;
            }
    }
    ok(true, "the device has waited for none of them, %lu times", (unsigned long)n);
    r->pixels[0] = 0xfeed;
    flush(0, 0, 1, 1);
    for (n = 0; n < 20000 && heard(fds[5]).corner != 0xfeed; n++)
        ;
    ok(n < 20000, "... and another one sees the last picture");
    for (i = 0; i < VIEW_VIEWERS; i++)
        close(fds[i]);
    end();
    at(" ");
}

static void gone(void)
{
    struct told t;
    int a;

    start();
    shown(1, 16, 16, 1);
    a = connected();
    heard(a);
    gpu.scanouts[0].r.width = 16384;
    gpu.scanouts[0].r.height = 16384;
    flush(0, 0, 16384, 16384);
    t = heard(a);
    ok(t.width == 16 && !t.corner && messages, "a picture that is too large: black, and a message");
    flush(0, 0, 16384, 16384);
    eq(messages, 1, "... once");
    gpu.scanouts[0].r.width = gpu.scanouts[0].r.height = 16;
    ok(write(a, "k", 1) == 1 && device(-1) && view_fd(view) == -1, "the server is killed: the device knows");
    ok(!heard(a).width, "... and its viewers end");
    flush(0, 0, 16, 16);
    ok(true, "... the device goes on");
    close(a);
    end();

    start();
    shown(1, 16, 16, 1);
    a = connected();
    heard(a);
    gpu_reset(&gpu);
    heard(a);
    view_end(view);
    eq(read(a, &t, sizeof(t)), 0, "the device ends: viewers are sent away");
    close(a);
    view_unlisten();
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strncmp(argv[1], "domain ", 7))
        return server();
    tap_begin("view");
    tap_limit(300);
    signal(SIGPIPE, SIG_IGN);   /* as keeper.c has it */
    if (!mkdtemp(folder))
        die("%s: %s", folder, strerror(errno));
    snprintf(path, sizeof(path), "%s/socket", folder);
    ram_new();
    addresses();
    sockets();
    picture();
    both();
    served();
    many();
    gone();
    rmdir(folder);
    ram_free();
    return tap_end();
}
