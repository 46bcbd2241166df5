/* Training data: sets of pictures, pairing, degradations, patches, augmentation, prefetching. */
#ifndef ND_DATA_H
#define ND_DATA_H

#include "image/image.h"

/* ---- Degradations -------------------------------------------------------------------------------------
 * What turns a clean picture into a degraded one. Each is one file (degrade_NAME.c) that describes its
 * settings in a table of keys, so that recipes, the command line and the documentation need no code for it.
 */
enum { ND_DEGRADE_VALUES = 25, ND_DEGRADE_PROBABILITY = ND_DEGRADE_VALUES - 1 };

/* One setting. Its value is a number in [min, max], or with `choice` the index of a word. A range (count 2)
 * has two values, and three names: NAME_min and NAME_max set one each, NAME sets both. */
typedef struct nd_degrade_key {
  const char *name, *help;
  int first, count;                 /* its place in the values */
  double standard[2];               /* the default */
  double min, max;                  /* of a number */
  const char *(*choice)(int index); /* the words allowed, NULL past the last; NULL: a number */
  bool whole;                       /* a number of things */
} nd_degrade_key;

typedef struct nd_degradation {
  const char *name, *help;
  const nd_degrade_key *keys;
  int key_count;
  /* rgb: dense height x width x 3, sRGB in [0, 1], changed in place. values: as nd_degrade_key numbers them.
   */
  int (*apply)(const double *values, float *rgb, int height, int width, nd_rng *rng);
  /* From how far away, in pixels, something may come into a pixel; NULL: from nowhere. */
  int (*reach)(const double *values);
  /* Keys whose values photos of others do not tell, NULL-terminated: what pictures of different origin differ
   * in anyway (sharpness), what is chance (the direction of a shake). NULL: none. */
  const char *const *untold;
  bool colour; /* changes fine detail of colour otherwise than that of brightness */
} nd_degradation;

/* A degradation with its settings, and those that follow it in a chain: plain data, copied by assignment.
 * kind NULL: none chosen. */
enum { ND_DEGRADE_CHAIN = 7 };
typedef struct nd_degrade_settings {
  const nd_degradation *kind;
  double values[ND_DEGRADE_VALUES];
  int then_count;
  struct nd_degrade_stage {
    const nd_degradation *kind;
    double values[ND_DEGRADE_VALUES];
  } then[ND_DEGRADE_CHAIN];
} nd_degrade_settings;

/* The degradations there are, in the order of documentation; NULL past the last. */
const nd_degradation *nd_degradation_at(int index);
/* The settings that all degradations have; NULL past the last. */
const nd_degrade_key *nd_degrade_common_key(int index);
/* A degradation's settings: its own, then the common ones; NULL past the last. */
const nd_degrade_key *nd_degrade_key_at(const nd_degradation *kind, int index);
/* Fills settings with the defaults of the degradation of that name; the error lists the names. */
int nd_degrade_find(const char *name, nd_degrade_settings *settings);
/* The same with settings behind the name: "jpeg quality_min=40 quality_max=80". */
int nd_degrade_parse(const char *text, nd_degrade_settings *settings);
/* Appends a degradation to the chain, as nd_degrade_parse takes it. */
int nd_degrade_then(nd_degrade_settings *settings, const char *text);
/* The chain after the first, as nd_degrade_set(settings, "then", ...) takes it; the caller's, g_free. */
char *nd_degrade_then_text(const nd_degrade_settings *settings);
/* Sets one key from text ("sigma_max", "50"), or "then": the rest of the chain, with commas between. The
 * error names the key and the range or the words allowed. */
int nd_degrade_set(nd_degrade_settings *settings, const char *key, const char *value);
/* Which values a key's name sets, marked in values[ND_DEGRADE_VALUES]; the others are left alone. */
int nd_degrade_named(const nd_degrade_settings *settings, const char *name, bool *values);
/* The name that sets the first or second value of a key alone: "sigma_max", "shape". Interned. */
const char *nd_degrade_value_name(const nd_degrade_key *key, int value);
/* A value of a key as nd_degrade_set takes it; the caller's, g_free. */
char *nd_degrade_value_text(const nd_degrade_key *key, double value);
/* A lower bound above its upper bound is an error; to be called after the last nd_degrade_set. */
int nd_degrade_check(const nd_degrade_settings *settings);
/* "gaussian: {sigma_min: 0, sigma_max: 75, clip: false}", a chain with ", then " between; the caller's,
 * g_free. */
