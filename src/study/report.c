/* The study as one HTML page that needs no other file. */
#include "study/study-private.h"

#include "image/page.h"
#include "image/plot.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { CROP = 128, MARGIN = 64 };

/* ---- Pieces ---- */
static void append_interval(GString *out, nd_interval i, double scale, int digits) {
  if (isfinite(i.low) && isfinite(i.high))
    g_string_append_printf(out, "<td>%s to %s</td>", nd_fixed(scale * i.low, digits).text,
                           nd_fixed(scale * i.high, digits).text);
  else
    g_string_append(out, "<td>-</td>");
}

static void append_value(GString *out, double x, double scale, int digits) {
  if (isnan(x))
    g_string_append(out, "<td>-</td>");
  else
    g_string_append_printf(out, "<td>%s</td>", nd_fixed(scale * x, digits).text);
}

/* ---- Tables ---- */
static void append_row(GString *out, const char *name, const nd_study_summary *x, int digits) {
  g_string_append(out, "<tr><td>");
  nd_page_text(out, name);
  g_string_append_printf(out, "</td><td>%d</td>", x->seeds);
  append_value(out, x->mean, 1, digits);
  append_interval(out, x->seeds_interval, 1, digits);
  append_interval(out, x->pictures_interval, 1, digits);
  append_value(out, x->share, 100, 0);
  append_interval(out, x->share_seeds, 100, 0);
  append_interval(out, x->share_pictures, 100, 0);
  g_string_append(out, "</tr>\n");
}

static void append_table(GString *out, const nd_study *s, const nd_study_results *r, int task, int test,
                         nd_metric metric) {
  int digits = nd_metrics[metric].digits;
  bool begun = false;
  for (int v = 0; v < s->variant_count; v++) {
    nd_study_summary x;
    nd_study_summarise(s, r, task, v, test, metric, &x);
    if (!x.seeds)
      continue;
    if (!begun)
      g_string_append_printf(
          out,
          ND_PAGE_TABLE "<tr><th>%s</th><th>seeds</th><th>mean</th><th>mean, 95 %% over seeds</th>"
                        "<th>mean, 95 %% over pictures</th><th>closed, %%</th>"
                        "<th>closed, 95 %% over seeds</th><th>closed, 95 %% over pictures</th></tr>\n"
                        "<tr><td>input as it is (%s)</td><td></td><td>%s</td><td colspan=\"5\"></td></tr>\n",
          nd_metrics[metric].title, nd_count((size_t)x.pictures, "picture").text,
          nd_fixed(x.input, digits).text);
    begun = true;
    append_row(out, s->variants[v].name, &x, digits);
  }
  if (begun)
    g_string_append(out, ND_PAGE_TABLE_END);
}

static void append_time(GString *out, double seconds) {
  bool minutes = seconds >= 60;
  g_string_append_printf(out, "<td>%s %s</td>", nd_fixed(minutes ? seconds / 60 : seconds, 1).text,
                         minutes ? "min" : "s");
}

static int append_costs(GString *out, const nd_study *s, const char *dir) {
  g_string_append(out, "<h2>Cost</h2>\n" ND_PAGE_TABLE "<tr><th>run</th><th>steps</th><th>time</th>"
                       "<th>steps a second</th></tr>\n");
  for (int i = 0; i < s->run_count; i++) {
    nd_study_progress p;
    if (nd_study_progress_of(s, &s->runs[i], dir, &p))
      return -1;
    g_string_append(out, "<tr><td>");
    nd_page_text(out, s->runs[i].name);
    g_string_append_printf(out, "</td><td>%" G_GUINT64_FORMAT "</td>", p.step);
    append_time(out, p.seconds);
    append_value(out, p.seconds > 0 ? (double)p.step / p.seconds : NAN, 1, 2);
    g_string_append(out, "</tr>\n");
  }
  g_string_append(out, ND_PAGE_TABLE_END);
  return 0;
}

/* ---- Curves of each variant, of the first seed it has ---- */
typedef struct curve_kind {
  const char *file, *label;
  int columns, column;
  bool log_y;
} curve_kind;

/* The first of which there is anything is shown: runs without validation have a loss. */
static const curve_kind curve_kinds[] = {
    {ND_VALIDATION_CSV, "validation PSNR (dB)", ND_VALIDATED_COLUMNS, ND_VALIDATED_PSNR, false},
    {ND_LOG_CSV, "restoration loss", ND_LOGGED_ALWAYS, ND_LOGGED_RESTORATION, true},
};

static const nd_study_run *first_run(const nd_study *s, int task, int variant) {
  for (int i = 0; i < s->run_count; i++)
    if (s->runs[i].task == task && s->runs[i].variant == variant)
      return &s->runs[i];
  return NULL;
}

