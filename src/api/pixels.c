/* Between a caller's pixels and the pictures of this library. */
#include "api/api-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static size_t bytes_of(noiseda_type type) {
  return type == NOISEDA_UINT8 ? 1 : type == NOISEDA_UINT16 ? 2 : 4;
}

static ptrdiff_t dense_row(const noiseda_picture *p) {
  return (ptrdiff_t)((size_t)p->width * (size_t)p->channels * bytes_of(p->type));
}

static char *row_at(const noiseda_picture *p, int y) {
  return (char *)p->data + y * (p->stride ? p->stride : dense_row(p));
}

int nd_caller_check(const noiseda_picture *p, const char *which) {
  if (!p || !p->data)
    return nd_fail("restore: there is no picture '%s', or it has no data", which);
  if (p->width < 1 || p->height < 1 || (double)p->width * p->height > 1e12)
    return nd_fail("restore: '%s' is %d x %d pixels; sizes go from 1 x 1", which, p->width, p->height);
  if (p->channels < 1 || p->channels > 4 || (unsigned)p->type > NOISEDA_FLOAT)
    return nd_fail("restore: '%s' has %d channels of type %d; there are 1 to 4, of NOISEDA_UINT8, "
                   "NOISEDA_UINT16 or NOISEDA_FLOAT",
                   which, p->channels, (int)p->type);
  ptrdiff_t row = dense_row(p);
  if (p->stride && p->stride > -row && p->stride < row)
    return nd_fail("restore: rows of '%s' take %td bytes, but its stride is %td", which, row, p->stride);
  return 0;
}

/* Pixels may stand at any address, hence memcpy. */
static float get(const char *at, noiseda_type type) {
  uint16_t sixteen;
  float value;
  switch (type) {
  case NOISEDA_UINT8:
    return (float)*(const unsigned char *)at / 255;
  case NOISEDA_UINT16:
    memcpy(&sixteen, at, sizeof sixteen);
    return (float)sixteen / 65535;
  case NOISEDA_FLOAT:
  default:
    memcpy(&value, at, sizeof value);
    return value;
  }
}

static void put(char *at, noiseda_type type, float value) {
  float x = value >= 0 ? MIN(value, 1) : 0; /* not a number: 0 */
  uint16_t sixteen = (uint16_t)(x * 65535 + 0.5f);
  switch (type) {
  case NOISEDA_UINT8:
    *(unsigned char *)at = (unsigned char)(x * 255 + 0.5f);
    return;
  case NOISEDA_UINT16:
    memcpy(at, &sixteen, sizeof sixteen);
    return;
  case NOISEDA_FLOAT:
  default:
    memcpy(at, &x, sizeof x);
  }
}

/* A network would spread it over all that it sees: the result would be black there, and nobody told. */
static int check_finite(const nd_image *image) {
  size_t row = (size_t)image->width * (size_t)image->channels, n = row * (size_t)image->height;
  for (size_t i = 0; i < n; i++)
    if (!isfinite(image->data[i]))
      return nd_fail("restore: a value in row %zu of a picture is %g; there have to be numbers, 0 to 1",
                     i / row, fabs((double)image->data[i])); /* "nan", never "-nan" */
  return 0;
}

static void read_rows(const noiseda_picture *p, const nd_image *out) {
  size_t step = bytes_of(p->type);
  float *to = out->data, *alpha = out->alpha;
  for (int y = 0; y < p->height; y++) {
    const char *at = row_at(p, y);
    for (int x = 0; x < p->width; x++) {
      for (int c = 0; c < out->channels; c++, at += step)
        *to++ = get(at, p->type);
      if (alpha) {
        *alpha++ = get(at, p->type);
        at += step;
      }
    }
  }
}

int nd_caller_read(const noiseda_picture *p, nd_image *out) {
  int colours = p->channels < 3 ? 1 : 3, failed = 0;
  size_t pixels = (size_t)p->width * (size_t)p->height;
  if (nd_image_new(p->width, p->height, colours, out))
    return -1;
  if (p->channels > colours)
    failed = (out->alpha = nd_mem_alloc(pixels * sizeof(float), "the picture's alpha")) ? 0 : -1;
  if (!failed) {
    read_rows(p, out);
    failed = p->type == NOISEDA_FLOAT ? check_finite(out) : 0;
  }
  if (failed)
    nd_image_free(out);
  return failed;
}

void nd_caller_write(const nd_image *image, const noiseda_picture *p) {
  size_t step = bytes_of(p->type);
  const float *from = image->data, *alpha = image->alpha;
  for (int y = 0; y < p->height; y++) {
    char *at = row_at(p, y);
    for (int x = 0; x < p->width; x++) {
      for (int c = 0; c < image->channels; c++, at += step)
        put(at, p->type, *from++);
      if (alpha) {
        put(at, p->type, *alpha++);
        at += step;
      }
    }
  }
}
