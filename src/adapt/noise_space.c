/* Noise-space adaptation: the restoration loss, and the diffusion loss through the restored images. The steps
 * are numbered as in the description of the method ("One training step"). */
#include "adapt/adapt-private.h"

static const float CHARBONNIER_EPSILON_SQUARED = 1e-6f, L1_EPSILON_SQUARED = 1e-12f;

nd_objective_settings nd_objective_defaults(void) {
  return (nd_objective_settings){.mode = ND_MODE_PAIRED,
                                 .residual = true,
                                 .shuffle = true,
                                 .contrast = true,
                                 .margin = 0.1f,
                                 .graft_min = 0.5f,
                                 .graft_max = 2,
                                 .graft_stride = 1};
}

nd_tensor nd_objective_picture(nd_graph *g, const char *name, const nd_objective *o) {
  return nd_input(g, name, o->n, o->patch_size, o->patch_size, 3);
}

nd_tensor nd_objective_views(nd_graph *g, const char *name, const nd_objective *o) {
  return nd_input(g, name, o->n, o->patch_size, o->patch_size, o->channels);
}

static nd_tensor number(nd_graph *g, const char *name, const nd_objective *o) {
  return nd_input(g, name, o->n, 1, 1, 1);
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  nd_scope_push(g, ND_SCOPE_RESTORATION);
  nd_deepest_features_set(g, ND_NONE);
  nd_tensor r = nd_net_restore(g, net, x);
  nd_scope_pop(g);
  return r;
}

static nd_tensor minus(nd_graph *g, nd_tensor a, nd_tensor b) {
  return nd_add(g, a, nd_affine(g, b, -1, 0));
}

/* The picture of two views is their mean (image.h, nd_views_photo). */
static nd_tensor photo(nd_graph *g, nd_tensor x) {
  if (nd_graph_failed(g) || x < 0 || nd_dims(g, x)[3] == 3)
    return x;
  return nd_affine(g, nd_add(g, nd_slice(g, x, 3, 0, 3), nd_slice(g, x, 3, 3, 3)), 0.5f, 0);
}

static nd_branch branch_of(nd_graph *g, const nd_objective_settings *s, nd_tensor views, nd_tensor output,
                           nd_tensor features) {
  nd_tensor x = photo(g, views);
  if (s->residual)
    return (nd_branch){x, output, nd_add(g, x, output), features};
  return (nd_branch){x, minus(g, output, x), output, features};
}

/* x itself, its gradient times the weight. */
static nd_tensor weigh(nd_graph *g, nd_tensor x, nd_tensor weight) {
  nd_tensor still = nd_detach(g, x);
  return nd_add(g, still, nd_mul(g, minus(g, x, still), weight));
}

static nd_branch as_condition(nd_graph *g, const nd_objective *o, nd_branch b, bool detached) {
  if (detached)
    return (nd_branch){b.x, nd_detach(g, b.residual), nd_detach(g, b.restored), ND_NONE};
  if (o->settings.weigh_conditions)
    return (nd_branch){b.x, weigh(g, b.residual, o->alpha), weigh(g, b.restored, o->alpha), ND_NONE};
  return b;
}

nd_tensor nd_objective_charbonnier(nd_graph *g, nd_tensor restored, nd_tensor clean) {
  return nd_charbonnier(g, restored, clean, CHARBONNIER_EPSILON_SQUARED);
}

nd_tensor nd_objective_restoration_loss(nd_graph *g, const nd_objective *o, nd_tensor restored) {
  switch (o->settings.restoration_loss) {
  case ND_LOSS_L1:
    return nd_charbonnier(g, restored, o->clean, L1_EPSILON_SQUARED);
  case ND_LOSS_MSE:
    return nd_mse(g, restored, o->clean);
  default:
    return nd_objective_charbonnier(g, restored, o->clean);
  }
}

/* The restoration loss comes before any other, so that it is known when those are. */
static void judge(nd_graph *g, nd_objective *o, const nd_branch *synthetic) {
  o->restored_synthetic = synthetic->restored;
  o->loss_restoration = nd_objective_restoration_loss(g, o, synthetic->restored);
}

/* Step 1: one forward pass over both domains; one for each, as in the release, where a network normalises by
 * the statistics of its batch. */
void nd_objective_restore(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor x, nd_branch *synthetic,
                          nd_branch *real) {
  const nd_objective_settings *s = &o->settings;
  if (nd_net_normalises_batch(net)) {
    nd_tensor output = restore(g, net, o->synthetic);
    *synthetic = branch_of(g, s, o->synthetic, output, nd_deepest_features(g));
    output = restore(g, net, x);
    *real = branch_of(g, s, x, output, nd_deepest_features(g));
  } else {
    nd_tensor output = restore(g, net, nd_concat(g, o->synthetic, x, 0)), f = nd_deepest_features(g);
    nd_tensor of_synthetic = f < 0 ? ND_NONE : nd_slice(g, f, 0, 0, o->n),
              of_real = f < 0 ? ND_NONE : nd_slice(g, f, 0, o->n, o->n);
    *synthetic = branch_of(g, s, o->synthetic, nd_slice(g, output, 0, 0, o->n), of_synthetic);
    *real = branch_of(g, s, x, nd_slice(g, output, 0, o->n, o->n), of_real);
  }
  o->restored_real = real->restored;
  judge(g, o, synthetic);
}

