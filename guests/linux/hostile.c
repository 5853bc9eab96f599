// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a Linux guest, without its driver: does everything to a virtio GPU that a driver must not.  After each round the device
 * has to serve a driver that does it right.  The other side is tests/suites/gpu_hostile.c.
 *
 * On the kernel's command line: xenlend.seed=N, the same random numbers again; xenlend.times=N, so many times as many rounds;
 * xenlend.cycles=N, blobs that come and go; hugepages=1.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "../../devices/virtio-gpu/cross_domain.h"
#include "../../devices/virtio-gpu/test.h"
#include "byhand.h"

#define KPF_OFFLINE	23		/* of /proc/kpageflags: given back to Xen */
#define BALLOON		"/sys/devices/system/xen_memory/xen_memory0/"
#define HALF		(window_len / 2)	/* what is compared is below; there is no saying what is above */

static uint64_t seed;
static unsigned times = 1;
static unsigned failures;		/* of the part that runs */

/* Each thread has its own. */
static uint64_t next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15UL;
	return mix(*state);
}

static uint64_t any(void)
{
	static uint64_t state;
	static bool begun;

	if (!begun)
		state = seed;
	begun = true;
	return next(&state);
}

static uint32_t under(uint32_t n)
{
	return any() % n;
}

/*
 * An address for the device to read or write at: any, but of the guest's memory only what is ours and no ring is in.  Of what the
 * device writes no piece is as long as two pages.
 */
static uint64_t address(void)
{
	switch (under(10)) {
	case 0: case 1: case 2: return arena_at + DATA_AT + under(MIB - 2 * PAGE);
	case 3: return window_at + any() % window_len;
	case 4: return window_at + window_len - under(2 * PAGE);
	case 5: return (bars[0] & ~0xfu) + under(2 * BAR0_SIZE);
	case 6: return 0xfee00000u + under(PAGE);
	case 7: return any() | 1ull << 40;
	case 8: return -(uint64_t)under(4 * PAGE) - 1;
	default: return 1ull << (33 + under(31));
	}
}

static bool fails(const char *what, unsigned got)
{
	failures++;
	if (failures < 6)
		printf("gpu: round failed: %s (%#x)\n", what, got);
	return false;
}

static bool want(uint32_t got, uint32_t wanted, const char *what)
{
	return got == wanted || fails(what, got);
}

static bool refused(uint32_t got, const char *what)
{
	return got >= VIRTIO_GPU_RESP_ERR_UNSPEC || fails(what, got);
}

static bool reads(uint64_t at, uint64_t wanted, const char *what)
{
	uint64_t v = window[at / 8];

	if (v == wanted)
		return true;
	printf("gpu: %#llx, not %#llx\n", (unsigned long long)v, (unsigned long long)wanted);
	return fails(what, at);
}

/* ---- a driver that does it right ---- */

static bool serves(void)
{
	return (start() || fails("a start", status())) &&
	       want(run(DISPLAY_INFO), VIRTIO_GPU_RESP_OK_DISPLAY_INFO, "the display's size");
}

static bool serves_all(void)
{
	uint64_t tag = any() | 1;

	if (!serves() || !want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context") ||
	    !want(run(BLOB(1, 1, GPU_TEST_MEMFD, 4 * PAGE)), NODATA, "a blob") ||
	    !want(run(MAP(1, PAGE)), VIRTIO_GPU_RESP_OK_MAP_INFO, "its mapping") || !reads(2 * PAGE, 0, "a new blob's page"))
		return false;
	window[2 * WORDS] = tag;
	return reads(2 * PAGE, tag, "what was written") && reads(0, ONES, "where nothing is") &&
	       want(run(UNMAP(1)), NODATA, "unmapping") && reads(2 * PAGE, ONES, "what is unmapped") &&
	       want(run(UNREF(1)), NODATA, "the blob's end") && want(run(CTX_DESTROY(1)), NODATA, "the context's end");
}

/* After something bad: mostly a look, sometimes a good one */
static bool still(unsigned round)
{
	if (round % 200 == 199)
		printf("gpu: round %u\n", round + 1);
	return round % 16 == 15 ? serves_all() : serves();
}

static bool part_over(const char *what, unsigned rounds)
{
	static double began;
	bool good = check(!failures, "%s, %u rounds (%u failed)", what, rounds, failures);

	if (began)
		printf("gpu: in %.1f s\n", seconds() - began);
	began = seconds();
	failures = 0;
	return good;
}

/* ---- another vCPU ---- */

/* Reads and writes what is in the upper half of the window, whatever that is, until it is told to stop */
static volatile bool touching;
static pthread_t toucher;

static void *touch(void *arg)
{
	uint64_t state = (uintptr_t)arg, sum = 0;

	while (touching) {
		for (unsigned i = 0; i < 32; i++) {
			uint64_t at = HALF + next(&state) % (16 * MIB);

			if (i & 1)
				window[at / 8] = state;
			else
				sum += window[at / 8];
		}
		usleep(500);
	}
	return (void *)(uintptr_t)sum;
}

static void touch_begin(void)
{
	touching = true;
	pthread_create(&toucher, NULL, touch, (void *)(uintptr_t)any());
}

static void touch_end(void)
{
	touching = false;
	pthread_join(toucher, NULL);
}

/* ---- rings ---- */

static const uint32_t lengths[] = { 0, 1, 15, 16, 24, 32, 64, 4096, 65536, 1u << 20, 0x7fffffff, 0xfffffff0, UINT32_MAX };

static uint32_t some_length(void)
{
	return under(4) ? lengths[under(sizeof(lengths) / sizeof(lengths[0]))] : (uint32_t)any();
}

static void set_desc(struct vring_desc *d, uint64_t addr, uint32_t len, uint16_t flags, uint16_t to)
{
	*d = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = to };
}

static void offer(unsigned queue, uint16_t head, uint16_t by)
{
	avail(queue)->ring[posted[queue] % ENTRIES] = head;
	posted[queue] += by;
	__atomic_store_n(&avail(queue)->idx, posted[queue], __ATOMIC_SEQ_CST);
}

