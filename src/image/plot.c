/* Line charts as SVG text: round ticks, a thin grid, one line a series, the legend above where it hides
 * nothing. */
#include "image/plot.h"
#include "image/plot-private.h"

#include "base/base.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { WIDTH = 720, HEIGHT = 440, RIGHT = 24, BOTTOM = 60, TITLE = 40, LEGEND_ROW = 20, CHARACTER = 7 };
enum { FEW = 40 };    /* so many points are marked one by one */
#define LARGEST 1e300 /* so that spans stay finite */

/* Okabe & Ito's palette, told apart also by those who do not see all colours, without its yellow, which white
 * paper swallows. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#56b4e9", "#e69f00", "#000000"};
static const char *const dashes[] = {"", "7 4", "2 4"};

typedef struct range {
  double low, high;
} range;

typedef struct frame {
  const nd_plot *plot;
  GString *svg;
  range x, y; /* y: logarithms where the axis is logarithmic */
  double left, top;
  nd_tick x_ticks[ND_MOST_TICKS], y_ticks[ND_MOST_TICKS];
  int x_count, y_count;
} frame;

typedef struct point {
  double x, y; /* on the paper */
} point;

static bool sound(double v) {
  return fabs(v) < LARGEST; /* false for not a number */
}

/* Where y stands on its axis; not a number when nowhere. */
static double on_axis(const frame *f, double y) {
  return f->plot->log_y ? (y > 0 ? log10(y) : NAN) : y;
}

static bool drawable(const frame *f, const nd_plot_series *s, size_t i) {
  return sound(s->x[i]) && sound(s->y[i]) && sound(on_axis(f, s->y[i]));
}

/* ---- Ranges and places ---- */
static void widen(range *r, double v) {
  r->low = fmin(r->low, v);
  r->high = fmax(r->high, v);
}

static bool find_ranges(frame *f) {
  f->x = f->y = (range){INFINITY, -INFINITY};
  for (int k = 0; k < f->plot->series_count; k++) {
    const nd_plot_series *s = &f->plot->series[k];
    for (size_t i = 0; i < s->count; i++)
      if (drawable(f, s, i)) {
        widen(&f->x, s->x[i]);
        widen(&f->y, on_axis(f, s->y[i]));
      }
  }
  return f->x.low <= f->x.high;
}

/* Some air at both ends, and a span where all values are (nearly) one. */
static void pad(range *r, double share) {
  double most = fmax(fabs(r->low), fabs(r->high)), span = r->high - r->low, least = 1e-7 * most;
  if (span <= least) {
    double half = most > 0 ? most / 20 : 1;
    r->low -= half;
    r->high += half;
    return;
  }
  r->low -= share * span;
  r->high += share * span;
}

static double at_x(const frame *f, double x) {
  return f->left + (x - f->x.low) / (f->x.high - f->x.low) * (WIDTH - f->left - RIGHT);
}

/* y: on the axis. */
static double at_y(const frame *f, double y) {
  return HEIGHT - BOTTOM - (y - f->y.low) / (f->y.high - f->y.low) * (HEIGHT - f->top - BOTTOM);
}

/* ---- Pieces of SVG ---- */
/* printf would take the locale's decimal comma. */
static void number(GString *svg, double v) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append(svg, g_ascii_formatd(text, sizeof text, "%.1f", v));
}

static void attribute(GString *svg, const char *name, double v) {
  g_string_append_printf(svg, " %s=\"", name);
  number(svg, v);
  g_string_append_c(svg, '"');
}

/* Any bytes become text that XML can hold. */
static char *safe_text(const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  for (char *c = valid; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 127)
      *c = ' ';
  return g_markup_escape_text(valid, -1);
}

static void text(GString *svg, double x, double y, const char *attributes, const char *what) {
  if (!what)
    return;
  g_autofree char *safe = safe_text(what);
  g_string_append(svg, "<text");
  attribute(svg, "x", x);
  attribute(svg, "y", y);
  g_string_append_printf(svg, " %s>%s</text>\n", attributes, safe);
}

