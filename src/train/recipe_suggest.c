/* What an unknown key may have been meant to be. */
#include "train/recipe-private.h"

#include <string.h>

enum { LONGEST = 100 }; /* names longer than this resemble nothing */

/* Letters inserted, dropped, changed, or two neighbours swapped (Damerau-Levenshtein, optimal alignment).
 * More than `limit` is as good as LONGEST. */
static int edit_distance(const char *a, const char *b, int limit) {
  int cost[LONGEST + 1][LONGEST + 1], n = (int)strlen(a), m = (int)strlen(b);
  if (ABS(n - m) > limit || MAX(n, m) > LONGEST)
    return LONGEST;
  for (int i = 0; i <= n; i++)
    for (int j = 0; j <= m; j++) {
      if (!i || !j) {
        cost[i][j] = i + j;
        continue;
      }
      int best = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      best = MIN(best, MIN(cost[i - 1][j], cost[i][j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = MIN(best, cost[i - 2][j - 2] + 1);
      cost[i][j] = best;
    }
  return cost[n][m];
}

typedef struct search {
  const char *name, *best;
  int rank;
} search;

/* A right name in the wrong section is hardly worse than one wrong letter. */
static void consider(search *s, const char *candidate) {
  const char *leaf = nd_recipe_leaf(s->name);
  int limit = MAX(1, (int)strlen(leaf) / 3);
  int whole = edit_distance(s->name, candidate, limit);
  int part = edit_distance(leaf, nd_recipe_leaf(candidate), limit) + 1;
  int rank = 2 * MIN(whole, part) + (part < whole);
  if (MIN(whole, part) <= limit && rank < s->rank) {
    s->best = g_intern_string(candidate);
    s->rank = rank;
  }
}

static void consider_section(search *s, const char *name) {
  for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
    g_autofree char *section = g_strndup(name, (gsize)(dot - name));
    consider(s, section);
  }
}

/* NULL: nothing is near. */
static const char *nearest(const char *name, const GPtrArray *more) {
  search s = {name, NULL, 2 * LONGEST};
  if (strlen(name) > LONGEST)
    return NULL;
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const char *candidate = nd_recipe_keys[i].name;
    consider_section(&s, candidate);
    if (nd_recipe_keys[i].type != ND_RECIPE_SETTINGS)
      consider(&s, candidate);
  }
  for (guint i = 0; more && i < more->len; i++)
    consider(&s, more->pdata[i]);
  return s.best;
}

int nd_recipe_unknown(const char *name, const GPtrArray *more) {
  if (nd_recipe_is_section(name))
    return nd_fail("'%s' is a section, not one of its keys", name);
  const char *best = nearest(name, more);
  return best ? nd_fail("unknown key '%s'; did you mean '%s'?", name, best)
              : nd_fail("unknown key '%.200s'", name);
}