/* Queues of odd sizes in odd places */
static void bad_queues(void)
{
	static const uint16_t sizes[] = { 0, 1, 2, 3, 100, 255, 256, 257, 512, 0x8000, 0xffff };
	uint64_t at[3];

	for (unsigned q = 0; q < 3; q++) {	/* there is no third one */
		for (unsigned i = 0; i < 3; i++)
			at[i] = under(3) ? arena_at + q * QUEUE_STEP + i * PAGE + (under(4) ? 0 : under(64)) : address();
		queue_place(q, sizes[under(sizeof(sizes) / sizeof(sizes[0]))], at[0], at[1], at[2]);
	}
}

static void bad_ring(void)
{
	struct vring_desc *d = desc(0), *t = (void *)(arena + TABLE_AT);
	uint64_t table_at = arena_at + TABLE_AT, request = arena_at + SLOT_AT;
	const uint16_t next = VRING_DESC_F_NEXT, in = VRING_DESC_F_WRITE, indirect = VRING_DESC_F_INDIRECT;
	unsigned i, n = 1 + under(8);

	((struct virtio_gpu_ctrl_hdr *)(arena + SLOT_AT))->type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
	switch (under(16)) {
	case 0:		/* outside */
		set_desc(d, address(), some_length(), next, 1);
		set_desc(d + 1, address(), some_length(), in, 0);
		offer(0, 0, 1);
		break;
	case 1:		/* an answer that goes nowhere */
		set_desc(d, request, 24, next, 1);
		set_desc(d + 1, address(), some_length(), in, 0);
		offer(0, 0, 1);
		break;
	case 2:		/* for ever */
		for (i = 0; i < n; i++)
			set_desc(d + i, request, 24, next, (i + 1) % n);
		offer(0, 0, 1);
		break;
	case 3:		/* beyond the table */
		set_desc(d, request, 24, next, ENTRIES + under(65536 - ENTRIES));
		offer(0, 0, 1);
		break;
	case 4:
		offer(0, ENTRIES + under(65536 - ENTRIES), 1);
		break;
	case 5:		/* more than there can be */
		offer(0, 0, ENTRIES + 1 + under(60000));
		break;
	case 6:		/* all there can be, of one */
		set_desc(d, request, 24, next, 1);
		set_desc(d + 1, request + PAGE, RESPONSE, in, 0);
		offer(0, 0, ENTRIES);
		break;
	case 7:		/* indirect ones of odd sizes and places */
		set_desc(d, under(2) ? table_at : address(), some_length(), indirect | (under(2) ? next : 0), 1);
		set_desc(d + 1, request, 24, 0, 0);
		offer(0, 0, 1);
		break;
	case 8:		/* in indirect ones */
		set_desc(t, table_at, 16 * (1 + under(4)), indirect, 0);
		set_desc(d, table_at, 16 * (1 + under(4)), indirect, 0);
		offer(0, 0, 1);
		break;
	case 9:		/* indirect ones for ever, or beyond their table */
		for (i = 0; i < n; i++)
			set_desc(t + i, request, 24, next, (i + 1 + under(2)) % (n + 1));
		set_desc(d, table_at, 16 * n, indirect, 0);
		offer(0, 0, 1);
		break;
	case 10:	/* to write before to read */
		set_desc(d, request + PAGE, 24, next | in, 1);
		set_desc(d + 1, request, 24, 0, 0);
		offer(0, 0, 1);
		break;
	case 11:	/* no request, or no room */
		set_desc(d, request, 24, under(2) ? in : 0, 0);
		offer(0, 0, 1);
		break;
	case 12:	/* answers over the descriptors */
		set_desc(d, request, 24, next, 1);
		set_desc(d + 1, arena_at + DESC_AT + under(PAGE), RESPONSE, in, 0);
		for (i = 0; i < n; i++)
			offer(0, 0, 1);
		break;
	case 13:	/* noise */
		for (i = 0; i < 32; i++)
			set_desc(d + i, address(), some_length(), any(), under(40));
		for (i = 0; i < n; i++)
			offer(under(2), under(40), 1);
		break;
	case 14:	/* of the other queue, and one that is not there */
		set_desc(desc(1), address(), some_length(), next, 1);
		set_desc(desc(1) + 1, address(), some_length(), in, 0);
		offer(1, 0, 1);
		kick(2 + under(900));
		break;
	default:	/* as long as one can be, each part almost 4 GiB */
		for (i = 0; i < ENTRIES; i++)
			set_desc(d + i, request, UINT32_MAX, i + 1 < ENTRIES ? next : 0, i + 1);
		offer(0, 0, 1);
	}
}

static bool rings(unsigned rounds)
{
	unsigned i;

	for (i = 0; i < rounds && failures < 20; i++) {
		if (under(4)) {
			start();
		} else {
			features();
			rings_clear();
			bad_queues();
			set_status(RUNNING);
		}
		if (under(2))
			ask(DISPLAY_INFO);
		bad_ring();
		kick(0);
		kick(1);
		/* whatever comes of it */
		for (unsigned j = 0; j < 20 && waiting(0) > 0; j++)
			usleep(200);
		still(i);
	}
	return part_over("rings that no driver makes", rounds);
}

/* ---- commands ---- */

static const uint32_t types[] = {
	VIRTIO_GPU_CMD_GET_DISPLAY_INFO, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, VIRTIO_GPU_CMD_RESOURCE_UNREF, VIRTIO_GPU_CMD_SET_SCANOUT,
	VIRTIO_GPU_CMD_RESOURCE_FLUSH, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, VIRTIO_GPU_CMD_GET_CAPSET_INFO, VIRTIO_GPU_CMD_GET_CAPSET, VIRTIO_GPU_CMD_GET_EDID,
	VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
	VIRTIO_GPU_CMD_CTX_CREATE, VIRTIO_GPU_CMD_CTX_DESTROY, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, VIRTIO_GPU_CMD_SUBMIT_3D,
	VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, VIRTIO_GPU_CMD_UPDATE_CURSOR, VIRTIO_GPU_CMD_MOVE_CURSOR,
	0, 0x1ff, 0xffffffff,
};

