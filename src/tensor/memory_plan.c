/* Where every buffer lives in the arena: lifetimes over the run order, memory taken over in place where a
 * value dies, then the largest buffers first, or those that last longest, whichever takes less, each at the
 * lowest offset that no contemporary occupies. In a step of training, the buffer that ends highest is then
 * placed before all others, and so on for some rounds.
 *
 * The gradients of the parameters are the arena's first part, in the order of the parameters: one buffer, at
 * the end of a run. Until a gradient is written its place serves others, so that gradients grow where the
 * activations that they are made of die. */
#include "tensor/params-private.h"
#include "tensor/plan-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A step of training is planned once: its blocks are tried in so many orders, and no longer after so many
 * without a gain. */
enum { ALIGN = 64, TRIES = 24, MISSES = 10 };

typedef struct block {
  int owner; /* tensor; or -1 - node for scratch */
  int first, last;
  size_t bytes, offset;
} block;

typedef struct lifetimes {
  int *first, *last; /* by tensor (of roots: over all that share the memory) */
} lifetimes;

static size_t bytes_of(const nd_graph *g, nd_tensor t) {
  size_t bytes = nd_value_bytes(nd_value_of(g, t));
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static int resolve(const nd_plan *plan, nd_tensor t) {
  while (plan->root[t] != t)
    t = plan->root[t];
  return t;
}

/* First and last use of every tensor by itself, views already folded into their roots. */
static void find_lifetimes(nd_plan *plan, lifetimes *life) {
  const nd_graph *g = plan->graph;
  int end = (int)plan->order->len;
  for (guint i = 0; i < g->values->len; i++) {
    const nd_value *v = nd_value_of(g, (int)i);
    plan->root[i] = (int)i;
    life->first[i] = v->is_input ? -1 : end + 1;
    life->last[i] = v->is_output ? end : -1;
  }
  for (int at = 0; at < end; at++) {
    const nd_node *n = nd_node_at(g, g_array_index(plan->order, int, at));
    if (n->op->view)
      plan->root[n->out[0]] = resolve(plan, n->in[0]);
    for (int i = 0; i < n->n_in; i++)
      if (n->in[i] >= 0) {
        int r = resolve(plan, n->in[i]);
        life->last[r] = MAX(life->last[r], at);
      }
    for (int i = 0; i < n->n_out; i++) {
      int r = resolve(plan, n->out[i]);
      life->first[r] = MIN(life->first[r], at);
      life->last[r] = MAX(life->last[r], MAX(at, life->last[n->out[i]]));
    }
  }
}

static bool can_take_over(const nd_plan *plan, const lifetimes *life, const nd_node *n, int input, int at) {
  const nd_graph *g = plan->graph;
  if (input >= n->n_in || n->in[input] < 0 || nd_out_value(g, n, 0)->place != ND_IN_ARENA)
    return false;
  int r = resolve(plan, n->in[input]);
  const nd_value *v = nd_value_of(g, r);
  return v->place == ND_IN_ARENA && !v->is_output && life->last[r] == at &&
         v->dtype == nd_out_value(g, n, 0)->dtype && bytes_of(g, r) == bytes_of(g, n->out[0]);
}

static void take_over_memory(nd_plan *plan, lifetimes *life) {
  for (int at = 0; at < (int)plan->order->len; at++) {
    const nd_node *n = nd_node_at(plan->graph, g_array_index(plan->order, int, at));
    for (int i = 0; i < ND_MAX_IN && !n->op->view; i++)
      if (n->op->in_place >> i & 1 && can_take_over(plan, life, n, i, at)) {
        int to = resolve(plan, n->in[i]), from = resolve(plan, n->out[0]);
        plan->root[from] = to;
        life->last[to] = MAX(life->last[to], life->last[from]);
        if (nd_value_of(plan->graph, from)->is_output)
          nd_value_of(plan->graph, to)->is_output = true;
        break;
      }
  }
}

static int larger_first(const void *a, const void *b) {
  const block *p = a, *q = b;
  if (p->bytes != q->bytes)
    return p->bytes < q->bytes ? 1 : -1;
  return p->first != q->first ? p->first - q->first : p->owner - q->owner;
}

static int longest_first(const void *a, const void *b) {
  const block *p = a, *q = b;
  int longer = (q->last - q->first) - (p->last - p->first);
  return longer ? longer : larger_first(a, b);
}

/* placed: by their offsets, the lowest first. */
static size_t lowest_gap(const GPtrArray *placed, const block *b) {
  size_t offset = 0;
  for (guint i = 0; i < placed->len; i++) {
    const block *other = g_ptr_array_index(placed, i);
    if (other->first > b->last || b->first > other->last)
      continue;
    if (other->offset >= offset + b->bytes)
      break;
    offset = MAX(offset, other->offset + other->bytes);
  }
  return offset;
}

static void insert_by_offset(GPtrArray *placed, block *b) {
  guint low = 0, high = placed->len;
  while (low < high) {
    guint middle = (low + high) / 2;
    if (((block *)g_ptr_array_index(placed, middle))->offset <= b->offset)
      low = middle + 1;
    else
      high = middle;
  }
  g_ptr_array_insert(placed, (gint)low, b);
}

/* The first `fixed` have their places. Returns where the last one ends. */
static size_t place_blocks(GArray *blocks, guint fixed) {
  size_t end = 0;
  g_autoptr(GPtrArray) placed = g_ptr_array_sized_new(blocks->len);
  for (guint i = 0; i < blocks->len; i++) {
    block *b = &g_array_index(blocks, block, i);
    if (i >= fixed) {
      b->offset = lowest_gap(placed, b);
      end = MAX(end, b->offset + b->bytes);
    }
    insert_by_offset(placed, b);
  }
  return end;
}

/* Puts the block that ends last before all others that have no place yet. */
static void raise_highest(GArray *blocks, guint fixed) {
  guint highest = fixed;
  size_t end = 0;
  for (guint i = fixed; i < blocks->len; i++) {
    const block *b = &g_array_index(blocks, block, i);
    if (b->offset + b->bytes > end) {
      end = b->offset + b->bytes;
      highest = i;
    }
  }
  block b = g_array_index(blocks, block, highest);
  g_array_remove_index(blocks, highest);
  g_array_insert_val(blocks, fixed, b);
}

/* From one order on, as long as that helps. *best: the blocks where they took least so far, with *least
 * bytes. */
static void place_from(GArray *blocks, guint fixed, int (*order)(const void *, const void *), int tries,
                       size_t enough, GArray **best, size_t *least) {
  size_t own = SIZE_MAX;
  qsort(&g_array_index(blocks, block, fixed), blocks->len - fixed, sizeof(block), order);
  for (int i = 0, since = 0; i < tries; i++, since++) {
    if (since == MISSES || *least <= enough)
      return;
    size_t bytes = place_blocks(blocks, fixed);
    if (bytes < own) {
      own = bytes;
      since = 0;
    }
    if (bytes < *least) {
      *least = bytes;
      g_array_unref(*best);
      *best = g_array_copy(blocks);
    }
    raise_highest(blocks, fixed);
  }
}

/* enough: bytes below which nothing is gained. Returns the blocks in their places; the caller's. */
static GArray *place_best(const GArray *blocks, guint fixed, int tries, size_t enough, size_t *least) {
  static int (*const orders[])(const void *, const void *) = {larger_first, longest_first};
  GArray *best = g_array_new(FALSE, FALSE, sizeof(block));
  *least = SIZE_MAX;
  for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
    g_autoptr(GArray) tried = g_array_copy((GArray *)blocks);
    place_from(tried, fixed, orders[i], tries, enough, &best, least);
  }
  return best;
}

