/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "channel.h"
#include "cross_domain.h"

/* What goes out --------------------------------------------------------- */

static size_t cost(const struct channel_message *m)
{
    return sizeof(*m) + m->len;
}

static void pop(struct channel *ch, struct channel_output *out)
{
    struct channel_message *m = out->first;

    out->first = m->next;
    if (!out->first)
        out->last = NULL;
    out->cost -= cost(m);
    out->n -= m->n;
    if (m->counted)
        ch->gpu->used_memory -= cost(m);
    for (unsigned i = 0; i < m->n; i++)
        close(m->fds[i]);
    free(m);
}

static void drop(struct channel *ch, struct channel_output *out)
{
    while (out->first)
        pop(ch, out);
}

static ssize_t send_some(struct channel_output *out, int fd,
                         struct channel_message *m)
{
    struct iovec part = { m->data + m->sent, m->len - m->sent };
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(m->fds))];
    } c = { .h = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t n;

    if (m->n) {
        c.h.cmsg_len = CMSG_LEN(m->n * sizeof(int));
        memcpy(CMSG_DATA(&c.h), m->fds, m->n * sizeof(int));
        msg.msg_control = &c;
        msg.msg_controllen = CMSG_SPACE(m->n * sizeof(int));
    }
    n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
        out->n -= m->n;
        while (m->n)
            close(m->fds[--m->n]);
    }
    return n;
}

/* 0: all of it, or all that there is room for */
static int flush(struct channel *ch, struct channel_output *out, int fd,
                 bool pipe)
{
    while (out->first) {
        struct channel_message *m = out->first;
        ssize_t n = pipe ? write(fd, m->data + m->sent, m->len - m->sent)
                         : send_some(out, fd, m);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : errno;
        m->sent += n;
        if (m->sent == m->len)
            pop(ch, out);
    }
    return 0;
}

static int append(struct channel_output *out, const void *data, size_t len,
                  const int *fds, unsigned n)
{
    struct channel_message *m = malloc(sizeof(*m) + len);

    if (!m)
        return ENOMEM;
    *m = (struct channel_message){ .len = len };
    memcpy(m->data, data, len);
    for (; m->n < n; m->n++) {
        m->fds[m->n] = fcntl(fds[m->n], F_DUPFD_CLOEXEC, 0);
        if (m->fds[m->n] < 0) {
            int err = errno;

            while (m->n)
                close(m->fds[--m->n]);
            free(m);
            return err;
        }
    }
    if (out->last)
        out->last->next = m;
    else
        out->first = m;
    out->last = m;
    out->cost += cost(m);
    out->n += n;
    return 0;
}

/* What has just been appended stays: is there room for it? */
static bool keep(struct channel *ch, struct channel_output *out, size_t limit)
{
    struct gpu *gpu = ch->gpu;
    struct channel_message *m = out->last;

    if (!m || m->counted)
        return true;
    if (out->cost > limit || out->n > CHANNEL_OUTPUT_FDS ||
        cost(m) > gpu->config.max_memory ||
        gpu->used_memory > gpu->config.max_memory - cost(m))
        return false;
    gpu->used_memory += cost(m);
    m->counted = true;
    return true;
}

/* Descriptors ----------------------------------------------------------- */

static void watch(struct channel *ch, int fd, uint32_t id, uint32_t *watched,
                  uint32_t events)
{
    struct epoll_event e = { .events = events, .data.u64 = ch->key | id };
    int op = !events ? EPOLL_CTL_DEL : *watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (*watched == events)
        return;
    if (epoll_ctl(ch->connector->epoll, op, fd, &e) && events) {
        /* There is no memory for it.  Who never hears of it is to know. */
        channel_end(ch, strerror(errno));
        return;
    }
    *watched = events;
}

/* Before a descriptor is closed: others may have what it is of, and epoll would
 * go on. */
static void unwatch(struct channel *ch, int fd, uint32_t *watched)
{
    if (*watched)
        epoll_ctl(ch->connector->epoll, EPOLL_CTL_DEL, fd, NULL);
    *watched = 0;
}

static struct channel_item *find(struct channel *ch, uint32_t id)
{
    for (unsigned i = 0; id && i < CHANNEL_ITEMS; i++)
        if (ch->items[i].id == id)
            return &ch->items[i];
    return NULL;
}

static void forget(struct channel *ch, struct channel_item *it)
{
    unwatch(ch, it->fd, &it->watched);
    drop(ch, &it->out);
    if (it->fd >= 0)
        close(it->fd);
    *it = (struct channel_item){ 0 };
}

