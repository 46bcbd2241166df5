/* A recipe: everything a training run depends on, read from a YAML file. One table (recipe_keys.c) describes
 * each key: its name, type, default, range and meaning; parsing, messages, printing and documentation follow
 * from it. What a network or a degradation can be set to stands in the tables of their own rooms: below
 * "restoration", "diffusion" and "data.degradation" their settings are keys as well. */
#ifndef ND_TRAIN_RECIPE_H
#define ND_TRAIN_RECIPE_H

#include "adapt/adapt.h"
#include "data/data.h"
#include "data/prepare.h"
#include "net/net.h"

enum { ND_RECIPE_MAX_SETTINGS = 64, ND_RECIPE_MAX_BYTES = 1 << 20 };

/* In the order of the words in the table, as nd_task, nd_mode and nd_restoration_loss are. */
typedef enum nd_recipe_graft { ND_RECIPE_TAKEN, ND_RECIPE_FLAT, ND_RECIPE_PILE } nd_recipe_graft;
typedef enum nd_recipe_figure { ND_RECIPE_PSNR, ND_RECIPE_SSIM } nd_recipe_figure;
typedef enum nd_recipe_optimizer { ND_RECIPE_ADAM, ND_RECIPE_ADAMW } nd_recipe_optimizer;
typedef enum nd_recipe_rate {
  ND_RECIPE_CONSTANT,
  ND_RECIPE_LINEAR,
  ND_RECIPE_COSINE,
  ND_RECIPE_HALVING
} nd_recipe_rate;
typedef enum nd_recipe_precision { ND_RECIPE_FP32, ND_RECIPE_BF16 } nd_recipe_precision;
typedef enum nd_recipe_recompute {
  ND_RECIPE_RECOMPUTE_AUTO,
  ND_RECIPE_RECOMPUTE_NO,
  ND_RECIPE_RECOMPUTE_YES
} nd_recipe_recompute;

/* Settings that another room knows; in the order given, no name twice. */
typedef struct nd_recipe_settings {
  int count;
  struct {
    char *name, *value; /* "multipliers", "1,2,4" */
    bool list;          /* was written as a list */
  } at[ND_RECIPE_MAX_SETTINGS];
} nd_recipe_settings;

/* Member a.b holds the key "a.b"; recipe_keys.c says what each means. Strings are never NULL; "" is not set.
 * Paths are as written: relative ones are relative to the working directory. */
typedef struct nd_recipe {
  int task, mode; /* nd_task, nd_mode */
  int64_t seed;
  struct {
    char *network;
    nd_recipe_settings settings; /* width, ... */
    bool residual;
  } restoration;
  struct {
    char *network;
    nd_recipe_settings settings; /* width, multipliers, ... */
  } diffusion;
  struct {
    int kind; /* nd_recipe_word gives its name */
    int steps;
    double beta_start, beta_end;
  } schedule;
  struct {
    double lambda;
    bool ramp;
    int64_t ramp_steps, warmup_steps;
    bool shuffle, contrast;
    double margin;
    int t_min, t_max;
    double t_power;
    bool detach_synthetic, detach_real;
    double keep_means;
    double graft, graft_min, graft_max;
    int graft_of; /* nd_recipe_graft */
    int graft_stride, graft_layers;
  } adapt;
  struct {
    char *input, *right, *target, *clean;
    struct {
      char *kind;
      nd_recipe_settings settings; /* sigma_max, ... */
    } degradation;
    bool fit;
    char *real, *real_right, *reference;
    double real_fraction;
    int patch_size, batch_size;
    bool augment;
    int workers, cache_mb;
  } data;
  struct {
    int64_t steps;
    int restoration_loss; /* nd_restoration_loss */
    int optimizer;        /* nd_recipe_optimizer */
    double learning_rate, learning_rate_end;
    int learning_rate_schedule; /* nd_recipe_rate */
    int64_t warmup_steps;
    double beta1, beta2, eps, weight_decay;
    double ema;
    int64_t ema_from_step;
    int precision; /* nd_recipe_precision */
    double gradient_clip;
    int accumulation_steps;
    int recompute; /* nd_recipe_recompute */
    int64_t max_skipped_steps;
    int memory;
    char *init_from;
    int threads;
  } training;
  struct {
    char *input, *right, *target;
    int64_t every;
    int pictures;
    bool use_ema;
  } validation;
  struct {
    char *folder;
    int64_t checkpoint_every, log_every;
    int keep_last, keep_best;
    int best_by; /* nd_recipe_figure */
  } output;

  char *path;                  /* what the recipe was read from, for messages; NULL: nothing read */
  char *text;                  /* what was read, verbatim; NULL: nothing read */
  struct _GHashTable *origins; /* internal: where each key was given */
} nd_recipe;

