#ifndef ND_SLIDE_PRIVATE_H
#define ND_SLIDE_PRIVATE_H

#include "tensor/plan-private.h"

/* The rows of one tensor that are kept: kept.from .. kept.to - 1, the first of them in memory being `first`.
 */
typedef struct nd_held {
  bool slides;  /* else it is the same for all rows: a parameter */
  int height;   /* all rows */
  int pace;     /* rows computed at a time, at most */
  nd_rows kept; /* from: the first that will be asked for again; to: the next to be computed */
  int first;    /* row at the start of memory */
  int capacity; /* rows there is room for */
  int most;     /* rows kept at once, over the whole way down */
  size_t row_bytes;
  char *memory;
} nd_held;

struct nd_slide {
  nd_plan *plan;
  nd_tensor in, out;
  int rows;      /* of the input at a time */
  int steps;     /* until all rows are there */
  nd_held *held; /* by tensor */
  int *calls;    /* by node: parts it is computed in */
  char *scratch;
  size_t scratch_bytes, bytes;
  double work; /* see nd_slide_work */
};

/* The rows of the node's output that can be computed now. */
nd_rows nd_slide_ready(const nd_slide *s, const nd_node *n);
/* The rows of input i, those outside left out, that rows `of` of the node's output are made of. */
nd_rows nd_slide_needed(const nd_slide *s, const nd_node *n, int i, nd_rows of);
/* After a step: forgets the rows that nobody will ask for again. */
void nd_slide_forget(nd_slide *s);
/* Back to the first row. */
void nd_slide_rewind(nd_slide *s);

#endif
