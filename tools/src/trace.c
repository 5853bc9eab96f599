/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend trace: what the driver does, as it does it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "tool.h"
#include "tracefs.h"
#include "windows.h"

#define CHUNK       4096        /* PIPE_BUF: a pipe with room has that much */
#define LAST_WORDS  1000        /* ms that a reader has in the end */

enum end { GOES_ON, ENOUGH, INTERRUPTED, NO_READER, BROKEN };

struct trace {
    xenlend_handle *h;
    struct tracefs fs;
    struct lines lines;
    struct windows windows;
    int signals, out;
    const char *file;           /* a recording, or NULL: lines */
    uint64_t start, last;       /* us */
    uint64_t end;               /* us, 0: none */
    uint64_t most, n, lost, bad;
    bool some_lost;             /* how many is not known */
    bool draining;
    enum end ended;
    char chunk[CHUNK];
    size_t pending;
};

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* Milliseconds until the end, no more than most (-1: no limit) */
static int patience(const struct trace *t, int most)
{
    uint64_t at = now(), left;

    if (!t->end)
        return most;
    left = t->end > at ? (t->end - at) / 1000 + 1 : 0;
    return most >= 0 && left > (uint64_t)most ? most : (int)left;
}

/*
 * Writes what is pending.  Who reads it may be slow, or have stopped reading:
 * that must not keep a signal from ending this.
 */
static int flush(struct trace *t)
{
    size_t done = 0;

    while (done < t->pending) {
        struct pollfd p[] = {
            { .fd = t->out, .events = POLLOUT },
            { .fd = t->draining ? -1 : t->signals, .events = POLLIN },
        };
        int ready = poll(p, 2, patience(t, t->draining ? LAST_WORDS : -1));
        ssize_t n;

        if (ready < 0 && errno == EINTR)
            continue;
        if (!p[0].revents) {
            t->ended = p[1].revents ? INTERRUPTED : t->draining ? NO_READER :
                       ENOUGH;
            break;
        }
        n = write(t->out, t->chunk + done, t->pending - done);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            t->ended = errno == EPIPE ? NO_READER : BROKEN;
            if (t->ended == BROKEN)
                say(errno, "%s", t->file ? t->file : "writing");
            break;
        }
        if (n > 0)
            done += n;
    }
    memmove(t->chunk, t->chunk + done, t->pending - done);
    t->pending -= done;
    return t->ended;
}

static int write_event(struct trace *t, const struct event *e)
{
    if (t->pending > CHUNK - EVENT_LINE && flush(t))
        return t->ended;
    t->pending += (t->file ? event_csv : event_show)
                  (t->chunk + t->pending, EVENT_LINE, e);
    return 0;
}

/* --- windows: the guest's addresses are theirs and the slots' */

static int know(struct trace *t, const struct window *w)
{
    struct windows *ws = &t->windows;

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
    ws->w[ws->n++] = *w;
    return 0;
}

static const struct window *known(const struct trace *t, uint64_t serial)
{
    for (unsigned i = t->windows.n; i--; )
        if (t->windows.w[i].info.serial == serial)
            return &t->windows.w[i];
    return NULL;
}

static void forget(struct trace *t, uint64_t serial)
{
    for (unsigned i = 0; i < t->windows.n; i++)
        if (t->windows.w[i].info.serial == serial)
            t->windows.w[i--] = t->windows.w[--t->windows.n];
}

static int find_place(struct trace *t, struct event *e)
{
    struct window w = { .info.serial = e->v[F_WINDOW] };
    const struct window *k;

    if (e->kind == EVENT_WINDOW) {
        forget(t, e->v[F_WINDOW]);
        w.info.gpa = e->v[F_ADDRESS];
        return !strcmp(e->what, "made") ? know(t, &w) : 0;
    }
    if (event_has(e, F_ADDRESS) || !event_has(e, F_SLOT))
        return 0;
    k = known(t, e->v[F_WINDOW]);
    if (!k && xenlend_next(t->h, e->v[F_WINDOW] - 1, &w.info) == 1 &&
        w.info.serial == e->v[F_WINDOW]) {
        /* Its making was lost. */
        if (know(t, &w))
            return -1;
        k = known(t, e->v[F_WINDOW]);
    }
    if (k)
        event_set(e, F_ADDRESS, k->info.gpa + e->v[F_SLOT] * XENLEND_PAGE_SIZE);
    return 0;
}

