// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a Linux guest: maps the memory of the ivshmem device through sysfs and uses it as any program would.
 *
 * Word 0 of the memory: 1 when the guest is ready, 2 when it has ended well, 3 when something was wrong; word 1: the
 * lender says 1 to end; word 2: a counter that both advance with LOCKed adds; word 3: how many the guest added;
 * word 4: passes over the rest; word 5: the first wrong offset.  See tests/suites/linux.c.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE	"/sys/bus/pci/devices/0000:00:01.0/"
#define PAGE	4096

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

int main(void)
{
	volatile uint64_t *m;
	struct stat st;
	uint64_t pass, i, n;
	int fd;

	fd = open(DEVICE "enable", O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) != 1) {
		perror("ivshmem: " DEVICE "enable");
		return 1;
	}
	close(fd);
	fd = open(DEVICE "resource2", O_RDWR);
	if (fd < 0 || fstat(fd, &st)) {
		perror("ivshmem: resource2");
		return 1;
	}
	n = st.st_size / PAGE;
	m = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED) {
		perror("ivshmem: mmap");
		return 1;
	}
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
	puts("ivshmem: done");
	return 0;
}
