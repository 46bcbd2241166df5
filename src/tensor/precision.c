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

/* What layer normalisation reads, in transformers the sum of all layers so far, whose roundings would add up;
 * and what channel attention does, whose products are summed over all pixels of a picture. */
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

/* The sum of all layers so far where no normalisation reads it, as at the end of a level; and without a
 * backward pass what is added to it. */
static bool keep_sum(const nd_graph *g, const nd_node *n) {
  bool of_f32 =
      n->op->sums && (nd_in_value(g, n, 0)->dtype == ND_F32 || nd_in_value(g, n, 1)->dtype == ND_F32 ||
                      nd_out_value(g, n, 0)->dtype == ND_F32);
  return of_f32 && (g->differentiated ? keep(g, n->out[0]) : keep_all(g, n));
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
  for (bool changed = g->dtype == ND_BF16; changed;) {
    changed = false;
    for (int i = 0; i < nd_node_count(g); i++) {
      const nd_node *n = nd_node_at(g, i);
      changed |= keep_wanted(g, n);
      changed |= keep_copied(g, n);
      changed |= keep_sum(g, n);
      changed |= tie_view(g, n);
    }
  }
}
