/* noiseda data: checks sets of pictures, prepares published ones, makes blurred pairs of films. */
#include "cli/cli.h"
#include "cli/interruption.h"
#include "cli/results.h"
#include "data/check.h"
#include "data/frames.h"
#include "data/prepare.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_check(const char *path, const nd_check *c, const char *other) {
  for (char **line = c->findings; *line; line++)
    printf("%s\n", *line);
  printf("%s: %s read, %d x %d to %d x %d; %s", path, nd_count(c->pictures, "picture").text, c->least_width,
         c->least_height, c->most_width, c->most_height, nd_count(c->pairs, "pair").text);
  if (c->unpaired)
    printf(", %zu that do%s not match", c->unpaired, c->unpaired == 1 ? "es" : "");
  printf(", %zu unreadable, %zu grey, %zu smaller than 64 pixels, %zu of a scene seen before\n",
         c->unreadable, c->grey, c->small, c->repeated);
  if (other)
    printf("%s shared with %s%s\n", nd_count(c->leaked, "scene").text, other,
           c->leaked ? ": take out of one what is in both, or figures on it mean little" : "");
  if (c->unreadable_there)
    printf("%s of %s cannot be read, so not compared\n", nd_count(c->unreadable_there, "file").text, other);
}

typedef struct options {
  char *against, *out, *frames, *response;
  char **from, **only;
  int patch_size, stride, threads;
  double gamma;
  gint64 seed;
  gboolean dry_run, overwrite, skip_existing;
} options;

static void show_progress(size_t done, size_t total, void *context) {
  (void)context;
  fprintf(stderr, "\r%zu of %zu%s", done, total, done == total ? "\n" : "");
}

static int check(const char *path, const options *o) {
  nd_check result;
  if (nd_cli_set_threads(o->threads))
    return nd_cli_wrong("%s", nd_error());
  if (nd_data_check(path, o->against, isatty(STDERR_FILENO) ? show_progress : NULL, NULL, &result))
    return nd_cli_failed();
  print_check(path, &result, o->against);
  bool bad = result.unreadable || result.unreadable_there || result.unpaired || result.leaked;
  nd_check_free(&result);
  return bad ? ND_EXIT_FAILED : ND_EXIT_DONE;
}

/* ---- prepare ---- */
enum { FINDINGS_SHOWN = 20 };

static size_t print_findings(char **findings) {
  guint n = g_strv_length(findings);
  for (guint i = 0; i < MIN(n, FINDINGS_SHOWN); i++)
    fprintf(stderr, "noiseda: %s\n", findings[i]);
  if (n > FINDINGS_SHOWN)
    fprintf(stderr, "noiseda: ... and %u more\n", n - FINDINGS_SHOWN);
  return n;
}

/* "1 pair", "3 right views", "12 clean". */
static nd_count_text amount(const nd_prepared_group *g) {
  if (!strcmp(g->role, "pairs"))
    return nd_count(g->found, "pair");
  if (!strcmp(g->role, "right"))
    return nd_count(g->found, "right view");
  nd_count_text text;
  snprintf(text.text, sizeof text.text, "%zu %s", g->found, g->role);
  return text;
}

static void print_group(const nd_prepared_group *g, const options *o) {
  printf("%s: %s", g->folder, amount(g).text);
  if (!o->dry_run)
    printf("; %zu prepared (%s), %zu there already, %zu failed", g->made, nd_count(g->files, "file").text,
           g->skipped, g->failed);
  printf("\n");
}

/* What a recipe says to use it. Clean pictures of a test are its truth: who trained on them would be judged
 * by what was learned by heart. */
static void print_group_use(const nd_prepared_group *g, const char *out) {
  bool pairs = !strcmp(g->role, "pairs"), train = g_str_has_suffix(g->folder, "/train"),
       judged = !train && strcmp(g->role, "real") != 0, truth = judged && !strcmp(g->role, "clean");
  g_autofree char *path = g_build_filename(out, g->folder, pairs ? NULL : g->role, NULL);
  printf("  %s.%s: %s%s\n", judged ? "validation" : "data",
         pairs   ? "input"
         : truth ? "target"
                 : g->role,
         path, truth ? " (noiseda degrade makes its input)" : "");
}

/* Of the groups of which anything is there. */
static void print_use(const nd_prepared *all, const char *out) {
  bool said = false;
  for (size_t i = 0; i < all->count; i++) {
    if (!all->groups[i].made && !all->groups[i].skipped)
      continue;
    if (!said)
      printf("In a recipe:\n");
    said = true;
    print_group_use(&all->groups[i], out);
  }
}

