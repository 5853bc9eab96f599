/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of numbers in and out.  TAP on stdout. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xenlend.h>

#include "text.h"
#include "tap.h"

static void size(const char *text, int good, uint64_t want)
{
    uint64_t v = 99;
    int r = parse_size(text, &v);

    ok(good ? !r && v == want : r < 0, "size '%s'", text);
}

static void shown(const char *got, const char *want)
{
    if (!ok(!strcmp(got, want), "shown as %s", want))
        note("as %s", got);
}

int main(void)
{
    uint64_t v;
    double s;
    uint32_t d;

    tap_begin("text");
    size("0", 1, 0);
    size("4096", 1, 4096);
    size("010", 1, 10);
    size("0x1000", 1, 4096);
    size("0XfF", 1, 255);
    size("8G", 1, 8ull << 30);
    size("0x10k", 1, 16 << 10);
    size("16777215T", 1, 16777215ull << 40);
    size("16777216T", 0, 0);
    size("18446744073709551615", 1, UINT64_MAX);
    size("18446744073709551616", 0, 0);
    size("", 0, 0);
    size("-1", 0, 0);
    size(" 1", 0, 0);
    size("+1", 0, 0);
    size("1KB", 0, 0);
    size("1X", 0, 0);
    size("K", 0, 0);
    size("0x", 0, 0);
    size("1.5M", 0, 0);
    ok(parse_u64("1K", &v) < 0, "a plain number has no suffix");
    ok(!parse_u64("7", &v) && v == 7, "a plain number");

    ok(!parse_domain("32751", &d) && d == 32751, "the last domain");
    ok(parse_domain("32752", &d) && parse_domain("0x10005", &d) && parse_domain("", &d) && parse_domain("1K", &d),
       "domains that are none");

    ok(!parse_seconds("0.25", &s) && s == 0.25, "seconds");
    ok(parse_seconds("0", &s) && parse_seconds("-1", &s) && parse_seconds("nan", &s) && parse_seconds("inf", &s) &&
       parse_seconds("1s", &s) && parse_seconds("", &s) && parse_seconds("1e9", &s), "seconds that are none");

    shown(show_size(0), "0B");
    shown(show_size(1023), "1023B");
    shown(show_size(4096), "4K");
    shown(show_size(1536), "1.5K");
    shown(show_size(64 << 20), "64M");
    shown(show_size(UINT64_MAX), "16.0E");
    shown(show_ns(0), "0ns");
    shown(show_ns(999), "999ns");
    shown(show_ns(1500), "1.5us");
    shown(show_ns(123456), "123us");
    shown(show_ns(2500000), "2.5ms");
    shown(show_ns(12345678901), "12s");

    ok(!strcmp(process_name(0), "-") && !strcmp(process_name(4000000000u), "-"), "no such process");
    ok(strcmp(process_name(getpid()), "-") != 0, "this process has a name");
    unsigned p = 99;

    ok(!parse_policy("ones", &p) && p == XENLEND_POLICY_ONES, "policy ones");
    ok(!parse_policy("fault", &p) && p == XENLEND_POLICY_FAULT, "policy fault");
    ok(!parse_policy("crash", &p) && p == XENLEND_POLICY_CRASH, "policy crash");
    ok(!parse_policy("hold", &p) && p == XENLEND_POLICY_HOLD, "policy hold");
    ok(parse_policy("", &p) && parse_policy("one", &p) && parse_policy("Ones", &p) && p == XENLEND_POLICY_HOLD,
       "no policy: nothing changes");
    shown(policy_name(XENLEND_POLICY_CRASH), "crash");
    shown(policy_name(4), "?");
    return tap_end();
}
