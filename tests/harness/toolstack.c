// SPDX-License-Identifier: GPL-2.0-or-later
/* See toolstack.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devmem.h"
#include "guest.h"
#include "hvm.h"
#include "toolstack.h"
#include <xenguest.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>
#include "tap.h"

bool driver_domain;
uint32_t own_domid;

/* ---- the domain that may ---- */

static int build(const struct guest_options *o, uint32_t *domid)
{
	struct xen_domctl_createdomain c = {
		.flags = o->pv ? 0 : XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
		.max_vcpus = MBOX_CPUS,
		.max_evtchn_port = 1023,
		.max_grant_frames = 8,
		.max_maptrack_frames = 64,
		.grant_opts = XEN_DOMCTL_GRANT_version(1),
		.arch.emulation_flags = o->pv ? 0 : XEN_X86_EMU_LAPIC,
		.ssidref = flask_label(o->label ? o->label : "domU_t"),
	};
	unsigned mb = o->mem_mb ? o->mem_mb : 8;
	struct xc_dom_image *dom;
	int store_port, rc;

	memset(c.handle, 0x5a, sizeof(c.handle));
	c.handle[0] = time(NULL);
	c.handle[1] = getpid();
	if (o->iommu) {
		c.flags |= XEN_DOMCTL_CDF_iommu;
		c.iommu_opts |= XEN_DOMCTL_IOMMU_no_sharept;
	}
	if (o->nested)
		c.flags |= XEN_DOMCTL_CDF_nested_virt;
	c.altp2m_opts = o->altp2m;
	*domid = o->domid;
	if (xc_domain_create(xch, domid, &c))
		return -errno;
	if (xc_domain_max_vcpus(xch, *domid, MBOX_CPUS) || xc_domain_setmaxmem(xch, *domid, mb * 1024 + 2048))
		goto fail;
	if (!o->pv && xc_set_paging_mempool_size(xch, *domid, 4 << 20))
		goto fail;
	if (o->pv || o->empty)
		return 0;

	store_port = xc_evtchn_alloc_unbound(xch, *domid, 0);
	if (store_port < 0)
		goto fail;
	dom = xc_dom_allocate(xch, "", NULL);
	if (!dom)
		goto fail;
	dom->container_type = XC_DOM_HVM_CONTAINER;
	dom->target_pages = mb << 8;
	dom->mmio_size = (1ULL << 32) - 0xfc000000;
	dom->mmio_start = 0xfc000000;
	dom->lowmem_end = (uint64_t)mb << 20;
	dom->max_vcpus = MBOX_CPUS;
	dom->xenstore_evtchn = store_port;
	dom->console_domid = dom->xenstore_domid = 0;
	rc = xc_dom_kernel_file(dom, TESTGUEST);
	if (!rc)
		rc = xc_dom_boot_xen_init(dom, xch, *domid);
	if (!rc)
		rc = xc_dom_parse_image(dom);
	if (!rc)
		rc = xc_dom_mem_init(dom, mb);
	if (!rc)
		rc = xc_dom_boot_mem_init(dom);
	if (!rc)
		rc = xc_dom_build_image(dom);
	if (!rc)
		rc = xc_dom_boot_image(dom);
	if (!rc)
		rc = xc_dom_gnttab_init(dom);
	if (!rc)
		rc = xc_hvm_param_set(xch, *domid, HVM_PARAM_STORE_EVTCHN, store_port);
	if (!rc && !o->no_xenstore && !xs_introduce_domain(xsh, *domid, dom->xenstore_pfn, store_port))
		rc = -1;
	if (rc && !errno)
		errno = EIO;
	xc_dom_release(dom);
	if (!rc)
		return 0;
fail:
	rc = -errno;
	xc_domain_destroy(xch, *domid);
	return rc;
}

static int target(uint32_t of, uint32_t domid, bool add)
{
	struct xen_domctl *c = xencall_alloc_buffer(xcall, sizeof(*c));
	int rc;

	memset(c, 0, sizeof(*c));
	c->cmd = add ? XEN_DOMCTL_add_target : XEN_DOMCTL_remove_target;
	c->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	c->domain = of;
	c->u.set_target.target = domid;
	rc = xencall1(xcall, __HYPERVISOR_domctl, (uintptr_t)c) ? -errno : 0;
	xencall_free_buffer(xcall, c);
	return rc;
}

