#ifndef ND_STAGE_PRIVATE_H
#define ND_STAGE_PRIVATE_H

#include "tensor/graph-private.h"

/* After the operator's own prepare and with all types known: adds what the node needs to its scratch. */
void nd_stage_prepare(const nd_graph *g, nd_node *n);
/* Before and after a node that is staged runs: r->in and r->out are fp32 in between. */
void nd_stage_in(nd_run_context *r);
void nd_stage_out(const nd_run_context *r);

#endif
