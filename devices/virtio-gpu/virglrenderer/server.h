/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that renders: virgl_render_server, which has one more for each
 * context.  It executes what a guest sends. */
#ifndef GPU_VENUS_SERVER_H
#define GPU_VENUS_SERVER_H

#include "../renderer.h"

/*
 * Starts it, as another user who can gain no privileges, without any
 * descriptor of ours.  It ends with us.  Returns the socket to it, or -1 after
 * a message.
 */
int server_start(const struct renderer_config *config);

#endif
