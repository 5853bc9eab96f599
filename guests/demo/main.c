// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The demo's guest: draws the picture of scene.h into the memory of an ivshmem device, one sample for each pixel and
 * pass, adding to what is there.  It knows nothing of lending.
 */
#include "runtime.h"
#include "demo.h"
#include "scene.h"

static struct demo_control *const ctl = (void *)(DEMO_BAR + DEMO_CONTROL);
static struct demo_sum *const sums = (void *)(DEMO_BAR + DEMO_SUMS);
static u32 *const frame = (void *)(DEMO_BAR + DEMO_FRAME);

/* In the guest's own memory: checksums of the rows of the last pass */
static u64 row_hash[DEMO_HEIGHT];

static void draw(u32 row, u32 pass)
{
	volatile struct demo_sum *s = sums + row * DEMO_WIDTH;
	volatile u32 *f = frame + row * DEMO_WIDTH;
	u64 h = DEMO_HASH_START;
	u32 wrong = 0, x;

	for (x = 0; x < DEMO_WIDTH; x++) {
		struct scene_rgb c = scene_sample(x, row, DEMO_WIDTH, DEMO_HEIGHT, pass);
		u32 r = s[x].r + c.r, g = s[x].g + c.g, b = s[x].b + c.b, v;

		wrong += s[x].n != pass;
		s[x].r = r;
		s[x].g = g;
		s[x].b = b;
		s[x].n = pass + 1;
		v = scene_pixel(r, g, b, pass + 1);
		f[x] = v;
		h = demo_hash(h, v);
	}
	row_hash[row] = h;
	if (wrong)
		__atomic_fetch_add(&ctl->wrong, wrong, __ATOMIC_SEQ_CST);
}

static void work(void)
{
	for (;;) {
		u32 t = __atomic_fetch_add(&ctl->ticket, 1, __ATOMIC_SEQ_CST);
		u32 pass = t / DEMO_HEIGHT, row = t % DEMO_HEIGHT;

		if (pass >= __atomic_load_n(&ctl->passes, __ATOMIC_SEQ_CST))
			break;

		/* the other processor may still be at this row, in the pass before */
		while (__atomic_load_n(&ctl->row_pass[row], __ATOMIC_ACQUIRE) != pass)
			pause();
		draw(row, pass);
		__atomic_store_n(&ctl->row_pass[row], pass + 1, __ATOMIC_RELEASE);
		__atomic_fetch_add(&ctl->samples, DEMO_WIDTH, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&ctl->rows, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_fetch_add(&ctl->finished, 1, __ATOMIC_SEQ_CST);
}

void guest_main(u32 cpu)
{
	u64 h = DEMO_HASH_START;
	u32 i;

	if (cpu) {
		work();
		return;
	}
	if (ctl->magic != DEMO_MAGIC || !ctl->passes) {
		print("demo guest: no device, or not ours\n");
		return;
	}
	ctl->cpus = 1;
	for (i = 1; i < DEMO_MAX_CPUS; i++) {
		__atomic_fetch_add(&ctl->cpus, 1, __ATOMIC_SEQ_CST);
		if (cpu_start(i)) {
			__atomic_fetch_sub(&ctl->cpus, 1, __ATOMIC_SEQ_CST);
			break;
		}
	}
	work();
	while (__atomic_load_n(&ctl->finished, __ATOMIC_ACQUIRE) != ctl->cpus)
		pause();

	for (i = 0; i < DEMO_HEIGHT; i++) {
		h = demo_hash(h, row_hash[i]);
		h = demo_hash(h, row_hash[i] >> 32);
	}
	ctl->checksum = h;
	__atomic_store_n(&ctl->done, 1, __ATOMIC_RELEASE);
	print("demo guest: checksum ");
	print_hex(h);
	print("\n");
}
