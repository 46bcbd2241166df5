/* Which precision a run gets, and which values of a graph are stored in it.
 *
 * bf16: activations and their gradients. fp32 stay: weights and their gradients, inputs and outputs, pictures
 * and all else of few channels, what belongs to a whole sample (embeddings), and what operators note beside
 * their result (statistics). Sums are fp32 inside every operator. */
#include "base/base.h"
#include "tensor/graph-private.h"
#include "tensor/kernels/micro.h"

static bool has_bf16(void) {
  return nd_micro_best()->panel_pairs != NULL;
}

nd_dtype nd_precision(bool bf16) {
  return bf16 && has_bf16() ? ND_BF16 : ND_F32;
}

void nd_say_precision(bool bf16) {
  if (bf16 && !has_bf16())
    nd_log(ND_LOG_INFO, "this processor has no bf16 instructions; fp32 is used instead");
}

static bool is_activation(const nd_graph *g, const nd_value *v, nd_tensor t) {
  return v->place == ND_IN_ARENA && v->param < 0 && v->producer >= 0 && !v->is_output && v->rank == 4 &&
         v->dims[3] >= g->fewest_bf16_channels && v->dims[1] * v->dims[2] > 1 &&
         nd_node_at(g, v->producer)->out[0] == t;
}

/* What layer normalisation reads, in transformers the sum of all layers so far, whose roundings would add up;
 * and what channel attention does, whose products are summed over all pixels of a picture. */
static void keep_wanted(nd_graph *g) {
  for (int i = 0; i < nd_node_count(g); i++) {
    const nd_node *n = nd_node_at(g, i);
    for (int k = 0; k < n->n_in; k++)
      if (n->op->wants_f32 >> k & 1 && n->in[k] >= 0)
        nd_value_of(g, n->in[k])->dtype = ND_F32;
  }
}

/* A view has its input's memory, so both have one type. */
static bool tie_views(nd_graph *g) {
  bool changed = false;
  for (int i = 0; i < nd_node_count(g); i++) {
    const nd_node *n = nd_node_at(g, i);
    if (!n->op->view)
      continue;
    nd_value *a = nd_value_of(g, n->in[0]), *b = nd_value_of(g, n->out[0]);
    changed = changed || a->dtype != b->dtype;
    if (a->dtype != b->dtype)
      a->dtype = b->dtype = ND_F32;
  }
  return changed;
}

void nd_assign_types(nd_graph *g) {
  for (int t = 0; t < (int)g->values->len; t++) {
    nd_value *v = nd_value_of(g, t);
    v->dtype = g->dtype == ND_BF16 && is_activation(g, v, t) ? ND_BF16 : ND_F32;
  }
  keep_wanted(g);
  while (tie_views(g))
    ;
}
