/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages, numbers in and out, for all our programs. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>
#include <stdio.h>

/* Exit codes */
#define EXIT_OK     0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

/* "program: message: strerror(err)" on stderr, without the last if err is 0 */
void say(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and "try --help"; returns EXIT_USAGE. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Numbers, decimal or 0x...; sizes also with a suffix K, M, G or T.  Return 0,
 * or -1 if the text is not a number of that kind, or too large.
 */
int parse_u64(const char *text, uint64_t *value);
int parse_size(const char *text, uint64_t *bytes);
/* A domain's number, of those that a guest can have */
int parse_domain(const char *text, uint32_t *domid);
/* Seconds as a decimal fraction, 1 ms to a day */
int parse_seconds(const char *text, double *seconds);

/* A policy of windows (XENLEND_POLICY_*) by its name: 0, or -1 if there is none
 * of that name.  Its name, "?" if it has none.  All names, for a message. */
int parse_policy(const char *text, unsigned *policy);
const char *policy_name(unsigned policy);
#define POLICIES "ones, fault, crash or hold"

/* "4K", "1.5M": in one of a few buffers that take turns */
const char *show_size(uint64_t bytes);
/* "12us", "3.4ms" */
const char *show_ns(uint64_t ns);

/* The name of a process, "-" if it cannot be had */
const char *process_name(uint32_t pid);

#endif
