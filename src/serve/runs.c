/* Training runs, as their folders tell. */
#include "serve/serve-private.h"
#include "train/train.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum { RUNS_DEPTH = 3, PICTURES_DEPTH = 3, PICTURES_MAX = 200, LATE_SECONDS = 180 };

/* ---- One run's figures ---- */
static bool has(const char *folder, const char *name) {
  g_autofree char *path = nd_inside(folder, name); /* not through a link that leads elsewhere */
  return path != NULL;
}

static bool is_run(const char *path) {
  return g_file_test(path, G_FILE_TEST_IS_DIR) && (has(path, "recipe.yaml") || has(path, "log.csv"));
}

/* What the recipe says, as far as this is known. */
typedef struct plan {
  double steps, log_every, batch;
  char mode[16], network[64];
} plan;

static plan plan_of(const char *path) {
  plan p = {NAN, NAN, NAN, "", ""};
  nd_recipe recipe;
  nd_recipe_init(&recipe);
  g_autofree char *file = nd_inside(path, "recipe.yaml");
  if (file && !nd_recipe_load(&recipe, file)) {
    p.steps = (double)recipe.training.steps;
    p.log_every = (double)recipe.output.log_every;
    p.batch = (double)recipe.data.batch_size;
    g_strlcpy(p.mode, nd_recipe_word(&recipe, "mode"), sizeof p.mode);
    g_strlcpy(p.network, recipe.restoration.network, sizeof p.network);
  }
  nd_recipe_clear(&recipe);
  return p;
}

static double seconds_since_change(const char *file) {
  GStatBuf s;
  return g_stat(file, &s) ? NAN : MAX(0, difftime(time(NULL), s.st_mtime));
}

/* The lock is signed when training starts or goes on. */
static double seconds_since_start(const char *path) {
  g_autofree char *lock = nd_inside(path, "lock"), *recipe = nd_inside(path, "recipe.yaml");
  return fmin(lock ? seconds_since_change(lock) : NAN, recipe ? seconds_since_change(recipe) : NAN);
}

/* A line is late after three times what the last took, but three minutes are always allowed for validation
 * and checkpoints. */
static const char *state_of(const plan *p, double step, double age, double rate) {
  double expected = p->log_every * p->batch / rate;
  if (step >= p->steps)
    return "finished";
  if (!isfinite(step))
    return age > LATE_SECONDS ? "quiet" : "starting"; /* NaN: nothing tells */
  return age <= fmax(LATE_SECONDS, isfinite(expected) ? 3 * expected : 0) ? "running" : "quiet";
}

static void describe_run(const char *name, const char *path, JsonBuilder *b) {
  g_autofree char *log = nd_inside(path, "log.csv"), *heading = NULL, *last = NULL;
  plan p = plan_of(path);
  double step = NAN, rate = NAN, age = log ? seconds_since_change(log) : NAN;
  if (log && nd_csv_ends(log, &heading, &last)) {
    step = nd_csv_value(heading, last, "step");
    rate = nd_csv_value(heading, last, "images_per_second");
    nd_json_number(b, "wait_share", nd_csv_value(heading, last, "wait_share"));
  }
  nd_json_text(b, "name", name);
  nd_json_text(b, "state", state_of(&p, step, fmin(age, seconds_since_start(path)), rate));
  nd_json_whole(b, "step", step);
  nd_json_whole(b, "steps", p.steps);
  nd_json_number(b, "seconds_since", age);
  nd_json_number(b, "seconds_left", (p.steps - step) * p.batch / rate);
  nd_json_text(b, "mode", *p.mode ? p.mode : NULL);
  nd_json_text(b, "network", *p.network ? p.network : NULL);
}

/* ---- All runs below a folder ---- */
typedef struct walk {
  const char *below; /* "" or "a/b" */
  int depth;
  JsonBuilder *out;
  int count;
} walk;

static char *joined(const char *below, const char *name) {
  return *below ? g_strconcat(below, "/", name, NULL) : g_strdup(name);
}

static void visit_run(const char *name, const char *path, void *context) {
  walk *w = context;
  if (!g_file_test(path, G_FILE_TEST_IS_DIR))
    return;
  g_autofree char *full = joined(w->below, name);
  if (is_run(path)) {
    json_builder_begin_object(w->out);
    describe_run(full, path, w->out);
    json_builder_end_object(w->out);
  } else if (w->depth < RUNS_DEPTH) {
    walk deeper = {full, w->depth + 1, w->out, 0};
    nd_inside_each(path, visit_run, &deeper);
  }
}

void nd_runs_describe(const char *folder, JsonBuilder *b) {
  if (!folder)
    return;
  walk w = {"", 1, b, 0};
  if (!is_run(folder)) {
    nd_inside_each(folder, visit_run, &w);
    return;
  }
  json_builder_begin_object(b);
  describe_run(".", folder, b);
  json_builder_end_object(b);
}

/* ---- Pictures that a run left, such as crops of its validation ---- */
static bool can_be_shown(const char *name) {
  g_autofree char *low = g_ascii_strdown(name, -1);
  return nd_image_named(low) && !g_str_has_suffix(low, ".tif") && !g_str_has_suffix(low, ".tiff");
}

static void visit_picture(const char *name, const char *path, void *context) {
  walk *w = context;
  g_autofree char *full = joined(w->below, name);
  if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
    walk deeper = {full, w->depth + 1, w->out, w->count};
    if (w->depth < PICTURES_DEPTH)
      nd_inside_each(path, visit_picture, &deeper);
    w->count = deeper.count;
  } else if (can_be_shown(name) && w->count < PICTURES_MAX) {
    w->count++;
    json_builder_add_string_value(w->out, full);
  }
}

int nd_run_describe(const char *folder, const char *name, JsonBuilder *b) {
  g_autofree char *path = nd_inside(folder, name);
  if (!path)
    return -1;
  if (!is_run(path))
    return nd_fail("'%s' is no run: it has neither recipe.yaml nor log.csv", name);
  describe_run(name, path, b);
  nd_json_list(b, "pictures");
  walk w = {"", 1, b, 0};
  nd_inside_each(path, visit_picture, &w);
  json_builder_end_array(b);
  return 0;
}
