/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of what a device model does about held vCPUs.  TAP on stdout. */
#include <poll.h>

#include "patience.h"
#include "tap.h"

/* The library, as far as it is needed */
static unsigned resumed, action;
static uint64_t resumed_len;

uint64_t xenlend_window_len(const xenlend_window *w)
{
    (void)w;
    return 0x5000;
}

int xenlend_window_resume(xenlend_window *w, uint64_t offset, uint64_t len, unsigned how, unsigned *count)
{
    (void)w;
    resumed++;
    resumed_len = offset ? 0 : len;
    action = how;
    *count = 1;
    return 0;
}

/* Is it time?  Waits for it, but not for ever. */
static int due(const struct patience *p, int wait_ms)
{
    struct pollfd fd = { .fd = p->fd, .events = POLLIN };

    return poll(&fd, 1, wait_ms) == 1;
}

int main(void)
{
    xenlend_window *w = (void *)1;
    struct xenlend_event e = { .type = XENLEND_EVENT_HELD, .reason = XENLEND_REASON_NO_MEMORY };
    struct patience p;

    tap_begin("patience");
    ok(!patience_init(&p) && !due(&p, 0), "nobody is held: nothing to do");
    ok(!patience_over(&p, w) && !resumed, "... nor is anything done");
    ok(patience_begin(&p, &e), "the first one is worth a message");
    ok(!patience_begin(&p, &e), "the second one is not");
    e.reason = XENLEND_REASON_IO;
    ok(patience_begin(&p, &e), "another reason is");
    ok(due(&p, 60000), "the time comes");
    ok(!patience_over(&p, w) && resumed == 1 && resumed_len == 0x5000 && action == XENLEND_RESUME_RETRY,
       "all of the window's try again, once");
    ok(!due(&p, 0), "and nothing more is due");

    /* The guest turns the BAR off while a vCPU is held: poll() must not say for ever that there is something to do. */
    patience_begin(&p, &e);
    ok(due(&p, 60000) && !patience_over(&p, NULL) && resumed == 1, "the window has gone meanwhile: nobody is held there");
    ok(!due(&p, 0), "... and nothing is due");
    patience_begin(&p, &e);
    ok(due(&p, 60000) && !patience_over(&p, w) && resumed == 2, "in the next window it goes on as before");
    patience_fini(&p);
    return tap_end();
}
