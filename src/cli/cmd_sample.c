/* noiseda sample: what the diffusion network makes of two conditions, from pure noise. */
#include "cli/cli.h"
#include "image/image.h"
#include "train/train.h"

#include <stdio.h>

typedef struct request {
  char *run, *first, *second, *out;
  int steps;
  gint64 seed;
  gboolean overwrite;
} request;

/* The two conditions on channels, cropped to what the network takes. */
static int stack(const nd_image *a, const nd_image *b, int height, int width, float *condition) {
  if (a->width != b->width || a->height != b->height)
    return nd_fail("the conditions differ in size: %d x %d and %d x %d", a->width, a->height, b->width,
                   b->height);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int k = 0; k < 6; k++) {
        const nd_image *from = k < 3 ? a : b;
        condition[((size_t)y * (size_t)width + (size_t)x) * 6 + (size_t)k] =
            from->data[((size_t)y * (size_t)from->width + (size_t)x) * 3 + (size_t)(k % 3)];
      }
  return 0;
}

static void print_step(int step, int steps, void *context) {
  (void)context;
  if (step % 10 == 0 || step == steps)
    fprintf(stderr, "step %d/%d\n", step, steps);
}

static int sample_into(const request *q, nd_trained *t, const nd_image *a, const nd_image *b, nd_image *out) {
  const nd_recipe *r = &t->recipe;
  nd_predictor *p = NULL;
  nd_schedule *schedule = NULL;
  float *condition =
      nd_mem_alloc((size_t)out->height * (size_t)out->width * 6 * sizeof *condition, "conditions");
  int failed = !condition || stack(a, b, out->height, out->width, condition) ||
               nd_schedule_new(nd_recipe_word(r, "schedule.kind"), r->schedule.steps, r->schedule.beta_start,
                               r->schedule.beta_end, &schedule) ||
               nd_predictor_new(t->diffusion, t->params, ND_SCOPE_DIFFUSION, t->values, 1, out->height,
                                out->width, &p) ||
               nd_sample(p, schedule, q->steps, condition, (uint64_t)q->seed, out->data, print_step, NULL);
  nd_predictor_free(p);
  nd_schedule_free(schedule);
  nd_mem_free(condition);
  return failed ? -1 : 0;
}

static int sample(const request *q, nd_trained *t) {
  nd_image a, b = {0}, out = {0};
  if (nd_trained_check_diffusion(t, q->run) || nd_image_load_rgb(q->first, &a))
    return -1;
  int multiple = nd_net_multiple(t->diffusion), h = a.height / multiple * multiple,
      w = a.width / multiple * multiple;
  int failed = nd_image_load_rgb(q->second ? q->second : q->first, &b);
  if (!failed && (!h || !w))
    failed = nd_fail("'%s' is smaller than the %d pixels that the network needs", q->first, multiple);
  failed = failed || nd_image_new(w, h, 3, &out) || sample_into(q, t, &a, &b, &out) ||
           nd_image_save(q->out, &out, NULL);
  nd_image_free(&a);
  nd_image_free(&b);
  nd_image_free(&out);
  return failed ? -1 : 0;
}

/* Before minutes of sampling. */
static int check_output(const request *q) {
  g_autofree char *out = nd_cli_identity(q->out), *first = nd_cli_identity(q->first),
                  *second = q->second ? nd_cli_identity(q->second) : NULL;
  if (nd_image_check_name(q->out))
    return -1;
  if (out && (!g_strcmp0(out, first) || !g_strcmp0(out, second)))
    return nd_fail("'%s' is a condition; -o names another file", q->out);
  return 0;
}

static int run(int argc, char **argv) {
  request q = {.steps = 100, .seed = 1};
  const GOptionEntry entries[] = {
      {"run", 'r', 0, G_OPTION_ARG_FILENAME, &q.run, "a run folder or a checkpoint", "RUN"},
      {"condition", 'c', 0, G_OPTION_ARG_FILENAME, &q.first, "the first condition, a picture", "FILE"},
      {"second", 0, 0, G_OPTION_ARG_FILENAME, &q.second, "the second condition (default: the first again)",
       "FILE"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &q.out, "the sample", "FILE"},
      {"steps", 0, 0, G_OPTION_ARG_INT, &q.steps, "reverse steps (default 100)", "N"},
      {"seed", 0, 0, G_OPTION_ARG_INT64, &q.seed, "of the draws (default 1)", "N"},
      ND_CLI_OVERWRITE(&q.overwrite),
      {0}};
  int status = ND_EXIT_USAGE;
  nd_trained *t = NULL;
  if (nd_cli_parse(
          &argc, &argv, entries, "--run RUN --condition FILE -o FILE",
          "Runs the diffusion network's reverse process from pure noise, conditioned on two pictures.")) {
    if (!q.run || !q.first || !q.out || argc != 1)
      nd_cli_wrong("--run RUN, --condition FILE and -o FILE are needed");
    else if (check_output(&q))
      nd_cli_wrong("%s", nd_error());
    else
      status = nd_cli_check_file(q.out, q.overwrite) || nd_trained_load(q.run, &t) || sample(&q, t)
                   ? nd_cli_failed()
                   : ND_EXIT_DONE;
  }
  nd_trained_free(t);
  g_free(q.run);
  g_free(q.first);
  g_free(q.second);
  g_free(q.out);
  return status;
}

const nd_command nd_cmd_sample = {"sample", "the diffusion network's own reverse process", run};
