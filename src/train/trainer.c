/* One training step: batch in, gradients, Adam. */
#include "train/trainer-private.h"
#include "weights/model.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static int build(nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  if (nd_train_networks(r, &t->restoration, &t->diffusion))
    return -1;
  int multiple = nd_net_multiple(t->restoration);
  if (t->diffusion)
    multiple = MAX(multiple, nd_net_multiple(t->diffusion));
  if (r->data.patch_size % multiple)
    return nd_recipe_fail(r, "data.patch_size", "patch_size is %d; these networks need a multiple of %d",
                          r->data.patch_size, multiple);
  t->params = nd_params_new();
  t->graph = nd_graph_new(t->params);
  nd_objective_settings s = nd_recipe_objective(r);
  nd_objective_build(t->graph, &s, t->restoration, t->diffusion, r->data.batch_size, r->data.patch_size,
                     &t->objective);
  if (nd_backward(t->graph, t->objective.loss) || nd_compile(t->graph, &t->plan))
    return -1;
  if (nd_train_state_new(t->params, &t->state))
    return -1;
  nd_plan_bind(t->plan, t->state.values, t->state.gradients);
  return 0;
}

static int initialise(nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  nd_params_init(t->params, (uint64_t)r->seed, t->state.values);
  if (*r->training.init_from && nd_trainer_init_from(t, r->training.init_from))
    return nd_recipe_fail(r, "training.init_from", "%s", nd_error());
  memcpy(t->state.ema, t->state.values, t->state.size * sizeof(float));
  t->adam = (nd_adam_settings){.learning_rate = r->training.learning_rate,
                               .beta1 = (float)r->training.beta1,
                               .beta2 = (float)r->training.beta2,
                               .epsilon = (float)r->training.eps,
                               .weight_decay = (float)r->training.weight_decay,
                               .ema = (float)r->training.ema,
                               .ema_from_step = (uint64_t)r->training.ema_from_step};
  return nd_schedule_new(nd_recipe_word(r, "schedule.kind"), r->schedule.steps, r->schedule.beta_start,
                         r->schedule.beta_end, &t->schedule);
}

int nd_trainer_new(const nd_recipe *recipe, nd_trainer **out) {
  *out = NULL;
  nd_trainer *t = g_new0(nd_trainer, 1);
  t->recipe = recipe;
  nd_set_threads(recipe->training.threads);
  if (build(t) || initialise(t)) {
    nd_trainer_free(t);
    return -1;
  }
  *out = t;
  return 0;
}

void nd_trainer_free(nd_trainer *t) {
  if (!t)
    return;
  nd_loader_close(t->loader);
  nd_plan_free(t->plan);
  nd_graph_free(t->graph);
  nd_params_free(t->params);
  nd_net_free(t->restoration);
  nd_net_free(t->diffusion);
  nd_schedule_free(t->schedule);
  nd_train_state_free(&t->state);
  g_free(t);
}

/* A prefix under which the file holds the parameters of a scope; NULL: it does not. */
static const char *prefix_in(const nd_safetensors *file, const char *scope) {
  static const char *const heads[] = {"values.", ""};
  for (size_t h = 0; h < G_N_ELEMENTS(heads); h++) {
    g_autofree char *prefix = g_strdup_printf("%s%s.", heads[h], scope);
    for (size_t i = 0; i < nd_safetensors_count(file); i++)
      if (g_str_has_prefix(nd_safetensors_at(file, i)->name, prefix))
        return g_intern_string(prefix);
  }
  return NULL;
}

static int init_from_file(nd_trainer *t, const nd_safetensors *file) {
  const char *restoration = prefix_in(file, ND_SCOPE_RESTORATION),
             *diffusion = prefix_in(file, ND_SCOPE_DIFFUSION);
  if (nd_weights_load(file, restoration ? restoration : "", t->params, ND_SCOPE_RESTORATION ".", !restoration,
                      t->state.values))
    return -1;
  if (t->diffusion && diffusion)
    return nd_weights_load(file, diffusion, t->params, ND_SCOPE_DIFFUSION ".", false, t->state.values);
  if (t->diffusion)
    nd_log(ND_LOG_INFO, "the diffusion network starts from random weights: the file to start from has none");
  return 0;
}

int nd_trainer_init_from(nd_trainer *t, const char *path) {
  nd_safetensors *file;
  if (nd_safetensors_open(path, &file))
    return -1;
  int failed = init_from_file(t, file);
  nd_safetensors_close(file);
  return failed ? nd_fail_in("'%s'", path) : 0;
}

/* ---- Data ---- */
static const char *given(const char *text) {
  return *text ? text : NULL;
}

