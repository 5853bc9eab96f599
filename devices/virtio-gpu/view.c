/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spawn.h"
#include "text.h"
#include "view.h"
#include "view/memory.h"
#include "view/serve.h"

#ifndef MODULE_DIR
#define MODULE_DIR "/usr/lib/xenlend"
#endif
#define PROGRAM MODULE_DIR "/gpu-view"

struct view {
    struct view_memory memory;
    int server;                 /* the socket to it; -1: it is gone */
    bool watched;
    bool complained;
};

/* Until it serves.  false: it has ended instead, and said why */
static bool ready(int server)
{
    ssize_t n;
    char c;

    do
        n = read(server, &c, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 && c == VIEW_READY;
}

static int start(struct view *v, const struct view_config *config,
                 const char *program, int picture)
{
    char name[32];
    char *argv[] = { (char *)program, name, NULL };
    int fds[2], rc;

    snprintf(name, sizeof(name), "domain %u", (unsigned)config->domid);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        say(errno, "starting the view");
        return -1;
    }
    v->server = fds[0];
    rc = spawn(&(struct spawn){
        .argv = argv, .fds = { fds[1], config->listener, picture },
        .n_fds = 3, .id = config->id,
    });
    if (rc)
        say(errno, "starting the view");
    close(fds[1]);
    if (!rc && !ready(v->server)) {
        say(0, "%s does not start", program);
        rc = -1;
    }
    if (!rc && fcntl(v->server, F_SETFL, O_NONBLOCK)) {
        say(errno, "starting the view");
        rc = -1;
    }
    return rc;
}

struct view *view_start(const struct view_config *config)
{
    const char *program = config->server ? config->server : PROGRAM;
    struct view *v = calloc(1, sizeof(*v));
    int picture = -1, rc = -1;

    if (!v || access(program, X_OK)) {
        say(errno, "--view: %s, which is built where libvncserver-dev is, and "
            "needs libvncserver1", program);
        free(v);
        v = NULL;
        goto out;
    }
    v->server = -1;
    if (view_memory_new(&v->memory, config->width, config->height, &picture))
        say(errno, "memory for the view");
    else
        rc = start(v, config, program, picture);
    if (picture >= 0)
        close(picture);
    if (rc) {
        view_end(v);
        v = NULL;
    }
out:
    close(config->listener);
    return v;
}

void view_end(struct view *v)
{
    if (!v)
        return;
    view_memory_free(&v->memory);
    if (v->server >= 0)
        close(v->server);
    free(v);
}

int view_fd(const struct view *v)
{
    return v->server;
}

/* If there is no room for it, there are others that have not been read; if nobody
 * is there any more, view_dispatch() sees it.  SIGPIPE is ignored (keeper.c). */
static void ring(const struct view *v)
{
    const char c = VIEW_RING;

    if (write(v->server, &c, 1) < 0)
        return;
}

static void write_picture(struct view *v, struct gpu *gpu,
                          const struct virtio_gpu_rect *changed)
{
    const struct gpu_scanout *s = &gpu->scanouts[0];
    struct virtio_gpu_rect part = *changed;

    if (s->r.width != v->memory.width || s->r.height != v->memory.height)
        part = (struct virtio_gpu_rect){ .width = s->r.width,
                                         .height = s->r.height };
    if (view_write(&v->memory, s->r.width, s->r.height)) {
        if (!v->complained)
            gpu_message(gpu, "viewers do not see a picture of %ux%u: %s",
                        s->r.width, s->r.height, strerror(errno));
        v->complained = true;
        view_blank(&v->memory);
        return;
    }
    /* What cannot be read, since the guest has no memory there, stays. */
    (void)gpu_picture_part(gpu, 0, &part, v->memory.pixels, s->r.width);
    view_written(&v->memory, &(struct view_rect){ part.x, part.y, part.width,
                                                  part.height });
}

void view_changed(struct view *v, struct gpu *gpu,
                  const struct virtio_gpu_rect *changed)
{
    if (v->server < 0 || !v->watched)
        return;
    if (!changed)
        view_blank(&v->memory);
    else if (changed->width && changed->height)
        write_picture(v, gpu, changed);
    else
        return;
    ring(v);
}

/* All of what there is now: it was not kept up to date before. */
static void begin(struct view *v, struct gpu *gpu)
{
    const struct gpu_scanout *s = &gpu->scanouts[0];
    const struct virtio_gpu_rect all = { .width = s->r.width,
                                         .height = s->r.height };

    v->watched = true;
    view_changed(v, gpu, s->resource ? &all : NULL);
    view_live(&v->memory, true);
    ring(v);
}

void view_dispatch(struct view *v, struct gpu *gpu)
{
    char bytes[64];
    ssize_t n = read(v->server, bytes, sizeof(bytes));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        say(0, "the view is gone");
        close(v->server);
        v->server = -1;
        v->watched = false;
    } else if (bytes[n - 1] == VIEW_WATCHED) {
        if (!v->watched)
            begin(v, gpu);
    } else if (bytes[n - 1] == VIEW_ALONE) {
        v->watched = false;
        view_live(&v->memory, false);
    }
}
