/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "record.h"
#include "text.h"

static void *grow(void *p, unsigned n, unsigned *room, size_t size)
{
    if (n < *room)
        return p;
    *room = *room ? 2 * *room : 1024;
    p = realloc(p, *room * size);
    if (!p) {
        say(ENOMEM, "recording");
        exit(EXIT_FAILED);
    }
    return p;
}

void record_sample(struct record *r, const struct sample *s)
{
    r->samples = grow(r->samples, r->n_samples, &r->room_samples, sizeof(*s));
    r->samples[r->n_samples++] = *s;
}

void record_eviction(struct record *r, const struct evicted *e)
{
    r->evictions = grow(r->evictions, r->n_evictions, &r->room_evictions,
                        sizeof(*e));
    r->evictions[r->n_evictions++] = *e;
}

void record_free(struct record *r)
{
    free(r->samples);
    free(r->evictions);
    *r = (struct record){ 0 };
}
