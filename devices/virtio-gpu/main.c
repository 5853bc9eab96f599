/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend-gpu: the device as a program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <xentoollog.h>

#include "../pci/keeper.h"
#include "../pci/program.h"
#include "connector.h"
#include "device.h"
#include "drop.h"
#include "filter.h"
#include "picture.h"
#include "renderer.h"
#include "text.h"
#include "view.h"
#include "view/listen.h"

static const char help[] =
    "Usage: xenlend-gpu --domain N [OPTION]...\n"
    "Gives a PVH guest a virtio GPU whose host-visible memory is lent.\n"
    "Start it after 'xl create -p' and before 'xl unpause'; it ends with the guest.\n"
    "\n"
    "  --size SIZE           host-visible memory: a power of two (256M)\n"
    "  --address ADDRESS     where it is in the guest: a multiple of SIZE (8G)\n"
    "  --slot N              PCI device number, 1 to 31 (1)\n"
    "  --display WxH|none    a display of so many pixels (1024x768)\n"
    "  --memory SIZE         most memory of the host that resources may have (512M)\n"
    "  --screenshot FILE     what the display shows, as PNG, on SIGUSR1 and at the end\n"
    "  --record FILE         each picture that the display shows, one PNG after the other\n"
    "  --view ADDRESS        what the display shows, by VNC: unix:PATH, or HOST:PORT of\n"
    "                        this host's own addresses\n"
    "  --view-server FILE    its gpu-view\n"
    "  --wayland PATH        programs of the guest's may be clients of the Wayland\n"
    "                        compositor of this host whose socket that is\n"
    "  --policy ones|fault|crash|hold  for accesses where no blob is (ones)\n"
    "  --renderer venus|virgl|venus,virgl  contexts for Vulkan, OpenGL, or both, by libvirglrenderer\n"
    "  --render-server FILE  its virgl_render_server, for Vulkan\n"
    "  --renderer-modules FOLDER  where gpu-virglrenderer.so is\n"
    "  --shader-cache FOLDER  what it has compiled, for the next time: of this guest only\n"
    "  --opaque              also memory of Vulkan's that has no descriptor of its own\n"
    "  --trap                without lending, to compare: each access is emulated\n"
    "  --test[=FOLDER]       contexts for tests: memory of any kind, files in FOLDER\n"
    "  --user NAME           who to be once the device is there (nobody; root: as now)\n"
    "  --detach              go on in the background once the device is there\n"
    "\n"
    "Sizes take K, M, G or T and may be 0x...  Details: xenlend-gpu(1)\n";

struct options {
    struct gpu_device_config config;
    const char *screenshot, *record, *user, *modules;
    const char *view, *view_server, *wayland;
    struct view_address address;    /* of the view */
    struct renderer_config rendering;
    bool detach;
};

static int display(const char *text, struct gpu_config *gpu)
{
    unsigned w, h;
    char end;

    if (!strcmp(text, "none")) {
        gpu->scanouts = 0;
        return 0;
    }
    /* Linux takes no smaller mode from an EDID. */
    if (sscanf(text, "%5ux%5u%c", &w, &h, &end) != 2 || w < 64 || h < 64 ||
        w > GPU_MAX_SIDE || h > GPU_MAX_SIDE)
        return -1;
    gpu->width = w;
    gpu->height = h;
    return 0;
}

static int renderers(const char *text, struct renderer_config *c)
{
    const char *comma = strchr(text, ',');
    size_t len = comma ? (size_t)(comma - text) : strlen(text);

    if (len == 5 && !strncmp(text, "venus", len) && !c->venus)
        c->venus = true;
    else if (len == 5 && !strncmp(text, "virgl", len) && !c->virgl)
        c->virgl = true;
    else
        return -1;
    return comma ? renderers(comma + 1, c) : 0;
}

