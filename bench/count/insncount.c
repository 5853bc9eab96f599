// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin of QEMU's TCG: how many instructions the emulated machine executes
 * between markers, and whose.
 *
 * A marker is a NOP that nobody else writes (see BENCH_MARK() in workload.h):
 *
 *   0x8000 | n   a section begins, with the number n
 *   0x4000       it ends
 *   1, 2         before and after a guest's access
 *   3, 4         before and after a call of the lender's
 *
 * In a section each block of instructions is noted when it begins, in the order
 * of all processors; without one it costs a test.  When the section ends it is
 * summed up here, since notes are many, and written to OUT as text:
 *
 *   section NUMBER OPERATIONS LOST
 *   op CHAIN BEFORE BETWEEN AFTER WINDOW NEXT      one for each operation
 *   block WHICH ADDRESS INSTRUCTIONS               mean over the cheapest third
 *   event WHICH NAME TIMES                         likewise
 *   step CPU ADDRESS INSTRUCTIONS                  the way of the cheapest
 *
 * WINDOW: from the first marker to the second, all processors; NEXT: to the next
 * operation's.  CHAIN, of accesses: what the guest waits for, without what runs
 * beside it.  The guest's processor until it interrupts the lender's (BEFORE),
 * that one from the interrupt until it interrupts the guest's (BETWEEN), the
 * guest's from its wake-up on (AFTER).  If the guest's processor did not go idle
 * all of this is what itself executed.  WHICH is c for the chain, w for the window.
 *
 * Loops that wait for another processor (PAUSE, in a kernel) count as nothing.
 * A block that ends early, by a fault, counts as a whole.
 *
 * With totals=on nothing is noted, so that there may be many processors and long
 * sections: a section is summed up by processor and by block, and markers from
 * 1 to 4 mean nothing.  WAITS: how often a processor began to wait for another.
 *
 *   section NUMBER 0 0
 *   cpu CPU INSTRUCTIONS WAITS                     but for the guest's
 *   block t ADDRESS INSTRUCTIONS                   all processors
 *   wait ADDRESS WAITS                             likewise
 *   from ADDRESS CALLER WAITS                      of these, in a function of lock=: and the block that called it
 *
 * -plugin file=...,out=FILE[,totals=on][,max=MILLIONS OF NOTES][,ipi=FROM-TO]...[,wake=FROM-TO]...
 *         [,lock=FROM-TO]...
 *
 * ipi, wake: addresses of the functions that interrupt another processor, and of
 * those that are the first when one was.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define MAX_CPUS	4	/* that notes have room for */
#define MAX_TOTALS	16	/* processors */
#define CPU_SHIFT	30
#define MARK		0x20000000u
#define MAX_EVENTS	5
#define MAX_RANGES	64
#define MAX_OPS		65536

enum event {
	NONE, VMRUN, HLT, CR3, SYSCALL, IRET, WRMSR, RDMSR, INVLPG, CPUID,
	RDTSC, LOCK, REP, PAUSE, NR_EVENTS,
};

static const char *const event_name[NR_EVENTS] = {
	"", "vmrun", "hlt", "cr3", "syscall", "iret", "wrmsr", "rdmsr",
	"invlpg", "cpuid", "rdtsc", "lock", "rep", "pause",
};

struct block {
	uint64_t addr;
	uint16_t n;
	bool ipi, wake, lock, guest, halts, pauses;
	uint8_t nr_events;
	uint8_t event[MAX_EVENTS];
	/* of the section being summed up */
	double chain, window;
};

struct range {
	uint64_t from, to;
};

#define CHUNK		65536
static struct block *chunks[8192];
static uint32_t nr_blocks;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static uint32_t *notes;
static uint64_t max_notes, nr_notes;
static qemu_plugin_u64 on;
static FILE *out;
static bool totals;
static struct range ipi[MAX_RANGES], wake[MAX_RANGES], lock[MAX_RANGES];
static unsigned int nr_ipi, nr_wake, nr_lock;

struct op {
	uint64_t from, to, next;	/* notes */
	unsigned int cpu;
	bool access, chained;
	uint64_t kick, woken, back, go;	/* notes, if chained */
	uint64_t before, between, after, window, total;
};

static struct op ops[MAX_OPS];

static struct block *block(uint32_t i)
{
	return &chunks[i / CHUNK][i % CHUNK];
}

static bool is_mark(uint32_t note)
{
	return note & MARK;
}

static unsigned int note_cpu(uint32_t note)
{
	return note >> CPU_SHIFT;
}

