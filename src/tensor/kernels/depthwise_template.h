/* Depth-wise 3 x 3 convolutions along a row, for one vector length; included by micro_template.h. A group of
 * ND_SWEEP_VECTORS vectors of channels is what has its filter, or the sums of its gradient, in registers:
 * nine taps and a bias of each vector, two sums and what is read.
 */

enum { ND_GROUP = ND_SWEEP_VECTORS * ND_LANES, ND_TAP_ROWS = 3 };

typedef float group_part[ND_GROUP];

/* `lanes` numbers, and zeros behind them: what lies behind may not be there. */
ND_INLINE void take_group(vec to[ND_SWEEP_VECTORS], const float *x, const size_t lanes) {
  group_part part = {0};
  if (lanes < ND_GROUP)
    x = memcpy(part, x, lanes * sizeof *x);
  for (int i = 0; i < ND_SWEEP_VECTORS; i++)
    to[i] = load(x + i * ND_LANES);
}

ND_INLINE void put_group(float *to, const vec from[ND_SWEEP_VECTORS], const size_t lanes) {
  if (lanes < ND_GROUP) {
    group_part part;
    for (int i = 0; i < ND_SWEEP_VECTORS; i++)
      store(part + i * ND_LANES, from[i]);
    memcpy(to, part, lanes * sizeof *to);
    return;
  }
  for (int i = 0; i < ND_SWEEP_VECTORS; i++)
    store(to + i * ND_LANES, from[i]);
}

/* As many numbers of the row ahead as a column has in a group. */
ND_INLINE void fetch_group(nd_sweep_ahead *a) {
  for (int i = 0; a->read && i < ND_GROUP; i += ND_LINE)
    __builtin_prefetch(a->read + i);
  for (int i = 0; a->write && i < ND_GROUP; i += ND_LINE)
    __builtin_prefetch(a->write + i, 1);
  a->read = a->read ? a->read + a->step : NULL;
  a->write = a->write ? a->write + a->step : NULL;
}

ND_INLINE nd_sweep_ahead group_ahead(nd_sweep_ahead a, size_t channel) {
  return (nd_sweep_ahead){a.read ? a.read + channel : NULL, a.write ? a.write + channel : NULL, a.step};
}

/* ---- Sums of nine taps ---- */

/* What becomes of them; `products` is a constant after inlining. */
ND_INLINE void end_of_sums(vec done[ND_SWEEP_VECTORS], const size_t lanes, const bool products,
                           const nd_sweep_to *to) {
  vec times[ND_SWEEP_VECTORS];
  if (products)
    take_group(times, to->times, lanes);
  for (int i = 0; i < ND_SWEEP_VECTORS; i++)
    done[i] = products ? done[i] * times[i] : activate(done[i], to->activation, to->slope);
}

/* Where the three rows are read while columns go by, and how far it is to the next one: not at all where
 * there are but zeros. */
typedef struct row_readers {
  const float *at[ND_TAP_ROWS];
  size_t step[ND_TAP_ROWS];
} row_readers;

ND_INLINE row_readers read_column(const nd_sweep *j, const float *const rows[ND_TAP_ROWS], int column,
                                  size_t channel, bool inside) {
  row_readers r;
  for (int i = 0; i < ND_TAP_ROWS; i++) {
    bool zeros = !inside || !rows[i];
    r.at[i] = zeros ? j->zeros : rows[i] + (ptrdiff_t)(column - j->first) * (ptrdiff_t)j->pitch + channel;
    r.step[i] = zeros ? 0 : j->pitch;
  }
  return r;
}

/* A group's sums: of the column before, of the one at hand so far, of the next. */
typedef struct running_sums {
  vec filter[ND_TAPS + 1][ND_SWEEP_VECTORS];
  vec first[ND_SWEEP_VECTORS], second[ND_SWEEP_VECTORS];
} running_sums;

/* Takes one more column: each is read once and adds to the outputs right of it, at it and left of it, of
 * which the last is complete then. */
ND_INLINE void add_column(running_sums *s, row_readers *r, const size_t lanes, vec done[ND_SWEEP_VECTORS]) {
  vec x[ND_TAP_ROWS][ND_SWEEP_VECTORS];
  for (int i = 0; i < ND_TAP_ROWS; i++) {
    take_group(x[i], r->at[i], lanes);
    r->at[i] += r->step[i];
  }
  for (int i = 0; i < ND_SWEEP_VECTORS; i++) {
    const vec *f = &s->filter[0][i];
#define ND_TAP(t) f[(t)*ND_SWEEP_VECTORS]
    done[i] = s->second[i] + x[0][i] * ND_TAP(2) + x[1][i] * ND_TAP(5) + x[2][i] * ND_TAP(8);
    s->second[i] = s->first[i] + x[0][i] * ND_TAP(1) + x[1][i] * ND_TAP(4) + x[2][i] * ND_TAP(7);
    s->first[i] = ND_TAP(ND_TAPS) + x[0][i] * ND_TAP(0) + x[1][i] * ND_TAP(3) + x[2][i] * ND_TAP(6);
#undef ND_TAP
  }
}

