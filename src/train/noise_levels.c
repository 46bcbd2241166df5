/* The noise schedule of a recipe, and which of its levels are drawn. */
#include "train/train.h"

int nd_recipe_schedule(const nd_recipe *r, nd_schedule **out) {
  return nd_schedule_new(nd_recipe_word(r, "schedule.kind"), r->schedule.steps, r->schedule.beta_start,
                         r->schedule.beta_end, out);
}

nd_levels nd_recipe_levels(const nd_recipe *r) {
  return (nd_levels){r->adapt.t_min, r->adapt.t_max, r->adapt.t_power};
}
