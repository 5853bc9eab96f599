// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A virtual machine monitor that can run one guest: the benchmark's.  It
 * enters the same ELF file that Xen starts, at its PVH entry, in the state
 * the PVH boot ABI asks for.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"
#include "command.h"

#define XEN_ELFNOTE_PHYS32_ENTRY	18
#define RAM_SIZE			((size_t)BENCH_RAM_MIB << 20)

static const char *image = "/xenlend/bench/guest";
static int kvm = -1, vm = -1, vcpu = -1;
static uint8_t *ram;
static struct kvm_run *run;
static char death[128];
static int dead;

static int kvm_options(int argc, char **argv)
{
	if (argc > 1)
		return -1;
	if (argc)
		image = argv[0];
	return 0;
}

/* ------------------------------------------------------------------------
 * Loading
 */

static int find_entry(const uint8_t *notes, size_t len, uint32_t *entry)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, desc;

		memcpy(&n, notes, sizeof(n));
		name = ((size_t)n.n_namesz + 3) & ~3UL;
		desc = ((size_t)n.n_descsz + 3) & ~3UL;
		if (name + desc > len - sizeof(n))
			return -1;
		if (n.n_type == XEN_ELFNOTE_PHYS32_ENTRY && n.n_namesz == 4 &&
		    n.n_descsz == 4 && !memcmp(notes + sizeof(n), "Xen", 4)) {
			memcpy(entry, notes + sizeof(n) + name, 4);
			return 0;
		}
		notes += sizeof(n) + name + desc;
		len -= sizeof(n) + name + desc;
	}
	return -1;
}

static int load(uint32_t *entry)
{
	int fd = open(image, O_RDONLY | O_CLOEXEC), found = 0, r = -1;
	uint8_t *file = MAP_FAILED;
	struct stat st = { 0 };
	Elf64_Ehdr eh;
	unsigned int i;

	if (fd < 0 || fstat(fd, &st)) {
		complain("%s: %s", image, strerror(errno));
		goto out;
	}
	if ((size_t)st.st_size < sizeof(eh))
		goto bad;
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED) {
		complain("%s: %s", image, strerror(errno));
		goto out;
	}
	memcpy(&eh, file, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(Elf64_Phdr) ||
	    eh.e_phoff > (size_t)st.st_size ||
	    eh.e_phnum > ((size_t)st.st_size - eh.e_phoff) / sizeof(Elf64_Phdr))
		goto bad;
	for (i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, file + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD && ph.p_type != PT_NOTE)
			continue;
		if (ph.p_offset > (size_t)st.st_size ||
		    ph.p_filesz > (size_t)st.st_size - ph.p_offset)
			goto bad;
		if (ph.p_type == PT_NOTE) {
			found |= !find_entry(file + ph.p_offset, ph.p_filesz,
					     entry);
			continue;
		}
		if (ph.p_paddr > RAM_SIZE || ph.p_filesz > ph.p_memsz ||
		    ph.p_memsz > RAM_SIZE - ph.p_paddr)
			goto bad;
		memcpy(ram + ph.p_paddr, file + ph.p_offset, ph.p_filesz);
	}
	if (!found)
		goto bad;
	r = 0;
	goto out;
bad:
	complain("%s: not a PVH program that fits into %u MiB", image,
		 BENCH_RAM_MIB);
out:
	if (file != MAP_FAILED)
		munmap(file, st.st_size);
	if (fd >= 0)
		close(fd);
	return r;
}

/* ------------------------------------------------------------------------
 * The machine
 */

static int set_slot(uint32_t slot, uint64_t gpa, void *at, size_t len)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)at,
	};

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r)) {
		complain("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int set_cpuid(void)
{
	enum { MAX = 256 };
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) +
				      MAX * sizeof(c->entries[0]));
	int r = -1;

	if (!c)
		return -1;
	c->nent = MAX;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c) ||
	    ioctl(vcpu, KVM_SET_CPUID2, c))
		complain("CPUID: %s", strerror(errno));
	else
		r = 0;
	free(c);
	return r;
}

