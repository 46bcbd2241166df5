/* Blocks of rows of A times panels of columns of B. A is read where it lies; a panel of B is packed, scaled
 * on the way, by each block that needs it: cheap against the rows that it serves. */
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/micro.h"
#include "tensor/kernels/parts.h"
#include "tensor/kernels/transpose.h"

#include "base/base.h"

enum { ROWS = 256, DEPTH = 256 }; /* of a block: its panel of B and its sums stay in the nearest cache */
enum { GRAIN = 1 << 16 };         /* multiply-adds that are worth another thread */

typedef struct product {
  const nd_matmul_shape *s;
  const nd_micro *micro;
  const float *a, *b;
  float *out;
  size_t row_blocks, panels;
} product;

/* Rows k0 ... k0 + depth of columns j0 ... j0 + lanes, to a panel `width` wide; the rest of its columns 0. */
static void pack_plain(const float *b, int n, float scale, int depth, int lanes, int width, float *to) {
  for (int k = 0; k < depth; k++, b += n, to += width) {
    for (int j = 0; j < lanes; j++)
      to[j] = scale * b[j];
    for (int j = lanes; j < width; j++)
      to[j] = 0;
  }
}

/* The same from b's transpose, whose rows are k long. */
static void pack_transposed(const float *b, int k, float scale, int depth, int lanes, int width, float *to) {
  int lane = 0;
  for (; lane + 4 <= lanes; lane += 4) {
    const float *from = b + (ptrdiff_t)lane * k;
    int i = 0;
    for (; i + 4 <= depth; i += 4)
      nd_transpose_four(from + i, k, to + (ptrdiff_t)i * width + lane, width);
    for (; i < depth; i++)
      for (int j = 0; j < 4; j++)
        to[(ptrdiff_t)i * width + lane + j] = from[(ptrdiff_t)j * k + i];
  }
  for (; lane < width; lane++)
    for (int i = 0; i < depth; i++)
      to[(ptrdiff_t)i * width + lane] = lane < lanes ? b[(ptrdiff_t)lane * k + i] : 0;
  for (ptrdiff_t i = 0; scale != 1 && i < (ptrdiff_t)depth * width; i++)
    to[i] *= scale;
}

/* ROWS rows from i0 on, one panel from column j0 on, of matrix p. */
static void block(const product *w, ptrdiff_t p, int i0, int j0) {
  _Alignas(64) float panel[DEPTH * ND_MAX_WIDTH], sums[ROWS * ND_MAX_WIDTH];
  const nd_matmul_shape *s = w->s;
  const float *a = w->a + p * s->m * s->k, *b = w->b + p * s->k * s->n;
  int vectors = nd_panel_vectors(w->micro, s->n, j0), width = vectors * w->micro->lanes;
  int rows = nd_least(ROWS, s->m - i0), lanes = nd_least(width, s->n - j0);
  ptrdiff_t a_row = s->transpose_a ? 1 : s->k, a_step = s->transpose_a ? s->m : 1;
  for (int k0 = 0; k0 < s->k; k0 += DEPTH) {
    int depth = nd_least(DEPTH, s->k - k0);
    if (s->transpose_b)
      pack_transposed(b + (ptrdiff_t)j0 * s->k + k0, s->k, s->scale, depth, lanes, width, panel);
    else
      pack_plain(b + (ptrdiff_t)k0 * s->n + j0, s->n, s->scale, depth, lanes, width, panel);
    nd_term term = {a + i0 * a_row + k0 * a_step, panel, depth};
    w->micro->panel(vectors, rows, &term, 1, a_row, a_step, sums, k0 > 0);
  }
  const nd_epilogue plain = {.activation = ND_LINEAR};
  w->micro->finish(rows, lanes, width, sums, &plain, (nd_data){w->out + (p * s->m + i0) * s->n + j0, ND_F32},
                   s->n);
}

static void blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const product *w = context;
  int width = 2 * w->micro->lanes;
  for (size_t i = begin; i < end; i++) {
    size_t row_block = i / w->panels % w->row_blocks;
    block(w, (ptrdiff_t)(i / w->panels / w->row_blocks), (int)row_block * ROWS, (int)(i % w->panels) * width);
  }
}

void nd_matmul_multiply(const nd_matmul_shape *s, const float *a, const float *b, float *out) {
  product w = {.s = s, .micro = nd_micro_best(), .a = a, .b = b, .out = out};
  w.row_blocks = ((size_t)s->m + ROWS - 1) / ROWS;
  w.panels = (size_t)nd_panel_count(w.micro, s->n);
  size_t work = (size_t)nd_least(ROWS, s->m) * (size_t)s->k * 2 * (size_t)w.micro->lanes;
  nd_parallel((size_t)s->batch * w.row_blocks * w.panels, GRAIN / work + 1, blocks, &w);
}
