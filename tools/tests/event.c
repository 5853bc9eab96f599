/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of trace: lines of the kernel, of people and of recordings; what a recording comes to.  TAP on stdout. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenlend.h>

#include "../src/event.h"
#include "../src/replay.h"
#include "../src/tracefs.h"
#include "tap.h"
#include "windows.h"

/* The library's, without the library */
const char *xenlend_reason(unsigned reason)
{
    return reason == XENLEND_REASON_NO_MEMORY ? "no memory" : "?";
}

#define HEAD "  a process-1234    [001] d..2.  1234.567890: xen_lend_"

/* Both forms of an event, and that the recording's is read as the same. */
/* A line of a recording that lacks what its kind of event needs */
static void without(const char *csv, const char *column)
{
    char heading[EVENT_LINE], line[EVENT_LINE];
    const char *at = csv, *end;
    struct event e;
    char *word;

    event_csv_heading(heading, sizeof(heading));
    for (word = strtok(heading, ",\n"); word && strcmp(word, column);
         word = strtok(NULL, ",\n"))
        at = strchr(at, ',') + 1;
    end = at + strcspn(at, ",\n");
    if (!word || end == at)
        return; /* this one needs none */
    snprintf(line, sizeof(line), "%.*s%s", (int)(at - csv), csv, end);
    line[strcspn(line, "\n")] = 0;
    ok(event_csv_parse(line, &e), "... and is refused without");
}

static void reads(const char *text, const char *shown, const char *recorded, const char *what)
{
    char line[600], csv[EVENT_LINE], copy[EVENT_LINE];
    struct event e, again;
    int n;

    snprintf(line, sizeof(line), HEAD "%s", text);
    if (!ok(!event_parse(line, &e), "%s", what))
        return;
    eq(e.us, 1234567890, "... its time");
    e.us = 1500000;
    event_show(line, sizeof(line), &e);
    if (!ok(!strcmp(line, shown), "... for people"))
        note("|%s|", line);
    n = event_csv(csv, sizeof(csv), &e);
    if (!ok(!strcmp(csv, recorded), "... in a recording"))
        note("|%s|", csv);
    strcpy(copy, csv);
    copy[n - 1] = 0;
    ok(!event_csv_parse(copy, &again) && again.kind == e.kind && again.us == e.us && again.has == e.has &&
       !memcmp(again.v, e.v, sizeof(e.v)) && !again.what == !e.what && (!e.what || !strcmp(again.what, e.what)),
       "... which is read as the same");
    without(csv, "window");
}

static void refuses(const char *line, const char *what)
{
    struct event e;

    ok(event_parse(line, &e), "refused: %s", what);
}

