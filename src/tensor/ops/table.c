/* All operators: adding one is a file and a line here. */
#include "tensor/ops/ops-private.h"

#define LIST(X)                                                                                              \
  X(activate)                                                                                                \
  X(add)                                                                                                     \
  X(affine)                                                                                                  \
  X(attention)                                                                                               \
  X(average_pool)                                                                                            \
  X(batch_moments)                                                                                           \
  X(batch_norm)                                                                                              \
  X(channel_attention)                                                                                       \
  X(concat)                                                                                                  \
  X(constant)                                                                                                \
  X(conv2d)                                                                                                  \
  X(conv_transpose2d)                                                                                        \
  X(detach)                                                                                                  \
  X(dropout)                                                                                                 \
  X(gate)                                                                                                    \
  X(group_norm)                                                                                              \
  X(layer_norm)                                                                                              \
  X(local_mean)                                                                                              \
  X(max_pool)                                                                                                \
  X(mul)                                                                                                     \
  X(pair_loss)                                                                                               \
  X(pixel_shuffle)                                                                                           \
  X(pixel_unshuffle)                                                                                         \
  X(reshape)                                                                                                 \
  X(shuffle_pair)                                                                                            \
  X(sinusoidal_embedding)                                                                                    \
  X(slice)                                                                                                   \
  X(softmax)                                                                                                 \
  X(sum_to)                                                                                                  \
  X(upsample_bilinear)                                                                                       \
  X(upsample_nearest)                                                                                        \
  X(window_attention)

#define DECLARE(name) extern const nd_op nd_op_##name;
#define ADDRESS(name) &nd_op_##name,

LIST(DECLARE)
const nd_op *const nd_all_ops[] = {LIST(ADDRESS) NULL};