nd_branch nd_objective_restore_alone(nd_graph *g, const nd_objective *o, const nd_net *net, nd_tensor x) {
  return branch_of(g, &o->settings, x, restore(g, net, x), ND_NONE);
}

/* Step 2: the noisy clean picture. */
static nd_tensor diffuse(nd_graph *g, nd_objective *o) {
  o->noise = nd_objective_picture(g, "noise", o);
  o->level = number(g, "level", o);
  o->signal_scale = number(g, "signal_scale", o);
  o->noise_scale = number(g, "noise_scale", o);
  nd_tensor target = o->settings.mode == ND_MODE_UNPAIRED ? o->reference : o->clean;
  return nd_add(g, nd_mul(g, target, o->signal_scale), nd_mul(g, o->noise, o->noise_scale));
}

static nd_tensor predict(nd_graph *g, const nd_net *net, nd_tensor x, nd_tensor level) {
  nd_scope_push(g, ND_SCOPE_DIFFUSION);
  nd_tensor noise = nd_net_predict_noise(g, net, x, level);
  nd_scope_pop(g);
  return noise;
}

/* Both predictions in one pass. */
static void judge_together(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor with_positive,
                           nd_tensor with_negative) {
  nd_tensor e =
      predict(g, net, nd_concat(g, with_positive, with_negative, 0), nd_concat(g, o->level, o->level, 0));
  o->loss_positive = nd_mse(g, o->noise, nd_slice(g, e, 0, 0, o->n));
  o->loss_negative = nd_mse(g, o->noise, nd_slice(g, e, 0, o->n, o->n));
}

/* Negatives first, and nothing of them is kept. The masks of dropout are those of one pass. */
static void judge_apart(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor with_positive,
                        nd_tensor with_negative) {
  uint32_t mark = nd_dropout_mark(g);
  nd_dropout_from(g, mark, 1);
  nd_recompute(g, true);
  nd_tensor e = predict(g, net, with_negative, o->level);
  nd_recompute(g, false);
  o->loss_negative = nd_mse(g, o->noise, e);
  nd_dropout_from(g, mark, 0);
  o->loss_positive = nd_mse(g, o->noise, predict(g, net, with_positive, o->level));
}

/* Steps 4 to 6 with negatives. */
static nd_tensor contrastive_loss(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor y,
                                  nd_tensor positive, nd_branch synthetic, nd_branch real) {
  const nd_objective_settings *s = &o->settings;
  o->shuffle_negative = number(g, "shuffle_negative", o);
  nd_tensor negative = nd_shuffle_pair(g, nd_add(g, synthetic.x, real.residual),
                                       nd_add(g, real.x, synthetic.residual), o->shuffle_negative);
  (s->negatives == ND_NEGATIVES_KEPT ? judge_together : judge_apart)(g, o, net, nd_concat(g, y, positive, 3),
                                                                     nd_concat(g, y, negative, 3));
  nd_tensor against = s->negatives == ND_NEGATIVES_JUDGED ? nd_detach(g, o->loss_negative) : o->loss_negative;
  nd_tensor gap = nd_affine(g, minus(g, o->loss_positive, against), 1, s->margin);
  nd_tensor hinge = nd_activate(g, gap, ND_ACT_RELU, 0);
  return nd_affine(g, nd_add(g, o->loss_positive, hinge), 0.5f, 0);
}

bool nd_objective_contrast_active(const nd_objective *o, float positive, float negative) {
  return o->loss_negative >= 0 && positive - negative + o->settings.margin > 0;
}

static nd_tensor plain_loss(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor y,
                            nd_tensor positive) {
  o->loss_positive = nd_mse(g, o->noise, predict(g, net, nd_concat(g, y, positive, 3), o->level));
  return o->loss_positive;
}

static nd_tensor diffusion_loss(nd_graph *g, nd_objective *o, const nd_net *net, nd_branch synthetic,
                                nd_branch real) {
  nd_branch s = as_condition(g, o, synthetic, o->settings.detach_synthetic);
  nd_branch r = as_condition(g, o, real, o->settings.detach_real);
  nd_tensor y = diffuse(g, o);
  o->shuffle = number(g, "shuffle", o);
  nd_tensor positive = nd_shuffle_pair(g, s.restored, r.restored, o->shuffle); /* step 3 */
  if (o->settings.contrast && o->settings.mode == ND_MODE_PAIRED)
    return contrastive_loss(g, o, net, y, positive, s, r);
  return plain_loss(g, o, net, y, positive);
}

