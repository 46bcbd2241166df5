#ifndef ND_PARAMS_PRIVATE_H
#define ND_PARAMS_PRIVATE_H

#include "tensor/tensor.h"

#include <glib.h>

struct nd_params {
  GArray *list;        /* nd_param */
  GHashTable *by_name; /* name -> index + 1; owns the names */
  size_t size;
};

/* Index of the parameter, declared when new (with name and offset filled in); -1 when it is known with
 * another shape. */
int nd_params_declare(nd_params *p, const char *name, nd_param wanted);

#endif
