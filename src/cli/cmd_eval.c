/* noiseda eval: how close a model's results, or a folder of results, come to their targets, and how natural
 * photos look that have none. */
#include "cli/cli.h"
#include "cli/eval_report.h"
#include "cli/results.h"

typedef struct options {
  char *model, *input, *right, *target, *protocol, *lpips, *niqe_model;
  gboolean niqe, json;
} options;

static void clear(options *o) {
  g_free(o->model), g_free(o->input), g_free(o->right), g_free(o->target), g_free(o->protocol);
  g_free(o->lpips), g_free(o->niqe_model);
}

static bool truth_is_there(const options *o) {
  return o->target || nd_set_holds_pairs(o->input);
}

/* Wrong usage; NULL: none. */
static const char *mistake(const options *o) {
  if (!o->input)
    return "--input SET is needed, and --target SET where there is truth that the input does not hold";
  if (o->right && !o->model)
    return "--right is what a model takes beside --input: --model M is needed";
  if (!truth_is_there(o) && (o->protocol || o->lpips))
    return "--protocol and --lpips are about differences from clean pictures: --target SET is needed";
  return NULL;
}

static int measure(const options *o, nd_evaluation *e, nd_scores *out) {
  nd_niqe_model pristine;
  bool niqe = o->niqe || o->niqe_model || !truth_is_there(o);
  nd_niqe_standard(&pristine);
  if (o->niqe_model && nd_niqe_model_read(o->niqe_model, &pristine))
    return -1;
  if (o->lpips && nd_lpips_open(o->lpips, &e->lpips))
    return -1;
  e->niqe = niqe ? &pristine : NULL;
  if (!truth_is_there(o))
    return nd_evaluate_photos(o->model, e, o->input, o->right, out);
  nd_pair_source source = {
      .input_dir = o->input, .right_dir = o->right, .target_dir = o->target, .sizes_later = true};
  return nd_evaluate_model(o->model, e, &source, out);
}

/* At once: the others may take hours. */
static void say_failed(const char *name, void *failures) {
  g_ptr_array_add(failures, nd_eval_failure_new(name));
  nd_cli_failed();
}

/* The command's status. */
static int print(const options *o, const nd_scores *s, const nd_eval_how *how) {
  nd_cli_tally tally = {.done = (size_t)s->count, .failed = how->failures->len};
  if (o->json)
    nd_eval_print_json(s, how);
  else if (s->count)
    nd_eval_print_text(s, how);
  if (tally.failed)
    nd_cli_say_tally(&tally, "picture", "measured");
  return nd_cli_tally_status(&tally);
}

static int evaluate(const options *o, nd_evaluation *e) {
  nd_scores scores;
  g_autoptr(GPtrArray) failures = g_ptr_array_new_with_free_func(nd_eval_failure_free);
  e->failed = say_failed;
  e->context = failures;
  int failed = measure(o, e, &scores);
  nd_eval_how how = {.model = o->model,
                     .failures = failures,
                     .lpips = e->lpips ? nd_features_name(nd_lpips_kind(e->lpips)) : NULL};
  if (e->niqe)
    how.niqe = o->niqe_model ? o->niqe_model : "noiseda's own model of pristine photos (docs/metrics.md)";
  nd_lpips_free(e->lpips);
  if (failed)
    return nd_cli_failed();
  int status = print(o, &scores, &how);
  nd_scores_free(&scores);
  return status;
}

static int run_with(options *o, int argc, char **argv) {
  int threads = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model,
       "restore the inputs with this model (a file or a name) first", "M"},
      {"input", 'i', 0, G_OPTION_ARG_FILENAME, &o->input,
       "a set of degraded pictures, or of results when no model is given; or of pairs", "SET"},
      {"right", 0, 0, G_OPTION_ARG_FILENAME, &o->right,
       "for a model that takes two views of a dual-pixel sensor: the right ones; the input has the left",
       "SET"},
      {"target", 'g', 0, G_OPTION_ARG_FILENAME, &o->target,
       "a set of clean pictures of the same names; without them, unless the input holds pairs, NIQE is "
       "measured",
       "SET"},
      {"protocol", 'p', 0, G_OPTION_ARG_STRING, &o->protocol,
       "rgb: as scikit-image (default), y: as deraining papers, matlab: as SIDD", "rgb|y|matlab"},
      {"lpips", 0, 0, G_OPTION_ARG_FILENAME, &o->lpips, "measure LPIPS with these weights (docs/metrics.md)",
       "FILE"},
      {"niqe", 0, 0, G_OPTION_ARG_NONE, &o->niqe, "measure NIQE beside what is measured against targets",
       NULL},
      {"niqe-model", 0, 0, G_OPTION_ARG_FILENAME, &o->niqe_model,
       "measure NIQE from these pristine photos (docs/metrics.md)", "FILE"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &o->json, "print JSON", NULL},
      {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads to use (default: all processors)", "N"},
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "[--model M] --input SET [--target SET]",
          "PSNR, SSIM and LPIPS of a model, or of a set of results, against targets; NIQE of photos that "
          "have none. A set is a folder, a list or a .mat file (docs/data.md)."))
    return ND_EXIT_USAGE;
  if (argc != 1 || mistake(o))
    return nd_cli_wrong("%s", argc != 1 ? "--input SET and --target SET are options" : mistake(o));
  nd_evaluation e = {.protocol = o->protocol ? nd_protocol_find(o->protocol) : nd_protocol_at(0)};
  if (!e.protocol)
    return nd_cli_wrong("%s", nd_error());
  if (nd_cli_set_threads(threads))
    return nd_cli_wrong("%s", nd_error());
  return evaluate(o, &e);
}

static int run(int argc, char **argv) {
  options o = {0};
  int status = run_with(&o, argc, argv);
  clear(&o);
  return status;
}

const nd_command nd_cmd_eval = {"eval", "PSNR, SSIM, LPIPS against targets; NIQE without", run};
