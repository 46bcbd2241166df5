/* A graph in the words of ONNX (https://onnx.ai, operators of opset 17), to be run elsewhere and on pictures
 * of any size. What is kept here are names, nodes and constants; weights/onnx_write.c makes a file of them.
 *
 *   nd_onnx *o = nd_onnx_new();
 *   const char *x = ..., *rows = ...;                  // nodes of the caller's own, from nd_onnx_node
 *   const char *y = nd_onnx_graph(o, &source, x, size); // what the graph makes of x
 *   ... nd_onnx_nodes(o), nd_onnx_constants(o) ...
 *
 * An operator says what it is in ONNX in its own file (nd_op.onnx). As in graph building the first failure is
 * remembered, later calls do nothing, and nd_onnx_check reports it.
 */
#ifndef ND_ONNX_H
#define ND_ONNX_H

#include "tensor/tensor.h"

typedef struct nd_onnx nd_onnx;

enum { ND_ONNX_OPSET = 17, ND_ONNX_MAX_LIST = 8 };

typedef enum nd_onnx_kind {
  ND_ONNX_KIND_INT,
  ND_ONNX_KIND_REAL,
  ND_ONNX_KIND_LIST,
  ND_ONNX_KIND_TEXT
} nd_onnx_kind;

typedef struct nd_onnx_attribute {
  const char *name; /* a literal; NULL ends a list of attributes */
  nd_onnx_kind kind;
  int count; /* of LIST; INT uses the first */
  int64_t ints[ND_ONNX_MAX_LIST];
  float real;
  const char *text; /* a literal */
} nd_onnx_attribute;

#define ND_ONNX_INT(key, value)                                                                              \
  {                                                                                                          \
    .name = key, .kind = ND_ONNX_KIND_INT, .ints = { value }                                                 \
  }
#define ND_ONNX_REAL(key, value)                                                                             \
  { .name = key, .kind = ND_ONNX_KIND_REAL, .real = value }
#define ND_ONNX_TEXT(key, value)                                                                             \
  { .name = key, .kind = ND_ONNX_KIND_TEXT, .text = value }
#define ND_ONNX_LIST(key, n, ...)                                                                            \
  {                                                                                                          \
    .name = key, .kind = ND_ONNX_KIND_LIST, .count = n, .ints = { __VA_ARGS__ }                              \
  }

/* Every node has one output, which has the node's name. */
typedef struct nd_onnx_node_record {
  const char *type, *name;
  char **inputs; /* NULL at the end; "": left out */
  const nd_onnx_attribute *attributes;
} nd_onnx_node_record;

typedef enum nd_onnx_type { ND_ONNX_F32, ND_ONNX_I64 } nd_onnx_type;

/* Weights, and numbers that nodes need. */
typedef struct nd_onnx_constant {
  const char *name;
  nd_onnx_type type;
  int rank;
  int64_t dims[4];
  const void *data;
  size_t bytes;
} nd_onnx_constant;

nd_onnx *nd_onnx_new(void);
void nd_onnx_free(nd_onnx *o); /* NULL is fine */
/* -1 and the first failure, if there was one. */
int nd_onnx_check(const nd_onnx *o);
/* Drops what the value of that name does not need. */
void nd_onnx_keep(nd_onnx *o, const char *name);
size_t nd_onnx_nodes(const nd_onnx *o);
const nd_onnx_node_record *nd_onnx_node_at(const nd_onnx *o, size_t i); /* in an order to run them in */
size_t nd_onnx_constants(const nd_onnx *o);
const nd_onnx_constant *nd_onnx_constant_at(const nd_onnx *o, size_t i);

/* ---- Building. Names are o's and live as long. --------------------------------------------------------- */
#define ND_ONNX_IN(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ND_ONNX_WITH(...) ((const nd_onnx_attribute[]){__VA_ARGS__, {0}})
/* The output of a node. The same node asked for again is there once. attributes: NULL for none. */
const char *nd_onnx_node(nd_onnx *o, const char *type, const char *const *inputs,
                         const nd_onnx_attribute *attributes);
/* The same under a name that a reader of the file looks for. */
const char *nd_onnx_node_named(nd_onnx *o, const char *name, const char *type, const char *const *inputs);
/* Numbers: a list, one int in a list, one real without axes, reals of dims. Copied. */
const char *nd_onnx_ints(nd_onnx *o, int count, const int64_t *values);
const char *nd_onnx_int(nd_onnx *o, int64_t value);
const char *nd_onnx_real(nd_onnx *o, float value);
const char *nd_onnx_reals(nd_onnx *o, int rank, const int64_t *dims, const float *values);
/* Nodes that many need. */
const char *nd_onnx_reshape(nd_onnx *o, const char *x, int count, const int64_t *dims);
const char *nd_onnx_transpose(nd_onnx *o, const char *x, int count, const int64_t *order);
const char *nd_onnx_slice(nd_onnx *o, const char *x, int axis, int64_t begin, int64_t end);
/* Lists of integers one behind the other; NULL at the end of parts. */
const char *nd_onnx_join(nd_onnx *o, const char *const *parts);

/* ---- A graph ------------------------------------------------------------------------------------------- */
/* The same network built for pictures of n x h x w, and with each of the three doubled in turn: how shapes
 * follow from sizes is read off these, so building knows nothing of it. n = 2; h and w are twice the
 * network's multiple. The graphs must outlive o, and so must values. */
enum { ND_ONNX_BASE, ND_ONNX_BATCH, ND_ONNX_HEIGHT, ND_ONNX_WIDTH, ND_ONNX_BUILDS };
typedef struct nd_onnx_source {
  const nd_graph *at[ND_ONNX_BUILDS];
  nd_tensor x, y; /* the picture, and what becomes of it; the same in all */
  const float *values;
} nd_onnx_source;
/* Integers, each a list of one: the batch, and height and width in multiples of the network's. */
typedef struct nd_onnx_sizes {
  const char *batch, *height, *width;
} nd_onnx_sizes;
/* x: batch, channels, height, width; and so is the result. */
const char *nd_onnx_graph(nd_onnx *o, const nd_onnx_source *source, const char *x, nd_onnx_sizes sizes);

#endif
