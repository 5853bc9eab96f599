// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a Linux guest: uses the GPU of xenlend-gpu --test as any program would, by the ioctls of Linux' own driver.  The other side
 * is tests/suites/gpu.c.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_mode.h>
#include <drm/virtgpu_drm.h>

#include "../../devices/virtio-gpu/cross_domain.h"
#include "../../devices/virtio-gpu/test.h"
#include "say.h"

#define MODULES	"/modules"
#define DRIVER	"/sys/bus/pci/drivers/virtio-pci/"
#define DEVICE	"0000:00:01.0"
#define PAGE	4096u
#define WORDS	(PAGE / 8)
#define MIB	(1u << 20)

static int load_modules(void)
{
	struct dirent **list;
	char path[300];
	int n = scandir(MODULES, &list, NULL, alphasort), fd, i;

	for (i = 0; i < n; i++) {
		if (list[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), MODULES "/%s", list[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)) {
			check(false, "%s: %s", path, strerror(errno));
			return -1;
		}
		close(fd);
	}
	return n > 2 ? 0 : -1;
}

/* Waits for the driver's device; returns a descriptor or -1. */
static int device_open(const char *name)
{
	char path[40];
	int fd = -1, i;

	snprintf(path, sizeof(path), "/dev/dri/%s", name);
	for (i = 0; i < 600 && fd < 0; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			usleep(50000);
	}
	return fd;
}

/* ---- blobs ---- */

static int context_init(int fd, unsigned capset)
{
	struct drm_virtgpu_context_set_param p = { VIRTGPU_CONTEXT_PARAM_CAPSET_ID, capset };
	struct drm_virtgpu_context_init c = { .num_params = 1, .ctx_set_params = (uintptr_t)&p };

	return ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &c) ? -errno : 0;
}

static int context_of(unsigned capset)
{
	int fd = device_open("renderD128");

	if (fd >= 0 && context_init(fd, capset)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int context_open(void)
{
	return context_of(GPU_TEST_CAPSET);
}

struct blob {
	int fd;
	uint32_t handle, resource;
	size_t size;
	volatile uint64_t *m;
};

static void blob_close(struct blob *b)
{
	struct drm_gem_close c = { .handle = b->handle };

	if (b->m)
		munmap((void *)b->m, b->size);
	ioctl(b->fd, DRM_IOCTL_GEM_CLOSE, &c);
}

/* 0 or a negative errno */
static int any_blob(struct blob *b, int fd, unsigned memory, unsigned kind, size_t size)
{
	struct drm_virtgpu_resource_create_blob c = {
		.blob_mem = memory, .blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = size, .blob_id = kind,
	};
	struct drm_virtgpu_map map;
	int err;

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &c))
		return -errno;
	*b = (struct blob){ .fd = fd, .handle = c.bo_handle, .resource = c.res_handle, .size = size };
	map = (struct drm_virtgpu_map){ .handle = b->handle };
	if (!ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &map)) {
		void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map.offset);

		if (p != MAP_FAILED) {
			b->m = p;
			return 0;
		}
	}
	err = errno;
	blob_close(b);
	return -err;
}

static int blob_open(struct blob *b, int fd, unsigned kind, size_t size)
{
	return any_blob(b, fd, VIRTGPU_BLOB_MEM_HOST3D, kind, size);
}

/* Sends a command about a blob, ... */
static int submit(struct blob *b, void *command, size_t len)
{
	struct drm_virtgpu_execbuffer e = {
		.size = len, .command = (uintptr_t)command, .bo_handles = (uintptr_t)&b->handle, .num_bo_handles = 1,
	};

	return ioctl(b->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &e) ? -errno : 0;
}

/* ... and waits until it has been executed. */
static int submit_and_wait(struct blob *b, void *command, size_t len)
{
	struct drm_virtgpu_3d_wait w = { .handle = b->handle };

	return submit(b, command, len) || ioctl(b->fd, DRM_IOCTL_VIRTGPU_WAIT, &w) ? -errno : 0;
}