/* A field: mostly a number that could mean something */
static uint32_t field(void)
{
	switch (under(8)) {
	case 0: return 0;
	case 1: return under(4) * PAGE;
	case 2: return any();
	case 3: return -(uint32_t)under(3);
	default: return under(9);
	}
}

static uint64_t offset(void)
{
	switch (under(8)) {
	case 0: return any();
	case 1: return window_len - under(3) * PAGE;
	case 2: return under(9);
	default: return HALF + under(16 * MIB / PAGE) * PAGE;
	}
}

static uint64_t blob_size(void)
{
	switch (under(8)) {
	case 0: return any();
	case 1: return under(9);
	case 2: return 2 * MIB;
	case 3: return -(uint64_t)under(2 * PAGE);
	default: return (1 + under(64)) * PAGE;
	}
}

static uint32_t some_context(void)
{
	return under(16) ? under(4) : field();
}

/* One of any kind, 256 bytes at p; returns how long it should be, more or less. */
static unsigned any_command(uint8_t *p)
{
	union {
		uint32_t word[64];
		struct virtio_gpu_ctrl_hdr hdr;
		struct virtio_gpu_resource_create_blob blob;
		struct virtio_gpu_resource_map_blob map;
		struct virtio_gpu_ctx_create ctx;
		struct virtio_gpu_resource_attach_backing attach;
		struct { struct virtio_gpu_cmd_submit s; struct gpu_test_command t[4]; } test;
		struct { struct virtio_gpu_cmd_submit s; struct cross_domain_query q[2]; } cross;
		struct {
			struct virtio_gpu_cmd_submit s;
			struct cross_domain_message m;
			uint32_t table[3][CROSS_DOMAIN_IDS];
			char data[16];
		} send;
		struct { struct virtio_gpu_cmd_submit s; struct cross_domain_data d; char data[64]; } write;
	} *c = (void *)p;
	unsigned len = 24 + 4 * under(20), i;
	struct virtio_gpu_mem_entry *e;

	for (i = 0; i < 64; i++)
		c->word[i] = field();
	c->hdr.type = under(40) ? types[under(sizeof(types) / sizeof(types[0]))] : field();
	c->hdr.flags = under(4) ? 0 : under(4);
	c->hdr.ctx_id = some_context();
	c->hdr.ring_idx = under(3);
	if (!under(16))
		return len;
	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
		c->ctx.nlen = under(80);
		c->ctx.context_init = under(3) ? GPU_TEST_CAPSET : under(3) ? CROSS_DOMAIN_CAPSET : field();
		return sizeof(c->ctx);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		c->blob.blob_mem = under(4) ? VIRTIO_GPU_BLOB_MEM_HOST3D : field();
		c->blob.blob_flags = under(8);
		c->blob.blob_id = under(8);
		c->blob.size = blob_size();
		c->blob.nr_entries = under(8) ? c->blob.blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D : field();
		e = (void *)(p + sizeof(c->blob));
		*e = (struct virtio_gpu_mem_entry){ .addr = address(), .length = some_length() };
		return sizeof(c->blob) + 16;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		c->attach.nr_entries = 1 + under(3);
		e = (void *)(p + sizeof(c->attach));
		for (i = 0; i < 3; i++)
			e[i] = (struct virtio_gpu_mem_entry){ .addr = address(), .length = some_length() };
		return sizeof(c->attach) + 48;
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		c->map.resource_id = under(9);
		c->map.offset = offset();
		return sizeof(c->map);
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		if (under(2)) {
			for (i = 0; i < 4; i++)
				c->test.t[i] = (struct gpu_test_command){ .verb = 1 + under(4), .resource = under(9),
									  .offset = field(), .len = blob_size() };
			c->test.s.size = under(4) ? sizeof(c->test.t) : field();
			return sizeof(c->test);
		}
		/* to the compositor at the other end of a channel */
		switch (under(4)) {
		case 0:
			c->send.s.size = sizeof(c->send) - sizeof(c->send.s);
			c->send.m.h.command = CROSS_DOMAIN_SEND;
			c->send.m.h.len = under(8) ? c->send.s.size : field();
			c->send.m.n = under(CROSS_DOMAIN_IDS + 1);
			c->send.m.len = under(8) ? under(17) : field();
			for (i = 0; i < CROSS_DOMAIN_IDS; i++) {
				c->send.table[1][i] = under(16) ? 1 + 2 * under(2) : field();
				c->send.table[0][i] = c->send.table[1][i] == CROSS_DOMAIN_ID_BLOB ? under(9)
					: CROSS_DOMAIN_READ_PIPES + under(40);
			}
			return sizeof(c->send);
		case 1:
			c->write.s.size = sizeof(c->write) - sizeof(c->write.s);
			c->write.d.h.command = CROSS_DOMAIN_WRITE;
			c->write.d.h.len = under(8) ? c->write.s.size : field();
			c->write.d.id = under(40);
			c->write.d.hang_up = !under(8);
			c->write.d.len = under(8) ? under(65) : field();
			return sizeof(c->write);
		}
		for (i = 0; i < 2; i++) {
			c->cross.q[i].h.command = under(9);
			c->cross.q[i].h.len = under(4) ? sizeof(c->cross.q[0]) : field();
			c->cross.q[i].width = 1 + under(200);
			c->cross.q[i].height = 1 + under(200);
		}
		c->cross.s.size = under(4) ? sizeof(c->cross.q) : field();
		return sizeof(c->cross);
	default:
		return len;
	}
}

