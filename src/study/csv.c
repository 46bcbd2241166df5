/* Tables: the scores of a run, and those of the study. */
#include "study/study-private.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

/* A metric of the result, or of the input. */
typedef struct column {
  nd_metric metric;
  bool input;
} column;

enum { MOST_COLUMNS = 2 * ND_STUDY_METRICS };

/* What is told of a picture with truth, or of one without: results, then inputs. Returns how many they are.
 */
static int columns_of(bool truth, column out[MOST_COLUMNS]) {
  int count = 0;
  for (int input = 0; input < 2; input++)
    for (int i = 0; i < ND_STUDY_METRICS; i++)
      if (nd_metrics[nd_study_metrics[i]].needs_truth == truth)
        out[count++] = (column){nd_study_metrics[i], input};
  return count;
}

static void append_names(GString *out, bool truth) {
  column c[MOST_COLUMNS];
  for (int i = 0, count = columns_of(truth, c); i < count; i++)
    g_string_append_printf(out, ",%s%s", nd_metrics[c[i].metric].key, c[i].input ? "_input" : "");
}

static char *head_of(bool truth) {
  GString *head = g_string_new("picture");
  append_names(head, truth);
  g_string_append_c(head, '\n');
  return g_string_free(head, FALSE);
}

/* A text as a cell: quoted where it must be (RFC 4180). */
static void append_cell(GString *out, const char *text) {
  if (!strpbrk(text, ",\"\n\r")) {
    g_string_append(out, text);
    return;
  }
  g_string_append_c(out, '"');
  for (; *text; text++)
    g_string_append(out, *text == '"' ? "\"\"" : (char[]){*text, 0});
  g_string_append_c(out, '"');
}

static void append_number(GString *out, double x) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  if (isnan(x))
    g_string_append_c(out, ',');
  else
    g_string_append_printf(out, ",%s", g_ascii_formatd(text, sizeof text, "%.8g", x));
}

/* s NULL: the columns are left empty. */
static void append_score(GString *out, const nd_score *s, bool truth) {
  column c[MOST_COLUMNS];
  for (int i = 0, count = columns_of(truth, c); i < count; i++)
    append_number(out, s ? (c[i].input ? s->input : s->result)[c[i].metric] : NAN);
}

/* ---- One run on one test ---- */
char *nd_study_scores_path(const nd_study_run *run, const nd_study_test *test, const char *dir) {
  g_autofree char *folder = nd_study_folder(run, dir);
  return g_strdup_printf("%s/scores-%s.csv", folder, test->name);
}

int nd_study_scores_save(const char *path, const nd_scores *scores) {
  g_autofree char *head = head_of(scores->protocol);
  g_autoptr(GString) out = g_string_new(head);
  for (int i = 0; i < scores->count; i++) {
    append_cell(out, scores->at[i].name);
    append_score(out, &scores->at[i], scores->protocol);
    g_string_append_c(out, '\n');
  }
  return nd_file_write_atomic(path, out->str, out->len);
}

/* The cell at *at as append_cell's text, in place, and what stands behind it: a comma, the end of a line or
 * 0. *at is moved past that. NULL: its quotes are not closed. */
static char *take_cell(char **at, char *behind) {
  char *cell = *at, *from = cell, *to = cell;
  if (*from == '"') {
    for (from++; *from != '"' || from[1] == '"'; from++) {
      if (!*from)
        return NULL;
      from += *from == '"';
      *to++ = *from;
    }
    from++;
  }
  while (*from && *from != ',' && *from != '\n')
    *to++ = *from++;
  *behind = *from;
  *at = from + (*from != 0);
  *to = 0;
  return cell;
}

/* An empty cell is what was not a number. */
static bool read_number(const char *cell, double *out) {
  char *end;
  *out = *cell ? g_ascii_strtod(cell, &end) : NAN;
  return !*cell || (end != cell && !*end);
}

static bool read_score(char **at, bool truth, nd_score *out) {
  column c[MOST_COLUMNS];
  char behind, *name = take_cell(at, &behind);
  bool good = name && *name;
  for (int i = 0, count = columns_of(truth, c); good && i < count; i++) {
    const char *cell = behind == ',' ? take_cell(at, &behind) : NULL;
    good = cell && read_number(cell, &(c[i].input ? out->input : out->result)[c[i].metric]);
  }
  if (!good || behind == ',')
    return false;
  out->name = g_strdup(name);
  return true;
}

