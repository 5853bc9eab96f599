// SPDX-License-Identifier: GPL-2.0-or-later
/* The books against a naive model of them, with every error that Xen may give. */
#include "fake-xen.h"

#include "../books.h"
#include "../request.h"

#include "tap.h"

#define N FAKE_SLOTS

static struct xlend_books b;
static unsigned long rng = 88172645463325252UL;

static unsigned long rnd(unsigned long n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

/* Slots that are wrong: lent in Xen and not in the books is the worst. */
static unsigned long leaks(void)
{
	unsigned long i, bad = 0;

	for (i = 0; i < N; i++)
		bad += fake_slot[i] && !test_bit(i, b.lent);
	return bad;
}

static unsigned long others(void)
{
	unsigned long i, bad = 0, n = 0;

	for (i = 0; i < N; i++) {
		bool lent = test_bit(i, b.lent), rw = test_bit(i, b.writable);

		n += lent;
		bad += lent && !fake_slot[i];
		bad += rw != !!(fake_slot[i] & XENMEM_LEND_WRITE);
		bad += lent && !test_bit(i, b.before);
		bad += lent && test_bit(i, b.device) != !!(fake_slot[i] & XENMEM_LEND_MMIO);
	}
	return bad + (n != b.nr_lent);
}

static void lend(unsigned long base, unsigned int nr, unsigned int target,
		 unsigned int nr_targets, struct xlend_pages *p)
{
	xlend_books_lock(&b);
	xlend_books_lend(&b, base, nr, target, nr_targets, p, NULL);
	xlend_books_unlock(&b);
}

static void revoke(unsigned long first, unsigned long last)
{
	xlend_books_lock(&b);
	xlend_books_revoke(&b, first, last);
	xlend_books_unlock(&b);
}

/* What the counts of what was lent must come to, by what changed. */
static unsigned long miscounted(const struct xlend_books *was, unsigned long base,
				unsigned int nr, unsigned int target,
				unsigned int nr_targets)
{
	struct xlend_counts c = was->counts;
	unsigned int i;

	/* a large entry was taken back on the way, and some of it lent anew */
	if (was->nr_large != b.nr_large)
		return 0;
	for (i = 0; i < nr; i++) {
		bool is_target = i - target < nr_targets;
		unsigned long slot = base + i;

		if (!test_bit(slot, b.lent))
			continue;
		if (!test_bit(slot, was->lent)) {
			c.lends++;
			c.around += !is_target;
			c.refaults += is_target && test_bit(slot, was->before);
			if (test_bit(slot, was->before)) {
				c.to_device += test_bit(slot, b.device) && !test_bit(slot, was->device);
				c.to_ram += !test_bit(slot, b.device) && test_bit(slot, was->device);
			}
		} else if (test_bit(slot, b.writable) && !test_bit(slot, was->writable)) {
			c.upgrades++;
		}
	}
	return (c.lends != b.counts.lends) + (c.around != b.counts.around) +
	       (c.refaults != b.counts.refaults) + (c.upgrades != b.counts.upgrades) +
	       (c.to_device != b.counts.to_device) + (c.to_ram != b.counts.to_ram);
}

/* A large entry, which Xen may refuse; what is wrong afterwards. */
static unsigned long large_wrong(unsigned long first)
{
	u64 frame = (1 + rnd(2)) * XLEND_LARGE | (rnd(2) ? XENMEM_LEND_WRITE : 0) |
		    (rnd(3) ? 0 : XENMEM_LEND_MMIO | XENMEM_LEND_WC);
	unsigned long i, wrong = 0, target = first + rnd(XLEND_LARGE), lent = 0, moved = 0;
	bool was = fake_large[first / XLEND_LARGE], rw = test_bit(first, b.writable);
	struct xlend_counts c = b.counts;
	u64 there = fake_slot[first];
	bool again = test_bit(target, b.before);
	int rc;

	for (i = first; i < first + XLEND_LARGE; i++) {
		lent += !!fake_slot[i];
		moved += test_bit(i, b.before) && test_bit(i, b.device) != !!(frame & XENMEM_LEND_MMIO);
	}
	fake_fail_rc = rnd(8) ? 0 : rnd(2) ? -ENOMEM : -EOPNOTSUPP;
	fake_fail_status = 0;
	wrong += xlend_books_fits_large(&b, first) != (was || !lent);
	xlend_books_lock(&b);
	rc = xlend_books_lend_large(&b, first, frame, target, NULL);
	xlend_books_unlock(&b);
	fake_fail_rc = 0;
	if (!rc) {
		wrong += lent && (!was || (there ^ frame) & ~XENMEM_LEND_WRITE);
		for (i = first; i < first + XLEND_LARGE; i++)
			wrong += !test_bit(i, b.lent);
		c.lends += was ? 0 : XLEND_LARGE;
		c.around += was ? 0 : XLEND_LARGE - 1;
		c.refaults += !was && again;
		c.large += !was;
		c.upgrades += was && !rw && (frame & XENMEM_LEND_WRITE) ? XLEND_LARGE : 0;
		if (!was && (frame & XENMEM_LEND_MMIO))
			c.to_device += moved;
		else if (!was)
			c.to_ram += moved;
	} else {
		/* nothing new, and nothing half */
		for (i = first; i < first + XLEND_LARGE; i++)
			wrong += was ? test_bit(i, b.lent) : test_bit(i, b.lent) != !!fake_slot[i];
	}
	wrong += c.lends != b.counts.lends || c.around != b.counts.around || c.refaults != b.counts.refaults ||
		 c.upgrades != b.counts.upgrades || c.large != b.counts.large || c.to_device != b.counts.to_device ||
		 c.to_ram != b.counts.to_ram;
	for (i = 0; i < N / XLEND_LARGE; i++)
		wrong += test_bit(i, b.large) != fake_large[i];
	return wrong;
}

static void model(void)
{
	unsigned long round, leaked = 0, wrong = 0, held = 0, failed = 0, lies = 0, counted = 0;
	unsigned long lent[BITS_TO_LONGS(N)], writable[BITS_TO_LONGS(N)], before[BITS_TO_LONGS(N)], device[BITS_TO_LONGS(N)];
	struct xlend_books was;
	struct xlend_pages p;

	for (round = 0; round < 100000; round++) {
		unsigned long base = rnd(N), i;
		unsigned int nr = 1 + rnd(min((unsigned long)XLEND_BATCH, N - base));
		unsigned int target = rnd(nr), nr_targets = 1 + rnd(nr - target);
		unsigned int kind = rnd(11);

		if (kind < 4) {
			unsigned long last = base + rnd(N - base);

			revoke(base, last);
			for (i = base; i <= last; i++)
				held += fake_slot[i] || test_bit(i, b.lent);
			continue;
		}
		if (kind == 10) {
			wrong += large_wrong(rnd(N / XLEND_LARGE) * XLEND_LARGE);
			leaked += leaks();
			wrong += others();
			continue;
		}
		for (i = 0; i < nr; i++) {
			/* mostly the frame that is there, if one is */
			p.frame[i] = rnd(8) ? base + i + 1000 : rnd(5000) + 1;
			/* from some time on there are devices, too */
			if (round > 20000 && !rnd(4))
				p.frame[i] |= XENMEM_LEND_MMIO | XENMEM_LEND_UC;
			if (rnd(2))
				p.frame[i] |= XENMEM_LEND_WRITE;
			p.lend[i] = rnd(5) || i - target < nr_targets;
			p.status[i] = 99;
		}
		fake_fail_rc = fake_fail_status = 0;
		if (kind == 8) {
			static const int errnos[] = { ENOMEM, EPERM, ENOENT, ESRCH, EFAULT, EBUSY, EINVAL };

			fake_fail_rc = -errnos[rnd(7)];
			fake_fail_after = rnd(nr + 1);
		} else if (kind == 9) {
			static const int errnos[] = { ENOMEM, EPERM, EBUSY, EINVAL, EOPNOTSUPP };

			fake_fail_status = -errnos[rnd(5)];
			fake_fail_each = 1 + rnd(7);
		}
		memcpy(lent, b.lent, sizeof(lent));
		memcpy(writable, b.writable, sizeof(writable));
		memcpy(before, b.before, sizeof(before));
		was = b;
		was.lent = lent;
		was.writable = writable;
		was.before = before;
		memcpy(device, b.device, sizeof(device));
		was.device = device;
		lend(base, nr, target, nr_targets, &p);
		for (i = target; i < target + nr_targets; i++) {
			failed += p.status[i] != 0;
			/* what is said to be lent is */
			lies += !p.status[i] && (!fake_slot[base + i] || !test_bit(base + i, b.lent));
			lies += p.status[i] == 99;
		}
		leaked += leaks();
		wrong += others();
		counted += miscounted(&was, base, nr, target, nr_targets);
	}
	fake_fail_rc = fake_fail_status = 0;
	eq(leaked, 0, "in 100,000 random calls with errors nothing is lent that the books do not know of");
	eq(wrong, 0, "... rights, the number of lent slots and what was lent once are right");
	eq(counted, 0, "... what was lent, around, again and for more is counted right");
	eq(held, 0, "... and nothing of a range that was revoked");
	eq(lies, 0, "... nothing is said to be lent that is not");
	ok(failed > 1000, "... of all that %lu slots failed", failed);
	eq(fake_broken, 0, "... no promise of Xen's was broken");
}

static void one(u64 frame, unsigned long slot)
{
	struct xlend_pages p = { .frame[0] = frame, .lend[0] = true };

	lend(slot, 1, 0, 1, &p);
}

static void details(void)
{
	struct xlend_pages p = { 0 };
	unsigned long calls;
	unsigned int i;

	revoke(0, N - 1);
	memset(&b.counts, 0, sizeof(b.counts));
	memset(b.before, 0, BITS_TO_LONGS(N) * sizeof(long));
	one(5, 10);
	eq(b.counts.lends, 1, "a slot: lent");
	eq(b.counts.around + b.counts.refaults + b.counts.upgrades, 0, "... and nothing else");
	one(5 | XENMEM_LEND_WRITE, 10);
	eq(b.counts.upgrades, 1, "the same for writing: an upgrade");
	one(5, 10);
	ok(xlend_books_has(&b, 10, true), "lent again for reading: writable all the same");
	revoke(10, 10);
	one(5, 10);
	eq(b.counts.refaults, 1, "lent again after a revoke: counted");
	ok(!xlend_books_has(&b, 10, true), "... and not writable");

	memset(b.device, 0, BITS_TO_LONGS(N) * sizeof(long));
	one(6, 40);
	eq(b.counts.to_device + b.counts.to_ram, 0, "RAM, lent for the first time: has not moved");
	revoke(40, 40);
	one(7 | XENMEM_LEND_MMIO | XENMEM_LEND_UC, 40);
	eq(b.counts.to_device, 1, "then a device's memory: it has");
	one(8 | XENMEM_LEND_MMIO | XENMEM_LEND_UC, 41);
	revoke(40, 41);
	one(6 | XENMEM_LEND_WC, 40);
	eq(b.counts.to_ram, 1, "and back");
	one(9 | XENMEM_LEND_MMIO | XENMEM_LEND_UC, 41);
	eq(b.counts.to_device, 1, "from one place in a device to another: it has not");

	/* neighbours that are lent with the same rights are left out */
	for (i = 0; i < 16; i++) {
		p.frame[i] = 100 + i;
		p.lend[i] = true;
	}
	lend(20, 16, 3, 1, &p);
	eq(b.counts.around, 15, "fifteen neighbours");
	for (i = 0; i < 16; i++)
		p.lend[i] = true;
	calls = fake_lends;
	lend(20, 16, 3, 1, &p);
	eq(fake_lends - calls, 1, "again: one call, for the target alone");

	/* one hypercall revokes over small gaps, not over large ones */
	revoke(0, N - 1);
	one(1, 0);
	one(2, 60);
	one(3, 250);
	calls = fake_revokes;
	revoke(0, N - 1);
	eq(fake_revokes - calls, 2, "slots 0, 60 and 250 are revoked by two calls");
	calls = fake_revokes;
	revoke(0, N - 1);
	eq(fake_revokes - calls, 0, "nothing lent: no call");

	one(7, 299);
	/* one entry for many slots */
	xlend_books_lock(&b);
	eq(xlend_books_lend_large(&b, XLEND_LARGE, XLEND_LARGE | XENMEM_LEND_WRITE, 600, NULL), 0, "a large entry");
	xlend_books_unlock(&b);
	ok(xlend_books_has(&b, XLEND_LARGE, true) && xlend_books_has(&b, 2 * XLEND_LARGE - 1, true), "... all of it is lent");
	one((XLEND_LARGE + 5) | XENMEM_LEND_WRITE, XLEND_LARGE + 5);
	ok(xlend_books_has(&b, 700, true), "... a slot of it, lent again as it is: nothing changes");
	calls = fake_revokes;
	revoke(700, 700);
	eq(fake_revokes - calls, 1, "one slot of it is revoked, by one call");
	ok(!b.nr_large && !xlend_books_has(&b, XLEND_LARGE, false) && !xlend_books_has(&b, 2 * XLEND_LARGE - 1, false),
	   "... and with it all of it");
	one(9, 299);

	xlend_books_close(&b);
	eq(b.nr_lent, 0, "closing takes all back");
	ok(!b.open, "... for good");
	eq(xlend_bucket(0), 0, "distribution: nothing");
	eq(xlend_bucket(1500), 1, "... 1.5 us");
	eq(xlend_bucket(1000000), 10, "... 1 ms");
	eq(xlend_bucket(~0UL), 23, "... for ever");
}

/* --- who has them */

static unsigned long had;	/* by whoever had the books; plain, on purpose */
static unsigned long times[6];
static bool over;

static void *having_thread(void *arg)
{
	unsigned int n = (uintptr_t)arg;

	while (!READ_ONCE(over)) {
		bool mine = true, interrupt = n >= 3;

		if (interrupt)
			mine = xlend_books_enter(&b);
		else if (n)
			xlend_books_lock(&b);
		else
			mine = xlend_books_trylock(&b);
		if (mine) {
			had++;
			times[n]++;
		}
		if (interrupt)
			xlend_books_leave(&b);
		else if (mine)
			xlend_books_unlock(&b);
		sched_yield();
	}
	return NULL;
}

static void one_at_a_time(void)
{
	pthread_t thread[6];
	unsigned long n = 0;
	unsigned int i;

	at("who has the books");
	over = false;
	for (i = 0; i < 6; i++)
		pthread_create(&thread[i], NULL, having_thread, (void *)(uintptr_t)i);
	nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
	WRITE_ONCE(over, true);
	for (i = 0; i < 6; i++) {
		pthread_join(thread[i], NULL);
		n += times[i];
	}
	eq(had, n, "one at a time has them: sleepers %lu, %lu, who would not sleep %lu, interrupts %lu, %lu, %lu",
	   times[1], times[2], times[0], times[3], times[4], times[5]);
	for (n = 0, i = 0; i < 6; i++)
		n += !times[i];
	eq(n, 0, "... and each has at times");
}

int main(void)
{
	tap_begin("driver-books");
	test_no_memory = true;
	eq(xlend_books_init(&b, FAKE_DOMID, 1, N), -ENOMEM, "no memory for the books");
	xlend_books_free(&b);
	test_no_memory = false;
	memset(&b, 0, sizeof(b));
	eq(xlend_books_init(&b, FAKE_DOMID, 1, N), 0, "books");
	xlend_books_open(&b, FAKE_HANDLE);
	model();
	details();
	one_at_a_time();
	xlend_books_free(&b);
	return tap_end();
}
