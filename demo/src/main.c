/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenlend-demo: lends a guest the memory it draws into, and takes it away all the time.
 *
 * The guest has a PCI device (ivshmem-plain) whose BAR 2 is a window.  In it lie a page of control data and the frame
 * buffer, both shared memory, and the sums of samples, private anonymous memory.  When the guest is done, what it drew
 * is compared with the checksum it kept, and with the same picture computed here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <xentoollog.h>

#include "csv.h"
#include "demo.h"
#include "evict.h"
#include "ivshmem/ivshmem.h"
#include "picture.h"
#include "reference.h"
#include "show.h"
#include "svg.h"
#include "xlmover.h"

#define PAGE            4096u
#define CONTROL_SIZE    PAGE
#define TOTAL_PAGES     ((CONTROL_SIZE + DEMO_SUMS_SIZE + DEMO_FRAME_SIZE) / PAGE)
#define SAMPLE_EVERY    0.1     /* seconds */
#define SHOW_EVERY      2.0
#define GIVE_UP         120.0   /* without a single row drawn */
#define MIN_PASSES      2       /* of which the time limit leaves two more */
#define ENOUGH_LENT     100     /* pages; with fewer, evicting waits a little */

struct demo {
    struct ivshmem *dev;
    struct demo_control *ctl;
    struct demo_sum *sums;
    uint32_t *frame;
    struct region regions[3];
    struct record record;
    double start;
    const char *mover;          /* what the frame buffer is a buffer of, or NULL */
    volatile bool stop;
    bool evictor_failed;
    unsigned n_evictions;       /* as the evicting thread counts them */
    unsigned policy_faults;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void napping(double seconds)
{
    struct timespec t = { .tv_nsec = seconds * 1e9 };

    nanosleep(&t, NULL);
}

/* Buffers ---------------------------------------------------------------- */

/* A buffer that is in a device's memory one moment, and in RAM the next; or -1. */
static int moving_buffer(const char *mover, size_t len)
{
    int fd = open(mover, O_RDWR | O_CLOEXEC);
    uint64_t pages = len / PAGE;
    struct xlmover_counts c;

    if (fd < 0 || ioctl(fd, XLMOVER_SIZE, &pages) || ioctl(fd, XLMOVER_COUNTS, &c)) {
        perror(mover);
        return -1;
    }
    /* what is moved has two places */
    if (c.room < 2 * pages) {
        fprintf(stderr, "demo: this machine has no device with so much memory\n");
        return -1;
    }
    return fd;
}

static char *place(struct demo *d, unsigned i, uint64_t offset, size_t len, bool shared)
{
    int fd = -1;
    char *p;

    if (i == 2 && d->mover) {
        fd = moving_buffer(d->mover, len);
        if (fd < 0)
            return NULL;
    } else if (shared) {
        fd = memfd_create("demo", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, len)) {
            perror("demo: shared memory");
            return NULL;
        }
    }
    p = ivshmem_place(d->dev, offset, len, PROT_READ | PROT_WRITE,
                      shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
    if (!p)
        perror("demo: placing a buffer");
    d->regions[i] = (struct region){ .addr = p, .len = len, .shared = shared, .mover = i == 2 && d->mover ? fd : -1 };
    if (fd >= 0 && d->regions[i].mover < 0)
        close(fd);
    return p;
}

static int place_all(struct demo *d, uint32_t passes)
{
    d->ctl = (void *)place(d, 0, DEMO_CONTROL, CONTROL_SIZE, true);
    d->sums = (void *)place(d, 1, DEMO_SUMS, DEMO_SUMS_SIZE, false);
    d->frame = (void *)place(d, 2, DEMO_FRAME, DEMO_FRAME_SIZE, true);
    if (!d->ctl || !d->sums || !d->frame)
        return -1;
    d->ctl->magic = DEMO_MAGIC;
    d->ctl->passes = passes;
    return 0;
}

/* Evicting --------------------------------------------------------------- */

/* Where in the picture the guest is */
static double focus(void *opaque)
{
    struct demo *d = opaque;

    return (double)(__atomic_load_n(&d->ctl->ticket, __ATOMIC_RELAXED) % DEMO_HEIGHT) / DEMO_HEIGHT;
}

static void *evict(void *arg)
{
    struct demo *d = arg;
    xenlend_window *w = ivshmem_window(d->dev);
    struct xenlend_stats before, after;
    struct evictor e;
    unsigned seed = 7;

    evictor_init(&e, d->regions, 3, focus, d);
    while (!d->stop) {
        struct evicted what;

        if (xenlend_window_stats(w, &before))
            break;
        what.t = now() - d->start;
        if (evictor_step(&e, &what)) {
            fprintf(stderr, "demo: %s: %s\n", eviction_names[what.kind], strerror(errno));
            d->evictor_failed = true;
            break;
        }
        if (xenlend_window_stats(w, &after))
            break;
        what.revoked = after.revokes - before.revokes;
        record_eviction(&d->record, &what);
        __atomic_store_n(&d->n_evictions, d->record.n_evictions, __ATOMIC_RELAXED);
        napping((1 + rand_r(&seed) % 10) / 1e3);
        if (after.pages_lent < ENOUGH_LENT)
            napping(0.05);
    }
    if (!d->stop)
        d->evictor_failed = true;
    return NULL;
}

/* Serving, watching, showing --------------------------------------------- */

static void on_event(void *opaque, const struct xenlend_event *e)
{
    struct demo *d = opaque;

    if (e->type == XENLEND_EVENT_GAVE_UP && d->policy_faults++ < 5)
        fprintf(stderr, "demo: an access of vCPU %u to %#llx got nothing: %s\n", e->vcpu, (unsigned long long)e->gpa,
                xenlend_reason(e->reason));
}

static int take_sample(struct demo *d, struct sample *s)
{
    s->t = now() - d->start;
    s->rows = __atomic_load_n(&d->ctl->rows, __ATOMIC_RELAXED);
    if (xenlend_window_stats(ivshmem_window(d->dev), &s->stats))
        return -1;
    record_sample(&d->record, s);
    return 0;
}

/*
 * Enough seen: let the guest finish the pass that it is in, and one more, so that it cannot be beyond by the time
 * that it reads this.
 */
static void wind_down(struct demo *d)
{
    uint32_t last = __atomic_load_n(&d->ctl->ticket, __ATOMIC_SEQ_CST) / DEMO_HEIGHT + 2;

    if (last < d->ctl->passes)
        __atomic_store_n(&d->ctl->passes, last, __ATOMIC_SEQ_CST);
}

/* Until the guest is done.  0, or -1 with a message. */
static int watch(struct demo *d, double seconds, int signals)
{
    double shown = -SHOW_EVERY, sampled = -SAMPLE_EVERY, moved = 0;
    uint32_t rows = 0, pictures = 0;
    bool winding = false;
    struct sample s = { 0 };

    for (;;) {
        struct pollfd p[1 + IVSHMEM_POLLFDS] = { { .fd = signals, .events = POLLIN } };
        double t = now() - d->start;
        bool done = __atomic_load_n(&d->ctl->done, __ATOMIC_ACQUIRE);
        int r;

        if (done || t - sampled >= SAMPLE_EVERY) {
            sampled = t;
            if (take_sample(d, &s))
                return -1;
            if (s.rows != rows)
                moved = t;
            rows = s.rows;
            if (t - moved > GIVE_UP) {
                fprintf(stderr, "demo: the guest has drawn nothing for %.0f s\n", GIVE_UP);
                return -1;
            }
        }
        if (done || t - shown >= SHOW_EVERY) {
            shown = t;
            show_progress(&s, TOTAL_PAGES, __atomic_load_n(&d->n_evictions, __ATOMIC_RELAXED));
            /* as it comes into being: half of it, all of it, and what came out */
            if (done || (pictures < 2 && 2 * s.rows / DEMO_HEIGHT > pictures)) {
                pictures = 2 * s.rows / DEMO_HEIGHT;
                show_frame(d->frame);
            }
        }
        if (done)
            return 0;
        if (!winding && t > seconds && s.rows >= MIN_PASSES * DEMO_HEIGHT) {
            winding = true;
            wind_down(d);
        }

        ivshmem_pollfds(d->dev, p + 1);
        if (poll(p, 1 + IVSHMEM_POLLFDS, 50) < 0 && errno != EINTR) {
            perror("demo: poll");
            return -1;
        }
        if (p[0].revents) {
            fprintf(stderr, "demo: interrupted\n");
            return -1;
        }
        r = ivshmem_dispatch(d->dev);
        if (r > 0)
            fprintf(stderr, "demo: the guest is gone\n");
        else if (r < 0)
            perror("demo: serving the guest");
        if (r)
            return -1;
    }
}

/* The end ---------------------------------------------------------------- */

static int check(bool good, const char *what)
{
    printf("  %-4s %s\n", good ? "ok" : "BAD", what);
    return good ? 0 : 1;
}

/* Compares everything that can be; returns how many comparisons failed. */
static int verify(struct demo *d)
{
    uint32_t *frame = malloc(DEMO_FRAME_SIZE), different = 0, sums_different = 0, passes = d->ctl->passes;
    struct demo_sum *sums = malloc(DEMO_SUMS_SIZE);
    uint64_t pixels = (uint64_t)DEMO_WIDTH * DEMO_HEIGHT;
    const struct sample *last = &d->record.samples[d->record.n_samples - 1];
    char text[160];
    int bad = 0;

    if (!frame || !sums) {
        perror("demo: verifying");
        return 1;
    }
    printf("The guest is done; the same picture is being computed here...\n");
    fflush(stdout);
    reference_compute(frame, sums, passes);

    /* Nothing is the guest's any more, and everything has been on the swap. */
    if (xenlend_window_zap(ivshmem_window(d->dev), 0, DEMO_BAR_SIZE, NULL))
        bad++;
    for (int i = 0; i < 3; i++)
        madvise(d->regions[i].addr, d->regions[i].len, MADV_PAGEOUT);

    for (uint64_t i = 0; i < pixels; i++) {
        different += d->frame[i] != frame[i];
        sums_different += memcmp(&d->sums[i], &sums[i], sizeof(sums[i])) != 0;
    }
    snprintf(text, sizeof(text), "the lender's memory has the checksum that the guest kept: %016llx",
             (unsigned long long)d->ctl->checksum);
    bad += check(reference_checksum(d->frame) == d->ctl->checksum, text);
    snprintf(text, sizeof(text), "all %llu pixels are as computed here (%u differ)", (unsigned long long)pixels,
             different);
    bad += check(!different, text);
    snprintf(text, sizeof(text), "and all %llu sums of samples, read and written %u times each (%u differ)",
             (unsigned long long)pixels, passes, sums_different);
    bad += check(!sums_different, text);
    snprintf(text, sizeof(text), "LOCKed counters of %u vCPUs: %llu samples, %u rows", d->ctl->cpus,
             (unsigned long long)d->ctl->samples, d->ctl->rows);
    bad += check(d->ctl->samples == pixels * passes && d->ctl->rows == DEMO_HEIGHT * passes, text);
    snprintf(text, sizeof(text), "the guest never read a wrong count (%u)", d->ctl->wrong);
    bad += check(!d->ctl->wrong, text);
    snprintf(text, sizeof(text), "no access was left without memory (%llu)", (unsigned long long)last->stats.errors);
    bad += check(!last->stats.errors && !d->policy_faults, text);
    snprintf(text, sizeof(text), "pages were taken away under it: %llu, in %u evictions; it came back for %llu",
             (unsigned long long)last->stats.revokes, d->record.n_evictions,
             (unsigned long long)last->stats.refaults);
    bad += check(last->stats.revokes > TOTAL_PAGES && last->stats.refaults && !d->evictor_failed, text);
    if (d->mover) {
        struct xlmover_counts c = { 0 };

        ioctl(d->regions[2].mover, XLMOVER_COUNTS, &c);
        snprintf(text, sizeof(text), "the frame buffer moved: %llu pages; %llu were lent in the device's memory next, %llu in RAM",
                 (unsigned long long)c.moves, (unsigned long long)last->stats.to_device,
                 (unsigned long long)last->stats.to_ram);
        bad += check(c.moves && last->stats.to_device && last->stats.to_ram, text);
        snprintf(text, sizeof(text), "nothing was written to where it had been (%llu)", (unsigned long long)c.late);
        bad += check(!c.late, text);
    }
    free(frame);
    free(sums);
    return bad;
}

static int leave(struct demo *d, const char *dir)
{
    char path[4][256], title[160];
    const struct sample *last = &d->record.samples[d->record.n_samples - 1];

    snprintf(path[0], 256, "%s/demo.png", dir);
    snprintf(path[1], 256, "%s/demo-timeline.svg", dir);
    snprintf(path[2], 256, "%s/demo-counters.csv", dir);
    snprintf(path[3], 256, "%s/demo-evictions.csv", dir);
    snprintf(title, sizeof(title), "A guest draws %u x %u pixels %u times, while %llu pages are taken from it",
             DEMO_WIDTH, DEMO_HEIGHT, d->ctl->passes, (unsigned long long)last->stats.revokes);
    if (picture_write(path[0], d->frame, DEMO_WIDTH, DEMO_HEIGHT) ||
        svg_write(path[1], &d->record, TOTAL_PAGES, title, "seconds since the guest started") ||
        record_write_samples(&d->record, path[2]) || record_write_evictions(&d->record, path[3])) {
        fprintf(stderr, "demo: writing to %s: %s\n", dir, strerror(errno));
        return -1;
    }
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "Usage: xenlend-demo --domain N --results DIR --ready FILE [--passes N] [--seconds N]\n"
            "                    [--mover DEVICE]\n"
            "Serves the demo's guest, which is to be unpaused when FILE has been written to (a FIFO will do).\n"
            "With a mover the frame buffer is one of that driver's, which moves between RAM and a device's memory.\n");
    return 2;
}