/* id: 0, the next one for what comes from the host.  NULL: too many */
static struct channel_item *add(struct channel *ch, uint32_t id,
                                enum channel_what what, int fd)
{
    for (unsigned i = 0; i < CHANNEL_ITEMS; i++) {
        if (ch->items[i].id)
            continue;
        /* Odd ones; even ones are of images. */
        while (!id) {
            ch->last_id = (ch->last_id + 2) % CROSS_DOMAIN_READ_PIPES;
            if (!find(ch, ch->last_id))
                id = ch->last_id;
        }
        ch->items[i] = (struct channel_item){ .id = id, .what = what,
                                              .fd = fd };
        return &ch->items[i];
    }
    return NULL;
}

/* A page of zeros instead of something empty, of which no blob can be. */
static int zeros(void)
{
    int fd = memfd_create("gpu-empty", MFD_CLOEXEC);

    if (fd >= 0 && ftruncate(fd, XENLEND_PAGE_SIZE)) {
        close(fd);
        return -1;
    }
    return fd;
}

/*
 * What a descriptor is.  *fd may be replaced; size, prot: of memory.  0: nothing
 * that is understood.
 */
static enum channel_what look(int *fd, uint64_t *size, int *prot)
{
    int flags = fcntl(*fd, F_GETFL), seals = fcntl(*fd, F_GET_SEALS);
    int access = flags & O_ACCMODE, other;
    struct stat st;
    off_t end;

    if (flags < 0 || flags & O_PATH || fstat(*fd, &st))
        return 0;
    /* Also for others who have it, but what else is there? */
    if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
        return access != O_RDONLY && !fcntl(*fd, F_SETFL, flags | O_NONBLOCK)
               ? CHANNEL_TO_HOST : 0;
    if (access == O_WRONLY)
        return 0;
    *prot = access == O_RDONLY || (seals >= 0 && seals & (F_SEAL_WRITE |
            F_SEAL_FUTURE_WRITE)) ? PROT_READ : PROT_READ | PROT_WRITE;
    if (S_ISREG(st.st_mode) && lseek(*fd, 0, SEEK_CUR) >= 0) {
        *size = st.st_size;
    } else if (!(st.st_mode & S_IFMT)) {    /* a dma-buf */
        end = lseek(*fd, 0, SEEK_END);
        if (end <= 0)
            return 0;
        *size = end;
    } else if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) {
        *size = 0;              /* /dev/null, as a keymap that there is not */
    } else {
        return 0;
    }
    if (!*size) {
        other = zeros();
        if (other < 0)
            return 0;
        close(*fd);
        *fd = other;
        *size = XENLEND_PAGE_SIZE;
        *prot = PROT_READ;
    }
    return *size <= UINT32_MAX ? CHANNEL_MEMORY : 0;
}

/* Takes a descriptor that has come, or ends the channel. */
static void take(struct channel *ch, int fd)
{
    struct channel_item *it = NULL;
    enum channel_what what;
    uint64_t size = 0;
    int prot = 0;

    what = look(&fd, &size, &prot);
    if (what)
        it = add(ch, 0, what, fd);
    if (!it) {
        close(fd);
        channel_end(ch, what ? "the guest has too many descriptors"
                             : "the compositor has sent a descriptor that is "
                               "neither memory nor a pipe to write to");
        return;
    }
    it->size = size;
    it->prot = prot;
    ch->new[ch->n_new++] = (struct channel_new){
        .id = it->id, .size = size,
        .type = what == CHANNEL_MEMORY ? CROSS_DOMAIN_ID_BLOB
                                       : CROSS_DOMAIN_ID_WRITE_PIPE,
    };
}

/* The channel ----------------------------------------------------------- */

struct channel *channel_new(struct gpu *gpu, struct connector *connector,
                            uint64_t key)
{
    struct channel *ch = calloc(1, sizeof(*ch));

    if (!ch)
        return NULL;
    ch->gpu = gpu;
    ch->connector = connector;
    ch->key = key;
    ch->fd = -1;
    ch->last_id = UINT32_MAX;   /* 1 is the first */
    ch->asked = connector_ask(connector);
    if (ch->asked)
        return ch;
    free(ch);
    return NULL;
}

void channel_end(struct channel *ch, const char *why)
{
    if (ch->closed)
        return;
    if (why)
        gpu_message(ch->gpu, "a channel ends: %s", why);
    ch->closed = true;
    ch->asked = 0;
    ch->n_new = ch->new_at = 0;
    ch->len = ch->at = 0;
    drop(ch, &ch->out);
    if (ch->fd >= 0) {
        unwatch(ch, ch->fd, &ch->watched);
        close(ch->fd);
    }
    ch->fd = -1;
}

