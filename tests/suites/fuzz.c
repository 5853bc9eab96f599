// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nobody behaves: lenders, device models, guests and bystanders that do random things, valid and not, and end at
 * random moments.  Whatever they do, Xen and the lender's kernel live, everything can be destroyed afterwards, no
 * memory is missing, and who has no privilege has achieved nothing.
 *
 *   xltest fuzz [SECONDS [SEED]]
 *
 * The seed decides what each of them does; when, and so who meets whom, is the machine's doing.
 *
 * What is lent comes from one pool that lives as long as the suite, and is shared with all children: none of them
 * takes a frame with it when it dies, and no page of anything else is ever lent.
 */
#include "suites.h"
#include <sys/file.h>
#include <sys/prctl.h>
#include <xen/hvm/dm_op.h>
#include <xen/memory.h>
#include <xentoolcore.h>
#include "../../guests/testguest/lendgen.h"

#define SLOTS	64
#define POOL	128
#define IDS	10		/* more would leave none of a borrower's windows to others */
#define SIDES	2		/* borrowers at a time */

enum { CALLER, CALLER2, SERVER, SERVER2, PAGES, DM, CHILDREN };
static const char *const child_name[] = { "caller", "caller", "server", "server", "ioreq pages", "device model" };

/* What all of them see. */
static struct shared {
	volatile uint32_t domid[SIDES];		/* borrowers */
	volatile uint64_t window[SIDES][IDS];	/* the last three are the server's */
	volatile ioservid_t server[SIDES];
	volatile uint64_t calls[8], successes[8];	/* by op */
	volatile uint64_t errors[8][128];
	volatile uint64_t dm_ops, faults, answered, page_writes, restricted, forbidden;
	uint64_t frame[POOL];
} *sh;

static struct pool *pool;
static uint64_t base_seed;

unsigned fuzz_seconds = 60;
uint64_t fuzz_seed;

static void count(volatile uint64_t *c)
{
	__atomic_fetch_add(c, 1, __ATOMIC_RELAXED);
}

/*
 * Servers are put to use the way device models do it, page first, and one at a time.  The kernel gives the lock back for
 * who dies with it.
 */
static void servers_lock(bool take)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/tmp/xl-fuzz-servers", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, take ? LOCK_EX : LOCK_UN))
		die("the servers' lock: %s", strerror(errno));
}

/* Once it was mapped it is there as long as the server. */
static bool server_has_page(uint32_t domid, ioservid_t id)
{
	xenforeignmemory_resource_handle *res;
	void *page = NULL;

	res = xenforeignmemory_map_resource(xfm, domid, XENMEM_resource_ioreq_server, id,
					    XENMEM_resource_ioreq_server_frame_ioreq(0), 1, &page, PROT_READ | PROT_WRITE, 0);
	if (res)
		xenforeignmemory_unmap_resource(xfm, res);
	return res;
}

/* ---- callers ---- */

struct caller {
	struct rng r;
	struct lend_world world;
	struct xen_mem_lend *m, *calm;	/* the second nobody meddles with */
	uint64_t *array;
	uint8_t *edge[3];	/* pages with nothing behind them: for structs, arrays, results */
	volatile bool stop;
};

/* Changes what Xen is about to read: numbers only, for what an address or a frame becomes must be safe. */
static void *meddler(void *arg)
{
	struct caller *c = arg;
	struct rng r;
	uint64_t *word = (uint64_t *)c->m;

	rng_seed(&r, c->r.x ^ 0xfeed);
	for (;;) {
		unsigned i = below(&r, 8);

		if (i < 5 && i)
			*(volatile uint64_t *)&word[i] = i == 1 ? word[1] ^ below(&r, 4) << 32 : below(&r, SLOTS * 2);
		else
			*(volatile uint64_t *)&c->array[below(&r, PAGE / 8)] = lend_word(&r, &c->world);
		if (one_in(&r, 32))
			usleep(below(&r, 400));
	}
	return NULL;
}

