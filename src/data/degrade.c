/* The table of degradations, and settings by key name. */
#include "data/degrade-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static const nd_degradation *const degradations[] = {
    &nd_degradation_gaussian, &nd_degradation_camera, &nd_degradation_rain,
    &nd_degradation_blur,     &nd_degradation_jpeg,   &nd_degradation_downscale,
};

const nd_degradation *nd_degradation_at(int index) {
  return index >= 0 && index < (int)G_N_ELEMENTS(degradations) ? degradations[index] : NULL;
}

static const nd_degrade_key common_keys[] = {
    ND_KEY_NUMBER("probability", ND_DEGRADE_PROBABILITY, 1, 0, 1,
                  "with which a picture or patch is degraded so; else this leaves it as it is"),
};

const nd_degrade_key *nd_degrade_common_key(int index) {
  return index < (int)G_N_ELEMENTS(common_keys) ? &common_keys[index] : NULL;
}

const nd_degrade_key *nd_degrade_key_at(const nd_degradation *kind, int index) {
  return index < kind->key_count ? &kind->keys[index] : nd_degrade_common_key(index - kind->key_count);
}

const char *nd_choice_switch(int index) {
  static const char *const words[] = {"false", "true"};
  return index >= 0 && index < 2 ? words[index] : NULL;
}

int nd_degrade_find(const char *name, nd_degrade_settings *settings) {
  memset(settings, 0, sizeof *settings);
  g_autoptr(GString) names = g_string_new(NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(degradations); i++) {
    const nd_degradation *kind = degradations[i];
    g_string_append_printf(names, "%s%s", i ? ", " : "", kind->name);
    if (strcmp(kind->name, name))
      continue;
    settings->kind = kind;
    const nd_degrade_key *key;
    for (int k = 0; (key = nd_degrade_key_at(kind, k)); k++)
      for (int v = 0; v < key->count; v++)
        settings->values[key->first + v] = key->standard[v];
    return 0;
  }
  return nd_fail("there is no degradation '%s'; there are: %s", name, names->str);
}

static void append_names(GString *text, const nd_degrade_key *key) {
  g_string_append_printf(text, "%s%s", text->len ? ", " : "", key->name);
  if (key->count == 2)
    g_string_append_printf(text, ", %s_min, %s_max", key->name, key->name);
}

static int fail_unknown_key(const nd_degradation *kind, const char *name) {
  g_autoptr(GString) names = g_string_new(NULL);
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(kind, k)); k++)
    append_names(names, key);
  return nd_fail("degradation '%s' has no setting '%s'; it has: %s", kind->name, name, names->str);
}

/* Which values of the key a name sets, as a set of bits (1: the first, 2: the second); 0: none. */
static int values_named(const nd_degrade_key *key, const char *name) {
  size_t length = strlen(key->name);
  if (strncmp(name, key->name, length))
    return 0;
  if (!name[length])
    return key->count == 2 ? 3 : 1;
  if (key->count != 2)
    return 0;
  return !strcmp(name + length, "_min") ? 1 : !strcmp(name + length, "_max") ? 2 : 0;
}

int nd_degrade_named(const nd_degrade_settings *settings, const char *name, bool *values) {
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(settings->kind, k)); k++) {
    int wanted = values_named(key, name);
    for (int v = 0; v < key->count; v++)
      if (wanted & 1 << v)
        values[key->first + v] = true;
    if (wanted)
      return 0;
  }
  return fail_unknown_key(settings->kind, name);
}

static int parse_choice(const nd_degrade_key *key, const char *text, double *value) {
  g_autoptr(GString) words = g_string_new(NULL);
  for (int i = 0; key->choice(i); i++) {
    if (!strcmp(key->choice(i), text)) {
      *value = i;
      return 0;
    }
    g_string_append_printf(words, "%s%s", i ? ", " : "", key->choice(i));
  }
  return nd_fail("'%s' is none of: %s", text, words->str);
}

static int parse_number(const nd_degrade_key *key, const char *text, double *value) {
  char *end;
  double number = g_ascii_strtod(text, &end);
  if (end == text || *end)
    return nd_fail("'%s' is not a number", text);
  if (!(number >= key->min && number <= key->max))
    return nd_fail("%s is outside %g to %g", text, key->min, key->max);
  if (key->whole && number != floor(number))
    return nd_fail("%s is no whole number", text);
  *value = number;
  return 0;
}

static int parse(const nd_degrade_key *key, const char *text, double *value) {
  return key->choice ? parse_choice(key, text, value) : parse_number(key, text, value);
}

int nd_degrade_parse(const char *text, nd_degrade_settings *stage) {
  g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
  bool named = false;
  for (int i = 0; words[i]; i++) {
    if (!*words[i])
      continue;
    g_auto(GStrv) pair = g_strsplit(words[i], "=", 2);
    if (!named) {
      if (nd_degrade_find(words[i], stage))
        return -1;
      named = true;
    } else if (!pair[1])
      return nd_fail("'%s' is not of the form KEY=VALUE", words[i]);
    else if (!strcmp(pair[0], "then"))
      return nd_fail("a chain has no chains in it");
    else if (nd_degrade_set(stage, pair[0], pair[1]))
      return -1;
  }
  return named ? 0 : nd_fail("a degradation's name is missing");
}

int nd_degrade_then(nd_degrade_settings *settings, const char *text) {
  nd_degrade_settings stage;
  if (settings->then_count == ND_DEGRADE_CHAIN)
    return nd_fail("a chain has at most %d degradations", ND_DEGRADE_CHAIN + 1);
  if (nd_degrade_parse(text, &stage) || nd_degrade_check(&stage))
    return nd_fail_in("then '%s'", text);
  struct nd_degrade_stage *last = &settings->then[settings->then_count++];
  last->kind = stage.kind;
  memcpy(last->values, stage.values, sizeof last->values);
  return 0;
}