static void from_the_kernel(void)
{
    struct event e;

    reads("fault: d5 v1 window 3 gpa 0x200001abc write count 2 rc 0 43210 ns",
          "    1.500000     5      3 fault         0x200001abc         -     43us  vCPU 1, write: resolved, number 2 in a row "
          "without progress\n",
          "1.500000,fault,write,5,3,1,0x200001abc,,,,,2,,,0,43210\n", "a fault");
    reads("fault: d5 v0 window 3 gpa 0x0 read count 1 rc 32 1 ns",
          "    1.500000     5      3 fault                   0         -      1ns  vCPU 0, read: no memory\n",
          "1.500000,fault,read,5,3,0,0x0,,,,,1,,,32,1\n", "one for which there is no memory");
    reads("fault: d5 v0 window 3 gpa 0x0 read count 1 rc -19 1 ns",
          "    1.500000     5      3 fault                   0         -      1ns  vCPU 0, read: No such device\n",
          "1.500000,fault,read,5,3,0,0x0,,,,,1,,,-19,1\n", "one of a guest that is gone");
    reads("lend: d5 window 3 slots 16+4 writable 0x9 answered rc 0",
          "    1.500000     5      3 lend                    -         4        -  2 writable, the vCPU goes on\n",
          "1.500000,lend,answered,5,3,,,,16,4,,,0x9,,0,\n", "a lend that answers");
    reads("lend: d5 window 3 slots 16+4 writable 0x0 rc -12",
          "    1.500000     5      3 lend                    -         4        -  0 writable, failed: Cannot allocate memory\n",
          "1.500000,lend,,5,3,,,,16,4,,,0x0,,-12,\n", "one that fails");
    reads("revoke: d32751 window 18446744073709551615 slots 0+4194304 lent 17",
          "    1.500000 32751 18446744073709551615 revoke                  -   4194304        -  17 lent there\n",
          "1.500000,revoke,,32751,18446744073709551615,,,,0,4194304,17,,,,,\n", "a revoke, with large numbers");
    reads("invalidate: d5 window 3 [0x7f0000000800, 0x7f0000003000) event 6 1500 ns",
          "    1.500000     5      3 invalidate              -         3    1.5us  migrate at 0x7f0000000800 of the process\n",
          "1.500000,invalidate,migrate,5,3,,,0x7f0000000800,,3,,,,6,,1500\n", "a change");
    reads("invalidate: d5 window 3 [0x0, 0xffffffffffffffff) event 5 1500 ns",
          "    1.500000     5      3 invalidate              -         -    1.5us  exit at 0 of the process\n",
          "1.500000,invalidate,exit,5,3,,,0x0,,,,,,5,,1500\n", "the process' end");
    reads("invalidate: d5 window 3 [0x1000, 0x2000) event 77 1500 ns",
          "    1.500000     5      3 invalidate              -         1    1.5us  change 77 at 0x1000 of the process\n",
          "1.500000,invalidate,,5,3,,,0x1000,,1,,,,77,,1500\n", "a change of a kind that is not known");
    reads("answer: d5 v127 type 9 data 0x2 99 ns",
          "    1.500000     5      - answer                  -         -     99ns  vCPU 127: reads ones\n",
          "1.500000,answer,,5,,127,,,,,,,,9,2,99\n", "an answer");
    reads("answer: d5 v0 type 8 data 0x8000000000000000 99 ns",
          "    1.500000     5      - answer                  -         -     99ns  vCPU 0: request of type 8, data "
          "0x8000000000000000\n",
          "1.500000,answer,,5,,0,,,,,,,,8,-9223372036854775808,99\n", "one to another request");
    reads("window: d5 window 3 id 1 gfn 0x200000+16384 addr 0x7f0000000000 made",
          "    1.500000     5      3 window        0x200000000     16384        -  made, at 0x7f0000000000 of the process\n",
          "1.500000,window,made,5,3,,0x200000000,0x7f0000000000,,16384,,,,,,\n", "a window");

    ok(!event_parse("CPU:3 [LOST 17 EVENTS]", &e) && e.kind == EVENT_LOST && e.v[F_COUNT] == 17, "lost events");
    ok(!event_parse("CPU:3 [LOST EVENTS]", &e) && e.kind == EVENT_LOST && !event_has(&e, F_COUNT), "... nobody knows how many");
    ok(!event_parse("x: xen_lend_a-1 [000] d..2. 1.000001: xen_lend_answer: d5 v0 type 9 data 0x0 9 ns", &e) &&
       e.kind == EVENT_ANSWER && e.us == 1000001, "a process whose name looks like an event");

    refuses("", "an empty line");
    refuses("CPU:3 [LOST -1 EVENTS]", "a negative number of lost events");
    refuses("CPU:3 [LOST 1 EVENTS] ", "something behind them");
    refuses(HEAD "answer: d5 v0 type 9 data 0x0 9 ns ", "something behind an event");
    refuses(HEAD "answer: d5 v0 type 9 data 0x0 9", "an event that is cut off");
    refuses(HEAD "answer: d65536 v0 type 9 data 0x0 9 ns", "a domain that is none");
    refuses(HEAD "answer: d5 v4294967296 type 9 data 0x0 9 ns", "a vCPU that is none");
    refuses(HEAD "answer: d5 v0 type 9 data 0x0 18446744073709551616 ns", "a number beyond 64 bits");
    refuses(HEAD "answer: d5 v0 type 9 data 12 9 ns", "decimal for hexadecimal");
    refuses(HEAD "answer: d0x5 v0 type 9 data 0x0 9 ns", "hexadecimal for decimal");
    refuses(HEAD "answer: d-5 v0 type 9 data 0x0 9 ns", "a negative domain");
    refuses(HEAD "fault: d5 v0 window 3 gpa 0x0 exec count 1 rc 0 1 ns", "a word that is none");
    refuses(HEAD "fault: d5 v0 window 3 gpa 0x0 read count 1 rc 2147483648 1 ns", "a result that is none");
    refuses(HEAD "invalidate: d5 window 3 [0x2000, 0x2000) event 0 1 ns", "an empty range");
    refuses(HEAD "window: d5 window 3 id 1 gfn 0x10000000000000+1 addr 0x0 made", "a frame beyond all addresses");
    refuses(HEAD "other: d5", "another event");
    refuses("a-1 [001] d..2. x1.000001: xen_lend_answer: d5 v0 type 9 data 0x0 9 ns", "a time that is none");
    refuses("a-1 [001] d..2. 1.00001: xen_lend_answer: d5 v0 type 9 data 0x0 9 ns", "one with five digits");
}

