/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests: what the library does itself.  TAP on stdout. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"
#include "private.h"
#include "tap.h"

#define PAGE 4096ul
#define GPA 0x200000000ull
#define MIB (1ull << 20)

static char last[512];      /* last message of the library */
static int last_err;

static void record(xentoollog_logger *l, xentoollog_level level, int err,
                   const char *context, const char *format, va_list al)
{
    (void)l, (void)level, (void)context;
    vsnprintf(last, sizeof(last), format, al);
    last_err = err;
}
static xentoollog_logger logger = { .vmessage = record };

/* The call must fail with this errno. */
#define FAILS(want, call, what) (errno = 0, err((call) ? -errno : 0, -(want), what))

/* Is anything mapped at p? */
static int mapped(const void *p)
{
    unsigned char v;

    return !mincore((void *)p, PAGE, &v) || errno != ENOMEM;
}

/* Can p be read?  Asked of the kernel, which answers EFAULT instead of SIGSEGV. */
static int readable(const void *p)
{
    int fds[2], r;

    if (pipe(fds))
        abort();
    r = write(fds[1], p, 1) == 1;
    close(fds[0]);
    close(fds[1]);
    return r;
}

static xenlend_handle *handle(void)
{
    xenlend_handle *h = calloc(1, sizeof(*h));

    if (xenlend_log_init(&h->log, &logger, 0))
        abort();
    h->fd = driver_device();
    return h;
}

