/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../spawn.h"
#include "server.h"
#include "text.h"

#define PROGRAM "/usr/libexec/virgl_render_server"

/*
 * Mesa's cache of shaders: of the renderer alone.  Vulkan in this process has no
 * use for one, and may open no files.
 */
static int cache(const struct renderer_config *config)
{
    const char *dir = config->cache;
    uid_t user = config->id ? config->id->uid : geteuid();
    bool made;
    struct stat s;
    int fd;

    if (!dir)
        return setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
    made = !mkdir(dir, 0700);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) || (made && config->id &&
        fchown(fd, config->id->uid, config->id->gid))) {
        say(errno, "--shader-cache '%s'", dir);
        close(fd);
        return -1;
    }
    close(fd);
    /* One that was there may be anything: nobody's owner is changed.  What is
     * in it is executed. */
    if (!made && s.st_uid != user) {
        say(0, "--shader-cache '%s': it is not user %u's", dir, (unsigned)user);
        return -1;
    }
    if (!made && (s.st_mode & 0722) != 0700) {
        say(0, "--shader-cache '%s': its user has to be able to write to it, "
            "and nobody else (chmod 700)", dir);
        return -1;
    }
    return setenv("MESA_SHADER_CACHE_DIR", dir, 1);
}

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
    if (cache(config))
        return -1;
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
