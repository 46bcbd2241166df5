/* The register-tiled product of matrices, for one vector length; included by micro_template.h.
 *
 * A tile of C stays in registers while the terms are summed ("batch-reduce GEMM": Georganas et al., 2019,
 * "High-Performance Deep Learning via a Single Building Block"); rows of A are read where they lie, with any
 * step between rows or along k, so that neither a convolution nor a transposed product needs a copy of A.
 * While a tile is summed, line by line of A's rows, its place in C and the rows of A that come after its own
 * are fetched: the sums must not wait for either.
 */

/* Whether the numbers of A's rows are neighbours, or those of its columns. */
typedef enum lie { LIES_ALONG, LIES_ACROSS } lie;

/* X(row, name of the pointer to rows 3i, row - 3i): groups of three rows share an address register. */
#define ND_EACH_ROW(X)                                                                                       \
  X(0, a0, 0)                                                                                                \
  X(1, a0, 1)                                                                                                \
  X(2, a0, 2)                                                                                                \
  X(3, a3, 0)                                                                                                \
  X(4, a3, 1)                                                                                                \
  X(5, a3, 2)                                                                                                \
  X(6, a6, 0)                                                                                                \
  X(7, a6, 1)                                                                                                \
  X(8, a6, 2)                                                                                                \
  X(9, a9, 0)                                                                                                \
  X(10, a9, 1)                                                                                               \
  X(11, a9, 2)

/* With one vector, a is used once: the compiler may have the instruction that multiplies read it. */
ND_INLINE vec add_product(const bool pairs, const int vectors, vec sum, vec a, vec b) {
#ifdef ND_ADD_PAIRS
  if (pairs)
    return ND_ADD_PAIRS(sum, b, a);
#endif
#ifdef ND_ADD_PRODUCT
  if (vectors > 1) {
    ND_ADD_PRODUCT(sum, a, b);
    return sum;
  }
#endif
  (void)pairs, (void)vectors;
  return sum + a * b;
}

/* The same word in every lane; splat would do arithmetic with it. */
ND_INLINE vec word(const float *p) {
  return (vec)((ivec){0} + *(const int_anywhere *)p);
}

/* One step of the sums, `ahead` of the addresses: several share them, since moving an address costs as much
 * as a load, and on a core that another program has half of, all instructions count alike. */
#define ND_PRODUCT(r, at)                                                                                    \
  if (rows > r) {                                                                                            \
    vec a = pairs ? word(at) : splat(*(at));                                                                 \
    x##r = add_product(pairs, vectors, x##r, a, b0);                                                         \
    if (vectors > 1)                                                                                         \
      y##r = add_product(pairs, vectors, y##r, a, b1);                                                       \
  }
#define ND_ALONG(r, p, i) ND_PRODUCT(r, p + i * row + ahead)
#define ND_ACROSS(r, p, i) ND_PRODUCT(r, a0 + r + ahead * pitch)
#define ND_STEP(steps, PRODUCT)                                                                              \
  {                                                                                                          \
    enum { ahead = steps };                                                                                  \
    vec b0 = load(b + ahead * width), b1 = vectors > 1 ? load(b + ahead * width + ND_LANES) : b0;            \
    ND_EACH_ROW(PRODUCT)                                                                                     \
  }

/* One tile: `pairs` (words are pairs of bf16), `rows`, `vectors` and `lies` are constants after inlining. A's
 * rows, or its columns, are `pitch` apart. */
