/* Records of TensorBoard's event files (the TFRecord format): length, its checksum, bytes, their checksum. */
#include "train/records-private.h"

#include "base/base.h"

#include <glib.h>
#include <string.h>

enum { HEAD = 12, TAIL = 4 };

uint32_t nd_crc32c(const void *bytes, size_t n) {
  const unsigned char *at = bytes;
  uint32_t crc = ~0u;
  for (; n--; at++) {
    crc ^= *at;
    for (int i = 0; i < 8; i++)
      crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

/* Checksums are masked, so that one of bytes that hold checksums is no worse. */
static uint32_t masked(const void *bytes, size_t n) {
  uint32_t crc = nd_crc32c(bytes, n);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

void nd_record_append(GByteArray *out, const void *bytes, size_t n) {
  uint64_t length = GUINT64_TO_LE((uint64_t)n);
  uint32_t head = GUINT32_TO_LE(masked(&length, sizeof length)), tail = GUINT32_TO_LE(masked(bytes, n));
  g_byte_array_append(out, (const guint8 *)&length, sizeof length);
  g_byte_array_append(out, (const guint8 *)&head, sizeof head);
  g_byte_array_append(out, bytes, (guint)n);
  g_byte_array_append(out, (const guint8 *)&tail, sizeof tail);
}

const void *nd_record_at(const void *file, size_t size, size_t *at, size_t *n) {
  const char *p = (const char *)file + *at;
  uint64_t length;
  uint32_t head, tail;
  if (size - *at < HEAD + TAIL)
    return NULL;
  memcpy(&length, p, sizeof length);
  memcpy(&head, p + sizeof length, sizeof head);
  if (GUINT32_FROM_LE(head) != masked(p, sizeof length))
    return NULL;
  length = GUINT64_FROM_LE(length);
  if (length > size - *at - HEAD - TAIL)
    return NULL;
  memcpy(&tail, p + HEAD + length, sizeof tail);
  if (GUINT32_FROM_LE(tail) != masked(p + HEAD, length))
    return NULL;
  *at += HEAD + length + TAIL;
  *n = length;
  return p + HEAD;
}