static void line(GString *svg, point a, point b, const char *attributes) {
  g_string_append(svg, "<line");
  attribute(svg, "x1", a.x);
  attribute(svg, "y1", a.y);
  attribute(svg, "x2", b.x);
  attribute(svg, "y2", b.y);
  g_string_append_printf(svg, " %s/>\n", attributes);
}

static char *stroke(int series) {
  return g_strdup_printf("stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"",
                         colours[(size_t)series % G_N_ELEMENTS(colours)],
                         dashes[(size_t)series / G_N_ELEMENTS(colours) % G_N_ELEMENTS(dashes)]);
}

/* ---- Axes ---- */
static void find_ticks(frame *f) {
  f->x_count = nd_ticks_linear(f->x.low, f->x.high, 7, f->x_ticks);
  f->y_count = f->plot->log_y ? nd_ticks_log(pow(10, f->y.low), pow(10, f->y.high), 5, f->y_ticks)
                              : nd_ticks_linear(f->y.low, f->y.high, 6, f->y_ticks);
  size_t longest = 0;
  for (int i = 0; i < f->y_count; i++)
    longest = MAX(longest, strlen(f->y_ticks[i].label));
  f->left = (f->plot->y_label ? 44 : 20) + CHARACTER * (double)longest;
}

static void draw_axes(const frame *f) {
  double right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
  for (int i = 0; i < f->x_count; i++) {
    double x = at_x(f, f->x_ticks[i].at);
    line(f->svg, (point){x, f->top}, (point){x, bottom}, "stroke=\"#eee\"");
    text(f->svg, x, bottom + 18, "text-anchor=\"middle\"", f->x_ticks[i].label);
  }
  for (int i = 0; i < f->y_count; i++) {
    double y = at_y(f, on_axis(f, f->y_ticks[i].at));
    line(f->svg, (point){f->left, y}, (point){right, y}, "stroke=\"#e2e2e2\"");
    text(f->svg, f->left - 8, y + 4, "text-anchor=\"end\"", f->y_ticks[i].label);
  }
  line(f->svg, (point){f->left, bottom}, (point){right, bottom}, "stroke=\"#555\"");
}

static void draw_titles(const frame *f) {
  double middle = (f->top + HEIGHT - BOTTOM) / 2;
  text(f->svg, f->left, 26, "font-size=\"15\" font-weight=\"600\"", f->plot->title);
  text(f->svg, (f->left + WIDTH - RIGHT) / 2, HEIGHT - 16, "text-anchor=\"middle\"", f->plot->x_label);
  GString *turned = g_string_new("text-anchor=\"middle\" transform=\"rotate(-90 20 ");
  number(turned, middle);
  g_string_append(turned, ")\"");
  text(f->svg, 20, middle, turned->str, f->plot->y_label);
  g_string_free(turned, TRUE);
}

/* Places the legend's entries in rows, draws them if asked; returns how many rows. */
static int legend(const frame *f, bool draw) {
  double x = f->left;
  int rows = 1;
  for (int k = 0; k < f->plot->series_count; k++) {
    const char *name = f->plot->series[k].name ? f->plot->series[k].name : "";
    g_autofree char *valid = g_utf8_make_valid(name, -1), *attributes = stroke(k);
    double width = 52 + CHARACTER * (double)g_utf8_strlen(valid, -1);
    if (x > f->left && x + width > WIDTH - RIGHT) {
      x = f->left;
      rows++;
    }
    double y = TITLE + LEGEND_ROW * (rows - 1) + 2;
    if (draw) {
      line(f->svg, (point){x, y}, (point){x + 24, y}, attributes);
      text(f->svg, x + 30, y + 4, "", name);
    }
    x += width;
  }
  return rows;
}

