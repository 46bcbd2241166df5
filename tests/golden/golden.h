/* Numbers computed in PyTorch (tests/oracle/make_goldens.py), for comparison. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "tensor/tensor.h"
#include "weights/weights.h"

typedef nd_safetensors golden;

golden *golden_open(const char *name); /* "unet_square"; fails the test when it is missing */
/* Weights by the oracle's formula (README.md there), for all parameters of params. */
void golden_weights(const nd_params *params, float *values);
const nd_st_tensor *golden_tensor(const golden *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Copies the tensor into memory of the plan (or anywhere). */
void golden_copy(const golden *g, const char *name, float *out);
/* Largest difference over count values, relative to the largest of the tensor's values (at least floor). */
double golden_distance(const nd_st_tensor *t, const float *found, double floor);
/* Fails the test when the distance is above tolerance. */
void golden_expect(const nd_st_tensor *t, const float *found, double tolerance);
/* Compares a buffer laid out as params with the tensors <prefix><parameter name>; parameters whose names end
 * in skipped_ending (NULL: none), and state, are left out. Returns how many were compared. */
int golden_expect_params(const golden *g, const char *prefix, const nd_params *params, const float *values,
                         const char *skipped_ending, double tolerance);

#endif
