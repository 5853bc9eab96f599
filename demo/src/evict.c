/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "evict.h"
#include "xlmover.h"

#define PAGE    4096u
#define CGROUP  "/sys/fs/cgroup"
#define MOVES   600u    /* each costs one frame of the machine for good */

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

    if (fd < 0)
        return -1;
    if (write(fd, text, strlen(text)) < 0)
        err = errno;
    close(fd);
    errno = err;
    return err ? -1 : 0;
}

static int own_cgroup(void)
{
    char pid[16];

    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (write_file(CGROUP "/cgroup.subtree_control", "+memory") ||
        (mkdir(CGROUP "/xenlend-demo", 0755) && errno != EEXIST) ||
        write_file(CGROUP "/xenlend-demo/cgroup.procs", pid))
        return -1;
    return open(CGROUP "/xenlend-demo/memory.reclaim", O_WRONLY | O_CLOEXEC);
}

void evictor_init(struct evictor *e, const struct region *regions, unsigned n,
                  double (*focus)(void *opaque), void *opaque)
{
    memset(e, 0, sizeof(*e));
    e->regions = regions;
    e->n_regions = n;
    e->focus = focus;
    e->opaque = opaque;
    e->seed = 1;
    e->moves = MOVES;
    e->reclaim_fd = own_cgroup();
    if (e->reclaim_fd < 0)
        printf("no reclaim by memory cgroup here: %s\n", strerror(errno));
}

static unsigned rnd(struct evictor *e, unsigned n)
{
    return rand_r(&e->seed) / 16 % n;
}

/*
 * Pages in a row in a region: every other time a few where the guest is at
 * work, else up to max anywhere
 */
static char *some_of(struct evictor *e, const struct region *r, unsigned max,
                     unsigned *pages)
{
    unsigned total = r->len / PAGE, first;

    if (rnd(e, 2)) {
        *pages = 1 + rnd(e, max < 8 ? max : 8);
        first = e->focus(e->opaque) * total;
        first -= first < *pages / 2 ? first : *pages / 2;
        if (*pages > total - first)
            *pages = total - first;
    } else {
        *pages = 1 + rnd(e, max < total ? max : total);
        first = rnd(e, total - *pages + 1);
    }
    return r->addr + (size_t)first * PAGE;
}

/* The same in one of the regions of which Linux has a say */
static char *some(struct evictor *e, bool shared_only, unsigned max,
                  unsigned *pages)
{
    const struct region *r;

    do
        r = &e->regions[rnd(e, e->n_regions)];
    while (r->mover >= 0 || (shared_only && !r->shared));
    return some_of(e, r, max, pages);
}

static const struct region *mover(const struct evictor *e)
{
    for (unsigned i = 0; i < e->n_regions; i++)
        if (e->regions[i].mover >= 0)
            return &e->regions[i];
    return NULL;
}

/* Into the device's memory, or out of it, cached or not. */
static int move(struct evictor *e, struct evicted *what)
{
    static const unsigned places[] = {
        XLMOVER_DEVICE, XLMOVER_CACHED, XLMOVER_DEVICE, XLMOVER_COMBINED,
    };
    const struct region *r = mover(e);
    unsigned pages;
    char *p = some_of(e, r, 96, &pages);
    struct xlmover_move m = {
        .first = (p - r->addr) / PAGE, .nr = pages, .place = places[rnd(e, 4)],
    };

    what->pages = pages;
    return ioctl(r->mover, XLMOVER_MOVE, &m);
}

/* Soft-offlining moves what is in a page to another frame at once. */
static int migrate(struct evictor *e, struct evicted *what)
{
    unsigned pages;
    char *p = some(e, false, 4, &pages);

    if (pages > e->moves || rnd(e, 8) == 0) {
        /* Compaction moves pages too, but which is its choice. */
        what->pages = 0;
        return write_file("/proc/sys/vm/compact_memory", "1");
    }
    what->pages = pages;
    for (unsigned i = 0; i < pages; i++, p += PAGE) {
        /*
         * There must be a page of its own to be moved, not the zero page; the
         * guest may be writing there.
         */
        __atomic_fetch_or(p, 0, __ATOMIC_SEQ_CST);
        if (madvise(p, PAGE, MADV_SOFT_OFFLINE)) {
            /* Somebody may hold the page just now: the next one, then. */
            if (errno == EBUSY || errno == EAGAIN || errno == EIO)
                continue;
            e->moves = 0;
            return write_file("/proc/sys/vm/compact_memory", "1");
        }
        e->moves--;
    }
    return 0;
}

/*
 * Another protection, and back.  Both let the guest read and write, so that
 * it does not matter how long this process is away in between.
 */
static int protect(char *p, size_t len)
{
    return mprotect(p, len, PROT_READ | PROT_WRITE | PROT_EXEC) ||
           mprotect(p, len, PROT_READ | PROT_WRITE) ? -1 : 0;
}

/* The child spoils its copy: neither we nor the guest may see that. */
static int fork_once(struct evictor *e)
{
    unsigned pages;
    char *p = some(e, false, 16, &pages);
    bool private = true;
    int status;
    pid_t child;

    for (unsigned i = 0; i < e->n_regions; i++)
        if (p >= e->regions[i].addr && p < e->regions[i].addr + e->regions[i].len)
            private = !e->regions[i].shared;
    child = fork();
    if (child < 0)
        return -1;
    if (!child) {
        if (private)
            memset(p, 0xee, (size_t)pages * PAGE);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && !status ? 0 : -1;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int evict(struct evictor *e, struct evicted *what)
{
    unsigned pages = 0;
    char *p;

    what->pages = 0;
    switch (what->kind) {
    case EVICT_PAGEOUT:
        p = some(e, false, 96, &pages);
        what->pages = pages;
        return madvise(p, (size_t)pages * PAGE, MADV_PAGEOUT);
    case EVICT_DONTNEED:
        p = some(e, true, 64, &pages);
        what->pages = pages;
        return madvise(p, (size_t)pages * PAGE, MADV_DONTNEED);
    case EVICT_MPROTECT:
        p = some(e, false, 128, &pages);
        what->pages = pages;
        return protect(p, (size_t)pages * PAGE);
    case EVICT_MIGRATE:
        return migrate(e, what);
    case EVICT_FORK:
        return fork_once(e);
    case EVICT_RECLAIM:
        /* Less than asked for is EAGAIN, and fine. */
        if (write(e->reclaim_fd, "256K", 4) < 0 && errno != EAGAIN)
            return -1;
        return 0;
    case EVICT_MOVE:
        return move(e, what);
    default:
        errno = EINVAL;
        return -1;
    }
}

int evictor_step(struct evictor *e, struct evicted *what)
{
    /* Seconds between two of the kind: some ways take everything at once. */
    static const double rest[EVICT_KINDS] = {
        [EVICT_RECLAIM] = 1.0, [EVICT_MIGRATE] = 0.3, [EVICT_FORK] = 4.0,
    };
    double t = now();
    int r;

    do
        what->kind = rnd(e, EVICT_KINDS);
    while (t < e->next[what->kind] ||
           (what->kind == EVICT_RECLAIM && e->reclaim_fd < 0) ||
           (what->kind == EVICT_MOVE && !mover(e)));
    r = evict(e, what);
    what->took = now() - t;
    e->next[what->kind] = now() + rest[what->kind];
    return r;
}
