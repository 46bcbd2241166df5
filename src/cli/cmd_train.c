/* noiseda train: a recipe and photographs in, a run folder with a model out. */
#include "cli/cli.h"
#include "restore/restore.h"
#include "train/train.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void ask_to_stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static bool asked_to_stop(void *context) {
  (void)context;
  return stopping;
}

static void print_progress(const nd_train_report *r, void *context) {
  (void)context;
  g_autofree char *left = nd_cli_duration(r->seconds_left);
  printf("step %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "  loss %.5f  restoration %.5f", r->step, r->steps,
         r->loss, r->restoration);
  if (!isnan(r->diffusion))
    printf("  diffusion %.4f (positive %.4f", r->diffusion, r->positive);
  if (!isnan(r->negative))
    printf(", negative %.4f", r->negative);
  printf("%s  gradient %.3g  %.1f images/s  waiting for data %.0f %%  %s left\n",
         isnan(r->diffusion) ? "" : ")", r->gradient_norm, r->images_per_second, 100 * r->wait_share, left);
  fflush(stdout);
}

static void print_validated(uint64_t step, const nd_validation *v, void *context) {
  (void)context;
  printf("step %" G_GUINT64_FORMAT "  validation on %d pictures: PSNR %.3f dB, SSIM %.4f\n", step,
         v->pictures, v->psnr, v->ssim);
  fflush(stdout);
}

/* The validation pictures, opened once. */
typedef struct judge {
  const nd_recipe *recipe;
  nd_pairs *pairs;
} judge;

static int open_judge(judge *j, const nd_recipe *r) {
  j->recipe = r;
  if (!*r->validation.input)
    return 0;
  nd_pair_source source = {.input_dir = r->validation.input, .target_dir = r->validation.target};
  return nd_pairs_open(&source, (uint64_t)r->seed, &j->pairs) ? nd_fail_in("validation") : 0;
}

static int validate(const nd_net *net, nd_params *params, const float *values, nd_validation *out,
                    void *context) {
  const judge *j = context;
  nd_restorer_settings settings = nd_restorer_defaults();
  settings.residual = j->recipe->restoration.residual;
  nd_restorer *restorer;
  nd_scores scores;
  if (nd_restorer_new(net, params, ND_SCOPE_RESTORATION, values, settings, &restorer))
    return -1;
  int failed = nd_evaluate(restorer, j->pairs, (size_t)j->recipe->validation.pictures, NULL, NULL, &scores);
  nd_restorer_free(restorer);
  if (failed)
    return -1;
  *out = (nd_validation){scores.psnr, scores.ssim, scores.count};
  nd_scores_free(&scores);
  return 0;
}

static nd_train_hooks hooks_for(judge *j, nd_group *group) {
  return (nd_train_hooks){.context = j,
                          .group = group,
                          .progress = print_progress,
                          .validate = validate,
                          .validated = print_validated,
                          .stop = asked_to_stop};
}

static int start(const char *path, char **overrides, const char *folder, nd_group *group) {
  nd_recipe recipe;
  nd_recipe_init(&recipe);
  int failed = nd_recipe_load(&recipe, path);
  for (int i = 0; !failed && overrides && overrides[i]; i++)
    failed = nd_recipe_set(&recipe, overrides[i]);
  judge j = {0};
  if (!failed)
    failed = nd_recipe_check(&recipe) || open_judge(&j, &recipe);
  nd_train_hooks hooks = hooks_for(&j, group);
  failed = nd_group_check(group, failed);
  if (!failed)
    failed = nd_train_start(&recipe, folder, &hooks);
  nd_pairs_close(j.pairs);
  nd_recipe_clear(&recipe);
  return failed;
}

static int resume(const char *folder, char **overrides, nd_group *group) {
  nd_recipe recipe;
  judge j = {0};
  int failed = nd_train_recipe_of(folder, &recipe) || open_judge(&j, &recipe);
  nd_train_hooks hooks = hooks_for(&j, group);
  failed = nd_group_check(group, failed);
  if (!failed)
    failed = nd_train_resume(folder, (const char *const *)overrides, &hooks);
  nd_pairs_close(j.pairs);
  nd_recipe_clear(&recipe);
  return failed;
}

/* One process of a group speaks, but each tells what broke the group. */
static int finish(nd_group *group, int failed, const char *folder) {
  bool leads = nd_group_rank(group) == 0;
  if (failed && (leads || nd_group_broken(group)))
    nd_cli_failed();
  nd_group_close(group);
  if (failed)
    return ND_EXIT_FAILED;
  if (leads && stopping)
    printf("stopped and saved; 'noiseda train --resume %s' goes on\n", folder);
  else if (leads)
    printf("done: %s/model.safetensors\n", folder);
  return ND_EXIT_DONE;
}

/* The option is a key of the recipe like others: as one, it is not overruled by the recipe's. */
static void set_threads(char ***overrides, int threads) {
  guint n = *overrides ? g_strv_length(*overrides) : 0;
  *overrides = g_renew(char *, *overrides, n + 2);
  (*overrides)[n] = g_strdup_printf("training.threads=%d", threads);
  (*overrides)[n + 1] = NULL;
}

static int run(int argc, char **argv) {
  g_auto(GStrv) overrides = NULL;
  g_autofree char *folder = NULL, *resumed = NULL;
  int threads = 0;
  const GOptionEntry entries[] = {
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &overrides, "set a key over the recipe; may be repeated",
       "KEY=VALUE"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "the run folder to make", "RUN"},
      {"resume", 'r', 0, G_OPTION_ARG_FILENAME, &resumed, "continue the run in this folder", "RUN"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads to use (default: all processors)", "N"},
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "RECIPE.yaml -o RUN  |  --resume RUN",
          "Trains a restoration network as a recipe says: on synthetic pairs alone (mode: source) or adapted "
          "to unlabelled real photos (mode: paired, unpaired)."))
    return ND_EXIT_USAGE;
  if (resumed ? argc != 1 || folder : argc != 2 || !folder)
    return nd_cli_wrong(resumed ? "--resume takes the recipe and the folder of the run it continues"
                                : "one recipe and -o RUN are needed");
  signal(SIGINT, ask_to_stop);
  signal(SIGTERM, ask_to_stop);
  signal(SIGUSR1, ask_to_stop); /* which mpirun passes on to all processes */
  if (threads)
    set_threads(&overrides, threads);
  nd_group *group;
  if (nd_group_open(&group))
    return nd_cli_failed();
  if (nd_group_rank(group))
    nd_log_set_sink(NULL, NULL);
  int failed = resumed ? resume(resumed, overrides, group) : start(argv[1], overrides, folder, group);
  return finish(group, failed, resumed ? resumed : folder);
}

const nd_command nd_cmd_train = {"train", "train or adapt a restoration network", run};
