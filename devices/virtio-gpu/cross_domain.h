/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cross-domain protocol (capset 5): memory for images, and channels to
 * programs of the host.  As minigbm, sommelier, wayland-proxy-virtwl and crosvm
 * speak it; numbers and layouts are those of rutabaga_gfx' cross_domain
 * (crosvm's of 2023, and libkrun's of 2025, which has the versioned INIT), read
 * beside sommelier's side of it.
 */
#ifndef GPU_CROSS_DOMAIN_H
#define GPU_CROSS_DOMAIN_H

#include <stdint.h>

#define CROSS_DOMAIN_CAPSET         5
#define CROSS_DOMAIN_INIT           1
#define CROSS_DOMAIN_REQUIREMENTS   2
#define CROSS_DOMAIN_POLL           3
#define CROSS_DOMAIN_SEND           4
#define CROSS_DOMAIN_RECEIVE        5   /* to the guest, as an answer to POLL */
#define CROSS_DOMAIN_READ           6   /* likewise */
#define CROSS_DOMAIN_WRITE          7

#define CROSS_DOMAIN_WAYLAND        1   /* type of a channel */

/* Rings of a context: fences of the second one wait for something to come. */
#define CROSS_DOMAIN_QUERY_RING     0
#define CROSS_DOMAIN_CHANNEL_RING   1

/* What an identifier is of */
#define CROSS_DOMAIN_ID_BLOB        1   /* SEND: a resource; RECEIVE: a blob_id */
#define CROSS_DOMAIN_ID_READ_PIPE   3   /* SEND: the guest will read from it */
#define CROSS_DOMAIN_ID_WRITE_PIPE  4   /* RECEIVE: it may write to it */
#define CROSS_DOMAIN_READ_PIPES     0x80000000u /* their first identifier */

/* Identifiers of one message, by the version of INIT */
#define CROSS_DOMAIN_IDS            4u
#define CROSS_DOMAIN_IDS_1          28u

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

/* libkrun's form of it */
struct cross_domain_init_1 {
    struct cross_domain_init init;
    uint32_t version;           /* 0, 1 */
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

/* SEND and RECEIVE: then so many identifiers as there may be, as many types, as
 * many sizes, uint32_t all of them, and the data. */
struct cross_domain_message {
    struct cross_domain_header h;
    uint32_t n;                 /* identifiers that are in use */
    uint32_t len;               /* bytes of data */
};

/* READ and WRITE: then the data */
struct cross_domain_data {
    struct cross_domain_header h;
    uint32_t id;
    uint32_t hang_up;           /* these are the last ones */
    uint32_t len;
    uint32_t pad;
};

#endif
