// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests: each is answered exactly once, whoever is about to answer it. */
#include "fake-xen.h"

#include "../request.h"

#include "tap.h"

#include <unistd.h>

#define V FAKE_VCPUS
#define FAR (1UL << 20)

static struct xlend_server *s;
static struct xlend_queue q[3];
static bool closed;		/* requests are answered by the dispatcher */
static unsigned int woken;

static void wake(struct list_head *worker)
{
	__atomic_add_fetch(&woken, 1, __ATOMIC_RELAXED);
}

/* Even slots are of one window, odd ones of another, those from FAR on of a third. */
static void dispatch(struct xlend_request *r)
{
	unsigned long slot = r->req.addr >> PAGE_SHIFT;

	if (READ_ONCE(closed))
		xlend_request_finish(r, 77);
	else
		xlend_request_enqueue(r, &q[slot < FAR ? slot % 2 : 2], slot, false);
}

/* What the interrupt does about a fault by itself. */
static enum { NOW_NOTHING, NOW_LEND, NOW_LENT_ONLY, NOW_OVERTAKEN, NOW_ANY } now_mode;
static unsigned int nows;

static void now(struct xlend_turn *t)
{
	static unsigned int seed;
	unsigned int mode = READ_ONCE(now_mode);
	struct xlend_turn other = *t;
	u64 frame[1] = { 4711 };
	s32 status[1];

	__atomic_add_fetch(&nows, 1, __ATOMIC_RELAXED);
	if (mode == NOW_ANY)
		mode = __atomic_add_fetch(&seed, 1, __ATOMIC_RELAXED) * 2654435761U >> 30;
	if (mode == NOW_NOTHING)
		return;
	if (mode == NOW_OVERTAKEN)
		xlend_turn_answer(&other, 6);
	xlend_turn_lend(t, FAKE_HANDLE, t->req.addr >> PAGE_SHIFT, 1, frame, status);
	if (mode == NOW_LENT_ONLY)
		xlend_turn_answer(t, 7);
}

static void setup(void)
{
	closed = false;
	xlend_queue_init(&q[0], wake);
	xlend_queue_init(&q[1], wake);
	xlend_queue_init(&q[2], wake);
	s = calloc(1, sizeof(*s) + V * sizeof(s->requests[0]));
	xlend_server_init(s, FAKE_DOMID, V, now, dispatch);
	memset(fake_page, 0, sizeof(fake_page));
	for (unsigned int v = 0; v < V; v++)
		fake_page[v].port = 100 + v;
	assert(!xlend_server_start(s));
	fake_double = 0;
}

static void teardown(void)
{
	unsigned int v, masked = 0;

	xlend_server_stop(s);
	for (v = 0; v < V; v++)
		masked += fake_masked[v] != 0;
	eq(masked, 0, "no interrupt stays masked");
	eq(fake_double, 0, "nothing was answered twice");
	free(s);
}

static void fault(unsigned int vcpu, unsigned long slot)
{
	fake_send(vcpu, &(struct xlend_ioreq){
		.addr = slot << PAGE_SHIFT, .data = FAKE_HANDLE, .count = 1,
		.bits = XLEND_IOREQ_READ, .type = IOREQ_TYPE_LEND_FAULT });
	fake_interrupt(vcpu);
}

static struct xlend_turn take(struct xlend_queue *queue)
{
	struct xlend_turn t = { 0 };
	struct list_head idle;

	INIT_LIST_HEAD(&idle);
	if (!xlend_queue_take(queue, &t, &idle)) {
		spin_lock(&queue->lock);
		list_del_init(&idle);
		spin_unlock(&queue->lock);
	}
	return t;
}

static u64 fives(const struct xlend_request *r, void *arg)
{
	return 5;
}

