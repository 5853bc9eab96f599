// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a Linux guest: maps the memory of the ivshmem device through sysfs and uses it as any program would.
 *
 * Word 0 of the memory: 1 when the guest is ready, 2 when it has ended well, 3 when something was wrong; word 1: the
 * lender says 1 to end; word 2: a counter that both advance with LOCKed adds; word 3: how many the guest added;
 * word 4: passes over the rest; word 5: the first wrong offset.
 *
 * Then it takes BAR 2 away from the device, and Linux, which finds the device again, gives it an address of its choice.  Words 6
 * and 7: the old and the new one; word 8: 1 when all of the memory is there, 2 when it is not.  See tests/suites/linux.c.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#define PCI	"/sys/bus/pci/"
#define DEVICE	PCI "devices/0000:00:%02x.0/"	/* with the slot */
#define BAR2	(PCI_BASE_ADDRESS_0 + 8)
#define PAGE	4096

static unsigned slot;

/* A file of the device */
static const char *file(const char *name)
{
	static char path[80];

	snprintf(path, sizeof(path), DEVICE "%s", slot, name);
	return path;
}

static bool is(const char *name, const char *want)
{
	FILE *f = fopen(file(name), "r");
	char got[16] = "";

	if (f && !fgets(got, sizeof(got), f))
		got[0] = 0;
	if (f)
		fclose(f);
	return !strcmp(got, want);
}

static int find(void)
{
	for (slot = 1; slot < 32; slot++)
		if (is("vendor", "0x1af4\n") && is("device", "0x1110\n"))
			return 0;
	puts("ivshmem: there is none");
	return -1;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

static int say(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY), rc;

	rc = fd < 0 || write(fd, what, strlen(what)) < 0;
	if (rc)
		perror(path);
	if (fd >= 0)
		close(fd);
	return rc;
}

static volatile uint64_t *map(size_t *bytes)
{
	struct stat st;
	void *p;
	int fd;

	if (say(file("enable"), "1"))
		return NULL;
	fd = open(file("resource2"), O_RDWR);
	if (fd < 0 || fstat(fd, &st)) {
		perror("ivshmem: resource2");
		return NULL;
	}
	p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		perror("ivshmem: mmap");
		return NULL;
	}
	*bytes = st.st_size;
	return p;
}

/* Where Linux has BAR 2. */
static uint64_t address(void)
{
	unsigned long long start[3] = { 0 }, end, flags;
	FILE *f = fopen(file("resource"), "r");
	int i;

	for (i = 0; f && i < 3; i++)
		if (fscanf(f, "%llx %llx %llx", &start[i], &end, &flags) != 3)
			break;
	if (f)
		fclose(f);
	return start[2];
}

static uint32_t config(unsigned reg, const uint32_t *to)
{
	outl(0x80000000 | slot << 11 | reg, 0xcf8);
	if (to)
		outl(*to, 0xcfc);
	return inl(0xcfc);
}

/* As if no firmware had ever given the device an address. */
static int forget_address(void)
{
	uint32_t none = 0, command, bar;

	if (iopl(3)) {
		perror("ivshmem: iopl");
		return -1;
	}
	command = config(PCI_COMMAND, NULL) & 0xffff & ~PCI_COMMAND_MEMORY;
	config(PCI_COMMAND, &command);
	bar = config(BAR2, &none);
	if (bar & PCI_BASE_ADDRESS_MEM_TYPE_64)
		config(BAR2 + 4, &none);
	return 0;
}

/* The memory after its move: as pass left it. */
static void moved(uint64_t pass, uint64_t before)
{
	volatile uint64_t *m;
	uint64_t i, bad = 0;
	size_t bytes;

	if (say(file("remove"), "1") || forget_address() || say(PCI "rescan", "1"))
		return;
	m = map(&bytes);
	if (!m)
		return;
	for (i = 1; i < bytes / PAGE; i++) {
		volatile uint64_t *p = m + i * (PAGE / 8);

		bad += p[3] != mix(i + (pass << 32)) || p[511] != ~mix(i + (pass << 32));
	}
	m[6] = before;
	m[7] = address();
	printf("ivshmem: moved from %#llx to %#llx, %llu pages wrong\n", (unsigned long long)before, (unsigned long long)m[7],
	       (unsigned long long)bad);
	m[8] = bad ? 2 : 1;
}

int main(void)
{
	volatile uint64_t *m;
	uint64_t pass, i, n;
	size_t bytes;

	if (find())
		return 1;
	m = map(&bytes);
	if (!m)
		return 1;
	n = bytes / PAGE;
	printf("ivshmem: %llu pages\n", (unsigned long long)n);
	m[0] = 1;
	for (pass = 1; !m[1]; pass++) {
		for (i = 1; i < n; i++) {
			volatile uint64_t *p = m + i * (PAGE / 8);
			uint64_t want = pass > 1 ? mix(i + ((pass - 1) << 32)) : 0;

			if (p[3] != want || (pass > 1 && p[511] != ~want)) {
				m[5] = i * PAGE;
				m[0] = 3;
				printf("ivshmem: wrong at page %llu in pass %llu\n", (unsigned long long)i, (unsigned long long)pass);
				return 1;
			}
			want = mix(i + (pass << 32));
			p[3] = want;
			p[511] = ~want;
			__atomic_fetch_add(&m[2], 1, __ATOMIC_SEQ_CST);
			m[3]++;
		}
		m[4] = pass;
	}
	m[0] = 2;
	munmap((void *)m, bytes);
	moved(pass - 1, address());
	puts("ivshmem: done");
	return 0;
}
