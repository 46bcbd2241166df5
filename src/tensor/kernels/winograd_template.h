/* The transforms of Winograd's F(4x4, 3x3), for one vector length; included by micro_template.h.
 *
 * Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks": a 4x4 tile of outputs is
 *   Y = A^T [ (G g G^T) * (B^T d B) ] A,      g the 3x3 kernel, d the 6x6 tile of inputs, * element by
 * element, and, it being linear, the gradients are (adjoints of the same matrices) dg = G^T [ (B^T d B) * (A
 * dY A^T) ] G. The polynomials are interpolated at 0, +-a, +-b and infinity, with a = 5/8 and b = 3/2: all
 * constants of A and B are exact in fp32, and the rounding error is a third of that with Lavin's 0, +-1, +-2
 * (the choice of points: Barabasz et al. 2020, "Error Analysis and Improving the Accuracy of Winograd
 * Convolution").
 */
#define ND_A 0.625f
#define ND_B 1.5f
#define ND_A2 (ND_A * ND_A)
#define ND_B2 (ND_B * ND_B)
/* Rows of G: (1, p, p^2) / product of (p - other points). */
#define ND_G0 (1 / (ND_A2 * ND_B2))
#define ND_GA (1 / (2 * ND_A2 * (ND_A2 - ND_B2)))
#define ND_GB (1 / (2 * ND_B2 * (ND_B2 - ND_A2)))

/* out = B^T d */
ND_INLINE void transform_input(const vec d[6], vec out[6]) {
  vec even = d[4] - ND_B2 * d[2], odd = d[3] - ND_B2 * d[1];
  out[1] = even + ND_A * odd;
  out[2] = even - ND_A * odd;
  even = d[4] - ND_A2 * d[2], odd = d[3] - ND_A2 * d[1];
  out[3] = even + ND_B * odd;
  out[4] = even - ND_B * odd;
  out[0] = (d[4] - (ND_A2 + ND_B2) * d[2]) + ND_A2 * ND_B2 * d[0];
  out[5] = (d[5] - (ND_A2 + ND_B2) * d[3]) + ND_A2 * ND_B2 * d[1];
}

/* out = A^T m */
ND_INLINE void transform_output(const vec m[6], vec out[4]) {
  vec sa = m[1] + m[2], da = m[1] - m[2], sb = m[3] + m[4], db = m[3] - m[4];
  out[0] = m[0] + sa + sb;
  out[1] = ND_A * da + ND_B * db;
  out[2] = ND_A2 * sa + ND_B2 * sb;
  out[3] = m[5] + ND_A2 * ND_A * da + ND_B2 * ND_B * db;
}

/* out = A y */
ND_INLINE void transform_gradient(const vec y[4], vec out[6]) {
  vec even = y[0] + ND_A2 * y[2], odd = ND_A * y[1] + ND_A2 * ND_A * y[3];
  out[1] = even + odd;
  out[2] = even - odd;
  even = y[0] + ND_B2 * y[2], odd = ND_B * y[1] + ND_B2 * ND_B * y[3];
  out[3] = even + odd;
  out[4] = even - odd;
  out[0] = y[0];
  out[5] = y[3];
}

/* out = G g */
ND_INLINE void transform_weights(const vec g[3], vec out[6]) {
  vec even = ND_GA * g[0] + ND_GA * ND_A2 * g[2], odd = ND_GA * ND_A * g[1];
  out[1] = even + odd;
  out[2] = even - odd;
  even = ND_GB * g[0] + ND_GB * ND_B2 * g[2], odd = ND_GB * ND_B * g[1];
  out[3] = even + odd;
  out[4] = even - odd;
  out[0] = ND_G0 * g[0];
  out[5] = g[2];
}

