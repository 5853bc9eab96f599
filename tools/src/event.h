/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the driver's tracepoints (driver/trace.h) tell: read from the kernel's
 * text, written as a line for people or as one of a recording, and read again.
 *
 * The text, not the binary records: libtraceevent would read those by their
 * format, whatever fields it has.  But what a field means has to be known here
 * anyway, the text of these six events is as much the driver's own as their
 * fields are, and a file is all that is needed to read it.  A line that is not
 * exactly as expected is refused and counted, never guessed at.
 */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum event_kind {
    EVENT_FAULT, EVENT_LEND, EVENT_REVOKE, EVENT_INVALIDATE, EVENT_ANSWER,
    EVENT_WINDOW,
    EVENT_TRACEPOINTS,
    EVENT_LOST = EVENT_TRACEPOINTS, /* the kernel dropped some here */
    EVENT_KINDS
};

/* In the order of a recording's columns */
enum event_field {
    F_DOMAIN,
    F_WINDOW,       /* its serial */
    F_VCPU,
    F_ADDRESS,      /* guest-physical */
    F_SPAN,         /* in the lending process */
    F_SLOT,         /* the first */
    F_PAGES,
    F_LENT,         /* of these pages */
    F_COUNT,        /* faults without progress; events lost */
    F_WRITABLE,     /* bit n: page n is */
    F_TYPE,         /* of change, of request */
    F_RESULT,       /* signed; of answer: its data */
    F_NS,
    EVENT_FIELDS
};

struct event {
    enum event_kind kind;
    const char *what;           /* which of a few words, or NULL */
    uint64_t us;                /* when */
    uint32_t has;               /* bit n: field n */
    uint64_t v[EVENT_FIELDS];
};

static inline bool event_has(const struct event *e, enum event_field f)
{
    return e->has >> f & 1;
}

void event_set(struct event *e, enum event_field f, uint64_t value);

/* The name of a kind, as in a recording; the tracepoint's is xen_lend_NAME. */
const char *event_name(enum event_kind kind);

/* Reads a line of trace_pipe.  Returns 0, or -1: it is not one of ours. */
int event_parse(const char *line, struct event *e);

/*
 * Write lines, with the newline; e->us counts from the beginning.  size has to
 * be EVENT_LINE.  Return their length.
 */
#define EVENT_LINE 512
int event_show_heading(char *line, size_t size);
int event_show(char *line, size_t size, const struct event *e);
int event_csv_heading(char *line, size_t size);
int event_csv(char *line, size_t size, const struct event *e);

/*
 * Read them again, without the newline.  0, or -1: it is not such a line, or
 * heading.
 */
int event_csv_is_heading(const char *line);
int event_csv_parse(char *line, struct event *e);

/* Pieces of text become lines. */
struct lines {
    char text[1024];
    size_t n;
    bool skips;                 /* to the end of one that is too long */
    uint64_t too_long;
};

/* Calls back for each line that is whole now, until that returns not 0. */
int lines_feed(struct lines *l, const char *text, size_t n,
               int (*line)(void *opaque, const char *text), void *opaque);

#endif
