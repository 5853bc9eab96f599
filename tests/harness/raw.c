// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "raw.h"
#include "tap.h"

static pthread_mutex_t call_lock = PTHREAD_MUTEX_INITIALIZER;
static struct xen_mem_lend *buf;
static uint64_t *frames_buf;
static int32_t *status_buf;
static struct xen_mem_lend_counters *counters_buf;

static void buffers(void)
{
	if (buf)
		return;
	buf = xencall_alloc_buffer(xcall, sizeof(*buf));
	frames_buf = xencall_alloc_buffer(xcall, 4096);
	status_buf = xencall_alloc_buffer(xcall, 4096);
	counters_buf = xencall_alloc_buffer(xcall, sizeof(*counters_buf));
	if (!buf || !frames_buf || !status_buf || !counters_buf)
		die("no hypercall buffers: %s", strerror(errno));
}

uint64_t *raw_frames(void)
{
	buffers();
	return frames_buf;
}

int32_t *raw_status(void)
{
	buffers();
	return status_buf;
}

int lend_call_at(void *p)
{
	int rc = xencall2(xcall, __HYPERVISOR_memory_op, XENMEM_lend, (uintptr_t)p);

	return rc < 0 ? -errno : rc;
}

static int call_locked(struct xen_mem_lend *m)
{
	int rc;

	buffers();
	*buf = *m;
	rc = lend_call_at(buf);
	*m = *buf;
	return rc;
}

int lend_call(struct xen_mem_lend *m)
{
	int rc;

	pthread_mutex_lock(&call_lock);
	rc = call_locked(m);
	pthread_mutex_unlock(&call_lock);
	return rc;
}

int raw_create(uint32_t domid, uint64_t gfn, uint64_t nr, uint32_t server, uint64_t *window)
{
	struct xen_mem_lend m = { .op = XENMEM_LEND_create };
	int rc;

	m.u.create.domid = domid;
	m.u.create.gfn = gfn;
	m.u.create.nr = nr;
	m.u.create.server = server;
	rc = lend_call(&m);
	if (!rc && window)
		*window = m.u.create.window;
	return rc;
}

int raw_destroy(uint32_t domid, uint64_t window)
{
	struct xen_mem_lend m = { .op = XENMEM_LEND_destroy };

	m.u.destroy.domid = domid;
	m.u.destroy.window = window;
	return lend_call(&m);
}

static int lend_words(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr, const uint64_t *words, uint64_t rights,
		      int32_t *status, uint32_t flags, uint32_t vcpu)
{
	struct xen_mem_lend m = { .op = XENMEM_LEND_lend, .flags = flags };
	uint64_t i;
	int rc;

	if (nr > 512)
		die("raw_lend: too many");
	pthread_mutex_lock(&call_lock);
	buffers();
	for (i = 0; i < nr; i++)
		frames_buf[i] = words[i] | rights;
	memset(status_buf, 0x55, nr * 4);
	m.u.lend.domid = domid;
	m.u.lend.vcpu = vcpu;
	m.u.lend.window = window;
	m.u.lend.first = first;
	m.u.lend.nr = nr;
	m.u.lend.frames = (uintptr_t)frames_buf;
	m.u.lend.status = status ? (uintptr_t)status_buf : 0;
	rc = call_locked(&m);
	if (status)
		memcpy(status, status_buf, nr * 4);
	pthread_mutex_unlock(&call_lock);
	return rc;
}

int raw_lend(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr, const uint64_t *frames, int32_t *status, uint64_t rights)
{
	return lend_words(domid, window, first, nr, frames, rights, status, 0, 0);
}

int raw_lend_words(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr, const uint64_t *words, int32_t *status)
{
	return lend_words(domid, window, first, nr, words, 0, status, 0, 0);
}

int raw_lend_answer(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr, const uint64_t *words, int32_t *status, unsigned vcpu)
{
	return lend_words(domid, window, first, nr, words, 0, status, XENMEM_LEND_ANSWER, vcpu);
}

int raw_revoke(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr)
{
	struct xen_mem_lend m = { .op = XENMEM_LEND_revoke };

	m.u.revoke.domid = domid;
	m.u.revoke.window = window;
	m.u.revoke.first = first;
	m.u.revoke.nr = nr;
	return lend_call(&m);
}

int raw_query(uint32_t domid, uint64_t window, struct xen_mem_lend_counters *c)
{
	struct xen_mem_lend m = { .op = XENMEM_LEND_query };
	int rc;

	pthread_mutex_lock(&call_lock);
	buffers();
	memset(counters_buf, 0x55, sizeof(*counters_buf));
	m.u.query.domid = domid;
	m.u.query.window = window;
	m.u.query.size = sizeof(*counters_buf);
	m.u.query.counters = (uintptr_t)counters_buf;
	rc = call_locked(&m);
	if (!rc)
		*c = *counters_buf;
	pthread_mutex_unlock(&call_lock);
	return rc;
}

