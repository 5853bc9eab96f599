/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that are answered when what they have started is done. */
#include "gpu.h"

bool gpu_waits_plain(const struct gpu *gpu)
{
    for (unsigned i = 0; i < gpu->n_waiting; i++)
        if (gpu->waiting[i].plain)
            return true;
    return false;
}

bool gpu_fence_oldest(const struct gpu *gpu, uint32_t ctx, uint32_t ring,
                      uint64_t *fence)
{
    for (unsigned i = 0; i < gpu->n_waiting; i++) {
        const struct gpu_waiting *w = &gpu->waiting[i];

        if (w->ctx == ctx && w->ring == ring && !w->plain) {
            *fence = w->fence;
            return true;
        }
    }
    return false;
}

void gpu_wait(struct gpu *gpu, const struct gpu_waiting *w)
{
    gpu->waiting[gpu->n_waiting++] = *w;
}

/* ring, fence: NULL for all */
static void passed(struct gpu *gpu, uint32_t ctx, const uint32_t *ring,
                   const uint64_t *fence)
{
    unsigned end = gpu->n_waiting, kept = 0;
    struct gpu_waiting *w = gpu->waiting;
    bool in_order = true;       /* no plain one is left before this one */

    /* In a ring they are passed in the order of the commands, so all before
     * this one have been. */
    if (ring) {
        for (end = 0; end < gpu->n_waiting; end++)
            if (w[end].ctx == ctx && w[end].ring == *ring &&
                w[end].fence == *fence)
                break;
        if (end == gpu->n_waiting)
            return;
        end++;
    }
    for (unsigned i = 0; i < gpu->n_waiting; i++) {
        if (i < end && w[i].ctx == ctx && (!ring || w[i].ring == *ring))
            w[i].done = true;
        in_order &= !w[i].plain || w[i].done;
        if (w[i].done && (!w[i].plain || in_order))
            gpu->answer(gpu->opaque, w[i].head, w[i].written);
        else
            w[kept++] = w[i];
    }
    gpu->n_waiting = kept;
}

void gpu_fence_passed(struct gpu *gpu, uint32_t ctx, uint32_t ring,
                      uint64_t fence)
{
    passed(gpu, ctx, &ring, &fence);
}

void gpu_fences_passed(struct gpu *gpu, uint32_t ctx)
{
    passed(gpu, ctx, NULL, NULL);
}
