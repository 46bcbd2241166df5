#ifndef ND_FP32_COPIES_PRIVATE_H
#define ND_FP32_COPIES_PRIVATE_H

#include "tensor/graph-private.h"

/* After the operator's own prepare and with all types known: adds what the node needs to its scratch. */
void nd_fp32_copies_prepare(const nd_graph *g, nd_node *n);
/* Before and after a node that has copies runs: r->in and r->out are fp32 in between. */
void nd_fp32_copies_in(nd_run_context *r);
void nd_fp32_copies_out(const nd_run_context *r);

#endif