/* ---- the server ---- */

static struct win *find(struct raw *r, uint64_t addr)
{
	unsigned i;

	for (i = 0; i < r->nr_win; i++)
		if ((addr >> 12) - r->win[i].gfn < r->win[i].nr)
			return &r->win[i];
	return NULL;
}

int win_lend(struct win *w, uint64_t slot, bool write)
{
	return raw_lend(w->r->g->domid, w->id, slot, 1, &w->frame[slot], NULL, write ? XENMEM_LEND_WRITE : 0);
}

int win_revoke(struct win *w, uint64_t first, uint64_t nr)
{
	return raw_revoke(w->r->g->domid, w->id, first, nr);
}

static void odd(struct raw *r, const char *what, const ioreq_t *q)
{
	if (!r->odd++)
		snprintf(r->odd_text, sizeof(r->odd_text), "%s: type %u addr %#lx data %#lx count %u size %u dir %u df %u ptr %u",
			 what, q->type, (long)q->addr, (long)q->data, q->count, q->size, q->dir, q->df, q->data_is_ptr);
}

static int handle_fault(struct raw *r, ioreq_t *q, int cpu)
{
	struct win *w = find(r, q->addr);
	int a = RAW_DEFAULT, rc;
	uint64_t s;

	if (!w || q->data != w->id || q->size || !q->count || q->df || q->data_is_ptr) {
		odd(r, "fault", q);
		return XENMEM_LEND_ANSWER_GP;
	}
	s = (q->addr >> 12) - w->gfn;
	w->faults++;
	if (q->count > w->max_count)
		w->max_count = q->count;
	if (r->fault)
		a = r->fault(r, w, s, q, cpu);
	if (a != RAW_DEFAULT)
		return a;
	if (!w->back[s])
		return XENMEM_LEND_ANSWER_GP;
	if (r->answer_by_lend) {
		uint64_t word = w->frame[s] | (q->dir == IOREQ_WRITE || !w->ro[s] ? XENMEM_LEND_WRITE : 0);

		/* the vCPU may be on its way, and have its next request here, before the call returns */
		rc = raw_lend_answer(r->g->domid, w->id, s, 1, &word, NULL, cpu);
		if (!rc)
			return RAW_ANSWERED;
	} else {
		rc = win_lend(w, s, q->dir == IOREQ_WRITE || !w->ro[s]);
	}
	if (rc)
		note("lending slot %lu frame %#lx: %s", (long)s, (long)w->frame[s], strerror(-rc));
	return rc ? XENMEM_LEND_ANSWER_GP : XENMEM_LEND_ANSWER_RETRY;
}

uint64_t port_word(uint64_t n)
{
	return mix(0x9047, n);
}

/* A port: each read is another word, each write is kept. */
static void port(struct raw *r, unsigned size, bool write, uint64_t *v)
{
	if (write) {
		if (r->port_writes < PORT_LOG)
			r->port_log[r->port_writes] = *v & ((1ULL << size * 8) - 1);
		r->port_writes++;
	} else {
		*v = port_word(r->port_reads++) & ((1ULL << size * 8) - 1);
	}
}

/* One element of an access by value, at a guest address of ours. */
static void element(struct raw *r, uint64_t addr, unsigned size, bool write, uint64_t *v)
{
	struct win *w = find(r, addr);
	uint8_t *p = NULL;

	if (w) {
		r->window_mmio++;
		w->copies++;
		p = w->back[(addr >> 12) - w->gfn];
		if (p)
			p += addr & 4095;
		if ((addr & 4095) + size > 4096)
			p = NULL;
	} else if (addr - GUEST_MMIO <= sizeof(r->mmio) - size) {
		p = &r->mmio[0][addr - GUEST_MMIO];
		if (write)
			r->mmio_writes++;
		else
			r->mmio_reads++;
	} else if (r->trap_gfn && addr >> 12 == r->trap_gfn) {
		r->trap_writes += write;
	}
	if (write) {
		if (p)
			memcpy(p, v, size);
	} else {
		*v = ~0UL;
		if (p) {
			*v = 0;
			memcpy(v, p, size);
		}
	}
}

static void one(struct raw *r, const ioreq_t *q, uint64_t addr, bool write, uint64_t *v)
{
	if (q->type == IOREQ_TYPE_PIO)
		port(r, q->size, write, v);
	else
		element(r, addr, q->size, write, v);
}

