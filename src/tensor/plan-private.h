#ifndef ND_PLAN_PRIVATE_H
#define ND_PLAN_PRIVATE_H

#include "tensor/graph-private.h"

struct nd_plan {
  nd_graph *graph;
  GArray *order;         /* int: the nodes that run, in order */
  int *root;             /* by tensor: whose memory it uses */
  size_t *place;         /* by root: offset in the arena */
  size_t *scratch_place; /* by node */
  guint late;            /* from here on in order: gradients that waited for the activations to be gone */
  size_t arena_bytes;
  char *arena;
  void **data; /* by tensor */
  nd_window window;
  nd_profile *profile; /* NULL: runs are not recorded */
  guint profile_first; /* the profile's entry of the plan's first node */
  nd_share share;
  nd_watch watch;
};

/* Sets in and out of the node in r from its data. */
void nd_find_buffers(nd_run_context *r);

/* Operations of one run of a node; 0 for a view. */
double nd_node_flops(const nd_graph *g, const nd_node *n);

/* Operators take over what the only reader of their output does to it, and what is done to an input that
 * they alone read. */
void nd_fuse(nd_graph *g);
/* Which nodes run and when: fills order. */
void nd_plan_order(nd_plan *plan);
/* Once nodes know their scratch: of the late ones, those that need most besides their gradients come first,
 * when most gradients are still to be made. */
void nd_plan_order_late(nd_plan *plan);

/* Lifetimes, in-place unions and offsets: fills root, place, scratch_place, arena_bytes from order. */
void nd_plan_memory(nd_plan *plan);

#endif
