/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the cross-domain protocol (capset 5) that there is: memory for
 * images.  As minigbm, sommelier and crosvm speak it.
 */
#ifndef GPU_CROSS_DOMAIN_H
#define GPU_CROSS_DOMAIN_H

#include <stdint.h>

#define CROSS_DOMAIN_CAPSET         5
#define CROSS_DOMAIN_INIT           1
#define CROSS_DOMAIN_REQUIREMENTS   2

struct cross_domain_caps {
    uint32_t version;
    uint32_t channels;          /* bit n: there is one of type n */
    uint32_t dmabuf;
    uint32_t external_memory;
};

struct cross_domain_header {
    uint8_t command, ring;
    uint16_t len;               /* of the whole command */
    uint32_t pad;
};

/* The answers to queries go to the start of a resource. */
struct cross_domain_init {
    struct cross_domain_header h;
    uint32_t query_resource;
    uint32_t channel_resource;  /* older ones do not have it */
    uint32_t channel;           /* type, 0: none */
};

struct cross_domain_query {
    struct cross_domain_header h;
    uint32_t width, height, format, flags;
};

struct cross_domain_answer {
    uint32_t strides[4], offsets[4];
    uint64_t modifier, size;
    uint32_t blob_id, map_info;
    int32_t memory_index, device_index;
};

#endif