static void cases(void)
{
	struct xlend_turn t, t2;
	struct list_head idle;
	u64 data = 0;
	s32 status;

	setup();
	fault(0, 4);
	ok(!fake_answered(0, &data), "a fault waits");
	eq(fake_masked[0], 1, "... its interrupt is masked");
	fake_interrupt(0);
	eq(fake_masked[0], 1, "an interrupt for nothing is not");
	t = take(&q[0]);
	ok(t.r && t.r->vcpu == 0 && t.slot == 4, "a worker takes it");
	t2 = take(&q[0]);
	ok(!t2.r, "... and no other");
	ok(xlend_turn_answer(&t, 42), "it is answered");
	ok(fake_answered(0, &data) && data == 42, "... with that");
	ok(!xlend_turn_answer(&t, 43), "not a second time");
	ok(xlend_turn_late(&t), "... which one can ask");

	/* the vCPU's next request is not the one that a slow worker has */
	fault(0, 4);
	t = take(&q[0]);
	eq(xlend_queue_answer(s, &q[0], 0, ~0UL, false, fives, NULL), 1, "somebody else answers");
	ok(fake_answered(0, &data) && data == 5, "... in the worker's place");
	fault(0, 4);
	ok(!xlend_turn_answer(&t, 44) && !fake_answered(0, &data), "the slow worker does not answer the next request");
	eq(xlend_turn_hold(&t), XLEND_HOLD_LATE, "... nor hold it");
	xlend_turn_move(&t);
	xlend_turn_back(&t);
	t2 = take(&q[0]);
	ok(t2.r && xlend_turn_answer(&t2, 45) && fake_answered(0, &data) && data == 45, "... which another serves");

	/* lend and answer at once */
	fault(1, 6);
	t = take(&q[0]);
	eq(xlend_turn_lend(&t, FAKE_HANDLE, 6, 1, (u64[]){ 9 }, &status), 0, "lend, and Xen answers");
	ok(t.answered && fake_answered(1, &data), "... it did");
	ok(!xlend_turn_answer(&t, 1), "... and nobody else does");
	eq(fake_masked[1], 0, "... the interrupt is over");
	fault(1, 6);
	t = take(&q[0]);
	fake_no_answer = true;
	eq(xlend_turn_lend(&t, FAKE_HANDLE, 6, 1, (u64[]){ 9 }, &status), 0, "lend, and Xen does not answer");
	fake_no_answer = false;
	ok(!t.answered && xlend_turn_answer(&t, 1) && fake_answered(1, &data), "... so the worker does");
	fault(1, 6);
	t = take(&q[0]);
	xlend_queue_answer(s, &q[0], 0, ~0UL, false, fives, NULL);
	fake_answered(1, &data);
	fault(1, 6);
	eq(xlend_turn_lend(&t, FAKE_HANDLE, 6, 1, (u64[]){ 9 }, &status), 0, "a late worker lends");
	ok(!t.answered && !fake_answered(1, &data), "... and Xen answers nothing for it");
	t = take(&q[0]);
	xlend_turn_answer(&t, 0);
	fake_answered(1, &data);

	/* holding */
	fault(2, 8);
	t = take(&q[0]);
	eq(xlend_turn_hold(&t), XLEND_HOLD_HELD, "held");
	eq(q[0].nr_held, 1, "... counted");
	ok(!take(&q[0]).r, "... for no worker");
	eq(xlend_queue_resume(&q[0], 9, 20), 0, "resuming another range does nothing");
	eq(xlend_queue_resume(&q[0], 8, 8), 1, "its own does");
	eq(q[0].nr_held, 0, "... counted");
	t = take(&q[0]);
	ok(t.r && t.resumed, "a worker takes it again");
	eq(xlend_queue_resume(&q[0], 0, 100), 0, "something changes while it is active");
	eq(xlend_turn_hold(&t), XLEND_HOLD_AGAIN, "... so it is not held, but tried again");
	eq(xlend_turn_hold(&t), XLEND_HOLD_HELD, "... once");
	eq(xlend_queue_answer(s, &q[0], 8, 8, true, fives, NULL), 1, "what is held can be answered");
	ok(fake_answered(2, &data) && data == 5, "... is");
	eq(q[0].nr_held, 0, "... and not held any more");
	fault(2, 8);
	eq(xlend_queue_answer(s, &q[0], 0, 100, true, fives, NULL), 0, "what only waits is not answered as held");
	xlend_queue_answer(s, &q[0], 0, 100, false, fives, NULL);
	fake_answered(2, &data);

	/* a queue that has lost its workers, one of which hangs */
	{
		struct xlend_turn late;

		fault(4, FAR);
		late = take(&q[2]);
		fault(5, FAR + 1);
		xlend_queue_park(&q[2]);
		eq(q[2].nr_held, 2, "what a worker has that hangs is held, too");
		eq(xlend_queue_resume(&q[2], 0, ~0UL), 0, "nothing is resumed, for nobody to take");
		eq(q[2].nr_held, 2, "... all is held still");
		xlend_turn_back(&late);
		eq(q[2].nr_held, 2, "what the worker gives back is held, once");
		ok(xlend_turn_hold(&late) == XLEND_HOLD_HELD && q[2].nr_held == 2, "... what it wants held, too");
		eq(xlend_queue_answer(s, &q[2], 0, ~0UL, true, fives, NULL), 2, "both can be answered");
		ok(!xlend_turn_answer(&late, 0), "... and the worker comes too late");
		ok(fake_answered(4, &data) && data == 5 && fake_answered(5, &data) && data == 5, "... for both");
		eq(q[2].nr_held, 0, "none is left");
		fault(4, FAR);
		eq(q[2].nr_held, 1, "what comes after that is held at once");
		eq(xlend_queue_answer(s, &q[2], 0, ~0UL, true, fives, NULL), 1, "... and answered");
		fake_answered(4, &data);
	}

	/* in the interrupt */
	nows = 0;
	now_mode = NOW_LEND;
	fault(3, 10);
	ok(fake_answered(3, &data) && data == XENMEM_LEND_ANSWER_RETRY, "the interrupt lends, and Xen answers");
	eq(fake_masked[3], 0, "... it is over");
	ok(!take(&q[0]).r, "... and nothing is left for a worker");
	now_mode = NOW_LENT_ONLY;
	fake_no_answer = true;
	fault(3, 10);
	fake_no_answer = false;
	ok(fake_answered(3, &data) && data == 7, "it lends, Xen does not answer, so it does");
	ok(!take(&q[0]).r && !fake_masked[3], "... and that is all");
	now_mode = NOW_OVERTAKEN;
	fault(3, 10);
	ok(fake_answered(3, &data) && data == 6, "somebody answers meanwhile");
	ok(!take(&q[0]).r && !fake_masked[3], "... and that is all");
	now_mode = NOW_NOTHING;
	fault(3, 10);
	ok(!fake_answered(3, &data), "the interrupt does nothing");
	t = take(&q[0]);
	ok(t.r && xlend_turn_answer(&t, 8) && fake_answered(3, &data) && data == 8, "... but a worker");
	eq(nows, 4, "it was asked each time");

	/* moving */
	fault(3, 10);
	t = take(&q[0]);
	t.copy.item = 3;
	t.r->req.addr += PAGE_SIZE;
	xlend_turn_move(&t);
	t = take(&q[1]);
	ok(t.r && t.slot == 11 && t.copy.item == 3, "a request moves to another queue, with what was done of it");
	xlend_turn_back(&t);
	t = take(&q[1]);
	ok(t.r && t.copy.item == 3, "it is given back, for another worker");
	eq(xlend_queue_answer(s, &q[0], 0, ~0UL, false, fives, NULL), 0, "the first queue has nothing to do with it");
	xlend_turn_answer(&t, 0);
	fake_answered(3, &data);

	/* workers are woken, one for each request */
	INIT_LIST_HEAD(&idle);
	ok(!xlend_queue_take(&q[0], &t, &idle), "a worker finds nothing");
	ok(!xlend_queue_take(&q[0], &t, &idle), "... woken by something else, it finds nothing again");
	ok(q[0].idle.next == &idle && q[0].idle.prev == &idle && idle.next == &q[0].idle, "... and is idle once");
	woken = 0;
	fault(4, 2);
	eq(woken, 1, "it is woken for a request");
	ok(list_empty(&idle), "... and is not idle any more");
	fault(5, 2);
	eq(woken, 1, "nobody is there to be woken for another");

	/* the end: what waits, what is taken, what was just sent */
	t = take(&q[0]);
	fake_send(0, &(struct xlend_ioreq){ .type = IOREQ_TYPE_LEND_FAULT });
	xlend_server_stop(s);
	ok(fake_answered(4, &data) && data == XENMEM_LEND_ANSWER_RETRY, "stopped: the active one is answered");
	ok(fake_answered(5, &data), "... the waiting one");
	ok(fake_answered(0, &data), "... and one that nobody has taken");
	ok(!xlend_turn_answer(&t, 0), "the worker comes too late");
	s->nr_bound = 0;
	eq(fake_double, 0, "nothing was answered twice");
	free(s);
}

