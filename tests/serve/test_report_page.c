/* The report of a run in a browser: its curves are large enough to be read. Skipped where there is no
 * Chromium. */
#include "browser.h"
#include "train/train.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void put(const char *folder, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Of a run with all seven curves; its address. */
static char *write_report(const char *folder) {
  put(folder, "recipe.yaml", "mode: source\ndata: {clean: x, degradation: {kind: gaussian}}\n");
  put(folder, ND_LOG_CSV,
      "step,loss,restoration,diffusion,positive,negative,alpha,gradient_norm,images_per_second,wait_share,"
      "skipped,learning_rate\n1,.5,.4,.1,.1,.2,.2,3,9,0,0,1e-4\n2,.4,.3,.1,.1,.2,.2,2,9,0,0,5e-5\n");
  put(folder, ND_VALIDATION_CSV, "step,psnr,ssim,pictures\n1,28,.8,3\n2,29,.9,3\n");
  g_autofree char *page = nd_train_report_page(folder), *path = g_build_filename(folder, "report.html", NULL);
  if (!page)
    fail_msg("%s", nd_error());
  put(folder, "report.html", page);
  return g_strconcat("file://", path, NULL);
}

static void remove_all(const char *folder) {
  static const char *const names[] = {"recipe.yaml", ND_LOG_CSV, ND_VALIDATION_CSV, "report.html"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(folder, names[i], NULL);
    g_unlink(path);
  }
  g_rmdir(folder);
}

static void curves_can_be_read(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("report-XXXXXX", NULL), *address = write_report(folder);
  browser *b = browser_open(address);
  if (b) {
    browser_expect(b, "document.querySelectorAll('svg').length >= 7", "true");
    browser_expect(
        b, "[...document.querySelectorAll('svg')].every((x) => x.getBoundingClientRect().width > 400)",
        "true");
    browser_size(b, 500, 800);
    browser_expect(
        b, "[...document.querySelectorAll('svg')].every((x) => x.getBoundingClientRect().right <= 500)",
        "true");
    browser_close(b);
  }
  remove_all(folder);
  if (!b) {
    g_free(address), g_free(folder), address = folder = NULL; /* skip does not return */
    skip();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(curves_can_be_read)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
