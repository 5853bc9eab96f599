/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include <rfb/rfb.h>

#include "rfb.h"
#include "serve.h"
#include "text.h"

#define GREETING_SECONDS    10  /* for a viewer to say who it is */
#define READING_SECONDS     20  /* ... to read something of what it gets */

static bool refused;

/*
 * A browser can be made to connect to this host by any page that it shows, and
 * libvncserver talks to browsers, so do not.  Nobody has a keyboard or a
 * pointer here.
 */
static enum rfbNewClientAction meet(rfbClientPtr client)
{
#ifdef LIBVNCSERVER_WITH_WEBSOCKETS
    refused = client->wsctx || client->sslctx;
    if (refused)
        return RFB_CLIENT_REFUSE;
#endif
    client->viewOnly = TRUE;
    return RFB_CLIENT_ACCEPT;
}

/* libvncserver has put its own arrangement of colours there. */
static void colours(rfbScreenInfoPtr screen)
{
    screen->serverFormat.redShift = 16;
    screen->serverFormat.greenShift = 8;
    screen->serverFormat.blueShift = 0;
    screen->serverFormat.depth = 24;
}

static rfbScreenInfoPtr screen_new(const struct view_copy *copy,
                                   const char *name)
{
    rfbScreenInfoPtr screen = rfbGetScreen(NULL, NULL, copy->width,
                                           copy->height, 8, 3, 4);

    if (!screen)
        return NULL;
    colours(screen);
    screen->frameBuffer = (char *)copy->pixels;
    screen->desktopName = name;
    screen->port = screen->ipv6port = 0;
    screen->alwaysShared = TRUE;
    screen->deferUpdateTime = 0;
    screen->maxClientWait = READING_SECONDS * 1000;
    screen->newClientHook = meet;
    screen->cursor = NULL;
    return screen;
}

static void resize(rfbScreenInfoPtr screen, const struct view_copy *copy)
{
    rfbClientIteratorPtr i;
    rfbClientPtr client;

    rfbNewFramebuffer(screen, (char *)copy->pixels, copy->width, copy->height,
                      8, 3, 4);
    /* ... and puts it there again, with what it translates by. */
    colours(screen);
    i = rfbGetClientIterator(screen);
    while ((client = rfbClientIteratorNext(i)))
        screen->setTranslateFunction(client);
    rfbReleaseClientIterator(i);
}

/* -1: the display cannot be shown any more */
static int look(rfbScreenInfoPtr screen, const struct view_memory *memory,
                struct view_copy *copy, bool *later)
{
    uint32_t *old = copy->pixels;
    enum view_read what = view_read(memory, copy);

    *later = what == VIEW_LATER;
    if (what == VIEW_FAILED) {
        say(errno, "the picture for a viewer");
        return -1;
    }
    if (what == VIEW_RESIZED) {
        resize(screen, copy);
        free(old);
    } else if (what == VIEW_CHANGED) {
        for (unsigned i = 0; i < copy->n; i++) {
            const struct view_rect *r = &copy->changed[i];

            rfbMarkRectAsModified(screen, r->x, r->y, r->x + r->width,
                                  r->y + r->height);
        }
    }
    return 0;
}

/* Until the device keeps the picture up to date.  false: it has gone */
static bool wait_for_picture(int bell, const struct view_memory *memory)
{
    struct pollfd p = { .fd = bell, .events = POLLIN };

    while (!view_is_live(memory))
        if ((poll(&p, 1, -1) < 0 && errno != EINTR) || !view_bell(bell))
            return false;
    return true;
}

static int64_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void loop(rfbScreenInfoPtr screen, int connection, int bell,
                 const struct view_memory *memory, struct view_copy *copy)
{
    struct pollfd p[] = { { .fd = bell, .events = POLLIN },
                          { .fd = connection, .events = POLLIN } };
    int64_t limit = seconds() + GREETING_SECONDS, now;
    bool greeted = false, later = false;

    /* There is one client, or none any more. */
    while (screen->clientHead) {
        greeted = greeted || screen->clientHead->state == RFB_NORMAL;
        now = seconds();
        if (!greeted && now >= limit)
            return;
        /* While its copy is half of one picture and half of another, nothing
         * of it is sent: the bell will ring. */
        p[1].fd = later ? -1 : connection;
        if (poll(p, 2, greeted ? -1 : (limit - now) * 1000) < 0 &&
            errno != EINTR)
            return;
        if (p[0].revents && !view_bell(bell))
            return;
        if (look(screen, memory, copy, &later))
            return;
        if (!later)
            rfbProcessEvents(screen, 0);
    }
}

void rfb_serve(int connection, int bell, const struct view_memory *memory,
               const char *name)
{
    struct view_copy copy;
    rfbScreenInfoPtr screen;
    bool later;

    /* What viewers do is not worth a word each time. */
    rfbLogEnable(0);
    if (!wait_for_picture(bell, memory))
        return;
    if (view_copy_new(memory, &copy)) {
        say(errno, "the picture for a viewer");
        return;
    }
    screen = screen_new(&copy, name);
    if (!screen || look(screen, memory, &copy, &later))
        return;
    if (rfbNewClient(screen, connection) && !refused)
        loop(screen, connection, bell, memory, &copy);
}