static void call_at_random(struct caller *c, unsigned side)
{
	struct rng *r = &c->r;
	struct xen_mem_lend m;
	uint64_t window;
	void *p = c->m;
	unsigned i, op;
	int rc;

	c->world.domid[0] = sh->domid[side];
	c->world.domid[1] = sh->domid[!side];
	c->world.window = sh->window[side];
	lend_random(r, &m, &c->world);
	op = m.op;
	window = op == XENMEM_LEND_lend ? m.u.lend.window : op == XENMEM_LEND_query ? m.u.query.window : m.u.destroy.window;
	/* faults of others stay unanswered for long */
	if (op == XENMEM_LEND_create && !one_in(r, 8))
		m.u.create.server = sh->server[side];
	if (op == XENMEM_LEND_create && !one_in(r, 16))
		p = c->calm;	/* or its number would be lost */
	*(struct xen_mem_lend *)p = m;
	switch (below(r, 60)) {
	case 0:
		i = 8 * below(r, 17);
		p = c->edge[0] + PAGE - i;
		memcpy(p, &m, i);
		break;
	case 1:
		p = (void *)(one_in(r, 2) ? 0x7fffdead0000UL : 1UL << 62);
		break;
	case 2:		/* it can be read, but not written */
		p = c->edge[0];
		memcpy(p, &m, sizeof(m));
		mprotect(p, PAGE, PROT_READ);
		break;
	}
	rc = lend_call_at(p);
	if (p == c->edge[0])
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	if (op < 6) {
		count(&sh->calls[op]);
		if (!rc)
			count(&sh->successes[op]);
		else if (rc < 0 && rc > -128)
			count(&sh->errors[op][-rc]);
	}
	/* whose number is forgotten goes: what nobody knows would only be in the way */
	if (!rc && op == XENMEM_LEND_create && p == c->calm)
		raw_destroy(sh->domid[side], __atomic_exchange_n(&sh->window[side][below(r, IDS - 3)], c->calm->u.create.window,
								 __ATOMIC_RELAXED));
	/* nor is a number kept that is none any more */
	if (((!rc && op == XENMEM_LEND_destroy) || (rc == -ENOENT && (op == XENMEM_LEND_lend || op == XENMEM_LEND_query))) &&
	    raw_query(sh->domid[side], window, &(struct xen_mem_lend_counters){ 0 }) == -ENOENT)
		for (i = 0; i < IDS; i++)
			if (sh->window[side][i] == window)
				sh->window[side][i] = 0;
}

static void run_caller(uint64_t seed)
{
	static struct caller c;
	pthread_t t;
	unsigned i;

	rng_seed(&c.r, seed);
	c.m = xencall_alloc_buffer(xcall, PAGE);
	c.calm = xencall_alloc_buffer(xcall, PAGE);
	if (!c.m || !c.calm)
		die("no buffers");
	for (i = 0; i < 3; i++) {
		c.edge[i] = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (c.edge[i] == MAP_FAILED)
			die("no buffers");
		mprotect(c.edge[i] + PAGE, PAGE, PROT_NONE);
		mlock(c.edge[i], PAGE);
	}
	c.array = (uint64_t *)c.edge[1];
	c.world = (struct lend_world){
		.domid = { 0, 0, DOMID_SELF, 0x7ff2, 0x7fff, 0x6000 }, .nr_domids = 6, .nr_windows = IDS, .nr_recent = 3,
		/* the first two are the server's */
		.gfn = WIN_GFN + 2 * SLOTS, .slots = SLOTS, .frame = sh->frame, .nr_frames = POOL,
		.array = { (uintptr_t)c.array, (uintptr_t)c.edge[1] + PAGE - 40, 0x7fffdead0000UL, 0xffff830000000000UL },
		.result = { (uintptr_t)c.edge[2], (uintptr_t)c.edge[2] + PAGE - 20, 0x7fffdead0000UL, 0xffff830000000000UL },
	};
	/* all that Xen may take for frames is of our choice: results go elsewhere */
	for (i = 0; i < PAGE / 8; i++)
		c.array[i] = lend_word(&c.r, &c.world);
	if (one_in(&c.r, 2) && pthread_create(&t, NULL, meddler, &c))
		die("pthread_create");
	for (;;) {
		call_at_random(&c, below(&c.r, 4) ? 0 : 1);
		if (one_in(&c.r, 50))
			usleep(below(&c.r, 3000));
	}
}

