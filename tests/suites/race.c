// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S9: two vCPUs that want the same slots at the same time, and answers that come too late.
 */
#include "suites.h"

static struct guest *g;
static struct raw *r;
static struct win *w;

static int delayed(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)slot;
	(void)q;
	(void)cpu;
	usleep(1000);		/* so that the other vCPU asks, too */
	return RAW_DEFAULT;
}

static int hold_first(struct raw *raw, struct win *win, uint64_t slot, ioreq_t *q, int cpu)
{
	(void)raw;
	(void)win;
	(void)slot;
	(void)q;
	return cpu == 0 ? RAW_HOLD : RAW_DEFAULT;
}

void suite_race(void)
{
	static const char *const what[] = { "reads", "writes", "LOCKed adds" };
	struct xen_mem_lend_counters q;
	struct pool *p;
	unsigned kind, round, i, bad;
	uint64_t asked = 0;

	r = raw_scene(32);
	g = r->g;
	w = r->win;
	p = pool_new(32);
	raw_back(w, 0, 32, p, 0);
	for (kind = RACE_READ; kind <= RACE_ADD; kind++) {
		at("racing %s", what[kind]);
		for (round = bad = 0; round < 6; round++) {
			r->fault = round & 1 ? delayed : NULL;
			win_revoke(w, 0, 32);
			for (i = 0; i < 32; i++) {
				memset(pool_page(p, i), 0, PAGE);
				*(uint64_t *)pool_page(p, i) = kind == RACE_READ ? i : 0;
			}
			gop(g, 0, GOP_NOP);
			gop_start(g, 0, GOP_RACE, W(0), 32, 2, kind);
			gop_start(g, 1, GOP_RACE, W(0), 32, 2, kind);
			gop_wait(g, 0);
			gop_wait(g, 1);
			for (i = 0; i < 32; i++) {
				uint64_t *v = pool_page(p, i);

				if (kind == RACE_WRITE)
					bad += v[0] != i + 1 || v[1] != i + 1;
				else if (kind == RACE_ADD)
					bad += v[0] != 2;
			}
			if (kind == RACE_READ)
				bad += gret(g, 0, 0) != 31 * 16 || gret(g, 1, 0) != 31 * 16;
		}
		eq(bad, 0, "two vCPUs meet in empty slots: %s", what[kind]);
	}
	asked = w->faults;
	ok(asked > 3 * 6 * 32, "both asked for many of them (%lu requests for %d slots)", (long)asked, 3 * 6 * 32);

	at("one waits, the other passes");
	r->fault = hold_first;
	win_revoke(w, 0, 32);
	gop_start(g, 0, GOP_READ, W(5), 8);
	ok(raw_wait_held(r, 0, 60), "vCPU 0 waits for its answer");
	gop(g, 1, GOP_WRITE, W(5), 8, 77);
	ok(!gop_done(g, 0), "vCPU 1 gets the same slot meanwhile");
	gop(g, 1, GOP_WRITE, W(6), 8, 78);
	raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	eq(gop_wait(g, 0), 77, "vCPU 0 goes on when it is answered");

	at("answers that come too late");
	win_revoke(w, 0, 32);
	gop_start(g, 0, GOP_READ, W(5), 8);
	raw_wait_held(r, 0, 60);
	win_lend(w, 5, true);
	win_revoke(w, 5, 1);
	r->fault = NULL;
	raw_answer(r, 0, XENMEM_LEND_ANSWER_RETRY);
	eq(gop_wait(g, 0), 77, "lent and revoked before the answer: it asks again");
	raw_query(g->domid, w->id, &q);
	note("faults %lu read %lu write, spurious %lu", (long)q.faults_read, (long)q.faults_write, (long)q.spurious);
	win_revoke(w, 0, 32);
	pool_free(p);
	raw_scene_close(r);
}