/* --- all at once */

static bool over;
static unsigned long served[V], asked[V];

static unsigned int draw(unsigned int *seed, unsigned int n)
{
	return rand_r(seed) % n;
}

static void *vcpu_thread(void *arg)
{
	unsigned int v = (uintptr_t)arg, seed = v;
	u64 data;

	while (!READ_ONCE(over)) {
		fake_send(v, &(struct xlend_ioreq){
			.addr = (u64)draw(&seed, 100) << PAGE_SHIFT,
			.data = FAKE_HANDLE, .bits = XLEND_IOREQ_READ,
			.type = IOREQ_TYPE_LEND_FAULT });
		asked[v]++;
		fake_interrupt(v);
		while (!fake_answered(v, &data))
			sched_yield();
		served[v]++;
	}
	return NULL;
}

static void *worker_thread(void *arg)
{
	unsigned int n = (uintptr_t)arg, seed = n + 100;
	struct xlend_queue *mine = &q[n % 2];
	struct list_head idle;
	struct xlend_turn t;
	u64 frame[1] = { 4711 };
	s32 status[1];

	INIT_LIST_HEAD(&idle);
	while (!READ_ONCE(over)) {
		memset(&t, 0, sizeof(t));
		if (!xlend_queue_take(mine, &t, &idle)) {
			spin_lock(&mine->lock);
			list_del_init(&idle);
			spin_unlock(&mine->lock);
			sched_yield();
			continue;
		}
		switch (draw(&seed, 6)) {
		case 0:
			xlend_turn_lend(&t, FAKE_HANDLE, t.slot, 1, frame, status);
			if (!t.answered)
				xlend_turn_answer(&t, 1);
			break;
		case 1:
			if (xlend_turn_hold(&t) == XLEND_HOLD_AGAIN)
				xlend_turn_answer(&t, 2);
			break;
		case 2:
			xlend_turn_back(&t);
			break;
		case 3:
			xlend_turn_move(&t);
			break;
		default:
			/* slow, and twice */
			sched_yield();
			xlend_turn_answer(&t, 3);
			xlend_turn_answer(&t, 4);
		}
	}
	return NULL;
}