/* Has the device do something with a part of a blob of a test context. */
static int say(struct blob *b, unsigned verb, uint64_t offset, uint64_t len)
{
	struct gpu_test_command t = { verb, b->resource, offset, len };

	return submit(b, &t, sizeof(t));
}

static int tell(struct blob *b, unsigned verb, uint64_t offset, uint64_t len)
{
	struct gpu_test_command t = { verb, b->resource, offset, len };

	return submit_and_wait(b, &t, sizeof(t));
}

static void fill(struct blob *b, uint64_t seed)
{
	for (size_t i = 0; i < b->size / PAGE; i++) {
		b->m[i * WORDS] = mix(seed + i);
		b->m[i * WORDS + WORDS - 1] = ~mix(seed + i);
	}
}

/* Pages that are not as fill() left them, but for the hole */
static unsigned wrong(struct blob *b, uint64_t seed, size_t hole, size_t end)
{
	unsigned n = 0;

	for (size_t i = 0; i < b->size / PAGE; i++) {
		bool in = i >= hole && i < end;

		n += b->m[i * WORDS] != (in ? 0 : mix(seed + i)) || b->m[i * WORDS + WORDS - 1] != (in ? 0 : ~mix(seed + i));
	}
	return n;
}

static void one_kind(unsigned kind, const char *name, bool paged, bool holes)
{
	size_t size = kind == GPU_TEST_HUGETLB ? 2 * MIB : MIB;
	int fd = context_open(), err;
	uint64_t bad = 0;
	struct blob b;

	err = fd < 0 ? -errno : blob_open(&b, fd, kind, size);
	if (!check(!err, "a blob of kind %s (%d)", name, err)) {
		/* or the driver, bound again, makes a device of another name */
		close(fd);
		return;
	}
	for (size_t i = 0; i < size / 8; i += 64)
		bad += b.m[i] != 0;
	check(!bad, "%s: zeros at first", name);
	fill(&b, kind);
	check(!wrong(&b, kind, 0, 0), "%s: what was written is there", name);
	if (paged) {
		err = tell(&b, GPU_TEST_PAGE_OUT, 0, size);
		check(!err && !wrong(&b, kind, 0, 0), "%s: and after it was paged out (%d)", name, err);
	}
	if (holes) {
		size_t last = kind == GPU_TEST_HUGETLB ? size / PAGE : 11;
		size_t first = kind == GPU_TEST_HUGETLB ? 0 : 3;

		err = tell(&b, GPU_TEST_PUNCH, first * PAGE, (last - first) * PAGE);
		check(!err && !wrong(&b, kind, first, last), "%s: zeros where a hole was punched, nowhere else (%d)", name, err);
		fill(&b, kind + 7);
		check(!wrong(&b, kind + 7, 0, 0), "%s: the hole can be written", name);
	}
	blob_close(&b);
	close(fd);
}

static void read_only(void)
{
	int fd = context_open();
	unsigned bad = 0;
	struct blob b;

	if (!check(fd >= 0 && !blob_open(&b, fd, GPU_TEST_READ_ONLY, MIB), "a read-only blob"))
		return;
	for (unsigned i = 0; i < MIB / PAGE; i++)
		bad += b.m[i * WORDS] != GPU_TEST_WORD + i;
	check(!bad, "... has its words");
	b.m[5 * WORDS] = 1;
	check(b.m[5 * WORDS] == GPU_TEST_WORD + 5, "... and drops what is written");
	blob_close(&b);
	close(fd);
}

