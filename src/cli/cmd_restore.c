/* noiseda restore: pictures in, restored pictures out. */
#include "cli/cli.h"
#include "restore/restore.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

typedef struct job {
  nd_restorer *restorer;
  nd_save_options save;
  nd_profile *profile; /* or NULL */
  gboolean overwrite;
  int done, failed;
} job;

static int restore_picture(const job *j, const char *in, const char *out) {
  nd_image image;
  if (!j->overwrite && g_file_test(out, G_FILE_TEST_EXISTS))
    return nd_fail("'%s' exists already; --overwrite replaces it", out);
  nd_profile_begin(j->profile);
  int64_t at = nd_clock();
  if (nd_image_load(in, &image))
    return -1;
  nd_profile_stage(j->profile, "load the picture", at, 0);
  int failed = nd_restorer_run_image(j->restorer, &image, NULL, NULL);
  if (failed)
    nd_fail_in("'%s'", in);
  at = nd_clock();
  if (!failed)
    failed = nd_image_save(out, &image, &j->save);
  nd_image_free(&image);
  nd_profile_stage(j->profile, "save the picture", at, 0);
  if (!failed)
    nd_profile_end(j->profile);
  return failed;
}

static void restore_one(job *j, const char *in, const char *out) {
  g_autofree char *folder = g_path_get_dirname(out);
  int failed = g_mkdir_with_parents(folder, 0777)
                   ? nd_fail("cannot make the folder '%s': %s", folder, strerror(errno))
                   : restore_picture(j, in, out);
  if (failed) {
    nd_cli_failed();
    j->failed++;
  } else {
    printf("%s\n", out);
    j->done++;
  }
}

static void restore_folder(job *j, const char *in, const char *out) {
  nd_folder pictures;
  if (nd_folder_open(in, &pictures)) {
    nd_cli_failed();
    j->failed++;
    return;
  }
  for (size_t i = 0; i < pictures.count; i++) {
    g_autofree char *to = g_build_filename(out, pictures.names[i], NULL);
    restore_one(j, pictures.files[i], to);
  }
  nd_folder_free(&pictures);
}

static void restore_all(job *j, char **in, const char *out) {
  bool to_file = !in[1] && !g_file_test(in[0], G_FILE_TEST_IS_DIR) && nd_image_named(out) &&
                 !g_file_test(out, G_FILE_TEST_IS_DIR);
  for (int i = 0; in[i]; i++) {
    g_autofree char *base = g_path_get_basename(in[i]), *to = g_build_filename(out, base, NULL);
    if (g_file_test(in[i], G_FILE_TEST_IS_DIR))
      restore_folder(j, in[i], out);
    else
      restore_one(j, in[i], to_file ? out : to);
  }
}

static int restore_with(const char *model_path, nd_restorer_settings s, job *j, char **in, const char *out) {
  nd_model *model;
  if (nd_model_load(model_path, &model))
    return nd_cli_failed();
  s.profile = j->profile;
  int failed = nd_restorer_of_model(model, s, &j->restorer);
  if (!failed)
    restore_all(j, in, out);
  nd_restorer_free(j->restorer);
  nd_model_free(model);
  if (failed)
    return nd_cli_failed();
  if (j->failed)
    fprintf(stderr, "noiseda: %d pictures restored, %d failed\n", j->done, j->failed);
  return j->failed ? ND_EXIT_FAILED : ND_EXIT_DONE;
}

static int restore_profiled(const char *model_path, nd_restorer_settings s, job *j, char **in,
                            const char *out, const nd_cli_profile *profile) {
  j->profile = nd_cli_profile_wanted(profile) ? nd_profile_new() : NULL;
  int status = restore_with(model_path, s, j, in, out);
  if (j->profile && j->done && nd_cli_profile_print(profile, j->profile, "picture"))
    status = nd_cli_failed();
  nd_profile_free(j->profile);
  return status;
}

static int run(int argc, char **argv) {
  g_autofree char *model = NULL, *out = NULL, *memory = NULL, *trace = NULL;
  nd_cli_profile profile = {0};
  nd_restorer_settings s = nd_restorer_defaults();
  job j = {0};
  int threads = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model, "the model file", "M"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &out, "a folder, or a file for one picture", "OUT"},
      {"strength", 0, 0, G_OPTION_ARG_DOUBLE, &s.strength, "how much of the correction to apply, 0 to 1",
       "X"},
      {"tile", 0, 0, G_OPTION_ARG_INT, &s.tile, "side of a tile in pixels (default: from --memory)", "N"},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &memory, "for the network's buffers (default 1G)", "BYTES"},
      {"bits", 0, 0, G_OPTION_ARG_INT, &j.save.bits, "8 or 16 (default: as the input)", "N"},
      {"quality", 0, 0, G_OPTION_ARG_INT, &j.save.quality, "of JPEG and WebP, 1 to 100 (default 95)", "N"},
      {"overwrite", 0, 0, G_OPTION_ARG_NONE, &j.overwrite, "replace files that exist", NULL},
      ND_CLI_PROFILE_ENTRIES(&profile.table, &trace),
      {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads to use (default: all processors)", "N"},
      {0}};
  if (!nd_cli_parse(&argc, &argv, entries, "--model M IN... -o OUT",
                    "Restores pictures (files or folders) with a trained model. Large pictures go in "
                    "overlapping tiles; "
                    "the result is that of the whole. Metadata, 16 bits, grey and alpha are kept."))
    return ND_EXIT_USAGE;
  if (!model || !out || argc < 2)
    return nd_cli_wrong("--model M, at least one input and -o OUT are needed");
  if (!(s.strength >= 0 && s.strength <= 1) || s.tile < 0 ||
      (j.save.bits && j.save.bits != 8 && j.save.bits != 16) || j.save.quality < 0 || j.save.quality > 100)
    return nd_cli_wrong(
        "--strength goes from 0 to 1, --bits is 8 or 16, --quality 1 to 100, --tile positive");
  if (memory && !(s.memory = nd_cli_bytes(memory)))
    return nd_cli_wrong("%s", nd_error());
  nd_set_threads(threads);
  profile.trace = trace;
  return restore_profiled(model, s, &j, argv + 1, out, &profile);
}

const nd_command nd_cmd_restore = {"restore", "restore photographs with a model", run};
