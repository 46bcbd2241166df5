/* Where an axis has its ticks. */
#ifndef ND_PLOT_PRIVATE_H
#define ND_PLOT_PRIVATE_H

enum { ND_MOST_TICKS = 16 };

typedef struct nd_tick {
  double at;
  char label[24];
} nd_tick;

/* Multiples of 1, 2 or 5 times a power of ten within [low, high], about `wanted` of them; how many. */
int nd_ticks_linear(double low, double high, int wanted, nd_tick out[ND_MOST_TICKS]);
/* The same for a logarithmic axis, 0 < low < high: decades where there are enough of them, else 1, 2, 5 of
 * each, else as on a linear axis. */
int nd_ticks_log(double low, double high, int wanted, nd_tick out[ND_MOST_TICKS]);

#endif
