/* noiseda eval: how close a model's results, or a folder of results, come to their targets. */
#include "cli/cli.h"
#include "restore/restore.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

static void print_text(const nd_scores *s, bool model) {
  printf("%-40s %9s %8s", "picture", "PSNR", "SSIM");
  printf(model ? "  %9s %8s\n" : "\n", "input", "SSIM");
  for (int i = 0; i <= s->count; i++) {
    nd_score mean = {(char *)"mean", s->psnr, s->ssim, s->psnr_input, s->ssim_input};
    const nd_score *one = i < s->count ? &s->at[i] : &mean;
    printf("%-40s %9.4f %8.5f", one->name, one->psnr, one->ssim);
    if (model)
      printf("  %9.4f %8.5f", one->psnr_input, one->ssim_input);
    printf("\n");
  }
  printf("%d pictures; RGB, 8 bits, PSNR over all values (dB), SSIM with a 7x7 uniform window\n", s->count);
}

static void add_figures(JsonBuilder *b, const nd_score *one, bool model) {
  struct {
    const char *name;
    double value;
  } figures[] = {{"psnr", one->psnr},
                 {"ssim", one->ssim},
                 {"psnr_input", one->psnr_input},
                 {"ssim_input", one->ssim_input}};
  for (int i = 0; i < (model ? 4 : 2); i++) {
    json_builder_set_member_name(b, figures[i].name);
    json_builder_add_double_value(b, figures[i].value);
  }
}

static void print_json(const nd_scores *s, bool model) {
  g_autoptr(JsonBuilder) b = json_builder_new();
  json_builder_begin_object(b);
  json_builder_set_member_name(b, "protocol");
  json_builder_add_string_value(b, "rgb, 8 bits, range 255, SSIM 7x7 uniform window");
  json_builder_set_member_name(b, "mean");
  json_builder_begin_object(b);
  add_figures(b, &(nd_score){NULL, s->psnr, s->ssim, s->psnr_input, s->ssim_input}, model);
  json_builder_end_object(b);
  json_builder_set_member_name(b, "pictures");
  json_builder_begin_array(b);
  for (int i = 0; i < s->count; i++) {
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "name");
    json_builder_add_string_value(b, s->at[i].name);
    add_figures(b, &s->at[i], model);
    json_builder_end_object(b);
  }
  json_builder_end_array(b);
  json_builder_end_object(b);
  g_autoptr(JsonNode) root = json_builder_get_root(b);
  g_autofree char *text = json_to_string(root, TRUE);
  printf("%s\n", text);
}

static int run(int argc, char **argv) {
  g_autofree char *model = NULL, *input = NULL, *target = NULL;
  gboolean json = FALSE;
  int threads = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model, "restore the inputs with this model first", "M"},
      {"input", 'i', 0, G_OPTION_ARG_FILENAME, &input, "degraded pictures, or results when no model is given",
       "DIR"},
      {"target", 'g', 0, G_OPTION_ARG_FILENAME, &target, "clean pictures of the same names", "DIR"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL},
      {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads to use (default: all processors)", "N"},
      {0}};
  if (!nd_cli_parse(&argc, &argv, entries, "[--model M] --input DIR --target DIR",
                    "PSNR and SSIM of a model, or of a folder of results, against targets."))
    return ND_EXIT_USAGE;
  if (!input || !target || argc != 1)
    return nd_cli_wrong("--input DIR and --target DIR are needed");
  nd_set_threads(threads);
  nd_pair_source source = {.input_dir = input, .target_dir = target};
  nd_scores scores;
  if (nd_evaluate_model(model, &source, &scores))
    return nd_cli_failed();
  if (json)
    print_json(&scores, model != NULL);
  else
    print_text(&scores, model != NULL);
  nd_scores_free(&scores);
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_eval = {"eval", "PSNR and SSIM against targets", run};