void channel_free(struct channel *ch)
{
    channel_end(ch, NULL);
    for (unsigned i = 0; i < CHANNEL_ITEMS; i++)
        if (ch->items[i].id)
            forget(ch, &ch->items[i]);
    free(ch);
}

void channel_connected(struct channel *ch, int fd)
{
    ch->asked = 0;
    ch->fd = fd;
    if (fd < 0)
        channel_end(ch, "there is no connection to the compositor");
}

int channel_send(struct channel *ch, const void *data, size_t len,
                 const int *fds, unsigned n)
{
    int err;

    if (ch->closed)
        return EPIPE;
    err = append(&ch->out, data, len, fds, n);
    if (err) {
        /* Those after it would make no sense. */
        channel_end(ch, strerror(err));
        return err;
    }
    channel_flush(ch);
    if (!keep(ch, &ch->out, CHANNEL_OUTPUT))
        channel_end(ch, "the compositor does not read");
    return ch->closed ? EPIPE : 0;
}

int channel_pipe(struct channel *ch, uint32_t id, int *fd)
{
    struct channel_item *it;
    int fds[2], err = 0;

    if (find(ch, id))
        return EEXIST;
    it = add(ch, id, CHANNEL_FROM_HOST, -1);
    if (!it)
        return ENOSPC;
    if (pipe2(fds, O_CLOEXEC)) {
        err = errno;
    } else if (fcntl(fds[0], F_SETFL, O_NONBLOCK)) {
        err = errno;
        close(fds[0]);
        close(fds[1]);
    }
    if (err) {
        forget(ch, it);
        return err;
    }
    it->fd = fds[0];
    *fd = fds[1];
    return 0;
}

void channel_unpipe(struct channel *ch, uint32_t id)
{
    struct channel_item *it = find(ch, id);

    if (it)
        forget(ch, it);
}

int channel_write(struct channel *ch, uint32_t id, const void *data,
                  size_t len, bool last)
{
    struct channel_item *it = find(ch, id);
    int err = 0;

    if (!it || it->what != CHANNEL_TO_HOST || it->closing)
        return ENOENT;
    if (len) {
        err = append(&it->out, data, len, NULL, 0);
        if (!err)
            err = flush(ch, &it->out, it->fd, true);
        if (!err && !keep(ch, &it->out, CHANNEL_PIPE))
            err = ENOSPC;
    }
    it->closing = last;
    /* Who gets half of something is to see that it ends. */
    if (err || (last && !it->out.first))
        forget(ch, it);
    return err;
}

int channel_memory(struct channel *ch, uint32_t id, uint64_t len, int *fd,
                   int *prot)
{
    struct channel_item *it = find(ch, id);
    uint64_t pages;

    if (!it || it->what != CHANNEL_MEMORY)
        return EINVAL;
    pages = (it->size + XENLEND_PAGE_SIZE - 1) / XENLEND_PAGE_SIZE;
    if (len > pages * XENLEND_PAGE_SIZE)
        return EINVAL;
    *fd = it->fd;
    *prot = it->prot;
    it->fd = -1;
    forget(ch, it);
    return 0;
}

void channel_event(struct channel *ch, uint32_t id, uint32_t events)
{
    struct channel_item *it;

    /* The end of it is to be read, too. */
    if (!(events & ~(uint32_t)EPOLLOUT))
        return;
    if (!id) {
        ch->ready = true;
        return;
    }
    it = find(ch, id);
    if (it && it->what == CHANNEL_FROM_HOST)
        it->ready = true;
    /* Nobody reads from it any more. */
    else if (it && it->what == CHANNEL_TO_HOST)
        forget(ch, it);
}

void channel_flush(struct channel *ch)
{
    int err = ch->fd < 0 ? 0 : flush(ch, &ch->out, ch->fd, false);

    /* What the compositor has sent before it went is still to be read. */
    if (err == EPIPE || err == ECONNRESET)
        drop(ch, &ch->out);
    else if (err)
        channel_end(ch, strerror(err));
    for (unsigned i = 0; i < CHANNEL_ITEMS; i++) {
        struct channel_item *it = &ch->items[i];

        if (!it->out.first)
            continue;
        if (flush(ch, &it->out, it->fd, true) ||
            (it->closing && !it->out.first))
            forget(ch, it);
    }
}

/* What comes in --------------------------------------------------------- */

static size_t head(const struct channel *ch)
{
    return sizeof(struct cross_domain_message) +
           3 * ch->ids * sizeof(uint32_t);
}