/* As a program that allocates buffers for images (minigbm) does it, by the cross-domain protocol */
static void image(void)
{
	struct cross_domain_init init = { .h = { .command = CROSS_DOMAIN_INIT, .len = sizeof(init) } };
	struct cross_domain_query query = { .h = { .command = CROSS_DOMAIN_REQUIREMENTS, .len = sizeof(query) },
					    .width = 300, .height = 200, .format = DRM_FORMAT_XRGB8888 };
	struct cross_domain_answer a = { 0 };
	struct blob ring, b;
	int fd = context_of(CROSS_DOMAIN_CAPSET), err;

	if (!check(fd >= 0 && !any_blob(&ring, fd, VIRTGPU_BLOB_MEM_GUEST, 0, PAGE), "cross-domain: a blob of the guest's own"))
		return;
	init.query_resource = ring.resource;
	err = submit(&ring, &init, sizeof(init));
	if (!err)
		err = submit_and_wait(&ring, &query, sizeof(query));
	memcpy(&a, (void *)ring.m, sizeof(a));
	if (!check(!err && a.strides[0] == 1216 && a.size == 245760, "... an image of 300 x 200: %u bytes a line, %llu in all (%d)",
		   a.strides[0], (unsigned long long)a.size, err))
		return;
	if (check(!blob_open(&b, fd, a.blob_id, a.size), "... its memory")) {
		fill(&b, 77);
		check(!wrong(&b, 77, 0, 0), "... that can be used");
		blob_close(&b);
	}
	blob_close(&ring);
	close(fd);
}

/* ---- a channel to a compositor, as a proxy for Wayland has it (sommelier) ---- */

static struct {
	int fd;
	struct blob query, ring;
} wl;

/* Sends a command without a fence of a ring, ... */
static int wl_submit(const void *command, size_t len)
{
	struct drm_virtgpu_execbuffer e = { .size = len, .command = (uintptr_t)command };

	return ioctl(wl.fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &e) ? -errno : 0;
}

static int wl_open(void)
{
	struct drm_virtgpu_context_set_param p[] = {
		{ VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CROSS_DOMAIN_CAPSET },
		{ VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 2 },
		{ VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, 1 << CROSS_DOMAIN_CHANNEL_RING },
	};
	struct drm_virtgpu_context_init c = { .num_params = 3, .ctx_set_params = (uintptr_t)p };
	struct cross_domain_caps caps = { 0 };
	struct drm_virtgpu_get_caps get = { .cap_set_id = CROSS_DOMAIN_CAPSET, .addr = (uintptr_t)&caps, .size = sizeof(caps) };
	struct cross_domain_init init = { .h = { .command = CROSS_DOMAIN_INIT, .len = sizeof(init) }, .channel = CROSS_DOMAIN_WAYLAND };
	int err;

	wl.fd = device_open("renderD128");
	if (wl.fd < 0 || ioctl(wl.fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &get))
		return -errno;
	if (!(caps.channels & 1 << CROSS_DOMAIN_WAYLAND))
		return -ENOTSUP;
	if (ioctl(wl.fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &c))
		return -errno;
	err = any_blob(&wl.query, wl.fd, VIRTGPU_BLOB_MEM_GUEST, 0, PAGE);
	if (!err)
		err = any_blob(&wl.ring, wl.fd, VIRTGPU_BLOB_MEM_GUEST, 0, PAGE);
	if (err)
		return err;
	init.query_resource = wl.query.resource;
	init.channel_resource = wl.ring.resource;
	return wl_submit(&init, sizeof(init));
}

static int wl_send(const char *text, unsigned n, uint32_t id, uint32_t type)
{
	struct {
		struct cross_domain_message m;
		uint32_t table[3][CROSS_DOMAIN_IDS];
		char text[40];
	} s = { .m = { .h = { .command = CROSS_DOMAIN_SEND, .len = sizeof(s.m) + sizeof(s.table) + strlen(text) }, .n = n,
		       .len = strlen(text) }, .table = { { id }, { type } } };

	memcpy(s.text, text, strlen(text));
	return wl_submit(&s, s.m.h.len);
}

static int wl_write(uint32_t id, const char *text, bool last)
{
	struct {
		struct cross_domain_data d;
		char text[40];
	} w = { .d = { .h = { .command = CROSS_DOMAIN_WRITE, .len = sizeof(w.d) + strlen(text) }, .id = id, .hang_up = last,
		       .len = strlen(text) } };

	memcpy(w.text, text, strlen(text));
	return wl_submit(&w, w.d.h.len);
}

