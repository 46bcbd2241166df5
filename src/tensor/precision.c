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
         nd_node_at(g, v->producer)->out[0] == t && !nd_node_at(g, v->producer)->keeps_f32;
}

/* True when that changes anything. */
static bool keep(const nd_graph *g, nd_tensor t) {
  if (t < 0 || nd_value_of(g, t)->dtype == ND_F32)
    return false;
  nd_value_of(g, t)->dtype = ND_F32;
  return true;
}

static bool keep_all(const nd_graph *g, const nd_node *n) {
  bool changed = keep(g, n->out[0]);
  for (int k = 0; k < n->n_in; k++)
    changed |= keep(g, n->in[k]);
  return changed;
}

static bool reads_any(const nd_node *n, const bool *marked) {
  for (int k = 0; k < n->n_in; k++)
    if (n->in[k] >= 0 && marked[n->in[k]])
      return true;
  return false;
}

static bool adds_layers(const nd_graph *g, const nd_node *n) {
  return n->op->sums && nd_in_value(g, n, 0)->count == nd_in_value(g, n, 1)->count;
}

/* The sum of all layers so far, on its whole way through a network: what is added up, and what becomes of it
 * without a normalisation or an activation between (skips, changes of size or of channels). Each rounding of
 * it is large beside what a layer adds, and all of them reach the result. What is added is rounded just once
 * more, and kept for nothing, so it stays fp32 as well. */
static void keep_sums_of_layers(const nd_graph *g) {
  int nodes = g->differentiated ? g->forward_nodes : nd_node_count(g);
  g_autofree bool *of_layers = g_new0(bool, g->values->len);
  for (int i = 0; i < nodes; i++) {
    const nd_node *n = nd_node_at(g, i);
    bool adds = adds_layers(g, n), linear = n->op->view || (n->op->linear && n->op->linear(n));
    of_layers[n->out[0]] = adds || (linear && reads_any(n, of_layers));
    if (of_layers[n->out[0]])
      keep(g, n->out[0]);
    if (adds)
      keep_all(g, n);
  }
}

/* What layer normalisation reads, also where it is no sum yet; and what channel attention does, whose
 * products are summed over all pixels of a picture. */
static bool keep_wanted(const nd_graph *g, const nd_node *n) {
  bool changed = false;
  for (int k = 0; k < n->n_in; k++)
    if (n->op->wants_f32 >> k & 1)
      changed |= keep(g, n->in[k]);
  return changed;
}

/* Operators in fp32 have copies in fp32 of what they read and write (fp32_copies.c), so rounding saves memory
 * only in what is kept for the backward pass. */
static bool keep_copied(const nd_graph *g, const nd_node *n) {
  if (n->op->view || (n->op->takes_bf16 && n->op->takes_bf16(n)))
    return false;
  return g->differentiated ? n->op->again && keep(g, n->out[0]) : keep_all(g, n);
}

/* Beside a number that stays fp32: sums of gradients, or with an embedding; without a backward pass, where
 * rounding saves next to nothing, what is added or multiplied, too. */
static bool keep_beside(const nd_graph *g, const nd_node *n) {
  bool beside =
      n->op->by_number && (nd_in_value(g, n, 0)->dtype == ND_F32 || nd_in_value(g, n, 1)->dtype == ND_F32 ||
                           nd_out_value(g, n, 0)->dtype == ND_F32);
  if (!beside)
    return false;
  return g->differentiated ? n->op->sums && keep(g, n->out[0]) : keep_all(g, n);
}

/* A view has its input's memory, so both have one type. */
static bool tie_view(const nd_graph *g, const nd_node *n) {
  bool differ = n->op->view && nd_in_value(g, n, 0)->dtype != nd_out_value(g, n, 0)->dtype;
  return differ && keep_all(g, n);
}

void nd_assign_types(nd_graph *g) {
  for (int t = 0; t < (int)g->values->len; t++) {
    nd_value *v = nd_value_of(g, t);
    v->dtype = g->dtype == ND_BF16 && is_activation(g, v, t) ? ND_BF16 : ND_F32;
  }
  if (g->dtype == ND_BF16)
    keep_sums_of_layers(g);
  for (bool changed = g->dtype == ND_BF16; changed;) {
    changed = false;
    for (int i = 0; i < nd_node_count(g); i++) {
      const nd_node *n = nd_node_at(g, i);
      changed |= keep_wanted(g, n);
      changed |= keep_copied(g, n);
      changed |= keep_beside(g, n);
      changed |= tie_view(g, n);
    }
  }
}
