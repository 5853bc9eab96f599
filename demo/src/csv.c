/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "csv.h"

const char *const eviction_names[EVICT_KINDS] = {
    "pageout", "reclaim", "dontneed", "migrate", "mprotect", "fork", "move",
};

static int finish(FILE *f)
{
    int bad = ferror(f);

    return fclose(f) || bad ? -1 : 0;
}

int record_write_samples(const struct record *r, const char *path)
{
    FILE *f = fopen(path, "we");

    if (!f)
        return -1;
    fputs("seconds,rows,pages_lent,faults_read,faults_write,refaults,lends,around,revokes,invalidations,retries,"
          "errors,fault_max_ns,fault_total_ns,revoke_max_ns,revoke_total_ns\n", f);
    for (unsigned i = 0; i < r->n_samples; i++) {
        const struct sample *s = &r->samples[i];
        const struct xenlend_stats *k = &s->stats;
        const uint64_t v[] = {
            s->rows, k->pages_lent, k->faults_read, k->faults_write,
            k->refaults, k->lends, k->around, k->revokes, k->invalidations,
            k->retries, k->errors, k->fault_max_ns, k->fault_total_ns,
            k->revoke_max_ns, k->revoke_total_ns,
        };

        fprintf(f, "%.3f", s->t);
        for (unsigned j = 0; j < sizeof(v) / sizeof(v[0]); j++)
            fprintf(f, ",%llu", (unsigned long long)v[j]);
        fputc('\n', f);
    }
    return finish(f);
}

int record_write_evictions(const struct record *r, const char *path)
{
    FILE *f = fopen(path, "we");

    if (!f)
        return -1;
    fputs("seconds,kind,pages_asked,pages_revoked,took_seconds\n", f);
    for (unsigned i = 0; i < r->n_evictions; i++)
        fprintf(f, "%.4f,%s,%u,%u,%.4f\n", r->evictions[i].t,
                eviction_names[r->evictions[i].kind], r->evictions[i].pages,
                r->evictions[i].revoked, r->evictions[i].took);
    return finish(f);
}
