/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counters are made again from the events.  What was lent when the recording
 * began is known as a number only, not by slot: a page of these that is lent for
 * writing, too, counts twice until it is taken back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "replay.h"

#define PAGE        4096
#define MOST_SLOTS  (1u << 26)  /* more than Xen ever lends one guest */
#define STEP        0.01        /* seconds between samples, to begin with */
#define MOST        4000        /* samples */

static const char *const kinds[] = {
    "unmap", "clear", "protect", "soft-dirty", "exit", "migrate", "exclusive",
    "other",
};
#define KINDS   (sizeof(kinds) / sizeof(*kinds))
#define OTHER   (KINDS - 1)
_Static_assert(KINDS <= RECORD_KINDS, "the plot has as many colours");

/* Bits of a slot */
#define LENT    1   /* now */
#define BEFORE  2   /* ever */
#define AGAIN   4   /* it was lent before that, too */

struct place {
    uint64_t serial, gpa, lent;
    bool has_gpa;
    unsigned char *slots;
    uint64_t n_slots;
    unsigned first;             /* eviction whose cause may come yet */
};

struct replay {
    struct record *r;
    struct replay_sum *sum;
    struct place *places;
    unsigned n_places;
    uint64_t *owner;            /* of each eviction: a window */
    unsigned room_owner;
    struct sample now;
    double last, step;
};

/* --- windows and slots */

static struct place *find(struct replay *p, uint64_t serial)
{
    struct place *w;

    for (unsigned i = 0; i < p->n_places; i++)
        if (p->places[i].serial == serial)
            return &p->places[i];
    w = realloc(p->places, (p->n_places + 1) * sizeof(*w));
    if (!w)
        return NULL;
    p->places = w;
    w += p->n_places++;
    *w = (struct place){ .serial = serial, .first = p->r->n_evictions };
    p->sum->windows++;
    return w;
}

/* So that slots [slot, slot + n) are there: 0, or -1 with errno */
static int room_for(struct place *w, uint64_t slot, uint64_t n)
{
    uint64_t want;
    void *s;

    if (slot > MOST_SLOTS || n > MOST_SLOTS - slot) {
        errno = ERANGE;
        return -1;
    }
    if (slot + n <= w->n_slots)
        return 0;
    want = 2 * (slot + n);
    s = realloc(w->slots, want);
    if (!s)
        return -1;
    w->slots = s;
    memset(w->slots + w->n_slots, 0, want - w->n_slots);
    w->n_slots = want;
    return 0;
}

static uint64_t all_lent(const struct replay *p)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < p->n_places; i++)
        n += p->places[i].lent;
    return n;
}

/* --- samples */

static void sample(struct replay *p, double t)
{
    struct record *r = p->r;

    p->now.t = t;
    record_sample(r, &p->now);
    if (r->n_samples < MOST)
        return;
    /* They are sums from the beginning: any of them can be left out. */
    for (unsigned i = 1; 2 * i < r->n_samples; i++)
        r->samples[i] = r->samples[2 * i];
    r->n_samples = (r->n_samples + 1) / 2;
    p->step *= 2;
}

/* What was before t is told, so that a pause is a level line. */
static void advance(struct replay *p, double t)
{
    if (t - p->r->samples[p->r->n_samples - 1].t >= p->step) {
        sample(p, p->last);
        if (t - p->last >= p->step)
            sample(p, t);
    }
    p->last = t;
}

/* --- events */

static int taken(struct replay *p, const struct place *w, double t, uint64_t n)
{
    unsigned i = p->r->n_evictions;

    if (!n)
        return 0;
    if (i == p->room_owner) {
        unsigned room = 2 * i + 64;
        void *o = realloc(p->owner, room * sizeof(*p->owner));

        if (!o)
            return -1;
        p->owner = o;
        p->room_owner = room;
    }
    p->owner[i] = w->serial;
    record_eviction(p->r, &(struct evicted){
        .t = t, .kind = OTHER, .revoked = n > UINT32_MAX ? UINT32_MAX : n });
    p->sum->revoked += n;
    return 0;
}

static int on_lend(struct replay *p, struct place *w, const struct event *e)
{
    if (e->v[F_RESULT])
        return 0;
    if (room_for(w, e->v[F_SLOT], e->v[F_PAGES]))
        return -1;
    for (uint64_t i = 0; i < e->v[F_PAGES]; i++) {
        unsigned char *s = &w->slots[e->v[F_SLOT] + i];

        if (*s & LENT)
            continue;
        *s = LENT | BEFORE | (*s & BEFORE ? AGAIN : 0);
        w->lent++;
    }
    p->now.stats.pages_lent = all_lent(p);
    return 0;
}