/* Fills in the defaults. To be cleared, also after a failure of any function below. */
void nd_recipe_init(nd_recipe *recipe);
void nd_recipe_clear(nd_recipe *recipe);

/* Reads a file or a text over what recipe holds. Errors name file and line ("r.yaml:12: unknown key
 * 'training.lerning_rate'; did you mean 'training.learning_rate'?"): YAML that is broken, empty, has anchors,
 * aliases or tags, or more than one document; keys that are unknown or given twice; values of the wrong type
 * or out of range. name stands for the file in messages. */
int nd_recipe_load(nd_recipe *recipe, const char *path);
int nd_recipe_parse(nd_recipe *recipe, const char *text, const char *name);
/* A key given over those of the file. */
typedef struct nd_recipe_override {
  const char *assignment; /* "training.steps=100" or "diffusion.multipliers=[1, 2, 4]"; as it stands */
  const char *where;      /* what messages name as its place: "--set", "--memory" */
} nd_recipe_override;
int nd_recipe_set(nd_recipe *recipe, const nd_recipe_override *override);
/* The value of an assignment; name: its key, g_free. NULL, of name too, and an error: it is none. */
const char *nd_recipe_split(const char *assignment, char **name);
/* The same as nd_recipe_set of a name and a value. */
int nd_recipe_set_key(nd_recipe *recipe, const char *name, const char *value, const char *where);
/* Once all is read and set. Finds what no single key shows: settings that the network or the degradation does
 * not have, a lower bound above its upper bound, folders missing or given two ways. Fills in the settings of
 * networks and degradation that were not given. */
int nd_recipe_check(nd_recipe *recipe);

/* The network of that role with its settings; the caller's, nd_net_free. */
int nd_recipe_network(const nd_recipe *recipe, nd_role role, nd_net **out);
/* out->kind is NULL where data.degradation.kind is none. */
int nd_recipe_degradation(const nd_recipe *recipe, nd_degrade_settings *out);
/* Sets all of its settings to these; the kind stays. */
void nd_recipe_put_degradation(nd_recipe *recipe, const nd_degrade_settings *d);

/* Fails with the place where key was given in front of the message: "r.yaml:12: ..." or "--memory: ...". */
int nd_recipe_fail(const nd_recipe *recipe, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The word an enum key holds, e.g. "cosine" for "schedule.kind"; NULL when key is no enum. */
const char *nd_recipe_word(const nd_recipe *recipe, const char *key);

/* All values as YAML, in the order of the table. Equal recipes print equal, and reading it gives the same
 * recipe. The caller's, g_free; so are the next ones. */
char *nd_recipe_print(const nd_recipe *recipe);
/* Every key with its default, as YAML with comments that say what each is. */
char *nd_recipe_defaults(void);
/* A JSON schema of recipes. */
char *nd_recipe_schema(void);
/* docs/recipe.md: every key in tables, as Markdown. */
char *nd_recipe_page(void);
/* What a key is, or all keys of a section; NULL and an error when there is none of that name. */
char *nd_recipe_explain(const char *name);

#endif