/* out = G^T u */
ND_INLINE void transform_weights_gradient(const vec u[6], vec out[3]) {
  vec sa = u[1] + u[2], da = u[1] - u[2], sb = u[3] + u[4], db = u[3] - u[4];
  out[0] = ND_G0 * u[0] + ND_GA * sa + ND_GB * sb;
  out[1] = ND_GA * ND_A * da + ND_GB * ND_B * db;
  out[2] = u[5] + ND_GA * ND_A2 * sa + ND_GB * ND_B2 * sb;
}

/* Six vectors a step apart, by two addresses instead of six. */
ND_INLINE void load_six(const float *p, ptrdiff_t step, vec d[6]) {
  const float *q = p + 3 * step;
  d[0] = load(p), d[1] = load(p + step), d[2] = load(p + 2 * step);
  d[3] = load(q), d[4] = load(q + step), d[5] = load(q + 2 * step);
}

ND_INLINE void store_six(float *p, ptrdiff_t step, const vec d[6]) {
  float *q = p + 3 * step;
  store(p, d[0]), store(p + step, d[1]), store(p + 2 * step, d[2]);
  store(q, d[3]), store(q + step, d[4]), store(q + 2 * step, d[5]);
}

ND_INLINE void put(const nd_into into, float *p, vec v) {
  if (into == ND_INTO_HALVES)
    *(half_vec_anywhere *)p = narrow(v);
  else if (into == ND_INTO_LOW)
    *(uvec_anywhere *)p = __builtin_convertvector(narrow(v), uvec);
  else
    *(uvec_anywhere *)p |= __builtin_convertvector(narrow(v), uvec) << 16;
}

ND_INLINE void put_six(const nd_into into, float *p, ptrdiff_t step, const vec d[6]) {
  float *q = p + 3 * step;
  put(into, p, d[0]), put(into, p + step, d[1]), put(into, p + 2 * step, d[2]);
  put(into, q, d[3]), put(into, q + step, d[4]), put(into, q + 2 * step, d[5]);
}

ND_INLINE void store_into(nd_into into, float *p, ptrdiff_t step, const vec d[6]) {
  switch (into) {
  case ND_INTO_F32:
    store_six(p, step, d);
    break;
  case ND_INTO_HALVES:
    put_six(ND_INTO_HALVES, p, step, d);
    break;
  case ND_INTO_LOW:
    put_six(ND_INTO_LOW, p, step, d);
    break;
  case ND_INTO_HIGH:
    put_six(ND_INTO_HIGH, p, step, d);
  }
}

/* Words from one vector's numbers to the next one's. */
ND_INLINE int words_of_vector(nd_into into) {
  return into == ND_INTO_HALVES ? ND_LANES / 2 : ND_LANES;
}

ND_INLINE void input_as(const nd_dtype type, const void *const *pixel36, int channel, int vectors,
                        nd_into into, float *v, ptrdiff_t plane) {
  for (; vectors > 0; vectors--, channel += ND_LANES, v += words_of_vector(into)) {
    vec columns[6][6], d[6], t[6];
    for (int j = 0; j < 6; j++) {
      for (int i = 0; i < 6; i++)
        d[i] = load_as(type, pixel36[i * 6 + j], channel);
      transform_input(d, t);
      for (int i = 0; i < 6; i++)
        columns[i][j] = t[i];
    }
    for (int i = 0; i < 6; i++) {
      transform_input(columns[i], t);
      store_into(into, v + i * 6 * plane, plane, t);
    }
  }
}

static ND_TARGET void winograd_input(nd_dtype type, const void *const *pixel36, int channel, int vectors,
                                     nd_into into, float *v, ptrdiff_t plane) {
  if (type == ND_BF16)
    input_as(ND_BF16, pixel36, channel, vectors, into, v, plane);
  else
    input_as(ND_F32, pixel36, channel, vectors, into, v, plane);
}