/* ---- a server that mostly does its duty ---- */

static struct rng server_rng;

static int serve_at_random(struct raw *r, struct win *w, uint64_t slot, ioreq_t *q, int cpu)
{
	uint64_t word[16];
	int32_t st[16];
	unsigned i, n = 1 + below(&server_rng, one_in(&server_rng, 4) ? 16 : 2);

	count(&sh->faults);
	switch (below(&server_rng, 40)) {
	case 0: return XENMEM_LEND_ANSWER_RETRY;
	case 1: return XENMEM_LEND_ANSWER_GP;
	case 2: return XENMEM_LEND_ANSWER_ONES;
	case 3: return 3 + below(&server_rng, 1 << 20);
	case 4: return one_in(&server_rng, 3) ? RAW_HOLD : XENMEM_LEND_ANSWER_RETRY;
	}
	if (slot + n > w->nr)
		n = w->nr - slot;
	for (i = 0; i < n; i++)
		word[i] = sh->frame[below(&server_rng, POOL)] | (q->dir == IOREQ_WRITE || one_in(&server_rng, 2) ? XENMEM_LEND_WRITE : 0);
	if (one_in(&server_rng, 2)) {
		if (!raw_lend_answer(r->g->domid, w->id, slot, n, word, st, cpu) && !st[0]) {
			count(&sh->answered);
			return RAW_ANSWERED;
		}
		return XENMEM_LEND_ANSWER_RETRY;
	}
	raw_lend_words(r->g->domid, w->id, slot, n, word, st);
	/* in the way: out with it */
	if (st[0] == -EBUSY)
		win_revoke(w, slot, 1);
	return XENMEM_LEND_ANSWER_RETRY;
}

static void run_server(uint64_t seed, unsigned side)
{
	struct guest g = { .domid = sh->domid[side] };
	struct rng x;
	struct raw *r;
	unsigned i, k;

	rng_seed(&x, seed);
	rng_seed(&server_rng, seed + 1);
	servers_lock(true);
	r = raw_open(&g);
	servers_lock(false);
	r->fault = serve_at_random;
	sh->server[side] = r->id;
	for (i = 0; i < 3; i++) {
		struct win *w = &r->win[r->nr_win];

		/* of the one before, which had no time for it, and what may be in the way */
		raw_destroy(g.domid, __atomic_exchange_n(&sh->window[side][IDS - 3 + i], 0, __ATOMIC_RELAXED));
		raw_destroy(g.domid, __atomic_exchange_n(&sh->window[side][below(&x, IDS - 3)], 0, __ATOMIC_RELAXED));

		w->r = r;
		w->gfn = WIN_GFN + i * SLOTS;
		w->nr = SLOTS;
		w->back = calloc(SLOTS, sizeof(*w->back));
		w->frame = calloc(SLOTS, sizeof(*w->frame));
		w->ro = calloc(SLOTS, sizeof(*w->ro));
		pthread_mutex_lock(&r->lock);
		if (!raw_create(g.domid, w->gfn, SLOTS, r->id, &w->id)) {
			sh->window[side][IDS - 3 + i] = w->id;
			r->nr_win++;
		}
		pthread_mutex_unlock(&r->lock);
	}
	while (sh->domid[side] == g.domid) {
		usleep(below(&x, 3000));
		if (!r->nr_win && one_in(&x, 50))
			break;		/* somebody is in the way: the next one may have more luck */
		if (r->nr_win) {
			struct win *w = &r->win[below(&x, r->nr_win)];

			i = below(&x, SLOTS);
			win_revoke(w, i, 1 + below(&x, SLOTS - i));
		}
		if (one_in(&x, 20))
			for (k = 0; k < MBOX_CPUS; k++)
				raw_answer(r, k, below(&x, 5));
		if (one_in(&x, 500)) {
			servers_lock(true);
			raw_close(r);
			_exit(0);
		}
	}
	_exit(0);
}

