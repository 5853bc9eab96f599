// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake-xen.h"

#include "../request.h"

#include <unistd.h>

bool test_no_memory;

u64 fake_slot[FAKE_SLOTS];
bool fake_large[FAKE_SLOTS / XLEND_LARGE + 1];
struct xlend_ioreq fake_page[FAKE_VCPUS];
int fake_fail_rc, fake_fail_status;
unsigned int fake_fail_after, fake_fail_each;
bool fake_no_answer;
unsigned int fake_lend_us;
unsigned long fake_lends, fake_revokes, fake_broken, fake_double;
int fake_masked[FAKE_VCPUS];

static struct {
	irq_handler_t handler;
	void *data;
	bool waits;	/* for an answer */
} fake_vcpu[FAKE_VCPUS];

static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;

static u8 state(unsigned int vcpu)
{
	return __atomic_load_n(&fake_page[vcpu].bits, __ATOMIC_ACQUIRE) &
	       XLEND_IOREQ_STATE;
}

static void set_state(unsigned int vcpu, u8 s)
{
	u8 bits = READ_ONCE(fake_page[vcpu].bits) & ~XLEND_IOREQ_STATE;

	__atomic_store_n(&fake_page[vcpu].bits, bits | s, __ATOMIC_RELEASE);
}

/* Exactly one is due for each request. */
static void answer(unsigned int vcpu)
{
	if (!__atomic_exchange_n(&fake_vcpu[vcpu].waits, false,
				 __ATOMIC_ACQ_REL))
		__atomic_add_fetch(&fake_double, 1, __ATOMIC_RELAXED);
}

void fake_send(unsigned int vcpu, const struct xlend_ioreq *req)
{
	struct xlend_ioreq *r = &fake_page[vcpu];

	WRITE_ONCE(r->addr, req->addr);
	WRITE_ONCE(r->data, req->data);
	WRITE_ONCE(r->count, req->count);
	WRITE_ONCE(r->size, req->size);
	WRITE_ONCE(r->type, req->type);
	WRITE_ONCE(r->port, vcpu + 100);
	__atomic_store_n(&fake_vcpu[vcpu].waits, true, __ATOMIC_RELEASE);
	__atomic_store_n(&r->bits, req->bits | XLEND_STATE_READY,
			 __ATOMIC_RELEASE);
}

void fake_interrupt(unsigned int vcpu)
{
	if (!fake_vcpu[vcpu].handler)
		return;
	__atomic_add_fetch(&fake_masked[vcpu], 1, __ATOMIC_RELAXED);
	fake_vcpu[vcpu].handler(vcpu + 500, fake_vcpu[vcpu].data);
}

bool fake_answered(unsigned int vcpu, u64 *data)
{
	if (state(vcpu) != XLEND_STATE_RESPONSE ||
	    __atomic_load_n(&fake_vcpu[vcpu].waits, __ATOMIC_ACQUIRE))
		return false;
	*data = READ_ONCE(fake_page[vcpu].data);
	set_state(vcpu, 0);
	return true;
}

bool fake_lent(unsigned long slot)
{
	bool lent;

	pthread_mutex_lock(&fake_lock);
	lent = fake_slot[slot];
	pthread_mutex_unlock(&fake_lock);
	return lent;
}

int xlend_hc_lend(domid_t domid, u64 handle, u64 first, unsigned int nr,
		  const u64 *frames, s32 *status, unsigned int vcpu)
{
	bool answers = false;
	unsigned int i;
	int rc = 0;

	/* Before the lock: whoever was answered too early finds nothing. */
	if (fake_lend_us)
		usleep(fake_lend_us);
	pthread_mutex_lock(&fake_lock);
	assert(domid == FAKE_DOMID && handle == FAKE_HANDLE);
	assert(nr && nr <= XLEND_BATCH && first + nr <= FAKE_SLOTS);
	fake_lends++;
	for (i = 0; i < nr; i++) {
		u64 *slot = &fake_slot[first + i];
		int err = 0;

		if (fake_fail_rc && i >= fake_fail_after) {
			rc = fake_fail_rc;
			break;
		}
		if (!fake_fail_rc && fake_fail_status &&
		    !((first + i) % fake_fail_each))
			err = fake_fail_status;
		else if (fake_large[(first + i) / XLEND_LARGE])
			err = *slot == frames[i] ? 0 : -EBUSY;
		else if (*slot && (*slot ^ frames[i]) & ~XENMEM_LEND_WRITE)
			err = -EBUSY;
		else
			*slot |= frames[i];
		/* As hcall.c has it: one slot has no status of its own. */
		if (nr == 1 && err)
			rc = err;
		else
			status[i] = err;
		if (!err && vcpu != XLEND_NO_ANSWER &&
		    first + i == fake_page[vcpu].addr >> PAGE_SHIFT)
			answers = true;
	}
	if (!rc && answers && !READ_ONCE(fake_no_answer)) {
		assert(state(vcpu) == XLEND_STATE_INPROCESS);
		WRITE_ONCE(fake_page[vcpu].data, XENMEM_LEND_ANSWER_RETRY);
		set_state(vcpu, XLEND_STATE_RESPONSE);
		answer(vcpu);
	}
	pthread_mutex_unlock(&fake_lock);
	return rc;
}

