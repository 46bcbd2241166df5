/* noiseda probe: what a trained diffusion network does: its error against the corruption of its condition, as
 * a table and a plot; or where its loss pushes the restored real photos. */
#include "cli/cli.h"
#include "data/data.h"
#include "image/image.h"
#include "image/plot.h"
#include "train/train.h"

#include <stdio.h>
#include <string.h>

enum { SIGMAS = 9 }; /* 0, 10, .. 80 of 255 */

typedef struct study {
  int pictures, patch_size, draws;
  gint64 seed;
  gboolean overwrite;
  const char *folder, *plot;
  nd_pair_source photos;
} study;

/* The middle patch of each picture. */
static int load_patches(const study *s, float *clean) {
  nd_set f;
  if (nd_set_open(s->folder, &f))
    return -1;
  int failed = 0;
  for (int i = 0; i < s->pictures && !failed; i++) {
    nd_image image;
    size_t index = (size_t)i * f.count / (size_t)s->pictures;
    if (nd_set_load(&f, index, &image)) {
      failed = -1;
      break;
    }
    int p = s->patch_size, y = (image.height - p) / 2, x = (image.width - p) / 2;
    if (y < 0 || x < 0)
      failed = nd_fail("'%s' is smaller than a patch of %d pixels; use --patch-size", f.at[index].label, p);
    for (int row = 0; row < p && !failed; row++)
      memcpy(clean + ((size_t)i * (size_t)p + (size_t)row) * (size_t)p * 3,
             image.data + ((size_t)(y + row) * (size_t)image.width + (size_t)x) * 3,
             (size_t)p * 3 * sizeof *clean);
    nd_image_free(&image);
  }
  nd_set_free(&f);
  return failed;
}

static int draw(const study *s, const double *sigma, const double *error) {
  nd_plot_series series = {.name = "noise-prediction error", .x = sigma, .y = error, .count = SIGMAS};
  nd_plot plot = {.title = "Diffusion error against the corruption of the condition",
                  .x_label = "sigma of the condition's noise (of 255)",
                  .y_label = "mean squared error",
                  .series = &series,
                  .series_count = 1};
  g_autofree char *svg = nd_plot_svg(&plot);
  return svg ? nd_file_write_atomic(s->plot, svg, strlen(svg)) : -1;
}

static int measure(const study *s, nd_trained *t, nd_predictor *p, const float *clean) {
  nd_schedule *schedule;
  const nd_recipe *r = &t->recipe;
  if (nd_recipe_schedule(r, &schedule))
    return -1;
  double sigma[SIGMAS], error[SIGMAS];
  int failed = 0;
  printf("sigma  error\n");
  for (int i = 0; i < SIGMAS && !failed; i++) {
    sigma[i] = 10 * i;
    failed = nd_probe(p, schedule, clean, sigma[i] / 255, s->draws, nd_recipe_levels(r), (uint64_t)s->seed,
                      &error[i]);
    printf("%5.0f  %.6f\n", sigma[i], error[i]);
    fflush(stdout);
  }
  nd_schedule_free(schedule);
  return failed || (s->plot && draw(s, sigma, error)) ? -1 : 0;
}

/* ---- Where the loss pushes ---- */
/* By bands of the noise level, from the least noise to the most. */
static int directions(const study *s, nd_trained *t) {
  static const double bounds[] = {0, 0.05, 0.1, 0.2, 0.4, 0.7, 1};
  int levels = t->recipe.schedule.steps, failed = 0;
  printf("levels      cosine with truth   real's share   slope    error\n");
  for (size_t i = 0; i + 1 < G_N_ELEMENTS(bounds) && !failed; i++) {
    int from = MAX(1, (int)(bounds[i] * levels)), to = MAX(from, (int)(bounds[i + 1] * levels) - 1);
    nd_direction_found d;
    failed = nd_direction(t, &s->photos, (nd_levels){from, to, 1}, s->draws, (uint64_t)s->seed, &d);
    if (!failed)
      printf("%4d-%-4d   %7s +- %.4f   %12s   %6.3f   %.6f\n", from, to, nd_fixed(d.cosine, 4).text,
             2 * d.error, nd_fixed(d.real_share, 2).text, d.slope, d.loss);
    fflush(stdout);
  }
  return failed;
}

