/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <xenlend.h>

#include "event.h"
#include "size.h"
#include "text.h"

#define FAULT_REQUEST   9       /* IOREQ_TYPE_LEND_FAULT */
#define PREFIX          ": xen_lend_"

/*
 * The text of each tracepoint as in driver/trace.h.  %d and so on: a number, to
 * the field that fields[] says; %*: one of the words.
 */
static const struct {
    const char *name, *text;
    const char *words[3];
} kinds[EVENT_KINDS] = {
    [EVENT_FAULT] = {
        "fault", "d%d v%v window %w gpa %g %* count %c rc %r %n ns",
        { "read", "write" },
    },
    [EVENT_LEND] = {
        "lend", "d%d window %w slots %s+%p writable %m%* rc %r",
        { " answered", "" },
    },
    [EVENT_REVOKE] = { "revoke", "d%d window %w slots %s+%p lent %l", { 0 } },
    [EVENT_INVALIDATE] = {
        "invalidate", "d%d window %w [%a, %e) event %t %n ns", { 0 },
    },
    [EVENT_ANSWER] = { "answer", "d%d v%v type %t data %D %n ns", { 0 } },
    [EVENT_WINDOW] = {
        "window", "d%d window %w id %i gfn %f+%p addr %a %*",
        { "made", "destroyed" },
    },
    [EVENT_LOST] = { "lost", NULL, { 0 } },
};

/* Also of what is not in a field as it is. */
enum { F_END = EVENT_FIELDS, F_FRAME, F_ID };

static const struct {
    char letter;
    bool hex, is_signed;
    int field;
    uint64_t most;
} numbers[] = {
    { 'd', false, false, F_DOMAIN, UINT16_MAX },
    { 'v', false, false, F_VCPU, UINT32_MAX },
    { 'w', false, false, F_WINDOW, UINT64_MAX },
    { 'g', true, false, F_ADDRESS, UINT64_MAX },
    { 'c', false, false, F_COUNT, UINT32_MAX },
    { 'r', false, true, F_RESULT, INT32_MAX },
    { 'n', false, false, F_NS, UINT64_MAX },
    { 's', false, false, F_SLOT, UINT64_MAX },
    { 'p', false, false, F_PAGES, UINT64_MAX },
    { 'm', true, false, F_WRITABLE, UINT64_MAX },
    { 'l', false, false, F_LENT, UINT64_MAX },
    { 'a', true, false, F_SPAN, UINT64_MAX },
    { 'e', true, false, F_END, UINT64_MAX },
    { 't', false, false, F_TYPE, UINT32_MAX },
    { 'D', true, false, F_RESULT, UINT64_MAX },
    { 'i', false, false, F_ID, UINT32_MAX },
    { 'f', true, false, F_FRAME, UINT64_MAX / XENLEND_PAGE_SIZE },
};

/* Linux' own numbers (enum mmu_notifier_event), the same in 6.1 to 7.3 */
static const char *const changes[] = {
    "unmap", "clear", "protect", "protect", "soft-dirty", "exit", "migrate",
    "exclusive",
};

/* What a line of a recording must have to make sense, by kind */
#define BIT(f)  (1u << (f))
static const uint32_t needs[EVENT_KINDS] = {
    [EVENT_FAULT] = BIT(F_WINDOW) | BIT(F_ADDRESS) | BIT(F_RESULT),
    [EVENT_LEND] = BIT(F_WINDOW) | BIT(F_SLOT) | BIT(F_PAGES) | BIT(F_RESULT),
    [EVENT_REVOKE] = BIT(F_WINDOW) | BIT(F_SLOT) | BIT(F_PAGES) | BIT(F_LENT),
    [EVENT_INVALIDATE] = BIT(F_WINDOW) | BIT(F_NS),
    [EVENT_WINDOW] = BIT(F_WINDOW) | BIT(F_ADDRESS) | BIT(F_PAGES),
};

static const char *const columns[EVENT_FIELDS] = {
    "domain", "window", "vcpu", "address", "span", "slot", "pages", "lent",
    "count", "writable", "type", "result", "ns",
};

void event_set(struct event *e, enum event_field f, uint64_t value)
{
    e->has |= 1u << f;
    e->v[f] = value;
}

const char *event_name(enum event_kind kind)
{
    return kinds[kind].name;
}

/* --- from the kernel */