ND_INLINE void output_as(const float *m, ptrdiff_t plane, int vectors, const nd_epilogue *e,
                         const nd_dtype type, void *const *pixel16, int channel) {
  for (int n = 0; n < vectors; n++, m += ND_LANES, channel += ND_LANES) {
    vec columns[4][6], d[6], t[4], bias = e->bias ? load(e->bias + n * ND_LANES) : splat(0);
    for (int j = 0; j < 6; j++) {
      load_six(m + j * plane, 6 * plane, d);
      transform_output(d, t);
      for (int i = 0; i < 4; i++)
        columns[i][j] = t[i];
    }
    for (int i = 0; i < 4; i++) {
      transform_output(columns[i], t);
      for (int j = 0; j < 4; j++)
        store_as(type, pixel16[i * 4 + j], channel, activate(t[j] + bias, e->activation, e->slope));
    }
  }
}

static ND_TARGET void winograd_output(const float *m, ptrdiff_t plane, int vectors, const nd_epilogue *e,
                                      nd_dtype type, void *const *pixel16, int channel) {
  if (type == ND_BF16)
    output_as(m, plane, vectors, e, ND_BF16, pixel16, channel);
  else
    output_as(m, plane, vectors, e, ND_F32, pixel16, channel);
}

ND_INLINE void gradient_as(const nd_dtype type, const void *const *pixel16, int channel, int vectors,
                           nd_into into, float *z, ptrdiff_t plane, float *sums) {
  for (int n = 0; n < vectors; n++, channel += ND_LANES, z += words_of_vector(into)) {
    vec columns[6][4], d[4], t[6], sum = splat(0);
    for (int j = 0; j < 4; j++) {
      for (int i = 0; i < 4; i++)
        d[i] = load_as(type, pixel16[i * 4 + j], channel);
      sum += (d[0] + d[1]) + (d[2] + d[3]);
      transform_gradient(d, t);
      for (int i = 0; i < 6; i++)
        columns[i][j] = t[i];
    }
    if (sums)
      store(sums + n * ND_LANES, load(sums + n * ND_LANES) + sum);
    for (int i = 0; i < 6; i++) {
      transform_gradient(columns[i], t);
      store_into(into, z + i * 6 * plane, plane, t);
    }
  }
}

static ND_TARGET void winograd_gradient(nd_dtype type, const void *const *pixel16, int channel, int vectors,
                                        nd_into into, float *z, ptrdiff_t plane, float *sums) {
  if (type == ND_BF16)
    gradient_as(ND_BF16, pixel16, channel, vectors, into, z, plane, sums);
  else
    gradient_as(ND_F32, pixel16, channel, vectors, into, z, plane, sums);
}

static ND_TARGET void winograd_weights(const float *g, int vectors, nd_into into, float *u, ptrdiff_t plane) {
  int width = vectors * ND_LANES;
  for (int n = 0; n < width; n += ND_LANES) {
    vec columns[6][3], d[3], t[6];
    for (int j = 0; j < 3; j++) {
      for (int i = 0; i < 3; i++)
        d[i] = load(g + (i * 3 + j) * width + n);
      transform_weights(d, t);
      for (int i = 0; i < 6; i++)
        columns[i][j] = t[i];
    }
    for (int i = 0; i < 6; i++) {
      transform_weights(columns[i], t);
      store_into(into, u + i * 6 * plane + n, plane, t);
    }
  }
}

static ND_TARGET void winograd_weights_gradient(const float *du, ptrdiff_t plane, int vectors, float *g) {
  int width = vectors * ND_LANES;
  for (int n = 0; n < width; n += ND_LANES) {
    vec columns[3][6], d[6], t[3];
    for (int j = 0; j < 6; j++) {
      load_six(du + j * plane + n, 6 * plane, d);
      transform_weights_gradient(d, t);
      for (int i = 0; i < 3; i++)
        columns[i][j] = t[i];
    }
    for (int i = 0; i < 3; i++) {
      transform_weights_gradient(columns[i], t);
      for (int j = 0; j < 3; j++)
        store(g + (i * 3 + j) * width + n, t[j]);
    }
  }
}
