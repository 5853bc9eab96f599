/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include <xenlend.h>

#include "keeper.h"
#include "program.h"
#include "refusal.h"
#include "text.h"

int program_option(struct program *p, int opt)
{
    uint64_t v;

    switch (opt) {
    case PROGRAM_DOMAIN:
        if (parse_domain(optarg, p->domid))
            return usage_error("'%s' is no domain number (xl domid gives it "
                               "for a name)", optarg);
        p->have_domain = true;
        return 0;
    case PROGRAM_SIZE:
        if (parse_size(optarg, &v) || v > (uint64_t)1 << 46 ||
            v < XENLEND_PAGE_SIZE || v & (v - 1))
            return usage_error("'%s' is no power of two of at least 4096 "
                               "bytes", optarg);
        *p->size = v;
        return 0;
    case PROGRAM_ADDRESS:
        if (parse_size(optarg, &v) || v > (uint64_t)1 << 52 ||
            v < (uint64_t)1 << 32)
            return usage_error("'%s' is no address of at least 4 GiB", optarg);
        *p->address = v;
        return 0;
    case PROGRAM_SLOT:
        if (parse_size(optarg, &v) || v < 1 || v > 31)
            return usage_error("'%s' is no PCI device number from 1 to 31",
                               optarg);
        *p->slot = v;
        return 0;
    case PROGRAM_POLICY:
        if (parse_policy(optarg, p->policy))
            return usage_error("'%s' is no policy: " POLICIES, optarg);
        return 0;
    case PROGRAM_DETACH:
        *p->detach = true;
        return 0;
    case PROGRAM_HELP:
        fputs(p->help, stdout);
        exit(0);
    default:
        return usage_error("bad options");
    }
}

int program_options_end(const struct program *p, int argc, char **argv)
{
    if (optind < argc)
        return usage_error("what is '%s'?", argv[optind]);
    if (!p->have_domain)
        return usage_error("which --domain?");
    if (*p->address & (*p->size - 1))
        return usage_error("address %#llx is no multiple of the size, %s",
                           (unsigned long long)*p->address,
                           show_size(*p->size));
    return 0;
}

int program_start(struct started *s, uint32_t domid, bool detach, int more)
{
    sigset_t set;

    s->logger = (xentoollog_logger *)
        xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
    if (!s->logger) {
        say(errno, "starting");
        return -1;
    }
    /* All memory is the child's: a window does not survive a fork. */
    s->ready = keeper_fork(s->logger, domid, detach);

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (more)
        sigaddset(&set, more);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (s->signals < 0) {
        say(errno, "starting");
        return -1;
    }
    return 0;
}

void program_refused(uint32_t domid, uint64_t address, uint64_t size, int err)
{
    refusal_explain(&(struct refusal){
        .err = err, .domid = domid, .gpa = address, .len = size, .align = size,
        .option = "--address",
    });
}