/* ---- what is in the ioreq pages of all servers ---- */

static void run_pages(uint64_t seed)
{
	struct rng r;

	rng_seed(&r, seed);
	for (;;) {
		unsigned side = below(&r, SIDES), i, n;
		uint32_t domid = sh->domid[side];
		xenforeignmemory_resource_handle *res;
		shared_iopage_t *page = NULL;
		xenevtchn_handle *ev;
		int port = -1;

		res = xenforeignmemory_map_resource(xfm, domid, XENMEM_resource_ioreq_server, below(&r, 8),
						    XENMEM_resource_ioreq_server_frame_ioreq(0), 1, (void **)&page,
						    PROT_READ | PROT_WRITE, 0);
		if (!res) {
			usleep(2000);
			continue;
		}
		ev = xenevtchn_open(NULL, 0);
		if (ev && one_in(&r, 4))
			port = xenevtchn_bind_interdomain(ev, domid, page->vcpu_ioreq[below(&r, MBOX_CPUS)].vp_eport);
		n = below(&r, 200);
		for (i = 0; i < n && sh->domid[side] == domid; i++) {
			volatile ioreq_t *q = &page->vcpu_ioreq[below(&r, MBOX_CPUS)];

			count(&sh->page_writes);
			switch (below(&r, 20)) {
			case 0: ((volatile uint64_t *)page)[below(&r, 512)] = rnd(&r); break;
			case 1: q->data = below(&r, 5); break;
			case 2: q->data = rnd(&r); break;
			case 3: q->addr = GUEST_WINDOW + below(&r, SLOTS * PAGE); break;
			case 4: q->count = below(&r, 10); break;
			case 5: q->type = one_in(&r, 2) ? IOREQ_TYPE_LEND_FAULT : rnd(&r); break;
			case 6: q->vp_eport = below(&r, 1000); break;
			case 7: q->state = one_in(&r, 4) ? STATE_IOREQ_READY : q->state; break;
			case 8: if (one_in(&r, 8)) q->state = below(&r, 16); break;
			case 9: if (q->state == STATE_IOREQ_READY) q->state = STATE_IOREQ_INPROCESS; break;
			default:	/* an answer where one is due */
				if (q->state == STATE_IOREQ_READY || q->state == STATE_IOREQ_INPROCESS) {
					q->data = below(&r, 4);
					q->state = STATE_IORESP_READY;
				}
				break;
			}
			if (port >= 0)
				xenevtchn_notify(ev, port);
			usleep(below(&r, 600));
		}
		if (ev)
			xenevtchn_close(ev);
		xenforeignmemory_unmap_resource(xfm, res);
	}
}

/* ---- a tool stack and device models that cannot make up their minds ---- */

