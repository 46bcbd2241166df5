/* noiseda info: what a model file or a checkpoint holds. */
#include "cli/cli.h"
#include "train/train.h"
#include "weights/model.h"

#include <stdio.h>
#include <string.h>

typedef struct question {
  int height, width;
  gboolean plan;
} question;

static void print_network(const char *role, const nd_net *net) {
  g_autofree char *settings = nd_net_settings_text(net);
  printf("%s: %s (%s)\n", role, nd_net_name(net), settings);
}

/* The network compiled for one size: cost, and its plan when asked for. */
static int print_cost(const nd_net *net, nd_params *params, const char *scope, const question *q) {
  int multiple = nd_net_multiple(net);
  int h = (q->height + multiple - 1) / multiple * multiple,
      w = (q->width + multiple - 1) / multiple * multiple;
  nd_graph *g = nd_graph_new(params);
  nd_graph_set_training(g, false);
  if (*scope)
    nd_scope_push(g, "%s", scope);
  nd_tensor x = nd_input(g, "x", 1, h, w, nd_net_role(net) == ND_RESTORATION ? 3 : 9);
  nd_tensor y = nd_net_role(net) == ND_RESTORATION
                    ? nd_net_restore(g, net, x)
                    : nd_net_predict_noise(g, net, x, nd_input(g, "level", 1, 1, 1, 1));
  nd_output(g, "y", y);
  nd_plan *plan;
  int failed = nd_compile(g, &plan);
  if (!failed) {
    g_autofree char *nodes = q->plan ? nd_plan_describe(plan) : NULL;
    printf("at %d x %d: %.2f GFLOP, %.1f MB of buffers\n%s", w, h, nd_plan_flops(plan) / 1e9,
           (double)nd_plan_bytes(plan) / 1e6, nodes ? nodes : "");
    nd_plan_free(plan);
  }
  nd_graph_free(g);
  return failed;
}

static int show_model(const char *path, nd_role role, const question *q) {
  nd_model *m;
  if (nd_model_load_as(path, role, NULL, &m))
    return -1;
  printf("model\n");
  print_network(role == ND_RESTORATION ? "restoration" : "diffusion", m->net);
  printf("weights: %zu, stored as %s\nreach: %d pixels; sizes are padded to multiples of %d\n",
         nd_params_count(m->params), m->stored_as, nd_net_reach(m->net), nd_net_multiple(m->net));
  if (m->recognised)
    printf("recognised %s\n", m->recognised);
  if (m->left_aside)
    printf("left aside: %s\n", m->left_aside);
  int failed = print_cost(m->net, m->params, "", q);
  for (size_t i = 0; i < m->n_metadata; i++)
    printf("%s: %s\n", m->metadata[i].key, m->metadata[i].value);
  nd_model_free(m);
  return failed;
}

static int show_checkpoint(const char *path, const question *q) {
  nd_trained *t;
  if (nd_trained_load(path, &t))
    return -1;
  printf("checkpoint at step %" G_GUINT64_FORMAT "\n", t->step);
  print_network("restoration", t->restoration);
  int failed = print_cost(t->restoration, t->params, ND_SCOPE_RESTORATION, q);
  if (t->diffusion && !failed) {
    print_network("diffusion", t->diffusion);
    failed = print_cost(t->diffusion, t->params, ND_SCOPE_DIFFUSION, q);
  }
  printf("weights: %zu\n", nd_params_count(t->params));
  g_autofree char *recipe = nd_recipe_print(&t->recipe);
  printf("recipe:\n%s", recipe);
  nd_trained_free(t);
  return failed;
}

static int show(const char *path, const question *q) {
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    return show_checkpoint(path, q);
  nd_safetensors *file;
  if (nd_weights_open(path, &file))
    return -1;
  const char *kind = nd_safetensors_metadata(file, "noiseda.kind");
  bool checkpoint = kind && !strcmp(kind, "checkpoint");
  const char *network = nd_safetensors_metadata(file, "noiseda.network");
  nd_role role =
      network && g_strv_contains(nd_net_names(ND_DIFFUSION), network) ? ND_DIFFUSION : ND_RESTORATION;
  nd_safetensors_close(file);
  return checkpoint ? show_checkpoint(path, q) : show_model(path, role, q);
}

static int run(int argc, char **argv) {
  question q = {256, 256, FALSE};
  g_autofree char *size = NULL;
  const GOptionEntry entries[] = {{"plan", 0, 0, G_OPTION_ARG_NONE, &q.plan,
                                   "list the compiled nodes with shape, FLOPs, bytes and place", NULL},
                                  {"size", 0, 0, G_OPTION_ARG_STRING, &size,
                                   "the picture for which costs are given (default 256x256)", "WxH"},
                                  {0}};
  if (!nd_cli_parse(&argc, &argv, entries, "FILE", "What a model file, a checkpoint or a run folder holds."))
    return ND_EXIT_USAGE;
  if (argc != 2)
    return nd_cli_wrong("one file is needed");
  if (size && (sscanf(size, "%dx%d", &q.width, &q.height) != 2 || q.width < 1 || q.height < 1 ||
               q.width > 20000 || q.height > 20000))
    return nd_cli_wrong("--size is like 1920x1080");
  return show(argv[1], &q) ? nd_cli_failed() : ND_EXIT_DONE;
}

const nd_command nd_cmd_info = {"info", "what a model file holds, and what it costs", run};
