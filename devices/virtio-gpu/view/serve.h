/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Viewers, each with a process of its own: what one sends, and that another does
 * not read, is nobody else's affair.
 */
#ifndef GPU_VIEW_SERVE_H
#define GPU_VIEW_SERVE_H

#include "memory.h"

#define VIEW_VIEWERS    8u      /* at a time; more are sent away */

/* Bytes that go over the socket between the device and who serves its viewers */
#define VIEW_READY      'r'     /* to the device, once: it serves */
#define VIEW_WATCHED    'w'     /* ... somebody looks */
#define VIEW_ALONE      'a'     /* ... nobody does */
#define VIEW_RING       '!'     /* to the viewers: there may be something new */

/*
 * Serves until the device's end of the socket is closed, then returns 0, or -1
 * with errno set.  viewer is called in a new process, and ends it by returning;
 * bell is readable when there may be something new, and at its end when the
 * device has gone.
 */
int view_serve(int device, int listener, const struct view_memory *memory,
               void (*viewer)(int connection, int bell,
                              const struct view_memory *memory));

/* Empties a bell.  Whether there may be more; false: the device is gone. */
bool view_bell(int bell);

#endif
