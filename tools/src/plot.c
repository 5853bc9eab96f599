/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenlend plot: what trace recorded, as a picture. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "replay.h"
#include "svg.h"
#include "tool.h"

int cmd_plot(int argc, char **argv)
{
    static const struct option longs[] = {
        { "output", required_argument, NULL, 'o' },
        { 0 },
    };
    const char *file, *picture = NULL;
    struct record r = { 0 };
    struct replay_sum sum;
    char title[200], lost[60] = "";
    int c, rc = EXIT_FAILED;
    long bad;
    FILE *f;

    while ((c = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (c != 'o')
            return usage_error("plot: bad options");
        picture = optarg;
    }
    if (optind + 1 != argc)
        return usage_error("plot: one recording, please");
    if (!picture)
        return usage_error("plot: which picture is to be written (-o)?");
    file = argv[optind];

    f = fopen(file, "re");
    if (!f) {
        say(errno, "%s", file);
        return EXIT_FAILED;
    }
    bad = replay(f, &r, &sum);
    if (bad > 0)
        say(0, "%s: line %ld is not of a recording of xenlend trace", file,
            bad);
    else if (bad)
        say(errno, "%s", file);
    fclose(f);
    if (bad)
        goto out;

    if (sum.lost)
        snprintf(lost, sizeof(lost), " (%llu events are missing)",
                 (unsigned long long)sum.lost);
    snprintf(title, sizeof(title), "%u window%s, %llu fault%s of the guest, "
             "%llu page%s taken back%s", sum.windows,
             sum.windows == 1 ? "" : "s", (unsigned long long)sum.faults,
             sum.faults == 1 ? "" : "s", (unsigned long long)sum.revoked,
             sum.revoked == 1 ? "" : "s", lost);
    if (svg_write(picture, &r, 0, title, "seconds since the recording began"))
        say(errno, "%s", picture);
    else
        rc = EXIT_OK;
out:
    record_free(&r);
    return rc;
}