static void spans(void)
{
    struct log log = { .logger = &logger };
    xenlend_span *s;
    char *p;
    int fd;

    s = xenlend_span_reserve(&logger, 0, 16 * MIB, GPA);
    p = xenlend_span_addr(s);
    ok(s && p && !((uintptr_t)p & (2 * MIB - 1)), "span: aligned as an aligned window is");
    ok(xenlend_span_len(s) == 16 * MIB, "span: says how long it is");
    ok(mapped(p) && mapped(p + 16 * MIB - PAGE), "span: there from end to end");
    ok(!readable(p) && !readable(p + 16 * MIB - PAGE), "span: not accessible");

    fd = memfd_create("buffer", 0);
    if (ftruncate(fd, 8 * PAGE) || pwrite(fd, "xyz", 3, 2 * PAGE) != 3)
        abort();
    ok(xenlend_span_place(s, 5 * PAGE, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE) == p + 5 * PAGE &&
       !memcmp(p + 5 * PAGE, "xyz", 3) && !readable(p + 4 * PAGE) && !readable(p + 6 * PAGE),
       "span: place, where asked and only there");
    FAILS(ERANGE, !xenlend_span_place(s, 16 * MIB - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0),
          "span: place beyond its end");
    ok(!strncmp(last, "span: cannot place", 18) && last_err == ERANGE, "span: the message says so");
    FAILS(ERANGE, !xenlend_span_place(s, -PAGE, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0), "span: place wraps around");
    FAILS(EINVAL, !xenlend_span_place(s, 0, PAGE - 1, PROT_READ, MAP_SHARED, fd, 0), "span: place crooked");
    FAILS(EINVAL, !xenlend_span_place(s, 0, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
          "span: place with MAP_FIXED_NOREPLACE");
    FAILS(EINVAL, !xenlend_span_place(s, 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0),
          "span: place with MAP_GROWSDOWN");
    FAILS(EBADF, !xenlend_span_place(s, 0, PAGE, PROT_READ, MAP_SHARED, -1, 0), "span: mmap's error comes through");
    FAILS(ERANGE, xenlend_span_remove(s, 16 * MIB, PAGE), "span: remove behind it");
    FAILS(EINVAL, xenlend_span_remove(s, 0, 0), "span: remove nothing");
    ok(readable(p + 5 * PAGE), "span: none of these took anything away");
    ok(!xenlend_span_remove(s, 5 * PAGE, PAGE) && mapped(p + 5 * PAGE) && !readable(p + 5 * PAGE),
       "span: removed, and still reserved");
    ok(!xenlend_span_free(s) && !mapped(p) && !mapped(p + 16 * MIB - PAGE), "span: freed");
    ok(!xenlend_span_free(NULL), "span: free NULL");
    close(fd);

    s = xenlend_span_reserve(&logger, 0, 4 * MIB, GPA + 5 * PAGE);
    ok(s && ((uintptr_t)xenlend_span_addr(s) & (2 * MIB - 1)) == 5 * PAGE, "span: aligned as a crooked window is");
    xenlend_span_free(s);
    s = xenlend_span_reserve(&logger, 0, PAGE, GPA + 3 * PAGE);
    ok(s && !((uintptr_t)xenlend_span_addr(s) & (PAGE - 1)), "span: one page");
    xenlend_span_free(s);
    FAILS(ENOMEM, !xenlend_span_reserve(&logger, 0, UINT64_MAX & ~(PAGE - 1), 0), "span: of the whole address space");
    FAILS(ENOMEM, !xenlend_span_make(&log, UINT64_MAX & ~(2 * MIB - 1), 0), "span: and of nearly all of it");
    FAILS(EINVAL, !xenlend_span_reserve(&logger, 0, 0, 0), "span: empty");
    FAILS(EINVAL, !xenlend_span_reserve(&logger, 0, PAGE + 1, 0), "span: crooked length");
    FAILS(EINVAL, !xenlend_span_reserve(&logger, 0, PAGE, 1), "span: like something crooked");
    FAILS(EINVAL, !xenlend_span_reserve(&logger, 2, PAGE, 0), "span: unknown flag");

    ok(xenlend_range_check(0, PAGE, PAGE) == 0, "range: all of it");
    ok(xenlend_range_check(0, 0, PAGE) == EINVAL, "range: nothing");
    ok(xenlend_range_check(1, PAGE, 4 * PAGE) == EINVAL, "range: crooked offset");
    ok(xenlend_range_check(0, PAGE + 1, 4 * PAGE) == EINVAL, "range: crooked length");
    ok(xenlend_range_check(PAGE, 4 * PAGE, 4 * PAGE) == ERANGE, "range: one page too far");
    ok(xenlend_range_check(4 * PAGE, PAGE, 4 * PAGE) == ERANGE, "range: behind");
    ok(xenlend_range_check(PAGE, UINT64_MAX - PAGE + 1, 4 * PAGE) == ERANGE, "range: wraps around");
}

static void device(void)
{
    xenlend_handle *h;
    struct xenlend_info info;

    if (access("/dev/xen/lend", F_OK)) {
        FAILS(ENOENT, !xenlend_open(&logger, 0), "open: no driver");
        ok(strstr(last, "xen-lend loaded") != NULL && last_err == ENOENT, "open: the message says what to do");
    } else {
        skip("open: no driver", "there is one");
        skip("open: the message says what to do", "there is one");
    }
    FAILS(EINVAL, !xenlend_open(&logger, 2), "open: unknown flag");
    ok(xenlend_close(NULL) == 0 && xenlend_borrower_close(NULL) == 0 && xenlend_window_destroy(NULL) == 0,
       "close, destroy: NULL");

    h = handle();
    ok(xenlend_info(h, &info) == 0 && info.version == 1 && info.hypervisor_version == 7 &&
       info.window_flags == 1 && info.max_len == 1ull << 36 && info.max_windows == 4, "info");
    FAILS(EFAULT, xenlend_info(h, NULL), "info: NULL");
    driver_fail = EIO;
    FAILS(EIO, xenlend_info(h, &info), "info: driver's error comes through");
    FAILS(ESRCH, !xenlend_borrower_open(h, 6, GPA, MIB, 0), "borrower: no such domain");
    FAILS(ESRCH, !xenlend_borrower_open(h, 0x10005, GPA, MIB, 0), "borrower: domain number is not cut off");
    xenlend_close(h);
}

static void from_fd(void)
{
    int p[2], fd = driver_borrower(), f = open("/dev/null", O_RDWR);
    xenlend_borrower *b;

    if (pipe(p))
        abort();
    FAILS(EBADF, !xenlend_borrower_from_fd(&logger, 0, -1), "from_fd: -1");
    FAILS(EBADF, !xenlend_borrower_from_fd(&logger, 0, 999), "from_fd: not open");
    FAILS(ENOTTY, !xenlend_borrower_from_fd(&logger, 0, p[0]), "from_fd: a pipe");
    FAILS(ENOTTY, !xenlend_borrower_from_fd(&logger, 0, f), "from_fd: /dev/null");
    FAILS(EINVAL, !xenlend_borrower_from_fd(&logger, 2, fd), "from_fd: unknown flag");
    b = xenlend_borrower_from_fd(&logger, 0, fd);
    ok(b && xenlend_borrower_fd(b) != fd, "from_fd: a borrower's, duplicated");
    ok(b && fcntl(xenlend_borrower_fd(b), F_GETFD) == FD_CLOEXEC, "from_fd: close-on-exec");
    xenlend_borrower_close(b);
    ok(fcntl(fd, F_GETFD) >= 0, "from_fd: the caller's descriptor stays open");
    close(p[0]);
    close(p[1]);
    close(f);
}

static void windows(void)
{
    xenlend_handle *h = handle();
    xenlend_borrower *b = xenlend_borrower_open(h, 5, GPA, 64 * MIB, 0);
    xenlend_window *w, *w2;
    struct xenlend_window_info wi;
    unsigned held;
    struct xenlend_stats st;
    uint64_t done, after;
    char *span, *mine, *q;
    int fd, calls, count;

    ok(b != NULL, "borrower: opened");
    calls = driver_calls;
    FAILS(EINVAL, !xenlend_window_create(b, GPA + 1, MIB, 0, 0, 0), "window: crooked address");
    FAILS(EINVAL, !xenlend_window_create(b, GPA, MIB - 1, 0, 0, 0), "window: crooked length");
    FAILS(EINVAL, !xenlend_window_create(b, GPA, 0, 0, 0, 0), "window: empty");
    FAILS(EINVAL, !xenlend_window_create(b, -MIB, 2 * MIB, 0, 0, 0), "window: wraps around");
    FAILS(EINVAL, !xenlend_window_create(b, GPA, MIB, 2, 0, 0), "window: unknown flag");
    FAILS(EINVAL, !xenlend_window_create(b, GPA, MIB, 0, XENLEND_POLICY_HOLD + 1, 0), "window: unknown policy");
    FAILS(EINVAL, !xenlend_window_create_at(b, NULL, GPA, MIB, 0, 0, 0), "window: caller's span NULL");
    FAILS(EINVAL, !xenlend_window_create_at(b, (void *)4097, GPA, MIB, 0, 0, 0), "window: caller's span crooked");
    ok(driver_calls == calls, "window: none of these reached the driver");
    driver_fail = EEXIST;
    FAILS(EEXIST, !xenlend_window_create(b, GPA, MIB, 0, 0, 0), "window: driver's error comes through");
    ok(strstr(last, "0x200000000") != NULL && last_err == EEXIST, "window: the message names it");

    w = xenlend_window_create(b, GPA, 16 * MIB, XENLEND_WINDOW_WRITE, XENLEND_POLICY_FAULT, 0xc0ffee);
    ok(w != NULL, "window: made");
    span = xenlend_window_addr(w);
    ok(driver_windows[0].w.addr == (uintptr_t)span && driver_windows[0].w.gpa == GPA &&
       driver_windows[0].w.len == 16 * MIB && driver_windows[0].w.flags == LENDDEV_WINDOW_WRITE &&
       driver_windows[0].w.policy == LENDDEV_POLICY_FAULT && driver_windows[0].w.cookie == 0xc0ffee,
       "window: the driver got what was asked for");
    ok(xenlend_window_gpa(w) == GPA && xenlend_window_len(w) == 16 * MIB && xenlend_window_id(w) == 1 &&
       xenlend_window_cookie(w) == 0xc0ffee, "window: says what it is");
    ok(!readable(span), "window: its span starts empty");

    fd = memfd_create("buffer", 0);
    if (ftruncate(fd, 8 * PAGE) || pwrite(fd, "xyz", 3, 2 * PAGE) != 3)
        abort();
    q = xenlend_window_place(w, 5 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2 * PAGE);
    ok(q == span + 5 * PAGE && !memcmp(q, "xyz", 3), "place: a file's pages, where asked");
    ok(!readable(span + 4 * PAGE) && !readable(span + 7 * PAGE), "place: and only there");
    q[0] = 'X';
    mine = malloc(3);
    ok(pread(fd, mine, 3, 2 * PAGE) == 3 && !memcmp(mine, "Xyz", 3), "place: shared");
    free(mine);
    ok(xenlend_window_place(w, 0, 16 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == (void *)span &&
       !span[5 * PAGE], "place: over everything");
    FAILS(ERANGE, !xenlend_window_place(w, 16 * MIB, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
          "place: behind the window");
    FAILS(ERANGE, !xenlend_window_place(w, 16 * MIB - PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
          "place: beyond its end");
    FAILS(EINVAL, !xenlend_window_place(w, 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "place: crooked");
    FAILS(EINVAL, !xenlend_window_place(w, 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                                        -1, 0), "place: MAP_FIXED_NOREPLACE");
    FAILS(EINVAL, !xenlend_window_place(w, 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0),
          "place: MAP_GROWSDOWN");
    FAILS(EBADF, !xenlend_window_place(w, 0, PAGE, PROT_READ, MAP_SHARED, -1, 0), "place: mmap's error comes through");
    ok(xenlend_window_remove(w, PAGE, PAGE) == 0 && !readable(span + PAGE) && readable(span) &&
       readable(span + 2 * PAGE), "remove: one page");
    ok(mapped(span + PAGE), "remove: the address stays reserved");
    FAILS(ERANGE, xenlend_window_remove(w, 16 * MIB, PAGE), "remove: behind the window");
    FAILS(EINVAL, xenlend_window_remove(w, 0, 0), "remove: nothing");

    ok(xenlend_window_populate(w, 0, PAGE, XENLEND_POPULATE_WRITE, &done) == 0 && done == PAGE, "populate");
    FAILS(EFAULT, xenlend_window_populate(w, 0x10000, 2 * PAGE, 0, &done), "populate: stops in the middle");
    ok(done == PAGE, "populate: and says where");
    FAILS(EINVAL, xenlend_window_populate(w, 0, PAGE, 8, NULL), "populate: unknown flag");
    FAILS(ERANGE, xenlend_window_populate(w, 0, 17 * MIB, 0, NULL), "populate: beyond the end");
    ok(xenlend_window_zap(w, 0, 16 * MIB, NULL) == 0, "zap");
    FAILS(EINVAL, xenlend_window_zap(w, 12, PAGE, NULL), "zap: crooked");
    ok(xenlend_window_resume(w, 0, 16 * MIB, XENLEND_RESUME_FAULT, &held) == 0 && held == 5, "resume");
    FAILS(EINVAL, xenlend_window_resume(w, 0, PAGE, 3, &held), "resume: unknown action");
    FAILS(ERANGE, xenlend_window_resume(w, 16 * MIB, PAGE, 0, NULL), "resume: behind the window");

    ok(xenlend_window_stats(w, &st) == 0 && st.pages_lent == offsetof(struct lenddev_stats, pages_lent) &&
       st.faults_read == offsetof(struct lenddev_stats, faults_read) &&
       st.faults_write == offsetof(struct lenddev_stats, faults_write) &&
       st.upgrades == offsetof(struct lenddev_stats, upgrades) && st.around == offsetof(struct lenddev_stats, around) &&
       st.copies == offsetof(struct lenddev_stats, copies) && st.lends == offsetof(struct lenddev_stats, lends) &&
       st.lend_calls == offsetof(struct lenddev_stats, lend_calls) &&
       st.revokes == offsetof(struct lenddev_stats, revokes) &&
       st.revoke_calls == offsetof(struct lenddev_stats, revoke_calls) &&
       st.invalidations == offsetof(struct lenddev_stats, invalidations) &&
       st.refaults == offsetof(struct lenddev_stats, refaults) && st.retries == offsetof(struct lenddev_stats, retries) &&
       st.errors == offsetof(struct lenddev_stats, errors) && st.holds == offsetof(struct lenddev_stats, holds) &&
       st.vcpus_held == offsetof(struct lenddev_stats, vcpus_held) &&
       st.fault_us[3] == offsetof(struct lenddev_stats, fault_us[3]) &&
       st.interrupts == offsetof(struct lenddev_stats, interrupts) && st.ahead == offsetof(struct lenddev_stats, ahead) &&
       st.unused == offsetof(struct lenddev_stats, unused) &&
       st.to_device == offsetof(struct lenddev_stats, to_device) && st.to_ram == offsetof(struct lenddev_stats, to_ram) &&
       st.large == offsetof(struct lenddev_stats, large) &&
       st.revoke_us[23] == offsetof(struct lenddev_stats, revoke_us[23]) && st.stalls == offsetof(struct lenddev_stats, stalls) &&
       st.fault_max_ns == offsetof(struct lenddev_stats, fault_max_ns) &&
       st.fault_total_ns == offsetof(struct lenddev_stats, fault_total_ns) &&
       st.revoke_max_ns == offsetof(struct lenddev_stats, revoke_max_ns) &&
       st.revoke_total_ns == offsetof(struct lenddev_stats, revoke_total_ns), "stats: every counter in its place");
    FAILS(EFAULT, xenlend_window_stats(w, NULL), "stats: NULL");

    mine = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(mine, "mine");
    w2 = xenlend_window_create_at(b, mine, GPA + 32 * MIB, 4 * PAGE, 0, 0, 2);
    ok(w2 && xenlend_window_addr(w2) == mine && !strcmp(mine, "mine"), "window: on the caller's span");

    for (after = 0, count = 0; xenlend_next(h, after, &wi) == 1; after = wi.serial)
        count += wi.domid == 5 && !xenlend_stats(h, wi.serial, &st) && st.lends == 1000 + wi.serial &&
                 wi.pid == (uint32_t)getpid();
    ok(count == 2 && wi.gpa == GPA + 32 * MIB && wi.len == 4 * PAGE && wi.id == 2 && !wi.dead, "next: both windows");
    FAILS(EFAULT, xenlend_next(h, 0, NULL) < 0, "next: NULL");
    FAILS(ENOENT, xenlend_stats(h, 77, &st), "stats of a window that there is not");
    FAILS(EFAULT, xenlend_stats(h, 1, NULL), "stats by serial: NULL");
    driver_fail = EIO;
    FAILS(EIO, xenlend_next(h, 0, &wi) < 0, "next: driver's error comes through");

    ok(xenlend_window_destroy(w2) == 0 && !driver_windows[1].live && !strcmp(mine, "mine"),
       "destroy: the caller's span stays");
    driver_fail = ENODEV;
    ok(xenlend_window_destroy(w) == -1 && errno == ENODEV && !mapped(span) && !mapped(span + 16 * MIB - PAGE),
       "destroy: a failure is reported, and the span is gone all the same");

    w = xenlend_window_create(b, GPA, MIB, 0, 0, 0);
    span = xenlend_window_addr(w);
    if (!fork()) {
        xenlend_borrower_close(b);
        _exit(mapped(span) ? 0 : 1);
    } else {
        int status;

        wait(&status);
        ok(status == 0 && driver_windows[2].live, "fork: the child's close leaves the window alone");
    }
    xenlend_close(h);
    ok(xenlend_window_zap(w, 0, PAGE, NULL) == 0, "close: a borrower outlives its handle");
    calls = driver_calls;
    xenlend_borrower_close(b);
    ok(driver_calls == calls + 1 && !driver_windows[2].live && !mapped(span), "borrower_close: destroys its windows");
    munmap(mine, 4 * PAGE);
    close(fd);
}

/* A BAR's life: its window comes, goes and comes back elsewhere, its memory stays. */
static void binding(void)
{
    xenlend_handle *h = handle();
    xenlend_borrower *b = xenlend_borrower_open(h, 5, GPA, 64 * MIB, 0);
    xenlend_span *s = xenlend_span_reserve(&logger, 0, 16 * MIB, 0);
    xenlend_window *w, *w2;
    struct driver_window *k;
    int calls = driver_calls, status;
    char *p = xenlend_span_addr(s);

    FAILS(ERANGE, !xenlend_window_bind(b, s, 16 * MIB, GPA, PAGE, 0, 0, 0), "bind: behind the span");
    FAILS(ERANGE, !xenlend_window_bind(b, s, 8 * MIB, GPA, 16 * MIB, 0, 0, 0), "bind: beyond its end");
    FAILS(ERANGE, !xenlend_window_bind(b, s, -PAGE, GPA, 2 * PAGE, 0, 0, 0), "bind: offset wraps around");
    FAILS(EINVAL, !xenlend_window_bind(b, s, 1, GPA, PAGE, 0, 0, 0), "bind: crooked offset");
    FAILS(EINVAL, !xenlend_window_bind(b, s, 0, GPA, 0, 0, 0, 0), "bind: empty");
    FAILS(EINVAL, !xenlend_window_bind(b, s, 0, GPA + 1, PAGE, 0, 0, 0), "bind: crooked gpa");
    FAILS(EINVAL, !xenlend_window_bind(b, s, 0, -MIB, 2 * MIB, 0, 0, 0), "bind: gpa wraps around");
    ok(driver_calls == calls, "bind: none of these reached the driver");
    driver_fail = EEXIST;
    FAILS(EEXIST, !xenlend_window_bind(b, s, 0, GPA, 16 * MIB, 0, 0, 0), "bind: driver's error comes through");

    xenlend_span_place(s, 0, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(p + 3 * MIB, "kept");
    w = xenlend_window_bind(b, s, 0, GPA, 16 * MIB, XENLEND_WINDOW_WRITE, XENLEND_POLICY_FAULT, 7);
    k = &driver_windows[driver_n_windows - 1];
    ok(w && k->live && k->w.addr == (uintptr_t)p && k->w.gpa == GPA && k->w.len == 16 * MIB &&
       k->w.flags == LENDDEV_WINDOW_WRITE && k->w.policy == LENDDEV_POLICY_FAULT && k->w.cookie == 7,
       "bind: the driver got what was asked for");
    ok(xenlend_window_addr(w) == p && xenlend_window_gpa(w) == GPA, "bind: the window is over the span");
    FAILS(EBUSY, xenlend_span_free(s), "bind: a span under a window is not freed");
    ok(!strcmp(p + 3 * MIB, "kept"), "bind: and nothing of it is gone");
    ok(!xenlend_window_destroy(w) && !k->live && mapped(p + 16 * MIB - PAGE) && readable(p + 3 * MIB) &&
       !strcmp(p + 3 * MIB, "kept"), "unbind: the contents stay");

    w = xenlend_window_bind(b, s, 0, GPA + 32 * MIB, 16 * MIB, 0, 0, 0);
    k = &driver_windows[driver_n_windows - 1];
    ok(w && k->live && k->w.gpa == GPA + 32 * MIB && k->w.addr == (uintptr_t)p && !strcmp(p + 3 * MIB, "kept"),
       "rebound elsewhere, with the contents");
    w2 = xenlend_window_bind(b, s, 2 * MIB, GPA + 8 * MIB, 2 * MIB, 0, 0, 0);
    k = &driver_windows[driver_n_windows - 1];
    ok(w2 && k->w.addr == (uintptr_t)p + 2 * MIB && k->w.len == 2 * MIB && xenlend_window_addr(w2) == p + 2 * MIB,
       "bind: a part of it, at the same time");
    ok(xenlend_window_place(w2, MIB, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p + 3 * MIB && !p[3 * MIB],
       "place in a part: counted from the window's start");
    FAILS(ERANGE, !xenlend_window_place(w2, 2 * MIB, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
          "place in a part: not outside, though the span goes on");
    ok(!xenlend_window_destroy(w2), "the part's window goes");
    FAILS(EBUSY, xenlend_span_free(s), "... the other holds the span");
    if (!fork()) {
        xenlend_borrower_close(b);
        _exit(mapped(p) && !xenlend_span_free(s) ? 0 : 1);
    }
    wait(&status);
    ok(!status && mapped(p) && driver_windows[driver_n_windows - 2].live, "fork: the child frees its copy of the span only");
    driver_fail = ENODEV;
    ok(xenlend_window_destroy(w) == -1 && errno == ENODEV && mapped(p), "unbind: a failure is reported, the span stays");
    w = xenlend_window_bind(b, s, 0, GPA, PAGE, 0, 0, 0);
    ok(w != NULL, "bound again");
    xenlend_borrower_close(b);
    ok(mapped(p) && !xenlend_span_free(s) && !mapped(p), "borrower_close: its windows let go of the span");
    xenlend_close(h);
}

/* Runs fn with stderr in a file; returns how many bytes it wrote there. */
static long on_stderr(void (*fn)(unsigned flags), unsigned flags)
{
    int was = dup(2), f = memfd_create("stderr", 0);
    long n;

    fflush(stderr);
    dup2(f, 2);
    fn(flags);
    fflush(stderr);
    dup2(was, 2);
    n = lseek(f, 0, SEEK_END);
    close(was);
    close(f);
    return n;
}

static int failures;
static void fail_everywhere(unsigned flags)
{
    int fd = driver_borrower();
    xenlend_borrower *b = xenlend_borrower_from_fd(NULL, flags, fd);
    xenlend_span *s = xenlend_span_reserve(NULL, flags, PAGE, 0);
    xenlend_window *w = xenlend_window_bind(b, s, 0, GPA, PAGE, 0, 0, 0);
    xenlend_handle *h = calloc(1, sizeof(*h));
    xenlend_borrower *b2;

    failures = !xenlend_span_reserve(NULL, flags, 1, 0);
    failures += !xenlend_span_place(s, PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    failures += !!xenlend_span_free(s);
    failures += !xenlend_window_create(b, 1, PAGE, 0, 0, 0);
    failures += !xenlend_window_create_at(b, NULL, GPA, PAGE, 0, 0, 0);
    failures += !xenlend_window_bind(b, s, PAGE, GPA, PAGE, 0, 0, 0);
    failures += !xenlend_window_place(w, PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    failures += !!xenlend_window_zap(w, PAGE, PAGE, NULL);
    failures += !xenlend_borrower_from_fd(NULL, flags, 0);
    h->fd = driver_device();
    if (xenlend_log_init(&h->log, NULL, flags))
        abort();
    failures += !xenlend_borrower_open(h, 6, GPA, MIB, 0);
    b2 = xenlend_borrower_open(h, 5, GPA, MIB, 0);
    failures += !xenlend_window_create(b2, 1, PAGE, 0, 0, 0);
    xenlend_borrower_close(b2);
    xenlend_close(h);
    xenlend_borrower_close(b);
    xenlend_span_free(s);
    close(fd);
}

static void quiet(void)
{
    xenlend_span *s;

    ok(on_stderr(fail_everywhere, 0) > 400 && failures == 11, "by default errors go to stderr");
    ok(on_stderr(fail_everywhere, XENLEND_QUIET) == 0 && failures == 11, "quiet: the same errors, nothing on stderr");
    last[0] = 0;
    ok(!xenlend_open(&logger, XENLEND_QUIET) || !access("/dev/xen/lend", F_OK), "quiet: open");
    s = xenlend_span_reserve(&logger, XENLEND_QUIET, PAGE, 0);
    FAILS(ERANGE, xenlend_span_remove(s, PAGE, PAGE), "quiet: errno is as ever");
    ok(!last[0], "quiet: nor to the logger");
    xenlend_span_free(s);
}

static void events(void)
{
    xenlend_handle *h = handle();
    xenlend_borrower *b = xenlend_borrower_open(h, 5, GPA, 64 * MIB, 0);
    struct xenlend_event e[40];
    struct lenddev_event k = { .size = sizeof(k), .type = LENDDEV_EVENT_GAVE_UP, .reason = LENDDEV_REASON_FORBIDDEN, .id = 3, .vcpu = 1, .cookie = 9,
                                .gpa = GPA + 123 };
    int i, r, total;

    FAILS(EINVAL, xenlend_read_events(b, e, 0, 0), "events: no room");
    FAILS(EFAULT, xenlend_read_events(b, NULL, 1, 0), "events: NULL");
    ok(xenlend_read_events(b, e, 1, 0) == 0, "events: none");
    ok(xenlend_read_events(b, e, 1, 20) == 0, "events: none in time");
    driver_event(xenlend_borrower_fd(b), &k);
    ok(xenlend_read_events(b, e, 40, -1) == 1 && e[0].type == XENLEND_EVENT_GAVE_UP && e[0].reason == XENLEND_REASON_FORBIDDEN &&
       e[0].id == 3 && e[0].vcpu == 1 && e[0].cookie == 9 && e[0].gpa == GPA + 123, "events: a fault");
    for (i = 0; i < 37; i++) {
        k.cookie = i;
        driver_event(xenlend_borrower_fd(b), &k);
    }
    for (total = 0, i = 1; (r = xenlend_read_events(b, e, 40, 0)) > 0; total += r)
        for (int j = 0; j < r; j++)
            i &= e[j].cookie == (unsigned)(total + j);
    ok(i && total == 37 && r == 0, "events: many, in order, in portions");
    k.type = LENDDEV_EVENT_BORROWER_GONE;
    k.reason = 0;
    driver_event(xenlend_borrower_fd(b), &k);
    driver_hang_up(xenlend_borrower_fd(b));
    ok(xenlend_read_events(b, e, 2, -1) == 1 && e[0].type == XENLEND_EVENT_BORROWER_GONE && !e[0].reason,
       "events: the last one");
    FAILS(ENODEV, xenlend_read_events(b, e, 2, -1) < 0, "events: borrower gone");
    xenlend_borrower_close(b);
    xenlend_close(h);
}

static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void passing(void)
{
    int s[2], f = memfd_create("passed", 0), got, before;
    char c;
    union { struct cmsghdr align; char room[CMSG_SPACE(2 * sizeof(int))]; } ctl;
    struct iovec iov = { .iov_base = &c, .iov_len = 1 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.room, .msg_controllen = sizeof(ctl.room) };
    struct cmsghdr *cm;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) || write(f, "hi", 2) != 2)
        abort();
    ok(xenlend_send_fd(s[0], f) == 0, "pass: sent");
    got = xenlend_recv_fd(s[1]);
    ok(got >= 0 && got != f && pread(got, &c, 1, 1) == 1 && c == 'i', "pass: received the same file");
    ok(fcntl(got, F_GETFD) == FD_CLOEXEC, "pass: close-on-exec");
    close(got);
    if (write(s[0], "x", 1) != 1)
        abort();
    FAILS(EPROTO, xenlend_recv_fd(s[1]) < 0, "pass: a byte without a descriptor");
    memset(&ctl, 0, sizeof(ctl));
    cm = CMSG_FIRSTHDR(&m);
    cm->cmsg_level = SOL_SOCKET;
    cm->cmsg_type = SCM_RIGHTS;
    cm->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(cm), (int[]){ f, f }, 2 * sizeof(int));
    before = descriptors();
    if (sendmsg(s[0], &m, 0) != 1)
        abort();
    FAILS(EPROTO, xenlend_recv_fd(s[1]) < 0, "pass: two descriptors");
    ok(descriptors() == before, "pass: none of them leaks");
    FAILS(EBADF, xenlend_send_fd(s[0], 999), "pass: not open");
    FAILS(ENOTSOCK, xenlend_send_fd(f, f), "pass: not a socket");
    close(s[0]);
    FAILS(ECONNRESET, xenlend_recv_fd(s[1]) < 0, "pass: the other end is gone");
    FAILS(EPIPE, xenlend_send_fd(s[1], f), "pass: sending there is an error, not a signal");
    close(s[1]);
    close(f);
}

int main(void)
{
    tap_begin("library");
    spans();
    device();
    from_fd();
    windows();
    binding();
    quiet();
    events();
    passing();
    return tap_end();
}