/* Those that there are to begin with; a recording says how much is lent. */
static int begin_with_windows(struct trace *t, uint32_t domid, uint64_t window)
{
    bool found = false;

    if (windows_read(&t->windows, t->h, domid))
        return -1;
    for (unsigned i = 0; i < t->windows.n; i++) {
        const struct window *w = &t->windows.w[i];
        struct event e = { .kind = EVENT_WINDOW, .what = "there" };

        if (window && w->info.serial != window)
            continue;
        found = true;
        event_set(&e, F_DOMAIN, w->info.domid);
        event_set(&e, F_WINDOW, w->info.serial);
        event_set(&e, F_ADDRESS, w->info.gpa);
        event_set(&e, F_PAGES, w->info.len / XENLEND_PAGE_SIZE);
        event_set(&e, F_LENT, w->stats.pages_lent);
        if (write_event(t, &e))
            return -1;
    }
    if (window && !found)
        say(0, "there is no window with serial %llu now: xenlend list shows "
            "which there are", (unsigned long long)window);
    return 0;
}

/* --- events */

static int on_line(void *opaque, const char *text)
{
    struct trace *t = opaque;
    struct event e;

    if (event_parse(text, &e)) {
        t->bad++;
        return 0;
    }
    if (e.kind == EVENT_LOST) {
        e.us = t->last;
        t->lost += e.v[F_COUNT];
        t->some_lost |= !event_has(&e, F_COUNT);
        return write_event(t, &e);
    }
    e.us = e.us > t->start ? e.us - t->start : 0;
    t->last = e.us;
    if (find_place(t, &e))
        return t->ended = BROKEN;
    if (write_event(t, &e))
        return t->ended;
    if (++t->n == t->most)
        t->ended = ENOUGH;
    return t->ended;
}

/* All that there is just now */
static void read_events(struct trace *t)
{
    char text[16384];

    while (!t->ended) {
        ssize_t n = read(t->fs.pipe, text, sizeof(text));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            say(errno, "reading events");
            t->ended = BROKEN;
        }
        if (n <= 0 || lines_feed(&t->lines, text, n, on_line, t))
            break;
    }
    if (!t->ended)
        flush(t);
}

static void watch(struct trace *t)
{
    while (!t->ended) {
        struct pollfd p[] = {
            { .fd = t->fs.pipe, .events = POLLIN },
            { .fd = t->signals, .events = POLLIN },
            { .fd = t->file ? -1 : t->out },    /* a reader that goes */
        };
        /* Kernels differ in when they say that there is something. */
        int ready = poll(p, 3, patience(t, 100));

        if (ready < 0 && errno != EINTR) {
            say(errno, "waiting");
            t->ended = BROKEN;
        } else if (ready > 0 && p[1].revents) {
            t->ended = INTERRUPTED;
        } else if (ready > 0 && p[2].revents & (POLLERR | POLLNVAL)) {
            t->ended = NO_READER;
        } else if (t->end && now() >= t->end) {
            t->ended = ENOUGH;
        } else {
            read_events(t);
        }
    }
}

/* What happened before the end is told, if somebody listens. */
static void drain(struct trace *t)
{
    enum end ended = t->ended;

    tracefs_stop(&t->fs);
    if (ended == NO_READER || ended == BROKEN)
        return;
    t->ended = GOES_ON;
    t->end = 0;
    t->draining = ended == INTERRUPTED;
    if (!t->most || t->n < t->most)
        read_events(t);
    else
        flush(t);
}