static int take_number(const char **text, bool hex, bool is_signed,
                       uint64_t most, uint64_t *value)
{
    bool minus = is_signed && **text == '-';

    *text += minus;
    if (hex != (!strncmp(*text, "0x", 2)) || number_parse(*text, text, value) ||
        *value > most)
        return -1;
    if (minus)
        *value = -*value;
    return 0;
}

/* One of the words of a kind, the longest first; "" is NULL for the event. */
static int take_word(const char **text, const char *const *words,
                     const char **what)
{
    for (; *words; words++) {
        size_t n = strlen(*words);

        if (!strncmp(*text, *words, n)) {
            *text += n;
            *what = n ? *words + (**words == ' ') : NULL;
            return 0;
        }
    }
    return -1;
}

static int parse_fields(const char *text, struct event *e)
{
    uint64_t special[3] = { 0 };
    const char *p;

    for (p = kinds[e->kind].text; *p; p++) {
        uint64_t value;
        unsigned i = 0;

        if (*p != '%') {
            if (*text++ != *p)
                return -1;
            continue;
        }
        if (*++p == '*') {
            if (take_word(&text, kinds[e->kind].words, &e->what))
                return -1;
            continue;
        }
        while (numbers[i].letter != *p)
            i++;
        if (take_number(&text, numbers[i].hex, numbers[i].is_signed,
                        numbers[i].most, &value))
            return -1;
        if (numbers[i].field < EVENT_FIELDS)
            event_set(e, numbers[i].field, value);
        else
            special[numbers[i].field - EVENT_FIELDS] = value;
    }
    if (*text)
        return -1;

    if (e->kind == EVENT_INVALIDATE) {
        uint64_t end = special[F_END - EVENT_FIELDS];

        if (end <= e->v[F_SPAN])
            return -1;
        /* Up to the end of everything: the process ends. */
        if (end < UINT64_MAX - XENLEND_PAGE_SIZE)
            event_set(e, F_PAGES, (end - 1) / XENLEND_PAGE_SIZE -
                      e->v[F_SPAN] / XENLEND_PAGE_SIZE + 1);
        if (e->v[F_TYPE] < sizeof(changes) / sizeof(*changes))
            e->what = changes[e->v[F_TYPE]];
    }
    if (e->kind == EVENT_WINDOW)
        event_set(e, F_ADDRESS,
                  special[F_FRAME - EVENT_FIELDS] * XENLEND_PAGE_SIZE);
    return 0;
}

/* "CPU:3 [LOST 17 EVENTS]", or without the number if the kernel has none */
static int parse_lost(const char *line, struct event *e)
{
    const char *p;
    uint64_t v;

    if (strncmp(line, "CPU:", 4) || number_parse(line + 4, &p, &v) ||
        strncmp(p, " [LOST ", 7))
        return -1;
    p += 7;
    e->kind = EVENT_LOST;
    if (!strcmp(p, "EVENTS]"))
        return 0;
    if (number_parse(p, &p, &v) || strcmp(p, " EVENTS]"))
        return -1;
    event_set(e, F_COUNT, v);
    return 0;
}

/* Seconds with six digits behind the point, which end there */
static int parse_time(const char *text, const char *end, uint64_t *us)
{
    uint64_t s, f;

    if (number_parse(text, &text, &s) || *text++ != '.' || end - text != 6 ||
        number_parse(text, &text, &f) || text != end ||
        s > UINT64_MAX / 1000000 - 1)
        return -1;
    *us = s * 1000000 + f;
    return 0;
}

int event_parse(const char *line, struct event *e)
{
    const char *p = NULL, *next = line, *name, *time;

    *e = (struct event){ 0 };
    if (!parse_lost(line, e))
        return 0;
    /*
     * "NAME-PID [CPU] FLAGS SECONDS: EVENT: TEXT".  A process may call itself
     * whatever it likes; there is none of this behind the event's name.
     */
    while ((next = strstr(next, PREFIX)))
        p = next++;
    if (!p)
        return -1;
    time = p;
    while (time > line && time[-1] != ' ')
        time--;
    if (parse_time(time, p, &e->us))
        return -1;
    name = p + strlen(PREFIX);
    for (unsigned i = 0; i < EVENT_TRACEPOINTS; i++) {
        size_t n = strlen(kinds[i].name);

        if (strncmp(name, kinds[i].name, n) || strncmp(name + n, ": ", 2))
            continue;
        e->kind = i;
        return parse_fields(name + n + 2, e);
    }
    return -1;
}