static struct block *note_block(uint32_t note)
{
	return is_mark(note) ? NULL : block(note & (MARK - 1));
}

static unsigned int insns(const struct op *o, const struct block *b)
{
	/* A guest that spins while the lender works is no cost. */
	return !b || (!o->access && b->guest) ? 0 : b->n;
}

/* Finds the chain of an access; notes are those of the operation. */
static void find_chain(struct op *o)
{
	uint64_t i, wait = 0, k = 0;
	bool waits = false, kicked = false, went = false, answered = false;

	for (i = o->from; i < o->to; i++) {
		const struct block *b = note_block(notes[i]);

		if (b && note_cpu(notes[i]) == o->cpu && b->halts) {
			wait = i;
			waits = true;
		}
	}
	if (!waits)
		return;
	for (i = o->from; i < wait; i++) {
		const struct block *b = note_block(notes[i]);

		if (b && note_cpu(notes[i]) == o->cpu && b->ipi) {
			k = i;
			kicked = true;
		}
	}
	for (i = wait + 1; kicked && i < o->to; i++)
		if (note_block(notes[i]) && note_cpu(notes[i]) == o->cpu) {
			o->go = i;
			went = true;
			break;
		}
	if (!went)
		return;
	o->kick = k;
	o->woken = 0;
	for (i = k + 1; i < o->go; i++) {
		const struct block *b = note_block(notes[i]);

		if (!b || note_cpu(notes[i]) == o->cpu)
			continue;
		if (b->wake && !o->woken)
			o->woken = i;
		if (b->ipi) {
			o->back = i;
			answered = true;
		}
	}
	if (!answered)
		return;
	if (!o->woken)
		o->woken = k + 1;
	o->chained = o->woken < o->back;
}

static bool in_chain(const struct op *o, uint64_t i)
{
	bool own = note_cpu(notes[i]) == o->cpu;

	if (!o->access)
		return false;
	if (!o->chained)
		return own;
	return own ? i <= o->kick || i >= o->go : i >= o->woken && i <= o->back;
}

static void sum_op(struct op *o)
{
	uint64_t i;

	if (o->access)
		find_chain(o);
	o->before = o->between = o->after = o->window = 0;
	for (i = o->from; i < o->next; i++) {
		unsigned int n = insns(o, note_block(notes[i]));

		o->total += n;
		if (i >= o->to)
			continue;
		o->window += n;
		if (!in_chain(o, i))
			continue;
		if (note_cpu(notes[i]) != o->cpu)
			o->between += n;
		else if (!o->chained || i <= o->kick)
			o->before += n;
		else
			o->after += n;
	}
}

static uint64_t chain(const struct op *o)
{
	return o->before + o->between + o->after;
}

static uint64_t cost(const struct op *o)
{
	return o->access ? chain(o) : o->window;
}

static int by_cost(const void *a, const void *b)
{
	uint64_t x = cost(a), y = cost(b);

	return x < y ? -1 : x > y;
}

/* Under the mutex; the other processors go on, but note nothing. */
static void sum_up(unsigned int section, uint64_t nr, uint64_t lost)
{
	uint64_t events[2][NR_EVENTS] = { 0 };
	struct op *open = NULL;
	unsigned int n = 0, third, i, k;
	uint64_t j;

	for (j = 0; j < nr; j++) {
		unsigned int code = notes[j] & 0xffff;

		if (!is_mark(notes[j]))
			continue;
		if ((code == 1 || code == 3) && n < MAX_OPS) {
			if (n)
				ops[n - 1].next = j;
			open = &ops[n];
			memset(open, 0, sizeof(*open));
			open->from = j;
			open->cpu = note_cpu(notes[j]);
			open->access = code == 1;
		} else if ((code == 2 || code == 4) && open) {
			open->to = open->next = j;
			open = NULL;
			n++;
		}
	}
	for (i = 0; i < n; i++)
		sum_op(&ops[i]);
	fprintf(out, "section %u %u %" PRIu64 "\n", section, n, lost);
	for (i = 0; i < n; i++)
		fprintf(out, "op %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
			" %" PRIu64 " %" PRIu64 "\n", chain(&ops[i]),
			ops[i].before, ops[i].between, ops[i].after,
			ops[i].window, ops[i].total);
	if (!n)
		return;

	qsort(ops, n, sizeof(*ops), by_cost);
	third = (n + 2) / 3;
	for (i = 0; i < third; i++)
		for (j = ops[i].from; j < ops[i].to; j++) {
			struct block *b = note_block(notes[j]);
			bool c;

			if (!b)
				continue;
			c = in_chain(&ops[i], j);
			b->window += insns(&ops[i], b);
			b->chain += c ? insns(&ops[i], b) : 0;
			for (k = 0; k < b->nr_events; k++) {
				events[0][b->event[k]] += c;
				events[1][b->event[k]]++;
			}
		}
	for (i = 0; i < third; i++)
		for (j = ops[i].from; j < ops[i].to; j++) {
			struct block *b = note_block(notes[j]);

			if (!b)
				continue;
			if (b->chain)
				fprintf(out, "block c %" PRIx64 " %.2f\n",
					b->addr, b->chain / third);
			if (b->window)
				fprintf(out, "block w %" PRIx64 " %.2f\n",
					b->addr, b->window / third);
			b->chain = b->window = 0;
		}
	for (i = 0; i < 2; i++)
		for (k = 1; k < NR_EVENTS; k++)
			if (events[i][k])
				fprintf(out, "event %c %s %.2f\n", "cw"[i],
					event_name[k],
					(double)events[i][k] / third);
	for (j = ops[0].from; j < ops[0].to; j++) {
		struct block *b = note_block(notes[j]);

		if (b && (!ops[0].access || in_chain(&ops[0], j)))
			fprintf(out, "step %u %" PRIx64 " %u\n",
				note_cpu(notes[j]), b->addr, insns(&ops[0], b));
	}
}

