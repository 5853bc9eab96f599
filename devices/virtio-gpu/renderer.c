/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

#include "renderer.h"
#include "text.h"

#ifndef MODULE_DIR
#define MODULE_DIR "/usr/lib/xenlend"
#endif

#define MODULE "gpu-virglrenderer.so"

struct renderer *renderer_load(const char *dir,
                               const struct renderer_config *config)
{
    struct renderer *r;
    char path[512];
    void *module;

    if (snprintf(path, sizeof(path), "%s/" MODULE, dir ? dir : MODULE_DIR) >=
        (int)sizeof(path)) {
        say(0, "'%s' is too long a name", dir);
        return NULL;
    }
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        say(0, "renderer: %s; it is built where libvirglrenderer-dev is, and "
            "needs libvirglrenderer1; for Vulkan virgl-server and a driver, "
            "for OpenGL libegl1 and libegl-mesa0", dlerror());
        return NULL;
    }
    r = dlsym(module, RENDERER_SYMBOL);
    if (!r) {
        say(0, "%s is no renderer", path);
        dlclose(module);
        return NULL;
    }
    /* Its libraries stay until the end of the process. */
    return r->start(config) ? NULL : r;
}
