/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "show.h"

#define BAR     20
#define COLUMNS 96
#define LINES   32

static const char *ns(char *buf, uint64_t v)
{
    if (v < 1000000)
        sprintf(buf, "%.0f us", v / 1e3);
    else
        sprintf(buf, "%.*f ms", v < 10000000, v / 1e6);
    return buf;
}

void show_progress(const struct sample *s, unsigned total_pages, unsigned evictions)
{
    const struct xenlend_stats *k = &s->stats;
    uint64_t faults = k->faults_read + k->faults_write;
    /* of the pass; at the very end the last one is full */
    unsigned pass = s->rows ? (s->rows - 1) / DEMO_HEIGHT + 1 : 1;
    unsigned done = (s->rows - (pass - 1) * DEMO_HEIGHT) * BAR / DEMO_HEIGHT;
    char bar[BAR + 1], a[24], b[24], c[24];

    memset(bar, '.', BAR);
    memset(bar, '#', done);
    bar[BAR] = 0;
    printf("%5.1fs pass %2u [%s] lent %4llu of %u pages | faults %6llu, again %6llu | evictions %5u took %6llu | "
           "fault %s, slowest %s; slowest revoke %s\n", s->t, pass, bar, (unsigned long long)k->pages_lent, total_pages,
           (unsigned long long)faults, (unsigned long long)k->refaults, evictions, (unsigned long long)k->revokes,
           ns(a, faults ? k->fault_total_ns / faults : 0), ns(b, k->fault_max_ns), ns(c, k->revoke_max_ns));
}

void show_frame(const volatile uint32_t *frame)
{
    static const char ramp[] = " .':;-=+*oxOX#%@";
    char line[COLUMNS + 1];

    for (unsigned y = 0; y < LINES; y++) {
        for (unsigned x = 0; x < COLUMNS; x++) {
            uint32_t v = frame[(2 * y + 1) * DEMO_HEIGHT / (2 * LINES) * DEMO_WIDTH +
                               (2 * x + 1) * DEMO_WIDTH / (2 * COLUMNS)];
            unsigned light = (3 * (v >> 16 & 255) + 6 * (v >> 8 & 255) + (v & 255)) / 10;

            line[x] = ramp[light * (sizeof(ramp) - 1) / 256];
        }
        line[COLUMNS] = 0;
        printf("        |%s|\n", line);
    }
}

void show_evictions(const struct record *r)
{
    printf("%12s %10s %14s %14s\n", "eviction", "times", "pages revoked", "longest");
    for (int k = 0; k < EVICT_KINDS; k++) {
        unsigned times = 0, pages = 0;
        double longest = 0;
        char buf[24];

        for (unsigned i = 0; i < r->n_evictions; i++)
            if (r->evictions[i].kind == (enum eviction)k) {
                times++;
                pages += r->evictions[i].revoked;
                if (r->evictions[i].took > longest)
                    longest = r->evictions[i].took;
            }
        printf("%12s %10u %14u %14s\n", eviction_names[k], times, pages, ns(buf, longest * 1e9));
    }
}