char *nd_degrade_describe(const nd_degrade_settings *settings);
/* Degrades in place; every random draw comes from rng, those of then[i] from its branch i + 1, so that the
 * stages' draws do not depend on one another. rgb: dense height x width x 3 in [0, 1]. */
int nd_degrade_apply(const nd_degrade_settings *settings, float *rgb, int height, int width, nd_rng *rng);
/* True when detail of colour changes otherwise than that of brightness: what is grey gets colours. */
bool nd_degrade_changes_colour(const nd_degrade_settings *settings);
/* A picture as it was read: transparency and what comes with it stay, and grey stays grey where colour is
 * not changed: of three channels' noise it gets the first's. Else it becomes RGB. */
int nd_degrade_image(const nd_degrade_settings *settings, nd_image *image, nd_rng *rng);
/* How many pixels from the border of what is degraded the border can be seen: a patch is to be cut out of
 * that much more. Of a chain the sum. */
int nd_degrade_reach(const nd_degrade_settings *settings);
/* The middle of a square of `from` pixels a side, x 3, once it is degraded: of `side` pixels. */
void nd_degrade_middle(const float *in, int from, int side, float *out);

/* ---- Sets ---------------------------------------------------------------------------------------------
 * A set of pictures is named by a path, and where that is not enough by what follows a '#':
 *   FILE.png               one picture
 *   DIR                    the pictures below a folder
 *   DIR#left, DIR#right    halves of pictures that hold two of one size side by side
 *   LIST.flist, LIST.txt   a path a line, from the list's folder on; #1, #2: of two paths a line
 *   FILE.mat#VARIABLE      blocks of an array; the variable may be left out where there is but one
 * Some paths name both sides of pairs: a folder with input/ and target/ in it; DIR#halves, inputs on the
 * left; a list of two paths a line, inputs first.
 */
typedef struct nd_set_item {
  char *name;  /* relative and free of "..", with the extension of a picture; no two of a set share one */
  char *file;  /* where it is stored */
  char *label; /* what messages call it: the file, and the part of it */
  size_t part; /* of the file; the kind's */
} nd_set_item;

/* Called for what a set cannot look at (a link to nothing, a folder that may not be read, a list's line that
 * names no picture), with nd_error. */
typedef void (*nd_set_problem)(const char *path, void *context);

/* Owned by the caller: nd_set_free. Folders are sorted bytewise by name, hidden files and folders are left
 * out, links are followed, but not into folders that they stand in; lists keep their order, arrays go along
 * their last index first. */
typedef struct nd_set {
  const struct nd_set_kind *kind;
  char *path; /* as it was given */
  size_t count;
  nd_set_item *at;
  void *state;            /* the kind's */
  nd_set_problem problem; /* while it is opened */
  void *context;
} nd_set;

/* Errors: no such set, no picture in it, a list's line (named) that cannot be. On error out is zeroed. */
int nd_set_open(const char *path, nd_set *out);
/* The same, past what a folder cannot look at and what a list's line cannot be; the files of a list that are
 * not there stay in the set, and cannot be loaded. */
int nd_set_open_past(const char *path, nd_set_problem problem, void *context, nd_set *out);
/* Keeps the pictures that are wanted, of which there may be none. */
void nd_set_filter(nd_set *set, bool (*wanted)(const nd_set_item *item, void *context), void *context);
/* Leaves out the pictures below the folder that results go to, those of an earlier run, unless that folder is
 * the set itself or the set a single picture. */
void nd_set_drop_results(nd_set *set, const char *folder);
/* Keeps that fraction (0 to 1) of the pictures, evenly spaced, at least one. */
void nd_set_thin(nd_set *set, double fraction);
void nd_set_free(nd_set *set);
/* True for the path of a set, unless it is that of a single picture. */
bool nd_set_named(const char *path);
/* True when the picture is all of its file. */
bool nd_set_whole_file(const nd_set_item *item);
/* A number that changes when a picture is added, removed, renamed, or of another size in bytes; before: of
 * the sets before this one. */
