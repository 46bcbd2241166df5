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
  GHashTable *problems; /* that were told when sets were opened */
  bool brief;           /* only what cannot be read is told */
  nd_check_progress progress;
  void *context;
} reading;

/* Takes over the text. */
static void tell(const reading *r, char *finding) {
  if (r->brief)
    g_free(finding);
  else
    g_ptr_array_add(r->findings, finding);
}

/* ---- Pictures ---- */
typedef struct scene {
  nd_fingerprint turns[ND_FINGERPRINT_TURNS];
} scene;

/* What was seen of a picture by the thread that read it. */
typedef struct seen {
  int width, height;
  bool grey;
  char *problem; /* NULL: it was read */
} seen;

typedef struct many {
  const nd_set *set;
  const reading *reading;
  scene *scenes;
  seen *seen;
  size_t done;
  GMutex lock;
} many;

static bool is_grey(const nd_image *image) {
  size_t n = (size_t)image->width * (size_t)image->height * 3;
  for (size_t i = 0; i < n; i += 3)
    if (image->data[i] != image->data[i + 1] || image->data[i] != image->data[i + 2])
      return false;
  return true;
}

/* A picture that cannot be read is flat. */
static void look_at(const nd_set *set, size_t i, seen *found, scene *at) {
  nd_image image;
  at->turns->flat = true;
  if (nd_set_load(set, i, &image)) {
    found->problem = g_strdup(nd_error());
    return;
  }
  found->width = image.width;
  found->height = image.height;
  found->grey = is_grey(&image);
  nd_fingerprint_of(image.data, image.height, image.width, at->turns);
  nd_image_free(&image);
}

static void look_at_range(size_t begin, size_t end, int thread, void *context) {
  many *m = context;
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    look_at(m->set, i, &m->seen[i], &m->scenes[i]);
    g_mutex_lock(&m->lock);
    m->done++;
    if (m->reading->progress)
      m->reading->progress(m->done, m->set->count, m->reading->context);
    g_mutex_unlock(&m->lock);
  }
}

static void note(const reading *r, const char *file, const seen *s) {
  nd_check *c = r->check;
  c->least_width = c->pictures ? MIN(c->least_width, s->width) : s->width;
  c->least_height = c->pictures ? MIN(c->least_height, s->height) : s->height;
  c->most_width = MAX(c->most_width, s->width);
  c->most_height = MAX(c->most_height, s->height);
  c->pictures++;
  if (s->grey) {
    c->grey++;
    tell(r, g_strdup_printf("grey: %s", file));
  }
  if (s->width < SMALL || s->height < SMALL) {
    c->small++;
    tell(r, g_strdup_printf("small, %d x %d: %s", s->width, s->height, file));
  }
}

static void note_unreadable(const reading *r, const char *problem) {
  r->check->unreadable++;
  g_ptr_array_add(r->findings, g_strdup_printf("unreadable: %s", problem));
}

/* A set's pictures. */
static scene *read_set(const reading *r, const nd_set *set) {
  many m = {.set = set, .reading = r, .scenes = g_new0(scene, set->count), .seen = g_new0(seen, set->count)};
  g_mutex_init(&m.lock);
  nd_parallel(set->count, 1, look_at_range, &m);
  g_mutex_clear(&m.lock);
  for (size_t i = 0; i < set->count; i++) {
    if (m.seen[i].problem)
      note_unreadable(r, m.seen[i].problem);
    else
      note(r, set->at[i].label, &m.seen[i]);
    g_free(m.seen[i].problem);
  }
  g_free(m.seen);
  return m.scenes;
}

/* ---- Sets ---- */
/* A link to nothing, a folder that may not be read, a line of a list. Both sides of a list of pairs tell of
 * the same line. */
static void note_problem(const char *path, void *context) {
  const reading *r = context;
  (void)path;
  if (g_hash_table_add(r->problems, g_strdup(nd_error())))
    note_unreadable(r, nd_error());
}

static int open_set(reading *r, const char *path, nd_set *out) {
  return nd_set_open_past(path, note_problem, r, out);
}

/* The first of `count` scenes that is f, turned so; count: none. */
static size_t same_scene(nd_fingerprint f, int turn, const scene *all, size_t count) {
  size_t i = 0;
  while (i < count && (f.flat || all[i].turns->flat ||
                       nd_fingerprint_distance(f, all[i].turns[turn]) > ND_FINGERPRINT_SAME))
    i++;
  return i;
}

/* ---- Scenes ---- */
typedef struct comparison {
  const scene *mine, *theirs; /* the same: each is compared with those before it */
  size_t their_count;
  size_t *partner; /* of each of mine; SIZE_MAX: none */
  int *turn;       /* as which it is the partner */
} comparison;

