/* Checkpoints: everything a run needs to go on, in one safetensors file. The random state is the step. */
#include "train/trainer-private.h"
#include "weights/model.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <time.h>

typedef struct part {
  const char *prefix;
  float *values;
} part;

enum { PARTS = 4 };

static void parts_of(const nd_trainer *t, part out[PARTS]) {
  out[0] = (part){"values.", t->state.values};
  out[1] = (part){"ema.", t->state.ema};
  out[2] = (part){"moment1.", t->state.moment1};
  out[3] = (part){"moment2.", t->state.moment2};
}

static char *checkpoint_name(uint64_t step) {
  return g_strdup_printf("checkpoint-%08" G_GUINT64_FORMAT ".safetensors", step);
}

static GArray *all_tensors(const nd_trainer *t, GPtrArray *names) {
  GArray *tensors = g_array_new(FALSE, TRUE, sizeof(nd_st_tensor));
  part parts[PARTS];
  parts_of(t, parts);
  for (int k = 0; k < PARTS; k++)
    for (int i = 0; i < nd_params_length(t->params); i++) {
      const nd_param *p = nd_params_at(t->params, i);
      char *name = g_strconcat(parts[k].prefix, p->name, NULL);
      g_ptr_array_add(names, name);
      nd_st_tensor tensor = {.name = name,
                             .type = ND_ST_F32,
                             .rank = p->rank,
                             .count = p->count,
                             .data = parts[k].values + p->offset};
      for (int d = 0; d < p->rank; d++)
        tensor.shape[d] = p->dims[d];
      g_array_append_val(tensors, tensor);
    }
  return tensors;
}

static int write_tensors(const nd_trainer *t, const char *path) {
  g_autofree char *step = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.step);
  g_autofree char *skipped = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.skipped);
  g_autofree char *in_a_row = g_strdup_printf("%" G_GINT64_FORMAT, t->state.skipped_in_a_row);
  g_autofree char *rest = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.contrast_rest);
  g_autofree char *recipe = nd_recipe_print(t->recipe);
  nd_st_metadata metadata[] = {{"noiseda.kind", "checkpoint"},  {"noiseda.step", step},
                               {"noiseda.skipped", skipped},    {"noiseda.skipped_in_a_row", in_a_row},
                               {"noiseda.contrast_rest", rest}, {"noiseda.recipe", recipe},
                               {"noiseda.version", ND_VERSION}};
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GArray) tensors = all_tensors(t, names);
  return nd_safetensors_save(path, (nd_st_tensor *)(void *)tensors->data, tensors->len, metadata,
                             G_N_ELEMENTS(metadata));
}

int nd_checkpoint_save(const nd_trainer *t, const char *folder, const nd_validation *result) {
  g_autofree char *name = checkpoint_name(t->state.step), *path = g_build_filename(folder, name, NULL);
  if (write_tensors(t, path) || nd_checkpoint_save_model(t, folder, ND_RUN_MODEL, t->state.ema, result) ||
      nd_checkpoint_note(t, folder, name))
    return nd_fail_in("saving step %" G_GUINT64_FORMAT, t->state.step);
  nd_checkpoints_prune(t, folder, name);
  return 0;
}

int nd_checkpoint_save_model(const nd_trainer *t, const char *folder, const char *name, const float *values,
                             const nd_validation *result) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *recipe = nd_recipe_print(t->recipe);
  g_autofree char *step = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.step);
  g_autofree char *figures =
      result ? g_strdup_printf("PSNR %.4f dB, SSIM %.5f on %s", result->psnr, result->ssim,
                               nd_count((size_t)result->pictures, "validation picture").text)
             : NULL;
  nd_st_metadata metadata[] = {{"noiseda.task", nd_recipe_word(t->recipe, "task")},
                               {"noiseda.recipe", recipe},
                               {"noiseda.step", step},
                               {"noiseda.metrics", figures}};
  return nd_model_save(path, t->restoration, t->recipe->restoration.residual, t->params,
                       ND_SCOPE_RESTORATION ".", values, metadata,
                       G_N_ELEMENTS(metadata) - !result); /* figures come last */
}

static bool read_count(const nd_safetensors *file, const char *key, guint64 most, guint64 *out) {
  const char *text = nd_safetensors_metadata(file, key);
  return text && g_ascii_string_to_unsigned(text, 10, 0, most, out, NULL);
}

static int other_networks(void) {
  return nd_fail_and(
      "a run keeps its networks: start another for other ones, or for a mode that has other ones "
      "(training.init_from takes weights along)");
}

static int read_parts(nd_trainer *t, const nd_safetensors *file) {
  guint64 done, skipped = 0, in_a_row = 0, rest = 0; /* all but the first were not always written */
  if (!read_count(file, "noiseda.step", UINT32_MAX, &done))
    return nd_fail("it is no checkpoint: it does not say at which step it was saved");
  read_count(file, "noiseda.skipped", done, &skipped);
  read_count(file, "noiseda.skipped_in_a_row", skipped, &in_a_row);
  read_count(file, "noiseda.contrast_rest", done, &rest);
  part parts[PARTS];
  parts_of(t, parts);
  for (int k = 0; k < PARTS; k++)
    if (nd_weights_load(file, parts[k].prefix, t->params, "", true, parts[k].values))
      return other_networks();
  t->state.step = done;
  t->state.skipped = skipped;
  t->state.skipped_in_a_row = (int64_t)in_a_row;
  t->state.contrast_rest = rest;
  return 0;
}

/* Nothing follows from the time of day, but people look at it. */
static void compare_clock(const char *path) {
  GStatBuf s;
  time_t now = time(NULL);
  if (!g_stat(path, &s) && s.st_mtime > now + 60)
    nd_log(ND_LOG_WARNING,
           "'%s' is from the future: the clock was set back since. The run goes on where it was; only the "
           "times shown beside its files and events are not to be relied on",
           path);
}

static int damaged(const char *path) {
  return nd_fail_and("without '%s' the run goes on from the checkpoint before it, if there is one", path);
}

static int load(nd_trainer *t, const char *folder, nd_last *from) {
  nd_safetensors *file;
  if (!from->path)
    return -1;
  if (nd_safetensors_open(from->path, &file))
    return damaged(from->path);
  compare_clock(from->path);
  if (from->lost) /* the checkpoints are whole, each by itself */
    nd_log(ND_LOG_WARNING, "%s: the run goes on from its newest checkpoint, '%s'", from->lost, from->path);
  int failed = read_parts(t, file);
  nd_safetensors_close(file);
  if (failed)
    return nd_fail_in("'%s'", from->path);
  g_autofree char *name = g_path_get_basename(from->path); /* a killed process may not have got that far */
  nd_checkpoints_prune(t, folder, name);
  g_free(t->pictures_before);
  t->pictures_before = g_steal_pointer(&from->pictures);
  return 0;
}

int nd_checkpoint_load(nd_trainer *t, const char *folder) {
  nd_last from = nd_checkpoint_find_last(folder);
  int failed = load(t, folder, &from);
  nd_last_clear(&from);
  return failed;
}
