/* What the fuzz targets share. */
#ifndef FUZZ_H
#define FUZZ_H

#include "weights/weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static inline void require(bool condition) {
  if (!condition)
    abort();
}

/* Every byte that a tensor claims is touched. */
static inline void copy_tensor(const nd_safetensors *file, const nd_st_tensor *t) {
  require(nd_safetensors_find(file, t->name) == t);
  size_t size = t->count * nd_st_type_size(t->type);
  unsigned char *copy = malloc(size + 1);
  if (size)
    memcpy(copy, t->data, size);
  free(copy);
}

#endif
