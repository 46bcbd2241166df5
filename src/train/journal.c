/* What a run writes down: log.csv, validation.csv and the curve drawn from them. */
#include "image/plot.h"
#include "train/trainer-private.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

static const char LOG_HEAD[] = "step,loss,restoration,diffusion,positive,negative,alpha,gradient_norm,"
                               "images_per_second,wait_share\n";
static const char VALIDATION_HEAD[] = "step,psnr,ssim,pictures\n";

static int append(const char *folder, const char *name, const char *head, const char *line) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  bool fresh = !g_file_test(path, G_FILE_TEST_EXISTS);
  FILE *f = fopen(path, "a");
  if (!f)
    return nd_fail("cannot write '%s': %s", path, strerror(errno));
  bool failed = (fresh && fputs(head, f) < 0) || fputs(line, f) < 0;
  if (fclose(f) || failed)
    return nd_fail("cannot write '%s': %s", path, strerror(errno));
  return 0;
}

int nd_journal_report(const char *folder, const nd_train_report *r) {
  g_autofree char *line =
      g_strdup_printf("%" G_GUINT64_FORMAT ",%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.4f,%.4f\n", r->step,
                      r->loss, r->restoration, r->diffusion, r->positive, r->negative, r->alpha,
                      r->gradient_norm, r->images_per_second, r->wait_share);
  return append(folder, "log.csv", LOG_HEAD, line);
}

int nd_journal_validation(const char *folder, uint64_t step, const nd_validation *v) {
  g_autofree char *line =
      g_strdup_printf("%" G_GUINT64_FORMAT ",%.6f,%.8f,%d\n", step, v->psnr, v->ssim, v->pictures);
  return append(folder, "validation.csv", VALIDATION_HEAD, line);
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
    double x[16];
    for (int k = 0; k < wanted && k < (int)G_N_ELEMENTS(x); k++)
      x[k] = g_ascii_strtod(cells[k], NULL);
    fn(x, context);
  }
}

static int rewind_file(const char *folder, const char *name, uint64_t step) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return 0;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autoptr(GString) kept = g_string_new(NULL);
  for (int i = 0; lines[i] && *lines[i]; i++)
    if (i == 0 || g_ascii_strtoull(lines[i], NULL, 10) <= step)
      g_string_append_printf(kept, "%s\n", lines[i]);
  return nd_file_write_atomic(path, kept->str, kept->len);
}

int nd_journal_rewind(const char *folder, uint64_t step) {
  return rewind_file(folder, "log.csv", step) || rewind_file(folder, "validation.csv", step) ? -1 : 0;
}

static void keep_best(const double *x, void *context) {
  double *best = context;
  *best = MAX(*best, x[1]);
}

double nd_journal_best(const char *folder) {
  double best = -1;
  nd_journal_each(folder, "validation.csv", 4, keep_best, &best);
  return best;
}

/* ---- The curve: validation PSNR where there is one, else the restoration loss ---- */
typedef struct points {
  GArray *x, *y;
  int column;
} points;

static void collect(const double *x, void *context) {
  points *p = context;
  g_array_append_val(p->x, x[0]);
  g_array_append_val(p->y, x[p->column]);
}

static points points_of(const char *folder, const char *file, int columns, int column) {
  points p = {g_array_new(FALSE, FALSE, sizeof(double)), g_array_new(FALSE, FALSE, sizeof(double)), column};
  nd_journal_each(folder, file, columns, collect, &p);
  return p;
}

static void points_free(points *p) {
  g_array_free(p->x, TRUE);
  g_array_free(p->y, TRUE);
}

int nd_journal_curve(const char *folder) {
  points psnr = points_of(folder, "validation.csv", 4, 1), loss = points_of(folder, "log.csv", 10, 2);
  bool validated = psnr.x->len > 0;
  const points *shown = validated ? &psnr : &loss;
  int failed = 0;
  if (shown->x->len) {
    nd_plot_series series = {.name = validated ? "validation" : "restoration loss",
                             .x = (const double *)(void *)shown->x->data,
                             .y = (const double *)(void *)shown->y->data,
                             .count = shown->x->len};
    nd_plot plot = {.title = "Training",
                    .x_label = "step",
                    .y_label = validated ? "PSNR (dB)" : "Charbonnier loss",
                    .series = &series,
                    .series_count = 1,
                    .log_y = !validated};
    g_autofree char *svg = nd_plot_svg(&plot), *path = g_build_filename(folder, "curve.svg", NULL);
    failed = !svg || nd_file_write_atomic(path, svg, strlen(svg));
  }
  points_free(&psnr);
  points_free(&loss);
  return failed ? -1 : 0;
}
