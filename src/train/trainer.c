/* A training run in memory: networks, graph, buffers, data; step.c does the steps. */
#include "train/trainer-private.h"
#include "weights/model.h"

#include <glib.h>
#include <math.h>
#include <string.h>

/* Of which a patch's side has to be a multiple. */
static int multiple_of_patches(const nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  bool taken = nd_recipe_grafts(r) && r->adapt.graft_of == ND_RECIPE_TAKEN;
  int multiple = nd_net_multiple(t->restoration) * (taken ? r->adapt.graft_stride : 1);
  return t->diffusion ? MAX(multiple, nd_net_multiple(t->diffusion)) : multiple;
}

static int build(nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  if (nd_train_networks(r, &t->restoration, &t->diffusion))
    return -1;
  int multiple = multiple_of_patches(t);
  if (r->data.patch_size % multiple)
    return nd_recipe_fail(r, "data.patch_size", "data.patch_size is %d; these networks need a multiple of %d",
                          r->data.patch_size, multiple);
  t->params = nd_params_new();
  if (nd_trainer_plan(t, false) ||
      nd_teacher_new(r, t->restoration, t->params, t->micro_batch, nd_compile, &t->teacher) ||
      nd_train_state_new(t->params, &t->state))
    return -1;
  nd_trainer_bind(t);
  return nd_trainer_prepare_step(t);
}

/* Which numbers of processes divide n: "1, 2, 4". */
static char *divisors(int n) {
  GString *text = g_string_new(NULL);
  for (int i = 1; i <= n; i++)
    if (n % i == 0)
      g_string_append_printf(text, "%s%d", i > 1 ? ", " : "", i);
  return g_string_free(text, FALSE);
}

/* The part of the global batch that is this process's, and that of it which goes through the networks at
 * once. */
static int share_batch(nd_trainer *t) {
  int batch = t->recipe->data.batch_size, passes = t->recipe->training.accumulation_steps,
      processes = nd_group_size(t->group);
  if (batch % passes) {
    g_autofree char *fit = divisors(batch);
    return nd_recipe_fail(t->recipe, "training.accumulation_steps",
                          "training.accumulation_steps is %d and data.batch_size %d; %s divide it", passes,
                          batch, fit);
  }
  if (batch / passes % processes) {
    g_autofree char *fit = divisors(batch / passes);
    return nd_recipe_fail(t->recipe, "data.batch_size",
                          "a batch of %d in %s cannot be shared equally by %d processes; with %s processes "
                          "it can (data.batch_size is that of all processes together)",
                          batch, nd_count((size_t)passes, "pass").text, processes, fit);
  }
  t->samples = batch / processes;
  t->micro_batch = t->samples / passes;
  return 0;
}

int nd_trainer_begin(nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  nd_params_init(t->params, (uint64_t)r->seed, t->state.values);
  if (*r->training.init_from && nd_trainer_init_from(t, r->training.init_from))
    return nd_recipe_fail(r, "training.init_from", "%s", nd_error());
  memcpy(t->state.ema, t->state.values, t->state.size * sizeof(float));
  return 0;
}

static int initialise(nd_trainer *t) {
  const nd_recipe *r = t->recipe;
  t->adam = (nd_adam_settings){.decoupled_decay = r->training.optimizer == ND_RECIPE_ADAMW,
                               .beta1 = (float)r->training.beta1,
                               .beta2 = (float)r->training.beta2,
                               .epsilon = (float)r->training.eps,
                               .weight_decay = (float)r->training.weight_decay,
                               .ema = (float)r->training.ema,
                               .ema_from_step = (uint64_t)r->training.ema_from_step};
  return nd_recipe_schedule(r, &t->schedule);
}

int nd_trainer_share(nd_trainer *t) {
  float *buffers[] = {t->state.values, t->state.ema, t->state.moment1, t->state.moment2};
  if (nd_group_broadcast(t->group, &t->state.step, sizeof t->state.step) ||
      nd_group_broadcast(t->group, &t->state.skipped, sizeof t->state.skipped) ||
      nd_group_broadcast(t->group, &t->state.skipped_in_a_row, sizeof t->state.skipped_in_a_row) ||
      nd_group_broadcast(t->group, &t->state.contrast_rest, sizeof t->state.contrast_rest))
    return -1;
  for (size_t i = 0; i < G_N_ELEMENTS(buffers); i++)
    if (nd_group_broadcast(t->group, buffers[i], t->state.size * sizeof(float)))
      return -1;
  return 0;
}

int nd_trainer_new(const nd_recipe *recipe, nd_group *group, nd_trainer **out) {
  *out = NULL;
  nd_trainer *t = g_new0(nd_trainer, 1);
  t->recipe = recipe;
  t->group = group;
  nd_set_threads(recipe->training.threads ? recipe->training.threads : nd_group_threads(group));
  if (share_batch(t) || build(t) || initialise(t)) {
    nd_trainer_free(t);
    return -1;
  }
  *out = t;
  return 0;
}

