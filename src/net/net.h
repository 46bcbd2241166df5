/* Networks: one file each, one table that names them all (table.c). */
#ifndef ND_NET_H
#define ND_NET_H

#include "tensor/tensor.h"

typedef enum nd_role { ND_RESTORATION, ND_DIFFUSION } nd_role;

/* One setting of a network: integers, real numbers, or a list of integers ("1,2,4,8"). */
typedef enum nd_setting_type { ND_SETTING_INT, ND_SETTING_REAL, ND_SETTING_LIST } nd_setting_type;
typedef struct nd_setting {
  const char *name;
  nd_setting_type type;
  const char *fallback; /* the default, as text */
  double min, max;      /* of each number */
  const char *doc;
} nd_setting;

enum { ND_MAX_SETTINGS = 16, ND_MAX_LIST = 16 };

typedef struct nd_net nd_net;

/* A network by name with its default settings; error names the networks there are. */
int nd_net_new(const char *name, nd_role role, nd_net **out);
void nd_net_free(nd_net *net); /* NULL is fine */
/* Error: names the setting, what was found, the range. */
int nd_net_set(nd_net *net, const char *setting, const char *value);
const char *nd_net_name(const nd_net *net);
nd_role nd_net_role(const nd_net *net);
/* Settings and their values as text, 0 <= i < nd_net_settings_count. */
int nd_net_settings_count(const nd_net *net);
const nd_setting *nd_net_setting(const nd_net *net, int i);
const char *nd_net_value(const nd_net *net, int i);
int nd_net_int(const nd_net *net, const char *setting);
double nd_net_real(const nd_net *net, const char *setting);
/* Returns the length; at most ND_MAX_LIST. */
int nd_net_list(const nd_net *net, const char *setting, int out[ND_MAX_LIST]);

/* Names of the networks of a role, NULL at the end. */
const char *const *nd_net_names(nd_role role);

/* What a restoration network takes: 3 channels; or 6, the left and the right view of a dual-pixel sensor
 * (image.h), for which its result is the picture itself, not a residual. */
int nd_net_channels(const nd_net *net);
/* 0 where there are as many views as the network takes: one, or with `right` two. The error names `option`,
 * which gives the right one ("--right"). */
int nd_net_check_views(const nd_net *net, bool right, const char *option);
/* x: n,h,w,nd_net_channels, h and w multiples of nd_net_multiple. The residual r = R(x), n,h,w,3 (METHOD,
 * step 1). */
nd_tensor nd_net_restore(nd_graph *g, const nd_net *net, nd_tensor x);
/* x: n,h,w,9 = [y_g, condition, condition']; level: n,1,1,1, the noise level g. The predicted noise n,h,w,3.
 */
nd_tensor nd_net_predict_noise(nd_graph *g, const nd_net *net, nd_tensor x, nd_tensor level);
/* Height and width must be multiples of this. */
int nd_net_multiple(const nd_net *net);
/* The smallest such size that is at least `size`. */
int nd_net_padded(const nd_net *net, int size);
/* How far, in pixels, an input pixel can reach in the output; 0: over the whole picture. */
int nd_net_reach(const nd_net *net);
/* A line in the log where bf16 is wanted and the network, or the processor, has fp32 (nd_say_precision). */
void nd_net_say_precision(const nd_net *net, bool bf16);
/* In training, what it makes of a picture depends on the others of its batch. */
bool nd_net_normalises_batch(const nd_net *net);
/* A tensor that files of published weights hold beside them and that some network computes itself, such as
 * Swin's attn_mask. */
bool nd_net_is_buffer(const char *name);

/* ---- Recognition (recognise.c): which network the tensors of a file belong to ---- */
typedef struct nd_shape {
  int rank;
  int64_t dims[8];
} nd_shape;
/* A file as recognition sees it: whether it has a tensor of that name, and its shape. */
typedef struct nd_shapes {
  bool (*find)(const void *file, const char *name, nd_shape *out);
  const void *file;
} nd_shapes;
/* The network of a role and its settings from names and shapes. Settings that no shape shows keep their
 * defaults. Whether all shapes fit is another question (nd_weights_load). */
int nd_net_recognise(nd_role role, const nd_shapes *shapes, nd_net **out);
/* The settings of which nothing shows in the weights; NULL at the end. */
const char *const *nd_net_unseen(const nd_net *net);

#endif