static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    if (end == text || *end || v > max || text[0] == '-') {
        fprintf(stderr, "xenlend-demo: '%s' is no number up to %lu\n", text, max);
        exit(usage());
    }
    return v;
}

static int tell_ready(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), ok;

    if (fd < 0)
        return -1;
    ok = write(fd, "ready\n", 6) == 6;
    close(fd);
    return ok ? 0 : -1;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "domain", required_argument, NULL, 'd' }, { "results", required_argument, NULL, 'r' },
        { "ready", required_argument, NULL, 'y' }, { "passes", required_argument, NULL, 'p' },
        { "seconds", required_argument, NULL, 's' }, { "mover", required_argument, NULL, 'm' }, { 0 },
    };
    struct ivshmem_config config = {
        .slot = 1, .address = DEMO_BAR, .size = DEMO_BAR_SIZE, .flags = XENLEND_WINDOW_WRITE,
        .policy = XENLEND_POLICY_ONES,
    };
    const char *results = NULL, *ready = NULL;
    bool have_domain = false, interrupted = false;
    struct demo d = { .record = { .kinds = eviction_names, .n_kinds = EVICT_KINDS } };
    xentoollog_logger *logger;
    pthread_t evictor;
    uint32_t passes = 16, seconds = 40;
    int c, signals, bad = 1;
    sigset_t set;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        switch (c) {
        case 'd':
            config.domid = number(optarg, 0x7fef);
            have_domain = true;
            break;
        case 'r':
            results = optarg;
            break;
        case 'y':
            ready = optarg;
            break;
        case 'p':
            passes = number(optarg, 4096);
            break;
        case 's':
            seconds = number(optarg, 86400);
            break;
        case 'm':
            d.mover = optarg;
            break;
        default:
            return usage();
        }
    if (optind < argc || !have_domain || !results || !ready || !passes)
        return usage();

    setvbuf(stdout, NULL, _IOLBF, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
    if (signals < 0 || !logger) {
        perror("demo");
        return 1;
    }
    d.dev = ivshmem_open(logger, &config);
    if (!d.dev || place_all(&d, passes) || ivshmem_start(d.dev))
        goto out;
    ivshmem_on_event(d.dev, on_event, &d);
    d.start = now();
    if (tell_ready(ready)) {
        perror(ready);
        goto out;
    }
    if (pthread_create(&evictor, NULL, evict, &d)) {
        perror("demo: pthread_create");
        goto out;
    }
    interrupted = watch(&d, seconds, signals) != 0;
    d.stop = true;
    pthread_join(evictor, NULL);
    if (interrupted)
        goto out;

    show_evictions(&d.record);
    bad = verify(&d);
    if (leave(&d, results))
        bad++;
    printf(bad ? "FAILED: something was lost.\n" : "Nothing was lost.\n");
out:
    ivshmem_close(d.dev);
    xtl_logger_destroy(logger);
    return bad != 0;
}