static int set_chain(nd_degrade_settings *settings, const char *text) {
  nd_degrade_settings chained = *settings;
  g_auto(GStrv) stages = g_strsplit(text, ",", -1);
  chained.then_count = 0;
  memset(chained.then, 0, sizeof chained.then);
  for (int i = 0; stages[i]; i++)
    if (nd_degrade_then(&chained, g_strstrip(stages[i])))
      return -1;
  *settings = chained;
  return 0;
}

int nd_degrade_set(nd_degrade_settings *settings, const char *name, const char *text) {
  const nd_degradation *kind = settings->kind;
  if (!kind)
    return nd_fail("setting '%s': no degradation was chosen", name);
  if (!strcmp(name, "then"))
    return set_chain(settings, text);
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(kind, k)); k++) {
    int wanted = values_named(key, name);
    double value = 0;
    if (wanted && parse(key, text, &value))
      return nd_fail_in("degradation '%s', setting '%s'", kind->name, name);
    for (int v = 0; v < 2; v++)
      if (wanted & 1 << v)
        settings->values[key->first + v] = value;
    if (wanted)
      return 0;
  }
  return fail_unknown_key(kind, name);
}

static int check_key(const char *kind, const nd_degrade_key *key, const double *values) {
  double low = values[key->first], high = values[key->first + key->count - 1];
  if (key->choice)
    return key->choice((int)low) ? 0 : nd_fail("degradation '%s': %s has no choice %g", kind, key->name, low);
  if (!(low <= high))
    return nd_fail("degradation '%s': %s_min %g is above %s_max %g", kind, key->name, low, key->name, high);
  if (!(low >= key->min && high <= key->max))
    return nd_fail("degradation '%s': %s is outside %g to %g", kind, key->name, key->min, key->max);
  return 0;
}

static int check_stage(const nd_degradation *kind, const double *values) {
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(kind, k)); k++)
    if (check_key(kind->name, key, values))
      return -1;
  return 0;
}

int nd_degrade_check(const nd_degrade_settings *settings) {
  if (!settings->kind)
    return nd_fail("no degradation was chosen");
  if (check_stage(settings->kind, settings->values))
    return -1;
  for (int i = 0; i < settings->then_count; i++)
    if (check_stage(settings->then[i].kind, settings->then[i].values))
      return -1;
  return 0;
}

bool nd_degrade_changes_colour(const nd_degrade_settings *settings) {
  bool changes = settings->kind && settings->kind->colour;
  for (int i = 0; i < settings->then_count; i++)
    changes |= settings->then[i].kind->colour;
  return changes;
}

/* Drawn from a stream of its own, so that what is degraded is so as it would be by itself. */
static bool is_applied(const double *values, const nd_rng *rng) {
  enum { CHANCE = 200 }; /* beyond the streams of chains and of what degradations branch off */
  nd_rng chance = nd_rng_branch(rng, CHANCE);
  return nd_rng_uniform(&chance) < values[ND_DEGRADE_PROBABILITY];
}

/* grey: each pixel becomes its first channel. */
static int apply_stage(const nd_degradation *kind, const double *values, float *rgb, int height, int width,
                       bool grey, nd_rng *rng) {
  if (!is_applied(values, rng))
    return 0;
  if (kind->apply(values, rgb, height, width, rng))
    return -1;
  size_t n = grey ? 3 * (size_t)height * (size_t)width : 0;
  for (size_t i = 0; i < n; i += 3)
    rgb[i + 1] = rgb[i + 2] = rgb[i];
  return 0;
}

static int apply_stages(const nd_degrade_settings *settings, float *rgb, int height, int width, bool grey,
                        nd_rng *rng) {
  if (nd_degrade_check(settings))
    return -1;
  if (height < 1 || width < 1)
    return nd_fail("degradation '%s': a picture of %d x %d", settings->kind->name, width, height);
  if (apply_stage(settings->kind, settings->values, rgb, height, width, grey, rng))
    return -1;
  for (int i = 0; i < settings->then_count; i++) {
    nd_rng branch = nd_rng_branch(rng, (uint32_t)i + 1);
    if (apply_stage(settings->then[i].kind, settings->then[i].values, rgb, height, width, grey, &branch))
      return -1;
  }
  return 0;
}

int nd_degrade_apply(const nd_degrade_settings *settings, float *rgb, int height, int width, nd_rng *rng) {
  return apply_stages(settings, rgb, height, width, false, rng);
}

int nd_degrade_image(const nd_degrade_settings *settings, nd_image *image, nd_rng *rng) {
  bool grey = image->channels == 1 && !nd_degrade_changes_colour(settings);
  if (nd_image_widen(image) || apply_stages(settings, image->data, image->height, image->width, grey, rng))
    return -1;
  if (grey)
    nd_image_narrow(image);
  return 0;
}

void nd_degrade_middle(const float *in, int from, int side, float *out) {
  size_t off = (size_t)(from - side) / 2, row = (size_t)side * 3;
  for (size_t y = 0; y < (size_t)side; y++)
    memcpy(out + y * row, in + ((y + off) * (size_t)from + off) * 3, row * sizeof *out);
}

static int reach_of(const nd_degradation *kind, const double *values) {
  return kind->reach ? kind->reach(values) : 0;
}

int nd_degrade_reach(const nd_degrade_settings *settings) {
  int reach = reach_of(settings->kind, settings->values);
  for (int i = 0; i < settings->then_count; i++)
    reach += reach_of(settings->then[i].kind, settings->then[i].values);
  return reach;
}
