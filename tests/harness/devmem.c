// SPDX-License-Identifier: GPL-2.0-or-later
/* See devmem.h. */
#include "devmem.h"
#include "guest.h"
#include "tap.h"
#include "toolstack.h"
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"

static unsigned long number_in(const char *dev, const char *file)
{
	char path[300], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", dev, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	close(fd);
	return strtoul(text, NULL, 0);
}

/* BAR 0: the first line of its file "resource" has first and last address. */
static bool region(const char *dev, uint64_t *first, uint64_t *last)
{
	char path[300], line[128];
	unsigned long a = 0, b = 0;
	FILE *f;

	snprintf(path, sizeof(path), DEVICES "/%s/resource", dev);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	if (sscanf(line, "%lx %lx", &a, &b) != 2 || !a || b <= a)
		return false;
	*first = a;
	*last = b;
	return true;
}

static int open_in(const char *dev, const char *name, int flags)
{
	char path[300];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", dev, name);
	return open(path, flags | O_CLOEXEC);
}

bool pcidev_find(struct pcidev *d, unsigned vendor, unsigned device)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *e;
	unsigned s, b, v, f;
	bool found = false;

	while (dir && !found && (e = readdir(dir)))
		if (sscanf(e->d_name, "%x:%x:%x.%x", &s, &b, &v, &f) == 4 && number_in(e->d_name, "vendor") == vendor &&
		    number_in(e->d_name, "device") == device) {
			snprintf(d->name, sizeof(d->name), "%s", e->d_name);
			d->sbdf = s << 16 | b << 8 | v << 3 | f;
			found = true;
		}
	if (dir)
		closedir(dir);
	return found;
}

/* So that it decodes its addresses. */
static void enable(struct pcidev *d)
{
	int on = open_in(d->name, "enable", O_WRONLY);

	if (on >= 0 && write(on, "1", 1) != 1)
		note("enable: %s", strerror(errno));
	close(on);
}

void *pcidev_map(struct pcidev *d, unsigned bar, size_t len)
{
	char file[16];
	void *p;
	int fd;

	enable(d);
	snprintf(file, sizeof(file), "resource%u", bar);
	fd = open_in(d->name, file, O_RDWR);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("%s of %s: %s", file, d->name, strerror(errno));
	close(fd);
	return p;
}

void pcidev_master(struct pcidev *d)
{
	uint16_t command;
	int fd = open_in(d->name, "config", O_RDWR);

	if (fd < 0 || pread(fd, &command, 2, 4) != 2)
		die("configuration of %s: %s", d->name, strerror(errno));
	command |= 6;
	if (pwrite(fd, &command, 2, 4) != 2)
		die("configuration of %s: %s", d->name, strerror(errno));
	close(fd);
}

/* A driver domain has no PCI bus, but perhaps a device's memory: jobs/driver-domain says where. */
static bool given(struct devmem *d)
{
	unsigned long at, pages, machine;
	char line[2000] = "", *p;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, line, sizeof(line) - 1) <= 0)
		die("/proc/cmdline: %s", strerror(errno));
	close(fd);
	p = strstr(line, "xltest.device=");
	if (!p || sscanf(p, "xltest.device=%lx:%lu:%lx", &at, &pages, &machine) != 3)
		return false;
	d->frame = at >> 12;
	d->machine = machine;
	d->pages = pages / 2;
	d->at = at;
	/* O_SYNC: uncached */
	d->fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	d->wc = -1;
	if (d->fd < 0)
		die("/dev/mem: %s", strerror(errno));
	return true;
}

bool devmem_open(struct devmem *d)
{
	uint64_t first, last;
	struct pcidev dev;

	if (driver_domain)
		return given(d);
	if (!pcidev_find(&dev, 0x1234, 0x1111) || !region(dev.name, &first, &last))
		return false;
	enable(&dev);
	d->frame = d->machine = first >> 12;
	d->pages = (last + 1 - first) / PAGE / 2;
	d->at = 0;
	d->fd = open_in(dev.name, "resource0", O_RDWR);
	d->wc = open_in(dev.name, "resource0_wc", O_RDWR);
	return d->fd >= 0;
}

