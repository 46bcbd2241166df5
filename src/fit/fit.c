/* Two sets read, the settings searched that bring one to the other. */
#include "fit/fit-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { AROUND = 32 }; /* at most; as far as the longest blur reaches */

nd_fit_settings nd_fit_defaults(void) {
  return (nd_fit_settings){.patches = 200, .patch_size = 48, .tries = 100, .seed = 1};
}

typedef struct comparison {
  const nd_fit_settings *settings;
  nd_fit_patches clean;
  nd_fit_table real;
  nd_fit_result *result;
  double least;
} comparison;

static double distance_of(const nd_degrade_settings *degradation, void *context) {
  comparison *c = context;
  nd_fit_table table;
  double distance =
      nd_fit_tabulate(&c->clean, degradation, c->settings, &table) ? -1 : nd_fit_distance(&table, &c->real);
  g_free(table.values);
  if (distance < 0 || !degradation)
    return distance;
  c->result->tried++;
  c->least = MIN(c->least, distance);
  if (c->settings->progress)
    c->settings->progress(c->result->tried, c->least, c->settings->context);
  return distance;
}

/* Every second photo patch against the others: what is left where nothing differs but the choice. */
static int compare_halves(const nd_fit_settings *s, const nd_fit_patches *real, double *out) {
  size_t values = (size_t)real->side * (size_t)real->side * 3;
  nd_fit_patches half[2];
  nd_fit_table table[2] = {{0}};
  int failed = 0;
  for (int h = 0; h < 2; h++) {
    half[h] = (nd_fit_patches){.count = real->count / 2,
                               .side = real->side,
                               .rgb = g_new(float, (size_t)(real->count / 2) * values)};
    for (int i = 0; i < half[h].count; i++)
      memcpy(half[h].rgb + (size_t)i * values, real->rgb + (size_t)(2 * i + h) * values,
             values * sizeof(float));
    failed |= nd_fit_tabulate(&half[h], NULL, s, &table[h]);
  }
  *out = failed ? -1 : nd_fit_distance(&table[0], &table[1]);
  for (int h = 0; h < 2; h++) {
    g_free(half[h].rgb);
    g_free(table[h].values);
  }
  return failed;
}

static int read_real(comparison *c) {
  const nd_fit_settings *s = c->settings;
  nd_fit_patches real;
  if (nd_fit_patches_read(s->real, s->patches, s->patch_size, s->seed, ND_RANDOM_PICK_REAL, &real))
    return nd_fail_in("real photos");
  int failed = nd_fit_tabulate(&real, NULL, s, &c->real) || compare_halves(s, &real, &c->result->halves);
  c->result->photos = real.pictures;
  nd_fit_patches_free(&real);
  return failed;
}

/* Of the settings that are looked for, whatever they turn out to be. */
static int furthest_reach(const nd_degrade_settings *degradation) {
  nd_degrade_settings most = *degradation;
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(most.kind, k)); k++)
    if (!key->choice)
      most.values[key->first + key->count - 1] = key->max;
  return MIN(nd_degrade_reach(&most), AROUND);
}

static int read_clean(comparison *c, const nd_degrade_settings *degradation) {
  const nd_fit_settings *s = c->settings;
  int side = s->patch_size + 2 * furthest_reach(degradation);
  if (nd_fit_patches_read(s->clean, s->patches, side, s->seed, ND_RANDOM_PICK_CLEAN, &c->clean))
    return nd_fail_in("clean pictures");
  return (c->result->clean = distance_of(NULL, c)) < 0 ? -1 : 0;
}

/* Three digits are more than the distance can tell apart. By way of text, so that 0.7 stays the default 0.7
 * and not the number next to it. */
static void round_values(nd_degrade_settings *s, const bool *fixed) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  for (int i = 0; i < ND_DEGRADE_VALUES; i++)
    if (!fixed[i])
      s->values[i] = g_ascii_strtod(g_ascii_formatd(text, sizeof text, "%.3g", s->values[i]), NULL);
}

static int keep_untold(const nd_degrade_settings *given, nd_degrade_settings *found) {
  bool untold[ND_DEGRADE_VALUES] = {false};
  for (const char *const *name = given->kind->untold; name && *name; name++)
    if (nd_degrade_named(given, *name, untold))
      return -1;
  for (int i = 0; i < ND_DEGRADE_VALUES; i++)
    if (untold[i])
      found->values[i] = given->values[i];
  return 0;
}

static int search(comparison *c, nd_degrade_settings *degradation) {
  const nd_degrade_settings given = *degradation;
  bool fixed[ND_DEGRADE_VALUES] = {[ND_DEGRADE_PROBABILITY] = true};
  for (const char *const *name = c->settings->fixed; name && *name; name++)
    if (nd_degrade_named(degradation, *name, fixed))
      return -1;
  if ((c->result->standard = distance_of(degradation, c)) < 0)
    return -1;
  if (nd_fit_search(degradation, fixed, c->settings->tries, c->settings->seed, distance_of, c) < 0)
    return -1;
  round_values(degradation, fixed);
  if ((c->result->found = distance_of(degradation, c)) < 0)
    return -1;
  return c->settings->all ? 0 : keep_untold(&given, degradation);
}

int nd_fit(const nd_fit_settings *settings, nd_degrade_settings *degradation, nd_fit_result *out) {
  nd_fit_settings s = *settings;
  s.colour |= nd_degrade_changes_colour(degradation);
  comparison c = {.settings = &s, .result = out, .least = HUGE_VAL};
  *out = (nd_fit_result){0};
  if (settings->patch_size < ND_FIT_LEAST || settings->patches < 2)
    return nd_fail("patches: %d of %d pixels; at least 2 of %d are needed", settings->patches,
                   settings->patch_size, ND_FIT_LEAST);
  int failed = nd_degrade_check(degradation) || read_real(&c) || read_clean(&c, degradation) ||
               search(&c, degradation);
  nd_fit_patches_free(&c.clean);
  g_free(c.real.values);
  return failed ? -1 : 0;
}

void nd_fit_warn_of_few(const nd_fit_result *result) {
  if (result->photos < ND_FIT_ENOUGH)
    nd_log(
        ND_LOG_WARNING,
        "what is found in %s hardly tells of others of the kind: give %d or more that are large enough for "
        "a patch",
        nd_count(result->photos, "photo").text, ND_FIT_ENOUGH);
}
