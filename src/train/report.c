/* A run as one HTML page. */
#include "image/page.h"
#include "image/plot.h"
#include "train/trainer-private.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *file, *title;
  int columns, column;
  bool log_y;
} curves[] = {{ND_VALIDATION_CSV, "validation PSNR (dB)", ND_VALIDATED_COLUMNS, ND_VALIDATED_PSNR, false},
              {ND_VALIDATION_CSV, "validation SSIM", ND_VALIDATED_COLUMNS, ND_VALIDATED_SSIM, false},
              {ND_LOG_CSV, "loss", ND_LOGGED_ALWAYS, ND_LOGGED_LOSS, true},
              {ND_LOG_CSV, "restoration loss", ND_LOGGED_ALWAYS, ND_LOGGED_RESTORATION, true},
              {ND_LOG_CSV, "diffusion loss", ND_LOGGED_ALWAYS, ND_LOGGED_DIFFUSION, true},
              {ND_LOG_CSV, "norm of the gradient", ND_LOGGED_ALWAYS, ND_LOGGED_GRADIENT_NORM, true},
              {ND_LOG_CSV, "learning rate", ND_LOGGED_COLUMNS, ND_LOGGED_LEARNING_RATE, false},
              {ND_LOG_CSV, "share of time waiting for data", ND_LOGGED_ALWAYS, ND_LOGGED_WAIT_SHARE, false}};

static void append_curves(GString *page, const char *folder) {
  g_string_append(page, "<h2>Curves</h2>\n<div class=\"row\">\n");
  for (size_t i = 0; i < G_N_ELEMENTS(curves); i++) {
    nd_points p = nd_journal_points(folder, curves[i].file, curves[i].columns, curves[i].column);
    nd_plot_series series = {.name = curves[i].title,
                             .x = (const double *)(void *)p.x->data,
                             .y = (const double *)(void *)p.y->data,
                             .count = p.x->len};
    nd_plot plot = {.title = curves[i].title,
                    .x_label = "step",
                    .y_label = curves[i].title,
                    .series = &series,
                    .series_count = 1,
                    .log_y = curves[i].log_y};
    g_autofree char *svg = p.x->len ? nd_plot_svg(&plot) : NULL; /* a run need not have all of them */
    if (svg)
      g_string_append_printf(page, "<figure class=\"curve\">%s</figure>\n", svg);
    nd_points_free(&p);
  }
  g_string_append(page, "</div>\n");
}

/* ---- Figures ---- */
typedef struct figures {
  double steps, skipped, loss;                   /* as last logged */
  double psnr, ssim, step, best, best_at, count; /* of validations: the last, the best */
} figures;

static void look_at_log(const double *x, void *context) {
  figures *f = context;
  f->steps = x[ND_JOURNAL_STEP], f->loss = x[ND_LOGGED_LOSS], f->skipped = x[ND_LOGGED_SKIPPED];
}

static void look_at_validation(const double *x, void *context) {
  figures *f = context;
  f->step = x[ND_JOURNAL_STEP], f->psnr = x[ND_VALIDATED_PSNR], f->ssim = x[ND_VALIDATED_SSIM];
  f->count++;
  if (f->count <= 1 || f->psnr > f->best)
    f->best = f->psnr, f->best_at = f->step;
}

static void append_figures(GString *page, const char *folder, const nd_recipe *r) {
  figures f = {0};
  nd_journal_each(folder, ND_LOG_CSV, ND_LOGGED_SKIPPED + 1, look_at_log, &f);
  nd_journal_each(folder, ND_VALIDATION_CSV, ND_VALIDATED_COLUMNS, look_at_validation, &f);
  g_string_append_printf(page,
                         "<h2>Figures</h2>\n" ND_PAGE_TABLE
                         "<tr><td>steps logged</td><td>%.0f of %" G_GINT64_FORMAT
                         "</td></tr>\n<tr><td>skipped, not being finite</td><td>%.0f</td></tr>\n",
                         f.steps, r->training.steps, f.skipped);
  if (f.steps > 0 && isfinite(f.loss))
    g_string_append_printf(page, "<tr><td>last loss</td><td>%.5g</td></tr>\n", f.loss);
  if (f.count > 0)
    g_string_append_printf(page,
                           "<tr><td>last validation, step %.0f</td><td>%.3f dB, SSIM %.4f</td></tr>\n"
                           "<tr><td>best PSNR, step %.0f</td><td>%.3f dB</td></tr>\n",
                           f.step, f.psnr, f.ssim, f.best_at, f.best);
  g_string_append(page, ND_PAGE_TABLE_END);
}

/* ---- Crops ---- */
static int append_crops(GString *page, const char *folder) {
  for (int i = 0; i < ND_CROPS; i++) {
    g_autofree char *name = g_strdup_printf(ND_CROP_NAME, i), *path = g_build_filename(folder, name, NULL);
    nd_image image;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
      continue;
    if (nd_image_load(path, &image))
      return -1;
    g_string_append_printf(page, "%s<div class=\"row\">\n", i ? "" : "<h2>Last validation</h2>\n");
    int failed = nd_page_figure(page, &image, "input, restored, target");
    nd_image_free(&image);
    g_string_append(page, "</div>\n");
    if (failed)
      return -1;
  }
  return 0;
}

static void append_recipe(GString *page, const nd_recipe *r) {
  g_autofree char *text = nd_recipe_print(r);
  g_string_append(page, "<h2>Recipe</h2>\n<pre>");
  nd_page_text(page, text);
  g_string_append(page, "</pre>\n");
}

char *nd_train_report_page(const char *folder) {
  nd_recipe r;
  if (nd_train_recipe_of(folder, NULL, &r)) {
    nd_recipe_clear(&r);
    return NULL;
  }
  g_autofree char *name = g_path_get_basename(folder), *title = g_strdup_printf("noiseda: %s", name);
  GString *page = nd_page_new(title);
  append_figures(page, folder, &r);
  append_curves(page, folder);
  int failed = append_crops(page, folder);
  append_recipe(page, &r);
  nd_recipe_clear(&r);
  char *text = nd_page_end(page);
  if (!failed)
    return text;
  g_free(text);
  return NULL;
}
