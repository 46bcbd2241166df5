#ifndef ND_RESTORE_PRIVATE_H
#define ND_RESTORE_PRIVATE_H

#include "restore/restore.h"

#include <glib.h>

struct nd_restorer {
  const nd_net *net;
  nd_params *params;
  char *scope;
  const float *values;
  nd_restorer_settings settings;
  nd_graph *graph;
  nd_plan *plan;   /* of a tile, */
  nd_slide *slide; /*   or of a strip, so many rows of the input at a time */
  int band;
  nd_tensor x, y;
  int plan_height, plan_width;
  double bytes_a_pixel; /* of the plan; 0: not known yet */
  size_t beyond;        /* what others take of the memory that the buffers were to have, and more */
  size_t lacking;       /* nd_restorer_lacking */
};

typedef struct nd_layout {
  int height, width;           /* of the padded picture */
  int tile_height, tile_width; /* what one run takes */
  int overlap;                 /* border of a tile whose result is not used */
  int band;    /* not 0: tiles are of the whole height and slid over, so many rows at a time */
  int steps;   /* of each of them */
  bool staged; /* the network sees the whole picture, which is too large to be taken whole */
} nd_layout;

/* Along one axis, tile i starts at start and its result is used from `from` up to `to`. */
typedef struct nd_tile_span {
  int start, from, to;
} nd_tile_span;

/* With the memory there is now. Plans may be lost. */
int nd_restorer_lay_out(nd_restorer *r, int height, int width, nd_layout *l);
/* The grid of tiles of at most `area` pixels that computes the fewest; false: there is none. */
bool nd_restorer_divide(const nd_restorer *r, nd_layout *l, double area);
/* Notes that so much memory is wanted in place of the settings', and says how much more that is; a little
 * above what is needed, since texts are rounded. */
nd_bytes_text nd_restorer_want(nd_restorer *r, double bytes);
int nd_tile_spans(int length, int tile, int overlap);
nd_tile_span nd_tile_span_at(int i, int length, int tile, int overlap);
int nd_layout_across(const nd_layout *l); /* tiles or strips side by side */
int nd_layout_tiles(const nd_layout *l);  /* tiles, or steps of all strips */
void nd_layout_tile_at(const nd_layout *l, int i, nd_tile_span *rows, nd_tile_span *columns);
/* A picture of the size that l was laid out for, with the memory there was. */
int nd_restorer_run_parts(nd_restorer *r, const nd_picture *p, const nd_layout *l, nd_tile_progress progress,
                          void *context);

void nd_restorer_drop_plan(nd_restorer *r);
/* Ready to run on height x width; band: rows at a time, 0: a plan of the whole height. */
int nd_restorer_make_plan(nd_restorer *r, int height, int width, int band);
/* r->slide, without its memory. */
int nd_restorer_build_slide(nd_restorer *r, int height, int width, int band);

/* Appends the restorer's network to a graph of a picture height x width: y of x. */
int nd_restorer_append(const nd_restorer *r, nd_graph *g, nd_dtype dtype, int height, int width, nd_tensor *x,
                       nd_tensor *y);
/* The tile at (y, x) of the picture padded by replication, as the network takes it. */
int nd_tile_in(const nd_restorer *r, const nd_picture *p, int y, int x, int height, int width, float *tile);
/* What of a tile's result is used, by the restorer's strength, into the picture. */
int nd_tile_out(const nd_restorer *r, const nd_picture *p, const nd_layout *l, nd_tile_span rows,
                nd_tile_span columns, const float *tile);

/* ---- Networks that see the whole picture, in stages (tensor/cuts.h) ---- */
typedef struct nd_staged nd_staged;
int nd_staged_new(nd_restorer *r, int height, int width, nd_staged **out);
void nd_staged_free(nd_staged *s); /* NULL is fine */
int nd_staged_tiles(const nd_staged *s);
int nd_staged_run(nd_staged *s, const nd_picture *p, nd_tile_progress progress, void *context);

#endif