/* ... and asks for something to come: until the driver has an event that it has.  The command of it, or 0 */
static unsigned wl_poll(void)
{
	struct cross_domain_header h = { .command = CROSS_DOMAIN_POLL, .len = sizeof(h) };
	struct drm_virtgpu_execbuffer e = { .flags = VIRTGPU_EXECBUF_RING_IDX, .size = sizeof(h), .command = (uintptr_t)&h,
					    .ring_idx = CROSS_DOMAIN_CHANNEL_RING };
	struct pollfd p = { .fd = wl.fd, .events = POLLIN };
	struct drm_event event = { 0 };

	if (ioctl(wl.fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &e) || poll(&p, 1, 120000) != 1 ||
	    read(wl.fd, &event, sizeof(event)) != sizeof(event) || event.type != VIRTGPU_EVENT_FENCE_SIGNALED)
		return 0;
	return ((struct cross_domain_header *)wl.ring.m)->command;
}

static bool wl_hears(const char *text, unsigned n)
{
	struct cross_domain_message *m = (struct cross_domain_message *)wl.ring.m;

	return wl_poll() == CROSS_DOMAIN_RECEIVE && m->n == n && m->len == strlen(text) &&
	       !memcmp((char *)(m + 1) + 3 * CROSS_DOMAIN_IDS * sizeof(uint32_t), text, m->len);
}

/* What came with it; which: 0 the number, 1 the type, 2 the size */
static uint32_t wl_id(unsigned i, unsigned which)
{
	return ((uint32_t *)((struct cross_domain_message *)wl.ring.m + 1))[which * CROSS_DOMAIN_IDS + i];
}

static void wl_drawn(void)
{
	struct cross_domain_query query = { .h = { .command = CROSS_DOMAIN_REQUIREMENTS, .len = sizeof(query) },
					    .width = 16384, .height = MIB / 16384, .format = DRM_FORMAT_R8 };
	struct cross_domain_answer *a = (struct cross_domain_answer *)wl.query.m;
	struct blob b;
	unsigned bad = 0;
	int err;

	err = submit_and_wait(&wl.query, &query, sizeof(query));
	if (!check(!err && a->size == MIB && !blob_open(&b, wl.fd, a->blob_id, MIB), "... memory for an image (%d)", err))
		return;
	fill(&b, 5);
	check(!wl_send("draw", 1, b.resource, CROSS_DOMAIN_ID_BLOB) && wl_hears("drawn", 0), "... is sent to the compositor");
	for (size_t i = 0; i < MIB / PAGE; i++)
		bad += b.m[i * WORDS] != mix(5 + i) || b.m[i * WORDS + 1] != mix(6 + i);
	check(!bad, "... which draws into the same memory: what both have drawn is there (%u pages wrong)", bad);
	for (unsigned i = 0; i < 1000; i++)
		__atomic_fetch_add(&b.m[2], 1, __ATOMIC_SEQ_CST);
	err = wl_send("more", 0, 0, 0) || !wl_hears("added", 0);
	check(!err && b.m[2] == 2000, "... and adds to what the guest has added (%llu)", (unsigned long long)b.m[2]);
	blob_close(&b);
}

