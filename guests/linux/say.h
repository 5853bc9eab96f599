/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a program in a Linux guest talks to a suite in the lender domain (tests/harness/linuxguest.h), over the console, in lines
 * that start with "gpu: ".  "gpu: ok WORDS" and "gpu: not ok WORDS" are tests, "gpu: wait WORD" means that it waits for a line.
 */
#ifndef SAY_H
#define SAY_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int check(bool good, const char *fmt, ...)
{
	int err = errno;
	char text[200];
	va_list va;

	va_start(va, fmt);
	vsnprintf(text, sizeof(text), fmt, va);
	va_end(va);
	if (good)
		printf("gpu: ok %s\n", text);
	else
		printf("gpu: not ok %s (%s)\n", text, strerror(err));
	return good;
}

static void await(const char *what)
{
	char line[80];

	printf("gpu: wait %s\n", what);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
}

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

/* What the kernel's command line has after a word, to its end; NULL if it does not have it. */
static inline const char *asked(const char *word)
{
	static char line[2000];
	FILE *f = fopen("/proc/cmdline", "r");
	const char *at = f && fgets(line, sizeof(line), f) ? strstr(line, word) : NULL;

	if (f)
		fclose(f);
	return at ? at + strlen(word) : NULL;
}

#endif
