/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "size.h"

const char *placement_parse(const char *text, struct placement *p)
{
    const char *end;

    if (size_parse(text, &end, &p->offset) || *end != ':')
        return "no offset in front";
    if (size_parse(end + 1, &end, &p->len) || *end != ':')
        return "no length after the offset";
    p->what = end + 1;
    if (p->offset % XENLEND_PAGE_SIZE || p->len % XENLEND_PAGE_SIZE)
        return "offset and length are multiples of 4096";
    if (!p->len)
        return "the length is 0";
    if (strcmp(p->what, "anon") && strcmp(p->what, "memfd") &&
        !strchr(p->what, '/'))
        return "the buffer is anon, memfd, or a path with a / in it";
    return NULL;
}

int placement_apply(const struct placement *p, struct ivshmem *dev,
                    int writable)
{
    int prot = PROT_READ | (writable ? PROT_WRITE : 0), fd, err = 0;
    struct stat st;

    if (!strcmp(p->what, "anon"))
        return ivshmem_place(dev, p->offset, p->len, prot,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ? 0 : -1;
    if (!strcmp(p->what, "memfd")) {
        fd = memfd_create("ivshmem", MFD_CLOEXEC);
        if (fd >= 0 && ftruncate(fd, p->len))
            err = errno;
    } else {
        fd = open(p->what, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        /* Behind the end of a file there are no pages to lend. */
        if (fd >= 0 && fstat(fd, &st))
            err = errno;
        else if (fd >= 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size < p->len)
            err = ENODATA;
    }
    if (fd < 0)
        return -1;
    if (!err && !ivshmem_place(dev, p->offset, p->len, prot, MAP_SHARED, fd, 0))
        err = errno;
    close(fd);
    errno = err;
    return err ? -1 : 0;
}
