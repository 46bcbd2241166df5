/* noiseda import: a published checkpoint, or a model that was trained, becomes a model file to keep. */
#include "cli/cli.h"
#include "weights/model.h"

#include <stdio.h>
#include <string.h>

typedef struct order {
  const char *in, *out, *prefix; /* prefix NULL: as found */
  nd_st_type type;
  gboolean diffusion, overwrite;
  char **settings, **notes;
} order;

/* "licence=CC0" becomes noiseda.licence; notes are cut in place, keys are the caller's. */
static int read_notes(char **notes, GArray *metadata, GPtrArray *keys) {
  for (int i = 0; notes && notes[i]; i++) {
    char *value = strchr(notes[i], '=');
    if (!value || value == notes[i])
      return nd_fail("'%s' is no note; write KEY=VALUE", notes[i]);
    *value++ = 0;
    char *key = g_strconcat("noiseda.", notes[i], NULL);
    g_ptr_array_add(keys, key);
    nd_st_metadata one = {key, value};
    g_array_append_val(metadata, one);
  }
  return 0;
}

/* The whole file was read and fits before anything is written. A file that names its network keeps what else
 * it says of itself. */
static int write_model(const nd_model *m, const order *o) {
  g_autofree char *source = g_path_get_basename(o->in), *name = g_utf8_make_valid(source, -1);
  g_autoptr(GArray) metadata = g_array_new(FALSE, FALSE, sizeof(nd_st_metadata));
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
  if (read_notes(o->notes, metadata, keys))
    return -1;
  nd_st_metadata origin[] = {{"noiseda.source", name},
                             {"noiseda.source_type", m->stored_as},
                             {"noiseda.source_format", m->source_format},
                             {"noiseda.recognised", m->recognised}};
  if (m->recognised)
    g_array_append_vals(metadata, origin, G_N_ELEMENTS(origin));
  return nd_model_save_as(o->out, m, o->type, (nd_st_metadata *)(void *)metadata->data, metadata->len);
}

static void report(const nd_model *m, const order *o) {
  g_autofree char *settings = nd_net_settings_text(m->net);
  nd_cli_line("", "%s: %s", o->in, m->source_format);
  printf("%s network: %s (%s)\n", o->diffusion ? "diffusion" : "restoration", nd_net_name(m->net), settings);
  if (m->recognised)
    nd_cli_line("", "recognised %s", m->recognised);
  printf("weights: %zu in %d tensors, from %s to %s\n", nd_params_count(m->params),
         nd_params_length(m->params), m->stored_as, nd_st_type_name(o->type));
  if (m->left_aside)
    nd_cli_line("", "left aside: %s", m->left_aside);
  printf("written: %s\n", o->out);
}

static int import_model(const order *o) {
  nd_model *m;
  if (nd_cli_check_file(o->out, o->overwrite) ||
      nd_model_load_as(o->in, o->diffusion ? ND_DIFFUSION : ND_RESTORATION, (const char *const *)o->settings,
                       o->prefix, &m))
    return -1;
  int failed = write_model(m, o);
  if (!failed)
    report(m, o);
  nd_model_free(m);
  return failed;
}

static int read_type(const char *text, nd_st_type *type) {
  static const nd_st_type types[] = {ND_ST_F32, ND_ST_F16, ND_ST_BF16};
  *type = ND_ST_F32;
  for (size_t i = 0; text && i < G_N_ELEMENTS(types); i++)
    if (!g_ascii_strcasecmp(text, nd_st_type_name(types[i]))) {
      *type = types[i];
      return 0;
    }
  return text ? nd_fail("--type is '%s'; it is f32, f16 or bf16", text) : 0;
}

static int run(int argc, char **argv) {
  g_autofree char *out = NULL, *type = NULL, *prefix = NULL;
  g_auto(GStrv) settings = NULL, notes = NULL;
  order o = {0};
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &out, "the model file to write", "M.safetensors"},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &settings,
       "a setting of the network that its weights do not show; may be repeated", "NAME=VALUE"},
      {"diffusion", 0, 0, G_OPTION_ARG_NONE, &o.diffusion,
       "take the diffusion network instead of the restoration network", NULL},
      {"prefix", 0, 0, G_OPTION_ARG_STRING, &prefix,
       "take the tensors whose names begin so, and leave the others aside", "net_g."},
      {"type", 0, 0, G_OPTION_ARG_STRING, &type,
       "of the weights: f32 (default), or f16 or bf16, which take half the room", "f32|f16|bf16"},
      {"note", 0, 0, G_OPTION_ARG_STRING_ARRAY, &notes,
       "something to say of it, such as licence or figures; may be repeated", "KEY=VALUE"},
      ND_CLI_OVERWRITE(&o.overwrite),
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "X.pth -o M.safetensors",
          "Makes a model file of a PyTorch checkpoint, of safetensors from elsewhere, or of a model that "
          "was trained here. The network and its settings are recognised from the names and shapes of the "
          "weights. Nothing in the "
          "checkpoint is executed."))
    return ND_EXIT_USAGE;
  if (argc != 2 || !out)
    return nd_cli_wrong("one checkpoint and -o M.safetensors are needed");
  if (read_type(type, &o.type))
    return nd_cli_wrong("%s", nd_error());
  o.in = argv[1];
  o.out = out;
  o.prefix = prefix;
  o.settings = settings;
  o.notes = notes;
  return import_model(&o) ? nd_cli_failed() : ND_EXIT_DONE;
}

const nd_command nd_cmd_import = {"import", "make a model file of a PyTorch checkpoint", run};
