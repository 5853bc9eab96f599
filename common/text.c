/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages, numbers in and out. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenlend.h>

#include "size.h"
#include "text.h"

#define LAST_DOMID 0x7fef   /* those from 0x7ff0 on stand for something else */

void say(int err, const char *fmt, ...)
{
    va_list al;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(al, fmt);
    vfprintf(stderr, fmt, al);
    va_end(al);
    if (err)
        fprintf(stderr, ": %s", strerror(err));
    fputc('\n', stderr);
}

int usage_error(const char *fmt, ...)
{
    va_list al;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(al, fmt);
    vfprintf(stderr, fmt, al);
    va_end(al);
    fprintf(stderr, "\nTry '%s --help'.\n", program_invocation_short_name);
    return EXIT_USAGE;
}

int parse_u64(const char *text, uint64_t *value)
{
    const char *end;

    return number_parse(text, &end, value) || *end ? -1 : 0;
}

int parse_size(const char *text, uint64_t *bytes)
{
    const char *end;

    return size_parse(text, &end, bytes) || *end ? -1 : 0;
}

int parse_domain(const char *text, uint32_t *domid)
{
    uint64_t v;

    if (parse_u64(text, &v) || v > LAST_DOMID)
        return -1;
    *domid = v;
    return 0;
}

int parse_seconds(const char *text, double *seconds)
{
    char *end;

    *seconds = strtod(text, &end);
    return end == text || *end || !isfinite(*seconds) || *seconds < 0.001 || *seconds > 86400 ? -1 : 0;
}

static const char *const policies[] = {
    [XENLEND_POLICY_ONES] = "ones",
    [XENLEND_POLICY_FAULT] = "fault",
    [XENLEND_POLICY_CRASH] = "crash",
    [XENLEND_POLICY_HOLD] = "hold",
};
#define NR_POLICIES (sizeof(policies) / sizeof(policies[0]))

int parse_policy(const char *text, unsigned *policy)
{
    for (unsigned i = 0; i < NR_POLICIES; i++)
        if (!strcmp(text, policies[i])) {
            *policy = i;
            return 0;
        }
    return -1;
}

const char *policy_name(unsigned policy)
{
    return policy < NR_POLICIES ? policies[policy] : "?";
}

static char *buffer(void)
{
    static char b[8][32];
    static unsigned next;

    return b[next++ % 8];
}

const char *show_size(uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    unsigned u = 0;
    uint64_t rest = 0;
    char *b = buffer();

    while (bytes >= 1024 && units[u + 1]) {
        rest = bytes % 1024;
        bytes /= 1024;
        u++;
    }
    if (rest && bytes < 100)
        snprintf(b, 32, "%.1f%c", bytes + rest / 1024.0, units[u]);
    else
        snprintf(b, 32, "%llu%c", (unsigned long long)bytes, units[u]);
    return b;
}

const char *show_ns(uint64_t ns)
{
    char *b = buffer();

    if (ns < 1000)
        snprintf(b, 32, "%uns", (unsigned)ns);
    else if (ns < 1000000)
        snprintf(b, 32, "%.*fus", ns < 10000, ns / 1e3);
    else if (ns < 1000000000)
        snprintf(b, 32, "%.*fms", ns < 10000000, ns / 1e6);
    else
        snprintf(b, 32, "%.*fs", ns < 10000000000, ns / 1e9);
    return b;
}

const char *process_name(uint32_t pid)
{
    static char name[32];
    char path[32];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%u/comm", pid);
    f = pid ? fopen(path, "re") : NULL;
    if (!f || !fgets(name, sizeof(name), f))
        strcpy(name, "-");
    if (f)
        fclose(f);
    name[strcspn(name, "\n")] = 0;
    /* A process names itself: nothing of that may move the cursor. */
    for (char *c = name; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    return name;
}
