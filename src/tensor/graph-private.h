/* What graph building, differentiation, compilation and the operators share. */
#ifndef ND_GRAPH_PRIVATE_H
#define ND_GRAPH_PRIVATE_H

#include "tensor/onnx.h"
#include "tensor/tensor.h"

#include <glib.h>

enum { ND_MAX_IN = 6, ND_MAX_OUT = 4 };

typedef struct nd_node nd_node;
typedef struct nd_run_context nd_run_context;

/* Rows from .. to - 1 of a tensor. */
typedef struct nd_rows {
  int from, to;
} nd_rows;

/* What an operator looks at the whole picture for: sums over the pixels of its input 0, which can be taken a
 * part of the picture at a time, and an output made from them. A graph that is given that output (nd_given)
 * computes the rest without seeing the whole (cuts.h). */
typedef struct nd_statistic {
  int output;
  /* False: this node gathers nothing over the whole picture. NULL: it always does. */
  bool (*applies)(const nd_graph *g, const nd_node *n);
  size_t (*sums)(const nd_graph *g, const nd_node *n); /* how many */
  /* Adds rows x columns pixels, the first at x, `stride` pixels from row to row. */
  void (*gather)(const nd_graph *g, const nd_node *n, const float *x, size_t rows, size_t columns,
                 size_t stride, double *sums);
  /* The output, from the sums over `pixels` pixels; in: the node's inputs, of which 0 is not looked at. */
  void (*finish)(const nd_graph *g, const nd_node *n, const double *sums, double pixels,
                 const float *const *in, float *out);
} nd_statistic;

/* One operator. A file in ops/ defines it and its gradient operators and lists them in ops/table.c. */
typedef struct nd_op nd_op;
struct nd_op {
  const char *name;
  size_t attr_size;
  /* Shares the memory of input 0: nothing runs. */
  bool view;
  /* Cheap: the backward pass computes output 0 again with this operator instead of keeping it since the
   * forward pass. It is this operator itself, or another one that takes the inputs and then the further
   * outputs. */
  const nd_op *again;
  /* Where `again` holds for some nodes only: for this one. NULL: it holds for all. */
  bool (*again_for)(const nd_node *n);
  /* True: inputs and outputs are of any type, by nd_run_in_data and nd_run_out_data. NULL: fp32 alone, and
   * nd_run_in and nd_run_out see nothing else (fp32_copies.c). */
  bool (*takes_bf16)(const nd_node *n);
  /* Bit i: input i stays fp32 in a graph of bf16. */
  unsigned wants_f32;
  /* Of two inputs, number by number; and the sum of them (precision.c). */
  bool by_number, sums;
  /* True: its output is linear in its inputs, so of a sum of layers it makes another one (precision.c). NULL:
   * it is not. Views are. */
  bool (*linear)(const nd_node *n);
  /* Makes what `next` does to output 0, which it alone reads, a part of n; true when it did (fuse.c). NULL:
   * it never does. */
  bool (*absorb)(nd_node *n, const nd_node *next);
  /* Makes what `before` does to give n, its only reader, input i a part of n; likewise. */
  bool (*take_in)(const nd_graph *g, nd_node *n, int i, const nd_node *before);
  /* Bit i: the output may take the memory of input i when that dies here. */
  unsigned in_place;
  /* Appends nodes that compute the gradients of the wanted inputs; dout[i] is ND_NONE where output i has no
   * gradient. NULL: no gradient passes. */
  void (*gradient)(nd_graph *g, const nd_node *node, const nd_tensor *dout, const bool *wanted,
                   nd_tensor *din);
  /* Makes node->state (oneDNN primitives) and node->scratch_bytes. May be NULL. */
  int (*prepare)(const nd_graph *g, nd_node *node);
  void (*release)(nd_node *node);
  void (*run)(const nd_run_context *r);
  /* For sliding over a picture (slide.c): the rows of input i that rows `of` of output 0 are made of, which
   * may lie outside. False, or NULL: that depends on more of the picture. */
  bool (*rows)(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from);
  /* Scratch memory for a run on so many rows of the output. NULL: node->scratch_bytes. */
  size_t (*part_scratch)(const nd_node *n, int rows);
  /* The same in double precision, as plainly as can be: the truth in tests. NULL for gradient operators,
   * which are held against finite differences of the forward one. */
  void (*reference)(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out);
  double (*flops)(const nd_graph *g, const nd_node *node);
  /* How many pixels of its inputs beside the ones it is made of an output pixel sees, along each axis; -1:
   * who knows. With a statistic: given that. NULL: -1. */
  int (*reach)(const nd_graph *g, const nd_node *node);
  const nd_statistic *statistic; /* NULL: none */
  bool far;                      /* its reach is so long that a stage (cuts.h) has only one such operator */
  /* Says the operator in ONNX (onnx-private.h). NULL: no network that is exported has it. */
  void (*onnx)(nd_onnx *o, const nd_graph *g, const nd_node *n);
  /* Small graphs for the tests: builds example number i on g from nd_example_input; ND_NONE past the last. */
  nd_tensor (*example)(nd_graph *g, int i);
};

