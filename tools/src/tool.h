/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_H
#define TOOL_H

#include <stdint.h>

#include <xenlend.h>

/* Exit codes */
#define EXIT_OK     0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

int cmd_list(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_lend(int argc, char **argv);

/* text.c */

/* "xenlend: message: strerror(err)" on stderr, without the last if err is 0 */
void say(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and "try --help"; returns EXIT_USAGE. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Numbers, decimal or 0x...; sizes also with a suffix K, M, G or T.  Return 0,
 * or -1 if the text is not a number of that kind, or too large.
 */
int parse_u64(const char *text, uint64_t *value);
int parse_size(const char *text, uint64_t *bytes);
/* Seconds as a decimal fraction, 1 ms to a day */
int parse_seconds(const char *text, double *seconds);

/* "4K", "1.5M": in one of a few buffers that take turns */
const char *show_size(uint64_t bytes);
/* "12us", "3.4ms" */
const char *show_ns(uint64_t ns);

/* The name of a process, "-" if it cannot be had */
const char *process_name(uint32_t pid);

#endif
