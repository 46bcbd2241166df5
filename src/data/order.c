/* A shuffled order that needs no memory: a Feistel permutation keyed by seed and epoch, walked along its
 * cycles until the result is in range (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA
 * 2002). */
#include "data/loader-private.h"

/* With fewer rounds or bits, folders of a handful of pictures show a visible bias in who comes first. STREAM
 * keeps these counters apart from those of nd_rng_make. */
enum { ROUNDS = 10, HALF_BITS_MIN = 3, STREAM = 0x100 };

typedef struct shuffle {
  uint32_t key[2], epoch, purpose;
  int half_bits;
} shuffle;

static uint64_t permute(const shuffle *s, uint64_t x) {
  uint32_t mask = (uint32_t)((1ull << s->half_bits) - 1);
  uint32_t left = (uint32_t)(x >> s->half_bits), right = (uint32_t)x & mask;
  for (uint32_t round = 0; round < ROUNDS; round++) {
    uint32_t counter[4] = {right, round, s->epoch, s->purpose | STREAM}, mixed[4];
    nd_philox(s->key, counter, mixed);
    uint32_t swapped = left ^ (mixed[0] & mask);
    left = right, right = swapped;
  }
  return (uint64_t)left << s->half_bits | right;
}

size_t nd_order_pick(uint64_t seed, nd_purpose purpose, uint64_t position, size_t count) {
  shuffle s = {{(uint32_t)seed, (uint32_t)(seed >> 32)},
               (uint32_t)(position / count),
               (uint32_t)purpose,
               HALF_BITS_MIN};
  while (s.half_bits < 32 && count > 1ull << 2 * s.half_bits)
    s.half_bits++;
  uint64_t x = position % count;
  do
    x = permute(&s, x);
  while (x >= count);
  return (size_t)x;
}
