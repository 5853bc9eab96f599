/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend stat */
#include <getopt.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "table.h"
#include "tool.h"

/* All windows at one moment */
struct reading {
    struct windows windows;
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
    r->time = now();
    return windows_read(&r->windows, h, domain);
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

/* How long things took: from the beginning, or from an earlier reading. */
static int print_latency(const struct windows *new, const struct windows *old)
{
    for (unsigned i = 0; i < new->n; i++)
        if (table_latency(stdout, &new->w[i],
                          old ? table_same(old, &new->w[i]) : NULL))
            return -1;
    if (!new->n)
        fputs("No memory is lent.\n", stderr);
    return 0;
}

int cmd_stat(int argc, char **argv)
{
    static const struct option longs[] = {
        { "domain", required_argument, NULL, 'd' },
        { "interval", required_argument, NULL, 'i' },
        { "count", required_argument, NULL, 'n' },
        { "latency", no_argument, NULL, 'l' },
        { 0 },
    };
    struct reading r[2] = { 0 };
    uint32_t domain = ALL_DOMAINS;
    uint64_t count = 0;
    double seconds = 0;
    bool latency = false;
    xenlend_handle *h;
    int c, rc = EXIT_FAILED;

    while ((c = getopt_long(argc, argv, "d:i:ln:", longs, NULL)) != -1)
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
        case 'l':
            latency = true;
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
    if (!seconds && latency) {
        if (!print_latency(&r[0].windows, NULL))
            rc = EXIT_OK;
        goto out;
    }
    if (!seconds) {
        for (unsigned i = 0; i < r[0].windows.n; i++)
            if (table_totals(stdout, &r[0].windows.w[i]))
                goto out;
        if (!r[0].windows.n)
            fputs("No memory is lent.\n", stderr);
        rc = EXIT_OK;
        goto out;
    }
    for (uint64_t k = 0; !count || k < count; k++) {
        struct reading *old = &r[k & 1], *new = &r[~k & 1];

        wait_until(old->time + seconds);
        if (read_all(h, domain, new))
            goto out;
        if (latency) {
            if (print_latency(&new->windows, &old->windows))
                goto out;
        } else if (table_interval(stdout, &old->windows, &new->windows,
                                  new->time - old->time, k % 20 == 0)) {
            goto out;
        }
        fflush(stdout);
    }
    rc = EXIT_OK;
out:
    windows_free(&r[0].windows);
    windows_free(&r[1].windows);
    xenlend_close(h);
    return rc;
}
