/* A baseline: self-supervision on the real photos with a blind spot (Krull, Buchholz, Jug, "Noise2Void",
 * CVPR 2019), beside the synthetic pairs. Hidden pixels take the value of a neighbour, and the network has to
 * say what they were: it can do that only for what neighbours tell, which is the picture and not the noise,
 * where the noise of neighbours is independent. (After demosaicing it is not; that is the method's limit.) */
#include "adapt/adapt-private.h"

#include <string.h>

enum { CELL = 8, REACH = 2 };

static int cells(int size) {
  return size / CELL;
}

/* Another pixel at most REACH away, within the patch. */
static int neighbour(int y, int x, int size, nd_rng *rng) {
  for (;;) {
    int v = y + (int)nd_rng_below(rng, 2 * REACH + 1) - REACH,
        u = x + (int)nd_rng_below(rng, 2 * REACH + 1) - REACH;
    if (v >= 0 && v < size && u >= 0 && u < size && (v != y || u != x))
      return v * size + u;
  }
}

/* One pixel of each cell of 8 x 8 (1 of 64, as in the paper), so that every sample hides as many. */
void nd_noise2void_hide(const float *real, int size, nd_rng *rng, float *blind, float *mask) {
  memcpy(blind, real, (size_t)size * (size_t)size * 3 * sizeof *blind);
  memset(mask, 0, (size_t)size * (size_t)size * sizeof *mask);
  for (int row = 0; row < cells(size); row++)
    for (int column = 0; column < cells(size); column++) {
      int y = row * CELL + (int)nd_rng_below(rng, CELL), x = column * CELL + (int)nd_rng_below(rng, CELL);
      int from = neighbour(y, x, size, rng);
      memcpy(blind + 3 * (y * size + x), real + 3 * from, 3 * sizeof *blind);
      mask[y * size + x] = 1;
    }
}

/* The squared error, a mean over the hidden pixels alone. */
static nd_tensor hidden_error(nd_graph *g, const nd_objective *o, nd_tensor restored) {
  int n = cells(o->patch_size);
  float pixels_a_hidden_one = (float)(o->patch_size * o->patch_size) / (float)(n * n);
  nd_tensor error = nd_mse(g, nd_mul(g, restored, o->mask), nd_mul(g, o->real, o->mask));
  return nd_affine(g, error, pixels_a_hidden_one, 0);
}

nd_tensor nd_noise2void_loss(nd_graph *g, nd_objective *o, const nd_net *net) {
  nd_branch synthetic, real;
  o->real = nd_objective_picture(g, "real", o);
  o->blind = nd_objective_picture(g, "blind", o);
  o->mask = nd_input(g, "mask", o->n, o->patch_size, o->patch_size, 1);
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  nd_objective_restore(g, o, net, o->blind, &synthetic, &real);
  o->loss_diffusion = hidden_error(g, o, real.restored);
  return nd_mul(g, o->alpha, o->loss_diffusion);
}
