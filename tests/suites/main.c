// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *   xltest --list [pv|pvh [short|hypervisor|driver]]  the suites of that lender, in order; or the short form of it, what of that is about Xen, or the driver's
 *   xltest SUITE                     one suite: TAP on standard output
 *   xltest fuzz SECONDS [SEED]       that one for so long, and again the same random numbers
 *   xltest --sweep                   destroys every domain but this one: after a suite that died
 */
#include "suites.h"

#define X(n, l, f) { #n, suite_##n, l, f },
static const struct suite suites[] = { SUITES(X) };
#undef X

static int sweep(void)
{
	xc_domaininfo_t info[64];
	int n, i, left = 0;

	xch = xc_interface_open(NULL, NULL, 0);
	if (!xch)
		return 1;
	n = xc_domain_getinfolist(xch, 1, 64, info);
	for (i = 0; i < n; i++)
		xc_domain_pause(xch, info[i].domain);
	for (i = 0; i < n; i++) {
		printf("# sweeping domain %u\n", info[i].domain);
		domain_destroy(info[i].domain);
		if (!domain_gone(info[i].domain, 20)) {
			printf("# domain %u stays\n", info[i].domain);
			left++;
		}
	}
	return left != 0;
}

int main(int argc, char **argv)
{
	unsigned i, skip_flags, want_flags;

	if (argc >= 2 && !strcmp(argv[1], "--list")) {
		skip_flags = argc > 2 && !strcmp(argv[2], "pvh") ? PV_ONLY : 0;
		want_flags = 0;
		if (argc > 3 && !strcmp(argv[3], "short"))
			skip_flags |= LONG;
		if (argc > 3 && !strcmp(argv[3], "hypervisor"))
			skip_flags |= LONG | DRIVER;
		if (argc > 3 && !strcmp(argv[3], "driver"))
			want_flags = DRIVER;
		for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
			if (!(suites[i].flags & (suites[i].flags & BOTH ? skip_flags & ~DRIVER : skip_flags)) && (suites[i].flags & want_flags) == want_flags)
				printf("%s %u\n", suites[i].name, suites[i].limit);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--sweep"))
		return sweep();
	if (argc == 3 && !strcmp(argv[1], "--save"))
		return save_by_library(atoi(argv[2]));
	if (argc >= 3 && !strcmp(argv[1], "fuzz")) {
		fuzz_seconds = strtoul(argv[2], NULL, 0);
		fuzz_seed = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	}
	for (i = 0; argc >= 2 && i < sizeof(suites) / sizeof(suites[0]); i++)
		if (!strcmp(suites[i].name, argv[1])) {
			tap_begin(suites[i].name);
			tap_limit(suites[i].limit + (suites[i].run == suite_fuzz ? fuzz_seconds : 0));
			suites[i].run();
			return tap_end();
		}
	fprintf(stderr, "usage: xltest --list [pv|pvh [short|hypervisor|driver]] | --sweep | SUITE | fuzz SECONDS [SEED]\n");
	return 2;
}