/* One that is cut off somewhere, in parts of any length, with or without room for an answer */
static void post_any(unsigned queue)
{
	unsigned at = slot_at(queue), len = any_command(arena + at), n = 0, done = 0;
	struct part p[PER_SLOT];

	if (!under(8))
		len = under(256);
	while (done < len && n < PER_SLOT - 2) {
		unsigned now = under(3) ? len - done : under(len - done + 1);

		p[n++] = (struct part){ arena_at + at + done, now, false };
		done += now;
	}
	if (under(8))
		p[n++] = (struct part){ arena_at + at + PAGE, under(4) ? RESPONSE : under(100), true };
	if (!n || !under(32))
		p[n++] = (struct part){ address(), some_length(), true };
	post(queue, p, n);
}

/* The last one is a good one: when that is answered, the others were served. */
static bool batch(void)
{
	struct virtio_gpu_ctrl_hdr *r;
	unsigned i, n = 1 + under(16);
	double end = seconds() + HANG;

	for (i = 0; i < n; i++)
		post_any(under(8) == 0);
	r = ask(DISPLAY_INFO);
	kick(0);
	kick(1);
	for (i = 0; !*(volatile uint32_t *)&r->type; i++) {
		if (i % 64 == 63 && status() & VIRTIO_CONFIG_S_NEEDS_RESET)
			return true;	/* an answer to nowhere breaks the other queue or this one, as it should */
		if (seconds() > end) {
			hangs++;
			return fails("an answer behind any commands", status());
		}
		usleep(50);
	}
	return want(r->type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, "the answer behind any commands");
}

/* Context 3 has a channel, which receives in memory that commands are in. */
static void channel(void)
{
	struct { struct virtio_gpu_resource_create_blob b; struct virtio_gpu_mem_entry e; } ring = {
		.b = { HDR(RESOURCE_CREATE_BLOB, 3), .resource_id = 8, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 1, .size = PAGE },
		.e = { .addr = arena_at + DATA_AT, .length = PAGE },
	};
	struct { struct virtio_gpu_cmd_submit s; struct cross_domain_init i; } init = {
		.s = { HDR(SUBMIT_3D, 3), .size = sizeof(init.i) },
		.i = { .h = { .command = CROSS_DOMAIN_INIT, .len = sizeof(init.i) }, .query_resource = 8, .channel_resource = 8,
		       .channel = CROSS_DOMAIN_WAYLAND },
	};

	run(CTX_CREATE(3, CROSS_DOMAIN_CAPSET));
	run(&ring, sizeof(ring));
	run(CMD(ctx_resource, HDR(CTX_ATTACH_RESOURCE, 3), .resource_id = 8));
	want(run(&init, sizeof(init)), NODATA, "a channel");
}

static bool commands(unsigned rounds)
{
	unsigned i;

	touch_begin();
	for (i = 0; i < rounds && failures < 20; i++) {
		if (!start())
			fails("a start", status());
		run(CTX_CREATE(1, GPU_TEST_CAPSET));
		run(CTX_CREATE(2, CROSS_DOMAIN_CAPSET));
		channel();
		for (unsigned j = 0; j < 6 && !(status() & VIRTIO_CONFIG_S_NEEDS_RESET) && !failures; j++)
			batch();
		still(i);
	}
	touch_end();
	return part_over("commands of every kind", rounds);
}

/* A command that takes for ever is one as well. */
static bool endless(void)
{
	struct virtio_gpu_cmd_submit s = { HDR(SUBMIT_3D, 1), .size = UINT32_MAX & ~15u };
	struct vring_desc *d = desc(0);
	struct virtio_gpu_ctrl_hdr *r = (void *)(arena + SLOT_AT + PAGE);
	unsigned i;

	serves();
	want(run(CTX_CREATE(1, CROSS_DOMAIN_CAPSET)), NODATA, "a context");
	/* a resource to answer to, of the guest's own memory */
	memset(arena + SLOT_AT, 0, 2 * PAGE);
	want(run(&(struct { struct virtio_gpu_resource_create_blob b; struct virtio_gpu_mem_entry e; }){
		.b = { HDR(RESOURCE_CREATE_BLOB, 1), .resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 1, .size = PAGE },
		.e = { .addr = arena_at + DATA_AT + MIB - PAGE, .length = PAGE } }, sizeof(struct virtio_gpu_resource_create_blob) + 16),
	     NODATA, "a blob of the guest's");
	want(run(CMD(ctx_resource, HDR(CTX_ATTACH_RESOURCE, 1), .resource_id = 1)), NODATA, "... in the context");
	for (i = 0; i < (MIB - PAGE) / 16; i++)
		memcpy(arena + DATA_AT + 16 * i, &(struct cross_domain_init){
			.h = { .command = CROSS_DOMAIN_INIT, .len = 16 }, .query_resource = 1 }, 16);
	/* 250 times the same 1 MiB less a page, by a chain as long as one can be */
	memcpy(arena + SLOT_AT, &s, sizeof(s));
	r->type = 0;
	posted[0] = used(0)->idx;
	set_desc(d, arena_at + SLOT_AT, sizeof(s), VRING_DESC_F_NEXT, 1);
	for (i = 1; i < 251; i++)
		set_desc(d + i, arena_at + DATA_AT, MIB - PAGE, VRING_DESC_F_NEXT, i + 1);
	set_desc(d + 251, arena_at + SLOT_AT + PAGE, RESPONSE, VRING_DESC_F_WRITE, 0);
	((struct virtio_gpu_cmd_submit *)(arena + SLOT_AT))->size = 250 * (MIB - PAGE);
	offer(0, 0, 1);
	kick(0);
	answered(0, 0);
	refused(r->type, "a submission of 250 MiB is refused");
	serves_all();
	return part_over("a command that would take for ever", 1);
}

/* ---- mappings ---- */

/* Page of the lower half, with room for n behind it; 0 stays empty */
static uint64_t place(unsigned n)
{
	return (1 + under(HALF / PAGE - 1 - n)) * (uint64_t)PAGE;
}