static int destroy(uint32_t domid)
{
	int rc;

	if (guest_qemu(domid))
		return hvm_destroy(domid);
	do
		rc = xc_domain_destroy(xch, domid);
	while (rc && (errno == EAGAIN || errno == EINTR));
	return rc ? -errno : 0;
}

static long state(uint32_t domid)
{
	xc_domaininfo_t i;

	return xc_domain_getinfo_single(xch, domid, &i) ? -ESRCH : (long)i.flags;
}

static int gone(uint32_t domid, unsigned seconds)
{
	double end = now() + seconds;

	while (state(domid) >= 0) {
		if (now() > end)
			return -EBUSY;
		usleep(10000);
	}
	return 0;
}

static int sweep(void)
{
	xc_domaininfo_t info[64];
	int n, i, left = 0;

	n = xc_domain_getinfolist(xch, 1, 64, info);
	for (i = 0; i < n; i++)
		xc_domain_pause(xch, info[i].domain);
	for (i = 0; i < n; i++) {
		printf("# sweeping domain %u\n", info[i].domain);
		destroy(info[i].domain);
		if (gone(info[i].domain, 20)) {
			printf("# domain %u stays\n", info[i].domain);
			left++;
		}
	}
	return left ? -EBUSY : 0;
}

/* ---- a driver domain's way to it ---- */

enum op { BUILD, DESTROY, FORGET, PAUSE, UNPAUSE, STATE, PAGES, FREE, KEYS, POOL, SET_POOL, TARGET, SWEEP, IOMEM, IOPORT, MAP_MMIO, ENTRY };
/* The store has a folder for each process that asks; in it the question, and the answer with the number of the question. */
#define FOLDER	"data/xltest"

static struct xs_handle *store;
static pid_t store_of;
static unsigned asked;

