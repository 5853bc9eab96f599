/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lender without the driver: hypercalls and an ioreq server of its own, for what the driver would never do.
 *
 * Frames lent this way are lent behind the kernel's back: they come from a pool that stays where it is, and are taken
 * back before the process ends (tap_cleanup pauses and destroys the guests first when it ends badly).
 */
#ifndef RAW_H
#define RAW_H

#include "guest.h"
#include <xen/hvm/ioreq.h>
#include <xen/public/lend.h>

/* A call with exactly this struct.  0 or -errno; *m is what Xen left. */
int lend_call(struct xen_mem_lend *m);
/* The same with the struct at any address, also a bad one. */
int lend_call_at(void *p);

int raw_create(uint32_t domid, uint64_t gfn, uint64_t nr, uint32_t server, uint64_t *window);
int raw_destroy(uint32_t domid, uint64_t window);
/* Each frame with these rights (0 or XENMEM_LEND_WRITE) ... */
int raw_lend(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr, const uint64_t *frames, int32_t *status, uint64_t rights);
/* ... or the array as it is; with the answer to what this vCPU waits for. */
int raw_lend_words(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr, const uint64_t *words, int32_t *status);
int raw_lend_answer(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr, const uint64_t *words, int32_t *status, unsigned vcpu);
int raw_revoke(uint32_t domid, uint64_t window, uint64_t first, uint64_t nr);
int raw_query(uint32_t domid, uint64_t window, struct xen_mem_lend_counters *c);
/* arrays that Xen can read and write: hypercall-safe, 512 entries each */
uint64_t *raw_frames(void);
int32_t *raw_status(void);

#define RAW_HOLD	(-1)	/* a fault handler's answer: not now */
#define RAW_DEFAULT	(-2)	/* ... : lend what is behind the slot */
#define RAW_ANSWERED	(-3)	/* ... : Xen has answered already */

#define PORT_LOG	4096

struct raw;

struct win {
	struct raw *r;
	uint64_t id, gfn, nr;
	void **back;		/* page behind each slot, or NULL */
	uint64_t *frame;
	bool *ro;		/* lend read-only to reads */
	uint64_t faults, copies, upgrades;
	uint32_t max_count;
};

struct raw {
	struct guest *g;
	ioservid_t id;
	shared_iopage_t *page;
	xenforeignmemory_resource_handle *res;
	xenevtchn_handle *ev;
	int port[MBOX_CPUS];
	pthread_t thread;
	volatile bool stop;
	struct win win[4];
	unsigned nr_win;
	pthread_mutex_t lock;	/* held by the thread while it handles one request */
	/* called with the lock held; an answer XENMEM_LEND_ANSWER_*, RAW_HOLD or RAW_DEFAULT */
	int (*fault)(struct raw *r, struct win *w, uint64_t slot, ioreq_t *q, int cpu);
	void *priv;
	volatile bool held[MBOX_CPUS];
	ioreq_t held_req[MBOX_CPUS];
	uint8_t mmio[2][4096];	/* two pages of device memory at GUEST_MMIO, and what was done there */
	uint64_t mmio_reads, mmio_writes;
	bool answer_by_lend;	/* RAW_DEFAULT lends with XENMEM_LEND_ANSWER */
	uint64_t answered_by_lend;
	/* called with the lock held for a device's request, also a window's by value: RAW_HOLD or RAW_DEFAULT */
	int (*device)(struct raw *r, ioreq_t *q, int cpu);
	uint64_t port_reads, port_writes;	/* at GUEST_PORT: elements */
	uint32_t port_log[PORT_LOG];		/* what was written there */
	uint64_t trap_gfn, trap_writes;		/* RAM of the guest whose writes come here */
	volatile uint64_t window_mmio;	/* by-value accesses to windows */
	uint64_t odd;		/* requests that made no sense */
	char odd_text[120];
};

struct raw *raw_open(struct guest *g);
/* A server without thread, page or channels: for windows nobody serves. */
struct raw *raw_open_bare(struct guest *g);
struct win *raw_window(struct raw *r, uint64_t gfn, uint64_t nr);
/* Puts pool pages behind [first, first + nr) from page i on. */
void raw_back(struct win *w, uint64_t first, uint64_t nr, struct pool *p, size_t i);
/* A held request: a fault gets this answer, a device's is done now. */
int raw_answer(struct raw *r, int cpu, int answer);
uint64_t port_word(uint64_t n);					/* what the nth read of a port gives, but for its size */
void raw_answered(struct raw *r, int cpu);	/* Xen has answered the held request: forget it */
bool raw_wait_held(struct raw *r, int cpu, unsigned seconds);
/* Revokes everything, answers what is held, ends the thread, destroys the server. */
void raw_close(struct raw *r);
/* The same without touching the domain: it is gone. */
void raw_abandon(struct raw *r);
/* Stops the thread and unbinds, leaves server and windows as they are. */
void raw_stop_thread(struct raw *r);
/* A guest, and a window of so many slots at GUEST_WINDOW: r->g and r->win[0]. */
struct raw *raw_scene(unsigned slots);
void raw_scene_close(struct raw *r);		/* checks that all requests made sense, and that the guest goes away */
/* Seconds for a storm: the mechanism is the same for a PVH lender, and its share of a run is to be short. */
unsigned raw_spell(void);
int win_revoke(struct win *w, uint64_t first, uint64_t nr);
int win_lend(struct win *w, uint64_t slot, bool write);

#endif
