/* The graph and the plan of a step. While the diffusion network learns alone, its loss ends at its
 * conditions, and nothing is added to the pairs' loss. Then there are two: where the contrast has a slope,
 * positives and negatives go through the diffusion network and back together; where it has none, which is
 * most of a run, negatives only go forward. Which it is, a step learns on the way. So after some steps at
 * rest the next is taken to be one too, and done again in full should it not be. Only one plan is there at a
 * time: making one takes milliseconds. */
#include "train/trainer-private.h"

void nd_trainer_bind(nd_trainer *t) {
  nd_plan_bind(t->plan, t->state.values);
  t->state.gradients = nd_plan_gradients(t->plan);
}

uint64_t nd_trainer_steps_alone(const nd_trainer *t) {
  return t->diffusion ? (uint64_t)t->recipe->adapt.warmup_steps : 0;
}

static bool learns_alone(const nd_trainer *t) {
  return t->state.step < nd_trainer_steps_alone(t);
}

static nd_objective_settings settings_of_step(const nd_trainer *t, bool contrast_at_rest) {
  nd_objective_settings s = nd_recipe_objective(t->recipe);
  if (contrast_at_rest)
    s.negatives = ND_NEGATIVES_JUDGED;
  if (learns_alone(t)) {
    s.detach_synthetic = s.detach_real = true;
    s.graft = s.keep_means = 0;
  }
  return s;
}

void nd_trainer_drop_plan(nd_trainer *t) {
  nd_plan_free(t->plan);
  nd_graph_free(t->graph);
  t->plan = NULL;
  t->graph = NULL;
  t->state.gradients = NULL;
}

static int make_plan(nd_trainer *t, bool contrast_at_rest) {
  const nd_recipe *r = t->recipe;
  nd_trainer_drop_plan(t);
  t->graph = nd_graph_new(t->params);
  nd_graph_set_dtype(t->graph, nd_recipe_dtype(r));
  nd_graph_set_early_gradients(t->graph, nd_group_size(t->group) > 1);
  nd_objective_settings s = settings_of_step(t, contrast_at_rest);
  t->planned_alone = learns_alone(t);
  nd_objective_build(t->graph, &s, t->restoration, t->diffusion, t->micro_batch, r->data.patch_size,
                     &t->objective);
  if (nd_backward(t->graph, t->objective.loss) || nd_compile(t->graph, &t->plan))
    return nd_fail_in("a step with data.patch_size=%d", r->data.patch_size);
  if (t->state.values)
    nd_trainer_bind(t);
  nd_plan_set_watch(t->plan, nd_trainer_watch(t));
  nd_plan_set_share(t->plan, (nd_share){(uint32_t)t->micro_batch, (uint32_t)r->data.batch_size});
  nd_plan_record(t->plan, t->profile);
  return 0;
}

int nd_trainer_plan(nd_trainer *t, bool contrast_at_rest) {
  int64_t begun = nd_clock();
  int failed = make_plan(t, contrast_at_rest);
  nd_profile_stage(t->profile, "plan", begun, 0);
  return failed;
}

static bool planned_at_rest(const nd_trainer *t) {
  return t->objective.settings.negatives == ND_NEGATIVES_JUDGED;
}

int nd_trainer_plan_again(nd_trainer *t) {
  return make_plan(t, planned_at_rest(t));
}

int nd_trainer_choose_plan(nd_trainer *t) {
  bool at_rest = t->objective.loss_negative >= 0 && t->state.contrast_rest >= ND_CONTRAST_RESTS_AFTER;
  return at_rest == planned_at_rest(t) && t->planned_alone == learns_alone(t) ? 0
                                                                              : nd_trainer_plan(t, at_rest);
}

int64_t nd_trainer_with_others(const nd_trainer *t, int64_t begun) {
  return t->group ? nd_profile_stage(t->profile, "other processes", begun, 0) : begun;
}

void nd_trainer_record(nd_trainer *t, nd_profile *p) {
  t->profile = p;
  if (t->plan)
    nd_plan_record(t->plan, p);
}
