/* Restoring a picture with what comes with it: grey, alpha, metadata. */
#include "restore/restore.h"

#include <glib.h>

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
