/* Work cut into parts. */
#ifndef ND_KERNELS_PARTS_H
#define ND_KERNELS_PARTS_H

static inline int nd_least(int a, int b) {
  return a < b ? a : b;
}

static inline int nd_divide_up(int a, int b) {
  return (a + b - 1) / b;
}

/* The size of equal parts of n, none larger than `most`. */
static inline int nd_even_part(int n, int most) {
  return nd_divide_up(n, nd_divide_up(n, most));
}

/* Where part i of n begins, of so many parts; part i + 1 where it ends. */
static inline int nd_part_start(int n, int i, int parts) {
  return (int)((long)n * i / parts);
}

#endif
