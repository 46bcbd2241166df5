/* Records of TensorBoard's files: length, its checksum, bytes, their checksum. */
#ifndef ND_TRAIN_RECORDS_PRIVATE_H
#define ND_TRAIN_RECORDS_PRIVATE_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* Castagnoli's checksum, a bit at a time: what is checked is small (RFC 3720, 12.1). */
uint32_t nd_crc32c(const void *bytes, size_t n);
/* Appends bytes as a record. */
void nd_record_append(GByteArray *out, const void *bytes, size_t n);
/* The record at *at of a file of `size` bytes, and moves *at behind it; NULL: no whole record is there. */
const void *nd_record_at(const void *file, size_t size, size_t *at, size_t *n);

#endif
