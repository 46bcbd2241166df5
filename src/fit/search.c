/* Settings that make a cost small: many drawn at random, then the best of them changed step by step. The
 * cost has steps and flat places (words, what one setting leaves without effect), so nothing is assumed of
 * it. */
#include "fit/fit-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#define CHANCE 0.03 /* of the cost: about what a hundred patches more or less change */
enum { BEST = 2, SWEEPS = 4, WITHOUT_EFFECT = 2 };

typedef struct search {
  nd_fit_cost cost;
  void *context;
  const bool *fixed;
} search;

typedef struct candidate {
  nd_degrade_settings settings;
  double cost;
} candidate;

static int words_of(const nd_degrade_key *key) {
  int n = 0;
  while (key->choice(n))
    n++;
  return n;
}

/* Two words are a switch, for how a thing is done rather than what: they stay. */
static bool is_switch(const nd_degrade_key *key) {
  return key->choice && words_of(key) < 3;
}

static bool is_free(const search *s, const nd_degrade_key *key, int v) {
  return !s->fixed[key->first + v] && !is_switch(key);
}

/* Brings a key's values into its limits and order, the ones that stay where they are. */
static void settle(const search *s, const nd_degrade_key *key, double *values) {
  double *v = values + key->first;
  for (int i = 0; i < key->count; i++)
    if (is_free(s, key, i))
      v[i] = CLAMP(key->whole ? round(v[i]) : v[i], key->min, key->max);
  if (key->count == 2 && v[0] > v[1])
    v[is_free(s, key, 0) ? 0 : 1] = v[is_free(s, key, 0) ? 1 : 0];
}

/* ---- Drawn at random ---- */
/* Up to twice the default, or the whole range where the default is nothing; small values are as likely as
 * large ones. */
static void draw_range(const nd_degrade_key *key, nd_rng *rng, double drawn[2]) {
  double top = key->standard[1] > 0 ? MIN(2 * key->standard[1], key->max) : key->max;
  if (key->min < 0) {
    double low = MAX(2 * key->standard[0], key->min), a = nd_rng_between(rng, low, top),
           b = nd_rng_between(rng, low, top);
    drawn[0] = MIN(a, b), drawn[1] = MAX(a, b);
    return;
  }
  double share = nd_rng_uniform(rng);
  drawn[1] = MAX(top * share * share, key->min);
  drawn[0] = MAX(drawn[1] * nd_rng_uniform(rng), key->min);
}

static void draw_key(const search *s, const nd_degrade_key *key, nd_rng *rng, double *values) {
  double drawn[2];
  if (key->choice)
    drawn[0] = nd_rng_below(rng, (uint32_t)words_of(key));
  else if (key->count == 1)
    drawn[0] = key->standard[0] * exp2(nd_rng_between(rng, -1, 1));
  else
    draw_range(key, rng, drawn);
  for (int v = 0; v < key->count; v++)
    if (is_free(s, key, v))
      values[key->first + v] = drawn[v];
  if (!key->choice)
    settle(s, key, values);
}

static void draw(const search *s, nd_rng *rng, nd_degrade_settings *out) {
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(out->kind, k)); k++)
    draw_key(s, key, rng, out->values);
}

/* ---- Changed step by step ---- */
/* The m-th change of a key; false: there are no more. */
static bool change(const search *s, const nd_degrade_key *key, int m, double *values) {
  static const double factors[] = {0.5, 0.8, 1.25, 2};
  double *v = values + key->first, span = key->count == 2 ? v[1] - v[0] : 0;
  if (key->choice) {
    v[0] = m;
    return m < words_of(key);
  }
  int which = m / 4; /* both, the upper, the lower; then a shift */
  if (m >= (key->count == 2 ? 16 : 4))
    return false;
  double by = factors[m % 4], shift = (m % 4 < 2 ? -1 : 1) * (m % 2 ? 0.5 : 0.15) * (span + 0.1 * fabs(v[0]));
  for (int i = 0; i < key->count; i++)
    if (is_free(s, key, i) && (which == 0 || which == 3 || which == 2 - i))
      v[i] = which == 3 ? v[i] + shift : v[i] * by;
  settle(s, key, values);
  return true;
}

static bool any_free(const search *s, const nd_degrade_key *key) {
  return is_free(s, key, 0) || (key->count == 2 && is_free(s, key, 1));
}

/* Takes whatever change of the key makes the cost smaller; a key whose first changes change nothing has no
 * effect, as others are. -1: the cost could not be told. */
static int improve_key(const search *s, const nd_degrade_key *key, candidate *best) {
  if (!any_free(s, key))
    return 0;
  candidate from = *best;
  int same = 0;
  for (int m = 0; same < WITHOUT_EFFECT; m++) {
    candidate c = from;
    if (!change(s, key, m, c.settings.values))
      return 0;
    c.cost = s->cost(&c.settings, s->context);
    if (c.cost < 0)
      return -1;
    same = c.cost == from.cost && !key->choice ? same + 1 : 0;
    if (c.cost < best->cost)
      *best = c;
  }
  return 0;
}

/* Until a round over all keys gains less than one part in 200. */
static int refine(const search *s, candidate *best) {
  for (int sweep = 0; sweep < SWEEPS; sweep++) {
    double before = best->cost;
    const nd_degrade_key *key;
    for (int k = 0; (key = nd_degrade_key_at(best->settings.kind, k)); k++)
      if (improve_key(s, key, best))
        return -1;
    if (best->cost > 0.995 * before)
      break;
  }
  return 0;
}

/* What makes no difference that could not be chance goes back to what was given. */
static int forget_drift(const search *s, const nd_degrade_settings *given, candidate *best) {
  double enough = (1 + CHANCE) * best->cost;
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(given->kind, k)); k++) {
    if (!any_free(s, key))
      continue;
    candidate c = *best;
    memcpy(c.settings.values + key->first, given->values + key->first,
           (size_t)key->count * sizeof *given->values);
    if ((c.cost = s->cost(&c.settings, s->context)) < 0)
      return -1;
    if (c.cost <= enough)
      *best = c;
  }
  return 0;
}

/* Keeps the best few, best first. */
static void keep(candidate *best, candidate c) {
  for (int i = 0; i < BEST; i++)
    if (c.cost < best[i].cost) {
      candidate next = best[i];
      best[i] = c;
      c = next;
    }
}

double nd_fit_search(nd_degrade_settings *settings, const bool *fixed, int tries, uint64_t seed,
                     nd_fit_cost cost, void *context) {
  search s = {cost, context, fixed};
  candidate best[BEST];
  for (int i = 0; i < BEST; i++)
    best[i] = (candidate){*settings, HUGE_VAL};
  for (int i = 0; i <= tries; i++) { /* the first one is what was given */
    candidate c = {*settings, 0};
    nd_rng rng = nd_rng_make(seed, (uint64_t)i, 0, ND_RANDOM_FIT);
    if (i)
      draw(&s, &rng, &c.settings);
    if ((c.cost = cost(&c.settings, context)) < 0)
      return -1;
    keep(best, c);
  }
  for (int i = 0; i < BEST; i++)
    if (refine(&s, &best[i]))
      return -1;
  for (int i = 1; i < BEST; i++)
    if (best[i].cost < best[0].cost)
      best[0] = best[i];
  if (forget_drift(&s, settings, &best[0]))
    return -1;
  *settings = best[0].settings;
  return best[0].cost;
}
