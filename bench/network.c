/* Times one network by itself on random pictures, and prints one JSON line; bench/torch_network.py does the
 * same in PyTorch. train: forward, mean squared error, backward, Adam, average; infer: forward.
 *
 *   network --network swinir [--settings "width=60;..."] --work train|infer --size S --batch N [--steps K]
 * [--threads T]
 *     [--profile]
 */
#include "figures.h"
#include "workload.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct options {
  char *network, *settings, *work;
  int size, batch, steps, threads;
  gboolean profile;
} options;

typedef struct bench {
  nd_net *net;
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_train_state state;
  nd_tensor x, level, target;
  bool trains;
  nd_profile *profile;
} bench;

static void must(int failed) {
  if (failed)
    g_error("%s", nd_error());
}

static nd_tensor forward(bench *b, const options *q, bool diffusion) {
  b->x = nd_input(b->g, "x", q->batch, q->size, q->size, diffusion ? 9 : 3);
  if (!diffusion)
    return nd_net_restore(b->g, b->net, b->x);
  b->level = nd_input(b->g, "level", q->batch, 1, 1, 1);
  return nd_net_predict_noise(b->g, b->net, b->x, b->level);
}

static void build(bench *b, const options *q) {
  bool diffusion = nd_net_from_text(q->network, ND_RESTORATION, q->settings, &b->net) != 0;
  if (diffusion)
    b->net = nd_workload_net(q->network, ND_DIFFUSION, q->settings);
  b->params = nd_params_new();
  b->g = nd_graph_new(b->params);
  nd_graph_set_training(b->g, b->trains);
  nd_tensor y = forward(b, q, diffusion);
  nd_output(b->g, "y", y);
  if (b->trains) {
    b->target = nd_input(b->g, "target", q->batch, q->size, q->size, 3);
    nd_tensor loss = nd_mse(b->g, y, b->target);
    nd_output(b->g, "loss", loss);
    must(nd_backward(b->g, loss));
  }
  must(nd_compile(b->g, &b->plan));
  must(nd_train_state_new(b->params, &b->state));
  nd_params_init(b->params, 1, b->state.values);
  nd_plan_bind(b->plan, b->state.values);
  b->state.gradients = nd_plan_gradients(b->plan);
}

/* The processor's time for all threads: what is left to compare by where other work takes turns. */
static double cpu_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

typedef struct times {
  double wall, cpu; /* ms */
} times;

static times one_step(bench *b, const options *q, uint64_t step) {
  size_t pixels = (size_t)q->batch * (size_t)q->size * (size_t)q->size;
  uint32_t channels = b->level >= 0 ? 9 : 3;
  nd_workload_fill(b->plan, b->x, pixels * channels, channels);
  if (b->trains)
    nd_workload_fill(b->plan, b->target, pixels * 3, 3);
  for (int i = 0; b->level >= 0 && i < q->batch; i++)
    nd_plan_tensor(b->plan, b->level)[i] = 0.5f;
  int64_t begun = nd_clock();
  double cpu = cpu_ms();
  nd_profile_begin(b->profile);
  nd_run(b->plan, 1, step, 0);
  if (b->trains) {
    int64_t at = nd_clock();
    nd_adam_step(&b->state, &nd_workload_adam, 1);
    nd_profile_stage(b->profile, "Adam, average", at, 9.0 * (double)b->state.size * sizeof(float));
  }
  nd_profile_end(b->profile);
  return (times){(double)(nd_clock() - begun) / 1e6, cpu_ms() - cpu};
}

static void measure(bench *b, const options *q) {
  g_autofree double *ms = g_new(double, q->steps), *cpu = g_new(double, q->steps);
  one_step(b, q, 0);
  b->profile = q->profile ? nd_profile_new() : NULL;
  nd_plan_record(b->plan, b->profile);
  for (int i = 0; i < q->steps; i++) {
    times t = one_step(b, q, (uint64_t)i + 1);
    ms[i] = t.wall;
    cpu[i] = t.cpu;
  }
  nd_figures_sort(ms, q->steps);
  nd_figures_sort(cpu, q->steps);
  printf("{\"what\": \"noiseda\", \"network\": \"%s\", \"work\": \"%s\", \"size\": %d, \"batch\": %d, "
         "\"ms_median\": %.1f, \"ms_min\": %.1f, \"cpu_ms_median\": %.1f, \"gflops\": %.1f, \"peak_rss_mb\": "
         "%.0f, \"arena_mb\": %.0f}\n",
         q->network, q->work, q->size, q->batch, ms[q->steps / 2], ms[0], cpu[q->steps / 2],
         nd_plan_flops(b->plan) / 1e6 / ms[q->steps / 2], nd_figures_peak(),
         (double)nd_plan_bytes(b->plan) / 1e6);
}

int main(int argc, char **argv) {
  options q = {.size = 64, .batch = 1, .steps = 5};
  const GOptionEntry entries[] = {
      {"network", 0, 0, G_OPTION_ARG_STRING, &q.network, "by name", NULL},
      {"settings", 0, 0, G_OPTION_ARG_STRING, &q.settings, "of the network", NULL},
      {"work", 0, 0, G_OPTION_ARG_STRING, &q.work, "train or infer", NULL},
      {"size", 0, 0, G_OPTION_ARG_INT, &q.size, "side of the pictures", NULL},
      {"batch", 0, 0, G_OPTION_ARG_INT, &q.batch, "pictures", NULL},
      {"steps", 0, 0, G_OPTION_ARG_INT, &q.steps, "timed steps", NULL},
      {"threads", 0, 0, G_OPTION_ARG_INT, &q.threads, "threads", NULL},
      {"profile", 0, 0, G_OPTION_ARG_NONE, &q.profile, "print where the time goes", NULL},
      {0}};
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, NULL) || !q.network || !q.work || q.steps < 1)
    return 2;
  bench b = {.level = ND_NONE, .trains = !strcmp(q.work, "train")};
  q.settings = q.settings ? q.settings : g_strdup("");
  nd_set_threads(q.threads);
  build(&b, &q);
  measure(&b, &q);
  nd_figures_profile(b.plan, b.profile);
  nd_plan_free(b.plan);
  nd_graph_free(b.g);
  nd_params_free(b.params);
  nd_train_state_free(&b.state);
  nd_net_free(b.net);
  return 0;
}