/* Of each block, with totals. */
struct total {
	uint32_t times[MAX_TOTALS], waits[MAX_TOTALS];
};

/*
 * A loop that waits is a few blocks that come again and again, one of them with
 * a PAUSE: what was between two of these counts as nothing, either.  Whoever has
 * not been in one for a while begins to wait.
 */
#define A_WHILE		8	/* blocks */

static struct total *total_chunks[8192];
static struct {
	unsigned int since;	/* blocks, since a PAUSE */
	uint32_t recent[A_WHILE];
	uint32_t last, caller;	/* block; of the lock's function */
	char pad[64 - (A_WHILE + 3) * 4];
} waiter[MAX_TOTALS];

/* Who waits where: few pairs, and seldom. */
#define MAX_PAIRS	4096
static struct pair {
	uint32_t at, caller, waits;
} pairs[MAX_PAIRS];
static unsigned int nr_pairs;

static void waits_for(uint32_t at, uint32_t caller)
{
	unsigned int i;

	pthread_mutex_lock(&mutex);
	for (i = 0; i < nr_pairs; i++)
		if (pairs[i].at == at && pairs[i].caller == caller)
			break;
	if (i == nr_pairs && i < MAX_PAIRS)
		pairs[nr_pairs++] = (struct pair){ at, caller, 0 };
	if (i < MAX_PAIRS)
		pairs[i].waits++;
	pthread_mutex_unlock(&mutex);
}

static struct total *total(uint32_t i)
{
	return &total_chunks[i / CHUNK][i % CHUNK];
}

static void counted(unsigned int cpu, void *udata)
{
	uint32_t nr = (uintptr_t)udata;
	struct total *t = total(nr);
	unsigned int i;

	/* its first block: whoever comes from elsewhere called it */
	if (block(nr)->lock && !block(waiter[cpu].last)->lock)
		waiter[cpu].caller = waiter[cpu].last;
	waiter[cpu].last = nr;
	if (!block(nr)->pauses) {
		t->times[cpu]++;
		if (waiter[cpu].since < A_WHILE)
			waiter[cpu].recent[waiter[cpu].since] = nr;
		waiter[cpu].since += waiter[cpu].since <= A_WHILE;
		return;
	}
	if (waiter[cpu].since > A_WHILE) {
		t->waits[cpu]++;
		if (block(nr)->lock)
			waits_for(nr, waiter[cpu].caller);
	} else {
		for (i = 0; i < waiter[cpu].since; i++)
			total(waiter[cpu].recent[i])->times[cpu]--;
	}
	waiter[cpu].since = 0;
}

static void totals_begin(void)
{
	unsigned int i;

	for (i = 0; i < MAX_TOTALS; i++)
		waiter[i].since = A_WHILE + 1;
	nr_pairs = 0;
	for (i = 0; i * CHUNK < nr_blocks; i++)
		memset(total_chunks[i], 0, CHUNK * sizeof(struct total));
}

