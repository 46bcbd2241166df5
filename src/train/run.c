/* The loop around the steps: reports, validation, checkpoints, the end. */
#include "train/trainer-private.h"

#include <glib.h>
#include <math.h>

typedef struct run {
  nd_trainer *t;
  const nd_recipe *recipe;
  const char *folder;
  const nd_train_hooks *hooks;
  nd_step_result sum;             /* since the last report */
  int steps_in_sum, taken_in_sum; /* with and without skipped ones */
  gint64 since;                   /* of the last report, microseconds */
  nd_runaway runaway;
  double best;
  nd_validation measured; /* the last, without its crops */
  uint64_t measured_at, saved_at;
  nd_profile *profile; /* NULL: none is asked for, or it is over */
  int steps_run;       /* in this process */
} run;

static void add_result(run *r, const nd_step_result *s) {
  r->steps_in_sum++;
  r->sum.wait_seconds += s->wait_seconds;
  r->sum.alpha = s->alpha;
  r->sum.learning_rate = s->learning_rate;
  if (s->skipped)
    return;
  r->taken_in_sum++;
  r->sum.loss += s->loss, r->sum.restoration += s->restoration, r->sum.diffusion += s->diffusion;
  r->sum.positive += s->positive, r->sum.negative += s->negative, r->sum.gradient_norm += s->gradient_norm;
}

static int report(run *r) {
  double n = r->steps_in_sum, taken = r->taken_in_sum ? r->taken_in_sum : NAN, /* "nan", never "-nan" */
      seconds = (double)(g_get_monotonic_time() - r->since) / 1e6;
  uint64_t step = r->t->state.step, steps = (uint64_t)r->recipe->training.steps;
  nd_train_report out = {.step = step,
                         .steps = steps,
                         .loss = r->sum.loss / taken,
                         .restoration = r->sum.restoration / taken,
                         .diffusion = r->sum.diffusion / taken,
                         .positive = r->sum.positive / taken,
                         .negative = r->sum.negative / taken,
                         .skipped = r->t->state.skipped,
                         .alpha = r->sum.alpha,
                         .learning_rate = r->sum.learning_rate,
                         .gradient_norm = r->sum.gradient_norm / taken,
                         .images_per_second = n * r->recipe->data.batch_size / seconds,
                         .seconds_left = (double)(steps - step) * seconds / n,
                         .wait_share = r->sum.wait_seconds / seconds};
  r->sum = (nd_step_result){0};
  r->steps_in_sum = r->taken_in_sum = 0;
  r->since = g_get_monotonic_time();
  if (r->hooks->progress)
    r->hooks->progress(&out, r->hooks->context);
  return nd_journal_report(r->folder, &out);
}

static bool due(int64_t every, uint64_t step) {
  return every > 0 && step % (uint64_t)every == 0;
}

static bool is_last(const run *r) {
  return r->t->state.step == (uint64_t)r->recipe->training.steps;
}

static bool validation_due(const run *r) {
  int64_t every = r->recipe->validation.every;
  return r->hooks->validate && *r->recipe->validation.input && every > 0 &&
         (due(every, r->t->state.step) || is_last(r));
}

static const float *validated_weights(const run *r) {
  return r->recipe->validation.use_ema ? r->t->state.ema : r->t->state.values;
}

/* Before the journal knows of it: a figure there is one whose weights were kept, or did not need to be, and a
 * validation that is not there is made up for. */
static int keep_best(run *r, const nd_validation *result) {
  double figure = r->recipe->output.best_by == ND_RECIPE_SSIM ? result->ssim : result->psnr;
  if (!(figure > r->best))
    return 0;
  r->best = figure;
  return nd_checkpoint_save_model(r->t, r->folder, "best.safetensors", validated_weights(r), result);
}

static void free_crops(nd_validation *result) {
  for (int i = 0; i < result->crop_count; i++)
    nd_image_free(&result->crops[i]);
  result->crop_count = 0;
}

/* No step runs meanwhile: what steps take is room for the pictures, where memory is limited. */
static int validate_within(run *r, const float *values, nd_validation *result) {
  nd_trainer *t = r->t;
  bool limited = nd_train_room(r->recipe) > 0;
  if (limited)
    nd_trainer_drop_plan(t);
  if (r->hooks->validate(t->restoration, t->params, values, result, r->hooks->context))
    return -1;
  return limited ? nd_trainer_plan_again(t) : 0;
}

static int validate(run *r) {
  nd_validation result = {0};
  gint64 begun = g_get_monotonic_time();
  if (validate_within(r, validated_weights(r), &result)) {
    free_crops(&result);
    return nd_fail_in("validation at step %" G_GUINT64_FORMAT, r->t->state.step);
  }
  r->since += g_get_monotonic_time() - begun; /* not the training's time */
  int failed = keep_best(r, &result) || nd_journal_validation(r->folder, r->t->state.step, &result);
  free_crops(&result);
  if (failed)
    return -1;
  r->measured = result;
  r->measured_at = r->t->state.step;
  if (r->hooks->validated)
    r->hooks->validated(r->t->state.step, &result, r->hooks->context);
  return 0;
}

/* One process of a group writes. */
static bool leads(const run *r) {
  return nd_group_rank(r->t->group) == 0;
}

/* Of the average as it is now; NULL: it was not measured. */
static const nd_validation *figures_of_average(const run *r) {
  return r->measured_at == r->t->state.step && r->recipe->validation.use_ema ? &r->measured : NULL;
}

/* Processes go on from the bits that were saved: on machines of different kinds their weights may have
 * drifted apart by roundings. */