static void receive(struct channel *ch)
{
    struct iovec part = { ch->data, CHANNEL_BUFFER - head(ch) };
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(CHANNEL_FDS * sizeof(int))];
    } u;
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &u,
                        .msg_controllen = sizeof(u.room) };
    int fds[CHANNEL_FDS];
    unsigned n_fds = 0, i = 0;
    ssize_t n;

    ch->ready = false;
    n = recvmsg(ch->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        channel_end(ch, errno == ECONNRESET ? NULL : strerror(errno));
        return;
    }
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        n_fds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(h), n_fds * sizeof(int));
    }
    if (!n)                     /* none come with nothing */
        channel_end(ch, NULL);
    else if (m.msg_flags & MSG_CTRUNC)
        channel_end(ch, "descriptors are lost: too many at once, or this "
                    "process has as many as it may");
    ch->len = ch->closed ? 0 : n;
    while (i < n_fds && !ch->closed)
        take(ch, fds[i++]);
    while (i < n_fds)
        close(fds[i++]);
}

/* As many identifiers at a time as the guest takes.  Without data they would be
 * the end, so each but the last ones go with a byte: no message of the
 * compositor's is complete before the guest has all of its descriptors. */
static void next_message(struct channel *ch, char *to, size_t *len)
{
    struct cross_domain_message *m = (struct cross_domain_message *)to;
    uint32_t *table = (uint32_t *)(m + 1);
    unsigned left = ch->n_new - ch->new_at;
    size_t now = ch->len - ch->at;

    memset(to, 0, head(ch));
    if (left > ch->ids) {
        left = ch->ids;
        now = now > 1;
    }
    for (unsigned i = 0; i < left; i++) {
        const struct channel_new *new = &ch->new[ch->new_at + i];

        table[i] = new->id;
        table[ch->ids + i] = new->type;
        table[2 * ch->ids + i] = new->size;
    }
    memcpy(to + head(ch), ch->data + ch->at, now);
    ch->new_at += left;
    ch->at += now;
    if (ch->new_at == ch->n_new)
        ch->n_new = ch->new_at = 0;
    m->n = left;
    m->len = now;
    *len = head(ch) + now;
    m->h.command = CROSS_DOMAIN_RECEIVE;
    m->h.len = *len;
}

static bool next_from_pipe(struct channel *ch, char *to, size_t *len)
{
    struct cross_domain_data *d = (struct cross_domain_data *)to;

    for (unsigned i = 0; i < CHANNEL_ITEMS; i++) {
        unsigned at = (ch->pipe_at + i) % CHANNEL_ITEMS;
        struct channel_item *it = &ch->items[at];
        ssize_t n;

        if (!it->id || !it->ready)
            continue;
        it->ready = false;
        n = read(it->fd, to + sizeof(*d), CHANNEL_BUFFER - sizeof(*d));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        *d = (struct cross_domain_data){ .id = it->id, .hang_up = n <= 0,
                                         .len = n > 0 ? n : 0 };
        *len = sizeof(*d) + d->len;
        d->h.command = CROSS_DOMAIN_READ;
        d->h.len = *len;
        if (d->hang_up)
            forget(ch, it);
        ch->pipe_at = at + 1;
        return true;
    }
    return false;
}

static bool next_from_compositor(struct channel *ch, char *to, size_t *len)
{
    if (ch->at == ch->len && !ch->n_new) {
        ch->at = ch->len = 0;
        if (ch->ready && ch->fd >= 0)
            receive(ch);
    }
    if (ch->closed ? ch->told : ch->at == ch->len && !ch->n_new)
        return false;
    ch->told = ch->closed;
    next_message(ch, to, len);
    return true;
}

bool channel_next(struct channel *ch, void *to, size_t *len)
{
    bool pipes = ch->pipes_turn;

    ch->pipes_turn = false;
    if (pipes && next_from_pipe(ch, to, len))
        return true;
    if (!next_from_compositor(ch, to, len))
        return !pipes && next_from_pipe(ch, to, len);
    ch->pipes_turn = true;      /* so that none of them waits for ever */
    return true;
}

void channel_watch(struct channel *ch, bool polled)
{
    uint32_t in = polled ? EPOLLIN : 0;

    if (ch->fd >= 0)
        watch(ch, ch->fd, 0, &ch->watched,
              in | (ch->out.first ? EPOLLOUT : 0));
    for (unsigned i = 0; i < CHANNEL_ITEMS; i++) {
        struct channel_item *it = &ch->items[i];

        if (it->id && it->what == CHANNEL_FROM_HOST)
            watch(ch, it->fd, it->id, &it->watched, in);
        else if (it->id && it->what == CHANNEL_TO_HOST)
            watch(ch, it->fd, it->id, &it->watched,
                  it->out.first ? EPOLLOUT : 0);
    }
}
