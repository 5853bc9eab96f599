// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "lender-ops.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

const char *const lender_kind_name[LENDER_NR_KINDS] = {
	[LENDER_MEMFD] = "memfd",
	[LENDER_ANON] = "anon",
};

void *lender_reserve(size_t len)
{
	const size_t align = 2UL << 20;
	uint8_t *p = mmap(NULL, len + align, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t skip;

	if (p == MAP_FAILED)
		return NULL;
	skip = -(uintptr_t)p & (align - 1);
	if (skip)
		munmap(p, skip);
	munmap(p + skip + len, align - skip);
	return p + skip;
}

int lender_place(void *span, size_t len, enum lender_kind kind)
{
	int flags = MAP_FIXED, fd = -1, r = -1;

	if (kind == LENDER_MEMFD) {
		fd = memfd_create("bench", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)len))
			goto out;
		flags |= MAP_SHARED;
	} else {
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	}
	if (mmap(span, len, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED)
		goto out;
	/* Fails where the kernel has no huge pages: nothing to forbid then. */
	(void)madvise(span, len, MADV_NOHUGEPAGE);
	r = 0;
out:
	if (fd >= 0)
		close(fd);
	return r;
}

int lender_place_huge(void *span, size_t len)
{
	if (mmap(span, len, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return -1;
	if (madvise(span, len, MADV_HUGEPAGE)) {
		errno = ENOTSUP;
		return -1;
	}
	return 0;
}

static volatile uint64_t *word(const void *span, size_t page)
{
	return (volatile uint64_t *)((uint8_t *)span + page * BENCH_PAGE +
				     (page * 64 & (BENCH_PAGE - 1)));
}

void lender_fill(void *span, size_t pages, uint64_t value)
{
	size_t i;

	for (i = 0; i < pages; i++)
		*word(span, i) = value + i;
}

size_t lender_check(const void *span, size_t pages, uint64_t value)
{
	size_t i, bad = 0;

	for (i = 0; i < pages; i++)
		bad += *word(span, i) != value + i;
	return bad;
}

uint64_t lender_drop(void *at, size_t len)
{
	uint64_t t0 = bench_tsc();
	int rc;

	BENCH_MARK(3);
	rc = madvise(at, len, MADV_DONTNEED);
	BENCH_MARK(4);
	return rc ? 0 : bench_tsc() - t0;
}

uint64_t lender_forbid(void *at, size_t len)
{
	uint64_t t0 = bench_tsc();

	if (mprotect(at, len, PROT_NONE))
		return 0;
	return bench_tsc() - t0;
}

int lender_allow(void *at, size_t len)
{
	return mprotect(at, len, PROT_READ | PROT_WRITE);
}
