/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instance of the kernel's tracing, so that nobody else's is disturbed.
 * Functions return 0, or -1 after a message.
 */
#ifndef TRACEFS_H
#define TRACEFS_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

struct tracefs {
    char dir[PATH_MAX];         /* the instance; "" if there is none */
    int pipe;                   /* its events as text; does not block */
};

/*
 * Where tracefs is, by a file like /proc/self/mounts; also below debugfs.
 * Says nothing: errno is ENOENT if it is nowhere.
 */
int tracefs_find(const char *mounts, char *dir, size_t size);

/*
 * The kernel's filter for an event, which has no window if it cannot have one;
 * UINT32_MAX and 0 for any.  "0" if there is none.
 */
void tracefs_filter(char *text, size_t size, uint32_t domid, uint64_t window);

/* Begin, with events of one domain or window, or all. */
int tracefs_open(struct tracefs *t, uint32_t domid, uint64_t window);
/* No more events from here on; what is in the buffers stays. */
void tracefs_stop(struct tracefs *t);
/* Removes the instance; harmless if there is none. */
int tracefs_close(struct tracefs *t);

#endif
