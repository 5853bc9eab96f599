/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio GPU without a driver: a program of root's has its registers and its memory from sysfs, and memory of its own whose
 * address it knows.  Requests are waited for by looking: there are no interrupts.
 */
#ifndef BYHAND_H
#define BYHAND_H

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "say.h"

#define SLOT		"0000:00:01.0"
#define SYSFS		"/sys/bus/pci/devices/" SLOT "/"
#define DRIVER		"/sys/bus/pci/drivers/virtio-pci/"	/* in Debian's kernel itself */
#define PAGE		4096u
#define WORDS		(PAGE / 8)
#define MIB		(1u << 20)
#define HANG		120		/* seconds without an answer */
#define ONES		(~0ull)

/* The memory that the device is told of, 2 MiB in one piece.  A request has a slot, with two pages and a few descriptors. */
#define ARENA		(2 * MIB)
#define DESC_AT		0u		/* of queue 0, then the same of queue 1 */
#define AVAIL_AT	0x1000u
#define USED_AT		0x2000u
#define QUEUE_STEP	0x4000u
#define TABLE_AT	0x8000u		/* for indirect descriptors */
#define SLOT_AT		0x10000u
#define DATA_AT		0x100000u	/* for backings, a MiB */
#define ENTRIES		256u
#define SLOTS		32u
#define PER_SLOT	(ENTRIES / SLOTS)
#define RESPONSE	1024u		/* room for one */

#define REG(field)	((unsigned)offsetof(struct virtio_pci_common_cfg, field))
#define KIND_AT		0x2000u
#define NOTIFY_AT	0x3000u
#define BAR0_SIZE	0x4000u
#define BAR1_SIZE	0x1000u

static int config = -1;			/* configuration space */
static volatile uint8_t *regs, *table;	/* BARs 0 and 1 */
static volatile uint64_t *window;	/* BAR 4 */
static uint64_t window_at, window_len;
static uint32_t bars[6];		/* as they were at first */
static unsigned msix_at;		/* the capability */
static uint8_t *arena;
static uint64_t arena_at;
static uint16_t posted[2];		/* requests of each queue since its start */
static unsigned hangs;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* ---- configuration space, registers ---- */

static uint32_t cfg_read(unsigned at, unsigned size)
{
	uint32_t v = 0;

	if (pread(config, &v, size, at) != (ssize_t)size)
		v = ~0u;
	return v;
}

static void cfg_write(unsigned at, unsigned size, uint32_t v)
{
	if (pwrite(config, &v, size, at) != (ssize_t)size)
		errno = EIO;
}

static uint64_t get(volatile uint8_t *p, unsigned size)
{
	switch (size) {
	case 1: return *p;
	case 2: return *(volatile uint16_t *)p;
	case 4: return *(volatile uint32_t *)p;
	default: return *(volatile uint64_t *)p;
	}
}

static void put(volatile uint8_t *p, unsigned size, uint64_t v)
{
	switch (size) {
	case 1: *p = v; break;
	case 2: *(volatile uint16_t *)p = v; break;
	case 4: *(volatile uint32_t *)p = v; break;
	default: *(volatile uint64_t *)p = v;
	}
}

static uint8_t status(void)
{
	return get(regs + REG(device_status), 1);
}

static void set_status(uint8_t v)
{
	put(regs + REG(device_status), 1, v);
}

static void command_register(uint16_t v)
{
	cfg_write(PCI_COMMAND, 2, v);
}

#define ALL	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

/* Configuration space as it was, wherever it is now */
static void config_restore(void)
{
	unsigned i;

	command_register(0);
	cfg_write(msix_at + PCI_MSIX_FLAGS, 2, 0);
	for (i = 0; i < 6; i++)
		cfg_write(PCI_BASE_ADDRESS_0 + 4 * i, 4, bars[i]);
	command_register(ALL);
}

/* ---- the queues ---- */

static struct vring_desc *desc(unsigned queue)
{
	return (void *)(arena + queue * QUEUE_STEP + DESC_AT);
}

static struct vring_avail *avail(unsigned queue)
{
	return (void *)(arena + queue * QUEUE_STEP + AVAIL_AT);
}

static volatile struct vring_used *used(unsigned queue)
{
	return (volatile void *)(arena + queue * QUEUE_STEP + USED_AT);
}