static bool mapping_round(void)
{
	static const unsigned kinds[] = { GPU_TEST_MEMFD, GPU_TEST_ANONYMOUS, GPU_TEST_FILE, GPU_TEST_UDMABUF };
	unsigned kind = kinds[under(4)], pages = 1 + under(8), how = under(8), in = under(pages);
	uint64_t x = place(pages), at = x + in * PAGE, tag = any() | 1;

	if (!want(run(BLOB(1, 1, kind, pages * PAGE)), NODATA, "a blob to be mapped") ||
	    !want(run(BLOB(1, 2, GPU_TEST_MEMFD, pages * PAGE)), NODATA, "another one") ||
	    !want(run(MAP(1, x)), VIRTIO_GPU_RESP_OK_MAP_INFO, "its mapping") || !reads(at, 0, "a new blob"))
		return false;
	window[at / 8] = tag;
	/* not twice, not over it, not beyond the end, not there when it is not */
	refused(run(MAP(1, place(pages))), "mapped twice");
	refused(run(MAP(2, x + PAGE * (under(2 * pages - 1) - (pages - 1)))), "mapped over another one");
	refused(run(MAP(2, window_len - (pages - 1) * PAGE)), "mapped beyond the end");
	refused(run(UNMAP(2)), "unmapped and was not mapped");
	refused(run(UNMAP(3)), "unmapped and is not there");
	reads(at, tag, "what was written before what was refused");
	switch (how) {
	case 0:		/* gone without being unmapped */
		want(run(UNREF(1)), NODATA, "the end of a mapped blob");
		break;
	case 1:
		want(run(UNMAP(1)), NODATA, "unmapping");
		refused(run(UNMAP(1)), "unmapped twice");
		break;
	case 2:		/* its context goes, it does not */
		want(run(CTX_DESTROY(1)), NODATA, "the context's end");
		reads(at, tag, "a blob whose context is gone");
		want(run(UNREF(1)), NODATA, "its end");
		want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context");
		break;
	case 3:
		set_status(0);
		reads(at, ONES, "a blob that was mapped before a reset");
		return serves() && want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context after a reset");
	case 4:		/* elsewhere, as it was */
		want(run(UNMAP(1)), NODATA, "unmapping");
		reads(at, ONES, "what is unmapped");
		x = place(pages);
		at = x + in * PAGE;
		want(run(MAP(1, x)), VIRTIO_GPU_RESP_OK_MAP_INFO, "its second mapping");
		reads(at, tag, "a blob that was mapped elsewhere");
		want(run(UNREF(1)), NODATA, "its end");
		break;
	case 5:		/* all at once, answered in turn */
		ask(UNMAP(1));
		ask(MAP(2, x));
		ask(UNREF(1));
		kick(0);
		if (!answered(0, 0) || !reads(at, 0, "the next blob in the place of the last one"))
			return fails("three commands at once", status());
		want(run(UNMAP(2)), NODATA, "unmapping the second one");
		break;
	case 6: {	/* paged out and punched while it is there */
		struct { struct virtio_gpu_cmd_submit s; struct gpu_test_command t[2]; } c = {
			.s = { HDR(SUBMIT_3D, 1), .size = sizeof(c.t) },
			.t = { { GPU_TEST_PAGE_OUT, 1, 0, pages * PAGE }, { GPU_TEST_PUNCH, 2, 0, pages * PAGE } } };

		refused(run(&c, sizeof(c)), "a hole in a blob that is not mapped");
		if (kind != GPU_TEST_UDMABUF)
			reads(at, tag, "a blob that was paged out");
		want(run(UNREF(1)), NODATA, "its end");
		break;
	}
	default:	/* another one in its place: nothing of it is there */
		want(run(UNREF(1)), NODATA, "the end of a mapped blob");
		want(run(MAP(2, x)), VIRTIO_GPU_RESP_OK_MAP_INFO, "another one in its place");
		reads(at, 0, "another blob in its place");
		want(run(UNMAP(2)), NODATA, "unmapping it");
	}
	reads(at, ONES, "a place where nothing is any more");
	refused(run(BLOB(1, 2, GPU_TEST_MEMFD, PAGE)), "a number that is taken");
	return want(run(UNREF(2)), NODATA, "the end of a blob that is not mapped") && (how == 1 ? want(run(UNREF(1)), NODATA, "the end") : true);
}

static bool mappings(unsigned rounds)
{
	unsigned i;

	serves();
	want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context");
	for (i = 0; i < rounds && failures < 20; i++)
		if (!mapping_round()) {
			serves();
			run(CTX_CREATE(1, GPU_TEST_CAPSET));
		}
	serves_all();
	return part_over("blobs mapped, unmapped, gone while mapped, in each other's way", rounds);
}

/*
 * A vCPU reads a page of the window while the other one has blobs come and go there.  Even: what is there now; odd: in between.
 * Bits 1 to 16 are the tag, 0 for nothing.
 */
static volatile uint64_t there;
static volatile bool racing;
static volatile uint64_t *raced;
static uint64_t race_reads, race_wrong, race_value, race_there;

static void *racer(void *arg)
{
	(void)arg;
	while (racing) {
		uint64_t a = __atomic_load_n(&there, __ATOMIC_SEQ_CST), v = *raced, b = __atomic_load_n(&there, __ATOMIC_SEQ_CST);

		if (a != b || a & 1)
			continue;
		race_reads++;
		/* each such read takes the lender some time, which it needs for the others */
		if (v == ONES)
			usleep(100);
		if (v != ((a >> 1 & 0xffff) ? a >> 1 & 0xffff : ONES)) {
			race_wrong++;
			race_value = v;
			race_there = a;
		}
	}
	return NULL;
}

static void now_there(uint64_t what)
{
	static uint64_t turn;

	__atomic_store_n(&there, ++turn << 20 | what, __ATOMIC_SEQ_CST);
}

