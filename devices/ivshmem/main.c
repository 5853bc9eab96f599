/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend-ivshmem: the device as a program of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <xentoollog.h>

#include "../pci/keeper.h"
#include "ivshmem.h"
#include "place.h"
#include "refusal.h"
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
    bool detach, have_domain, populate;
};

static int whole(const char *text, uint64_t max, uint64_t *value)
{
    return parse_size(text, value) || *value > max;
}

static int parse(int argc, char **argv, struct options *o)
{
    enum { DOMAIN_ = 256, SIZE_, ADDRESS_, SLOT_, PLACE_, POPULATE_,
           READ_ONLY_, POLICY_, DETACH_, HELP_ };
    static const struct option longs[] = {
        { "domain", required_argument, NULL, DOMAIN_ },
        { "size", required_argument, NULL, SIZE_ },
        { "address", required_argument, NULL, ADDRESS_ },
        { "slot", required_argument, NULL, SLOT_ },
        { "place", required_argument, NULL, PLACE_ },
        { "populate", no_argument, NULL, POPULATE_ },
        { "read-only", no_argument, NULL, READ_ONLY_ },
        { "policy", required_argument, NULL, POLICY_ },
        { "detach", no_argument, NULL, DETACH_ },
        { "help", no_argument, NULL, HELP_ },
        { 0 },
    };
    struct ivshmem_config *c = &o->config;
    const char *why;
    uint64_t v;
    int opt;

    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1)
        switch (opt) {
        case DOMAIN_:
            if (parse_domain(optarg, &c->domid))
                return usage_error("'%s' is no domain number (xl domid gives "
                                   "it for a name)", optarg);
            o->have_domain = true;
            break;
        case SIZE_:
            if (whole(optarg, (uint64_t)1 << 46, &c->size) ||
                c->size < XENLEND_PAGE_SIZE || c->size & (c->size - 1))
                return usage_error("'%s' is no power of two of at least 4096 "
                                   "bytes", optarg);
            break;
        case ADDRESS_:
            if (whole(optarg, (uint64_t)1 << 52, &c->address) ||
                c->address < (uint64_t)1 << 32)
                return usage_error("'%s' is no address of at least 4 GiB",
                                   optarg);
            break;
        case SLOT_:
            if (whole(optarg, 31, &v) || !v)
                return usage_error("'%s' is no PCI device number from 1 to 31",
                                   optarg);
            c->slot = v;
            break;
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
        case POLICY_:
            if (parse_policy(optarg, &c->policy))
                return usage_error("'%s' is no policy: " POLICIES, optarg);
            break;
        case DETACH_:
            o->detach = true;
            break;
        case HELP_:
            fputs(help, stdout);
            exit(0);
        default:
            return usage_error("bad options");
        }
    if (optind < argc)
        return usage_error("what is '%s'?", argv[optind]);
    if (!o->have_domain)
        return usage_error("which --domain?");
    if (c->address & (c->size - 1))
        return usage_error("address %#llx is no multiple of the size, %s",
                           (unsigned long long)c->address, show_size(c->size));
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

static void refused(const struct ivshmem_config *c, int err)
{
    refusal_explain(&(struct refusal){
        .err = err, .domid = c->domid, .gpa = c->address, .len = c->size,
        .align = c->size, .option = "--address",
    });
}

int main(int argc, char **argv)
{
    struct options o = { .config = {
        .slot = 1, .address = IVSHMEM_ADDRESS, .size = 64 << 20,
        .flags = XENLEND_WINDOW_WRITE, .policy = XENLEND_POLICY_ONES,
    } };
    xentoollog_logger *logger;
    struct ivshmem *dev;
    int rc, ready, signals;
    sigset_t set;

    rc = parse(argc, argv, &o);
    if (rc)
        return rc;
    logger = (xentoollog_logger *)
        xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
    if (!logger) {
        say(errno, "starting");
        return 1;
    }
    /* The memory is the child's: a window does not survive a fork. */
    ready = keeper_fork(logger, o.config.domid, o.detach);

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0) {
        say(errno, "starting");
        return 1;
    }

    rc = 1;
    dev = ivshmem_open(logger, &o.config);
    if (!dev) {
        /* other errors may be of something else than lending */
        if (errno == ESRCH || errno == EOPNOTSUPP)
            refused(&o.config, errno);
        goto out;
    }
    for (unsigned i = 0; i < o.n_places; i++)
        if (placement_apply(&o.places[i], dev,
                            o.config.flags & XENLEND_WINDOW_WRITE)) {
            say(errno, "placing %s", o.places[i].what);
            goto out;
        }
    if (ivshmem_start(dev)) {
        if (!ivshmem_window(dev))
            refused(&o.config, errno);
        goto out;
    }
    if (o.populate)
        populate(dev, &o);
    printf("xenlend-ivshmem: domain %u has 1af4:1110 at 00:%02x.0, BAR 2 at "
           "%#llx\n", o.config.domid, o.config.slot,
           (unsigned long long)o.config.address);
    fflush(stdout);
    if (keeper_ready(ready, ivshmem_server(dev))) {
        say(errno, "starting");
        goto out;
    }
    rc = serve(dev, signals);
out:
    ivshmem_close(dev);
    xtl_logger_destroy(logger);
    return rc;
}