/* --- for people */

struct out {
    char *text;
    size_t size, n;
};

static void put(struct out *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *fmt, ...)
{
    va_list al;
    int n;

    va_start(al, fmt);
    n = vsnprintf(o->text + o->n, o->size - o->n, fmt, al);
    va_end(al);
    if (n > 0)
        o->n += (size_t)n < o->size - o->n ? (size_t)n : o->size - o->n - 1;
}

static void put_field(struct out *o, const struct event *e, const char *fmt,
                      int width, enum event_field f)
{
    char number[32] = "-";

    if (event_has(e, f)) {
        if (*fmt == 'x')
            snprintf(number, sizeof(number), "%#llx",
                     (unsigned long long)e->v[f]);
        else if (*fmt == 't')
            snprintf(number, sizeof(number), "%s", show_ns(e->v[f]));
        else
            snprintf(number, sizeof(number), "%llu",
                     (unsigned long long)e->v[f]);
    }
    put(o, " %*s", width, number);
}

int event_show_heading(char *line, size_t size)
{
    struct out o = { line, size, 0 };

    put(&o, "%12s %5s %6s %-10s %14s %9s %8s  %s\n", "SECONDS", "DOM", "WINDOW",
        "EVENT", "ADDRESS", "PAGES", "TOOK", "DETAILS");
    return o.n;
}

static void put_details(struct out *o, const struct event *e)
{
    int rc = (int)(int64_t)e->v[F_RESULT];

    switch (e->kind) {
    case EVENT_FAULT:
        put(o, "vCPU %llu, %s: ", (unsigned long long)e->v[F_VCPU], e->what);
        put(o, "%s", rc > 0 ? xenlend_reason(rc) : rc ? strerror(-rc) :
            "resolved");
        if (e->v[F_COUNT] > 1)
            put(o, ", number %llu in a row without progress",
                (unsigned long long)e->v[F_COUNT]);
        break;
    case EVENT_LEND:
        /* one word stands for all of a large entry */
        put(o, "%d writable", e->v[F_PAGES] > 64 && e->v[F_WRITABLE]
            ? (int)e->v[F_PAGES] : __builtin_popcountll(e->v[F_WRITABLE]));
        if (e->what)
            put(o, ", the vCPU goes on");
        if (rc)
            put(o, ", failed: %s", strerror(-rc));
        break;
    case EVENT_REVOKE:
        put(o, "%llu lent there", (unsigned long long)e->v[F_LENT]);
        break;
    case EVENT_INVALIDATE:
        if (e->what)
            put(o, "%s at %#llx of the process", e->what,
                (unsigned long long)e->v[F_SPAN]);
        else
            put(o, "change %llu at %#llx of the process",
                (unsigned long long)e->v[F_TYPE],
                (unsigned long long)e->v[F_SPAN]);
        break;
    case EVENT_ANSWER:
        put(o, "vCPU %llu: ", (unsigned long long)e->v[F_VCPU]);
        if (e->v[F_TYPE] != FAULT_REQUEST)
            put(o, "request of type %llu, data %#llx",
                (unsigned long long)e->v[F_TYPE],
                (unsigned long long)e->v[F_RESULT]);
        else
            put(o, "%s", !e->v[F_RESULT] ? "accesses again" :
                e->v[F_RESULT] == 2 ? "reads ones" : "gets #GP");
        break;
    case EVENT_WINDOW:
        put(o, "%s", e->what);
        if (event_has(e, F_LENT))
            put(o, ", %llu pages lent", (unsigned long long)e->v[F_LENT]);
        if (event_has(e, F_SPAN))
            put(o, ", at %#llx of the process",
                (unsigned long long)e->v[F_SPAN]);
        break;
    case EVENT_LOST:
        if (event_has(e, F_COUNT))
            put(o, "%llu events came too fast and are lost",
                (unsigned long long)e->v[F_COUNT]);
        else
            put(o, "events came too fast and are lost");
        break;
    case EVENT_KINDS:
        break;
    }
}