static int prepare_task(nd_task task, const options *o) {
  nd_prepare_settings s = {.task = task,
                           .from = o->from,
                           .only = o->only,
                           .out = o->out,
                           .patch_size = o->patch_size,
                           .stride = o->stride ? o->stride : MAX(1, o->patch_size * 3 / 4),
                           .dry_run = o->dry_run,
                           .progress = isatty(STDERR_FILENO) ? show_progress : NULL};
  nd_prepared result;
  if (nd_cli_set_threads(o->threads))
    return nd_cli_wrong("%s", nd_error());
  if (nd_prepare(&s, &result))
    return nd_cli_failed();
  for (size_t i = 0; i < result.count; i++)
    print_group(&result.groups[i], o);
  if (!o->dry_run)
    print_use(&result, o->out);
  fflush(stdout);
  size_t findings = print_findings(result.findings);
  nd_prepared_free(&result);
  return findings ? ND_EXIT_FAILED : ND_EXIT_DONE;
}

static int prepare(const char *name, const options *o) {
  if (!o->from || (!o->out && !o->dry_run))
    return nd_cli_wrong("prepare needs --from ARCHIVE and -o DIR (or --dry-run)");
  if (o->out && nd_cli_check_folder(o->out))
    return nd_cli_wrong("%s", nd_error());
  for (int task = 0; nd_task_name(task); task++)
    if (!strcmp(name, nd_task_name(task)))
      return prepare_task((nd_task)task, o);
  return nd_cli_wrong("'%s' is no task: denoise, derain and deblur are", name);
}

/* ---- frames ---- */
static bool show_pair(const char *name, bool made, void *context) {
  (void)context;
  if (made)
    printf("%s\n", name);
  else
    nd_cli_say_existing(name);
  return !nd_cli_interrupted();
}

static void print_made(const nd_frames_made *made, const char *out) {
  if (nd_cli_interrupted() || made->skipped)
    nd_cli_say_tally(&(nd_cli_tally){.done = made->pairs, .skipped = made->skipped}, "pair", "made");
  if (!made->stopped)
    printf("%s of %s in %s; %s at %s left over\n", nd_count(made->pairs + made->skipped, "pair").text,
           nd_count(made->films, "film").text, out, nd_count(made->unused, "frame").text,
           made->films == 1 ? "its end" : "their ends");
}

/* "7-13" or "9" */
static bool read_range(const char *text, int *least, int *most) {
  char rest;
  int found = sscanf(text, "%d-%d%c", least, most, &rest);
  if (found == 1 && sscanf(text, "%d%c", least, &rest) == 1) {
    *most = *least;
    return true;
  }
  return found == 2;
}

static int find_response(const char *name) {
  for (int i = 0; nd_response_name(i); i++)
    if (!strcmp(name, nd_response_name(i)))
      return i;
  return -1;
}

static int average_frames(const char *path, const options *o) {
  nd_frames_settings s = {.from = path,
                          .out = o->out,
                          .gamma = o->gamma,
                          .seed = (uint64_t)o->seed,
                          .overwrite = o->overwrite,
                          .skip_existing = o->skip_existing,
                          .progress = show_pair};
  nd_frames_made made;
  int response = find_response(o->response ? o->response : "gamma");
  if (!o->out)
    return nd_cli_wrong("frames needs -o DIR");
  if (nd_cli_check_folder(o->out) || nd_cli_check_existing(o->overwrite, o->skip_existing))
    return nd_cli_wrong("%s", nd_error());
  if (!read_range(o->frames ? o->frames : "7-13", &s.least, &s.most))
    return nd_cli_wrong("--frames takes a number or a range such as 7-13, not '%s'", o->frames);
  if (response < 0)
    return nd_cli_wrong("'%s' is no response curve; srgb, gamma and none are", o->response);
  if (!(s.gamma >= 1 && s.gamma <= 4))
    return nd_cli_wrong("--gamma is %g; it must be between 1 and 4", s.gamma);
  s.response = (nd_response)response;
  nd_cli_listen(NULL);
  if (nd_frames_average(&s, &made)) {
    nd_cli_ends_all(o->overwrite);
    return nd_cli_failed();
  }
  print_made(&made, o->out);
  return nd_cli_tally_status(&(nd_cli_tally){0});
}

/* ---- Which options are whose ---- */
enum { CHECK = 1, PREPARE = 2, FRAMES = 4 };

static int action_named(const char *name) {
  return !strcmp(name, "check")     ? CHECK
         : !strcmp(name, "prepare") ? PREPARE
         : !strcmp(name, "frames")  ? FRAMES
                                    : 0;
}

/* What is not here is for all. */
static int actions_of(const char *option) {
  static const struct {
    const char *option;
    int actions;
  } table[] = {{"against", CHECK},       {"from", PREPARE},       {"output", PREPARE | FRAMES},
               {"dataset", PREPARE},     {"patch-size", PREPARE}, {"stride", PREPARE},
               {"dry-run", PREPARE},     {"frames", FRAMES},      {"response", FRAMES},
               {"gamma", FRAMES},        {"seed", FRAMES},        {"overwrite", FRAMES},
               {"skip-existing", FRAMES}};
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
    if (!strcmp(table[i].option, option))
      return table[i].actions;
  return CHECK | PREPARE | FRAMES;
}