static void run_dm(uint64_t seed)
{
	static const int types[] = { HVMMEM_ram_rw, HVMMEM_ram_ro, HVMMEM_mmio_dm, HVMMEM_ioreq_server };
	struct rng r;
	unsigned long bitmap[64];

	rng_seed(&r, seed);
	for (;;) {
		uint32_t d = sh->domid[below(&r, SIDES)];
		uint64_t gfn = one_in(&r, 3) ? 0x180 + below(&r, 64) : WIN_GFN + below(&r, 3 * SLOTS), a, b, c;
		/* what is put into the guest stays for long: not where most windows are */
		xen_pfn_t pfn = one_in(&r, 3) ? gfn : WIN_GFN + 2 * SLOTS + below(&r, SLOTS);
		ioservid_t id = below(&r, 8);
		uint32_t port;
		void *p;

		count(&sh->dm_ops);
		switch (below(&r, 26)) {
		case 0:
			servers_lock(true);
			xendevicemodel_create_ioreq_server(xdm, d, below(&r, 3), &id);
			servers_lock(false);
			break;
		case 1:
			/* mostly they live, or no fault would be answered */
			if (!one_in(&r, 8))
				break;
			servers_lock(true);
			xendevicemodel_destroy_ioreq_server(xdm, d, id);
			servers_lock(false);
			break;
		case 2:
			servers_lock(true);
			if (server_has_page(d, id))
				xendevicemodel_set_ioreq_server_state(xdm, d, id, 1);
			servers_lock(false);
			break;
		case 3:
			if (one_in(&r, 8))
				xendevicemodel_set_ioreq_server_state(xdm, d, id, 0);
			break;
		case 4:
			xendevicemodel_map_io_range_to_ioreq_server(xdm, d, id, 1, gfn << 12, (gfn << 12) + below(&r, 3 * PAGE));
			break;
		case 5:
			xendevicemodel_unmap_io_range_from_ioreq_server(xdm, d, id, 1, gfn << 12, (gfn << 12) + below(&r, 3 * PAGE));
			break;
		case 6:
			xendevicemodel_map_io_range_to_ioreq_server(xdm, d, id, 0, GUEST_PORT + below(&r, 8), GUEST_PORT + 8);
			break;
		case 7: case 8:
			xendevicemodel_set_mem_type(xdm, d, types[below(&r, 4)], gfn, 1 + below(&r, 4));
			break;
		case 9:
			servers_lock(true);
			if (server_has_page(d, id))
				xendevicemodel_map_mem_type_to_ioreq_server(xdm, d, id, HVMMEM_ioreq_server,
									    below(&r, 2) * XEN_DMOP_IOREQ_MEM_ACCESS_WRITE);
			servers_lock(false);
			break;
		case 10:
			xendevicemodel_modified_memory(xdm, d, gfn, 1 + below(&r, 8));
			break;
		case 11:
			xendevicemodel_track_dirty_vram(xdm, d, gfn, below(&r, 64), bitmap);
			break;
		case 12:	/* what keeps windows away does so for a short time only */
			if (xc_logdirty_control(xch, d, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0, 0, NULL) >= 0)
				usleep(below(&r, 2000));
			xc_logdirty_control(xch, d, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0, 0, NULL);
			break;
		case 13:
			p = xc_monitor_enable(xch, d, &port);
			if (p) {
				usleep(below(&r, 500));
				munmap(p, PAGE);
			}
			xc_monitor_disable(xch, d);
			break;
		case 14:
			/* small, at times too small */
			xc_set_paging_mempool_size(xch, d, one_in(&r, 8) ? below(&r, 64) << 12 : 2 << 20);
			break;
		case 15:
			xc_domain_set_pod_target(xch, d, below(&r, 4096), &a, &b, &c);
			break;
		case 16:
			/* where windows are put, and taken away again; on demand seldom, as that keeps windows away for good */
			xc_domain_populate_physmap(xch, d, 1, 0, one_in(&r, 60) ? XENMEMF_populate_on_demand : 0, &pfn);
			xc_domain_decrease_reservation(xch, d, 1, 0, &pfn);
			break;
		case 17:
			xc_domain_decrease_reservation(xch, d, 1, 0, &pfn);
			break;
		case 18:
			if (one_in(&r, 8))
				xc_domain_add_to_physmap(xch, d, XENMAPSPACE_gmfn, 0x180 + below(&r, 64), pfn);
			break;
		case 19: {
			int n = xc_domain_hvm_getcontext(xch, d, NULL, 0);
			uint8_t *s = n > 0 ? malloc(n) : NULL;

			if (s)
				xc_domain_hvm_getcontext(xch, d, s, n);
			free(s);
			break;
		}
		case 20:
			xc_domain_pause(xch, d);
			usleep(below(&r, 1000));
			xc_domain_unpause(xch, d);
			break;
		case 21: {
			int e = 0;

			p = xenforeignmemory_map(xfm, d, PROT_READ | (one_in(&r, 2) ? PROT_WRITE : 0), 1, &pfn, &e);
			if (p)
				xenforeignmemory_unmap(xfm, p, 1);
			break;
		}
		case 22:
			xc_domain_memory_mapping(xch, d, gfn, 0xb8, 1, below(&r, 2));
			break;
		case 23:
			/* a software interrupt */
			xendevicemodel_inject_event(xdm, d, below(&r, MBOX_CPUS), 0x40, 4, ~0U, 2, 0);
			break;
		default:
			usleep(below(&r, 2000));
			break;
		}
	}
}

