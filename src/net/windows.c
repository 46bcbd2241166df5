/* What networks of shifted-window attention share. */
#include "net/net-private.h"

nd_tensor nd_layer_position_bias(nd_graph *g, nd_window_attention_settings s) {
  int side = 2 * s.window - 1;
  return nd_parameter(g, "relative_position_bias_table", ND_INIT_SMALL, 2, (int[]){side * side, s.heads});
}

int nd_window_shift(int block, int window) {
  return block % 2 ? window / 2 : 0;
}

static int floor_to(int x, int step, int start) {
  int away = (x - start) % step;
  return x - (away < 0 ? away + step : away);
}

nd_span nd_span_grow(nd_span s, int by) {
  return (nd_span){s.low - by, s.high + by};
}

nd_span nd_span_window(nd_span s, int window, int shift) {
  return (nd_span){floor_to(s.low, window, shift), floor_to(s.high, window, shift) + window - 1};
}

int nd_span_reach(nd_span s, int from) {
  return s.high - from > from - s.low ? s.high - from : from - s.low;
}
