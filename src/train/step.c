/* One training step: batch in, gradients, Adam.
 *
 * The batch may be spread over processes, and in each over several passes (micro-batches). The losses are
 * means, so the gradient of the whole batch is the mean of the gradients of its parts: but for the contrast,
 * max(0, positive - negative + margin), whose slope depends on the means over the whole batch. They are known
 * once every part went forward. So in the last pass, between forward and backward, the means are taken over
 * passes and processes and put in the place of the pass's own; what follows is computed from them, the slope
 * and the reported losses alike (those that no slope depends on: added_losses.c). Earlier passes take the
 * slope of the step before; where that turns out wrong, the step is done again with the right one. The result
 * is the same in either case, to the bit. A plan in which the contrast is at rest (step_plan.c) takes the
 * slope to be zero, in all passes.
 */
#include "train/trainer-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static void put(nd_plan *plan, nd_tensor t, const float *data, int k, size_t count) {
  if (t >= 0 && data)
    memcpy(nd_plan_tensor(plan, t), data + (size_t)k * count, count * sizeof *data);
}

/* Pass k of the batch that this process has. */
static void feed(nd_trainer *t, const nd_batch *b, int k, double alpha) {
  const nd_objective *o = &t->objective;
  size_t pixels = (size_t)t->micro_batch * (size_t)b->patch_size * (size_t)b->patch_size, count = 3 * pixels,
         seen = (size_t)b->channels * pixels;
  put(t->plan, o->synthetic, b->synthetic, k, seen);
  put(t->plan, o->clean, b->clean, k, count);
  put(t->plan, o->real, b->real, k, seen);
  put(t->plan, o->reference, b->reference, k, count);
  put(t->plan, o->damage, b->damage, k, count);
  if (o->alpha >= 0)
    nd_plan_tensor(t->plan, o->alpha)[0] = (float)alpha;
}

/* What the pupil has to come to in pass k; the time then. */
static int64_t teach(nd_trainer *t, const nd_batch *b, int k, int64_t begun) {
  size_t count = (size_t)t->micro_batch * (size_t)b->patch_size * (size_t)b->patch_size * 3;
  if (!t->teacher)
    return begun;
  nd_teacher_restore(t->teacher, t->state.ema, b->real + (size_t)k * count, count,
                     nd_plan_tensor(t->plan, t->objective.taught));
  return nd_profile_stage(t->profile, "teacher", begun, 0);
}

/* ---- Losses over the whole batch ---- */
static double read_number(const nd_trainer *t, nd_tensor x, double otherwise) {
  return x >= 0 ? (double)nd_plan_tensor(t->plan, x)[0] : otherwise;
}

static void write_number(const nd_trainer *t, nd_tensor x, double value) {
  if (x >= 0)
    nd_plan_tensor(t->plan, x)[0] = (float)value;
}

static void replace_losses(const nd_trainer *t, const nd_losses *by) {
  write_number(t, t->objective.loss_restoration, by->restoration);
  write_number(t, t->objective.loss_positive, by->positive);
  write_number(t, t->objective.loss_negative, by->negative);
}

/* The mean of this step's losses over passes and processes. */
static int mean_losses(nd_trainer *t, nd_losses *out) {
  double sums[] = {t->pass.sum.restoration, t->pass.sum.positive, t->pass.sum.negative};
  double parts = (double)t->recipe->training.accumulation_steps * nd_group_size(t->group);
  int64_t at = nd_clock();
  if (nd_group_sum(t->group, sums, G_N_ELEMENTS(sums)))
    return -1;
  nd_trainer_with_others(t, at);
  *out = (nd_losses){sums[0] / parts, sums[1] / parts, sums[2] / parts};
  return 0;
}

static bool contrast_active(const nd_trainer *t, const nd_losses *l) {
  return nd_objective_contrast_active(&t->objective, (float)l->positive, (float)l->negative);
}

