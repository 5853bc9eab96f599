/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All tests in C report here; output is TAP with the plan at the end. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdint.h>

void tap_begin(const char *suite);
/* Prints the plan; the exit status of the suite: 0 if all passed. */
int tap_end(void);

bool ok(bool cond, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Numbers, printed in decimal when they differ. */
bool eq(long got, long want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* ... in hexadecimal */
bool eqx(uint64_t got, uint64_t want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* An errno call's result, 0 or negative, printed by name. */
bool err(long got, long want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void skip(const char *what, const char *why, ...) __attribute__((format(printf, 2, 3)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What is going on, for the message when the suite dies or meets its time limit. */
void at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The suite cannot go on: not ok, plan, cleanup, exit. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Called once before the process ends, however it ends (but SIGKILL). */
extern void (*tap_cleanup)(void);

/* Ends the suite after so many seconds; also arms handlers for SIGTERM, SIGSEGV, ... */
void tap_limit(unsigned seconds);

#endif
