/* noiseda import: a published checkpoint becomes a model file. */
#include "cli/cli.h"
#include "weights/model.h"

#include <stdio.h>

typedef struct order {
  const char *in, *out;
  gboolean diffusion, overwrite;
  char **settings;
} order;

/* The whole file was read and fits before anything is written. */
static int write_model(const nd_model *m, const order *o) {
  g_autofree char *source = g_path_get_basename(o->in), *name = g_utf8_make_valid(source, -1);
  nd_st_metadata extra[] = {{"noiseda.source", name},
                            {"noiseda.source_type", m->stored_as},
                            {"noiseda.source_format", m->source_format},
                            {"noiseda.recognised", m->recognised ? m->recognised : "by its metadata"}};
  return nd_model_save(o->out, m->net, m->residual, m->params, "", m->values, extra, G_N_ELEMENTS(extra));
}

static void report(const nd_model *m, const order *o) {
  g_autofree char *settings = nd_net_settings_text(m->net);
  printf("%s: %s\n", o->in, m->source_format);
  printf("%s network: %s (%s)\n", o->diffusion ? "diffusion" : "restoration", nd_net_name(m->net), settings);
  if (m->recognised)
    printf("recognised %s\n", m->recognised);
  printf("weights: %zu in %d tensors, from %s to F32\n", nd_params_count(m->params),
         nd_params_length(m->params), m->stored_as);
  if (m->left_aside)
    printf("left aside: %s\n", m->left_aside);
  printf("written: %s\n", o->out);
}

static int import_model(const order *o) {
  nd_model *m;
  if (!o->overwrite && g_file_test(o->out, G_FILE_TEST_EXISTS))
    return nd_fail("'%s' exists; --overwrite replaces it", o->out);
  if (nd_model_load_as(o->in, o->diffusion ? ND_DIFFUSION : ND_RESTORATION, (const char *const *)o->settings,
                       &m))
    return -1;
  int failed = write_model(m, o);
  if (!failed)
    report(m, o);
  nd_model_free(m);
  return failed;
}

static int run(int argc, char **argv) {
  g_autofree char *out = NULL;
  g_auto(GStrv) settings = NULL;
  order o = {0};
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &out, "the model file to write", "M.safetensors"},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &settings,
       "a setting of the network that its weights do not show; may be repeated", "NAME=VALUE"},
      {"diffusion", 0, 0, G_OPTION_ARG_NONE, &o.diffusion,
       "take the diffusion network instead of the restoration network", NULL},
      {"overwrite", 0, 0, G_OPTION_ARG_NONE, &o.overwrite, "replace a file that exists", NULL},
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "X.pth -o M.safetensors",
          "Makes a model file of a PyTorch checkpoint, or of safetensors from elsewhere. The network "
          "and its settings are recognised from the names and shapes of the weights. Nothing in the "
          "checkpoint is executed."))
    return ND_EXIT_USAGE;
  if (argc != 2 || !out)
    return nd_cli_wrong("one checkpoint and -o M.safetensors are needed");
  o.in = argv[1];
  o.out = out;
  o.settings = settings;
  return import_model(&o) ? nd_cli_failed() : ND_EXIT_DONE;
}

const nd_command nd_cmd_import = {"import", "make a model file of a PyTorch checkpoint", run};
