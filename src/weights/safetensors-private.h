/* What reading and writing safetensors share. */
#ifndef ND_SAFETENSORS_PRIVATE_H
#define ND_SAFETENSORS_PRIVATE_H

#include "net/net.h"
#include "weights/weights.h"

#include <glib.h>

#define ND_ST_METADATA_KEY "__metadata__"
enum {
  ND_ST_MAX_HEADER = 100000000, /* bytes; the limit of the format's own library */
  ND_ST_MAX_TENSORS = 100000    /* of any weight file: more than any network here has, few enough to hold */
};

struct nd_safetensors {
  GMappedFile *map; /* NULL: the bytes are somebody else's */
  const char *data; /* behind the header */
  size_t data_size;
  GStringChunk *strings; /* owns all names, keys and values */
  GArray *tensors;       /* nd_st_tensor, in the order of their data */
  GHashTable *by_name;   /* name to its nd_st_tensor */
  GPtrArray *keys;       /* of the metadata, NULL-terminated */
  GHashTable *metadata;
  const char *module; /* what nd_safetensors_unwrap took off besides wrappers: "model."; NULL: nothing */
  const char *unread; /* tensors of a checkpoint that were passed over, in words; NULL: none */
  GPtrArray *blocks;  /* nd_mem_alloc: numbers that do not stand in the map */
};

/* Empty. */
nd_safetensors *nd_safetensors_new(void);
/* Enters all tensors in by_name once they do not move any more; fails on equal names. */
int nd_safetensors_index(nd_safetensors *file);
/* How a checkpoint of Noise-DA names its two networks. */
#define ND_PREFIX_RESTORATION "RestorationNet."
#define ND_PREFIX_DIFFUSION "denoise_fn."
/* Takes the "module." of torch.nn.DataParallel and the "_orig_mod." of torch.compile off, as often as every
 * name has it, or every name with one of these prefixes behind that; then the name of the module that holds
 * the network, where every name has that and a network is recognised without. */
void nd_safetensors_unwrap(nd_safetensors *file);
/* The same wrappers, behind a prefix of some names. */
void nd_safetensors_unwrap_in(nd_safetensors *file, const char *scope);
/* A prefix, of some names, under which a network stands, for a message; the caller's; NULL: none. */
char *nd_safetensors_find_module(const nd_safetensors *file, const char **network);
/* The tensors of a file under a prefix, as nd_net_recognise sees them: nd_shapes{nd_st_part_shape, &part}. */
typedef struct nd_st_part {
  const nd_safetensors *file;
  const char *scope;
} nd_st_part;
bool nd_st_part_shape(const void *part, const char *name, nd_shape *out);
/* Adds an entry of metadata. */
void nd_safetensors_tell(nd_safetensors *file, const char *key, const char *value);

/* "F32", "BF16"; the error names those that are read. */
int nd_st_type_find(const char *name, nd_st_type *type);
/* Elements and bytes that t's type and shape make; fails when they cannot be counted. */
int nd_st_check_shape(const nd_st_tensor *t, size_t *count, size_t *bytes);
/* Whether a length that a header may have stands at the beginning; of what is shorter than that, true. */
bool nd_safetensors_begins(const void *bytes, size_t n);
/* nd_safetensors_open on bytes in memory, which must outlive *out. */
int nd_safetensors_parse(const void *bytes, size_t n, nd_safetensors **out);

#endif