int nd_trainer_open_data(nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  nd_loader_settings s = nd_loader_defaults();
  s.pairs.input_dir = given(r->data.input);
  s.pairs.target_dir = given(r->data.target);
  s.pairs.clean_dir = given(r->data.clean);
  if (s.pairs.clean_dir && nd_recipe_degradation(r, &s.pairs.degradation))
    return -1;
  if (r->mode != ND_RECIPE_SOURCE)
    s.real_dir = given(r->data.real);
  if (r->mode == ND_RECIPE_UNPAIRED)
    s.clean_dir = *r->data.reference  ? r->data.reference
                  : s.pairs.clean_dir ? s.pairs.clean_dir
                                      : s.pairs.target_dir;
  s.patch_size = r->data.patch_size;
  s.batch_size = r->data.batch_size;
  s.augment = r->data.augment;
  s.seed = (uint64_t)r->seed;
  s.workers = r->data.workers;
  s.cache_bytes = (size_t)r->data.cache_mb << 20;
  return nd_loader_open(&s, t->state.step, &t->loader);
}

static void put(nd_plan *plan, nd_tensor t, const float *data, size_t count) {
  if (t >= 0 && data)
    memcpy(nd_plan_tensor(plan, t), data, count * sizeof *data);
}

static void feed(nd_trainer *t, const nd_batch *b, double alpha) {
  const nd_objective *o = &t->objective;
  size_t count = (size_t)b->samples * (size_t)b->patch_size * (size_t)b->patch_size * 3;
  put(t->plan, o->synthetic, b->synthetic, count);
  put(t->plan, o->clean, b->clean, count);
  put(t->plan, o->real, b->real, count);
  put(t->plan, o->reference, b->reference, count);
  if (o->alpha >= 0)
    nd_plan_tensor(t->plan, o->alpha)[0] = (float)alpha;
}

static double read_number(const nd_trainer *t, nd_tensor x) {
  return x >= 0 ? (double)nd_plan_tensor(t->plan, x)[0] : NAN;
}

static int not_finite(const nd_trainer *t, const nd_batch *b, const nd_step_result *r) {
  g_autoptr(GString) files = g_string_new(NULL);
  for (int i = 0; i < b->samples; i++)
    g_string_append_printf(files, "%s'%s'", i ? ", " : "", b->pair_names[i]);
  return nd_fail("step %" G_GUINT64_FORMAT
                 ": the loss is %g and the gradient's norm %g; weights are kept as they were "
                 "before it. Lower training.learning_rate or set training.gradient_clip. The batch: %s",
                 t->state.step + 1, r->loss, r->gradient_norm, files->str);
}

void nd_trainer_record(nd_trainer *t, nd_profile *p) {
  t->profile = p;
  nd_plan_record(t->plan, p);
}

/* The gradient's norm, then Adam, unless something is not finite. */
static int update(nd_trainer *t, const nd_batch *batch, nd_step_result *s) {
  double bytes = (double)(t->state.size * sizeof(float)), clip = t->recipe->training.gradient_clip;
  int64_t at = nd_clock();
  s->gradient_norm = nd_gradient_norm(&t->state);
  at = nd_profile_stage(t->profile, "gradient norm", at, bytes);
  if (!isfinite(s->loss) || !isfinite(s->gradient_norm))
    return not_finite(t, batch, s);
  nd_plan_store_state(t->plan, t->state.values);
  nd_adam_step(&t->state, &t->adam, clip > 0 && s->gradient_norm > clip ? clip / s->gradient_norm : 1);
  /* Reads the gradient; reads and writes weights, two moments and the average. */
  nd_profile_stage(t->profile, "Adam and average", at, 9 * bytes);
  return 0;
}

int nd_trainer_step(nd_trainer *t, nd_step_result *out) {
  const nd_recipe *r = t->recipe;
  const nd_batch *batch;
  nd_step_result s = {0};
  int64_t at = nd_clock();
  if (nd_loader_next(t->loader, &batch, &s.wait_seconds))
    return -1;
  at = nd_profile_stage(t->profile, "wait for data", at, 0);
  uint64_t step = t->state.step, seed = (uint64_t)r->seed;
  s.alpha = nd_adapt_alpha(r->adapt.lambda, step, r->adapt.ramp ? (uint64_t)r->adapt.ramp_steps : 0);
  feed(t, batch, s.alpha);
  at = nd_profile_stage(t->profile, "copy the batch", at, 0);
  nd_objective_draw(&t->objective, t->plan, t->schedule, r->adapt.t_min, r->adapt.t_max, seed, step, 0);
  nd_profile_stage(t->profile, "draw noise and levels", at, 0);
  nd_run(t->plan, seed, step, 0);
  s.loss = read_number(t, t->objective.loss);
  s.restoration = read_number(t, t->objective.loss_restoration);
  s.diffusion = read_number(t, t->objective.loss_diffusion);
  s.positive = read_number(t, t->objective.loss_positive);
  s.negative = read_number(t, t->objective.loss_negative);
  if (update(t, batch, &s))
    return -1;
  *out = s;
  return 0;
}
