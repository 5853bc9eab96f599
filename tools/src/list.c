/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend list */
#include <getopt.h>
#include <stdio.h>

#include "tool.h"

int cmd_list(int argc, char **argv)
{
    static const struct option longs[] = { { "domain", required_argument, NULL, 'd' }, { 0 } };
    struct xenlend_window_info w;
    uint32_t domain = UINT32_MAX;
    xenlend_handle *h;
    int c, r, shown = 0;

    while ((c = getopt_long(argc, argv, "d:", longs, NULL)) != -1) {
        if (c != 'd')
            return usage_error("list: bad options");
        if (parse_domain(optarg, &domain))
            return usage_error("'%s' is no domain number", optarg);
    }
    if (optind < argc)
        return usage_error("list: what is '%s'?", argv[optind]);

    h = xenlend_open(NULL, 0);
    if (!h)
        return EXIT_FAILED;
    w.serial = 0;
    while ((r = xenlend_next(h, w.serial, &w)) == 1) {
        if (domain != UINT32_MAX && w.domid != domain)
            continue;
        if (!shown++)
            printf("%5s %6s %18s %7s %7s %-4s %-6s %-5s %7s %s\n", "DOM", "WINDOW", "ADDRESS", "SIZE", "LENT", "MODE",
                   "POLICY", "STATE", "PID", "PROCESS");
        printf("%5u %6u %#18llx %7s %7s %-4s %-6s %-5s %7u %s\n", w.domid, w.id, (unsigned long long)w.gpa,
               show_size(w.len), show_size(w.stats.pages_lent * XENLEND_PAGE_SIZE),
               w.flags & XENLEND_WINDOW_WRITE ? "rw" : "ro",
               w.policy == XENLEND_POLICY_ONES ? "ones" : w.policy == XENLEND_POLICY_FAULT ? "fault" : "?",
               w.dead ? "dead" : "live", w.pid, process_name(w.pid));
    }
    xenlend_close(h);
    if (r < 0)
        return EXIT_FAILED;
    if (!shown)
        fputs("No memory is lent.\n", stderr);
    return EXIT_OK;
}
