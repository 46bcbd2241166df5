/* The engine: build a graph, differentiate it, compile it, run it.
 *
 *   nd_params *params = nd_params_new();
 *   nd_graph *g = nd_graph_new(params);
 *   nd_tensor x = nd_input(g, "x", 1, 64, 64, 3);
 *   ... nodes ...
 *   nd_output(g, "y", y);
 *   nd_backward(g, loss);              // optional: appends gradient nodes
 *   nd_plan *plan; nd_compile(g, &plan);
 *   nd_plan_bind(plan, values);
 *   memcpy(nd_plan_tensor(plan, x), ...); nd_run(plan, seed, step);
 *
 * Activations are N x H x W x C, dense. A graph is for one input shape; several graphs may share one
 * nd_params. Building functions return a tensor, or ND_NONE after the first failure; the graph remembers that
 * failure and nd_compile reports it, so that network code needs no check a line.
 */
#ifndef ND_TENSOR_H
#define ND_TENSOR_H

#include "base/base.h"
#include "tensor/kernels/data.h"

typedef struct nd_params nd_params;
typedef struct nd_graph nd_graph;
typedef struct nd_plan nd_plan;
typedef int nd_tensor; /* a value in one graph */
enum { ND_NONE = -1 };

/* ---- Parameters ---------------------------------------------------------------------------------------
 * Names, shapes and places of all weights in one contiguous buffer of nd_params_size floats. The buffers
 * themselves (values, moments, averages) are the caller's; that of the gradients is a plan's.
 */
typedef enum nd_init {
  ND_INIT_KAIMING, /* normal, standard deviation sqrt(2 / fan_in): He et al. 2015, gain sqrt(2) */
  ND_INIT_SMALL,   /* normal, standard deviation 0.02 */
  ND_INIT_NORMAL,  /* normal, standard deviation 1 */
  ND_INIT_ZERO,
  ND_INIT_ONE
} nd_init;

typedef struct nd_param {
  const char *name; /* as in a PyTorch state_dict */
  int rank, dims[4];
  size_t offset, count; /* in floats */
  nd_init init;
  bool state; /* no weight: see nd_state */
} nd_param;

nd_params *nd_params_new(void);
void nd_params_free(nd_params *p);
size_t nd_params_size(const nd_params *p);  /* floats, including the padding between parameters */
size_t nd_params_count(const nd_params *p); /* weights, without padding and state */
int nd_params_length(const nd_params *p);   /* named parameters */
const nd_param *nd_params_at(const nd_params *p, int i);
size_t nd_params_end(const nd_params *p, int i);                      /* where the next one begins */
const nd_param *nd_params_find(const nd_params *p, const char *name); /* NULL: not there */
/* Initial values; each weight is a function of (seed, parameter name, index). */
void nd_params_init(const nd_params *p, uint64_t seed, float *values);

/* ---- Graph --------------------------------------------------------------------------------------------- */
nd_graph *nd_graph_new(nd_params *params);
void nd_graph_free(nd_graph *g);
/* How activations and their gradients are stored; before compiling. Sums, losses, pictures, weights and their
 * gradients stay fp32 whatever it is. */
void nd_graph_set_dtype(nd_graph *g, nd_dtype activations); /* default ND_F32 */
/* The type to ask for where bf16 is wanted, or not: fp32 on a processor without bf16 instructions. */
nd_dtype nd_precision(bool bf16);
/* A line in the log if that is not what was wanted. */
void nd_say_precision(bool bf16);
void nd_graph_set_training(nd_graph *g, bool training); /* default true; false: dropout does nothing */
bool nd_graph_training(const nd_graph *g);
/* true: each parameter's gradient as early as it can be, for those who send it off (nd_watch); false, the
 * default: as late as it needs less memory. Before compiling. */
void nd_graph_set_early_gradients(nd_graph *g, bool early);

/* Nodes built from now on, while true, are not kept for the backward pass but computed again in it: less
 * memory for the time of a forward pass. */
void nd_recompute(nd_graph *g, bool recompute);
/* What is built from now on, while true, stays fp32 in a graph of bf16; its gradients do not. */
void nd_keep_f32(nd_graph *g, bool keep);
/* A function built twice, for two parts of a batch, is to have the dropout masks of one that was built once
 * for both: before the part `part` (0, 1, ...), go back to where the first began; after the last, to part 0.
 */
