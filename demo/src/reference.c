/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "reference.h"
#include "scene.h"

struct job {
    uint32_t *frame;
    struct demo_sum *sums;
    uint32_t passes, next;
};

static void *work(void *arg)
{
    struct job *j = arg;
    uint32_t y;

    while ((y = __atomic_fetch_add(&j->next, 1, __ATOMIC_RELAXED)) < DEMO_HEIGHT)
        for (uint32_t x = 0; x < DEMO_WIDTH; x++) {
            struct demo_sum s = { 0 };

            for (; s.n < j->passes; s.n++) {
                struct scene_rgb c = scene_sample(x, y, DEMO_WIDTH, DEMO_HEIGHT, s.n);

                s.r += c.r;
                s.g += c.g;
                s.b += c.b;
            }
            j->sums[y * DEMO_WIDTH + x] = s;
            j->frame[y * DEMO_WIDTH + x] = scene_pixel(s.r, s.g, s.b, s.n);
        }
    return NULL;
}

int reference_compute(uint32_t *frame, struct demo_sum *sums, uint32_t passes)
{
    struct job j = { .frame = frame, .sums = sums, .passes = passes };
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[16];
    int n = 0;

    /* This thread works too; should no other start, it does it all. */
    for (; n < cpus - 1 && n < 16; n++)
        if (pthread_create(&threads[n], NULL, work, &j))
            break;
    work(&j);
    while (n--)
        pthread_join(threads[n], NULL);
    return 0;
}

uint64_t reference_checksum(const uint32_t *frame)
{
    uint64_t all = DEMO_HASH_START;

    for (uint32_t y = 0; y < DEMO_HEIGHT; y++) {
        uint64_t h = DEMO_HASH_START;

        for (uint32_t x = 0; x < DEMO_WIDTH; x++)
            h = demo_hash(h, frame[y * DEMO_WIDTH + x]);
        all = demo_hash(all, h);
        all = demo_hash(all, h >> 32);
    }
    return all;
}