static size_t size_of_value(GOptionArg arg) {
  switch (arg) {
  case G_OPTION_ARG_NONE:
  case G_OPTION_ARG_INT:
    return sizeof(gint);
  case G_OPTION_ARG_DOUBLE:
    return sizeof(gdouble);
  case G_OPTION_ARG_INT64:
    return sizeof(gint64);
  default:
    return sizeof(gpointer);
  }
}

/* An option that is passed over may be one that somebody relies on, as --dry-run. */
static int check_options(const GOptionEntry *entries, const options *o, const options *defaults,
                         const char *name) {
  int action = action_named(name);
  for (const GOptionEntry *e = entries; e->long_name && action; e++) {
    size_t at = (size_t)((const char *)e->arg_data - (const char *)o);
    bool given = memcmp(e->arg_data, (const char *)defaults + at, size_of_value(e->arg)) != 0;
    if (given && !(actions_of(e->long_name) & action))
      return nd_fail("--%s is not for '%s' (%s)", e->long_name, name, e->description);
  }
  return 0;
}

static int run_action(int argc, char **argv, const options *o) {
  if (argc == 3 && !strcmp(argv[1], "check"))
    return check(argv[2], o);
  if (argc == 3 && !strcmp(argv[1], "prepare"))
    return prepare(argv[2], o);
  if (argc == 3 && !strcmp(argv[1], "frames"))
    return average_frames(argv[2], o);
  return nd_cli_wrong(
      "'check' and one set are needed, 'prepare' and denoise, derain or deblur, or 'frames' and a folder");
}

static int run(int argc, char **argv) {
  const options defaults = {.patch_size = 512, .gamma = 2.2, .seed = 1};
  options o = defaults;
  const GOptionEntry entries[] = {
      {"against", 0, 0, G_OPTION_ARG_FILENAME, &o.against,
       "check: a test set that should share no scene with it", "SET"},
      {"from", 'f', 0, G_OPTION_ARG_FILENAME_ARRAY, &o.from,
       "prepare: a folder, archive (.zip, .tar, .tar.gz) or file as published; may be repeated", "ARCHIVE"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o.out, "prepare, frames: the folder for the result", "DIR"},
      {"dataset", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.only,
       "prepare: only this one of the sets that are found; may be repeated", "NAME"},
      {"patch-size", 0, 0, G_OPTION_ARG_INT, &o.patch_size,
       "prepare: training pictures with a longer side are cut into such patches (default 512; 0: never)",
       "N"},
      {"stride", 0, 0, G_OPTION_ARG_INT, &o.stride,
       "prepare: at most so far from patch to patch (default three quarters of the patch)", "N"},
      {"frames", 0, 0, G_OPTION_ARG_STRING, &o.frames,
       "frames: how many are averaged, drawn for each pair; odd numbers (default 7-13)", "N-M"},
      {"response", 0, 0, G_OPTION_ARG_STRING, &o.response,
       "frames: the camera's curve, undone while averaging: srgb, gamma (default) or none", "CURVE"},
      {"gamma", 0, 0, G_OPTION_ARG_DOUBLE, &o.gamma, "frames: the power of the curve gamma (default 2.2)",
       "X"},
      {"seed", 0, 0, G_OPTION_ARG_INT64, &o.seed, "frames: of the draws (default 1)", "N"},
      {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &o.dry_run, "prepare: only say what is found", NULL},
      {"overwrite", 0, 0, G_OPTION_ARG_NONE, &o.overwrite, "frames: replace files that exist", NULL},
      {"skip-existing", 0, 0, G_OPTION_ARG_NONE, &o.skip_existing, "frames: leave out what is there already",
       NULL},
      {"threads", 't', 0, G_OPTION_ARG_INT, &o.threads, "threads to use (default: all processors)", "N"},
      {0}};
  int status = ND_EXIT_USAGE;
  if (nd_cli_parse(
          &argc, &argv, entries,
          "check SET  |  prepare denoise|derain|deblur --from ARCHIVE... -o DIR  |  frames FOLDER -o DIR",
          "check reads every picture of a set (a folder, a list, a .mat file, or one that holds "
          "pairs): pairs, "
          "sizes, colour, unreadable files, near-duplicates. Status 1: unreadable files, broken "
          "pairs or shared "
          "scenes. prepare makes plain folders of sets as they are published (docs/data.md). Run "
          "again, it goes on "
          "where it was. Status 1: something could not be read, or has no partner. frames makes pairs for "
          "deblurring of films, a "
          "folder of numbered pictures each: consecutive frames averaged in linear light, and the one in "
          "their "
          "middle."))
    status = check_options(entries, &o, &defaults, argc > 1 ? argv[1] : "") ? nd_cli_wrong("%s", nd_error())
                                                                            : run_action(argc, argv, &o);
  g_free(o.against);
  g_free(o.out);
  g_free(o.frames);
  g_free(o.response);
  g_strfreev(o.from);
  g_strfreev(o.only);
  return status;
}

const nd_command nd_cmd_data = {"data", "check a set of pictures, prepare published ones, blur films", run};
