// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static const char *suite;
static int count, failed;
static char where[200], stage[200];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t owner;
void (*tap_cleanup)(void);

void tap_begin(const char *name)
{
	suite = name;
	owner = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# suite: %s\n", name);
}

int tap_end(void)
{
	void (*f)(void) = tap_cleanup;

	tap_cleanup = NULL;
	if (f)
		f();
	printf("1..%d\n", count);
	fflush(stdout);
	return failed ? 1 : 0;
}

static bool report(const char *line, bool cond, const char *detail, const char *fmt, va_list va)
{
	char text[300];

	vsnprintf(text, sizeof(text), fmt, va);
	pthread_mutex_lock(&lock);
	count++;
	if (!cond)
		failed++;
	printf("%sok %d - %s\n", cond ? "" : "not ", count, text);
	if (!cond && detail)
		printf("#   %s\n", detail);
	if (!cond) {
		/* wherever it was built */
		const char *tests = strstr(line, "/tests/");

		printf("#   %s%s%s\n", tests ? tests + 1 : line, stage[0] ? ", at: " : "", stage);
	}
	fflush(stdout);
	snprintf(where, sizeof(where), "after: %.180s", text);
	pthread_mutex_unlock(&lock);
	return cond;
}

bool tap_ok(const char *line, bool cond, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	report(line, cond, NULL, fmt, va);
	va_end(va);
	return cond;
}

bool tap_eq(const char *line, long got, long want, const char *fmt, ...)
{
	char d[100];
	va_list va;

	snprintf(d, sizeof(d), "got %ld, want %ld", got, want);
	va_start(va, fmt);
	report(line, got == want, d, fmt, va);
	va_end(va);
	return got == want;
}

bool tap_eqx(const char *line, uint64_t got, uint64_t want, const char *fmt, ...)
{
	char d[100];
	va_list va;

	snprintf(d, sizeof(d), "got %#lx, want %#lx", (long)got, (long)want);
	va_start(va, fmt);
	report(line, got == want, d, fmt, va);
	va_end(va);
	return got == want;
}

static const char *name(long e, char *buf, size_t n)
{
	const char *s = e < 0 ? strerrorname_np(-e) : NULL;

	if (s)
		snprintf(buf, n, "-%s", s);
	else
		snprintf(buf, n, "%ld", e);
	return buf;
}

bool tap_err(const char *line, long got, long want, const char *fmt, ...)
{
	char d[100], a[32], b[32];
	va_list va;

	snprintf(d, sizeof(d), "got %s, want %s", name(got, a, sizeof(a)), name(want, b, sizeof(b)));
	va_start(va, fmt);
	report(line, got == want, d, fmt, va);
	va_end(va);
	return got == want;
}

void skip(const char *what, const char *why, ...)
{
	char text[300];
	va_list va;

	va_start(va, why);
	vsnprintf(text, sizeof(text), why, va);
	va_end(va);
	pthread_mutex_lock(&lock);
	printf("ok %d - %s # SKIP %s\n", ++count, what, text);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

void note(const char *fmt, ...)
{
	char text[400];
	va_list va;

	va_start(va, fmt);
	vsnprintf(text, sizeof(text), fmt, va);
	va_end(va);
	printf("# %s\n", text);
	fflush(stdout);
}

void at(const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	vsnprintf(stage, sizeof(stage), fmt, va);
	va_end(va);
	memcpy(where, stage, sizeof(where));
}

/* In signal handlers printf is a risk taken: the alternative is a suite that ends without a word. */
static void finish_badly(const char *why)
{
	void (*f)(void) = tap_cleanup;

	tap_cleanup = NULL;
	printf("not ok %d - suite %s: %s, %s\n", ++count, suite, why, where);
	fflush(stdout);
	if (f)
		f();
	printf("1..%d\n", count);
	fflush(stdout);
	_exit(1);
}

void die(const char *fmt, ...)
{
	char text[300];
	va_list va;

	va_start(va, fmt);
	vsnprintf(text, sizeof(text), fmt, va);
	va_end(va);
	if (getpid() != owner) {
		printf("# child: %s\n", text);
		_exit(99);
	}
	finish_badly(text);
	abort();
}

static void on_signal(int sig)
{
	char text[64];

	if (getpid() != owner)
		_exit(98);
	signal(SIGALRM, SIG_DFL);
	alarm(60);	/* the cleanup may hang too */
	snprintf(text, sizeof(text), sig == SIGALRM ? "time limit" : "died of signal %d", sig);
	finish_badly(text);
}

unsigned tap_patience(void)
{
	const char *patience = getenv("XENLEND_PATIENCE");

	return patience && atoi(patience) > 0 ? atoi(patience) : 1;
}

void tap_limit(unsigned seconds)
{
	static const int sigs[] = { SIGALRM, SIGTERM, SIGINT, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	unsigned i;

	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		signal(sigs[i], on_signal);
	signal(SIGPIPE, SIG_IGN);
	alarm(seconds * tap_patience());
}
