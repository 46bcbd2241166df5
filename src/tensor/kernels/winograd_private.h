/* What the forward and the weights pass of Winograd's method share. */
#ifndef ND_KERNELS_WINOGRAD_PRIVATE_H
#define ND_KERNELS_WINOGRAD_PRIVATE_H

#include <stddef.h>

/* Floats from one tile's transformed channels to the next tile's: whole cache lines, and no multiple of 1 KB,
 * which would crowd the rows of a product into few sets of the cache. */
static inline int nd_winograd_pitch(int channels) {
  int pitch = (channels + 15) / 16 * 16;
  return pitch % 256 ? pitch : pitch + 16;
}

/* Floats from one frequency to the next, for the same reason. */
static inline ptrdiff_t nd_winograd_plane(size_t floats) {
  return (ptrdiff_t)((floats + 15) / 16 * 16 + 16);
}

#endif
