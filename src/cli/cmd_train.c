/* noiseda train: a recipe and photographs in, a run folder with a model out. */
#include "cli/cli.h"
#include "cli/interruption.h"
#include "study/study.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>

static bool asked_to_stop(void *context) {
  (void)context;
  return nd_cli_interrupted();
}

/* One call of the command. */
typedef struct training {
  const char *folder;                  /* NULL: the recipe says */
  const nd_recipe_override *overrides; /* one without an assignment at the end */
  nd_cli_profile profile;
  int profile_steps;
  bool profile_failed; /* its trace could not be written */
  bool complete;       /* the last step is done */
  nd_recipe recipe;
  nd_validator validator; /* its pictures are opened once */
  nd_group *group;        /* NULL: alone */
} training;

/* Source-only training has no such loss, grafts and baselines have no positives, unpaired no negatives. */
static void print_diffusion(const nd_train_report *r) {
  if (!isnan(r->diffusion))
    printf("  diffusion %.4f", r->diffusion);
  if (!isnan(r->positive))
    printf(" (positive %.4f", r->positive);
  if (!isnan(r->negative))
    printf(", negative %.4f", r->negative);
  if (!isnan(r->positive))
    putchar(')');
}

static void print_progress(const nd_train_report *r, void *context) {
  training *t = context;
  t->complete = r->step == r->steps;
  g_autofree char *left = nd_cli_duration(r->seconds_left);
  printf("step %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "  loss %.5f  restoration %.5f", r->step, r->steps,
         r->loss, r->restoration);
  print_diffusion(r);
  printf("  gradient %.3g  %.1f images/s  waiting for data %.0f %%  %s left", r->gradient_norm,
         r->images_per_second, 100 * r->wait_share, left);
  if (r->skipped)
    printf("  skipped %" G_GUINT64_FORMAT, r->skipped);
  putchar('\n');
  fflush(stdout);
}

static void print_validated(uint64_t step, const nd_validation *v, void *context) {
  (void)context;
  printf("step %" G_GUINT64_FORMAT "  validation on %s: PSNR %.3f dB, SSIM %.4f\n", step,
         nd_count((size_t)v->pictures, "picture").text, v->psnr, v->ssim);
  fflush(stdout);
}

static int validate(const nd_net *net, nd_params *params, const float *values, nd_validation *out,
                    void *context) {
  training *t = context;
  return nd_validator_run(net, params, values, out, &t->validator);
}

/* Training goes on when the trace cannot be written; the exit status tells. */
static void print_profile(nd_profile *profile, void *context) {
  training *t = context;
  if (!nd_cli_profile_print(&t->profile, profile, "step"))
    return;
  nd_cli_failed();
  t->profile_failed = true;
}

/* One process of a group speaks. */
static bool leads(const training *t) {
  return nd_group_rank(t->group) == 0;
}

static nd_train_hooks hooks_for(training *t) {
  return (nd_train_hooks){.context = t,
                          .group = t->group,
                          .progress = print_progress,
                          .validate = validate,
                          .validated = print_validated,
                          .stop = asked_to_stop,
                          .profile_steps =
                              leads(t) && nd_cli_profile_wanted(&t->profile) ? t->profile_steps : 0,
                          .profiled = print_profile};
}

static int override(training *t) {
  for (const nd_recipe_override *o = t->overrides; o->assignment; o++)
    if (nd_recipe_set(&t->recipe, o))
      return -1;
  return 0;
}

/* As it will be used, validation included. */
static int complete(training *t) {
  return nd_recipe_check(&t->recipe) || nd_validator_open(&t->recipe, &t->validator) ? -1 : 0;
}

static int find_folder(training *t, const char *path) {
  if (t->folder)
    return 0;
  if (!*t->recipe.output.folder)
    return nd_fail("where the run is to be is not said: -o RUN does, or output.folder in '%s'", path);
  t->folder = g_intern_string(t->recipe.output.folder); /* the last message needs it without the recipe */
  return 0;
}

static int start(training *t, const char *path) {
  nd_recipe_init(&t->recipe);
  int failed = nd_recipe_load(&t->recipe, path) || override(t) || complete(t) || find_folder(t, path);
  nd_train_hooks hooks = hooks_for(t);
  return nd_group_check(t->group, failed) || nd_train_start(&t->recipe, t->folder, &hooks);
}

static int resume(training *t) {
  nd_train_hooks hooks = hooks_for(t);
  int failed = nd_train_recipe_of(t->folder, t->overrides, &t->recipe) || complete(t);
  return nd_group_check(t->group, failed) || nd_train_resume(t->folder, t->overrides, &hooks);
}

