/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory lending: the books.  Windows, their slots, and which arguments are
 * sane.  No locks and nothing of the machine, so that tools/tests can build it.
 */
#ifndef XEN_LEND_WINDOW_H
#define XEN_LEND_WINDOW_H

#ifdef __XEN__
#include <xen/types.h>
#include <public/xen.h>
#include <public/memory.h>
#include <public/lend.h>
#endif

#define LEND_MAX_WINDOWS 16
/*
 * Slots of all windows of one borrower: bounds what its lender can make Xen
 * allocate (8 bytes a slot), and fits a continuation's cursor.
 */
#define LEND_MAX_SLOTS   (1UL << 22)

#define LEND_CHUNK_ORDER 9
#define LEND_CHUNK       (1UL << LEND_CHUNK_ORDER)

/*
 * A slot is one word.  Its low half is the frame while it is lent; the notes
 * about the last frame outlive it.
 */
#define LEND_SLOT_FRAME    ((1UL << 40) - 1)
#define LEND_SLOT_SEQ      (0xffffUL << 40)     /* frames lent here, ever */
#define LEND_SLOT_SEQ_ONE  (1UL << 40)
#define LEND_SLOT_UNREAD   (1UL << 56)          /* last frame: never used */
#define LEND_SLOT_UNWRITTEN (1UL << 57)         /* last frame: never written */
#define LEND_SLOT_REVOKING (1UL << 61)          /* cleared, reference held */
#define LEND_SLOT_WRITE    (1UL << 62)
#define LEND_SLOT_LENT     (1UL << 63)

struct lend_range {
    uint64_t id;
    unsigned long gfn, nr;
    unsigned long lent;         /* slots LENT or REVOKING */
    uint64_t **chunk;           /* [nr / LEND_CHUNK], allocated by lending */
};

struct lend_table {
    struct lend_range *range[LEND_MAX_WINDOWS];
    unsigned long slots;
};

/* A slot as a vCPU found it. */
struct lend_place {
    uint64_t id;
    unsigned long slot;
    unsigned int seq;
};

/* Accesses to different pages that one instruction can make. */
#define LEND_MAX_ONES 4

/* Of a vCPU. */
struct lend_vcpu {
    bool pending;               /* a fault request is in flight */
    bool write;                 /* last fault */
    uint8_t nr_ones;
    uint32_t count;             /* faults in a row at last */
    uint64_t answer;
    struct lend_place last;     /* last fault */
    /* Where the instruction at ip is to read ones, until it is done. */
    unsigned long ip;
    struct lend_place ones[LEND_MAX_ONES];
};

enum lend_slot_state {
    LEND_SLOT_empty,
    LEND_SLOT_same,             /* the frame is there, with these rights */
    LEND_SLOT_upgrade,          /* the frame is there, read-only */
    LEND_SLOT_busy,
};

int lend_check_args(const struct xen_mem_lend *op);

struct lend_range *lend_table_find(const struct lend_table *t,
                                   unsigned long gfn);
struct lend_range *lend_table_get(const struct lend_table *t, uint64_t id);
int lend_table_check(const struct lend_table *t, unsigned long gfn,
                     unsigned long nr);
int lend_table_add(struct lend_table *t, struct lend_range *r);
bool lend_table_del(struct lend_table *t, const struct lend_range *r);

int lend_range_init(struct lend_range *r, unsigned long gfn, unsigned long nr);
void lend_range_free(struct lend_range *r);

uint64_t *lend_slot(const struct lend_range *r, unsigned long s);
uint64_t *lend_slot_alloc(struct lend_range *r, unsigned long s);
/* The first lent slot of [s, e), or e. */
unsigned long lend_slot_next(const struct lend_range *r, unsigned long s,
                             unsigned long e);

enum lend_slot_state lend_slot_test(const uint64_t *slot, uint64_t frame,
                                    bool write);
void lend_slot_fill(struct lend_range *r, uint64_t *slot, uint64_t frame,
                    bool write);
void lend_slot_upgrade(uint64_t *slot);
void lend_slot_clear(uint64_t *slot, bool unread, bool unwritten);
/* Returns the frame whose references are to be dropped. */
uint64_t lend_slot_release(struct lend_range *r, uint64_t *slot);

unsigned int lend_slot_seq(const struct lend_range *r, unsigned long s);
uint32_t lend_note_fault(struct lend_vcpu *v, const struct lend_range *r,
                         unsigned long s, bool write);
void lend_note_ones(struct lend_vcpu *v, unsigned long ip);
bool lend_is_ones(const struct lend_vcpu *v, const struct lend_range *r,
                  unsigned long s, unsigned long ip);

#endif /* XEN_LEND_WINDOW_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
