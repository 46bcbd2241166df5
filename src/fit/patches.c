/* Patches of a set, degraded or not, their statistics, and how far two sets are apart. */
#include "fit/fit-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

/* ---- Reading ---- */
static void cut(const nd_image *picture, int side, nd_rng *rng, float *out) {
  size_t x = nd_rng_below(rng, (uint32_t)(picture->width - side + 1)),
         y = nd_rng_below(rng, (uint32_t)(picture->height - side + 1)), row = (size_t)side * 3;
  for (size_t i = 0; i < (size_t)side; i++)
    memcpy(out + i * row, picture->data + ((y + i) * (size_t)picture->width + x) * 3, row * sizeof *out);
}

/* Those large enough. */
static int list_usable(const nd_set *set, int side, GArray *usable) {
  for (size_t i = 0; i < set->count; i++) {
    int width, height;
    if (nd_set_size(set, i, &width, &height))
      return -1;
    if (width >= side && height >= side)
      g_array_append_val(usable, i);
  }
  return usable->len ? 0 : nd_fail("'%s' has no picture of at least %d x %d pixels", set->path, side, side);
}

/* The patches that fall to one picture: from .. to of them all. */
static int read_picture(const nd_set *set, size_t index, uint64_t seed, nd_purpose purpose, int from, int to,
                        nd_fit_patches *out) {
  nd_image picture;
  size_t values = (size_t)out->side * (size_t)out->side * 3;
  if (nd_set_load(set, index, &picture))
    return -1;
  for (int i = from; i < to; i++) {
    nd_rng rng = nd_rng_make(seed, 0, (uint32_t)i, purpose);
    cut(&picture, out->side, &rng, out->rgb + (size_t)i * values);
  }
  nd_image_free(&picture);
  return 0;
}

static int read_all(const nd_set *set, uint64_t seed, nd_purpose purpose, nd_fit_patches *out) {
  g_autoptr(GArray) usable = g_array_new(FALSE, FALSE, sizeof(size_t));
  if (list_usable(set, out->side, usable))
    return -1;
  size_t pictures = MIN(usable->len, (size_t)out->count), n = (size_t)out->count;
  out->pictures = pictures;
  for (size_t k = 0; k < pictures; k++) {
    size_t index = g_array_index(usable, size_t, k * usable->len / pictures);
    if (read_picture(set, index, seed, purpose, (int)(k * n / pictures), (int)((k + 1) * n / pictures), out))
      return -1;
  }
  return 0;
}

int nd_fit_patches_read(const char *path, int count, int side, uint64_t seed, nd_purpose purpose,
                        nd_fit_patches *out) {
  nd_set set;
  *out = (nd_fit_patches){.count = count, .side = side};
  if (nd_set_open(path, &set))
    return -1;
  out->rgb = nd_mem_alloc((size_t)count * (size_t)side * (size_t)side * 3 * sizeof(float), "patches");
  int failed = !out->rgb || read_all(&set, seed, purpose, out);
  nd_set_free(&set);
  if (failed)
    nd_fit_patches_free(out);
  return failed ? -1 : 0;
}

void nd_fit_patches_free(nd_fit_patches *patches) {
  nd_mem_free(patches->rgb);
  *patches = (nd_fit_patches){0};
}

/* ---- Statistics ---- */
typedef struct work {
  const nd_fit_patches *patches;
  const nd_degrade_settings *degradation; /* or NULL */
  const nd_fit_settings *settings;
  nd_fit_table *table;
  int failed;
} work;

static int tabulate_one(const work *w, size_t i) {
  int size = w->settings->patch_size, side = size;
  const float *patch = w->patches->rgb + i * (size_t)w->patches->side * (size_t)w->patches->side * 3;
  if (w->degradation)
    side = MIN(size + 2 * nd_degrade_reach(w->degradation), w->patches->side - (w->patches->side - size) % 2);
  g_autofree float *around = g_new(float, (size_t)side *(size_t)side * 3),
                   *seen = g_new(float, (size_t)size *(size_t)size * 3);
  nd_degrade_middle(patch, w->patches->side, side, around);
  nd_rng rng = nd_rng_make(w->settings->seed, 0, (uint32_t)i, ND_RANDOM_DEGRADE);
  if (w->degradation && nd_degrade_apply(w->degradation, around, side, side, &rng))
    return -1;
  nd_degrade_middle(around, side, size, seen);
  float statistics[ND_FIT_STATISTICS];
  int kinds = nd_fit_statistics(seen, size, w->settings->colour, statistics);
  for (int k = 0; k < kinds; k++)
    w->table->values[(size_t)k * (size_t)w->table->count + i] = statistics[k];
  return 0;
}

static void tabulate_range(size_t begin, size_t end, int thread, void *context) {
  work *w = context;
  (void)thread;
  for (size_t i = begin; i < end; i++)
    if (tabulate_one(w, i))
      g_atomic_int_set(&w->failed, 1);
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

int nd_fit_tabulate(const nd_fit_patches *patches, const nd_degrade_settings *degradation,
                    const nd_fit_settings *settings, nd_fit_table *out) {
  int kinds = settings->colour ? ND_FIT_STATISTICS : ND_FIT_BRIGHTNESS;
  *out = (nd_fit_table){kinds, patches->count, g_new(float, (size_t)kinds *(size_t)patches->count)};
  work w = {patches, degradation, settings, out, 0};
  nd_parallel((size_t)patches->count, 4, tabulate_range, &w);
  for (int k = 0; k < kinds; k++)
    qsort(out->values + (size_t)k * (size_t)out->count, (size_t)out->count, sizeof(float), ascending);
  /* Another thread has the error; settings are checked, so it is memory. */
  return w.failed ? nd_fail("patches could not be degraded for lack of memory") : 0;
}

/* ---- Distance ---- */
static double deviation(const float *values, int n) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; i++)
    sum += (double)values[i], squares += (double)values[i] * (double)values[i];
  return sqrt(fmax(squares / n - sum / n * sum / n, 1e-12));
}

double nd_fit_distance(const nd_fit_table *a, const nd_fit_table *b) {
  double total = 0;
  for (int k = 0; k < b->kinds; k++) {
    const float *x = a->values + (size_t)k * (size_t)a->count, *y = b->values + (size_t)k * (size_t)b->count;
    double apart = 0;
    for (int i = 0; i < b->count; i++)
      apart += fabs((double)x[i] - (double)y[i]);
    total += apart / b->count / deviation(y, b->count);
  }
  return total / b->kinds;
}
