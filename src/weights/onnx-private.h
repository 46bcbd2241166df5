/* From what a network is in ONNX to a file. */
#ifndef ND_WEIGHTS_ONNX_PRIVATE_H
#define ND_WEIGHTS_ONNX_PRIVATE_H

#include "tensor/onnx.h"
#include "weights/weights.h"

/* Input and output are float32 with axes batch, channels (3 of the output), height, width. */
typedef struct nd_onnx_header {
  const char *graph, *input, *output;
  int channels;
  const nd_st_metadata *metadata;
  size_t n_metadata;
} nd_onnx_header;

/* Whole or not at all. Weights are written from where they are. */
int nd_onnx_write(const char *path, const nd_onnx *o, const nd_onnx_header *header);

#endif
