/* Line charts as SVG. */
#ifndef ND_PLOT_H
#define ND_PLOT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct nd_plot_series {
  const char *name;
  const double *x, *y;
  size_t count;
} nd_plot_series;

typedef struct nd_plot {
  const char *title, *x_label, *y_label;
  const nd_plot_series *series;
  int series_count;
  bool log_y;
} nd_plot;

/* g_free; NULL and an error when there is nothing to draw. Points that are not finite are left out. */
char *nd_plot_svg(const nd_plot *plot);

#endif