/* Called in every pass when the losses of its own samples are known and no gradient is. */
static bool losses_known(void *context) {
  nd_trainer *t = context;
  nd_pass *p = &t->pass;
  nd_losses mean;
  p->sum.restoration += read_number(t, t->objective.loss_restoration, 0);
  p->sum.positive += read_number(t, t->objective.loss_positive, 0);
  p->sum.negative += read_number(t, t->objective.loss_negative, 0);
  p->finite = isfinite(p->sum.restoration + p->sum.positive + p->sum.negative);
  if (++p->begun < t->recipe->training.accumulation_steps) {
    replace_losses(t, &t->last);
    return true;
  }
  if ((p->failed = mean_losses(t, &mean)))
    return false;
  replace_losses(t, &mean);
  if (!isfinite(mean.restoration + mean.positive + mean.negative))
    return true; /* the step will be skipped; the next one's slope has nothing to learn from it */
  bool active = contrast_active(t, &mean);
  p->again = t->objective.settings.negatives == ND_NEGATIVES_JUDGED
                 ? active
                 : p->begun > 1 && active != contrast_active(t, &t->last);
  t->last = mean;
  return !p->again;
}

/* The last pass goes backward only once its slope is known to be right: what it finds is final. */
static void gradient_known(int param, void *context) {
  nd_trainer *t = context;
  int64_t at = nd_clock();
  if (t->pass.begun == t->recipe->training.accumulation_steps)
    nd_reduction_gradient(t->reduction, param);
  nd_trainer_with_others(t, at);
}

static size_t state_count(const nd_params *params) {
  size_t count = 0;
  for (int i = 0; i < nd_params_length(params); i++)
    count += nd_params_at(params, i)->state ? nd_params_at(params, i)->count : 0;
  return count;
}

nd_watch nd_trainer_watch(nd_trainer *t) {
  const nd_objective *o = &t->objective;
  nd_tensor last = MAX(o->loss_restoration, MAX(o->loss_positive, o->loss_negative)); /* of the graph */
  return (nd_watch){last, losses_known, gradient_known, t};
}

int nd_trainer_prepare_step(nd_trainer *t) {
  t->reduction = nd_reduction_new(t->params, t->group, 0);
  size_t state = state_count(t->params);
  if (state && !(t->next_state = nd_mem_alloc(state * sizeof(float), "running statistics")))
    return -1;
  if (t->recipe->training.accumulation_steps > 1 &&
      !(t->accumulated = nd_mem_alloc(t->state.size * sizeof(float), "accumulated gradients")))
    return -1;
  return 0;
}

/* ---- Passes ---- */
/* The sum of the passes before the last. */
static void accumulate(nd_trainer *t, int k) {
  int64_t at = nd_clock();
  double bytes = (double)(t->state.size * sizeof(float));
  if (k == 0)
    memcpy(t->accumulated, t->state.gradients, t->state.size * sizeof(float));
  else
    nd_add_into(t->accumulated, t->state.gradients, t->state.size);
  nd_profile_stage(t->profile, "sum of passes", at, (k ? 3 : 2) * bytes);
}

static void run_pass(nd_trainer *t, const nd_batch *batch, int k, double alpha) {
  const nd_recipe *r = t->recipe;
  uint64_t seed = (uint64_t)r->seed, step = t->state.step;
  uint32_t first = (uint32_t)(nd_group_rank(t->group) * t->samples + k * t->micro_batch);
  int64_t at = nd_clock();
  feed(t, batch, k, alpha);
  at = nd_profile_stage(t->profile, "copy the batch", at, 0);
  at = teach(t, batch, k, at);
  nd_objective_draw(&t->objective, t->plan, t->schedule, nd_recipe_levels(r), seed, step, first);
  nd_profile_stage(t->profile, "draw noise and levels", at, 0);
  nd_run(t->plan, seed, step, first);
  /* The gradient of state is zero: its place carries the state itself through the mean over all passes. */
  nd_plan_store_state(t->plan, t->state.gradients);
  nd_trainer_note_added(t, alpha);
}

static void run_passes(nd_trainer *t, const nd_batch *batch, double alpha) {
  int passes = t->recipe->training.accumulation_steps;
  t->pass = (nd_pass){0};
  nd_reduction_start(t->reduction, t->state.gradients, t->accumulated);
  for (int k = 0; k < passes; k++) {
    run_pass(t, batch, k, alpha);
    if (k < passes - 1)
      accumulate(t, k);
  }
}

/* Leaves the gradient's sum over passes and processes in state.gradients. */
static int sum_gradients(nd_trainer *t, const nd_batch *batch, double alpha) {
  if (nd_trainer_choose_plan(t))
    return -1;
  run_passes(t, batch, alpha);
  if (t->pass.again) {
    if (t->objective.settings.negatives == ND_NEGATIVES_JUDGED && nd_trainer_plan(t, false))
      return -1;
    run_passes(t, batch, alpha);
  }
  int64_t at = nd_clock();
  int failed = t->pass.failed ? -1 : nd_reduction_finish(t->reduction);
  nd_trainer_with_others(t, at);
  return failed;
}