static void queue_place(unsigned queue, unsigned size, uint64_t d, uint64_t a, uint64_t u)
{
	put(regs + REG(queue_select), 2, queue);
	put(regs + REG(queue_size), 2, size);
	put(regs + REG(queue_desc_lo), 4, d);
	put(regs + REG(queue_desc_hi), 4, d >> 32);
	put(regs + REG(queue_avail_lo), 4, a);
	put(regs + REG(queue_avail_hi), 4, a >> 32);
	put(regs + REG(queue_used_lo), 4, u);
	put(regs + REG(queue_used_hi), 4, u >> 32);
	put(regs + REG(queue_enable), 2, 1);
}

/* Reset, and up to where queues can be enabled.  False: the device does not want to. */
static bool features(void)
{
	set_status(0);
	if (status())
		return false;
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	put(regs + REG(device_feature_select), 4, 0);
	put(regs + REG(guest_feature_select), 4, 0);
	put(regs + REG(guest_feature), 4, get(regs + REG(device_feature), 4));
	put(regs + REG(guest_feature_select), 4, 1);
	put(regs + REG(guest_feature), 4, 1);		/* VERSION_1 */
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	return status() & VIRTIO_CONFIG_S_FEATURES_OK;
}

#define RUNNING (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

static void rings_clear(void)
{
	memset(arena, 0, SLOT_AT);
	memset(posted, 0, sizeof(posted));
}

static bool start(void)
{
	unsigned q;

	if (!features())
		return false;
	rings_clear();
	for (q = 0; q < 2; q++) {
		uint64_t at = arena_at + q * QUEUE_STEP;

		queue_place(q, ENTRIES, at + DESC_AT, at + AVAIL_AT, at + USED_AT);
	}
	set_status(RUNNING);
	return status() == RUNNING;
}

static void kick(unsigned queue)
{
	put(regs + NOTIFY_AT + 4 * queue, 2, queue);
}

/* Requests that were posted and have no answer, or -1: the device wants a reset */
static int waiting(unsigned queue)
{
	uint16_t n = posted[queue] - used(queue)->idx;

	if (n && status() & VIRTIO_CONFIG_S_NEEDS_RESET)
		return -1;
	return n;
}

/* Until it is as many.  False: it never is, or the device wants a reset. */
static bool answered(unsigned queue, unsigned rest)
{
	double end = seconds() + HANG;
	unsigned i;
	int n;

	for (i = 0; (n = posted[queue] - used(queue)->idx, (uint16_t)n) > rest; i++) {
		if (i % 64 == 63 && waiting(queue) < 0)
			return false;
		if (seconds() > end) {
			hangs++;
			check(false, "the device answers in %u s", HANG);
			return false;
		}
		if (i > 8)
			usleep(100);
		else
			sched_yield();
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return true;
}

struct part {
	uint64_t addr;
	uint32_t len;
	bool in;
};

/* At most PER_SLOT parts.  The slot is taken again SLOTS requests later. */
static void post(unsigned queue, const struct part *p, unsigned n)
{
	unsigned head = posted[queue] % SLOTS * PER_SLOT, i;
	struct vring_desc *d = desc(queue) + head;

	for (i = 0; i < n; i++)
		d[i] = (struct vring_desc){ .addr = p[i].addr, .len = p[i].len, .next = head + i + 1,
					    .flags = (p[i].in ? VRING_DESC_F_WRITE : 0) | (i + 1 < n ? VRING_DESC_F_NEXT : 0) };
	avail(queue)->ring[posted[queue] % ENTRIES] = head;
	posted[queue]++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&avail(queue)->idx, posted[queue], __ATOMIC_RELEASE);
}

/* ---- commands ---- */

static unsigned slot_at(unsigned queue)
{
	return SLOT_AT + (queue * SLOTS + posted[queue] % SLOTS) * 2 * PAGE;
}

/* Posts one as it should be; returns where its answer will be. */
static struct virtio_gpu_ctrl_hdr *ask(const void *command, size_t len)
{
	unsigned at = slot_at(0);

	memcpy(arena + at, command, len);
	memset(arena + at + PAGE, 0, sizeof(struct virtio_gpu_ctrl_hdr));
	post(0, (struct part[]){ { arena_at + at, len, false }, { arena_at + at + PAGE, RESPONSE, true } }, 2);
	return (void *)(arena + at + PAGE);
}

