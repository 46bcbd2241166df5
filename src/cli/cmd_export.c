/* noiseda export: a model for other programs, as ONNX. */
#include "cli/cli.h"
#include "weights/model.h"

#include <stdio.h>

static int export_model(const char *in, const char *out, bool overwrite) {
  nd_model *m;
  if (nd_cli_check_file(out, overwrite) || nd_model_load(in, &m))
    return -1;
  int failed = nd_model_export_onnx(out, m);
  if (!failed) {
    g_autofree char *settings = nd_net_settings_text(m->net);
    int channels = nd_net_channels(m->net);
    printf("%s (%s), %zu weights: %s\n"
           "input: float32, batch x %d x height x width, RGB from 0 to 1, any size; output: %s\n",
           nd_net_name(m->net), settings, nd_params_count(m->params), out, channels,
           channels == 3 ? "the same" : "batch x 3 x height x width");
  }
  nd_model_free(m);
  return failed;
}

static int run(int argc, char **argv) {
  g_autofree char *out = NULL;
  gboolean overwrite = FALSE;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &out, "the file to write", "M.onnx"},
      ND_CLI_OVERWRITE(&overwrite),
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "MODEL -o M.onnx",
          "Writes a restoration network with its weights for ONNX Runtime and others that read ONNX "
          "(opset 17). It takes pictures of any size."))
    return ND_EXIT_USAGE;
  if (argc != 2 || !out)
    return nd_cli_wrong("one model and -o M.onnx are needed");
  return export_model(argv[1], out, overwrite) ? nd_cli_failed() : ND_EXIT_DONE;
}

const nd_command nd_cmd_export = {"export", "write a model as ONNX, for other programs", run};
