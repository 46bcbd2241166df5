/* noiseda info for people. */
#include "cli/cli.h"
#include "cli/info-private.h"

#include <stdio.h>

static const char *role_of(const nd_net *net) {
  return nd_net_role(net) == ND_RESTORATION ? "restoration" : "diffusion";
}

static void print_reach(const nd_net *net) {
  int reach = nd_net_reach(net), multiple = nd_net_multiple(net);
  if (reach)
    printf("receptive field: %d x %d pixels (reach: %s)", 2 * reach + 1, 2 * reach + 1,
           nd_count((size_t)reach, "pixel").text);
  else
    printf("receptive field: the whole picture");
  if (multiple > 1)
    printf("; sizes are padded to multiples of %d\n", multiple);
  else
    printf("; any size is taken as it is\n");
}

static void print_network(const nd_info_network *n, const char *stored_as) {
  g_autofree char *settings = nd_net_settings_text(n->net);
  double weights = (double)(n->weights * sizeof(float)) / 1e6, buffers = (double)n->buffers / 1e6;
  printf("%s: %s (%s)\nweights: %zu, stored as %s\n", role_of(n->net), nd_net_name(n->net), settings,
         n->weights, stored_as);
  print_reach(n->net);
  printf("at %d x %d: %.2f GFLOP; %.1f MB of memory: %.1f MB of buffers, %.1f MB of weights\n%s", n->width,
         n->height, n->flops / 1e9, buffers + weights, buffers, weights, n->plan ? n->plan : "");
}

void nd_info_print(const nd_info *info) {
  printf("%s\n", info->kind);
  for (int i = 0; i < info->n_networks; i++)
    print_network(&info->networks[i], info->stored_as);
  nd_cli_line("", "from: %s", info->origin);
  if (info->recognised)
    nd_cli_line("", "recognised %s", info->recognised);
  if (info->left_aside)
    nd_cli_line("", "left aside: %s", info->left_aside);
  for (size_t i = 0; i < info->n_metadata; i++)
    nd_cli_line("\n", "%s: %s", info->metadata[i].key, info->metadata[i].value); /* recipes have many lines */
}
