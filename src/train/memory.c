/* What a run will need in memory, known before it is taken, and the settings that make it fit. */
#include "train/trainer-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

/* The program, its libraries, a picture being read and one being validated; measured with small networks. */
enum { PROGRAM_BYTES = 96 << 20, CACHE_LEAST = 16 << 20, AHEAD_BYTES = 64 << 20 };

typedef struct need {
  size_t arena, state, batches, total; /* bytes */
} need;

/* Of one of so many processes. */
static int measure_graph(const nd_recipe *r, const nd_net *restoration, const nd_net *diffusion,
                         int processes, need *out) {
  int micro = MAX(1, r->data.batch_size / processes / r->training.accumulation_steps);
  nd_params *params = nd_params_new();
  nd_graph *graph = nd_graph_new(params);
  nd_graph_set_dtype(graph, nd_recipe_dtype(r));
  nd_graph_set_early_gradients(graph, processes > 1);
  nd_objective_settings settings = nd_recipe_objective(r);
  nd_objective objective;
  nd_objective_build(graph, &settings, restoration, diffusion, micro, r->data.patch_size, &objective);
  nd_plan *plan = NULL;
  nd_teacher *teacher = NULL;
  int failed = nd_backward(graph, objective.loss) || nd_lay_out(graph, &plan) ||
               nd_teacher_new(r, restoration, params, micro, nd_lay_out, &teacher);
  out->arena = failed ? 0 : nd_plan_bytes(plan) + nd_teacher_bytes(teacher);
  nd_teacher_free(teacher);
  nd_plan_free(plan);
  /* Weights, two moments, the average; and the gradients of earlier passes. */
  out->state = nd_params_size(params) * sizeof(float) * (r->training.accumulation_steps > 1 ? 5 : 4);
  nd_graph_free(graph);
  nd_params_free(params);
  return failed;
}

/* Pictures, and right views of those that the network sees. */
static size_t batch_bytes(const nd_recipe *r, int samples) {
  bool source = r->mode == ND_MODE_SOURCE;
  size_t kinds = source ? 2 : r->mode == ND_MODE_PAIRED ? 3 : 4, seen = source ? 1 : 2;
  return (kinds + (*r->data.right ? seen : 0)) * (size_t)samples * (size_t)r->data.patch_size *
         (size_t)r->data.patch_size * 3 * sizeof(float);
}

int nd_train_prefetch(const nd_recipe *r, int samples) {
  return (int)CLAMP(AHEAD_BYTES / batch_bytes(r, samples), 4, (size_t)nd_loader_defaults().prefetch);
}

static int measure(const nd_recipe *r, int processes, need *out) {
  nd_net *restoration, *diffusion;
  if (nd_train_networks(r, &restoration, &diffusion))
    return -1;
  int samples = r->data.batch_size / processes;
  int failed = measure_graph(r, restoration, diffusion, processes, out);
  out->batches = batch_bytes(r, samples) * (size_t)nd_train_prefetch(r, samples);
  out->total = out->arena + out->state + out->batches + PROGRAM_BYTES;
  nd_net_free(restoration);
  nd_net_free(diffusion);
  return failed;
}

/* The same where all samples at once make a tensor larger than the engine takes: all of the memory there
 * could be. -1: one sample cannot be measured either. */
static int measure_any(const nd_recipe *r, int processes, need *out) {
  nd_recipe one = *r; /* a copy of the numbers alone */
  one.training.accumulation_steps = MAX(1, r->data.batch_size / processes);
  if (!measure(r, processes, out))
    return 0;
  if (measure(&one, processes, out))
    return -1;
  out->total = SIZE_MAX;
  return 0;
}

/* The first thing to do: it costs time only while the contrast has a slope. */
static bool recompute(nd_recipe *r, int processes, size_t limit, need *n) {
  if (r->training.recompute != ND_RECIPE_RECOMPUTE_AUTO || r->mode != ND_MODE_PAIRED || !r->adapt.contrast)
    return false;
  r->training.recompute = ND_RECIPE_RECOMPUTE_YES;
  return !measure(r, processes, n) && n->total <= limit;
}

static bool divides(const nd_recipe *r, int passes, int processes) {
  return r->data.batch_size % passes == 0 && r->data.batch_size / passes % processes == 0;
}

/* Cuts the batch into the fewest passes that fit, but no fewer than now; false: none does, and it is in as
 * many as can be. */
static bool cut_batch(nd_recipe *r, int processes, size_t limit, need *n) {
  for (int k = r->training.accumulation_steps, most = r->data.batch_size / processes; k <= most; k++) {
    if (!divides(r, k, processes))
      continue;
    r->training.accumulation_steps = k;
    if (!measure(r, processes, n) && n->total <= limit)
      return true;
  }
  return false;
}

/* A patch that fits, with the batch in as many passes as can be; 0: none. */
static int smaller_patch(nd_recipe *r, int processes, size_t limit) {
  need n;
  for (int size = r->data.patch_size / 2 / 8 * 8; size >= 16; size = size / 2 / 8 * 8) {
    r->data.patch_size = size;
    if (!measure(r, processes, &n) && n.total <= limit)
      return size;
  }
  return 0;
}

/* Besides the networks', which smaller ones would need less of. */
static size_t without_networks(const need *n) {
  return n->total - n->arena - n->state;
}

