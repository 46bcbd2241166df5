#include "tensor/kernels/bilinear.h"

#include "base/base.h"

/* Six neighbours of a picture enlarged twice lie between four rows of the small one, and one more where they
 * begin between two. */
enum { SMALL_ROWS = 5 };

static nd_tap tap_centred(int i, nd_axis a) {
  double at = (i + 0.5) * a.in / a.out - 0.5;
  at = at > 0 ? at : 0;
  int low = (int)at;
  return low + 1 < a.in ? (nd_tap){low, low + 1, (float)(at - low)} : (nd_tap){a.in - 1, a.in - 1, 0};
}

static int within(int i, int n) {
  return i < 0 ? 0 : i < n ? i : n - 1;
}

nd_tap nd_tap_of(int i, nd_axis a) {
  if (a.centred)
    return tap_centred(i, a);
  if (a.full_in == 1)
    return (nd_tap){0, 0, 0};
  i += a.begin * (a.full_out / a.full_in);
  double at = (double)i * (a.full_in - 1) / (a.full_out - 1);
  int low = (int)at < a.full_in - 2 ? (int)at : a.full_in - 2, here = low - a.begin;
  return (nd_tap){within(here, a.in), within(here + 1, a.in), (float)(at - low)};
}

ND_KERNEL_PART void sample_as(nd_dtype type, const void *image, const nd_enlarged *e, int c,
                              nd_enlarged_part p, int count, float (*out)[ND_SAMPLED_CHANNELS]) {
  float across[SMALL_ROWS][ND_SAMPLED][ND_SAMPLED_CHANNELS];
  const nd_tap *rows = e->rows + p.row, *columns = e->columns + p.column;
  int top = rows[0].low;
  for (int y = top; y <= rows[p.rows - 1].high; y++)
    for (int j = 0; j < p.columns; j++) {
      ptrdiff_t line = (ptrdiff_t)y * e->w;
      const void *low = nd_number_at(image, type, (line + columns[j].low) * c);
      const void *high = nd_number_at(image, type, (line + columns[j].high) * c);
      float t = columns[j].t, *to = across[y - top][j];
      for (int k = 0; k < count; k++) {
        float a = type == ND_BF16 ? nd_from_bf16(((const uint16_t *)low)[k]) : ((const float *)low)[k];
        float b = type == ND_BF16 ? nd_from_bf16(((const uint16_t *)high)[k]) : ((const float *)high)[k];
        to[k] = a + t * (b - a);
      }
    }
  for (int i = 0; i < p.rows; i++)
    for (int j = 0; j < p.columns; j++) {
      const float *a = across[rows[i].low - top][j], *b = across[rows[i].high - top][j];
      float t = rows[i].t, *restrict to = out[i * ND_SAMPLED + j];
      for (int k = 0; k < count; k++)
        to[k] = a[k] + t * (b[k] - a[k]);
    }
}

ND_KERNEL static void sample_f32(const void *image, const nd_enlarged *e, int c, nd_enlarged_part p,
                                 int count, float (*out)[ND_SAMPLED_CHANNELS]) {
  sample_as(ND_F32, image, e, c, p, count, out);
}

ND_KERNEL static void sample_bf16(const void *image, const nd_enlarged *e, int c, nd_enlarged_part p,
                                  int count, float (*out)[ND_SAMPLED_CHANNELS]) {
  sample_as(ND_BF16, image, e, c, p, count, out);
}

void nd_sample_enlarged(nd_data image, const nd_enlarged *e, int c, nd_enlarged_part p, int first, int count,
                        float (*out)[ND_SAMPLED_CHANNELS]) {
  const void *at = nd_number_at(image.at, image.type, first);
  if (image.type == ND_BF16)
    sample_bf16(at, e, c, p, count, out);
  else
    sample_f32(at, e, c, p, count, out);
}
