// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Windows and descriptors that come and go a thousand times leave nothing behind.
 */
#include "suites.h"
#include "drv.h"

static long meminfo(const char *what)
{
	char line[200];
	FILE *f = fopen("/proc/meminfo", "r");
	long v = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)) && line[strlen(what)] == ':') {
			v = atol(line + strlen(what) + 1);
			break;
		}
	if (f)
		fclose(f);
	return v;
}

static void settle(void)
{
	FILE *f = fopen("/proc/sys/vm/drop_caches", "w");

	sync();
	if (f) {
		fprintf(f, "3\n");
		fclose(f);
	}
	usleep(300000);
}

void suite_leak(void)
{
	size_t len = 256 * PAGE;
	struct guest *g;
	uint8_t *span;
	int cycles, dev, fd = -1, id, i, bad = 0;
	long free0 = 0, free1, slab0 = 0, slab1, mem0 = 0, mem1;

	xen_open();
	/* a PVH lender waits for its own CPUs with each page that it maps for a descriptor's ioreq server */
	cycles = lender_pvh ? 100 : 1000;
	g = guest_new(NULL);
	dev = drv_open();
	span = span_new(len);
	for (i = 0; i < 40 + cycles; i++) {
		at("cycle %d", i);
		if (i % 250 == 249)
			note("cycle %d", i);	/* silence would look like a hang */
		if (i == 40) {
			if (fd >= 0)
				close(fd);
			fd = -1;
			settle();
			free0 = xen_free_pages();
			slab0 = meminfo("SUnreclaim");
			mem0 = meminfo("MemAvailable");
		}
		/* the descriptor and its ioreq server, too, now and then */
		if (fd >= 0 && i % 10 == 0) {
			close(fd);
			fd = -1;
		}
		if (fd < 0)
			fd = drv_borrower(dev, g->domid, GUEST_WINDOW, 1UL << 30, 0);
		if (fd < 0)
			die("borrower: %s", strerror(-fd));
		id = drv_window(fd, GUEST_WINDOW, len, span, LENDDEV_WINDOW_WRITE, 0, 0);
		bad += id <= 0;
		mmap(span, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (i % 4 == 0)
			bad += gop(g, i & 1, GOP_TOUCH, W(0), 16, 1, i) != 0;
		else
			bad += drv_populate(fd, id, 0, len, i & 1, NULL) != 0;
		if (i % 3)
			bad += drv_destroy(fd, id) != 0;
		else {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	munmap(span, len);
	settle();
	free1 = xen_free_pages();
	slab1 = meminfo("SUnreclaim");
	mem1 = meminfo("MemAvailable");
	eq(bad, 0, "%d windows created, used, destroyed or closed", 40 + cycles);
	ok(free1 + 32 >= free0, "Xen's free pages are back after %d cycles (%ld, %ld)", cycles, free0, free1);
	ok(slab1 - slab0 < 1500, "the lender's slab is back (%ld kB, %ld kB)", slab0, slab1);
	ok(mem0 - mem1 < 8192, "the lender's memory is back (%ld kB, %ld kB available)", mem0, mem1);
	close(dev);
	ok(guest_free(g), "the guest goes away");
}
