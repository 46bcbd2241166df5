/* Weight files: safetensors in and out (https://huggingface.co/docs/safetensors: 8 bytes little-endian header
 * length, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}}, the data),
 * and PyTorch checkpoints in. docs/weights.md */
#ifndef ND_WEIGHTS_H
#define ND_WEIGHTS_H

#include "base/base.h"

enum { ND_ST_MAX_RANK = 8 };
typedef enum nd_st_type {
  ND_ST_F32,
  ND_ST_F16,
  ND_ST_BF16,
  ND_ST_F64,
  ND_ST_I64,
  ND_ST_I32,
  ND_ST_U8,
  ND_ST_BOOL,
  ND_ST_I8,
  ND_ST_I16,
  ND_ST_U16,
  ND_ST_U32,
  ND_ST_U64,
  ND_ST_TYPES
} nd_st_type;
const char *nd_st_type_name(nd_st_type type); /* as the format spells it: "F32", "BF16" */
size_t nd_st_type_size(nd_st_type type);      /* bytes an element */
bool nd_st_is_real(nd_st_type type);          /* what nd_st_to_f32 takes */

typedef struct nd_st_tensor {
  const char *name;
  nd_st_type type;
  int rank;
  int64_t shape[ND_ST_MAX_RANK];
  size_t count;     /* product of shape; 1 for rank 0 */
  const void *data; /* count elements; not necessarily aligned */
} nd_st_tensor;

/* Named tensors and metadata of one file. */
typedef struct nd_safetensors nd_safetensors;

/* Maps the file; every length, offset and shape is checked before use (no overlap, inside the file, count x
 * size = length, no holes, duplicate names refused). Tensors and strings live until nd_safetensors_close, and
 * so must the bytes: a file is to be replaced by renaming (nd_safetensors_save does), not rewritten in place.
 */
int nd_safetensors_open(const char *path, nd_safetensors **out);
/* The same for a safetensors file or a checkpoint of PyTorch, whichever the content is, without the "module."
 * and "_orig_mod." of torch.nn.DataParallel and torch.compile. Of a checkpoint: the tensors of the state_dict
 * in it, at its top level or under params, state_dict and the like (docs/weights.md); metadata
 * noiseda.source_format says where it stood. Nothing in the file is executed. */
int nd_weights_open(const char *path, nd_safetensors **out);
void nd_safetensors_close(nd_safetensors *file); /* NULL is fine */
size_t nd_safetensors_count(const nd_safetensors *file);
const nd_st_tensor *nd_safetensors_at(const nd_safetensors *file, size_t i);           /* in file order */
const nd_st_tensor *nd_safetensors_find(const nd_safetensors *file, const char *name); /* NULL: not there */
const char *nd_safetensors_metadata(const nd_safetensors *file, const char *key);      /* NULL: not there */
/* NULL-terminated list of the metadata's keys, in file order. */
const char *const *nd_safetensors_metadata_keys(const nd_safetensors *file);

/* count elements as fp32 from F32, F16, BF16 or F64; fails on the integer types. */
int nd_st_to_f32(const nd_st_tensor *t, float *out);
/* fp32 to IEEE half, round to nearest even, and back. */
uint16_t nd_f32_to_f16(float x);
float nd_f16_to_f32(uint16_t h);

typedef struct nd_st_metadata {
  const char *key, *value;
} nd_st_metadata;
/* The value of a key among n; NULL: it is not there. */
const char *nd_st_value(const nd_st_metadata *all, size_t n, const char *key);

/* Writes all to a temporary name, syncs, renames; on failure the old file, if any, is intact. The bytes
 * depend on the arguments alone. Tensors stand in the file in the order given. */
int nd_safetensors_save(const char *path, const nd_st_tensor *tensors, size_t n,
                        const nd_st_metadata *metadata, size_t n_metadata);

#endif