struct got {
    unsigned n, stop;
    char last[32];
};

static int on_line(void *opaque, const char *text)
{
    struct got *g = opaque;

    snprintf(g->last, sizeof(g->last), "%.31s", text);
    return ++g->n == g->stop;
}

static void pieces(void)
{
    static struct lines l;
    struct got g = { 0 };
    char lengthy[3000];

    memset(lengthy, 'x', sizeof(lengthy));
    lines_feed(&l, "one\ntw", 6, on_line, &g);
    eq(g.n, 1, "lines: one and a half");
    lines_feed(&l, "o\n", 2, on_line, &g);
    ok(g.n == 2 && !strcmp(g.last, "two"), "... the other half");
    lines_feed(&l, lengthy, sizeof(lengthy), on_line, &g);
    lines_feed(&l, "\nthree\n", 7, on_line, &g);
    ok(g.n == 3 && l.too_long == 1 && !strcmp(g.last, "three"), "... one that is too long is left out, and counted");
    lines_feed(&l, lengthy, 1023, on_line, &g);
    lines_feed(&l, "\n", 1, on_line, &g);
    ok(g.n == 4 && l.too_long == 1, "... the longest that is not");
    g = (struct got){ .stop = 1 };
    eq(lines_feed(&l, "a\nb\n", 4, on_line, &g), 1, "... who has enough is not told more");
    eq(g.n, 1, "... not one");
}

static long play(const char *body, struct record *r, struct replay_sum *sum)
{
    char heading[EVENT_LINE], text[4000];
    FILE *f;
    long rc;

    event_csv_heading(heading, sizeof(heading));
    snprintf(text, sizeof(text), "%s%s", heading, body);
    f = fmemopen(text, strlen(text), "r");
    *r = (struct record){ 0 };
    rc = replay(f, r, sum);
    fclose(f);
    return rc;
}

