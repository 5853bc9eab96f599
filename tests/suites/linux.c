// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An unmodified Linux guest, an ivshmem device without QEMU, and memory that is taken away under it all the time.  As linux/hvm
 * the guest has QEMU, hvmloader and SeaBIOS, and it is hvmloader that gives the device an address.
 */
#include "suites.h"

#define PAGES	256
#define FILENAME "/tmp/xl-linux-mem"
#define SERIAL	"/results/linux-hvm-serial.txt"

static volatile uint64_t *m;

static bool wait_word(unsigned word, uint64_t least, unsigned seconds)
{
	double end = now() + seconds;

	while (m[word] < least) {
		if (now() > end || m[0] == 3)
			return false;
		usleep(50000);
	}
	return true;
}

void suite_linux(void)
{
	uint64_t mine = 0;
	int fd, rc, i;
	FILE *f;

	xen_open();
	fd = open(FILENAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, PAGES * PAGE))
		die("%s: %s", FILENAME, strerror(errno));
	m = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	at("starting the guest");
	f = fopen("/tmp/xl-linux.cfg", "w");
	fprintf(f, "name = \"xltest-linux\"\ntype = \"%s\"\nmemory = %u\nvcpus = 2\nkernel = \"/xenlend/guests/linux/vmlinuz\"\n"
		   "ramdisk = \"/xenlend/guests/linux/initrd\"\n"
		   "extra = \"%s quiet xenlend.guest=ivshmem\"\non_poweroff = \"destroy\"\non_crash = \"destroy\"\n",
		guests_hvm ? "hvm" : "pvh", guests_hvm ? 192 : 128, guests_hvm ? "console=ttyS0" : "console=hvc0 pci=noacpi,noearly");
	if (guests_hvm)
		fprintf(f, "vga = \"none\"\nvideoram = 0\nvnc = 0\nusb = 0\nserial = \"file:" SERIAL "\"\n");
	fclose(f);
	rc = shell("xl create -p /tmp/xl-linux.cfg >/tmp/xl-linux.log 2>&1");
	if (!eq(rc, 0, "xl create of a paused Linux guest")) {
		rc = shell("sed 's/^/# /' /tmp/xl-linux.log");
		return;
	}
	rc = shell("echo +memory > /sys/fs/cgroup/cgroup.subtree_control; mkdir -p /sys/fs/cgroup/xllinux; xenlend-ivshmem --domain $(xl domid xltest-linux) --slot %u --size %luK --place 0:%luK:%s >/tmp/xl-ivshmem.log 2>&1 & "
		"p=$!; echo $p > /tmp/xl-ivshmem.pid; echo $p > /sys/fs/cgroup/xllinux/cgroup.procs; for i in $(seq 100); do xenlend list 2>/dev/null | grep -q . && break; sleep 0.1; done; sleep 1; kill -0 $p",
		guests_hvm ? 5 : 1, PAGES * PAGE / 1024, PAGES * PAGE / 1024, FILENAME);
	if (!eq(rc, 0, "xenlend-ivshmem runs")) {
		rc = shell("sed 's/^/# /' /tmp/xl-ivshmem.log; xl destroy xltest-linux");
		return;
	}
	eq(shell("xl unpause xltest-linux"), 0, "the guest starts");
	rc = wait_word(0, 1, 240);
	if (!ok(rc, "its program has mapped resource2 of the device")) {
		rc = shell("tail -n 20 " SERIAL " 2>/dev/null | sed 's/^/# /'; xl console xltest-linux </dev/null 2>&1 | head -50 & sleep 2; sed 's/^/# /' /tmp/xl-ivshmem.log; xl dmesg | tail -5; xl list; xl destroy xltest-linux");
		return;
	}
	ok(wait_word(4, 2, 240), "it goes over the memory again and again");

	at("taking pages away");
	for (i = 0; i < 100; i++) {
		__atomic_fetch_add(&m[2], 1, __ATOMIC_SEQ_CST);
		mine++;
		switch (i & 3) {
		case 0: rc = shell("echo 1M > /sys/fs/cgroup/xllinux/memory.reclaim 2>/dev/null"); break;
		case 1: f = fopen("/proc/sys/vm/compact_memory", "w"); if (f) { fprintf(f, "1\n"); fclose(f); } break;
		case 2: f = fopen("/proc/sys/vm/drop_caches", "w"); if (f) { fprintf(f, "1\n"); fclose(f); } break;
		case 3: madvise((void *)m, PAGES * PAGE, 21 /* MADV_PAGEOUT */); break;
		}
		if (i >= 40 && m[4] > 20)
			break;
		usleep(20000);
	}
	at("saving");
	{
		uint64_t before;

		rc = shell("timeout 120 xl save xltest-linux /dev/null >/tmp/xl-save.log 2>&1");
		ok(rc, "a guest with a window cannot be saved");
		eq(shell("grep -qiE 'busy|failed|error' /tmp/xl-save.log"), 0, "... and xl says so");
		rc = shell("grep -iE 'busy|lent|error' /tmp/xl-save.log | head -4 | cut -c1-160 | sed 's/^/# /'");
		eq(shell("xl domid xltest-linux >/dev/null"), 0, "... it is still there");
		before = m[4];
		ok(wait_word(4, before + 2, 120), "... and goes on over its memory (%lu passes)", (long)m[4]);
	}
	f = popen("xenlend list 2>/dev/null | tail -1; xenlend stat --help 2>&1 | head -1", "r");
	{
		char line[300];

		while (f && fgets(line, sizeof(line), f))
			printf("# %s", line);
		if (f)
			pclose(f);
	}
	at("ending");
	m[1] = 1;
	ok(wait_word(0, 2, 120) && m[0] == 2, "the guest found everything as it had left it, %lu passes (%lu)", (long)m[4], (long)m[5]);
	at("a BAR that Linux moves");
	rc = wait_word(8, 1, 60);
	ok(rc && m[8] == 1, "Linux gives the device another address, and all of its memory is there (%lu)", (long)m[8]);
	/* hvmloader's choice is where Linux finds room, too */
	ok(m[6] && m[7] && (guests_hvm ? m[6] < 1UL << 32 && m[7] < 1UL << 32 : m[6] != m[7]), "... the BAR was at %#lx and is at %#lx",
	   (long)m[6], (long)m[7]);
	eq(m[2], m[3] + mine, "no LOCKed add of guest (%lu) or lender (%lu) was lost", (long)m[3], (long)mine);
	for (i = 0; i < 300 && !shell("xl domid xltest-linux >/dev/null 2>&1"); i++)
		usleep(100000);
	ok(i < 300, "the guest shuts down and is gone");
	rc = shell("for i in $(seq 100); do kill -0 $(cat /tmp/xl-ivshmem.pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1");
	eq(rc, 0, "the device model ends with the guest");
	if (rc)
		rc = shell("kill -9 $(cat /tmp/xl-ivshmem.pid)");
	rc = shell("xl destroy xltest-linux 2>/dev/null; rm -f %s; rmdir /sys/fs/cgroup/xllinux", FILENAME);
	munmap((void *)m, PAGES * PAGE);
	close(fd);
}