static void totals_end(unsigned int section)
{
	uint64_t insns[MAX_TOTALS] = { 0 }, waits[MAX_TOTALS] = { 0 };
	unsigned int cpu;
	uint32_t i;

	fprintf(out, "section %u 0 0\n", section);
	for (i = 0; i < nr_blocks; i++) {
		const struct block *b = block(i);
		const struct total *t = total(i);
		uint64_t times = 0, waited = 0;

		if (b->guest)
			continue;
		for (cpu = 0; cpu < MAX_TOTALS; cpu++) {
			times += t->times[cpu];
			waited += t->waits[cpu];
			insns[cpu] += (uint64_t)t->times[cpu] * b->n;
			waits[cpu] += t->waits[cpu];
		}
		if (times && b->n)
			fprintf(out, "block t %" PRIx64 " %" PRIu64 "\n",
				b->addr, times * b->n);
		if (waited)
			fprintf(out, "wait %" PRIx64 " %" PRIu64 "\n", b->addr,
				waited);
	}
	for (i = 0; i < nr_pairs; i++)
		fprintf(out, "from %" PRIx64 " %" PRIx64 " %u\n",
			block(pairs[i].at)->addr, block(pairs[i].caller)->addr,
			pairs[i].waits);
	for (cpu = 0; cpu < (unsigned int)qemu_plugin_num_vcpus(); cpu++)
		fprintf(out, "cpu %u %" PRIu64 " %" PRIu64 "\n", cpu,
			insns[cpu], waits[cpu]);
}

static void note(uint32_t n)
{
	uint64_t i = __atomic_fetch_add(&nr_notes, 1, __ATOMIC_RELAXED);

	if (i < max_notes)
		notes[i] = n;
}

static void executed(unsigned int cpu, void *nr)
{
	note((uint32_t)(uintptr_t)nr | cpu << CPU_SHIFT);
}

static void all_on(bool value)
{
	int i;

	for (i = 0; i < qemu_plugin_num_vcpus(); i++)
		qemu_plugin_u64_set(on, i, value);
}

static void marker(unsigned int cpu, void *udata)
{
	static unsigned int section;
	uint32_t code = (uintptr_t)udata;
	uint64_t n;

	if (code & 0x8000) {
		section = code & 0x7fff;
		if (totals)
			totals_begin();
		__atomic_store_n(&nr_notes, 0, __ATOMIC_RELAXED);
		all_on(true);
		return;
	}
	if (!qemu_plugin_u64_get(on, cpu))
		return;
	if (!totals)
		note(MARK | cpu << CPU_SHIFT | code);
	if (!(code & 0x4000))
		return;
	all_on(false);
	pthread_mutex_lock(&mutex);
	n = __atomic_load_n(&nr_notes, __ATOMIC_RELAXED);
	if (totals)
		totals_end(section);
	else
		sum_up(section, n < max_notes ? n : max_notes,
		       n < max_notes ? 0 : n - max_notes);
	fflush(out);
	pthread_mutex_unlock(&mutex);
}

/* What of interest an instruction is. */
static enum event classify(const uint8_t *p, size_t n)
{
	bool rep = false, lock = false;
	size_t i = 0;

	while (i < n && (p[i] == 0xf3 || p[i] == 0xf2 || p[i] == 0xf0 ||
			 p[i] == 0x66 || p[i] == 0x2e || p[i] == 0x36 ||
			 p[i] == 0x3e || p[i] == 0x26 || p[i] == 0x64 ||
			 p[i] == 0x65)) {
		rep |= p[i] == 0xf3 || p[i] == 0xf2;
		lock |= p[i] == 0xf0;
		i++;
	}
	if (i < n && (p[i] & 0xf0) == 0x40)
		i++;
	if (i >= n)
		return NONE;
	switch (p[i]) {
	case 0xf4:
		return HLT;
	case 0xcf:
		return IRET;
	case 0x90:
		return rep ? PAUSE : NONE;
	case 0xa4: case 0xa5: case 0xaa: case 0xab:
		return rep ? REP : NONE;
	case 0x86: case 0x87:	/* XCHG with memory locks by itself */
		return i + 1 < n && (p[i + 1] & 0xc0) != 0xc0 ? LOCK : NONE;
	case 0x0f:
		break;
	default:
		return lock ? LOCK : NONE;
	}
	if (i + 1 >= n)
		return NONE;
	switch (p[i + 1]) {
	case 0x01:
		if (i + 2 >= n)
			return NONE;
		if (p[i + 2] == 0xd8)
			return VMRUN;
		if (p[i + 2] == 0xf9)
			return RDTSC;
		return (p[i + 2] & 0x38) == 0x38 && (p[i + 2] & 0xc0) != 0xc0 ?
		       INVLPG : NONE;
	case 0x05:
		return SYSCALL;
	case 0x22:
		return i + 2 < n && (p[i + 2] & 0x38) == 0x18 ? CR3 : NONE;
	case 0x30:
		return WRMSR;
	case 0x31:
		return RDTSC;
	case 0x32:
		return RDMSR;
	case 0xa2:
		return CPUID;
	default:
		return lock ? LOCK : NONE;
	}
}

