/* What noiseda info knows of a file, for its two ways to say it. */
#ifndef ND_INFO_PRIVATE_H
#define ND_INFO_PRIVATE_H

#include "weights/model.h"

#include <glib.h>

/* A network, and what it costs at a size: that asked for, rounded up to what the network takes. */
typedef struct nd_info_network {
  const nd_net *net;
  size_t weights;
  int width, height;
  double flops;   /* multiplications and additions */
  size_t buffers; /* bytes, beside the weights' */
  char *plan;     /* its nodes, a line each; NULL: not asked for */
} nd_info_network;

typedef struct nd_info {
  const char *path, *kind; /* "model", "checkpoint" */
  const char *stored_as;   /* the weights' type in the file */
  char *origin;            /* where the weights come from, in a sentence */
  const char *recognised;  /* how the network was found; NULL: the file names it */
  const char *left_aside;  /* other tensors of the file; NULL: none */
  int n_networks;
  nd_info_network networks[2];
  const nd_st_metadata *metadata;
  size_t n_metadata;
} nd_info;

const char *nd_info_metadata(const nd_info *info, const char *key); /* NULL: not there */
void nd_info_print(const nd_info *info);
void nd_info_print_json(const nd_info *info);

#endif
