/* Photos waiting, worked on and done: one thread takes them one by one and has a process work on each. */
#include "serve/serve-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

typedef enum state { WAITING, WORKING, DONE, FAILED, CANCELLED } state;
static const char *const state_words[] = {"waiting", "working", "done", "failed", "cancelled"};

typedef struct job {
  char *id, *folder;
  nd_order order;
  state state;
  bool worked_on; /* the thread has it, also when it is cancelled and its process not gone yet */
  int tiles, tiles_done;
  gint64 begun, ended; /* microseconds */
  char *message;       /* why it failed */
  GSubprocess *process;
} job;

struct nd_jobs {
  GMutex lock; /* of all below */
  GCond changed;
  GPtrArray *all; /* of job, in the order they came */
  bool stopping;
  GThread *thread;
  nd_scratch *scratch;
  nd_process how;
};

void nd_order_clear(nd_order *o) {
  g_free(o->name);
  g_free(o->model);
  g_free(o->model_name);
  g_free(o->ending);
  *o = (nd_order){0};
}

static void job_free(gpointer p) {
  job *j = p;
  nd_remove_all(j->folder);
  nd_order_clear(&j->order);
  g_clear_object(&j->process);
  g_free(j->id);
  g_free(j->folder);
  g_free(j->message);
  g_free(j);
}

static bool is_over(const job *j) {
  return j->state >= DONE;
}

static job *find(nd_jobs *jobs, const char *id) {
  for (guint i = 0; i < jobs->all->len; i++) {
    job *j = jobs->all->pdata[i];
    if (id && !strcmp(j->id, id))
      return j;
  }
  return NULL;
}

static int count(nd_jobs *jobs, bool over) {
  int n = 0;
  for (guint i = 0; i < jobs->all->len; i++)
    n += is_over(jobs->all->pdata[i]) == over;
  return n;
}

/* The oldest ones that are over make room. */
static void forget_old(nd_jobs *jobs) {
  int over = count(jobs, true);
  for (guint i = 0; i < jobs->all->len && over > ND_JOBS_KEPT;)
    if (is_over(jobs->all->pdata[i]) && !((const job *)jobs->all->pdata[i])->worked_on) {
      g_ptr_array_remove_index(jobs->all, i);
      over--;
    } else {
      i++;
    }
}

char *nd_jobs_wording(const char *text, const char *folder, const char *name) {
  g_autofree char *escaped = g_regex_escape_string(folder, -1),
                  *pattern = g_strconcat(escaped, "(/\\w+(\\.\\w+)*)?", NULL);
  g_autoptr(GRegex) paths = g_regex_new(pattern, G_REGEX_RAW, 0, NULL);
  g_autofree char *worded = g_regex_replace_literal(paths, text, -1, 0, name, 0, NULL);
  return g_utf8_make_valid(g_strstrip(worded), -1);
}

/* ---- The thread ---- */
typedef struct at_work {
  nd_jobs *jobs;
  job *j;
} at_work;

static void note_tile(int done, int tiles, void *context) {
  at_work *w = context;
  g_mutex_lock(&w->jobs->lock);
  w->j->tiles_done = done;
  w->j->tiles = tiles;
  g_mutex_unlock(&w->jobs->lock);
}

static void finish(nd_jobs *jobs, job *j, bool succeeded, const char *said) {
  g_mutex_lock(&jobs->lock);
  g_clear_object(&j->process);
  j->worked_on = false;
  j->ended = g_get_monotonic_time();
  if (j->state == WORKING) {
    j->state = succeeded ? DONE : FAILED;
    if (!succeeded)
      j->message = nd_jobs_wording(said, j->folder, j->order.name);
  }
  if (j->state != DONE)
    nd_remove_all(j->folder);
  forget_old(jobs);
  g_mutex_unlock(&jobs->lock);
}

/* j stays: what is worked on is not forgotten. */
static void work_on(nd_jobs *jobs, job *j) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocess) process = nd_process_start(&jobs->how, j->folder, &j->order, &error);
  if (!process) {
    finish(jobs, j, false, error->message);
    return;
  }
  g_mutex_lock(&jobs->lock);
  j->process = g_object_ref(process);
  if (j->state == CANCELLED)
    g_subprocess_force_exit(process);
  g_mutex_unlock(&jobs->lock);
  nd_process_follow(process, note_tile, &(at_work){jobs, j});
  g_autofree char *said = nd_process_complaint(process);
  g_subprocess_wait(process, NULL, NULL);
  finish(jobs, j, g_subprocess_get_successful(process), said);
}

/* Waits for one; NULL when all is to end. */
static job *next(nd_jobs *jobs) {
  g_mutex_lock(&jobs->lock);
  job *found = NULL;
  while (!jobs->stopping && !found) {
    for (guint i = 0; i < jobs->all->len && !found; i++) {
      job *j = jobs->all->pdata[i];
      if (j->state == WAITING)
        found = j;
    }
    if (!found)
      g_cond_wait(&jobs->changed, &jobs->lock);
  }
  if (jobs->stopping)
    found = NULL;
  if (found) {
    found->state = WORKING;
    found->worked_on = true;
    found->begun = g_get_monotonic_time();
  }
  g_mutex_unlock(&jobs->lock);
  return found;
}

static gpointer run(gpointer p) {
  nd_jobs *jobs = p;
  for (job *j; (j = next(jobs));)
    work_on(jobs, j);
  return NULL;
}

