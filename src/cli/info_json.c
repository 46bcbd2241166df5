/* noiseda info for programs: the same as one object of JSON. */
#include "cli/info-private.h"
#include "cli/json_text.h"

#include <stdio.h>

static void text(JsonBuilder *b, const char *key, const char *value) {
  nd_cli_put_text(b, key, value);
  if (value)
    return;
  json_builder_set_member_name(b, key);
  json_builder_add_null_value(b);
}

static void whole(JsonBuilder *b, const char *key, int64_t value) {
  json_builder_set_member_name(b, key);
  json_builder_add_int_value(b, value);
}

static void add_setting(JsonBuilder *b, const nd_net *net, const nd_setting *s) {
  int list[ND_MAX_LIST], n = nd_net_list(net, s->name, list);
  json_builder_set_member_name(b, s->name);
  if (s->type == ND_SETTING_INT) {
    json_builder_add_int_value(b, nd_net_int(net, s->name));
  } else if (s->type == ND_SETTING_REAL) {
    json_builder_add_double_value(b, nd_net_real(net, s->name));
  } else {
    json_builder_begin_array(b);
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
  json_builder_set_member_name(b, "settings");
  json_builder_begin_object(b);
  for (int i = 0; i < nd_net_settings_count(n->net); i++)
    add_setting(b, n->net, nd_net_setting(n->net, i));
  json_builder_end_object(b);
  whole(b, "weights", (int64_t)n->weights);
  if (reach)
    whole(b, "receptive_field", 2 * reach + 1);
  else
    text(b, "receptive_field", NULL); /* the whole picture */
  whole(b, "multiple", nd_net_multiple(n->net));
  whole(b, "width", n->width);
  whole(b, "height", n->height);
  whole(b, "flop", (int64_t)n->flops);
  whole(b, "buffer_bytes", (int64_t)n->buffers);
  whole(b, "weight_bytes", (int64_t)(n->weights * sizeof(float)));
  json_builder_end_object(b);
}

static void add_all(JsonBuilder *b, const nd_info *info) {
  json_builder_begin_object(b);
  text(b, "file", info->path);
  text(b, "kind", info->kind);
  text(b, "stored_as", info->stored_as);
  text(b, "from", info->origin);
  text(b, "recognised", info->recognised);
  text(b, "left_aside", info->left_aside);
  json_builder_set_member_name(b, "networks");
  json_builder_begin_array(b);
  for (int i = 0; i < info->n_networks; i++)
    add_network(b, &info->networks[i]);
  json_builder_end_array(b);
  json_builder_set_member_name(b, "metadata");
  json_builder_begin_object(b);
  for (size_t i = 0; i < info->n_metadata; i++)
    text(b, info->metadata[i].key, info->metadata[i].value);
  json_builder_end_object(b);
  json_builder_end_object(b);
}

void nd_info_print_json(const nd_info *info) {
  g_autoptr(JsonBuilder) b = json_builder_new();
  add_all(b, info);
  g_autoptr(JsonNode) root = json_builder_get_root(b);
  g_autofree char *out = json_to_string(root, TRUE);
  printf("%s\n", out);
}
