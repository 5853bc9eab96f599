// SPDX-License-Identifier: GPL-2.0-or-later
/* What comes with a fault: vCPUs that go through a window in all kinds of ways, over memory that is there or not. */
#include "fake-xen.h"

#include "../stream.h"

#include "tap.h"

#define N 4096

static bool present[N], lent[N];
static unsigned long faults, brought;

/* One access, as the driver would resolve it. */
static void access_slot(struct xlend_stream *st, unsigned long slot, unsigned int around)
{
	struct xlend_block block;
	unsigned long i;
	unsigned int ahead;

	if (lent[slot])
		return;
	faults++;
	block = xlend_stream_step(st, 7, slot, around);
	assert(block.from <= slot && slot < block.to && block.to - block.from <= XLEND_BATCH);
	ahead = block.ahead;
	if (!present[slot]) {
		for (i = slot + 1; ahead && i < block.to && i < N; i++, ahead--)
			if (!present[i]) {
				present[i] = true;
				brought++;
			}
		present[slot] = true;
	}
	for (i = block.from; i < block.to && i < N; i++)
		lent[i] |= present[i];
	for (st->next = slot; st->next < N && lent[st->next];)
		st->next++;
}

static void begin(struct xlend_stream *st, bool there)
{
	unsigned int i;

	memset(st, 0, sizeof(*st));
	for (i = 0; i < N; i++) {
		present[i] = there;
		lent[i] = false;
	}
	faults = brought = 0;
}

/* Some of what was revoked, n slots, had been used. */
static void revoked(struct xlend_waste *x, u64 *revokes, u64 *unused, unsigned int n, unsigned int used)
{
	*revokes += n;
	*unused += n - used;
	xlend_waste_judge(x, *revokes, *unused);
}

static void waste(void)
{
	struct xlend_waste x = { 0 };
	u64 revokes = 0, unused = 0;
	unsigned int i;

	eq(xlend_waste_around(&x, 16), 16, "waste: as many as said, while nothing is known");
	revoked(&x, &revokes, &unused, XLEND_JUDGE_SLOTS - 1, 0);
	eq(xlend_waste_around(&x, 16), 16, "... and while little was revoked");
	revoked(&x, &revokes, &unused, 1, 0);
	eq(xlend_waste_around(&x, 16), 8, "... half, when most was of no use");
	revoked(&x, &revokes, &unused, 100, 60);
	eq(xlend_waste_around(&x, 16), 8, "... the same, when there is no telling");
	for (i = 0; i < 40; i++)
		revoked(&x, &revokes, &unused, 100, 1);
	eq(xlend_waste_around(&x, 16), 1, "... one, at last");
	eq(xlend_waste_around(&x, 64), 1, "... however many were said");
	for (i = 0; i < 6; i++)
		revoked(&x, &revokes, &unused, 100, 100);
	eq(xlend_waste_around(&x, 16), 16, "... and soon all again, when all was of use");
	eq(xlend_waste_around(&x, 1), 1, "... one is one");
}

int main(void)
{
	unsigned int i, seed = 1, worst = 0;
	struct xlend_stream st;

	tap_begin("driver-stream");

	begin(&st, true);
	for (i = 0; i < N; i++)
		access_slot(&st, i, 1);
	eq(faults, N, "one page a fault if it is to be so, in sequence");

	begin(&st, true);
	for (i = 0; i < N; i++)
		access_slot(&st, i, 16);
	ok(faults <= 2 + N / XLEND_BATCH + 1, "present, in sequence: %lu faults for %u pages", faults, N);
	eq(brought, 0, "... nothing had to be brought");

	begin(&st, false);
	for (i = 0; i < N; i++)
		access_slot(&st, i, 16);
	ok(faults <= 8 + N / (XLEND_AHEAD + 1), "absent, in sequence: %lu faults for %u pages", faults, N);
	eq(brought + faults, N, "... each was brought once");

	begin(&st, false);
	for (i = 0; i < 2000; i++)
		access_slot(&st, rand_r(&seed) % (N / 2) * 2, 16);
	eq(brought, 0, "absent, at random: nothing is brought that nobody asked for");

	/* short sequences, each somewhere else: waste */
	begin(&st, false);
	for (i = 0; i < 200; i++) {
		unsigned int n = 1 + rand_r(&seed) % 20, at = rand_r(&seed) % (N - 64), k;
		unsigned long before = brought, touched = 0;

		for (k = 0; k < n; k++) {
			touched += !present[at + k];
			access_slot(&st, at + k, 16);
		}
		if (brought - before > touched && brought - before - touched > worst)
			worst = brought - before - touched;
	}
	ok(worst <= 20, "sequences that end: at most as many pages for nothing as went before (%u)", worst);

	begin(&st, false);
	for (i = 0; i < 100; i++)
		access_slot(&st, i, 16);
	xlend_stream_step(&st, 8, st.next, 16);
	eq(st.ahead, 0, "another window begins anew");

	waste();

	/* backwards is no sequence */
	begin(&st, false);
	for (i = N; i--;)
		access_slot(&st, i, 16);
	eq(brought, 0, "backwards: nothing is brought");
	return tap_end();
}
