/* How close results come to their targets. */
#include "restore/restore.h"

#include <glib.h>

static int measure(const nd_evaluation *e, const nd_pair *p, double *psnr, double *ssim, double *lpips) {
  if (nd_protocol_measure(e->protocol, p->input, p->target, p->height, p->width, psnr, ssim))
    return -1;
  return e->lpips ? nd_lpips_measure(e->lpips, p->input, p->target, p->height, p->width, lpips) : 0;
}

static int score_pair(nd_restorer *r, const nd_evaluation *e, nd_pair *p, nd_score *out) {
  out->name = g_strdup(p->name);
  if (measure(e, p, &out->psnr_input, &out->ssim_input, &out->lpips_input))
    return nd_fail_in("'%s'", p->name);
  if (r && nd_restorer_run(r, p->input, p->height, p->width, p->input, NULL, NULL))
    return nd_fail_in("'%s'", p->name);
  return measure(e, p, &out->psnr, &out->ssim, &out->lpips) ? nd_fail_in("'%s'", p->name) : 0;
}

static void add_to_mean(nd_score *mean, const nd_score *one, double n) {
  mean->psnr += one->psnr / n, mean->psnr_input += one->psnr_input / n;
  mean->ssim += one->ssim / n, mean->ssim_input += one->ssim_input / n;
  mean->lpips += one->lpips / n, mean->lpips_input += one->lpips_input / n;
}

int nd_evaluate(nd_restorer *r, const nd_evaluation *e, const nd_pairs *pairs, nd_scores *out) {
  size_t n = nd_pairs_count(pairs);
  n = e->limit && e->limit < n ? e->limit : n;
  *out = (nd_scores){.protocol = e->protocol, .at = g_new0(nd_score, n)};
  for (size_t i = 0; i < n; i++) {
    nd_pair pair;
    int failed = nd_pairs_load(pairs, i, &pair);
    if (!failed) {
      failed = score_pair(r, e, &pair, &out->at[i]);
      out->count++;
      nd_pair_free(&pair);
    }
    if (failed) {
      nd_scores_free(out);
      return -1;
    }
    add_to_mean(&out->mean, &out->at[i], (double)n);
  }
  return 0;
}

int nd_evaluate_model(const char *model_path, const nd_evaluation *e, const nd_pair_source *source,
                      nd_scores *scores) {
  nd_pairs *pairs;
  nd_model *model = NULL;
  nd_restorer *restorer = NULL;
  if (nd_pairs_open(source, 0, &pairs))
    return -1;
  int failed = 0;
  if (model_path)
    failed =
        nd_model_load(model_path, &model) || nd_restorer_of_model(model, nd_restorer_defaults(), &restorer);
  if (!failed)
    failed = nd_evaluate(restorer, e, pairs, scores);
  nd_restorer_free(restorer);
  nd_model_free(model);
  nd_pairs_close(pairs);
  return failed ? -1 : 0;
}

void nd_scores_free(nd_scores *s) {
  for (int i = 0; i < s->count; i++)
    g_free(s->at[i].name);
  g_free(s->at);
  *s = (nd_scores){0};
}
