/* What group normalisation and its backward pass share; group_norm.c has the formulas. */
#ifndef ND_GROUP_NORM_PRIVATE_H
#define ND_GROUP_NORM_PRIVATE_H

#include "tensor/ops/dropout-private.h"
#include "tensor/ops/ops-private.h"
#include "tensor/ops/pieces-private.h"

typedef struct nd_group_norm_work {
  const nd_group_norm_settings *s;
  int n, c;
  nd_pieces pieces;
  nd_data x, dy, y;
  float *sums;            /* [n][blocks][2][c] */
  const float *affine;    /* [n][2][c]: scale, shift of z = x scale + shift */
  const float *stats;     /* [n][groups][2]: mean, 1 / deviation */
  const float *dx_affine; /* [n][3][c]: dx = dz a + x b + c */
  nd_mask mask;
} nd_group_norm_work;

/* Of the node's settings and x; the rest is the caller's to set. */
nd_group_norm_work nd_group_norm_work_of(const nd_run_context *r);
/* Floats of scratch: of w->sums, and beside all else to widen bf16 in (0: all is fp32). */
size_t nd_group_norm_sums(const nd_group_norm_work *w);
size_t nd_group_norm_widened(const nd_graph *g, const nd_node *n);
/* Scratch of the forward pass and of the backward pass: sums, affine, dx_affine, room to widen in. */
int nd_group_norm_prepare(const nd_graph *g, nd_node *n);
double nd_group_norm_flops(const nd_graph *g, const nd_node *n);

/* The sums of blocks begin ... end - 1. */
void nd_group_norm_clear(const nd_group_norm_work *w, size_t begin, size_t end);
/* The two sums of channel k over a sample's blocks. */
void nd_group_norm_totals(const nd_group_norm_work *w, int sample, int k, double *first, double *second);
/* w->affine from w->stats. scale_shift: [n][2][c] or NULL. */
void nd_group_norm_affine(const nd_group_norm_work *w, const float *gamma, const float *beta,
                          const float *scale_shift, float *affine);
/* Scale and shift of the piece's sample. */
const float *nd_group_norm_affine_of(const nd_group_norm_work *w, const nd_piece *p);
/* Multiplies the piece by its part of the dropout mask. */
void nd_group_norm_drop(const nd_group_norm_work *w, const nd_piece *p, float *y);

/* Of x, gamma, beta, scale_shift, the statistics and dy. */
extern const nd_op nd_op_group_norm_backward;

#endif
