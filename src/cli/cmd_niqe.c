/* noiseda niqe: the model of pristine photos that NIQE compares with, from one's own. */
#include "cli/cli.h"
#include "data/data.h"
#include "image/image.h"
#include "image/niqe.h"

#include <stdio.h>

typedef struct job {
  nd_niqe_fit *fit;
  int side; /* 0: photos as they are */
  int photos;
  size_t blocks;
} job;

static int add_photo(job *j, const nd_set *set, size_t i) {
  const char *label = set->at[i].label;
  nd_image photo;
  size_t taken = 0;
  if (nd_set_load(set, i, &photo))
    return -1;
  int failed = (j->side && nd_image_shrink(&photo, j->side)) ||
               nd_niqe_fit_add(j->fit, photo.data, photo.height, photo.width, &taken);
  nd_image_free(&photo);
  if (failed)
    return nd_fail_in("'%s'", label);
  printf("%11s of %s\n", nd_count(taken, "block").text, label);
  j->photos++;
  j->blocks += taken;
  return 0;
}

/* A photo, or a set of them. */
static int add(job *j, const char *path) {
  nd_set set;
  if (nd_set_open(path, &set))
    return -1;
  int failed = 0;
  for (size_t i = 0; !failed && i < set.count; i++)
    failed = add_photo(j, &set, i);
  nd_set_free(&set);
  return failed;
}

static int fit(job *j, char *const *paths, int count, const char *out) {
  nd_niqe_model model;
  for (int i = 0; i < count; i++)
    if (add(j, paths[i]))
      return -1;
  if (nd_niqe_fit_finish(j->fit, &model))
    return -1;
  g_autofree char *shrunk = j->side ? g_strdup_printf(" of at most %d pixels a side", j->side) : g_strdup("");
  g_autofree char *text = g_strdup_printf("noiseda niqe: mean and covariance of %s of %s%s",
                                          nd_count(j->blocks, "sharp block").text,
                                          nd_count((size_t)j->photos, "photo").text, shrunk);
  return nd_niqe_model_write(out, &model, text);
}

static int run(int argc, char **argv) {
  g_autofree char *out = NULL;
  gboolean overwrite = FALSE;
  job j = {.side = 768};
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &out, "file for the model", "MODEL"},
      {"side", 0, 0, G_OPTION_ARG_INT, &j.side,
       "make photos smaller, so that the longer side is at most this (default 768; 0: as they are)", "N"},
      ND_CLI_OVERWRITE(&overwrite),
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "PHOTOS... -o MODEL",
          "Fits the model of pristine photos that NIQE compares with (noiseda eval --niqe-model MODEL)."))
    return ND_EXIT_USAGE;
  if (argc < 2 || !out)
    return nd_cli_wrong("at least one photo or set of photos and -o MODEL are needed");
  if (j.side < 0 || (j.side && j.side < 2 * ND_NIQE_BLOCK))
    return nd_cli_wrong("--side %d: 0, or at least two blocks, %d", j.side, 2 * ND_NIQE_BLOCK);
  if (nd_cli_check_file(out, overwrite))
    return nd_cli_failed();
  j.fit = nd_niqe_fit_new();
  int failed = fit(&j, argv + 1, argc - 1, out);
  nd_niqe_fit_free(j.fit);
  if (failed)
    return nd_cli_failed();
  printf("%s: %s of %s\n", out, nd_count(j.blocks, "block").text, nd_count((size_t)j.photos, "photo").text);
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_niqe = {"niqe", "fit the model of pristine photos that NIQE compares with", run};
