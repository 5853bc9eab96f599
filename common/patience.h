/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a device model does about vCPUs that are held (XENLEND_EVENT_HELD): it lets them try again after a while, as long
 * as it takes, and says so once in a while.
 */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>

#include <xenlend.h>

struct patience {
    int fd;                     /* readable when it is time for patience_over() */
    bool waiting;
    unsigned reason;            /* of the last one */
    unsigned held;              /* since the last message */
};

/* Returns 0, or -1 with errno set. */
int patience_init(struct patience *p);
void patience_fini(struct patience *p);

/*
 * An event of kind XENLEND_EVENT_HELD came.  Returns whether it is the first since vCPUs went on, and so worth a message.
 */
bool patience_begin(struct patience *p, const struct xenlend_event *e);

/*
 * The time is over: lets all vCPUs that are held in the window try again; NULL: there is none any more, and they went on
 * when it ended.  Returns 0, or -1 with errno set.
 */
int patience_over(struct patience *p, xenlend_window *w);

#endif