int xlend_hc_lend_large(domid_t domid, u64 handle, u64 first, u64 frame,
			unsigned int vcpu)
{
	u64 *slot = &fake_slot[first];
	bool answers = false, any = false, same = true;
	unsigned int i;
	int rc = 0;

	pthread_mutex_lock(&fake_lock);
	assert(domid == FAKE_DOMID && handle == FAKE_HANDLE);
	assert(!(first % XLEND_LARGE) && first + XLEND_LARGE <= FAKE_SLOTS);
	fake_lends++;
	for (i = 0; i < XLEND_LARGE; i++) {
		any |= slot[i];
		same &= slot[i] && fake_large[first / XLEND_LARGE] &&
			!((slot[i] ^ (frame + i)) & ~XENMEM_LEND_WRITE) &&
			!(slot[i] & ~frame & XENMEM_LEND_WRITE);
	}
	if (fake_fail_rc)
		rc = fake_fail_rc;
	else if (fake_fail_status)
		rc = fake_fail_status;
	else if (any && !same)
		rc = -EBUSY;
	for (i = 0; i < XLEND_LARGE && !rc; i++)
		slot[i] = frame + i;
	if (!rc)
		fake_large[first / XLEND_LARGE] = true;
	if (!rc && vcpu != XLEND_NO_ANSWER &&
	    (fake_page[vcpu].addr >> PAGE_SHIFT) - first < XLEND_LARGE)
		answers = true;
	if (answers && !READ_ONCE(fake_no_answer)) {
		assert(state(vcpu) == XLEND_STATE_INPROCESS);
		WRITE_ONCE(fake_page[vcpu].data, XENMEM_LEND_ANSWER_RETRY);
		set_state(vcpu, XLEND_STATE_RESPONSE);
		answer(vcpu);
	}
	pthread_mutex_unlock(&fake_lock);
	return rc;
}

int xlend_hc_used(domid_t domid, u64 handle, u64 *revokes, u64 *unused)
{
	*revokes = *unused = 0;
	return 0;
}

int xlend_hc_revoke(domid_t domid, u64 handle, u64 first, u64 nr)
{
	u64 i;

	assert(domid == FAKE_DOMID && handle == FAKE_HANDLE);
	assert(nr && first + nr <= FAKE_SLOTS);
	pthread_mutex_lock(&fake_lock);
	/* large entries go as a whole */
	while (fake_large[first / XLEND_LARGE] && first % XLEND_LARGE) {
		first--;
		nr++;
	}
	while (fake_large[(first + nr - 1) / XLEND_LARGE] && (first + nr) % XLEND_LARGE)
		nr++;
	for (i = first; i < first + nr; i++)
		fake_large[i / XLEND_LARGE] &= i % XLEND_LARGE != XLEND_LARGE - 1;
	memset(fake_slot + first, 0, nr * sizeof(fake_slot[0]));
	fake_revokes++;
	pthread_mutex_unlock(&fake_lock);
	return 0;
}

void xlend_hc_broken(domid_t domid, int rc)
{
	fake_broken++;
}

int xlend_hc_server_create(domid_t domid, u16 *server)
{
	*server = 3;
	return 0;
}

int xlend_hc_server_map(domid_t domid, u16 server, struct page **page, void **va)
{
	*page = NULL;
	*va = fake_page;
	return 0;
}

int xlend_hc_server_enable(domid_t domid, u16 server, bool on)
{
	return 0;
}

int xlend_hc_server_destroy(domid_t domid, u16 server)
{
	return 0;
}

void xlend_hc_server_unmap(struct page *page)
{
}

int xlend_hc_bind(domid_t domid, evtchn_port_t remote, evtchn_port_t *local)
{
	*local = remote;
	return 0;
}

void xlend_hc_close(evtchn_port_t port, domid_t domid, evtchn_port_t remote)
{
}

void xlend_hc_notify(evtchn_port_t port)
{
	assert(state(port - 100) == XLEND_STATE_RESPONSE);
	answer(port - 100);
}

int bind_evtchn_to_irqhandler_lateeoi(evtchn_port_t port, irq_handler_t handler,
				      unsigned long flags, const char *name,
				      void *data)
{
	unsigned int vcpu = port - 100;

	fake_vcpu[vcpu].data = data;
	fake_vcpu[vcpu].handler = handler;
	return vcpu + 500;
}

void unbind_from_irqhandler(unsigned int irq, void *data)
{
	fake_vcpu[irq - 500].handler = NULL;
}

void xen_irq_lateeoi(unsigned int irq, unsigned int flags)
{
	__atomic_sub_fetch(&fake_masked[irq - 500], 1, __ATOMIC_RELAXED);
}