static bool races(unsigned rounds)
{
	uint64_t x = HALF + PAGE;
	pthread_t t;
	unsigned i, ends = 0;

	serves();
	want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context");
	raced = window + x / 8;
	race_reads = race_wrong = 0;
	now_there(0);
	racing = true;
	pthread_create(&t, NULL, racer, NULL);
	for (i = 0; i < rounds && failures < 20; i++) {
		uint64_t tag = 1 + i % 60000;

		/* its word is written where nobody looks */
		want(run(BLOB(1, 1, i & 1 ? GPU_TEST_MEMFD : GPU_TEST_ANONYMOUS, PAGE)), NODATA, "a blob");
		want(run(MAP(1, PAGE)), VIRTIO_GPU_RESP_OK_MAP_INFO, "its mapping");
		window[WORDS] = tag;
		want(run(UNMAP(1)), NODATA, "unmapping");
		now_there(1);
		want(run(MAP(1, x)), VIRTIO_GPU_RESP_OK_MAP_INFO, "its mapping where another vCPU reads");
		now_there(tag << 1);
		usleep(under(1000));
		now_there(1);
		switch (i % 3) {
		case 0:
			want(run(UNMAP(1)), NODATA, "unmapping while another vCPU reads");
			now_there(0);
			want(run(UNREF(1)), NODATA, "its end");
			break;
		case 1:
			want(run(UNREF(1)), NODATA, "its end while another vCPU reads");
			now_there(0);
			break;
		default:
			set_status(0);
			now_there(0);
			ends++;
			serves();
			want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context");
		}
		usleep(under(500));
	}
	racing = false;
	pthread_join(t, NULL);
	if (race_wrong)
		printf("gpu: %llu reads, %llu wrong, the last: %#llx when %#llx was there\n", (unsigned long long)race_reads,
		       (unsigned long long)race_wrong, (unsigned long long)race_value, (unsigned long long)race_there);
	check(race_reads > rounds && !race_wrong, "a vCPU that reads finds what is there, or nothing: %llu reads, %llu wrong, %u resets",
	      (unsigned long long)race_reads, (unsigned long long)race_wrong, ends);
	return part_over("blobs that come and go under a vCPU that reads", rounds);
}

/* ---- resets, decoding and bus mastering in the middle ---- */

static bool interrupted(unsigned rounds)
{
	unsigned i;

	touch_begin();
	for (i = 0; i < rounds && failures < 20; i++) {
		uint16_t idx;
		unsigned how = under(6);

		serves();
		run(CTX_CREATE(1, GPU_TEST_CAPSET));
		run(BLOB(1, 1, GPU_TEST_MEMFD, MIB));
		run(MAP(1, HALF));
		for (unsigned j = 0; j < 24; j++)
			post_any(0);
		kick(0);
		if (under(2))
			usleep(under(1500));
		switch (how) {
		case 0:
			command_register(PCI_COMMAND_MEMORY);
			break;
		case 1:
			command_register(0);
			break;
		case 2:
			set_status(VIRTIO_CONFIG_S_FAILED);
			break;
		case 3:
			set_status(any());
			break;
		default:
			set_status(0);
		}
		/* Nothing is written any more.  FAILED and others leave the requests that are being served. */
		idx = used(0)->idx;
		if (how < 2 || how > 3) {
			usleep(1000);
			if (used(0)->idx != idx)
				fails("an answer after a reset, or without being bus master", how);
		}
		if (how < 2)
			command_register(under(2) ? ALL : PCI_COMMAND_MASTER);
		command_register(ALL);
		still(i);
	}
	touch_end();
	return part_over("resets, and decoding and bus mastering turned off, while requests are served", rounds);
}

/* ---- where the device is ---- */

static void bar_write(unsigned n, uint64_t v)
{
	cfg_write(PCI_BASE_ADDRESS_0 + 4 * n, 4, v);
	if (n == 4)
		cfg_write(PCI_BASE_ADDRESS_0 + 20, 4, v >> 32);
}

/* A word of any address that is not RAM, -1 if it cannot be had */
static int physical(uint64_t at, uint64_t *v)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC | O_SYNC);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, at);

	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return -1;
	*v = *(volatile uint64_t *)p;
	munmap(p, PAGE);
	return 0;
}

static uint64_t anywhere(void)
{
	switch (under(10)) {
	case 0: return 0;
	case 1: return arena_at & -window_len;		/* its own memory */
	case 2: return 0xfec00000u & -window_len;
	case 3: return bars[0] & -(uint32_t)window_len;	/* its registers */
	case 4: return ONES;
	case 5: return (1ull << 52) - window_len;
	case 6: return any();
	case 7: return 1ull << (33 + under(31));
	default: return window_at + window_len * under(8);
	}
}

static bool moves(unsigned rounds)
{
	uint64_t v = 0, tag, elsewhere = 4 * window_at;
	unsigned i;

	serves();
	want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context");
	want(run(BLOB(1, 1, GPU_TEST_MEMFD, 2 * PAGE)), NODATA, "a blob");
	want(run(MAP(1, PAGE)), VIRTIO_GPU_RESP_OK_MAP_INFO, "its mapping");
	memset(arena + DATA_AT, 0x5a, PAGE);
	for (i = 0; i < rounds && failures < 20; i++) {
		tag = any() | 1;
		window[WORDS] = tag;
		if (i % 4 == 3)
			touch_begin();
		switch (i % 4) {
		case 0:
			command_register(PCI_COMMAND_MASTER);
			reads(PAGE, ONES, "a blob while nothing is decoded");
			if (status() != 0xff)
				fails("a register while nothing is decoded", status());
			break;
		case 1:
			bar_write(4, elsewhere);
			reads(PAGE, ONES, "where the region was");
			if (physical(elsewhere + PAGE, &v) || v != tag)
				fails("a blob in the region's other place", v);
			break;
		case 2:
			bar_write(4, arena_at & -window_len);
			reads(PAGE, ONES, "where the region was, when it cannot be where it is");
			if (arena[DATA_AT] != 0x5a || arena[DATA_AT + PAGE - 1] != 0x5a)
				fails("the guest's memory, where the region is put", arena[DATA_AT]);
			break;
		default:
			for (unsigned j = 0; j < 12; j++) {
				bar_write(under(4) ? 4 : under(2), anywhere());
				if (!under(4))
					command_register(under(4) ? ALL : under(8));
			}
			touch_end();
		}
		config_restore();
		reads(PAGE, tag, "a blob when the region is back");
		if (run(DISPLAY_INFO) != VIRTIO_GPU_RESP_OK_DISPLAY_INFO)
			fails("a command when all is back", status());
	}
	config_restore();
	serves_all();
	return part_over("the region and the registers moved and turned off while a blob is mapped", rounds);
}

