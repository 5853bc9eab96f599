/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that does for the device what it shall not do itself. */
#ifndef GPU_SPAWN_H
#define GPU_SPAWN_H

#include "drop.h"

#define SPAWN_FDS   4u

struct spawn {
    char *const *argv;          /* the program, its arguments, NULL */
    int fds[SPAWN_FDS];         /* which it has as 3, 4, ... */
    unsigned n_fds;
    const struct identity *id;  /* who it shall be; NULL: as we are */
};

/*
 * Starts it, without new privileges, and without any descriptor of ours but
 * those, and the standard ones.  It ends when we do.  0, or -1 with errno set.
 */
int spawn(const struct spawn *what);

#endif