/* A device's request, or a window's by value. */
static void handle_device(struct raw *r, ioreq_t *q)
{
	bool write = q->dir == IOREQ_WRITE;
	unsigned i, n = q->count;
	uint64_t v, gpa, addr;

	if (q->type == IOREQ_TYPE_PIO ? q->addr - GUEST_PORT >= 16 :
	    !find(r, q->addr) && q->addr - GUEST_MMIO >= sizeof(r->mmio) && q->addr >> 12 != r->trap_gfn)
		odd(r, "device", q);
	if (!q->size || q->size > 8 || q->size & (q->size - 1) || !q->count || q->count > 4096) {
		odd(r, "device's size", q);
		return;
	}
	if (!q->data_is_ptr) {
		v = q->data;
		one(r, q, q->addr, write, &v);
		if (!write)
			q->data = v;
		return;
	}
	for (i = 0; i < n; i++) {	/* the other side is in the guest's RAM */
		xen_pfn_t gfn[2];
		int e[2] = { 0 };
		uint8_t *m;

		gpa = q->df ? q->data - (uint64_t)i * q->size : q->data + (uint64_t)i * q->size;
		gfn[0] = gpa >> 12;
		gfn[1] = gfn[0] + 1;
		m = xenforeignmemory_map(xfm, r->g->domid, PROT_READ | PROT_WRITE, 2, gfn, e);
		if (!m || e[0]) {
			odd(r, "device with a pointer", q);
			if (m)
				xenforeignmemory_unmap(xfm, m, 2);
			return;
		}
		v = 0;
		addr = q->type == IOREQ_TYPE_PIO ? q->addr : q->df ? q->addr - (uint64_t)i * q->size : q->addr + (uint64_t)i * q->size;
		if (write)
			memcpy(&v, m + (gpa & 4095), q->size);
		one(r, q, addr, write, &v);
		if (!write)
			memcpy(m + (gpa & 4095), &v, q->size);
		xenforeignmemory_unmap(xfm, m, 2);
	}
}

static void hold(struct raw *r, const ioreq_t *q, int cpu)
{
	r->held_req[cpu] = *q;
	__sync_synchronize();
	r->held[cpu] = true;
}

static void handle(struct raw *r, int cpu)
{
	ioreq_t *page = &r->page->vcpu_ioreq[cpu], q;
	int a;

	if (r->held[cpu] || page->state != STATE_IOREQ_READY)
		return;
	__sync_synchronize();
	page->state = STATE_IOREQ_INPROCESS;
	/* suite fuzz has others that write there: decide by a copy */
	q = *page;
	switch (q.type) {
	case IOREQ_TYPE_LEND_FAULT:
		a = handle_fault(r, &q, cpu);
		if (a == RAW_ANSWERED) {
			r->answered_by_lend++;
			return;
		}
		if (a == RAW_HOLD) {
			hold(r, &q, cpu);
			return;
		}
		q.data = a;
		break;
	case IOREQ_TYPE_COPY:
	case IOREQ_TYPE_PIO:
		if (r->device && r->device(r, &q, cpu) == RAW_HOLD) {
			hold(r, &q, cpu);
			return;
		}
		handle_device(r, &q);
		break;
	case IOREQ_TYPE_INVALIDATE:
		break;
	default:
		odd(r, "type", &q);
	}
	page->data = q.data;
	__sync_synchronize();
	page->state = STATE_IORESP_READY;
	xenevtchn_notify(r->ev, r->port[cpu]);
}

