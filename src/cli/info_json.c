/* noiseda info for programs: the same as one object of JSON. */
#include "base/json_out.h"
#include "cli/info-private.h"

#include <stdio.h>

static void text(JsonBuilder *b, const char *key, const char *value) {
  if (value)
    nd_json_text(b, key, value);
  else
    nd_json_null(b, key);
}

static void add_setting(JsonBuilder *b, const nd_net *net, const nd_setting *s) {
  int list[ND_MAX_LIST], n = nd_net_list(net, s->name, list);
  if (s->type == ND_SETTING_INT) {
    nd_json_whole(b, s->name, nd_net_int(net, s->name));
  } else if (s->type == ND_SETTING_REAL) {
    nd_json_number(b, s->name, nd_net_real(net, s->name));
  } else {
    nd_json_list(b, s->name);
    for (int i = 0; i < n; i++)
      json_builder_add_int_value(b, list[i]);
    json_builder_end_array(b);
  }
}

static void add_network(JsonBuilder *b, const nd_info_network *n) {
  int reach = nd_net_reach(n->net);
  json_builder_begin_object(b);
  text(b, "role", nd_net_role(n->net) == ND_RESTORATION ? "restoration" : "diffusion");
  text(b, "network", nd_net_name(n->net));
  nd_json_object(b, "settings");
  for (int i = 0; i < nd_net_settings_count(n->net); i++)
    add_setting(b, n->net, nd_net_setting(n->net, i));
  json_builder_end_object(b);
  nd_json_whole(b, "weights", (double)n->weights);
  if (reach)
    nd_json_whole(b, "receptive_field", 2 * reach + 1);
  else
    nd_json_null(b, "receptive_field"); /* the whole picture */
  nd_json_whole(b, "multiple", nd_net_multiple(n->net));
  nd_json_whole(b, "width", n->width);
  nd_json_whole(b, "height", n->height);
  nd_json_whole(b, "flop", (double)n->flops);
  nd_json_whole(b, "buffer_bytes", (double)n->buffers);
  nd_json_whole(b, "weight_bytes", (double)(n->weights * sizeof(float)));
  json_builder_end_object(b);
}

static void add_all(JsonBuilder *b, const nd_info *info) {
  text(b, "file", info->path);
  text(b, "kind", info->kind);
  text(b, "stored_as", info->stored_as);
  text(b, "from", info->origin);
  text(b, "recognised", info->recognised);
  text(b, "left_aside", info->left_aside);
  nd_json_list(b, "networks");
  for (int i = 0; i < info->n_networks; i++)
    add_network(b, &info->networks[i]);
  json_builder_end_array(b);
  nd_json_object(b, "metadata");
  for (size_t i = 0; i < info->n_metadata; i++)
    text(b, info->metadata[i].key, info->metadata[i].value);
  json_builder_end_object(b);
  json_builder_end_object(b);
}

void nd_info_print_json(const nd_info *info) {
  JsonBuilder *b = nd_json_begin();
  add_all(b, info);
  g_autofree char *out = nd_json_written(b, true);
  printf("%s\n", out);
}