void toolstack_open(void)
{
	char text[64] = "";
	unsigned n;
	char *id;
	int fd;

	fd = open("/proc/xen/capabilities", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		die("/proc/xen/capabilities: %s", strerror(errno));
	close(fd);
	driver_domain = !strstr(text, "control_d");
	if (!driver_domain)
		return;
	id = xs_read(xsh, XBT_NULL, "domid", &n);
	if (!id)
		die("no domid in the store: %s", strerror(errno));
	own_domid = atoi(id);
	free(id);
}

static long ask(enum op op, uint64_t a, uint64_t b, uint64_t c)
{
	char path[64], answer[80], text[160];
	double end = now() + 120 * tap_patience();
	unsigned n, number;
	long rc = -EIO;
	int value_at;
	char *s;

	/* a child has a connection of its own: two processes on one would take each other's answers */
	if (store_of != getpid()) {
		store = xs_open(0);
		store_of = getpid();
		asked = 0;
		if (!store)
			die("xs_open: %s", strerror(errno));
	}
	snprintf(path, sizeof(path), FOLDER "/%d/question", store_of);
	snprintf(answer, sizeof(answer), FOLDER "/%d/answer", store_of);
	snprintf(text, sizeof(text), "%u %u %lu %lu %lu", ++asked, op, a, b, c);
	if (asked == 1 && !xs_write(store, XBT_NULL, answer, "0", 1))
		die("the store: %s", strerror(errno));
	if (!xs_write(store, XBT_NULL, path, text, strlen(text)))
		die("the store: %s", strerror(errno));
	for (;;) {
		s = xs_read(store, XBT_NULL, answer, &n);
		if (s && sscanf(s, "%u %n%ld", &number, &value_at, &rc) == 2 && number == asked) {
			free(s);
			return rc;
		}
		free(s);
		if (now() > end)
			die("dom0 does not answer: is xltest --toolstack running there?");
		usleep(500);
	}
}

static void pack(const struct guest_options *o, uint64_t *a, uint64_t *b)
{
	*a = o->domid | (uint64_t)o->mem_mb << 32;
	*b = o->iommu | o->pv << 1 | o->empty << 2 | o->nested << 3 | o->no_xenstore << 4 | o->stranger << 5 |
	     (uint64_t)o->altp2m << 32;
}

static struct guest_options unpack(uint64_t a, uint64_t b)
{
	return (struct guest_options){
		.domid = a, .mem_mb = a >> 32, .iommu = b & 1, .pv = b >> 1 & 1, .empty = b >> 2 & 1, .nested = b >> 3 & 1,
		.no_xenstore = b >> 4 & 1, .stranger = b >> 5 & 1, .altp2m = b >> 32,
	};
}

/* What it had built for it is destroyed with it. */
#define MAX_BUILT	64
static uint32_t built[MAX_BUILT];
static unsigned nr_built;

static long build_for(uint32_t client, uint64_t a, uint64_t b)
{
	struct guest_options o = unpack(a, b);
	uint32_t domid;
	int rc;

	if (nr_built == MAX_BUILT)
		return -ENOSPC;
	rc = build(&o, &domid);
	if (rc)
		return rc;
	if (!o.stranger)
		rc = target(client, domid, true);
	if (rc) {
		destroy(domid);
		return rc;
	}
	built[nr_built++] = domid;
	return domid;
}

static long sweep_built(void)
{
	long rc = 0;
	unsigned i;

	for (i = 0; i < nr_built; i++)
		xc_domain_pause(xch, built[i]);
	for (i = 0; i < nr_built; i++) {
		destroy(built[i]);
		if (gone(built[i], 20))
			rc = -EBUSY;
	}
	nr_built = 0;
	return rc;
}

static void forget(uint32_t domid)
{
	unsigned i;

	for (i = 0; i < nr_built; i++)
		if (built[i] == domid)
			built[i--] = built[--nr_built];
}

/* For this domain (client: 0) or for a driver domain. */
static long here(uint32_t client, enum op op, uint64_t a, uint64_t b, uint64_t c)
{
	char keys[9] = "";
	xc_domaininfo_t info;
	xc_physinfo_t p;
	uint64_t pool;

	switch (op) {
	case BUILD:
		return build_for(client, a, b);
	case DESTROY:
		return destroy(a);
	case FORGET:
		xs_release_domain(xsh, a);
		forget(a);
		return 0;
	case PAUSE:
		return xc_domain_pause(xch, a) ? -errno : 0;
	case UNPAUSE:
		return xc_domain_unpause(xch, a) ? -errno : 0;
	case STATE:
		return state(a);
	case PAGES:
		return xc_domain_getinfo_single(xch, a, &info) ? -errno : (long)info.tot_pages;
	case FREE:
		return xc_physinfo(xch, &p) ? -errno : (long)p.free_pages;
	case KEYS:
		memcpy(keys, &a, 8);
		return xc_send_debug_keys(xch, keys) ? -errno : 0;
	case POOL:
		return xc_get_paging_mempool_size(xch, a, &pool) ? -errno : (long)pool;
	case SET_POOL:
		return xc_set_paging_mempool_size(xch, a, b) ? -errno : 0;
	case TARGET:
		return target(a, b, c);
	case SWEEP:
		return client ? sweep_built() : sweep();
	case IOMEM:	/* of a guest that was built for it, or of whoever asks */
		return xc_domain_iomem_permission(xch, c >> 1 ? c >> 1 : client, a, b, c & 1) ? -errno : 0;
	case IOPORT:
		return xc_domain_ioport_permission(xch, a, b, 1, c) ? -errno : 0;
	case MAP_MMIO:
		return xc_domain_memory_mapping(xch, a, b, c, 1, DPCI_ADD_MAPPING) ? -errno : 0;
	case ENTRY:
		return entry_read(a, b, c);
	}
	return -EOPNOTSUPP;
}

static long call(enum op op, uint64_t a, uint64_t b, uint64_t c)
{
	return driver_domain ? ask(op, a, b, c) : here(0, op, a, b, c);
}

int toolstack_build(const struct guest_options *o, uint32_t *domid)
{
	uint64_t a, b;
	long rc;

	if (!driver_domain)
		return hvm_wanted(o) ? hvm_build(o, domid) : build(o, domid);
	pack(o, &a, &b);
	rc = ask(BUILD, a, b, 0);
	if (rc < 0)
		return rc;
	*domid = rc;
	return 0;
}

int toolstack_destroy(uint32_t domid)
{
	return call(DESTROY, domid, 0, 0);
}

int toolstack_forget(uint32_t domid)
{
	return call(FORGET, domid, 0, 0);
}

int toolstack_pause(uint32_t domid)
{
	return call(PAUSE, domid, 0, 0);
}

int toolstack_unpause(uint32_t domid)
{
	return call(UNPAUSE, domid, 0, 0);
}

long toolstack_state(uint32_t domid)
{
	return call(STATE, domid, 0, 0);
}

bool toolstack_crashed(uint32_t domid)
{
	long s = toolstack_state(domid);

	return s >= 0 && s & XEN_DOMINF_shutdown && (s >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_crash;
}

long toolstack_pages(uint32_t domid)
{
	return call(PAGES, domid, 0, 0);
}

long toolstack_free_pages(void)
{
	return call(FREE, 0, 0, 0);
}

int toolstack_keys(const char *keys)
{
	uint64_t a = 0;

	memcpy(&a, keys, strnlen(keys, sizeof(a)));
	return call(KEYS, a, 0, 0);
}

long toolstack_pool(uint32_t domid)
{
	return call(POOL, domid, 0, 0);
}

int toolstack_set_pool(uint32_t domid, uint64_t bytes)
{
	return call(SET_POOL, domid, bytes, 0);
}

int toolstack_target(uint32_t of, uint32_t domid, bool add)
{
	return call(TARGET, of, domid, add);
}

int toolstack_iomem(uint32_t domid, uint64_t frame, unsigned nr, bool allow)
{
	/* domain 0: this one, whichever that is */
	return call(IOMEM, frame, nr, (uint64_t)domid << 1 | allow);
}

int toolstack_ioport(uint32_t domid, unsigned port, bool allow)
{
	return call(IOPORT, domid, port, allow);
}

int toolstack_map_mmio(uint32_t domid, uint64_t gfn, uint64_t frame)
{
	return call(MAP_MMIO, domid, gfn, frame);
}

long toolstack_entry(uint32_t domid, uint64_t gfn, uint64_t slot)
{
	return call(ENTRY, domid, gfn, slot);
}

int toolstack_sweep(void)
{
	return call(SWEEP, 0, 0, 0);
}

/* ---- dom0's end of it ---- */

static void answer(uint32_t client, const char *path)
{
	static const char name[] = "/question";
	size_t len = strlen(path), cut = sizeof(name) - 1;
	uint64_t a, b, c;
	char *to, *s, text[64];
	unsigned n, number, op;

	if (len < cut || strcmp(path + len - cut, name))
		return;
	s = xs_read(xsh, XBT_NULL, path, &n);
	if (!s)
		return;
	if (sscanf(s, "%u %u %lu %lu %lu", &number, &op, &a, &b, &c) == 5) {
		snprintf(text, sizeof(text), "%u %ld", number, here(client, op, a, b, c));
		if (asprintf(&to, "%.*s/answer", (int)(len - cut), path) < 0)
			die("no memory");
		if (!xs_write(xsh, XBT_NULL, to, text, strlen(text)))
			note("%s: %s", to, strerror(errno));
		free(to);
	}
	free(s);
}

int toolstack_serve(uint32_t domid)
{
	struct pollfd p = { .events = POLLIN };
	char *folder, **event;

	if (asprintf(&folder, "/local/domain/%u/" FOLDER, domid) < 0 || !xs_watch(xsh, folder, "asked"))
		die("cannot watch what domain %u writes: %s", domid, strerror(errno));
	p.fd = xs_fileno(xsh);
	while (state(domid) >= 0)
		if (poll(&p, 1, 1000) > 0)
			while ((event = xs_check_watch(xsh))) {
				answer(domid, event[XS_WATCH_PATH]);
				free(event);
			}
	free(folder);
	return sweep_built() ? 1 : 0;
}
