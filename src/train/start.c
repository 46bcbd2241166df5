/* A run begins: its folder, its recipe, its first weights. */
#include "train/trainer-private.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

static int check_free(const char *folder) {
  g_autofree char *recipe = g_build_filename(folder, "recipe.yaml", NULL);
  if (g_file_test(recipe, G_FILE_TEST_EXISTS))
    return nd_fail("'%s' holds a run already; continue it with --resume, or choose another folder", folder);
  if (nd_checkpoint_exists(folder))
    return nd_fail("'%s' holds checkpoints of a run, whose recipe.yaml is gone: choose another folder "
                   "(training.init_from takes weights along)",
                   folder);
  return 0;
}

static int make_folder(const char *folder, int *lock) {
  if (g_mkdir_with_parents(folder, 0777))
    return nd_fail_of(errno, "cannot make the run folder '%s'", folder);
  return nd_run_lock(folder, lock) || check_free(folder) ? -1 : 0;
}

int nd_run_write_recipe(const nd_recipe *recipe, const char *folder) {
  g_autofree char *text = nd_recipe_print(recipe), *path = g_build_filename(folder, "recipe.yaml", NULL);
  return nd_file_write_atomic(path, text, strlen(text));
}

/* Before anything that takes long; the folder is not made yet. */
static int check_folder(const char *folder) {
  int lock = -1;
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
    return 0;
  int failed = nd_run_lock(folder, &lock) || check_free(folder);
  nd_run_unlock(lock);
  return failed;
}

int nd_train_start(nd_recipe *recipe, const char *folder, const nd_train_hooks *hooks) {
  nd_trainer *t = NULL;
  nd_group *group = hooks->group;
  bool writes = nd_group_rank(group) == 0;
  int lock = -1;
  int failed =
      nd_group_check(group, writes && check_folder(folder)) ||
      nd_group_check(group, nd_train_fit(recipe, writes) || nd_trainer_fit(recipe, group, &t) ||
                                nd_trainer_open_data(t) || nd_trainer_begin(t)) ||
      nd_group_check(group, writes && (make_folder(folder, &lock) || nd_run_write_recipe(recipe, folder))) ||
      nd_trainer_run(t, folder, hooks);
  nd_run_unlock(lock);
  nd_trainer_free(t);
  return failed ? -1 : 0;
}