/* ---- registers ---- */

/* What goes into an address's halves: no RAM but ours, whatever the other half is. */
static uint32_t register_value(unsigned at)
{
	switch (under(5)) {
	case 0: return any();
	case 1: return under(4);
	case 2: return 1u << under(32);
	case 3: return at < 64 ? 0xfee00000u : arena_at;
	default: return -(uint32_t)under(3);
	}
}

static void poke_register(void)
{
	unsigned size = 1u << under(4), at = under(8) ? under(64) : under(BAR0_SIZE), q;
	uint64_t v = (uint64_t)any() << 32 | register_value(at);

	if (under(3) == 0)
		at = NOTIFY_AT + 4 * under(3);
	if (size == 8 && at % 8)
		size = 4;
	if (at > BAR0_SIZE - size)
		at = BAR0_SIZE - size;
	/* The halves of the queues' addresses: a device that runs writes there. */
	if (at >= REG(queue_desc_lo) - 7 && at < REG(queue_used_hi) + 4) {
		at = REG(queue_desc_lo) + 8 * under(3);
		v = address() & ~15ull;
		put(regs + at, 4, v);
		put(regs + at + 4, 4, v >> 32);
		return;
	}
	q = under(4);
	put(regs + REG(queue_select), 2, q < 3 ? q : 0xffff);
	(void)get(regs + at, 1);
	put(regs + at, size, v);
}

/* No vector that Linux takes for something else: those below 16 are none, and of the others nobody has asked for it. */
static void poke_msix(void)
{
	unsigned at = under(8) ? under(3 * 16) : under(BAR1_SIZE - 8), size = 1u << under(4);
	uint32_t v = any();

	if (under(2)) {		/* an entry that says something, to any processor */
		put(table + 16 * under(4), 4, 0xfee00000u | under(256) << 12 | (v & 0xc));
		put(table + 16 * under(4) + 8, 4, (v & 0xc700) | under(16));
		put(table + 16 * under(4) + 12, 4, 0);
		return;
	}
	if (at % 16 >= 5 && at % 16 < 12)
		v &= ~0xf0u;
	if (size == 8)
		size = 4;
	put(table + at, size, v & 0x0f0f0f0f);
}

static void poke_config(void)
{
	unsigned size = 1u << under(3), at = under(4) ? under(256) : msix_at + under(12);
	uint32_t v = under(2) ? any() : under(256);

	/* The window of registers: what is written there is a register's, of any kind */
	if (size == 4 && at >= 0x40 && at % 4 == 0)
		v = under(2) ? under(4) : under(64);
	cfg_write(at & -size, size, v);
}

static bool registers(unsigned rounds)
{
	unsigned i;

	for (i = 0; i < rounds && failures < 20; i++) {
		start();
		for (unsigned q = 0; q < 3; q++) {
			put(regs + REG(queue_select), 2, q);
			put(regs + REG(queue_msix_vector), 2, under(4));
		}
		put(regs + REG(msix_config), 2, under(5));
		cfg_write(msix_at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
		for (unsigned j = 0; j < 24; j++) {
			if (!under(4))
				ask(DISPLAY_INFO);
			switch (under(4)) {
			case 0: poke_config(); break;
			case 1: poke_msix(); break;
			default: poke_register();
			}
			/* sizes and addresses of queues that are in use stay what they are */
		}
		config_restore();
		still(i);
	}
	return part_over("registers, interrupts' table and configuration space scribbled over", rounds);
}

/* What is enabled does not change. */
static bool enabled(void)
{
	unsigned size;

	serves();
	put(regs + REG(queue_select), 2, 0);
	queue_place(0, 8, arena_at + DATA_AT, arena_at + DATA_AT + PAGE, arena_at + DATA_AT + 2 * PAGE);
	size = get(regs + REG(queue_size), 2);
	if (size != ENTRIES || get(regs + REG(queue_desc_lo), 4) != (uint32_t)(arena_at + DESC_AT))
		fails("the size or place of a queue in use", size);
	want(run(DISPLAY_INFO), VIRTIO_GPU_RESP_OK_DISPLAY_INFO, "a command after the queue was to be moved");
	return part_over("a queue that is in use stays where it is", 1);
}

/* ---- memory that is given back to Xen ---- */

static long kib(const char *file, long set)
{
	FILE *f = fopen(file, set ? "r+" : "r");
	long v = -1;

	if (f && set)
		v = fprintf(f, "%ld\n", set);
	else if (f && fscanf(f, "%ld", &v) != 1)
		v = -1;
	if (f && fclose(f))
		v = -1;
	return v;
}

/* Addresses of pages that Xen has */
static unsigned given_back(uint64_t *at, unsigned max)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t flags[512], pfn = 0;
	unsigned n = 0;
	ssize_t got;

	while (fd >= 0 && n < max && (got = read(fd, flags, sizeof(flags))) > 0)
		for (unsigned i = 0; i < got / 8; i++, pfn++)
			if (flags[i] >> KPF_OFFLINE & 1 && n < max)
				at[n++] = pfn * PAGE;
	if (fd >= 0)
		close(fd);
	return n;
}

static volatile bool pressing;