void devmem_close(struct devmem *d)
{
	close(d->fd);
	if (d->wc >= 0)
		close(d->wc);
}

/* ---- entries ---- */

static bool is_amd(void)
{
	unsigned a, b, c, d;

	__cpuid(0, a, b, c, d);
	return c == 0x444d4163;	/* "cAMD" */
}

static void decode(struct entry *e, uint64_t word, bool large)
{
	e->large = large && (word >> 7 & 1);
	if (is_amd()) {
		/* Xen's own PAT: write-back, write-through, UC-, UC, write-combining, write-protected */
		static const int pat[8] = { 6, 4, 7, 0, 1, 5, -1, -1 };

		e->there = word & 1;
		e->write = word & 2;
		e->type = pat[(word >> 3 & 3) | (word >> (large ? 12 : 7) & 1) << 2];
		e->fixed = false;
	} else {
		e->there = word & 7;
		e->write = word & 2;
		e->type = word >> 3 & 7;
		e->fixed = word >> 6 & 1;
	}
}

/* A struct entry in a number, so that it fits through the store. */
static long pack(const struct entry *e)
{
	return e->there | e->mmio << 1 | e->write << 2 | e->large << 3 | e->fixed << 4 | (e->type & 0xf) << 8 | (long)e->frame << 16;
}

struct entry entry_of(uint32_t domid, uint64_t gfn, uint64_t slot)
{
	long n = toolstack_entry(domid, gfn, slot);

	if (n < 0)
		die("Xen's log: %s", strerror(-n));
	return (struct entry){
		.there = n & 1, .mmio = n >> 1 & 1, .write = n >> 2 & 1, .large = n >> 3 & 1, .fixed = n >> 4 & 1, .type = n >> 8 & 0xf,
		.frame = n >> 16,
	};
}

long entry_read(uint32_t domid, uint64_t gfn, uint64_t slot)
{
	static char text[1 << 20];
	char name[64], window[64], keys[] = "W", *p;
	unsigned n = sizeof(text) - 1;
	struct entry e = { 0 };
	unsigned long s, mfn;
	uint64_t word;

	/* what suites have caused so far stays where it is; only the end is of interest */
	if (xc_send_debug_keys(xch, keys) || xc_readconsolering(xch, text, &n, 0, 0, NULL))
		return -errno;
	text[n] = 0;
	p = NULL;
	for (char *q = text; (q = strstr(q, "dumping memory lending")); q++)
		p = q;
	snprintf(name, sizeof(name), "d%u borrows", domid);
	snprintf(window, sizeof(window), ": gfn 0x%lx nr ", (unsigned long)gfn);
	if (p)
		p = strstr(p, name);
	if (p)
		p = strstr(p, window);
	/* its lines, up to the next window */
	for (p = p ? strchr(p, '\n') : NULL; p; p = strchr(p, '\n')) {
		char *end = strchr(++p, '\n'), line[160], *q, *at_mmio;

		if (!end || end - p >= (long)sizeof(line))
			break;
		memcpy(line, p, end - p);
		line[end - p] = 0;
		if (strstr(line, "    window 0x"))
			break;
		q = strstr(line, "slot 0x");
		if (!q)
			q = strstr(line, "slot 0:");
		at_mmio = strstr(line, " (MMIO)");
		if (!q || sscanf(q, "slot %lx: mfn %lx", &s, &mfn) != 2 || s != slot || !strstr(q, "entry "))
			continue;
		word = strtoul(strstr(q, "entry ") + 6, NULL, 16);
		e.frame = mfn;
		e.mmio = at_mmio;
		decode(&e, word, strstr(line, " (2M)"));
		break;
	}
	return pack(&e);
}
