/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to a compositor, with the descriptors that come and go by it,
 * for a context of the cross-domain protocol.  Nothing here waits: what the other
 * side does not take is kept, up to a limit, and it is read when the guest has
 * asked for something, not before.
 */
#ifndef GPU_CHANNEL_H
#define GPU_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connector.h"
#include "gpu.h"

#define CHANNEL_FDS     28u         /* of one message: libwayland's limit, too */
#define CHANNEL_ITEMS   64u         /* descriptors that a guest has at a time */
#define CHANNEL_OUTPUT  (1u << 20)  /* bytes that the compositor has not taken, */
#define CHANNEL_OUTPUT_FDS 256u     /* and descriptors */
#define CHANNEL_PIPE    (4u << 20)  /* likewise, of a pipe */
#define CHANNEL_BUFFER  4096u       /* a message to the guest, with its head */

/* What is to be written, when there is room for it */
struct channel_message {
    struct channel_message *next;
    size_t len, sent;
    bool counted;                   /* as memory that the guest uses */
    unsigned n;
    int fds[CHANNEL_FDS];           /* go with the first byte */
    char data[];
};

struct channel_output {
    struct channel_message *first, *last;
    size_t cost;                    /* bytes that all of them need, ... */
    unsigned n;                     /* ... and their descriptors */
};

enum channel_what { CHANNEL_MEMORY = 1, CHANNEL_TO_HOST, CHANNEL_FROM_HOST };

struct channel_item {
    uint32_t id;                    /* 0: none */
    enum channel_what what;
    int fd;
    uint32_t watched;               /* EPOLL* */
    /* memory: its bytes, and PROT_* */
    uint64_t size;
    int prot;
    /* a pipe to the host */
    struct channel_output out;
    bool closing;                   /* when that is empty */
    /* one from it */
    bool ready;
};

struct channel {
    struct gpu *gpu;
    struct connector *connector;
    uint64_t key;                   /* of its descriptors, in epoll's events */
    uint32_t ring;                  /* resource */
    unsigned ids;                   /* in a message to the guest */
    uint32_t asked;                 /* for a connection; 0: there is an answer */
    int fd;                         /* -1: none yet, or none any more */
    uint32_t watched;
    bool closed;                    /* nothing will come any more, ... */
    bool told;                      /* ... which the guest knows */
    bool ready;                     /* there may be something to be read */
    bool pipes_turn;
    unsigned pipe_at;               /* the item that is looked at first */
    struct channel_output out;
    uint32_t last_id;
    struct channel_item items[CHANNEL_ITEMS];
    /* What has been received, and not yet been passed on */
    unsigned n_new, new_at;
    struct channel_new { uint32_t id, type, size; } new[CHANNEL_FDS];
    size_t len, at;
    char data[CHANNEL_BUFFER];
};

/* One that asks for a connection.  NULL with errno set. */
struct channel *channel_new(struct gpu *gpu, struct connector *connector,
                            uint64_t key);
void channel_free(struct channel *ch);

/* There is its connection, or fd is -1. */
void channel_connected(struct channel *ch, int fd);
/* Nothing comes or goes any more; why: for the log, or NULL. */
void channel_end(struct channel *ch, const char *why);

/*
 * The functions that return int return 0 or an errno value; EPIPE: the channel
 * has ended, or does now.
 */
/* A message with n descriptors, which are the caller's. */
int channel_send(struct channel *ch, const void *data, size_t len,
                 const int *fds, unsigned n);
/* A pipe from the host: *fd is its other end, the caller's.  EEXIST, ENOSPC */
int channel_pipe(struct channel *ch, uint32_t id, int *fd);
/* Takes a pipe back of which nothing has been sent. */
void channel_unpipe(struct channel *ch, uint32_t id);
/* To a pipe to the host; last: it is closed afterwards.  ENOENT: there is no
 * such pipe. */
int channel_write(struct channel *ch, uint32_t id, const void *data,
                  size_t len, bool last);
/* Memory that has come: its descriptor is the caller's now.  EINVAL: there is
 * none, or it is smaller than that. */
int channel_memory(struct channel *ch, uint32_t id, uint64_t len, int *fd,
                   int *prot);

/* Something that epoll has said of the one of its descriptors with this id
 * (0: the connection). */
void channel_event(struct channel *ch, uint32_t id, uint32_t events);
/* Writes what can be written. */
void channel_flush(struct channel *ch);
/*
 * The next thing for the guest: to[CHANNEL_BUFFER] gets what is to be written to
 * its ring, and *len how much.  false: there is none yet.
 */
bool channel_next(struct channel *ch, void *to, size_t *len);
/* What epoll shall tell from now on; polled: the guest wants to know of something
 * new. */
void channel_watch(struct channel *ch, bool polled);

#endif
