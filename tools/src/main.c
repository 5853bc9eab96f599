/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The xenlend command. */
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const char help[] =
    "Usage: xenlend COMMAND [OPTION]...\n"
    "Memory lent to Xen guests by this domain.\n"
    "\n"
    "  xenlend list [-d DOMAIN]\n"
    "      the windows there are\n"
    "\n"
    "  xenlend stat [-d DOMAIN] [-l] [-i SECONDS [-n COUNT]]\n"
    "      their counters: totals, or with -i what happened in each interval;\n"
    "      with -l (--latency) how long faults and revokes took\n"
    "\n"
    "  xenlend trace [-d DOMAIN] [-w SERIAL] [-n COUNT] [-s SECONDS] [-o FILE]\n"
    "      each fault, lend, revoke, ... as it happens, or with -o in a file\n"
    "\n"
    "  xenlend plot FILE -o PICTURE\n"
    "      what such a file recorded, over time, as SVG\n"
    "\n"
    "  xenlend lend FILE --domain DOMAIN [OPTION]...\n"
    "      lend a file's pages to a guest, until interrupted or the guest ends\n"
    "        --gpa ADDRESS      where in the guest (chosen, and printed)\n"
    "        --offset SIZE      start in the file (0)\n"
    "        --length SIZE      bytes (to the end of the file)\n"
    "        --read-only        the guest may only read\n"
    "        --policy POLICY    for what cannot be served: ones (default), fault, crash or hold\n"
    "        --wait             wait for the domain to appear\n"
    "\n"
    "  xenlend targets add|remove DOMAIN GUEST\n"
    "      in dom0: a driver domain may lend to that guest, or no longer\n"
    "\n"
    "ADDRESS is guest-physical, SIZE takes K, M, G or T; both may be 0x...\n"
    "Details: xenlend(1)\n";

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        { "list", cmd_list },
        { "stat", cmd_stat },
        { "trace", cmd_trace },
        { "plot", cmd_plot },
        { "lend", cmd_lend },
        { "targets", cmd_targets },
    };

    if (argc < 2)
        return usage_error("which command?");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        fputs(help, stdout);
        return EXIT_OK;
    }
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    return usage_error("unknown command '%s'", argv[1]);
}
