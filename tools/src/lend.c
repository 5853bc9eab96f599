/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend lend: a file's pages in a guest. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xentoollog.h>

#include "refusal.h"
#include "patience.h"
#include "tool.h"

#define ALIGN       (2u << 20)
#define MOST_PLACES 16

enum { OPT_DOMAIN = 256, OPT_GPA, OPT_OFFSET, OPT_LENGTH, OPT_READ_ONLY, OPT_POLICY, OPT_WAIT };

struct request {
    const char *file;
    uint32_t domain;
    uint64_t gpa, offset, length;
    unsigned policy;
    bool have_domain, have_gpa, have_length, read_only, wait;
};

static int parse(int argc, char **argv, struct request *q)
{
    static const struct option longs[] = {
        { "domain", required_argument, NULL, OPT_DOMAIN },
        { "gpa", required_argument, NULL, OPT_GPA },
        { "offset", required_argument, NULL, OPT_OFFSET },
        { "length", required_argument, NULL, OPT_LENGTH },
        { "read-only", no_argument, NULL, OPT_READ_ONLY },
        { "policy", required_argument, NULL, OPT_POLICY },
        { "wait", no_argument, NULL, OPT_WAIT },
        { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "d:", longs, NULL)) != -1)
        switch (c) {
        case 'd':
        case OPT_DOMAIN:
            if (parse_domain(optarg, &q->domain))
                return usage_error("'%s' is no domain number (xl domid gives it for a name)", optarg);
            q->have_domain = true;
            break;
        case OPT_GPA:
            if (parse_size(optarg, &q->gpa) || q->gpa % XENLEND_PAGE_SIZE)
                return usage_error("'%s' is no page-aligned address", optarg);
            q->have_gpa = true;
            break;
        case OPT_OFFSET:
            if (parse_size(optarg, &q->offset) || q->offset % XENLEND_PAGE_SIZE)
                return usage_error("'%s' is no page-aligned offset", optarg);
            break;
        case OPT_LENGTH:
            if (parse_size(optarg, &q->length) || !q->length)
                return usage_error("'%s' is no length", optarg);
            q->have_length = true;
            break;
        case OPT_READ_ONLY:
            q->read_only = true;
            break;
        case OPT_POLICY:
            if (parse_policy(optarg, &q->policy))
                return usage_error("'%s' is no policy: " POLICIES, optarg);
            break;
        case OPT_WAIT:
            q->wait = true;
            break;
        default:
            return usage_error("lend: bad options");
        }
    if (optind + 1 != argc)
        return usage_error("lend: one file, please");
    if (!q->have_domain)
        return usage_error("lend: which --domain?");
    q->file = argv[optind];
    return 0;
}