static int parse(int argc, char **argv, struct options *o)
{
    enum { DISPLAY_ = PROGRAM_OWN, MEMORY_, SCREENSHOT_, RECORD_, VIEW_,
           VIEW_SERVER_, WAYLAND_, RENDERER_, SERVER_, MODULES_, CACHE_,
           OPAQUE_, TRAP_, TEST_, USER_ };
    static const struct option longs[] = {
        PROGRAM_OPTIONS,
        { "display", required_argument, NULL, DISPLAY_ },
        { "memory", required_argument, NULL, MEMORY_ },
        { "screenshot", required_argument, NULL, SCREENSHOT_ },
        { "record", required_argument, NULL, RECORD_ },
        { "view", required_argument, NULL, VIEW_ },
        { "view-server", required_argument, NULL, VIEW_SERVER_ },
        { "wayland", required_argument, NULL, WAYLAND_ },
        { "renderer", required_argument, NULL, RENDERER_ },
        { "render-server", required_argument, NULL, SERVER_ },
        { "renderer-modules", required_argument, NULL, MODULES_ },
        { "shader-cache", required_argument, NULL, CACHE_ },
        { "opaque", no_argument, NULL, OPAQUE_ },
        { "trap", no_argument, NULL, TRAP_ },
        { "test", optional_argument, NULL, TEST_ },
        { "user", required_argument, NULL, USER_ },
        { 0 },
    };
    struct gpu_device_config *c = &o->config;
    struct program program = {
        .help = help, .domid = &c->domid, .slot = &c->slot,
        .address = &c->address, .size = &c->size, .policy = &c->policy,
        .detach = &o->detach,
    };
    char why[160];
    int opt, rc;

    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1)
        switch (opt) {
        case DISPLAY_:
            if (display(optarg, &c->gpu))
                return usage_error("'%s' is no size of a display, from 64x64 "
                                   "to %ux%u, nor none", optarg, GPU_MAX_SIDE,
                                   GPU_MAX_SIDE);
            break;
        case MEMORY_:
            if (parse_size(optarg, &c->gpu.max_memory) ||
                c->gpu.max_memory > (uint64_t)1 << 46)
                return usage_error("'%s' is no size of memory", optarg);
            break;
        case SCREENSHOT_:
            o->screenshot = optarg;
            break;
        case RECORD_:
            o->record = optarg;
            break;
        case VIEW_:
            if (view_address_parse(optarg, &o->address, why, sizeof(why)))
                return usage_error("--view '%s': %s", optarg, why);
            o->view = optarg;
            break;
        case VIEW_SERVER_:
            o->view_server = optarg;
            break;
        case WAYLAND_:
            o->wayland = optarg;
            break;
        case RENDERER_:
            if (renderers(optarg, &o->rendering))
                return usage_error("'%s' is no renderer: there are venus, "
                                   "virgl and venus,virgl", optarg);
            break;
        case SERVER_:
            o->rendering.server = optarg;
            break;
        case MODULES_:
            o->modules = optarg;
            break;
        case CACHE_:
            o->rendering.cache = optarg;
            break;
        case OPAQUE_:
            o->rendering.opaque = true;
            break;
        case TRAP_:
            c->trap = true;
            break;
        case TEST_:
            c->gpu.test = true;
            c->gpu.test_sources.dir = optarg;
            break;
        case USER_:
            o->user = optarg;
            break;
        default:
            rc = program_option(&program, opt);
            if (rc)
                return rc;
        }
    rc = program_options_end(&program, argc, argv);
    if (rc)
        return rc;
    if (!o->rendering.venus && !o->rendering.virgl && o->modules)
        return usage_error("which --renderer?");
    if (!o->rendering.venus &&
        (o->rendering.server || o->rendering.opaque || o->rendering.cache))
        return usage_error("no --renderer venus?");
    if (o->view_server && !o->view)
        return usage_error("which --view?");
    if ((o->screenshot || o->record || o->view) && !c->gpu.scanouts)
        return usage_error("no pictures without a display");
    return 0;
}