uint64_t nd_set_fingerprint(uint64_t before, const nd_set *set);
#define ND_SET_FINGERPRINT_OF_NONE 0xcbf29ce484222325u
/* The pixels as nd_image_load_rgb has them; thread-safe. On error out is zeroed. */
int nd_set_load(const nd_set *set, size_t index, nd_image *out);
/* Reads no pixels. */
int nd_set_size(const nd_set *set, size_t index, int *width, int *height);

/* Matches two sets, so that input->at[i] belongs to target->at[i]: folders by relative path without
 * extension, lists and arrays by order, a picture and a picture whatever their names. Reads the headers of
 * all files. Errors name both pictures: a missing partner, two files of one name, sizes that differ (and
 * gives the sizes). */
int nd_set_match(const nd_set *input, nd_set *target);
/* The same without reading anything: sizes may differ. */
int nd_set_match_names(const nd_set *input, nd_set *target);
/* The number of pairs whose sides have one size; tells of everything else that nd_set_match would refuse.
 * What cannot be read is not told. */
size_t nd_set_count_pairs(const nd_set *input, const nd_set *target, nd_set_problem problem, void *context);
/* The same of left views with their right ones, or with their targets, whose names may differ from view to
 * view (7_L.png and 7_R.png): two folders that share no name are matched by order too, numbers in names by
 * their value. */
int nd_set_match_views(const nd_set *left, nd_set *other);
/* Opens the right views of left ones and matches them. On error out is zeroed. */
int nd_set_open_right(const char *path, const nd_set *left, nd_set *out);

/* True when the path names pairs. */
bool nd_set_holds_pairs(const char *path);
/* The paths of its two sets, the caller's (g_free); an error when it names no pairs. */
int nd_set_pair_paths(const char *path, char **input, char **target);

/* Where pairs of (degraded, clean) pictures come from: two sets, one that holds pairs, or one whose pictures
 * are degraded on the fly. Strings are copied by the functions that take this. */
typedef struct nd_pair_source {
  const char *input_dir, *target_dir; /* sets; without target_dir the input holds pairs */
  const char *right_dir;              /* not NULL: the right views of a set of left ones, input_dir */
  const char *clean_dir;              /* instead of the two; then degradation.kind is set */
  nd_degrade_settings degradation;
  bool sizes_later; /* of inputs and targets: those that differ or cannot be read show at nd_pairs_load */
} nd_pair_source;

/* ---- Damage -------------------------------------------------------------------------------------------
 * What may be put on a clean patch in place of its own degradation.
 */
typedef enum nd_damage_of {
  ND_DAMAGE_NONE,
  ND_DAMAGE_FLAT, /* noise as it stands over flat places of a real photo */
  ND_DAMAGE_PILE, /* what the degradations did to this and to other patches, in layers */
  ND_DAMAGE_REAL  /* what the degradation does to a real photo; of pairs that are given, their own damage */
} nd_damage_of;

enum { ND_DAMAGE_LAYERS = 64 }; /* at most */
typedef struct nd_damage_settings {
  nd_damage_of of;
  double least, most; /* each layer is multiplied by a number drawn between them */
  int layers;         /* of a pile: 1 to so many are drawn; the first is the patch's own damage */
} nd_damage_settings;

/* ---- Patch loader -------------------------------------------------------------------------------------
 * Sample k of step s is a function of (settings, s, k): which picture, which patch of it, which of the eight
 * flips and rotations, the draws of the degradation. Neither the number of workers nor the step at which the
 * loader was opened changes a bit. Each picture is seen once an epoch, in an order shuffled anew.
 */