static void recordings(void)
{
    struct replay_sum sum;
    struct record r;
    const struct xenlend_stats *s;
    FILE *f;

    /* 5 lent at first; slots 0-3; 0 and 1 change hands; lost; destroyed */
    eq(play("0.000000,window,there,5,3,,0x1000000,,,64,5,,,,,\n"
            "0.100000,lend,answered,5,3,,,,0,4,,,0x0,,0,\n"
            "0.100001,fault,read,5,3,0,0x1000000,,,,,1,,,0,1000\n"
            "0.200000,revoke,,5,3,,,,0,2,2,,,,,\n"
            "0.200010,invalidate,migrate,5,3,,,0x7f0000000000,,2,,,,6,,20000\n"
            "0.300000,lend,answered,5,3,,,,0,1,,,0x1,,0,\n"
            "0.300001,fault,write,5,3,0,0x1000010,,,,,1,,,0,1000\n"
            "0.300002,lend,,5,3,,,,0,1,,,0x1,,0,\n"
            "0.300003,lend,,5,3,,,,9,1,,,0x1,,-12,\n"
            "0.400000,lost,,,,,,,,,,7,,,,\n"
            "0.500000,revoke,,5,3,,,,2,1,1,,,,,\n"
            "0.600000,invalidate,clear,5,3,,,0x7f0000000000,,2,,,,1,,20000\n"
            "0.700000,answer,,5,,0,,,,,,,,9,0,5\n", &r, &sum), 0, "a recording");
    s = &r.samples[r.n_samples - 1].stats;
    eq(s->pages_lent, 7, "... pages lent in the end: none twice, none that failed");
    eq(s->faults_read, 1, "... faults that read");
    eq(s->faults_write, 1, "... and that wrote");
    eq(s->refaults, 1, "... of these, on a page that was lent before");
    eq(sum.faults, 2, "... in all");
    eq(sum.revoked, 3, "... taken back");
    eq(sum.lost, 7, "... lost");
    eq(sum.windows, 1, "... windows");
    ok(r.samples[r.n_samples - 1].t == 0.7, "... its end");
    eq(r.n_evictions, 2, "... revokes");
    ok(r.n_evictions == 2 && !strcmp(r.kinds[r.evictions[0].kind], "migrate"), "... one of a change");
    ok(r.n_evictions == 2 && !strcmp(r.kinds[r.evictions[1].kind], "other"), "... one long before the next change");
    record_free(&r);

    eq(play("0.000000,window,there,5,3,,0x1000000,,,64,5,,,,,\n"
            "0.100000,window,destroyed,5,3,,0x1000000,0x7f0000000000,,64,,,,,,\n", &r, &sum), 0, "a window's end");
    eq(r.samples[r.n_samples - 1].stats.pages_lent, 0, "... nothing is lent");
    eq(sum.revoked, 5, "... all of it is taken back");
    record_free(&r);

    eq(play("", &r, &sum), 0, "a recording of nothing");
    record_free(&r);
    eq(play("0.1,answer,,5,,0,,,,,,,,9,0,5\n", &r, &sum), 2, "a wrong time is refused, with its line");
    record_free(&r);
    eq(play("0.100000,answer,,5,,0,,,,,,,,9,0,5\n0.100000,answer,,5,,0,,,,,,,,9,0\n", &r, &sum), 3, "a field too few");
    record_free(&r);
    eq(play("0.100000,answer,,5,,0,,,,,,,,9,0,5,\n", &r, &sum), 2, "a field too many");
    record_free(&r);
    eq(play("0.100000,lend,made,5,3,,,,0,4,,,0x0,,0,\n", &r, &sum), 2, "a word of another event");
    record_free(&r);
    eq(play("0.100000,lend,,5,3,,,,0,99999999,,,0x0,,0,\n", &r, &sum), 2, "more slots than there can be");
    record_free(&r);
    eq(play("0.100000,answer,,5,,0,,,,,,,,9,0,5", &r, &sum), 2, "a line that is cut off");
    record_free(&r);
    f = fmemopen((char *)"seconds,rows\n", 13, "r");
    r = (struct record){ 0 };
    eq(replay(f, &r, &sum), 1, "another kind of file");
    record_free(&r);
    fclose(f);
}

static int find(const char *mounts, char *dir, size_t size)
{
    char path[] = "/tmp/xenlend-mounts-XXXXXX";
    int fd = mkstemp(path), rc;

    if (fd < 0 || write(fd, mounts, strlen(mounts)) != (ssize_t)strlen(mounts))
        die("%s", path);
    close(fd);
    rc = tracefs_find(path, dir, size);
    unlink(path);
    return rc;
}

static void places(void)
{
    char dir[64], filter[96];

    ok(!find("proc /proc proc rw 0 0\nx /my\\040trace tracefs rw 0 0\n", dir, sizeof(dir)) && !strcmp(dir, "/my trace"),
       "tracefs in a place of its own");
    ok(!find("d /dbg debugfs rw 0 0\nx /t tracefs rw 0 0\n", dir, sizeof(dir)) && !strcmp(dir, "/t"), "... before debugfs");
    ok(!find("d /dbg debugfs rw 0 0\n", dir, sizeof(dir)) && !strcmp(dir, "/dbg/tracing"), "... or in debugfs");
    ok(find("proc /proc proc rw 0 0\n", dir, sizeof(dir)) && errno == ENOENT, "... or nowhere");
    ok(find("x /tracing tracefs rw 0 0\n", dir, 5), "... or in a place that is too long");

    tracefs_filter(filter, sizeof(filter), 5, 3);
    ok(!strcmp(filter, "domid == 5 && serial == 3"), "filter: of a domain and a window");
    tracefs_filter(filter, sizeof(filter), 0, 0);
    ok(!strcmp(filter, "domid == 0"), "... of a domain");
    tracefs_filter(filter, sizeof(filter), ALL_DOMAINS, 3);
    ok(!strcmp(filter, "serial == 3"), "... of a window");
    tracefs_filter(filter, sizeof(filter), ALL_DOMAINS, 0);
    ok(!strcmp(filter, "0"), "... none");
}

int main(void)
{
    tap_begin("event");
    from_the_kernel();
    pieces();
    recordings();
    places();
    return tap_end();
}