static bool within(const struct range *r, unsigned int n, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (addr >= r[i].from && addr < r[i].to)
			return true;
	return false;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	bool kernel, pauses = false;
	struct block *b;
	uint8_t data[16];
	uint32_t nr;

	pthread_mutex_lock(&mutex);
	nr = nr_blocks++;
	if (nr >= MARK || nr / CHUNK >= sizeof(chunks) / sizeof(*chunks))
		abort();
	if (!chunks[nr / CHUNK]) {
		chunks[nr / CHUNK] = calloc(CHUNK, sizeof(struct block));
		if (!chunks[nr / CHUNK])
			abort();
		if (totals) {
			total_chunks[nr / CHUNK] =
				calloc(CHUNK, sizeof(struct total));
			if (!total_chunks[nr / CHUNK])
				abort();
		}
	}
	b = block(nr);
	pthread_mutex_unlock(&mutex);

	b->addr = qemu_plugin_tb_vaddr(tb);
	kernel = b->addr >> 47;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t len = qemu_plugin_insn_data(insn, data, sizeof(data));
		enum event e = classify(data, len);

		if (e && b->nr_events < MAX_EVENTS)
			b->event[b->nr_events++] = e;
		b->halts |= e == HLT;
		pauses |= e == PAUSE;
		if (len == 7 && data[0] == 0x0f && data[1] == 0x1f &&
		    data[2] == 0x80 && data[5] == 0x4c && data[6] == 0x58)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marker,
				QEMU_PLUGIN_CB_NO_REGS,
				(void *)(uintptr_t)(data[3] | data[4] << 8));
	}
	b->pauses = kernel && pauses;
	b->n = b->pauses ? 0 : n;
	b->ipi = within(ipi, nr_ipi, b->addr);
	b->wake = within(wake, nr_wake, b->addr);
	b->lock = within(lock, nr_lock, b->addr);
	/* The benchmark's guest has no other. */
	b->guest = b->addr < 0x1000000;
	qemu_plugin_register_vcpu_tb_exec_cond_cb(tb, totals ? counted :
						  executed,
						  QEMU_PLUGIN_CB_NO_REGS,
						  QEMU_PLUGIN_COND_NE, on, 0,
						  (void *)(uintptr_t)nr);
}

static bool add_range(struct range *r, unsigned int *n, const char *s)
{
	char *end;

	if (*n == MAX_RANGES)
		return false;
	r[*n].from = strtoull(s, &end, 16);
	if (*end != '-')
		return false;
	r[*n].to = strtoull(end + 1, &end, 16);
	(*n)++;
	return !*end;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const qemu_info_t *info, int argc,
					   char **argv)
{
	int i;

	max_notes = 64 << 20;
	for (i = 0; i < argc; i++) {
		bool ok = true;

		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strcmp(argv[i], "totals=on"))
			totals = true;
		else if (!strncmp(argv[i], "max=", 4))
			max_notes = strtoull(argv[i] + 4, NULL, 0) << 20;
		else if (!strncmp(argv[i], "ipi=", 4))
			ok = add_range(ipi, &nr_ipi, argv[i] + 4);
		else if (!strncmp(argv[i], "wake=", 5))
			ok = add_range(wake, &nr_wake, argv[i] + 5);
		else if (!strncmp(argv[i], "lock=", 5))
			ok = add_range(lock, &nr_lock, argv[i] + 5);
		else
			ok = false;
		if (!ok) {
			fprintf(stderr, "insncount: %s?\n", argv[i]);
			return -1;
		}
	}
	if (info->system.max_vcpus > (totals ? MAX_TOTALS : MAX_CPUS)) {
		fprintf(stderr, "insncount: too many processors\n");
		return -1;
	}
	notes = malloc(max_notes * sizeof(*notes));
	if (!out || !notes) {
		fprintf(stderr, "insncount: out=FILE, max=MILLIONS?\n");
		return -1;
	}
	on = qemu_plugin_scoreboard_u64(
		qemu_plugin_scoreboard_new(sizeof(uint64_t)));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
