/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The timeline as an SVG file: three panels over one time axis. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svg.h"

#define WIDTH       1000
#define LEFT        76
#define RIGHT       (WIDTH - 24)
#define TOP         74
#define PANEL       170
#define GAP         62
#define PANELS      3
#define HEIGHT      (TOP + PANELS * PANEL + (PANELS - 1) * GAP + 56)
#define MAX_BINS    160

static const char *const colours[RECORD_KINDS] = {
    "#c0392b", "#e67e22", "#2471a3", "#1e8449", "#7d3c98", "#b7950b", "#d98cb3",
    "#7f8c8d",
};

struct plot {
    FILE *f;
    double end;         /* of the time axis */
};

struct panel {
    int top;
    double max;         /* of the value axis */
};

static double px(const struct plot *p, double t)
{
    return LEFT + (RIGHT - LEFT) * t / p->end;
}

static double py(const struct panel *a, double v)
{
    return a->top + PANEL - PANEL * v / a->max;
}

/* A step of 1, 2 or 5 times a power of ten that cuts max into about n */
static double step_for(double max, int n)
{
    double raw = max / n, base = pow(10, floor(log10(raw)));

    return raw <= base ? base : raw <= 2 * base ? 2 * base : raw <= 5 * base ? 5 * base : 10 * base;
}

static struct panel panel_open(struct plot *p, int index, double max, const char *title)
{
    struct panel a = { .top = TOP + index * (PANEL + GAP) };
    double step = step_for(max > 0 ? max : 1, 4), tstep = step_for(p->end, 10);

    a.max = step * ceil((max > 0 ? max : 1) / step);
    fprintf(p->f, "<text class='h' x='%d' y='%d'>%s</text>\n", LEFT, a.top - 12, title);
    for (double v = 0; v <= a.max + step / 2; v += step)
        fprintf(p->f, "<path class='g' d='M%d %.1fH%d'/><text class='y' x='%d' y='%.1f'>%.10g</text>\n", LEFT, py(&a, v),
                RIGHT, LEFT - 8, py(&a, v) + 4, v);
    for (double t = 0; t <= p->end; t += tstep)
        fprintf(p->f, "<path class='k' d='M%.1f %dv5'/><text class='x' x='%.1f' y='%d'>%.10g</text>\n", px(p, t),
                a.top + PANEL, px(p, t), a.top + PANEL + 19, t);
    return a;
}

static void panel_close(struct plot *p, const struct panel *a)
{
    fprintf(p->f, "<path class='k' d='M%d %dV%dH%d'/>\n", LEFT, a->top, a->top + PANEL, RIGHT);
}

/* Entries from the right end leftwards */
static int legend(struct plot *p, const struct panel *a, int x, const char *colour, const char *text)
{
    x -= 7 * (int)strlen(text) + 28;
    fprintf(p->f, "<rect x='%d' y='%d' width='12' height='12' rx='2' fill='%s'/><text class='l' x='%d' y='%d'>%s</text>\n",
            x, a->top - 22, colour, x + 17, a->top - 12, text);
    return x;
}

/* What was counted in each bin of time */
struct bins {
    unsigned n;
    double width;
    double faults[MAX_BINS], again[MAX_BINS], revoked[RECORD_KINDS][MAX_BINS];
};

static unsigned bin_of(const struct bins *b, double t)
{
    unsigned i = t > 0 ? t / b->width : 0;

    return i < b->n ? i : b->n - 1;
}

static void count(const struct record *r, struct bins *b)
{
    for (unsigned i = 1; i < r->n_samples; i++) {
        const struct xenlend_stats *o = &r->samples[i - 1].stats, *s = &r->samples[i].stats;
        unsigned k = bin_of(b, (r->samples[i].t + r->samples[i - 1].t) / 2);

        b->faults[k] += s->faults_read + s->faults_write - o->faults_read - o->faults_write;
        b->again[k] += s->refaults - o->refaults;
    }
    for (unsigned i = 0; i < r->n_evictions; i++)
        b->revoked[r->evictions[i].kind][bin_of(b, r->evictions[i].t)] += r->evictions[i].revoked;
}

static void lent(struct plot *p, const struct record *r, unsigned total)
{
    struct panel a;
    double max = total;
    int x = RIGHT;

    for (unsigned i = 0; i < r->n_samples; i++)
        max = fmax(max, r->samples[i].stats.pages_lent);
    a = panel_open(p, 0, max, "Pages lent to the guest");
    fprintf(p->f, "<path fill='#2471a3' fill-opacity='.25' stroke='#2471a3' stroke-width='1.2' d='M%d %d", LEFT,
            a.top + PANEL);
    for (unsigned i = 0; i < r->n_samples; i++)
        fprintf(p->f, "L%.1f %.1f", px(p, r->samples[i].t), py(&a, r->samples[i].stats.pages_lent));
    fprintf(p->f, "V%dz'/>\n", a.top + PANEL);
    if (total) {
        fprintf(p->f, "<path stroke='#888' stroke-dasharray='5 4' d='M%d %.1fH%d'/>\n", LEFT, py(&a, total), RIGHT);
        x = legend(p, &a, x, "#888", "all pages there are");
    }
    legend(p, &a, x, "#9fc1da", "lent");
    panel_close(p, &a);
}

