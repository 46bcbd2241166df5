/* Records of TensorBoard's files: length, its checksum, bytes, their checksum. */
#ifndef ND_TRAIN_RECORDS_PRIVATE_H
#define ND_TRAIN_RECORDS_PRIVATE_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* Appends bytes as a record. */
void nd_record_append(GByteArray *out, const void *bytes, size_t n);
/* The record at *at of a file of `size` bytes, and moves *at behind it; NULL: no whole record is there. */
const void *nd_record_at(const void *file, size_t size, size_t *at, size_t *n);

#endif