static int save(run *r) {
  if (r->saved_at == r->t->state.step)
    return 0;
  r->saved_at = r->t->state.step;
  if (nd_trainer_share(r->t))
    return -1;
  int failed =
      leads(r) && (nd_checkpoint_save(r->t, r->folder, figures_of_average(r)) || nd_journal_curve(r->folder));
  return nd_group_check(r->t->group, failed);
}

/* What is to be reported after a step. */
static int look_back(run *r) {
  uint64_t step = r->t->state.step;
  int64_t at = nd_clock();
  if (due(r->recipe->output.log_every, step) || is_last(r)) {
    if (report(r))
      return -1;
    at = nd_profile_stage(r->t->profile, "report", at, 0);
  }
  if (validation_due(r)) {
    if (validate(r))
      return -1;
    nd_profile_stage(r->t->profile, "validation", at, 0);
  }
  return 0;
}

static int after_step(run *r, const nd_step_result *s) {
  if (leads(r) && !s->skipped)
    nd_runaway_step(&r->runaway, r->t->state.step, s->restoration);
  int failed = leads(r) && look_back(r);
  int64_t at = nd_clock();
  if (nd_group_check(r->t->group, failed))
    return -1;
  at = nd_trainer_with_others(r->t, at);
  if (due(r->recipe->output.checkpoint_every, r->t->state.step) || is_last(r)) {
    if (save(r))
      return -1;
    nd_profile_stage(r->t->profile, "checkpoint", at, 0);
  }
  return 0;
}

/* ---- The profile of a few steps ---- */
static void end_profile(run *r) {
  if (!r->profile)
    return;
  nd_trainer_record(r->t, NULL);
  gint64 begun = g_get_monotonic_time();
  r->hooks->profiled(r->profile, r->hooks->context);
  r->since += g_get_monotonic_time() - begun; /* not the training's time */
  nd_profile_free(r->profile);
  r->profile = NULL;
}

static void profile_before_step(run *r) {
  if (r->profile && r->steps_run == ND_PROFILE_WARM_UP)
    nd_trainer_record(r->t, r->profile);
  if (r->steps_run == ND_PROFILE_WARM_UP + r->hooks->profile_steps)
    end_profile(r);
  r->steps_run++;
  nd_profile_begin(r->t->profile);
}

/* ---- The loop ---- */
static int one_step(run *r) {
  nd_step_result s;
  profile_before_step(r);
  if (nd_trainer_step(r->t, &s))
    return -1;
  add_result(r, &s);
  if (nd_skipped_step(r->t, r->folder, &s) || after_step(r, &s))
    return -1;
  nd_profile_end(r->t->profile);
  return 0;
}

/* Whoever is asked to stop, all do. */
static int asked_to_stop(const run *r, bool *stop) {
  bool here = r->hooks->stop && r->hooks->stop(r->hooks->context);
  return nd_group_any(r->t->group, here, stop);
}

/* After a failure, which is nearly always that of a disk: what was learned is kept, and the message says
 * where. All processes of a group come here together, unless one is gone. */
static int keep_what_there_is(run *r) {
  g_autofree char *why = g_strdup(nd_error());
  uint64_t step = r->t->state.step;
  if (nd_group_broken(r->t->group))
    return -1;
  bool saved = step && step != r->saved_at && !save(r);
  nd_fail("%s", why);
  const char *resumed_by = r->hooks->resumed_by ? r->hooks->resumed_by : "--resume";
  if (saved)
    return nd_fail_and("step %" G_GUINT64_FORMAT " is saved, %s goes on from there", step, resumed_by);
  if (nd_checkpoint_exists(r->folder))
    return nd_fail_and("the last checkpoint is whole, %s goes on from there", resumed_by);
  return -1;
}

static int make_up_for_validation(run *r) {
  const nd_trainer *t = r->t;
  return validate(r) ||
         nd_checkpoint_save_model(t, r->folder, ND_RUN_MODEL, t->state.ema, figures_of_average(r));
}

/* A run that ended between a step and its validation makes up for it. */
static int begin(run *r) {
  r->since = g_get_monotonic_time();
  r->best = nd_journal_best(r->folder, r->recipe->output.best_by);
  uint64_t step = r->t->state.step;
  bool missed = step && validation_due(r) && !nd_journal_has_validation(r->folder, step);
  return nd_group_check(r->t->group, leads(r) && missed && make_up_for_validation(r));
}

static int loop(run *r) {
  if (begin(r))
    return -1;
  while (r->t->state.step < (uint64_t)r->recipe->training.steps) {
    bool stop;
    if (asked_to_stop(r, &stop))
      return -1;
    if (stop)
      return save(r);
    if (one_step(r))
      return keep_what_there_is(r);
  }
  return nd_skipped_most(r->t, r->folder);
}

/* Processes on machines that differ may have found different numbers of passes to fit. */
static int agree_on_passes(nd_trainer *t) {
  double passes = t->recipe->training.accumulation_steps, sum = passes;
  if (nd_group_sum(t->group, &sum, 1))
    return -1;
  return sum == passes * nd_group_size(t->group)
             ? 0
             : nd_fail("the machines of this job need different numbers of passes to keep training.memory; "
                       "set training.accumulation_steps for all of them");
}

int nd_trainer_run(nd_trainer *t, const char *folder, const nd_train_hooks *hooks) {
  run r = {.t = t, .recipe = t->recipe, .folder = folder, .hooks = hooks};
  if (hooks->profile_steps > 0)
    r.profile = nd_profile_new();
  int failed = agree_on_passes(t) || nd_trainer_share(t);
  r.measured_at = UINT64_MAX;
  r.saved_at = t->state.step ? t->state.step : UINT64_MAX;
  failed = failed || loop(&r);
  end_profile(&r);
  return failed ? -1 : 0;
}
