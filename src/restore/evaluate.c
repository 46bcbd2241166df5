/* How close results come to their targets. */
#include "restore/restore.h"

#include <glib.h>

static int score_pair(nd_restorer *r, const nd_protocol *protocol, nd_pair *p, nd_tile_progress progress,
                      void *context, nd_score *out) {
  int h = p->height, w = p->width;
  out->name = g_strdup(p->name);
  if (nd_protocol_measure(protocol, p->input, p->target, h, w, &out->psnr_input, &out->ssim_input))
    return nd_fail_in("'%s'", p->name);
  out->psnr = out->psnr_input;
  out->ssim = out->ssim_input;
  if (!r)
    return 0;
  if (nd_restorer_run(r, p->input, h, w, p->input, progress, context) ||
      nd_protocol_measure(protocol, p->input, p->target, h, w, &out->psnr, &out->ssim))
    return nd_fail_in("'%s'", p->name);
  return 0;
}

static void add_to_means(nd_scores *s, const nd_score *one, double n) {
  s->psnr += one->psnr / n, s->ssim += one->ssim / n;
  s->psnr_input += one->psnr_input / n, s->ssim_input += one->ssim_input / n;
}

int nd_evaluate(nd_restorer *r, const nd_protocol *protocol, const nd_pairs *pairs, size_t limit,
                nd_tile_progress progress, void *context, nd_scores *out) {
  size_t n = nd_pairs_count(pairs);
  n = limit && limit < n ? limit : n;
  *out = (nd_scores){.protocol = protocol, .at = g_new0(nd_score, n)};
  for (size_t i = 0; i < n; i++) {
    nd_pair pair;
    if (nd_pairs_load(pairs, i, &pair)) {
      nd_scores_free(out);
      return -1;
    }
    int failed = score_pair(r, protocol, &pair, progress, context, &out->at[i]);
    out->count++;
    nd_pair_free(&pair);
    if (failed) {
      nd_scores_free(out);
      return -1;
    }
    add_to_means(out, &out->at[i], (double)n);
  }
  return 0;
}

void nd_scores_free(nd_scores *s) {
  for (int i = 0; i < s->count; i++)
    g_free(s->at[i].name);
  g_free(s->at);
  *s = (nd_scores){0};
}
