/* Line charts as SVG text: axes with round ticks, thin grid, one line a series, a legend. */
#include "image/plot.h"

#include "base/base.h"

#include <glib.h>
#include <math.h>

enum { WIDTH = 720, HEIGHT = 440, LEFT = 76, RIGHT = 20, TOP = 44, BOTTOM = 56, TICKS = 6 };

/* Okabe & Ito's palette: told apart also by those who do not see all colours. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

typedef struct range {
  double low, high;
} range;

typedef struct frame {
  const nd_plot *plot;
  GString *svg;
  range x, y; /* y: logarithms where the axis is logarithmic */
} frame;

static double y_value(const nd_plot *p, double y) {
  return p->log_y ? (y > 0 ? log10(y) : NAN) : y;
}

static void widen(range *r, double v) {
  r->low = fmin(r->low, v);
  r->high = fmax(r->high, v);
}

static bool find_ranges(frame *f) {
  f->x = f->y = (range){INFINITY, -INFINITY};
  for (int s = 0; s < f->plot->series_count; s++) {
    const nd_plot_series *series = &f->plot->series[s];
    for (size_t i = 0; i < series->count; i++) {
      double y = y_value(f->plot, series->y[i]);
      if (!isfinite(series->x[i]) || !isfinite(y))
        continue;
      widen(&f->x, series->x[i]);
      widen(&f->y, y);
    }
  }
  return f->x.low <= f->x.high;
}

static void pad(range *r, double share) {
  double span = r->high - r->low;
  if (span <= 0)
    span = fabs(r->high) > 0 ? fabs(r->high) : 1;
  r->low -= share * span;
  r->high += share * span;
}

static double at_x(const frame *f, double x) {
  return LEFT + (x - f->x.low) / (f->x.high - f->x.low) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const frame *f, double y) {
  return HEIGHT - BOTTOM - (y - f->y.low) / (f->y.high - f->y.low) * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that about TICKS fit. */
static double tick_step(range r) {
  double rough = (r.high - r.low) / TICKS, power = pow(10, floor(log10(rough))), part = rough / power;
  return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void text(GString *svg, double x, double y, const char *attributes, const char *what) {
  g_autofree char *safe = g_markup_escape_text(what, -1);
  g_string_append_printf(svg, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, attributes, safe);
}

static void line(GString *svg, double x1, double y1, double x2, double y2, const char *colour) {
  g_string_append_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1,
                         y1, x2, y2, colour);
}

static void x_ticks(const frame *f) {
  double step = tick_step(f->x);
  for (double t = ceil(f->x.low / step) * step; t <= f->x.high; t += step) {
    g_autofree char *label = g_strdup_printf("%g", fabs(t) < step / 1e6 ? 0 : t);
    line(f->svg, at_x(f, t), TOP, at_x(f, t), HEIGHT - BOTTOM, "#e4e4e4");
    text(f->svg, at_x(f, t), HEIGHT - BOTTOM + 18, "text-anchor=\"middle\"", label);
  }
}

static void y_ticks(const frame *f) {
  double step = tick_step(f->y);
  for (double t = ceil(f->y.low / step) * step; t <= f->y.high; t += step) {
    double shown = f->plot->log_y ? pow(10, t) : fabs(t) < step / 1e6 ? 0 : t;
    g_autofree char *label = g_strdup_printf("%.4g", shown);
    line(f->svg, LEFT, at_y(f, t), WIDTH - RIGHT, at_y(f, t), "#e4e4e4");
    text(f->svg, LEFT - 8, at_y(f, t) + 4, "text-anchor=\"end\"", label);
  }
}

static void draw_series(const frame *f, const nd_plot_series *s, const char *colour) {
  g_string_append_printf(f->svg, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", colour);
  bool down = false; /* a point that cannot be drawn breaks the line */
  for (size_t i = 0; i < s->count; i++) {
    double y = y_value(f->plot, s->y[i]);
    bool sound = isfinite(s->x[i]) && isfinite(y);
    if (sound)
      g_string_append_printf(f->svg, "%c%.1f %.1f", down ? 'L' : 'M', at_x(f, s->x[i]), at_y(f, y));
    down = sound;
  }
  g_string_append(f->svg, "\"/>\n");
  for (size_t i = 0; i < s->count && s->count <= 40; i++)
    if (isfinite(s->x[i]) && isfinite(y_value(f->plot, s->y[i])))
      g_string_append_printf(f->svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                             at_x(f, s->x[i]), at_y(f, y_value(f->plot, s->y[i])), colour);
}

static void legend(const frame *f) {
  for (int s = 0; s < f->plot->series_count && f->plot->series_count > 1; s++) {
    const char *colour = colours[(size_t)s % G_N_ELEMENTS(colours)];
    double y = TOP + 16 + 18 * s;
    g_string_append_printf(f->svg, "<rect x=\"%d\" y=\"%.1f\" width=\"16\" height=\"4\" fill=\"%s\"/>\n",
                           WIDTH - RIGHT - 170, y - 6, colour);
    text(f->svg, WIDTH - RIGHT - 148, y, "", f->plot->series[s].name);
  }
}

static void titles(const frame *f) {
  text(f->svg, WIDTH / 2.0, 24, "text-anchor=\"middle\" font-size=\"16\"", f->plot->title);
  text(f->svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14, "text-anchor=\"middle\"", f->plot->x_label);
  g_autofree char *turned =
      g_strdup_printf("text-anchor=\"middle\" transform=\"rotate(-90 18 %d)\"", HEIGHT / 2);
  text(f->svg, 18, HEIGHT / 2.0, turned, f->plot->y_label);
}

char *nd_plot_svg(const nd_plot *plot) {
  frame f = {.plot = plot};
  if (!find_ranges(&f)) {
    nd_fail("plot '%s': there is nothing to draw", plot->title);
    return NULL;
  }
  pad(&f.x, 0.02);
  pad(&f.y, 0.06);
  f.svg = g_string_new(NULL);
  g_string_append_printf(
      f.svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
      WIDTH, HEIGHT, WIDTH, HEIGHT);
  x_ticks(&f);
  y_ticks(&f);
  line(f.svg, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "#444");
  line(f.svg, LEFT, TOP, LEFT, HEIGHT - BOTTOM, "#444");
  for (int s = 0; s < plot->series_count; s++)
    draw_series(&f, &plot->series[s], colours[(size_t)s % G_N_ELEMENTS(colours)]);
  legend(&f);
  titles(&f);
  g_string_append(f.svg, "</svg>\n");
  return g_string_free(f.svg, FALSE);
}
