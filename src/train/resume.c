/* A run goes on from its last checkpoint. */
#include "train/trainer-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static int load_checkpoint(nd_trainer *t, const char *folder) {
  if (nd_checkpoint_load(t, folder))
    return -1;
  int64_t steps = t->recipe->training.steps;
  return t->state.step <= (uint64_t)steps
             ? 0
             : nd_fail("the run in '%s' has done %s, and training.steps is %" G_GINT64_FORMAT
                       ": it is beyond that already; a larger number goes on from there",
                       folder, nd_count(t->state.step, "step").text, steps);
}

/* A run that ended before its first checkpoint starts anew. */
static int load_last(nd_trainer *t, const char *folder) {
  if (nd_checkpoint_exists(folder))
    return load_checkpoint(t, folder);
  nd_log(ND_LOG_INFO, "'%s' holds no checkpoint yet; the run starts at its first step", folder);
  return nd_trainer_begin(t);
}

/* Which picture comes next follows from the step, and rank 0 alone reads it. */
static int open_data_at_last(nd_trainer *t, const char *folder, bool writes) {
  return nd_group_check(t->group, writes && load_last(t, folder)) || nd_trainer_share(t) ||
                 nd_group_check(t->group, nd_trainer_open_data(t))
             ? -1
             : 0;
}

static bool validates_alike(const nd_recipe *a, const nd_recipe *b) {
  return !strcmp(a->validation.input, b->validation.input) &&
         !strcmp(a->validation.right, b->validation.right) &&
         !strcmp(a->validation.target, b->validation.target) &&
         a->validation.pictures == b->validation.pictures;
}

/* Figures of other pictures may never be reached again, and best.safetensors is what it was. */
static void compare_validation(const nd_recipe *now, const char *folder) {
  nd_recipe then;
  if (!nd_train_recipe_of(folder, NULL, &then) && nd_journal_best(folder, now->output.best_by) > -INFINITY) {
    if (!validates_alike(now, &then))
      nd_log(
          ND_LOG_WARNING,
          "validation is on other pictures than before, whose figures do not compare, and best.safetensors "
          "changes only where one is higher than all so far; without '%s/validation.csv' it begins anew",
          folder);
    if (now->output.best_by != then.output.best_by)
      nd_log(ND_LOG_WARNING,
             "output.best_by was %s: best.safetensors is the best by that until %s is higher than in all "
             "validations so far; without '%s/validation.csv' it begins anew",
             nd_recipe_word(&then, "output.best_by"), nd_recipe_word(now, "output.best_by"), folder);
  }
  nd_recipe_clear(&then);
}

/* After all that can be wrong with a changed recipe: a run keeps the one that it works with. */
static int rewind_folder(const nd_trainer *t, const nd_recipe *recipe, const char *folder) {
  if (nd_journal_rewind(folder, t->state.step))
    return -1;
  nd_checkpoint_compare_pictures(t);
  compare_validation(recipe, folder);
  return nd_run_write_recipe(recipe, folder);
}

int nd_train_resume(const char *folder, const nd_recipe_override *overrides, const nd_train_hooks *hooks) {
  nd_recipe recipe;
  nd_trainer *t = NULL;
  nd_group *group = hooks->group;
  bool writes = nd_group_rank(group) == 0;
  int lock = -1;
  int failed = nd_group_check(group, nd_train_recipe_of(folder, overrides, &recipe) ||
                                         (writes && nd_run_lock(folder, &lock)) ||
                                         nd_trainer_fit(&recipe, group, &t)) ||
               open_data_at_last(t, folder, writes) ||
               nd_group_check(group, writes && rewind_folder(t, &recipe, folder)) ||
               nd_trainer_run(t, folder, hooks);
  nd_trainer_free(t);
  nd_run_unlock(lock);
  nd_recipe_clear(&recipe);
  return failed ? -1 : 0;
}
