/* Line charts as SVG. */
#ifndef ND_PLOT_H
#define ND_PLOT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct nd_plot_series {
  const char *name; /* shown in the legend, which there is for two and more */
  const double *x, *y;
  size_t count;
} nd_plot_series;

/* Texts are UTF-8 and may be NULL. */
typedef struct nd_plot {
  const char *title, *x_label, *y_label;
  const nd_plot_series *series;
  int series_count;
  bool log_y;
} nd_plot;

/* The text of an SVG file, 720 x 440; g_free. NULL and an error when there is nothing to draw. A point that
 * is not finite, or not positive on a logarithmic axis, is left out and interrupts its line. Long series are
 * thinned to what can be seen. */
char *nd_plot_svg(const nd_plot *plot);

#endif