static int on_revoke(struct replay *p, struct place *w, const struct event *e)
{
    uint64_t n = e->v[F_LENT], seen = 0;

    if (room_for(w, e->v[F_SLOT], e->v[F_PAGES]))
        return -1;
    for (uint64_t i = 0; i < e->v[F_PAGES]; i++) {
        unsigned char *s = &w->slots[e->v[F_SLOT] + i];

        seen += *s & LENT;
        *s &= ~LENT;
    }
    /* Some were lent before the recording: it may be any of them. */
    for (uint64_t i = 0; seen < n && i < e->v[F_PAGES]; i++)
        w->slots[e->v[F_SLOT] + i] |= BEFORE;
    w->lent -= n < w->lent ? n : w->lent;
    p->now.stats.pages_lent = all_lent(p);
    return taken(p, w, e->us / 1e6, n);
}

/* The revokes of a change come before it, and no earlier than it began. */
static void on_invalidate(struct replay *p, struct place *w,
                          const struct event *e)
{
    double began = e->us / 1e6 - e->v[F_NS] / 1e9 - 2e-6;
    unsigned kind = 0;

    while (kind < OTHER && (!e->what || strcmp(kinds[kind], e->what)))
        kind++;
    for (; w->first < p->r->n_evictions; w->first++)
        if (p->owner[w->first] == w->serial &&
            p->r->evictions[w->first].t >= began)
            p->r->evictions[w->first].kind = kind;
}

static void on_fault(struct replay *p, const struct place *w,
                     const struct event *e)
{
    uint64_t slot;

    p->sum->faults++;
    if (e->what && !strcmp(e->what, "write"))
        p->now.stats.faults_write++;
    else
        p->now.stats.faults_read++;
    if (e->v[F_RESULT] || !w->has_gpa || e->v[F_ADDRESS] < w->gpa)
        return;
    slot = (e->v[F_ADDRESS] - w->gpa) / PAGE;
    if (slot < w->n_slots && w->slots[slot] & AGAIN)
        p->now.stats.refaults++;
}

static int on_window(struct replay *p, struct place *w, const struct event *e)
{
    bool gone = e->what && !strcmp(e->what, "destroyed");

    if (gone && taken(p, w, e->us / 1e6, w->lent))
        return -1;
    w->lent = gone ? 0 : e->v[F_LENT];
    w->gpa = e->v[F_ADDRESS];
    w->has_gpa = !gone;
    p->now.stats.pages_lent = all_lent(p);
    return 0;
}

static int on_event(struct replay *p, const struct event *e)
{
    struct place *w;
    int rc = 0;

    advance(p, e->us / 1e6);
    if (e->kind == EVENT_LOST) {
        p->sum->lost += event_has(e, F_COUNT) ? e->v[F_COUNT] : 1;
        return 0;
    }
    p->sum->events++;
    if (e->kind == EVENT_ANSWER)
        return 0;
    w = find(p, e->v[F_WINDOW]);
    if (!w)
        return -1;
    switch (e->kind) {
    case EVENT_FAULT:
        on_fault(p, w, e);
        break;
    case EVENT_LEND:
        rc = on_lend(p, w, e);
        break;
    case EVENT_REVOKE:
        rc = on_revoke(p, w, e);
        break;
    case EVENT_INVALIDATE:
        on_invalidate(p, w, e);
        break;
    case EVENT_WINDOW:
        rc = on_window(p, w, e);
        break;
    default:
        break;
    }
    return rc;
}

long replay(FILE *f, struct record *r, struct replay_sum *sum)
{
    struct replay p = { .r = r, .sum = sum, .step = STEP };
    struct event e;
    /* No line is that long: one that does not fit is wrong. */
    char text[EVENT_LINE];
    long line = 0, bad = 0;
    uint64_t us = 0;

    *sum = (struct replay_sum){ 0 };
    r->kinds = kinds;
    r->n_kinds = KINDS;
    record_sample(r, &p.now);
    while (!bad && fgets(text, sizeof(text), f)) {
        size_t n = strlen(text);

        line++;
        /* One that does not end was not written to its end. */
        if (!n || text[n - 1] != '\n') {
            bad = line;
            break;
        }
        text[n - 1] = 0;
        if (line == 1) {
            bad = event_csv_is_heading(text) ? line : 0;
        } else if (event_csv_parse(text, &e)) {
            bad = line;
        } else {
            /* Processors are not told in order to the microsecond. */
            us = e.us = e.us > us ? e.us : us;
            if (on_event(&p, &e))
                bad = errno == ERANGE ? line : -1;
        }
    }
    if (!bad && ferror(f))
        bad = -1;
    else if (!bad && !line)
        bad = 1;
    if (!bad)
        sample(&p, p.last);
    for (unsigned i = 0; i < p.n_places; i++)
        free(p.places[i].slots);
    free(p.places);
    free(p.owner);
    return bad;
}