/* ---- Series ---- */
static void put(GString *path, char command, point p) {
  g_string_append_c(path, command);
  number(path, p.x);
  g_string_append_c(path, ' ');
  number(path, p.y);
}

/* Points that fall on the same half unit of paper: the first, lowest, highest and last show all there is. */
typedef struct column {
  GString *path;
  bool open;
  size_t count, first_lowest, first_highest;
  double at;
  point first, lowest, highest, last;
} column;

static void flush(column *c) {
  bool rising = c->first_lowest < c->first_highest;
  point inner[2] = {rising ? c->lowest : c->highest, rising ? c->highest : c->lowest};
  if (c->count > 2) {
    put(c->path, 'L', inner[0]);
    put(c->path, 'L', inner[1]);
  }
  if (c->count > 1)
    put(c->path, 'L', c->last);
  c->count = 0;
}

/* "h0" makes a dot of a point that has no neighbours. */
static void start(column *c, point p) {
  put(c->path, c->open ? 'L' : 'M', p);
  if (!c->open)
    g_string_append(c->path, "h0");
  c->open = true;
  c->at = floor(2 * p.x);
  c->first = c->lowest = c->highest = c->last = p;
  c->first_lowest = c->first_highest = 0;
  c->count = 1;
}

static void extend(column *c, point p) {
  if (c->count == 0 || floor(2 * p.x) != c->at) {
    flush(c);
    start(c, p);
    return;
  }
  if (p.y < c->lowest.y) {
    c->lowest = p;
    c->first_lowest = c->count;
  }
  if (p.y > c->highest.y) {
    c->highest = p;
    c->first_highest = c->count;
  }
  c->last = p;
  c->count++;
}

static void draw_line(const frame *f, const nd_plot_series *s, const char *attributes) {
  g_string_append_printf(
      f->svg, "<path fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\" %s d=\"", attributes);
  column c = {.path = f->svg};
  for (size_t i = 0; i < s->count; i++)
    if (drawable(f, s, i)) {
      extend(&c, (point){at_x(f, s->x[i]), at_y(f, on_axis(f, s->y[i]))});
    } else {
      flush(&c);
      c.open = false;
    }
  flush(&c);
  g_string_append(f->svg, "\"/>\n");
}

static void draw_marks(const frame *f, const nd_plot_series *s, const char *colour) {
  for (size_t i = 0; i < s->count && s->count <= FEW; i++)
    if (drawable(f, s, i)) {
      g_string_append(f->svg, "<circle");
      attribute(f->svg, "cx", at_x(f, s->x[i]));
      attribute(f->svg, "cy", at_y(f, on_axis(f, s->y[i])));
      g_string_append_printf(f->svg, " r=\"3\" fill=\"%s\"/>\n", colour);
    }
}

static void draw(frame *f) {
  g_string_append_printf(
      f->svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
      "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\" fill=\"#333\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
      WIDTH, HEIGHT, WIDTH, HEIGHT);
  draw_axes(f);
  for (int k = 0; k < f->plot->series_count; k++) {
    g_autofree char *attributes = stroke(k);
    draw_line(f, &f->plot->series[k], attributes);
    draw_marks(f, &f->plot->series[k], colours[(size_t)k % G_N_ELEMENTS(colours)]);
  }
  if (f->plot->series_count > 1)
    legend(f, true);
  draw_titles(f);
  g_string_append(f->svg, "</svg>\n");
}

char *nd_plot_svg(const nd_plot *plot) {
  frame f = {.plot = plot};
  if (!find_ranges(&f)) {
    nd_fail("chart '%s': there is nothing to draw", plot->title ? plot->title : "");
    return NULL;
  }
  pad(&f.x, 0.02);
  pad(&f.y, 0.06);
  find_ticks(&f);
  f.top = TITLE + (plot->series_count > 1 ? LEGEND_ROW * legend(&f, false) : 0);
  f.svg = g_string_new(NULL);
  draw(&f);
  return g_string_free(f.svg, FALSE);
}