int event_show(char *line, size_t size, const struct event *e)
{
    struct out o = { line, size, 0 };

    put(&o, "%5llu.%06u", (unsigned long long)(e->us / 1000000),
        (unsigned)(e->us % 1000000));
    put_field(&o, e, "u", 5, F_DOMAIN);
    put_field(&o, e, "u", 6, F_WINDOW);
    put(&o, " %-10s", kinds[e->kind].name);
    put_field(&o, e, "x", 14, F_ADDRESS);
    put_field(&o, e, "u", 9, F_PAGES);
    put_field(&o, e, "t", 8, F_NS);
    put(&o, "  ");
    put_details(&o, e);
    put(&o, "\n");
    return o.n;
}

/* --- a recording */

static bool is_hex(enum event_field f)
{
    return f == F_ADDRESS || f == F_SPAN || f == F_WRITABLE;
}

int event_csv_heading(char *line, size_t size)
{
    struct out o = { line, size, 0 };

    put(&o, "seconds,event,what");
    for (unsigned f = 0; f < EVENT_FIELDS; f++)
        put(&o, ",%s", columns[f]);
    put(&o, "\n");
    return o.n;
}

int event_csv(char *line, size_t size, const struct event *e)
{
    struct out o = { line, size, 0 };

    put(&o, "%llu.%06u,%s,%s", (unsigned long long)(e->us / 1000000),
        (unsigned)(e->us % 1000000), kinds[e->kind].name,
        e->what ? e->what : "");
    for (unsigned f = 0; f < EVENT_FIELDS; f++) {
        if (!event_has(e, f))
            put(&o, ",");
        else if (f == F_RESULT)
            put(&o, ",%lld", (long long)e->v[f]);
        else if (is_hex(f))
            put(&o, ",0x%llx", (unsigned long long)e->v[f]);
        else
            put(&o, ",%llu", (unsigned long long)e->v[f]);
    }
    put(&o, "\n");
    return o.n;
}

int event_csv_is_heading(const char *line)
{
    char want[EVENT_LINE];
    int n = event_csv_heading(want, sizeof(want));

    want[n - 1] = 0;
    return strcmp(line, want) ? -1 : 0;
}

/* A word that such an event may have, as one that stays */
static int find_word(enum event_kind kind, const char *word, const char **what)
{
    static const char there[] = "there";

    *what = NULL;
    if (!*word)
        return 0;
    for (const char *const *w = kinds[kind].words; *w; w++)
        if (**w && !strcmp(*w + (**w == ' '), word))
            *what = *w + (**w == ' ');
    for (unsigned i = 0; i < sizeof(changes) / sizeof(*changes); i++)
        if (kind == EVENT_INVALIDATE && !strcmp(changes[i], word))
            *what = changes[i];
    if (kind == EVENT_WINDOW && !strcmp(word, there))
        *what = there;
    return *what ? 0 : -1;
}

int event_csv_parse(char *line, struct event *e)
{
    const char *name, *word, *p;
    unsigned kind = 0;

    *e = (struct event){ 0 };
    p = strsep(&line, ",");
    if (parse_time(p, p + strlen(p), &e->us))
        return -1;
    name = strsep(&line, ",");
    word = strsep(&line, ",");
    if (!word)
        return -1;
    while (kind < EVENT_KINDS && strcmp(kinds[kind].name, name))
        kind++;
    if (kind == EVENT_KINDS || find_word(kind, word, &e->what))
        return -1;
    e->kind = kind;
    for (unsigned f = 0; f < EVENT_FIELDS; f++) {
        uint64_t value;

        p = strsep(&line, ",");
        if (!p)
            return -1;
        if (!*p)
            continue;
        if (take_number(&p, is_hex(f), f == F_RESULT, UINT64_MAX, &value) || *p)
            return -1;
        event_set(e, f, value);
    }
    return line || needs[kind] & ~e->has ? -1 : 0;
}

/* --- lines */

int lines_feed(struct lines *l, const char *text, size_t n,
               int (*line)(void *opaque, const char *text), void *opaque)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '\n') {
            if (l->n < sizeof(l->text) - 1)
                l->text[l->n++] = text[i];
            else
                l->skips = true;
            continue;
        }
        l->text[l->n] = 0;
        l->n = 0;
        if (l->skips) {
            l->skips = false;
            l->too_long++;
        } else {
            int rc = line(opaque, l->text);

            if (rc)
                return rc;
        }
    }
    return 0;
}
