/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lender does to the memory behind the window: ordinary system
 * calls, the same code over xenlend and over KVM.
 */
#ifndef BENCH_LENDER_OPS_H
#define BENCH_LENDER_OPS_H

#include <stddef.h>
#include <stdint.h>

enum lender_kind {
	LENDER_MEMFD,		/* shared, page cache: keeps its content */
	LENDER_ANON,		/* private anonymous: MADV_DONTNEED empties it */
	LENDER_NR_KINDS,
};

extern const char *const lender_kind_name[LENDER_NR_KINDS];

/* Address space only, aligned to 2 MiB. */
void *lender_reserve(size_t len);

/*
 * New memory in place of whatever was there; nothing of it is present.
 * Small pages, whatever the system's setting.
 */
int lender_place(void *span, size_t len, enum lender_kind kind);

/* The same in pages of 2 MiB; it fails where the kernel has none (ENOTSUP). */
int lender_place_huge(void *span, size_t len);

/* The lender touches every page: value + page, where the guest looks. */
void lender_fill(void *span, size_t pages, uint64_t value);

/* Pages that do not hold value + page. */
size_t lender_check(const void *span, size_t pages, uint64_t value);

/*
 * Take memory away from whoever has it mapped, as any program may.  Both give
 * the TSC ticks that the system call took, or 0 if it failed.
 */
uint64_t lender_drop(void *at, size_t len);	/* MADV_DONTNEED */
uint64_t lender_forbid(void *at, size_t len);	/* mprotect(PROT_NONE) */

int lender_allow(void *at, size_t len);		/* and back */

#endif
