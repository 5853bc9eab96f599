/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend-ivshmem: the device as a program of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include <xentoollog.h>

#include "../pci/keeper.h"
#include "../pci/program.h"
#include "ivshmem.h"
#include "place.h"
#include "text.h"

#define MAX_PLACEMENTS 64

static const char help[] =
    "Usage: xenlend-ivshmem --domain N [OPTION]...\n"
    "Gives a guest a PCI device 1af4:1110 whose BAR 2 is lent memory.\n"
    "Start it after 'xl create -p' and before 'xl unpause'; it ends with the guest.\n"
    "\n"
    "  --size SIZE                BAR 2: a power of two (64M)\n"
    "  --address ADDRESS          where it is in the guest: a multiple of SIZE (8G)\n"
    "  --slot N                   PCI device number, 1 to 31 (1); in an HVM guest\n"
    "                             one that QEMU does not use\n"
    "  --place OFFSET:LENGTH:WHAT a buffer in it: anon, memfd, or a file's path with\n"
    "                             a / in it; any number of times (0:SIZE:memfd)\n"
    "  --populate                 lend the buffers at once, not when the guest asks\n"
    "  --read-only                the guest may only read\n"
    "  --policy ones|fault|crash|hold  for accesses where nothing is placed (ones)\n"
    "  --detach                   go on in the background once the device is there\n"
    "\n"
    "Sizes take K, M, G or T and may be 0x...  Details: xenlend-ivshmem(1)\n";

struct options {
    struct ivshmem_config config;
    struct placement places[MAX_PLACEMENTS];
    unsigned n_places;
    bool detach, populate;
};

static int parse(int argc, char **argv, struct options *o)
{
    enum { PLACE_ = PROGRAM_OWN, POPULATE_, READ_ONLY_ };
    static const struct option longs[] = {
        PROGRAM_OPTIONS,
        { "place", required_argument, NULL, PLACE_ },
        { "populate", no_argument, NULL, POPULATE_ },
        { "read-only", no_argument, NULL, READ_ONLY_ },
        { 0 },
    };
    struct ivshmem_config *c = &o->config;
    struct program program = {
        .help = help, .domid = &c->domid, .slot = &c->slot,
        .address = &c->address, .size = &c->size, .policy = &c->policy,
        .detach = &o->detach,
    };
    const char *why;
    int opt, rc;

    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1)
        switch (opt) {
        case PLACE_:
            if (o->n_places == MAX_PLACEMENTS)
                return usage_error("more than %u buffers", MAX_PLACEMENTS);
            why = placement_parse(optarg, &o->places[o->n_places++]);
            if (why)
                return usage_error("'%s': %s", optarg, why);
            break;
        case POPULATE_:
            o->populate = true;
            break;
        case READ_ONLY_:
            c->flags = 0;
            break;
        default:
            rc = program_option(&program, opt);
            if (rc)
                return rc;
        }
    rc = program_options_end(&program, argc, argv);
    if (rc)
        return rc;
    for (unsigned i = 0; i < o->n_places; i++)
        if (o->places[i].offset >= c->size ||
            o->places[i].len > c->size - o->places[i].offset)
            return usage_error("buffer %s does not fit into BAR 2",
                               o->places[i].what);
    if (!o->n_places)
        o->places[o->n_places++] =
            (struct placement){ .len = c->size, .what = "memfd" };
    return 0;
}

/* What cannot be lent now is when the guest asks for it. */
static void populate(struct ivshmem *dev, const struct options *o)
{
    unsigned flags = o->config.flags & XENLEND_WINDOW_WRITE
                     ? XENLEND_POPULATE_WRITE : 0;

    for (unsigned i = 0; i < o->n_places; i++) {
        const struct placement *p = &o->places[i];
        uint64_t done = 0;

        if (xenlend_window_populate(ivshmem_window(dev), p->offset, p->len,
                                    flags, &done))
            say(errno, "populating %s: %s of %s", p->what, show_size(done),
                show_size(p->len));
    }
}

static int serve(struct ivshmem *dev, int signals)
{
    struct pollfd p[1 + IVSHMEM_POLLFDS];
    int r;

    p[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
    ivshmem_pollfds(dev, p + 1);
    for (;;) {
        if (poll(p, 1 + IVSHMEM_POLLFDS, -1) < 0 && errno != EINTR) {
            say(errno, "waiting");
            return 1;
        }
        if (p[0].revents)
            return 0;
        r = ivshmem_dispatch(dev);
        if (r > 0) {
            say(0, "the guest is gone");
            return 0;
        }
        if (r < 0) {
            say(errno, "serving the guest");
            return 1;
        }
    }
}

int main(int argc, char **argv)
{
    struct options o = { .config = {
        .slot = 1, .address = IVSHMEM_ADDRESS, .size = 64 << 20,
        .flags = XENLEND_WINDOW_WRITE, .policy = XENLEND_POLICY_ONES,
    } };
    const struct ivshmem_config *c = &o.config;
    struct started started;
    struct ivshmem *dev;
    int rc;

    rc = parse(argc, argv, &o);
    if (rc)
        return rc;
    if (program_start(&started, c->domid, o.detach, 0))
        return 1;

    rc = 1;
    dev = ivshmem_open(started.logger, c);
    if (!dev) {
        /* other errors may be of something else than lending */
        if (errno == ESRCH || errno == EOPNOTSUPP)
            program_refused(c->domid, c->address, c->size, errno);
        goto out;
    }
    for (unsigned i = 0; i < o.n_places; i++)
        if (placement_apply(&o.places[i], dev,
                            c->flags & XENLEND_WINDOW_WRITE)) {
            say(errno, "placing %s", o.places[i].what);
            goto out;
        }
    if (ivshmem_start(dev)) {
        if (!ivshmem_window(dev))
            program_refused(c->domid, c->address, c->size, errno);
        goto out;
    }
    if (o.populate)
        populate(dev, &o);
    printf("xenlend-ivshmem: domain %u has 1af4:1110 at 00:%02x.0, BAR 2 at "
           "%#llx\n", c->domid, c->slot, (unsigned long long)c->address);
    fflush(stdout);
    if (keeper_ready(started.ready, ivshmem_server(dev))) {
        say(errno, "starting");
        goto out;
    }
    rc = serve(dev, started.signals);
out:
    ivshmem_close(dev);
    xtl_logger_destroy(started.logger);
    return rc;
}
