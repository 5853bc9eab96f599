/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../spawn.h"
#include "server.h"
#include "text.h"

#define PROGRAM "/usr/libexec/virgl_render_server"

int server_start(const struct renderer_config *config)
{
    const char *program = config->server ? config->server : PROGRAM;
    char *argv[] = { (char *)program, (char *)"--socket-fd", (char *)"3",
                     NULL };
    int fds[2], failed;

    /* The child has nobody to complain to but the log. */
    if (access(program, X_OK)) {
        say(errno, "%s (package virgl-server)", program);
        return -1;
    }
    /* A cache of shaders has no place to be.  Vulkan in this process has no use
     * for one either. */
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
        say(errno, "starting the renderer");
        return -1;
    }
    failed = spawn(&(struct spawn){ .argv = argv, .fds = { fds[1] },
                                    .n_fds = 1, .id = config->id });
    if (failed)
        say(errno, "starting the renderer");
    close(fds[1]);
    if (!failed)
        return fds[0];
    close(fds[0]);
    return -1;
}
