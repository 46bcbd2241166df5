/* Making a picture in memory smaller. */
#include "image/vips-private.h"

#include <string.h>

typedef struct work {
  const nd_image *from;
  nd_image *to;
  double scale;
} work;

/* Takes over the pixels of a picture of floats. */
static int take(VipsImage *small, nd_image *out) {
  size_t size;
  g_autofree float *pixels = vips_image_write_to_memory(small, &size);
  if (!pixels)
    return nd_vips_fail("shrink", "the picture");
  if (nd_image_new(small->Xsize, small->Ysize, small->Bands, out))
    return -1;
  memcpy(out->data, pixels, size);
  return 0;
}

static int attempt(void *context, bool alone) {
  (void)alone;
  work *w = context;
  const nd_image *from = w->from;
  size_t bytes = (size_t)from->width * (size_t)from->height * (size_t)from->channels * sizeof *from->data;
  VipsImage *small = NULL, *whole = vips_image_new_from_memory(from->data, bytes, from->width, from->height,
                                                               from->channels, VIPS_FORMAT_FLOAT);
  int failed = !whole || vips_resize(whole, &small, w->scale, NULL) ? nd_vips_fail("shrink", "the picture")
                                                                    : take(small, w->to);
  g_clear_object(&small);
  g_clear_object(&whole);
  return failed;
}

int nd_image_shrink(nd_image *image, int side) {
  int longest = MAX(image->width, image->height);
  nd_image small;
  work w = {image, &small, (double)side / longest};
  if (longest <= side)
    return 0;
  if (nd_vips_run(attempt, &w))
    return -1;
  small.bits = image->bits;
  nd_image_free(image);
  *image = small;
  return 0;
}
