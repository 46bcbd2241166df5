/* The table of keys and what is built on it. */
#ifndef ND_TRAIN_RECIPE_PRIVATE_H
#define ND_TRAIN_RECIPE_PRIVATE_H

#include "train/recipe.h"

#include <glib.h>

typedef enum nd_recipe_type {
  ND_RECIPE_INT,      /* int */
  ND_RECIPE_INT64,    /* int64_t */
  ND_RECIPE_REAL,     /* double */
  ND_RECIPE_BOOL,     /* bool */
  ND_RECIPE_ENUM,     /* int, index into words() */
  ND_RECIPE_STRING,   /* char * */
  ND_RECIPE_PATH,     /* char * */
  ND_RECIPE_SETTINGS, /* nd_recipe_settings; the key's name ends in ".*" */
} nd_recipe_type;

typedef struct nd_recipe_key {
  const char *name; /* "training.steps" */
  nd_recipe_type type;
  size_t offset;                     /* in nd_recipe */
  const char *standard;              /* the default, as it would be written */
  double min, max;                   /* of numbers */
  const char *const *(*words)(void); /* of an enum, NULL-terminated */
  const char *help;                  /* one line */
} nd_recipe_key;

extern const nd_recipe_key nd_recipe_keys[];
extern const size_t nd_recipe_key_count;

/* The key of that name; a name below a settings key ("data.degradation.sigma") gives that key. NULL: none. */
const nd_recipe_key *nd_recipe_find(const char *name);
bool nd_recipe_is_section(const char *name);
/* The name behind its section: "steps" of "training.steps". */
const char *nd_recipe_leaf(const char *name);
/* Always -1: "unknown key 'x'; did you mean 'y'?" more: names there are besides the table's; may be NULL. */
int nd_recipe_unknown(const char *name, const GPtrArray *more);

/* A value as it was written. */
typedef struct nd_recipe_text {
  const char *text; /* of a list, its items with commas between them */
  bool quoted, list;
} nd_recipe_text;

/* Sets the key. name is the key's own but for settings. The error says what was found and what is allowed. */
int nd_recipe_assign(nd_recipe *recipe, const nd_recipe_key *key, const char *name, nd_recipe_text value);
/* Gives the setting that value, in its old place or at the end. */
int nd_recipe_put_setting(nd_recipe_settings *settings, const char *name, nd_recipe_text value);
void nd_recipe_clear_settings(nd_recipe_settings *settings);
/* "a whole number between 1 and 8"; the caller's, as is the next. */
char *nd_recipe_allowed(const nd_recipe_key *key);
char *nd_recipe_range(bool whole, double min, double max);

/* Opens the sections that name stands in and before does not; returns the indent of what stands in them. */
int nd_recipe_append_sections(GString *out, const char *before, const char *name);
/* The value of a key that is no settings, as YAML on one line. */
void nd_recipe_append_value(GString *out, const nd_recipe *recipe, const nd_recipe_key *key);
/* The default, likewise. */
void nd_recipe_append_standard(GString *out, const nd_recipe_key *key);
/* Text as a YAML scalar, quoted where it must be; or as a list. */
void nd_recipe_append_text(GString *out, const char *text);
void nd_recipe_append_list(GString *out, const char *items);
/* A decimal that reads back as x, of 15 digits where that will do. */
void nd_recipe_append_number(GString *out, double x);

/* Remembers where a key was given, as messages name it: "r.yaml:12", "--set". */
void nd_recipe_set_origin(nd_recipe *recipe, const char *name, const char *where);
/* NULL: nowhere, it is the default. */
const char *nd_recipe_origin(const nd_recipe *recipe, const char *name);

/* A setting that stands below a settings key: what a network or a degradation says of it. */
typedef struct nd_recipe_known {
  const char *owner, *name, *help;
  bool list;
  char *standard, *allowed;
} nd_recipe_known;
/* All settings of all owners; of nd_recipe_known, g_array_unref. */
GArray *nd_recipe_known_settings(const nd_recipe_key *key);
/* recipe_views.c: whether right views are given where the network takes two, and not otherwise. What such a
 * network makes is no residual, and the recipe says so from then on. */
int nd_recipe_check_views(nd_recipe *recipe);
/* Checks the settings that were given and fills in the others. */
int nd_recipe_resolve(nd_recipe *recipe);

static inline void *nd_recipe_member(const nd_recipe *recipe, const nd_recipe_key *key) {
  return (char *)recipe + key->offset;
}

#endif
