/* noiseda degrade: clean pictures in, degraded pictures out. */
#include "cli/degradation.h"
#include "cli/interruption.h"
#include "cli/results.h"
#include "image/image.h"

#include <stdio.h>
#include <string.h>

typedef struct job {
  nd_degrade_settings settings;
  uint64_t seed;
  const char *out, *ending; /* ending: ".png", or NULL: as the input's */
  gboolean overwrite, skip_existing;
  nd_cli_tally tally;
  bool full; /* nothing more can be written */
} job;

/* All that the file holds; a part of a file has its colours alone. */
static int load(const nd_set *set, size_t i, nd_image *image) {
  const nd_set_item *item = &set->at[i];
  return nd_set_whole_file(item) ? nd_image_load(item->file, image) : nd_set_load(set, i, image);
}

/* The draws of a picture follow from the seed and its name: adding pictures changes no other. */
static int degrade_picture(const job *j, const nd_set *set, size_t i, const char *to) {
  const char *name = set->at[i].name;
  nd_image image;
  if (load(set, i, &image))
    return -1;
  nd_rng r = nd_rng_make(j->seed, 0, g_str_hash(name), ND_RANDOM_DEGRADE);
  int failed = nd_degrade_image(&j->settings, &image, &r);
  if (failed)
    nd_fail_in("'%s'", set->at[i].label);
  else
    failed = nd_image_save(to, &image, NULL);
  nd_image_free(&image);
  return failed;
}

static char *target_of(const job *j, const char *name) {
  const char *dot = strrchr(name, '.');
  if (!j->ending || !dot)
    return g_build_filename(j->out, name, NULL);
  g_autofree char *stem = g_strndup(name, (gsize)(dot - name)), *renamed = g_strconcat(stem, j->ending, NULL);
  return g_build_filename(j->out, renamed, NULL);
}

static void degrade_one(job *j, const nd_set *set, size_t i) {
  g_autofree char *to = target_of(j, set->at[i].name);
  int failed = nd_file_check_one(to, j->overwrite, j->skip_existing);
  if (failed > 0) {
    nd_cli_say_existing(to);
    j->tally.skipped++;
    return;
  }
  failed = failed || nd_folder_make_for(to) || degrade_picture(j, set, i, to);
  if (failed) {
    j->full = nd_cli_ends_all(j->overwrite);
    nd_cli_failed();
    j->tally.failed++;
    return;
  }
  printf("%s\n", to);
  j->tally.done++;
}

static void note_problem(const char *path, void *context) {
  (void)path;
  nd_cli_failed();
  ((job *)context)->tally.failed++;
}

/* A picture that is made must be neither one that is read nor a second one's. */
static int check_target(const job *j, const nd_set_item *item, GHashTable *read, GHashTable *made) {
  g_autofree char *to = target_of(j, item->name), *there = nd_cli_identity(to);
  const char *other;
  if (there && g_hash_table_contains(read, there))
    return nd_fail("'%s' is one of the pictures to degrade; -o names another folder", to);
  if ((other = g_hash_table_lookup(made, to)))
    return nd_fail("'%s' and '%s' would both become '%s'; nothing was degraded", other, item->label, to);
  g_hash_table_insert(made, g_steal_pointer(&to), item->label);
  return 0;
}

static int check_targets(const job *j, const nd_set *sets, int n) {
  g_autoptr(GHashTable) read = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) made = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  char *key;
  for (int k = 0; k < n; k++)
    for (size_t i = 0; i < sets[k].count; i++)
      if ((key = nd_cli_identity(sets[k].at[i].file)))
        g_hash_table_add(read, key);
  for (int k = 0; k < n; k++)
    for (size_t i = 0; i < sets[k].count; i++)
      if (check_target(j, &sets[k].at[i], read, made))
        return -1;
  return 0;
}

/* paths: n of them. */
static int degrade_all(job *j, char **paths, int n) {
  g_autofree nd_set *sets = g_new0(nd_set, (size_t)n);
  for (int k = 0; k < n; k++)
    if (nd_set_open_past(paths[k], note_problem, j, &sets[k]))
      note_problem(paths[k], j);
    else
      nd_set_drop_results(&sets[k], j->out);
  int failed = check_targets(j, sets, n);
  nd_cli_listen(NULL);
  for (int k = 0; k < n && !failed; k++)
    for (size_t i = 0; i < sets[k].count && !nd_cli_interrupted() && !j->full; i++)
      degrade_one(j, &sets[k], i);
  for (int k = 0; k < n; k++)
    nd_set_free(&sets[k]);
  return failed;
}

static int run(int argc, char **argv) {
  g_autofree char *out = NULL, *format = NULL;
  g_auto(GStrv) settings = NULL, then = NULL;
  gint64 seed = 1;
  job j = {0};
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &out, "folder for the degraded pictures", "DIR"},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &settings, "a setting of the degradation; may be repeated",
       "KEY=VALUE"},
      {"then", 0, 0, G_OPTION_ARG_STRING_ARRAY, &then, "what follows in a chain; may be repeated",
       "\"NAME KEY=VALUE ...\""},
      {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "of the random draws (default 1)", "N"},
      {"format", 0, 0, G_OPTION_ARG_STRING, &format, "of the results (default: as the input)",
       ND_CLI_FORMATS},
      ND_CLI_OVERWRITE(&j.overwrite),
      ND_CLI_SKIP_EXISTING(&j.skip_existing),
      {0}};
  g_autofree char *about = nd_cli_degradations();
  if (!nd_cli_parse(&argc, &argv, entries, "DEGRADATION IN... -o DIR", about))
    return ND_EXIT_USAGE;
  if (argc < 3 || !out)
    return nd_cli_wrong("a degradation, at least one picture or set and -o DIR are needed");
  j.seed = (uint64_t)seed, j.out = out;
  if ((format && !(j.ending = nd_cli_format_ending(format))) ||
      nd_cli_degradation(argv[1], settings, then, &j.settings))
    return nd_cli_wrong("%s", nd_error());
  if (nd_cli_check_folder(out) || nd_cli_check_existing(j.overwrite, j.skip_existing) ||
      degrade_all(&j, argv + 2, argc - 2))
    return nd_cli_wrong("%s", nd_error());
  if (nd_cli_interrupted() || j.tally.failed || j.tally.skipped)
    nd_cli_say_tally(&j.tally, "picture", "degraded");
  return nd_cli_tally_status(&j.tally);
}

const nd_command nd_cmd_degrade = {"degrade", "make degraded pictures from clean ones", run};
