/* What a run writes down: log.csv, validation.csv and the curve drawn from them. */
#include "image/plot.h"
#include "train/trainer-private.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* In the order of the columns (train.h). */
static const char LOG_HEAD[] = "step,loss,restoration,diffusion,positive,negative,alpha,gradient_norm,"
                               "images_per_second,wait_share,skipped,learning_rate\n";
static const char VALIDATION_HEAD[] = "step,psnr,ssim,pictures\n";

static int append(const char *folder, const char *name, const char *head, const char *line) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  bool fresh = !g_file_test(path, G_FILE_TEST_EXISTS);
  FILE *f = fopen(path, "a");
  if (!f)
    return nd_fail_of(errno, "cannot write '%s'", path);
  bool failed = (fresh && fputs(head, f) < 0) || fputs(line, f) < 0;
  if (fclose(f) || failed)
    return nd_fail_of(errno, "cannot write '%s'", path);
  return 0;
}

int nd_journal_report(const char *folder, const nd_train_report *r) {
  g_autofree char *line = g_strdup_printf(
      "%" G_GUINT64_FORMAT ",%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.4f,%.4f,%" G_GUINT64_FORMAT ",%.8g\n",
      r->step, r->loss, r->restoration, r->diffusion, r->positive, r->negative, r->alpha, r->gradient_norm,
      r->images_per_second, r->wait_share, r->skipped, r->learning_rate);
  nd_scalar scalars[] = {{"loss/total", r->loss},
                         {"loss/restoration", r->restoration},
                         {"loss/diffusion", r->diffusion},
                         {"loss/positive", r->positive},
                         {"loss/negative", r->negative},
                         {"training/alpha", r->alpha},
                         {"training/gradient_norm", r->gradient_norm},
                         {"training/learning_rate", r->learning_rate},
                         {"training/skipped", (double)r->skipped},
                         {"speed/images_per_second", r->images_per_second},
                         {"speed/wait_share", r->wait_share}};
  return append(folder, ND_LOG_CSV, LOG_HEAD, line) ||
                 nd_events_scalars(folder, r->step, scalars, G_N_ELEMENTS(scalars))
             ? -1
             : 0;
}

static int keep_crop(const char *folder, uint64_t step, int i, const nd_image *crop) {
  g_autofree char *name = g_strdup_printf(ND_CROP_NAME, i), *path = g_build_filename(folder, name, NULL),
                  *tag = g_strdup_printf("validation/%d", i);
  void *png;
  size_t size;
  if (nd_image_encode(crop, ".png", NULL, &png, &size))
    return -1;
  int failed = nd_file_write_atomic(path, png, size) || nd_events_picture(folder, step, tag, crop, png, size);
  g_free(png);
  return failed;
}

int nd_journal_validation(const char *folder, uint64_t step, const nd_validation *v) {
  g_autofree char *line =
      g_strdup_printf("%" G_GUINT64_FORMAT ",%.6f,%.8f,%d\n", step, v->psnr, v->ssim, v->pictures);
  nd_scalar scalars[] = {{"validation/psnr", v->psnr}, {"validation/ssim", v->ssim}};
  int failed = append(folder, ND_VALIDATION_CSV, VALIDATION_HEAD, line) ||
               nd_events_scalars(folder, step, scalars, G_N_ELEMENTS(scalars));
  for (int i = 0; i < v->crop_count; i++)
    failed = failed || keep_crop(folder, step, i, &v->crops[i]);
  return failed ? -1 : 0;
}

void nd_journal_each(const char *folder, const char *name, int wanted, nd_journal_line fn, void *context) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (int i = 1; lines[i] && *lines[i]; i++) {
    g_auto(GStrv) cells = g_strsplit(lines[i], ",", -1);
    if ((int)g_strv_length(cells) < wanted)
      continue;
    double x[ND_LOGGED_COLUMNS]; /* validation.csv has fewer */
    for (int k = 0; k < wanted && k < (int)G_N_ELEMENTS(x); k++)
      x[k] = g_ascii_strtod(cells[k], NULL);
    fn(x, context);
  }
}

/* The head may have been written by an older version, and the last line by a process that did not get to its
 * end. */
