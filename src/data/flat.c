/* Real noise, taken where a photo shows nothing else: over flat places (the idea is that of Chen, Chen, Chao,
 * Yang, "Image blind denoising with generative adversarial network based noise modeling", CVPR 2018). What is
 * left of a flat square after its plane is a sample of the photo's noise, with its covariance from pixel to
 * pixel and from colour to colour. From it, noise of any size is made by adding up the square everywhere,
 * each time times a random number: a Gaussian texture of just that covariance (Galerne, Gousseau, Morel,
 * "Random phase textures: theory and synthesis", IEEE Trans. Image Processing 2011).
 *
 * Whatever a square shows besides noise makes it vary more, so those that vary least among the squares of
 * about their brightness are taken for flat: by brightness, since camera noise depends on it. */
#include "data/loader-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum {
  SIDE = ND_FLAT_SIDE,
  PIXELS = SIDE * SIDE,
  DRAWN = 1500,  /* squares of a photo that are looked at */
  TONES = 10,    /* ranges of brightness */
  ENOUGH = 20,   /* squares of a range among which the flattest can be told */
  FLATTEST = 10, /* one in so many is taken ... */
  MOST = 12      /* ... but no more than so many of a range */
};
static const float BLACK = 0.04f, WHITE = 0.96f; /* beyond, noise is cut off */
static const float BUSY = 16;                    /* times the variance of the flattest square of all */
static const double JITTER = 0.05;               /* of the brightness asked for */

typedef struct square {
  int x, y;
  float tone, variance;
} square;

typedef struct photo {
  bool known;
  GArray *squares; /* of square */
} photo;

struct nd_flat {
  GMutex lock;
  uint64_t seed;
  size_t count;
  photo *photos;
};

nd_flat *nd_flat_new(size_t photos, uint64_t seed) {
  nd_flat *flat = g_new0(nd_flat, 1);
  g_mutex_init(&flat->lock);
  flat->seed = seed;
  flat->count = photos;
  flat->photos = g_new0(photo, photos);
  return flat;
}

void nd_flat_free(nd_flat *flat) {
  if (!flat)
    return;
  for (size_t i = 0; i < flat->count; i++)
    if (flat->photos[i].squares)
      g_array_free(flat->photos[i].squares, TRUE);
  g_free(flat->photos);
  g_mutex_clear(&flat->lock);
  g_free(flat);
}

/* Takes the plane (least squares) off one channel; returns its mean. Rows and columns are counted from the
 * middle, so that constant, row and column are orthogonal. */
static double take_off_plane(float *values) {
  static const double middle = (SIDE - 1) / 2.0;
  double mean = 0, row = 0, column = 0, length = 0;
  for (int i = 0; i < PIXELS; i++) {
    double y = i / SIDE - middle, x = i % SIDE - middle, v = (double)values[3 * i];
    mean += v / PIXELS;
    row += y * v;
    column += x * v;
    length += y * y;
  }
  for (int i = 0; i < PIXELS; i++)
    values[3 * i] -= (float)(mean + (row * (i / SIDE - middle) + column * (i % SIDE - middle)) / length);
  return mean;
}

double nd_flat_residual(const nd_cached *picture, int x, int y, float *out, bool *cut_off) {
  double tone = 0;
  nd_patch_cut(picture, (nd_patch){x, y, SIDE, 0}, out);
  *cut_off = false;
  for (int c = 0; c < 3; c++) {
    double mean = take_off_plane(out + c);
    *cut_off |= mean < (double)BLACK || mean > (double)WHITE;
    tone += mean / 3;
  }
  return tone;
}

static square look_at(const nd_cached *picture, nd_rng *rng, bool *cut_off) {
  float values[3 * PIXELS];
  nd_patch at = nd_patch_draw(picture->width, picture->height, SIDE, 1, rng);
  double tone = nd_flat_residual(picture, at.x, at.y, values, cut_off), sum = 0;
  for (int i = 0; i < 3 * PIXELS; i++)
    sum += (double)(values[i] * values[i]);
  return (square){at.x, at.y, (float)tone, (float)(sum / PIXELS)};
}

static int by_variance(const void *a, const void *b) {
  float x = ((const square *)a)->variance, y = ((const square *)b)->variance;
  return (x > y) - (x < y);
}

/* of: the squares of a photo, the flattest first. Of a range in which the photo shows but edges and texture,
 * nothing is kept: there even the flattest vary far more than anywhere else. */