/* ---- The error against the corruption ---- */
static int probe_errors(const study *s, nd_trained *t) {
  nd_predictor *p = NULL;
  float *clean = nd_mem_alloc(
      (size_t)s->pictures * (size_t)s->patch_size * (size_t)s->patch_size * 3 * sizeof *clean, "patches");
  int failed = !clean || load_patches(s, clean);
  if (!failed)
    failed = nd_predictor_new(t->diffusion, t->params, ND_SCOPE_DIFFUSION, t->values, s->pictures,
                              s->patch_size, s->patch_size, &p) ||
             measure(s, t, p, clean);
  nd_predictor_free(p);
  nd_mem_free(clean);
  return failed;
}

static int check_plot(const study *s) {
  if (!s->plot || g_str_has_suffix(s->plot, ".svg"))
    return 0;
  return nd_fail("cannot write '%s': the curve is drawn as SVG; let its name end in .svg", s->plot);
}

static int probe(const study *s, const char *run) {
  nd_trained *t;
  if (nd_cli_check_file(s->plot, s->overwrite) || check_plot(s) || nd_trained_load(run, &t))
    return -1;
  int failed =
      nd_trained_check_diffusion(t, run) ? -1 : (s->photos.input_dir ? directions(s, t) : probe_errors(s, t));
  nd_trained_free(t);
  return failed;
}

static int run(int argc, char **argv) {
  study s = {.pictures = 8, .patch_size = 128, .draws = 16, .seed = 1};
  g_autofree char *checkpoint = NULL, *folder = NULL, *plot = NULL, *real = NULL, *right = NULL,
                  *target = NULL;
  const GOptionEntry entries[] = {
      {"run", 'r', 0, G_OPTION_ARG_FILENAME, &checkpoint, "a run folder or a checkpoint", "RUN"},
      {"clean", 'c', 0, G_OPTION_ARG_FILENAME, &folder, "a set of clean photographs", "SET"},
      {"real", 0, 0, G_OPTION_ARG_FILENAME, &real,
       "a set of degraded photographs whose clean partners are known", "SET"},
      {"right", 0, 0, G_OPTION_ARG_FILENAME, &right,
       "the right views of real's left ones, of a dual-pixel sensor", "SET"},
      {"target", 'g', 0, G_OPTION_ARG_FILENAME, &target, "the set of those partners, under the same names",
       "SET"},
      {"truth", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &target, NULL, NULL}, /* its name before */
      {"plot", 'o', 0, G_OPTION_ARG_FILENAME, &plot, "draw the curve into this SVG", "FILE.svg"},
      {"pictures", 0, 0, G_OPTION_ARG_INT, &s.pictures, "how many (default 8)", "N"},
      {"patch-size", 0, 0, G_OPTION_ARG_INT, &s.patch_size, "side of the patches (default 128)", "N"},
      {"patch", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &s.patch_size, NULL, NULL}, /* its name before */
      {"draws", 0, 0, G_OPTION_ARG_INT, &s.draws,
       "draws of noise and level a picture, or batches a band (default 16)", "N"},
      {"seed", 0, 0, G_OPTION_ARG_INT64, &s.seed, "of the draws (default 1)", "N"},
      ND_CLI_OVERWRITE(&s.overwrite),
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "--run RUN --clean SET  |  --run RUN --real SET --target SET",
          "The diffusion network's noise-prediction error as its condition is corrupted with "
          "Gaussian noise of "
          "sigma 0 to 80/255: the observation that the method starts from. With --real and --target instead, "
          "where "
          "the diffusion loss pushes the restored real photos: the cosine with the way to the truth, "
          "the real condition's share of the gradient, and how steep it is, an L1 loss being 1."))
    return ND_EXIT_USAGE;
  if (!checkpoint || !folder == !(real && target) || !real != !target || (right && !real) || argc != 1)
    return nd_cli_wrong("--run RUN and either --clean SET or --real SET with --target SET are needed");
  if (s.pictures < 1 || s.patch_size < 8 || s.draws < 1)
    return nd_cli_wrong("--pictures and --draws go from 1, --patch-size from 8");
  if (plot && real)
    return nd_cli_wrong("-o draws the curve of --clean; there is none of --real");
  s.folder = folder;
  s.plot = plot;
  s.photos = (nd_pair_source){.input_dir = real, .target_dir = target, .right_dir = right};
  return probe(&s, checkpoint) ? nd_cli_failed() : ND_EXIT_DONE;
}

const nd_command nd_cmd_probe = {"probe", "the diffusion error against the corruption of its condition", run};
