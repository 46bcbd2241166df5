/* Blur kernels: paths of a hand after Boracchi and Foi, "Modeling the performance of image restoration from
 * motion blur" (IEEE TIP 2012), discs, lines. */
#include "data/blur-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { PATH = 1024, SUB = 8 };

/* Radians by which trembling alone turns a path from its beginning to its end, standard deviation. */
static const double TREMBLING = 1.6;

typedef struct point {
  double x, y;
} point;

/* Adds weight at a place between four pixels; what lies outside is dropped. */
static void splat(nd_blur_kernel *k, point p, double weight) {
  double x = p.x + ND_BLUR_RADIUS, y = p.y + ND_BLUR_RADIUS;
  int x0 = (int)floor(x), y0 = (int)floor(y);
  for (int i = 0; i < 4; i++) {
    int cx = x0 + i % 2, cy = y0 + i / 2;
    double share = (1 - fabs(x - cx)) * (1 - fabs(y - cy));
    if (cx >= 0 && cx < ND_BLUR_SIDE && cy >= 0 && cy < ND_BLUR_SIDE)
      k->weight[cy][cx] += (float)(weight * share);
  }
}

static void normalise(nd_blur_kernel *k) {
  double sum = 0;
  float *w = &k->weight[0][0];
  for (int i = 0; i < ND_BLUR_SIDE * ND_BLUR_SIDE; i++)
    sum += (double)w[i];
  for (int i = 0; i < ND_BLUR_SIDE * ND_BLUR_SIDE; i++)
    w[i] = (float)((double)w[i] / sum);
}

/* A particle with inertia: noise pushes it, a spring pulls it back, now and then a jerk turns it round. The
 * spring alone would make it swing so many times. */
static double walk(double swings, double impulsiveness, nd_rng *rng, point path[PATH]) {
  double push = TREMBLING / sqrt(PATH), spring = pow(2 * G_PI * swings, 2) / PATH;
  double angle = nd_rng_between(rng, 0, 2 * G_PI), total = 0;
  point v = {cos(angle) / PATH, sin(angle) / PATH}, p = {0, 0};
  for (int i = 0; i < PATH; i++) {
    path[i] = p;
    double jerk = nd_rng_uniform(rng), turn = nd_rng_normal(rng), push_x = nd_rng_normal(rng),
           push_y = nd_rng_normal(rng);
    if (jerk < 8 * impulsiveness / PATH) {
      double to = atan2(v.y, v.x) + G_PI + 0.5 * turn, speed = 1.5 * hypot(v.x, v.y);
      v = (point){speed * cos(to), speed * sin(to)};
    }
    v.x += (push * push_x - spring * p.x) / PATH;
    v.y += (push * push_y - spring * p.y) / PATH;
    double speed = hypot(v.x, v.y) * PATH; /* a hand has a pace: path lengths stay comparable */
    v.x /= speed, v.y /= speed;
    p.x += v.x, p.y += v.y;
    total += hypot(v.x, v.y);
  }
  return total;
}

void nd_blur_shake(double length, double swings, double impulsiveness, nd_rng *rng, nd_blur_kernel *out) {
  point path[PATH], mean = {0, 0};
  double scale = length / walk(swings, impulsiveness, rng, path);
  memset(out, 0, sizeof *out);
  for (int i = 0; i < PATH; i++)
    mean.x += path[i].x / PATH, mean.y += path[i].y / PATH;
  for (int i = 0; i < PATH; i++)
    splat(out, (point){(path[i].x - mean.x) * scale, (path[i].y - mean.y) * scale}, 1);
  normalise(out);
}

void nd_blur_disc(double radius, nd_blur_kernel *out) {
  memset(out, 0, sizeof *out);
  double r = radius > 0.5 ? radius : 0.5; /* no less than about a pixel */
  for (int i = 0; i < ND_BLUR_SIDE * SUB; i++)
    for (int j = 0; j < ND_BLUR_SIDE * SUB; j++) {
      double y = (i + 0.5) / SUB - 0.5 - ND_BLUR_RADIUS, x = (j + 0.5) / SUB - 0.5 - ND_BLUR_RADIUS;
      if (x * x + y * y <= r * r)
        out->weight[i / SUB][j / SUB] += 1;
    }
  normalise(out);
}

void nd_blur_line(double length, double angle, nd_blur_kernel *out) {
  memset(out, 0, sizeof *out);
  double a = angle * G_PI / 180;
  for (int i = 0; i < PATH; i++) {
    double at = ((i + 0.5) / PATH - 0.5) * length;
    splat(out, (point){at * cos(a), -at * sin(a)}, 1);
  }
  normalise(out);
}

/* ---- Convolution with the weights that are not zero ---- */
typedef struct tap {
  int dx, dy;
  float weight;
} tap;

typedef struct work {
  const float *in;
  float *out;
  int height, width, taps;
  tap tap[ND_BLUR_SIDE * ND_BLUR_SIDE];
} work;

static int clamp(int i, int n) {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* The pixels [from, to) of a row have their neighbour inside the picture. */
static void add_tap(const work *w, int y, tap t, float *out) {
  const float *row = w->in + (size_t)clamp(y + t.dy, w->height) * (size_t)w->width * 3;
  int from = CLAMP(-t.dx, 0, w->width), to = CLAMP(w->width - t.dx, from, w->width);
  for (int x = 0; x < from; x++)
    for (int c = 0; c < 3; c++)
      out[3 * x + c] += t.weight * row[3 * clamp(x + t.dx, w->width) + c];
  for (int i = 3 * from; i < 3 * to; i++)
    out[i] += t.weight * row[i + 3 * t.dx];
  for (int x = to; x < w->width; x++)
    for (int c = 0; c < 3; c++)
      out[3 * x + c] += t.weight * row[3 * clamp(x + t.dx, w->width) + c];
}

static void blur_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t y = begin; y < end; y++)
    for (int k = 0; k < w->taps; k++)
      add_tap(w, (int)y, w->tap[k], w->out + y * (size_t)w->width * 3);
}

int nd_blur_apply(const nd_blur_kernel *kernel, float *rgb, int height, int width) {
  size_t bytes = (size_t)height * (size_t)width * 3 * sizeof *rgb;
  float *out = nd_mem_alloc(bytes, "blurred picture");
  if (!out)
    return -1;
  work *w = g_new0(work, 1);
  w->in = rgb, w->out = out, w->height = height, w->width = width;
  for (int i = 0; i < ND_BLUR_SIDE; i++)
    for (int j = 0; j < ND_BLUR_SIDE; j++)
      if (kernel->weight[i][j] > 0)
        w->tap[w->taps++] = (tap){ND_BLUR_RADIUS - j, ND_BLUR_RADIUS - i, kernel->weight[i][j]};
  nd_parallel((size_t)height, 8, blur_rows, w);
  memcpy(rgb, out, bytes);
  nd_mem_free(out);
  g_free(w);
  return 0;
}