nd_jobs *nd_jobs_new(const nd_serve_settings *s) {
  nd_scratch *scratch = nd_scratch_new();
  if (!scratch)
    return NULL;
  nd_jobs *jobs = g_new0(nd_jobs, 1);
  g_mutex_init(&jobs->lock);
  g_cond_init(&jobs->changed);
  jobs->all = g_ptr_array_new_with_free_func(job_free);
  jobs->scratch = scratch;
  jobs->how = (nd_process){g_strdup(s->program), s->memory, s->threads};
  jobs->thread = g_thread_new("photos", run, jobs);
  return jobs;
}

void nd_jobs_free(nd_jobs *jobs) {
  if (!jobs)
    return;
  g_mutex_lock(&jobs->lock);
  jobs->stopping = true;
  for (guint i = 0; i < jobs->all->len; i++) {
    job *j = jobs->all->pdata[i];
    if (!is_over(j))
      j->state = CANCELLED;
    if (j->process)
      g_subprocess_force_exit(j->process);
  }
  g_cond_broadcast(&jobs->changed);
  g_mutex_unlock(&jobs->lock);
  g_thread_join(jobs->thread);
  g_ptr_array_unref(jobs->all);
  nd_scratch_free(jobs->scratch);
  g_mutex_clear(&jobs->lock);
  g_cond_clear(&jobs->changed);
  g_free(jobs->how.program);
  g_free(jobs);
}

/* ---- From outside ---- */
bool nd_jobs_full(nd_jobs *jobs) {
  g_mutex_lock(&jobs->lock);
  bool full = count(jobs, false) > ND_JOBS_WAITING_MAX;
  g_mutex_unlock(&jobs->lock);
  return full;
}

char *nd_jobs_folder(nd_jobs *jobs) {
  g_autofree char *id = g_uuid_string_random();
  char *folder = g_build_filename(nd_scratch_path(jobs->scratch), id, NULL);
  if (!g_mkdir(folder, 0700))
    return folder;
  nd_fail("cannot make a folder for the photo: %s", g_strerror(errno));
  g_free(folder);
  return NULL;
}

void nd_jobs_add(nd_jobs *jobs, const char *folder, nd_order order) {
  job *j = g_new0(job, 1);
  j->id = g_path_get_basename(folder);
  j->folder = g_strdup(folder);
  j->order = order;
  g_mutex_lock(&jobs->lock);
  g_ptr_array_add(jobs->all, j);
  forget_old(jobs);
  g_cond_broadcast(&jobs->changed);
  g_mutex_unlock(&jobs->lock);
}

static int ahead_of(nd_jobs *jobs, const job *j) {
  int n = 0;
  for (guint i = 0; i < jobs->all->len && jobs->all->pdata[i] != j; i++)
    n += !is_over(jobs->all->pdata[i]);
  return n;
}

static char *result_name(const job *j) {
  const char *dot = strrchr(j->order.name, '.');
  int stem = dot && dot > j->order.name ? (int)(dot - j->order.name) : (int)strlen(j->order.name);
  return g_strdup_printf("%.*s" ND_RESTORED_SUFFIX "%s", stem, j->order.name, j->order.ending);
}

static double seconds_of(const job *j) {
  if (!j->begun)
    return 0;
  return (double)((j->ended ? j->ended : g_get_monotonic_time()) - j->begun) / 1e6;
}

/* "before" or "after" once it is complete, "result"; the file, or NULL. */
static char *view_of(const job *j, const char *which) {
  bool result = !strcmp(which, "result");
  if (j->state == DONE && result)
    return g_strconcat(j->folder, "/result", j->order.ending, NULL);
  bool known = !strcmp(which, "before") || !strcmp(which, "after");
  const char *endings[] = {".png", ".jpg"};
  for (size_t i = 0; known && i < G_N_ELEMENTS(endings); i++) {
    char *path = g_strconcat(j->folder, "/", which, endings[i], NULL);
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
      return path;
    g_free(path);
  }
  return NULL;
}

bool nd_jobs_describe(nd_jobs *jobs, const char *id, JsonBuilder *b) {
  g_mutex_lock(&jobs->lock);
  const job *j = find(jobs, id);
  if (j) {
    g_autofree char *result = result_name(j), *before = view_of(j, "before");
    nd_json_text(b, "id", j->id);
    nd_json_text(b, "state", state_words[j->state]);
    nd_json_text(b, "name", j->order.name);
    nd_json_text(b, "model", j->order.model_name);
    nd_json_text(b, "message", j->message);
    nd_json_text(b, "result", result);
    nd_json_number(b, "strength", j->order.strength);
    nd_json_whole(b, "width", j->order.width);
    nd_json_whole(b, "height", j->order.height);
    nd_json_whole(b, "ahead", j->state == WAITING ? ahead_of(jobs, j) : 0);
    nd_json_whole(b, "tiles", j->tiles);
    nd_json_whole(b, "tiles_done", j->tiles_done);
    nd_json_number(b, "seconds", seconds_of(j));
    nd_json_flag(b, "before", before != NULL);
  }
  g_mutex_unlock(&jobs->lock);
  return j != NULL;
}

bool nd_jobs_cancel(nd_jobs *jobs, const char *id) {
  g_mutex_lock(&jobs->lock);
  job *j = find(jobs, id);
  if (j) {
    j->state = CANCELLED;
    if (j->process)
      g_subprocess_force_exit(j->process);
    if (!j->worked_on) /* else its thread does, once the process is gone */
      nd_remove_all(j->folder);
  }
  g_mutex_unlock(&jobs->lock);
  return j != NULL;
}

char *nd_jobs_picture(nd_jobs *jobs, const char *id, const char *which, char **download) {
  g_mutex_lock(&jobs->lock);
  const job *j = find(jobs, id);
  char *path = j && which && j->state != CANCELLED ? view_of(j, which) : NULL;
  *download = path && !strcmp(which, "result") ? result_name(j) : NULL;
  g_mutex_unlock(&jobs->lock);
  return path;
}