/* ---- a process of the lender domain that gave up its rights ---- */

/* Started before there are handles that it would share: those would lose their rights, too. */
static void run_restricted(uint64_t seed)
{
	struct xen_mem_lend_counters q;
	uint64_t id;
	struct rng r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!freopen("/dev/null", "w", stdout))
		_exit(97);
	xen_open_again();
	rng_seed(&r, seed);
	raw_frames();		/* its buffers, as long as it can have them */
	if (xentoolcore_restrict_all(0x7000)) {
		sh->restricted = ~0UL;
		pause();
	}
	while (!sh->domid[SIDES - 1])
		usleep(10000);
	for (;;) {
		unsigned side = below(&r, SIDES);
		uint32_t d = sh->domid[side];
		uint64_t w = sh->window[side][below(&r, IDS)], f = sh->frame[below(&r, POOL)];
		ioservid_t server;

		count(&sh->restricted);
		if (!raw_create(d, WIN_GFN + 8 * SLOTS, 4, below(&r, 8), &id) ||
		    !raw_lend(d, w, 0, 1, &f, NULL, 0) || !raw_query(d, w, &q) || !raw_revoke(d, w, 0, 1) || !raw_destroy(d, w) ||
		    !xendevicemodel_create_ioreq_server(xdm, d, 0, &server) ||
		    !xendevicemodel_set_ioreq_server_state(xdm, d, below(&r, 8), 0))
			count(&sh->forbidden);
		usleep(1000);
	}
}

/* ---- all of them ---- */

static pid_t child[CHILDREN];
static unsigned born, killed, ended, surprised;

static void spawn(unsigned kind)
{
	uint64_t seed = mix(base_seed, 1000 + born++);
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid) {
		child[kind] = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* libxc has much to say about what is refused */
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(97);
	xen_open_again();
	switch (kind) {
	case CALLER: case CALLER2: run_caller(seed); break;
	case SERVER: run_server(seed, 0); break;
	case SERVER2: run_server(seed, 1); break;
	case PAGES: run_pages(seed); break;
	case DM: run_dm(seed); break;
	}
	_exit(0);
}

static void reap(unsigned kind, bool kill_it)
{
	int status;

	if (!child[kind])
		return;
	if (kill_it)
		kill(child[kind], SIGKILL);
	if (waitpid(child[kind], &status, kill_it ? 0 : WNOHANG) != child[kind])
		return;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		if (!surprised++)
			note("a %s died of signal %d", child_name[kind], WTERMSIG(status));
	} else if (kill_it) {
		killed++;
	} else {
		ended++;
	}
	child[kind] = 0;
}

/* Guests: each side has a borrower, and one that has no privilege or is another lender of the first's. */
static struct guest *borrower[SIDES], *other[SIDES];
static unsigned guests, crashed, zombies, other_kind[SIDES];
static uint64_t forbidden, guest_ops, stranger_ops;
static struct rng main_rng;

