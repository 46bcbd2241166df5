/* How close results come to their targets, and how natural they look where there are none. */
#include "restore/restore-private.h"

#include <string.h>

/* Where the right views are given. */
#define RIGHT "--right (in a study: right)"

static bool measures(const nd_evaluation *e, nd_metric m, bool truth) {
  return nd_metrics[m].wanted(e) && (truth || !nd_metrics[m].needs_truth);
}

/* Of a picture of p's size. Without a target there is no truth. */
static int measure(const nd_evaluation *e, const nd_pair *p, const float *rgb, double out[ND_METRICS]) {
  for (nd_metric m = 0; m < ND_METRICS; m++)
    if (measures(e, m, p->target) && nd_metrics[m].measure && nd_metrics[m].measure(e, p, rgb, out))
      return -1;
  return 0;
}

static int restore(nd_restorer *r, const nd_evaluation *e, const nd_pair *p, float *rgb, size_t *beyond) {
  return e->memory ? nd_restorer_run_within(r, e->memory, p->input, p->height, p->width, rgb, beyond)
                   : nd_restorer_run(r, p->input, p->height, p->width, rgb, NULL, NULL);
}

/* rgb: room for the picture, p->input where there is one view. */
static int measure_both(nd_restorer *r, const nd_evaluation *e, const nd_pair *p, float *rgb, nd_score *out,
                        size_t *beyond) {
  if (r && nd_net_check_views(r->net, p->channels == 6, RIGHT))
    return -1;
  if (rgb != p->input)
    nd_views_photo(p->input, (size_t)p->width * (size_t)p->height, p->channels, rgb);
  if (measure(e, p, rgb, out->input))
    return -1;
  memcpy(out->result, out->input, sizeof out->result);
  return r && (restore(r, e, p, rgb, beyond) || measure(e, p, rgb, out->result)) ? -1 : 0;
}

static int score_pair(nd_restorer *r, const nd_evaluation *e, const nd_pair *p, nd_score *out,
                      size_t *beyond) {
  size_t bytes = (size_t)p->width * (size_t)p->height * 3 * sizeof *p->input;
  float *rgb = p->channels == 3 ? p->input : nd_mem_alloc(bytes, p->name);
  int failed = !rgb || measure_both(r, e, p, rgb, out, beyond);
  if (rgb != p->input)
    nd_mem_free(rgb);
  out->name = g_strdup(p->name);
  return failed ? nd_fail_in("'%s'", p->name) : 0;
}

static int check_size(const nd_evaluation *e, const nd_pairs *pairs, size_t i) {
  int width, height;
  if (nd_pairs_size(pairs, i, &width, &height))
    return -1;
  for (nd_metric m = 0; m < ND_METRICS; m++)
    if (measures(e, m, nd_pairs_have_truth(pairs)) && nd_metrics[m].check_size &&
        nd_metrics[m].check_size(e, height, width))
      return nd_fail_in("'%s'", nd_pairs_name(pairs, i));
  return 0;
}

/* How many of the pictures are measured. */
static size_t count_of(const nd_evaluation *e, const nd_pairs *pairs) {
  size_t n = nd_pairs_count(pairs);
  return e->limit && e->limit < n ? e->limit : n;
}

int nd_evaluation_check(const nd_evaluation *e, const nd_pairs *pairs) {
  for (size_t i = 0, n = count_of(e, pairs); i < n; i++)
    if (check_size(e, pairs, i))
      return -1;
  return 0;
}

/* Where all sizes have to be right, they were looked at before. */
static int score_one(nd_restorer *r, const nd_evaluation *e, const nd_pairs *pairs, size_t i, nd_score *out,
                     size_t *beyond) {
  nd_pair pair;
  if ((e->failed && check_size(e, pairs, i)) || nd_pairs_load(pairs, i, &pair))
    return -1;
  int failed = score_pair(r, e, &pair, out, beyond);
  nd_pair_free(&pair);
  return failed;
}

/* Into the next place of `out`. */
static int score_next(nd_restorer *r, const nd_evaluation *e, const nd_pairs *pairs, size_t i,
                      nd_scores *out) {
  nd_score *one = &out->at[out->count];
  if (!score_one(r, e, pairs, i, one, &out->beyond)) {
    out->count++;
    return 0;
  }
  g_free(one->name);
  *one = (nd_score){0};
  if (!e->failed)
    return -1;
  e->failed(nd_pairs_name(pairs, i), e->context);
  return 0;
}

static void take_mean(nd_scores *s) {
  for (nd_metric m = 0; m < ND_METRICS; m++) {
    for (int i = 0; i < s->count; i++) {
      s->mean.result[m] += s->at[i].result[m];
      s->mean.input[m] += s->at[i].input[m];
    }
    s->mean.result[m] /= s->count;
    s->mean.input[m] /= s->count;
  }
}

int nd_evaluate(nd_restorer *r, const nd_evaluation *e, const nd_pairs *pairs, nd_scores *out) {
  size_t n = count_of(e, pairs);
  *out = (nd_scores){.protocol = nd_pairs_have_truth(pairs) ? e->protocol : NULL,
                     .at = g_new0(nd_score, n),
                     .total = (int)n};
  for (nd_metric m = 0; m < ND_METRICS; m++)
    out->measured[m] = measures(e, m, nd_pairs_have_truth(pairs));
  for (size_t i = 0; i < n; i++)
    if (score_next(r, e, pairs, i, out)) {
      nd_scores_free(out);
      return -1;
    }
  take_mean(out);
  return 0;
}

/* Without truth the source is photos alone. */
static int evaluate_source(nd_restorer *r, const nd_evaluation *e, const nd_pair_source *s, bool truth,
                           nd_scores *out) {
  nd_pairs *pairs;
  if (r && nd_net_check_views(r->net, s->right_dir, RIGHT))
    return nd_fail_in("'%s'", s->input_dir);
  if (truth ? nd_pairs_open(s, 0, &pairs) : nd_pairs_open_photos(s->input_dir, s->right_dir, &pairs))
    return -1;
  int failed = (!e->failed && nd_evaluation_check(e, pairs)) || nd_evaluate(r, e, pairs, out);
  nd_pairs_close(pairs);
  return failed ? -1 : 0;
}

static int evaluate_model(const char *path, const nd_evaluation *e, const nd_pair_source *s, bool truth,
                          nd_scores *out) {
  nd_model *model = NULL;
  nd_restorer *restorer = NULL;
  int failed = 0;
  if (path)
    failed = nd_model_load(path, &model) || nd_restorer_of_model(model, nd_restorer_defaults(), &restorer);
  if (!failed)
    failed = evaluate_source(restorer, e, s, truth, out);
  nd_restorer_free(restorer);
  nd_model_free(model);
  return failed ? -1 : 0;
}

int nd_evaluate_model(const char *model, const nd_evaluation *e, const nd_pair_source *source,
                      nd_scores *out) {
  return evaluate_model(model, e, source, true, out);
}

int nd_evaluate_photos(const char *model, const nd_evaluation *e, const char *set, const char *right,
                       nd_scores *out) {
  return evaluate_model(model, e, &(nd_pair_source){.input_dir = set, .right_dir = right}, false, out);
}

void nd_scores_free(nd_scores *s) {
  for (int i = 0; i < s->count; i++)
    g_free(s->at[i].name);
  g_free(s->at);
  *s = (nd_scores){0};
}