static int rewind_file(const char *folder, const char *name, const char *head, uint64_t step) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return 0;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autoptr(GString) kept = g_string_new(head);
  for (int i = 1; lines[0] && lines[i] && lines[i + 1]; i++)
    if (g_ascii_strtoull(lines[i], NULL, 10) <= step)
      g_string_append_printf(kept, "%s\n", lines[i]);
  return nd_file_write_atomic(path, kept->str, kept->len);
}

int nd_journal_rewind(const char *folder, uint64_t step) {
  return rewind_file(folder, ND_LOG_CSV, LOG_HEAD, step) ||
                 rewind_file(folder, ND_VALIDATION_CSV, VALIDATION_HEAD, step) ||
                 nd_events_rewind(folder, step)
             ? -1
             : 0;
}

typedef struct figures {
  int column;
  double step, best, there; /* there: at that step */
} figures;

static void look_at_figures(const double *x, void *context) {
  figures *f = context;
  f->best = MAX(f->best, x[f->column]);
  if (x[ND_JOURNAL_STEP] == f->step)
    f->there = x[f->column];
}

static figures read_figures(const char *folder, uint64_t step, int by) {
  figures f = {by == ND_RECIPE_SSIM ? ND_VALIDATED_SSIM : ND_VALIDATED_PSNR, (double)step, -INFINITY,
               -INFINITY};
  nd_journal_each(folder, ND_VALIDATION_CSV, ND_VALIDATED_COLUMNS, look_at_figures, &f);
  return f;
}

double nd_journal_best(const char *folder, int by) {
  return read_figures(folder, 0, by).best;
}

double nd_journal_figure(const char *folder, uint64_t step, int by) {
  return read_figures(folder, step, by).there;
}

static void keep_last_step(const double *x, void *context) {
  *(double *)context = x[ND_JOURNAL_STEP];
}

bool nd_journal_has_validation(const char *folder, uint64_t step) {
  double last = -1;
  nd_journal_each(folder, ND_VALIDATION_CSV, ND_VALIDATED_COLUMNS, keep_last_step, &last);
  return last >= (double)step;
}

/* ---- The curve: validation PSNR where there is one, else the restoration loss ---- */
/* Where all steps of a line were skipped there is nothing to draw. */
static void collect(const double *x, void *context) {
  nd_points *p = context;
  if (!isfinite(x[p->column]))
    return;
  g_array_append_val(p->x, x[ND_JOURNAL_STEP]);
  g_array_append_val(p->y, x[p->column]);
}

nd_points nd_journal_points(const char *folder, const char *file, int columns, int column) {
  nd_points p = {g_array_new(FALSE, FALSE, sizeof(double)), g_array_new(FALSE, FALSE, sizeof(double)),
                 column};
  nd_journal_each(folder, file, columns, collect, &p);
  return p;
}

void nd_points_free(nd_points *p) {
  g_array_free(p->x, TRUE);
  g_array_free(p->y, TRUE);
}

int nd_journal_curve(const char *folder) {
  nd_points psnr = nd_journal_points(folder, ND_VALIDATION_CSV, ND_VALIDATED_COLUMNS, ND_VALIDATED_PSNR),
            loss = nd_journal_points(folder, ND_LOG_CSV, ND_LOGGED_ALWAYS, ND_LOGGED_RESTORATION);
  bool validated = psnr.x->len > 0;
  const nd_points *shown = validated ? &psnr : &loss;
  int failed = 0;
  if (shown->x->len) {
    nd_plot_series series = {.name = validated ? "validation" : "restoration loss",
                             .x = (const double *)(void *)shown->x->data,
                             .y = (const double *)(void *)shown->y->data,
                             .count = shown->x->len};
    nd_plot plot = {.title = "Training",
                    .x_label = "step",
                    .y_label = validated ? "PSNR (dB)" : "restoration loss",
                    .series = &series,
                    .series_count = 1,
                    .log_y = !validated};
    g_autofree char *svg = nd_plot_svg(&plot), *path = g_build_filename(folder, "curve.svg", NULL);
    failed = !svg || nd_file_write_atomic(path, svg, strlen(svg));
  }
  nd_points_free(&psnr);
  nd_points_free(&loss);
  return failed ? -1 : 0;
}
