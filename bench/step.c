/* Times a whole training step (paired, shuffle and contrast, dropout 0.2, Adam over both networks, EMA) on
 * random pictures, and prints one JSON line; bench/torch_step.py does the same in PyTorch.
 *
 *   step --setting release|small --patch P --batch N [--steps K] [--threads T] [--precision fp32|bf16]
 * [--rest | --again] [--profile] [--early]
 */
#include "adapt/adapt.h"
#include "figures.h"
#include "multiplied.h"
#include "workload.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

typedef struct setting {
  const char *name, *restoration, *diffusion;
} setting;

static const setting settings[] = {
    {"release", "width=64;depth=4", "width=64;multipliers=1,2,4,8;res_blocks=2;attention_levels=16"},
    {"small", "width=32;depth=4", "width=32;multipliers=1,2,2;res_blocks=1;attention_levels="}};

typedef struct options {
  char *setting, *precision;
  int patch, batch, steps, threads;
  gboolean profile, rest, again, early;
  nd_dtype dtype;
} options;

/* When gradients are final, in milliseconds from the begin of a step on. */
typedef struct finals {
  const nd_params *params;
  gint64 begun;
  size_t done; /* weights whose gradient is */
  double first, half;
} finals;

typedef struct bench {
  nd_objective o;
  nd_plan *plan;
  nd_schedule *schedule;
  nd_train_state state;
  nd_profile *profile;
  finals finals;
} bench;

static void gradient_is_final(int param, void *context) {
  finals *f = context;
  double now = (double)(g_get_monotonic_time() - f->begun) / 1e3;
  f->first = f->done ? f->first : now;
  f->half = 2 * f->done < nd_params_count(f->params) ? now : f->half;
  f->done += nd_params_at(f->params, param)->count;
}

static void say_finals(const finals *f, double ms) {
  printf("first gradient final after %.0f %% of the step, half of them after %.0f %%\n", 100 * f->first / ms,
         100 * f->half / ms);
}

static double one_step(bench *b, const options *q, uint64_t step) {
  size_t count = (size_t)q->batch * (size_t)q->patch * (size_t)q->patch * 3;
  gint64 begun = g_get_monotonic_time();
  b->finals.begun = begun;
  b->finals.done = 0;
  nd_profile_begin(b->profile);
  nd_workload_fill(b->plan, b->o.synthetic, count, 1);
  nd_workload_fill(b->plan, b->o.clean, count, 2);
  nd_workload_fill(b->plan, b->o.real, count, 3);
  nd_plan_tensor(b->plan, b->o.alpha)[0] = 0.1f;
  nd_objective_draw(&b->o, b->plan, b->schedule, (nd_levels){1, 999, 1}, 1, step, 0);
  nd_run(b->plan, 1, step, 0);
  if (q->early)
    say_finals(&b->finals, (double)(g_get_monotonic_time() - begun) / 1e3);
  int64_t at = nd_clock();
  nd_gradient_norm(&b->state);
  nd_plan_store_state(b->plan, b->state.values);
  nd_adam_step(&b->state, &nd_workload_adam, 1);
  nd_profile_stage(b->profile, "gradient norm, Adam, average", at,
                   10.0 * (double)b->state.size * sizeof(float));
  nd_profile_end(b->profile);
  return (double)(g_get_monotonic_time() - begun) / 1e3;
}

static void measure(bench *b, const options *q, double compile_ms) {
  double *ms = g_new(double, q->steps);
  one_step(b, q, 0);
  b->profile = q->profile ? nd_profile_new() : NULL;
  nd_plan_record(b->plan, b->profile);
  for (int i = 0; i < q->steps; i++)
    ms[i] = one_step(b, q, (uint64_t)i + 1);
  nd_figures_sort(ms, q->steps);
  double median = ms[q->steps / 2];
  printf("{\"what\": \"noiseda\", \"setting\": \"%s\", \"patch\": %d, \"batch\": %d, \"precision\": \"%s\", "
         "\"threads\": %d, "
         "\"ms_median\": %.1f, "
         "\"ms_min\": %.1f, \"gflop\": %.1f, \"gflops\": %.1f, \"peak_rss_mb\": %.0f, \"arena_mb\": %.0f, "
         "\"compile_ms\": %.0f, \"gflop_done\": %.1f, \"loss\": %.6f}\n",
         q->setting, q->patch, q->batch, q->dtype == ND_BF16 ? "bf16" : "fp32", nd_threads(), median, ms[0],
         nd_plan_flops(b->plan) / 1e9, nd_plan_flops(b->plan) / 1e6 / median, nd_figures_peak(),
         (double)nd_plan_bytes(b->plan) / 1e6, compile_ms, nd_multiplied(b->plan) / 1e9,
         (double)nd_plan_tensor(b->plan, b->o.loss)[0]);
  g_free(ms);
  nd_figures_profile(b->plan, b->profile);
}