static void keep_of_tone(const GArray *of, int tone, GArray *kept) {
  guint there = 0, taken = 0;
  for (guint i = 0; i < of->len; i++)
    there += (int)(g_array_index(of, square, i).tone * TONES) == tone;
  if (there < ENOUGH)
    return;
  float most = BUSY * g_array_index(of, square, 0).variance;
  for (guint i = 0; i < of->len && taken < MIN(there / FLATTEST, MOST); i++)
    if ((int)(g_array_index(of, square, i).tone * TONES) == tone &&
        g_array_index(of, square, i).variance <= most) {
      g_array_append_vals(kept, &g_array_index(of, square, i), 1);
      taken++;
    }
}

/* A function of (seed, index) and the picture. A photo that is too dark or bright all over, or has too few
 * places, keeps the flattest one of what there is. */
static GArray *find_squares(const nd_cached *picture, uint64_t seed, size_t index) {
  nd_rng rng = nd_rng_make(seed, index, 0, ND_RANDOM_FLAT);
  g_autoptr(GArray) good = g_array_new(FALSE, FALSE, sizeof(square));
  GArray *kept = g_array_new(FALSE, FALSE, sizeof(square));
  square last = {.variance = INFINITY};
  for (int i = 0; i < DRAWN; i++) {
    bool cut_off;
    square s = look_at(picture, &rng, &cut_off);
    if (!cut_off)
      g_array_append_val(good, s);
    if (s.variance < last.variance)
      last = s;
  }
  g_array_sort(good, by_variance);
  for (int tone = 0; tone < TONES; tone++)
    keep_of_tone(good, tone, kept);
  if (!kept->len)
    g_array_append_vals(kept, good->len ? &g_array_index(good, square, 0) : &last, 1);
  return kept;
}

static const GArray *squares_of(nd_flat *flat, size_t index, const nd_cached *picture) {
  photo *p = &flat->photos[index];
  g_mutex_lock(&flat->lock);
  bool known = p->known;
  g_mutex_unlock(&flat->lock);
  if (known)
    return p->squares;
  GArray *found = find_squares(picture, flat->seed, index); /* without the lock: others go on meanwhile */
  g_mutex_lock(&flat->lock);
  if (p->known) /* another thread was quicker, with the same result */
    g_array_free(found, TRUE);
  else
    *p = (photo){true, found};
  g_mutex_unlock(&flat->lock);
  return p->squares;
}

static square nearest(const GArray *squares, double tone) {
  square best = g_array_index(squares, square, 0);
  for (guint i = 1; i < squares->len; i++) {
    square s = g_array_index(squares, square, i);
    if (fabs((double)s.tone - tone) < fabs((double)best.tone - tone))
      best = s;
  }
  return best;
}

/* out (one row of one channel) += factor * white, for every column of the square. white: a row of the random
 * numbers. */
ND_KERNEL
static void add_row(const float *factors, const float *white, int size, float *out) {
  for (int k = 0; k < SIDE; k++) {
    float factor = factors[3 * k];
    for (int x = 0; x < size; x++)
      out[x] += factor * white[x + k];
  }
}

void nd_flat_texture(const float *values, int size, nd_rng *rng, float *out) {
  size_t wide = (size_t)size + SIDE - 1;
  g_autofree float *white = g_new(float, wide *wide), *row = g_new(float, size);
  nd_rng_fill_normal(rng, white, wide * wide);
  for (int y = 0; y < size; y++)
    for (int c = 0; c < 3; c++) {
      memset(row, 0, (size_t)size * sizeof *row);
      for (int k = 0; k < SIDE; k++)
        add_row(values + (size_t)k * SIDE * 3 + c, white + (size_t)(y + k) * wide, size, row);
      for (int x = 0; x < size; x++)
        out[((size_t)y * (size_t)size + (size_t)x) * 3 + (size_t)c] = row[x] / SIDE;
    }
}

void nd_flat_noise(nd_flat *flat, size_t index, const nd_cached *picture, double tone, int size, nd_rng *rng,
                   float *out) {
  float values[3 * PIXELS];
  bool cut_off;
  square s = nearest(squares_of(flat, index, picture), tone + JITTER * nd_rng_normal(rng));
  nd_flat_residual(picture, s.x, s.y, values, &cut_off);
  nd_flat_texture(values, size, rng, out);
}
