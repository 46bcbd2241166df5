/* How close results come to their targets. Protocol: RGB, both rounded to 8 bits, PSNR over all values, SSIM
 * with the 7 x 7 uniform window (scikit-image's defaults). */
#include "restore/restore.h"

#include <glib.h>

static int score_pair(nd_restorer *r, nd_pair *p, nd_tile_progress progress, void *context, nd_score *out) {
  nd_metric_options o = {.round_to_8_bits = true};
  out->name = g_strdup(p->name);
  out->psnr = out->psnr_input = nd_psnr(p->input, p->target, p->height, p->width, 3, o);
  out->ssim = out->ssim_input = nd_ssim(p->input, p->target, p->height, p->width, 3, o);
  if (out->ssim <= -1)
    return nd_fail_in("'%s'", p->name);
  if (!r)
    return 0;
  if (nd_restorer_run(r, p->input, p->height, p->width, p->input, progress, context))
    return nd_fail_in("'%s'", p->name);
  out->psnr = nd_psnr(p->input, p->target, p->height, p->width, 3, o);
  out->ssim = nd_ssim(p->input, p->target, p->height, p->width, 3, o);
  return 0;
}

static void add_to_means(nd_scores *s, const nd_score *one, double n) {
  s->psnr += one->psnr / n, s->ssim += one->ssim / n;
  s->psnr_input += one->psnr_input / n, s->ssim_input += one->ssim_input / n;
}

int nd_evaluate(nd_restorer *r, const nd_pairs *pairs, size_t limit, nd_tile_progress progress, void *context,
                nd_scores *out) {
  size_t n = nd_pairs_count(pairs);
  n = limit && limit < n ? limit : n;
  *out = (nd_scores){.at = g_new0(nd_score, n)};
  for (size_t i = 0; i < n; i++) {
    nd_pair pair;
    if (nd_pairs_load(pairs, i, &pair)) {
      nd_scores_free(out);
      return -1;
    }
    int failed = score_pair(r, &pair, progress, context, &out->at[i]);
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

int nd_evaluate_model(const char *model_path, const nd_pair_source *source, nd_scores *scores) {
  nd_pairs *pairs;
  nd_model *model = NULL;
  nd_restorer *restorer = NULL;
  if (nd_pairs_open(source, 0, &pairs))
    return -1;
  int failed = 0;
  if (model_path) {
    nd_restorer_settings s = nd_restorer_defaults();
    failed = nd_model_load(model_path, &model);
    if (!failed) {
      s.residual = model->residual;
      failed = nd_restorer_new(model->net, model->params, "", model->values, s, &restorer);
    }
  }
  if (!failed)
    failed = nd_evaluate(restorer, pairs, 0, NULL, NULL, scores);
  nd_restorer_free(restorer);
  nd_model_free(model);
  nd_pairs_close(pairs);
  return failed;
}

void nd_scores_free(nd_scores *s) {
  for (int i = 0; i < s->count; i++)
    g_free(s->at[i].name);
  g_free(s->at);
  *s = (nd_scores){0};
}
