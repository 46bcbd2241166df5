/* Pictures in memory. */
#include "image/vips-private.h"

int nd_image_new(int width, int height, int channels, nd_image *out) {
  *out = (nd_image){0};
  if (width < 1 || height < 1 || (channels != 1 && channels != 3))
    return nd_fail("a picture of %d x %d with %d channels cannot be made", width, height, channels);
  size_t pixels = (size_t)width * (size_t)height; /* below 2^62 */
  size_t most = SIZE_MAX / 2 / (3 * sizeof(float));
  float *data =
      nd_mem_alloc(pixels > most ? SIZE_MAX : pixels * (size_t)channels * sizeof *data, "the picture");
  if (!data)
    return nd_fail_in("a picture of %d x %d", width, height);
  *out = (nd_image){.width = width, .height = height, .channels = channels, .bits = 8, .data = data};
  return 0;
}

void nd_image_free(nd_image *image) {
  nd_mem_free(image->data);
  nd_mem_free(image->alpha);
  nd_meta_free(image->meta);
  *image = (nd_image){0};
}

int nd_image_widen(nd_image *image) {
  nd_image rgb;
  if (image->channels == 3)
    return 0;
  if (nd_image_new(image->width, image->height, 3, &rgb))
    return -1;
  size_t n = (size_t)image->width * (size_t)image->height;
  for (size_t i = 0; i < n; i++)
    rgb.data[3 * i] = rgb.data[3 * i + 1] = rgb.data[3 * i + 2] = image->data[i];
  nd_mem_free(image->data);
  image->data = rgb.data;
  image->channels = 3;
  return 0;
}

void nd_image_narrow(nd_image *image) {
  size_t n = image->channels == 3 ? (size_t)image->width * (size_t)image->height : 0;
  for (size_t i = 0; i < n; i++)
    image->data[i] = image->data[3 * i];
  image->channels = 1;
}

int nd_image_load_rgb(const char *path, nd_image *out) {
  if (nd_image_load(path, out))
    return -1;
  nd_mem_free(out->alpha);
  nd_meta_free(out->meta);
  out->alpha = NULL;
  out->meta = NULL;
  if (!nd_image_widen(out))
    return 0;
  nd_image_free(out);
  return nd_fail_in("cannot read '%s'", path);
}