/* Opens the file and settles the length: whole pages that all begin inside it.  Returns a descriptor or -1. */
static int open_file(struct request *q)
{
    int fd = open(q->file, (q->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    off_t size;

    if (fd < 0) {
        say(errno, "%s", q->file);
        return -1;
    }
    size = lseek(fd, 0, SEEK_END);
    if (size < 0) {
        say(errno, "%s: its size", q->file);
    } else if (!size) {
        say(0, "%s: empty, nothing to lend", q->file);
    } else if (q->offset >= (uint64_t)size) {
        say(0, "%s: has %llu bytes, offset %llu is behind its end", q->file, (unsigned long long)size,
            (unsigned long long)q->offset);
    } else if (q->have_length && q->length > (uint64_t)size - q->offset) {
        say(0, "%s: has %llu bytes, %llu from %llu on are too many", q->file, (unsigned long long)size,
            (unsigned long long)q->length, (unsigned long long)q->offset);
    } else {
        if (!q->have_length)
            q->length = size - q->offset;
        q->length = (q->length + XENLEND_PAGE_SIZE - 1) & -(uint64_t)XENLEND_PAGE_SIZE;
        return fd;
    }
    close(fd);
    return -1;
}

/* Serves until a signal or the end of the domain.  Returns an exit code. */
static int serve(xenlend_borrower *b, xenlend_window *w, int signals)
{
    struct patience patience;
    unsigned faults = 0;
    int rc = EXIT_FAILED;

    if (patience_init(&patience)) {
        say(errno, "a timer");
        return EXIT_FAILED;
    }

    for (;;) {
        struct pollfd p[] = {
            { .fd = signals, .events = POLLIN },
            { .fd = xenlend_borrower_fd(b), .events = POLLIN },
            { .fd = patience.fd, .events = POLLIN },
        };
        struct xenlend_event e[16];
        int n;

        if (poll(p, 3, -1) < 0) {
            if (errno == EINTR)
                continue;
            say(errno, "waiting");
            goto out;
        }
        if (p[0].revents) {
            rc = EXIT_OK;
            goto out;
        }
        if (p[2].revents && patience_over(&patience, w))
            goto out;
        n = xenlend_read_events(b, e, 16, 0);
        if (n < 0 && errno == ENODEV) {
            say(0, "the domain is gone");
            rc = EXIT_OK;
            goto out;
        }
        if (n < 0) {
            say(errno, "reading events");
            goto out;
        }
        for (int i = 0; i < n; i++)
            switch (e[i].type) {
            case XENLEND_EVENT_HELD:
                if (patience_begin(&patience, &e[i]) && faults++ < 10)
                    say(0, "the guest waits for %#llx: %s", (unsigned long long)e[i].gpa, xenlend_reason(e[i].reason));
                break;
            case XENLEND_EVENT_GAVE_UP:
                /* A guest can make as many as it likes. */
                if (faults++ < 10)
                    say(0, "an access to %#llx could not be served: %s%s", (unsigned long long)e[i].gpa,
                        xenlend_reason(e[i].reason), faults == 10 ? " (no more of these)" : "");
                break;
            case XENLEND_EVENT_WINDOW_DEAD:
                say(0, "the window is dead");
                goto out;
            case XENLEND_EVENT_BORROWER_GONE:
                say(0, "the domain is gone");
                rc = EXIT_OK;
                goto out;
            }
    }
out:
    patience_fini(&patience);
    return rc;
}

/* One attempt at q->gpa.  Leaves no borrower behind if it fails. */
static xenlend_window *try_window(xenlend_handle *h, const struct request *q, xenlend_borrower **b)
{
    xenlend_window *w;
    int err;

    *b = xenlend_borrower_open(h, q->domain, q->gpa, q->length, 1);
    if (!*b)
        return NULL;
    w = xenlend_window_create(*b, q->gpa, q->length, q->read_only ? 0 : XENLEND_WINDOW_WRITE, q->policy, 0);
    if (!w) {
        err = errno;
        xenlend_borrower_close(*b);
        *b = NULL;
        errno = err;
    }
    return w;
}

/*
 * Chooses q->gpa.  What is not seen from here can be in the way, and somebody else may choose at the same moment: then
 * the next place is tried.
 */
static xenlend_window *choose_window(xenlend_handle *h, struct request *q, xenlend_borrower **b)
{
    xenlend_window *w = NULL;
    struct guest g;
    int err;

    if (guest_look(&g, h, q->domain))
        return NULL;
    err = EEXIST;
    for (int i = 0; !w && err == EEXIST && i < MOST_PLACES; i++) {
        q->gpa = space_find(&g.space, q->length, ALIGN);
        if (!q->gpa) {
            err = EADDRNOTAVAIL;
            break;
        }
        w = try_window(h, q, b);
        if (!w) {
            err = errno;
            if (space_add(&g.space, &(struct taken){ .gpa = q->gpa, .len = q->length, .by = TAKEN_UNKNOWN }))
                break;
        }
    }
    guest_forget(&g);
    errno = err;
    return w;
}

/* Waits for the domain if it was asked to: EINTR when a signal came meanwhile. */
static xenlend_window *make_window(xenlend_handle *h, struct request *q, int signals, xenlend_borrower **b)
{
    struct pollfd p = { .fd = signals, .events = POLLIN };
    xenlend_window *w;

    for (;;) {
        w = q->have_gpa ? try_window(h, q, b) : choose_window(h, q, b);
        if (w || errno != ESRCH || !q->wait)
            return w;
        if (poll(&p, 1, 200) > 0) {
            errno = EINTR;
            return NULL;
        }
    }
}

int cmd_lend(int argc, char **argv)
{
    struct request q = { .policy = XENLEND_POLICY_ONES };
    xentoollog_logger_stdiostream *logger;
    xenlend_handle *h = NULL;
    xenlend_borrower *b = NULL;
    xenlend_window *w;
    struct xenlend_stats s;
    sigset_t set;
    int rc, fd, signals;
    bool quiet;

    rc = parse(argc, argv, &q);
    if (rc)
        return rc;
    fd = open_file(&q);
    if (fd < 0)
        return EXIT_FAILED;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);

    rc = EXIT_FAILED;
    logger = xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
    if (signals < 0 || !logger) {
        say(errno, "starting");
        goto out;
    }
    h = xenlend_open((xentoollog_logger *)logger, 0);
    if (!h)
        goto out;
    /* An attempt that fails is no error to be reported, if there will be another. */
    quiet = q.wait || !q.have_gpa;
    if (quiet)
        xtl_stdiostream_set_minlevel(logger, XTL_CRITICAL);
    w = make_window(h, &q, signals, &b);
    xtl_stdiostream_set_minlevel(logger, XTL_PROGRESS);
    if (!w) {
        int err = errno;

        if (q.wait && err == EINTR) {
            rc = EXIT_OK;
            goto out;
        }
        if (quiet)
            say(err, "lending %s to domain %u", show_size(q.length), q.domain);
        refusal_explain(&(struct refusal){ .err = err, .domid = q.domain, .gpa = q.gpa, .len = q.length,
                                           .align = ALIGN, .option = "--gpa" });
        goto out;
    }
    if (!xenlend_window_place(w, 0, q.length, PROT_READ | (q.read_only ? 0 : PROT_WRITE), MAP_SHARED, fd, q.offset))
        goto out;
    printf("lending %s of %s to domain %u at %#llx\n", show_size(q.length), q.file, q.domain,
           (unsigned long long)q.gpa);
    fflush(stdout);

    rc = serve(b, w, signals);
    if (!xenlend_window_stats(w, &s))
        printf("%llu faults, %llu pages lent, %llu revoked\n",
               (unsigned long long)(s.faults_read + s.faults_write), (unsigned long long)s.lends,
               (unsigned long long)s.revokes);
    if (xenlend_window_destroy(w) && errno != ENODEV)
        rc = EXIT_FAILED;
out:
    xenlend_borrower_close(b);
    xenlend_close(h);
    if (logger)
        xtl_logger_destroy((xentoollog_logger *)logger);
    if (signals >= 0)
        close(signals);
    close(fd);
    return rc;
}