static bool alive(struct guest *g)
{
	xc_domaininfo_t i;

	return !xc_domain_getinfo_single(xch, g->domid, &i) && !(i.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying));
}

static void start(unsigned side)
{
	unsigned i, kind;

	at("starting guests of side %u", side);
	borrower[side] = guest_new(NULL);
	other[side] = guest_new(NULL);
	guests += 2;
	kind = other_kind[side] = one_in(&main_rng, 2) ? FUZZ_LENDER : FUZZ_BYSTANDER;
	if (kind == FUZZ_LENDER && xc_domain_set_target(xch, other[side]->domid, borrower[side]->domid))
		die("set_target: %s", strerror(errno));
	for (i = 0; i < MBOX_CPUS; i++) {
		gop_start(borrower[side], i, GOP_FUZZ, rnd(&main_rng), FUZZ_BORROWER, other[side]->domid, SLOTS);
		gop_start(other[side], i, GOP_FUZZ, rnd(&main_rng), kind, borrower[side]->domid, SLOTS);
	}
	for (i = 0; i < IDS; i++)
		sh->window[side][i] = 0;
	sh->domid[side] = borrower[side]->domid;
	at("side %u runs", side);
}

/* What they did, and whether one of them got further than it may. */
static void collect(unsigned side)
{
	unsigned i;

	for (i = 0; i < MBOX_CPUS; i++) {
		guest_ops += borrower[side]->mb->cpu[i].progress;
		stranger_ops += other[side]->mb->cpu[i].progress;
		if (other_kind[side] == FUZZ_BYSTANDER)
			forbidden += other[side]->mb->cpu[i].last;
	}
}

static void end(unsigned side)
{
	struct guest *first = borrower[side], *second = other[side];

	at("ending guests of side %u", side);
	collect(side);
	crashed += !alive(first);
	if (one_in(&main_rng, 2)) {	/* the lender first */
		first = other[side];
		second = borrower[side];
	}
	guest_release(first);
	domain_destroy(first->domid);
	usleep(below(&main_rng, 20000));
	/* whoever has a page of theirs mapped keeps a dead domain, by Xen's rules: that is the other one, too */
	sh->domid[side] = 0x7f00 + side;
	reap(side ? SERVER2 : SERVER, true);
	reap(PAGES, true);
	reap(DM, true);
	guest_release(second);
	domain_destroy(second->domid);
	zombies += !guest_free(first);
	zombies += !guest_free(second);
	borrower[side] = other[side] = NULL;
}

static void canary(bool set)
{
	size_t i, bad = 0;

	for (i = 0; i < POOL * PAGE / 8; i++)
		if (set)
			((uint64_t *)pool->va)[i] = mix(99, i);
		else
			bad += ((uint64_t *)pool->va)[i] != mix(99, i);
	if (!set)
		eq(bad, 0, "and nobody writes to the pages that were lent any more");
}

/* Guests that never wait for anything would leave little to this domain, where most of it is to happen. */
static void weigh(unsigned weight)
{
	struct xen_domctl_sched_credit2 s = { 0 };

	if (!xc_sched_credit2_domain_get(xch, 0, &s)) {
		s.weight = weight;
		if (xc_sched_credit2_domain_set(xch, 0, &s))
			note("no other weight for this domain: %s", strerror(errno));
	}
}

static void result(unsigned op, const char *name)
{
	char text[300] = "";
	unsigned e, n = 0;

	for (e = 1; e < 128; e++)
		if (sh->errors[op][e] && n < sizeof(text) - 40)
			n += snprintf(text + n, sizeof(text) - n, ", %lu %s", (long)sh->errors[op][e], strerrorname_np(e));
	note("%s: %lu calls, %lu succeeded%s", name, (long)sh->calls[op], (long)sh->successes[op], text);
}