static void append_plot(GString *out, const char *title, const curve_kind *kind, const nd_plot_series *series,
                        int count) {
  nd_plot plot = {.title = title,
                  .x_label = "step",
                  .y_label = kind->label,
                  .log_y = kind->log_y,
                  .series = series,
                  .series_count = count};
  g_autofree char *svg = nd_plot_svg(&plot);
  if (svg)
    g_string_append_printf(out, "<h3>During training</h3>\n%s\n", svg);
}

/* False: there are none of this kind. */
static bool append_curves_of(GString *out, const nd_study *s, const char *dir, int task,
                             const curve_kind *kind) {
  g_autofree nd_plot_series *series = g_new0(nd_plot_series, s->variant_count);
  g_autofree nd_points *curves = g_new0(nd_points, s->variant_count);
  int count = 0;
  for (int v = 0; v < s->variant_count; v++) {
    const nd_study_run *run = first_run(s, task, v);
    if (!run)
      continue;
    g_autofree char *folder = nd_study_folder(run, dir);
    nd_points *c = &curves[v];
    *c = nd_journal_points(folder, kind->file, kind->columns, kind->column);
    if (c->x->len)
      series[count++] = (nd_plot_series){.name = s->variants[v].name,
                                         .x = (const double *)(void *)c->x->data,
                                         .y = (const double *)(void *)c->y->data,
                                         .count = c->x->len};
  }
  if (count)
    append_plot(out, s->tasks[task].name, kind, series, count);
  for (int v = 0; v < s->variant_count; v++)
    if (curves[v].x)
      nd_points_free(&curves[v]);
  return count;
}

static void append_curves(GString *out, const nd_study *s, const char *dir, int task) {
  bool shown = false;
  for (size_t k = 0; k < G_N_ELEMENTS(curve_kinds) && !shown; k++)
    shown = append_curves_of(out, s, dir, task, &curve_kinds[k]);
}

/* ---- Details: the same window of each picture through each variant of the first seed ---- */
typedef struct window {
  int x, y, width, height;
} window;

static window grown(window w, int by, int width, int height) {
  int x = MAX(0, w.x - by), y = MAX(0, w.y - by);
  return (window){x, y, MIN(width, w.x + w.width + by) - x, MIN(height, w.y + w.height + by) - y};
}

static float *cut(const float *from, int channels, int from_width, window w) {
  size_t pixel = (size_t)channels, row = (size_t)w.width * pixel;
  float *out = g_new(float, row *(size_t)w.height);
  for (int y = 0; y < w.height; y++)
    memcpy(out + (size_t)y * row, from + ((size_t)(w.y + y) * (size_t)from_width + (size_t)w.x) * pixel,
           row * sizeof *out);
  return out;
}

static int append_cut(GString *out, const float *picture, int channels, int width, window w,
                      const char *caption) {
  nd_image image;
  g_autofree float *part = cut(picture, channels, width, w);
  if (nd_image_new(w.width, w.height, 3, &image))
    return -1;
  nd_views_photo(part, (size_t)w.width * (size_t)w.height, channels, image.data);
  int failed = nd_page_figure(out, &image, caption);
  nd_image_free(&image);
  return failed;
}

/* Restores the window with a margin around it, which is enough to see what the variant does. */
static int append_restored(GString *out, const char *model_path, const nd_pair *p, window w,
                           const char *caption) {
  window around = grown(w, MARGIN, p->width, p->height),
         inside = {w.x - around.x, w.y - around.y, w.width, w.height};
  nd_model *model;
  nd_restorer *restorer = NULL;
  if (nd_model_load(model_path, &model))
    return -1;
  g_autofree float *input = cut(p->input, p->channels, p->width, around),
                   *restored = g_new(float, 3 * (size_t)around.width * (size_t)around.height);
  int failed = nd_net_check_views(model->net, p->channels == 6, "right of the test") ||
               nd_restorer_of_model(model, nd_restorer_defaults(), &restorer) ||
               nd_restorer_run(restorer, input, around.height, around.width, restored, NULL, NULL) ||
               append_cut(out, restored, 3, around.width, inside, caption);
  nd_restorer_free(restorer);
  nd_model_free(model);
  return failed ? -1 : 0;
}

/* In place of a figure that there cannot be, as of a model damaged since it was evaluated. */
static void append_missing(GString *out, const char *caption) {
  g_string_append(out, "<figure><figcaption>");
  nd_page_text(out, caption);
  g_string_append(out, ": ");
  nd_page_text(out, nd_error());
  g_string_append(out, "</figcaption></figure>\n");
}

