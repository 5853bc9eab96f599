/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GPU_VIEW_RFB_H
#define GPU_VIEW_RFB_H

#include "memory.h"

/*
 * Shows the picture to one viewer, by libvncserver, until one of the two goes.
 * connection: to the viewer, closed then.  bell: as view_serve() has it.
 * name: what viewers call the display.
 */
void rfb_serve(int connection, int bell, const struct view_memory *memory,
               const char *name);

#endif
