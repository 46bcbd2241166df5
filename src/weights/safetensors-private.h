/* What reading and writing safetensors share. */
#ifndef ND_SAFETENSORS_PRIVATE_H
#define ND_SAFETENSORS_PRIVATE_H

#include "weights/weights.h"

#define ND_ST_METADATA_KEY "__metadata__"
enum { ND_ST_MAX_HEADER = 100000000 }; /* bytes; the limit of the format's own library */

int nd_st_type_find(const char *name, nd_st_type *type);
/* Elements and bytes that t's type and shape make; fails when they cannot be counted. */
int nd_st_check_shape(const nd_st_tensor *t, size_t *count, size_t *bytes);
/* nd_safetensors_open on bytes in memory, which must outlive *out. */
int nd_safetensors_parse(const void *bytes, size_t n, nd_safetensors **out);

#endif