static void wl_received(void)
{
	uint32_t id[3], size[2];
	struct blob b, r;
	unsigned bad = 0;

	if (!check(!wl_send("memory", 0, 0, 0) && wl_hears("here", 3), "descriptors come: three"))
		return;
	for (unsigned i = 0; i < 3; i++)
		id[i] = wl_id(i, 0);
	size[0] = wl_id(0, 2);
	size[1] = wl_id(1, 2);
	check(wl_id(0, 1) == CROSS_DOMAIN_ID_BLOB && size[0] == MIB && wl_id(1, 1) == CROSS_DOMAIN_ID_BLOB && size[1] == 5000 &&
	      wl_id(2, 1) == CROSS_DOMAIN_ID_WRITE_PIPE, "... memory, a keymap, and a pipe");
	if (check(!blob_open(&r, wl.fd, id[1], 2 * PAGE), "the keymap is a blob")) {
		check(!strcmp((char *)r.m, "xkb_keymap {}") && !r.m[WORDS], "... that can be read");
		r.m[0] = 1;
		check(!strcmp((char *)r.m, "xkb_keymap {}"), "... and drops what is written, being read-only");
		blob_close(&r);
	}
	if (!check(!blob_open(&b, wl.fd, id[0], size[0]), "the memory is one"))
		return;
	for (size_t i = 0; i < MIB / PAGE; i++)
		bad += b.m[i * WORDS] != mix(77 + i);
	check(!bad, "... as the compositor has written it (%u pages wrong)", bad);
	fill(&b, 99);
	check(!wl_write(id[2], "pasted ", false) && !wl_write(id[2], "text", true) && !wl_send("written", 0, 0, 0) &&
	      wl_hears("shorter", 0), "... written to; and text into the pipe");
	check(b.m[0] == mix(99) && b.m[(MIB / PAGE - 1) * WORDS] == ~0ull, "... half of it is cut off: that reads as ones");
	blob_close(&b);
}

static void wayland(void)
{
	struct cross_domain_data *d;
	int err;

	await("wayland");
	err = wl_open();
	if (!check(!err, "a channel to a compositor (%d)", err))
		return;
	d = (struct cross_domain_data *)wl.ring.m;
	check(!wl_send("hello", 0, 0, 0) && wl_hears("hello, guest", 0), "... text both ways");
	wl_drawn();
	wl_received();
	check(!wl_send("clipboard", 1, CROSS_DOMAIN_READ_PIPES + 1, CROSS_DOMAIN_ID_READ_PIPE) &&
	      wl_poll() == CROSS_DOMAIN_READ && d->id == CROSS_DOMAIN_READ_PIPES + 1 && d->len == 6 && !memcmp(d + 1, "copied", 6),
	      "text by a pipe of the guest's");
	check(wl_poll() == CROSS_DOMAIN_READ && d->hang_up && !d->len, "... and its end");
	check(!wl_send("bye", 0, 0, 0) && wl_hears("", 0), "the compositor hangs up, which the guest is told");
	blob_close(&wl.ring);
	blob_close(&wl.query);
	close(wl.fd);
	await("bye");
}

static void refused(void)
{
	int fd = context_open();
	struct blob b;

	check(fd >= 0 && blob_open(&b, fd, 99, MIB) < 0, "a blob of unknown memory is refused");
	check(!blob_open(&b, fd, GPU_TEST_MEMFD, MIB), "... the next one is not");
	blob_close(&b);
	check(blob_open(&b, fd, GPU_TEST_MEMFD, 1u << 31) < 0, "one larger than the region is refused");
	close(fd);
}

/* ---- all processors at once, while pages are taken away ---- */

#define THREADS	4
static struct blob shared;
static volatile bool stop;

static void *worker(void *arg)
{
	uint64_t id = (uintptr_t)arg, pass;
	uintptr_t bad = 0;

	for (pass = 1; !stop || pass < 4; pass++)
		for (size_t i = 1 + id; i < shared.size / PAGE; i += THREADS) {
			volatile uint64_t *p = shared.m + i * WORDS;
			uint64_t want = pass > 1 ? mix(i + (pass - 1) * MIB) : 0;

			bad += p[id] != want;
			p[id] = mix(i + pass * MIB);
			__atomic_fetch_add(&shared.m[0], 1, __ATOMIC_SEQ_CST);
			__atomic_fetch_add(&shared.m[1 + id], 1, __ATOMIC_SEQ_CST);
		}
	return (void *)bad;
}

