/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test context of xenlend-gpu --test, for the device and for guests: what
 * memory is behind a blob is the guest's choice, and it can have the device
 * page it out or punch holes into it.
 */
#ifndef GPU_TEST_H
#define GPU_TEST_H

#include <stdint.h>

#define GPU_TEST_CAPSET         30

/* The blob_id of VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, VIRTIO_GPU_BLOB_MEM_HOST3D */
#define GPU_TEST_MEMFD          1
#define GPU_TEST_ANONYMOUS      2   /* private memory of the device's process */
#define GPU_TEST_FILE           3   /* in the folder given with --test */
#define GPU_TEST_HUGETLB        4   /* the size is a multiple of 2 MiB */
#define GPU_TEST_READ_ONLY      5   /* page n starts with GPU_TEST_WORD + n */
#define GPU_TEST_UDMABUF        6

#define GPU_TEST_WORD           0x6c656e6400000000ull

/* The payload of VIRTIO_GPU_CMD_SUBMIT_3D: one or more */
struct gpu_test_command {
    uint32_t verb;
    uint32_t resource;          /* a blob that is mapped */
    uint64_t offset, len;       /* in it; multiples of 4096 */
};

#define GPU_TEST_PAGE_OUT       1   /* madvise(MADV_PAGEOUT) */
#define GPU_TEST_PUNCH          2   /* a hole: zeros from then on */
/* Fence "offset" of ring "resource", which is not 0, is passed.  Fences of
 * ring 0 are at once. */
#define GPU_TEST_PASS           3

#endif
