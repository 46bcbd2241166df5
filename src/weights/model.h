/* A model file: a network and its weights, as safetensors. Tensors are named as in the network's
 * PyTorch state_dict; metadata: noiseda.network, noiseda.settings ("width=64;depth=4"), noiseda.residual, and
 * whatever the writer adds. */
#ifndef ND_MODEL_H
#define ND_MODEL_H

#include "net/net.h"
#include "weights/weights.h"

typedef struct nd_model {
  nd_net *net;
  nd_params *params; /* of the network alone, without prefix */
  float *values;
  bool residual;            /* restored = x + R(x) */
  nd_st_metadata *metadata; /* the file's */
  size_t n_metadata;
  char *recognised;      /* how the network was found where the file does not name it; NULL: it does */
  char *left_aside;      /* tensors of the file that belong to another network; NULL: none */
  char *source_format;   /* "safetensors"; of a checkpoint, also where in it the tensors stood */
  const char *stored_as; /* "F32", "BF16" ... */
} nd_model;

/* ---- find.c: models by name ----
 * A word of letters, digits, - and _ is the name of NAME.safetensors in the first of these folders that has
 * it: those of $NOISEDA_MODELS (separated by colons), noiseda/models among the user's data ($XDG_DATA_HOME),
 * the installed ones, and, for a program that runs out of its build folder, those of the sources. */
#define ND_DEFAULT_MODEL "denoise"
/* *path: the file of that name, or a copy of what is no name (or no model's, but exists): a path. g_free.
 * -1: no such model, and the error lists those there are. */
int nd_model_find(const char *name, char **path);
char **nd_model_names(void);   /* those there are, in bytewise order; g_strfreev */
char **nd_model_folders(void); /* where they are looked for, existing or not; g_strfreev */

/* A restoration network from safetensors or a checkpoint of PyTorch, by path or name. Every parameter must be
 * there with its shape, and nothing else; the error lists what differs. A file without noiseda's metadata is
 * recognised by its names and shapes. Of a checkpoint of Noise-DA the tensors under "RestorationNet." are
 * taken. */
int nd_model_load(const char *name, nd_model **out);
/* The network of either role ("denoise_fn." for diffusion), with these settings ("image_size=128"; NULL at
 * the end, or NULL) in place of those found, of the tensors whose names begin with prefix ("net_g.", "net_g"
 * is the same; NULL: as above). */
int nd_model_load_as(const char *name, nd_role role, const char *const *settings, const char *prefix,
                     nd_model **out);
void nd_model_free(nd_model *model); /* NULL is fine */

/* Writes the parameters whose names start with prefix ("RestorationNet."; "" for all), without it. */
int nd_model_save(const char *path, const nd_net *net, bool residual, const nd_params *params,
                  const char *prefix, const float *values, const nd_st_metadata *extra, size_t n_extra);

/* The whole model, its weights stored as F32, F16 or BF16 (a weight that F16 cannot hold is an error).
 * Metadata: extra, then the model's own that neither extra nor the keys above (noiseda.network ...) name; a
 * value of "" leaves a key out. */
int nd_model_save_as(const char *path, const nd_model *model, nd_st_type type, const nd_st_metadata *extra,
                     size_t n_extra);

/* Fills the parameters that start with `prefix` from the file's tensors named file_prefix + rest. Missing
 * tensors and wrong shapes are an error that lists them; extra ones too when `exact`, except buffers
 * (nd_net_is_buffer). values NULL: only that. */
int nd_weights_load(const nd_safetensors *file, const char *file_prefix, const nd_params *params,
                    const char *prefix, bool exact, float *values);
/* Error, which names the first such tensor: among the parameters that start with `prefix` are numbers that
 * are not finite. */
int nd_weights_check_finite(const nd_params *params, const char *prefix, const float *values);

/* A restoration network as an ONNX file (opset 17): input "input", output "output", both float32 of batch x 3
 * x height x width from 0 to 1, each of the three any number (the input of batch x nd_net_channels x ...). It
 * does what nd_restorer_run_image does to a picture in one piece. The model's metadata become the file's. */
int nd_model_export_onnx(const char *path, const nd_model *model);

/* "width=64;depth=4" and back. */
char *nd_net_settings_text(const nd_net *net); /* the caller's, g_free */
int nd_net_from_text(const char *name, nd_role role, const char *settings, nd_net **out);

#endif
