/* Restoring pictures as they come: floats in memory, with grey and alpha, or a file of any size. */
#include "restore/restore.h"

#include <glib.h>
#include <string.h>

/* ---- Floats ---- */
typedef struct floats {
  const float *in;
  float *out;
  int width;
} floats;

static int get_floats(void *context, int y, int x, int n, float *rgb) {
  const floats *f = context;
  memcpy(rgb, f->in + ((size_t)y * (size_t)f->width + (size_t)x) * 3, (size_t)n * 3 * sizeof *rgb);
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
  int tiles;
  if (nd_restorer_count_tiles(r, height, width, &tiles))
    return -1;
  if (in == out && tiles > 1) { /* tiles read what their neighbours would have overwritten */
    copy = nd_mem_alloc(bytes, "the picture");
    if (!copy)
      return -1;
    memcpy(copy, in, bytes);
  }
  floats f = {copy ? copy : in, out, width};
  int failed =
      nd_restorer_run_picture(r, &(nd_picture){height, width, get_floats, put_floats, &f}, progress, context);
  nd_mem_free(copy);
  return failed;
}

static void clamp(float *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    x[i] = CLAMP(x[i], 0, 1);
}

/* Grey: the network sees three equal channels; their mean is the result. */
static int run_grey(nd_restorer *r, nd_image *image, nd_tile_progress progress, void *context) {
  size_t n = (size_t)image->width * (size_t)image->height;
  float *rgb = nd_mem_alloc(n * 3 * sizeof *rgb, "the picture");
  if (!rgb)
    return -1;
  for (size_t i = 0; i < n; i++)
    rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = image->data[i];
  int failed = nd_restorer_run(r, rgb, image->height, image->width, rgb, progress, context);
  for (size_t i = 0; i < n && !failed; i++)
    image->data[i] = (rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2]) / 3;
  nd_mem_free(rgb);
  return failed;
}

int nd_restorer_run_image(nd_restorer *r, nd_image *image, nd_tile_progress progress, void *context) {
  int failed = image->channels == 1 ? run_grey(r, image, progress, context)
                                    : nd_restorer_run(r, image->data, image->height, image->width,
                                                      image->data, progress, context);
  if (!failed)
    clamp(image->data, (size_t)image->width * (size_t)image->height * (size_t)image->channels);
  return failed;
}

/* ---- Rasters ---- */
typedef struct rasters {
  const nd_raster *in;
  nd_raster *out;
} rasters;

static int get_raster(void *context, int y, int x, int n, float *rgb) {
  return nd_raster_get(((const rasters *)context)->in, y, x, n, rgb, NULL);
}

static int put_raster(void *context, int y, int x, int n, const float *rgb) {
  const rasters *p = context;
  if (!nd_raster_shape_of(p->out)->alpha)
    return nd_raster_put(p->out, y, x, n, rgb, NULL);
  g_autofree float *unused = g_new(float, 3 * (size_t)n), *alpha = g_new(float, n);
  return nd_raster_get(p->in, y, x, n, unused, alpha) || nd_raster_put(p->out, y, x, n, rgb, alpha) ? -1 : 0;
}

int nd_restorer_run_raster(nd_restorer *r, const nd_raster *in, nd_raster *out, nd_tile_progress progress,
                           void *context) {
  rasters both = {in, out};
  const nd_raster_shape *s = nd_raster_shape_of(in);
  return nd_restorer_run_picture(r, &(nd_picture){s->height, s->width, get_raster, put_raster, &both},
                                 progress, context);
}