static void note_places(nd_plan *plan, const GArray *blocks, guint fixed) {
  for (guint i = fixed; i < blocks->len; i++) {
    const block *b = &g_array_index(blocks, block, i);
    if (b->owner >= 0)
      plan->place[b->owner] = b->offset;
    else
      plan->scratch_place[-1 - b->owner] = b->offset;
  }
}

/* From a gradient's first sum to the end. Where a parameter has none it is always there, and zero. */
static void fix_gradients(nd_plan *plan, const lifetimes *life, GArray *blocks) {
  const nd_graph *g = plan->graph;
  if (!g->differentiated)
    return;
  for (int i = 0; i < nd_params_length(g->params); i++) {
    size_t offset = nd_params_at(g->params, i)->offset, end = nd_params_end(g->params, i);
    block b = {0, INT_MAX, (int)plan->order->len, (end - offset) * sizeof(float), offset * sizeof(float)};
    g_array_append_val(blocks, b);
  }
  for (int t = 0; t < (int)g->values->len; t++) {
    const nd_value *v = nd_value_of(g, t);
    if (v->place != ND_IN_GRADIENTS)
      continue;
    block *b = &g_array_index(blocks, block, v->param);
    b->first = MIN(b->first, life->first[t]);
  }
  for (guint i = 0; i < blocks->len; i++) {
    block *b = &g_array_index(blocks, block, i);
    b->first = b->first == INT_MAX ? -1 : b->first;
  }
  plan->arena_bytes = nd_params_size(g->params) * sizeof(float);
}

static void collect_blocks(const nd_plan *plan, const lifetimes *life, GArray *blocks) {
  const nd_graph *g = plan->graph;
  for (int t = 0; t < (int)g->values->len; t++) {
    bool used = life->first[t] <= life->last[t] || nd_value_of(g, t)->is_input;
    if (plan->root[t] == t && nd_value_of(g, t)->place == ND_IN_ARENA && used) {
      block b = {t, life->first[t], life->last[t], bytes_of(g, t), 0};
      g_array_append_val(blocks, b);
    }
  }
  for (int at = 0; at < (int)plan->order->len; at++) {
    int node = g_array_index(plan->order, int, at);
    size_t bytes = nd_node_at(g, node)->scratch_bytes;
    if (bytes) {
      block b = {-1 - node, at, at, (bytes + ALIGN - 1) / ALIGN * ALIGN, 0};
      g_array_append_val(blocks, b);
    }
  }
}

void nd_plan_memory(nd_plan *plan) {
  guint n = plan->graph->values->len;
  g_autofree int *first = g_new(int, n), *last = g_new(int, n);
  lifetimes life = {first, last};
  find_lifetimes(plan, &life);
  take_over_memory(plan, &life);
  g_autoptr(GArray) blocks = g_array_new(FALSE, TRUE, sizeof(block));
  fix_gradients(plan, &life, blocks);
  guint fixed = blocks->len;
  collect_blocks(plan, &life, blocks);
  size_t least;
  g_autoptr(GArray) placed =
      place_best(blocks, fixed, plan->graph->differentiated ? TRIES : 1, plan->arena_bytes, &least);
  note_places(plan, placed, fixed);
  plan->arena_bytes = MAX(plan->arena_bytes, least);
  for (guint t = 0; t < n; t++)
    plan->root[t] = resolve(plan, (int)t);
}