typedef struct nd_loader_settings {
  nd_pair_source pairs;
  const char *real_dir;       /* a set of unlabelled real photos; NULL: none */
  const char *real_right_dir; /* their right views, where the pairs have such */
  double real_fraction;       /* of them are used, evenly spaced in the set, at least one; 0: all */
  nd_damage_settings damage;  /* ND_DAMAGE_FLAT and _REAL need real_dir */
  const char *clean_dir;      /* a set of clean photos, for unpaired adaptation; NULL: none */
  int patch_size;             /* in pixels; smaller pictures are padded by reflection */
  int batch_size;             /* of all processes together */
  int sample_begin;           /* this process draws samples [sample_begin, sample_begin + sample_count) */
  int sample_count;           /* 0: all from sample_begin on */
  bool augment; /* the eight flips and rotations, drawn independently for pair, real and reference */
  uint64_t seed;
  int workers;        /* threads that prepare batches */
  int prefetch;       /* batches in memory, the caller's included; at least 2 */
  size_t cache_bytes; /* decoded pictures kept, all folders together */
} nd_loader_settings;

/* 128 pixels, batches of 4, augmentation on, 2 workers, 8 batches ahead, 1 GiB of decoded pictures. */
nd_loader_settings nd_loader_defaults(void);

/* Arrays: samples x patch_size x patch_size x 3 (NHWC), of synthetic and real x channels: 6 of two views
 * (image.h), else 3. sRGB in [0, 1] (Gaussian noise without clipping leaves that range), 64-byte aligned;
 * NULL where the settings have no such folder. Names: one a sample, relative to their set. */
typedef struct nd_batch {
  uint64_t step;
  int samples, patch_size, channels;
  float *synthetic, *clean; /* the pair */
  float *real, *reference;  /* a real photo; an unrelated clean photo */
  float *damage;            /* to be added to clean; ND_DAMAGE_REAL: to real */
  const char **pair_names, **real_names, **reference_names;
} nd_batch;

typedef struct nd_loader nd_loader;

/* Lists the sets, matches the pairs and starts preparing batches from first_step on. On error *out is
 * NULL. nd_image_start must have run. */
int nd_loader_open(const nd_loader_settings *settings, uint64_t first_step, nd_loader **out);
/* The batch of the next step, the loader's, valid until the next call. *wait_seconds (may be NULL): how long
 * the caller had to wait. Error: a picture that could not be read, named; the next call fails likewise. */
int nd_loader_next(nd_loader *loader, const nd_batch **batch, double *wait_seconds);
/* nd_set_fingerprint of all its sets. */
uint64_t nd_loader_fingerprint(const nd_loader *loader);
/* How many pictures an epoch of the pairs has. */
size_t nd_loader_pictures(const nd_loader *loader);
void nd_loader_close(nd_loader *loader); /* NULL is fine */

/* ---- Whole pictures, for evaluation -------------------------------------------------------------------
 */
typedef struct nd_pairs nd_pairs;

/* Dense, sRGB in [0, 1]. target: NULL where there is no truth. name: relative to the input's (or the clean)
 * set. */
typedef struct nd_pair {
  int width, height, channels; /* 3, or 6: of two views (image.h) */
  float *input, *target;       /* height x width x channels; height x width x 3 */
  const char *name;
} nd_pair;

/* Lists and matches; reads no pixels. Pictures degraded on the fly depend on (seed, index) alone. */
int nd_pairs_open(const nd_pair_source *source, uint64_t seed, nd_pairs **out);
/* The same of photos for which there is no truth. right: the right views of a set of left ones; NULL: there
 * is one view. */
int nd_pairs_open_photos(const char *photos, const char *right, nd_pairs **out);
bool nd_pairs_have_truth(const nd_pairs *pairs);
size_t nd_pairs_count(const nd_pairs *pairs);
/* nd_set_fingerprint of all its sets. */
uint64_t nd_pairs_fingerprint(const nd_pairs *pairs);
const char *nd_pairs_name(const nd_pairs *pairs, size_t index); /* lives as long as the pairs */
/* By the header of its file. */
int nd_pairs_size(const nd_pairs *pairs, size_t index, int *width, int *height);
/* Thread-safe. On error out is zeroed. Owned by the caller: nd_pair_free. */
int nd_pairs_load(const nd_pairs *pairs, size_t index, nd_pair *out);
void nd_pair_free(nd_pair *pair);
void nd_pairs_close(nd_pairs *pairs); /* NULL is fine */

#endif
