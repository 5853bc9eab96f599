/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_H
#define TOOL_H

#include <stdint.h>

#include <xenlend.h>

#include "text.h"

int cmd_list(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_plot(int argc, char **argv);
int cmd_lend(int argc, char **argv);
int cmd_targets(int argc, char **argv);

#endif