static void stress(unsigned rounds)
{
	pthread_t t[THREADS];
	uintptr_t bad = 0;
	uint64_t sum = 0;
	int fd = context_open(), err = 0;

	if (!check(fd >= 0 && !blob_open(&shared, fd, GPU_TEST_MEMFD, MIB), "a blob for all processors"))
		return;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (unsigned i = 0; i < rounds; i++) {
		err |= tell(&shared, GPU_TEST_PAGE_OUT, 0, MIB);
		usleep(20000);
	}
	stop = true;
	for (unsigned i = 0; i < THREADS; i++) {
		void *r;

		pthread_join(t[i], &r);
		bad += (uintptr_t)r;
		sum += shared.m[1 + i];
	}
	check(!err && !bad, "threads find what they wrote while it is paged out (%d, %lu wrong)", err, (unsigned long)bad);
	check(shared.m[0] == sum && sum, "no LOCKed add is lost (%llu, %llu)", (unsigned long long)shared.m[0], (unsigned long long)sum);
	blob_close(&shared);
	close(fd);
}

/* After the first pass nothing comes to the lender any more. */
static void warm(void)
{
	int fd = context_open();
	struct blob b;

	if (!check(fd >= 0 && !blob_open(&b, fd, GPU_TEST_MEMFD, MIB), "a blob to be used again and again"))
		return;
	await("warm");
	fill(&b, 1);
	await("hot");
	for (unsigned i = 0; i < 20; i++)
		fill(&b, i);
	check(!wrong(&b, 19, 0, 0), "it is");
	await("cold");
	blob_close(&b);
	close(fd);
}

/*
 * Adds to a word to which a process of the host adds, too, each by one LOCKed instruction.  The host compares.  The size says
 * which memory it is.
 */
static void locked(unsigned adds)
{
	int fd = context_open();
	struct blob b;

	if (!check(fd >= 0 && !blob_open(&b, fd, GPU_TEST_MEMFD, 3 * PAGE), "a blob for a counter"))
		return;
	await("locked");
	for (unsigned i = 0; i < adds; i++)
		__atomic_fetch_add(&b.m[0], 1, __ATOMIC_SEQ_CST);
	b.m[WORDS] = adds;
	await("counted");
	blob_close(&b);
	close(fd);
}

static void churn(unsigned rounds)
{
	int fd = context_open();
	unsigned bad = 0, i;
	struct blob b[4];

	for (i = 0; i < rounds; i++) {
		unsigned k = i % 4;

		if (i >= 4)
			blob_close(&b[k]);
		if (blob_open(&b[k], fd, i % 3 ? GPU_TEST_MEMFD : GPU_TEST_ANONYMOUS, PAGE << k)) {
			bad++;
			break;
		}
		bad += b[k].m[0] != 0;
		b[k].m[0] = i;
		for (unsigned j = 1; j < 4 && j <= i; j++)
			bad += b[(k + 4 - j) % 4].m[0] != i - j;
	}
	check(!bad, "%u blobs come and go, four at a time", i);
	/* The last four go with the descriptor, which mappings would keep. */
	for (i = 0; i < 4; i++)
		munmap((void *)b[i].m, b[i].size);
	close(fd);
}

/* ---- a display ---- */

static uint64_t checksum(const uint32_t *p, unsigned w, unsigned h, unsigned stride)
{
	uint64_t sum = 0;

	for (unsigned y = 0; y < h; y++)
		for (unsigned x = 0; x < w; x++)
			sum = mix(sum ^ (p[y * (stride / 4) + x] & 0xffffff));
	return sum;
}

static unsigned draw_seed;	/* another one is another picture */

static void draw(uint32_t *p, unsigned w, unsigned h, unsigned stride)
{
	for (unsigned y = 0; y < h; y++)
		for (unsigned x = 0; x < w; x++) {
			int dx = x - w / 2, dy = y - h / 2;
			bool in = (unsigned)(dx * dx + dy * dy) < h * h / 9;

			p[y * (stride / 4) + x] = in ? (0xe0b020 + draw_seed * 0x1234) ^ (x * y & 0x3f) : (x * 255 / w) << 16 | (y * 255 / h) << 8 | ((x ^ y) & 0x7f);
		}
}

struct screen {
	int fd;
	uint32_t connector, crtc;
	struct drm_mode_modeinfo mode;
};

