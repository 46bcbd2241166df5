/* Where the diffusion loss pushes the restored real photos, which their withheld truth can tell. */
#include "train/trainer-private.h"

#include <math.h>
#include <string.h>

typedef struct look {
  nd_graph *g;
  nd_plan *plan;
  nd_objective o;
  nd_tensor real, synthetic; /* the loss's gradient by the restored pictures; ND_NONE: it has none */
  nd_loader *pairs, *photos;
  nd_schedule *schedule;
} look;

/* The gradient as the run's own objective has it, through the conditions. */
static int build(look *l, nd_trained *t) {
  nd_objective_settings s = nd_recipe_objective(&t->recipe);
  l->g = nd_graph_new(t->params);
  nd_objective_build(l->g, &s, t->restoration, t->diffusion, t->recipe.data.batch_size,
                     t->recipe.data.patch_size, &l->o);
  if (nd_backward(l->g, l->o.loss_diffusion))
    return -1;
  l->real = s.detach_real ? ND_NONE : nd_gradient(l->g, l->o.restored_real);
  l->synthetic = s.detach_synthetic ? ND_NONE : nd_gradient(l->g, l->o.restored_synthetic);
  nd_output(l->g, "restored_real", l->o.restored_real);
  if (l->real >= 0)
    nd_output(l->g, "towards_real", l->real);
  if (l->synthetic >= 0)
    nd_output(l->g, "towards_synthetic", l->synthetic);
  if (nd_compile(l->g, &l->plan))
    return -1;
  nd_plan_bind(l->plan, t->values);
  return 0;
}

static int open_data(look *l, const nd_recipe *r, const nd_pair_source *photos) {
  nd_loader_settings s;
  if (nd_trainer_loader_settings(r, &s))
    return -1;
  s.real_dir = s.real_right_dir = NULL;
  s.damage.of = ND_DAMAGE_NONE;
  if (nd_loader_open(&s, 0, &l->pairs))
    return -1;
  s.pairs = *photos;
  s.clean_dir = NULL;
  return nd_loader_open(&s, 0, &l->photos) || nd_recipe_schedule(r, &l->schedule) ? -1 : 0;
}

static void close_look(look *l) {
  nd_loader_close(l->pairs);
  nd_loader_close(l->photos);
  nd_schedule_free(l->schedule);
  nd_plan_free(l->plan);
  nd_graph_free(l->g);
}

static void put(look *l, nd_tensor to, const float *from, size_t count) {
  if (to >= 0 && from)
    memcpy(nd_plan_tensor(l->plan, to), from, count * sizeof *from);
}

static double length(const look *l, nd_tensor x, size_t at, size_t count) {
  double squares = 0;
  for (size_t i = at; x >= 0 && i < at + count; i++)
    squares += pow((double)nd_plan_tensor(l->plan, x)[i], 2);
  return sqrt(squares);
}

/* Of a step down the gradient with the way from the restored photo to the truth. */
static double cosine(const look *l, const float *truth, size_t at, size_t count) {
  double product = 0, squares = 0, norm = length(l, l->real, at, count);
  for (size_t i = at; l->real >= 0 && i < at + count; i++) {
    double way = (double)truth[i] - (double)nd_plan_tensor(l->plan, l->o.restored_real)[i];
    product -= way * (double)nd_plan_tensor(l->plan, l->real)[i];
    squares += way * way;
  }
  return norm > 0 && squares > 0 ? product / norm / sqrt(squares) : 0;
}

typedef struct sums {
  double cosine, squares, share, slope, loss;
  int n;
} sums;

static int add_batch(look *l, nd_levels levels, uint64_t seed, uint64_t step, sums *sum) {
  const nd_batch *pairs, *photos;
  double wait;
  if (nd_loader_next(l->pairs, &pairs, &wait) || nd_loader_next(l->photos, &photos, &wait))
    return -1;
  size_t each = (size_t)pairs->patch_size * (size_t)pairs->patch_size * 3, all = each * (size_t)l->o.n,
         seen = all / 3 * (size_t)l->o.channels;
  put(l, l->o.synthetic, pairs->synthetic, seen);
  put(l, l->o.clean, pairs->clean, all);
  put(l, l->o.reference, pairs->reference, all);
  put(l, l->o.real, photos->synthetic, seen);
  nd_plan_tensor(l->plan, l->o.alpha)[0] = 1;
  nd_objective_draw(&l->o, l->plan, l->schedule, levels, seed, step, 0);
  nd_run(l->plan, seed, step, 0);
  sum->loss += (double)nd_plan_tensor(l->plan, l->o.loss_positive)[0] * l->o.n;
  for (int i = 0; i < l->o.n; i++, sum->n++) {
    size_t at = (size_t)i * each;
    double c = cosine(l, photos->clean, at, each), real = length(l, l->real, at, each),
           synthetic = length(l, l->synthetic, at, each);
    sum->cosine += c;
    sum->squares += c * c;
    sum->share += real + synthetic > 0 ? real / (real + synthetic) : 0;
    sum->slope += real / sqrt((double)each) * (double)all;
  }
  return 0;
}

int nd_direction(nd_trained *t, const nd_pair_source *photos, nd_levels levels, int batches, uint64_t seed,
                 nd_direction_found *out) {
  look l = {.real = ND_NONE, .synthetic = ND_NONE};
  sums s = {0};
  *out = (nd_direction_found){0};
  int failed = nd_net_check_views(t->restoration, photos->right_dir, "--right") || build(&l, t) ||
               open_data(&l, &t->recipe, photos);
  for (int k = 0; k < batches && !failed; k++)
    failed = add_batch(&l, levels, seed, (uint64_t)k, &s);
  if (!failed) {
    double mean = s.cosine / s.n, variance = fmax(0, s.squares / s.n - mean * mean);
    *out = (nd_direction_found){mean, sqrt(variance / s.n), s.share / s.n, s.slope / s.n, s.loss / s.n};
  }
  close_look(&l);
  return failed ? -1 : 0;
}
