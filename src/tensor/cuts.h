/* A network that looks at the whole picture, on a picture that does not fit memory.
 *
 * Operators that gather something over all pixels (means of channels, attention between channels), and those
 * that see very far (local means), cut a network in stages. A stage goes over the picture tile by tile: it
 * reads pictures that earlier stages left, takes the statistics gathered so far as given, leaves the few
 * pictures that the next stages go on from, and gathers one statistic more where that is what ends it. The
 * last leaves the result. So the network is computed once, and little of it twice, whatever the number of
 * statistics; what is left between stages is in the caller's keeping.
 *
 * Tensors mean the same in every graph that the same function built for a picture of another size. */
#ifndef ND_CUTS_H
#define ND_CUTS_H

#include "tensor/tensor.h"

typedef struct nd_stages nd_stages;

typedef struct nd_tensors {
  int count;
  nd_tensor *at;
} nd_tensors;

typedef struct nd_stage {
  nd_tensors in;      /* pictures that it reads */
  nd_tensors out;     /* pictures that it leaves */
  nd_tensors dropped; /* pictures left by others that nobody reads any more after it */
  bool last;          /* it leaves y */
  nd_tensor gathered; /* the statistic; ND_NONE: none */
  int reach;          /* how far it sees, at most, in pixels of x */
} nd_stage;

/* Of a graph that makes y of x, both 1,h,w,c. Error: an operator of it sees more than is known of it. */
int nd_stages_find(const nd_graph *g, nd_tensor x, nd_tensor y, nd_stages **out);
void nd_stages_free(nd_stages *s); /* NULL is fine */
int nd_stages_count(const nd_stages *s);
const nd_stage *nd_stages_at(const nd_stages *s, int i);
/* Makes a graph of the same network that of stage i, before it is compiled: what it reads and the statistics
 * of the stages before are its inputs; what it leaves, or y, its outputs. */
int nd_stages_cut(const nd_stages *s, int i, nd_graph *g);

/* The statistic of stage i: how many sums, all 0 at first; adding rows x columns pixels of the plan's last
 * run, from (y, x) of the picture it is gathered from; and what becomes of them, for the same stage's plan.
 */
size_t nd_stages_sums(const nd_stages *s, int i);
/* The size of what becomes of them, in floats. */
size_t nd_stages_results(const nd_stages *s, int i);
/* The picture it is gathered from. */
nd_tensor nd_stages_source(const nd_stages *s, int i);
void nd_stages_gather(const nd_stages *s, int i, const nd_plan *plan, int y, int x, int rows, int columns,
                      double *sums);
void nd_stages_finish(const nd_stages *s, int i, const nd_plan *plan, const double *sums, double pixels,
                      float *out);

#endif
