/* The innermost loops, once for each instruction set, and the choice between them.
 *
 * A panel is a block of columns one or two vectors wide, stored row after row: a packed matrix B of K rows is
 * K * width floats, a result C of M rows is M * width floats, width = vectors * lanes. One binary carries all
 * variants; each is compiled from the same templates with its own vector length (micro_template.h,
 * winograd_template.h).
 */
#ifndef ND_KERNELS_MICRO_H
#define ND_KERNELS_MICRO_H

#include "tensor/kernels/conv.h"
#include "tensor/kernels/data.h"
#include "tensor/kernels/depthwise_sweep.h"

#include <stdint.h>

/* The longest vector of any variant, in floats; a panel is at most two of them wide. */
enum { ND_MAX_LANES = 16, ND_MAX_WIDTH = 2 * ND_MAX_LANES };
/* What philox draws at once. */
enum { ND_PHILOX_COUNTERS = 32 };
/* Independent sums in multiply_adds: enough for two units with a latency of four to five. */
enum { ND_CHAINS = 12 };

/* One product of a sum of products: rows of A times k rows of the panel b. */
typedef struct nd_term {
  const float *a, *b;
  int k;
} nd_term;

/* How transformed numbers are stored: as they are, or rounded to bf16 for panel_pairs. There one row k of a
 * packed matrix holds rows 2 k (low half of a word) and 2 k + 1 (high half) of the matrix; a row of the other
 * factor holds its neighbours side by side. Storing LOW clears the high half, so it must come first. */
typedef enum nd_into { ND_INTO_F32, ND_INTO_HALVES, ND_INTO_LOW, ND_INTO_HIGH } nd_into;

typedef struct nd_micro {
  const char *name;
  int lanes;
  /* c[i][j] (+)= sum over terms, over k, of a[i * a_row + k * a_step] * b[k][j], for i < m. Either a_step or
   * a_row is 1. */
  void (*panel)(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row, ptrdiff_t a_step,
                float *c, bool accumulate);
  /* The same, rows of c c_row floats apart: c[i][j] = add[i][j] (or 0) + that; rows of `add`, which may be c,
   * are add_row floats apart. */
  void (*panel_to)(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row, ptrdiff_t a_step,
                   float *c, ptrdiff_t c_row, const float *add, ptrdiff_t add_row);
  /* The same of one term, a transposed factor's m rows packed tile by tile: by pack_tiles, which reads
   * x[k][row], of whatever m has been given it. c, c_row, add, add_row: as for panel_to. */
  void (*panel_of_tiles)(int vectors, int m, const float *tiles, const float *b, int depth, float *c,
                         ptrdiff_t c_row, const float *add, ptrdiff_t add_row);
  void (*pack_tiles)(const float *x, ptrdiff_t x_row, int depth, int m, float *to);
  /* `panels` whole panels of x[k][column], two vectors wide, each `apart` floats after the one before. */
  void (*pack_columns)(const float *x, ptrdiff_t x_row, int depth, int panels, float *to, ptrdiff_t apart);
  /* As panel, where a word is a pair of bf16 and a product of words the sum of two products, in fp32: twice
   * the rate. NULL: not on this processor. */
  void (*panel_pairs)(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row, ptrdiff_t a_step,
                      float *c, bool accumulate);
  /* y[i * y_pixel + j] = activation(c[i][j] + bias[j]) for i < m, j < channels; the rows of c are width long.
   */
  void (*finish)(int m, int channels, int width, const float *c, const nd_epilogue *e, nd_data y,
                 ptrdiff_t y_pixel);

  /* Philox4x32-10 of the counters first + {i, 0, 0, 0}, i < ND_PHILOX_COUNTERS: number k of counter i into
   * out[k][i]. */
  void (*philox)(const uint32_t key[2], const uint32_t first[4], uint32_t out[4][ND_PHILOX_COUNTERS]);

  /* One row of a depth-wise 3 x 3 convolution, `lanes` channels of a slice, from the rows above, at and below
   * it (NULL: outside, zeros). w: the slice's filter. */
  void (*sweep)(const nd_sweep *j, const float *const rows[3], size_t lanes, const float *w,
                const nd_sweep_to *to);
  /* Adds to sums[tap][channel of the slice] the products of a row dy, from column j->from on, with those
   * rows, and dy itself as one more tap. */
  void (*sum_taps)(const nd_sweep *j, const float *const rows[3], const float *dy, size_t dy_pitch,
                   size_t lanes, nd_sweep_ahead ahead, float *sums);

  /* Nothing but n * ND_CHAINS multiply-adds of vectors in registers, to time (peak.c). */
  float (*multiply_adds)(int n);
  float (*multiply_add_pairs)(int n); /* the same of pairs; NULL where panel_pairs is */

  /* The five transforms of Winograd's F(4x4, 3x3), for `vectors` vectors of neighbouring channels. A pixel
   * argument points at each pixel's channel 0, of the given type; `channel` is the first channel taken. The
   * 36 results (or sources) are `plane` floats apart. */
  void (*winograd_input)(nd_dtype type, const void *const *pixel36, int channel, int vectors, nd_into into,
                         float *v, ptrdiff_t plane);
  void (*winograd_output)(const float *m, ptrdiff_t plane, int vectors, const nd_epilogue *e, nd_dtype type,
                          void *const *pixel16, int channel);
  /* Also adds each channel's 16 values to `sums`, unless NULL. */
  void (*winograd_gradient)(nd_dtype type, const void *const *pixel16, int channel, int vectors, nd_into into,
                            float *z, ptrdiff_t plane, float *sums);
  /* g: 9 rows of vectors * lanes floats. */
  void (*winograd_weights)(const float *g, int vectors, nd_into into, float *u, ptrdiff_t plane);
  void (*winograd_weights_gradient)(const float *du, ptrdiff_t plane, int vectors, float *g);
} nd_micro;

extern const nd_micro nd_micro_portable;
#if defined(__x86_64__) && defined(__GNUC__)
extern const nd_micro nd_micro_avx2, nd_micro_avx512, nd_micro_avx512bf16;
#endif

/* The best variant this processor runs. Always the same one in one process, unless a test forces another. */
const nd_micro *nd_micro_best(void);
void nd_micro_force(const nd_micro *m); /* NULL: back to the best; not thread-safe */

/* Columns of the panel that starts at channel `first` of `channels`: two vectors, or one if that is enough.
 */
static inline int nd_panel_vectors(const nd_micro *m, int channels, int first) {
  return channels - first <= m->lanes ? 1 : 2;
}

static inline int nd_panel_count(const nd_micro *m, int channels) {
  return (channels + 2 * m->lanes - 1) / (2 * m->lanes);
}

#endif