/* Adds a piece of advice, printf-style, to the others. */
static void advise(GString *advice, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void advise(GString *advice, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_string_append(advice, "; ");
  g_string_append_vprintf(advice, format, args);
  va_end(args);
}

/* The budget with which trial, a recipe in as many passes as can be, fits. */
static bool advise_budget(GString *advice, const nd_recipe *trial, int processes) {
  need least;
  if (measure(trial, processes, &least))
    return false;
  size_t megabytes = (least.total + (1 << 20) - 1) >> 20;
  advise(advice, "--memory %zuM (training.memory=%zu) would do for the recipe as it is", megabytes,
         megabytes);
  return true;
}

/* Where the machine has no more. */
static void advise_less(GString *advice, const nd_recipe *trial, int processes, size_t limit) {
  need least;
  if (!measure(trial, processes, &least) && without_networks(&least) > limit)
    advise(advice, "no network trains in less than %s", nd_bytes((double)without_networks(&least)).text);
  else
    advise(advice, "smaller networks are needed");
}

/* The trial recipe is a copy of the numbers alone; its texts are the recipe's. */
static int does_not_fit(const nd_recipe *r, int processes, size_t limit, const need *n) {
  nd_recipe trial = *r;
  need then;
  recompute(&trial, processes, limit, &then);
  g_autoptr(GString) advice = g_string_new(NULL);
  bool cut = cut_batch(&trial, processes, limit, &then), budget = r->training.memory > 0;
  bool raised = budget && advise_budget(advice, &trial, processes);
  if (cut)
    advise(advice,
           "training.accumulation_steps=%d gives the same result in %s; data.batch_size=%d would fit as well",
           trial.training.accumulation_steps, nd_bytes((double)then.total).text,
           r->data.batch_size / trial.training.accumulation_steps);
  else if (smaller_patch(&trial, processes, limit))
    advise(advice, "data.patch_size=%d with training.accumulation_steps=%d would fit", trial.data.patch_size,
           trial.training.accumulation_steps);
  else if (!raised)
    advise_less(advice, &trial, processes, limit);
  if (n->total == SIZE_MAX)
    return nd_recipe_fail(r, "data.batch_size",
                          "so many samples in one pass make a tensor of too many numbers%s", advice->str);
  return nd_recipe_fail(
      r, budget ? "training.memory" : "data.batch_size",
      "this run needs about %s (%s for the networks' values and gradients, %s for weights and moments, "
      "%s for batches and the program) and %s %s%s%s",
      nd_bytes((double)n->total).text, nd_bytes((double)n->arena).text, nd_bytes((double)n->state).text,
      nd_bytes((double)without_networks(n)).text, budget ? "training.memory allows" : "there are",
      nd_bytes((double)limit).text, advice->str,
      budget ? "" : ". training.memory=MIB says how much to use instead");
}

size_t nd_train_room(const nd_recipe *r) {
  size_t all = (size_t)r->training.memory << 20;
  return all ? MAX(all, (size_t)PROGRAM_BYTES + 1) - PROGRAM_BYTES : 0;
}

/* A share of what the machine has left for each of its processes. */
static size_t limit_for(const nd_recipe *r, const nd_group *group) {
  if (r->training.memory > 0)
    return (size_t)r->training.memory << 20;
  return nd_mem_available("/") / (size_t)nd_group_neighbours(group);
}

/* Decoded pictures take what is left; more of them only make a run faster. */
static size_t share_of_cache(const nd_recipe *r, size_t limit, const need *n) {
  size_t wanted = (size_t)r->data.cache_mb << 20, left = MAX(limit - n->total, (size_t)CACHE_LEAST);
  if (wanted <= left)
    return wanted;
  nd_log(ND_LOG_INFO, "decoded pictures get %s instead of %s (data.cache_mb): there is no more memory",
         nd_bytes((double)left).text, nd_bytes((double)wanted).text);
  return left;
}

int nd_memory_fit_in(nd_recipe *r, int processes, size_t limit, size_t *cache_bytes) {
  int before = r->training.accumulation_steps, recompute_before = r->training.recompute;
  bool fits, automatic = r->training.memory > 0;
  need first, n;
  *cache_bytes = (size_t)r->data.cache_mb << 20;
  if (!limit || !divides(r, before, processes) || measure_any(r, processes, &first))
    return 0; /* nothing is known, or there is a mistake that will be found where it belongs */
  n = first;
  fits = n.total <= limit || recompute(r, processes, limit, &n) ||
         (automatic && cut_batch(r, processes, limit, &n));
  if (!fits) {
    r->training.accumulation_steps = before;
    r->training.recompute = recompute_before;
    return does_not_fit(r, processes, limit, &first);
  }
  if (r->training.recompute != recompute_before)
    nd_log(ND_LOG_INFO, "negatives are computed again instead of kept (training.recompute), so that %s do",
           nd_bytes((double)n.total).text);
  if (r->training.accumulation_steps != before)
    nd_log(ND_LOG_INFO, "training.accumulation_steps is %d, so that %s do", r->training.accumulation_steps,
           nd_bytes((double)n.total).text);
  *cache_bytes = share_of_cache(r, limit, &n);
  return 0;
}

int nd_memory_fit(nd_recipe *r, nd_group *group, size_t *cache_bytes) {
  return nd_memory_fit_in(r, nd_group_size(group), limit_for(r, group), cache_bytes);
}