static void *others_thread(void *arg)
{
	unsigned int seed = 999;

	while (!READ_ONCE(over)) {
		struct xlend_queue *queue = &q[draw(&seed, 2)];

		switch (draw(&seed, 4)) {
		case 0:
			xlend_queue_answer(s, queue, 0, draw(&seed, 100), false, fives, NULL);
			break;
		case 1:
			xlend_queue_answer(s, queue, 0, ~0UL, true, fives, NULL);
			break;
		default:
			xlend_queue_resume(queue, draw(&seed, 100), 99);
		}
		sched_yield();
	}
	return NULL;
}

static void threads(unsigned int ms)
{
	pthread_t vcpu[V], worker[4], other;
	unsigned long n = 0, bad = 0;
	unsigned int i;

	at("threads");
	setup();
	now_mode = NOW_ANY;
	over = false;
	for (i = 0; i < V; i++)
		pthread_create(&vcpu[i], NULL, vcpu_thread, (void *)(uintptr_t)i);
	for (i = 0; i < 4; i++)
		pthread_create(&worker[i], NULL, worker_thread, (void *)(uintptr_t)i);
	pthread_create(&other, NULL, others_thread, NULL);
	usleep(ms * 1000);
	WRITE_ONCE(over, true);
	for (i = 0; i < 4; i++)
		pthread_join(worker[i], NULL);
	pthread_join(other, NULL);
	/* nobody serves any more: what waits must end with the server, as new ones do */
	WRITE_ONCE(closed, true);
	xlend_queue_answer(s, &q[0], 0, ~0UL, false, fives, NULL);
	xlend_queue_answer(s, &q[1], 0, ~0UL, false, fives, NULL);
	for (i = 0; i < V; i++)
		pthread_join(vcpu[i], NULL);
	for (i = 0; i < V; i++) {
		n += served[i];
		bad += served[i] != asked[i];
	}
	ok(n > 1000, "%lu requests of six vCPUs, four workers and one who answers for them", n);
	eq(bad, 0, "... each was answered");
	now_mode = NOW_NOTHING;
	teardown();
}

#define ROUNDS 40

static void *lending_thread(void *arg)
{
	unsigned int n;

	for (n = 0; n < ROUNDS; ) {
		struct xlend_turn t = take(&q[0]);
		unsigned int before = n % 3;	/* neighbours */
		u64 frame[3] = { 4709, 4710, 4711 };
		s32 status[3];

		if (!t.r) {
			sched_yield();
			continue;
		}
		xlend_turn_lend(&t, FAKE_HANDLE, t.slot - before, before + 1, frame, status);
		if (!t.answered)
			xlend_turn_answer(&t, XENMEM_LEND_ANSWER_RETRY);
		n++;
	}
	return NULL;
}

/* A vCPU that goes on before its slot is lent asks again, or reads ones where nobody serves it any more. */
static void lent_first(void)
{
	unsigned int n, early = 0, other = 0;
	pthread_t worker;
	u64 data;

	at("lent, then answered");
	setup();
	fake_lend_us = 500;
	pthread_create(&worker, NULL, lending_thread, NULL);
	for (n = 0; n < ROUNDS; n++) {
		unsigned long slot = 110 + n * 4;

		/* Xen answers, or leaves that to the worker */
		WRITE_ONCE(fake_no_answer, n & 1);
		fault(n % V, slot);
		while (!fake_answered(n % V, &data))
			sched_yield();
		early += !fake_lent(slot);
		other += data != XENMEM_LEND_ANSWER_RETRY;
	}
	pthread_join(worker, NULL);
	fake_no_answer = false;
	fake_lend_us = 0;
	eq(early, 0, "%u vCPUs that go on find their slot lent, however long that takes", ROUNDS);
	eq(other, 0, "... and each is told to try again");
	teardown();
}

int main(int argc, char **argv)
{
	tap_begin("driver-request");
	tap_limit(120);
	cases();
	lent_first();
	threads(argc > 1 ? atoi(argv[1]) : 3000);
	return tap_end();
}