static void *serve(void *arg)
{
	struct raw *r = arg;
	struct pollfd p = { xenevtchn_fd(r->ev), POLLIN, 0 };
	int port, i;

	while (!r->stop) {
		if (poll(&p, 1, 20) > 0) {
			port = xenevtchn_pending(r->ev);
			if (port >= 0)
				xenevtchn_unmask(r->ev, port);
		}
		pthread_mutex_lock(&r->lock);
		for (i = 0; i < MBOX_CPUS; i++)
			handle(r, i);
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

struct raw *raw_open_bare(struct guest *g)
{
	struct raw *r = calloc(1, sizeof(*r));

	r->g = g;
	pthread_mutex_init(&r->lock, NULL);
	if (xendevicemodel_create_ioreq_server(xdm, g->domid, 0, &r->id))
		die("create_ioreq_server: %s", strerror(errno));
	return r;
}

struct raw *raw_open(struct guest *g)
{
	struct raw *r = raw_open_bare(g);
	int i, p;

	r->res = xenforeignmemory_map_resource(xfm, g->domid, XENMEM_resource_ioreq_server, r->id,
					       XENMEM_resource_ioreq_server_frame_ioreq(0), 1, (void **)&r->page,
					       PROT_READ | PROT_WRITE, 0);
	if (!r->res)
		die("map_resource: %s", strerror(errno));
	if (xendevicemodel_map_io_range_to_ioreq_server(xdm, g->domid, r->id, 1, GUEST_MMIO, GUEST_MMIO + sizeof(r->mmio) - 1))
		die("map_io_range: %s", strerror(errno));
	if (xendevicemodel_map_io_range_to_ioreq_server(xdm, g->domid, r->id, 0, GUEST_PORT, GUEST_PORT + 15))
		die("map_io_range of ports: %s", strerror(errno));
	if (xendevicemodel_set_ioreq_server_state(xdm, g->domid, r->id, 1))
		die("set_ioreq_server_state: %s", strerror(errno));
	r->ev = xenevtchn_open(NULL, 0);
	for (i = 0; i < MBOX_CPUS; i++) {
		p = xenevtchn_bind_interdomain(r->ev, g->domid, r->page->vcpu_ioreq[i].vp_eport);
		if (p < 0)
			die("bind the ioreq channel: %s", strerror(errno));
		r->port[i] = p;
	}
	if (pthread_create(&r->thread, NULL, serve, r))
		die("pthread_create");
	return r;
}

struct win *raw_window(struct raw *r, uint64_t gfn, uint64_t nr)
{
	struct win *w = &r->win[r->nr_win];
	int rc;

	pthread_mutex_lock(&r->lock);
	w->r = r;
	w->gfn = gfn;
	w->nr = nr;
	w->back = calloc(nr, sizeof(*w->back));
	w->frame = calloc(nr, sizeof(*w->frame));
	w->ro = calloc(nr, sizeof(*w->ro));
	rc = raw_create(r->g->domid, gfn, nr, r->id, &w->id);
	if (!rc)
		r->nr_win++;
	pthread_mutex_unlock(&r->lock);
	if (rc)
		die("cannot create a window at gfn %#lx: %s", (long)gfn, strerror(-rc));
	return w;
}

void raw_back(struct win *w, uint64_t first, uint64_t nr, struct pool *p, size_t i)
{
	uint64_t s;

	pthread_mutex_lock(&w->r->lock);
	for (s = first; s < first + nr; s++, i++) {
		w->back[s] = pool_page(p, i);
		w->frame[s] = p->frame[i];
	}
	pthread_mutex_unlock(&w->r->lock);
}

int raw_answer(struct raw *r, int cpu, int answer)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&r->lock);
	if (r->held[cpu]) {
		if (r->held_req[cpu].type == IOREQ_TYPE_LEND_FAULT)
			r->held_req[cpu].data = answer;
		else
			handle_device(r, &r->held_req[cpu]);
		r->page->vcpu_ioreq[cpu].data = r->held_req[cpu].data;
		__sync_synchronize();
		r->page->vcpu_ioreq[cpu].state = STATE_IORESP_READY;
		r->held[cpu] = false;
		xenevtchn_notify(r->ev, r->port[cpu]);
		rc = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void raw_answered(struct raw *r, int cpu)
{
	pthread_mutex_lock(&r->lock);
	r->held[cpu] = false;
	pthread_mutex_unlock(&r->lock);
}

bool raw_wait_held(struct raw *r, int cpu, unsigned seconds)
{
	double end = now() + seconds;

	while (!r->held[cpu]) {
		if (now() > end)
			return false;
		usleep(500);
	}
	__sync_synchronize();
	return true;
}

void raw_stop_thread(struct raw *r)
{
	if (r->thread) {
		r->stop = true;
		pthread_join(r->thread, NULL);
		r->thread = 0;
	}
	if (r->ev)
		xenevtchn_close(r->ev);
	r->ev = NULL;
	if (r->res)
		xenforeignmemory_unmap_resource(xfm, r->res);
	r->res = NULL;
	r->page = NULL;
}

static void forget(struct raw *r)
{
	unsigned i;

	for (i = 0; i < r->nr_win; i++) {
		free(r->win[i].back);
		free(r->win[i].frame);
		free(r->win[i].ro);
	}
	if (r->odd)
		note("%lu odd requests, first: %s", (long)r->odd, r->odd_text);
	free(r);
}

void raw_close(struct raw *r)
{
	uint32_t domid = r->g->domid;
	unsigned i;

	for (i = 0; i < r->nr_win; i++)
		raw_destroy(domid, r->win[i].id);
	/* Xen wakes whoever waits when the server goes */
	xendevicemodel_destroy_ioreq_server(xdm, domid, r->id);
	raw_stop_thread(r);
	forget(r);
}

void raw_abandon(struct raw *r)
{
	raw_stop_thread(r);
	forget(r);
}

struct raw *raw_scene(unsigned slots)
{
	struct raw *r;

	xen_open();
	r = raw_open(guest_new(NULL));
	raw_window(r, GUEST_WINDOW >> 12, slots);
	return r;
}

void raw_scene_close(struct raw *r)
{
	struct guest *g = r->g;

	eq(r->odd, 0, "all requests were well formed %s", r->odd_text);
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
}

unsigned raw_spell(void)
{
	return lender_pvh ? 10 : 25;
}
