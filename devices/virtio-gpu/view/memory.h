/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture of a display, as the device shares it with those who show it to
 * viewers.  The device writes and never reads, never waits, and never learns
 * who reads; readers can only read.
 */
#ifndef GPU_VIEW_MEMORY_H
#define GPU_VIEW_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIEW_VERSION    1u
#define VIEW_MAX_SIDE   16384u
#define VIEW_MAX_PIXELS (1u << 25)  /* 8K, as 7680x4320 is called, and less */
#define VIEW_CHANGES    64u

/* Of a picture: x + width and y + height are no more than its own. */
struct view_rect { uint16_t x, y, width, height; };

/* How the memory begins */
struct view_header {
    uint32_t version;
    uint32_t sequence;          /* odd while it is being written */
    uint32_t live;              /* 0: it is not kept up to date */
    uint32_t changes;           /* how many there were, modulo 2^32 */
    uint16_t idle_width, idle_height;   /* when nothing is shown */
    uint16_t width, height;     /* of what is shown; 0: nothing */
    struct view_rect change[VIEW_CHANGES];  /* the nth at n % VIEW_CHANGES */
};

struct view_memory {
    struct view_header *header;
    uint32_t *pixels;           /* 0x00RRGGBB, lines without gaps */
    /* the writer's */
    int fd;
    unsigned width, height;     /* as the header's */
    bool whole;                 /* it is another picture, whatever changed */
};

/* The writer's ------------------------------------------------------------ */

/*
 * New memory for a display of this size, in which nothing is shown.
 * *read_only: a descriptor of it by which nobody can write.  0, or -1 with
 * errno set.
 */
int view_memory_new(struct view_memory *m, unsigned idle_width,
                    unsigned idle_height, int *read_only);
void view_memory_free(struct view_memory *m);

/*
 * Begins to write a picture of this size; what it was before is kept if it had
 * the same.  Returns 0, and then pixels may be written until view_written(), or
 * -1 with errno set: E2BIG, it is larger than VIEW_MAX_*, ENOMEM, ENOSPC.
 */
int view_write(struct view_memory *m, unsigned width, unsigned height);
/* What has been written: that part */
void view_written(struct view_memory *m, const struct view_rect *changed);
/* Nothing is shown. */
void view_blank(struct view_memory *m);
/* Whether it is kept up to date from now on */
void view_live(struct view_memory *m, bool live);

/* A reader's -------------------------------------------------------------- */

/* 0, or -1 with errno set: EPROTO, it is no such memory, or of another
 * version. */
int view_memory_open(struct view_memory *m, int read_only);

/* A copy of its own */
struct view_copy {
    uint32_t *pixels;
    unsigned width, height;
    uint32_t changes;           /* of the header's, those that it has */
    unsigned attempts;
    /* what the last view_read() has changed */
    unsigned n;
    struct view_rect changed[VIEW_CHANGES];
};

enum view_read {
    VIEW_SAME,
    VIEW_CHANGED,               /* parts, as copy->changed[] says */
    VIEW_RESIZED,               /* all; copy->pixels is elsewhere, and who has
                                 * read it frees the old ones */
    VIEW_LATER,                 /* it is just being written: again when the
                                 * writer has rung */
    VIEW_FAILED,                /* errno */
};

/* A black one of the size that there is when nothing is shown.  0, or -1 with
 * errno set. */
int view_copy_new(const struct view_memory *m, struct view_copy *copy);
/* Brings it up to date.  A picture that is being written all the time is taken
 * half written after some attempts, and again later. */
enum view_read view_read(const struct view_memory *m, struct view_copy *copy);
bool view_is_live(const struct view_memory *m);

#endif
