// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *   xltest --list [pv|pvh|domu [short|hypervisor|driver|policy|all]]  the suites of that lender, in order; or the short form of it, what of that
 *                                    is about Xen, the driver's, those for a Xen with FLASK, or that and any other's as well;
 *                                    each with its time limit; "qemu": has guests with QEMU; "named": only for who asks for it
 *   xltest SUITE                     one suite: TAP on standard output
 *   xltest SUITE/hvm                 the same on guests of type HVM, with QEMU
 *   xltest fuzz SECONDS [SEED]       that one for so long, and again the same random numbers
 *   xltest --sweep                   destroys every domain but this one, or all that were built for it: after a suite that died
 *   xltest --toolstack DOMID         in dom0: builds domains for the suites of that driver domain, until it is gone
 */
#include "suites.h"
#include "toolstack.h"

#define X(n, l, f) { #n, suite_##n, l, f },
static const struct suite suites[] = { SUITES(X) };
#undef X

static int sweep(void)
{
	xen_open();
	tap_cleanup = NULL;
	return toolstack_sweep() != 0;
}

int main(int argc, char **argv)
{
	unsigned i, skip_flags, want_flags, extra = 0;
	const char *full = NULL;

	if (argc >= 2 && !strcmp(argv[1], "--list")) {
		bool domu = argc > 2 && !strcmp(argv[2], "domu");

		/* where a lender's kind leaves a suite out, it can still be had by name */
		skip_flags = argc > 2 && !strcmp(argv[2], "pvh") && (argc < 4 || strcmp(argv[3], "all")) ? PV_ONLY : 0;
		if (!domu)
			skip_flags |= DOMU_ONLY;
		if (argc < 4 || (strcmp(argv[3], "policy") && strcmp(argv[3], "all")))
			skip_flags |= FLASK;
		want_flags = domu ? DOMU : 0;
		if (argc > 3 && !strcmp(argv[3], "short"))
			skip_flags |= LONG | (domu ? DOMU_LONG : 0);
		if (argc > 3 && !strcmp(argv[3], "hypervisor"))
			skip_flags |= LONG | DRIVER;
		if (argc > 3 && !strcmp(argv[3], "driver"))
			want_flags |= DRIVER;
		if (argc > 3 && !strcmp(argv[3], "policy"))
			want_flags |= POLICY;
		for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
			if (!(suites[i].flags & (suites[i].flags & BOTH ? skip_flags & ~DRIVER : skip_flags)) && (suites[i].flags & want_flags) == want_flags)
				printf("%s %u%s\n", suites[i].name, suites[i].limit, suites[i].flags & QEMU ? " qemu" : "");
		/* ... and so can any with QEMU */
		for (i = 0; !domu && i < sizeof(suites) / sizeof(suites[0]); i++)
			if (!(suites[i].flags & (QEMU | DOMU_ONLY)))
				printf("%s/hvm %u %s\n", suites[i].name, suites[i].limit + HVM_EXTRA, suites[i].flags & HVM ? "qemu" : "named");
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--sweep"))
		return sweep();
	if (argc == 3 && !strcmp(argv[1], "--toolstack")) {
		xen_open();
		tap_cleanup = NULL;
		return toolstack_serve(atoi(argv[2]));
	}
	if (argc == 3 && !strcmp(argv[1], "--save"))
		return save_by_library(atoi(argv[2]));
	if (argc >= 2) {
		char *slash = strchr(argv[1], '/');

		full = strdup(argv[1]);
		if (slash && !strcmp(slash, "/hvm")) {
			*slash = 0;
			guests_hvm = true;
			extra = HVM_EXTRA;
		}
	}
	if (argc >= 3 && !strcmp(argv[1], "fuzz")) {
		fuzz_seconds = strtoul(argv[2], NULL, 0);
		fuzz_seed = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	}
	for (i = 0; argc >= 2 && i < sizeof(suites) / sizeof(suites[0]); i++)
		if (!strcmp(suites[i].name, argv[1])) {
			tap_begin(full);
			tap_limit(suites[i].limit + extra + (suites[i].run == suite_fuzz ? fuzz_seconds : 0));
			suites[i].run();
			return tap_end();
		}
	fprintf(stderr, "usage: xltest --list [pv|pvh|domu [short|hypervisor|driver|policy|all]] | --sweep | SUITE[/hvm] | fuzz SECONDS [SEED]\n");
	return 2;
}
