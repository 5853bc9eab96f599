/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include <libsmartcols.h>

#include "table.h"
#include "text.h"

struct column {
    const char *name;
    int width;      /* at least */
    int flags;
};

static struct libscols_table *begin(FILE *f, const struct column *columns,
                                    unsigned n)
{
    struct libscols_table *t = scols_new_table();

    if (!t)
        return NULL;
    scols_table_set_stream(t, f);
    for (unsigned i = 0; i < n; i++) {
        char name[32];

        /*
         * A width that is asked for does not count where all that is in the
         * column is shorter than its name, so the name has that width too.
         */
        snprintf(name, sizeof(name), "%*s", columns[i].width, columns[i].name);
        if (!scols_table_new_column(t, name, columns[i].width,
                                    columns[i].flags)) {
            scols_unref_table(t);
            return NULL;
        }
    }
    return t;
}

#define BEGIN(f, columns) begin(f, columns, sizeof(columns) / sizeof(*columns))

/* A cell for each column, in order; *bad collects failures. */
struct row {
    struct libscols_line *line;
    unsigned next;
    int *bad;
};

static struct row row(struct libscols_table *t, int *bad)
{
    struct row r = { t ? scols_table_new_line(t, NULL) : NULL, 0, bad };

    if (!r.line)
        *bad = 1;
    return r;
}