/* Counted by every step that is taken, so that it is a function of the run. */
static void count_rest(nd_trainer *t) {
  t->state.contrast_rest = contrast_active(t, &t->last) ? 0 : t->state.contrast_rest + 1;
}

/* ---- State: running statistics ---- */
/* Out of the gradients, as the mean over passes and processes. */
static void take_state(nd_trainer *t, double mean) {
  float *next = t->next_state;
  for (int i = 0; i < nd_params_length(t->params); i++) {
    const nd_param *p = nd_params_at(t->params, i);
    for (size_t j = p->offset; p->state && j < p->offset + p->count; j++) {
      *next++ = (float)((double)t->state.gradients[j] * mean);
      t->state.gradients[j] = 0;
    }
  }
}

static void keep_state(nd_trainer *t) {
  const float *next = t->next_state;
  for (int i = 0; i < nd_params_length(t->params); i++) {
    const nd_param *p = nd_params_at(t->params, i);
    if (!p->state)
      continue;
    memcpy(t->state.values + p->offset, next, p->count * sizeof *next);
    next += p->count;
  }
}

/* ---- The step ---- */
static void read_losses(const nd_trainer *t, nd_step_result *s) {
  s->loss = read_number(t, t->objective.loss, NAN);
  s->restoration = read_number(t, t->objective.loss_restoration, NAN);
  s->diffusion = read_number(t, t->objective.loss_diffusion, NAN);
  s->positive = read_number(t, t->objective.loss_positive, NAN);
  s->negative = read_number(t, t->objective.loss_negative, NAN);
}

/* The step counts, since it used up its batch and its random numbers. */
static void skip(nd_trainer *t, nd_step_result *s) {
  t->state.step++;
  t->state.skipped++;
  t->state.skipped_in_a_row++;
  s->skipped = true;
}

/* The gradient's norm, then Adam, unless something is not finite: loss and gradient are those of all
 * processes, so all decide alike. */
static void update(nd_trainer *t, nd_step_result *s) {
  double mean = 1 / ((double)t->recipe->training.accumulation_steps * nd_group_size(t->group)),
         clip = t->recipe->training.gradient_clip, bytes = (double)(t->state.size * sizeof(float));
  int64_t at = nd_clock();
  take_state(t, mean);
  s->gradient_norm = mean * nd_gradient_norm(&t->state);
  at = nd_profile_stage(t->profile, "gradient norm", at, bytes);
  if (!isfinite(s->loss) || !isfinite(s->gradient_norm))
    return skip(t, s);
  t->state.skipped_in_a_row = 0;
  count_rest(t);
  keep_state(t);
  t->adam.learning_rate = s->learning_rate;
  nd_adam_step(&t->state, &t->adam,
               clip > 0 && s->gradient_norm > clip ? mean * clip / s->gradient_norm : mean);
  /* Reads the gradient; reads and writes weights, two moments and the average. */
  nd_profile_stage(t->profile, "Adam and average", at, 9 * bytes);
}

/* None while the diffusion network learns alone. */
static double weight_of_loss(const nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  uint64_t step = t->state.step, alone = nd_trainer_steps_alone(t),
           ramp = r->adapt.ramp ? (uint64_t)r->adapt.ramp_steps : 0;
  return step < alone ? 0 : nd_adapt_alpha(r->adapt.lambda, step - alone, ramp);
}

int nd_trainer_step(nd_trainer *t, nd_step_result *out) {
  const nd_recipe *r = t->recipe;
  const nd_batch *batch;
  nd_step_result s = {0};
  int64_t at = nd_clock();
  int failed = nd_loader_next(t->loader, &batch, &s.wait_seconds);
  at = nd_profile_stage(t->profile, "wait for data", at, 0);
  if (nd_group_check(t->group, failed))
    return -1;
  nd_trainer_with_others(t, at);
  s.alpha = weight_of_loss(t);
  s.learning_rate = nd_learning_rate(r, t->state.step);
  if (sum_gradients(t, batch, s.alpha))
    return -1;
  read_losses(t, &s);
  if (nd_trainer_mean_added(t, &s))
    return -1;
  s.batch = batch;
  update(t, &s);
  s.fault = s.skipped && (!t->pass.finite || isfinite(s.loss)); /* a gradient is of all processes */
  *out = s;
  return 0;
}