static void sum_up(const struct trace *t)
{
    char lost[64];

    if (t->some_lost)
        snprintf(lost, sizeof(lost), "more than %llu",
                 (unsigned long long)t->lost);
    else
        snprintf(lost, sizeof(lost), "%llu", (unsigned long long)t->lost);
    if (t->file || t->lost || t->some_lost)
        say(0, "%llu events, %s lost", (unsigned long long)t->n, lost);
    if (t->bad || t->lines.too_long)
        say(0, "%llu lines were not understood: is the module of another "
            "version?", (unsigned long long)(t->bad + t->lines.too_long));
}

static int open_signals(void)
{
    static const int others[] = {
        SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGCHLD, SIGWINCH, SIGURG,
    };
    sigset_t set;

    /* All that would end this, whoever sends it: it has to clean up. */
    sigfillset(&set);
    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
        sigdelset(&set, others[i]);
    /* A reader that went away is seen when writing. */
    sigdelset(&set, SIGPIPE);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int cmd_trace(int argc, char **argv)
{
    static const struct option longs[] = {
        { "domain", required_argument, NULL, 'd' },
        { "window", required_argument, NULL, 'w' },
        { "output", required_argument, NULL, 'o' },
        { "count", required_argument, NULL, 'n' },
        { "seconds", required_argument, NULL, 's' },
        { 0 },
    };
    struct trace *t;
    uint32_t domain = ALL_DOMAINS;
    uint64_t window = 0, count = 0;
    const char *file = NULL;
    double seconds = 0;
    int c, rc = EXIT_FAILED;

    while ((c = getopt_long(argc, argv, "d:w:o:n:s:", longs, NULL)) != -1)
        switch (c) {
        case 'd':
            if (parse_domain(optarg, &domain))
                return usage_error("'%s' is no domain number (xl domid gives it for a name)", optarg);
            break;
        case 'w':
            if (parse_u64(optarg, &window) || !window)
                return usage_error("'%s' is no window's serial (xenlend list shows them)", optarg);
            break;
        case 'o':
            file = optarg;
            break;
        case 'n':
            if (parse_u64(optarg, &count) || !count)
                return usage_error("'%s' is no count", optarg);
            break;
        case 's':
            if (parse_seconds(optarg, &seconds))
                return usage_error("'%s' is no number of seconds between 0.001 and 86400", optarg);
            break;
        default:
            return usage_error("trace: bad options");
        }
    if (optind < argc)
        return usage_error("trace: what is '%s'?", argv[optind]);

    t = calloc(1, sizeof(*t));
    if (!t) {
        say(ENOMEM, "starting");
        return EXIT_FAILED;
    }
    t->file = file;
    t->most = count;
    t->out = STDOUT_FILENO;
    t->fs.pipe = -1;
    t->signals = -1;
    t->h = xenlend_open(NULL, 0);
    if (!t->h)
        goto out;
    if (file) {
        t->out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (t->out < 0) {
            say(errno, "%s", file);
            goto out;
        }
    }
    /* Not before: to open a pipe may take until somebody reads it. */
    t->signals = open_signals();
    if (t->signals < 0) {
        say(errno, "starting");
        goto out;
    }
    if (tracefs_open(&t->fs, domain, window))
        goto out;
    t->start = now();
    if (seconds)
        t->end = t->start + (uint64_t)(seconds * 1e6);
    t->pending = (file ? event_csv_heading : event_show_heading)
                 (t->chunk, EVENT_LINE);
    if (begin_with_windows(t, domain, window)) {
        if (!t->ended)
            t->ended = BROKEN;
    } else {
        flush(t);
    }
    watch(t);
    drain(t);
    sum_up(t);
    if (t->ended != BROKEN && !t->bad && !t->lines.too_long)
        rc = EXIT_OK;
out:
    if (tracefs_close(&t->fs))
        rc = EXIT_FAILED;
    if (file && t->out >= 0 && t->out != STDOUT_FILENO && close(t->out)) {
        say(errno, "%s", file);
        rc = EXIT_FAILED;
    }
    windows_free(&t->windows);
    xenlend_close(t->h);
    if (t->signals >= 0)
        close(t->signals);
    free(t);
    return rc;
}
