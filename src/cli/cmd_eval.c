/* noiseda eval: how close a model's results, or a folder of results, come to their targets. */
#include "cli/cli.h"
#include "restore/restore.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

static const char rounding[] = "clamped and rounded to the nearest of 8 bits";
static const char data_range[] = "0 to 255";

static void print_row(const char *name, const nd_score *one, bool model, bool lpips) {
  printf("%-40s %9.4f %8.5f", name, one->psnr, one->ssim);
  if (lpips)
    printf(" %8.5f", one->lpips);
  if (model)
    printf("  %9.4f %8.5f", one->psnr_input, one->ssim_input);
  if (model && lpips)
    printf(" %8.5f", one->lpips_input);
  printf("\n");
}

static void print_text(const nd_scores *s, bool model, const char *lpips) {
  printf("%-40s %9s %8s%s", "picture", "PSNR", "SSIM", lpips ? "    LPIPS" : "");
  printf(model ? "  %9s %8s%s\n" : "\n", "input", "SSIM", lpips ? "    LPIPS" : "");
  for (int i = 0; i < s->count; i++)
    print_row(s->at[i].name, &s->at[i], model, lpips);
  print_row("mean", &s->mean, model, lpips);
  const nd_protocol *p = s->protocol;
  printf("%d pictures, PSNR in dB; protocol %s (%s)\n", s->count, p->name, p->source);
  printf("  channels  %s\n  values    %s\n  range     %s\n  window    %s\n  border    %s\n", p->channels,
         rounding, data_range, p->window, p->border);
  if (lpips)
    printf("  LPIPS     %s, version 0.1, on R, G and B rounded to 8 bits\n", lpips);
}

static void add_figures(JsonBuilder *b, const nd_score *one, bool model, bool lpips) {
  struct {
    const char *name;
    double value;
    bool wanted;
  } figures[] = {{"psnr", one->psnr, true},
                 {"ssim", one->ssim, true},
                 {"lpips", one->lpips, lpips},
                 {"psnr_input", one->psnr_input, model},
                 {"ssim_input", one->ssim_input, model},
                 {"lpips_input", one->lpips_input, model && lpips}};
  for (size_t i = 0; i < G_N_ELEMENTS(figures); i++) {
    if (!figures[i].wanted)
      continue;
    json_builder_set_member_name(b, figures[i].name);
    json_builder_add_double_value(b, figures[i].value);
  }
}

static void add_protocol(JsonBuilder *b, const nd_protocol *p, const char *lpips) {
  const char *const texts[][2] = {{"name", p->name},          {"source", p->source},
                                  {"channels", p->channels},  {"rounding", rounding},
                                  {"data_range", data_range}, {"ssim_window", p->window},
                                  {"border", p->border},      {"lpips", lpips}};
  json_builder_set_member_name(b, "protocol");
  json_builder_begin_object(b);
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    if (!texts[i][1])
      continue;
    json_builder_set_member_name(b, texts[i][0]);
    json_builder_add_string_value(b, texts[i][1]);
  }
  json_builder_end_object(b);
}

static void print_json(const nd_scores *s, bool model, const char *lpips) {
  g_autoptr(JsonBuilder) b = json_builder_new();
  json_builder_begin_object(b);
  add_protocol(b, s->protocol, lpips);
  json_builder_set_member_name(b, "mean");
  json_builder_begin_object(b);
  add_figures(b, &s->mean, model, lpips);
  json_builder_end_object(b);
  json_builder_set_member_name(b, "pictures");
  json_builder_begin_array(b);
  for (int i = 0; i < s->count; i++) {
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "name");
    json_builder_add_string_value(b, s->at[i].name);
    add_figures(b, &s->at[i], model, lpips);
    json_builder_end_object(b);
  }
  json_builder_end_array(b);
  json_builder_end_object(b);
  g_autoptr(JsonNode) root = json_builder_get_root(b);
  g_autofree char *text = json_to_string(root, TRUE);
  printf("%s\n", text);
}

static int run(int argc, char **argv) {
  g_autofree char *model = NULL, *input = NULL, *target = NULL, *protocol = NULL, *lpips = NULL;
  gboolean json = FALSE;
  int threads = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model,
       "restore the inputs with this model (a file or a name) first", "M"},
      {"input", 'i', 0, G_OPTION_ARG_FILENAME, &input,
       "a set of degraded pictures, or of results when no model is given; or of pairs", "SET"},
      {"target", 'g', 0, G_OPTION_ARG_FILENAME, &target,
       "a set of clean pictures of the same names; none where the input holds pairs", "SET"},
      {"protocol", 'p', 0, G_OPTION_ARG_STRING, &protocol,
       "rgb: as scikit-image (default), y: as deraining papers, matlab: as SIDD", "NAME"},
      {"lpips", 0, 0, G_OPTION_ARG_FILENAME, &lpips, "measure LPIPS with these weights (docs/metrics.md)",
       "FILE"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL},
      {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads to use (default: all processors)", "N"},
      {0}};
  if (!nd_cli_parse(&argc, &argv, entries, "[--model M] --input SET [--target SET]",
                    "PSNR, SSIM and LPIPS of a model, or of a set of results, against targets. A set is a "
                    "folder, a list or a "
                    ".mat file (docs/data.md)."))
    return ND_EXIT_USAGE;
  if (!input || argc != 1)
    return nd_cli_wrong("--input SET is needed, and --target SET where the input does not hold pairs");
  const nd_protocol *chosen = protocol ? nd_protocol_find(protocol) : nd_protocol_at(0);
  if (!chosen)
    return nd_cli_wrong("%s", nd_error());
  nd_set_threads(threads);
  nd_pair_source source = {.input_dir = input, .target_dir = target};
  nd_evaluation how = {.protocol = chosen};
  nd_scores scores;
  if (lpips && nd_lpips_open(lpips, &how.lpips))
    return nd_cli_failed();
  int failed = nd_evaluate_model(model, &how, &source, &scores);
  const char *features = how.lpips ? nd_features_name(nd_lpips_kind(how.lpips)) : NULL;
  nd_lpips_free(how.lpips);
  if (failed)
    return nd_cli_failed();
  if (json)
    print_json(&scores, model != NULL, features);
  else
    print_text(&scores, model != NULL, features);
  nd_scores_free(&scores);
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_eval = {"eval", "PSNR, SSIM and LPIPS against targets", run};
