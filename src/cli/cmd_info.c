/* noiseda info: what a model file or a checkpoint holds. */
#include "cli/cli.h"
#include "cli/info-private.h"
#include "train/train.h"
#include "weights/model.h"

#include <stdio.h>
#include <string.h>

enum { LARGEST_SIDE = 20000 }; /* that --size takes */

typedef struct question {
  int height, width;
  gboolean plan, json;
} question;

/* ---- A network and its cost ---- */

static nd_tensor build(nd_graph *g, const nd_net *net, int h, int w) {
  if (nd_net_role(net) == ND_RESTORATION)
    return nd_net_restore(g, net, nd_input(g, "x", 1, h, w, nd_net_channels(net)));
  nd_tensor x = nd_input(g, "x", 1, h, w, 9);
  return nd_net_predict_noise(g, net, x, nd_input(g, "level", 1, 1, 1, 1));
}

/* Laid out for one size, not run. */
static int measure(nd_params *params, const char *scope, const question *q, nd_info_network *n) {
  nd_graph *g = nd_graph_new(params);
  nd_graph_set_training(g, false);
  if (*scope)
    nd_scope_push(g, "%s", scope);
  nd_output(g, "y", build(g, n->net, n->height, n->width));
  nd_plan *plan;
  int failed = nd_lay_out(g, &plan);
  if (!failed) {
    n->flops = nd_plan_flops(plan);
    n->buffers = nd_plan_bytes(plan);
    n->plan = q->plan ? nd_plan_describe(plan) : NULL;
    nd_plan_free(plan);
  }
  nd_graph_free(g);
  return failed;
}

static size_t weights_under(const nd_params *params, const char *scope) {
  size_t n = 0;
  for (int i = 0; i < nd_params_length(params); i++) {
    const nd_param *p = nd_params_at(params, i);
    if (!p->state && g_str_has_prefix(p->name, scope))
      n += p->count;
  }
  return n;
}

static int add_network(nd_info *info, const nd_net *net, nd_params *params, const char *scope,
                       const question *q) {
  nd_info_network *n = &info->networks[info->n_networks++];
  *n = (nd_info_network){.net = net,
                         .weights = weights_under(params, scope),
                         .width = nd_net_padded(net, q->width),
                         .height = nd_net_padded(net, q->height)};
  return measure(params, scope, q, n)
             ? nd_fail_in("its cost for a picture of %d x %d (--size takes another)", n->width, n->height)
             : 0;
}

/* ---- Where it came from ---- */

const char *nd_info_metadata(const nd_info *info, const char *key) {
  return nd_st_value(info->metadata, info->n_metadata, key);
}

static char *origin_of(const nd_info *info, const char *format) {
  const char *source = nd_info_metadata(info, "noiseda.source"),
             *source_format = nd_info_metadata(info, "noiseda.source_format"),
             *source_type = nd_info_metadata(info, "noiseda.source_type"),
             *step = nd_info_metadata(info, "noiseda.step"),
             *version = nd_info_metadata(info, "noiseda.version");
  if (source)
    return g_strdup_printf("import of '%s', a %s, stored there as %s", source,
                           source_format ? source_format : "file", source_type ? source_type : "?");
  if (step)
    return g_strdup_printf("training with noiseda %s, step %s, by the recipe below", version ? version : "",
                           step);
  return g_str_has_prefix(format, "PyTorch") ? g_strdup_printf("a %s", format)
                                             : g_strdup_printf("a %s file that does not say", format);
}

/* ---- Files ---- */

static void tell(const nd_info *info, const question *q) {
  if (q->json)
    nd_info_print_json(info);
  else
    nd_info_print(info);
}

static void clear(nd_info *info) {
  for (int i = 0; i < info->n_networks; i++)
    g_free(info->networks[i].plan);
  g_free(info->origin);
}

/* The other network of a checkpoint that holds both; NULL: it is none. */
static nd_model *other_model(const char *path, const nd_model *m) {
  nd_model *other = NULL;
  if (m->left_aside && nd_net_role(m->net) == ND_RESTORATION &&
      nd_model_load_as(path, ND_DIFFUSION, NULL, NULL, &other))
    nd_error_clear();
  return other;
}

/* A file that does not name its network, such as a checkpoint from elsewhere, may be of either role. */
static int load_either(const char *path, nd_model **m) {
  if (!nd_model_load_as(path, ND_RESTORATION, NULL, NULL, m))
    return 0;
  g_autofree char *cause = g_strdup(nd_error());
  return nd_model_load_as(path, ND_DIFFUSION, NULL, NULL, m) ? nd_fail("%s", cause) : 0;
}

