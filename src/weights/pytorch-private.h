/* The two containers of PyTorch checkpoints: a zip archive (since 1.6), and pickles and storages one after
 * another (before, and today with _use_new_zipfile_serialization=False). */
#ifndef ND_PYTORCH_PRIVATE_H
#define ND_PYTORCH_PRIVATE_H

#include "weights/pickle-private.h"
#include "weights/safetensors-private.h"

/* Whether bytes begin as one; neither is checked any further. */
bool nd_pytorch_is_zip(const char *bytes, size_t n);
bool nd_pytorch_is_legacy(const char *bytes, size_t n);
/* Tensors and metadata of a checkpoint in memory, which must outlive *out. */
int nd_pytorch_parse(const void *bytes, size_t n, nd_safetensors **out);

/* ---- Zip (pytorch_zip.c). Entries: NAME/data.pkl, NAME/data/KEY for each storage. */
typedef struct nd_pytorch_zip nd_pytorch_zip;
int nd_pytorch_zip_open(const char *bytes, size_t n, nd_pytorch_zip **out);
void nd_pytorch_zip_close(nd_pytorch_zip *z); /* NULL is fine */
/* The pickle; nd_mem_free. */
int nd_pytorch_zip_pickle(nd_pytorch_zip *z, char **bytes, size_t *n);
/* The storage's bytes, as many as it says it has; nd_mem_free. */
int nd_pytorch_zip_storage(nd_pytorch_zip *z, const nd_storage *s, char **bytes);

/* ---- Old format (pytorch_legacy.c): the pickles of a magic number, the version, the writer's machine, the
 * object, the storages' keys; then each storage's count and elements. Storages point into bytes. */
int nd_pytorch_read_legacy(nd_pickle *p, const char *bytes, size_t n, const nd_pickle_value **out);

/* ---- The tensors of a checkpoint's object (pytorch_state.c) */
/* The dictionary of tensors in it; *place: where it stands, in words, g_free. */
int nd_pytorch_find_state(const nd_pickle_value *top, const nd_pickle_value **state, char **place);

#endif
