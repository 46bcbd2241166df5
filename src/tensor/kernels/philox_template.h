/* Philox4x32-10 (base/random.c) for neighbouring counters, a vector of them at a time. Included by
 * micro_template.h; ND_MULTIPLY_EVEN is the instruction set's product of the even 32-bit lanes as 64 bits.
 *
 * A compiler that vectorises the plain loop spends most of it on moving halves between lanes. */

typedef uint64_t wide __attribute__((vector_size(4 * ND_LANES)));

/* Both halves of every lane's product with m. */
ND_INLINE void multiply_wide(uvec a, uint32_t m, uvec *low, uvec *high) {
  const wide bottom = (wide){0} + 0xffffffffu, factor = (wide){0} + m;
  wide even = ND_MULTIPLY_EVEN((wide)a, factor), odd = ND_MULTIPLY_EVEN((wide)a >> 32, factor);
  *low = (uvec)((even & bottom) | odd << 32);
  *high = (uvec)(even >> 32 | (odd & ~bottom));
}

ND_INLINE void philox_round(uvec c[4], uint32_t k0, uint32_t k1) {
  uvec low0, high0, low2, high2;
  multiply_wide(c[0], 0xD2511F53u, &low0, &high0);
  multiply_wide(c[2], 0xCD9E8D57u, &low2, &high2);
  c[0] = high2 ^ c[1] ^ k0, c[1] = low2;
  c[2] = high0 ^ c[3] ^ k1, c[3] = low0;
}

ND_INLINE void philox_start(const uint32_t first[4], uint32_t at, uvec c[4]) {
  uint32_t counters[ND_LANES];
  for (uint32_t i = 0; i < ND_LANES; i++)
    counters[i] = first[0] + at + i;
  memcpy(&c[0], counters, sizeof c[0]);
  for (int k = 1; k < 4; k++)
    c[k] = (uvec){0} + first[k];
}

/* Two vectors side by side: each waits for its own multiplications. */
static ND_TARGET void philox(const uint32_t key[2], const uint32_t first[4],
                             uint32_t out[4][ND_PHILOX_COUNTERS]) {
  for (uint32_t at = 0; at < ND_PHILOX_COUNTERS; at += 2 * ND_LANES) {
    uvec a[4], b[4];
    philox_start(first, at, a);
    philox_start(first, at + ND_LANES, b);
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      philox_round(a, k0, k1);
      philox_round(b, k0, k1);
    }
    for (int k = 0; k < 4; k++) {
      memcpy(out[k] + at, &a[k], sizeof a[k]);
      memcpy(out[k] + at + ND_LANES, &b[k], sizeof b[k]);
    }
  }
}
