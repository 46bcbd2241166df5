/* What operators use to say themselves in ONNX. */
#ifndef ND_ONNX_PRIVATE_H
#define ND_ONNX_PRIVATE_H

#include "tensor/onnx.h"

#include <glib.h>

/* How the axes of a value stand in ONNX: as in the graph (n,h,w,c), or n,c,h,w. Each operator takes what it
 * likes best; transpositions come in between where neighbours differ. */
typedef enum nd_onnx_layout { ND_ONNX_AS_IS, ND_ONNX_CHANNELS_FIRST, ND_ONNX_LAYOUTS } nd_onnx_layout;

struct nd_onnx {
  GStringChunk *text;   /* all names */
  GPtrArray *nodes;     /* nd_onnx_node_record * */
  GPtrArray *constants; /* nd_onnx_constant * */
  GHashTable *made;     /* what a node is, in words, to its name */
  GHashTable *numbers;  /* a constant's type, dims and data (GBytes) to its name */
  GHashTable *names;    /* a set */
  char *place;          /* what the names of new nodes begin with */
  char *failure;
  /* Of the graph that is being said. */
  const nd_onnx_source *source;
  nd_onnx_sizes sizes;
  const char *(*values)[ND_ONNX_LAYOUTS]; /* by tensor */
  nd_onnx_layout *layouts;                /* the one each was set in */
};

/* A parameter: not copied. */
const char *nd_onnx_parameter(nd_onnx *o, const char *name, int rank, const int *dims, const float *data);

/* A tensor of the graph, always with four axes. */
const char *nd_onnx_value(nd_onnx *o, nd_tensor t, nd_onnx_layout layout);
/* The one that it has without transposition. */
nd_onnx_layout nd_onnx_layout_of(const nd_onnx *o, nd_tensor t);
/* What the operator computes. */
void nd_onnx_set(nd_onnx *o, nd_tensor t, nd_onnx_layout layout, const char *value);
/* A parameter with the axes that it has in the file of weights. */
const char *nd_onnx_weights(nd_onnx *o, nd_tensor t);
/* Where axis 0..3 (n,h,w,c) stands in a layout. */
int nd_onnx_axis(nd_onnx_layout layout, int axis);

/* ---- Sizes. The length of an axis is a number times any of batch, height and width. */
/* A list of one. */
const char *nd_onnx_length(nd_onnx *o, nd_tensor t, int axis);
/* That number: the length is always a multiple of it. */
int64_t nd_onnx_length_step(nd_onnx *o, nd_tensor t, int axis);
/* All four lengths. */
const char *nd_onnx_shape(nd_onnx *o, nd_tensor t, nd_onnx_layout layout);

void nd_onnx_fail(nd_onnx *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
