/* Which checkpoints of a run are kept: the newest, and those of the best validations. */
#include "train/trainer-private.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct kept {
  char *name;
  uint64_t step;
  double figure; /* of the validation at this step; -inf: there was none */
  bool stays;
} kept;

static void clear(gpointer item) {
  g_free(((kept *)item)->name);
}

static gint newest_first(gconstpointer a, gconstpointer b) {
  uint64_t x = ((const kept *)a)->step, y = ((const kept *)b)->step;
  return x < y ? 1 : x > y ? -1 : 0;
}

/* Of equals the older one, which is what best.safetensors has. */
static gint best_first(gconstpointer a, gconstpointer b) {
  double x = ((const kept *)a)->figure, y = ((const kept *)b)->figure;
  return x < y ? 1 : x > y ? -1 : -newest_first(a, b);
}

/* By their names: the clock may have been set back since. */
static GArray *checkpoints_in(const char *folder, int by) {
  GArray *found = g_array_new(FALSE, TRUE, sizeof(kept));
  g_array_set_clear_func(found, clear);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    static const char head[] = "checkpoint-";
    if (!g_str_has_prefix(name, head) || !g_str_has_suffix(name, ".safetensors"))
      continue;
    uint64_t step = g_ascii_strtoull(name + sizeof head - 1, NULL, 10);
    kept item = {g_strdup(name), step, nd_journal_figure(folder, step, by), false};
    g_array_append_val(found, item);
  }
  return found;
}

char *nd_checkpoints_newest(const char *folder) {
  g_autoptr(GArray) all = checkpoints_in(folder, ND_RECIPE_PSNR);
  g_array_sort(all, newest_first);
  return all->len ? g_strdup(g_array_index(all, kept, 0).name) : NULL;
}

/* The first so many, of those that were validated where these alone count. */
static void keep_first(GArray *all, int count, bool validated) {
  for (guint i = 0; i < MIN((guint)count, all->len); i++) {
    kept *k = &g_array_index(all, kept, i);
    k->stays |= !validated || k->figure > -INFINITY; /* PSNR without an error is infinite */
  }
}

void nd_checkpoints_prune(const nd_trainer *t, const char *folder, const char *last) {
  int newest = t->recipe->output.keep_last, best = t->recipe->output.keep_best;
  if (!newest)
    return;
  g_autoptr(GArray) all = checkpoints_in(folder, t->recipe->output.best_by);
  g_array_sort(all, best_first);
  keep_first(all, best, true);
  g_array_sort(all, newest_first);
  keep_first(all, newest, false);
  for (guint i = 0; i < all->len; i++) {
    const kept *k = &g_array_index(all, kept, i);
    g_autofree char *path = g_build_filename(folder, k->name, NULL);
    if (!k->stays && strcmp(k->name, last))
      g_unlink(path);
  }
}