ND_INLINE void tile(const bool pairs, const int rows, const int vectors, const lie lies, const nd_term *t,
                    int nterms, ptrdiff_t first, ptrdiff_t pitch, float *c, ptrdiff_t c_row, const float *add,
                    ptrdiff_t add_row) {
  const int width = vectors * ND_LANES;
  const ptrdiff_t row = lies == LIES_ALONG ? pitch : 1;
#define ND_ZERO(r, p, i) vec x##r = {0}, y##r = {0};
  ND_EACH_ROW(ND_ZERO)
#define ND_PREFETCH_C(r, p, i)                                                                               \
  if (rows > r) {                                                                                            \
    __builtin_prefetch(c + r * c_row, 1);                                                                    \
    if (vectors * ND_LANES > ND_LINE)                                                                        \
      __builtin_prefetch(c + r * c_row + ND_LINE, 1);                                                        \
    __builtin_prefetch(c + r * c_row + vectors * ND_LANES - 1, 1);                                           \
  }
  ND_EACH_ROW(ND_PREFETCH_C)
  for (; nterms > 0; nterms--, t++) {
    const float *b = t->b, *end = b + t->k * width;
    const float *a0 = t->a + first, *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row;
#define ND_PREFETCH_A(r, p, i)                                                                               \
  if (rows > r)                                                                                              \
    __builtin_prefetch(p + i * row + rows * row, 0, 2);
    while (lies == LIES_ALONG && b < end) {
      const float *line = end - b < ND_LINE * width ? end : b + ND_LINE * width;
      const float *fours = b + (line - b) / (4 * width) * (4 * width);
      ND_EACH_ROW(ND_PREFETCH_A)
      for (; b < fours; b += 4 * width, a0 += 4, a3 += 4, a6 += 4, a9 += 4) {
        ND_STEP(0, ND_ALONG)
        ND_STEP(1, ND_ALONG)
        ND_STEP(2, ND_ALONG)
        ND_STEP(3, ND_ALONG)
      }
      for (; b < line; b += width, a0++, a3++, a6++, a9++)
        ND_STEP(0, ND_ALONG)
    }
    for (const float *twos = b + t->k / 2 * 2 * width; lies == LIES_ACROSS && b < twos;
         b += 2 * width, a0 += 2 * pitch) {
      ND_STEP(0, ND_ACROSS)
      ND_STEP(1, ND_ACROSS)
    }
    if (lies == LIES_ACROSS && b < end)
      ND_STEP(0, ND_ACROSS)
  }
#define ND_PUT(r, p, i)                                                                                      \
  if (rows > r) {                                                                                            \
    const float *more = add ? add + r * add_row : c;                                                         \
    store(c + r * c_row, add ? load(more) + x##r : x##r);                                                    \
    if (vectors > 1)                                                                                         \
      store(c + r * c_row + ND_LANES, add ? load(more + ND_LANES) + y##r : y##r);                            \
  }
  ND_EACH_ROW(ND_PUT)
}

/* ---- Tiles of any number of rows ---- */
typedef void tile_of_rows(int rows, const nd_term *t, int nterms, ptrdiff_t first, ptrdiff_t pitch, float *c,
                          ptrdiff_t c_row, const float *add, ptrdiff_t add_row);

#define ND_CASE(r, p, i)                                                                                     \
  case r + 1:                                                                                                \
    if (r < (vectors > 1 ? ND_ROWS_TWO : ND_ROWS_ONE))                                                       \
      tile(pairs, r + 1, vectors, lies, t, nterms, first, pitch, c, c_row, add, add_row);                    \
    break;
#define ND_TILE_OF_ROWS(name, PAIRS, VECTORS, LIES)                                                          \
  static ND_TARGET void name(int rows, const nd_term *t, int nterms, ptrdiff_t first, ptrdiff_t pitch,       \
                             float *c, ptrdiff_t c_row, const float *add, ptrdiff_t add_row) {               \
    const bool pairs = PAIRS;                                                                                \
    const int vectors = VECTORS;                                                                             \
    const lie lies = LIES;                                                                                   \
    switch (rows) { ND_EACH_ROW(ND_CASE) }                                                                   \
  }

ND_TILE_OF_ROWS(one_along, false, 1, LIES_ALONG)
ND_TILE_OF_ROWS(two_along, false, 2, LIES_ALONG)
ND_TILE_OF_ROWS(one_across, false, 1, LIES_ACROSS)
ND_TILE_OF_ROWS(two_across, false, 2, LIES_ACROSS)
/* By how A lies and vectors. */
static tile_of_rows *const tiles[2][2] = {{one_along, two_along}, {one_across, two_across}};
#ifdef ND_ADD_PAIRS
ND_TILE_OF_ROWS(pairs_one_along, true, 1, LIES_ALONG)
ND_TILE_OF_ROWS(pairs_two_along, true, 2, LIES_ALONG)
ND_TILE_OF_ROWS(pairs_one_across, true, 1, LIES_ACROSS)
ND_TILE_OF_ROWS(pairs_two_across, true, 2, LIES_ACROSS)
static tile_of_rows *const pair_tiles[2][2] = {{pairs_one_along, pairs_two_along},
                                               {pairs_one_across, pairs_two_across}};
#endif

/* Rows of the next tile when m are left: full tiles, but the last two share what they have, since a tile of
 * one or two rows would wait for its own sums. */
static int next_rows(int m, int most) {
  return m >= 2 * most ? most : m > most ? (m + 1) / 2 : m;
}

/* Rows of C are c_row apart; `add`, unless NULL, is added to them, its rows add_row apart. */
ND_INLINE void panel_by(tile_of_rows *const by[2][2], int vectors, int m, const nd_term *terms, int nterms,
                        ptrdiff_t a_row, ptrdiff_t a_step, float *c, ptrdiff_t c_row, const float *add,
                        ptrdiff_t add_row) {
  const lie lies = a_step == 1 ? LIES_ALONG : LIES_ACROSS;
  tile_of_rows *one = by[lies][vectors - 1];
  for (int i = 0, rows; i < m; i += rows, c += rows * c_row, add = add ? add + rows * add_row : NULL) {
    rows = next_rows(m - i, vectors > 1 ? ND_ROWS_TWO : ND_ROWS_ONE);
    one(rows, terms, nterms, i * a_row, lies == LIES_ALONG ? a_row : a_step, c, c_row, add, add_row);
  }
}

static ND_TARGET void panel_to(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row,
                               ptrdiff_t a_step, float *c, ptrdiff_t c_row, const float *add,
                               ptrdiff_t add_row) {
  panel_by(tiles, vectors, m, terms, nterms, a_row, a_step, c, c_row, add, add_row);
}

static ND_TARGET void panel(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row,
                            ptrdiff_t a_step, float *c, bool accumulate) {
  int width = vectors * ND_LANES;
  panel_by(tiles, vectors, m, terms, nterms, a_row, a_step, c, width, accumulate ? c : NULL, width);
}

#ifdef ND_ADD_PAIRS
static ND_TARGET void panel_pairs(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row,
                                  ptrdiff_t a_step, float *c, bool accumulate) {
  int width = vectors * ND_LANES;
  panel_by(pair_tiles, vectors, m, terms, nterms, a_row, a_step, c, width, accumulate ? c : NULL, width);
}
#endif
