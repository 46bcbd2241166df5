#ifndef ND_DATA_REFLECT_H
#define ND_DATA_REFLECT_H

/* Place i of a line of n >= 1, beyond whose ends it is reflected about its first and its last place. That
 * keeps the phase of a Bayer mosaic. */
static inline int nd_reflect(int i, int n) {
  if (n == 1)
    return 0;
  int period = 2 * (n - 1);
  i = (i % period + period) % period;
  return i < n ? i : period - i;
}

#endif