static void compare_range(size_t begin, size_t end, int thread, void *context) {
  const comparison *c = context;
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    size_t count = c->mine == c->theirs ? i : c->their_count, at = count;
    int turn = 0;
    while (turn < ND_FINGERPRINT_TURNS &&
           (at = same_scene(*c->mine[i].turns, turn, c->theirs, count)) == count)
      turn++;
    c->partner[i] = at == count ? SIZE_MAX : at;
    c->turn[i] = turn;
  }
}

static size_t compare(reading *r, const char *what, const nd_set *a, const scene *sa, const nd_set *b,
                      const scene *sb) {
  enum { GRAIN = 64 };
  g_autofree size_t *partner = g_new(size_t, a->count);
  g_autofree int *turn = g_new(int, a->count);
  comparison c = {sa, sb, b->count, partner, turn};
  size_t found = 0;
  nd_parallel(a->count, GRAIN, compare_range, &c);
  for (size_t i = 0; i < a->count; i++) {
    if (partner[i] == SIZE_MAX)
      continue;
    found++;
    tell(r, g_strdup_printf("%s%s: %s and %s", what, turn[i] ? ", mirrored or rotated" : "", a->at[i].label,
                            b->at[partner[i]].label));
  }
  return found;
}

static void note_unpaired(const char *path, void *context) {
  const reading *r = context;
  (void)path;
  r->check->unpaired++;
  tell(r, g_strdup_printf("pairs: %s", nd_error()));
}

/* What a path holds, before any picture of it is read. */
typedef struct opened {
  nd_set scenes, input; /* input: of pairs, whose targets are the scenes; else empty */
} opened;

static int open_scenes(reading *r, const char *path, opened *out) {
  g_autofree char *inputs = NULL, *targets = NULL;
  if (!nd_set_holds_pairs(path))
    return open_set(r, path, &out->scenes);
  return nd_set_pair_paths(path, &inputs, &targets) || open_set(r, targets, &out->scenes) ||
         open_set(r, inputs, &out->input);
}

/* Where they are pairs, the inputs are matched and read first. */
static scene *read_scenes(reading *r, const opened *o) {
  if (o->input.count) {
    r->check->pairs = nd_set_count_pairs(&o->input, &o->scenes, note_unpaired, r);
    g_free(read_set(r, &o->input));
  }
  return read_set(r, &o->scenes);
}

static void close_scenes(opened *o) {
  nd_set_free(&o->scenes);
  nd_set_free(&o->input);
}

static void compare_with_other(reading *r, const opened *mine, const scene *f, reading *there,
                               const opened *other) {
  g_autofree scene *theirs = read_scenes(there, other);
  g_ptr_array_extend_and_steal(r->findings, g_steal_pointer(&there->findings));
  r->check->leaked = compare(r, "same scene in both sets", &mine->scenes, f, &other->scenes, theirs);
  r->check->unreadable_there = there->check->unreadable;
}

static reading reading_of(nd_check *check, bool brief, nd_check_progress progress, void *context) {
  return (reading){.check = check,
                   .findings = g_ptr_array_new_with_free_func(g_free),
                   .problems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                   .brief = brief,
                   .progress = progress,
                   .context = context};
}

/* Both are opened before hours are spent on reading. */
int nd_data_check(const char *path, const char *other, nd_check_progress progress, void *context,
                  nd_check *out) {
  nd_check of_other = {0};
  memset(out, 0, sizeof *out);
  reading r = reading_of(out, false, progress, context),
          there = reading_of(&of_other, true, progress, context);
  opened mine = {0}, theirs = {0};
  int failed = (other && open_scenes(&there, other, &theirs)) || open_scenes(&r, path, &mine);
  if (!failed) {
    g_autofree scene *f = read_scenes(&r, &mine);
    out->repeated = compare(&r, "same scene twice", &mine.scenes, f, &mine.scenes, f);
    if (other)
      compare_with_other(&r, &mine, f, &there, &theirs);
  }
  close_scenes(&mine);
  close_scenes(&theirs);
  g_hash_table_unref(r.problems);
  g_hash_table_unref(there.problems);
  g_clear_pointer(&there.findings, g_ptr_array_unref);
  g_ptr_array_add(r.findings, NULL);
  out->findings = (char **)g_ptr_array_free(r.findings, FALSE);
  if (failed)
    nd_check_free(out);
  return failed ? -1 : 0;
}

void nd_check_free(nd_check *check) {
  g_strfreev(check->findings);
  memset(check, 0, sizeof *check);
}