static void run(const options *q, const setting *s) {
  bench b = {0};
  nd_net *restoration = nd_workload_net("unet", ND_RESTORATION, s->restoration);
  nd_net *diffusion = nd_workload_net("guided", ND_DIFFUSION, s->diffusion);
  nd_params *params = nd_params_new();
  gint64 begun = g_get_monotonic_time();
  nd_graph *g = nd_graph_new(params);
  nd_graph_set_dtype(g, q->dtype);
  nd_graph_set_early_gradients(g, q->early);
  nd_objective_settings defaults = nd_objective_defaults();
  defaults.negatives = q->rest ? ND_NEGATIVES_JUDGED : q->again ? ND_NEGATIVES_AGAIN : ND_NEGATIVES_KEPT;
  nd_objective_build(g, &defaults, restoration, diffusion, q->batch, q->patch, &b.o);
  if (nd_backward(g, b.o.loss) || nd_compile(g, &b.plan) || nd_train_state_new(params, &b.state) ||
      nd_schedule_new("linear", 1000, 1e-6, 0.01, &b.schedule))
    g_error("%s", nd_error());
  double compile_ms = (double)(g_get_monotonic_time() - begun) / 1e3;
  nd_params_init(params, 1, b.state.values);
  nd_plan_bind(b.plan, b.state.values);
  b.state.gradients = nd_plan_gradients(b.plan);
  b.finals.params = params;
  if (q->early)
    nd_plan_set_watch(b.plan,
                      (nd_watch){.gradient = gradient_is_final, .tensor = ND_NONE, .context = &b.finals});
  measure(&b, q, compile_ms);
  nd_plan_free(b.plan);
  nd_graph_free(g);
  nd_params_free(params);
  nd_train_state_free(&b.state);
  nd_schedule_free(b.schedule);
  nd_net_free(restoration);
  nd_net_free(diffusion);
}

int main(int argc, char **argv) {
  options q = {.patch = 64, .batch = 4, .steps = 5};
  const GOptionEntry entries[] = {
      {"setting", 0, 0, G_OPTION_ARG_STRING, &q.setting, "release or small", NULL},
      {"patch", 0, 0, G_OPTION_ARG_INT, &q.patch, "patch size", NULL},
      {"batch", 0, 0, G_OPTION_ARG_INT, &q.batch, "batch size", NULL},
      {"steps", 0, 0, G_OPTION_ARG_INT, &q.steps, "timed steps", NULL},
      {"threads", 0, 0, G_OPTION_ARG_INT, &q.threads, "threads", NULL},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &q.precision, "fp32, or bf16 where the processor has it",
       NULL},
      {"rest", 0, 0, G_OPTION_ARG_NONE, &q.rest, "the contrast is at rest", NULL},
      {"again", 0, 0, G_OPTION_ARG_NONE, &q.again, "negatives are computed again", NULL},
      {"early", 0, 0, G_OPTION_ARG_NONE, &q.early,
       "gradients as early as other processes need them, and when that is", NULL},
      {"profile", 0, 0, G_OPTION_ARG_NONE, &q.profile, "print where the time goes", NULL},
      {0}};
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, NULL) || q.steps < 1 || q.patch < 8 || q.batch < 1)
    return 2;
  nd_set_threads(q.threads);
  bool bf16 = q.precision && !strcmp(q.precision, "bf16");
  q.dtype = nd_precision(bf16);
  if (bf16 && q.dtype != ND_BF16) {
    fprintf(stderr, "this processor has no bf16\n");
    return 2;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
    if (!strcmp(settings[i].name, q.setting ? q.setting : "small")) {
      q.setting = g_strdup(settings[i].name);
      run(&q, &settings[i]);
      return 0;
    }
  return 2;
}
