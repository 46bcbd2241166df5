/* What an objective adds to the losses that a step puts in the place of a pass's own (step.c): a baseline, a
 * graft, the keeping of means. No slope depends on their means, so passes and processes keep their own while
 * they run, and the means are taken afterwards, for whoever reads the losses. */
#include "train/trainer-private.h"

#include <math.h>

static bool has_any(const nd_objective *o) {
  const nd_objective_settings *s = &o->settings;
  return nd_mode_diffuses(s->mode) ? s->keep_means > 0 || s->graft > 0 : s->mode != ND_MODE_SOURCE;
}

static double read_number(const nd_trainer *t, nd_tensor x) {
  return (double)nd_plan_tensor(t->plan, x)[0];
}

/* Of the pass that ran last. */
static nd_added read_added(const nd_trainer *t, double alpha) {
  const nd_objective *o = &t->objective;
  double diffusion = read_number(t, o->loss_diffusion),
         rest = read_number(t, o->loss) - read_number(t, o->loss_restoration);
  if (o->settings.weigh_conditions)
    alpha = 1;
  return nd_mode_diffuses(o->settings.mode) ? (nd_added){rest - alpha * diffusion, 0}
                                            : (nd_added){rest, diffusion};
}

void nd_trainer_note_added(nd_trainer *t, double alpha) {
  nd_pass *p = &t->pass;
  if (!has_any(&t->objective))
    return;
  p->added = read_added(t, alpha);
  p->added_sum.loss += p->added.loss;
  p->added_sum.diffusion += p->added.diffusion;
  p->finite = p->finite && isfinite(p->added.loss);
}

int nd_trainer_mean_added(nd_trainer *t, nd_step_result *s) {
  const nd_pass *p = &t->pass;
  int parts = t->recipe->training.accumulation_steps * nd_group_size(t->group);
  double sums[] = {p->added_sum.loss, p->added_sum.diffusion};
  if (parts == 1 || !has_any(&t->objective))
    return 0;
  int64_t at = nd_clock();
  if (nd_group_sum(t->group, sums, G_N_ELEMENTS(sums)))
    return -1;
  nd_trainer_with_others(t, at);
  s->loss += sums[0] / parts - p->added.loss;
  s->diffusion += sums[1] / parts - p->added.diffusion;
  return 0;
}