/* out->protocol by the head of the table, which says whether there was truth. */
static bool read_head(const char *text, nd_scores *out) {
  for (int truth = 0; truth < 2; truth++) {
    out->protocol = truth ? nd_protocol_at(0) : NULL;
    g_autofree char *head = head_of(truth);
    if (g_str_has_prefix(text, head))
      return true;
  }
  return false;
}

int nd_study_scores_load(const char *path, nd_scores *out) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  *out = (nd_scores){0};
  if (!g_file_get_contents(path, &text, NULL, &error))
    return nd_fail("cannot read the scores '%s': %s", path, error->message);
  if (!read_head(text, out))
    return nd_fail("'%s' holds no scores; remove it and they are made again", path);
  g_autoptr(GArray) scores = g_array_new(FALSE, TRUE, sizeof(nd_score));
  char *at = strchr(text, '\n') + 1;
  bool good = true;
  while (good && *at) {
    nd_score next = {0};
    if ((good = read_score(&at, out->protocol, &next)))
      g_array_append_val(scores, next);
  }
  out->count = (int)scores->len;
  out->at = (nd_score *)(void *)g_array_free(g_steal_pointer(&scores), FALSE);
  if (good)
    return 0;
  int count = out->count;
  nd_scores_free(out);
  return nd_fail("'%s': what stands behind %s is no score; remove the file and it is made again", path,
                 nd_count((size_t)count, "picture").text);
}

/* ---- The study ---- */
static int write_results(const nd_study *s, const nd_study_results *r, const char *dir) {
  g_autoptr(GString) out = g_string_new("task,variant,seed,test,picture");
  append_names(out, true);
  append_names(out, false);
  g_string_append_c(out, '\n');
  for (int i = 0; i < s->run_count; i++) {
    const nd_study_run *run = &s->runs[i];
    const nd_study_task *task = &s->tasks[run->task];
    for (int k = 0; k < task->test_count; k++) {
      const nd_scores *scores = &r->at[i * r->test_count + k];
      for (int p = 0; p < scores->count; p++) {
        g_string_append_printf(out, "%s,%s,%" G_GINT64_FORMAT ",%s,", task->name,
                               s->variants[run->variant].name, run->seed, task->tests[k].name);
        append_cell(out, scores->at[p].name);
        append_score(out, scores->protocol ? &scores->at[p] : NULL, true);
        append_score(out, scores->protocol ? NULL : &scores->at[p], false);
        g_string_append_c(out, '\n');
      }
    }
  }
  g_autofree char *path = g_build_filename(dir, "results.csv", NULL);
  return nd_file_write_atomic(path, out->str, out->len);
}

static void append_summary(GString *out, const nd_study_summary *x) {
  const double numbers[] = {x->input,
                            x->mean,
                            x->seeds_interval.low,
                            x->seeds_interval.high,
                            x->pictures_interval.low,
                            x->pictures_interval.high,
                            x->share,
                            x->share_seeds.low,
                            x->share_seeds.high,
                            x->share_pictures.low,
                            x->share_pictures.high};
  g_string_append_printf(out, ",%d,%d", x->seeds, x->pictures);
  for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
    append_number(out, numbers[i]);
  g_string_append_c(out, '\n');
}

static int write_summary(const nd_study *s, const nd_study_results *r, const char *dir) {
  g_autoptr(GString) out = g_string_new(
      "task,variant,test,metric,seeds,pictures,input,mean,seeds_low,seeds_high,pictures_low,pictures_high,"
      "share,share_seeds_low,share_seeds_high,share_pictures_low,share_pictures_high\n");
  for (int t = 0; t < s->task_count; t++)
    for (int k = 0; k < s->tasks[t].test_count; k++)
      for (int v = 0; v < s->variant_count; v++)
        for (int m = 0; m < ND_STUDY_METRICS; m++) {
          nd_study_summary x;
          nd_study_summarise(s, r, t, v, k, nd_study_metrics[m], &x);
          if (!x.seeds)
            continue;
          g_string_append_printf(out, "%s,%s,%s,%s", s->tasks[t].name, s->variants[v].name,
                                 s->tasks[t].tests[k].name, nd_metrics[nd_study_metrics[m]].key);
          append_summary(out, &x);
        }
  g_autofree char *path = g_build_filename(dir, "summary.csv", NULL);
  return nd_file_write_atomic(path, out->str, out->len);
}

int nd_study_write_csv(const nd_study *s, const nd_study_results *r, const char *dir) {
  return write_results(s, r, dir) || write_summary(s, r, dir) ? -1 : 0;
}