ND_INLINE void sweep_group(const nd_sweep *j, const float *const rows[ND_TAP_ROWS], size_t channel,
                           const size_t lanes, const float *w, const bool products, nd_sweep_to to) {
  running_sums sums = {.first = {{0}}, .second = {{0}}};
  for (int t = 0; t <= ND_TAPS; t++)
    take_group(sums.filter[t], w + t * ND_SLICE + channel, ND_GROUP);
  to.y += channel;
  to.times = to.times ? to.times + channel : NULL;
  to.ahead = group_ahead(to.ahead, channel);
  int last = j->end + 2, left = j->pad, right = j->w + j->pad; /* columns left ... right - 1 are inside */
  for (int s = j->from; s < last;) {
    bool inside = s >= left && s < right;
    int until = s < left ? left : s < right ? right : last;
    row_readers r = read_column(j, rows, s - j->pad, channel, inside);
    for (until = until < last ? until : last; s < until; s++) {
      vec done[ND_SWEEP_VECTORS];
      add_column(&sums, &r, lanes, done);
      if (s < j->from + 2)
        continue;
      fetch_group(&to.ahead);
      end_of_sums(done, lanes, products, &to);
      put_group(to.y, done, lanes);
      to.y += to.pitch;
      to.times = to.times ? to.times + ND_SLICE : NULL;
    }
  }
}

ND_INLINE void sweep_as(const nd_sweep *j, const float *const rows[ND_TAP_ROWS], size_t lanes, const float *w,
                        const bool products, const nd_sweep_to *to) {
  size_t k = 0;
  for (; k + ND_GROUP <= lanes; k += ND_GROUP)
    sweep_group(j, rows, k, ND_GROUP, w, products, *to);
  if (k < lanes)
    sweep_group(j, rows, k, lanes - k, w, products, *to);
}

static ND_TARGET void sweep(const nd_sweep *j, const float *const rows[ND_TAP_ROWS], size_t lanes,
                            const float *w, const nd_sweep_to *to) {
  if (to->times)
    sweep_as(j, rows, lanes, w, true, to);
  else
    sweep_as(j, rows, lanes, w, false, to);
}

/* ---- Sums of weights' gradients ---- */

ND_INLINE void sum_group(const nd_sweep *j, const float *const rows[ND_TAP_ROWS], const float *dy,
                         size_t dy_pitch, size_t channel, const size_t lanes, nd_sweep_ahead ahead,
                         float *kept) {
  vec sums[ND_TAPS + 1][ND_SWEEP_VECTORS];
  vec d[3][ND_SWEEP_VECTORS] = {{{0}}}; /* dy one after this column's, at it, before it */
  for (int t = 0; t <= ND_TAPS; t++)
    take_group(sums[t], kept + t * ND_SLICE + channel, ND_GROUP);
  row_readers r = read_column(j, rows, j->from - j->pad, channel, true);
  ahead = group_ahead(ahead, channel);
  dy += channel;
  for (int s = j->from; s < j->end + 2; s++) {
    int column = s - j->pad;
    for (int i = 0; i < ND_SWEEP_VECTORS; i++)
      d[2][i] = d[1][i], d[1][i] = d[0][i], d[0][i] = (vec){0};
    if (s < j->end)
      take_group(d[0], dy, lanes);
    dy += dy_pitch;
    for (int i = 0; i < ND_SWEEP_VECTORS; i++)
      sums[ND_TAPS][i] += d[0][i];
    if (column >= 0 && column < j->w) {
      fetch_group(&ahead);
      for (int row = 0; row < ND_TAP_ROWS; row++) {
        vec x[ND_SWEEP_VECTORS];
        if (!rows[row])
          continue;
        take_group(x, r.at[row], lanes);
        for (int k = 0; k < 3; k++)
          for (int i = 0; i < ND_SWEEP_VECTORS; i++)
            sums[3 * row + k][i] += x[i] * d[k][i];
      }
    }
    for (int row = 0; row < ND_TAP_ROWS; row++)
      r.at[row] += r.step[row];
  }
  for (int t = 0; t <= ND_TAPS; t++)
    put_group(kept + t * ND_SLICE + channel, sums[t], ND_GROUP);
}

static ND_TARGET void sum_taps(const nd_sweep *j, const float *const rows[ND_TAP_ROWS], const float *dy,
                               size_t dy_pitch, size_t lanes, nd_sweep_ahead ahead, float *sums) {
  size_t k = 0;
  for (; k + ND_GROUP <= lanes; k += ND_GROUP)
    sum_group(j, rows, dy, dy_pitch, k, ND_GROUP, ahead, sums);
  if (k < lanes)
    sum_group(j, rows, dy, dy_pitch, k, lanes - k, ahead, sums);
}