int nd_trainer_fit(nd_recipe *recipe, nd_group *group, nd_trainer **t) {
  size_t cache_bytes;
  if (nd_recipe_check(recipe) || nd_memory_fit(recipe, group, &cache_bytes) ||
      nd_trainer_new(recipe, group, t))
    return -1;
  if (nd_group_rank(group) == 0) {
    nd_net_say_precision((*t)->restoration, recipe->training.precision == ND_RECIPE_BF16);
    nd_teacher_say_pace(recipe);
  }
  (*t)->cache_bytes = cache_bytes;
  return 0;
}

void nd_trainer_free(nd_trainer *t) {
  if (!t)
    return;
  nd_loader_close(t->loader);
  nd_teacher_free(t->teacher);
  nd_plan_free(t->plan);
  nd_graph_free(t->graph);
  nd_params_free(t->params);
  nd_net_free(t->restoration);
  nd_net_free(t->diffusion);
  nd_schedule_free(t->schedule);
  nd_train_state_free(&t->state);
  nd_mem_free(t->accumulated);
  nd_mem_free(t->next_state);
  nd_reduction_free(t->reduction);
  g_free(t->pictures_before);
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

/* from: the prefix in the file; scope: of the network. */
static int init_network(nd_trainer *t, const nd_safetensors *file, const char *from, const char *scope) {
  return nd_weights_load(file, from, t->params, scope, !*from, t->state.values) ||
                 nd_weights_check_finite(t->params, scope, t->state.values)
             ? -1
             : 0;
}

static int init_from_file(nd_trainer *t, const nd_safetensors *file) {
  const char *restoration = prefix_in(file, ND_SCOPE_RESTORATION),
             *diffusion = prefix_in(file, ND_SCOPE_DIFFUSION);
  if (init_network(t, file, restoration ? restoration : "", ND_SCOPE_RESTORATION "."))
    return -1;
  if (t->diffusion && diffusion)
    return init_network(t, file, diffusion, ND_SCOPE_DIFFUSION ".");
  if (t->diffusion)
    nd_log(ND_LOG_INFO, "the diffusion network starts from random weights: the file to start from has none");
  return 0;
}

int nd_trainer_init_from(nd_trainer *t, const char *name) {
  nd_safetensors *file;
  g_autofree char *path = NULL;
  if (nd_model_find(name, &path) || nd_weights_open(path, &file))
    return -1;
  int failed = init_from_file(t, file);
  nd_safetensors_close(file);
  return failed ? nd_fail_in("'%s'", path) : 0;
}

/* ---- Data ---- */
static const char *given(const char *text) {
  return *text ? text : NULL;
}

/* Mode unpaired: what to compare with. */
static int find_reference(const nd_recipe *r, const nd_pair_source *pairs, const char **out) {
  g_autofree char *input = NULL, *target = NULL;
  *out = *r->data.reference ? r->data.reference : pairs->clean_dir ? pairs->clean_dir : pairs->target_dir;
  if (*out)
    return 0;
  int failed = nd_set_pair_paths(pairs->input_dir, &input, &target);
  *out = g_intern_string(target); /* settings own no strings */
  return failed;
}

/* What the loader puts on clean patches, or on real ones. */
static nd_damage_settings damage_of(const nd_recipe *r) {
  static const nd_damage_of kinds[] = {[ND_RECIPE_TAKEN] = ND_DAMAGE_NONE,
                                       [ND_RECIPE_FLAT] = ND_DAMAGE_FLAT,
                                       [ND_RECIPE_PILE] = ND_DAMAGE_PILE};
  if (r->mode == ND_MODE_TEACHER)
    return (nd_damage_settings){.of = ND_DAMAGE_REAL};
  if (!nd_recipe_grafts(r))
    return (nd_damage_settings){0};
  return (nd_damage_settings){kinds[r->adapt.graft_of], r->adapt.graft_min, r->adapt.graft_max,
                              r->adapt.graft_layers};
}

/* Of all samples of a batch. */
int nd_trainer_loader_settings(const nd_recipe *r, nd_loader_settings *out) {
  nd_loader_settings s = nd_loader_defaults();
  s.pairs.input_dir = given(r->data.input);
  s.pairs.right_dir = given(r->data.right);
  s.pairs.target_dir = given(r->data.target);
  s.pairs.clean_dir = given(r->data.clean);
  if (s.pairs.clean_dir && nd_recipe_degradation(r, &s.pairs.degradation))
    return -1;
  if (r->mode != ND_MODE_SOURCE) {
    s.real_dir = given(r->data.real);
    s.real_right_dir = given(r->data.real_right);
  }
  s.real_fraction = r->data.real_fraction;
  s.damage = damage_of(r);
  if (r->mode == ND_MODE_UNPAIRED && find_reference(r, &s.pairs, &s.clean_dir))
    return -1;
  s.patch_size = r->data.patch_size;
  s.batch_size = r->data.batch_size;
  s.augment = r->data.augment;
  s.seed = (uint64_t)r->seed;
  s.workers = r->data.workers;
  *out = s;
  return 0;
}

int nd_trainer_open_data(nd_trainer *t) {
  nd_loader_settings s;
  if (nd_trainer_loader_settings(t->recipe, &s))
    return -1;
  s.sample_begin = nd_group_rank(t->group) * t->samples;
  s.sample_count = t->samples;
  s.prefetch = nd_train_prefetch(t->recipe, t->samples);
  s.cache_bytes = t->cache_bytes;
  return nd_loader_open(&s, t->state.step, &t->loader);
}