/* Where pictures go; -1: no such file */
struct pictures {
    int shot;           /* the last one */
    int record;         /* all of them */
    struct view *view;  /* NULL: nobody can look */
    struct gpu *gpu;
};

static void record(struct pictures *p)
{
    unsigned width, height;
    uint32_t *pixels;

    if (p->record < 0)
        return;
    pixels = gpu_picture(p->gpu, 0, &width, &height);
    if (pixels && !picture_append(p->record, pixels, width, height)) {
        free(pixels);
        return;
    }
    say(errno, "the record ends here");
    close(p->record);
    p->record = -1;
    free(pixels);
}

/* gpu.flushed */
static void flushed(void *opaque, unsigned scanout,
                    const struct virtio_gpu_rect *changed)
{
    struct pictures *p = opaque;

    if (scanout)
        return;
    if (changed)
        record(p);
    if (p->view)
        view_changed(p->view, p->gpu, changed);
}

/* At the end there may be nothing any more that is shown. */
static void screenshot(struct gpu_device *dev, int fd, bool end)
{
    unsigned width, height;
    uint32_t *pixels;

    if (fd < 0)
        return;
    pixels = gpu_picture(gpu_device_gpu(dev), 0, &width, &height);
    if (!pixels && end && errno == ENODATA)
        return;
    if (!pixels || picture_put(fd, pixels, width, height))
        say(errno, "the screenshot");
    free(pixels);
}

static int serve(struct gpu_device *dev, int signals,
                 struct pictures *pictures)
{
    struct pollfd p[2 + GPU_DEVICE_POLLFDS];
    struct signalfd_siginfo info;
    int r;

    p[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
    p[1] = (struct pollfd){ .fd = -1, .events = POLLIN };
    gpu_device_pollfds(dev, p + 2);
    for (;;) {
        p[1].fd = pictures->view ? view_fd(pictures->view) : -1;
        if (poll(p, 2 + GPU_DEVICE_POLLFDS, -1) < 0 && errno != EINTR) {
            say(errno, "waiting");
            return 1;
        }
        if (p[0].revents && read(signals, &info, sizeof(info)) > 0) {
            if (info.ssi_signo != SIGUSR1)
                return 0;
            screenshot(dev, pictures->shot, false);
        }
        if (p[1].revents)
            view_dispatch(pictures->view, pictures->gpu);
        r = gpu_device_dispatch(dev);
        if (r > 0) {
            say(0, "the guest is gone");
            return 0;
        }
        if (r < 0) {
            say(errno, "serving the guest");
            return 1;
        }
    }
}

/* Opened while it may be.  -1 after a message */
static int file_for(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644);

    if (fd < 0)
        say(errno, "%s", path);
    return fd;
}

static int run(const struct options *o, const struct started *s,
               struct pictures *pictures, const struct identity *id)
{
    const struct gpu_device_config *c = &o->config;
    struct gpu_device *dev = gpu_device_open(s->logger, c);
    unsigned may = (c->gpu.test_sources.dir ? FILTER_FILES : 0) |
                   (c->gpu.renderer ? FILTER_RENDERER : 0) |
                   (o->rendering.virgl ? FILTER_JIT : 0) |
                   (c->gpu.connector ? FILTER_CHANNELS : 0);
    int rc = 1;