/* And waits: VIRTIO_GPU_RESP_*, or 0. */
static uint32_t run(const void *command, size_t len)
{
	const struct virtio_gpu_ctrl_hdr *r = ask(command, len);

	kick(0);
	return answered(0, 0) ? r->type : 0;
}

#define HDR(t, c)	.hdr = { .type = VIRTIO_GPU_CMD_##t, .ctx_id = (c) }
#define CMD(kind, ...)	(&(struct virtio_gpu_##kind){ __VA_ARGS__ }), sizeof(struct virtio_gpu_##kind)
#define NODATA		VIRTIO_GPU_RESP_OK_NODATA

#define DISPLAY_INFO	(&(struct virtio_gpu_ctrl_hdr){ .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO }), sizeof(struct virtio_gpu_ctrl_hdr)
#define CTX_CREATE(c, capset) CMD(ctx_create, HDR(CTX_CREATE, c), .context_init = (capset))
#define CTX_DESTROY(c)	CMD(ctx_destroy, HDR(CTX_DESTROY, c))
#define BLOB(c, id, kind, bytes) CMD(resource_create_blob, HDR(RESOURCE_CREATE_BLOB, c), .resource_id = (id), \
	.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D, .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, .blob_id = (kind), .size = (bytes))
#define MAP(id, at)	CMD(resource_map_blob, HDR(RESOURCE_MAP_BLOB, 0), .resource_id = (id), .offset = (at))
#define UNMAP(id)	CMD(resource_unmap_blob, HDR(RESOURCE_UNMAP_BLOB, 0), .resource_id = (id))
#define UNREF(id)	CMD(resource_unref, HDR(RESOURCE_UNREF, 0), .resource_id = (id))

/* ---- finding it ---- */

static volatile void *resource(unsigned n, size_t *len)
{
	char path[80];
	int fd;
	void *p;
	off_t size;

	snprintf(path, sizeof(path), SYSFS "resource%u", n);
	fd = open(path, O_RDWR | O_CLOEXEC | O_SYNC);
	size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	p = size <= 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	*len = size;
	return p == MAP_FAILED ? NULL : p;
}

/* The guest's address of a page of this process's, 0 if it has none */
static uint64_t address_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t e = 0;

	if (fd < 0 || pread(fd, &e, 8, (uintptr_t)p / PAGE * 8) != 8 || !(e >> 63))
		e = 0;
	if (fd >= 0)
		close(fd);
	return (e & ((1ull << 55) - 1)) * PAGE;
}

/* 2 MiB of memory in one piece, which stays where it is: the kernel's command line has hugepages=1 */
static bool arena_new(void)
{
	void *p = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	memset(p, 0, ARENA);
	arena = p;
	arena_at = address_of(p);
	return arena_at && !(arena_at % ARENA);
}

/* Takes it from the driver, if that has it. */
static bool device_find(void)
{
	size_t len0, len1, len4;
	unsigned i, at;
	int fd = open(DRIVER "unbind", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, SLOT, strlen(SLOT)) < 0)
			printf("no driver had the device: %s\n", strerror(errno));
		close(fd);
	}
	config = open(SYSFS "config", O_RDWR | O_CLOEXEC);
	if (config < 0 || cfg_read(PCI_VENDOR_ID, 4) != 0x10501af4)
		return false;
	for (i = 0; i < 6; i++)
		bars[i] = cfg_read(PCI_BASE_ADDRESS_0 + 4 * i, 4);
	for (at = cfg_read(PCI_CAPABILITY_LIST, 1); at; at = cfg_read(at + PCI_CAP_LIST_NEXT, 1))
		if (cfg_read(at, 1) == PCI_CAP_ID_MSIX)
			msix_at = at;
	command_register(ALL);
	regs = resource(0, &len0);
	table = resource(1, &len1);
	window = resource(4, &len4);
	window_at = (bars[4] & ~0xfull) | (uint64_t)bars[5] << 32;
	window_len = len4;
	if (regs && table && window && msix_at && len0 >= BAR0_SIZE && len1 >= BAR1_SIZE)
		return true;
	printf("BARs of %zu, %zu and %zu bytes at %p, %p and %p, MSI-X at %#x\n", len0, len1, len4, (void *)regs, (void *)table,
	       (void *)window, msix_at);
	return false;
}

#endif
