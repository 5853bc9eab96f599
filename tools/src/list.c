/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend list */
#include <getopt.h>
#include <stdio.h>

#include "table.h"
#include "tool.h"

int cmd_list(int argc, char **argv)
{
    static const struct option longs[] = { { "domain", required_argument, NULL, 'd' }, { 0 } };
    uint32_t domain = ALL_DOMAINS;
    struct windows ws = { 0 };
    xenlend_handle *h;
    int c, rc = EXIT_FAILED;

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
    if (!windows_read(&ws, h, domain) && !table_windows(stdout, &ws))
        rc = EXIT_OK;
    if (rc == EXIT_OK && !ws.n)
        fputs("No memory is lent.\n", stderr);
    windows_free(&ws);
    xenlend_close(h);
    return rc;
}
