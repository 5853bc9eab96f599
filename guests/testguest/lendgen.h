/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random XENMEM_lend calls, for programs of the lender domain and for test guests: mostly plausible, often a little
 * wrong, sometimes nonsense.  Frames are only ever those of the list given, or ones that no domain has: whoever
 * lends at random must not lend what it needs.  For the same reason addresses are only those given.
 */
#ifndef LENDGEN_H
#define LENDGEN_H

#include <stdint.h>
#include <xen/public/lend.h>

struct rng { uint64_t x; };

static inline uint64_t rnd(struct rng *r)
{
	r->x ^= r->x >> 12;
	r->x ^= r->x << 25;
	r->x ^= r->x >> 27;
	return r->x * 0x2545f4914f6cdd1dUL;
}

static inline uint64_t below(struct rng *r, uint64_t n)
{
	return (rnd(r) >> 11) % n;
}

static inline int one_in(struct rng *r, unsigned n)
{
	return !below(r, n);
}

static inline void rng_seed(struct rng *r, uint64_t seed)
{
	r->x = seed * 0x9e3779b97f4a7c15UL | 1;
	rnd(r);
	rnd(r);
}

/* What a caller knows. */
struct lend_world {
	uint16_t domid[6];		/* borrowers, and numbers that are none */
	unsigned nr_domids;
	volatile uint64_t *window;	/* ids that exist, or did; 0: none */
	unsigned nr_windows;
	unsigned nr_recent;		/* the last so many of them are likely to be there */
	uint64_t gfn;			/* where windows are put */
	unsigned slots;
	const uint64_t *frame;
	unsigned nr_frames;
	uint64_t array[4];		/* addresses of frames: of 64 words each where they are good */
	uint64_t result[4];		/* addresses for results: of 512 bytes each where they are good */
};

/* A word for a slot. */
static inline uint64_t lend_word(struct rng *r, const struct lend_world *w)
{
	uint64_t f;

	switch (below(r, 150)) {
	case 0: f = (1ULL << 39) + below(r, 1 << 20); break;	/* beyond any memory */
	case 1: f = (1ULL << 40) - 1 - below(r, 4); break;
	case 2: f = one_in(r, 2) ? 0xfee00 : 0xfebff; break;	/* no RAM */
	default: f = w->frame[below(r, w->nr_frames)]; break;
	}
	if (one_in(r, 100))
		f |= 1ULL << (40 + below(r, 23));
	if (!one_in(r, 3))
		f |= XENMEM_LEND_WRITE;
	return f;
}

/* Mostly a window that is there, so that what is done to it gets somewhere. */
static inline uint64_t lend_window(struct rng *r, const struct lend_world *w)
{
	uint64_t id = 0;
	unsigned i;

	for (i = 0; i < 8 && !id; i++)
		id = w->window[w->nr_recent && !one_in(r, 4) ? w->nr_windows - 1 - below(r, w->nr_recent) : below(r, w->nr_windows)];
	return id;
}

static inline uint64_t lend_odd(struct rng *r)
{
	switch (below(r, 6)) {
	case 0: return below(r, 70);
	case 1: return ~0ULL - below(r, 3);
	case 2: return 1ULL << below(r, 64);
	case 3: return (1ULL << below(r, 64)) - 1;
	case 4: return below(r, 1 << 23);
	default: return rnd(r);
	}
}