uint32_t nd_dropout_mark(const nd_graph *g);
void nd_dropout_from(nd_graph *g, uint32_t mark, int part);

/* Prefixes for parameter names: push("down_path.%d", 0), push("block") gives "down_path.0.block.". */
void nd_scope_push(nd_graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void nd_scope_pop(nd_graph *g);

/* n,h,w,c, filled by way of nd_plan_tensor; the name is for messages and exports. */
nd_tensor nd_input(nd_graph *g, const char *name, int n, int h, int w, int c);
/* A network's innermost features: remembered for objectives that look at them. ND_NONE: none since the last
 * nd_deepest_features_set with ND_NONE. */
void nd_deepest_features_set(nd_graph *g, nd_tensor x);
nd_tensor nd_deepest_features(const nd_graph *g);
void nd_output(nd_graph *g, const char *name, nd_tensor t); /* readable after a run */
/* The parameter scope + name; declared when new, else of the same shape. dims in PyTorch's order. */
nd_tensor nd_parameter(nd_graph *g, const char *name, nd_init init, int rank, const int *dims);
/* State: numbers that stand among the parameters but are set by running a graph, not by its gradient (which
 * is zero), such as running statistics. nd_state_now is what they hold at this place of the graph,
 * nd_state_set what they hold from here on; nd_plan_store_state makes that the value after a run. */
nd_tensor nd_state(nd_graph *g, const char *name, nd_init init, int rank, const int *dims);
nd_tensor nd_state_now(const nd_graph *g, nd_tensor state);
void nd_state_set(nd_graph *g, nd_tensor state, nd_tensor next);
/* N, H, W, C. */
const int *nd_dims(const nd_graph *g, nd_tensor t);
/* Tells the graph that building failed (with nd_fail's message set); later calls do nothing. */
nd_tensor nd_graph_fail(nd_graph *g);
bool nd_graph_failed(const nd_graph *g);
/* An input whose gradient nd_backward is to append. */
void nd_require_gradient(nd_graph *g, nd_tensor input);

/* Appends the gradient of loss (one element) for every parameter that it depends on, and for inputs that
 * require it. */
int nd_backward(nd_graph *g, nd_tensor loss);
/* The gradient of a tensor after nd_backward; ND_NONE where there is none. Mark it with nd_output to read it.
 */
nd_tensor nd_gradient(const nd_graph *g, nd_tensor t);

/* ---- Operators (one file each in ops/) ----------------------------------------------------------------- */
typedef enum nd_act { ND_ACT_NONE, ND_ACT_RELU, ND_ACT_LEAKY_RELU, ND_ACT_SILU, ND_ACT_GELU } nd_act;

typedef struct nd_conv2d_settings {
  int stride, pad, dilation, groups; /* 0 means 1 for stride, dilation, groups */
  nd_act activation;                 /* applied to the result; NONE, RELU or LEAKY_RELU */
  float slope;                       /* of LEAKY_RELU below zero */
} nd_conv2d_settings;

/* weights: out x in/groups x kh x kw (rank 4), out x in (rank 2) or out x in x 1 (rank 3); bias: out, or
 * ND_NONE. Rank 2 and 3 make it the linear layer on the channels of each position. */
nd_tensor nd_conv2d(nd_graph *g, nd_tensor x, nd_tensor weights, nd_tensor bias, nd_conv2d_settings s);
/* The transposed convolution: weights in x out/groups x kh x kw, output (in - 1) stride - 2 pad + dilation
 * (k - 1) + 1; without activation. */
nd_tensor nd_conv_transpose2d(nd_graph *g, nd_tensor x, nd_tensor weights, nd_tensor bias,
                              nd_conv2d_settings s);

typedef struct nd_group_norm_settings {
  int groups;
  float epsilon;
  nd_act activation; /* NONE or SILU */
  float dropout;     /* probability, after the activation */
} nd_group_norm_settings;
/* Wu & He 2018, then, with scale_shift (n,1,1,2c: scales, then shifts) or ND_NONE, x (1 + scale) + shift,
 * then activation and dropout, all in one pass. */
nd_tensor nd_group_norm(nd_graph *g, nd_tensor x, nd_tensor gamma, nd_tensor beta, nd_tensor scale_shift,
                        nd_group_norm_settings s);

typedef struct nd_layer_norm_settings {
  float epsilon;
  bool keep_mean; /* divide by the deviation only (Restormer's normalisation without bias) */
} nd_layer_norm_settings;
/* Ba et al. 2016, over the channels of each pixel; weight: c; bias: c, or ND_NONE. */
nd_tensor nd_layer_norm(nd_graph *g, nd_tensor x, nd_tensor weight, nd_tensor bias, nd_layer_norm_settings s);

typedef struct nd_batch_norm_settings {
  float epsilon, momentum; /* momentum: the share of a batch in the running statistics */
} nd_batch_norm_settings;
/* Ioffe & Szegedy 2015, over all pixels of all samples; weight, bias, running mean and variance (state): c.
 * In a training graph by the statistics of the batch, which also move the running ones (the variance times
 * n / (n - 1), as in PyTorch); else by the running ones. */
nd_tensor nd_batch_norm(nd_graph *g, nd_tensor x, nd_tensor weight, nd_tensor bias, nd_tensor running_mean,
                        nd_tensor running_variance, nd_batch_norm_settings s);

typedef struct nd_window_attention_settings {
  int window, shift, heads; /* 0 <= shift < window <= 32 */
} nd_window_attention_settings;
/* Attention of each pixel to those of its window x window pixels (Liu et al. 2021), the windows' grid moved
 * by shift down and to the right; windows are cut at the picture's border, which is Swin's cyclic shift with
 * its mask. q: n,h,w,3c (queries, keys, values, each head after head), or n,h,w,c with kv: n,h,w,2c (else
 * ND_NONE). bias: (2 window - 1)^2 x heads, added to the scores by relative position as in Swin's tables. */
nd_tensor nd_window_attention(nd_graph *g, nd_tensor q, nd_tensor kv, nd_tensor bias,
                              nd_window_attention_settings s);

/* slope: of LEAKY_RELU below zero. */
nd_tensor nd_activate(nd_graph *g, nd_tensor x, nd_act kind, float slope);
/* n,h,w,2c to n,h,w,c: the first half, through the activation (NONE or GELU), times the second. */
nd_tensor nd_gate(nd_graph *g, nd_tensor x, nd_act activation);
nd_tensor nd_softmax(nd_graph *g, nd_tensor x);                    /* over the last axis */
nd_tensor nd_dropout(nd_graph *g, nd_tensor x, float probability); /* below 1; in training alone */
nd_tensor nd_average_pool(nd_graph *g, nd_tensor x, int size);     /* window = stride = size */
nd_tensor nd_max_pool(nd_graph *g, nd_tensor x, int size, int stride);
nd_tensor nd_upsample_nearest(nd_graph *g, nd_tensor x, int factor);
nd_tensor nd_upsample_bilinear(nd_graph *g, nd_tensor x, int factor);         /* corners aligned */
nd_tensor nd_upsample_bilinear_centred(nd_graph *g, nd_tensor x, int factor); /* the centres of pixels are */
/* Shi et al. 2016, channels in PyTorch's order: n,h,w,c f^2 to n,h f,w f,c, and the way back. */
nd_tensor nd_pixel_shuffle(nd_graph *g, nd_tensor x, int factor);
nd_tensor nd_pixel_unshuffle(nd_graph *g, nd_tensor x, int factor);
nd_tensor nd_concat(nd_graph *g, nd_tensor a, nd_tensor b, int axis); /* axis 0 (batch) or 3 (channels) */
nd_tensor nd_slice(nd_graph *g, nd_tensor x, int axis, int begin, int length); /* axis 0 or 3 */
/* Shapes equal, or 1 where b (then a) is repeated. */
nd_tensor nd_add(nd_graph *g, nd_tensor a, nd_tensor b);
nd_tensor nd_mul(nd_graph *g, nd_tensor a, nd_tensor b);
nd_tensor nd_sum_to(nd_graph *g, nd_tensor x, const int dims[4]);  /* sums the axes where dims is 1 */
nd_tensor nd_mean_to(nd_graph *g, nd_tensor x, const int dims[4]); /* their means */
/* Of the window x window pixels around each pixel, moved inside where the border would cut them, cut to a
 * smaller picture (Chu et al. 2022). */
nd_tensor nd_local_mean(nd_graph *g, nd_tensor x, int window);
nd_tensor nd_affine(nd_graph *g, nd_tensor x, float scale, float shift);    /* scale x + shift */
nd_tensor nd_reshape(nd_graph *g, nd_tensor x, int n, int h, int w, int c); /* same memory */
nd_tensor nd_detach(nd_graph *g, nd_tensor x);                      /* no gradient passes; same memory */
nd_tensor nd_constant(nd_graph *g, int count, const float *values); /* 1,1,1,count; at most 4 */
/* level n,1,1,1 to n,1,1,width: cosines, then sines, of level times width/2 frequencies from 1 down to
 * 1/max_period (Vaswani et al. 2017). */
nd_tensor nd_sinusoidal_embedding(nd_graph *g, nd_tensor level, int width, float max_period);
/* Attention of each pixel to all of its picture (Vaswani et al. 2017): softmax(q k' / sqrt(width)) v, from
 * qkv: n,h,w,3c, whose channels stand head by head: query, key, value of head 0, then of head 1, ... n,h,w,c.
 */
nd_tensor nd_attention(nd_graph *g, nd_tensor qkv, int heads);
/* Attention between the channels (Zamir et al. 2022) of qkv: n,h,w,3c = [queries, keys, values], in as many
 * heads of neighbouring channels as temperature has elements: softmax(temperature q' k) v, where the columns
 * of q and k (a channel over all pixels) have length 1. n,h,w,c. */
nd_tensor nd_channel_attention(nd_graph *g, nd_tensor qkv, nd_tensor temperature);
/* Where mask (n,1,1,1) is 1, channels [b, a], else [a, b]. */
nd_tensor nd_shuffle_pair(nd_graph *g, nd_tensor a, nd_tensor b, nd_tensor mask);
/* Losses: one element, the mean over everything. */
nd_tensor nd_charbonnier(nd_graph *g, nd_tensor a, nd_tensor b, float epsilon_squared);
nd_tensor nd_mse(nd_graph *g, nd_tensor a, nd_tensor b);

/* ---- Plan ---------------------------------------------------------------------------------------------- */
/* Removes what no output needs, fuses, places every buffer in one arena by lifetime, makes the primitives.
 * The graph must outlive the plan. */
int nd_compile(nd_graph *g, nd_plan **plan);
/* The same without taking the arena: a plan to be described and measured, not run. A graph that is laid out
 * is not compiled as well. */
int nd_lay_out(nd_graph *g, nd_plan **plan);
void nd_plan_free(nd_plan *plan);
/* values: nd_params_size floats, which must outlive the runs. */
void nd_plan_bind(nd_plan *plan, const float *values);
/* The gradients as the last run left them: nd_params_size floats of the plan's, zero for parameters that the
 * loss does not depend on. Until a gradient is final (nd_watch) its place holds other values, and so it does
 * after a run that ended early. NULL without nd_backward. */
float *nd_plan_gradients(nd_plan *plan);
/* Memory of an input or output. Inputs are overwritten by a run: write all of them before each. */
float *nd_plan_tensor(nd_plan *plan, nd_tensor t);
/* After a run: the state it left into values. */
void nd_plan_store_state(const nd_plan *plan, float *values);
/* From now on the graph's pictures are the part height x width at (y, x) of pictures full_height x
 * full_width: what depends on the whole picture's size (bilinear up-sampling) is done as in the whole. All
 * must be multiples of the network's coarsest pixel. All zero: the picture is the whole. */
typedef struct nd_window {
  int y, x, height, width, full_height, full_width;
} nd_window;
void nd_plan_set_window(nd_plan *plan, nd_window window);
/* The graph's samples are `count` of a batch of `total`: a part of it for this process, or for this pass.
 * Tensors of k times count samples (both domains, positives and negatives) hold k parts, each of a batch of
 * its own. All zero, as at first: the graph has the whole batch. */
typedef struct nd_share {
  uint32_t count, total;
} nd_share;
void nd_plan_set_share(nd_plan *plan, nd_share share);
/* What a run tells while it goes on, all on the calling thread. A NULL function is not called. */
typedef struct nd_watch {
  nd_tensor tensor; /* computed() is called as soon as this output is there: outputs so far may be changed,
                       and what follows is computed from the changed ones. False: the run ends there. */
  bool (*computed)(void *context);
  void (*gradient)(int param, void *context); /* this parameter's gradient is final */
  void *context;
} nd_watch;
void nd_plan_set_watch(nd_plan *plan, nd_watch watch);
/* seed, step and a sample's place in the global batch (first_sample for the graph's sample 0) choose its
 * dropout masks. Allocates nothing. */
void nd_run(nd_plan *plan, uint64_t seed, uint64_t step, uint32_t first_sample);
size_t nd_plan_bytes(const nd_plan *plan); /* the arena */
double nd_plan_flops(const nd_plan *plan); /* multiplications and additions of one run */
int nd_plan_nodes(const nd_plan *plan);
/* A line a node: operator, shape, MFLOP, bytes, place. The string is the caller's: g_free. */
char *nd_plan_describe(const nd_plan *plan);

/* ---- Profile -------------------------------------------------------------------------------------------
 * Where the time goes: each node of the plans recorded, and named stages of the work around them, over any
 * number of units (training steps, pictures). A NULL profile records nothing, so callers need no check.
 */
typedef struct nd_profile nd_profile;
nd_profile *nd_profile_new(void);
void nd_profile_free(nd_profile *p); /* NULL is fine; no plan may still be recorded in it */
/* Runs of plan are recorded in p from now on; NULL: no longer. Results are the same bytes either way. */
void nd_plan_record(nd_plan *plan, nd_profile *p);
/* A unit begins; it ends. One that does not end is not counted as a unit. */
void nd_profile_begin(nd_profile *p);
void nd_profile_end(nd_profile *p);
/* What ran since `begun` (nd_clock) was stage `name`, a constant, and touched so many bytes of memory (0: not
 * known). Returns the time now, where the next stage begins. */
int64_t nd_profile_stage(nd_profile *p, const char *name, int64_t begun, double bytes);
/* Measures this machine's limits for the table: a fraction of a second, and up to 512 MB of memory for a
 * moment. */
void nd_profile_measure(nd_profile *p);
/* By operator, most expensive first: calls and time a unit, rates and their shares of the machine's limits;
 * then the stages, and the most expensive shapes. unit: "step". The string is the caller's: g_free. */
char *nd_profile_table(const nd_profile *p, const char *unit);
/* The last run of every node and stage as JSON for chrome://tracing or Perfetto. The caller's: g_free. */
char *nd_profile_trace(const nd_profile *p);

/* ---- Sliding ------------------------------------------------------------------------------------------
 * A graph without backward pass on a picture too large for one arena: it is of the whole picture (one sample,
 * one input), and computed from the top to the bottom, some rows at a time. Every node computes the rows that
 * are possible with what came so far, and keeps those that are asked for again: nothing is computed twice,
 * and memory grows with the picture's width, not its height. The numbers are those of nd_run up to rounding.
 */
typedef struct nd_slide nd_slide;
/* rows: of the input at a time. Takes no memory for them yet. -1: some operator sees more of the picture than
 * a few rows. A graph that slides is not compiled as well. It must outlive the slide. */
int nd_slide_new(nd_graph *g, nd_tensor in, nd_tensor out, int rows, nd_slide **slide);
void nd_slide_free(nd_slide *s);          /* NULL is fine */
size_t nd_slide_bytes(const nd_slide *s); /* memory it will take */
int nd_slide_steps(const nd_slide *s); /* times that rows are asked for, or are computed of what is there */
double
nd_slide_work(const nd_slide *s); /* as nd_plan_flops, with what kernels compute beside the rows wanted */
int nd_slide_take_memory(nd_slide *s);                /* once, before it runs */
void nd_slide_bind(nd_slide *s, const float *values); /* as nd_plan_bind */
void nd_slide_record(nd_slide *s, nd_profile *p);     /* as nd_plan_record; a call is one part */
/* Where rows come from and go to, in order, all on the calling thread. Not 0: the run ends and fails. */
typedef struct nd_slide_ends {
  int (*take)(void *context, int y, int rows, float *to); /* rows y .. y + rows - 1 of the input */
  int (*give)(void *context, int y, int rows, const float *from);
  int (*step)(void *context); /* one of nd_slide_steps is done; may be NULL */
  void *context;
} nd_slide_ends;
/* window: as nd_plan_set_window, of the whole height. */
int nd_slide_run(nd_slide *s, nd_window window, const nd_slide_ends *ends);

#endif
