/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A filter of system calls: what the device needs to serve a guest, nothing
 * else. */
#ifndef GPU_FILTER_H
#define GPU_FILTER_H

#define FILTER_FILES    1u      /* files may be opened */
#define FILTER_RENDERER 2u      /* and what a renderer needs: messages through
                                 * sockets that are there, own memory read */
#define FILTER_JIT      4u      /* and what OpenGL by a processor needs: code
                                 * that it has made, threads */
#define FILTER_CHANNELS 8u      /* messages through sockets that are there, and
                                 * pipes */

/*
 * For this process with all its threads, from now on; it must have given up
 * new privileges.  Other calls fail with EPERM, and so does memory that is to
 * be executed (but for FILTER_JIT).  may: FILTER_*.  0, or -1 with errno set.
 */
int filter_install(unsigned may);

/* Likewise, with these calls only, besides mmap() and mprotect(): at most
 * FILTER_CALLS of them. */
#define FILTER_CALLS    100u
int filter_install_only(const unsigned short *calls, unsigned n);

#endif
