/* How close results come to their targets, and how natural they look where there are none. */
#include "restore/restore.h"

#include <glib.h>
#include <string.h>

typedef struct measures {
  double psnr, ssim, lpips, niqe;
} measures;

/* target NULL: there is no truth. */
static int measure(const nd_evaluation *e, const nd_pair *p, measures *m) {
  if (p->target &&
      nd_protocol_measure(e->protocol, p->input, p->target, p->height, p->width, &m->psnr, &m->ssim))
    return -1;
  if (p->target && e->lpips &&
      nd_lpips_measure(e->lpips, p->input, p->target, p->height, p->width, &m->lpips))
    return -1;
  return e->niqe ? nd_niqe_measure(e->niqe, p->input, p->height, p->width, &m->niqe) : 0;
}

static int score_pair(nd_restorer *r, const nd_evaluation *e, nd_pair *p, nd_score *out) {
  measures before = {0}, after = {0};
  out->name = g_strdup(p->name);
  if (measure(e, p, &before))
    return nd_fail_in("'%s'", p->name);
  if (r && (nd_restorer_run(r, p->input, p->height, p->width, p->input, NULL, NULL) || measure(e, p, &after)))
    return nd_fail_in("'%s'", p->name);
  if (!r)
    after = before;
  out->psnr = after.psnr, out->psnr_input = before.psnr;
  out->ssim = after.ssim, out->ssim_input = before.ssim;
  out->lpips = after.lpips, out->lpips_input = before.lpips;
  out->niqe = after.niqe, out->niqe_input = before.niqe;
  return 0;
}

static void add_to_mean(nd_score *mean, const nd_score *one, double n) {
  mean->psnr += one->psnr / n, mean->psnr_input += one->psnr_input / n;
  mean->ssim += one->ssim / n, mean->ssim_input += one->ssim_input / n;
  mean->lpips += one->lpips / n, mean->lpips_input += one->lpips_input / n;
  mean->niqe += one->niqe / n, mean->niqe_input += one->niqe_input / n;
}

/* What is evaluated: pairs, or photos. */
typedef struct work {
  const nd_pairs *pairs; /* NULL: photos */
  const nd_set *photos;
} work;

static int load_photo(const nd_set *photos, size_t i, nd_pair *out) {
  nd_image image;
  *out = (nd_pair){.name = photos->at[i].name};
  if (nd_set_load(photos, i, &image))
    return -1;
  size_t bytes = (size_t)image.width * (size_t)image.height * 3 * sizeof *out->input;
  out->width = image.width, out->height = image.height;
  out->input = nd_mem_alloc(bytes, photos->at[i].label);
  if (out->input)
    memcpy(out->input, image.data, bytes);
  nd_image_free(&image);
  return out->input ? 0 : -1;
}

static int score_one(nd_restorer *r, const nd_evaluation *e, const work *w, size_t i, nd_score *out) {
  nd_pair pair;
  if (w->pairs ? nd_pairs_load(w->pairs, i, &pair) : load_photo(w->photos, i, &pair))
    return -1;
  int failed = score_pair(r, e, &pair, out);
  nd_pair_free(&pair);
  return failed;
}

static int evaluate(nd_restorer *r, const nd_evaluation *e, const work *w, nd_scores *out) {
  size_t n = w->pairs ? nd_pairs_count(w->pairs) : w->photos->count;
  n = e->limit && e->limit < n ? e->limit : n;
  *out = (nd_scores){.protocol = w->pairs ? e->protocol : NULL, .at = g_new0(nd_score, n), .count = (int)n};
  for (size_t i = 0; i < n; i++) {
    if (score_one(r, e, w, i, &out->at[i])) {
      nd_scores_free(out);
      return -1;
    }
    add_to_mean(&out->mean, &out->at[i], (double)n);
  }
  return 0;
}

int nd_evaluate(nd_restorer *r, const nd_evaluation *e, const nd_pairs *pairs, nd_scores *out) {
  return evaluate(r, e, &(work){.pairs = pairs}, out);
}

static int evaluate_model(const char *path, const nd_evaluation *e, const work *w, nd_scores *out) {
  nd_model *model = NULL;
  nd_restorer *restorer = NULL;
  int failed = 0;
  if (path)
    failed = nd_model_load(path, &model) || nd_restorer_of_model(model, nd_restorer_defaults(), &restorer);
  if (!failed)
    failed = evaluate(restorer, e, w, out);
  nd_restorer_free(restorer);
  nd_model_free(model);
  return failed ? -1 : 0;
}

int nd_evaluate_model(const char *model, const nd_evaluation *e, const nd_pair_source *source,
                      nd_scores *out) {
  nd_pairs *pairs;
  if (nd_pairs_open(source, 0, &pairs))
    return -1;
  int failed = evaluate_model(model, e, &(work){.pairs = pairs}, out);
  nd_pairs_close(pairs);
  return failed;
}

int nd_evaluate_photos(const char *model, const nd_evaluation *e, const char *set, nd_scores *out) {
  nd_set photos;
  if (nd_set_open(set, &photos))
    return -1;
  int failed = evaluate_model(model, e, &(work){.photos = &photos}, out);
  nd_set_free(&photos);
  return failed;
}

void nd_scores_free(nd_scores *s) {
  for (int i = 0; i < s->count; i++)
    g_free(s->at[i].name);
  g_free(s->at);
  *s = (nd_scores){0};
}
