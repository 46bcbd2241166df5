/* .mat files for the tests, written by matio. */
#ifndef ND_TEST_MATLAB_H
#define ND_TEST_MATLAB_H

#include "pictures.h"

#include <matio.h>

/* The value of picture (i, j) at a place, as tests/data/make_golden.py has it. */
static inline int block_value(size_t i, size_t j, size_t y, size_t x, size_t c) {
  return (int)((97 * i + 31 * j + 13 * y + 5 * x + 71 * c) % 256);
}

typedef struct mat_shape {
  size_t images, blocks, height, width;
} mat_shape;

static inline void add_array(mat_t *file, const char *name, mat_shape s, int offset, bool compress) {
  size_t dims[5] = {s.images, s.blocks, s.height, s.width, 3},
         n = s.images * s.blocks * s.height * s.width * 3;
  g_autofree uint8_t *values = g_new(uint8_t, n);
  for (size_t k = 0; k < n; k++) {
    size_t i = k % s.images, j = k / s.images % s.blocks, pixel = k / s.images / s.blocks;
    size_t y = pixel % s.height, x = pixel / s.height % s.width, c = pixel / s.height / s.width;
    values[k] = (uint8_t)(block_value(i, j, y, x, c) + offset);
  }
  matvar_t *v = Mat_VarCreate(name, MAT_C_UINT8, MAT_T_UINT8, 5, dims, values, MAT_F_DONT_COPY_DATA);
  assert_int_equal(Mat_VarWrite(file, v, compress ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE), 0);
  Mat_VarFree(v);
}

/* One array; offset is added to each of its values. */
static inline void write_array(const char *path, const char *name, mat_shape s, int offset, bool compress) {
  mat_t *file = Mat_CreateVer(path, NULL, MAT_FT_MAT5);
  assert_non_null(file);
  add_array(file, name, s, offset, compress);
  Mat_Close(file);
}

#endif