static void curve(struct plot *p, const struct panel *a, const struct bins *b, const double *v, const char *colour)
{
    fprintf(p->f, "<path fill='none' stroke='%s' stroke-width='1.8' d='", colour);
    for (unsigned i = 0; i < b->n; i++)
        fprintf(p->f, "%c%.1f %.1f", i ? 'L' : 'M', px(p, (i + .5) * b->width), py(a, v[i] / b->width));
    fputs("'/>\n", p->f);
}

static void faults(struct plot *p, const struct bins *b)
{
    struct panel a;
    double max = 0;

    for (unsigned i = 0; i < b->n; i++)
        max = fmax(max, fmax(b->faults[i], b->again[i]) / b->width);
    a = panel_open(p, 1, max, "Faults of the guest, per second");
    curve(p, &a, b, b->faults, "#34495e");
    curve(p, &a, b, b->again, "#c0392b");
    legend(p, &a, legend(p, &a, RIGHT, "#c0392b", "on pages lent before"), "#34495e", "all");
    panel_close(p, &a);
}

static void revoked(struct plot *p, const struct record *r, const struct bins *b)
{
    bool any[RECORD_KINDS] = { false };
    struct panel a;
    double max = 0;
    int x = RIGHT;

    for (unsigned i = 0; i < b->n; i++) {
        double sum = 0;

        for (unsigned k = 0; k < r->n_kinds; k++)
            sum += b->revoked[k][i] / b->width;
        max = fmax(max, sum);
    }
    a = panel_open(p, 2, max, "Pages taken back, per second, by what took them");
    for (unsigned i = 0; i < b->n; i++) {
        double base = 0;

        for (unsigned k = 0; k < r->n_kinds; k++) {
            double v = b->revoked[k][i] / b->width;

            if (v <= 0)
                continue;
            any[k] = true;
            fprintf(p->f, "<rect x='%.2f' y='%.2f' width='%.2f' height='%.2f' fill='%s'/>\n", px(p, i * b->width) + .4,
                    py(&a, base + v), px(p, b->width) - LEFT - .8, py(&a, base) - py(&a, base + v), colours[k]);
            base += v;
        }
    }
    for (unsigned k = r->n_kinds; k--; )
        if (any[k])
            x = legend(p, &a, x, colours[k], r->kinds[k]);
    panel_close(p, &a);
}

int svg_write(const char *path, const struct record *r, unsigned total_pages, const char *title, const char *axis)
{
    struct plot p = { .f = fopen(path, "we") };
    struct bins *b = calloc(1, sizeof(*b));
    int bad;

    if (!p.f || !b) {
        if (p.f)
            fclose(p.f);
        free(b);
        return -1;
    }
    p.end = r->n_samples ? r->samples[r->n_samples - 1].t : 0;
    if (r->n_evictions && r->evictions[r->n_evictions - 1].t > p.end)
        p.end = r->evictions[r->n_evictions - 1].t;
    if (p.end < 0.1)
        p.end = 0.1;
    b->n = p.end / 0.25 + 1;
    if (b->n > MAX_BINS)
        b->n = MAX_BINS;
    b->width = p.end / b->n;
    count(r, b);

    fprintf(p.f, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' height='%d'>\n"
            "<style>text{font:12px sans-serif;fill:#333}.t{font-size:18px;font-weight:bold}"
            ".h{font-size:14px;font-weight:bold}.y{text-anchor:end}.x{text-anchor:middle}"
            ".g{stroke:#e4e4e4}.k{stroke:#555;fill:none}</style>\n"
            "<rect width='100%%' height='100%%' fill='#fff'/>\n"
            "<text class='t' x='%d' y='30'>%s</text>\n", WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, title);
    lent(&p, r, total_pages);
    faults(&p, b);
    revoked(&p, r, b);
    fprintf(p.f, "<text class='x' x='%d' y='%d'>%s</text>\n</svg>\n", (LEFT + RIGHT) / 2, HEIGHT - 10,
            axis);
    free(b);
    bad = ferror(p.f);
    if (fclose(p.f) || bad) {
        errno = EIO;
        return -1;
    }
    return 0;
}
