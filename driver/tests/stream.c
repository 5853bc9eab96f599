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

	/* backwards is no sequence */
	begin(&st, false);
	for (i = N; i--;)
		access_slot(&st, i, 16);
	eq(brought, 0, "backwards: nothing is brought");
	return tap_end();
}