static void name_outputs(nd_graph *g, const nd_objective *o) {
  nd_output(g, "loss", o->loss);
  nd_output(g, "loss_restoration", o->loss_restoration);
  nd_output(g, "loss_diffusion", o->loss_diffusion);
  nd_output(g, "loss_positive", o->loss_positive);
  nd_output(g, "loss_negative", o->loss_negative);
}

static nd_objective empty(const nd_objective_settings *s, int n, int patch_size, int channels) {
  return (nd_objective){.settings = *s,
                        .n = n,
                        .patch_size = patch_size,
                        .channels = channels,
                        .synthetic = ND_NONE,
                        .clean = ND_NONE,
                        .real = ND_NONE,
                        .reference = ND_NONE,
                        .noise = ND_NONE,
                        .level = ND_NONE,
                        .signal_scale = ND_NONE,
                        .noise_scale = ND_NONE,
                        .shuffle = ND_NONE,
                        .shuffle_negative = ND_NONE,
                        .alpha = ND_NONE,
                        .strength = ND_NONE,
                        .damage = ND_NONE,
                        .taught = ND_NONE,
                        .blind = ND_NONE,
                        .mask = ND_NONE,
                        .loss = ND_NONE,
                        .loss_restoration = ND_NONE,
                        .loss_diffusion = ND_NONE,
                        .loss_positive = ND_NONE,
                        .loss_negative = ND_NONE,
                        .restored_synthetic = ND_NONE,
                        .restored_real = ND_NONE};
}

/* The diffusion loss and what is asked for besides, weighed. */
static nd_tensor weighed_sum(nd_graph *g, const nd_objective *o, const nd_tensor *besides, int count) {
  nd_tensor sum = o->loss_diffusion;
  bool apart = o->settings.weigh_conditions;
  for (int i = 0; i < count; i++)
    sum = nd_add(g, sum, apart ? nd_mul(g, o->alpha, besides[i]) : besides[i]);
  return apart ? sum : nd_mul(g, o->alpha, sum);
}

static nd_tensor adaptation_loss(nd_graph *g, nd_objective *o, const nd_net *restoration,
                                 const nd_net *diffusion) {
  nd_branch synthetic, real;
  nd_tensor besides[2];
  int count = 0;
  o->real = nd_objective_views(g, "real", o);
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  nd_objective_restore(g, o, restoration, o->real, &synthetic, &real);
  if (o->settings.mode == ND_MODE_UNPAIRED)
    o->reference = nd_objective_picture(g, "reference", o);
  o->loss_diffusion = diffusion_loss(g, o, diffusion, synthetic, real);
  if (o->settings.keep_means > 0)
    besides[count++] = nd_affine(g, nd_keep_means_loss(g, o, &real), o->settings.keep_means, 0);
  if (o->settings.graft > 0)
    besides[count++] = nd_affine(g, nd_graft_loss(g, o, restoration, real.residual), o->settings.graft, 0);
  return weighed_sum(g, o, besides, count);
}

static nd_tensor total_loss(nd_graph *g, nd_objective *o, const nd_net *restoration,
                            const nd_net *diffusion) {
  nd_branch synthetic;
  nd_tensor added;
  switch (o->settings.mode) {
  case ND_MODE_SOURCE:
    synthetic = nd_objective_restore_alone(g, o, restoration, o->synthetic);
    judge(g, o, &synthetic);
    return o->loss_restoration;
  case ND_MODE_NOISE2VOID:
    added = nd_noise2void_loss(g, o, restoration);
    break;
  case ND_MODE_GRAFT:
    added = nd_graft_mode_loss(g, o, restoration);
    break;
  case ND_MODE_TRANSLATE:
    added = nd_translate_loss(g, o, restoration);
    break;
  case ND_MODE_DANN:
    added = nd_dann_loss(g, o, restoration);
    break;
  case ND_MODE_TEACHER:
    added = nd_teacher_loss(g, o, restoration);
    break;
  default:
    added = adaptation_loss(g, o, restoration, diffusion);
  }
  return nd_add(g, o->loss_restoration, added);
}

bool nd_mode_takes_views(nd_mode mode) {
  return mode == ND_MODE_SOURCE || nd_mode_diffuses(mode) || mode == ND_MODE_DANN;
}

void nd_objective_build(nd_graph *g, const nd_objective_settings *s, const nd_net *restoration,
                        const nd_net *diffusion, int n, int patch_size, nd_objective *o) {
  *o = empty(s, n, patch_size, nd_net_channels(restoration));
  o->synthetic = nd_objective_views(g, "synthetic", o);
  o->clean = nd_objective_picture(g, "clean", o);
  o->loss = total_loss(g, o, restoration, diffusion);
  name_outputs(g, o);
}
