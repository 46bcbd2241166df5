/* What a validation shows: the middle of its first pictures before and after, beside the target. */
#include "study/study-private.h"

#include <glib.h>
#include <string.h>

enum { SIDE = 128, GAP = 2 };

/* Rows of so many values, from and to pictures that have more of them. */
static void copy_rows(float *to, int to_row, const float *from, int from_row, int row, int height) {
  for (int y = 0; y < height; y++)
    memcpy(to + (size_t)y * (size_t)to_row, from + (size_t)y * (size_t)from_row, (size_t)row * sizeof *to);
}

static int crop_pair(nd_restorer *restorer, const nd_pair *p, nd_image *out) {
  int width = MIN(SIDE, p->width), height = MIN(SIDE, p->height), row = 3 * width, c = p->channels,
      full = 3 * (3 * width + 2 * GAP), next = 3 * (width + GAP);
  size_t corner = (size_t)((p->height - height) / 2) * (size_t)p->width + (size_t)((p->width - width) / 2),
         pixels = (size_t)width * (size_t)height;
  if (nd_image_new(full / 3, height, 3, out))
    return -1;
  g_autofree float *input = g_new(float, pixels *(size_t)c), *shown = g_new(float, pixels * 3);
  copy_rows(input, c * width, p->input + corner * (size_t)c, c * p->width, c * width, height);
  nd_views_photo(input, pixels, c, shown);
  copy_rows(out->data, full, shown, row, row, height);
  copy_rows(out->data + 2 * next, full, p->target + corner * 3, 3 * p->width, row, height);
  if (nd_restorer_run(restorer, input, height, width, shown, NULL, NULL)) {
    nd_image_free(out);
    return -1;
  }
  copy_rows(out->data + next, full, shown, row, row, height);
  return 0;
}

int nd_validator_crops(nd_restorer *restorer, const nd_pairs *pairs, nd_validation *out) {
  size_t n = MIN(nd_pairs_count(pairs), (size_t)ND_CROPS);
  for (size_t i = 0; i < n; i++) {
    nd_pair pair;
    if (nd_pairs_load(pairs, i, &pair))
      return -1;
    int failed = crop_pair(restorer, &pair, &out->crops[i]);
    nd_pair_free(&pair);
    if (failed)
      return -1;
    out->crop_count++;
  }
  return 0;
}
