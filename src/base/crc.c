/* Cyclic redundancy checks of 32 bits, reflected, a bit at a time: what is checked is small. */
#include "base/base.h"

static uint32_t crc_by(uint32_t polynomial, const unsigned char *at, size_t n) {
  uint32_t crc = ~0u;
  for (; n--; at++) {
    crc ^= *at;
    for (int i = 0; i < 8; i++)
      crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
  }
  return ~crc;
}

uint32_t nd_crc32(const void *bytes, size_t n) {
  return crc_by(0xedb88320u, bytes, n);
}

uint32_t nd_crc32c(const void *bytes, size_t n) {
  return crc_by(0x82f63b78u, bytes, n);
}