    if (!dev) {
        /* other errors may be of something else than lending */
        if (errno == ESRCH || errno == EOPNOTSUPP)
            program_refused(c->domid, c->address, c->size, errno);
        return 1;
    }
    if (gpu_device_start(dev)) {
        if (!c->trap && !gpu_device_window(dev))
            program_refused(c->domid, c->address, c->size, errno);
        goto out;
    }
    if (drop_privileges(c->domid, id, may))
        goto out;
    printf("xenlend-gpu: domain %u has a virtio GPU at 00:%02x.0, its memory "
           "at %#llx\n", c->domid, c->slot, (unsigned long long)c->address);
    fflush(stdout);
    if (keeper_ready(s->ready, gpu_device_server(dev))) {
        say(errno, "starting");
        goto out;
    }
    pictures->gpu = gpu_device_gpu(dev);
    pictures->gpu->flushed = flushed;
    pictures->gpu->flushed_opaque = pictures;
    rc = serve(dev, s->signals, pictures);
    screenshot(dev, pictures->shot, true);
    say(0, "%llu commands, %llu of them with an error",
        (unsigned long long)gpu_device_gpu(dev)->commands,
        (unsigned long long)gpu_device_gpu(dev)->errors);
    if (c->trap)
        say(0, "%llu accesses to blobs were emulated",
            (unsigned long long)gpu_device_trapped(dev));
out:
    gpu_device_close(dev);
    return rc;
}

/*
 * The socket that viewers connect to goes when all else has gone: who does it is
 * the process that waits, the only one who still may.  With --detach there is
 * one before it that ends at once.
 */
static pid_t starter;

static void unlisten(void)
{
    if (getpid() != starter)
        view_unlisten();
}

/* Where viewers connect: -1 after a message */
static int listen_for(const struct options *o)
{
    int fd = view_listen(&o->address);

    if (fd < 0 && errno == EADDRINUSE)
        say(0, "--view %s: somebody else listens there", o->view);
    else if (fd < 0)
        say(errno, "--view %s", o->view);
    starter = o->detach ? getpid() : 0;
    if (fd >= 0 && atexit(unlisten)) {
        say(ENOMEM, "starting");
        return -1;
    }
    keeper_without(fd);
    return fd;
}

int main(int argc, char **argv)
{
    struct options o = {
        .config = {
            .slot = 1, .address = GPU_ADDRESS, .size = 256 << 20,
            .policy = XENLEND_POLICY_ONES,
            .gpu = { .width = 1024, .height = 768, .scanouts = 1,
                     .max_memory = 512 << 20 },
        },
        .user = "nobody",
    };
    struct identity identity, *id = NULL;
    struct pictures pictures = { .shot = -1, .record = -1 };
    struct started started;
    int rc, listener = -1;

    rc = parse(argc, argv, &o);
    if (rc)
        return rc;
    if (strcmp(o.user, "root")) {
        id = &identity;
        if (identity_find(o.user, id)) {
            say(errno, "user '%s'", o.user);
            return 1;
        }
    }
    /* While it may be opened; without it there is no such memory. */
    if (o.config.gpu.test)
        o.config.gpu.test_sources.udmabuf = open("/dev/udmabuf",
                                                 O_RDWR | O_CLOEXEC);
    if ((o.screenshot && (pictures.shot = file_for(o.screenshot, 0)) < 0) ||
        (o.record && (pictures.record = file_for(o.record, O_TRUNC)) < 0))
        return 1;
    if (o.view && (listener = listen_for(&o)) < 0)
        return 1;
    if (program_start(&started, o.config.domid, o.detach, SIGUSR1))
        return 1;
    /* While other processes can be started. */
    if (o.view) {
        pictures.view = view_start(&(struct view_config){
            .server = o.view_server, .id = id, .listener = listener,
            .domid = o.config.domid, .width = o.config.gpu.width,
            .height = o.config.gpu.height,
        });
        if (!pictures.view)
            return 1;
    }
    if (o.wayland) {
        o.config.gpu.connector = connector_start(o.wayland);
        if (!o.config.gpu.connector)
            return 1;
    }
    if (o.rendering.venus || o.rendering.virgl) {
        o.rendering.id = id;
        o.config.gpu.renderer = renderer_load(o.modules, &o.rendering);
        if (!o.config.gpu.renderer)
            return 1;
    }
    rc = run(&o, &started, &pictures, id);
    view_end(pictures.view);
    xtl_logger_destroy(started.logger);
    return rc;
}
