/* Tables: the scores of a run, and those of the study. */
#include "study/study-private.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

static const char SCORES_HEAD[] = "picture,psnr,ssim,psnr_input,ssim_input\n";

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

static void append_score(GString *out, const nd_score *s) {
  append_number(out, s->psnr);
  append_number(out, s->ssim);
  append_number(out, s->psnr_input);
  append_number(out, s->ssim_input);
  g_string_append_c(out, '\n');
}

/* ---- One run on one test ---- */
char *nd_study_scores_path(const nd_study *s, const nd_study_run *run, const nd_study_test *test,
                           const char *dir) {
  g_autofree char *folder = nd_study_folder(s, run, dir);
  return g_strdup_printf("%s/scores-%s.csv", folder, test->name);
}

int nd_study_scores_save(const char *path, const nd_scores *scores) {
  g_autoptr(GString) out = g_string_new(SCORES_HEAD);
  for (int i = 0; i < scores->count; i++) {
    append_cell(out, scores->at[i].name);
    append_score(out, &scores->at[i]);
  }
  return nd_file_write_atomic(path, out->str, out->len);
}

/* The name may hold commas; the four numbers behind it do not. */
static bool read_score(char *line, nd_score *out) {
  double *const numbers[] = {&out->ssim_input, &out->psnr_input, &out->ssim, &out->psnr};
  for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
    char *comma = strrchr(line, ','), *end;
    if (!comma)
      return false;
    *numbers[i] = g_ascii_strtod(comma + 1, &end);
    if (end == comma + 1 || *end)
      return false;
    *comma = 0;
  }
  out->name = g_strdup(line);
  return true;
}

int nd_study_scores_load(const char *path, nd_scores *out) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  *out = (nd_scores){0};
  if (!g_file_get_contents(path, &text, NULL, &error))
    return nd_fail("cannot read the scores '%s': %s", path, error->message);
  if (!g_str_has_prefix(text, SCORES_HEAD))
    return nd_fail("'%s' holds no scores; remove it and they are made again", path);
  g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
  out->at = g_new0(nd_score, g_strv_length(lines));
  for (int i = 1; lines[i]; i++) {
    if (!read_score(lines[i], &out->at[out->count])) {
      nd_scores_free(out);
      return nd_fail("'%s', line %d, is no score; remove the file and it is made again", path, i + 1);
    }
    out->count++;
  }
  return 0;
}

/* ---- The study ---- */
static int write_results(const nd_study *s, const nd_study_results *r, const char *dir) {
  g_autoptr(GString) out = g_string_new("task,variant,seed,test,picture,psnr,ssim,psnr_input,ssim_input\n");
  for (int i = 0; i < s->run_count; i++) {
    const nd_study_run *run = &s->runs[i];
    const nd_study_task *task = &s->tasks[run->task];
    for (int k = 0; k < task->test_count; k++) {
      const nd_scores *scores = &r->at[i * r->test_count + k];
      for (int p = 0; p < scores->count; p++) {
        g_string_append_printf(out, "%s,%s,%" G_GINT64_FORMAT ",%s,", task->name,
                               s->variants[run->variant].name, run->seed, task->tests[k].name);
        append_cell(out, scores->at[p].name);
        append_score(out, &scores->at[p]);
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
          nd_study_summarise(s, r, t, v, k, m, &x);
          if (!x.seeds)
            continue;
          g_string_append_printf(out, "%s,%s,%s,%s", s->tasks[t].name, s->variants[v].name,
                                 s->tasks[t].tests[k].name, m == ND_STUDY_PSNR ? "psnr" : "ssim");
          append_summary(out, &x);
        }
  g_autofree char *path = g_build_filename(dir, "summary.csv", NULL);
  return nd_file_write_atomic(path, out->str, out->len);
}

int nd_study_write_csv(const nd_study *s, const nd_study_results *r, const char *dir) {
  return write_results(s, r, dir) || write_summary(s, r, dir) ? -1 : 0;
}