static bool screen_open(struct screen *s)
{
	struct drm_mode_modeinfo modes[32];
	struct drm_mode_card_res res = { .connector_id_ptr = (uintptr_t)&s->connector, .crtc_id_ptr = (uintptr_t)&s->crtc,
					 .count_connectors = 1, .count_crtcs = 1 };
	struct drm_mode_get_connector con = { .modes_ptr = (uintptr_t)modes, .count_modes = 32 };

	*s = (struct screen){ .fd = device_open("card0") };
	if (!check(s->fd >= 0 && !ioctl(s->fd, DRM_IOCTL_MODE_GETRESOURCES, &res) && s->connector && s->crtc, "a display"))
		return false;
	con.connector_id = s->connector;
	if (!check(!ioctl(s->fd, DRM_IOCTL_MODE_GETCONNECTOR, &con) && con.connection == 1 && con.count_modes, "... connected"))
		return false;
	s->mode = modes[0];
	return check(modes[0].hdisplay == 640 && modes[0].vdisplay == 480, "... its first mode is of 640 x 480 (%u x %u, %u modes)",
		     modes[0].hdisplay, modes[0].vdisplay, con.count_modes);
}

/* Draws a picture into that memory, shows it, and waits until the other side has seen it. */
static void screen_show(struct screen *s, uint32_t fb, uint32_t *p, unsigned pitch)
{
	const unsigned w = s->mode.hdisplay, h = s->mode.vdisplay;
	struct drm_mode_crtc set = { .set_connectors_ptr = (uintptr_t)&s->connector, .count_connectors = 1, .mode_valid = 1,
				     .crtc_id = s->crtc, .fb_id = fb, .mode = s->mode };
	struct drm_mode_fb_dirty_cmd dirty = { .fb_id = fb };

	draw(p, w, h, pitch);
	check(!ioctl(s->fd, DRM_IOCTL_MODE_SETCRTC, &set), "... is shown");
	check(!ioctl(s->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty), "... and flushed");
	printf("gpu: picture %u %u %llx\n", w, h, (unsigned long long)checksum(p, w, h, pitch));
	await("picture");
}

