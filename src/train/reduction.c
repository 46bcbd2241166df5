/* The gradient in pieces: added to that of earlier passes, then summed over processes. Parameters get their
 * gradients in the same order in every process, so pieces are sent off in the same order too. */
#include "train/reduction-private.h"
#include "train/train-private.h"

#include <glib.h>

/* Large against the latency of a network, small against the gradient of a large network: 8 MB. */
enum { PIECE = 1 << 21 };

typedef struct piece {
  size_t offset, count;
  int parameters, missing; /* all; of this pass those without a final gradient */
  bool sent;
} piece;

struct nd_reduction {
  nd_group *group;
  GArray *pieces;
  int *piece_of; /* by parameter */
  float *gradients;
  const float *accumulated;
  int failed;
};

nd_reduction *nd_reduction_new(const nd_params *params, nd_group *group, size_t size) {
  nd_reduction *r = g_new0(nd_reduction, 1);
  int n = nd_params_length(params);
  r->group = group;
  r->pieces = g_array_new(FALSE, TRUE, sizeof(piece));
  r->piece_of = g_new0(int, n);
  for (int i = 0; i < n; i++) {
    size_t offset = nd_params_at(params, i)->offset, end = nd_params_end(params, i);
    piece *last = r->pieces->len ? &g_array_index(r->pieces, piece, r->pieces->len - 1) : NULL;
    if (!last || last->count >= (size ? size : PIECE)) {
      piece fresh = {.offset = offset};
      g_array_append_val(r->pieces, fresh);
      last = &g_array_index(r->pieces, piece, r->pieces->len - 1);
    }
    last->count = end - last->offset;
    last->parameters++;
    r->piece_of[i] = (int)r->pieces->len - 1;
  }
  return r;
}

void nd_reduction_free(nd_reduction *r) {
  if (!r)
    return;
  g_array_free(r->pieces, TRUE);
  g_free(r->piece_of);
  g_free(r);
}

void nd_reduction_start(nd_reduction *r, float *gradients, const float *accumulated) {
  r->gradients = gradients;
  r->accumulated = accumulated;
  r->failed = 0;
  for (guint i = 0; i < r->pieces->len; i++) {
    piece *p = &g_array_index(r->pieces, piece, i);
    p->missing = p->parameters;
    p->sent = false;
  }
}

static void send(nd_reduction *r, piece *p) {
  p->sent = true;
  if (r->accumulated)
    nd_add_into(r->gradients + p->offset, r->accumulated + p->offset, p->count);
  if (!r->failed)
    r->failed = nd_group_begin_sum(r->group, r->gradients + p->offset, p->count);
}

void nd_reduction_gradient(nd_reduction *r, int param) {
  piece *p = &g_array_index(r->pieces, piece, r->piece_of[param]);
  if (--p->missing == 0)
    send(r, p);
  /* Many an MPI moves data only while it is being called. */
  if (!r->failed)
    r->failed = nd_group_poll(r->group);
}

/* Parameters that the loss does not depend on have no gradient: their pieces are left until here. */
int nd_reduction_finish(nd_reduction *r) {
  for (guint i = 0; i < r->pieces->len; i++) {
    piece *p = &g_array_index(r->pieces, piece, i);
    if (!p->sent)
      send(r, p);
  }
  return r->failed ? -1 : nd_group_finish(r->group);
}
