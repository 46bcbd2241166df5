/* The loop around the steps: reports, validation, checkpoints, the end. */
#include "train/trainer-private.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

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
  uint64_t saved_at;
  nd_profile *profile; /* NULL: none is asked for, or it is over */
  int steps_run;       /* in this process */
} run;

static void add_result(run *r, const nd_step_result *s) {
  r->steps_in_sum++;
  r->sum.wait_seconds += s->wait_seconds;
  r->sum.alpha = s->alpha;
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

/* Before the journal knows of it: a figure there is one whose weights were kept, or did not need to be, and a
 * validation that is not there is made up for. */
static int keep_best(run *r, const nd_validation *result) {
  double figure = r->recipe->output.best_by == ND_RECIPE_SSIM ? result->ssim : result->psnr;
  if (!(figure > r->best))
    return 0;
  r->best = figure;
  return nd_checkpoint_save_model(r->t, r->folder, "best.safetensors", result);
}

static void free_crops(nd_validation *result) {
  for (int i = 0; i < result->crop_count; i++)
    nd_image_free(&result->crops[i]);
  result->crop_count = 0;
}

static int validate(run *r) {
  nd_validation result = {0};
  const float *values = r->recipe->validation.use_ema ? r->t->state.ema : r->t->state.values;
  gint64 begun = g_get_monotonic_time();
  if (r->hooks->validate(r->t->restoration, r->t->params, values, &result, r->hooks->context)) {
    free_crops(&result);
    return nd_fail_in("validation at step %" G_GUINT64_FORMAT, r->t->state.step);
  }
  r->since += g_get_monotonic_time() - begun; /* not the training's time */
  int failed = keep_best(r, &result) || nd_journal_validation(r->folder, r->t->state.step, &result);
  free_crops(&result);
  if (failed)
    return -1;
  if (r->hooks->validated)
    r->hooks->validated(r->t->state.step, &result, r->hooks->context);
  return 0;
}

/* One process of a group writes. */
static bool leads(const run *r) {
  return nd_group_rank(r->t->group) == 0;
}

/* Processes go on from the bits that were saved: on machines of different kinds their weights may have
 * drifted apart by roundings. */
static int save(run *r) {
  if (r->saved_at == r->t->state.step)
    return 0;
  r->saved_at = r->t->state.step;
  if (nd_trainer_share(r->t))
    return -1;
  int failed = leads(r) && (nd_checkpoint_save(r->t, r->folder) || nd_journal_curve(r->folder));
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
  if (nd_group_check(r->t->group, leads(r) && look_back(r)))
    return -1;
  int64_t at = nd_clock();
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

/* ---- Steps that came to nothing ---- */
/* Each process writes its part of the batch; the message is that of one to blame. */
static int give_up(run *r, const nd_step_result *s) {
  g_autofree char *name = g_strdup_printf("not-finite-%08" G_GUINT64_FORMAT, r->t->state.step);
  g_autofree char *folder = g_build_filename(r->folder, name, NULL), *files = nd_bad_batch_names(s->batch);
  if (nd_bad_batch_save(folder, s->batch, nd_group_rank(r->t->group) * r->t->samples))
    nd_log(ND_LOG_WARNING, "%s", nd_error());
  nd_fail("step %" G_GUINT64_FORMAT ": the loss is %g and the gradient's norm %g, not finite for %s in a "
          "row; weights are as before them. Lower training.learning_rate or set "
          "training.gradient_clip. The last batch is in '%s'; it is from %s",
          r->t->state.step, fabs(s->loss), fabs(s->gradient_norm),
          nd_count((size_t)r->t->state.skipped_in_a_row, "step").text, folder, files);
  return nd_group_check(r->t->group, s->fault);
}

static int check_skipped(run *r, const nd_step_result *s) {
  if (!s->skipped)
    return 0;
  if (r->t->state.skipped_in_a_row > r->recipe->training.max_skipped_steps)
    return give_up(r, s);
  nd_log(ND_LOG_WARNING, "step %" G_GUINT64_FORMAT " is skipped: the loss is %g and the gradient's norm %g",
         r->t->state.step, fabs(s->loss), fabs(s->gradient_norm)); /* "nan", never "-nan" */
  return 0;
}

/* Skipped steps with others in between never stop a run, nor do a few at once that are all there are. */
static int check_learned(const run *r) {
  uint64_t steps = r->t->state.step, skipped = r->t->state.skipped;
  if (2 * skipped <= steps)
    return 0;
  return nd_fail("%" G_GUINT64_FORMAT
                 " of %s %s skipped, their loss or gradient not being finite: the model in '%s' has learned "
                 "little, or nothing. Lower training.learning_rate or set training.gradient_clip",
                 skipped, nd_count(steps, "step").text, skipped == 1 ? "was" : "were", r->folder);
}

/* ---- The loop ---- */
static int one_step(run *r) {
  nd_step_result s;
  profile_before_step(r);
  if (nd_trainer_step(r->t, &s))
    return -1;
  add_result(r, &s);
  if (check_skipped(r, &s) || after_step(r, &s))
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
  if (saved)
    return nd_fail_and("step %" G_GUINT64_FORMAT " is saved, --resume goes on from there", step);
  if (nd_checkpoint_exists(r->folder))
    return nd_fail_and("the last checkpoint is whole, --resume goes on from there");
  return -1;
}

/* A run that ended between a step and its validation makes up for it. */
static int begin(run *r) {
  r->since = g_get_monotonic_time();
  r->best = nd_journal_best(r->folder, r->recipe->output.best_by);
  uint64_t step = r->t->state.step;
  bool missed = step && validation_due(r) && !nd_journal_has_validation(r->folder, step);
  return nd_group_check(r->t->group, leads(r) && missed && validate(r));
}

static int loop(run *r) {
  nd_checkpoint_compare_pictures(r->t, r->folder);
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
  return check_learned(r);
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

static int run_trainer(nd_trainer *t, const nd_recipe *recipe, const char *folder,
                       const nd_train_hooks *hooks) {
  run r = {.t = t, .recipe = recipe, .folder = folder, .hooks = hooks};
  if (hooks->profile_steps > 0)
    r.profile = nd_profile_new();
  int failed = agree_on_passes(t) || nd_trainer_share(t);
  r.saved_at = t->state.step ? t->state.step : UINT64_MAX;
  failed = failed || loop(&r);
  end_profile(&r);
  return failed ? -1 : 0;
}

static int check_free(const char *folder) {
  g_autofree char *recipe = g_build_filename(folder, "recipe.yaml", NULL);
  if (g_file_test(recipe, G_FILE_TEST_EXISTS))
    return nd_fail("'%s' holds a run already; continue it with --resume, or choose another folder", folder);
  if (nd_checkpoint_exists(folder))
    return nd_fail("'%s' holds checkpoints of a run, whose recipe.yaml is gone: choose another folder "
                   "(training.init_from takes weights along)",
                   folder);
  return 0;
}

static int make_folder(const char *folder, int *lock) {
  if (g_mkdir_with_parents(folder, 0777))
    return nd_fail("cannot make the run folder '%s': %s", folder, strerror(errno));
  return nd_run_lock(folder, lock) || check_free(folder) ? -1 : 0;
}

static int write_recipe(const nd_recipe *recipe, const char *folder) {
  g_autofree char *text = nd_recipe_print(recipe), *path = g_build_filename(folder, "recipe.yaml", NULL);
  return nd_file_write_atomic(path, text, strlen(text));
}

/* The trainer of a recipe that is complete, in the memory there is. */
static int make_trainer(nd_recipe *recipe, nd_group *group, nd_trainer **t) {
  size_t cache_bytes;
  if (nd_recipe_check(recipe) || nd_memory_fit(recipe, group, &cache_bytes) ||
      nd_trainer_new(recipe, group, t))
    return -1;
  if (nd_group_rank(group) == 0)
    nd_net_say_precision((*t)->restoration, recipe->training.precision == ND_RECIPE_BF16);
  (*t)->cache_bytes = cache_bytes;
  return 0;
}

/* Before anything that takes long; the folder is not made yet. */
static int check_folder(const char *folder) {
  int lock = -1;
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
    return 0;
  int failed = nd_run_lock(folder, &lock) || check_free(folder);
  nd_run_unlock(lock);
  return failed;
}

int nd_train_start(nd_recipe *recipe, const char *folder, const nd_train_hooks *hooks) {
  nd_trainer *t = NULL;
  nd_group *group = hooks->group;
  bool writes = nd_group_rank(group) == 0;
  int lock = -1;
  int failed =
      nd_group_check(group, writes && check_folder(folder)) ||
      nd_group_check(group, nd_train_fit(recipe, writes) || make_trainer(recipe, group, &t) ||
                                nd_trainer_open_data(t) || nd_trainer_begin(t)) ||
      nd_group_check(group, writes && (make_folder(folder, &lock) || write_recipe(recipe, folder))) ||
      run_trainer(t, recipe, folder, hooks);
  nd_run_unlock(lock);
  nd_trainer_free(t);
  return failed ? -1 : 0;
}

int nd_train_recipe_of(const char *folder, const char *const *overrides, nd_recipe *out) {
  nd_recipe_init(out);
  g_autofree char *path = g_build_filename(folder, "recipe.yaml", NULL);
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR) || !g_file_test(path, G_FILE_TEST_EXISTS))
    return nd_fail("'%s' holds no run: it has no recipe.yaml", folder);
  return nd_recipe_load(out, path) || nd_recipe_set_resumed(out, overrides) ? -1 : 0;
}

static int load_checkpoint(nd_trainer *t, const char *folder) {
  if (nd_checkpoint_load(t, folder))
    return -1;
  int64_t steps = t->recipe->training.steps;
  return t->state.step <= (uint64_t)steps
             ? 0
             : nd_fail("the run in '%s' has done %s, and training.steps is %" G_GINT64_FORMAT
                       ": it is beyond that already; a larger number goes on from there",
                       folder, nd_count(t->state.step, "step").text, steps);
}

/* A run that ended before its first checkpoint starts anew. */
static int load_last(nd_trainer *t, const char *folder) {
  if (nd_checkpoint_exists(folder))
    return load_checkpoint(t, folder);
  nd_log(ND_LOG_INFO, "'%s' holds no checkpoint yet; the run starts at its first step", folder);
  return nd_trainer_begin(t);
}

/* Which picture comes next follows from the step, and rank 0 alone reads it. */
static int open_data_at_last(nd_trainer *t, const char *folder, bool writes) {
  return nd_group_check(t->group, writes && load_last(t, folder)) || nd_trainer_share(t) ||
                 nd_group_check(t->group, nd_trainer_open_data(t))
             ? -1
             : 0;
}

static bool validates_alike(const nd_recipe *a, const nd_recipe *b) {
  return !strcmp(a->validation.input, b->validation.input) &&
         !strcmp(a->validation.right, b->validation.right) &&
         !strcmp(a->validation.target, b->validation.target) &&
         a->validation.pictures == b->validation.pictures;
}

/* Figures of other pictures may never be reached again, and best.safetensors is what it was. */
static void compare_validation(const nd_recipe *now, const char *folder) {
  nd_recipe then;
  if (!nd_train_recipe_of(folder, NULL, &then) && nd_journal_best(folder, now->output.best_by) > -INFINITY) {
    if (!validates_alike(now, &then))
      nd_log(
          ND_LOG_WARNING,
          "validation is on other pictures than before, whose figures do not compare, and best.safetensors "
          "changes only where one is higher than all so far; without '%s/validation.csv' it begins anew",
          folder);
    if (now->output.best_by != then.output.best_by)
      nd_log(ND_LOG_WARNING,
             "output.best_by was %s: best.safetensors is the best by that until %s is higher than in all "
             "validations so far; without '%s/validation.csv' it begins anew",
             nd_recipe_word(&then, "output.best_by"), nd_recipe_word(now, "output.best_by"), folder);
  }
  nd_recipe_clear(&then);
}

/* After all that can be wrong with a changed recipe: a run keeps the one that it works with. */
static int rewind_folder(const nd_trainer *t, const nd_recipe *recipe, const char *folder) {
  if (nd_journal_rewind(folder, t->state.step))
    return -1;
  compare_validation(recipe, folder);
  return write_recipe(recipe, folder);
}

int nd_train_resume(const char *folder, const char *const *overrides, const nd_train_hooks *hooks) {
  nd_recipe recipe;
  nd_trainer *t = NULL;
  nd_group *group = hooks->group;
  bool writes = nd_group_rank(group) == 0;
  int lock = -1;
  int failed =
      nd_group_check(group, nd_train_recipe_of(folder, overrides, &recipe) ||
                                (writes && nd_run_lock(folder, &lock)) || make_trainer(&recipe, group, &t)) ||
      open_data_at_last(t, folder, writes) ||
      nd_group_check(group, writes && rewind_folder(t, &recipe, folder)) ||
      run_trainer(t, &recipe, folder, hooks);
  nd_trainer_free(t);
  nd_run_unlock(lock);
  nd_recipe_clear(&recipe);
  return failed ? -1 : 0;
}
