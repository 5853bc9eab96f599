/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "text.h"
#include "windows.h"

int windows_read(struct windows *ws, xenlend_handle *h, uint32_t domid)
{
    struct window w = { .info.serial = 0 };
    int found;

    ws->n = 0;
    while ((found = xenlend_next(h, w.info.serial, &w.info)) == 1) {
        if (domid != ALL_DOMAINS && w.info.domid != domid)
            continue;
        if (xenlend_stats(h, w.info.serial, &w.stats)) {
            if (errno == ENOENT)
                continue;       /* gone meanwhile */
            return -1;
        }
        if (ws->n == ws->room) {
            unsigned room = ws->room ? 2 * ws->room : 16;
            void *p = realloc(ws->w, room * sizeof(*ws->w));

            if (!p) {
                say(ENOMEM, "%u windows", room);
                return -1;
            }
            ws->w = p;
            ws->room = room;
        }
        ws->w[ws->n++] = w;
    }
    return found;
}

void windows_free(struct windows *ws)
{
    free(ws->w);
    *ws = (struct windows){ 0 };
}