void suite_fuzz(void)
{
	static const char *const names[] = { "info", "create", "destroy", "lend", "revoke", "query" };
	xc_domaininfo_t info[16];
	uint64_t before, after;
	pid_t restricted;
	unsigned i;
	double stop;
	int n;

	base_seed = fuzz_seed ? fuzz_seed : (uint64_t)time(NULL) << 16 ^ getpid();
	note("fuzz: seed %lu, %u seconds", (long)base_seed, fuzz_seconds);
	rng_seed(&main_rng, base_seed);
	sh = mmap(NULL, (sizeof(*sh) + PAGE - 1) & ~(PAGE - 1), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	restricted = fork();
	if (!restricted)
		run_restricted(base_seed);
	xen_open();
	pool = pool_new_shared(POOL);
	memcpy(sh->frame, pool->frame, sizeof(sh->frame));
	guest_free(guest_new(NULL));
	before = xen_free_pages();

	weigh(8192);
	for (i = 0; i < SIDES; i++)
		start(i);
	stop = now() + fuzz_seconds;
	while (now() < stop && !zombies) {
		usleep(5000 + below(&main_rng, 60000));
		for (i = 0; i < CHILDREN; i++) {
			reap(i, one_in(&main_rng, 40));
			if (!child[i])
				spawn(i);
		}
		/* what is in the pool changes, too: page tables of guests, structs of hypercalls */
		for (i = 0; i < 40; i++)
			((volatile uint64_t *)pool->va)[below(&main_rng, POOL * PAGE / 8)] =
				one_in(&main_rng, 2) ? rnd(&main_rng) : (GUEST_WINDOW + below(&main_rng, SLOTS) * PAGE) | 7;
		i = below(&main_rng, SIDES);
		if (one_in(&main_rng, 60) || (!alive(borrower[i]) && one_in(&main_rng, 4))) {
			end(i);
			start(i);
		}
	}
	at("the end");
	/* all windows, while they are in use */
	xc_send_debug_keys(xch, "W");
	for (i = 0; i < CHILDREN; i++)
		reap(i, true);
	kill(restricted, SIGKILL);
	waitpid(restricted, NULL, 0);
	for (i = 0; i < SIDES; i++)
		end(i);
	weigh(256);
	canary(true);

	for (i = 0; i < 6; i++)
		result(i, names[i]);
	note("%lu faults served, %lu of them answered by a lend; %lu writes to ioreq pages; %lu calls of a tool stack", (long)sh->faults,
	     (long)sh->answered, (long)sh->page_writes, (long)sh->dm_ops);
	note("%u guests, %u of the borrowers did not live as long as they might have; they did %lu things, others %lu", guests, crashed,
	     (long)guest_ops, (long)stranger_ops);
	note("%u processes, %u killed, %u ended by themselves", born, killed, ended);
	eq(surprised, 0, "no process of ours died of itself");
	eq(zombies, 0, "all guests could be destroyed");
	eq(forbidden, 0, "who has no privilege achieved nothing (%lu attempts)", (long)stranger_ops);
	if (sh->restricted == ~0UL)
		skip("a process that gave up its rights", "it cannot");
	else
		eq(sh->forbidden, 0, "nor did who gave it up (%lu attempts)", (long)sh->restricted);
	/* a busy host does little in a minute */
	ok(sh->successes[XENMEM_LEND_create] && sh->successes[XENMEM_LEND_lend] > 5 && sh->successes[XENMEM_LEND_revoke] > 5 && sh->faults > 5,
	   "enough of it was valid");
	n = xc_domain_getinfolist(xch, 1, 16, info);
	eq(n, 0, "no domain is left");
	after = xen_free_pages();
	ok(after + 64 >= before, "no pages are missing (%ld before, %ld after)", (long)before, (long)after);
	canary(false);
	pool_free(pool);
}
