/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "patience.h"

/* The kernel has tried for some tens of milliseconds before. */
#define PAUSE_MS 250

int patience_init(struct patience *p)
{
    *p = (struct patience){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) };
    return p->fd < 0 ? -1 : 0;
}

void patience_fini(struct patience *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

bool patience_begin(struct patience *p, const struct xenlend_event *e)
{
    struct itimerspec in = { .it_value.tv_nsec = PAUSE_MS * 1000000L };
    bool news = !p->held || p->reason != e->reason;

    p->held++;
    p->reason = e->reason;
    if (!p->waiting)
        p->waiting = !timerfd_settime(p->fd, 0, &in, NULL);
    return news;
}

int patience_over(struct patience *p, xenlend_window *w)
{
    uint64_t ticks;
    unsigned count;

    if (read(p->fd, &ticks, sizeof(ticks)) < 0)
        return errno == EAGAIN ? 0 : -1;
    p->waiting = false;
    if (!w)
        return 0;
    return xenlend_window_resume(w, 0, xenlend_window_len(w), XENLEND_RESUME_RETRY, &count);
}