static int show_model(const char *path, const char *network, const question *q) {
  nd_model *m;
  nd_role role =
      network && g_strv_contains(nd_net_names(ND_DIFFUSION), network) ? ND_DIFFUSION : ND_RESTORATION;
  if (network ? nd_model_load_as(path, role, NULL, NULL, &m) : load_either(path, &m))
    return -1;
  nd_model *other = other_model(path, m);
  nd_info info = {.path = path,
                  .kind = "model",
                  .stored_as = m->stored_as,
                  .recognised = m->recognised,
                  .left_aside = m->left_aside,
                  .metadata = m->metadata,
                  .n_metadata = m->n_metadata};
  info.origin = origin_of(&info, m->source_format);
  int failed = add_network(&info, m->net, m->params, "", q);
  if (other && !failed)
    failed = add_network(&info, other->net, other->params, "", q);
  if (!failed)
    tell(&info, q);
  clear(&info);
  nd_model_free(other);
  nd_model_free(m);
  return failed;
}

static int show_checkpoint(const char *path, const question *q) {
  nd_trained *t;
  if (nd_trained_load(path, &t))
    return -1;
  g_autofree char *recipe = nd_recipe_print(&t->recipe),
                  *step = g_strdup_printf("%" G_GUINT64_FORMAT, t->step);
  const nd_st_metadata metadata[] = {{"noiseda.step", step}, {"noiseda.recipe", recipe}};
  nd_info info = {.path = path,
                  .kind = "checkpoint",
                  .stored_as = "F32",
                  .origin = g_strdup_printf("training, step %s, by the recipe below", step),
                  .metadata = metadata,
                  .n_metadata = G_N_ELEMENTS(metadata)};
  int failed = add_network(&info, t->restoration, t->params, ND_SCOPE_RESTORATION, q);
  if (t->diffusion && !failed)
    failed = add_network(&info, t->diffusion, t->params, ND_SCOPE_DIFFUSION, q);
  if (!failed)
    tell(&info, q);
  clear(&info);
  nd_trained_free(t);
  return failed;
}

static int show(const char *name, const question *q) {
  g_autofree char *path = NULL;
  if (nd_model_find(name, &path))
    return -1;
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    return show_checkpoint(path, q);
  nd_safetensors *file;
  if (nd_weights_open(path, &file))
    return -1;
  const char *kind = nd_safetensors_metadata(file, "noiseda.kind");
  bool checkpoint = kind && !strcmp(kind, "checkpoint");
  g_autofree char *network = g_strdup(nd_safetensors_metadata(file, "noiseda.network"));
  nd_safetensors_close(file);
  return checkpoint ? show_checkpoint(path, q) : show_model(path, network, q);
}

static int run(int argc, char **argv) {
  question q = {256, 256, FALSE, FALSE};
  g_autofree char *size = NULL;
  const GOptionEntry entries[] = {{"plan", 0, 0, G_OPTION_ARG_NONE, &q.plan,
                                   "list the compiled nodes with shape, FLOPs, bytes and place", NULL},
                                  {"size", 0, 0, G_OPTION_ARG_STRING, &size,
                                   "the picture for which costs are given (default 256x256)", "WxH"},
                                  {"json", 0, 0, G_OPTION_ARG_NONE, &q.json, "the same for programs", NULL},
                                  {0}};
  char end;
  if (!nd_cli_parse(&argc, &argv, entries, "FILE",
                    "What a model file, a model by its name, a checkpoint or a run folder holds."))
    return ND_EXIT_USAGE;
  if (argc != 2)
    return nd_cli_wrong("one file, or the name of a model, is needed");
  if (q.plan && q.json)
    return nd_cli_wrong("--plan is text, and --json is not");
  if (size && (sscanf(size, "%dx%d%c", &q.width, &q.height, &end) != 2 || q.width < 1 || q.height < 1 ||
               q.width > LARGEST_SIDE || q.height > LARGEST_SIDE))
    return nd_cli_wrong("--size is like 1920x1080, 1 to %d pixels a side", LARGEST_SIDE);
  return show(argv[1], &q) ? nd_cli_failed() : ND_EXIT_DONE;
}

const nd_command nd_cmd_info = {"info", "what a model file holds, and what it costs", run};
