/* What a validation shows: the middle of its first pictures before and after, beside the target. */
#include "study/study-private.h"

#include <glib.h>
#include <string.h>

enum { SIDE = 128, GAP = 2 };

static void copy_rows(float *to, int to_width, const float *from, int from_width, int width, int height) {
  for (int y = 0; y < height; y++)
    memcpy(to + (size_t)y * (size_t)to_width * 3, from + (size_t)y * (size_t)from_width * 3,
           (size_t)width * 3 * sizeof *to);
}

static int crop_pair(nd_restorer *restorer, const nd_pair *p, nd_image *out) {
  int width = MIN(SIDE, p->width), height = MIN(SIDE, p->height), full = 3 * width + 2 * GAP;
  size_t corner =
      ((size_t)((p->height - height) / 2) * (size_t)p->width + (size_t)((p->width - width) / 2)) * 3;
  if (nd_image_new(full, height, 3, out))
    return -1;
  g_autofree float *input = g_new(float, (gsize)width *(gsize)height * 3),
                   *restored = g_new(float, (gsize)width *(gsize)height * 3);
  copy_rows(input, width, p->input + corner, p->width, width, height);
  copy_rows(out->data, full, input, width, width, height);
  copy_rows(out->data + (size_t)2 * (size_t)(width + GAP) * 3, full, p->target + corner, p->width, width,
            height);
  if (nd_restorer_run(restorer, input, height, width, restored, NULL, NULL)) {
    nd_image_free(out);
    return -1;
  }
  copy_rows(out->data + (size_t)(width + GAP) * 3, full, restored, width, width, height);
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