/* Each process tells what broke the group. */
static int finish(training *t, int failed) {
  bool speaks = leads(t);
  nd_validator_close(&t->validator);
  nd_recipe_clear(&t->recipe);
  if (failed && (speaks || nd_group_broken(t->group)))
    nd_cli_failed();
  nd_group_close(t->group);
  if (failed)
    return ND_EXIT_FAILED;
  if (nd_cli_interrupted() && !t->complete) {
    if (speaks)
      printf("stopped and saved; 'noiseda train --resume %s' goes on\n", t->folder);
    /* As shells have it, so that what follows with && does not start; a launcher would call it a crash. */
    return t->group ? ND_EXIT_DONE : 128 + nd_cli_interrupted();
  }
  if (speaks)
    printf("done: %s/model.safetensors\n", t->folder);
  return t->profile_failed ? ND_EXIT_FAILED : ND_EXIT_DONE;
}

/* 0 and an error when it is no amount, or less than a megabyte. */
static int megabytes_of(const char *text) {
  size_t bytes = nd_cli_bytes(text);
  if (bytes && bytes < 1 << 20)
    nd_fail("--memory: '%s' is too little to train in", text);
  return (int)MIN(bytes >> 20, 1u << 30);
}

static void add_override(GArray *overrides, const char *where, const char *assignment) {
  g_array_append_val(overrides, ((nd_recipe_override){assignment, where}));
}

/* An option that is a key of the recipe like others: as one, it is not overruled by the recipe's. 0: not
 * given. */
static void add_option(GArray *overrides, const char *option, const char *key, int value) {
  g_autofree char *assignment = g_strdup_printf("%s=%d", key, value);
  if (value)
    add_override(overrides, option, g_intern_string(assignment));
}

static GArray *all_overrides(char **set, int threads, int megabytes) {
  GArray *all = g_array_new(TRUE, FALSE, sizeof(nd_recipe_override));
  for (int i = 0; set && set[i]; i++)
    add_override(all, "--set", set[i]);
  add_option(all, "--threads", "training.threads", threads);
  add_option(all, "--memory", "training.memory", megabytes);
  return all;
}

static int run(int argc, char **argv) {
  g_auto(GStrv) set = NULL;
  g_autofree char *folder = NULL, *resumed = NULL, *trace = NULL, *memory = NULL;
  training t = {.profile_steps = 10};
  int threads = 0, megabytes = 0;
  const GOptionEntry entries[] = {
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &set, "set a key over the recipe; may be repeated",
       "KEY=VALUE"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "the run folder to make", "RUN"},
      {"resume", 'r', 0, G_OPTION_ARG_FILENAME, &resumed, "continue the run in this folder", "RUN"},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &memory,
       "to train in; the batch goes in as many passes as that takes (default: what is there)", "BYTES"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads to use (default: all processors)", "N"},
      ND_CLI_PROFILE_ENTRIES(&t.profile.table, &trace),
      {"profile-steps", 0, 0, G_OPTION_ARG_INT, &t.profile_steps,
       "how many steps to profile, after three others (default 10); training then goes on", "N"},
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "RECIPE.yaml -o RUN  |  --resume RUN",
          "Trains a restoration network as a recipe says: on synthetic pairs alone (mode: source) or adapted "
          "to unlabelled real photos (mode: paired, unpaired)."))
    return ND_EXIT_USAGE;
  if (resumed ? argc != 1 || folder : argc != 2)
    return nd_cli_wrong(resumed ? "--resume takes the recipe and the folder of the run it continues"
                                : "one recipe and -o RUN are needed");
  if (folder && nd_cli_check_folder(folder))
    return nd_cli_wrong("%s", nd_error());
  if (memory && !(megabytes = megabytes_of(memory)))
    return nd_cli_wrong("%s", nd_error());
  if (nd_cli_set_threads(threads))
    return nd_cli_wrong("%s", nd_error());
  if (t.profile_steps < 1)
    return nd_cli_wrong("--profile-steps is at least 1");
  nd_cli_listen("noiseda: finishing this step and saving; once more leaves at once\n");
  signal(SIGPIPE, SIG_IGN); /* a reader of our output that goes away is no reason to stop */
  g_autoptr(GArray) overrides = all_overrides(set, threads, megabytes);
  t.folder = resumed ? resumed : folder;
  t.overrides = (const nd_recipe_override *)(void *)overrides->data;
  t.profile.trace = trace;
  if (nd_group_open(&t.group))
    return nd_cli_failed();
  if (t.group)
    nd_cli_expect_repeats();
  if (!leads(&t))
    nd_log_set_sink(NULL, NULL);
  return finish(&t, resumed ? resume(&t) : start(&t, argv[1]));
}

const nd_command nd_cmd_train = {"train", "train or adapt a restoration network", run};