struct nd_node {
  const nd_op *op;
  void *attr;
  int n_in, n_out;
  nd_tensor in[ND_MAX_IN], out[ND_MAX_OUT];
  uint32_t stream; /* which dropout of the graph; the gradient node carries its forward node's */
  int part;        /* and for which part of the batch (nd_dropout_from), likewise */
  bool recompute;  /* not kept for the backward pass but done again in it */
  bool keeps_f32;  /* its output stays fp32 in a graph of bf16 */
  void *state;
  size_t scratch_bytes;
  bool has_copies; /* see fp32_copies.c */
  size_t copies_at;
};

typedef enum nd_place { ND_IN_ARENA, ND_IN_VALUES, ND_IN_GRADIENTS } nd_place;

typedef struct nd_value {
  int rank, dims[4];
  size_t count;
  nd_dtype dtype;
  nd_place place;
  int param;    /* index in nd_params when a parameter or its gradient, else -1 */
  int producer; /* node, -1: input or parameter */
  bool needs_gradient, is_output, is_input;
  bool is_partial;    /* ND_IN_GRADIENTS: more will be added to it */
  nd_tensor gradient; /* after nd_backward */
  nd_tensor next;     /* of state: what a run leaves in it; ND_NONE: nothing sets it */
  char *name;         /* inputs and outputs */
} nd_value;

struct nd_graph {
  nd_params *params;
  GArray *values;          /* nd_value */
  GPtrArray *nodes;        /* nd_node * */
  GPtrArray *scopes;       /* char * */
  nd_tensor *param_tensor; /* by parameter index, ND_NONE where unused */
  int n_param_tensor;
  nd_tensor features; /* nd_deepest_features_set */
  uint32_t next_stream;
  int part;                  /* of nodes from now on */
  bool recompute, keeps_f32; /* likewise */
  bool training, differentiated, early_gradients;
  int forward_nodes;        /* once differentiated: the first so many */
  nd_dtype dtype;           /* of activations ... */
  int fewest_bf16_channels; /* ... with so many channels */
  char *failure;
};

/* A run on some rows: what stands for the node's inputs and outputs, their first rows in the whole. */
typedef struct nd_part {
  nd_value in[ND_MAX_IN], out;
  int in_from[ND_MAX_IN], out_from;
} nd_part;

struct nd_run_context {
  const nd_graph *graph;
  const nd_node *node;
  void *const *data;                     /* by tensor */
  void *in[ND_MAX_IN], *out[ND_MAX_OUT]; /* the running node's; NULL where an input was left out */
  void *scratch;
  uint64_t seed, step;
  uint32_t first_sample;
  nd_share share;
  const nd_window *window; /* all zero: the input is the whole picture */
  const nd_part *part;     /* NULL: all rows; else data[] points at the first of the part's */
};

