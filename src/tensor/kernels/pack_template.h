/* Packing the factors of a product for one vector length; included by micro_template.h. Rows are read in
 * short pieces, of which no processor guesses the next: those to come are fetched meanwhile. */

enum { ND_PACK_AHEAD = 8 };

/* `count` numbers of a row. */
ND_INLINE void fetch_piece(const float *x, int count) {
  for (int i = 0; i < count; i += ND_LINE)
    __builtin_prefetch(x + i);
}

/* Columns of b, `panels` whole ones: to[panel][k][width], panels `apart`. */
static ND_TARGET void pack_columns(const float *x, ptrdiff_t x_row, int depth, int panels, float *to,
                                   ptrdiff_t apart) {
  enum { WIDTH = 2 * ND_LANES };
  for (int k = 0; k < depth; k++, x += x_row, to += WIDTH) {
    if (k + ND_PACK_AHEAD < depth)
      fetch_piece(x + ND_PACK_AHEAD * x_row, panels * WIDTH);
    for (int panel = 0; panel < panels; panel++) {
      vec first = load(x + panel * WIDTH), second = load(x + panel * WIDTH + ND_LANES);
      store(to + panel * apart, first);
      store(to + panel * apart + ND_LANES, second);
    }
  }
}

/* m rows of a transposed a, x[k][row], tile by tile: to[tile][k][rows of the tile]. */
static ND_TARGET void pack_tiles(const float *x, ptrdiff_t x_row, int depth, int m, float *to) {
  for (int k = 0; k < depth; k++, x += x_row) {
    if (k + ND_PACK_AHEAD < depth)
      fetch_piece(x + ND_PACK_AHEAD * x_row, m);
    for (int i = 0, rows; i < m; i += rows) {
      rows = next_rows(m - i, ND_ROWS_TWO);
      float *tile = to + (ptrdiff_t)i * depth + (ptrdiff_t)k * rows;
      if (rows == ND_ROWS_TWO)
        memcpy(tile, x + i, ND_ROWS_TWO * sizeof *tile);
      else
        for (int r = 0; r < rows; r++)
          tile[r] = x[i + r];
    }
  }
}

/* panel_to, of tiles that pack_tiles has made. */
static ND_TARGET void panel_of_tiles(int vectors, int m, const float *packed, const float *b, int depth,
                                     float *c, ptrdiff_t c_row, const float *add, ptrdiff_t add_row) {
  for (int i = 0, rows; i < m; i += rows, c += rows * c_row, add = add ? add + rows * add_row : NULL) {
    rows = next_rows(m - i, ND_ROWS_TWO);
    nd_term term = {packed, b, depth};
    tiles[LIES_ACROSS][vectors - 1](rows, &term, 1, (ptrdiff_t)i * depth, rows, c, c_row, add, add_row);
  }
}
