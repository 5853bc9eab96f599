// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything that Linux may do to a page, at random, under a guest that looks for its own tags; then a page that is taken away
 * before it can be used.
 */
#include "suites.h"
#include "drv.h"
#include <pthread.h>

static volatile bool soaking;
static struct lent s;
#define SOAK_PAGES 96

static void *chaos(void *arg)
{
	unsigned seed = (uintptr_t)arg;
	long n = 0;

	while (soaking) {
		unsigned i = rand_r(&seed) % SOAK_PAGES, k = 1 + rand_r(&seed) % 8;
		uint8_t *p = s.span + i * PAGE;

		if (i + k > SOAK_PAGES)
			k = SOAK_PAGES - i;
		switch (rand_r(&seed) % 8) {
		case 0: madvise(p, k * PAGE, MADV_DONTNEED); break;	/* memfd: the content stays */
		case 1: madvise(p, k * PAGE, MADV_PAGEOUT); break;
		case 2:
			mprotect(p, k * PAGE, PROT_READ);
			mprotect(p, k * PAGE, PROT_READ | PROT_WRITE);
			break;
		case 3: drv_zap(s.fd, s.id, i * PAGE, k * PAGE); break;
		case 4: drv_populate(s.fd, s.id, i * PAGE, k * PAGE, rand_r(&seed) & 1, NULL); break;
		case 5: madvise(p, k * PAGE, MADV_COLD); break;
		case 6:
			if (n % 64 == 0) {
				int pid = fork(), st;

				if (!pid)
					_exit(0);
				waitpid(pid, &st, 0);
			}
			break;
		case 7: *(volatile uint8_t *)(p + 8); break;
		}
		n++;
	}
	return (void *)n;
}

/* A page that is taken away before the guest has used it, more often than the driver is to put up with. */
static void stalls(void)
{
	struct lenddev_event ev[16];
	unsigned zaps = 0, others = 0, told = 0, hits = 0;
	double end = now() + 120;
	int i, n;

	at("stall limit");
	fcntl(s.fd, F_SETFL, fcntl(s.fd, F_GETFL) | O_NONBLOCK);
	while (drv_events(s.fd, ev, 16, 0) > 0)
		;
	*(volatile uint64_t *)s.span = 4711;
	xlend_param("stall_limit", 1);
	gop_start(s.g, 0, GOP_SPIN_READ, W(0), 4711);
	while (!hits && now() < end) {
		drv_zap(s.fd, s.id, 0, PAGE);
		zaps++;
		n = drv_events(s.fd, ev, 16, 0);
		for (i = 0; i < n; i++) {
			if (ev[i].type == LENDDEV_EVENT_HELD && ev[i].reason == LENDDEV_REASON_STALLED && ev[i].gpa == W(0))
				told++;
			else
				others++;
		}
		/* unless it was this zap that let it try again */
		if (told)
			hits = drv_st(s.fd, s.id).vcpus_held;
		told = 0;
	}
	xlend_param("stall_limit", 1000);
	ok(hits, "the vCPU is held");
	eq(drv_resume(s.fd, s.id, 0, PAGE, LENDDEV_RESUME_RETRY), 1, "... and resumed");
	gop_stop(s.g, 0);
	ok(hits, "a second fault without progress holds the vCPU if the limit is one (after %u revokes)", zaps);
	eq(others, 0, "... and nothing else is reported");
	eq(g_read(s.g, W(0)), 4711, "... and the page is as it was");
}

void suite_soak(void)
{
	struct lenddev_stats st;
	pthread_t t[2];
	void *n[2];
	int m;

	xen_open();
	s = lent_open(SOAK_PAGES, LENDDEV_POLICY_ONES);
	m = memfd_create("soak", 0);
	if (ftruncate(m, SOAK_PAGES * PAGE))
		die("ftruncate");
	lent_map(&s, 0, SOAK_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	at("soak");
	soaking = true;
	gop_start(s.g, 0, GOP_SPIN_TAG, W(0), SOAK_PAGES);
	gop_start(s.g, 1, GOP_SPIN_TAG, W(0), SOAK_PAGES);
	pthread_create(&t[0], NULL, chaos, (void *)1);
	pthread_create(&t[1], NULL, chaos, (void *)2);
	sleep(lender_pvh ? 12 : 25);
	soaking = false;
	pthread_join(t[0], &n[0]);
	pthread_join(t[1], &n[1]);
	ok(gop_progress(s.g, 0, 10, 60) && gop_progress(s.g, 1, 10, 60), "the guest goes on");
	gop_stop(s.g, 0);
	gop_stop(s.g, 1);
	st = drv_st(s.fd, s.id);
	eq(gret(s.g, 0, 1) + gret(s.g, 1, 1), 0, "both vCPUs found all their tags (%lu and %lu rounds over %u pages, %ld disturbances)",
	   (long)gret(s.g, 0, 0), (long)gret(s.g, 1, 0), SOAK_PAGES, (long)n[0] + (long)n[1]);
	note("faults %lu, lends %lu, revokes %lu, retries %lu, stalls %lu, errors %lu", (long)(st.faults_read + st.faults_write), (long)st.lends,
	     (long)st.revokes, (long)st.retries, (long)st.stalls, (long)st.errors);
	eq(st.errors, 0, "no fault met the policy");
	ok(st.revokes > 50, "pages were taken back all the time");
	stalls();
	close(m);
	ok(lent_close(&s), "the guest goes away");
}