static inline nd_value *nd_value_of(const nd_graph *g, nd_tensor t) {
  return &g_array_index(g->values, nd_value, t);
}
static inline size_t nd_value_bytes(const nd_value *v) {
  return v->count * nd_dtype_size(v->dtype);
}
static inline nd_node *nd_node_at(const nd_graph *g, int i) {
  return g_ptr_array_index(g->nodes, i);
}
static inline int nd_node_count(const nd_graph *g) {
  return (int)g->nodes->len;
}
static inline const nd_value *nd_in_value(const nd_graph *g, const nd_node *n, int i) {
  return nd_value_of(g, n->in[i]);
}
static inline const nd_value *nd_out_value(const nd_graph *g, const nd_node *n, int i) {
  return nd_value_of(g, n->out[i]);
}
/* Buffers of the running node; NULL for an input that was left out. */
static inline float *nd_run_in(const nd_run_context *r, int i) {
  return i < r->node->n_in ? r->in[i] : NULL;
}
static inline float *nd_run_out(const nd_run_context *r, int i) {
  return i < r->node->n_out ? r->out[i] : NULL;
}
/* The same as nd_value: what a kernel asks about shapes. */
static inline const nd_value *nd_run_in_value(const nd_run_context *r, int i) {
  return r->part ? &r->part->in[i] : nd_in_value(r->graph, r->node, i);
}
static inline const nd_value *nd_run_out_value(const nd_run_context *r, int i) {
  return r->part ? &r->part->out : nd_out_value(r->graph, r->node, i);
}
/* For operators that take bf16. */
static inline nd_data nd_run_in_data(const nd_run_context *r, int i) {
  void *at = nd_run_in(r, i);
  return (nd_data){at, at ? nd_run_in_value(r, i)->dtype : ND_F32};
}
static inline nd_data nd_run_out_data(const nd_run_context *r, int i) {
  return (nd_data){nd_run_out(r, i), nd_run_out_value(r, i)->dtype};
}

/* Sets the type of every value; the nodes are all there. */
void nd_assign_types(nd_graph *g);
/* True when every listed tensor exists and the graph is sound; building functions start with it. */
bool nd_ready(const nd_graph *g, int n, const nd_tensor *tensors);
/* Appends a node with one output of the given shape; attr (op->attr_size bytes) is copied. Optional inputs
 * are ND_NONE. Returns output 0. */
nd_tensor nd_append(nd_graph *g, const nd_op *op, const void *attr, int n_in, const nd_tensor *in, int n,
                    int h, int w, int c);
/* A further output for the node appended last. */
nd_tensor nd_append_output(nd_graph *g, int rank, const int *dims);
/* A gradient node's output shaped like t (for parameters: their rank and dims). */
nd_tensor nd_append_like(nd_graph *g, const nd_op *op, const void *attr, int n_in, const nd_tensor *in,
                         nd_tensor like);
nd_node *nd_last_node(nd_graph *g);
/* The node appended last draws the dropout of n. */
void nd_carry_dropout(nd_graph *g, const nd_node *n);
nd_tensor nd_new_value(nd_graph *g, int rank, const int *dims);
/* Fails the graph with a message about the node being built. */
nd_tensor nd_bad_node(nd_graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An output of a node that is an input as well: whoever runs the graph fills it in. */
static inline bool nd_given(const nd_run_context *r, int i) {
  return nd_out_value(r->graph, r->node, i)->is_input;
}
/* For nd_op.reach: pixels stay by themselves; and the same where height and width stay too, else unknown. */
int nd_reach_none(const nd_graph *g, const nd_node *node);
int nd_reach_of_view(const nd_graph *g, const nd_node *node);
/* For examples: an input that requires a gradient. */
nd_tensor nd_example_input(nd_graph *g, int n, int h, int w, int c);
/* For examples: a parameter of the given shape. */
nd_tensor nd_example_parameter(nd_graph *g, int rank, int d0, int d1, int d2, int d3);

/* Every operator with examples, NULL at the end (ops/table.c). */
extern const nd_op *const nd_all_ops[];

#define ND_DIMS(v) (v)->dims[0], (v)->dims[1], (v)->dims[2], (v)->dims[3]

#endif
