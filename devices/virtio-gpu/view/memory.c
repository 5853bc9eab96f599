/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#define PIXELS_AT   4096u
#define LENGTH      (PIXELS_AT + VIEW_MAX_PIXELS * sizeof(uint32_t))
#define ATTEMPTS    8u

static int map(struct view_memory *m, int fd, int prot)
{
    char *p = mmap(NULL, LENGTH, prot, MAP_SHARED, fd, 0);

    _Static_assert(sizeof(struct view_header) <= PIXELS_AT, "a page");
    if (p == MAP_FAILED)
        return -1;
    m->header = (struct view_header *)p;
    m->pixels = (uint32_t *)(p + PIXELS_AT);
    return 0;
}

/* The writer's ------------------------------------------------------------ */

/* Everything is there once the memory has been made: the device may not open
 * files by then. */
static int read_only_of(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int view_memory_new(struct view_memory *m, unsigned idle_width,
                    unsigned idle_height, int *read_only)
{
    int err;

    *m = (struct view_memory){ .fd = -1 };
    *read_only = -1;
    m->fd = memfd_create("view", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* Its length is final: by a shorter one a reader could end the device. */
    if (m->fd < 0 || ftruncate(m->fd, LENGTH) ||
        fcntl(m->fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) ||
        fallocate(m->fd, 0, 0, PIXELS_AT) ||
        map(m, m->fd, PROT_READ | PROT_WRITE))
        goto fail;
    m->header->version = VIEW_VERSION;
    m->header->idle_width = idle_width;
    m->header->idle_height = idle_height;
    *read_only = read_only_of(m->fd);
    if (*read_only >= 0)
        return 0;
fail:
    err = errno;
    view_memory_free(m);
    errno = err;
    return -1;
}

void view_memory_free(struct view_memory *m)
{
    if (m->header)
        munmap(m->header, LENGTH);
    if (m->fd >= 0)
        close(m->fd);
    *m = (struct view_memory){ .fd = -1 };
}

static void begin(struct view_header *h)
{
    __atomic_store_n(&h->sequence, h->sequence + 1, __ATOMIC_RELAXED);
    /* What follows is not seen before this. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end(struct view_header *h, const struct view_rect *changed)
{
    h->change[h->changes % VIEW_CHANGES] = *changed;
    __atomic_store_n(&h->changes, h->changes + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&h->sequence, h->sequence + 1, __ATOMIC_RELEASE);
}

/*
 * Memory for that many pixels and for no more.  Without memory a store to it
 * would be a signal, so there is some before.
 */
static int room_for(struct view_memory *m, uint64_t pixels)
{
    uint64_t len = PIXELS_AT + pixels * sizeof(uint32_t);

    len = (len + 4095) & ~(uint64_t)4095;
    if (len < LENGTH &&
        fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, len,
                  LENGTH - len))
        return -1;
    return len > PIXELS_AT ? fallocate(m->fd, 0, PIXELS_AT, len - PIXELS_AT)
                           : 0;
}

int view_write(struct view_memory *m, unsigned width, unsigned height)
{
    if (!width || !height || width > VIEW_MAX_SIDE || height > VIEW_MAX_SIDE ||
        (uint64_t)width * height > VIEW_MAX_PIXELS) {
        errno = E2BIG;
        return -1;
    }
    if (width == m->width && height == m->height) {
        begin(m->header);
        return 0;
    }
    /* The pixels of the old one are read in another order already. */
    view_blank(m);
    if (room_for(m, (uint64_t)width * height))
        return -1;
    begin(m->header);
    m->header->width = m->width = width;
    m->header->height = m->height = height;
    m->whole = true;
    return 0;
}

void view_written(struct view_memory *m, const struct view_rect *changed)
{
    const struct view_rect all = { .width = m->width, .height = m->height };

    end(m->header, m->whole ? &all : changed);
    m->whole = false;
}

void view_blank(struct view_memory *m)
{
    struct view_header *h = m->header;

    if (!m->width)
        return;
    begin(h);
    h->width = h->height = m->width = m->height = 0;
    end(h, &(struct view_rect){ 0 });
    room_for(m, 0);
}

void view_live(struct view_memory *m, bool live)
{
    __atomic_store_n(&m->header->live, live, __ATOMIC_RELEASE);
}

/* A reader's -------------------------------------------------------------- */

int view_memory_open(struct view_memory *m, int read_only)
{
    struct stat st;

    *m = (struct view_memory){ .fd = -1 };
    if (fstat(read_only, &st))
        return -1;
    if ((uint64_t)st.st_size != LENGTH) {
        errno = EPROTO;
        return -1;
    }
    if (map(m, read_only, PROT_READ))
        return -1;
    if (m->header->version == VIEW_VERSION)
        return 0;
    munmap(m->header, LENGTH);
    errno = EPROTO;
    return -1;
}

bool view_is_live(const struct view_memory *m)
{
    return __atomic_load_n(&m->header->live, __ATOMIC_ACQUIRE);
}

static uint32_t *black(unsigned width, unsigned height)
{
    return calloc((size_t)width * height, sizeof(uint32_t));
}

int view_copy_new(const struct view_memory *m, struct view_copy *copy)
{
    const struct view_header *h = m->header;

    *copy = (struct view_copy){ .width = h->idle_width,
                                .height = h->idle_height };
    if (!copy->width || copy->width > VIEW_MAX_SIDE || !copy->height ||
        copy->height > VIEW_MAX_SIDE) {
        errno = EPROTO;
        return -1;
    }
    copy->pixels = black(copy->width, copy->height);
    return copy->pixels ? 0 : -1;
}

static void whole(struct view_copy *copy, unsigned width, unsigned height)
{
    copy->n = 1;
    copy->changed[0] = (struct view_rect){ .width = width, .height = height };
}

/* The changes since those that the copy has, if its size is the same */
static void collect(const struct view_header *h, struct view_copy *copy,
                    uint32_t changes)
{
    copy->n = 0;
    if (changes - copy->changes > VIEW_CHANGES) {
        whole(copy, copy->width, copy->height);
        return;
    }
    for (uint32_t i = copy->changes; i != changes; i++) {
        struct view_rect r = h->change[i % VIEW_CHANGES];

        /* It may be of another picture, between two, or half written. */
        if (r.x + r.width > copy->width || r.y + r.height > copy->height) {
            whole(copy, copy->width, copy->height);
            return;
        }
        if (r.width && r.height)
            copy->changed[copy->n++] = r;
    }
}

static enum view_read turn_black(struct view_copy *copy, uint32_t changes)
{
    copy->changes = changes;
    copy->attempts = 0;
    memset(copy->pixels, 0,
           (size_t)copy->width * copy->height * sizeof(uint32_t));
    whole(copy, copy->width, copy->height);
    return VIEW_CHANGED;
}

static bool same(const struct view_header *h, uint32_t sequence)
{
    /* What was read before this is no newer. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return !(sequence & 1) &&
           __atomic_load_n(&h->sequence, __ATOMIC_RELAXED) == sequence;
}

enum view_read view_read(const struct view_memory *m, struct view_copy *copy)
{
    const struct view_header *h = m->header;
    uint32_t sequence = __atomic_load_n(&h->sequence, __ATOMIC_ACQUIRE);
    uint32_t changes = __atomic_load_n(&h->changes, __ATOMIC_RELAXED);
    unsigned width = __atomic_load_n(&h->width, __ATOMIC_RELAXED);
    unsigned height = __atomic_load_n(&h->height, __ATOMIC_RELAXED);
    uint32_t *pixels = copy->pixels;
    bool good;

    copy->n = 0;
    if (!(sequence & 1) && changes == copy->changes)
        return VIEW_SAME;
    if (sequence & 1 && copy->attempts + 1 < ATTEMPTS) {
        copy->attempts++;
        return VIEW_LATER;
    }
    if (!width || !height)
        return turn_black(copy, changes);
    if (width > VIEW_MAX_SIDE || height > VIEW_MAX_SIDE ||
        (uint64_t)width * height > VIEW_MAX_PIXELS) {
        errno = EPROTO;
        return VIEW_FAILED;
    }
    if (width == copy->width && height == copy->height) {
        collect(h, copy, changes);
    } else {
        pixels = black(width, height);
        if (!pixels)
            return VIEW_FAILED;
        whole(copy, width, height);
    }
    for (unsigned i = 0; i < copy->n; i++) {
        const struct view_rect *r = &copy->changed[i];

        for (unsigned y = r->y; y < r->y + (unsigned)r->height; y++)
            memcpy(pixels + (size_t)y * width + r->x,
                   m->pixels + (size_t)y * width + r->x,
                   r->width * sizeof(*pixels));
    }
    good = same(h, sequence);
    if (!good && copy->attempts + 1 < ATTEMPTS) {
        copy->attempts++;
        if (pixels != copy->pixels)
            free(pixels);
        return VIEW_LATER;
    }
    if (good) {
        copy->attempts = 0;
        copy->changes = changes;
    }
    copy->width = width;
    copy->height = height;
    if (pixels == copy->pixels)
        return copy->n ? VIEW_CHANGED : VIEW_SAME;
    copy->pixels = pixels;
    return VIEW_RESIZED;
}