static void show(void)
{
	struct drm_mode_create_dumb dumb = { .bpp = 32 };
	struct drm_mode_fb_cmd add = { .bpp = 32, .depth = 24 };
	struct drm_mode_map_dumb map = { 0 };
	uint32_t *p = MAP_FAILED;
	struct screen s;

	if (!screen_open(&s))
		return;
	dumb.width = s.mode.hdisplay;
	dumb.height = s.mode.vdisplay;
	if (!ioctl(s.fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb)) {
		map.handle = add.handle = dumb.handle;
		add.width = dumb.width;
		add.height = dumb.height;
		add.pitch = dumb.pitch;
		if (!ioctl(s.fd, DRM_IOCTL_MODE_ADDFB, &add) && !ioctl(s.fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
			p = mmap(NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, map.offset);
	}
	if (check(p != MAP_FAILED, "... a buffer for it")) {
		screen_show(&s, add.fb_id, p, dumb.pitch);
		munmap(p, dumb.size);
	}
	close(s.fd);
}

/* Of memory that is the device's: what it shows it reads there itself. */
static void show_blob(unsigned kind, const char *name)
{
	struct drm_mode_fb_cmd2 add = { .pixel_format = DRM_FORMAT_XRGB8888 };
	struct screen s;
	struct blob b;
	int err;

	if (!screen_open(&s))
		return;
	add.width = s.mode.hdisplay;
	add.height = s.mode.vdisplay;
	add.pitches[0] = 4 * add.width;
	draw_seed = kind;
	err = context_init(s.fd, GPU_TEST_CAPSET);
	if (!err)
		err = blob_open(&b, s.fd, kind, 2 * MIB);
	if (check(!err, "... a blob of kind %s for it (%d)", name, err)) {
		add.handles[0] = b.handle;
		if (check(!ioctl(s.fd, DRM_IOCTL_MODE_ADDFB2, &add), "... as a frame buffer"))
			screen_show(&s, add.fb_id, (uint32_t *)b.m, add.pitches[0]);
		blob_close(&b);
	}
	close(s.fd);
}

/* ---- the driver ---- */

static int driver(const char *what)
{
	char path[100];
	int fd, rc;

	snprintf(path, sizeof(path), DRIVER "%s", what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rc = fd < 0 || write(fd, DEVICE, strlen(DEVICE)) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

static void rebind(const char *when)
{
	struct blob b;
	int err = driver("unbind"), fd;

	check(!err && access("/dev/dri/card0", F_OK), "%s: the driver lets it go (%d)", when, err);
	err = driver("bind");
	check(!err, "%s: and takes it again (%d)", when, err);
	fd = context_open();
	if (check(fd >= 0 && !blob_open(&b, fd, GPU_TEST_MEMFD, MIB), "%s: a blob", when)) {
		fill(&b, 3);
		check(!tell(&b, GPU_TEST_PAGE_OUT, 0, MIB) && !wrong(&b, 3, 0, 0), "%s: it is as it was written", when);
		blob_close(&b);
	}
	if (fd >= 0)
		close(fd);
}

static void killed(void)
{
	int fd = context_open(), err;
	unsigned ones = 0;
	struct blob b;

	if (!check(fd >= 0 && !blob_open(&b, fd, GPU_TEST_MEMFD, MIB), "a blob of a device that will die"))
		return;
	fill(&b, 3);
	await("kill");
	/* The device does not answer, and then it is dead: this processor waits in the middle of a write to a register. */
	err = say(&b, GPU_TEST_PAGE_OUT, 0, MIB);
	check(!err, "a write to a register of a device that dies comes to an end (%d)", err);
	for (size_t i = 0; i < MIB / PAGE; i++) {
		b.m[i * WORDS] = i;
		ones += b.m[i * WORDS] == ~0ull;
	}
	check(ones == MIB / PAGE, "the device is dead: all of it reads as ones (%u)", ones);
	munmap((void *)b.m, b.size);
	close(fd);
	await("restart");
	rebind("a new device");
}

/* Busy with everything until somebody ends it. */
static void destroyed(void)
{
	int fd = context_open();
	struct blob b;

	if (!check(fd >= 0 && !blob_open(&b, fd, GPU_TEST_MEMFD, MIB), "a blob of a guest that will be destroyed"))
		return;
	fill(&b, 3);
	puts("gpu: wait destroy");
	for (uint64_t i = 0;; i++) {
		fill(&b, i);
		tell(&b, GPU_TEST_PAGE_OUT, 0, MIB);
	}
}

int main(void)
{
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (load_modules())
		return 1;
	fd = device_open("renderD128");
	if (!check(fd >= 0, "Linux' driver has the device"))
		return 1;
	close(fd);
	await("start");
	if (asked("xenlend.trapped")) {
		locked(2000);
		puts("gpu: done");
		return 0;
	}
	/*
	 * Before all else: huge pages can be at multiples of their size only, Linux takes the first place that is free, and a
	 * blob's place is free only some time after it was closed.
	 */
	if (asked("xenlend.huge"))
		one_kind(GPU_TEST_HUGETLB, "hugetlb", false, true);
	locked(1000000);
	one_kind(GPU_TEST_MEMFD, "memfd", true, true);
	one_kind(GPU_TEST_ANONYMOUS, "anonymous", true, true);
	one_kind(GPU_TEST_FILE, "file", true, true);
	one_kind(GPU_TEST_UDMABUF, "udmabuf", false, false);
	read_only();
	image();
	wayland();
	refused();
	stress(asked("xenlend.short") ? 10 : 40);
	warm();
	churn(asked("xenlend.short") ? 20 : 100);
	show();
	show_blob(GPU_TEST_MEMFD, "memfd");
	show_blob(GPU_TEST_UDMABUF, "udmabuf");
	rebind("a driver of its own will");
	if (asked("xenlend.kill"))
		killed();
	if (asked("xenlend.destroy"))
		destroyed();
	puts("gpu: done");
	return 0;
}
