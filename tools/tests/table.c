/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of what list and stat print, to the letter.  TAP on stdout. */
#include <stdlib.h>
#include <string.h>

#include "../src/table.h"
#include "tap.h"

static char *text;
static size_t size;

static FILE *begin(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &size);
}

static void printed(int r, FILE *f, const char *want, const char *what)
{
    fclose(f);
    if (ok(!r && !strcmp(text, want), "%s", what))
        return;
    note("returned %d, printed:", r);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        note("|%s|", line);
}

int main(void)
{
    struct window w[2] = {
        { .info = { .serial = 7, .domid = 5, .id = 1, .gpa = 0x200000000, .len = 64 << 20, .flags = XENLEND_WINDOW_WRITE,
                    .policy = XENLEND_POLICY_ONES }, .stats = { .pages_lent = 3 } },
        { .info = { .serial = 9, .domid = 32751, .id = 12, .gpa = 0x800000000, .len = 4096, .policy = XENLEND_POLICY_FAULT,
                    .dead = 1, .pid = 4000000000u } },
    };
    struct window later[2] = { w[1], w[0] };
    struct windows none = { 0 }, both = { w, 2, 2 }, first = { w, 1, 1 }, after = { later, 2, 2 };
    FILE *f;

    tap_begin("table");
    f = begin();
    printed(table_windows(f, &none), f, "", "list: no windows");
    f = begin();
    printed(table_windows(f, &both), f,
            "  DOM WINDOW SERIAL     ADDRESS  SIZE  LENT MODE POLICY STATE        PID PROCESS\n"
            "    5      1      7 0x200000000   64M   12K rw   ones   live           0 -\n"
            "32751     12      9 0x800000000    4K    0B ro   fault  dead  4000000000 -\n", "list: two windows");

    w[0].stats = (struct xenlend_stats){
        .pages_lent = 1, .faults_read = 20, .faults_write = 5, .upgrades = 4, .around = 6, .copies = 7, .lends = 18446744073709551615u,
        .lend_calls = 9, .revokes = 10, .revoke_calls = 11, .invalidations = 12, .refaults = 13, .retries = 14,
        .errors = 15, .stalls = 16, .holds = 20, .vcpus_held = 21, .interrupts = 22, .ahead = 23, .unused = 24, .to_device = 25, .to_ram = 26, .large = 27,
        .fault_max_ns = 17000000, .fault_total_ns = 25 * 12345, .revoke_max_ns = 19,
        .revoke_total_ns = 11 * 2000,
    };
    f = begin();
    printed(table_totals(f, &w[0]), f,
            "domain 5, window 1 at 0x200000000, 64M, process 0 (-)\n"
            "  pages lent now                                        1\n"
            "  vCPUs that wait now                                  21\n"
            "  faults on reads                                      20\n"
            "  faults on writes                                      5\n"
            "    again on a page lent before                        13\n"
            "    that made a page writable                           4\n"
            "    served without a worker                            22\n"
            "    met the policy                                     15\n"
            "    made a vCPU wait                                   20\n"
            "    without progress                                   16\n"
            "  accesses served by value                              7\n"
            "  pages lent                         18446744073709551615\n"
            "    with a neighbour's fault                            6\n"
            "    brought ahead of a sequence                        23\n"
            "    512 at once, as one of 2 MiB                       27\n"
            "    moved from RAM to a device                         25\n"
            "    moved from a device to RAM                         26\n"
            "    hypercalls                                          9\n"
            "  changes of the span's mappings                       12\n"
            "    that made a fault try again                        14\n"
            "  pages revoked                                        10\n"
            "    before the guest had used them                     24\n"
            "    hypercalls                                         11\n"
            "  time for a fault, mean                             12us\n"
            "    longest                                          17ms\n"
            "  time for a revoke, mean                           2.0us\n"
            "    longest                                          19ns\n", "stat: totals");

    later[1].stats = (struct xenlend_stats){
        .pages_lent = 123, .faults_read = 30, .faults_write = 25, .refaults = 23, .lends = 99, .revokes = 50,
        .revoke_calls = 13, .errors = 16, .fault_max_ns = 18000000, .fault_total_ns = 25 * 12345 + 30 * 1000,
        .revoke_total_ns = 11 * 2000 + 2 * 5000,
    };
    w[0].stats.lends = 9;
    f = begin();
    printed(table_interval(f, &none, &none, 1, true), f, "    - no memory is lent\n", "stat: nothing in an interval");
    f = begin();
    printed(table_interval(f, &first, &after, 2, true), f,
            "  DOM WINDOW     LENT  FAULT/s  AGAIN/s   LEND/s  REVOK/s    FAULT MAXFAULT   REVOKE ERRORS STATE\n"
            "32751     12        0        0        0        0        0        -      0ns        -      0 dead\n"
            "    5      1      123       15        5       45       20    1.0us     18ms    5.0us      1 live\n",
            "stat: an interval of two seconds, with a window that is new");
    f = begin();
    printed(table_interval(f, &both, &both, 1, false), f,
            "    5      1        1        0        0        0        0        -     17ms        -      0 live\n"
            "32751     12        0        0        0        0        0        -      0ns        -      0 dead\n",
            "stat: an interval in which nothing happened, in the same columns");

    f = begin();
    printed(table_latency(f, &w[0], NULL), f,
            "domain 5, window 1 at 0x200000000, 64M, process 0 (-)\n"
            "  0 faults\n"
            "  0 revokes\n", "stat -l: of nothing");
    w[0].stats.fault_us[0] = 1;
    w[0].stats.fault_us[4] = 89;
    w[0].stats.fault_us[6] = 8;
    w[0].stats.fault_us[11] = 2;
    w[0].stats.revoke_us[22] = 1;
    w[0].stats.revoke_us[23] = 1;
    f = begin();
    printed(table_latency(f, &w[0], NULL), f,
            "domain 5, window 1 at 0x200000000, 64M, process 0 (-)\n"
            "  100 faults: percentile 50 below 16us, 90 below 16us, 99 below 2.0ms\n"
            "       BELOW        COUNT   SHARE \n"
            "       1.0us            1    1.0% #\n"
            "       2.0us            0    0.0% \n"
            "       4.0us            0    0.0% \n"
            "       8.0us            0    0.0% \n"
            "        16us           89   89.0% ########################################\n"
            "        32us            0    0.0% \n"
            "        64us            8    8.0% ####\n"
            "       128us            0    0.0% \n"
            "       256us            0    0.0% \n"
            "       512us            0    0.0% \n"
            "       1.0ms            0    0.0% \n"
            "       2.0ms            2    2.0% #\n"
            "  2 revokes: percentile 50 below 4.2s, 90 not below 4.2s, 99 not below 4.2s\n"
            "       BELOW        COUNT   SHARE \n"
            "        4.2s            1   50.0% ########################################\n"
            "        more            1   50.0% ########################################\n", "stat -l: a distribution");
    later[1].stats = w[0].stats;
    later[1].stats.fault_us[2] = 3;
    later[1].stats.fault_us[4] += 1;
    f = begin();
    printed(table_latency(f, &later[1], &w[0]), f,
            "domain 5, window 1 at 0x200000000, 64M, process 0 (-)\n"
            "  4 faults: percentile 50 below 4.0us, 90 below 16us, 99 below 16us\n"
            "       BELOW        COUNT   SHARE \n"
            "       4.0us            3   75.0% ########################################\n"
            "       8.0us            0    0.0% \n"
            "        16us            1   25.0% #############\n"
            "  0 revokes\n", "stat -l: of an interval");
    free(text);
    return tap_end();
}