static void cell(struct row *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void cell(struct row *r, const char *fmt, ...)
{
    char *text;
    va_list al;

    if (!r->line)
        return;
    va_start(al, fmt);
    if (vasprintf(&text, fmt, al) < 0) {
        *r->bad = 1;
    } else if (scols_line_refer_data(r->line, r->next++, text)) {
        free(text);
        *r->bad = 1;
    }
    va_end(al);
}

static int finish(struct libscols_table *t, int bad)
{
    if (!t || bad || scols_print_table(t)) {
        say(ENOMEM, "a table");
        bad = 1;
    }
    scols_unref_table(t);
    return bad ? -1 : 0;
}

int table_windows(FILE *f, const struct windows *ws)
{
    static const struct column columns[] = {
        { "DOM", 5, SCOLS_FL_RIGHT }, { "WINDOW", 0, SCOLS_FL_RIGHT },
        { "SERIAL", 0, SCOLS_FL_RIGHT }, { "ADDRESS", 0, SCOLS_FL_RIGHT },
        { "SIZE", 5, SCOLS_FL_RIGHT }, { "LENT", 5, SCOLS_FL_RIGHT },
        { "MODE", 0, 0 }, { "POLICY", 0, 0 }, { "STATE", 0, 0 },
        { "PID", 5, SCOLS_FL_RIGHT },
        { "PROCESS", 0, SCOLS_FL_TRUNC },
    };
    struct libscols_table *t;
    int bad = 0;

    if (!ws->n)
        return 0;
    t = BEGIN(f, columns);
    for (unsigned i = 0; i < ws->n; i++) {
        const struct window *w = &ws->w[i];
        struct row r = row(t, &bad);

        cell(&r, "%u", w->info.domid);
        cell(&r, "%u", w->info.id);
        cell(&r, "%llu", (unsigned long long)w->info.serial);
        cell(&r, "%#llx", (unsigned long long)w->info.gpa);
        cell(&r, "%s", show_size(w->info.len));
        cell(&r, "%s", show_size(w->stats.pages_lent * XENLEND_PAGE_SIZE));
        cell(&r, "%s", w->info.flags & XENLEND_WINDOW_WRITE ? "rw" : "ro");
        cell(&r, "%s", policy_name(w->info.policy));
        cell(&r, "%s", w->info.dead ? "dead" : "live");
        cell(&r, "%u", w->info.pid);
        cell(&r, "%s", process_name(w->info.pid));
    }
    return finish(t, bad);
}

static void counter(struct libscols_table *t, int *bad, const char *what,
                    uint64_t value)
{
    struct row r = row(t, bad);

    cell(&r, "%s", what);
    cell(&r, "%llu", (unsigned long long)value);
}

static void duration(struct libscols_table *t, int *bad, const char *what,
                     uint64_t ns)
{
    struct row r = row(t, bad);

    cell(&r, "%s", what);
    cell(&r, "%s", show_ns(ns));
}

static void heading_of(FILE *f, const struct window *w)
{
    fprintf(f, "domain %u, window %u at %#llx, %s%s, process %u (%s)\n",
            w->info.domid, w->info.id, (unsigned long long)w->info.gpa,
            show_size(w->info.len), w->info.dead ? ", dead" : "", w->info.pid,
            process_name(w->info.pid));
}

int table_totals(FILE *f, const struct window *w)
{
    static const struct column columns[] = {
        { "COUNTER", 36, 0 }, { "VALUE", 12, SCOLS_FL_RIGHT },
    };
    struct libscols_table *t = BEGIN(f, columns);
    const struct xenlend_stats *s = &w->stats;
    uint64_t faults = s->faults_read + s->faults_write;
    int bad = 0;

    if (t)
        scols_table_enable_noheadings(t, 1);
    counter(t, &bad, "  pages lent now", s->pages_lent);
    counter(t, &bad, "  vCPUs that wait now", s->vcpus_held);
    counter(t, &bad, "  faults on reads", s->faults_read);
    counter(t, &bad, "  faults on writes", s->faults_write);
    counter(t, &bad, "    again on a page lent before", s->refaults);
    counter(t, &bad, "    that made a page writable", s->upgrades);
    counter(t, &bad, "    served without a worker", s->interrupts);
    counter(t, &bad, "    met the policy", s->errors);
    counter(t, &bad, "    made a vCPU wait", s->holds);
    counter(t, &bad, "    without progress", s->stalls);
    counter(t, &bad, "  accesses served by value", s->copies);
    counter(t, &bad, "  pages lent", s->lends);
    counter(t, &bad, "    with a neighbour's fault", s->around);
    counter(t, &bad, "    brought ahead of a sequence", s->ahead);
    counter(t, &bad, "    512 at once, as one of 2 MiB", s->large);
    counter(t, &bad, "    moved from RAM to a device", s->to_device);
    counter(t, &bad, "    moved from a device to RAM", s->to_ram);
    counter(t, &bad, "    hypercalls", s->lend_calls);
    counter(t, &bad, "  changes of the span's mappings", s->invalidations);
    counter(t, &bad, "    that made a fault try again", s->retries);
    counter(t, &bad, "  pages revoked", s->revokes);
    counter(t, &bad, "    before the guest had used them", s->unused);
    counter(t, &bad, "    hypercalls", s->revoke_calls);
    duration(t, &bad, "  time for a fault, mean",
             faults ? s->fault_total_ns / faults : 0);
    duration(t, &bad, "    longest", s->fault_max_ns);
    duration(t, &bad, "  time for a revoke, mean",
             s->revoke_calls ? s->revoke_total_ns / s->revoke_calls : 0);
    duration(t, &bad, "    longest", s->revoke_max_ns);

    heading_of(f, w);
    return finish(t, bad);
}

/* --- distributions */

#define BAR     40
#define LAST    (XENLEND_BUCKETS - 1)

/* What bucket n counts took less than this; of the last one nothing is known. */
static const char *limit(unsigned n)
{
    return n < LAST ? show_ns(1000ull << n) : "more";
}

/* The bucket in which the given share, in percent, is reached */
static unsigned reached(const uint64_t *buckets, uint64_t sum, unsigned percent)
{
    uint64_t seen = 0;
    unsigned n = 0;

    for (;; n++) {
        seen += buckets[n];
        /* seen >= sum * percent / 100, without overflow for any count there is */
        if (n == LAST || (double)seen * 100 >= (double)sum * percent)
            return n;
    }
}

static int distribution(FILE *f, const char *what, const uint64_t *buckets)
{
    static const struct column columns[] = {
        { "BELOW", 12, SCOLS_FL_RIGHT }, { "COUNT", 12, SCOLS_FL_RIGHT },
        { "SHARE", 7, SCOLS_FL_RIGHT }, { "", 0, 0 },
    };
    static const unsigned shares[] = { 50, 90, 99 };
    unsigned first = LAST, last = 0;
    uint64_t sum = 0, most = 0;
    struct libscols_table *t;
    int bad = 0;

    for (unsigned n = 0; n <= LAST; n++) {
        if (!buckets[n])
            continue;
        first = n < first ? n : first;
        last = n;
        sum += buckets[n];
        most = buckets[n] > most ? buckets[n] : most;
    }
    fprintf(f, "  %llu %s", (unsigned long long)sum, what);
    for (unsigned i = 0; sum && i < sizeof(shares) / sizeof(*shares); i++) {
        unsigned n = reached(buckets, sum, shares[i]);

        fprintf(f, "%s %u %sbelow %s", i ? "," : ": percentile", shares[i],
                n < LAST ? "" : "not ", limit(n < LAST ? n : LAST - 1));
    }
    fputc('\n', f);
    if (!sum)
        return 0;

    t = BEGIN(f, columns);
    for (unsigned n = first; n <= last; n++) {
        struct row r = row(t, &bad);
        int bar = (double)buckets[n] / most * BAR + 0.5;

        cell(&r, "%s", limit(n));
        cell(&r, "%llu", (unsigned long long)buckets[n]);
        cell(&r, "%.1f%%", 100.0 * buckets[n] / sum);
        /* What is there at all is seen. */
        cell(&r, "%.*s", bar ? bar : buckets[n] != 0,
             "########################################");
    }
    return finish(t, bad);
}

int table_latency(FILE *f, const struct window *w, const struct window *old)
{
    uint64_t faults[XENLEND_BUCKETS], revokes[XENLEND_BUCKETS];

    for (unsigned n = 0; n <= LAST; n++) {
        faults[n] = w->stats.fault_us[n] - (old ? old->stats.fault_us[n] : 0);
        revokes[n] = w->stats.revoke_us[n] -
                     (old ? old->stats.revoke_us[n] : 0);
    }
    heading_of(f, w);
    return distribution(f, "faults", faults) ||
           distribution(f, "revokes", revokes) ? -1 : 0;
}

const struct window *table_same(const struct windows *ws, const struct window *w)
{
    for (unsigned i = 0; i < ws->n; i++)
        if (ws->w[i].info.serial == w->info.serial)
            return &ws->w[i];
    return NULL;
}

int table_interval(FILE *f, const struct windows *old,
                   const struct windows *new, double seconds, bool heading)
{
    static const struct column columns[] = {
        { "DOM", 5, SCOLS_FL_RIGHT }, { "WINDOW", 6, SCOLS_FL_RIGHT },
        { "LENT", 8, SCOLS_FL_RIGHT }, { "FAULT/s", 8, SCOLS_FL_RIGHT },
        { "AGAIN/s", 8, SCOLS_FL_RIGHT }, { "LEND/s", 8, SCOLS_FL_RIGHT },
        { "REVOK/s", 8, SCOLS_FL_RIGHT }, { "FAULT", 8, SCOLS_FL_RIGHT },
        { "MAXFAULT", 8, SCOLS_FL_RIGHT }, { "REVOKE", 8, SCOLS_FL_RIGHT },
        { "ERRORS", 6, SCOLS_FL_RIGHT }, { "STATE", 0, 0 },
    };
    static const struct window none;
    struct libscols_table *t;
    int bad = 0;

    if (!new->n) {
        fputs("    - no memory is lent\n", f);
        return 0;
    }
    t = BEGIN(f, columns);
    if (t)
        scols_table_enable_noheadings(t, !heading);
    for (unsigned i = 0; i < new->n; i++) {
        const struct window *w = &new->w[i];
        const struct window *o = table_same(old, w);
        struct row r = row(t, &bad);
        uint64_t faults, revokes;

        if (!o)
            o = &none;      /* made in this interval */
#define DELTA(field) (w->stats.field - o->stats.field)
        faults = DELTA(faults_read) + DELTA(faults_write);
        revokes = DELTA(revoke_calls);
        cell(&r, "%u", w->info.domid);
        cell(&r, "%u", w->info.id);
        cell(&r, "%llu", (unsigned long long)w->stats.pages_lent);
        cell(&r, "%.0f", faults / seconds);
        cell(&r, "%.0f", DELTA(refaults) / seconds);
        cell(&r, "%.0f", DELTA(lends) / seconds);
        cell(&r, "%.0f", DELTA(revokes) / seconds);
        cell(&r, "%s", faults ? show_ns(DELTA(fault_total_ns) / faults) : "-");
        cell(&r, "%s", show_ns(w->stats.fault_max_ns));
        cell(&r, "%s",
             revokes ? show_ns(DELTA(revoke_total_ns) / revokes) : "-");
        cell(&r, "%llu", (unsigned long long)DELTA(errors));
        cell(&r, "%s", w->info.dead ? "dead" : "live");
#undef DELTA
    }
    return finish(t, bad);
}
