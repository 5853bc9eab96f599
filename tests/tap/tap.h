/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All tests in C report here; output is TAP with the plan at the end. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdint.h>

void tap_begin(const char *suite);
/* Prints the plan; the exit status of the suite: 0 if all passed. */
int tap_end(void);

/*
 * A test: its condition and its words, as for printf.  A failure also says which line of the suite it is, and what at() said
 * last.  A case in a loop needs what differs in its words, or in at()'s: else nobody can tell which one it was.
 */
#define ok(cond, ...)		tap_ok(TAP_LINE, cond, __VA_ARGS__)
/* Numbers, printed in decimal when they differ. */
#define eq(got, want, ...)	tap_eq(TAP_LINE, got, want, __VA_ARGS__)
/* ... in hexadecimal */
#define eqx(got, want, ...)	tap_eqx(TAP_LINE, got, want, __VA_ARGS__)
/* An errno call's result, 0 or negative, printed by name. */
#define err(got, want, ...)	tap_err(TAP_LINE, got, want, __VA_ARGS__)

#define TAP_TEXT_(x)	#x
#define TAP_TEXT(x)	TAP_TEXT_(x)
#define TAP_LINE	(__FILE__ ":" TAP_TEXT(__LINE__))
bool tap_ok(const char *line, bool cond, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool tap_eq(const char *line, long got, long want, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool tap_eqx(const char *line, uint64_t got, uint64_t want, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool tap_err(const char *line, long got, long want, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

void skip(const char *what, const char *why, ...) __attribute__((format(printf, 2, 3)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What is going on, for the message when a test fails, or the suite dies or meets its time limit. */
void at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The suite cannot go on: not ok, plan, cleanup, exit. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Called once before the process ends, however it ends (but SIGKILL). */
extern void (*tap_cleanup)(void);

/* How many times as long as usual everything takes here: XENLEND_PATIENCE, or 1 */
unsigned tap_patience(void);
/* Ends the suite after so many seconds, or XENLEND_PATIENCE times as many; also arms handlers for SIGTERM, SIGSEGV, ... */
void tap_limit(unsigned seconds);

#endif