/* Has the device map the guest's memory, all of it, while that is given back: it only reads. */
static void *press(void *arg)
{
	long ram = *(long *)arg;
	uint64_t state = seed + 5;

	while (pressing) {
		unsigned at = slot_at(0);

		((struct virtio_gpu_ctrl_hdr *)(arena + at))->type = VIRTIO_GPU_CMD_SUBMIT_3D;
		post(0, (struct part[]){ { next(&state) % ram, 64, false }, { arena_at + at + PAGE, RESPONSE, true } }, 2);
		kick(0);
		if (waiting(0) && !answered(0, 0))
			start();
	}
	return NULL;
}

static bool memory(unsigned rounds, long give)
{
	long target = kib(BALLOON "target_kb", 0), ram = target * 1024;
	uint64_t *at = calloc(4096, sizeof(*at));
	unsigned i, n, j;
	pthread_t t;

	if (!check(target > 0 && at, "the guest has a balloon (%ld KiB)", target))
		return false;
	for (i = 0; i < rounds && failures < 20; i++) {
		serves();
		pressing = true;
		pthread_create(&t, NULL, press, &ram);
		kib(BALLOON "target_kb", target - give);
		for (j = 0; j < 300 && kib(BALLOON "info/current_kb", 0) > target - give; j++)
			usleep(100000);
		pressing = false;
		pthread_join(t, NULL);
		n = given_back(at, 4096);
		if (!i)
			check(n > 256, "pages are given back while the device reads them (%u)", n);
		/* and used */
		for (j = 0; n && j < (times > 1 ? 40u : 12u) && failures < 20; j++) {
			uint64_t a = at[under(n)], b = at[under(n)];

			serves();
			switch (under(4)) {
			case 0:
				post(0, (struct part[]){ { a, 64, false }, { b, RESPONSE, true } }, 2);
				break;
			case 1:
				post(0, (struct part[]){ { arena_at + SLOT_AT, 24, false }, { b, RESPONSE, true } }, 2);
				break;
			case 2:
				set_desc(desc(0), a, 64, VRING_DESC_F_INDIRECT, 0);
				offer(0, 0, 1);
				break;
			default:
				features();
				rings_clear();
				queue_place(0, ENTRIES, under(2) ? a : arena_at + DESC_AT, under(2) ? b : arena_at + AVAIL_AT,
					    under(2) ? b : arena_at + USED_AT);
				set_status(RUNNING);
				ask(DISPLAY_INFO);
			}
			kick(0);
			for (unsigned k = 0; k < 10 && waiting(0) > 0; k++)
				usleep(200);
			still(j);
		}
		kib(BALLOON "target_kb", target);
		for (j = 0; j < 300 && kib(BALLOON "info/current_kb", 0) < target - 1024; j++)
			usleep(100000);
	}
	free(at);
	serves_all();
	return part_over("memory that is given back to Xen while the device has it", rounds);
}

/* ---- coming and going ---- */

static bool cycles(unsigned n)
{
	static const unsigned kinds[] = { GPU_TEST_MEMFD, GPU_TEST_ANONYMOUS, GPU_TEST_MEMFD, GPU_TEST_FILE };
	unsigned i;

	for (i = 0; i < n && failures < 20; i++) {
		uint64_t x = HALF + (i % 1000) * (uint64_t)PAGE;
		const struct virtio_gpu_ctrl_hdr *a, *b;

		if (i % 100 == 0) {
			serves();
			want(run(CTX_CREATE(1, GPU_TEST_CAPSET)), NODATA, "a context");
		}
		a = ask(BLOB(1, 1 + i, kinds[i % 4], 2 * PAGE));
		b = ask(MAP(1 + i, x));
		kick(0);
		if (!answered(0, 0) || a->type != NODATA || b->type != VIRTIO_GPU_RESP_OK_MAP_INFO) {
			fails("a blob and its mapping", a->type << 16 | b->type);
			i |= 99;
			continue;
		}
		reads(x, 0, "a new blob");
		window[x / 8 + WORDS] = i;
		a = ask(UNMAP(1 + i));
		b = ask(UNREF(1 + i));
		kick(0);
		if (!answered(0, 0) || a->type != NODATA || b->type != NODATA)
			fails("its end", a->type << 16 | b->type);
		if (i % 500 == 499)
			printf("gpu: %u of %u\n", i + 1, n);
	}
	serves();
	return part_over("blobs made, mapped, touched, unmapped, let go", n);
}

/* All of it until somebody ends the guest */
static void for_ever(void)
{
	serves_all();
	puts("gpu: wait destroy");
	touch_begin();
	for (;;) {
		start();
		run(CTX_CREATE(1, GPU_TEST_CAPSET));
		for (unsigned i = 0; i < 8 && !(status() & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
			batch();
		command_register(under(2) ? ALL : PCI_COMMAND_MASTER);
		config_restore();
	}
}

static unsigned long number(const char *word, unsigned long otherwise)
{
	const char *v = asked(word);

	return v ? strtoul(v, NULL, 0) : otherwise;
}

/* What is there no more is looked at from outside, while nothing is. */
static void idle(const char *word)
{
	serves();
	set_status(0);
	await(word);
}

int main(void)
{
	unsigned n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = number("xenlend.seed=", 1);
	times = number("xenlend.times=", 1);
	n = number("xenlend.cycles=", 200);
	if (!check(arena_new(), "2 MiB of memory in one piece") || !check(device_find(), "a virtio GPU that no driver has"))
		return 1;
	printf("gpu: memory at %#llx, the region at %#llx\n", (unsigned long long)arena_at, (unsigned long long)window_at);
	if (!check(serves_all(), "it serves who does it right"))
		return 1;
	cycles(50);
	idle("start");
	rings(12 * times);
	idle("rings");
	commands(6 * times);
	idle("commands");
	endless();
	mappings(24 * times);
	races(12 * times);
	idle("mappings");
	interrupted(6 * times);
	moves(8 * times);
	registers(6 * times);
	enabled();
	idle("registers");
	memory(times > 1 ? 3 : 1, times > 1 ? 48 << 10 : 6 << 10);
	idle("memory");
	cycles(n);
	idle("cycles");
	check(!hangs, "no command was without an answer (%u)", hangs);
	for_ever();
	return 0;
}
