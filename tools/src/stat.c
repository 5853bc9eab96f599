/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend stat */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

/* One reading of all windows */
struct reading {
    struct xenlend_window_info *w;
    unsigned n, room;
    double time;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int read_all(xenlend_handle *h, uint32_t domain, struct reading *r)
{
    struct xenlend_window_info w = { .serial = 0 };
    int found;

    r->n = 0;
    r->time = now();
    while ((found = xenlend_next(h, w.serial, &w)) == 1) {
        if (domain != UINT32_MAX && w.domid != domain)
            continue;
        if (r->n == r->room) {
            unsigned room = r->room ? 2 * r->room : 16;
            void *p = realloc(r->w, room * sizeof(*r->w));

            if (!p) {
                say(ENOMEM, "%u windows", room);
                return -1;
            }
            r->w = p;
            r->room = room;
        }
        r->w[r->n++] = w;
    }
    return found;
}

static const struct xenlend_window_info *same(const struct reading *r, uint64_t serial)
{
    for (unsigned i = 0; i < r->n; i++)
        if (r->w[i].serial == serial)
            return &r->w[i];
    return NULL;
}

static void totals(const struct reading *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        const struct xenlend_window_info *w = &r->w[i];
        const struct xenlend_stats *s = &w->stats;
        uint64_t faults = s->faults_read + s->faults_write;
        const struct {
            const char *what;
            uint64_t value;
            const char *note;
        } rows[] = {
            { "pages lent now", s->pages_lent, "" },
            { "faults on reads", s->faults_read, "" },
            { "faults on writes", s->faults_write, "" },
            { "  again on a page lent before", s->refaults, "" },
            { "  that made a page writable", s->upgrades, "" },
            { "  met the policy", s->errors, "" },
            { "  without progress", s->stalls, "" },
            { "accesses served by value", s->copies, "" },
            { "pages lent", s->lends, "" },
            { "  with a neighbour's fault", s->around, "" },
            { "  hypercalls", s->lend_calls, "" },
            { "changes of the span's mappings", s->invalidations, "" },
            { "  that made a fault try again", s->retries, "" },
            { "pages revoked", s->revokes, "" },
            { "  hypercalls", s->revoke_calls, "" },
        };

        printf("domain %u, window %u at %#llx, %s%s, process %u (%s)\n", w->domid, w->id, (unsigned long long)w->gpa,
               show_size(w->len), w->dead ? ", dead" : "", w->pid, process_name(w->pid));
        for (unsigned k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
            printf("  %-34s %12llu\n", rows[k].what, (unsigned long long)rows[k].value);
        printf("  %-34s %12s mean %12s max\n", "time for a fault", show_ns(faults ? s->fault_total_ns / faults : 0),
               show_ns(s->fault_max_ns));
        printf("  %-34s %12s mean %12s max\n", "time for a revoke",
               show_ns(s->revoke_calls ? s->revoke_total_ns / s->revoke_calls : 0), show_ns(s->revoke_max_ns));
    }
}

static void header(void)
{
    printf("%5s %6s %8s %8s %8s %8s %8s %8s %8s %8s %6s\n", "DOM", "WINDOW", "LENT", "FAULT/s", "AGAIN/s", "LEND/s",
           "REVOK/s", "FAULT", "MAXFAULT", "REVOKE", "ERRORS");
}

static void interval(const struct reading *old, const struct reading *new)
{
    static const struct xenlend_window_info none;
    double dt = new->time - old->time;

    for (unsigned i = 0; i < new->n; i++) {
        const struct xenlend_window_info *w = &new->w[i], *o = same(old, w->serial);
        uint64_t faults, revokes;

        if (!o)
            o = &none;      /* made in this interval */
#define DELTA(field) (w->stats.field - o->stats.field)
        faults = DELTA(faults_read) + DELTA(faults_write);
        revokes = DELTA(revoke_calls);
        printf("%5u %6u %8llu %8.0f %8.0f %8.0f %8.0f %8s %8s %8s %6llu%s\n", w->domid, w->id,
               (unsigned long long)w->stats.pages_lent, faults / dt, DELTA(refaults) / dt, DELTA(lends) / dt,
               DELTA(revokes) / dt, faults ? show_ns(DELTA(fault_total_ns) / faults) : "-",
               show_ns(w->stats.fault_max_ns), revokes ? show_ns(DELTA(revoke_total_ns) / revokes) : "-",
               (unsigned long long)DELTA(errors), w->dead ? " dead" : "");
#undef DELTA
    }
    if (!new->n)
        puts("    - no memory is lent");
}

static void wait_until(double t)
{
    double left = t - now();
    struct timespec ts;

    if (left <= 0)
        return;
    ts.tv_sec = left;
    ts.tv_nsec = (left - ts.tv_sec) * 1e9;
    nanosleep(&ts, NULL);
}

int cmd_stat(int argc, char **argv)
{
    static const struct option longs[] = {
        { "domain", required_argument, NULL, 'd' },
        { "interval", required_argument, NULL, 'i' },
        { "count", required_argument, NULL, 'n' },
        { 0 },
    };
    struct reading r[2] = { 0 };
    uint32_t domain = UINT32_MAX;
    uint64_t count = 0;
    double seconds = 0;
    xenlend_handle *h;
    int c, rc = EXIT_FAILED;

    while ((c = getopt_long(argc, argv, "d:i:n:", longs, NULL)) != -1)
        switch (c) {
        case 'd':
            if (parse_domain(optarg, &domain))
                return usage_error("'%s' is no domain number", optarg);
            break;
        case 'i':
            if (parse_seconds(optarg, &seconds))
                return usage_error("'%s' is no number of seconds between 0.001 and 86400", optarg);
            break;
        case 'n':
            if (parse_u64(optarg, &count) || !count)
                return usage_error("'%s' is no count", optarg);
            break;
        default:
            return usage_error("stat: bad options");
        }
    if (optind < argc)
        return usage_error("stat: what is '%s'?", argv[optind]);
    if (count && !seconds)
        seconds = 1;

    h = xenlend_open(NULL, 0);
    if (!h)
        return EXIT_FAILED;
    if (read_all(h, domain, &r[0]))
        goto out;
    if (!seconds) {
        totals(&r[0]);
        if (!r[0].n)
            fputs("No memory is lent.\n", stderr);
        rc = EXIT_OK;
        goto out;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t k = 0; !count || k < count; k++) {
        struct reading *old = &r[k & 1], *new = &r[~k & 1];

        if (k % 20 == 0)
            header();
        wait_until(old->time + seconds);
        if (read_all(h, domain, new))
            goto out;
        interval(old, new);
    }
    rc = EXIT_OK;
out:
    free(r[0].w);
    free(r[1].w);
    xenlend_close(h);
    return rc;
}
