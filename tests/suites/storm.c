// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile holder: two processes with one descriptor, sixteen threads in each, that make, use, resume and destroy each other's
 * windows and read each other's events, while the guest makes events as fast as it can.  They die at any moment.  What was
 * theirs is destroyed then, both vCPUs go on, and the driver can be unloaded.
 */
#include "suites.h"
#include "drv.h"
#include <pthread.h>

#define THREADS	16	/* of each process */
#define PLACES	8	/* where windows are made */
#define PAGES	16	/* of each */
#define SPAN	(PLACES * PAGES)

/* For all processes. */
static struct shared {
	uint32_t last_id;
	uint64_t made, destroyed, resumed, events;
} *sh;

static int fd;
static uint8_t *span;

static void *attack(void *arg)
{
	unsigned seed = (uintptr_t)arg;
	struct lenddev_event ev[8];
	struct lenddev_stats st;

	for (;;) {
		unsigned place = rand_r(&seed) % PLACES, first = rand_r(&seed) % PAGES, n = 1 + rand_r(&seed) % (PAGES - first);
		uint32_t last = __atomic_load_n(&sh->last_id, __ATOMIC_RELAXED), id = last - rand_r(&seed) % (2 * PLACES);
		uint8_t *p = span + (place * PAGES + first) * PAGE;
		unsigned policy;
		int rc;

		switch (rand_r(&seed) % 12) {
		case 0:
		case 1:
			policy = rand_r(&seed) & 1 ? LENDDEV_POLICY_HOLD : rand_r(&seed) & 1 ? LENDDEV_POLICY_FAULT : LENDDEV_POLICY_ONES;
			rc = drv_window(fd, W(place * PAGES), PAGES * PAGE, span + place * PAGES * PAGE,
					rand_r(&seed) % 4 ? LENDDEV_WINDOW_WRITE : 0, policy, seed);
			if (rc > 0) {
				__atomic_store_n(&sh->last_id, rc, __ATOMIC_RELAXED);
				__atomic_add_fetch(&sh->made, 1, __ATOMIC_RELAXED);
			}
			break;
		case 2:
			if (!drv_destroy(fd, id))
				__atomic_add_fetch(&sh->destroyed, 1, __ATOMIC_RELAXED);
			break;
		case 3:
		case 4:
			rc = drv_resume(fd, id, 0, PAGES * PAGE, rand_r(&seed) % 3);
			if (rc > 0)
				__atomic_add_fetch(&sh->resumed, rc, __ATOMIC_RELAXED);
			break;
		case 5:
			drv_zap(fd, id, first * PAGE, n * PAGE);
			break;
		case 6:
			drv_populate(fd, id, first * PAGE, n * PAGE, rand_r(&seed) & 1, NULL);
			break;
		case 7:
		case 8:
			rc = drv_events(fd, ev, 8, 0);
			if (rc > 0)
				__atomic_add_fetch(&sh->events, rc, __ATOMIC_RELAXED);
			break;
		case 9:
			drv_stats(fd, id, &st);
			break;
		case 10:
			mmap(p, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		default:
			mmap(p, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		}
		if (rand_r(&seed) % 20000 == 0)
			_exit(0);
	}
	return NULL;
}

static pid_t attacker(unsigned seed)
{
	pid_t pid;
	int i;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	signal(SIGTERM, SIG_DFL);
	span = span_new(SPAN * PAGE);
	for (i = 0; i < THREADS; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, attack, (void *)(uintptr_t)(seed + i)))
			_exit(80);
	}
	for (;;)
		pause();
}

void suite_storm(void)
{
	unsigned seed = getpid() * 2654435761U ^ (unsigned)(now() * 1000), round, v, i, stuck = 0, left = 0;
	uint64_t accesses = 0;
	int dev, status, rc;
	struct guest *g;
	double end, until;

	xen_open();
	note("seed %u", seed);
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	g = guest_new(NULL);
	dev = drv_open();
	end = now() + (lender_pvh ? 10 : 20);
	for (round = 0; round < 3 || now() < end; round++) {
		pid_t pid[2];

		at("round %u", round);
		fd = drv_borrower(dev, g->domid, GUEST_WINDOW, 1UL << 30, 0);
		if (fd < 0)
			die("borrower: %s", strerror(-fd));
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		sh->last_id = 2 * PLACES;
		for (i = 0; i < 2; i++)
			pid[i] = attacker(seed + round * 1000 + i * 100);
		/* this one has it no more: what is left ends with them */
		close(fd);
		until = now() + 1 + rand_r(&seed) % 1000 / 1000.0;
		while (now() < until)
			for (v = 0; v < 2; v++)
				if (gop_done(g, v)) {
					unsigned slot = rand_r(&seed) % SPAN;

					accesses++;
					if (rand_r(&seed) & 1)
						gop_start(g, v, GOP_READ, W(slot), 8);
					else
						gop_start(g, v, GOP_WRITE, W(slot), 8, accesses);
				}
		for (i = 0; i < 2; i++) {
			kill(pid[i], SIGKILL);
			usleep(rand_r(&seed) % 20000);
		}
		for (i = 0; i < 2; i++)
			waitpid(pid[i], &status, 0);
		for (v = 0; v < 2; v++)
			stuck += !gop_wait_for(g, v, 30);
		if (stuck)
			break;
		for (i = 0; i < PLACES; i++)
			left += gop(g, i & 1, GOP_READ, W(i * PAGES), 8) != ~0UL;
	}
	eq(stuck, 0, "two processes of %u threads on one descriptor, killed %u times: both vCPUs go on", THREADS, round);
	eq(left, 0, "... nothing is where their windows were");
	ok(sh->made > round && sh->destroyed && sh->resumed && sh->events && accesses > round,
	   "... they made %lu windows, destroyed %lu, resumed %lu vCPUs and read %lu events of %lu accesses",
	   (long)sh->made, (long)sh->destroyed, (long)sh->resumed, (long)sh->events, (long)accesses);
	close(dev);
	rc = guest_free(g);
	ok(rc, "the guest goes away: no zombie");
	ok(drv_reload(""), "the module can be unloaded: no window, worker or descriptor is left");
}
