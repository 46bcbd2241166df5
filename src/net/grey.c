/* Networks of one channel, as published for grey pictures. */
#include "net/net-private.h"

/* Of luma (Rec. ITU-R BT.601), by which grey pictures are made of colour ones. */
static const float LUMA[3] = {0.299f, 0.587f, 0.114f};

static nd_tensor luma(nd_graph *g, nd_tensor x) {
  nd_tensor sum = nd_affine(g, nd_slice(g, x, 3, 0, 1), LUMA[0], 0);
  for (int c = 1; c < 3; c++)
    sum = nd_add(g, sum, nd_affine(g, nd_slice(g, x, 3, c, 1), LUMA[c], 0));
  return sum;
}

nd_tensor nd_restore_grey(nd_graph *g, const nd_net *net, nd_tensor x, nd_restore_fn *restore) {
  nd_tensor r = restore(g, net, luma(g, x));
  return nd_concat(g, nd_concat(g, r, r, 3), r, 3);
}