static inline void lend_random(struct rng *r, struct xen_mem_lend *m, const struct lend_world *w)
{
	static const uint8_t ops[] = { XENMEM_LEND_info, XENMEM_LEND_create, XENMEM_LEND_create, XENMEM_LEND_destroy, XENMEM_LEND_query,
		XENMEM_LEND_revoke, XENMEM_LEND_revoke, XENMEM_LEND_revoke, XENMEM_LEND_revoke, XENMEM_LEND_lend, XENMEM_LEND_lend,
		XENMEM_LEND_lend, XENMEM_LEND_lend, XENMEM_LEND_lend, XENMEM_LEND_lend, XENMEM_LEND_lend };
	uint64_t *word = (uint64_t *)m, window, first, nr;
	uint16_t domid = w->domid[one_in(r, 16) ? below(r, w->nr_domids) : 0];
	unsigned i, op;

	for (i = 0; i < sizeof(*m) / 8; i++)
		word[i] = 0;
	op = ops[below(r, sizeof(ops))];
	/* fewer of what makes all else fail */
	if (op == XENMEM_LEND_destroy && !one_in(r, 8))
		op = XENMEM_LEND_lend;
	m->op = op;
	window = one_in(r, 24) ? lend_odd(r) : lend_window(r, w);
	first = one_in(r, 40) ? lend_odd(r) : below(r, w->slots);
	nr = one_in(r, 40) ? lend_odd(r) : !one_in(r, 4) ? 1 + below(r, 8) : below(r, one_in(r, 4) ? 2 * w->slots : 64);
	switch (op) {
	case XENMEM_LEND_create:
		m->u.create.domid = domid;
		m->u.create.server = below(r, one_in(r, 8) ? 20 : 8);
		m->u.create.gfn = w->gfn + (below(r, one_in(r, 3) ? 8 : 40) * w->slots) / (1 + below(r, 3));
		/* a large one is in the way of all others */
		m->u.create.nr = 1 + below(r, one_in(r, 400) ? 1 << 20 : one_in(r, 10) ? 4 * w->slots : w->slots);
		break;
	case XENMEM_LEND_destroy:
		m->u.destroy.domid = domid;
		m->u.destroy.window = window;
		break;
	case XENMEM_LEND_lend:
		m->u.lend.domid = domid;
		m->u.lend.window = window;
		m->u.lend.first = first;
		m->u.lend.nr = nr;
		if (one_in(r, 2)) {
			m->flags = XENMEM_LEND_ANSWER;
			m->u.lend.vcpu = one_in(r, 20) ? lend_odd(r) : below(r, 2);
		}
		if (one_in(r, 3)) {
			m->u.lend.frames = w->array[one_in(r, 4) ? below(r, 4) : 0];
		} else if (!one_in(r, 10) && m->u.lend.nr > XENMEM_LEND_INLINE) {
			m->u.lend.nr = 1 + below(r, XENMEM_LEND_INLINE);
		}
		if (one_in(r, 2))
			m->u.lend.status = w->result[one_in(r, 4) ? below(r, 4) : 0];
		break;
	case XENMEM_LEND_revoke:
		m->u.revoke.domid = domid;
		m->u.revoke.window = window;
		m->u.revoke.first = first;
		m->u.revoke.nr = nr;
		break;
	case XENMEM_LEND_query:
		m->u.query.domid = domid;
		m->u.query.window = window;
		m->u.query.size = one_in(r, 4) ? below(r, 500) : sizeof(struct xen_mem_lend_counters);
		m->u.query.counters = w->result[one_in(r, 4) ? below(r, 4) : 0];
		break;
	}
	if (one_in(r, 10)) {	/* something odd, but no address and no frame */
		i = 1 + below(r, 15);
		if ((op == XENMEM_LEND_lend && i > 4 && i < 15) || (op == XENMEM_LEND_query && i == 3))
			i = 1;
		word[i] = one_in(r, 2) ? lend_odd(r) : word[i] ^ 1ULL << below(r, 64);
	}
	if (one_in(r, 50))
		m->flags ^= one_in(r, 2) ? 1U << below(r, 32) : (uint32_t)rnd(r);
	if (one_in(r, 50))
		m->op = 6 + below(r, one_in(r, 2) ? 8 : ~0U - 6);
	if (op == XENMEM_LEND_lend)
		for (i = 0; i < XENMEM_LEND_INLINE; i++)
			m->u.lend.inline_frames[i] = lend_word(r, w);
}

#endif