static int set_registers(uint32_t entry)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};
	struct kvm_regs regs = { .rip = entry, .rflags = 2 };
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s)) {
		complain("KVM_GET_SREGS: %s", strerror(errno));
		return -1;
	}
	s.ds = s.es = s.fs = s.gs = s.ss = flat;
	flat.type = 11;
	flat.selector = 8;
	s.cs = flat;
	s.cr0 = 1;		/* PE */
	s.cr4 = 0;
	s.efer = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &regs)) {
		complain("registers: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static void *vcpu_thread(void *arg)
{
	(void)arg;
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			snprintf(death, sizeof(death), "KVM_RUN: %s, exit %u",
				 strerror(errno), run->exit_reason);
			break;
		}
		/* There is nothing in this machine that needs us. */
		snprintf(death, sizeof(death), "exit %u to user space",
			 run->exit_reason);
		break;
	}
	__atomic_store_n(&dead, 1, __ATOMIC_RELEASE);
	return NULL;
}

static const char *kvm_dead(void)
{
	return __atomic_load_n(&dead, __ATOMIC_ACQUIRE) ? death : NULL;
}

static int open_stats(void);

static void *kvm_start(void *span, size_t len)
{
	uint32_t entry = 0;
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t cpus;
	int size;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		complain("/dev/kvm: %s", strerror(errno));
		return NULL;
	}
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		complain("/dev/kvm: unknown API version");
		return NULL;
	}
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0) {
		complain("KVM_CREATE_VM: %s", strerror(errno));
		return NULL;
	}
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ram == MAP_FAILED) {
		complain("guest memory: %s", strerror(errno));
		return NULL;
	}
	if (load(&entry) || set_slot(0, 0, ram, RAM_SIZE) ||
	    set_slot(1, BENCH_WINDOW_GPA, span, len))
		return NULL;
	/* The local APIC, for its timer. */
	if (ioctl(vm, KVM_CREATE_IRQCHIP, 0)) {
		complain("KVM_CREATE_IRQCHIP: %s", strerror(errno));
		return NULL;
	}
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || size < (int)sizeof(*run)) {
		complain("KVM_CREATE_VCPU: %s", strerror(errno));
		return NULL;
	}
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED) {
		complain("vCPU: %s", strerror(errno));
		return NULL;
	}
	if (set_cpuid() || set_registers(entry) || open_stats())
		return NULL;

	CPU_ZERO(&cpus);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpus);
	pthread_attr_init(&attr);
	errno = pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	if (!errno)
		errno = pthread_create(&thread, &attr, vcpu_thread, NULL);
	if (errno) {
		complain("thread: %s", strerror(errno));
		return NULL;
	}
	return ram + BENCH_COMM_GPA;
}

static void kvm_stop(void)
{
	/* The vCPU's thread ends with the process. */
}

/* ------------------------------------------------------------------------
 * Counters: KVM's binary statistics of the vCPU
 */

static int stats_fd = -1;
static struct kvm_stats_header stats_head;
static uint8_t *stats_desc;
static size_t stats_stride;

static int open_stats(void)
{
	size_t len;

	stats_fd = ioctl(vcpu, KVM_GET_STATS_FD, NULL);
	if (stats_fd < 0 ||
	    pread(stats_fd, &stats_head, sizeof(stats_head), 0) !=
	    (ssize_t)sizeof(stats_head)) {
		complain("KVM_GET_STATS_FD: %s", strerror(errno));
		return -1;
	}
	stats_stride = sizeof(struct kvm_stats_desc) + stats_head.name_size;
	len = stats_stride * stats_head.num_desc;
	stats_desc = malloc(len);
	if (!stats_desc || pread(stats_fd, stats_desc, len,
				 stats_head.desc_offset) != (ssize_t)len) {
		complain("KVM statistics: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int kvm_counters(struct counters *out)
{
	unsigned int i;

	out->n = 0;
	for (i = 0; i < stats_head.num_desc && out->n < BACKEND_MAX_COUNTERS;
	     i++) {
		struct kvm_stats_desc d;
		uint64_t v;

		memcpy(&d, stats_desc + i * stats_stride, sizeof(d));
		if ((d.flags & KVM_STATS_TYPE_MASK) !=
		    KVM_STATS_TYPE_CUMULATIVE || d.size != 1)
			continue;
		if (pread(stats_fd, &v, 8, stats_head.data_offset + d.offset) !=
		    8)
			return -1;
		snprintf(out->c[out->n].name, sizeof(out->c[0].name), "%s",
			 (char *)stats_desc + i * stats_stride + sizeof(d));
		out->c[out->n++].value = v;
	}
	return 0;
}

const struct backend backend = {
	.name = "kvm",
	.options = kvm_options,
	.start = kvm_start,
	.counters = kvm_counters,
	.dead = kvm_dead,
	.stop = kvm_stop,
};
