/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of this process's that can be placed in the host-visible region: by
 * mmap() or mremap() into the span behind it, which is all that it takes.
 * What is in memory that is somebody else's, too, is not to be trusted, nor
 * that it is there.
 */
#ifndef GPU_BLOB_H
#define GPU_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include <xenlend.h>

struct blob {
    uint64_t len;               /* bytes, whole pages; 0: none */
    int prot;                   /* PROT_* */
    int fd;                     /* -1: at addr */
    char *addr;                 /* anonymous memory, which moves, ... */
    bool other;                 /* ... or somebody else's mapping of something
                                 * shared, of which there will be another */
    char *view;                 /* a mapping to read it by, if it has one */
    uint32_t map_info;          /* VIRTIO_GPU_MAP_CACHE_* */
    bool placed;                /* in the span, at offset */
    xenlend_span *span;
    uint64_t offset;
};

/* What some kinds are made with */
struct blob_sources {
    const char *dir;            /* a folder for files, or NULL */
    int udmabuf;                /* /dev/udmabuf, open, or -1 */
};

/* A descriptor for all blobs, which is there from the start: how many there
 * are shall tell what a guest has.  0, or -1 with errno set; it may be called
 * again. */
int blob_init(void);

/* An object of memory as GPU_TEST_* says, of len bytes, whole pages.  0 or an
 * errno value. */
int blob_make(struct blob *b, unsigned kind, uint64_t len,
              const struct blob_sources *from);
/* Takes it out of the span, too. */
void blob_free(struct blob *b);

/* Return 0, or -1 with errno set. */
int blob_place(struct blob *b, xenlend_span *span, uint64_t offset);
int blob_remove(struct blob *b);
/* Copies what is in it; of a dma-buf when those who draw to it have done so,
 * or ETIMEDOUT after a second. */
int blob_copy(struct blob *b, uint64_t offset, void *to, uint64_t len);
int blob_page_out(struct blob *b, uint64_t offset, uint64_t len);
int blob_punch(struct blob *b, uint64_t offset, uint64_t len);

#endif
