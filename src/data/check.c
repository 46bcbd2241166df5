/* Reads all of a set, and says what a person should look at. */
#include "data/check.h"

#include "data/data.h"
#include "image/image.h"

#include <glib.h>
#include <string.h>

enum { SMALL = 64 };

typedef struct reading {
  nd_check *check;
  GPtrArray *findings;
  bool brief; /* only what cannot be read is told */
} reading;

/* Takes over the text. */
static void tell(const reading *r, char *finding) {
  if (r->brief)
    g_free(finding);
  else
    g_ptr_array_add(r->findings, finding);
}

static bool is_grey(const nd_image *image) {
  size_t n = (size_t)image->width * (size_t)image->height * 3;
  for (size_t i = 0; i < n; i += 3)
    if (image->data[i] != image->data[i + 1] || image->data[i] != image->data[i + 2])
      return false;
  return true;
}

static void note(reading *r, const char *file, const nd_image *image) {
  nd_check *c = r->check;
  c->least_width = c->pictures ? MIN(c->least_width, image->width) : image->width;
  c->least_height = c->pictures ? MIN(c->least_height, image->height) : image->height;
  c->most_width = MAX(c->most_width, image->width);
  c->most_height = MAX(c->most_height, image->height);
  c->pictures++;
  if (is_grey(image)) {
    c->grey++;
    tell(r, g_strdup_printf("grey: %s", file));
  }
  if (image->width < SMALL || image->height < SMALL) {
    c->small++;
    tell(r, g_strdup_printf("small, %d x %d: %s", image->width, image->height, file));
  }
}

static void note_unreadable(reading *r) {
  r->check->unreadable++;
  g_ptr_array_add(r->findings, g_strdup_printf("unreadable: %s", nd_error()));
}

/* A link to nothing, a folder that may not be read. */
static void note_problem(const char *path, void *context) {
  (void)path;
  note_unreadable(context);
}

static int open_set(reading *r, const char *path, nd_set *out) {
  return nd_set_open_past(path, note_problem, r, out);
}

typedef struct scene {
  nd_fingerprint turns[ND_FINGERPRINT_TURNS];
} scene;

/* A set's pictures; one that cannot be read is flat. */
static scene *read_set(reading *r, const nd_set *set) {
  scene *all = g_new0(scene, set->count);
  for (size_t i = 0; i < set->count; i++) {
    nd_image image;
    all[i].turns->flat = true;
    if (nd_set_load(set, i, &image)) {
      note_unreadable(r);
      continue;
    }
    note(r, set->at[i].label, &image);
    nd_fingerprint_of(image.data, image.height, image.width, all[i].turns);
    nd_image_free(&image);
  }
  return all;
}

/* The first of `count` scenes that is f, turned so; count: none. */
static size_t same_scene(nd_fingerprint f, int turn, const scene *all, size_t count) {
  size_t i = 0;
  while (i < count && (f.flat || all[i].turns->flat ||
                       nd_fingerprint_distance(f, all[i].turns[turn]) > ND_FINGERPRINT_SAME))
    i++;
  return i;
}

static size_t compare(reading *r, const char *what, const nd_set *a, const scene *sa, const nd_set *b,
                      const scene *sb) {
  size_t found = 0;
  for (size_t i = 0; i < a->count; i++) {
    size_t count = a == b ? i : b->count, at = count;
    int turn = 0;
    while (turn < ND_FINGERPRINT_TURNS && (at = same_scene(*sa[i].turns, turn, sb, count)) == count)
      turn++;
    if (at == count)
      continue;
    found++;
    tell(r, g_strdup_printf("%s%s: %s and %s", what, turn ? ", mirrored or rotated" : "", a->at[i].label,
                            b->at[at].label));
  }
  return found;
}

/* Matches the inputs with the targets, reads the inputs, and leaves the targets. */
static int open_pairs(reading *r, const char *path, nd_set *target) {
  g_autofree char *inputs = NULL, *targets = NULL;
  nd_set input;
  if (nd_set_pair_paths(path, &inputs, &targets) || open_set(r, targets, target) ||
      open_set(r, inputs, &input))
    return -1;
  if (nd_set_match(&input, target)) {
    r->check->unpaired = 1;
    tell(r, g_strdup_printf("not pairs: %s", nd_error()));
  } else
    r->check->pairs = target->count;
  g_free(read_set(r, &input));
  nd_set_free(&input);
  return 0;
}

static int open_scenes(reading *r, const char *path, nd_set *out) {
  return nd_set_holds_pairs(path) ? open_pairs(r, path, out) : open_set(r, path, out);
}

static int compare_with_other(reading *r, const char *path, const nd_set *mine, const scene *f) {
  nd_check there = {0};
  reading brief = {&there, r->findings, true};
  nd_set other = {0};
  int failed = open_scenes(&brief, path, &other);
  if (!failed) {
    g_autofree scene *theirs = read_set(&brief, &other);
    r->check->leaked = compare(r, "same scene in both sets", mine, f, &other, theirs);
    r->check->unreadable_there = there.unreadable;
  }
  nd_set_free(&other);
  return failed;
}

int nd_data_check(const char *path, const char *other, nd_check *out) {
  memset(out, 0, sizeof *out);
  reading r = {out, g_ptr_array_new_with_free_func(g_free), false};
  nd_set scenes = {0};
  int failed = open_scenes(&r, path, &scenes);
  if (!failed) {
    g_autofree scene *f = read_set(&r, &scenes);
    out->repeated = compare(&r, "same scene twice", &scenes, f, &scenes, f);
    failed = other ? compare_with_other(&r, other, &scenes, f) : 0;
  }
  nd_set_free(&scenes);
  g_ptr_array_add(r.findings, NULL);
  out->findings = (char **)g_ptr_array_free(r.findings, FALSE);
  if (failed)
    nd_check_free(out);
  return failed;
}

void nd_check_free(nd_check *check) {
  g_strfreev(check->findings);
  memset(check, 0, sizeof *check);
}
