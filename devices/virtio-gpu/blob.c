/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/memfd.h>
#include <linux/udmabuf.h>
#include <linux/virtio_gpu.h>

#include "blob.h"
#include "test.h"

#define HUGE ((uint64_t)2 << 20)
#define DRAWN_MS 1000

/* Gives a new file its size; takes what open() has returned. */
static int sized(int fd, uint64_t len)
{
    int err;

    if (fd >= 0 && ftruncate(fd, len)) {
        err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static int writable(uint64_t len, const char *name, unsigned flags)
{
    return sized(memfd_create(name, MFD_CLOEXEC | flags), len);
}

/* Whoever else has it cannot make it shorter under the guest, nor another
 * kind of memory of it. */
static int fixed(uint64_t len)
{
    int fd = writable(len, "gpu", MFD_ALLOW_SEALING), err;

    if (fd >= 0 && fcntl(fd, F_ADD_SEALS,
                         F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static int in_folder(uint64_t len, const char *dir)
{
    if (!dir) {
        errno = ENOENT;
        return -1;
    }
    return sized(open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), len);
}

/* Page n starts with a word of its own. */
static int marked(uint64_t len)
{
    int fd = writable(len, "gpu-read-only", 0);

    for (uint64_t n = 0; fd >= 0 && n < len / XENLEND_PAGE_SIZE; n++) {
        uint64_t word = GPU_TEST_WORD + n;

        if (pwrite(fd, &word, sizeof(word), n * XENLEND_PAGE_SIZE) !=
            sizeof(word)) {
            close(fd);
            errno = ENOSPC;
            return -1;
        }
    }
    return fd;
}

static int udmabuf(uint64_t len, int dev)
{
    struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC,
                                     .size = len };
    int fd = -1, err;

    if (dev < 0) {
        errno = ENODEV;
        return -1;
    }
    create.memfd = writable(len, "gpu-udmabuf", MFD_ALLOW_SEALING);
    if ((int)create.memfd >= 0) {
        if (!fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
            fd = ioctl(dev, UDMABUF_CREATE, &create);
        err = errno;
        close(create.memfd);
        errno = err;
    }
    return fd;
}

int blob_make(struct blob *b, unsigned kind, uint64_t len,
              const struct blob_sources *from)
{
    struct blob new = { .len = len, .prot = PROT_READ | PROT_WRITE, .fd = -1,
                        .map_info = VIRTIO_GPU_MAP_CACHE_CACHED };

    switch (kind) {
    case GPU_TEST_MEMFD:
        new.fd = fixed(len);
        break;
    case GPU_TEST_ANONYMOUS:
        new.addr = mmap(NULL, len, new.prot, MAP_PRIVATE | MAP_ANONYMOUS |
                        MAP_NORESERVE, -1, 0);
        if (new.addr == MAP_FAILED)
            return errno;
        *b = new;
        return 0;
    case GPU_TEST_FILE:
        new.fd = in_folder(len, from->dir);
        break;
    case GPU_TEST_HUGETLB:
        if (len % HUGE)
            return EINVAL;
        new.fd = writable(len, "gpu-huge", MFD_HUGETLB | MFD_HUGE_2MB);
        break;
    case GPU_TEST_READ_ONLY:
        new.fd = marked(len);
        new.prot = PROT_READ;
        break;
    case GPU_TEST_UDMABUF:
        new.fd = udmabuf(len, from->udmabuf);
        break;
    default:
        return EINVAL;
    }
    if (new.fd < 0)
        return errno;
    *b = new;
    return 0;
}

/* What had reserved the place may be gone: errno stays. */
static int not_placed(const struct blob *b, xenlend_span *span,
                      uint64_t offset)
{
    int err = errno;

    xenlend_span_remove(span, offset, b->len);
    errno = err;
    return -1;
}

int blob_place(struct blob *b, xenlend_span *span, uint64_t offset)
{
    char *to = (char *)xenlend_span_addr(span) + offset;

    if (b->fd >= 0) {
        if (!xenlend_span_place(span, offset, b->len, b->prot, MAP_SHARED,
                                b->fd, 0))
            return not_placed(b, span, offset);
    } else if (b->other) {
        /* Of nothing that is shared: the same again. */
        if (mremap(b->addr, 0, b->len, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
            MAP_FAILED)
            return not_placed(b, span, offset);
    } else {
        /* Anonymous memory moves there as it is. */
        if (mremap(b->addr, b->len, b->len, MREMAP_MAYMOVE | MREMAP_FIXED,
                   to) == MAP_FAILED)
            return not_placed(b, span, offset);
        b->addr = to;
    }
    b->placed = true;
    b->span = span;
    b->offset = offset;
    return 0;
}

int blob_remove(struct blob *b)
{
    if (b->fd < 0 && !b->other) {
        /* Leaves something behind, so that nobody else's memory gets into the
         * span before it is reserved again. */
        char *p = mremap(b->addr, b->len, b->len,
                         MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

        if (p == MAP_FAILED)
            return -1;
        b->addr = p;
    }
    if (xenlend_span_remove(b->span, b->offset, b->len))
        return -1;
    b->placed = false;
    return 0;
}

void blob_free(struct blob *b)
{
    if (!b->len)
        return;
    if (b->view)
        munmap(b->view, b->len);
    if (b->placed)
        xenlend_span_remove(b->span, b->offset, b->len);
    else if (b->fd < 0 && !b->other)
        munmap(b->addr, b->len);
    if (b->fd >= 0)
        close(b->fd);
    *b = (struct blob){ .fd = -1 };
}

/* What is not there any more is an error, where memcpy() is killed. */
static int copy_mapped(char *from, void *to, uint64_t len)
{
    struct iovec local = { to, len }, remote = { from, len };
    ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

    if (n >= 0 && (uint64_t)n < len)
        errno = EFAULT;
    return n >= 0 && (uint64_t)n == len ? 0 : -1;
}

static int sync_dma_buf(int fd, uint64_t flags)
{
    struct dma_buf_sync sync = { flags | DMA_BUF_SYNC_READ };
    int ret;

    do {
        ret = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
    } while (ret && (errno == EINTR || errno == EAGAIN));
    return ret;
}

/* Until nobody draws to it: who never ends shall not hold up the device. */
static int await_dma_buf(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int ret;

    do {
        ret = poll(&p, 1, DRAWN_MS);
    } while (ret < 0 && errno == EINTR);
    if (!ret)
        errno = ETIMEDOUT;
    return ret == 1 ? 0 : -1;
}

static int scratch = -1;

int blob_init(void)
{
    if (scratch < 0)
        scratch = memfd_create("gpu-copy", MFD_CLOEXEC);
    return scratch < 0 ? -1 : 0;
}

/*
 * A dma-buf has no read(), and what a driver maps no process_vm_readv()
 * reaches.  As memory that is written from, it is an error, too, if it is not
 * there.
 */
static int copy_dma_buf(struct blob *b, uint64_t offset, void *to,
                        uint64_t len)
{
    ssize_t n;
    int err;

    if (!b->view) {
        void *p = mmap(NULL, b->len, PROT_READ, MAP_SHARED, b->fd, 0);

        if (p == MAP_FAILED)
            return -1;
        b->view = p;
    }
    if (blob_init() || await_dma_buf(b->fd) ||
        sync_dma_buf(b->fd, DMA_BUF_SYNC_START))
        return -1;
    n = pwrite(scratch, b->view + offset, len, 0);
    if (n >= 0 && (uint64_t)n == len)
        n = pread(scratch, to, len, 0);
    err = n < 0 ? errno : EFAULT;
    sync_dma_buf(b->fd, DMA_BUF_SYNC_END);
    errno = err;
    return n >= 0 && (uint64_t)n == len ? 0 : -1;
}

int blob_copy(struct blob *b, uint64_t offset, void *to, uint64_t len)
{
    char *p = to;

    if (offset > b->len || len > b->len - offset) {
        errno = EINVAL;
        return -1;
    }
    if (b->view)
        return copy_dma_buf(b, offset, to, len);
    if (b->fd < 0 && b->other)
        return copy_mapped(b->addr + offset, to, len);
    if (b->fd < 0) {
        memcpy(to, b->addr + offset, len);
        return 0;
    }
    /* Not by way of a mapping: what cannot be had is an error here, there it
     * is a signal. */
    while (len) {
        ssize_t n = pread(b->fd, p, len, offset);

        if (n < 0 && (errno == ESPIPE || errno == EINVAL))
            return copy_dma_buf(b, offset, p, len);
        if (n <= 0) {
            if (!n)
                errno = ENODATA;
            return -1;
        }
        p += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static char *inside(const struct blob *b, uint64_t offset, uint64_t len)
{
    if (!b->placed || offset % XENLEND_PAGE_SIZE || len % XENLEND_PAGE_SIZE ||
        !len || offset > b->len || len > b->len - offset) {
        errno = EINVAL;
        return NULL;
    }
    return (char *)xenlend_span_addr(b->span) + b->offset + offset;
}

int blob_page_out(struct blob *b, uint64_t offset, uint64_t len)
{
    char *p = inside(b, offset, len);

    return p ? madvise(p, len, MADV_PAGEOUT) : -1;
}

int blob_punch(struct blob *b, uint64_t offset, uint64_t len)
{
    char *p = inside(b, offset, len);

    if (!p)
        return -1;
    if (b->fd < 0 && !b->other)
        return madvise(p, len, MADV_DONTNEED);
    if (!(b->prot & PROT_WRITE)) {
        errno = EACCES;
        return -1;
    }
    return fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                     len);
}
