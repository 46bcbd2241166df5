/* Restoring pictures as they come: floats in memory, with grey and alpha, or a file of any size. */
#include "restore/restore-private.h"

#include <string.h>

/* ---- Floats ---- */
typedef struct floats {
  const float *in;
  float *out;
  int width, channels; /* of in */
} floats;

static int get_floats(void *context, int y, int x, int n, float *pixels) {
  const floats *f = context;
  size_t c = (size_t)f->channels;
  memcpy(pixels, f->in + ((size_t)y * (size_t)f->width + (size_t)x) * c, (size_t)n * c * sizeof *pixels);
  return 0;
}

static int put_floats(void *context, int y, int x, int n, const float *rgb) {
  const floats *f = context;
  memcpy(f->out + ((size_t)y * (size_t)f->width + (size_t)x) * 3, rgb, (size_t)n * 3 * sizeof *rgb);
  return 0;
}

int nd_restorer_run(nd_restorer *r, const float *in, int height, int width, float *out,
                    nd_tile_progress progress, void *context) {
  float *copy = NULL;
  size_t bytes = (size_t)height * (size_t)width * 3 * sizeof *in;
  nd_layout l;
  if (nd_restorer_lay_out(r, height, width, &l))
    return -1;
  /* Tiles read what their neighbours would have overwritten, and each stage all of it. */
  if (in == out && (l.staged || nd_layout_tiles(&l) > 1)) {
    copy = nd_mem_alloc(bytes, "the picture");
    if (!copy)
      return -1;
    memcpy(copy, in, bytes);
  }
  floats f = {copy ? copy : in, out, width, nd_net_channels(r->net)};
  int failed = nd_restorer_run_parts(r, &(nd_picture){height, width, get_floats, put_floats, &f}, &l,
                                     progress, context);
  nd_mem_free(copy);
  return failed;
}

int nd_restorer_run_within(nd_restorer *r, size_t all, const float *in, int height, int width, float *out,
                           size_t *beyond) {
  size_t copy = in == out ? (size_t)height * (size_t)width * 3 * sizeof *in : 0;
  size_t room = all > copy ? all - copy : 1;
  nd_restorer_fit_memory(r, room);
  if (!nd_restorer_run(r, in, height, width, out, NULL, NULL))
    return 0;
  size_t lacking = nd_restorer_lacking(r);
  if (!lacking)
    return -1;
  nd_error_clear();
  *beyond = MAX(*beyond, lacking);
  nd_restorer_fit_memory(r, room + lacking);
  return nd_restorer_run(r, in, height, width, out, NULL, NULL);
}

/* ---- Images ---- */
typedef struct size {
  int width, height;
} size;

/* right NULL: there is one view. */
static int check_views(const nd_restorer *r, size left, const size *right) {
  if (nd_net_check_views(r->net, right, "a second picture"))
    return -1;
  if (!right || (left.width == right->width && left.height == right->height))
    return 0;
  return nd_fail("the left view is %d x %d and the right one %d x %d pixels; both are to be of one size",
                 left.width, left.height, right->width, right->height);
}

static void clamp(float *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    x[i] = CLAMP(x[i], 0, 1);
}

/* Three of a pixel's `channels` values, from `first` on; grey three times. */
static void spread(const nd_image *image, float *out, int first, int channels) {
  size_t n = (size_t)image->width * (size_t)image->height;
  out += first;
  for (size_t i = 0; i < n; i++, out += channels)
    for (int c = 0; c < 3; c++)
      out[c] = image->channels == 1 ? image->data[i] : image->data[3 * i + (size_t)c];
}

/* Grey: the mean is the result. */
static void gather(const float *rgb, nd_image *image) {
  size_t n = (size_t)image->width * (size_t)image->height;
  if (image->channels == 3)
    memcpy(image->data, rgb, 3 * n * sizeof *rgb);
  for (size_t i = 0; i < n && image->channels == 1; i++)
    image->data[i] = (rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2]) / 3;
}

/* A picture that is not as the network takes it: grey, or two views. */
static int run_spread(nd_restorer *r, nd_image *image, const nd_image *right, nd_tile_progress progress,
                      void *context) {
  size_t pixels = (size_t)image->width * (size_t)image->height;
  int channels = nd_net_channels(r->net);
  float *in = nd_mem_alloc(pixels * (size_t)channels * sizeof *in, "the picture"),
        *out = right ? nd_mem_alloc(pixels * 3 * sizeof *out, "the picture") : in;
  int failed = !in || !out;
  if (!failed) {
    spread(image, in, 0, channels);
    if (right)
      spread(right, in, 3, channels);
    failed = nd_restorer_run(r, in, image->height, image->width, out, progress, context);
  }
  if (!failed)
    gather(out, image);
  if (right)
    nd_mem_free(out);
  nd_mem_free(in);
  return failed ? -1 : 0;
}

int nd_restorer_run_image(nd_restorer *r, nd_image *image, const nd_image *right, nd_tile_progress progress,
                          void *context) {
  size left = {image->width, image->height}, of_right = right ? (size){right->width, right->height} : left;
  if (check_views(r, left, right ? &of_right : NULL))
    return -1;
  int failed = image->channels == 1 || right ? run_spread(r, image, right, progress, context)
                                             : nd_restorer_run(r, image->data, image->height, image->width,
                                                               image->data, progress, context);
  if (!failed)
    clamp(image->data, (size_t)image->width * (size_t)image->height * (size_t)image->channels);
  return failed;
}

/* ---- Rasters ---- */
typedef struct rasters {
  const nd_raster *in, *right; /* right NULL: there is one view */
  nd_raster *out;
} rasters;

static int get_raster(void *context, int y, int x, int n, float *pixels) {
  const rasters *p = context;
  if (!p->right)
    return nd_raster_get(p->in, y, x, n, pixels, NULL);
  g_autofree float *left = g_new(float, 3 * (size_t)n), *right = g_new(float, 3 * (size_t)n);
  if (nd_raster_get(p->in, y, x, n, left, NULL) || nd_raster_get(p->right, y, x, n, right, NULL))
    return -1;
  nd_views_join(left, right, (size_t)n, pixels);
  return 0;
}

static int put_raster(void *context, int y, int x, int n, const float *rgb) {
  const rasters *p = context;
  if (!nd_raster_shape_of(p->out)->alpha)
    return nd_raster_put(p->out, y, x, n, rgb, NULL);
  g_autofree float *unused = g_new(float, 3 * (size_t)n), *alpha = g_new(float, n);
  return nd_raster_get(p->in, y, x, n, unused, alpha) || nd_raster_put(p->out, y, x, n, rgb, alpha) ? -1 : 0;
}

int nd_restorer_run_raster(nd_restorer *r, const nd_raster *in, const nd_raster *right, nd_raster *out,
                           nd_tile_progress progress, void *context) {
  rasters all = {in, right, out};
  const nd_raster_shape *s = nd_raster_shape_of(in), *t = right ? nd_raster_shape_of(right) : s;
  if (check_views(r, (size){s->width, s->height}, right ? &(size){t->width, t->height} : NULL))
    return -1;
  return nd_restorer_run_picture(r, &(nd_picture){s->height, s->width, get_raster, put_raster, &all},
                                 progress, context);
}