static int append_picture(GString *out, const nd_study *s, const char *dir, int task, const nd_pair *p) {
  window w = {0, 0, MIN(CROP, p->width), MIN(CROP, p->height)};
  w.x = (p->width - w.width) * 2 / 5;
  w.y = (p->height - w.height) * 2 / 5;
  g_string_append(out, "<h4>");
  nd_page_text(out, p->name);
  g_string_append(out, "</h4>\n<div class=\"row\">\n");
  if (append_cut(out, p->input, p->channels, p->width, w, "input"))
    return -1;
  for (int v = 0; v < s->variant_count; v++) {
    const nd_study_run *run = first_run(s, task, v);
    g_autofree char *folder = run ? nd_study_folder(run, dir) : NULL,
                    *model = run ? g_build_filename(folder, "model.safetensors", NULL) : NULL;
    if (run && append_restored(out, model, p, w, s->variants[v].name))
      append_missing(out, s->variants[v].name);
  }
  if (p->target && append_cut(out, p->target, 3, p->width, w, "truth"))
    return -1;
  g_string_append(out, "</div>\n");
  return 0;
}

int nd_study_open_test(const nd_study_test *t, nd_pairs **out) {
  nd_pair_source source = {.input_dir = t->input, .right_dir = t->right, .target_dir = t->target};
  return nd_study_has_truth(t) ? nd_pairs_open(&source, 0, out)
                               : nd_pairs_open_photos(t->input, t->right, out);
}

static int append_details(GString *out, const nd_study *s, const char *dir, int task, int test) {
  nd_pairs *pairs;
  if (nd_study_open_test(&s->tasks[task].tests[test], &pairs))
    return -1;
  int failed = 0;
  for (size_t i = 0; !failed && i < nd_pairs_count(pairs) && i < (size_t)s->crops; i++) {
    nd_pair p;
    if ((failed = nd_pairs_load(pairs, i, &p)))
      break;
    failed = append_picture(out, s, dir, task, &p);
    nd_pair_free(&p);
  }
  nd_pairs_close(pairs);
  return failed;
}

/* ---- The page ---- */
static void append_introduction(GString *out, const nd_study *s) {
  g_string_append_printf(
      out,
      "<p>%s: %s, %s, %s. PSNR and SSIM on RGB, 8 bits, SSIM with a 7 x 7 uniform "
      "window; of photos without truth NIQE (lower is better). Intervals are of 95 %%: \"over seeds\" is "
      "Student's t over the seeds' means, so it speaks of "
      "training again on the same photos; \"over pictures\" is a bootstrap over the test's pictures (%d "
      "resamples, "
      "fixed seed), so it speaks of other photos of the same kind. ",
      nd_count((size_t)s->run_count, "run").text, nd_count((size_t)s->task_count, "task").text,
      nd_count((size_t)s->variant_count, "variant").text, nd_count((size_t)s->seed_count, "seed").text,
      s->resamples);
  if (s->source) {
    g_string_append(out, "\"closed\" is the share of the distance from ");
    nd_page_text(out, s->source);
    g_string_append(out, " to ");
    nd_page_text(out, s->oracle);
    g_string_append(out, ", seed for seed, then the mean of the seeds; \"-\" where ");
    nd_page_text(out, s->oracle);
    g_string_append(out, " is no better than ");
    nd_page_text(out, s->source);
    g_string_append(out, ", so that there is no such distance.");
  }
  g_string_append(out, "</p>\n");
}

static void append_failures(GString *out, const nd_study *s) {
  if (!s->failure_count)
    return;
  g_string_append_printf(out, "<p>Left out, because they failed: %s.</p>\n<ul>\n",
                         nd_count((size_t)s->failure_count, "run").text);
  for (int i = 0; i < s->failure_count; i++) {
    g_string_append(out, "<li>");
    nd_page_text(out, s->failures[i].message);
    g_string_append(out, "</li>\n");
  }
  g_string_append(out, "</ul>\n");
}

static int append_task(GString *out, const nd_study *s, const nd_study_results *r, const char *dir,
                       int task) {
  g_string_append(out, "<h2>");
  nd_page_text(out, s->tasks[task].name);
  g_string_append(out, "</h2>\n");
  for (int k = 0; k < s->tasks[task].test_count; k++) {
    g_string_append(out, "<h3>Test ");
    nd_page_text(out, s->tasks[task].tests[k].name);
    g_string_append(out, "</h3>\n");
    for (int m = 0; m < ND_STUDY_METRICS; m++)
      append_table(out, s, r, task, k, nd_study_metrics[m]);
    if (append_details(out, s, dir, task, k))
      return -1;
  }
  append_curves(out, s, dir, task);
  return 0;
}

int nd_study_write_report(const nd_study *s, const nd_study_results *r, const char *dir) {
  GString *out = nd_page_new(s->title);
  append_introduction(out, s);
  append_failures(out, s);
  int failed = 0;
  for (int t = 0; !failed && t < s->task_count; t++)
    failed = append_task(out, s, r, dir, t);
  failed = failed || append_costs(out, s, dir);
  g_autofree char *page = nd_page_end(out), *path = g_build_filename(dir, "report.html", NULL);
  return failed ? nd_fail_in("the report") : nd_file_write_atomic(path, page, strlen(page));
}
